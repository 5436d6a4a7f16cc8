"""What moving requests from a large model to a small one saves and loses, of what was asked."""

from __future__ import annotations

from typing import Literal

from breakeven.errors import UsageError
from breakeven.report.serving.asked import Asked, envelope_of_today, warnings_of
from breakeven.report.serving.gpu_hour_price import GpuHourPrice
from breakeven.report.serving.published_use import PEAK_SOURCE, PUBLISHED_PEAK
from breakeven.report.view_model import Label, Value, View
from breakeven.report.view_model import Warning as Said
from breakeven.report.views.serving_assumptions import ASSUMED, GIVEN, Assumption
from breakeven.report.views.serving_figures import significant
from breakeven.report.views.serving_small_or_large import Weighed, small_or_large_view
from breakeven.serving.request_classes import Kinds
from breakeven.serving.served import Served, Work
from breakeven.serving.small_or_large import Fleet, Replica, RequestClass


def small_or_large_answer(
    asked: Asked, kinds: Kinds, small: str, large: str, *, spare: int = 1, peak: float = PUBLISHED_PEAK
) -> View:
    """The best share of each kind of request on the small model, and what it saves and loses.

    `spare` replicas of each model stand by; `peak` is the busiest hour over the mean.
    """
    if asked.architecture(small).name == asked.architecture(large).name:
        raise UsageError(
            "--small and --large are the same model",
            remedy="name two models: what moves must find another one",
        )
    price = asked.price()
    served = {name: asked.served(name, traffic=kinds.traffic) for name in (small, large)}
    fleet = Fleet(
        kinds.requests_per_month,
        price.per_gpu_hour,
        _replicas(served[small], spare),
        _replicas(served[large], spare),
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
    warnings = (*_left_out(kinds), *warnings_of([served[small], served[large]]))
    return small_or_large_view(weighed, envelope_of_today(price.currency, warnings))


def _left_out(kinds: Kinds) -> tuple[Said, ...]:
    """Which classes have no value of a good answer, or no loss of a bad one: these count as nothing."""
    said: list[Said] = []
    for name, words in _AMOUNT_WORDS.items():
        which = [kind.name for kind in kinds.kinds if name in kind.left_out]
        if which:
            en, zh = ", ".join(which), "、".join(which)
            text = Label(
                f"{name} is not given for {en}: {words.en} counts as 0",
                f"{zh} 未给出 {name}：{words.zh}按 0 计",
            )
            said.append(Said("amount_left_out", text))
    return tuple(said)


def _replicas(served: Served, spare: int) -> tuple[Replica, ...]:
    """Of each pool, with the share of a request of the whole mix that it works on."""
    total = sum(pool.gpu_seconds_per_request for pool in served.pools)
    return tuple(
        Replica(pool.gpus_per_replica, spare, pool.gpu_seconds_per_request / total) for pool in served.pools
    )


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
        (Label("Spare replicas of each", "各自备用副本"), fleet.small[0].spare, "count", ASSUMED),
        *(
            (
                Label(f"GPUs of a {words.en} replica{of.en}", f"{words.zh}每{of.zh}副本卡数"),
                pool.gpus_per_replica,
                "count",
                Label(pool.layout, pool.layout),
            )
            for words, served in ((_SMALL, small), (_LARGE, large))
            for pool in served.pools
            for of in (_POOL_WORDS[pool.work],)
        ),
    ]
    return [Assumption(*figure) for figure in figures]


_AMOUNT_WORDS = {
    "value_of_good": Label("a good answer's value", "好回答的价值"),
    "loss_of_bad": Label("a bad answer's loss", "坏回答的损失"),
}
_SMALL, _LARGE = Label("small", "小模型"), Label("large", "大模型")
_POOL_WORDS: dict[Work, Label] = {
    "all": Label("", ""),
    "prefill": Label(", prefill", "预填充"),
    "decode": Label(", decode", "解码"),
}
