"""One stream of random numbers per purpose and day, so that no choice depends on how work is cut up."""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SIXTEEN_BITS = 65_536


class Purpose(IntEnum):
    """What random numbers are for. Numbers are part of the seed: never renumber."""

    POPULATION = 1
    ACQUISITION = 2
    ACTIVITY = 3
    USAGE = 4
    PAYMENT = 5
    SPEND = 6
    API = 7
    SUPPLY = 8


def stream(seed: int, purpose: Purpose, index: int = 0) -> np.random.Generator:
    """The random stream of a purpose on a day (or in a month).

    >>> first, again = (stream(7, Purpose.USAGE, 3).integers(100) for _ in range(2))
    >>> bool(first == again)
    True
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, int(purpose), index])))


def sixteen_bits(random: np.random.Generator, rows: int, columns: int) -> NDArray[np.uint16]:
    """Uniform 16-bit numbers, `columns` (a multiple of four) per row: the cheapest draw there is."""
    raw: NDArray[np.uint64] = random.integers(0, 2**64, size=rows * columns // 4, dtype=np.uint64)
    return raw.astype("<u8", copy=False).view("<u2").reshape(rows, columns)


@lru_cache(maxsize=64)
def choice_table(shares: tuple[float, ...]) -> NDArray[np.int8]:
    """For each 16-bit number the choice it stands for, in proportion to the shares.

    >>> [int(choice_table((3, 1))[bits]) for bits in (0, 49_151, 49_152, 65_535)]
    [0, 0, 1, 1]
    """
    edges = np.cumsum(np.asarray(shares, dtype=np.float64))
    middle = (np.arange(SIXTEEN_BITS) + 0.5) / SIXTEEN_BITS * edges[-1]
    table = np.minimum(np.searchsorted(edges, middle, side="right"), len(edges) - 1).astype(np.int8)
    table.flags.writeable = False
    return table


def below(share: float) -> int:
    """The 16-bit number below which draws fall with that probability."""
    return round(share * SIXTEEN_BITS)


def split(total: int, weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole parts in proportion to weights that sum to the total exactly.

    >>> split(10, np.array([1.0, 1.0, 2.0])).tolist()
    [2, 3, 5]
    """
    run = np.cumsum(weights)
    upto = np.floor(run / run[-1] * total + 1e-9).astype(np.int64)
    upto[-1] = total
    return np.diff(upto, prepend=0)
