"""What an answer says of the calibration it was asked to use: that it does, or why it does not."""

from __future__ import annotations

import math
from collections.abc import Sequence

from breakeven.report.view_model import Label, Warning  # noqa: A004
from breakeven.serving.constants import Offset

_HALF_WIDTH = 1.2816
"""Standard deviations from the middle to the bounds of an 80 % interval."""
_MOST_NAMED = 5


def factor_bounds(offset: float, spread: float) -> tuple[float, float, float]:
    """A logarithm and its standard deviation as a factor on times: middle, and the 80 % interval.

    >>> [round(bound, 2) for bound in factor_bounds(0.2624, 0.06)]
    [1.3, 1.2, 1.4]
    """
    low, high = offset - _HALF_WIDTH * spread, offset + _HALF_WIDTH * spread
    return math.exp(offset), math.exp(low), math.exp(high)


def calibration_words(offset: Offset) -> Label:
    """The points, their day, and what they do to times.

    >>> offset = Offset("m", "h100", "", "fp8", 0.2624, 0, 0.06, 0.1, 4, "p.csv", "2026-04-17")
    >>> calibration_words(offset).en
    'p.csv, 4 points, 2026-04-17: decode times × 1.30 (1.20 to 1.40), prefill times × 1.00 (0.88 to 1.14)'
    """
    decode = factor_bounds(offset.decode, offset.decode_spread)
    prefill = factor_bounds(offset.prefill, offset.prefill_spread)

    def said(factor: tuple[float, float, float], to: str) -> str:
        return f"× {factor[0]:.2f} ({factor[1]:.2f}{to}{factor[2]:.2f})"

    return Label(
        f"{offset.source}, {offset.points} points, {offset.as_of}: "
        f"decode times {said(decode, ' to ')}, prefill times {said(prefill, ' to ')}",
        f"{offset.source}，{offset.points} 个点，{offset.as_of}："
        f"解码时间 {said(decode, '–')}，预填充时间 {said(prefill, '–')}",
    )


def calibration_unused(asked: tuple[str, str, str, str], held: Sequence[Offset]) -> Warning:
    """Nothing in the file is of the model, GPU, engine and precision asked for; what it holds."""
    source, as_of = held[0].source, held[0].as_of
    names = [_deployment(one.model, one.gpu, one.engine, one.precision) for one in held[:_MOST_NAMED]]
    wanted = _deployment(*asked)
    more = len(held) - len(names)
    en = "; ".join(one.en for one in names) + (f"; and {more} more" if more else "")
    zh = "；".join(one.zh for one in names) + (f"；另有 {more} 项" if more else "")
    return Warning(
        "calibration_unused",
        Label(
            f"the calibration ({source}, {as_of}) is not used: nothing in it is of {wanted.en}. "
            f"It holds {en}",
            f"校准（{source}，{as_of}）未使用：其中没有 {wanted.zh}。所含：{zh}",
        ),
    )


def _deployment(model: str, gpu: str, engine: str, precision: str) -> Label:
    """Model, GPU, engine and precision, as one looks for them."""
    return Label(
        f"{model or 'any model'} on {gpu or 'any GPU'}, {engine or 'no engine named'}, "
        f"{precision or 'any precision'}",
        f"{model or '任意模型'} / {gpu or '任意显卡'} / {engine or '未指明引擎'} / {precision or '任意精度'}",
    )
