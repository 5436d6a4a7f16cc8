"""Small or large: what moving requests to the smaller model saves and loses, share by share, and the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from breakeven.report.view_model import Column, Envelope, Label, Table, Value, View
from breakeven.report.views.serving_assumptions import Assumption, assumptions_table
from breakeven.report.views.serving_figures import interval_columns, significant
from breakeven.serving.small_or_large import (
    Fleet,
    RequestClass,
    Split,
    best_split,
    marginal_saving,
    order_of_moving,
    path,
    split_of,
)

_SHARES = (0.0, 0.05, *(step / 10 for step in range(1, 11)))
_BEST_WORDS = {
    "moved": Label("Requests moved to the small model", "移到小模型的请求占比"),
    "saving": Label("GPUs saved", "节省的显卡成本"),
    "loss": Label("Lost by worse answers", "回答变差的损失"),
    "net": Label("Net", "净收益"),
    "small": Label("GPUs of the small model, its spare among them", "小模型卡数（含备用）"),
    "large": Label("GPUs of the large model, its spare among them", "大模型卡数（含备用）"),
    "before": Label("Cost of all on the large model", "全部用大模型的成本"),
}


_STAY = Label(
    "Do not move any requests: no share saves more than it loses. ", "不要移动：任何比例的节省都不及损失。"
)


@dataclass(frozen=True)
class Weighed:
    """What the view shows. `classes` are at the middle, the low and the high bound of the work."""

    small: str
    large: str
    gpu: str
    currency: str
    classes: tuple[Sequence[RequestClass], Sequence[RequestClass], Sequence[RequestClass]]
    fleet: Fleet
    assumptions: Sequence[Assumption]


def small_or_large_view(weighed: Weighed, envelope: Envelope) -> View:
    """The answer for two models on one fleet."""
    title = Label(
        f"Small or large: {weighed.small} for {weighed.large} on {weighed.gpu}",
        f"小模型还是大模型：{weighed.gpu} 上以 {weighed.small} 代替 {weighed.large}",
    )
    best = best_split(weighed.classes[0], weighed.fleet)
    tables = (
        _best(weighed, best),
        _classes(weighed, best),
        _path(weighed),
        assumptions_table(weighed.assumptions),
    )
    facts: dict[str, Value] = {
        "small": weighed.small,
        "large": weighed.large,
        "best_share": significant(best.moved_share),
        "net": significant(best.net),
        "verdict": "move" if best.net > 0 else "stay",
    }
    return View("serving_small_or_large", title, envelope, tables, facts=facts)


def _best(weighed: Weighed, best: Split) -> Table:
    """The best split at the middle, and what the same split comes to at the bounds of the work."""
    fleet = weighed.fleet
    verdict = _STAY if best.moved_share == 0 else Label("", "")
    same = [split_of(classes, fleet, best.moved) for classes in weighed.classes]
    figures: list[tuple[str, list[float], str]] = [
        ("moved", [best.moved_share] * 3, "ratio"),
        ("before", [split.cost + split.saving for split in same], weighed.currency),
        ("saving", [split.saving for split in same], weighed.currency),
        ("loss", [split.loss for split in same], weighed.currency),
        ("net", [split.net for split in same], weighed.currency),
        ("small", [split.small_gpus for split in same], "count"),
        ("large", [split.large_gpus for split in same], "count"),
    ]
    rows: list[dict[str, Value]] = [
        {
            "figure": name,
            "value": significant(values[0], 6),
            "low": significant(min(values), 6),
            "high": significant(max(values), 6),
        }
        for name, values, _ in figures
    ]
    return Table(
        "best",
        Label("The best split, a month", "最佳分配（每月）"),
        (
            Column("figure", Label("Figure", "项目"), words=_BEST_WORDS),
            Column("value", Label("Value", "数值"), "count"),
            *interval_columns("count"),
        ),
        tuple(rows),
        row_units=tuple(unit for *_, unit in figures),
        emphasis=frozenset({4}),
        note=Label(
            f"{verdict.en}The interval is of this split, were the GPU time of both models low or high. "
            "Qualities are taken as given, without one.",
            f"{verdict.zh}区间为两模型耗时同时偏低或偏高时，此分配的结果。质量按给定值，不含区间。",
        ),
    )


def _classes(weighed: Weighed, best: Split) -> Table:
    classes = weighed.classes[0]
    rows: list[dict[str, Value]] = []
    for rank, index in enumerate(order_of_moving(classes), start=1):
        one = classes[index]
        rows.append(
            {
                "rank": rank,
                "class": one.name,
                "share": significant(one.share),
                "small_quality": significant(one.small_quality),
                "large_quality": significant(one.large_quality),
                "loss": significant(one.loss_per_request * 1_000),
                "small_seconds": significant(one.small_gpu_seconds),
                "large_seconds": significant(one.large_gpu_seconds),
                "moved": significant(best.moved[index]),
            }
        )
    return Table(
        "classes",
        Label("Which to move first", "先移哪一类"),
        (
            Column("rank", Label("Order", "次序"), "count"),
            Column("class", Label("Class", "类别")),
            Column("share", Label("Of requests", "占请求"), "ratio"),
            Column("small_quality", Label("Good answers, small", "小模型好回答率"), "ratio"),
            Column("large_quality", Label("Good answers, large", "大模型好回答率"), "ratio"),
            Column("loss", Label("Lost by moving 1,000", "每移一千次的损失"), weighed.currency),
            Column("small_seconds", Label("GPU-seconds, small", "小模型 GPU 秒"), "count"),
            Column("large_seconds", Label("GPU-seconds, large", "大模型 GPU 秒"), "count"),
            Column("moved", Label("Moved at the best", "最佳分配中移走"), "ratio"),
        ),
        tuple(rows),
        note=Label(
            "The least loss for a GPU-second of the large model first; a loss below zero is a gain.",
            "按释放大模型每 GPU 秒的损失由小到大；损失为负即为收益。",
        ),
    )


def _path(weighed: Weighed) -> Table:
    classes, fleet = weighed.classes[0], weighed.fleet
    splits = path(classes, fleet, _SHARES)
    rows: list[dict[str, Value]] = []
    for split in splits:
        moved = split.moved_share * fleet.requests_per_month
        rows.append(
            {
                "moved": significant(split.moved_share),
                "small_gpus": split.small_gpus,
                "large_gpus": split.large_gpus,
                "saving": significant(split.saving, 6),
                "loss": significant(split.loss, 6),
                "net": significant(split.net, 6),
                "average": significant(split.saving / moved * 1_000) if moved else None,
                "marginal": significant(marginal_saving(classes, fleet, split), 6)
                if split.moved_share < 1
                else None,
            }
        )
    top = max(range(len(splits)), key=lambda index: splits[index].net)
    return Table(
        "path",
        Label("Share by share, a month", "按移动比例（每月）"),
        (
            Column("moved", Label("Requests moved", "移走的请求"), "ratio"),
            Column("small_gpus", Label("GPUs, small", "小模型卡数"), "count"),
            Column("large_gpus", Label("GPUs, large", "大模型卡数"), "count"),
            Column("saving", Label("Saved", "节省"), weighed.currency),
            Column("loss", Label("Lost", "损失"), weighed.currency),
            Column("net", Label("Net", "净收益"), weighed.currency),
            Column("average", Label("Saved per 1,000 moved", "每移一千次平均节省"), weighed.currency),
            Column("marginal", Label("Saved by one more percent", "再移 1 % 的节省"), weighed.currency),
        ),
        tuple(rows),
        emphasis=frozenset({top}),
        note=Label(
            "GPUs come in whole replicas with a spare: a percent that lets no replica go saves nothing, and "
            "the first costs the small model's idle.",
            "显卡按整副本并含备用：若少不了一个副本，再移一个百分点也不省钱；最初的移动还要承担小模型的空闲。",
        ),
    )
