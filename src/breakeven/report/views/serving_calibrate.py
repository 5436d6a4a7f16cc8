"""What a user's measurements changed: error before and after, and the factors on decode and prefill times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from breakeven.report.view_model import Column, Envelope, Label, Table, Value, View, Warning  # noqa: A004
from breakeven.report.views.serving_calibration import factor_bounds
from breakeven.serving.calibration.point import Point
from breakeven.serving.calibration.refit import FEWEST_POINTS, Refitted, by_deployment
from breakeven.serving.constants import Constants

_DOUBTS = {
    "concurrency and batch disagree": "并发数与批大小不一致",
    "faster than weights can be read": "快于读取权重所需的时间",
    "prefill and decode GPUs added up": "预填充与解码的显卡数被加在一起",
}
"""Why rows of aiconfigurator's are left out, in Chinese."""
_COLUMNS = (
    Column("model", Label("Model", "模型")),
    Column("gpu", Label("GPU", "显卡")),
    Column("engine", Label("Engine", "推理引擎")),
    Column("precision", Label("Precision", "精度")),
    Column("points", Label("Points", "实测点"), "count"),
    Column("error_before", Label("Median error before", "校准前误差中位数"), "ratio"),
    Column("error_after", Label("Median error after", "校准后误差中位数"), "ratio"),
    Column("decode_factor", Label("Decode time ×", "解码时间 ×"), "count"),
    Column("decode_low", Label("from", "下限"), "count"),
    Column("decode_high", Label("to", "上限"), "count"),
    Column("prefill_factor", Label("Prefill time ×", "预填充时间 ×"), "count"),
    Column("prefill_low", Label("from", "下限"), "count"),
    Column("prefill_high", Label("to", "上限"), "count"),
)
_NOTE = Label(
    "Error of output tokens per second and GPU. After: each point is predicted from the others of its "
    "deployment. Factors multiply the shipped model's times, with 80 % intervals; few points leave part of "
    "the shipped value.",
    "误差指每卡每秒输出词元。校准后：每个点由同一部署的其余点预测。"
    "系数乘以内置模型的时间，附 80 % 区间；点数少时仍保留一部分内置值。",
)


def calibration_view(
    found: Sequence[Refitted], everything: Sequence[Point], constants: Constants, source: str
) -> View:
    """One row a deployment; rows and deployments left out are warnings."""
    title = Label("Calibration", "校准")
    table = Table("calibration", title, _COLUMNS, tuple(_row(one) for one in found), note=_NOTE)
    head = Envelope(source, constants.as_of, time_zone="UTC", currency="", warnings=_warnings(everything))
    return View("serving_calibrate", title, head, (table,))


def _row(one: Refitted) -> dict[str, Value]:
    offset = one.offset
    return {
        "model": one.deployment.model,
        "gpu": one.deployment.gpu,
        "engine": one.deployment.engine,
        "precision": one.deployment.precision,
        "points": offset.points,
        "error_before": _median(one.before),
        "error_after": _median(one.after),
        **_factor("decode", offset.decode, offset.decode_spread),
        **_factor("prefill", offset.prefill, offset.prefill_spread),
    }


def _median(log_errors: np.ndarray) -> Decimal:
    return Decimal(f"{np.median(np.abs(np.expm1(log_errors))):.4f}")


def _factor(name: str, offset: float, spread: float) -> dict[str, Value]:
    bounds = zip(("factor", "low", "high"), factor_bounds(offset, spread), strict=True)
    return {f"{name}_{key}": Decimal(f"{value:.3f}") for key, value in bounds}


def _warnings(everything: Sequence[Point]) -> tuple[Warning, ...]:
    doubts = Counter(point.doubt for point in everything if point.doubt)
    found = [
        Warning(
            "rows_left_out",
            Label(f"{count} rows are left out: {doubt}", f"排除 {count} 行：{_DOUBTS.get(doubt, doubt)}"),
        )
        for doubt, count in doubts.items()
    ]
    few = [
        " ".join(filter(None, deployment))
        for deployment, members in by_deployment([one for one in everything if not one.doubt]).items()
        if len(members) < FEWEST_POINTS
    ]
    if few:
        names = ", ".join(few)
        found.append(
            Warning(
                "too_few_points",
                Label(
                    f"fewer than {FEWEST_POINTS} points, not calibrated: {names}",
                    f"不足 {FEWEST_POINTS} 个点，未校准：{names}",
                ),
            )
        )
    return tuple(found)
