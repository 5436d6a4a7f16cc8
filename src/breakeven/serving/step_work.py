"""The work of one pass through the model, counted: what each GPU reads, calculates and sends.

Times here are at the hardware's printed peaks, so each is a lower bound; `rates` says what share of a peak is
reached and `step` puts the parts together. Formulas: weights read are those that at least one token needs,
routed (1 - (1 - k/E)^B) + all others; attention reads each sequence's cache; arithmetic is twice the weights
that work on a token, plus attention by pairs of tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from breakeven.serving.architecture import Architecture
from breakeven.serving.architecture.attention import Counts, Floats
from breakeven.serving.architecture.feed_forward import touched_share
from breakeven.serving.architecture.precision import Precision
from breakeven.serving.architecture.storage import Part
from breakeven.serving.communication import USUAL_NETWORK_BYTES_PER_SECOND, Phase, sent
from breakeven.serving.hardware import Accelerator
from breakeven.serving.layout import Layout

ACTIVATION_BYTES = 2
WHOLE_ACTIVATIONS = 0.25
CHUNK_TOKENS = 8_192
"""Longest piece of a prompt that engines take at once; weights are read again for each."""


@dataclass(frozen=True)
class StepWork:
    """One pass through all layers, as one GPU of each stage sees it; arrays of one shape.

    Times are seconds at the hardware's peaks.

    `expert_row_seconds` is the arithmetic of one token in every expert that the pass touches: what a
    part-filled tile of a grouped matrix product wastes, by row. The feeds are arithmetic over bandwidth:
    seconds times FLOP per byte, for what limits matrix units that outrun the memory beneath them. The
    activations are one pass over the hidden vectors of all layers, and over the copies that go to
    experts. `sequences` are those of one attention group, which its scheduler handles one by one.
    """

    weights_seconds: Floats
    kv_seconds: Floats
    linear_seconds: Floats
    expert_row_seconds: Floats
    attention_seconds: Floats
    linear_feed: Floats
    attention_feed: Floats
    activation_seconds: Floats
    expert_activation_seconds: Floats
    link_seconds: Floats
    network_seconds: Floats
    collectives: Floats
    layers: Floats
    moe_layers: Floats
    sequences: Floats
    passes: Floats

    @classmethod
    def stacked(cls, works: list[StepWork]) -> StepWork:
        """Several as one, one after the other."""
        return cls(*(np.concatenate([np.ravel(getattr(work, name)) for work in works]) for name in _NAMES))


_NAMES = tuple(StepWork.__dataclass_fields__)


def decode_work(
    architecture: Architecture,
    accelerator: Accelerator,
    layout: Layout,
    batch: Counts,
    context_tokens: Counts,
    *,
    precision: Precision | None = None,
    kv_precision: Precision = "bf16",
    tokens_per_sequence: int = 1,
) -> StepWork:
    """One decode step of `batch` sequences of the whole replica, each with so many tokens of context.

    `tokens_per_sequence` is above one where drafts are verified. A pipeline passes the batch on in as many
    parts as it has stages, so a step takes all stages' times for a part.
    """
    sequences, context = np.broadcast_arrays(
        np.asarray(batch, dtype=float), np.asarray(context_tokens, dtype=float)
    )
    per_stage = sequences / layout.pipeline
    tokens = per_stage * tokens_per_sequence
    group = np.maximum(per_stage / layout.data, np.minimum(per_stage, 1.0))
    read = group * architecture.kv_bytes_read(context, kv_precision) / architecture.kv_ranks(layout.tensor)
    attention = tokens * architecture.decode_attention_flops(context) / layout.stage_gpus
    return _work(
        architecture, accelerator, layout, precision, "decode",
        tokens=tokens, kv_bytes=read, attention_flops=attention, sequences=group, passes=np.ones_like(tokens),
        group_tokens=group * tokens_per_sequence,
    )  # fmt: skip


def prefill_work(
    architecture: Architecture,
    accelerator: Accelerator,
    layout: Layout,
    new_tokens: Counts,
    cached_tokens: Counts = 0.0,
    *,
    precision: Precision | None = None,
    kv_precision: Precision = "bf16",
    prompts: Counts = 1.0,
) -> StepWork:
    """Prompts of so many new tokens after cached ones, as the whole replica's work on them.

    With attention data parallel each group has prompts of its own, so `prompts` are those in one pass.
    """
    new, cached, count = np.broadcast_arrays(
        np.asarray(new_tokens, dtype=float),
        np.asarray(cached_tokens, dtype=float),
        np.asarray(prompts, dtype=float),
    )
    tokens = new * count
    passes = np.maximum(np.ceil(tokens / layout.data / CHUNK_TOKENS - 1e-9), 1.0)
    read = count * architecture.kv_bytes_read(cached, kv_precision) / layout.data
    attention = count * architecture.prefill_attention_flops(new, cached) / layout.stage_gpus
    return _work(
        architecture, accelerator, layout, precision, "prefill",
        tokens=tokens, kv_bytes=read / architecture.kv_ranks(layout.tensor), attention_flops=attention,
        sequences=count / layout.data, passes=passes, group_tokens=tokens / layout.data,
    )  # fmt: skip


def _work(
    architecture: Architecture,
    accelerator: Accelerator,
    layout: Layout,
    precision: Precision | None,
    phase: Phase,
    *,
    tokens: Floats,
    group_tokens: Floats,
    kv_bytes: Floats,
    attention_flops: Floats,
    sequences: Floats,
    passes: Floats,
) -> StepWork:
    """See `StepWork`; all pipeline stages together."""
    storage = architecture.storage(precision)
    # A prompt needs the output head for its last token only.
    active: dict[Part, float] = {
        part: count
        for part, count in architecture.active_parameters_by_part.items()
        if phase == "decode" or part != "head"
    }
    routed = architecture.routed_weight_bytes(precision) / layout.stage_gpus
    touched = (
        touched_share(architecture.experts, architecture.experts_per_token, tokens / passes)
        if architecture.experts
        else np.zeros_like(tokens)
    )
    read = architecture.common_weight_bytes(precision) / layout.tensor + routed * touched
    calculated = sum(
        2.0 * count / accelerator.peak("bf16" if storage.bytes_of(part) >= 2 else storage.precision)
        for part, count in active.items()
    )
    expert_row = 2.0 * architecture.routed_parameters * touched / accelerator.peak(storage.precision)
    # norms and residuals are whole on every GPU of a tensor group, what lies between the projections is split
    own_share = WHOLE_ACTIVATIONS + (1 - WHOLE_ACTIVATIONS) / layout.tensor
    hidden_bytes = ACTIVATION_BYTES * architecture.hidden_size / accelerator.bandwidth_bytes_per_second
    # of an expert that several GPUs split, each works on the whole copy
    copies = architecture.moe_layers * architecture.experts_per_token * tokens / layout.expert
    linear_flops = 2.0 * sum(active.values()) * tokens / layout.stage_gpus
    messages = sent(architecture, accelerator, layout, group_tokens, phase)
    network = accelerator.network_bytes_per_second or USUAL_NETWORK_BYTES_PER_SECOND
    ones = np.ones_like(tokens)
    return StepWork(
        weights_seconds=read * passes / accelerator.bandwidth_bytes_per_second,
        kv_seconds=kv_bytes / accelerator.bandwidth_bytes_per_second,
        linear_seconds=calculated * tokens / layout.stage_gpus,
        expert_row_seconds=expert_row * passes / layout.stage_gpus,
        attention_seconds=attention_flops / accelerator.peak("bf16"),
        linear_feed=linear_flops / accelerator.bandwidth_bytes_per_second,
        attention_feed=attention_flops / accelerator.bandwidth_bytes_per_second,
        activation_seconds=architecture.layers * group_tokens * own_share * hidden_bytes,
        expert_activation_seconds=copies * hidden_bytes,
        link_seconds=messages.link_bytes / accelerator.link_bytes_per_second,
        network_seconds=messages.network_bytes / network,
        collectives=messages.collectives * passes,
        layers=architecture.layers * passes,
        moe_layers=architecture.moe_layers * passes,
        sequences=sequences * ones,
        passes=passes,
    )
