"""What one replica does in steady state, at the largest batch that keeps the latency target.

Requests come at random. Continuous batching on the same GPUs (aggregated): a decode step of B sequences takes
T(B) and yields a tokens each; prefills of t_p seconds come in between. By Little's law, of rate l, output o:

    TPOT = T(B) / a + B t_p / o,    l = B / (o TPOT),    share of time in prefill = l t_p

B is the mean; memory, and the TPOT promised at percentile q, must hold at B_q = B + z_q sqrt(B) sequences,
since their number is Poisson. The time to the first token adds the wait for other prompts (see `waiting`),
the prompt's own prefill, the step under way, and what the engine adds. Apart (disaggregated), a prefill
replica has only the wait and the prefill, a decode replica only T(B) / a, and l = B a / (o T(B)).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from breakeven.serving.cases import Cases
from breakeven.serving.communication import USUAL_NETWORK_BYTES_PER_SECOND
from breakeven.serving.deployment import Deployment
from breakeven.serving.largest import Which, largest_within
from breakeven.serving.layout import Layout
from breakeven.serving.memory import most_sequences
from breakeven.serving.step_work import CHUNK_TOKENS
from breakeven.serving.target import BENCHMARK, Derate
from breakeven.serving.waiting import at_percentile, running_at_percentile, wait_of

Floats = NDArray[np.float64]
Limit = Literal["memory_capacity", "tpot_target", "ttft_target", "scheduler"]
LIMITS: tuple[Limit, ...] = ("memory_capacity", "tpot_target", "ttft_target", "scheduler")
MEMORY, TPOT, TTFT, SCHEDULER = range(len(LIMITS))

SMALLEST_BATCH = 0.02
"""Sequences running in the mean below which a replica is as good as alone with each request."""
MOST_SEQUENCES_PER_GROUP = 1_024
"""An engine's usual limit of running sequences (`max_num_seqs` of vLLM, V1 default on large GPUs)."""
MOST_PREFILL_UTILISATION = 0.98
"""Of a replica that only prefills, however patient its users: beyond, its queue has no steady state to speak
of."""
CACHE_BYTES_PER_SECOND = 50e9
"""Assumed speed at which a GPU reads cached keys and values from the memory of its server: most of PCIe 5.0
x16, which carries 63 GB/s in one direction."""


@dataclass(frozen=True)
class Steady:
    """One kind of replica in each case; arrays of shape (case,). `nan` where it does not do that work.

    GPU-seconds are of one request, all GPUs of the replica counted for as long as it works on it; where the
    target leaves it waiting (prefill apart), that is in `prefill_gpu_seconds`.
    """

    gpus: int
    batch: Floats
    batch_at_percentile: Floats
    requests_per_second: Floats
    prefill_share: Floats
    prefill_gpu_seconds: Floats
    decode_gpu_seconds: Floats
    ttft_seconds: Floats
    tpot_seconds: Floats
    utilisation: Floats
    limit: NDArray[np.int8]
    """Index into `LIMITS`."""
    is_within: NDArray[np.bool_]
    """Whether the target is kept; where not, the figures are those of a replica that is nearly idle."""

    def gpu_seconds(self, derate: Derate = BENCHMARK) -> Floats:
        """Of one request, in production that reaches so much of a benchmark."""
        prefill, decode = np.nan_to_num(self.prefill_gpu_seconds), np.nan_to_num(self.decode_gpu_seconds)
        return prefill / derate.prefill + decode / derate.decode


@dataclass(frozen=True)
class Prompts:
    """Prefill of a replica: seconds it is busy for a prompt in the mean, how they vary, and those of a prompt
    alone.
    """

    busy_seconds: Floats
    variation: Floats
    own_seconds: Floats
    servers: int

    def take(self, which: Which) -> Prompts:
        """Only those of the cases at these places."""
        return Prompts(self.busy_seconds[which], self.variation[which], self.own_seconds[which], self.servers)


