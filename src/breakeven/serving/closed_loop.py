"""A fixed number of requests always in work: what a benchmark with `concurrency` measures.

Each request waits for its first token (TTFT), then gets one every TPOT. Prompts are prefilled between
decode steps: in the life of one of C requests each of the C needs one prefill of t seconds, and what of
these C t does not come before its own first token stalls its output,

    TTFT = fixed + a part of a step + own prefill + q C t
    TPOT = T(C) + (1 - q) C t / output
    life = TTFT + (output - 1) TPOT,   throughput = C output / life

so the share q moves time between the two and hardly changes throughput. It is small where lengths vary
and large where all are even and requests march in step. Requests beyond what memory holds wait for a
place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from breakeven.serving.architecture import Architecture, Precision
from breakeven.serving.architecture.attention import Counts, Floats
from breakeven.serving.constants import Constants, shipped_constants
from breakeven.serving.hardware import Accelerator
from breakeven.serving.layout import Layout
from breakeven.serving.memory import most_sequences, refuse_misfit
from breakeven.serving.rates import Rates, Situation
from breakeven.serving.step import decode_seconds, prefill_seconds
from breakeven.serving.step_work import StepWork, decode_work, prefill_work

MOST_BEFORE = 0.9
"""Of the others' prefills, the part that may come before a request's own first token."""


@dataclass(frozen=True)
class ClosedLoop:
    """Means of a closed loop; arrays of one shape. `running` is how many requests memory lets run at once."""

    ttft_seconds: Floats
    tpot_seconds: Floats
    output_tokens_per_second_per_gpu: Floats
    running: Floats


@dataclass(frozen=True)
class LoopWork:
    """What a closed loop asks of the GPUs, counted: nothing fitted is in it."""

    decode: StepWork
    prefill: StepWork
    concurrency: Floats
    running: Floats
    output_tokens: Floats
    gpus: Floats


def loop_work(
    architecture: Architecture,
    accelerator: Accelerator,
    layout: Layout,
    concurrency: Counts,
    input_tokens: Counts,
    output_tokens: Counts,
    *,
    precision: Precision,
    kv_precision: Precision = "bf16",
) -> LoopWork:
    """The work of the steps of a closed loop. A running request has, on average, half its output."""
    asked, prompt, output = np.broadcast_arrays(
        *(np.asarray(one, dtype=float) for one in (concurrency, input_tokens, output_tokens))
    )
    context = prompt + output / 2
    room = most_sequences(
        architecture, accelerator, layout, context, precision=precision, kv_precision=kv_precision
    )
    running = np.minimum(asked, np.maximum(room, 1.0))
    stored = {"precision": precision, "kv_precision": kv_precision}
    return LoopWork(
        decode_work(architecture, accelerator, layout, running, context, **stored),  # pyright: ignore[reportArgumentType]
        prefill_work(architecture, accelerator, layout, prompt, **stored),  # pyright: ignore[reportArgumentType]
        asked,
        running,
        output,
        np.full(asked.shape, float(layout.gpus)),
    )


def loop_times(work: LoopWork, rate: Rates) -> ClosedLoop:
    """See the module."""
    step = decode_seconds(work.decode, rate).seconds
    prompt = prefill_seconds(work.prefill, rate).seconds
    stalls = prompt * work.running
    before = np.minimum(rate.first_token_queue, MOST_BEFORE)
    ttft = (
        rate.first_token_seconds
        + rate.first_token_steps * step
        + prompt * rate.first_token_prefills
        + stalls * before
    )
    tpot = step + stalls * (1.0 - before) / work.output_tokens
    life = ttft + (work.output_tokens - 1) * tpot
    waited = life * (work.concurrency / work.running - 1.0)
    throughput = work.concurrency * work.output_tokens / (life + waited) / work.gpus
    return ClosedLoop(ttft + waited, tpot, throughput, work.running)


def closed_loop(
    architecture: Architecture,
    accelerator: Accelerator,
    layout: Layout,
    concurrency: Counts,
    input_tokens: Counts,
    output_tokens: Counts,
    *,
    precision: Precision | None = None,
    kv_precision: Precision = "bf16",
    engine: str = "",
    constants: Constants | None = None,
) -> ClosedLoop:
    """TTFT, TPOT and output tokens per second and GPU with `concurrency` requests always in work.

    Arguments broadcast against each other. Raises `UsageError` where the weights do not fit.
    """
    used = precision or architecture.native_precision
    refuse_misfit(architecture, accelerator, layout, used)
    work = loop_work(
        architecture, accelerator, layout, concurrency, input_tokens, output_tokens,
        precision=used, kv_precision=kv_precision,
    )  # fmt: skip
    context = np.asarray(input_tokens, dtype=float) + np.asarray(output_tokens, dtype=float) / 2
    situation = Situation(
        architecture, accelerator, layout, used, engine, np.asarray(concurrency, dtype=float), context
    )
    return loop_times(work, (constants or shipped_constants()).rates(situation))
