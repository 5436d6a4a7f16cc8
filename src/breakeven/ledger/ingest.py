"""From one file to one commit: land, validate, find what is known, write; every row accounted for.

    rows read = ingested + duplicates + quarantined          (always)

Rows, counts and the batch's identity become visible in one Delta commit. When another process committed
meanwhile, the question "what is known" is asked again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from breakeven.engine import sql
from breakeven.engine.duckdb import DuckDBEngine
from breakeven.errors import BooksError, InputError, NoRecords
from breakeven.ledger.batch_log import Batch, batches_of, content_id, seen
from breakeven.ledger.known import Known, find_known, rows_to_write
from breakeven.ledger.landing import Landed, land, land_nothing
from breakeven.ledger.lock import cannot_write, writer_lock
from breakeven.ledger.mapping import Mapping
from breakeven.ledger.problems import Problem
from breakeven.ledger.pseudonyms import Pseudonyms
from breakeven.ledger.quarantine import Quarantine
from breakeven.ledger.silence import silent_days
from breakeven.ledger.store import ConflictError, TableStore
from breakeven.ledger.text_files import file_digest
from breakeven.ledger.workspace import workspace

if TYPE_CHECKING:
    from deltalake import DeltaTable

Progress = Callable[[str], None]
PROBLEMS_SHOWN = 1000
_LEFT_OUT = "lines the mapping leaves out"
_RETRIES = 20
_MEMORY_GIB = 1.2


@dataclass(frozen=True)
class ImportResult:
    """What became of one file. `versions` of the ingested rows replace what was known under their key.

    `skipped` records are no rows of any table; `skipped_as` says what they are. `silent_days` are days of the
    file or of its coverage without a row, though there was traffic. `problems` are the first
    thousand of the quarantined rows; `Books.quarantined` gives all.
    """

    file: str
    table: str
    batch_id: str
    rows_read: int
    ingested: int
    duplicates: int
    quarantined: int
    versions: int = 0
    already_imported: bool = False
    dry_run: bool = False
    first_day: date | None = None
    last_day: date | None = None
    ignored_columns: tuple[str, ...] = ()
    skipped: int = 0
    skipped_as: str = ""
    silent_days: tuple[date, ...] = ()
    problems: tuple[Problem, ...] = field(default=(), repr=False)


@dataclass
class Importer:
    """Imports files into one table of one set of books."""

    folder: Path
    zone: str
    store: TableStore
    quarantine: Quarantine
    mapping: Mapping
    source: str | None = None
    dry_run: bool = False
    covers: tuple[date, date] | None = None
    progress: Progress = lambda _: None
    pseudonyms: Pseudonyms | None = None
    may_be_empty: bool = False
    traffic: Callable[[], set[date]] = set

    def run(self, path: Path) -> ImportResult:
        """Import one file as one batch; with `dry_run` everything but the commit.

        Raises `InputError` when the file cannot be used, `BooksError` when the books cannot be written;
        either way nothing of the file is in the books.
        """
        if path.is_dir():
            raise InputError("a folder, not a file", where=str(path), remedy="name the files in it")
        digest = file_digest(path)
        content = content_id(self.store.table, self.source, self.mapping, digest)
        known = seen(self._batches(), content).standing
        if known is not None:
            _refuse_other_coverage(path, known, self.covers)
            return _already(path, known)
        try:
            with (
                workspace(None if self.dry_run else self.folder) as work,
                DuckDBEngine(memory_gib=_MEMORY_GIB, spill=work / "spill") as engine,
            ):
                self.progress(f"reading {path.name}")
                before = path.stat()
                landed = self._land(
                    engine,
                    path,
                    digest,
                    work,
                )
                after = path.stat()
                if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                    raise InputError(
                        "the file changed while it was read", where=str(path), remedy="try again"
                    )
                if self.covers and not (landed.rows_read or landed.skipped):
                    # One empty file is like another: what it says is which days had nothing.
                    content = sha256(f"{content} {self.covers}".encode()).hexdigest()[:16]
                return self._compare_and_write(engine, path, landed, content, digest)
        except OSError as error:
            raise cannot_write(self.folder, error) from error

    def _land(self, engine: DuckDBEngine, path: Path, digest: str, work: Path) -> Landed:
        """Land the file; one without a record only when it was declared what it covers."""
        try:
            return land(
                engine,
                path,
                self.store.table,
                self.mapping,
                source=self.source,
                digest=digest,
                zone=self.zone,
                workspace=work,
                pseudonyms=self.pseudonyms,
                may_be_empty=self.may_be_empty or self.covers is not None,
            )
        except NoRecords:
            if self.covers is None:
                raise
            return land_nothing(engine, self.store.table)

    def _batches(self) -> list[Batch]:
        return batches_of(self.store.table.name, self.store.history())

    def _compare_and_write(
        self, engine: DuckDBEngine, path: Path, landed: Landed, content: str, digest: str
    ) -> ImportResult:
        if self.dry_run:
            known = find_known(engine, self.store, self.store.open())
            result = self._result(engine, path, seen(self._batches(), content).next_id, landed, known)
            return self._with_silent_days(engine, result, self.store.open())
        with writer_lock(self.folder, waiting=lambda: self.progress("waiting for another import")):
            for _ in range(_RETRIES):
                # What commits after this line makes the write below a conflict, and is then looked at.
                base = self.store.open()
                look = seen(self._batches(), content)
                if look.standing is not None:
                    return _already(path, look.standing)
                self.progress(f"comparing {path.name} with the books")
                known = find_known(engine, self.store, base)
                result = self._result(engine, path, look.next_id, landed, known)
                if result.quarantined:
                    self.quarantine.add(look.next_id, engine.stream(_quarantine_rows(result)))
                self.progress(f"writing {result.ingested:,} rows")
                rows = engine.stream(rows_to_write(self.store.table, known, look.next_id))
                try:
                    facts = self._facts(result, known, digest)
                    self.store.append(base, rows, facts, app_id=look.next_id, days=landed.day_count)
                except ConflictError:
                    continue
                return self._with_silent_days(engine, result, base)
        raise BooksError(
            "other imports kept committing first", where=self.store.uri, remedy="run the same command again"
        )

    def _result(
        self, engine: DuckDBEngine, path: Path, batch_id: str, landed: Landed, known: Known
    ) -> ImportResult:
        result = ImportResult(
            file=str(path),
            table=self.store.table.name,
            batch_id=batch_id,
            rows_read=landed.rows_read,
            ingested=landed.good - known.duplicates,
            duplicates=known.duplicates,
            quarantined=landed.quarantined,
            versions=known.versions,
            dry_run=self.dry_run,
            first_day=landed.first_day,
            last_day=landed.last_day,
            ignored_columns=landed.ignored_columns,
            skipped=landed.skipped,
            skipped_as=self.mapping.layout.skipped_as if self.mapping.layout else _LEFT_OUT,
        )
        first = engine.arrow_of(f"{_quarantine_rows(result)} LIMIT {PROBLEMS_SHOWN}")
        return replace(result, problems=tuple(Problem(**row) for row in first.to_pylist()))

    def _with_silent_days(self, engine: DuckDBEngine, result: ImportResult, base: DeltaTable) -> ImportResult:
        first, last = self.covers or (result.first_day, result.last_day)
        if first is None or last is None:
            return result
        files = self.store.files(base)
        return replace(
            result, silent_days=silent_days(engine, self.store.table, first, last, files, self.traffic)
        )

    def _facts(self, result: ImportResult, known: Known, digest: str) -> dict[str, Any]:
        covers = self.covers
        return {
            "kind": "import",
            "batch_id": result.batch_id,
            "file": Path(result.file).name,
            "file_sha256": digest,
            "source": self.source,
            "rows_read": result.rows_read,
            "ingested": result.ingested,
            "duplicates": result.duplicates,
            "quarantined": result.quarantined,
            "versions": result.versions,
            "skipped": result.skipped,
            "duplicates_of": known.against,
            "revised_days": list(known.revised_days),
            "repeated_days": list(known.repeated_days),
            "first_day": result.first_day.isoformat() if result.first_day else None,
            "last_day": result.last_day.isoformat() if result.last_day else None,
            "covers": [covers[0].isoformat(), covers[1].isoformat()] if covers else None,
        }


def _quarantine_rows(result: ImportResult) -> str:
    """SQL of the landed file's problems as they are kept."""
    name = Path(result.file).name
    return (
        f'SELECT {sql.text(result.table)} AS "table", {sql.text(result.batch_id)} AS batch_id, '
        f'{sql.text(name)} AS file, CAST("row" AS BIGINT) AS "row", field, reason, remedy, raw '
        'FROM problems ORDER BY "row"'
    )


def _refuse_other_coverage(path: Path, batch: Batch, covers: tuple[date, date] | None) -> None:
    """What a file covers is noted with its batch: saying something else later would be lost."""
    if covers is not None and batch.facts.get("covers") != [day.isoformat() for day in covers]:
        raise InputError(
            "this file is imported already, with other words on what it covers",
            where=str(path),
            remedy=f"take it out with `breakeven undo BOOKS {batch.batch_id}` and import it again",
        )


def _already(path: Path, batch: Batch) -> ImportResult:
    facts = batch.facts
    return ImportResult(
        file=str(path),
        table=batch.table,
        batch_id=batch.batch_id,
        rows_read=facts["rows_read"],
        ingested=0,
        duplicates=facts["rows_read"] - facts["quarantined"],
        quarantined=facts["quarantined"],
        already_imported=True,
    )