def prompts(deployment: Deployment, layout: Layout, cases: Cases, together: Floats | float) -> Prompts:
    """Prefill as requests see it: attention groups and pipeline stages work on prompts of their own.

    `together` prompts share a pass. One at a time is what measurements of continuous batching are fitted
    with. A prefix that takes longer to fetch than to compute is computed.
    """
    new, cached = cases.prompt_multiples * cases.new_tokens, cases.prompt_multiples * cases.cached_tokens
    servers = layout.data * layout.pipeline
    fetching = cache_seconds(deployment, layout, cached)
    pass_seconds = deployment.prefill(layout, new, cached, together).seconds
    busy = pass_seconds / together / layout.pipeline + fetching / servers
    is_fetched = bool((cases.cached_tokens > 0).any())
    whole = pass_seconds
    if is_fetched:
        whole = deployment.prefill(layout, new + cached, np.zeros_like(cached), together).seconds
        busy = np.minimum(busy, whole / together / layout.pipeline)
    mean = (cases.prompt_weights * busy).sum(axis=0)
    square = (cases.prompt_weights * busy**2).sum(axis=0)
    if layout.data == 1 and new.shape[0] == 1 and np.ndim(together) == 0:
        own = (pass_seconds + fetching)[0]
        if is_fetched:
            own = np.minimum(own, whole[0])
    else:
        own = deployment.prefill(layout, cases.new_tokens, cases.cached_tokens, layout.data).seconds
        own = own + cache_seconds(deployment, layout, cases.cached_tokens)
        if is_fetched:
            tokens = cases.new_tokens + cases.cached_tokens
            own = np.minimum(
                own, deployment.prefill(layout, tokens, np.zeros_like(tokens), layout.data).seconds
            )
    return Prompts(mean, np.maximum(square / mean**2 - 1.0, 0.0), own, servers)


def prompts_of_a_pass(layout: Layout, new_tokens: Floats) -> Floats:
    """Prompts that a replica which only prefills takes at once: what a chunk of each group has room for."""
    return layout.data * np.maximum(np.floor(CHUNK_TOKENS / new_tokens), 1.0)


def cache_seconds(deployment: Deployment, layout: Layout, cached_tokens: Floats) -> Floats:
    """Bringing the cached prefix of one prompt from host memory to the GPUs that attend to it."""
    kv_bytes = deployment.architecture.kv_bytes(cached_tokens, deployment.kv_precision)
    ranks = deployment.architecture.kv_ranks(layout.tensor) * layout.pipeline
    return np.where(cached_tokens > 0, kv_bytes / (ranks * CACHE_BYTES_PER_SECOND), 0.0)


def aggregated(deployment: Deployment, layout: Layout, cases: Cases) -> Steady:
    """Prefill and decode on the same GPUs."""
    added = _added_seconds(deployment)
    tokens = deployment.speculation.tokens_per_step
    drafting = deployment.speculation.drafting
    most = _most_running(deployment, layout, cases)
    all_work = prompts(deployment, layout, cases, 1.0)

    def times(batch: Floats, cases: Cases, work: Prompts) -> tuple[Floats, Floats, Floats, Floats]:
        """TPOT at the percentile and in the mean, time to the first token, share of time in prefill."""
        peak = running_at_percentile(batch, cases.percentile)
        steps = deployment.decode(layout, np.stack([peak, batch]), cases.context_tokens).seconds * drafting
        stall = work.busy_seconds / cases.output_tokens
        at_peak, usual = steps[0] / tokens + peak * stall, steps[1] / tokens + batch * stall
        share = batch * stall / usual
        ttft = added.seconds + added.steps * steps[1] + _first_token(cases, work, share, added.prefills)
        return at_peak, usual, ttft, share

    def load(batch: Floats, which: Which) -> Floats:
        some = cases.take(which)
        at_peak, _, ttft, _ = times(batch, some, all_work.take(which))
        return np.maximum(at_peak / some.tpot_seconds, ttft / some.ttft_seconds)

    batch, impossible = _search(load, most)
    at_peak, usual, ttft, share = times(batch, cases, all_work)
    rate = batch / (cases.output_tokens * usual)
    unbounded = times(most, cases, all_work)[1]
    busy = share * usual * cases.output_tokens / batch
    return Steady(
        gpus=layout.gpus,
        batch=batch,
        batch_at_percentile=running_at_percentile(batch, cases.percentile),
        requests_per_second=rate,
        prefill_share=share,
        prefill_gpu_seconds=layout.gpus * busy,
        decode_gpu_seconds=layout.gpus * (1.0 / rate - busy),
        ttft_seconds=ttft,
        tpot_seconds=at_peak,
        utilisation=rate / np.maximum(most / (cases.output_tokens * unbounded), rate),
        limit=_limit(layout, cases, batch, most, at_peak, ttft),
        is_within=~impossible & (most >= SMALLEST_BATCH),
    )


