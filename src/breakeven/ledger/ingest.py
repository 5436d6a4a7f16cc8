"""From one file to one commit: land, validate, find what is known, write; every row accounted for.

    rows read = ingested + duplicates + quarantined          (always)

- *land*: text is parsed once into a temporary Parquet file; a Parquet input is used where it lies.
- *known*: a row's key is (source, source_id). Same key and same content: a duplicate, dropped. Same key and
  other content: a new version, ingested and reported. Keys are compared by 64-bit hash first, and only
  suspects by a 128-bit digest, so a file without duplicates costs one integer per row.
- *write*: rows, counts and the batch's identity become visible in one Delta commit. When another process
  committed meanwhile, the question "what is known" is asked again.

A batch is named by its content (table, source, mapping, file bytes): importing a file again finds the
batch in the log and reads nothing.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from breakeven.engine import sql
from breakeven.engine.duckdb import DuckDBEngine
from breakeven.errors import BooksError
from breakeven.ledger.lock import writer_lock
from breakeven.ledger.mapping import Mapping
from breakeven.ledger.problems import Problem
from breakeven.ledger.quarantine import Quarantine
from breakeven.ledger.raw_files import open_raw, read_rejects
from breakeven.ledger.store import Commit, Conflict, TableStore
from breakeven.ledger.tables import LedgerTable
from breakeven.ledger.text_files import file_digest
from breakeven.ledger.validate import Validated, validate

if TYPE_CHECKING:
    from deltalake import DeltaTable

Progress = Callable[[str], None]
_RETRIES = 20
_MEMORY_GIB = 1.2
_KNOWN_PROBLEMS_SHOWN = 1_000_000


@dataclass(frozen=True)
class ImportResult:
    """What became of one file. `versions` of the ingested rows replace what was known under their key."""

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
    problems: tuple[Problem, ...] = field(default=(), repr=False)


@dataclass
class Importer:
    """Imports files into one set of books."""

    folder: Path
    zone: str
    quarantine: Quarantine
    progress: Progress = lambda _: None
    memory_gib: float = _MEMORY_GIB

    def run(
        self,
        store: TableStore,
        path: Path,
        mapping: Mapping,
        *,
        source: str | None = None,
        dry_run: bool = False,
        covers: tuple[date, date] | None = None,
    ) -> ImportResult:
        """Import one file as one batch; with `dry_run` everything but the commit."""
        digest = file_digest(path)
        batch_id = _batch_id(store.table, source, mapping, digest)
        known = known_batch(store.history(), batch_id)
        if known is not None and not known.needs_another_look:
            return _already(path, store.table, known)
        if known is not None:
            batch_id = known.next_id
        self._check_room(path)
        with tempfile.TemporaryDirectory(
            prefix="breakeven-import-", dir=_workspace_root(self.folder)
        ) as work:
            return self._import(store, path, mapping, source, dry_run, covers, digest, batch_id, Path(work))

    def _check_room(self, path: Path) -> None:
        if not path.is_file():
            raise BooksError("not a file", where=str(path))

    def _import(
        self,
        store: TableStore,
        path: Path,
        mapping: Mapping,
        source: str | None,
        dry_run: bool,
        covers: tuple[date, date] | None,
        digest: str,
        batch_id: str,
        work: Path,
    ) -> ImportResult:
        landing = _Landing(store.table, path, mapping, source, digest, self.zone, work, self.memory_gib)
        self.progress(f"reading {path.name}")
        with landing.open() as engine:
            problems = landing.problems(engine, batch_id)
            if dry_run:
                known = _find_known(engine, store, store.open())
                return landing.result(engine, batch_id, known, problems, dry_run=True)
            with writer_lock(self.folder, waiting=lambda: self.progress("waiting for another import")):
                for _ in range(_RETRIES):
                    base = store.open()
                    if base.transaction_version(batch_id) is not None:
                        again = known_batch(store.history(), batch_id)
                        if again is not None:
                            return _already(path, store.table, again)
                    self.progress(f"comparing {path.name} with the books")
                    known = _find_known(engine, store, base)
                    result = landing.result(engine, batch_id, known, problems)
                    self.quarantine.add(batch_id, problems)
                    self.progress(f"writing {result.ingested:,} rows")
                    try:
                        store.append(
                            base,
                            engine.stream(_rows_to_write(store.table, known, batch_id)),
                            _facts(result, known, source, digest, covers),
                            app_id=batch_id,
                        )
                    except Conflict:
                        continue
                    return result
        raise BooksError(
            "other imports kept committing first", where=store.uri, remedy="run the same command again"
        )


@dataclass
class _Landing:
    """One file on its way in: opened, typed and validated."""

    table: LedgerTable
    path: Path
    mapping: Mapping
    source: str | None
    digest: str
    zone: str
    work: Path
    memory_gib: float
    validated: Validated | None = None

    def open(self) -> DuckDBEngine:
        """An engine that holds the view `incoming`: typed columns, `_row`, `_problem`, `_raw`."""
        spill = self.work / "spill"
        engine = DuckDBEngine(memory_gib=self.memory_gib, spill=spill, keep_order=False)
        try:
            self._land(engine)
        except BaseException:
            engine.close()
            raise
        return engine

    def _land(self, engine: DuckDBEngine) -> None:
        wanted = {column.name for column in self.table.columns} | {"source", "source_id"}
        wanted |= {rule.origin for rule in self.mapping.columns.values()}
        raw = open_raw(engine, self.path, self.mapping, self.work, frozenset(wanted))
        self.validated = validate(
            raw,
            self.table,
            self.mapping,
            source=self.source,
            digest=self.digest,
            zone=self.zone,
            now=datetime.now(UTC),
        )
        relation = self.validated.relation
        if raw.kind != "parquet":
            landed = self.work / "landed.parquet"
            engine.execute("SET preserve_insertion_order = true")
            engine.execute(
                f"COPY ({relation}) TO {sql.text(str(landed))} (FORMAT parquet, COMPRESSION lz4_raw)"
            )
            engine.execute("SET preserve_insertion_order = false")
            relation = f"SELECT * FROM read_parquet({sql.text(str(landed))}, hive_partitioning = false)"
        engine.execute(f"CREATE VIEW incoming AS {relation}")
        self.rejected = read_rejects(engine, raw)

    def problems(self, engine: DuckDBEngine, batch_id: str) -> list[Problem]:
        """Every row that cannot be booked, with what is wrong and what to do."""
        assert self.validated is not None
        found = [
            Problem(
                self.table.name,
                batch_id,
                str(self.path.name),
                reject.row,
                reject.field,
                reject.reason,
                "repair the line, or export it again",
                reject.raw,
            )
            for reject in self.rejected
        ]
        shift = sorted(reject.row for reject in self.rejected)
        for row, number, raw in engine.rows(
            f"SELECT _row, _problem, _raw FROM incoming WHERE _problem IS NOT NULL ORDER BY _row "
            f"LIMIT {_KNOWN_PROBLEMS_SHOWN}"
        ):
            rule = self.validated.rules[number]
            found.append(
                Problem(
                    self.table.name,
                    batch_id,
                    str(self.path.name),
                    _record_number(row, shift),
                    rule.field,
                    rule.reason,
                    rule.remedy,
                    raw or "",
                )
            )
        return sorted(found, key=lambda problem: problem.row)

    def result(
        self,
        engine: DuckDBEngine,
        batch_id: str,
        known: _Known,
        problems: list[Problem],
        *,
        dry_run: bool = False,
    ) -> ImportResult:
        """The counts of this batch, which always add up."""
        assert self.validated is not None
        clock = "day" if self.table.partitioned else f"CAST({sql.name(self.table.clock)} AS DATE)"
        last = (
            "day"
            if self.table.partitioned
            else ("CAST(period_end - 1 AS DATE)" if self.table.name == "bills" else clock)
        )
        [(rows, bad, first_day, last_day)] = engine.rows(
            f"SELECT count(*), count(_problem), min({clock}) FILTER (_problem IS NULL), "
            f"max({last}) FILTER (_problem IS NULL) FROM incoming"
        )
        rejected = len(self.rejected)
        return ImportResult(
            file=str(self.path),
            table=self.table.name,
            batch_id=batch_id,
            rows_read=rows + rejected,
            ingested=rows - bad - known.duplicates,
            duplicates=known.duplicates,
            quarantined=bad + rejected,
            versions=known.versions,
            dry_run=dry_run,
            first_day=first_day,
            last_day=last_day,
            ignored_columns=self.validated.ignored,
            problems=tuple(problems),
        )


def _record_number(number: int, rejected_rows: list[int]) -> int:
    """The record's number in the file, counting the records that the reader refused before it."""
    for row in rejected_rows:
        if row <= number:
            number += 1
        else:
            break
    return number


