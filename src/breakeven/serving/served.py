"""The answer: how a model serves a traffic under a target, how fast, on how many GPUs, and what bounds it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from breakeven.serving.architecture.model import Note
from breakeven.serving.class_work import ClassWork
from breakeven.serving.constants import Novelty, Offset
from breakeven.serving.estimate import Estimate
from breakeven.serving.nodes import ReplicaPool
from breakeven.serving.steady_state import Limit
from breakeven.serving.target import Derate, Target
from breakeven.serving.traffic import Traffic

Bound = Literal["memory_bandwidth", "compute", "communication", "overhead", "waiting"]
"""What GPU time goes into; waiting is time kept free so that prompts do not wait."""
BOUNDS: tuple[Bound, ...] = ("memory_bandwidth", "compute", "communication", "overhead", "waiting")
Mode = Literal["aggregated", "disaggregated"]
Work = Literal["all", "prefill", "decode"]


@dataclass(frozen=True)
class Pool:
    """GPUs that do one kind of work: all of it (aggregated), or prefill or decode alone.

    `gpu_seconds_per_request` is at the utilisation stated, derate included. `batch` is the mean number of
    running sequences of one replica, `batch_at_percentile` what its memory and step time must take; of a
    prefill pool they are the prompts in work.
    """

    work: Work
    layout: str
    gpus_per_replica: int
    gpu_seconds_per_request: float
    batch: float
    batch_at_percentile: float
    utilisation: float
    """Throughput over the most that this layout could do without a target."""
    limit: Limit
    """What keeps its batch from growing."""
    replicas: int | None
    """Whole replicas for the traffic's rate; None where the traffic has no rate."""

    @property
    def replica_pool(self) -> ReplicaPool:
        """As what counts GPUs takes it."""
        return ReplicaPool(self.gpus_per_replica, self.gpu_seconds_per_request)

    @property
    def gpus(self) -> int | None:
        """GPUs of all replicas."""
        return None if self.replicas is None else self.replicas * self.gpus_per_replica


@dataclass(frozen=True)
class Stretched:
    """A tensor group of more GPUs than a link joins, and how often it holds each sequence's cache."""

    tensor: int
    link_gpus: int
    cache_copies: int


@dataclass(frozen=True)
class Served:
    """See the module. Throughput counts all GPUs, those of prefill included."""

    model: str
    gpu: str
    precision: str
    kv_precision: str
    engine: str
    traffic: Traffic
    target: Target
    derate: Derate
    mode: Mode
    pools: tuple[Pool, ...]
    work: ClassWork
    """GPU-seconds per token of each class; `work.gpu_seconds(...)` of a request is that of its pools."""
    gpu_seconds_per_request: Estimate
    tokens_per_second_per_gpu: Estimate
    """Output tokens per second over all GPUs."""
    tokens_per_second_per_user: Estimate
    ttft_seconds: Estimate
    """Time to the first token at the target's percentile."""
    tpot_seconds: Estimate
    """Time per further output token at the target's percentile."""
    parts: Mapping[Bound, float]
    """Shares of a request's GPU time; they sum to 1."""
    bound: Bound
    """The largest of them."""
    novelty: Novelty
    """How much of this model on this GPU was measured: what the intervals rest on."""
    curve_batch: tuple[float, ...]
    curve_tpot_seconds: tuple[float, ...]
    """Time per token in the mean, by sequences that a replica decodes at once, up to what its memory
    holds."""
    offset: Offset | None = None
    """The user's own measurements that the times follow; None where none is of this deployment."""
    calibration: tuple[Offset, ...] = ()
    """All that the calibration file holds, whether it is of this deployment or not."""
    stretched: Stretched | None = None
    """A tensor group wider than a link joins; None where there is none."""
    halving_ttft_seconds: float | None = None
    """The next promise for the first token that halves the GPU time, where most of that is waiting."""
    assumed: tuple[Note, ...] = ()
    """What the model's description left open, and what stands for it."""

    @property
    def requests_per_second_per_gpu(self) -> float:
        """At the utilisation stated."""
        return 1.0 / self.gpu_seconds_per_request.value

    @property
    def input_tokens_per_second_per_gpu(self) -> float:
        """Input tokens per second over all GPUs, cached ones included."""
        return self.traffic.input_tokens / self.gpu_seconds_per_request.value

    @property
    def gpus(self) -> int | None:
        """GPUs for the traffic's rate, in whole replicas; None where the traffic has no rate."""
        counts = [pool.gpus for pool in self.pools]
        return None if any(count is None for count in counts) else sum(count or 0 for count in counts)

    def gpus_for(self, requests_per_second: float) -> int:
        """GPUs for another rate, in whole replicas of each pool."""
        return sum(
            math.ceil(requests_per_second * pool.gpu_seconds_per_request / pool.gpus_per_replica - 1e-9)
            * pool.gpus_per_replica
            for pool in self.pools
        )

    @property
    def gpus_per_replica(self) -> int:
        """The fewest GPUs on which this runs: one replica of each pool."""
        return sum(pool.gpus_per_replica for pool in self.pools)

    @property
    def layout(self) -> str:
        """The layout of every pool in words: `TP8`, or `prefill EP32, decode EP144`."""
        if self.mode == "aggregated":
            return self.pools[0].layout
        return ", ".join(f"{pool.work} {pool.layout}" for pool in self.pools)

    @property
    def prefill_gpu_share(self) -> float | None:
        """The share of GPUs that do prefill; None where no GPU does it alone."""
        prefill = sum(pool.gpu_seconds_per_request for pool in self.pools if pool.work == "prefill")
        return prefill / self.gpu_seconds_per_request.value if self.mode == "disaggregated" else None