def decode_apart(deployment: Deployment, layout: Layout, cases: Cases) -> Steady:
    """Decode on GPUs of its own."""
    tokens = deployment.speculation.tokens_per_step
    drafting = deployment.speculation.drafting
    most = _most_running(deployment, layout, cases)

    def tpot(batch: Floats, cases: Cases) -> Floats:
        return deployment.decode(layout, batch, cases.context_tokens).seconds * drafting / tokens

    def load(batch: Floats, which: Which) -> Floats:
        some = cases.take(which)
        return tpot(running_at_percentile(batch, some.percentile), some) / some.tpot_seconds

    batch, impossible = _search(load, most)
    at_peak = tpot(running_at_percentile(batch, cases.percentile), cases)
    rate = batch / (cases.output_tokens * tpot(batch, cases))
    nothing = np.full(cases.count, np.nan)
    return Steady(
        gpus=layout.gpus,
        batch=batch,
        batch_at_percentile=running_at_percentile(batch, cases.percentile),
        requests_per_second=rate,
        prefill_share=np.zeros(cases.count),
        prefill_gpu_seconds=nothing,
        decode_gpu_seconds=layout.gpus / rate,
        ttft_seconds=nothing,
        tpot_seconds=at_peak,
        utilisation=rate / np.maximum(most / (cases.output_tokens * tpot(most, cases)), rate),
        limit=_limit(layout, cases, batch, most, at_peak, np.zeros(cases.count)),
        is_within=~impossible & (most >= SMALLEST_BATCH),
    )


def prefill_apart(deployment: Deployment, layout: Layout, cases: Cases) -> Steady:
    """Prefill on GPUs of its own; the prompt's cache then goes over the network to where it is decoded."""
    added = _added_seconds(deployment)
    together = prompts_of_a_pass(layout, cases.new_tokens)
    work = prompts(deployment, layout, cases, together)
    sending = _handover_seconds(deployment, layout, cases)

    def ttft(busy: Floats, which: Which) -> Floats:
        first = _first_token(cases.take(which), work.take(which), busy, added.prefills)
        return added.seconds + sending[which] + first

    low, high = np.full(cases.count, 1e-3), np.full(cases.count, MOST_PREFILL_UTILISATION)
    busy, impossible = largest_within(
        lambda busy, which: ttft(busy, which) / cases.ttft_seconds[which], low, high
    )
    fits = most_sequences(
        deployment.architecture, deployment.accelerator, layout, cases.new_tokens + cases.cached_tokens,
        precision=deployment.precision, kv_precision=deployment.kv_precision,
    )  # fmt: skip
    nothing = np.full(cases.count, np.nan)
    return Steady(
        gpus=layout.gpus,
        batch=busy * work.servers,
        batch_at_percentile=np.full(cases.count, float(work.servers)),
        requests_per_second=busy / work.busy_seconds,
        prefill_share=busy,
        prefill_gpu_seconds=layout.gpus * work.busy_seconds / busy,
        decode_gpu_seconds=nothing,
        ttft_seconds=ttft(busy, np.arange(cases.count)),
        tpot_seconds=nothing,
        utilisation=busy,
        limit=np.where(busy < MOST_PREFILL_UTILISATION * 0.999, TTFT, SCHEDULER).astype(np.int8),
        is_within=~impossible & (fits >= layout.data),
    )


