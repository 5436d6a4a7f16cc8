"""How far points lie from constants that were fitted without them: what the intervals that ship are made of.

Points are held out by whole deployments (model, GPU, engine, precision, GPUs and how experts are divided).
DeepSeek-R1 and V3 are one model, versions of an engine count together, and deployments that share an equal
row are one: rows that nearly repeat each other never stand on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from breakeven.serving.architecture.attention import Floats
from breakeven.serving.calibration.fit import Fitted, Observed, fit, log_rates, predicted
from breakeven.serving.calibration.point import Point

Integers = npt.NDArray[np.int64]
SEED = 5


@dataclass(frozen=True)
class Errors:
    """Logarithms of predicted over measured: TTFT, TPOT, throughput; one of each for each point."""

    ttft: Floats
    tpot: Floats
    throughput: Floats


@dataclass(frozen=True)
class Score:
    """How good predictions are, as shares: middle and mean absolute error, and how many lie within 20 %."""

    points: int
    median: float
    mean: float
    within: float
    bias: float

    @classmethod
    def of(cls, log_errors: Floats) -> Score:
        """From logarithms of predicted over measured.

        >>> Score.of(np.log([1.1, 0.9, 1.5])).within.__round__(2)
        0.67
        """
        size = np.abs(np.expm1(log_errors))
        return cls(
            len(size), float(np.median(size)), float(size.mean()), float(np.mean(size <= 0.2)),
            float(np.median(log_errors)),
        )  # fmt: skip


def families(points: Sequence[Point]) -> list[str]:
    """The deployment of each point, after joining deployments that share a row measured once."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            name = parent[name]
        return name

    seen: dict[tuple[float, float], str] = {}
    for point in points:
        times = (point.ttft_seconds, point.tpot_seconds)
        if times in seen:
            parent[root(point.deployment)] = root(seen[times])
        seen.setdefault(times, root(point.deployment))
    return [root(point.deployment) for point in points]


def folds(names: Sequence[str], count: int, seed: int = SEED) -> Integers:
    """A fold for each point, equal names together, names dealt out at random."""
    distinct = sorted(set(names))
    np.random.default_rng(seed).shuffle(distinct)
    dealt = {name: place % count for place, name in enumerate(distinct)}
    return np.array([dealt[name] for name in names])


def errors(fitted: Fitted, data: Observed) -> Errors:
    """Of constants on points."""
    ttft, tpot, throughput = predicted(log_rates(fitted.values, data), data)
    return Errors(ttft - data.log_ttft, tpot - data.log_tpot, throughput - data.log_throughput)


def held_out(
    data: Observed, fold: Integers, start: Fitted, progress: Callable[[int], None] = lambda _: None
) -> Errors:
    """Errors of every point under constants fitted without its fold."""
    found = [np.zeros(len(fold)) for _ in range(3)]
    for number in range(int(fold.max()) + 1):
        out = fold == number
        if not out.any():
            continue
        one = errors(fit(data.rows(~out), start.values), data.rows(out))
        for whole, part in zip(found, (one.ttft, one.tpot, one.throughput), strict=True):
            whole[out] = part
        progress(number)
    return Errors(*found)


def half_widths(log_errors: Floats, weights: Floats, level: float = 0.8) -> tuple[float, float]:
    """How far below and above the prediction the truth lies in `level` of cases, in logarithms.

    >>> below, above = half_widths(np.linspace(-0.3, 0.3, 101), np.ones(101))
    >>> round(below, 2), round(above, 2)
    (0.24, 0.24)
    """
    truth = -log_errors
    order = np.argsort(truth)
    position = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
    low, high = np.interp([(1 - level) / 2, (1 + level) / 2], position, truth[order])
    return float(max(-low, 0.0)), float(max(high, 0.0))
