"""Keep the rollups of the measures up to date: compute each day once, and again only when it changed.

A day's rollup depends on the files of that day and on a few things beside it; a fingerprint of all of them
says whether the stored rows still hold. What is stored is a cache: deleting it costs time, never a figure.

What a day depends on beside its own files:

- the price grid (where prices *can* change inside a day), not the prices themselves;
- who acquired its users: appending new users leaves old days alone, unless a day had users nobody knew;
- who was paying that day;
- where several sources saw the same requests, the files of the days around it.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from breakeven.account.measures import ROLLUPS, Inputs, ModelCuts, Rollup
from breakeven.account.people import People
from breakeven.ledger.books import Books
from breakeven.ledger.lock import hold
from breakeven.ledger.store import StoredFile, by_partition
from breakeven.ledger.tables import TABLES
from breakeven.periods import month_of, next_month

if TYPE_CHECKING:
    from breakeven.engine.session import Engine

pc: Any = pyarrow.compute
"""Arrow builds its compute functions when it is imported, so they have no static types."""

FORMAT = 5
"""Raise when a rollup's definition changes: stored rows of older formats are computed again."""

CHUNK_ROWS = 20_000_000
"""Rows of a ledger table read by one computation, unless a single day has more."""

Progress = Callable[[str], None]


@dataclass
class Manifest:
    """What is stored: for each rollup, each day's fingerprint and the part that holds its rows.

    `unknown_users` names, for each rollup that carries users, the days with a user nobody had acquired.
    """

    days: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict[str, dict[str, tuple[str, str]]])
    people: dict[str, Any] = field(default_factory=dict[str, Any])
    unknown_users: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """The stored manifest; an absent, older or broken one is an empty one."""
        try:
            raw = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            return cls()
        if raw.get("format") != FORMAT:
            return cls()
        days = {name: {day: (f, p) for day, (f, p) in known.items()} for name, known in raw["days"].items()}
        return cls(days, raw["people"], raw["unknown_users"])

    def parts(self) -> set[str]:
        """Names of the files that hold what is stored."""
        used = {part for known in self.days.values() for _, part in known.values()}
        return used | set(self.people.get("parts", []))

    def write(self, path: Path) -> None:
        """Replace the stored manifest in one step."""
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        temporary.write_text(
            json.dumps(
                {
                    "format": FORMAT,
                    "days": self.days,
                    "people": self.people,
                    "unknown_users": self.unknown_users,
                }
            ),
            "utf-8",
        )
        temporary.replace(path)


