"""What fits: weights on every GPU, then as many sequences as their cache leaves room for."""

from __future__ import annotations

import numpy as np

from breakeven.errors import UsageError
from breakeven.serving.architecture import Architecture
from breakeven.serving.architecture.attention import Counts, Floats
from breakeven.serving.architecture.precision import Precision
from breakeven.serving.hardware import Accelerator
from breakeven.serving.layout import Layout

USABLE_SHARE = 0.95
"""Of a GPU's memory: what engines are told to take where it matters (vLLM's default is 0.9). Measured points
need it: DeepSeek-R1 in fp8 runs 32 sequences of 8 k on 4 B200."""
WORKING_BYTES = 2e9
"""Activations, graphs and communication buffers of one GPU."""


def weight_bytes_per_gpu(
    architecture: Architecture, layout: Layout, precision: Precision | None = None
) -> float:
    """Weights that one GPU holds: routed experts divide over all, the rest over the tensor group only."""
    routed = architecture.routed_weight_bytes(precision)
    rest = architecture.weight_bytes(precision) - routed
    return (routed / layout.stage_gpus + rest / layout.tensor) / layout.pipeline


def cache_bytes_per_gpu(
    architecture: Architecture, accelerator: Accelerator, layout: Layout, precision: Precision | None = None
) -> float:
    """Memory of one GPU that the weights leave to the cache; negative where they do not fit."""
    usable = USABLE_SHARE * accelerator.memory_bytes - WORKING_BYTES
    return usable - weight_bytes_per_gpu(architecture, layout, precision)


def most_sequences(
    architecture: Architecture,
    accelerator: Accelerator,
    layout: Layout,
    context_tokens: Counts,
    *,
    precision: Precision | None = None,
    kv_precision: Precision = "bf16",
) -> Floats:
    """How many sequences of so many tokens a replica holds at once; zero where not one fits.

    >>> from breakeven.serving.architecture import architecture
    >>> from breakeven.serving.hardware import accelerator
    >>> at = architecture("llama-3.1-70b"), accelerator("h100")
    >>> most_sequences(*at, Layout(tensor=4), 8192, precision="fp8").astype(int).item()
    91
    """
    free = max(cache_bytes_per_gpu(architecture, accelerator, layout, precision), 0.0)
    held = architecture.kv_bytes(context_tokens, kv_precision) / architecture.kv_ranks(layout.tensor)
    return np.maximum(free * layout.pipeline / held, 0.0) * layout.data


def least_gpus(
    architecture: Architecture, accelerator: Accelerator, precision: Precision | None = None
) -> int:
    """GPUs that the weights alone need, tensor parallel.

    >>> from breakeven.serving.architecture import architecture
    >>> from breakeven.serving.hardware import accelerator
    >>> least_gpus(architecture("deepseek-v3"), accelerator("h100"), "fp8")
    9
    """
    usable = USABLE_SHARE * accelerator.memory_bytes - WORKING_BYTES
    return int(np.ceil(architecture.weight_bytes(precision) / usable))


def refuse_misfit(
    architecture: Architecture, accelerator: Accelerator, layout: Layout, precision: Precision | None = None
) -> None:
    """Raise `UsageError` where the weights do not fit the GPUs, with how many would hold them."""
    if cache_bytes_per_gpu(architecture, accelerator, layout, precision) <= 0:
        needed = least_gpus(architecture, accelerator, precision)
        raise UsageError(
            f"{architecture.name} does not fit {layout.gpus} {accelerator.name} as {layout}",
            remedy=f"its weights need {needed} GPUs of this kind, or a lower precision",
        )