@dataclass(frozen=True)
class _Known:
    """What the books and the file itself already know; tables `dropped` and `versioned` hold the rows."""

    duplicates: int
    versions: int
    against: dict[str, int]


_KEY = "hash(source, source_id)"
_DIGEST = "md5_number(source || chr(31) || source_id)"


def _find_known(engine: DuckDBEngine, store: TableStore, base: DeltaTable) -> _Known:
    columns = [column.name for column in store.table.columns]
    content = f"hash({sql.names(columns)})"
    for name in ("keys", "suspects", "dropped", "versioned", "fresh", "known_rows"):
        engine.execute(f"DROP TABLE IF EXISTS {name}")
    engine.execute(f"CREATE TEMP TABLE keys AS SELECT {_KEY} AS key FROM incoming WHERE _problem IS NULL")
    [(rows, distinct)] = engine.rows("SELECT count(*), count(DISTINCT key) FROM keys")
    files = _files_of_sources(engine, store, base)
    engine.view(
        "booked", [file.uri for file in files], store.table.schema, "day" if store.table.partitioned else None
    )
    repeated = (
        "SELECT key FROM keys GROUP BY key HAVING count(*) > 1"
        if distinct < rows
        else "SELECT key FROM keys WHERE false"
    )
    engine.execute(
        f"CREATE TEMP TABLE suspects AS {repeated} UNION "
        f"SELECT {_KEY} AS key FROM booked SEMI JOIN keys ON {_KEY} = keys.key"
    )
    engine.execute("DROP TABLE keys")
    [(suspects,)] = engine.rows("SELECT count(*) FROM suspects")
    if suspects == 0:
        return _Known(0, 0, {})
    engine.execute(
        f"CREATE TEMP TABLE fresh AS SELECT _row, {_DIGEST} AS id, {content} AS content FROM incoming "
        f"SEMI JOIN suspects ON {_KEY} = suspects.key WHERE _problem IS NULL"
    )
    engine.execute(
        f"CREATE TEMP TABLE known_rows AS SELECT {_DIGEST} AS id, {_as_incoming(content, store.table)} AS content, "
        f"version, batch_id FROM booked SEMI JOIN suspects ON {_KEY} = suspects.key"
    )
    # Of each distinct content under a key, the first row is news unless the books hold it; rest is repetition.
    engine.execute(
        "CREATE TEMP TABLE versioned AS "
        "WITH first AS (SELECT id, content, min(_row) AS _row FROM fresh GROUP BY id, content), "
        "news AS (SELECT * FROM first ANTI JOIN known_rows USING (id, content)), "
        "top AS (SELECT id, max(version) AS version FROM known_rows GROUP BY id) "
        "SELECT news._row, CAST(coalesce(top.version, 0) + row_number() OVER (PARTITION BY news.id ORDER BY news._row)"
        " AS INTEGER) AS version FROM news LEFT JOIN top USING (id)"
    )
    engine.execute("CREATE TEMP TABLE dropped AS SELECT _row FROM fresh ANTI JOIN versioned USING (_row)")
    [(dropped,)] = engine.rows("SELECT count(*) FROM dropped")
    [(versions,)] = engine.rows("SELECT count(*) FROM versioned WHERE version > 1")
    against = engine.rows(
        "SELECT batch_id, count(*) FROM (SELECT DISTINCT fresh._row, known_rows.batch_id FROM fresh "
        "JOIN dropped USING (_row) JOIN known_rows USING (id, content)) GROUP BY batch_id"
    )
    return _Known(dropped, versions, dict(against))


