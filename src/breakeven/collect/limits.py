"""How much a service takes: of one request, of one sender, and in all before the books have caught up."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Bytes, events and seconds. `events_per_s` is for each sender; 0 means as fast as it can.

    `held_bytes` bounds the bodies in memory at one time, `waiting_bytes` the spool, and `keep_free_bytes`
    what stays free on the disk, so that what was taken can still be booked.
    """

    body_bytes: int = 8 * MIB
    unpacked_bytes: int = 32 * MIB
    events: int = 20_000
    held_bytes: int = 256 * MIB
    waiting_bytes: int = 2048 * MIB
    keep_free_bytes: int = 256 * MIB
    events_per_s: int = 0
    connections: int = 1000
    head_s: float = 10.0
    body_s: float = 30.0


class Allowance:
    """A sender's events per second, with two seconds' worth at once; a large batch is waited off afterwards.

    >>> allowance = Allowance(100, clock=lambda: 7.0)
    >>> allowance.wait_s(); allowance.take(450); allowance.wait_s()
    0
    3
    """

    def __init__(self, events_per_s: int, clock: object = None) -> None:
        self._rate = events_per_s
        self._clock = clock if callable(clock) else time.monotonic
        self._left, self._at = 2.0 * events_per_s, self._now()

    def _now(self) -> float:
        return float(self._clock())  # pyright: ignore[reportArgumentType]

    def wait_s(self) -> int:
        """Whole seconds until the sender may send again; 0 when it may now."""
        if not self._rate:
            return 0
        now = self._now()
        self._left = min(self._left + (now - self._at) * self._rate, 2.0 * self._rate)
        self._at = now
        return 0 if self._left > 0 else max(1, math.ceil(-self._left / self._rate))

    def take(self, events: int) -> None:
        """Count events that were accepted."""
        if self._rate:
            self._left -= events