def tpot_curve(
    deployment: Deployment, layout: Layout, cases: Cases, *, apart: bool, points: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Sequences that a replica decodes at once, up to what memory holds, and the time per token of each."""
    most = max(float(_most_running(deployment, layout, cases)[0]), 1.0)
    batch = np.geomspace(1.0, most, points) if most > 1.0 else np.ones(1)
    steps = deployment.decode(layout, batch, cases.context_tokens[0]).seconds
    tpot = steps * deployment.speculation.drafting / deployment.speculation.tokens_per_step
    if not apart:
        stall = prompts(deployment, layout, cases, 1.0).busy_seconds / cases.output_tokens
        tpot = tpot + batch * stall
    return tuple(map(float, batch)), tuple(map(float, tpot))


class _Added(NamedTuple):
    """What an engine adds before the first token: seconds, parts of a decode step, passes of the prompt."""

    seconds: float
    steps: float
    prefills: float


def _added_seconds(deployment: Deployment) -> _Added:
    """As measured where one attention group has all GPUs: groups apart are counted in the prefill itself."""
    rate = deployment.rates(Layout())
    return _Added(
        float(rate.first_token_seconds), float(rate.first_token_steps), float(rate.first_token_prefills)
    )


def _first_token(cases: Cases, work: Prompts, busy: Floats, prefills: float) -> Floats:
    """Wait for other prompts and the prompt's own prefill, at the percentile."""
    waiting = wait_of(
        work.busy_seconds * work.servers,
        busy,
        cases.percentile,
        variation=work.variation,
        servers=work.servers,
    )
    return at_percentile(work.own_seconds * prefills, cases.longest_prompt, waiting)


def _handover_seconds(deployment: Deployment, layout: Layout, cases: Cases) -> Floats:
    """A prompt's whole cache over the network, all GPUs of its group sending, none of it during the
    prefill.
    """
    kv_bytes = deployment.architecture.kv_bytes(
        cases.new_tokens + cases.cached_tokens, deployment.kv_precision
    )
    network = deployment.accelerator.network_bytes_per_second or USUAL_NETWORK_BYTES_PER_SECOND
    return kv_bytes / (network * layout.tensor)


def _most_running(deployment: Deployment, layout: Layout, cases: Cases) -> Floats:
    """Sequences in the mean such that those at the percentile fit memory and the engine's limit."""
    room = most_sequences(
        deployment.architecture, deployment.accelerator, layout, cases.context_tokens,
        precision=deployment.precision, kv_precision=deployment.kv_precision,
    )  # fmt: skip
    room = np.minimum(room, MOST_SEQUENCES_PER_GROUP * layout.data * layout.pipeline)
    z = ndtri(cases.percentile)
    mean = ((np.sqrt(z**2 + 4.0 * room) - z) / 2.0) ** 2
    return np.where(room >= 1.0, mean, 0.0)


def _search(load: Callable[[Floats, Which], Floats], most: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    low = np.full(most.shape, SMALLEST_BATCH)
    return largest_within(load, low, np.maximum(most, SMALLEST_BATCH * 1.001))


def _limit(
    layout: Layout, cases: Cases, batch: Floats, most: Floats, tpot: Floats, ttft: Floats
) -> NDArray[np.int8]:
    """What keeps the batch from growing."""
    by_target = np.where(
        tpot / cases.tpot_seconds >= ttft / cases.ttft_seconds,
        TPOT,
        TTFT,
    )
    group = running_at_percentile(most, cases.percentile) / (layout.data * layout.pipeline)
    by_room = np.where(group < MOST_SEQUENCES_PER_GROUP * 0.999, MEMORY, SCHEDULER)
    return np.where(batch < most * 0.999, by_target, by_room).astype(np.int8)
