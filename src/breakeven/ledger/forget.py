"""Forget a person: their rows go from every table and from every older file, and no total changes.

For each row that counts, an anonymous row takes its place: the same day, model, tokens and money, under a
random name that is the same in all tables (so that a user stays one user in every count) and is written down
nowhere else; times are rounded down to the quarter of an hour, and the ids of rows, requests and responses
go. Rows that did not count (replaced versions, other sources' sightings of the person's requests) just go.

Files that held the person are deleted, not merely marked as removed. So the books can no longer be read as
they stood before, at moments whose files are gone; frozen statements of closed months do not need them.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from breakeven.engine import sql
from breakeven.engine.duckdb import DIALECT, DuckDBEngine, in_one
from breakeven.errors import BooksError
from breakeven.ledger.lock import cannot_write, hold, writer_lock
from breakeven.ledger.matching import FORGOTTEN, TABLE
from breakeven.ledger.pseudonyms import id_columns, pseudonyms_of
from breakeven.ledger.store import ConflictError, TableStore
from breakeven.ledger.tables import TABLES, LedgerTable
from breakeven.ledger.workspace import sweep

if TYPE_CHECKING:
    from breakeven.ledger.books import Books

_QUARTER = "INTERVAL '15 minutes'"
_SCRUBBED = ("user_id", "account_id", "source_id", "raw")
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Forgotten:
    """What a forgetting took out: rows by table, quarantined records whose text went, files deleted.

    `name` is the random name that stands in the person's place.
    """

    name: str
    rows: Mapping[str, int]
    quarantined: int
    files_deleted: int

    @property
    def is_nobody(self) -> bool:
        """Whether nothing of the person was there."""
        return not (any(self.rows.values()) or self.quarantined or self.files_deleted)


def forget(
    books: Books, user: str, *, dry_run: bool = False, progress: Progress = lambda _: None
) -> Forgotten:
    """Take a person out of the books, by the id that the sources have for them.

    With pseudonyms the id is hashed first. Raises `BooksError` when the books cannot be written.
    """
    pseudonyms = pseudonyms_of(books.folder, books.settings)
    known_as = pseudonyms.of(user) if pseudonyms else user
    name = FORGOTTEN + secrets.token_hex(8)
    tables = [table for table in TABLES.values() if id_columns(table)]
    try:
        with writer_lock(books.folder, waiting=lambda: progress("waiting for another import")):
            books.look_again()
            rows: dict[str, int] = {}
            deleted = 0
            for table in tables:
                progress(f"looking through {table.name}")
                rows[table.name] = _Person(books, table, known_as, name).replace(dry_run=dry_run)
                books.look_again()
            for table in tables:
                deleted += _delete_older_files(books.store(table.name), known_as, dry_run=dry_run)
            progress("looking through the quarantine")
            spelt = sorted(
                {spelling for one in (user, known_as) for spelling in (one, json.dumps(one)[1:-1])}
            )
            facts = {"kind": "forget", "name": name}
            quarantined = books.quarantine_store.blank(spelt, facts, dry_run=dry_run)
            if not dry_run:
                for uri in (*(books.store(table.name).uri for table in tables), books.quarantine_store.uri):
                    _scrub_log(Path(uri))
                _empty_caches(books.folder)
                sweep(books.folder)
    except OSError as error:
        raise cannot_write(books.folder, error) from error
    return Forgotten(name, rows, quarantined, deleted)


@dataclass(frozen=True)
class _Person:
    """One person in one table."""

    books: Books
    table: LedgerTable
    known_as: str
    name: str

    @property
    def is_theirs(self) -> str:
        """SQL that is true for a row that names the person."""
        return _names(self.table, self.known_as)

    def replace(self, *, dry_run: bool) -> int:
        """Write the days anew in which rows of the person lie, in one commit; returns how many rows went."""
        store, table = self.books.store(self.table.name), self.table
        base = store.open()
        with DuckDBEngine() as engine:
            self._find(engine)
            [(count,)] = engine.rows("SELECT count(*) FROM gone")
            if not count or dry_run:
                return int(count)
            days = [str(day) for (day,) in engine.rows("SELECT DISTINCT day FROM gone ORDER BY day")]
            columns = ", ".join(_stored(field.name, table) for field in table.schema)
            rows = engine.stream(
                f"SELECT {columns} FROM stored WHERE day IN ({sql.texts(days)}) "
                "AND NOT EXISTS (FROM gone WHERE gone.source = stored.source "
                "AND gone.source_id = stored.source_id AND gone.version = stored.version) "
                f"UNION ALL SELECT {columns} FROM ({self._stand_ins()})"
            )
            facts = {"kind": "forget", "name": self.name, "rows": int(count)}
            try:
                store.replace_days(base, rows, days, facts)
            except ConflictError:
                raise BooksError(
                    "another writer was faster", where=store.uri, remedy="run the same command again"
                ) from None
        return int(count)

    def _find(self, engine: DuckDBEngine) -> None:
        """Name the stored rows (`stored`), the person's that count (`theirs`), and all that go (`gone`)."""
        table, books = self.table, self.books
        files = books.files(table.name)
        engine.view("stored", [file.uri for file in files], table.schema, "day")
        books.view(engine, table.name)
        engine.execute(f"CREATE TEMP TABLE theirs AS SELECT * FROM {table.name} WHERE {self.is_theirs}")
        if table.name == "acquisitions":
            # Only the first acquisition of a user counts anywhere.
            engine.execute(
                "DELETE FROM theirs WHERE (source, source_id) NOT IN (SELECT (source, source_id) "
                "FROM theirs ORDER BY acquired_at, source, source_id LIMIT 1)"
            )
        keys = "SELECT source, source_id FROM theirs"
        left_out = books.matched_days(table.name).left_out(files, files)
        if table.name == TABLE and left_out is not None:
            engine.view("around", left_out.around, table.schema, "day", books.corrections(table.name))
            others = in_one(left_out.steps("around", DIALECT))
            keys += (
                f" UNION SELECT source, source_id FROM ({others}) WHERE (kept_source, kept_source_id) "
                "IN (SELECT (source, source_id) FROM theirs)"
            )
        engine.execute(
            "CREATE TEMP TABLE gone AS SELECT source, source_id, version, day FROM stored "
            f"WHERE {self.is_theirs} OR (source, source_id) IN (SELECT (source, source_id) FROM ({keys}))"
        )

    def _stand_ins(self) -> str:
        """SQL of the anonymous rows in the place of those that counted."""
        person, name = sql.text(self.known_as), sql.text(self.name)
        replaced = {
            column: f"CASE WHEN {column} = {person} THEN {name} ELSE {column} END"
            for column in id_columns(self.table)
        }
        for column in self.table.columns:
            if column.kind == "timestamp":
                replaced[column.name] = f"time_bucket({_QUARTER}, {sql.name(column.name)})"
        if any(column.name == "response_id" for column in self.table.columns):
            replaced["response_id"] = "CAST(NULL AS VARCHAR)"
        number = "CAST(row_number() OVER (ORDER BY source, source_id) AS VARCHAR)"
        replaced["source_id"] = f"{name} || '-' || lpad({number}, 9, '0')"
        replaced["revision"] = "CAST(NULL AS BIGINT)"
        replaced["version"] = "CAST(1 AS INTEGER)"
        chosen = ", ".join(f"{value} AS {sql.name(column)}" for column, value in replaced.items())
        return f"SELECT * REPLACE ({chosen}) FROM theirs"


