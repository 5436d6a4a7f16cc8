"""Small or large: what moving a share of the requests to a smaller model saves, and what worse answers lose.

Requests come in classes, each with a share, tokens and the quality of either model: the chance of a good
answer. A good answer is worth `value_of_good`, a bad one loses `loss_of_bad`, so moving a request loses

    (quality of large - quality of small) x (value_of_good + loss_of_bad)

Both models run on one fleet of equal GPUs, each in whole replicas for the busiest hour plus a spare, at least
one as soon as it serves anything; where prefill has GPUs of its own, its replicas and those of decode are
counted apart, the work divided over them as that of all requests is. So the small model costs its idle from
the first request on, and moving a little saves nothing unless a replica of the large one goes: the *marginal*
saving is not the average one.

The best share is found exactly: for every size of the large model's fleet, the requests that must leave are
chosen with the least loss (a linear programme over classes, within the replicas of either model), and the
best of these is best. Of more than 200 sizes, 200 are weighed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from breakeven.errors import InputError

Floats = NDArray[np.float64]
HOURS_PER_MONTH = 730.0
SECONDS_PER_MONTH = HOURS_PER_MONTH * 3_600
_SIZES = 200
_SLACK = _TIE = 1e-9
_TOLERANCE = 1e-6
"""Of the solver: what lies nearer to a bound than this is on it."""


@dataclass(frozen=True)
class RequestClass:
    """One kind of request: its share of all, GPU-seconds on either model, and what answers are worth.

    Raises `InputError` for shares and qualities outside 0 to 1.
    """

    name: str
    share: float
    small_gpu_seconds: float
    large_gpu_seconds: float
    small_quality: float
    large_quality: float
    value_of_good: float = 0.0
    loss_of_bad: float = 0.0

    def __post_init__(self) -> None:
        for field in ("share", "small_quality", "large_quality"):
            if not 0 <= getattr(self, field) <= 1:
                raise InputError(
                    f"class {self.name!r}: {field} is {getattr(self, field):g}",
                    cause="a percentage without its sign",
                    remedy="write a share from 0 to 1",
                )
        if self.value_of_good < 0 or self.loss_of_bad < 0:
            raise InputError(
                f"class {self.name!r}: a value or a loss below zero",
                remedy="write both as amounts of 0 or more",
            )
        if not (0 < self.small_gpu_seconds < math.inf and 0 < self.large_gpu_seconds < math.inf):
            raise InputError(f"class {self.name!r}: a request that takes no GPU time")

    @property
    def loss_per_request(self) -> float:
        """What moving one request to the small model loses; below zero where the small one is better.

        >>> chat = RequestClass("chat", 1.0, 0.1, 1.0, 0.80, 0.90, value_of_good=0.25, loss_of_bad=0.75)
        >>> chat.loss_per_request
        0.1
        """
        gap = round(self.large_quality - self.small_quality, 12)
        return gap * (self.value_of_good + self.loss_of_bad)


@dataclass(frozen=True)
class Replica:
    """How a model comes: GPUs of a replica, how many replicas stand by for a failure, and the share of the
    model's work that such replicas do: 1 unless prefill and decode have GPUs of their own.
    """

    gpus: int
    spare: int = 1
    work_share: float = 1.0

    def __post_init__(self) -> None:
        if self.gpus < 1 or self.spare < 0 or not 0 < self.work_share <= 1:
            raise InputError("a replica without GPUs, or a spare below zero", remedy="write 1 GPU or more")


Pools = tuple[Replica, ...]
"""What a model runs on: one kind of replica, or one of prefill and one of decode."""


@dataclass(frozen=True)
class Fleet:
    """What both models run on: requests of a month, their peak over the mean, the price of a GPU-hour."""

    requests_per_month: float
    price_per_gpu_hour: float
    small: Pools
    large: Pools
    peak_over_mean: float = 1.0

    def __post_init__(self) -> None:
        if self.requests_per_month <= 0:
            raise InputError("there is no traffic", remedy="give the requests of a month")
        if self.price_per_gpu_hour <= 0 or self.peak_over_mean < 1:
            raise InputError(
                "a fleet needs a price above zero and a peak of at least the mean", remedy="correct them"
            )
        for pools in (self.small, self.large):
            if abs(sum(pool.work_share for pool in pools) - 1) > _TOLERANCE:
                raise InputError("the pools of a model do not share out its work", remedy="let them sum to 1")

    def gpus(self, load_gpu_seconds: float, pools: Pools) -> int:
        """GPUs of whole replicas for a month's GPU-seconds at the peak, with spares; none for no load."""
        if load_gpu_seconds <= 0:
            return 0
        serving = [math.ceil(load_gpu_seconds / self._full(pool) - _SLACK) for pool in pools]
        pairs = zip(serving, pools, strict=True)
        return sum((max(count, 1) + pool.spare) * pool.gpus for count, pool in pairs)

    def cost(self, gpus: int) -> float:
        """Money per month."""
        return gpus * self.price_per_gpu_hour * HOURS_PER_MONTH

    def sizes(self, pools: Pools, most_gpu_seconds: float) -> Floats:
        """The model's GPU-seconds a month, below `most_gpu_seconds`, that fill replicas of some pool."""
        full = [
            np.arange(1, math.ceil(most_gpu_seconds / self._full(pool)), dtype=np.float64) * self._full(pool)
            for pool in pools
        ]
        return np.unique(np.concatenate(full))

    def _full(self, pool: Replica) -> float:
        """The model's GPU-seconds a month that fill one replica of the pool at the peak."""
        return pool.gpus * SECONDS_PER_MONTH / (self.peak_over_mean * pool.work_share)


