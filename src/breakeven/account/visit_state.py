"""Each user's visits in a few numbers, kept beside the rollups and brought up to date day by day.

First day, active days after it, last active day, whether the first day was an active one, and where the user
came from: all that visit models and rolling retention ask of a user. The users lie in parts: a base, and
later parts with the users whose numbers changed, what they were before among them. A user's newest row
counts, and what changed between two moments is told by the parts between them, without reading anybody else.

- A day later than all known ones adds to its own users alone; all others are only passed by.
- Days that come late, and acquisitions that come after the visits, make their own users be counted anew.
- Corrections, rows taken out and a new order among the acquisitions make everything be counted anew.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from breakeven.account.people import USERS, People
from breakeven.account.visit_days import with_later_days
from breakeven.account.visit_manifest import NOBODY, ORIGIN, ORIGINS, STATE, VISITS, VisitManifest
from breakeven.ledger.store import StoredFile

if TYPE_CHECKING:
    from breakeven.engine.session import Engine
    from breakeven.ledger.books import Books

pc: Any = pyarrow.compute
"""Arrow builds its compute functions when it is imported, so they have no static types."""

_NOBODY_WON = pa.schema(
    [("user_id", pa.string()), ("acquired_day", pa.date32()), ("origin", pa.int32())]
).empty_table()
_TOUCHED = pa.schema([("user_id", pa.string())])
_MOST_TOUCHED = 0.5
"""Above this share of the users, counting all of them anew is no dearer."""


class VisitState:
    """The visits of all users of some books. `until` leaves out all facts after a day: for backtests.

    Not for use by two at a time: whoever calls `refresh` holds the cache's lock.
    """

    def __init__(
        self,
        books: Books,
        people: People,
        engine: Callable[[], Engine],
        folder: Path,
        until: date | None = None,
    ) -> None:
        self.books, self.people, self._engine, self.folder = books, people, engine, folder
        self.until = until
        self.path = folder / "visits.json"
        self.manifest = VisitManifest.read(self.path)
        self.did = ""
        """What the last refresh had to do: nothing, `later days`, `some users`, `all users`."""

    @property
    def engine(self) -> Engine:
        """The engine, opened when something must be counted."""
        return self._engine()

    def refresh(self) -> VisitManifest:
        """Bring the state up to date with the ledger and with who the users are."""
        known = self.manifest
        files = {file.name: file for file in self.activity_files()}
        parts = [str(part) for part in self.people.state.get("user_parts", [])]
        if known.parts and (set(known.activity), known.epoch, known.user_parts) == (
            set(files), self.people.epoch, parts,
        ):  # fmt: skip
            return known
        added = [files[name] for name in sorted(set(files) - set(known.activity))]
        new_parts = [part for part in parts if part not in set(known.user_parts)]
        grows = (
            known.parts
            and set(known.activity) <= set(files)
            and known.epoch == self.people.epoch
            and set(known.user_parts) <= set(parts)
            and all(file.version_most == 1 for file in added)
        )
        if not (grows and self._add(added, new_parts)):
            self._rebuild()
        known = self.manifest
        known.activity, known.epoch, known.user_parts = sorted(files), self.people.epoch, parts
        known.last_day = max((file.partition or "" for file in files.values()), default="")
        return known

    def activity_files(self) -> list[StoredFile]:
        """The files of the activity that count."""
        last = self.until.isoformat() if self.until else "9999-12-31"
        return [file for file in self.books.files("activity") if (file.partition or "") <= last]

    # --- everything anew ----------------------------------------------------------------------------

    def _rebuild(self) -> None:
        """Count all users from their activity."""
        self.did = "all users"
        version = self.manifest.version + 1
        self.manifest = VisitManifest(version)
        self._view_users("visit_users", [str(part) for part in self.people.state.get("user_parts", [])])
        self._name_origins("visit_users", pa.table({name: [] for name in ORIGINS.names}, schema=ORIGINS))
        self.books.view(self.engine, "activity", self.activity_files())
        base = self.folder / self._new_name("base")
        write(self.engine, self._all_users(version), base)
        rows = pq.read_metadata(base).num_rows
        self.manifest.parts = [(version, base.name, rows)]
        # Who was active before being acquired had too many days counted, or none: these are looked at again.
        early = self.newest_users().filter(lambda user: user.repeats < 0)
        touched = self.engine.arrow(early.select("user_id"))
        if touched.num_rows:
            self.manifest.version += 1
            self._view_touched(touched)
            self._append(self.engine.arrow(self._counted_anew()))

    def _all_users(self, version: int) -> Any:
        """Every user's numbers, in one pass without a join; fewer than no repeats where that cannot tell."""
        import ibis

        days = _user_days(self.engine.table("activity"))
        won = self._won("visit_users")
        nothing: Any = ibis.null()
        both = days.mutate(acquired_day=nothing.cast("date"), origin=nothing.cast("int32")).union(
            won.select(
                "user_id",
                day=nothing.cast("date"),
                acquired_day=won.acquired_day,
                origin=won.origin.cast("int32"),
            )
        )
        users = both.group_by("user_id").aggregate(
            days=both.day.count(),
            first=both.day.min(),
            last=both.day.max(),
            acquired_day=both.acquired_day.max(),
            origin=both.origin.max(),
        )
        repeats: Any = ibis.cases(
            (users.acquired_day.isnull(), users.days - 1),
            (users["first"].isnull(), 0),
            (users.acquired_day < users["first"], users.days),
            (users.acquired_day == users["first"], users.days - 1),
            else_=-1,
        )
        return users.select(
            "user_id",
            first_day=users.acquired_day.coalesce(users["first"]),
            repeats=repeats.cast("int32"),
            last_day=_later(users.acquired_day, users["last"]),
            is_active_at_once=(users.acquired_day.coalesce(users["first"]) == users["first"]).fill_null(
                False
            ),
            origin=users.origin.coalesce(NOBODY).cast("int32"),
            version=ibis.literal(version).cast("int32"),
        )

    # --- some users -----------------------------------------------------------------------------------

    def _add(self, added: list[StoredFile], new_parts: list[str]) -> bool:
        """Take in new files and new users; False when that is no cheaper than everything anew."""
        self.manifest.version += 1
        self._view_users("visit_users", [str(part) for part in self.people.state.get("user_parts", [])])
        self._view_users("visit_new_users", new_parts)
        if new_parts:
            self._name_origins(
                "visit_new_users", pq.read_table(self.folder / self.manifest.origins, schema=ORIGINS)
            )
        else:
            self._view_origins()
        self.books.view(self.engine, "activity", added)
        days = self.engine.arrow(_user_days(self.engine.table("activity")))
        won = self.engine.arrow(self._won("visit_new_users")) if new_parts else _NOBODY_WON
        touched = pa.concat_tables([days.select(["user_id"]), won.select(["user_id"])])
        touched = touched.group_by("user_id").aggregate([])
        known = max(self.manifest.parts[0][2], 1)
        if touched.num_rows > _MOST_TOUCHED * known:
            return False
        if touched.num_rows == 0:
            return True
        self._view_touched(touched)
        parts: list[pa.Table] = []
        if all((file.partition or "") > self.manifest.last_day for file in added):
            self.did = "later days"
            found = with_later_days(
                days, won, self.engine.arrow(self._rows_of_touched()), self.manifest.version
            )
            parts.append(found.rows)
            touched = found.unclear
            self._view_touched(touched)
        if touched.num_rows:
            self.did = "some users"
            self.books.view(self.engine, "activity", self.activity_files())
            parts.append(_with_schema(self.engine.arrow(self._counted_anew()), STATE))
        self._append(pa.concat_tables(parts))
        if sum(part[2] for part in self.manifest.parts[1:]) > known:
            self._merge_parts()
        return True

    def _counted_anew(self) -> Any:
        """The touched users from all their activity."""
        import ibis

        users = self.engine.table("visit_touched")
        activity, won = self.engine.table("activity"), self._won("visit_users")
        days = _user_days(activity.semi_join(users, "user_id"))
        paired = _beside(_beside(users, won.semi_join(users, "user_id")), days)
        counted = paired.group_by("user_id", "acquired_day", "origin").aggregate(
            days=paired.day.count(),
            later=(paired.day > paired.acquired_day).cast("int64").sum(),
            that_day=(paired.day == paired.acquired_day).cast("int64").sum(),
            first=paired.day.min(),
            last=paired.day.max(),
        )
        repeats = ibis.ifelse(
            counted.acquired_day.isnull(), counted["days"] - 1, counted["later"].coalesce(0)
        )
        new = counted.select(
            "user_id",
            first_day=counted.acquired_day.coalesce(counted["first"]),
            repeats=repeats.cast("int32"),
            last_day=_later(counted.acquired_day, counted["last"]),
            is_active_at_once=counted.acquired_day.isnull() | (counted.that_day.coalesce(0) > 0),
            origin=counted.origin.coalesce(NOBODY).cast("int32"),
            version=ibis.literal(self.manifest.version).cast("int32"),
        )
        old = _newest(self._rows_of_touched())
        return _beside(new, old.select("user_id", **{f"old_{name}": old[name] for name in VISITS}))

    def _rows_of_touched(self) -> Any:
        """All rows of the touched users so far, everybody else being passed by once."""
        users = self.engine.table("visit_touched")
        base, later = self._base_and_later()
        rows = base.semi_join(users, "user_id")
        if later is not None:
            rows = rows.union(later.semi_join(users, "user_id"))
        return rows.select("user_id", "version", *VISITS)

    def newest_users(self) -> Any:
        """Every user's newest numbers: an Ibis table of `user_id` and `VISITS`."""
        base, later = self._base_and_later()
        columns = ["user_id", *VISITS]
        if later is None:
            return base.select(columns)
        unchanged = base.anti_join(later, "user_id").select(columns)
        return unchanged.union(_newest(later).select(columns))

    def _base_and_later(self) -> tuple[Any, Any]:
        """The base of the state, and the rows that came after it, if any."""
        base, *later = [str(self.folder / name) for _, name, _ in self.manifest.parts]
        self.engine.view("visit_base", [base], STATE, None)
        if not later:
            return self.engine.table("visit_base"), None
        self.engine.view("visit_later", later, STATE, None)
        return self.engine.table("visit_base"), self.engine.table("visit_later")

    def _merge_parts(self) -> None:
        """Write the newest rows as one base: there are by now more later rows than users."""
        import ibis

        rows = self.newest_users().mutate(version=ibis.literal(self.manifest.version).cast("int32"))
        base = self.folder / self._new_name("base")
        write(self.engine, rows, base)
        self.manifest.parts = [(self.manifest.version, base.name, pq.read_metadata(base).num_rows)]

    # --- pieces ---------------------------------------------------------------------------------------

    def _append(self, rows: pa.Table) -> None:
        name = self._new_name("part")
        pq.write_table(_with_schema(rows, STATE), self.folder / name, compression="lz4")
        self.manifest.parts.append((self.manifest.version, name, rows.num_rows))

    def _new_name(self, what: str) -> str:
        # The rollups sweep away what ends in .parquet and is not theirs.
        return f"visits-{what}-{uuid.uuid4().hex[:12]}.pq"

    def _view_touched(self, users: pa.Table) -> None:
        """Name some users in the engine; through a file, for they may be too many to hand over."""
        path = self.folder / "visits-touched.pq"
        pq.write_table(_with_schema(users.select(["user_id"]), _TOUCHED), path, compression="lz4")
        self.engine.view("visit_touched", [str(path)], _TOUCHED, None)

    def _view_users(self, name: str, parts: Sequence[str]) -> None:
        self.engine.view(name, [str(self.people.folder / part) for part in parts], USERS, None)

    def _until(self, users: Any) -> Any:
        return users if self.until is None else users.filter(users.acquired_day <= self.until)

    def _won(self, users: str) -> Any:
        """Acquired users with the number of where they came from."""
        rows, origins = self._until(self.engine.table(users)), self.engine.table("visit_origins")
        joined = rows.join(origins, [rows[name].identical_to(origins[name]) for name in ORIGIN])
        return joined.select("user_id", "acquired_day", "origin")

    def _name_origins(self, users: str, known: pa.Table) -> None:
        """Number every combination of channel, campaign, platform and country that users came from."""
        rows = self.engine.table(users)
        found = self.engine.arrow(rows.select(*ORIGIN).distinct())
        numbers = {tuple(row[name] for name in ORIGIN): row["origin"] for row in known.to_pylist()}
        for row in sorted(found.to_pylist(), key=repr):
            numbers.setdefault(tuple(row[name] for name in ORIGIN), len(numbers) + 1)
        table = pa.Table.from_pylist(
            [{"origin": number, **dict(zip(ORIGIN, key, strict=True))} for key, number in numbers.items()],
            schema=ORIGINS,
        )
        self.manifest.origins = self._new_name("origins")
        pq.write_table(table, self.folder / self.manifest.origins)
        self._view_origins()

    def _view_origins(self) -> None:
        self.engine.view("visit_origins", [str(self.folder / self.manifest.origins)], ORIGINS, None)


