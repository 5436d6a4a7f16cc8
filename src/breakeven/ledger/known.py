"""What the books already know of a landed file's rows: duplicates, new versions, and the rows to write.

A row's key is (source, source_id). Same key and same content: a duplicate, dropped. Same key and other
content: a new version. Keys are compared by 64-bit hash first, and only suspects by a 128-bit digest, so a
file without duplicates costs one integer per row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from breakeven.engine import sql
from breakeven.engine.duckdb import DuckDBEngine
from breakeven.ledger.landing import KEY
from breakeven.ledger.store import StoredFile, TableStore
from breakeven.ledger.tables import LedgerTable

if TYPE_CHECKING:
    from deltalake import DeltaTable

_DIGEST = "md5_number(source || chr(31) || source_id)"
_TABLES = ("suspects", "fresh", "known_rows", "versioned", "dropped")


@dataclass(frozen=True)
class Known:
    """How many rows are duplicates or new versions; tables `dropped` and `versioned` name them.

    `against` counts duplicates by the batch that holds them; `revised_days` are the days (of tables cut in
    days) in which rows lie that the new versions replace.
    """

    duplicates: int = 0
    versions: int = 0
    against: dict[str, int] = field(default_factory=dict[str, int])
    revised_days: tuple[str, ...] = ()


def find_known(engine: DuckDBEngine, store: TableStore, base: DeltaTable) -> Known:
    """Compare the landed file with itself and with a snapshot of the table."""
    for name in _TABLES:
        engine.execute(f"DROP TABLE IF EXISTS {name}")
    files = _files_of_sources(engine, store.files(base))
    engine.view(
        "booked", [file.uri for file in files], store.table.schema, "day" if store.table.partitioned else None
    )
    engine.execute(
        "CREATE TEMP TABLE suspects AS "
        "SELECT key FROM keys WHERE key IS NOT NULL GROUP BY key HAVING count(*) > 1 "
        f"UNION SELECT {KEY} AS key FROM booked SEMI JOIN keys ON {KEY} = keys.key"
    )
    [(suspects,)] = engine.rows("SELECT count(*) FROM suspects")
    if suspects == 0:
        return Known()
    _compare(engine, store.table)
    [(dropped,)] = engine.rows("SELECT count(*) FROM dropped")
    [(versions,)] = engine.rows("SELECT count(*) FROM versioned WHERE version > 1")
    against = engine.rows(
        "SELECT batch_id, count(*) FROM (SELECT DISTINCT fresh._row, known_rows.batch_id FROM fresh "
        "JOIN dropped USING (_row) JOIN known_rows USING (id, content)) GROUP BY batch_id ORDER BY batch_id"
    )
    days: list[tuple[object]] = []
    if versions:
        days = engine.rows(
            "SELECT DISTINCT CAST(day AS VARCHAR) AS day FROM "
            "(SELECT id, day FROM known_rows UNION ALL SELECT id, day FROM fresh) "
            "SEMI JOIN (SELECT id FROM versioned WHERE version > 1) USING (id) "
            "WHERE day IS NOT NULL ORDER BY day"
        )
    return Known(dropped, versions, dict(against), tuple(str(day) for (day,) in days))


def _compare(engine: DuckDBEngine, table: LedgerTable) -> None:
    content = f"hash({sql.names(column.name for column in table.columns)})"
    day = "day" if table.partitioned else "CAST(NULL AS DATE) AS day"
    engine.execute(
        f"CREATE TEMP TABLE fresh AS SELECT _row, {_DIGEST} AS id, {content} AS content, {day} FROM incoming "
        f"SEMI JOIN suspects ON {KEY} = suspects.key WHERE _problem IS NULL"
    )
    engine.execute(
        f"CREATE TEMP TABLE known_rows AS SELECT {_DIGEST} AS id, {_as_incoming(content, table)} AS content, "
        f"version, batch_id, {day} FROM booked SEMI JOIN suspects ON {KEY} = suspects.key"
    )
    # Of each distinct content under a key, the first row is news unless the books hold it.
    engine.execute(
        "CREATE TEMP TABLE versioned AS "
        "WITH first AS (SELECT id, content, min(_row) AS _row FROM fresh GROUP BY id, content), "
        "news AS (SELECT * FROM first ANTI JOIN known_rows USING (id, content)), "
        "top AS (SELECT id, max(version) AS version FROM known_rows GROUP BY id) "
        "SELECT news._row, news.id, CAST(coalesce(top.version, 0) + "
        "row_number() OVER (PARTITION BY news.id ORDER BY news._row) AS INTEGER) AS version "
        "FROM news LEFT JOIN top USING (id)"
    )
    engine.execute("CREATE TEMP TABLE dropped AS SELECT _row FROM fresh ANTI JOIN versioned USING (_row)")


def _as_incoming(content: str, table: LedgerTable) -> str:
    """Booked instants are read as UTC timestamps; hash them as the typed relation has them."""
    for column in table.columns:
        if column.kind == "timestamp":
            content = content.replace(sql.name(column.name), f"({sql.name(column.name)} AT TIME ZONE 'UTC')")
    return content


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
