"""What the books already know of a landed file's rows: duplicates, new versions, and the rows to write.

A row's key is (source, source_id). Same key and same content: a duplicate, dropped. Same key and other
content: a new version, unless the source says by `revision` that what the books hold is newer. Keys are
compared by 64-bit hash first, so a file without duplicates costs one integer per row; then hashes of keys and
contents together (128 bits); and what is left, which is new versions and chance, by the key itself.

Of rows under one key the highest `revision` counts, whatever came first; a row without one is older than any
that has one; and among rows of one revision the larger content counts. Only where none has a revision does
the order of arrival decide, for nothing else can.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from breakeven.engine import sql
from breakeven.engine.duckdb import DuckDBEngine
from breakeven.ledger.landing import KEY, RESPONSE, names_responses
from breakeven.ledger.store import StoredFile, TableStore
from breakeven.ledger.tables import LedgerTable

if TYPE_CHECKING:
    from deltalake import DeltaTable

_TABLES = ("suspects", "fresh", "dropped", "news", "outdated", "versioned", "earlier")


@dataclass(frozen=True)
class Known:
    """How many rows are duplicates or new versions; tables `dropped` and `versioned` name them.

    `against` counts duplicates by the batch that holds them; `revised_days` are the days (of tables cut in
    days) in which rows lie that the new versions replace; `repeated_days` those in which rows lie whose
    response id other rows have too.
    """

    duplicates: int = 0
    against: dict[str, int] = field(default_factory=dict[str, int])
    versions: int = 0
    revised_days: tuple[str, ...] = ()
    repeated_days: tuple[str, ...] = ()


def find_known(engine: DuckDBEngine, store: TableStore, base: DeltaTable) -> Known:
    """Compare the landed file with itself and with a snapshot of the table."""
    for name in _TABLES:
        engine.execute(f"DROP TABLE IF EXISTS {name}")
    stored = store.files(base)
    repeated = _repeated_days(engine, store.table, stored)
    files = _files_of_sources(engine, stored)
    engine.view(
        "booked", [file.uri for file in files], store.table.schema, "day" if store.table.partitioned else None
    )
    engine.execute(
        "CREATE TEMP TABLE suspects AS "
        "SELECT key FROM keys WHERE key IS NOT NULL GROUP BY key HAVING count(*) > 1 "
        f"UNION ALL SELECT {KEY} AS key FROM booked SEMI JOIN keys ON {KEY} = keys.key"
    )
    [(suspects,)] = engine.rows("SELECT count(*) FROM suspects")
    if suspects == 0:
        return Known(repeated_days=repeated)
    _drop_repetitions(engine, store.table)
    [(news,)] = engine.rows("SELECT count(*) FROM news")
    if news:
        _number_versions(engine, store.table)
    [(dropped,)] = engine.rows("SELECT count(*) FROM dropped")
    against = engine.rows(
        "SELECT batch_id, count(*) FROM dropped WHERE batch_id IS NOT NULL GROUP BY ALL ORDER BY ALL"
    )
    versions, days = _revisions(engine) if news else (0, ())
    return Known(dropped, dict(against), versions, days, repeated)


def _repeated_days(engine: DuckDBEngine, table: LedgerTable, stored: list[StoredFile]) -> tuple[str, ...]:
    """Days in which landed rows have the response id of another row of a day around, and those rows' days."""
    if not names_responses(table):
        return ()
    [(first, last)] = engine.rows(
        "SELECT CAST(min(first_day) - 1 AS VARCHAR), CAST(max(first_day) + 1 AS VARCHAR) FROM keys "
        "WHERE key IS NOT NULL AND response IS NOT NULL"
    )
    if first is None:
        return ()
    near = [file.uri for file in stored if file.partition is not None and first <= file.partition <= last]
    engine.view("near", near, table.schema, "day")
    ours = "SELECT response, key, first_day AS day FROM keys WHERE key IS NOT NULL AND response IS NOT NULL"
    theirs = f"SELECT {RESPONSE} AS response, {KEY} AS key, day FROM near WHERE response_id IS NOT NULL"
    days = engine.rows(
        f"WITH ours AS ({ours}), theirs AS (SELECT * FROM ({theirs}) SEMI JOIN keys USING (response)), "
        "sighted AS (SELECT * FROM ours UNION ALL SELECT * FROM theirs), "
        "again AS (SELECT response FROM sighted GROUP BY response HAVING min(key) <> max(key)) "
        "SELECT DISTINCT CAST(day AS VARCHAR) AS day FROM sighted SEMI JOIN again USING (response) "
        "ORDER BY day"
    )
    return tuple(str(day) for (day,) in days)


def _drop_repetitions(engine: DuckDBEngine, table: LedgerTable) -> None:
    """Make `dropped`, rows whose content the books hold, and `news`, the other rows under suspect keys."""
    values = _values(table)
    suspect = f"SEMI JOIN suspects ON {KEY} = suspects.key"
    engine.execute(
        f"CREATE TEMP TABLE fresh AS SELECT _row, {KEY} AS key, hash({values}) AS content "
        f"FROM incoming {suspect} WHERE _problem IS NULL"
    )
    engine.execute(
        "CREATE TEMP TABLE dropped AS SELECT fresh._row, known.batch_id FROM fresh JOIN "
        f"(SELECT {KEY} AS key, hash({values}) AS content, batch_id FROM booked {suspect}) AS known "
        "USING (key, content)"
    )
    engine.execute("CREATE TEMP TABLE news AS SELECT * FROM fresh ANTI JOIN dropped USING (_row)")
    _drop_outdated(engine, table)