@dataclass(frozen=True)
class Split:
    """One way to share the requests out; money per month against all of them on the large model.

    `moved` is the share of each class that the small model answers. saving - loss = net.
    """

    moved: tuple[float, ...]
    moved_share: float
    small_gpus: int
    large_gpus: int
    cost: float
    saving: float
    loss: float

    @property
    def net(self) -> float:
        """What is left."""
        return self.saving - self.loss


def split_of(classes: Sequence[RequestClass], fleet: Fleet, moved: Sequence[float]) -> Split:
    """What moving these shares of the classes comes to.

    >>> fleet = Fleet(1e6, 2.0, (Replica(1, 0),), (Replica(8, 0),))
    >>> one = RequestClass("chat", 1.0, 1.0, 50.0, 0.8, 0.9, value_of_good=0.01)
    >>> split_of([one], fleet, [0.0]).large_gpus, split_of([one], fleet, [1.0]).saving
    (24, 33580.0)
    """
    _check(classes)
    each = fleet.requests_per_month
    pairs = list(zip(classes, moved, strict=True))
    small = sum(one.share * x * one.small_gpu_seconds for one, x in pairs) * each
    large = sum(one.share * (1 - x) * one.large_gpu_seconds for one, x in pairs) * each
    all_large = sum(one.share * one.large_gpu_seconds for one in classes) * each
    # What rounding leaves of a class that moved as a whole is no load.
    large = 0.0 if large < _SLACK * all_large else large
    gpus = fleet.gpus(small, fleet.small), fleet.gpus(large, fleet.large)
    cost = fleet.cost(sum(gpus))
    before = fleet.cost(fleet.gpus(all_large, fleet.large))
    loss = sum(one.share * x * one.loss_per_request for one, x in pairs) * each
    share = sum(one.share * x for one, x in pairs)
    return Split(tuple(moved), share, *gpus, cost, before - cost, loss)


def order_of_moving(classes: Sequence[RequestClass]) -> list[int]:
    """Which classes to move first: the least loss for each GPU-second of the large model that comes free."""
    return sorted(
        range(len(classes)),
        key=lambda index: classes[index].loss_per_request / classes[index].large_gpu_seconds,
    )


def path(classes: Sequence[RequestClass], fleet: Fleet, shares: Sequence[float]) -> list[Split]:
    """Moving so many of all requests, in the order of `order_of_moving`, at each share."""
    return [split_of(classes, fleet, _moved_in_order(classes, share)) for share in shares]


