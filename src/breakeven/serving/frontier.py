"""Cost against speed: what a traffic takes at each promise of time per token, and which choice is cheapest
there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from breakeven.serving.best_layout import tried_layouts
from breakeven.serving.cases import Cases
from breakeven.serving.deployment import Deployment
from breakeven.serving.layout import Layout
from breakeven.serving.sweep import sweep
from breakeven.serving.target import BENCHMARK, Derate, Target
from breakeven.serving.traffic import Traffic

Floats = NDArray[np.float64]
TPOT_MS = (10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 75.0, 100.0, 150.0)
"""Promises worth comparing: from faster than anybody reads to slower than most do."""


def frontier_gpu_seconds(
    deployment: Deployment,
    traffic: Traffic,
    target: Target,
    derate: Derate = BENCHMARK,
    *,
    layout: Layout | None = None,
    most_gpus: int | None = None,
    tpot_ms: Sequence[float] = TPOT_MS,
) -> Floats:
    """GPU-seconds of a request at each of `tpot_ms`, with the best layout; `inf` where none keeps the
    promise.

    The promise for the first token and the percentile are the target's.
    """
    tried = tried_layouts(deployment, traffic, layout, most_gpus)
    targets = [replace(target, tpot_seconds=each / 1_000) for each in tpot_ms]
    return sweep(deployment, tried, Cases.of([traffic], targets), derate).gpu_seconds


def cheapest(costs: Mapping[str, Floats]) -> tuple[str | None, ...]:
    """At each promise, the name with the least cost; None where nothing keeps it. NaN is no price.

    >>> cheapest({"a": np.array([np.inf, 2.0]), "b": np.array([np.inf, 3.0])})
    (None, 'a')
    """
    names = list(costs)
    table = np.stack([np.nan_to_num(costs[name], nan=np.inf, posinf=np.inf) for name in names])
    best = table.argmin(axis=0)
    return tuple(
        names[row] if np.isfinite(table[row, column]) else None for column, row in enumerate(best.tolist())
    )
