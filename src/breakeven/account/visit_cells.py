"""Visits of all users as weighted cells: users with the same numbers are one row with a count.

Models of visits need no user, only how many had the same first day, repeat visits and last day. The cells of
each choice of dimensions are kept, and brought up to date by what changed: users' old cells lose them, their
new ones gain them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from breakeven.account.people import People
from breakeven.account.visit_manifest import NOBODY, ORIGIN, ORIGINS, STATE, VISITS, VisitManifest
from breakeven.account.visit_state import VisitState
from breakeven.engine.session import open_engine
from breakeven.errors import UsageError
from breakeven.ledger.lock import hold

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.engine.session import Engine

pc: Any = pyarrow.compute
"""Arrow builds its compute functions when it is imported, so they have no static types."""

DIMENSIONS = (*ORIGIN, "is_acquired", "is_active_at_once", "plan")
MEMORY_GIB = 1.25
"""What the embedded engine may hold while it counts: the rest of the two promised is this process's own."""
_KEPT_BACKTESTS = 20
_COUNTED = ("first_day", "repeats", "last_day")


def visit_cells(account: Account, *dimensions: str, until: date | None = None) -> pa.Table:
    """Users by `first_day`, `repeats`, `last_day` and dimensions, with how many they are (`users`).

    - `first_day`: the day of acquisition, in the books' time zone; the first active day of users whose
      acquisition nobody recorded.
    - `repeats`: days after `first_day` on which the user was active, each once whatever the sources say.
    - `last_day`: the last active day, `first_day` where there is none after it.

    Dimensions: `channel`, `campaign`, `platform`, `country` of the acquisition, `is_acquired` (somebody
    recorded one), `is_active_at_once` (active on `first_day` itself), `plan` (of the first subscription
    payment; empty for who never paid). Users who were acquired and never came are cells too: the cells sum to
    all users known. `until` counts only facts up to and with a day. Raises `UsageError` for other dimensions.
    """
    unknown = [name for name in dimensions if name not in DIMENSIONS]
    if unknown:
        raise UsageError(
            f"visits are not split by {unknown[0]!r}", remedy=f"use one of {', '.join(DIMENSIONS)}"
        )
    chosen = tuple(name for name in DIMENSIONS if name in dimensions)
    if until is not None and until < _last_fact(account):
        return _until(account, chosen, until)
    with hold(account.cache / ".lock"), _engine(account) as lazy:
        return _present(account, chosen, lazy)


class _Lazy:
    """An engine that is opened when something must be counted."""

    def __init__(self, choice: str) -> None:
        self.choice, self.opened = choice, None

    def __call__(self) -> Engine:
        if self.opened is None:
            self.opened: Engine | None = open_engine(self.choice, memory_gib=MEMORY_GIB)
        return self.opened


@contextmanager
def _engine(account: Account) -> Generator[_Lazy]:
    lazy = _Lazy(account.engine)
    try:
        yield lazy
    finally:
        if lazy.opened is not None:
            lazy.opened.close()


def _last_fact(account: Account) -> date:
    span = account.coverage.span()
    return span.end if span else date.max


def _present(account: Account, chosen: tuple[str, ...], engine: _Lazy) -> pa.Table:
    """The cells of the books as they are, the state brought up to date first."""
    people = People(account.books, account.cache, account.people_state, engine)
    state = VisitState(account.books, people, engine, account.cache)
    before = state.manifest.files()
    manifest = state.refresh()
    try:
        origin = tuple(name for name in chosen if name != "plan")
        cells = _kept_cells(state, origin)
        if "plan" in chosen:
            cells = _kept_by_plan(account, state, cells, origin)
    finally:
        manifest.write(state.path)
        _sweep(account.cache, manifest, before)
    return _in_order(cells, chosen)


