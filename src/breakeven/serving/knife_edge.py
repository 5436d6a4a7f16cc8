"""A promise for the first token that GPUs can just keep is kept by letting them idle: how much looser is half
as dear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from breakeven.serving.cases import Cases
from breakeven.serving.deployment import Deployment
from breakeven.serving.layout import Layout
from breakeven.serving.sweep import sweep
from breakeven.serving.target import Derate, Target
from breakeven.serving.traffic import Traffic

MOSTLY = 0.5
"""Of GPU time kept free against waiting: beyond it, most of the cost buys the promise and not the work."""
_LOOSER = np.array([1.0, 1.01, 1.02, 1.05, 1.1, 1.2, 1.35, 1.5, 2.0, 3.0, 5.0, 10.0])


def halving_first_token(
    deployment: Deployment,
    tried: Sequence[Layout],
    traffic: Traffic,
    target: Target,
    derate: Derate,
    mode: str | None = None,
) -> float | None:
    """Seconds to the first token, the least of a few looser promises, at which a request takes half the GPU
    time or less; None where none of up to ten times does, or nothing keeps the target itself.
    """
    promised = [replace(target, ttft_seconds=target.ttft_seconds * factor) for factor in _LOOSER.tolist()]
    found = sweep(deployment, tried, Cases.of([traffic], promised), derate)
    together, apart = found.aggregated_gpu_seconds.min(axis=0), found.disaggregated_gpu_seconds
    seconds = {"aggregated": together, "disaggregated": apart}.get(mode or "", np.minimum(together, apart))
    half = np.flatnonzero(seconds <= seconds[0] / 2.0) if np.isfinite(seconds[0]) else np.array([], dtype=int)
    return promised[int(half[0])].ttft_seconds if half.size else None
