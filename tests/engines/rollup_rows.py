"""Rollups of books on an engine, and their rows in a form that can be compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from breakeven.account.measures import ModelCuts
from breakeven.account.rollups import RollupStore
from breakeven.engine.session import open_engine
from breakeven.ledger.books import Books

Rollups = dict[str, pa.Table]


def rollups_of(books: Books, engine: str, folder: Path, cuts: Sequence[ModelCuts] = ()) -> Rollups:
    """Every rollup, computed anew by the engine with its cache in a folder of its own."""
    folder.mkdir(parents=True)
    return RollupStore(books, lambda: open_engine(engine), cuts=cuts, folder=folder).refresh()


def multiset(rows: pa.Table) -> Counter[str]:
    """Rows regardless of their order; `repr` keeps every digit and tells 1 from 1.0."""
    return Counter(map(repr, rows.to_pylist()))


def total(rows: pa.Table, column: str, by: Callable[[dict[str, Any]], Any]) -> dict[Any, Any]:
    """Sums of a column by what a row says; where every value is absent, so is the sum."""
    sums: dict[Any, Any] = {}
    for row in rows.to_pylist():
        key = by(row)
        known = sums.setdefault(key, None)
        if row[column] is not None:
            sums[key] = row[column] if known is None else known + row[column]
    return sums