def write(engine: Engine, expression: Any, path: Path) -> None:
    """The rows of an expression as a Parquet file; the embedded engine writes them as they come."""
    if engine.name == "duckdb":
        expression.to_parquet(path, compression="lz4")
    else:
        pq.write_table(engine.arrow(expression), path, compression="lz4")


def _newest(rows: Any) -> Any:
    """Of each user the row that came last."""
    import ibis

    order = ibis.window(group_by=rows.user_id, order_by=rows.version.desc())
    rows = rows.mutate(place=ibis.row_number().over(order))
    return rows.filter(rows.place == 0).drop("place")


def _user_days(activity: Any) -> Any:
    """Who was active when: two sources, or two rows of one, may say so of the same day."""
    return activity.select("user_id", "day").distinct()


def _later(one: Any, other: Any) -> Any:
    """The later of two days, either of which may be absent."""
    import ibis

    both: Any = ibis.greatest(one.coalesce(other), other.coalesce(one))
    return both


def _beside(rows: Any, more: Any) -> Any:
    """Rows of users with what else is known of each, where anything is."""
    more = more.rename(beside_user_id="user_id")
    return rows.left_join(more, rows.user_id == more.beside_user_id).drop("beside_user_id")


def _with_schema(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows in the columns and types of a schema; columns they lack are empty."""
    columns = [
        rows[field.name].cast(field.type)
        if field.name in rows.column_names
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
