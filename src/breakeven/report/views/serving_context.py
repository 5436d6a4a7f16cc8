"""One long prompt as a view: what it costs computed and cached, what it holds, and whom it keeps waiting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from breakeven.errors import UsageError
from breakeven.report.phrases import failure_in_chinese
from breakeven.report.view_model import Column, Envelope, Label, Table, Value, View, Warning  # noqa: A004
from breakeven.report.views.serving_calibration import calibration_unused
from breakeven.report.views.serving_cost import PriceShown
from breakeven.report.views.serving_figures import NOVELTY_WORDS, cells, interval_columns, significant
from breakeven.report.views.serving_models import attention_label
from breakeven.serving.class_work import SECONDS_PER_HOUR
from breakeven.serving.deployment import Deployment
from breakeven.serving.estimate import Estimate
from breakeven.serving.long_context import LongContext, LongPrompt
from breakeven.serving.target import Derate, Target

_LONGEST_MEASURED = 15_000
"""Input of the longest prompts among the measured points that constants are fitted on."""
_COST_NOTE = Label(
    "Cost of one request. Prefill: GPU time until the first token. Answer: what the GPUs would have done for "
    "others while it answers. Cached: all but the end of the prompt is in a prefix cache, and is read back.",
    "单次请求成本。预填充：到首词元为止的 GPU 时间。回答：回答期间这些 GPU 本可为其他请求完成的工作。"
    "命中缓存：除末尾外提示均在前缀缓存中，只需读回。",
)
_HELD_NOTE = Label(
    "Least GPUs: the smallest replica that holds weights and this cache. Beside it: requests of usual length "
    "that run at once, as memory and the time promised per token allow.",
    "最少卡数：能容纳权重与该缓存的最小副本。并发（batch）：在显存与后续每词元时间承诺下可同时运行的普通请求数。",
)


@dataclass(frozen=True)
class ContextRow:
    """One prompt on one model, GPU and cache precision: what was found, or why there is nothing."""

    deployment: Deployment
    prompt: LongPrompt
    price_per_gpu_hour: float
    found: LongContext | None
    refusal: UsageError | None = None

    def money(self, gpu_seconds: Estimate) -> Estimate:
        """What so many GPU-seconds cost."""
        return gpu_seconds * (self.price_per_gpu_hour / SECONDS_PER_HOUR)


@dataclass(frozen=True)
class Basis:
    """What the whole table stands on. `tokens_per_character` is None where lengths were given in tokens."""

    prices: tuple[tuple[str, PriceShown], ...]
    prompt: LongPrompt
    target: Target
    derate: Derate
    load_bytes_per_second: float
    tokens_per_character: float | None


def serving_context_view(rows: Sequence[ContextRow], basis: Basis, envelope: Envelope) -> View:
    """The table of costs, what each prompt holds, and what all stands on."""
    title = Label("The price of a long prompt", "长上下文的价格")
    head = Envelope(
        envelope.books,
        envelope.as_of,
        envelope.time_zone,
        envelope.currency,
        warnings=(*envelope.warnings, *_warnings(rows)),
    )
    tables = (_costs(rows, envelope.currency), _held(rows), _basis(basis))
    return View("serving_context", title, head, tables)


def _key_columns(rows: Sequence[ContextRow]) -> tuple[Column, ...]:
    labels = [attention_label(row.deployment.architecture) for row in rows]
    gpus = {row.deployment.accelerator.name for row in rows}
    return (
        Column("model", Label("Model", "模型")),
        Column("attention", Label("Attention", "注意力"), words={label.en: label for label in labels}),
        *((Column("gpu", Label("GPU", "显卡")),) if len(gpus) > 1 else ()),
        Column("tokens", Label("Prompt", "提示"), "tokens"),
        Column("kv", Label("KV precision", "KV 精度")),
    )


def _keys(row: ContextRow) -> dict[str, Value]:
    return {
        "model": row.deployment.architecture.name,
        "attention": attention_label(row.deployment.architecture).en,
        "gpu": row.deployment.accelerator.name,
        "tokens": round(row.prompt.tokens),
        "kv": row.deployment.kv_precision,
    }


def _costs(rows: Sequence[ContextRow], currency: str) -> Table:
    columns = (
        *_key_columns(rows),
        Column("cost", Label("Cost", "成本"), f"{currency}/request"),
        *interval_columns(f"{currency}/request"),
        Column("prefill", Label("of which prefill", "其中预填充"), f"{currency}/request"),
        Column("answer", Label("answer", "回答"), f"{currency}/request"),
        Column("cached", Label("Cost if cached", "命中缓存的成本"), f"{currency}/request"),
        Column("per_mtok", Label("Cost per prompt token", "按提示词元"), f"{currency}/Mtok"),
    )
    lines: list[dict[str, Value]] = []
    for row in rows:
        found, line = row.found, _keys(row)
        if found is not None:
            cost = row.money(found.gpu_seconds)
            line |= cells(cost, "cost") | {
                "prefill": significant(row.money(found.prefill_gpu_seconds).value),
                "answer": significant(row.money(found.decode_gpu_seconds).value),
                "cached": significant(row.money(found.cached_gpu_seconds).value),
                "per_mtok": significant(cost.value / row.prompt.tokens * 1e6),
            }
        else:
            line |= dict.fromkeys(("cost", "low", "high", "prefill", "answer", "cached", "per_mtok"))
        lines.append(line)
    title = Label("Cost of one request", "单次请求成本")
    return Table("context_cost", title, columns, tuple(lines), note=_COST_NOTE)


def _held(rows: Sequence[ContextRow]) -> Table:
    columns = (
        *_key_columns(rows),
        Column("kv_memory", Label("KV memory", "KV 显存"), "GB"),
        Column("least_gpus", Label("Least GPUs", "最少卡数"), "count"),
        Column("layout", Label("Layout", "布局")),
        Column("first_token_seconds", Label("First token, s", "首词元时间（TTFT，秒）"), "count"),
        Column("cached_first_token_seconds", Label("if cached, s", "命中缓存时（秒）"), "count"),
        Column("per_token_ms", Label("Answer per token, ms", "后续每词元时间（TPOT，毫秒）"), "count"),
        Column("attention_share", Label("Attention in prefill", "预填充中注意力"), "ratio"),
        Column("batch", Label("Others without it", "无此请求时并发（batch）"), "count"),
        Column("beside", Label("beside it", "有此请求时并发（batch）"), "count"),
        Column("blocked", Label("places taken", "占用位置"), "ratio"),
    )
    lines: list[dict[str, Value]] = []
    for row in rows:
        found, architecture = row.found, row.deployment.architecture
        held = float(architecture.kv_bytes(row.prompt.longest_context, row.deployment.kv_precision))
        line = _keys(row) | {"kv_memory": significant(held / 1e9)}
        if found is not None:
            line |= {
                "least_gpus": found.least_gpus,
                "layout": str(found.layout),
                "first_token_seconds": significant(found.prefill_seconds.value, 3),
                "cached_first_token_seconds": significant(found.cached_prefill_seconds.value, 3),
                "per_token_ms": significant(found.step_seconds.value * 1e3, 3),
                "attention_share": significant(found.attention_share, 3),
                "batch": significant(found.usual_batch, 3),
                "beside": significant(found.batch_beside, 3),
                "blocked": significant(found.blocked_share, 3),
            }
        else:
            line |= {column.key: None for column in columns if column.key not in line}
        lines.append(line)
    title = Label("What it holds and whom it displaces", "占用与挤占")
    return Table("context_held", title, columns, tuple(lines), note=_HELD_NOTE)


def _basis(basis: Basis) -> Table:
    said: list[tuple[str, Label, Label]] = [
        (f"price_{name}", Label(f"GPU-hour of {name}", f"{name} 每卡时"), price.said)
        for name, price in basis.prices
    ]
    if basis.tokens_per_character is not None:
        ratio = f"{basis.tokens_per_character:g}"
        said.append(
            (
                "characters",
                Label("Tokens per character", "每字符词元"),
                Label(
                    f"{ratio}, assumed: tokenizers differ; count a text of yours",
                    f"{ratio}（假设）：各分词器不同，请用自己的文本核对",
                ),
            )
        )
    milliseconds, prompt = basis.target.tpot_seconds * 1e3, basis.prompt
    load = basis.load_bytes_per_second / 1e9
    derate = f"{basis.derate.prefill:g}, {basis.derate.decode:g}"
    said += [
        ("output", Label("Answer", "回答"),
         Label(f"{prompt.output_tokens:,.0f} tokens", f"{prompt.output_tokens:,.0f} 词元")),
        ("end", Label("End of the prompt", "提示末尾"),
         Label(f"{prompt.end_tokens:,.0f} tokens, computed in any case",
               f"{prompt.end_tokens:,.0f} 词元，总是计算")),
        ("usual", Label("Others", "其他请求"),
         Label(f"{prompt.usual_tokens:,.0f} tokens of context, {milliseconds:,.3g} ms per token promised",
               f"上下文 {prompt.usual_tokens:,.0f} 词元，承诺后续每词元时间 {milliseconds:,.3g} 毫秒")),
        ("load", Label("Reading a cache back", "读回缓存"),
         Label(f"{load:g} GB/s for each GPU, assumed: PCIe 5.0 x16 carries 63",
               f"每卡 {load:g} GB/s（假设；PCIe 5.0 x16 为 63）")),
        ("derate", Label("Production over benchmark", "生产折减系数"),
         Label(f"{derate} (prefill, decode)", f"{derate}（预填充、解码）")),
    ]  # fmt: skip
    columns = (
        Column("figure", Label("Figure", "项目"), words={key: label for key, label, _ in said}),
        Column("text", Label("Value", "数值"), words={text.en: text for _, _, text in said}),
    )
    lines: list[dict[str, Value]] = [{"figure": key, "text": text.en} for key, _, text in said]
    return Table("context_basis", Label("What this stands on", "依据与假设"), columns, tuple(lines))


def _warnings(rows: Sequence[ContextRow]) -> tuple[Warning, ...]:
    found: dict[str, Warning] = {}
    for row in rows:
        architecture, prompt = row.deployment.architecture, row.prompt
        name = architecture.name
        if row.refusal is not None:
            said = str(row.refusal)
            found[said] = Warning("too_long", Label(said, failure_in_chinese(row.refusal)))
        longest = architecture.longest_context
        if longest is not None and prompt.tokens > longest:
            found[f"{name} positions"] = Warning(
                "beyond_positions",
                Label(
                    f"{name} was made for {longest:,} tokens: beyond them this prices arithmetic and memory, "
                    "not the quality of the answer",
                    f"{name} 支持的上下文为 {longest:,} 词元：超出部分只计运算与显存，不代表回答质量",
                ),
            )
        held, deployment = row.deployment.constants.offsets, row.deployment
        if held and deployment.offset is None:
            asked = name, deployment.accelerator.name, deployment.engine, deployment.precision
            found[f"{name} {deployment.accelerator.name} calibration"] = calibration_unused(asked, held)
        if row.deployment.novelty in ("new_model", "new_gpu", "new_both"):
            words, gpu = NOVELTY_WORDS[row.deployment.novelty], row.deployment.accelerator.name
            found[f"{name} {gpu}"] = Warning(
                "not_measured", Label(f"{name} on {gpu}: {words.en}", f"{name} 在 {gpu} 上：{words.zh}")
            )
    if any(row.prompt.tokens > _LONGEST_MEASURED for row in rows):
        found["beyond measured"] = Warning(
            "beyond_measured",
            Label(
                f"measured prompts reach {_LONGEST_MEASURED:,} tokens: longer ones follow the same formulas, "
                "and their intervals do not widen for it",
                f"实测提示最长 {_LONGEST_MEASURED:,} 词元：更长者按同一公式外推，区间未因此加宽",
            ),
        )
    return tuple(found.values())
