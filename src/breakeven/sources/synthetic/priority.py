"""Who has bought priority, and until when."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class PriorityWindows:
    """The windows of priority that gifts have bought; over ones are forgotten."""

    def __init__(self) -> None:
        self._windows: NDArray[np.int64] = np.empty((0, 3), dtype=np.int64)

    def add(self, users: NDArray[np.int64], start_us: NDArray[np.int64], end_us: NDArray[np.int64]) -> None:
        """Open a window per user."""
        self._windows = np.concatenate([self._windows, np.column_stack([users, start_us, end_us])])

    def forget_before(self, at_us: int) -> None:
        """Drop windows that ended before an instant."""
        self._windows = self._windows[self._windows[:, 2] > at_us]

    def covers(
        self, users: NDArray[np.int64], position: NDArray[np.int64], at_us: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Whether each moment lies in a window of its user; `position` points into the rising `users`.

        A user's windows count as one, from the first start to the last end.

        >>> windows = PriorityWindows()
        >>> windows.add(np.array([7]), np.array([100]), np.array([200]))
        >>> windows.covers(np.array([3, 7]), np.array([0, 1, 1]), np.array([150, 150, 200])).tolist()
        [False, True, False]
        """
        start = np.full(len(users) + 1, np.iinfo(np.int64).max)
        end = np.zeros(len(users) + 1, dtype=np.int64)
        place = np.searchsorted(users, self._windows[:, 0])
        found = np.append(users, -1)[place] == self._windows[:, 0]
        place = np.where(found, place, len(users))
        np.minimum.at(start, place, self._windows[:, 1])
        np.maximum.at(end, place, self._windows[:, 2])
        return (at_us >= start[position]) & (at_us < end[position])
