"""Whose work is it: GPU-seconds of a request divided over uncached input, cached input and output.

Prefill belongs to the input that is computed, but for what the cached prefix adds to it: fetching it, and
attending to it. Of decode, reading the cache belongs to the tokens that are read (a long prompt slows every
step), each for as long as it is there; the rest belongs to output. So the classes' work times their tokens is
a request's work, and a mix with other shares of the same requests is near the sum, to first order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from breakeven.serving.deployment import Deployment
from breakeven.serving.layout import Layout
from breakeven.serving.steady_state import cache_seconds
from breakeven.serving.traffic import Traffic


@dataclass(frozen=True)
class PhaseWork:
    """GPU-seconds per token of each class in one phase."""

    uncached_input: float
    cached_input: float
    output: float


def prefill_work(
    deployment: Deployment, layout: Layout, traffic: Traffic, gpu_seconds: float, *, together: float
) -> PhaseWork:
    """The phase's GPU-seconds of one request, per token; `together` prompts share a pass.

    A class that the traffic does not have gets what its first tokens would cost.
    """
    new, cached = traffic.uncached_input_tokens, traffic.cached_input_tokens
    probe = cached or traffic.input_tokens
    computed = max(new, 1.0)
    alone, with_prefix = (
        float(deployment.prefill(layout, computed, prefix, together).seconds) / together
        for prefix in (0.0, probe)
    )
    fetching = float(cache_seconds(deployment, layout, np.asarray(probe))) / (layout.data * layout.pipeline)
    added = max(with_prefix - alone, 0.0) / layout.pipeline + fetching
    if cached:
        # What takes longer to fetch than to compute is computed (see `steady_state.prompts`).
        computing = float(deployment.prefill(layout, new + cached, 0.0, together).seconds) / together - alone
        added = min(added, computing / layout.pipeline)
    whole = alone / layout.pipeline + (added if cached else 0.0)
    scale = gpu_seconds / whole
    return PhaseWork(
        alone / layout.pipeline * scale / computed if new else _computed(deployment, layout, traffic, scale),
        added * scale / probe,
        0.0,
    )


def decode_work(
    deployment: Deployment, layout: Layout, traffic: Traffic, batch: float, gpu_seconds: float
) -> PhaseWork:
    """The phase's GPU-seconds of one request, per token."""
    step = deployment.decode(layout, batch, traffic.decode_context_tokens)
    reading = gpu_seconds * float(step.kv / step.seconds)
    per_resident = reading / traffic.decode_context_tokens
    per_input = per_resident * traffic.input_residency_tokens / traffic.input_tokens
    output = (gpu_seconds - reading) + per_resident * traffic.output_residency_tokens
    return PhaseWork(per_input, per_input, output / traffic.output_tokens)


def _computed(deployment: Deployment, layout: Layout, traffic: Traffic, scale: float) -> float:
    """What a computed input token would cost where all input is cached."""
    seconds = float(deployment.prefill(layout, traffic.input_tokens, 0.0, 1.0).seconds)
    return seconds / layout.pipeline * scale / traffic.input_tokens
