"""Whole replicas of each pool in whole nodes: how many nodes a number of requests needs, hour by hour.

A model runs in one pool, or in one of prefill and one of decode. Each pool has whole replicas of its own for
an hour of m times the mean demand,

    replicas = max(1, ceil(v x GPU-seconds per request x m / (seconds per month x GPUs of a replica)))

and replicas of both pools share nodes. A replica of a node or more takes whole nodes, and what is left of it
lies in one; the larger pieces are placed first, the smaller ones fill their nodes up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from breakeven.errors import InputError

Floats = NDArray[np.float64]
HOURS_PER_MONTH = 730.0
"""8,760 hours a year over 12."""
SECONDS_PER_MONTH = HOURS_PER_MONTH * 3_600
HOURS_PER_DAY = 24
MOST_NODES = 2_000
"""Volumes beyond a fleet of so many nodes are not looked at."""
_ROUNDING = 1e-9
"""What differs by less than this share is the same."""
_NOISE = 1e-12
"""Of a calculation: a load that fills its replicas but for this share fills them."""


@dataclass(frozen=True)
class ReplicaPool:
    """Replicas that do one kind of work: `gpus` of each, and the GPU-seconds that a request takes of them."""

    gpus: int
    gpu_seconds_per_request: float

    def __post_init__(self) -> None:
        if self.gpus < 1:
            raise InputError("a node or a replica without GPUs", remedy="write 1 or more")
        if not 0 < self.gpu_seconds_per_request < math.inf:
            raise InputError("a request that takes no GPU time", remedy="give its work in GPU-seconds")

    @property
    def requests_per_replica(self) -> float:
        """Requests a month that one replica serves, always busy."""
        return self.gpus * SECONDS_PER_MONTH / self.gpu_seconds_per_request


@dataclass(frozen=True)
class NodeFleet:
    """What serves, in nodes that are paid for as a whole, through a day of 24 multiples of the mean hour.

    Volumes are requests a month in the mean.

    >>> apart = (ReplicaPool(1, 0.2), ReplicaPool(2, 1.0))
    >>> fleet = NodeFleet(apart, gpus_per_node=8, hourly=daily_shape(1.0), spare_nodes=0)
    >>> fleet.useful_gpus(15_000_000), fleet.gpus(15_000_000)
    (8, 8)
    """

    pools: tuple[ReplicaPool, ...]
    gpus_per_node: int
    hourly: tuple[float, ...]
    spare_nodes: int = 1

    def __post_init__(self) -> None:
        if not self.pools or self.gpus_per_node < 1:
            raise InputError("a node or a replica without GPUs", remedy="write 1 or more")
        if len(self.hourly) != HOURS_PER_DAY or abs(sum(self.hourly) / HOURS_PER_DAY - 1) > 1e-6:
            raise InputError("the hours of a day are not 24 multiples with mean 1", remedy="use daily_shape")
        if min(self.hourly) < 0 or self.spare_nodes < 0:
            raise InputError("demand or a spare below zero cannot be", remedy="write 0 or more")

    def with_work(self, factor: float) -> NodeFleet:
        """The same replicas, were every request so many times the work."""
        return replace(
            self,
            pools=tuple(ReplicaPool(pool.gpus, pool.gpu_seconds_per_request * factor) for pool in self.pools),
        )

    @property
    def peak(self) -> float:
        """The busiest hour over the mean."""
        return max(self.hourly)

    @property
    def gpu_seconds_per_request(self) -> float:
        """Over all pools."""
        return sum(pool.gpu_seconds_per_request for pool in self.pools)

    def nodes_at(self, volumes: Floats, hour: float) -> Floats:
        """Nodes for an hour of so many times the mean, spare ones included; none for no requests at all."""
        serving = packed_nodes(self._replicas(volumes * hour), self._sizes, self.gpus_per_node)
        return np.asarray(np.where(volumes > 0, serving + self.spare_nodes, 0.0), np.float64)

    def mean_nodes_at(self, volumes: Floats) -> Floats:
        """Nodes in the mean over the hours of a day, each with its own."""
        by_hour = [self.nodes_at(volumes, hour) * count for hour, count in self._distinct_hours]
        return sum(by_hour, np.zeros(1)) / HOURS_PER_DAY

    def stairs(self, hour: float, most: float) -> Floats:
        """Volumes up to `most` above which an hour of so many times the mean needs more nodes."""
        found = self._full_loads / hour
        return found[found <= most]

    def every_stair(self, most: float) -> Floats:
        """The same of any hour of the day."""
        return np.concatenate([self.stairs(hour, most) for hour, _ in self._distinct_hours if hour > 0])

    def gpus(self, volume: float) -> int:
        """GPUs paid for in the busiest hour, those of spare nodes included."""
        return round(float(self.nodes_at(np.array([volume]), self.peak)[0])) * self.gpus_per_node

    def useful_gpus(self, volume: float) -> int:
        """GPUs that replicas use in the busiest hour."""
        if volume <= 0:
            return 0
        counts = self._replicas(np.array([volume * self.peak]))
        return sum(round(float(count[0])) * size for count, size in zip(counts, self._sizes, strict=True))

    def utilisation(self, volume: float) -> float:
        """The share of the fleet's GPU-hours, sized for the busiest hour with its spare, that serve."""
        gpus = self.gpus(volume)
        return volume * self.gpu_seconds_per_request / SECONDS_PER_MONTH / gpus if gpus else 0.0

    @property
    def largest_volume(self) -> float:
        """Requests a month that `MOST_NODES` serve."""
        return self._largest_load / self.peak

    @property
    def _sizes(self) -> tuple[int, ...]:
        return tuple(pool.gpus for pool in self.pools)

    @cached_property
    def _distinct_hours(self) -> tuple[tuple[float, int], ...]:
        """Multiples of the mean, and how many hours of the day have each."""
        rounded = [round(hour, 12) for hour in self.hourly]
        return tuple((hour, rounded.count(hour)) for hour in sorted(set(rounded)))

    def _replicas(self, loads: Floats) -> list[Floats]:
        """Whole replicas of each pool for so many requests a month without any swing."""
        return [
            np.maximum(np.ceil(loads / pool.requests_per_replica * (1 - _NOISE)), 1.0) for pool in self.pools
        ]

    @cached_property
    def _stairs_of_load(self) -> tuple[Floats, float]:
        """Loads at which nodes are full, and the load that `MOST_NODES` serve."""
        most = MOST_NODES * self.gpus_per_node * SECONDS_PER_MONTH / self.gpu_seconds_per_request
        full: list[Floats] = []
        for pool in self.pools:
            each = pool.requests_per_replica
            count = math.floor(most / each * (1 + _ROUNDING))
            full.append(np.arange(1, count + 1, dtype=np.float64) * np.float64(each))
        loads = np.unique(np.concatenate([*full, [most]]))
        # Replicas of two pools may be full together but for rounding.
        loads = loads[np.diff(loads, prepend=0.0) > _ROUNDING * loads]
        between = (loads[1:] + loads[:-1]) / 2
        points = np.concatenate([[loads[0] / 2], between])
        nodes = packed_nodes(self._replicas(points), self._sizes, self.gpus_per_node)
        within = nodes <= MOST_NODES
        loads, nodes = loads[within], nodes[within]
        if not loads.size:
            return loads, most
        return loads[:-1][np.diff(nodes) > 0], float(loads[-1])

    @property
    def _full_loads(self) -> Floats:
        return self._stairs_of_load[0]

    @property
    def _largest_load(self) -> float:
        return self._stairs_of_load[1]