def best_split(classes: Sequence[RequestClass], fleet: Fleet) -> Split:
    """The split with the largest net, of equals the one that moves least; nothing where nothing is gained.

    Below, a third of the easy requests lets one of three replicas go, and the rest of them no further one.

    >>> fleet = Fleet(1e6, 2.0, (Replica(1, 0),), (Replica(8, 0),))
    >>> easy = RequestClass("easy", 0.5, 1.0, 50.0, 0.9, 0.9, value_of_good=1.0)
    >>> hard = RequestClass("hard", 0.5, 1.0, 50.0, 0.1, 0.9, value_of_good=1.0)
    >>> [round(moved, 3) for moved in best_split([easy, hard], fleet).moved]
    [0.318, 0.0]
    """
    _check(classes)
    candidates = [split_of(classes, fleet, [moved] * len(classes)) for moved in (0.0, 1.0)]
    all_large = sum(one.share * one.large_gpu_seconds for one in classes) * fleet.requests_per_month
    sizes = np.concatenate([[0.0], fleet.sizes(fleet.large, all_large), [math.inf]])
    weighed = np.unique(np.linspace(0, sizes.size - 1, _SIZES + 1).round().astype(int))
    for most in sizes[weighed].tolist():
        candidates += _least_loss(classes, fleet, most)
    return max(candidates, key=lambda split: (round(split.net, 6), -split.moved_share))


def marginal_saving(classes: Sequence[RequestClass], fleet: Fleet, split: Split, step: float = 0.01) -> float:
    """What moving a further `step` of all requests would save in GPUs, per month: often nothing."""
    further = split_of(classes, fleet, _moved_in_order(classes, min(1.0, split.moved_share + step)))
    here = split_of(classes, fleet, _moved_in_order(classes, split.moved_share))
    return further.saving - here.saving


def _least_loss(classes: Sequence[RequestClass], fleet: Fleet, most: float) -> list[Split]:
    """Splits that leave the large model at most so many GPU-seconds, the one of least loss first.

    Each further one has to do with fewer replicas of the small model.
    """
    from scipy.optimize import linprog

    each = fleet.requests_per_month
    share = np.array([one.share for one in classes])
    small = share * np.array([one.small_gpu_seconds for one in classes]) * each
    large = share * np.array([one.large_gpu_seconds for one in classes]) * each
    loss = share * np.array([one.loss_per_request for one in classes]) * each
    # Of splits that lose the same, the one that moves least.
    loss = loss + share * _TIE * fleet.cost(sum(pool.gpus for pool in fleet.large))
    scale = float(large.sum())
    must_leave = max(0.0, scale - most * (1 - _TOLERANCE))
    # What a GPU-second fewer saves at most, and what whole replicas may save beyond it.
    saving_rate = fleet.price_per_gpu_hour * HOURS_PER_MONTH * fleet.peak_over_mean / SECONDS_PER_MONTH
    rounding = fleet.cost(sum(pool.gpus for pool in fleet.small))
    found: list[Split] = []
    loads: list[float] = []
    room = math.inf
    while True:
        limits = [-large / scale] + ([small / scale] if math.isfinite(room) else [])
        bounds = [-must_leave / scale] + ([room / scale] if math.isfinite(room) else [])
        solved = linprog(loss, A_ub=np.array(limits), b_ub=np.array(bounds), bounds=(0, 1), method="highs")
        if solved.status != 0:
            return found
        whole = np.round(solved.x)
        moved = np.clip(np.where(np.abs(solved.x - whole) < _TOLERANCE, whole, solved.x), 0, 1)
        found.append(split_of(classes, fleet, moved.tolist()))
        load = float(small @ moved)
        loads.append(load)
        if len(found) > 1 and loads[-2] > load:
            # The least loss is convex in the room: once a GPU-second costs more than it can save, so do the
            # next, and only whole replicas can still make up for it.
            dearer = (found[-1].loss - found[-2].loss) / (loads[-2] - load) >= saving_rate
            if dearer and found[-1].net + rounding <= max(split.net for split in found):
                return found
        fewer = fleet.sizes(fleet.small, load * (1 - 2 * _TOLERANCE))
        if not fewer.size:
            return found
        room = float(fewer[-1]) * (1 - _TOLERANCE)


def _moved_in_order(classes: Sequence[RequestClass], share: float) -> list[float]:
    moved = [0.0] * len(classes)
    left = share
    for index in order_of_moving(classes):
        have = classes[index].share
        moved[index] = 1.0 if left >= have - 1e-12 else max(left, 0.0) / have
        left -= have
    return moved


def _check(classes: Sequence[RequestClass]) -> None:
    total = sum(one.share for one in classes)
    if not classes or abs(total - 1) > 1e-6:
        raise InputError(
            f"the shares of the classes sum to {total:g}, not to 1",
            remedy="let them sum to 1, with a class for the rest",
        )
