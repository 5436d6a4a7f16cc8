"""How many users of each acquisition day were active within spans of days after it, each user once a span.

Such counts do not add up over days of activity, but over the users: so they are kept by month of acquisition,
and a month whose spans are all over is never counted again. Nothing of this is part of opening an account: it
is counted when somebody asks, and kept beside the rollups for as long as its files hold.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from breakeven.account.people import People
from breakeven.account.visit_cells import first_plans
from breakeven.engine.session import open_engine
from breakeven.ledger.lock import hold
from breakeven.periods import ONE_DAY, month_of, next_month

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.engine.session import Engine
    from breakeven.ledger.store import StoredFile

pc: Any = pyarrow.compute
"""Arrow builds its compute functions when it is imported, so they have no static types."""

FORMAT = 1
"""Raise when what is stored changes: counts of older formats are taken again."""

_KEPT = 12
"""Choices of spans and dimension whose counts are kept."""


@dataclass(frozen=True, order=True)
class Span:
    """Days after the acquisition, both included: 0 is the day itself.

    >>> Span(7, 13).day_count
    7
    """

    first: int
    last: int

    @property
    def day_count(self) -> int:
        """How many days."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class ActiveInSpan:
    """Users acquired on a day, of one value of the dimension, who were active in a span (by its number)."""

    acquired_day: date
    span: int
    value: str | None
    users: int


def active_in_spans(account: Account, spans: Sequence[Span], by: str | None = None) -> list[ActiveInSpan]:
    """Counts for spans in order that do not overlap, over all acquired users, or split by a dimension.

    `by` is a column of the acquisitions (`channel`, `campaign`, `platform`, `country`) or `plan`, of the
    first subscription payment. Raises `ValueError` for spans that overlap or are out of order.
    """
    if any(low.last >= high.first for low, high in pairwise(spans)):
        raise ValueError("spans must be in order and share no day")
    if not spans:
        return []
    asked = json.dumps([FORMAT, [(span.first, span.last) for span in spans], by])
    name = hashlib.sha256(asked.encode()).hexdigest()[:16]
    with hold(account.cache / ".lock"):
        rows = _brought_up_to_date(account, tuple(spans), by, name)
    return [
        ActiveInSpan(row["acquired_day"], row["span"], row["value"], row["users"]) for row in rows.to_pylist()
    ]


def _brought_up_to_date(account: Account, spans: tuple[Span, ...], by: str | None, name: str) -> pa.Table:
    index = account.cache / f"retained-{name}.json"
    known = _read(index)
    wanted = _fingerprints(account, spans, by)
    dirty = [
        month
        for month, print_ in wanted.items()
        if known.get(month, ("", ""))[0] != print_ or not (account.cache / known[month][1]).exists()
    ]
    if dirty:
        part = f"retained-{name}-{uuid.uuid4().hex[:12]}.pq"
        pq.write_table(_counted(account, spans, by, dirty), account.cache / part, compression="zstd")
        known = known | {month: (wanted[month], part) for month in dirty}
    known = {month: known[month] for month in wanted}
    _write(index, known)
    _sweep(account.cache, name, {part for _, part in known.values()})
    by_part: dict[str, list[date]] = {}
    for month, (_, part) in known.items():
        by_part.setdefault(part, []).append(date.fromisoformat(month))
    tables: list[pa.Table] = [_SHAPE.empty_table()]
    for part, months in sorted(by_part.items()):
        rows = pq.read_table(account.cache / part)
        keep = pc.is_in(_months(rows["acquired_day"]), value_set=pa.array(months, pa.date32()))
        tables.append(rows.filter(keep))
    return pa.concat_tables(tables)


_SHAPE = pa.schema(
    [("acquired_day", pa.date32()), ("span", pa.int64()), ("value", pa.string()), ("users", pa.int64())]
)