def _until(account: Account, chosen: tuple[str, ...], until: date) -> pa.Table:
    """The cells as they stood after a day, from a state that is counted for this and let go.

    Cells alone cannot say it: of a user whose last day lies after `until` they no longer know the one before.
    """
    said = json.dumps(
        [
            until.isoformat(),
            chosen,
            account.people_state.get("epoch"),
            account.people_state.get("user_parts"),
            sorted(file.name for table in ("activity", "payments") for file in account.books.files(table)),
        ]
    )
    name = f"visits-until-{until.isoformat()}-{hashlib.sha256(said.encode()).hexdigest()[:16]}.json.pq"
    kept = account.cache / name
    with hold(account.cache / ".lock"), _engine(account) as engine:
        if kept.exists():
            return pq.read_table(kept)
        folder = Path(tempfile.mkdtemp(prefix="visits-", dir=account.cache.parent))
        try:
            people = People(account.books, account.cache, account.people_state, engine)
            state = VisitState(account.books, people, engine, folder, until)
            state.refresh()
            origin = tuple(name for name in chosen if name != "plan")
            cells = _cells_of_state(state, origin)
            if "plan" in chosen:
                cells = _by_plan(account, state, cells, origin)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        cells = _in_order(cells, chosen)
        old = sorted(account.cache.glob("visits-until-*.pq"), key=lambda path: path.stat().st_mtime)
        for path in old[: -_KEPT_BACKTESTS + 1]:
            path.unlink(missing_ok=True)
        pq.write_table(cells, kept)
        return cells


# --- cells of the state, kept by dimensions ---------------------------------------------------------------


def _kept_cells(state: VisitState, origin: tuple[str, ...]) -> pa.Table:
    """Cells by what an acquisition tells: the kept ones with what changed since, or all anew."""
    manifest = state.manifest
    key = ",".join(origin)
    version, name = manifest.cells.get(key, (0, ""))
    path = state.folder / name
    if name and version == manifest.version and path.exists():
        return pq.read_table(path)
    if name and version >= manifest.base_version and path.exists():
        changes = [_changes(state, part) for part in manifest.changes_after(version)]
        parts = [pq.read_table(path), *(_named(state, change, origin) for change in changes)]
        cells = _summed(pa.concat_tables(parts), origin)
    else:
        cells = _cells_of_state(state, origin)
    kept = f"visits-cells-{key.replace(',', '-') or 'all'}-{manifest.version}.pq"
    pq.write_table(cells, state.folder / kept, compression="zstd")
    manifest.cells[key] = (manifest.version, kept)
    return cells


def _cells_of_state(state: VisitState, origin: tuple[str, ...]) -> pa.Table:
    users = state.newest_users()
    keys = VISITS if origin else _COUNTED
    rows = state.engine.arrow(users.group_by(list(keys)).aggregate(users=users.count().cast("int64")))
    return _summed(_named(state, rows, origin), origin)


def _changes(state: VisitState, part: str) -> pa.Table:
    """What one part of the state adds to cells, and what it takes from them."""
    rows = pq.read_table(state.folder / part, schema=STATE)
    ones = pa.array([1], pa.int64())
    new = rows.select(VISITS).append_column("users", pa.repeat(1, rows.num_rows).cast(ones.type))
    known = rows.filter(pc.is_valid(rows["old_first_day"]))
    old = known.select([f"old_{name}" for name in VISITS]).rename_columns(list(VISITS))
    old = old.append_column("users", pa.repeat(-1, old.num_rows).cast(ones.type))
    return pa.concat_tables([new, old])


def _named(state: VisitState, rows: pa.Table, origin: tuple[str, ...]) -> pa.Table:
    """Counted rows by the names of their origin instead of its number."""
    if not origin:
        return rows.select([*_COUNTED, "users"])
    origins = pq.read_table(state.folder / state.manifest.origins, schema=ORIGINS)
    nobody = pa.Table.from_pylist([{"origin": NOBODY}], schema=ORIGINS)
    names = pa.concat_tables([origins, nobody])
    positions = pc.index_in(rows["origin"], names["origin"])
    found = rows.select([*_COUNTED, "users"])
    if "is_active_at_once" in origin:
        found = found.append_column("is_active_at_once", rows["is_active_at_once"])
    for name in origin:
        if name == "is_active_at_once":
            continue
        values = pc.greater(names["origin"], NOBODY) if name == "is_acquired" else names[name]
        found = found.append_column(name, values.combine_chunks().take(positions))
    return found.select([*_COUNTED, *origin, "users"])


