"""Weighted cells: identical rows grouped, so that a million customers are some thousand rows with a count.

Every likelihood of this room is a sum over customers, and customers with the same numbers add the same term.
So a model needs no customer, only cells; cells of shards or of days merge by adding counts, and always lie in
one order: the same customers give the same parameters, to the last bit, however they were split.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Cells:
    """Groups of identical rows. `rows` is (cell, column) in `columns`, sorted and unique; `counts` how many.

    Whole numbers throughout: times are counts of a period (days, mostly), so equal means equal.

    >>> monday = Cells.group(("age", "is_lost"), [(1, 1), (1, 1), (2, 0)])
    >>> tuesday = Cells.group(("age", "is_lost"), [(2, 0), (3, 1)])
    >>> both = Cells.merge([monday, tuesday])
    >>> both.rows.tolist(), both.counts.tolist(), both.size
    ([[1, 1], [2, 0], [3, 1]], [2, 2, 1], 5)
    """

    columns: tuple[str, ...]
    rows: NDArray[np.int64]
    counts: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.rows.shape != (len(self.counts), len(self.columns)):
            raise ValueError(f"rows {self.rows.shape} do not fit {len(self.counts)} counts of {self.columns}")
        if (self.counts < 0).any():
            raise ValueError("a cell cannot hold fewer than no customers")

    @classmethod
    def group(cls, columns: Sequence[str], rows: ArrayLike, counts: ArrayLike | None = None) -> Cells:
        """Group rows, each standing for one customer or for `counts` of them; empty cells are left out."""
        table = _whole(rows).reshape(-1, len(columns))
        weights = None if counts is None else _whole(counts)
        if weights is not None and weights.shape != (len(table),):
            raise ValueError(f"{len(table)} rows cannot have counts of shape {weights.shape}")
        if len(table) == 0:
            return cls(tuple(columns), table, np.zeros(0, dtype=np.int64))
        unique, sums = _grouped(table, weights)
        kept = sums != 0
        return cls(tuple(columns), unique[kept], sums[kept])

    @classmethod
    def merge(cls, parts: Iterable[Cells]) -> Cells:
        """All customers of some parts with the same columns. Raises `ValueError` without parts."""
        found = list(parts)
        if not found:
            raise ValueError("nothing to merge")
        columns = found[0].columns
        if any(part.columns != columns for part in found):
            raise ValueError("cells of other columns cannot be merged")
        rows = np.concatenate([part.rows for part in found])
        return cls.group(columns, rows, np.concatenate([part.counts for part in found]))

    @property
    def size(self) -> int:
        """How many customers."""
        return int(self.counts.sum())

    def __getitem__(self, column: str) -> NDArray[np.int64]:
        """One column of the rows."""
        return self.rows[:, self.columns.index(column)]

    def with_counts(self, counts: ArrayLike) -> Cells:
        """The same cells with other counts: a resampled or simulated population."""
        return Cells(self.columns, self.rows, np.asarray(counts, dtype=np.int64))

    def where(self, keep: NDArray[np.bool_]) -> Cells:
        """Some of the cells."""
        return Cells(self.columns, self.rows[keep], self.counts[keep])


def _whole(numbers: ArrayLike) -> NDArray[np.int64]:
    """Numbers as whole numbers. Raises `ValueError` where one is not whole: rounding would invent equals."""
    found = np.asarray(numbers)
    if found.dtype == np.int64:
        return found
    if found.dtype.kind == "f" and not (np.isfinite(found) & (found == np.floor(found))).all():
        raise ValueError("cells are of whole numbers: count times in a finer period")
    return found.astype(np.int64)


_EXACT = 2**53
"""Up to here a float holds every whole number, so sums in floats are exact."""


def _grouped(
    table: NDArray[np.int64], weights: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Unique rows in order and the sum of their weights; three ways, the same result.

    A row becomes one number, first column leading, so that numbers lie as rows do. Few possible numbers are
    counted in place; many are sorted; rows too wide for one number are sorted column by column.
    """
    low = [int(column.min()) for column in table.T]
    spans = [int(column.max()) - least + 1 for column, least in zip(table.T, low, strict=True)]
    possible = math.prod(spans)
    if possible >= 2**62:
        return _sorted_by_columns(table, weights)
    keys = np.zeros(len(table), dtype=np.int64)
    for column, least, span in zip(table.T, low, spans, strict=True):
        keys *= span
        keys += column
        keys -= least
    total = len(table) if weights is None else float(np.abs(weights.astype(float)).sum())
    if possible <= max(4 * len(table), 4096) and total < _EXACT:
        dense = np.bincount(keys, weights=weights, minlength=possible)
        found = np.flatnonzero(dense)
        sums = dense[found].astype(np.int64)
    else:
        found, sums = _sorted_by_key(keys, weights)
    unique = np.empty((len(found), len(spans)), dtype=np.int64)
    for i in range(len(spans) - 1, -1, -1):
        found, unique[:, i] = np.divmod(found, spans[i])
        unique[:, i] += low[i]
    return unique, sums


def _sorted_by_key(
    keys: NDArray[np.int64], weights: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if weights is None:
        keys = np.sort(keys)
        weights = np.ones(len(keys), dtype=np.int64)
    else:
        order = np.argsort(keys, kind="stable")
        keys, weights = keys[order], weights[order]
    first = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    return keys[first], np.add.reduceat(weights, first)


def _sorted_by_columns(
    table: NDArray[np.int64], weights: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    weights = np.ones(len(table), dtype=np.int64) if weights is None else weights
    order = np.lexsort(table.T[::-1])
    table, weights = table[order], weights[order]
    first = np.flatnonzero(np.r_[True, (table[1:] != table[:-1]).any(axis=1)])
    return table[first], np.add.reduceat(weights, first)


VISIT_COLUMNS = ("repeats", "recency", "age")
"""A customer who comes without contract, in periods after the first visit: repeat visits (x), time of the
last (t_x, 0 without repeats), and how long the customer has been watched (T)."""

CONTRACT_COLUMNS = ("lifetime", "is_lost")
"""A contract, in its own periods: renewed until period `lifetime` and then lost (1), or watched so far (0).

Lost with lifetime t: alive at t - 1, gone at t (t = 1, 2, ...). Not lost with lifetime t: still alive at t.
"""
