"""Requests as several sources saw them: rows of usage in few words."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from breakeven.engine.duckdb import DuckDBEngine
from breakeven.ledger.books import Books

Sighting = dict[str, Any]


def sighting(source: str, source_id: str, at: str, response_id: str = "", **rest: Any) -> Sighting:
    """One row; `at` is a UTC time of March 2024 such as `20T10:00:00`."""
    return {
        "source": source,
        "source_id": source_id,
        "at": f"2024-03-{at}Z",
        "response_id": response_id,
        "provider": "openai",
        "model": "gpt-4o",
        "user_id": "u1",
        "requests": 1,
        "uncached_input_tokens": 100,
        "output_tokens": 10,
        **rest,
    }


def deliver(books: Books, folder: Path, rows: Iterable[Sighting], name: str = "delivery") -> None:
    """Import rows as one file."""
    listed = list(rows)
    columns = list(dict.fromkeys(key for row in listed for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(listed)
    path = folder / f"{name}.csv"
    path.write_text(text.getvalue(), "utf-8")
    [result] = books.ingest("usage", [path])
    assert not result.quarantined, result.problems


def counted(books: Books, days: Iterable[str] | None = None) -> list[str]:
    """`source/source_id` of the rows that count, of all days or of some read by themselves."""
    files = books.files("usage")
    if days is not None:
        files = [file for file in files if file.partition in set(days)]
    with DuckDBEngine() as engine:
        books.view(engine, "usage", files)
        return sorted(name for (name,) in engine.rows("SELECT source || '/' || source_id FROM usage"))
