"""Whether predictions put GPUs in the right order for one model and shape: Kendall's tau over cells.

A cell is a model, its input and output lengths and the concurrency; its GPUs are compared by the best
throughput per GPU among their deployments, measured against predicted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from breakeven.serving.architecture.attention import Floats
from breakeven.serving.calibration.point import Point
from breakeven.serving.rates import model_name


class Ranking(NamedTuple):
    """Cells with two or more GPUs, pairs compared, and the mean over cells of (agreeing - others) / pairs."""

    cells: int
    pairs: int
    tau: float


def ranking(
    points: Sequence[Point], log_errors: Floats, *, same_precision: bool, tie: float = 0.0
) -> Ranking:
    """See the module. `log_errors` are those of throughput.

    `same_precision` compares GPUs at one precision only. Pairs whose measurements differ by less than `tie`
    (a share) have no order to be found and are left out.
    """
    cells: dict[tuple[object, ...], dict[str, list[tuple[float, float]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for point, error in zip(points, log_errors, strict=True):
        measured = float(np.log(point.output_tokens_per_second_per_gpu))
        cell = (
            model_name(point.architecture), point.input_tokens, point.output_tokens, point.concurrency,
            point.precision if same_precision else "",
        )  # fmt: skip
        cells[cell][point.accelerator.name].append((measured, measured + float(error)))
    taus: list[float] = []
    pairs = 0
    for by_gpu in cells.values():
        best = [(max(one[0] for one in rows), max(one[1] for one in rows)) for rows in by_gpu.values()]
        signs = [
            np.sign((a[0] - b[0]) * (a[1] - b[1]))
            for a, b in combinations(best, 2)
            if abs(a[0] - b[0]) > np.log1p(tie)
        ]
        if signs:
            taus.append(float(np.mean(signs)))
            pairs += len(signs)
    return Ranking(len(taus), pairs, float(np.mean(taus)) if taus else float("nan"))
