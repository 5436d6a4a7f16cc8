"""Rows as columns on disk: CSV for spreadsheets, Parquet and Arrow for machines; written batch by batch.

The file appears under its name only when it is whole.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as parquet

Kind = Literal["csv", "parquet", "arrow"]
SUFFIXES: dict[str, Kind] = {".csv": "csv", ".parquet": "parquet", ".arrow": "arrow", ".feather": "arrow"}
# What a spreadsheet runs as a formula when a text begins with it; full-width signs too.
_FORMULA = re.compile("^[=+\\-@\t\r＝＋－＠]")
_BYTE_ORDER_MARK = "\ufeff"  # without it Excel reads UTF-8 as the local code page and spoils Chinese


@dataclass(frozen=True)
class Columns:
    """Which kind of file; `bom` and `guarded` are for CSV that a spreadsheet opens."""

    kind: Kind
    bom: bool = True
    guarded: bool = True


Write = Callable[[pa.RecordBatch], None]


@contextmanager
def open_columns(path: Path, schema: pa.Schema, columns: Columns) -> Generator[Write]:
    """A function that appends batches of that schema to a new file."""
    with whole_file(path) as part:
        if columns.kind == "parquet":
            with parquet.ParquetWriter(part, schema, compression="zstd") as writer:
                yield writer.write_batch
        elif columns.kind == "arrow":
            with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
                yield writer.write_batch
        else:
            with part.open("w", encoding="utf-8", newline="") as file:
                if columns.bom:
                    file.write(_BYTE_ORDER_MARK)
                writer = csv.writer(file, lineterminator="\r\n" if columns.bom else "\n")
                writer.writerow(schema.names)

                def write(batch: pa.RecordBatch) -> None:
                    cells = [_cells(column, guarded=columns.guarded) for column in batch.columns]
                    writer.writerows(zip(*cells, strict=True))

                yield write


@contextmanager
def whole_file(path: Path) -> Generator[Path]:
    """A file beside the one wanted, which takes its name when all went well and is gone when not."""
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _cells(column: Any, *, guarded: bool) -> list[Any]:
    values: list[Any] = column.to_pylist()
    if pa.types.is_decimal(column.type):
        return [None if value is None else plain(value) for value in values]
    if pa.types.is_timestamp(column.type):
        return [None if value is None else _instant(value) for value in values]
    if pa.types.is_string(column.type):
        return [_safe(value) if guarded and value else value for value in values]
    if pa.types.is_boolean(column.type):
        return [None if value is None else str(value).lower() for value in values]
    return values


def plain(value: Decimal) -> str:
    """A decimal with all its digits and no zeros after them, but always with a point: it is no count.

    >>> plain(Decimal("12.500000000")), plain(Decimal("0E-18")), plain(Decimal("-3"))
    ('12.5', '0.0', '-3.0')
    """
    text = f"{value:f}"
    whole, _, digits = text.partition(".")
    return f"{whole}.{digits.rstrip('0') or '0'}"


def _instant(value: datetime) -> str:
    moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return moment.isoformat().replace("+00:00", "Z")


def _safe(text: str) -> str:
    """Text that a spreadsheet shows and does not run."""
    return f"'{text}" if _FORMULA.match(text) else text