class RollupStore:
    """The rollups of one set of books, computed by any engine and kept under `.cache/rollups`."""

    def __init__(
        self,
        books: Books,
        open_engine: Callable[[], Engine],
        *,
        cuts: Sequence[ModelCuts] = (),
        folder: Path | None = None,
        progress: Progress = lambda _: None,
    ) -> None:
        self.books = books
        self._open_engine = open_engine
        self._engine: Engine | None = None
        self._cuts = tuple(cuts)
        self._progress = progress
        self.folder = folder or _writable(books)
        self._manifest = Manifest()
        self.computed_days: dict[str, int] = {}

    def refresh(self) -> dict[str, pa.Table]:
        """Bring every rollup up to date and return them all.

        One process at a time: a second one waits, and then finds the work done.
        """
        try:
            with hold(self.folder / ".lock", waiting=lambda: self._progress("waiting for another process")):
                return self._refresh()
        finally:
            if self._engine is not None:
                self._engine.close()
                self._engine = None

    @property
    def engine(self) -> Engine:
        """The engine, opened when something must be computed."""
        if self._engine is None:
            self._engine = self._open_engine()
        return self._engine

    @property
    def people_state(self) -> dict[str, Any]:
        """Where the users and paid windows lie."""
        return dict(self._manifest.people)

    def _refresh(self) -> dict[str, pa.Table]:
        self._manifest = Manifest.read(self.folder / "manifest.json")
        before = self._manifest.parts()
        people = People(self.books, self.folder, self._manifest.people, lambda: self.engine)
        change = people.refresh()
        files = {name: by_partition(self.books.files(name)) for name, t in TABLES.items() if t.partitioned}
        restless = self._units_with_users_now_known(change.new_users, people, files)
        for rollup in ROLLUPS.values():
            place = rollup.name if rollup.of_windows else rollup.table
            self._refresh_one(rollup, files[rollup.table], people, restless.get(place, set()))
        self._manifest.people = people.state
        self._manifest.write(self.folder / "manifest.json")
        self._remove_parts_beside(before | self._manifest.parts())
        return {name: self._load(name) for name in ROLLUPS}

    def _refresh_one(
        self, rollup: Rollup, files: Mapping[str, list[StoredFile]], people: People, restless: set[str]
    ) -> None:
        known = self._manifest.days.setdefault(rollup.name, {})
        wanted = self._fingerprints(rollup, files, people)
        lost = {part for _, part in known.values() if not (self.folder / part).exists()}
        dirty = {
            unit
            for unit, print_ in wanted.items()
            if known.get(unit, ("", ""))[0] != print_
            or known[unit][1] in lost
            or (rollup.by_user and restless & {unit, *_days_of(unit, rollup, files)})
        }
        for unit in known.keys() - wanted.keys():
            del known[unit]
        self.computed_days[rollup.name] = len(dirty)
        for chunk in _chunks(dirty, rollup, files):
            self._progress(f"{rollup.name}: {chunk[0]}" + (f" .. {chunk[-1]}" if len(chunk) > 1 else ""))
            self._compute(rollup, chunk, files, people)
            part = self._part
            for unit in chunk:
                known[unit] = (wanted[unit], part)

    def _fingerprints(
        self, rollup: Rollup, files: Mapping[str, list[StoredFile]], people: People
    ) -> dict[str, str]:
        """What each unit (day, week or month) of a rollup rests on."""
        beside = [rollup.name]
        if rollup.table == "usage":
            beside.append(repr(self._cuts))
        if rollup.name == "provider_reports":
            beside.append(repr(self.books.settings.matching.reports))
        if rollup.by_user or rollup.name == "acquisitions":
            beside.append(str(people.epoch))
        later_versions = [file.name for found in files.values() for file in found if file.version_most > 1]
        beside += sorted(later_versions)
        units: dict[str, list[str]] = {}
        if rollup.of_windows:
            units = {month.isoformat(): [] for month in people.months()}
        else:
            matched = self.books.matched_days(rollup.table)
            for day, found in files.items():
                unit = _unit_of(rollup, date.fromisoformat(day)).isoformat()
                units.setdefault(unit, []).extend(file.name for file in found)
                if not rollup.before_matching:
                    units[unit] += matched.beside(day, files)
        prints: dict[str, str] = {}
        for unit, uris in units.items():
            first = date.fromisoformat(unit)
            paying: list[str] = []
            if rollup.by_payer or rollup.of_windows:
                paying = [people.paying_print(first, _end_of(rollup, first))]
            said = "\n".join([*beside, *sorted(uris), *paying])
            prints[unit] = hashlib.sha256(said.encode()).hexdigest()[:20]
        return prints

    def _compute(
        self, rollup: Rollup, units: list[str], files: Mapping[str, list[StoredFile]], people: People
    ) -> None:
        days = sorted({day for unit in units for day in _days_of(unit, rollup, files)})
        chosen = [file for day in days for file in files.get(day, [])]
        if not rollup.of_windows:
            self.books.view(self.engine, rollup.table, chosen, matched=not rollup.before_matching)
        people.view(self.engine)
        read = partial(people.table, self.engine, [date.fromisoformat(day) for day in days])
        inputs = Inputs(read, self._cuts, self.books.settings.matching.reports)
        expression = rollup.build(inputs)
        if rollup.of_windows:
            expression = expression.filter(
                expression.month.isin([date.fromisoformat(unit) for unit in units])
            )
        rows = self.engine.arrow(expression)
        self._part = f"{rollup.name}-{uuid.uuid4().hex[:12]}.parquet"
        rows = _plain(rows)
        pq.write_table(rows, self.folder / self._part, compression="zstd")
        if rollup.by_user:
            self._note_unknown_users(rollup, rows, units)

    def _note_unknown_users(self, rollup: Rollup, rows: pa.Table, units: Iterable[str]) -> None:
        unknown = pc.is_null(rows["cohort"])
        if "has_user" in rows.column_names:
            unknown = pc.and_(rows["has_user"], unknown)
        found = {day.isoformat() for day in rows.filter(unknown)[rollup.grain].unique().to_pylist()}
        others = set(self._manifest.unknown_users.get(rollup.name, ())) - set(units)
        self._manifest.unknown_users[rollup.name] = sorted(others | (found & set(units)))

    def _units_with_users_now_known(
        self, new_users: list[str], people: People, files: Mapping[str, Mapping[str, list[StoredFile]]]
    ) -> dict[str, set[str]]:
        """Days of each table (months of the payers) that counted as unknown users who are known by now."""
        found: dict[str, set[str]] = {}
        if not new_users:
            return found
        if self._manifest.unknown_users.get("payers"):
            found["payers"] = {month.isoformat() for month in people.paid_months_of(self.engine, new_users)}
        for table in ("usage", "activity", "payments"):
            days = [day for day in self._manifest.unknown_users.get(table, ()) if day in files[table]]
            if not days:
                continue
            self.books.view(self.engine, table, [file for day in days for file in files[table][day]])
            people.view_new(self.engine, new_users)
            rows, new = self.engine.table(table), self.engine.table("new_users")
            matched = rows.semi_join(new, rows.user_id == new.user_id).select("day").distinct()
            found[table] = {row["day"].isoformat() for row in _plain(self.engine.arrow(matched)).to_pylist()}
        return found

    def _load(self, name: str) -> pa.Table:
        known = self._manifest.days.get(name, {})
        by_part: dict[str, set[date]] = {}
        for unit, (_, part) in known.items():
            by_part.setdefault(part, set()).add(date.fromisoformat(unit))
        unit_column = {"day": "day", "week": "week", "month": "month"}[ROLLUPS[name].grain]
        tables: list[pa.Table] = []
        for part, units in by_part.items():
            rows = pq.read_table(self.folder / part)
            keep = pa.array(sorted(units), pa.date32())
            tables.append(rows.filter(pc.is_in(rows[unit_column], keep)))
        if not tables:
            return pa.table({})
        return pa.concat_tables(tables, promote_options="permissive")

    def _remove_parts_beside(self, kept: set[str]) -> None:
        """Drop what was not even used before this refresh: an account opened earlier may still read that."""
        for path in self.folder.glob("*.parquet"):
            if path.name not in kept:
                path.unlink(missing_ok=True)


