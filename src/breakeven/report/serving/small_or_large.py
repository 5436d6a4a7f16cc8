"""What moving requests from a large model to a small one saves and loses, of what was asked."""

from __future__ import annotations

from typing import Literal

from breakeven.report.serving.asked import Asked, envelope_of_today, warnings_of
from breakeven.report.serving.gpu_hour_price import GpuHourPrice
from breakeven.report.serving.published_use import PEAK_SOURCE, PUBLISHED_PEAK
from breakeven.report.view_model import Label, Value, View
from breakeven.report.views.serving_assumptions import ASSUMED, GIVEN, Assumption
from breakeven.report.views.serving_figures import significant
from breakeven.report.views.serving_small_or_large import Weighed, small_or_large_view
from breakeven.serving.request_classes import Kinds
from breakeven.serving.served import Served
from breakeven.serving.small_or_large import Fleet, Replica, RequestClass


def small_or_large_answer(
    asked: Asked, kinds: Kinds, small: str, large: str, *, spare: int = 1, peak: float = PUBLISHED_PEAK
) -> View:
    """The best share of each kind of request on the small model, and what it saves and loses.

    `spare` replicas of each model stand by; `peak` is the busiest hour over the mean.
    """
    price = asked.price()
    served = {name: asked.served(name, traffic=kinds.traffic) for name in (small, large)}
    fleet = Fleet(
        kinds.requests_per_month,
        price.per_gpu_hour,
        Replica(served[small].gpus_per_replica, spare),
        Replica(served[large].gpus_per_replica, spare),
        peak,
    )
    weighed = Weighed(
        served[small].model,
        served[large].model,
        served[large].gpu,
        price.currency,
        (
            _classes(kinds, served[small], served[large], "value"),
            _classes(kinds, served[small], served[large], "low"),
            _classes(kinds, served[small], served[large], "high"),
        ),
        fleet,
        _assumptions(price, fleet, kinds, served[small], served[large]),
    )
    warnings = warnings_of([served[small], served[large]])
    return small_or_large_view(weighed, envelope_of_today(price.currency, warnings))


def _classes(
    kinds: Kinds, small: Served, large: Served, bound: Literal["value", "low", "high"]
) -> list[RequestClass]:
    """The classes with GPU-seconds on either model, at the work per token of the whole mix."""

    def seconds(served: Served, uncached: float, cached: float, output: float) -> float:
        work = served.work
        return (
            getattr(work.uncached_input, bound) * uncached
            + getattr(work.cached_input, bound) * cached
            + getattr(work.output, bound) * output
        )

    found: list[RequestClass] = []
    for kind in kinds.kinds:
        cached = kind.input_tokens * kind.cached_share
        tokens = (kind.input_tokens - cached, cached, kind.output_tokens)
        found.append(
            RequestClass(
                kind.name,
                kind.share,
                seconds(small, *tokens),
                seconds(large, *tokens),
                kind.small_quality,
                kind.large_quality,
                kind.value_of_good,
                kind.loss_of_bad,
            )
        )
    return found


def _assumptions(
    price: GpuHourPrice, fleet: Fleet, kinds: Kinds, small: Served, large: Served
) -> list[Assumption]:
    figures: list[tuple[Label, Value, str, Label]] = [
        (
            Label("Price of a GPU-hour", "每卡时价格"),
            significant(price.per_gpu_hour, 6),
            f"{price.currency}/GPU-hour",
            price.said,
        ),
        (Label("Requests a month", "每月请求量"), significant(kinds.requests_per_month), "requests", GIVEN),
        (
            Label("Busiest hour over the mean", "最忙小时相对均值"),
            significant(fleet.peak_over_mean),
            "multiple",
            PEAK_SOURCE if fleet.peak_over_mean == PUBLISHED_PEAK else GIVEN,
        ),
        (Label("Spare replicas of each", "各自备用副本"), fleet.small.spare, "count", ASSUMED),
        (
            Label("GPUs of a small replica", "小模型每副本卡数"),
            fleet.small.gpus,
            "count",
            Label(small.layout, small.layout),
        ),
        (
            Label("GPUs of a large replica", "大模型每副本卡数"),
            fleet.large.gpus,
            "count",
            Label(large.layout, large.layout),
        ),
    ]
    return [Assumption(*figure) for figure in figures]
