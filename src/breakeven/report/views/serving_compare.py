"""Models and GPUs side by side: cost and speed at the promise made, and the frontier of cost against
latency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from breakeven.report.figures import Lines, Series, verbatim
from breakeven.report.view_model import Column, Envelope, Label, Table, Value, View
from breakeven.report.views.serving_cost import cost_of_mix
from breakeven.report.views.serving_figures import (
    BOUND_WORDS,
    cells,
    interval_columns,
    layout_label,
    significant,
)
from breakeven.serving.frontier import TPOT_MS, cheapest
from breakeven.serving.served import Served

Floats = NDArray[np.float64]
_BEST = {
    "yes": Label("best", "最佳"),
    "": Label("", ""),
    "no_price": Label("no price: give --gpu-price", "无价格：请用 --gpu-price 给出"),
}
_FIGURES = (
    "value", "low", "high", "uncached_input", "cached_input", "output", "tokens_per_second_per_gpu",
    "tpot_ms", "ttft_ms", "layout", "bound", "gpus", "cost_per_hour",
)  # fmt: skip
_SECONDS_PER_HOUR = 3_600
_MONEY_DIGITS = 9
"""Of a bill, which is GPUs times a price: nothing in it is modelled but the count."""
_PER_MTOK = 1e6


@dataclass(frozen=True)
class Compared:
    """One model on one GPU. `served` is None where no layout keeps the promise or the model does not fit,
    with the reason; `price_per_gpu_hour` is None where no price is known. `frontier_gpu_seconds` of a request
    at each of `TPOT_MS`.
    """

    model: str
    gpu: str
    served: Served | None
    reason: Label | None
    price_per_gpu_hour: float | None
    frontier_gpu_seconds: Floats
    tokens_per_request: float

    @property
    def name(self) -> str:
        """As tables name it."""
        return f"{self.model} · {self.gpu}"

    @property
    def cost_per_hour(self) -> float | None:
        """The bill: GPUs of the whole replicas that the traffic's rate needs, times their price. None without
        a rate, a price or an answer.
        """
        if self.served is None or self.served.gpus is None or self.price_per_gpu_hour is None:
            return None
        return self.served.gpus * self.price_per_gpu_hour

    @property
    def frontier_cost(self) -> Floats:
        """Money per million tokens of the mix at each of `TPOT_MS`; NaN without a price."""
        price = np.nan if self.price_per_gpu_hour is None else self.price_per_gpu_hour
        return self.frontier_gpu_seconds * (price / _SECONDS_PER_HOUR / self.tokens_per_request * _PER_MTOK)


def serving_compare_view(compared: Sequence[Compared], currency: str, envelope: Envelope) -> View:
    """All combinations at the promise made, the cheapest marked, and what each costs at other promises."""
    title = Label("Models and GPUs compared", "模型与显卡对比")
    tables = [_table(compared, currency), frontier_table(compared, currency)]
    refused = [one for one in compared if one.reason is not None]
    if refused:
        tables.append(_refused_table(refused))
    best = _best(compared)
    facts: dict[str, Value] = {"best": None if best is None else best.name}
    return View("serving_compare", title, envelope, tuple(tables), facts=facts)


def frontier_figure(compared: Sequence[Compared], currency: str, tpot_ms: Sequence[float] = TPOT_MS) -> Lines:
    """The frontier as a chart: cost of the mix by promised time per token, one line for each combination.

    `tpot_ms` are the promises that `frontier_gpu_seconds` is at.
    """
    return Lines(
        "serving_frontier",
        Label("Cost against speed promised", "成本与承诺速度"),
        f"{currency}/Mtok",
        tuple(verbatim(f"{each:g}") for each in tpot_ms),
        tuple(
            Series(
                one.name, verbatim(one.name), tuple(significant(float(cost)) for cost in one.frontier_cost)
            )
            for one in compared
            if one.price_per_gpu_hour is not None
        ),
        note=Label(
            "Modelled. A gap: no layout is as fast as that.", "模型推算。空缺表示没有布局能达到该速度。"
        ),
        category_axis=Label("Time per token promised, ms", "承诺的后续每词元时间（TPOT，毫秒）"),
        value_axis=Label("Cost", "成本"),
    )


def frontier_table(compared: Sequence[Compared], currency: str) -> Table:
    """What the mix costs at each promise, and the cheapest."""
    costs = {one.name: one.frontier_cost for one in compared}
    best = cheapest(costs)
    rows: list[dict[str, Value]] = [
        {
            "tpot_ms": significant(promise),
            **{
                f"cost_{number}": significant(float(cost[place]))
                for number, cost in enumerate(costs.values())
            },
            "cheapest": best[place],
        }
        for place, promise in enumerate(TPOT_MS)
    ]
    columns = (
        Column(
            "tpot_ms", Label("Time per token promised, ms", "承诺的后续每词元时间（TPOT，毫秒）"), "count"
        ),
        *(Column(f"cost_{number}", verbatim(name), f"{currency}/Mtok") for number, name in enumerate(costs)),
        Column("cheapest", Label("Cheapest", "最省")),
    )
    rate = Label(
        " At any rate: layouts whose replicas are full. For the rate asked, the table above takes the fewest "
        "GPUs in whole replicas, which may be another layout and cost more for each token.",
        "按任意速率、副本满载计；上表则按所问速率取整副本卡数最少的布局，布局可能不同，每词元成本可能更高。",
    )
    said = rate if _has_rate(compared) else Label("", "")
    note = Label(
        "Cost of a million tokens of this mix with the best layout at each promise. No value: no layout is "
        f"as fast, or the GPU has no price.{said.en}",
        "为各承诺下采用最佳布局时，每百万词元（按此流量构成）的成本。"
        f"无数值：没有布局达到该速度，或该显卡没有价格。{said.zh}",
    )
    return Table("frontier", Label("Cost against latency", "成本与延迟前沿"), columns, tuple(rows), note)


def _best(compared: Sequence[Compared]) -> Compared | None:
    priced = [one for one in compared if one.served is not None and one.price_per_gpu_hour is not None]
    return min(priced, key=_dearness, default=None)


def _dearness(one: Compared) -> tuple[float, float]:
    """The bill where the traffic has a rate, then the cost of the mix."""
    if one.served is None or one.price_per_gpu_hour is None:
        return float("inf"), float("inf")
    return one.cost_per_hour or 0.0, cost_of_mix(one.served, one.price_per_gpu_hour).value


def _has_rate(compared: Sequence[Compared]) -> bool:
    return any(one.served is not None and one.served.gpus is not None for one in compared)


def _table(compared: Sequence[Compared], currency: str) -> Table:
    best = _best(compared)
    rows = [_row(one, is_best=one is best) for one in sorted(compared, key=_dearness)]
    unit = f"{currency}/Mtok"
    layouts = {one.served.layout: layout_label(one.served.layout) for one in compared if one.served}
    columns = (
        Column("model", Label("Model", "模型")),
        Column("gpu", Label("GPU", "显卡")),
        Column("best", Label("", ""), words=_BEST),
        Column("value", Label("Cost of the mix", "按流量构成的成本"), unit),
        *interval_columns(unit),
        Column("uncached_input", Label("Input, computed", "输入（未命中缓存）"), unit),
        Column("cached_input", Label("Input, cached", "输入（命中缓存）"), unit),
        Column("output", Label("Output", "输出"), unit),
        Column("tokens_per_second_per_gpu", Label("Output per second and GPU", "每卡每秒输出"), "count"),
        Column("tpot_ms", Label("Time per token, ms", "后续每词元时间（TPOT，毫秒）"), "count"),
        Column("ttft_ms", Label("First token, ms", "首词元时间（TTFT，毫秒）"), "count"),
        Column("layout", Label("Layout", "并行布局"), words=layouts),
        Column("bound", Label("Most time goes into", "主要耗时"), words=dict(BOUND_WORDS)),
        Column("gpus", Label("GPUs", "卡数"), "count"),
        Column("cost_per_hour", Label("Bill an hour", "每小时账单"), currency),
    )
    note = (
        Label(
            "At the promise made. Ordered by the bill an hour: GPUs for the rate, in whole replicas. Costs "
            "of tokens are of GPUs as busy as the promise allows.",
            "按所作承诺。按每小时账单排序：满足请求速率的卡数（整副本）× 卡时价格。"
            "词元成本按承诺所允许的最高负载计。",
        )
        if _has_rate(compared)
        else Label(
            "At the promise made, GPUs as busy as it allows. No cost: the GPU has no price.",
            "按所作承诺、以其允许的最高负载计。没有成本：该显卡没有价格。",
        )
    )
    return Table("compared", Label("At the promise made", "按所作承诺"), columns, tuple(rows), note)


def _row(one: Compared, *, is_best: bool) -> dict[str, Value]:
    mark = "no_price" if one.price_per_gpu_hour is None else "yes" if is_best else ""
    named: dict[str, Value] = {"model": one.model, "gpu": one.gpu, "best": mark}
    row = named | dict.fromkeys(_FIGURES)
    served = one.served
    if served is None:
        return row
    if one.price_per_gpu_hour is not None:
        cost = served.work.cost_per_mtok(one.price_per_gpu_hour)
        row |= {
            **cells(cost_of_mix(served, one.price_per_gpu_hour)),
            "uncached_input": significant(cost.uncached_input_per_mtok.value),
            "cached_input": significant(cost.cached_input_per_mtok.value),
            "output": significant(cost.output_per_mtok.value),
        }
    return row | {
        "tokens_per_second_per_gpu": significant(served.tokens_per_second_per_gpu.value),
        "tpot_ms": significant(served.tpot_seconds.value * 1_000),
        "ttft_ms": significant(served.ttft_seconds.value * 1_000),
        "layout": served.layout,
        "bound": served.bound,
        "gpus": served.gpus,
        "cost_per_hour": None if one.cost_per_hour is None else significant(one.cost_per_hour, _MONEY_DIGITS),
    }


def _refused_table(refused: Sequence[Compared]) -> Table:
    words = {one.reason.en: one.reason for one in refused if one.reason is not None}
    rows: list[dict[str, Value]] = [
        {"model": one.model, "gpu": one.gpu, "reason": None if one.reason is None else one.reason.en}
        for one in refused
    ]
    columns = (
        Column("model", Label("Model", "模型")),
        Column("gpu", Label("GPU", "显卡")),
        Column("reason", Label("Because", "原因"), words=words),
    )
    return Table("refused", Label("Not possible as asked", "无法按要求服务"), columns, tuple(rows))