def _as_incoming(content: str, table: LedgerTable) -> str:
    """Booked instants are read as UTC timestamps; hash them as the typed relation has them."""
    for column in table.columns:
        if column.kind == "timestamp":
            content = content.replace(sql.name(column.name), f"({sql.name(column.name)} AT TIME ZONE 'UTC')")
    return content


def _files_of_sources(engine: DuckDBEngine, store: TableStore, base: DeltaTable) -> list[Any]:
    """Files that can hold a key of these sources: others need not be opened."""
    files = store.files(base)
    if not files:
        return files
    sources = [
        row[0] for row in engine.rows("SELECT DISTINCT source FROM incoming WHERE _problem IS NULL LIMIT 100")
    ]
    return [
        file
        for file in files
        if file.source_least is None
        or file.source_most is None
        or any(file.source_least <= source <= file.source_most for source in sources)
    ]


def _rows_to_write(table: LedgerTable, known: _Known, batch_id: str) -> str:
    where = "_problem IS NULL"
    joins, version = "", "CAST(1 AS INTEGER)"
    if known.duplicates:
        joins += " ANTI JOIN dropped USING (_row)"
    if known.versions:
        version = "coalesce(versioned.version, CAST(1 AS INTEGER))"
        joins = " LEFT JOIN versioned USING (_row)" + joins
    ordered = {"version": version, "batch_id": sql.text(batch_id)}
    columns = ", ".join(
        f"{ordered[field.name]} AS {field.name}"
        if field.name in ordered
        else f"incoming.{sql.name(field.name)}"
        for field in table.schema
    )
    return f"SELECT {columns} FROM incoming{joins} WHERE {where}"


