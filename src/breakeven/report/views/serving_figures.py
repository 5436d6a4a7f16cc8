"""Modelled numbers of serving as cells: four digits, an interval beside the middle, words for what bounds."""

from __future__ import annotations

import math
from decimal import Decimal

from breakeven.report.view_model import Column, Label, Value
from breakeven.serving.estimate import LEVEL, Estimate

_DIGITS = 4
CLASSES: dict[str, Label] = {
    "uncached_input": Label("Input, computed", "输入（未命中缓存）"),
    "cached_input": Label("Input, cached", "输入（命中缓存）"),
    "output": Label("Output", "输出"),
    "all": Label("All tokens of this mix", "按此流量构成的全部词元"),
}
BOUND_WORDS: dict[str, Label] = {
    "memory_bandwidth": Label("memory bandwidth", "显存带宽"),
    "compute": Label("compute", "算力"),
    "communication": Label("communication", "通信"),
    "overhead": Label("overhead of the engine", "引擎开销"),
    "waiting": Label("kept free against waiting", "为避免排队预留的空闲"),
}
LIMIT_WORDS: dict[str, Label] = {
    "memory_capacity": Label("memory capacity", "显存容量"),
    "tpot_target": Label("target for time per token", "后续每词元时间（TPOT）目标"),
    "ttft_target": Label("target for the first token", "首词元时间（TTFT）目标"),
    "scheduler": Label("the engine's scheduler", "引擎调度上限"),
}
MODE_WORDS: dict[str, Label] = {
    "aggregated": Label("prefill and decode on the same GPUs", "预填充与解码同卡"),
    "disaggregated": Label("prefill and decode apart", "预填充与解码分离"),
}
WORK_WORDS: dict[str, Label] = {
    "all": Label("prefill and decode", "预填充与解码"),
    "prefill": Label("prefill", "预填充"),
    "decode": Label("decode", "解码"),
}
NOVELTY_WORDS: dict[str, Label] = {
    "known": Label("model and GPU were measured, in other deployments", "该模型与该显卡均有实测（其他部署）"),
    "new_model": Label("the GPU was measured, the model was not", "该显卡有实测，该模型没有"),
    "new_gpu": Label("the model was measured, the GPU was not", "该模型有实测，该显卡没有"),
    "new_both": Label("neither model nor GPU was measured", "该模型与该显卡均无实测"),
    "measured": Label("calibrated with your own measurements", "已用自有实测校准"),
}


def layout_label(layout: str) -> Label:
    """Layouts in words: those of prefill and decode by name.

    >>> layout_label("prefill TP8, decode EP144").zh
    '预填充 TP8，解码 EP144'
    """
    chinese = layout.replace("prefill", "预填充").replace("decode", "解码").replace(", ", "，")
    return Label(layout, chinese)


def significant(number: float, digits: int = _DIGITS) -> Decimal | None:
    """A modelled number at so many digits; what is no number has no value.

    >>> significant(0.123456), significant(12345.6), significant(float("nan"))
    (Decimal('0.1235'), Decimal('12350'), None)
    """
    if not math.isfinite(number):
        return None
    if number == 0:
        return Decimal(0)
    places = digits - 1 - math.floor(math.log10(abs(number)))
    return Decimal(f"{round(number, places):.{max(places, 0)}f}")


def cells(estimate: Estimate, key: str = "value") -> dict[str, Value]:
    """The middle under `key`, and the bounds of the interval beside it."""
    return {
        key: significant(estimate.value),
        "low": significant(estimate.low),
        "high": significant(estimate.high),
    }


def interval_columns(unit: str) -> tuple[Column, Column]:
    """The bounds of the interval."""
    level = f"{LEVEL:.0%}"
    return (
        Column("low", Label(f"{level} interval, low", f"{level} 区间下限"), unit),
        Column("high", Label(f"{level} interval, high", f"{level} 区间上限"), unit),
    )