def packed_nodes(replicas: Sequence[Floats], sizes: Sequence[int], gpus_per_node: int) -> Floats:
    """Nodes that hold so many replicas of one or two sizes in GPUs.

    Least of all ways where the smaller size divides the larger and this the node, as sizes in powers of two
    do; else what placing the larger first comes to.

    >>> packed_nodes([np.array([3.0]), np.array([5.0])], [4, 2], 8), packed_nodes([np.array([2.0])], [12], 8)
    (array([3.]), array([3.]))
    """
    whole = sum(
        (count * (size // gpus_per_node) for count, size in zip(replicas, sizes, strict=True)), np.zeros(1)
    )
    left = [
        (size % gpus_per_node, count)
        for count, size in zip(replicas, sizes, strict=True)
        if size % gpus_per_node
    ]
    if not left:
        return np.asarray(whole, np.float64)
    pieces = sorted(left, key=lambda piece: piece[0], reverse=True)
    (large, many), smaller = pieces[0], pieces[1:]
    in_node = gpus_per_node // large
    nodes = np.ceil(many / in_node)
    for small, count in smaller:
        last = many - (nodes - 1) * in_node
        room = (nodes - 1) * ((gpus_per_node - in_node * large) // small)
        room += (gpus_per_node - last * large) // small
        nodes = nodes + np.ceil(np.maximum(count - room, 0.0) / (gpus_per_node // small))
    return np.asarray(whole + nodes, np.float64)


def daily_shape(peak_over_mean: float) -> tuple[float, ...]:
    """24 hours whose busiest has so many times the mean: one wave a day, never below zero.

    A cosine, which reaches zero at night with a peak of twice the mean: beyond that it is refused. DeepSeek's
    published day has 1.23 in nodes (278 at the peak over 226.75 in the mean).

    >>> shape = daily_shape(1.23)
    >>> round(max(shape), 6), round(sum(shape) / 24, 6)
    (1.23, 1.0)
    """
    if not 1 <= peak_over_mean <= 2:
        raise InputError(
            f"a peak of {peak_over_mean:g} times the mean does not fit one wave a day",
            remedy="write 1 (flat) to 2, or give the hours in a traffic file",
        )
    swing = peak_over_mean - 1
    return tuple(1 + swing * math.cos(2 * math.pi * hour / HOURS_PER_DAY) for hour in range(HOURS_PER_DAY))