def _writable(books: Books) -> Path:
    """The cache of the books; a temporary one when they are read as of a moment or cannot be written."""
    if books.as_of is None:
        folder = books.folder / ".cache" / "rollups"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            pass
        else:
            if os.access(folder, os.W_OK):
                return folder
    return Path(tempfile.mkdtemp(prefix="breakeven-rollups-"))


def _unit_of(rollup: Rollup, day: date) -> date:
    """The day, week (its Monday) or month (its first) that a day's rows count in."""
    if rollup.grain == "day":
        return day
    return day - timedelta(days=day.weekday()) if rollup.grain == "week" else month_of(day)


def _end_of(rollup: Rollup, unit: date) -> date:
    """The first day after a unit."""
    if rollup.grain == "month":
        return next_month(unit)
    return unit + timedelta(days=7 if rollup.grain == "week" else 1)


def _days_of(unit: str, rollup: Rollup, files: Mapping[str, list[StoredFile]]) -> list[str]:
    """The stored days whose rows a unit needs."""
    if rollup.of_windows:
        return []
    first = date.fromisoformat(unit)
    end = _end_of(rollup, first)
    return sorted(day for day in files if first <= date.fromisoformat(day) < end)


def _chunks(units: set[str], rollup: Rollup, files: Mapping[str, list[StoredFile]]) -> list[list[str]]:
    """Units computed together: as many as keep memory flat, for each computation has a price of its own."""
    chunks: list[list[str]] = []
    room = 0
    for unit in sorted(units):
        rows = sum(file.row_count for day in _days_of(unit, rollup, files) for file in files[day])
        if not chunks or rows > room:
            chunks.append([])
            room = CHUNK_ROWS
        chunks[-1].append(unit)
        room -= rows
    return chunks


def _plain(rows: pa.Table) -> pa.Table:
    """One set of types whatever the engine: 64-bit counts, day dates, decimals of nine places, text."""
    fields: list[pa.Field] = []
    for column in rows.schema:
        kind = column.type
        if pa.types.is_dictionary(kind) or pa.types.is_large_string(kind):
            kind = pa.string()
        elif pa.types.is_integer(kind):
            kind = pa.int64()
        elif pa.types.is_decimal(kind):
            kind = pa.decimal128(38, 9)
        elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            kind = pa.date32()
        fields.append(pa.field(column.name, kind))
    return rows.cast(pa.schema(fields))