def _summed(rows: pa.Table, origin: tuple[str, ...]) -> pa.Table:
    """Equal cells added up; cells that nobody is left in are gone."""
    grouped = rows.group_by([*_COUNTED, *origin]).aggregate([("users", "sum")])
    grouped = grouped.rename_columns([*_COUNTED, *origin, "users"])
    return grouped.filter(pc.not_equal(grouped["users"], 0))


# --- by plan ------------------------------------------------------------------------------------------------


def _kept_by_plan(account: Account, state: VisitState, cells: pa.Table, origin: tuple[str, ...]) -> pa.Table:
    manifest = state.manifest
    files = sorted(file.name for file in account.books.files("payments"))
    print_ = hashlib.sha256(json.dumps([manifest.version, files]).encode()).hexdigest()[:12]
    key = ",".join((*origin, "plan"))
    name = f"visits-cells-{key.replace(',', '-')}-{print_}.pq"
    path = state.folder / name
    if manifest.cells.get(key, (0, ""))[1] == name and path.exists():
        return pq.read_table(path)
    found = _by_plan(account, state, cells, origin)
    pq.write_table(found, path, compression="zstd")
    manifest.cells[key] = (manifest.version, name)
    return found


def _by_plan(account: Account, state: VisitState, cells: pa.Table, origin: tuple[str, ...]) -> pa.Table:
    """Cells split by the plan first paid for: whoever paid moves from the empty plan to a named one."""
    engine = state.engine
    plans = first_plans(account, engine, state.until)
    users = state.newest_users()
    paying = users.join(plans, "user_id")
    keys = [*(VISITS if origin else _COUNTED), "plan"]
    rows = engine.arrow(paying.group_by(keys).aggregate(users=paying.count().cast("int64")))
    plan = rows["plan"].cast(pa.string())
    named = _named(state, rows, origin)
    there = named.append_column("plan", plan)
    nowhere = pa.nulls(named.num_rows, pa.string())
    gone = named.set_column(named.schema.get_field_index("users"), "users", pc.negate(named["users"]))
    columns = [*cells.column_names, "plan"]
    parts = [
        cells.append_column("plan", pa.nulls(cells.num_rows, pa.string())),
        there.select(columns),
        gone.append_column("plan", nowhere).select(columns),
    ]
    schema = parts[0].schema
    return _summed(pa.concat_tables([part.cast(schema) for part in parts]), (*origin, "plan"))


def first_plans(account: Account, engine: Engine, until: date | None = None) -> Any:
    """The plan of each user's first subscription payment, where that named one: an Ibis table, few rows."""
    import ibis

    account.books.view(engine, "payments")
    rows = engine.table("payments")
    rows = rows.filter((rows.kind == "subscription") & rows.user_id.notnull())
    if until is not None:
        rows = rows.filter(rows.day <= until)
    order = ibis.window(group_by=rows.user_id, order_by=[rows["at"], rows.source, rows.source_id])
    rows = rows.mutate(rank=ibis.row_number().over(order))
    rows = rows.filter((rows["rank"] == 0) & rows.plan.notnull())
    return rows.select("user_id", "plan")


# --- form and upkeep ----------------------------------------------------------------------------------------


def _in_order(cells: pa.Table, chosen: tuple[str, ...]) -> pa.Table:
    """One set of columns and types, in one order of rows, whatever engine and path the cells came by."""
    columns = [*_COUNTED, *chosen]
    rows = cells.select([*columns, "users"])
    fields = [pa.field(name, _kind(name)) for name in rows.column_names]
    rows = rows.cast(pa.schema(fields))
    return rows.sort_by([(name, "ascending") for name in columns]) if rows.num_rows else rows


def _kind(name: str) -> pa.DataType:
    if name.endswith("_day"):
        return pa.date32()
    if name in ("repeats", "users"):
        return pa.int64()
    return pa.bool_() if name.startswith("is_") else pa.string()


def _sweep(folder: Path, manifest: VisitManifest, before: set[str]) -> None:
    """Drop what neither this state nor the one before it uses."""
    kept = manifest.files() | before
    for path in folder.glob("visits-*.pq"):
        if path.name not in kept and not path.name.startswith("visits-until-"):
            path.unlink(missing_ok=True)
