"""What days later than all known ones make of their users: whole columns at once, for they are few rows.

The engine finds these users among all others; what follows is arithmetic on arrays, and the same for every
engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute

from breakeven.account.visit_manifest import NOBODY, STATE, VISITS

pc: Any = pyarrow.compute
"""Arrow builds its compute functions when it is imported, so they have no static types."""


@dataclass(frozen=True)
class LaterDays:
    """New rows of the state, and users whose numbers cannot be told from their numbers so far."""

    rows: pa.Table
    unclear: pa.Table


def with_later_days(days: pa.Table, won: pa.Table, old: pa.Table, version: int) -> LaterDays:
    """Users of later days and new users, after these days.

    `days` are (`user_id`, `day`), each once; `won` users not known as acquired before (`user_id`,
    `acquired_day`, `origin`); `old` all earlier rows of the state of any of them. A user who was active
    before an acquisition that comes to be known only now is unclear: how many active days lie after it is
    not known.
    """
    import numpy as np

    users = pa.concat_arrays([*_texts(days["user_id"]), *_texts(won["user_id"])]).unique()
    size = len(users)
    at_day, at_won, at_old = (_places(table["user_id"], users) for table in (days, won, old))
    day = _numbers(days["day"])
    is_won, acquired, won_origin = np.zeros(size, bool), np.zeros(size, np.int64), np.zeros(size, np.int64)
    is_won[at_won], acquired[at_won] = True, _numbers(won["acquired_day"])
    won_origin[at_won] = _numbers(won["origin"])

    # Of several earlier rows of a user the newest is written last, and stays.
    newest = np.argsort(_numbers(old["version"]), kind="stable")
    at_old = at_old[newest]
    before = {name: np.zeros(size, np.int64) for name in VISITS}
    for name in VISITS:
        before[name][at_old] = _numbers(old[name])[newest]
    is_old = np.zeros(size, bool)
    is_old[at_old] = True

    earliest = np.full(size, np.iinfo(np.int64).max)
    np.minimum.at(earliest, at_day, day)
    old_first = before["first_day"]
    first = np.where(is_won, acquired, np.where(is_old, old_first, earliest))
    # Of users nobody had acquired, the first active day was no repeat: it is one after an earlier start.
    repeats = before["repeats"] + (is_old & is_won & (acquired < old_first))
    repeats += np.bincount(at_day, weights=day > first[at_day], minlength=size).astype(np.int64)
    last = np.where(is_old, np.maximum(before["last_day"], first), first)
    np.maximum.at(last, at_day, day)
    at_once = is_old & (before["is_active_at_once"] > 0) & (first == old_first)
    at_once[at_day[day == first[at_day]]] = True
    origin = np.where(is_won, won_origin, np.where(is_old, before["origin"], NOBODY))
    after = {
        "first_day": first,
        "repeats": repeats,
        "last_day": last,
        "is_active_at_once": at_once,
        "origin": origin,
    }
    columns: dict[str, Any] = {"user_id": users, "version": pa.array(np.full(size, version), pa.int32())}
    for name in VISITS:
        columns[name] = _column(after[name], name)
        columns[f"old_{name}"] = pc.if_else(pa.array(is_old), _column(before[name], name), None)
    rows = pa.table([columns[field.name].cast(field.type) for field in STATE], schema=STATE)
    is_unclear = pa.array(is_old & is_won & (acquired > old_first))
    return LaterDays(rows.filter(pc.invert(is_unclear)), rows.filter(is_unclear).select(["user_id"]))


def _texts(column: Any) -> list[Any]:
    return [chunk.cast(pa.string()) for chunk in column.chunks]


def _places(column: Any, users: Any) -> Any:
    """Where each user stands among some users."""
    return pc.index_in(column.cast(pa.string()), value_set=users).to_numpy()


def _numbers(column: Any) -> Any:
    """Whole numbers of a column without gaps: days since 1970, counts, 0 and 1."""
    if pa.types.is_date(column.type):
        column = column.cast(pa.int32())
    return column.cast(pa.int64()).to_numpy()


def _column(numbers: Any, name: str) -> Any:
    kind = STATE.field(name).type
    if pa.types.is_date(kind):
        return pa.array(numbers.astype("int32"), pa.int32()).cast(kind)
    return pa.array(numbers).cast(kind)
