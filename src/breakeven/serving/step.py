"""How long one decode step and one prefill take, in parts: work at the peak over the share of it reached.

    decode  = (max(memory, arithmetic) + half the smaller + communication left over + overheads) x factor
    prefill = (sqrt(arithmetic^2 + weights^2) + activations + communication left over + overheads) x factor

Arithmetic of prefill has two parts: at a share of the peak, and at so many FLOP for each byte per second
of memory bandwidth, since matrix units that outrun the memory beneath them starve. A GPU with little
arithmetic for its bandwidth, such as the H20, so comes nearer to its peak. Memory and arithmetic overlap
within a layer but not across its parts, hence the half. Overheads are launches by layer, waits by
collective, the engine's work by sequence and by step. Where groups attend apart over several servers, two
half batches may alternate (DeepSeek's two-batch overlap): what is sent hides behind what is calculated, but
each half reads the weights and launches the layers for itself. In decode that is done where it is quicker.
Neither is ever shorter than reading or arithmetic at the hardware's peaks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from breakeven.serving.architecture import Architecture, Precision
from breakeven.serving.architecture.attention import Counts, Floats
from breakeven.serving.constants import Constants, shipped_constants
from breakeven.serving.hardware import Accelerator
from breakeven.serving.layout import Layout
from breakeven.serving.rates import Rates, Situation
from breakeven.serving.step_work import StepWork, decode_work, prefill_work

HIDDEN_SHARE = 0.5
"""Of the smaller of memory and arithmetic time, the part that does not hide behind the larger."""

NETWORK_SHARE = 0.9
"""Of the printed network bandwidth: DeepEP measures 43 to 47 of 50 GB/s between servers (its README). Not
fitted: the measured points lie inside servers."""


@dataclass(frozen=True)
class StepTime:
    """Seconds by part; arrays of one shape. Parts sum to `seconds`."""

    weights: Floats
    kv: Floats
    compute: Floats
    communication: Floats
    overhead: Floats

    @property
    def seconds(self) -> Floats:
        """The whole."""
        return self.weights + self.kv + self.compute + self.communication + self.overhead

    @property
    def parts(self) -> dict[str, Floats]:
        """By name."""
        return {name: getattr(self, name) for name in StepTime.__dataclass_fields__}


def decode_seconds(work: StepWork, rate: Rates) -> StepTime:
    """See the module. Across servers an engine takes the batch whole or in halves, whichever is quicker."""
    whole = _decode(work, rate, 1)
    if not np.any(work.network_seconds > 0):
        return whole
    halved = _decode(work, rate, 2)
    is_halved = (work.network_seconds > 0) & (halved.seconds < whole.seconds)
    return StepTime(
        **{name: np.where(is_halved, part, whole.parts[name]) for name, part in halved.parts.items()}
    )


def _decode(work: StepWork, rate: Rates, batches: int) -> StepTime:
    weights = work.weights_seconds * batches / rate.weights_bandwidth_share
    kv = work.kv_seconds / rate.kv_bandwidth_share
    compute = work.linear_seconds / rate.compute_share + work.attention_seconds / rate.attention_compute_share
    memory = weights + kv
    memory_shown = np.where(memory >= compute, 1.0, HIDDEN_SHARE)
    overhead = (
        work.layers * batches * rate.layer_seconds
        + work.moe_layers * batches * rate.moe_layer_seconds
        + work.collectives * rate.collective_seconds
        + work.sequences * rate.sequence_seconds
        + work.passes * rate.step_seconds
    )
    own = memory * memory_shown + compute * np.where(memory >= compute, HIDDEN_SHARE, 1.0)
    hiding = own + overhead if batches > 1 else 0.0
    return _no_faster_than_peak(
        work,
        StepTime(
            weights * memory_shown * rate.decode_factor,
            kv * memory_shown * rate.decode_factor,
            compute * np.where(memory >= compute, HIDDEN_SHARE, 1.0) * rate.decode_factor,
            _communication(work, hiding, rate.link_share) * rate.decode_factor,
            overhead * rate.decode_factor,
        ),
    )


def prefill_seconds(work: StepWork, rate: Rates) -> StepTime:
    """See the module."""
    padded = work.linear_seconds + work.expert_row_seconds * rate.expert_tile_rows
    compute = (
        padded / rate.prefill_compute_share
        + work.linear_feed / rate.linear_intensity
        + work.attention_seconds / rate.prefill_attention_share
        + work.attention_feed / rate.attention_intensity
    )
    weights = work.weights_seconds / rate.prefill_weights_share
    activations = (
        work.activation_seconds * rate.activation_passes
        + work.expert_activation_seconds * rate.expert_activation_passes
    )
    shared = np.hypot(compute, weights) / np.maximum(compute + weights, 1e-30)
    either = (compute + weights) * shared + activations
    kv = work.kv_seconds / rate.prefill_weights_share
    overhead = work.layers * rate.prefill_layer_seconds + work.passes * rate.prefill_step_seconds
    return _no_faster_than_peak(
        work,
        StepTime(
            weights * shared * rate.prefill_factor,
            kv * rate.prefill_factor,
            (compute * shared + activations) * rate.prefill_factor,
            _communication(work, either + overhead, rate.prefill_link_share) * rate.prefill_factor,
            overhead * rate.prefill_factor,
        ),
    )


def _no_faster_than_peak(work: StepWork, found: StepTime) -> StepTime:
    """No fit may promise more than the hardware's peaks: what is lacking is added to the part that binds."""
    reading = work.weights_seconds + work.kv_seconds
    calculating = work.linear_seconds + work.attention_seconds
    lacking = np.maximum(np.maximum(reading, calculating) - found.seconds, 0.0)
    if not np.any(lacking):
        return found
    is_reading = reading >= calculating
    return replace(
        found,
        weights=found.weights + np.where(is_reading, lacking, 0.0),
        compute=found.compute + np.where(is_reading, 0.0, lacking),
    )