def _values(table: LedgerTable) -> str:
    """SQL of what a row says."""
    # An instant goes as a number: the file and the books hold it in different types.
    values = ", ".join(
        f"epoch_us({sql.name(column.name)})" if column.kind == "timestamp" else sql.name(column.name)
        for column in table.columns
    )
    return f"{values}, revision"


def _weight(table: LedgerTable) -> str:
    """SQL of a text by which contents of one revision are told apart, for ever the same."""
    return f"md5(CAST(row({_values(table)}) AS VARCHAR))"


def _drop_outdated(engine: DuckDBEngine, table: LedgerTable) -> None:
    """Move to `dropped` what is older than what the books hold: the order of arrival then changes nothing."""
    latest = f"row(revision, {_weight(table)})"
    engine.execute(
        "CREATE TEMP TABLE outdated AS SELECT _row, known.batch_id FROM "
        f"(SELECT _row, source, source_id, revision, {_weight(table)} AS weight "
        "FROM incoming SEMI JOIN news USING (_row)) AS fresh JOIN "
        f"(SELECT source, source_id, max({latest}) AS latest, arg_max(batch_id, {latest}) AS batch_id "
        f"FROM booked SEMI JOIN news ON {KEY} = news.key WHERE revision IS NOT NULL GROUP BY ALL) AS known "
        "USING (source, source_id) WHERE revision IS NULL OR row(revision, weight) < latest"
    )
    engine.execute("INSERT INTO dropped SELECT * FROM outdated")
    engine.execute("DELETE FROM news USING outdated WHERE news._row = outdated._row")


def _number_versions(engine: DuckDBEngine, table: LedgerTable) -> None:
    """Make `versioned`, the news with their versions, and `earlier`, what lies under the same keys."""
    day = "day" if table.partitioned else "CAST(NULL AS DATE) AS day"
    engine.execute(
        f"CREATE TEMP TABLE earlier AS SELECT source, source_id, version, {day} FROM booked "
        f"SEMI JOIN news ON {KEY} = news.key"
    )
    # Of each content that is news under its key, the first row counts and the rest is repetition.
    engine.execute(
        "CREATE TEMP TABLE versioned AS WITH first AS (SELECT source, source_id, content, min(_row) AS _row, "
        f"max(revision) AS revision, max({_weight(table)}) AS weight, "
        f"arg_min({'day' if table.partitioned else 'NULL::DATE'}, _row) AS day "
        "FROM incoming JOIN news USING (_row) GROUP BY source, source_id, content), "
        "top AS (SELECT source, source_id, max(version) AS version FROM earlier GROUP BY source, source_id) "
        "SELECT _row, source, source_id, day, CAST(coalesce(top.version, 0) + row_number() "
        "OVER (PARTITION BY source, source_id ORDER BY revision NULLS FIRST, "
        "CASE WHEN revision IS NOT NULL THEN weight END, _row) AS INTEGER) AS version "
        "FROM first LEFT JOIN top USING (source, source_id)"
    )
    engine.execute("INSERT INTO dropped SELECT _row, NULL FROM news ANTI JOIN versioned USING (_row)")


def _revisions(engine: DuckDBEngine) -> tuple[int, tuple[str, ...]]:
    """How many rows replace others, and the days in which rows with the same key lie."""
    [(versions,)] = engine.rows("SELECT count(*) FROM versioned WHERE version > 1")
    days = engine.rows(
        "SELECT DISTINCT CAST(day AS VARCHAR) AS day FROM (SELECT source, source_id, day FROM earlier "
        "UNION ALL SELECT source, source_id, day FROM versioned) SEMI JOIN "
        "(SELECT source, source_id FROM versioned WHERE version > 1) USING (source, source_id) "
        "WHERE day IS NOT NULL ORDER BY day"
    )
    return int(versions), tuple(str(day) for (day,) in days)


def _files_of_sources(engine: DuckDBEngine, files: list[StoredFile]) -> list[StoredFile]:
    """Files that can hold a key of the landed sources, by their statistics: others need not be opened."""
    if not files:
        return []
    [(least, most)] = engine.rows("SELECT min(source), max(source) FROM incoming WHERE _problem IS NULL")
    return [file for file in files if least is not None and file.may_hold(least, most)]


def rows_to_write(table: LedgerTable, known: Known, batch_id: str) -> str:
    """SQL of the rows that are news, in the stored schema."""
    joins, version = "", "CAST(1 AS INTEGER)"
    if known.versions:
        joins += " LEFT JOIN versioned USING (_row)"
        version = "coalesce(versioned.version, CAST(1 AS INTEGER))"
    if known.duplicates:
        joins += " ANTI JOIN dropped USING (_row)"
    technical = {"version": version, "batch_id": sql.text(batch_id)}
    columns = ", ".join(
        f"{technical[field.name]} AS {field.name}"
        if field.name in technical
        else f"incoming.{sql.name(field.name)}"
        for field in table.schema
    )
    return f"SELECT {columns} FROM incoming{joins} WHERE _problem IS NULL"
