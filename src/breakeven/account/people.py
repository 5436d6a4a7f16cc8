"""Who the users are, for joining: one row per user from the acquisitions, and who was paying on which day.

`users` holds every user's *first* acquisition (earliest moment, then source and id), so a join never
multiplies rows. It is kept in parts: new acquisitions append a part; anything else rebuilds it and starts
a new epoch, which makes everything that depends on users be computed again.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from breakeven.ledger.books import Books
from breakeven.ledger.tables import TABLES
from breakeven.periods import Period, month_of, next_month

if TYPE_CHECKING:
    from breakeven.engine.session import Engine

USERS = pa.schema(
    [
        ("user_id", pa.string()),
        ("acquired_day", pa.date32()),
        ("cohort", pa.date32()),
        ("channel", pa.string()),
        ("campaign", pa.string()),
        ("creator", pa.string()),
        ("is_paid", pa.bool_()),
        ("platform", pa.string()),
        ("country", pa.string()),
        ("first_at", pa.timestamp("us")),
    ]
)
WINDOWS = pa.schema([("user_id", pa.string()), ("first_day", pa.date32()), ("end_day", pa.date32())])
_PAID_KINDS = ("subscription", "gift")


@dataclass(frozen=True)
class Change:
    """What a refresh found: parts of users who were not known before (empty after a rebuild)."""

    new_users: list[str]


class People:
    """Users and paid windows of the books, as stored beside the rollups."""

    def __init__(
        self, books: Books, folder: Path, state: dict[str, Any], engine: Callable[[], Engine]
    ) -> None:
        self.books, self.folder, self.state, self._engine = books, folder, dict(state), engine
        self._months: list[date] | None = None

    @property
    def epoch(self) -> int:
        """Counts rebuilds of the users."""
        return int(self.state.get("epoch", 0))

    def refresh(self) -> Change:
        """Bring users and paid windows up to date with the ledger."""
        change = self._refresh_users()
        self._refresh_windows()
        self._months = None
        return change

    def _refresh_users(self) -> Change:
        files = {file.name: file for file in self.books.files("acquisitions")}
        known = set(self.state.get("acquisition_files", []))
        if set(files) == known and self._parts_exist("user_parts"):
            return Change([])
        added = [files[uri] for uri in sorted(set(files) - known)]
        appended = (
            known and known <= set(files) and self._parts_exist("user_parts")
            and not any(file.version_most > 1 for file in added)
        )  # fmt: skip
        if appended:
            part = self._append(added)
            if part is not None:
                self.state["user_parts"].append(part)
                self._remember(files)
                return Change([part])
        self.books.view(self._engine(), "acquisitions")
        part = self._write("users", self._engine().arrow(self._first_acquisitions()), USERS)
        self.state["user_parts"] = [part]
        self.state["epoch"] = self.epoch + 1
        self._remember(files)
        return Change([])

    def _append(self, added: list[Any]) -> str | None:
        """The users of new files as a new part; None when one of them was won earlier than was known."""
        engine = self._engine()
        self.books.view(engine, "acquisitions", added)
        self._view(engine, "users", "user_parts", USERS)
        rows = engine.arrow(self._first_acquisitions())
        part = self._write("users", rows, USERS)
        self.view_new(engine, [part])
        new, old = engine.table("new_users"), engine.table("users")
        again = new.join(old.select("user_id", known_at=old.first_at), "user_id")
        [found] = engine.arrow(
            again.aggregate(
                users=again.count(), earlier=(again.first_at <= again.known_at).cast("int64").sum()
            )
        ).to_pylist()
        if not found["users"]:
            return part
        # Who comes back later stays with the acquisition that won them first.
        others = engine.arrow(new.anti_join(old, new.user_id == old.user_id))
        (self.folder / part).unlink()
        return None if found["earlier"] else self._write("users", others, USERS)

    def _first_acquisitions(self) -> Any:
        import ibis

        rows = self._engine().table("acquisitions")
        counted = rows.aggregate(rows=rows.count(), users=rows.user_id.nunique())
        [count] = self._engine().arrow(counted).to_pylist()
        if count["rows"] != count["users"]:
            order = ibis.window(
                group_by=rows.user_id, order_by=[rows.acquired_at, rows.source, rows.source_id]
            )
            rows = rows.mutate(rank=ibis.row_number().over(order))
            rows = rows.filter(rows["rank"] == 0)
        return rows.select(
            "user_id",
            acquired_day=rows.day,
            cohort=rows.day.truncate("M").cast("date"),
            channel=rows.channel,
            campaign=rows.campaign,
            creator=rows.creator,
            is_paid=rows.is_paid,
            platform=rows.platform,
            country=rows.country,
            first_at=rows.acquired_at,
        )

    def _remember(self, files: dict[str, Any]) -> None:
        self.state["acquisition_files"] = sorted(files)
        self._list_parts()

    def _refresh_windows(self) -> None:
        """Windows of paid service, part by part of the payments: each file's are computed once."""
        files = {file.name: file for file in self.books.files("payments")}
        stored: dict[str, dict[str, Any]] = self.state.setdefault("windows", {})
        restless = any(file.version_most > 1 for file in files.values())
        covered = {uri for entry in stored.values() for uri in entry["files"]}
        changed = covered != set(files) if restless else not covered <= set(files)
        if changed or not all((self.folder / part).exists() for part in stored):
            stored.clear()
            covered = set()
        new = [files[uri] for uri in sorted(set(files) - covered)]
        if new:
            engine = self._engine()
            self.books.view(engine, "payments", new if not restless else None)
            rows = engine.arrow(self._windows(engine))
            part = self._write("windows", rows, WINDOWS)
            first, end = _extent(self.folder / part)
            stored[part] = {
                "files": sorted(file.name for file in new),
                "first_day": first.isoformat() if first else None,
                "end_day": end.isoformat() if end else None,
            }
        self._list_parts()

    def _windows(self, engine: Engine) -> Any:
        payments = self._local_payments(engine)
        paid = payments.filter(payments.kind.isin(_PAID_KINDS) & payments.user_id.notnull())
        return paid.select("user_id", "first_day", "end_day").distinct()

    def _local_payments(self, engine: Engine) -> Any:
        """Payments with their service as days of the books' zone; without a service, the day itself."""
        import ibis

        rows = engine.table("payments")
        zone = self.books.settings.time_zone
        has_window = rows.service_start.notnull() & rows.service_end.notnull()
        first = ibis.ifelse(has_window, engine.local_day(rows.service_start, zone), rows.day)
        end = ibis.ifelse(has_window, engine.local_day(rows.service_end, zone), rows.day)
        rows = rows.mutate(first_day=first, end_day=end)
        # Service within one day still takes that day.
        at_least = ibis.ifelse(rows.end_day > rows.first_day, rows.end_day, _next_day(rows.first_day))
        return rows.mutate(end_day=at_least)

    def _write(self, name: str, rows: pa.Table, schema: pa.Schema) -> str:
        part = f"{name}-{uuid.uuid4().hex[:12]}.parquet"
        pq.write_table(rows.cast(schema), self.folder / part, compression="lz4")
        return part

    def _list_parts(self) -> None:
        self.state["parts"] = [*self.state.get("user_parts", []), *self.state.get("windows", {})]

    def _parts_exist(self, key: str) -> bool:
        parts = self.state.get(key, [])
        return bool(parts) and all((self.folder / part).exists() for part in parts)

    def view(self, engine: Engine) -> None:
        """Name users and paid windows in an engine."""
        self._view(engine, "users", "user_parts", USERS)
        self._view(engine, "paid_windows", "windows", WINDOWS)

    def view_new(self, engine: Engine, parts: list[str]) -> None:
        """Name the users of some parts."""
        engine.view("new_users", [str(self.folder / part) for part in parts], USERS, None)

    def paid_months_of(self, engine: Engine, parts: list[str]) -> set[date]:
        """Months in which the users of some parts had a paid service."""
        self.view(engine)
        self.view_new(engine, parts)
        windows, new = engine.table("paid_windows"), engine.table("new_users")
        theirs = windows.semi_join(new, windows.user_id == new.user_id)
        spans = engine.arrow(theirs.select("first_day", "end_day").distinct()).to_pylist()
        return {month for span in spans for month in Period(span["first_day"], span["end_day"]).months()}

    def _view(self, engine: Engine, name: str, key: str, schema: pa.Schema) -> None:
        engine.view(name, [str(self.folder / part) for part in self.state.get(key, [])], schema, None)

    def table(self, engine: Engine, days: Sequence[date] | None, name: str) -> Any:
        """A table for a rollup: a ledger table, or one of the derived ones, for some days in order."""
        if name in TABLES:
            return engine.table(name)
        if name == "users":
            return engine.table(name)
        if name == "local_payments":
            return self._local_payments(engine)
        if name == "first_acquisitions":
            users = engine.table("users").rename(day="acquired_day")
            return users.filter((users.day >= days[0]) & (users.day <= days[-1])) if days else users
        if name == "paid_days":
            return self._paid_days(engine, days or ())
        if name == "payer_months":
            return self._payer_months(engine)
        raise KeyError(name)

    def _paid_days(self, engine: Engine, days: Sequence[date]) -> Any:
        """(user, day) pairs of paid service on some days in order, each once."""
        import ibis

        windows = engine.table("paid_windows")
        if days:
            windows = windows.filter((windows.first_day <= days[-1]) & (windows.end_day > days[0]))
        chosen = ibis.memtable(pa.table({"paid_day": pa.array(days, pa.date32())}))
        pairs = windows.join(
            chosen, [chosen.paid_day >= windows.first_day, chosen.paid_day < windows.end_day]
        )
        return pairs.select(paid_user_id=windows.user_id, paid_day=chosen.paid_day).distinct()

    def _payer_months(self, engine: Engine) -> Any:
        import ibis

        windows = engine.table("paid_windows")
        months = ibis.memtable(
            pa.table(
                {
                    "month": pa.array(self.months(), pa.date32()),
                    "month_end": pa.array([next_month(month) for month in self.months()], pa.date32()),
                }
            )
        )
        pairs = windows.join(months, [windows.first_day < months.month_end, windows.end_day > months.month])
        return pairs.select(month=months.month, user_id=windows.user_id).distinct()

    def months(self) -> list[date]:
        """Months in which somebody had a paid service, up to the last covered day of any table."""
        if self._months is None:
            span = self.books.coverage().span()
            firsts = [entry["first_day"] for entry in self._windows_state() if entry["first_day"]]
            self._months = []
            if span is not None and firsts:
                self._months += Period(month_of(date.fromisoformat(min(firsts))), span.end).months()
        return self._months

    def paying_print(self, first: date, end: date) -> str:
        """Names the paid windows that can touch the days from `first` up to `end`."""
        parts = [
            "\n".join(entry["files"])
            for entry in self._windows_state()
            if entry["first_day"]
            and entry["first_day"] < end.isoformat()
            and entry["end_day"] > first.isoformat()
        ]
        return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()[:12]

    def _windows_state(self) -> list[dict[str, Any]]:
        return list(self.state.get("windows", {}).values())


def _extent(path: Path) -> tuple[date | None, date | None]:
    rows = pq.read_table(path, columns=["first_day", "end_day"])
    edges: Any = pyarrow.compute
    return edges.min(rows["first_day"]).as_py(), edges.max(rows["end_day"]).as_py()


def _next_day(day: Any) -> Any:
    import ibis

    return (day + ibis.interval(days=1)).cast("date")
