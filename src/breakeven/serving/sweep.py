"""Many cases at once: every layout against every traffic and target, and the best of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from breakeven.serving.cases import Cases
from breakeven.serving.deployment import Deployment
from breakeven.serving.layout import Layout
from breakeven.serving.steady_state import Steady, aggregated, decode_apart, prefill_apart
from breakeven.serving.target import BENCHMARK, Derate

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sweep:
    """What each layout does in each case. `gpu_seconds` of one request (layout, case), at benchmark; `inf`
    where the layout does not keep the target or the request does not fit.
    """

    layouts: tuple[Layout, ...]
    together: tuple[Steady, ...]
    prefill: tuple[Steady, ...]
    decode: tuple[Steady, ...]
    derate: Derate = BENCHMARK

    @property
    def aggregated_gpu_seconds(self) -> Floats:
        """Shape (layout, case): prefill and decode on the same GPUs."""
        return self._within(self.together)

    @property
    def disaggregated_gpu_seconds(self) -> Floats:
        """Shape (case,): the best prefill layout with the best decode layout."""
        return self._within(self.prefill).min(axis=0) + self._within(self.decode).min(axis=0)

    @property
    def gpu_seconds(self) -> Floats:
        """Shape (case,): the least of all."""
        return np.minimum(self.aggregated_gpu_seconds.min(axis=0), self.disaggregated_gpu_seconds)

    def _within(self, steady: tuple[Steady, ...]) -> Floats:
        return np.stack([np.where(one.is_within, one.gpu_seconds(self.derate), np.inf) for one in steady])

    @property
    def configurations(self) -> int:
        """What was solved: layouts times cases, together, prefill apart and decode apart."""
        return 3 * len(self.layouts) * self.together[0].batch.size


def sweep(deployment: Deployment, tried: Sequence[Layout], cases: Cases, derate: Derate = BENCHMARK) -> Sweep:
    """Every layout in every case.

    >>> from breakeven.serving.architecture import architecture
    >>> from breakeven.serving.hardware import accelerator
    >>> from breakeven.serving.target import Target
    >>> from breakeven.serving.traffic import Traffic
    >>> targets = [Target(tpot_seconds=seconds) for seconds in (0.02, 0.04)]
    >>> cases = Cases.of([Traffic("t", 4_000, 1_000)], targets)
    >>> deployment = Deployment(architecture("llama-3.1-70b"), accelerator("h100"), "fp8")
    >>> found = sweep(deployment, [Layout(tensor=2), Layout(tensor=4)], cases)
    >>> found.configurations, bool(found.gpu_seconds[0] > found.gpu_seconds[1])
    (12, True)
    """
    together, prefill, decode = (
        tuple(work(deployment, layout, cases) for layout in tried)
        for work in (aggregated, prefill_apart, decode_apart)
    )
    return Sweep(tuple(tried), together, prefill, decode, derate)
