"""API, rented, owned or on premises: a month by volume, which is cheapest, and where the order changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from breakeven.report.view_model import Column, Envelope, Label, Table, Value, View
from breakeven.report.views.serving_assumptions import Assumption, assumptions_table
from breakeven.report.views.serving_figures import interval_columns, significant
from breakeven.serving.buy_or_rent import (
    BreakEven,
    Option,
    Way,
    at_volume,
    break_even,
    cheapest,
)
from breakeven.serving.class_work import TOKENS_PER_MTOK
from breakeven.serving.nodes import NodeFleet

WAY_WORDS: dict[str, Label] = {
    "api": Label("API", "调用 API"),
    "on_demand": Label("rented on demand", "按需租用"),
    "reserved": Label("rented, reserved", "预留租用"),
    "owned": Label("owned, in somebody's hall", "自有，托管机房"),
    "on_premises": Label("owned, on premises", "自有，自建机房"),
}
_NEVER = Label("at no volume looked at", "所考察的请求量内都不会")
_ALWAYS_ORDER = "never"


@dataclass(frozen=True)
class Compared:
    """What the view shows. `fleets` are at the middle, the low and the high bound of the work."""

    model: str
    gpu: str
    currency: str
    options: Sequence[Option]
    fleets: tuple[NodeFleet, NodeFleet, NodeFleet]
    layout: str
    volume: float
    tokens_per_request: float
    assumptions: Sequence[Assumption]
    left_out: Sequence[tuple[Way, Label]] = ()


def buy_or_rent_view(found: Compared, envelope: Envelope) -> View:
    """The answer for one model, GPU, traffic and volume."""
    title = Label(
        f"Buy or rent: {found.model} on {found.gpu}", f"自建还是租用：{found.gpu} 上的 {found.model}"
    )
    tables = [_month(found), _volumes(found), _break_evens(found)]
    if found.left_out:
        tables.append(_left_out(found))
    tables.append(assumptions_table(found.assumptions))
    winners = [cheapest(found.options, found.volume, fleet) for fleet in found.fleets]
    facts: dict[str, Value] = {
        "requests_per_month": significant(found.volume),
        "cheapest": winners[0],
        "cheapest_if_work_is_cheap": winners[1],
        "cheapest_if_work_is_dear": winners[2],
        "gpus": found.fleets[0].gpus(found.volume),
        "useful_gpus": found.fleets[0].useful_gpus(found.volume),
        "layout": found.layout,
        "utilisation": significant(found.fleets[0].utilisation(found.volume)),
    }
    return View("serving_buy_or_rent", title, envelope, tuple(tables), facts=facts)


def _month(found: Compared) -> Table:
    middle, low, high = found.fleets
    best = cheapest(found.options, found.volume, middle)
    mtok = found.volume * found.tokens_per_request / TOKENS_PER_MTOK
    rows: list[dict[str, Value]] = []
    for option in found.options:
        cost, cheap, dear = (at_volume(option, found.volume, fleet) for fleet in (middle, low, high))
        rows.append(
            {
                "way": option.way,
                "value": significant(cost.cost, 6),
                "low": significant(cheap.cost, 6),
                "high": significant(dear.cost, 6),
                "fixed": significant(cost.fixed, 6),
                "variable": significant(cost.variable, 6),
                "per_mtok": significant(cost.cost / mtok),
            }
        )
    used = middle.utilisation(found.volume)
    gpus, useful = middle.gpus(found.volume), middle.useful_gpus(found.volume)
    many = [fleet.gpus(found.volume) for fleet in (low, high)]
    in_node = middle.gpus_per_node
    return Table(
        "month",
        Label(f"A month of {found.volume:,.0f} requests", f"每月 {found.volume:,.0f} 次请求"),
        (
            Column("way", Label("Way", "方式"), words=WAY_WORDS),
            Column("value", Label("Cost", "成本"), found.currency),
            *interval_columns(found.currency),
            Column("fixed", Label("Of it, whatever the volume", "其中固定部分"), found.currency),
            Column("variable", Label("Of it, with the volume", "其中随量部分"), found.currency),
            Column("per_mtok", Label("A million tokens", "每百万词元"), f"{found.currency}/Mtok"),
        ),
        tuple(rows),
        emphasis=frozenset(index for index, option in enumerate(found.options) if option.way == best),
        note=Label(
            f"The fleet for the busiest hour with its spare: {gpus:,} GPUs in nodes of {in_node} "
            f"(80 % interval: {many[0]:,} to {many[1]:,}), of which replicas use {useful:,}, "
            f"by {found.layout}; {used:.0%} of all their hours serve. "
            "Fixed is the smallest fleet; the rest comes in whole nodes.",
            f"按最忙小时并含备用：{gpus:,} 卡，每节点 {in_node} 卡（80 % 区间：{many[0]:,} 至 {many[1]:,}），"
            f"其中副本使用 {useful:,} 卡，布局为 {found.layout}；利用率 {used:.0%}。"
            "固定部分为最小机群，其余以整节点增加。",
        ),
    )


def _volumes(found: Compared) -> Table:
    multiples = (0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)
    fleet = found.fleets[0]
    rows: list[dict[str, Value]] = []
    for multiple in multiples:
        volume = found.volume * multiple
        costs = {
            option.way: significant(at_volume(option, volume, fleet).cost, 6) for option in found.options
        }
        rows.append(
            {
                "volume": significant(volume),
                "gpus": fleet.gpus(volume),
                "utilisation": significant(fleet.utilisation(volume)),
                **costs,
                "cheapest": cheapest(found.options, volume, fleet),
            }
        )
    return Table(
        "by_volume",
        Label("By volume", "按请求量"),
        (
            Column("volume", Label("Requests a month", "每月请求量"), "requests"),
            Column("gpus", Label("GPUs", "卡数"), "count"),
            Column("utilisation", Label("Their utilisation", "利用率"), "ratio"),
            *(Column(option.way, WAY_WORDS[option.way], found.currency) for option in found.options),
            Column("cheapest", Label("Cheapest", "最省"), words=WAY_WORDS),
        ),
        tuple(rows),
        emphasis=frozenset({multiples.index(1.0)}),
    )


def _break_evens(found: Compared) -> Table:
    rows: list[dict[str, Value]] = []
    options = list(found.options)
    for index, one in enumerate(options):
        for other in options[index + 1 :]:
            middle, low, high = (break_even(one, other, fleet) for fleet in found.fleets)
            rows.append(
                {
                    "first": middle.first,
                    "then": middle.then,
                    "value": _volume(middle.from_volume),
                    "low": _like(low, middle),
                    "high": _like(high, middle),
                    "for_good": _volume(middle.for_good_volume),
                    "verdict": _ALWAYS_ORDER if middle.from_volume is None else None,
                }
            )
    # The dearer the work, the later own GPUs pay: the bounds are in the order of volumes.
    for row in rows:
        bounds = [row["low"], row["high"]]
        known = sorted(bound for bound in bounds if bound is not None and not isinstance(bound, str))
        if len(known) == len(bounds):
            row["low"], row["high"] = known
    return Table(
        "break_even",
        Label("From which volume the order changes", "盈亏平衡请求量"),
        (
            Column("first", Label("Cheaper at small volumes", "量小时较省"), words=WAY_WORDS),
            Column("then", Label("Then cheaper", "之后较省"), words=WAY_WORDS),
            Column("value", Label("From requests a month", "起始每月请求量"), "requests"),
            *interval_columns("requests"),
            Column("for_good", Label("And always from", "此后始终较省"), "requests"),
            Column("verdict", Label("Else", "否则"), words={_ALWAYS_ORDER: _NEVER}),
        ),
        tuple(rows),
        note=Label(
            "Whole nodes make stairs, so an order can change more than once before it holds. No value of an "
            "interval: at that bound the order does not change.",
            "整节点使成本呈阶梯状，因此次序可能多次交替后才稳定。区间无数值：在该界上次序不变。",
        ),
    )


def _like(bound: BreakEven, middle: BreakEven) -> Value:
    """The same change of order at a bound of the work; None where it does not come."""
    return _volume(bound.from_volume) if (bound.first, bound.then) == (middle.first, middle.then) else None


def _volume(volume: float | None) -> Value:
    return None if volume is None else significant(volume)


def _left_out(found: Compared) -> Table:
    return Table(
        "left_out",
        Label("Not compared", "未比较"),
        (
            Column("way", Label("Way", "方式"), words=WAY_WORDS),
            Column("why", Label("Why", "原因"), words={why.en: why for _, why in found.left_out}),
        ),
        tuple({"way": way, "why": why.en} for way, why in found.left_out),
    )
