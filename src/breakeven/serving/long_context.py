"""The price of one long prompt: its prefill, and the places of others that its cache takes while it answers.

A long prompt costs twice. Its prefill has the replica for itself, and attention in it grows with the square
of the length, unless the kind of attention caps it. Then its keys and values fill memory in which shorter
sequences would run, and every step reads them: others run fewer at once and each step is longer. With B
sequences of usual length in a step of T seconds without it, and B' beside it in a step of T', an answer of n
tokens takes from others what the replica would have done in

    n (T' - T B' / B) seconds, on all its GPUs

B and B' are what memory holds and the promised time per token allows. With the prompt in a prefix cache only
its end is computed; its keys and values are read back over the link to where they lie.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from breakeven.errors import InputError, UsageError
from breakeven.serving.architecture.attention import Counts, Floats
from breakeven.serving.best_layout import LARGEST_REPLICA
from breakeven.serving.deployment import Deployment
from breakeven.serving.estimate import Estimate
from breakeven.serving.layout import Layout
from breakeven.serving.layouts import USUAL_MOST_GPUS, layouts
from breakeven.serving.memory import USABLE_SHARE, WORKING_BYTES, most_sequences
from breakeven.serving.steady_state import CACHE_BYTES_PER_SECOND
from breakeven.serving.step_work import CHUNK_TOKENS
from breakeven.serving.target import Derate, Target

LONGEST_TOKENS = 100_000_000
_GRID = 64
_STAGES = (2, 4, 8, 16)
_NEARLY = 1.5
"""Layouts that take up to half more GPU time than the best count as equal: waiting decides."""


@dataclass(frozen=True)
class LongPrompt:
    """One request with a long prompt, among others of usual length.

    `end_tokens` is the last part of the prompt, such as the question, which is computed even where a prefix
    cache knows the rest. `usual_tokens` is the context of the sequences that run beside it. Raises
    `InputError` for lengths that no request has.
    """

    tokens: float
    output_tokens: float = 1_000
    end_tokens: float = 1_000
    usual_tokens: float = 8_000

    def __post_init__(self) -> None:
        for name in ("tokens", "output_tokens", "end_tokens", "usual_tokens"):
            value = getattr(self, name)
            if not (math.isfinite(value) and 1 <= value <= LONGEST_TOKENS):
                raise InputError(
                    f"{name} of a prompt is {value:,.0f}"
                    if math.isfinite(value)
                    else f"{name} cannot be {value}",
                    cause="characters or bytes instead of tokens",
                    remedy=f"give from 1 to {LONGEST_TOKENS:,} tokens",
                )

    @property
    def longest_context(self) -> float:
        """What memory must hold at the end of the answer."""
        return self.tokens + self.output_tokens


@dataclass(frozen=True)
class LongContext:
    """What the prompt takes on one layout. GPU-seconds include the derate; seconds are of this request."""

    layout: Layout
    least_gpus: int
    """GPUs of the smallest replica that holds it."""
    kv_bytes: float
    """Of the whole sequence, once."""
    prefill_seconds: Estimate
    attention_share: float
    """Share of attention in the arithmetic of the prefill: what grows with the square of the length."""
    cached_prefill_seconds: Estimate
    load_seconds: float
    """Of the last, reading the cache back."""
    step_seconds: Estimate
    """Time per token of its answer."""
    usual_batch: float
    """Sequences of usual length that run without it."""
    batch_beside: float
    """Those that run beside it."""
    prefill_gpu_seconds: Estimate
    cached_prefill_gpu_seconds: Estimate
    decode_gpu_seconds: Estimate

    @property
    def blocked_share(self) -> float:
        """Share of the places of others that it takes."""
        return 1.0 - self.batch_beside / self.usual_batch

    @property
    def gpu_seconds(self) -> Estimate:
        """Of the whole request, computed."""
        return _sum(self.prefill_gpu_seconds, self.decode_gpu_seconds)

    @property
    def cached_gpu_seconds(self) -> Estimate:
        """Of the whole request where a prefix cache knows all but the end of the prompt."""
        return _sum(self.cached_prefill_gpu_seconds, self.decode_gpu_seconds)


def long_context(
    deployment: Deployment,
    prompt: LongPrompt,
    target: Target | None = None,
    derate: Derate | None = None,
    *,
    most_gpus: int | None = None,
    load_bytes_per_second: float = CACHE_BYTES_PER_SECOND,
) -> LongContext:
    """The prompt on the layout where its first token comes soonest, of those near the least GPU time.

    Replicas of usual size are compared; a larger one is taken only where none of those holds the prompt.

    `target.tpot_seconds` is promised to the others; its own answer may be slower. Raises `UsageError` where
    no replica of up to `most_gpus` holds it, with how many GPUs would, and where none keeps the promise.

    >>> from breakeven.serving.architecture import architecture
    >>> from breakeven.serving.hardware import accelerator
    >>> deployment = Deployment(architecture("llama-3.1-70b"), accelerator("h200"), "fp8")
    >>> found = long_context(deployment, LongPrompt(1_000_000))
    >>> round(found.kv_bytes / 1e9), found.least_gpus, 0 < found.blocked_share <= 1
    (328, 4, True)
    """
    target, derate = target or Target(), derate or Derate()
    holding = _holding(deployment, prompt, most_gpus or LARGEST_REPLICA)
    if not holding:
        raise _too_long(deployment, prompt, most_gpus or LARGEST_REPLICA)
    found = [
        one
        for layout in holding
        if layout.gpus <= max(USUAL_MOST_GPUS, holding[0].gpus)
        and (one := _on(deployment, layout, prompt, target, derate, load_bytes_per_second, holding[0].gpus))
    ]
    if not found:
        raise UsageError(
            f"no layout that holds the prompt keeps {1e3 * target.tpot_seconds:,.3g} ms per token for others",
            remedy="promise a longer --tpot, or take another GPU or model",
        )
    cheapest = min(one.gpu_seconds.value for one in found)
    near = [one for one in found if one.gpu_seconds.value <= _NEARLY * cheapest]
    return min(near, key=lambda one: one.prefill_seconds.value)


def _holding(deployment: Deployment, prompt: LongPrompt, most_gpus: int) -> Sequence[Layout]:
    """Layouts in which one attention group holds the sequence, smallest first.

    Beyond one link domain the cache divides by layers: pipeline stages are tried where they add room.
    """
    architecture, accelerator = deployment.architecture, deployment.accelerator
    tried = list(layouts(architecture, accelerator, deployment.precision, most_gpus))
    widest = max(
        (layout.tensor for layout in tried if layout.data == 1), default=accelerator.link_domain_gpus
    )
    tried += [
        Layout(tensor=widest, pipeline=stages)
        for stages in _STAGES
        if widest * stages <= most_gpus and stages <= architecture.layers
    ]
    holding = {
        layout for layout in tried if _places(deployment, layout, prompt.longest_context) >= layout.data
    }
    return sorted(holding, key=lambda layout: (layout.gpus, layout.pipeline, layout.data))


def _places(deployment: Deployment, layout: Layout, context_tokens: float) -> float:
    return float(
        most_sequences(
            deployment.architecture,
            deployment.accelerator,
            layout,
            context_tokens,
            precision=deployment.precision,
            kv_precision=deployment.kv_precision,
        )
    )


def _on(
    deployment: Deployment,
    layout: Layout,
    prompt: LongPrompt,
    target: Target,
    derate: Derate,
    load_bytes_per_second: float,
    least_gpus: int,
) -> LongContext | None:
    """The prompt on one layout; None where others do not get what they are promised there even without it."""
    usual = _places(deployment, layout, prompt.usual_tokens)
    taken = usual / _places(deployment, layout, prompt.longest_context)
    batch, step = _running(deployment, layout, prompt.usual_tokens, usual, target.tpot_seconds)
    if batch < 1:
        return None
    context = prompt.tokens + prompt.output_tokens / 2
    alone = float(_token_seconds(deployment, layout, 1.0, context))
    # What the long sequence adds to every step: the whole replica waits for the group that reads its cache.
    added = alone - float(_token_seconds(deployment, layout, 1.0, 1.0))
    beside, step_beside = _running(
        deployment, layout, prompt.usual_tokens, usual - taken, target.tpot_seconds - added
    )
    own_step = alone if beside < 1 else step_beside + added
    beside = beside if beside >= 1 else 0.0
    decode = prompt.output_tokens * (own_step - step * beside / batch) * layout.gpus / derate.decode

    prefill = _prefill_seconds(deployment, layout, prompt.tokens, 0.0)
    end = min(prompt.end_tokens, prompt.tokens)
    known = prompt.tokens - end
    end_only = _prefill_seconds(deployment, layout, end, known)
    load = _load_seconds(deployment, layout, known, load_bytes_per_second)
    architecture = deployment.architecture
    attention = float(architecture.prefill_attention_flops(prompt.tokens))
    prefill_gpus = layout.gpus / layout.data / derate.prefill
    return LongContext(
        layout=layout,
        least_gpus=least_gpus,
        kv_bytes=float(architecture.kv_bytes(prompt.longest_context, deployment.kv_precision)),
        prefill_seconds=deployment.estimate(prefill, "prefill"),
        attention_share=attention / (attention + architecture.linear_flops() * prompt.tokens),
        cached_prefill_seconds=deployment.estimate(end_only + load, "prefill"),
        load_seconds=load,
        step_seconds=deployment.estimate(own_step, "decode"),
        usual_batch=batch,
        batch_beside=min(beside, batch),
        prefill_gpu_seconds=deployment.estimate(prefill * prefill_gpus, "prefill"),
        cached_prefill_gpu_seconds=deployment.estimate((end_only + load) * prefill_gpus, "prefill"),
        decode_gpu_seconds=deployment.estimate(decode, "decode"),
    )


def _prefill_seconds(deployment: Deployment, layout: Layout, new: float, cached: float) -> float:
    """From the first chunk to the last. Each attention group works on a prompt of its own; pipeline stages
    work on different chunks of one prompt at once.
    """
    seconds = float(deployment.prefill(layout, new, cached, layout.data).seconds)
    chunks = math.ceil(new / CHUNK_TOKENS)
    return seconds * (chunks + layout.pipeline - 1) / (chunks * layout.pipeline)


def _token_seconds(deployment: Deployment, layout: Layout, batch: Counts, context_tokens: Counts) -> Floats:
    """Time per token of a sequence: a step's with its drafting, over the tokens that it yields."""
    speculation = deployment.speculation
    seconds = deployment.decode(layout, batch, context_tokens).seconds
    return seconds * speculation.drafting / speculation.tokens_per_step


