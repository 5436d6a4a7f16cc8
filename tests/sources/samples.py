"""What a source makes of a file, as plain lines: the rows it reads, and what the books hold of them."""

from __future__ import annotations

import json
import tempfile
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from breakeven.engine.duckdb import DuckDBEngine
from breakeven.ledger.books import Books, create_books
from breakeven.ledger.tables import TABLES
from breakeven.sources.intake import import_from
from breakeven.sources.registry import find_source

HERE = Path(__file__).parent
_TECHNICAL = ("source", "version", "batch_id")


def rows_of(name: str, path: Path, **options: str) -> list[dict[str, str | int]]:
    """What a source that reads record by record yields, with instants as ISO text."""
    source = find_source(name)
    assert source is not None
    assert source.read is not None
    found = [row for batch in source.read(path, source.options_from(options)) for row in batch.to_pylist()]
    return [
        {
            key: value if isinstance(value, int | str) else value.isoformat()
            for key, value in row.items()
            if value is not None
        }
        for row in found
    ]


def booked(name: str, path: Path, **options: str) -> list[dict[str, str | int]]:
    """What new books hold after importing a file: a line per row, then one per refused record."""
    source = find_source(name)
    assert source is not None
    with tempfile.TemporaryDirectory() as folder:
        books = create_books(Path(folder) / "books", name="sample", currency="USD")
        import_from(books, source, path, options)
        return in_books(books)


def in_books(books: Books) -> list[dict[str, str | int]]:
    """The rows of all tables that count, in the order of their ids, and the quarantined records; no nulls."""
    lines: list[dict[str, str | int]] = []
    with DuckDBEngine() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        for table in TABLES:
            if not books.files(table):
                continue
            books.view(engine, table)
            day = ["day"] if TABLES[table].partitioned and TABLES[table].clock != "day" else []
            left_out = ", ".join([*_TECHNICAL, *day])
            rows = engine.arrow_of(f"SELECT * EXCLUDE ({left_out}) FROM {table} ORDER BY source, source_id")
            lines += [
                {"table": table} | {key: _plain(value) for key, value in row.items() if value is not None}
                for row in rows.to_pylist()
            ]
    lines += [
        {"quarantined": problem.field, "reason": problem.reason, "row": problem.row}
        for problem in books.quarantined()
    ]
    return lines


def _plain(value: object) -> str | int:
    if isinstance(value, int | str):
        return value
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    assert isinstance(value, date | datetime)
    return value.isoformat()


def written(rows: list[dict[str, str | int]]) -> str:
    """Lines as the expected files hold them."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