def _fingerprints(account: Account, spans: tuple[Span, ...], by: str | None) -> dict[str, str]:
    """What the counts of each month of acquisition rest on."""
    beside: list[Any] = [account.people_state.get("epoch")]
    files = account.books.files("activity")
    beside.append(sorted(file.name for file in files if file.version_most > 1))
    if by == "plan":
        beside.append(sorted(file.name for file in account.books.files("payments")))
    rows = account.rollups["acquisitions"]
    won: dict[date, int] = {}
    for row in rows.select(["day", "users"]).to_pylist() if rows.num_rows else ():
        month = month_of(row["day"])
        won[month] = won.get(month, 0) + row["users"]
    prints: dict[str, str] = {}
    for month, users in sorted(won.items()):
        names = sorted(file.name for file in _files_for(files, spans, [month]))
        said = json.dumps([*beside, users, names])
        prints[month.isoformat()] = hashlib.sha256(said.encode()).hexdigest()[:20]
    return prints


def _files_for(
    files: Sequence[StoredFile], spans: tuple[Span, ...], months: Sequence[date]
) -> list[StoredFile]:
    """The activity that can lie in some span of users acquired in some months."""
    least, most = timedelta(days=spans[0].first), timedelta(days=spans[-1].last)
    ranges = [
        ((month + least).isoformat(), (next_month(month) - ONE_DAY + most).isoformat()) for month in months
    ]
    return [
        file
        for file in files
        if file.partition is not None and any(first <= file.partition <= last for first, last in ranges)
    ]


def _counted(account: Account, spans: tuple[Span, ...], by: str | None, months: list[str]) -> pa.Table:
    engine = open_engine(account.engine)
    try:
        people = People(account.books, account.cache, account.people_state, lambda: engine)
        people.view(engine)
        chosen = [date.fromisoformat(month) for month in months]
        account.books.view(engine, "activity", _files_for(account.books.files("activity"), spans, chosen))
        rows = engine.arrow(_expression(account, engine, spans, by, chosen))
    finally:
        engine.close()
    return rows.select(_SHAPE.names).cast(_SHAPE)


def _expression(
    account: Account, engine: Engine, spans: tuple[Span, ...], by: str | None, months: list[date]
) -> Any:
    import ibis

    users, activity = engine.table("users"), engine.table("activity")
    users = users.filter(users.cohort.isin(months))
    nothing: Any = ibis.null()
    value = nothing.cast("string") if by is None else users[by] if by != "plan" else None
    if value is None:
        plans = first_plans(account, engine).rename(paying_user_id="user_id")
        users = users.left_join(plans, users.user_id == plans.paying_user_id)
        value = users.plan
    won = users.select("acquired_day", value=value, known_user_id=users.user_id)
    joined = activity.join(won, activity.user_id == won.known_user_id)
    age = joined.day.delta(joined.acquired_day, unit="day").cast("int64")
    number: Any = ibis.cases(
        *((age.between(span.first, span.last), place) for place, span in enumerate(spans)),
        else_=nothing.cast("int64"),
    )
    rows = joined.select("user_id", "acquired_day", "value", span=number.cast("int64"))
    # A user counts once in a span, whatever the days, the sessions and the sources.
    rows = rows.filter(rows.span.notnull()).distinct()
    return rows.group_by("acquired_day", "span", "value").aggregate(users=rows.count().cast("int64"))


def _months(days: Any) -> Any:
    return pc.floor_temporal(days, unit="month").cast(pa.date32())


def _read(path: Path) -> dict[str, tuple[str, str]]:
    try:
        raw: dict[str, list[str]] = json.loads(path.read_text("utf-8"))
        return {month: (print_, part) for month, (print_, part) in raw.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _write(path: Path, known: dict[str, tuple[str, str]]) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(known), "utf-8")
    temporary.replace(path)


def _sweep(folder: Path, name: str, used: set[str]) -> None:
    """Drop parts of this choice that no month uses, and whole choices beyond the newest."""
    for path in folder.glob(f"retained-{name}-*.pq"):
        if path.name not in used:
            path.unlink(missing_ok=True)
    old = sorted(folder.glob("retained-*.json"), key=lambda path: path.stat().st_mtime)[:-_KEPT]
    for index in old:
        for path in folder.glob(f"{index.stem}-*.pq"):
            path.unlink(missing_ok=True)
        index.unlink(missing_ok=True)