def _running(
    deployment: Deployment, layout: Layout, context_tokens: float, most: float, seconds: float
) -> tuple[float, float]:
    """How many sequences run at once, by memory and by the time per token, and the time of their step."""
    if most < 1:
        return 0.0, 0.0
    batches = np.geomspace(1.0, most, _GRID)
    times = np.maximum.accumulate(_token_seconds(deployment, layout, batches, context_tokens))
    if times[0] > seconds:
        return 0.0, float(times[0])
    batch = float(np.interp(seconds, times, batches))
    return batch, float(np.interp(batch, batches, times))


def _load_seconds(
    deployment: Deployment, layout: Layout, known_tokens: float, bytes_per_second: float
) -> float:
    """Reading the cache back: each GPU of the group takes its part of it, or all of it where all keep it."""
    architecture = deployment.architecture
    held = float(architecture.kv_bytes(known_tokens, deployment.kv_precision))
    return held / (architecture.kv_ranks(layout.tensor) * layout.pipeline) / bytes_per_second


def _too_long(deployment: Deployment, prompt: LongPrompt, most_gpus: int) -> UsageError:
    """The error that says how many GPUs would hold weights and cache together, by memory alone."""
    architecture, accelerator = deployment.architecture, deployment.accelerator
    held = float(architecture.kv_bytes(prompt.longest_context, deployment.kv_precision))
    usable = USABLE_SHARE * accelerator.memory_bytes - WORKING_BYTES
    needed = math.ceil((architecture.weight_bytes(deployment.precision) + held) / usable)
    return UsageError(
        f"{prompt.tokens:,.0f} tokens of {architecture.name} hold {held / 1e9:,.0f} GB of keys and values, "
        f"and no replica of up to {most_gpus} {accelerator.name} has that room",
        cause=f"weights and cache together would fill {needed:,} of them if both could be divided evenly",
        remedy="take a GPU with more memory, --kv fp8, or a model with latent, sparse or linear attention",
    )


def _sum(first: Estimate, second: Estimate) -> Estimate:
    """Both may err the same way, so bounds add up."""
    return Estimate(first.value + second.value, first.low + second.low, first.high + second.high)
