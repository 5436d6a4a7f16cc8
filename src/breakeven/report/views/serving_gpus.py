"""Accelerators as a view: what each can do and what it costs, with who published it and when."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from breakeven.report.view_model import Column, Envelope, Label, Table, Value, View
from breakeven.serving.architecture.precision import PRECISIONS, Precision
from breakeven.serving.hardware import Accelerator

PRICE_UNIT = "GPU-hour"
COMMITMENT_WORDS: dict[str, Label] = {
    "on_demand": Label("on demand", "按需"),
    "reserved": Label("reserved", "预留"),
    "spot": Label("spot", "竞价"),
    "owned": Label("owned", "自有"),
}
_STATISTIC_WORDS: dict[str, Label] = {
    "quoted": Label("quoted", "报价"),
    "median": Label("median of providers", "各家中位数"),
    "lowest": Label("lowest of providers", "各家最低"),
    "highest": Label("highest of providers", "各家最高"),
    "modelled": Label("a model's figure", "模型推算"),
    "assumed": Label("assumed", "假设"),
}
_GENERATION_WORDS: dict[str, Label] = {
    "ampere": Label("Ampere", "Ampere（安培）"),
    "ada": Label("Ada", "Ada"),
    "hopper": Label("Hopper", "Hopper"),
    "blackwell": Label("Blackwell", "Blackwell"),
    "ascend": Label("Ascend", "昇腾"),
    "other": Label("other", "其他"),
}
_FIGURES: dict[str, tuple[Label, str, float]] = {
    **{name: (Label(f"Peak {name}, dense", f"{name} 稠密峰值"), "TFLOPS", 1e12) for name in PRECISIONS},
    "memory": (Label("Memory", "显存"), "GB", 1e9),
    "bandwidth": (Label("Memory bandwidth", "显存带宽"), "TB/s", 1e12),
    "link": (Label("Scale-up link, one direction", "卡间互联（单向）"), "GB/s", 1e9),
    "link_domain": (Label("GPUs that share it", "互联域内卡数"), "count", 1),
    "network": (Label("Network per GPU, one direction", "每卡网络（单向）"), "GB/s", 1e9),
    "power": (Label("Power of the GPU", "单卡功耗"), "W", 1),
    "all_in_power": (Label("Power with its share of the server", "含服务器分摊功耗"), "W", 1),
}
_LISTED = ("bf16", "fp8", "fp4", "memory", "bandwidth", "link", "link_domain", "power")
_GPU = Column("gpu", Label("GPU", "显卡"))
_NOTE = Label(
    "Dense peaks: half of what vendors print 'with sparsity'. No value: the hardware cannot calculate in "
    "that precision, and weights in it run as bf16. Memory in 10^9 bytes, as the driver reports it.",
    "峰值均为稠密值，即厂商“含稀疏”标称的一半。无数值表示硬件不支持以该精度计算，此精度的权重按 bf16 运算。"
    "显存按驱动报告值，单位为 10^9 字节。",
)
_PRICE_NOTE = Label(
    "Prices per GPU-hour in the currency they were published in. A GPU without a row has no published price "
    "that we know of; that is not zero.",
    "价格按每卡时计，币种为公布时的币种。没有列出的显卡是未找到公开价格，并不是零。",
)


def gpus_view(found: Sequence[Accelerator]) -> View:
    """Every accelerator, and every price that was published for one."""
    columns = (
        _GPU,
        Column("generation", Label("Generation", "代际"), words=_GENERATION_WORDS),
        *(Column(name, _FIGURES[name][0], _FIGURES[name][1]) for name in _LISTED),
    )
    rows = [
        {"gpu": one.name, "generation": one.generation, **{name: _figure(one, name) for name in _LISTED}}
        for one in found
    ]
    title = Label("Accelerators", "加速卡")
    table = Table("gpus", title, columns, tuple(rows), note=_NOTE)
    return View("serving_gpus", title, _envelope(found), (table, _prices(found)))


def gpu_view(one: Accelerator) -> View:
    """One accelerator in detail."""
    names = [name for name in _FIGURES if _figure(one, name) is not None]
    property_words = {name: _FIGURES[name][0] for name in names} | {"purchase": Label("To buy", "购买价")}
    rows: list[dict[str, Value]] = [{"property": name, "value": _figure(one, name)} for name in names]
    units = [_FIGURES[name][1] for name in names]
    if one.purchase is not None:
        rows.append({"property": "purchase", "value": one.purchase.amount})
        units.append(f"{one.purchase.currency}/GPU")
    columns = (
        Column("property", Label("Figure", "参数"), words=property_words),
        Column("value", Label("Value", "数值"), "count"),
    )
    title = Label(one.title, one.title)
    detail = Table("gpu", title, columns, tuple(rows), note=_NOTE, row_units=tuple(units))
    about = [
        ("names", ", ".join((one.name, *one.aliases))),
        ("generation", one.generation),
        ("source", one.source),
        ("as_of", one.as_of),
        ("note", one.note),
        ("purchase_source", f"{one.purchase.source}, {one.purchase.as_of}" if one.purchase else ""),
    ]
    words = {
        "names": Label("Answers to", "可用名称"),
        "generation": Label("Generation", "代际"),
        "source": Label("Source", "出处"),
        "as_of": Label("As of", "日期"),
        "note": Label("Note", "说明"),
        "purchase_source": Label("Source of the price to buy", "购买价出处"),
    }
    text_words = _GENERATION_WORDS | {one.note: Label(one.note, one.note_zh)}
    sources = Table(
        "about",
        Label("Where it is from", "出处"),
        (
            Column("about", Label("About", "项目"), words=words),
            Column("text", Label("Text", "内容"), words=text_words),
        ),
        tuple({"about": key, "text": text} for key, text in about if text),
    )
    return View("serving_gpus", title, _envelope((one,)), (detail, sources, _prices((one,))))


def _figure(one: Accelerator, name: str) -> Value:
    values: dict[str, float | None] = {
        "memory": one.memory_bytes,
        "bandwidth": one.bandwidth_bytes_per_second,
        "link": one.link_bytes_per_second,
        "link_domain": one.link_domain_gpus,
        "network": one.network_bytes_per_second,
        "power": one.power_watts,
        "all_in_power": one.all_in_watts,
    }
    value = values[name] if name in values else one.peak_flops.get(_precision(name))
    if value is None:
        return None
    return Decimal(repr(round(value / _FIGURES[name][2], 4))).normalize() + 0


def _precision(name: str) -> Precision:
    return next(precision for precision in PRECISIONS if precision == name)


def _prices(found: Sequence[Accelerator]) -> Table:
    priced = [(one, price) for one in found for price in one.prices]
    notes = {price.note: Label(price.note, price.note_zh) for _, price in priced}
    columns = (
        _GPU,
        Column("commitment", Label("Commitment", "承诺方式"), words=COMMITMENT_WORDS),
        Column("statistic", Label("Kind of figure", "数字性质"), words=_STATISTIC_WORDS),
        Column("amount", Label("Price", "价格"), "count"),
        Column("as_of", Label("As of", "日期")),
        Column("source", Label("Source", "出处")),
        Column("note", Label("Note", "说明"), words=notes),
    )
    rows: list[dict[str, Value]] = [
        {
            "gpu": one.name,
            "commitment": price.commitment,
            "statistic": price.statistic,
            "amount": price.amount,
            "as_of": price.as_of,
            "source": price.source,
            "note": price.note or None,
        }
        for one, price in priced
    ]
    return Table(
        "gpu_prices",
        Label("Published prices of a GPU-hour", "每卡时公开价格"),
        columns,
        tuple(rows),
        note=_PRICE_NOTE,
        row_units=tuple(f"{price.currency}/{PRICE_UNIT}" for _, price in priced),
    )


def _envelope(found: Sequence[Accelerator]) -> Envelope:
    return Envelope("", max((one.as_of for one in found), default=""), time_zone="UTC", currency="")
