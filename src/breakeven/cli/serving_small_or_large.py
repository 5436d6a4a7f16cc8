"""`breakeven serving small-or-large`: what moving requests to a smaller model saves and loses."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import Output, output_options
from breakeven.cli.output import emit
from breakeven.cli.serving_options import Asked, GpuHourPrice, serving_options

if TYPE_CHECKING:
    from breakeven.report.views.serving_assumptions import Assumption
    from breakeven.serving.request_classes import Kinds
    from breakeven.serving.served import Served
    from breakeven.serving.small_or_large import Fleet, RequestClass

PUBLISHED_PEAK = 1.23
"""278 nodes at the peak over 226.75 in the mean: DeepSeek's published day."""


@command(
    "small-or-large",
    en="What moving a share of requests from a large model to a small one saves in GPUs and loses in\n"
    "answers, on one fleet with the small model's idle; the best share, and which requests to move first.",
    zh="把一部分请求从大模型移到小模型，在同一机群上（含小模型空闲）省多少卡、损失多少回答质量；\n"
    "最佳比例，以及先移哪一类请求。",
)
@click.argument(
    "classes", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="CLASSES.yaml"
)
@option("--small", required=True, metavar="MODEL", en="The small model.", zh="小模型。")
@option("--large", required=True, metavar="MODEL", en="The large model.", zh="大模型。")
@serving_options(without=("model", "traffic"))
@option(
    "--spare",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    metavar="N",
    en="Replicas of each that stand by.",
    zh="每个模型的备用副本数。",
)
@option(
    "--peak",
    type=click.FloatRange(min=1),
    default=PUBLISHED_PEAK,
    show_default=True,
    metavar="X",
    en="The busiest hour over the mean; the default is DeepSeek's published day.",
    zh="最忙小时相对均值；默认取 DeepSeek 公布之日。",
)
@output_options
def small_or_large(
    asked: Asked, classes: Path, small: str, large: str, spare: int, peak: float, output: Output
) -> None:
    """Show the answer."""
    from breakeven.report.view_model import Envelope
    from breakeven.report.views.serving_cost import serving_warnings
    from breakeven.report.views.serving_small_or_large import Weighed, small_or_large_view
    from breakeven.serving.request_classes import read_kinds
    from breakeven.serving.small_or_large import Fleet, Replica

    kinds = read_kinds(classes)
    price = asked.price(asked.accelerator())
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
    warnings = {one.label.en: one for name in (small, large) for one in serving_warnings(served[name])}
    envelope = Envelope(
        books="",
        as_of=datetime.now(tz=UTC).date().isoformat(),
        time_zone="UTC",
        currency=price.currency,
        warnings=tuple(warnings.values()),
    )
    emit(small_or_large_view(weighed, envelope), output)


def _classes(
    kinds: Kinds, small: Served, large: Served, bound: Literal["value", "low", "high"]
) -> list[RequestClass]:
    """The classes with GPU-seconds on either model, at the work per token of the whole mix."""
    from breakeven.serving.small_or_large import RequestClass

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
    from breakeven.cli.serving_cost import price_shown
    from breakeven.report.view_model import Label, Value
    from breakeven.report.views.serving_assumptions import ASSUMED, GIVEN, Assumption
    from breakeven.report.views.serving_figures import significant

    published = Label("DeepSeek's published day, in nodes", "DeepSeek 公布之日（按节点数）")
    figures: list[tuple[Label, Value, str, Label]] = [
        (
            Label("Price of a GPU-hour", "每卡时价格"),
            significant(price.per_gpu_hour, 6),
            f"{price.currency}/GPU-hour",
            price_shown(price).said,
        ),
        (Label("Requests a month", "每月请求量"), significant(kinds.requests_per_month), "requests", GIVEN),
        (
            Label("Busiest hour over the mean", "最忙小时相对均值"),
            significant(fleet.peak_over_mean),
            "multiple",
            published if fleet.peak_over_mean == PUBLISHED_PEAK else GIVEN,
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