def _batch_id(table: LedgerTable, source: str | None, mapping: Mapping, digest: str) -> str:
    said = "\x1f".join((table.name, source or mapping.source or "", mapping.digest, digest))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _facts(
    result: ImportResult, known: _Known, source: str | None, digest: str, covers: tuple[date, date] | None
) -> dict[str, Any]:
    return {
        "kind": "import",
        "batch_id": result.batch_id,
        "file": Path(result.file).name,
        "file_sha256": digest,
        "source": source,
        "rows_read": result.rows_read,
        "ingested": result.ingested,
        "duplicates": result.duplicates,
        "quarantined": result.quarantined,
        "versions": result.versions,
        "duplicates_of": known.against,
        "first_day": result.first_day.isoformat() if result.first_day else None,
        "last_day": result.last_day.isoformat() if result.last_day else None,
        "covers": [covers[0].isoformat(), covers[1].isoformat()] if covers else None,
    }


@dataclass(frozen=True)
class KnownBatch:
    """A committed batch. `needs_another_look` when a batch it dropped duplicates against was undone since."""

    facts: dict[str, Any]
    undone: bool
    needs_another_look: bool
    next_id: str


def known_batch(history: list[Commit], batch_id: str) -> KnownBatch | None:
    """What the log says of a batch name: the last import of that content that still stands."""
    undone = {commit.facts["batch_id"] for commit in history if commit.facts["kind"] == "undo"}
    same = [
        commit.facts
        for commit in history
        if commit.facts["kind"] == "import" and commit.facts["batch_id"].split("+")[0] == batch_id
    ]
    if not same:
        return None
    last = same[-1]
    gone = last["batch_id"] in undone
    stale = gone or any(other in undone for other in last["duplicates_of"])
    return KnownBatch(dict(last), gone, stale, f"{batch_id}+{len(same)}")


def _already(path: Path, table: LedgerTable, known: KnownBatch) -> ImportResult:
    facts = known.facts
    return ImportResult(
        file=str(path),
        table=table.name,
        batch_id=facts["batch_id"],
        rows_read=facts["rows_read"],
        ingested=0,
        duplicates=facts["rows_read"] - facts["quarantined"],
        quarantined=facts["quarantined"],
        already_imported=True,
    )


def _workspace_root(folder: Path) -> Path:
    """Temporary files lie beside the tables, on the disk that must have room for them anyway."""
    root = folder / ".work"
    try:
        root.mkdir(exist_ok=True)
    except OSError as error:
        raise BooksError(
            "the books folder cannot be written",
            where=str(folder),
            cause=str(error),
            remedy="check who owns the folder and whether the disk is full or mounted read-only",
        ) from error
    return root