def _communication(work: StepWork, own: Floats | float, link_share: Floats) -> Floats:
    """What sending adds: all of it inside a server; across servers what does not hide behind the rest."""
    inside, across = work.link_seconds / link_share, work.network_seconds / NETWORK_SHARE
    return np.where(work.network_seconds > 0, np.maximum(np.maximum(inside, across) - own, 0.0), inside)


def decode_step(
    architecture: Architecture,
    accelerator: Accelerator,
    layout: Layout,
    batch: Counts,
    context_tokens: Counts,
    *,
    precision: Precision | None = None,
    kv_precision: Precision = "bf16",
    engine: str = "",
    tokens_per_sequence: int = 1,
    constants: Constants | None = None,
) -> StepTime:
    """Seconds of one decode step of `batch` sequences, those of the whole replica.

    `batch` and `context_tokens` broadcast against each other; the result has their shape. An engine that
    was not measured, or none, takes the average of those that were.
    """
    used = precision or architecture.native_precision
    work = decode_work(
        architecture, accelerator, layout, batch, context_tokens,
        precision=used, kv_precision=kv_precision, tokens_per_sequence=tokens_per_sequence,
    )  # fmt: skip
    situation = Situation(
        architecture, accelerator, layout, used, engine,
        np.asarray(batch, dtype=float), np.asarray(context_tokens, dtype=float),
    )  # fmt: skip
    return decode_seconds(work, (constants or shipped_constants()).rates(situation))


def prefill(
    architecture: Architecture,
    accelerator: Accelerator,
    layout: Layout,
    new_tokens: Counts,
    cached_tokens: Counts = 0.0,
    *,
    precision: Precision | None = None,
    kv_precision: Precision = "bf16",
    engine: str = "",
    prompts: Counts = 1.0,
    constants: Constants | None = None,
) -> StepTime:
    """Seconds of the whole replica for `prompts` prompts of `new_tokens` after `cached_tokens`.

    Attention groups share the prompts evenly. How many sequences the replica holds meanwhile does not matter.
    """
    used = precision or architecture.native_precision
    work = prefill_work(
        architecture, accelerator, layout, new_tokens, cached_tokens,
        precision=used, kv_precision=kv_precision, prompts=prompts,
    )  # fmt: skip
    context = np.asarray(new_tokens, dtype=float) + np.asarray(cached_tokens, dtype=float)
    situation = Situation(
        architecture, accelerator, layout, used, engine, np.asarray(prompts, dtype=float), context
    )
    return prefill_seconds(work, (constants or shipped_constants()).rates(situation))
