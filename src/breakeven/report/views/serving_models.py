"""Models as a view: parameters, attention, memory of weights and of context, with where sizes are from."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from breakeven.report.view_model import Column, Envelope, Label, Table, Value, View
from breakeven.serving.architecture import PRECISIONS, Architecture
from breakeven.serving.architecture.storage import PARTS, Part

ATTENTION_WORDS: dict[str, Label] = {
    "full": Label("full", "全量"),
    "window": Label("sliding window", "滑动窗口"),
    "latent": Label("latent (MLA)", "潜在（MLA）"),
    "sparse": Label("sparse (DSA)", "稀疏（DSA）"),
    "linear": Label("linear", "线性"),
}
PART_WORDS: dict[str, Label] = {
    "embedding": Label("embedding", "词嵌入"),
    "attention": Label("attention", "注意力"),
    "indexer": Label("indexer of sparse attention", "稀疏注意力索引器"),
    "dense": Label("dense networks", "稠密前馈网络"),
    "shared_experts": Label("shared experts", "共享专家"),
    "routed_experts": Label("routed experts", "路由专家"),
    "router": Label("router", "路由器"),
    "norms": Label("norms", "归一化"),
    "head": Label("output head", "输出头"),
    "total": Label("total", "合计"),
}
_CONTEXTS = {"8K": 8_192, "128K": 131_072, "1M": 1_048_576}
_MODEL = Column("model", Label("Model", "模型"))
_NOTE = Label(
    "Active: what works on one token, with the output head and without the embedding, which is looked up. "
    "Layers that draft several tokens at once (MTP) and image towers are not counted. KV: bf16, one further "
    "token of a long context. Memory in 10^9 bytes.",
    "激活参数：处理一个词元所用的参数，含输出头，不含只需查表的词嵌入。多词元预测（MTP）层与图像编码器不计。"
    "KV 为 bf16、长上下文中每增加一个词元所占显存。GB 为 10^9 字节。",
)
_KV_NOTE = Label(
    "What one sequence of that length holds: windows are full, states of linear attention are in it.",
    "一条该长度的序列占用的显存：滑动窗口按上限计，含线性注意力的固定状态。",
)
_WEIGHTS_NOTE = Label(
    "Embedding, router, norms and output head stay in bf16. Four-bit checkpoints of models with experts keep "
    "more in bf16; scales are in it.",
    "词嵌入、路由器、归一化与输出头保持 bf16；含专家模型的四比特权重另有部分保持 bf16。已含缩放因子。",
)


def attention_label(model: Architecture) -> Label:
    """Layers by kind of attention: `18 sliding window + 18 full`; only the kind where all are alike."""
    kinds = model.layers_by_attention
    if len(kinds) == 1:
        return ATTENTION_WORDS[next(iter(kinds))]
    return Label(
        " + ".join(f"{layers} {ATTENTION_WORDS[kind].en}" for kind, layers in kinds.items()),
        " + ".join(f"{layers} 层{ATTENTION_WORDS[kind].zh}" for kind, layers in kinds.items()),
    )


def models_view(found: Sequence[Architecture]) -> View:
    """Every model on a line."""
    labels = [attention_label(model) for model in found]
    columns = (
        _MODEL,
        Column("total_parameters", Label("Parameters", "总参数"), "B"),
        Column("active_parameters", Label("Active", "激活参数"), "B"),
        Column("layers", Label("Layers", "层数"), "count"),
        Column("experts", Label("Experts", "专家数"), "count"),
        Column("experts_per_token", Label("per token", "每词元专家"), "count"),
        Column("attention", Label("Attention", "注意力"), words={label.en: label for label in labels}),
        Column("kv_per_token", Label("KV per token", "每词元 KV"), "KiB"),
        Column("state", Label("Fixed state", "固定状态"), "MB"),
        Column("precision", Label("Own precision", "原生精度")),
        Column("weights", Label("Weights", "权重"), "GB"),
    )
    rows: list[dict[str, Value]] = [
        {
            "model": model.name,
            "total_parameters": _rounded(model.total_parameters / 1e9),
            "active_parameters": _rounded(model.active_parameters / 1e9),
            "layers": model.layers,
            "experts": model.experts or None,
            "experts_per_token": model.experts_per_token or None,
            "attention": label.en,
            "kv_per_token": _rounded(model.kv_bytes_per_token("bf16") / 1024),
            "state": _rounded(model.state_bytes / 1e6) if model.state_bytes else None,
            "precision": model.native_precision,
            "weights": _rounded(model.weight_bytes() / 1e9),
        }
        for model, label in zip(found, labels, strict=True)
    ]
    title = Label("Models", "模型")
    table = Table("models", title, columns, tuple(rows), note=_NOTE)
    return View("serving_models", title, _envelope(found), (table,))


def model_view(model: Architecture) -> View:
    """One model: its weights by part and by precision, what contexts hold, and where its sizes are from."""
    title = Label(model.name, model.name)
    tables = (_sizes(model), _parts(model), _weights(model), _contexts(model), _sources(model))
    return View("serving_model", title, _envelope((model,)), tables)


def _sizes(model: Architecture) -> Table:
    label = attention_label(model)
    figures: list[tuple[str, Label, Value, str]] = [
        ("total", Label("Parameters", "总参数"), _rounded(model.total_parameters / 1e9), "B"),
        ("active", Label("Active per token", "每词元激活参数"), _rounded(model.active_parameters / 1e9), "B"),
        ("layers", Label("Layers", "层数"), model.layers, "count"),
        ("width", Label("Hidden size", "隐藏维度"), model.hidden_size, "count"),
        ("vocabulary", Label("Vocabulary", "词表大小"), model.vocabulary_size, "tokens"),
        ("heads", Label("Query heads", "查询头数"), model.heads, "count"),
        ("kv_heads", Label("Heads that the cache divides by", "KV 缓存可切分头数"), model.kv_heads, "count"),
        ("experts", Label("Routed experts in a layer", "每层路由专家"), model.experts or None, "count"),
        ("per_token", Label("of which a token uses", "每词元使用专家"),
         model.experts_per_token or None, "count"),
        ("moe_layers", Label("Layers with experts", "含专家层数"), model.moe_layers or None, "count"),
        ("kv", Label("KV per token, bf16", "每词元 KV（bf16）"),
         _rounded(model.kv_bytes_per_token("bf16") / 1024), "KiB"),
        ("state", Label("Fixed state of a sequence", "每序列固定状态"),
         _rounded(model.state_bytes / 1e6) if model.state_bytes else None, "MB"),
        ("flops", Label("Arithmetic of a token with weights", "每词元权重运算量"),
         _rounded(model.linear_flops() / 1e9), "GFLOP"),
        ("longest", Label("Longest context by config.json", "config.json 所示最长上下文"),
         model.longest_context, "tokens"),
    ]  # fmt: skip
    said = [figure for figure in figures if figure[2] is not None]
    columns = (
        Column("figure", Label("Figure", "参数"), words={key: words for key, words, _, _ in figures}),
        Column("value", Label("Value", "数值"), "count"),
    )
    return Table(
        "sizes",
        Label(f"{model.name}: {label.en} attention", f"{model.name}：{label.zh}注意力"),
        columns,
        tuple({"figure": key, "value": value} for key, _, value, _ in said),
        note=_NOTE,
        row_units=tuple(unit for _, _, _, unit in said),
    )


def _parts(model: Architecture) -> Table:
    stored, parameters = model.weight_bytes_by_part(), model.parameters_by_part
    parts: list[Part] = [part for part in PARTS if parameters[part]]
    rows: list[dict[str, Value]] = [
        {
            "part": part,
            "parameters": _rounded(parameters[part] / 1e9),
            "weights": _rounded(stored[part] / 1e9),
            "share": _rounded(stored[part] / model.weight_bytes(), 6),
        }
        for part in parts
    ]
    rows.append(
        {
            "part": "total",
            "parameters": _rounded(model.total_parameters / 1e9),
            "weights": _rounded(model.weight_bytes() / 1e9),
            "share": Decimal(1),
        }
    )
    columns = (
        Column("part", Label("Part", "部分"), words=PART_WORDS),
        Column("parameters", Label("Parameters", "参数"), "B"),
        Column("weights", Label("Weights as published", "原生精度权重"), "GB"),
        Column("share", Label("Share of memory", "显存占比"), "ratio"),
    )
    return Table(
        "parts", Label("By part", "按部分"), columns, tuple(rows), emphasis=frozenset({len(rows) - 1})
    )


def _weights(model: Architecture) -> Table:
    rows: list[dict[str, Value]] = [
        {
            "precision": precision,
            "weights": _rounded(model.weight_bytes(precision) / 1e9),
            **{
                f"step_{tokens}": _rounded(float(model.touched_weight_bytes(tokens, precision)) / 1e9)
                for tokens in (1, 64)
            },
        }
        for precision in PRECISIONS
    ]
    columns = (
        Column("precision", Label("Precision", "精度")),
        Column("weights", Label("Weights", "权重"), "GB"),
        Column("step_1", Label("read by a step of 1 token", "1 词元步读取"), "GB"),
        Column("step_64", Label("of 64 tokens", "64 词元步读取"), "GB"),
    )
    title = Label("Weights by precision", "各精度权重")
    return Table("weights", title, columns, tuple(rows), note=_WEIGHTS_NOTE)


def _contexts(model: Architecture) -> Table:
    rows: list[dict[str, Value]] = [
        {
            "kv": kv,
            **{f"kv_{size}": _rounded(float(model.kv_bytes(size, kv)) / 1e9) for size in _CONTEXTS.values()},
        }
        for kv in PRECISIONS
    ]
    columns = (
        Column("kv", Label("KV precision", "KV 精度")),
        *(
            Column(f"kv_{size}", Label(f"{name} tokens", f"{name} 词元"), "GB")
            for name, size in _CONTEXTS.items()
        ),
    )
    return Table(
        "contexts", Label("Memory of one sequence", "单条序列显存"), columns, tuple(rows), note=_KV_NOTE
    )


def _sources(model: Architecture) -> Table:
    said: list[tuple[str, Label, str]] = [
        ("names", Label("Answers to", "可用名称"), ", ".join((model.name, *model.aliases))),
        ("source", Label("Source", "出处"), model.source),
        ("as_of", Label("As of", "日期"), model.as_of),
    ]
    if model.published is not None:
        active = model.published.active_parameters
        sizes = f"{model.published.total_parameters / 1e9:g} B"
        sizes += f", {active / 1e9:g} B active" if active is not None else ""
        said.append(("published", Label("Published size", "公布规模"), f"{sizes} ({model.published.source})"))
    notes = (*model.notes, *model.assumed)
    said += [("note", Label("Note", "说明"), note.en) for note in notes]
    columns = (
        Column("about", Label("About", "项目"), words={key: words for key, words, _ in said}),
        Column("text", Label("Text", "内容"), words={note.en: Label(note.en, note.zh) for note in notes}),
    )
    rows: list[dict[str, Value]] = [{"about": key, "text": text} for key, _, text in said if text]
    return Table("about", Label("Where it is from", "出处"), columns, tuple(rows))


def _rounded(value: float, digits: int = 4) -> Decimal:
    """A float as a view holds it: no more digits than a source has."""
    return Decimal(repr(round(value, digits)))


def _envelope(found: Sequence[Architecture]) -> Envelope:
    return Envelope("", max((model.as_of for model in found), default=""), time_zone="UTC", currency="")
