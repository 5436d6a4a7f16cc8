"""The largest number at which a limit still holds, for many cases at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Which = NDArray[np.intp]
_ROUNDS = 40
_CLOSE = 1e-4


def largest_within(
    load: Callable[[Floats, Which], Floats], low: Floats, high: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """Where `load` reaches 1, between `low` and `high` above zero; and where not even `low` stays within.

    `load` takes numbers and the places of their cases, since those already found are not asked again. It
    never falls as its number grows. Searched on a logarithmic scale by regula falsi with the Illinois rule
    (Dowell and Jarratt, 1971). The answer is within the limit, and one in ten thousand below the true place
    at most.

    >>> limits = np.array([8.0, 8.0])
    >>> found, impossible = largest_within(
    ...     lambda number, which: number / limits[which], np.array([1.0, 9.0]), np.array([100.0, 100.0])
    ... )
    >>> found.round(2).tolist(), impossible.tolist()
    ([8.0, 9.0], [False, True])
    """
    everywhere = np.arange(low.size)
    at_low, at_high = _excess(load(low, everywhere)), _excess(load(high, everywhere))
    impossible = at_low > 0
    answer = np.where(impossible | (at_high > 0), low, high)
    which = np.flatnonzero(~impossible & (at_high > 0))
    left, right, below, above = np.log(low[which]), np.log(high[which]), at_low[which], at_high[which]
    last = np.zeros(which.size)
    for _ in range(_ROUNDS):
        if which.size == 0:
            break
        middle = (left * above - right * below) / (above - below)
        middle = np.where((middle <= left) | (middle >= right), (left + right) / 2, middle)
        at = _excess(load(np.exp(middle), which))
        is_within = at <= 0
        # The end that stays twice is weighed less, else one end would creep.
        above = np.where(is_within, np.where(last > 0, above / 2, above), at)
        below = np.where(is_within, at, np.where(last < 0, below / 2, below))
        left, right = np.where(is_within, middle, left), np.where(is_within, right, middle)
        last = np.where(is_within, 1.0, -1.0)
        answer[which] = np.exp(left)
        open_still = (right - left >= _CLOSE) & ~(is_within & (at > -_CLOSE))
        which, left, right, below, above, last = (
            each[open_still] for each in (which, left, right, below, above, last)
        )
    return answer, impossible


def _excess(load: Floats) -> Floats:
    """How far above its limit, tamed so that an endless load can be searched too."""
    return np.clip(np.log(np.maximum(load, 1e-300)), -8.0, 8.0)
