"""Books from rows written down in a test: each call to `book` is one import of one small file."""

from __future__ import annotations

import csv
import itertools
import tempfile
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from breakeven.ledger.books import Books, create_books

Row = Mapping[str, Any]
_numbers = itertools.count(1)


def new_books(folder: Path, **settings: Any) -> Books:
    """Empty books in US dollars and UTC unless said otherwise; `settings` as `create_books` takes them."""
    plain = {key: settings.pop(key) for key in ("currency", "time_zone") if key in settings}
    return create_books(folder, name="test", settings=settings, **plain)


def book(
    books: Books,
    table: str,
    rows: Iterable[Row],
    *,
    covers: tuple[date, date] | None = None,
    source: str = "hand",
) -> str:
    """Import rows into a table, every one of them; returns the batch. Rows without a `source_id` get one."""
    numbered = [{"source_id": f"row-{next(_numbers)}", **row} for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{table}-{next(_numbers)}.csv"
        columns = list(dict.fromkeys(key for row in numbered for key in row)) or ["source_id"]
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(numbered)
        [result] = books.ingest(table, [path], source, covers=covers)
    refused = [f"row {p.row}, {p.field}: {p.reason}" for p in result.problems[:5]]
    assert not refused, refused
    assert result.ingested == len(numbered), f"{result.duplicates} rows of {table} were known already"
    return result.batch_id


def write_card(books: Books, name: str, text: str) -> None:
    """Put a rate card into the books' own price folder."""
    (books.folder / "prices" / f"{name}.yaml").write_text(text, "utf-8")
