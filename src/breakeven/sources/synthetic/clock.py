"""When things happen within a local day."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from breakeven.sources.synthetic.randomness import SIXTEEN_BITS

SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
DAY_US = 24 * HOUR_US
"""Every local day has 24 hours: the company's zone has had no clock change since 1991."""

_LAST_START_US = DAY_US - 1_200 * SECOND_US

HOURLY = (
    2,
    1,
    0.6,
    0.4,
    0.4,
    0.7,
    1.5,
    3,
    4.5,
    6,
    6.4,
    6,
    5,
    5.2,
    5.8,
    5.8,
    5.6,
    5.2,
    5.6,
    7.2,
    8.6,
    8.8,
    7.2,
    4,
)
"""Use by local hour: a working day and a higher evening."""


def _start_table() -> NDArray[np.int64]:
    share = np.concatenate(([0], np.cumsum(HOURLY))) / sum(HOURLY)
    middle = (np.arange(SIXTEEN_BITS) + 0.5) / SIXTEEN_BITS
    return (np.interp(middle, share, np.arange(25)) * (_LAST_START_US / 24)).astype(np.int64)


STARTS_US = _start_table()
"""For each 16-bit number a moment after local midnight, in microseconds; the last at about 23:40."""


def within_hours(moment_us: NDArray[np.int64], hours: tuple[int, int]) -> NDArray[np.bool_]:
    """Whether moments after local midnight lie in [first hour, last hour).

    >>> within_hours(np.array([18, 19, 22, 23]) * HOUR_US, (19, 23)).tolist()
    [False, True, True, False]
    """
    return (moment_us >= hours[0] * HOUR_US) & (moment_us < hours[1] * HOUR_US)
