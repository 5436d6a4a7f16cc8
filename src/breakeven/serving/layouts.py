"""Which layouts are worth trying: those that engines run, on numbers of GPUs that servers come in."""

from __future__ import annotations

from collections.abc import Iterator

from breakeven.errors import UsageError
from breakeven.serving.architecture import Architecture, Precision
from breakeven.serving.hardware import Accelerator
from breakeven.serving.layout import Layout
from breakeven.serving.memory import most_sequences

SERVER_GPUS = 8
USUAL_MOST_GPUS = 32
"""Of a replica, unless a caller wants more or less. Measured deployments are of 1 to 8 GPUs mostly, but large
models with many experts are served on more: DeepSeek's day ran on 32 for prefill and 144 for decode."""
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_STAGES = (1, 2, 4, 8)


def layouts(
    architecture: Architecture,
    accelerator: Accelerator,
    precision: Precision | None = None,
    most_gpus: int = USUAL_MOST_GPUS,
    *,
    context_tokens: float = 1.0,
    kv_precision: Precision = "bf16",
) -> tuple[Layout, ...]:
    """Layouts that hold the weights and a sequence of so many tokens, smallest first; maybe none.

    Tensor parallel within the scale-up link; with experts also attention data parallel over all GPUs, experts
    apart; pipeline stages only where nothing else fits.

    >>> from breakeven.serving.architecture import architecture
    >>> from breakeven.serving.hardware import accelerator
    >>> [str(one) for one in layouts(architecture("llama-3.1-70b"), accelerator("l40s"), "fp8", 8)]
    ['TP2', 'TP4', 'TP8']
    """
    fitting = {
        layout
        for layout in _possible(architecture, accelerator, most_gpus)
        if float(
            most_sequences(
                architecture,
                accelerator,
                layout,
                context_tokens,
                precision=precision,
                kv_precision=kv_precision,
            )
        )
        >= 1.0
    }
    flat = {layout for layout in fitting if layout.pipeline == 1}
    return tuple(sorted(flat or fitting, key=lambda layout: (layout.gpus, layout.data, layout.pipeline)))


def refuse_uneven(architecture: Architecture, layout: Layout) -> None:
    """Raise `UsageError` for a layout that cuts attention heads in pieces: no engine runs it.

    >>> from breakeven.serving.architecture import architecture
    >>> refuse_uneven(architecture("qwen3-32b"), Layout(tensor=4))
    """
    if not _divides_heads(architecture, layout.tensor):
        raise UsageError(
            f"TP{layout.tensor} does not divide the {architecture.heads} attention heads "
            f"of {architecture.name}",
            cause="tensor parallel gives each GPU whole heads",
            remedy="choose a number that divides them, such as TP2, TP4 or TP8",
        )


def _divides_heads(architecture: Architecture, tensor: int) -> bool:
    return max(architecture.heads, 1) % tensor == 0


def _possible(architecture: Architecture, accelerator: Accelerator, most_gpus: int) -> Iterator[Layout]:
    link = accelerator.link_domain_gpus
    for tensor in _SIZES:
        if tensor > min(link, most_gpus, max(architecture.heads, 1)):
            break
        if not _divides_heads(architecture, tensor):
            continue
        yield Layout(tensor=tensor)
        for stages in _STAGES[1:]:
            if tensor == min(link, SERVER_GPUS) and tensor * stages <= most_gpus:
                yield Layout(tensor=tensor, pipeline=stages)
    if architecture.experts:
        for gpus in _SIZES[1:]:
            if gpus > min(most_gpus, architecture.experts):
                break
            yield Layout(data=gpus, expert=gpus)
            if gpus > SERVER_GPUS // 2:
                for tensor in (2, 4):
                    if _divides_heads(architecture, tensor):
                        yield Layout(tensor=tensor, data=gpus // tensor, expert=gpus)
