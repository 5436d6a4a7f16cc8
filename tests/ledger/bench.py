"""What the ledger tests share: small books, files in every format, and what the books then hold."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from zstandard import ZstdCompressor

from breakeven.engine.duckdb import DuckDBEngine
from breakeven.ledger.books import Books, create_books
from breakeven.ledger.ingest import ImportResult
from breakeven.ledger.tables import TABLES

USAGE = {
    "source_id": "r1",
    "at": "2024-03-20T10:00:00+08:00",
    "user_id": "u1",
    "provider": "moonshot",
    "model": "moonshot-v1-8k",
    "uncached_input_tokens": 100,
    "cached_input_tokens": 20,
    "output_tokens": 30,
    "reasoning_tokens": 5,
}
PAYMENT = {
    "source_id": "p1",
    "at": "2024-03-20T10:00:00+08:00",
    "user_id": "u1",
    "kind": "gift",
    "amount": "5.20",
    "tax": "0.30",
    "currency": "CNY",
}
ACTIVITY = {"source_id": "a1", "user_id": "u1", "day": "2024-03-20", "sessions": 2}
ROWS: dict[str, dict[str, Any]] = {"usage": USAGE, "payments": PAYMENT, "activity": ACTIVITY}


def new_books(folder: Path, **chosen: Any) -> Books:
    return create_books(folder, **{"name": "Test", "currency": "CNY", "time_zone": "Asia/Shanghai", **chosen})


def rows(table: str, count: int, *, first: int = 1, **changed: Any) -> list[dict[str, Any]]:
    """Good rows with ids `first`, `first + 1`, ... and different content."""
    return [
        {**ROWS[table], "source_id": f"{table[0]}{i}", "user_id": f"u{i % 7}", **changed}
        for i in range(first, first + count)
    ]


def csv_text(records: Iterable[Mapping[str, Any]]) -> str:
    listed = list(records)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(listed[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(listed)
    return out.getvalue()


def json_lines(records: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def write(path: Path, records: Iterable[Mapping[str, Any]]) -> Path:
    """Write records in the format the name says: .csv, .jsonl or .parquet, and .gz or .zst behind it."""
    listed = list(records)
    if ".parquet" in path.suffixes:
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist([dict(record) for record in listed]), sink)
        data = sink.getvalue().to_pybytes()
    else:
        data = (csv_text if ".csv" in path.suffixes else json_lines)(listed).encode()
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    elif path.suffix == ".zst":
        data = ZstdCompressor().compress(data)
    path.write_bytes(data)
    return path


def take(books: Books, table: str, path: Path, **chosen: Any) -> ImportResult:
    """Import one file, and hold that every row read is accounted for."""
    [result] = books.ingest(table, [path], **{"source": "test", **chosen})
    assert result.rows_read == result.ingested + result.duplicates + result.quarantined
    return result


def held(books: Books, table: str, columns: str = "source_id") -> list[Any]:
    """Sorted values of the table as a reader sees it; a tuple per row when several columns are asked for."""
    with DuckDBEngine() as engine:
        books.view(engine, table)
        found = engine.rows(f"SELECT {columns} FROM {table}")
    return sorted(row[0] if len(row) == 1 else row for row in found)


def everything(books: Books, table: str) -> list[tuple[Any, ...]]:
    """All columns that come from people, without the ones the ledger adds."""
    names = [column.name for column in TABLES[table].columns]
    quoted = ", ".join(f'"{name}"' for name in ["source", "source_id", *names])
    with DuckDBEngine() as engine:
        books.view(engine, table)
        return engine.rows(f"SELECT {quoted} FROM {table} ORDER BY source, source_id")


def told(result: ImportResult) -> list[tuple[int, str, str]]:
    """Where and what: row, field and reason of each problem."""
    for problem in result.problems:
        assert problem.file == Path(result.file).name
        assert problem.reason
        assert problem.remedy
    return [(problem.row, problem.field, problem.reason) for problem in result.problems]