def _names(table: LedgerTable, known_as: str) -> str:
    return "(" + " OR ".join(f"{column} = {sql.text(known_as)}" for column in id_columns(table)) + ")"


def _stored(name: str, table: LedgerTable) -> str:
    """A column in the type in which it is stored."""
    column = next((one for one in table.columns if one.name == name), None)
    quoted = sql.name(name)
    return f"{quoted} AT TIME ZONE 'UTC' AS {quoted}" if column and column.kind == "timestamp" else quoted


def _delete_older_files(store: TableStore, known_as: str, *, dry_run: bool) -> int:
    """Delete files of earlier versions (and of nobody) that hold the person."""
    root = Path(store.uri)
    now = {file.name for file in store.files(store.open())}
    files = (path for path in root.rglob("*.parquet") if "_delta_log" not in path.parts)
    older = [path for path in files if path.name not in now]
    found: list[Path] = []
    with DuckDBEngine() as engine:
        for path in older:
            file = f"read_parquet({sql.text(str(path))}, hive_partitioning = false)"
            if engine.rows(f"SELECT 1 FROM {file} WHERE {_names(store.table, known_as)} LIMIT 1"):
                found.append(path)
    if not dry_run:
        for path in found:
            path.unlink()
    return len(found)


def _scrub_log(root: Path) -> None:
    """Take ids out of the statistics in a table's log, where older versions of this program put them."""
    log = root / "_delta_log"
    changed = False
    for path in sorted(log.glob("*.json")):
        lines = path.read_text("utf-8").splitlines()
        scrubbed = [_without_statistics(line) for line in lines]
        if scrubbed != lines:
            times = path.stat()
            temporary = path.with_suffix(".part")
            temporary.write_text("\n".join(scrubbed) + "\n", "utf-8")
            # Moments are found by the age of these files.
            os.utime(temporary, ns=(times.st_atime_ns, times.st_mtime_ns))
            temporary.replace(path)
            changed = True
    checkpoints = [*log.glob("*.checkpoint*.parquet"), *log.glob("_last_checkpoint")]
    if changed and checkpoints:
        from deltalake import DeltaTable

        # The log is kept whole, so a checkpoint only saves time.
        for path in checkpoints:
            path.unlink()
        DeltaTable(str(root)).create_checkpoint()


def _without_statistics(line: str) -> str:
    if '"stats"' not in line:
        return line
    action: dict[str, Any] = json.loads(line)
    added = action.get("add")
    if not added or not added.get("stats"):
        return line
    stats = json.loads(added["stats"])
    known = [
        (edges, column)
        for edges in ("minValues", "maxValues")
        for column in _SCRUBBED
        if column in stats.get(edges, {})
    ]
    if not known:
        return line
    for edges, column in known:
        del stats[edges][column]
    added["stats"] = json.dumps(stats, ensure_ascii=False, separators=(",", ":"))
    return json.dumps(action, ensure_ascii=False, separators=(",", ":"))


def _empty_caches(folder: Path) -> None:
    """Everything under `.cache` is computed from the tables, and may hold users."""
    root = folder / ".cache"
    rollups = root / "rollups"
    if rollups.is_dir():
        with hold(rollups / ".lock"):
            for path in rollups.iterdir():
                if path.name != ".lock":
                    path.unlink(missing_ok=True)
    for path in root.iterdir() if root.is_dir() else ():
        if path.is_dir() and path != rollups:
            shutil.rmtree(path, ignore_errors=True)
        elif path.is_file():
            path.unlink(missing_ok=True)
