"""What is plausible of each constant before any point is seen: a value and how far it may be off, in
logarithms.

Shares and overheads are from the public roofline literature and the engines' own profiles, wide enough
that points decide. Adjustments by group are none on average; their widths say how much groups differ,
coarse ones more.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Prior(NamedTuple):
    """A normal distribution of a logarithm."""

    value: float
    spread: float


class Base(NamedTuple):
    """A constant with a unit: plausible value, spread of its logarithm, unit, what moves it in the fit."""

    value: float
    spread: float
    unit: str
    identified_by: str


BASES: dict[str, Base] = {
    "weights_bandwidth_share": Base(0.75, 0.2, "of peak bandwidth", "TPOT at small batches of large models"),
    "kv_bandwidth_share": Base(0.7, 0.3, "of peak bandwidth", "TPOT by context and batch, grouped attention"),
    "latent_kv_bandwidth_share": Base(
        0.5, 0.4, "of peak bandwidth", "TPOT by context and batch, latent attention"
    ),
    "compute_share": Base(0.5, 0.4, "of peak FLOP/s", "TPOT at large batches"),
    "attention_compute_share": Base(
        0.3, 0.5, "of bf16 peak FLOP/s", "TPOT at long contexts, latent attention"
    ),
    "link_share": Base(0.5, 0.4, "of link bandwidth", "TPOT by tensor parallel at large batches"),
    "layer_seconds": Base(25e-6, 0.5, "seconds per layer and step", "TPOT at concurrency 4 of deep models"),
    "moe_layer_seconds": Base(
        25e-6, 0.5, "further seconds per layer with experts and step", "experts against dense"
    ),
    "collective_seconds": Base(
        8e-6, 0.5, "seconds per collective operation", "TPOT by tensor parallel at small batches"
    ),
    "sequence_seconds": Base(15e-6, 0.6, "seconds per sequence and step", "TPOT by concurrency"),
    "step_seconds": Base(1e-3, 0.7, "seconds per step", "TPOT of shallow models"),
    "prefill_weights_share": Base(
        0.6, 0.3, "of peak bandwidth", "TTFT and TPOT of short prompts with experts"
    ),
    "prefill_compute_share": Base(0.95, 0.05, "of peak FLOP/s", "TPOT and throughput by input over output"),
    "expert_tile_rows": Base(
        64.0, 0.5, "rows wasted per touched expert", "prefill with experts by input length"
    ),
    "prefill_attention_share": Base(0.85, 0.1, "of bf16 peak FLOP/s", "the same at 8 k against 1 k of input"),
    "linear_intensity": Base(1500.0, 0.4, "FLOP per byte of bandwidth", "prefill by precision and GPU"),
    "attention_intensity": Base(600.0, 0.4, "FLOP per byte of bandwidth", "prefill by input length"),
    "activation_passes": Base(
        20.0, 0.5, "passes over the hidden vectors of a layer", "prefill by precision and GPU"
    ),
    "expert_activation_passes": Base(
        4.0, 0.5, "passes over the copies sent to experts", "prefill with experts"
    ),
    "prefill_link_share": Base(0.5, 0.4, "of link bandwidth", "the same by tensor parallel"),
    "prefill_layer_seconds": Base(60e-6, 0.5, "seconds per layer and pass", "TTFT of short prompts"),
    "prefill_step_seconds": Base(3e-3, 0.7, "seconds per pass", "TTFT of short prompts"),
    "first_token_seconds": Base(0.01, 1.0, "seconds per request", "TTFT at concurrency 4"),
    "first_token_steps": Base(0.5, 0.7, "decode steps per request", "TTFT by TPOT"),
    "first_token_prefills": Base(1.0, 0.4, "prefills per request", "TTFT by input"),
    "first_token_queue": Base(0.05, 0.6, "of the others' prefills", "TTFT by concurrency"),
}

_SPREADS = {
    "generation": 0.15, "gpu": 0.1, "precision": 0.15, "engine": 0.15, "generation, engine": 0.1,
    "engine, precision": 0.1, "generation, precision": 0.1, "model": 0.2, "model, engine": 0.15,
    "model, precision": 0.1, "model, gpu": 0.1, "smooth": 0.15,
}  # fmt: skip
_RATE_ADJUSTMENT = 0.3
_WIDE = {
    "first_token_seconds": 0.5,
    "first_token_queue": 0.6,
    "sequence_seconds": 0.4,
    "first_token_prefills": 0.7,
}


def prior(name: str) -> Prior:
    """What is plausible of one constant.

    >>> prior("decode.model.llama-3.1-70b"), prior("layer_seconds.vllm")
    (Prior(value=0.0, spread=0.2), Prior(value=0.0, spread=0.3))
    """
    if name in BASES:
        base = BASES[name]
        return Prior(float(np.log(base.value)), base.spread)
    first, _, rest = name.partition(".")
    if first in ("decode", "prefill"):
        return Prior(0.0, _SPREADS[rest.partition(".")[0]])
    if name == "first_token_queue.even lengths":
        return Prior(1.5, 0.7)
    return Prior(0.0, _WIDE.get(first, _RATE_ADJUSTMENT))
