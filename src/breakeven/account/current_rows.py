"""The rows that stand: of the versions of a row, only the last counts. Older ones are kept for audits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from breakeven.ledger.tables import TABLES

if TYPE_CHECKING:
    from breakeven.engine.session import Engine
    from breakeven.ledger.books import Books


def current_rows(books: Books, engine: Engine, table: str) -> Any:
    """The rows of a ledger table already named in the engine, without those a later version replaces.

    A version may lie on another day than the row it replaces, so corrections are read from all files that
    hold any; where there are none, this is the table itself and costs nothing.
    """
    rows = engine.table(table)
    corrected = [file.uri for file in books.files(table) if file.version_most > 1]
    if not corrected:
        return rows
    partition = "day" if TABLES[table].partitioned else None
    engine.view(f"{table}_corrected", corrected, TABLES[table].schema, partition)
    later = engine.table(f"{table}_corrected")
    later = later.filter(later.version > 1)
    last = later.group_by(later_source=later.source, later_source_id=later.source_id).aggregate(
        last_version=later.version.max()
    )
    both = rows.left_join(last, [rows.source == last.later_source, rows.source_id == last.later_source_id])
    stands = both.last_version.isnull() | (both.version >= both.last_version)
    return both.filter(stands).select(*rows.columns)
