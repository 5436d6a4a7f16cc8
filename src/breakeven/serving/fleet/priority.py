"""Who waits when some have paid to go first: users whose gifts jump the queue of the busy hours.

As fluid: those with priority are served as if nobody else were there, the others get what is left. The
backlog of both together is what it would have been: priority moves waiting, it does not remove any.

That holds while nobody goes away. With a patience more go than without priority, since the others must wait
for GPUs that are left, and so for the same backlog longer. Their patience is held against what is left in the
hour in which they wait, which counts rather too many as gone where the next hours leave more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from breakeven.errors import UsageError
from breakeven.serving.fleet.demand import Floats


@dataclass(frozen=True)
class Waits:
    """One group of requests. Arrays are by hour: work arriving and lost, GPU-hours, and hours of waiting.

    `wait_hours` is what who arrives in the middle of the hour waits for those before him, were arrivals then
    to stop.
    """

    arriving: Floats
    lost: Floats
    backlog: Floats
    wait_hours: Floats

    @property
    def mean_wait_hours(self) -> float:
        """The wait of an average piece of work; 0 where none came."""
        total = self.arriving.sum()
        return float((self.wait_hours * self.arriving).sum() / total) if total else 0.0

    @property
    def longest_wait_hours(self) -> float:
        """The wait of the worst hour."""
        return float(self.wait_hours.max(initial=0.0))


def who_waits(
    work: Floats, capacity: Floats, priority_share: float, patience_hours: float = float("inf")
) -> tuple[Waits, Waits]:
    """Those with priority and the others, of work and capacity by hour (GPU-hours).

    `priority_share` of the work of every hour goes first. Raises `UsageError` for a share outside 0 to 1.

    >>> first, others = who_waits(np.array([10.0, 30.0, 10.0]), np.full(3, 20.0), 0.2)
    >>> first.backlog.tolist(), others.backlog.tolist()
    ([0.0, 0.0, 0.0], [0.0, 10.0, 0.0])
    >>> others.wait_hours.round(4).tolist()  # 5 of work on average before him, at 20 less 6 that go first
    [0.0, 0.3571, 0.2778]
    """
    if not 0 <= priority_share <= 1:
        raise UsageError(
            f"the share with priority {priority_share:g} is not between 0 and 1", remedy="write 0.05 for 5 %"
        )
    first = _fluid(work * priority_share, capacity, patience_hours)
    used = first.arriving - first.lost - np.diff(first.backlog, prepend=0.0)
    rest = np.maximum(capacity - used, 0.0)
    return first, _fluid(work * (1 - priority_share), rest, patience_hours)


def _fluid(arriving: Floats, able: Floats, patience_hours: float) -> Waits:
    backlog, lost, wait = np.zeros_like(arriving), np.zeros_like(arriving), np.zeros_like(arriving)
    before = 0.0
    for hour, (comes, can) in enumerate(zip(arriving.tolist(), able.tolist(), strict=True)):
        left = max(before + comes - can, 0.0)
        after = min(left, patience_hours * can) if can > 0 else left
        falls = can - comes
        mean = before * before / falls / 2 if falls > before else (before + after) / 2
        wait[hour] = mean / can if can > 0 else (np.inf if mean > 0 else 0.0)
        backlog[hour], lost[hour] = after, left - after
        before = after
    return Waits(arriving, lost, backlog, wait)
