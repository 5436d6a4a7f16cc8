"""Which table a canonical file belongs to, from the columns it has."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Collection
from itertools import islice
from pathlib import Path

from breakeven.errors import InputError
from breakeven.ledger.tables import TABLES, LedgerTable
from breakeven.sources.text_lines import text_lines

_TECHNICAL = frozenset({"source", "source_id", "version", "batch_id"})
_SAMPLE_LINES = 100
_DELIMITERS = ",\t;|"


def recognise_table(path: Path, *, encoding: str | None = None, row_ids: bool = False) -> str:
    """The one table that a file's columns fit. Raises `InputError` when none or more than one does.

    `row_ids` says that record numbers will stand in for `source_id`.
    """
    return table_of(columns_of(path, encoding), where=str(path), row_ids=row_ids)


def table_of(columns: Collection[str], *, where: str, row_ids: bool = False) -> str:
    """The table whose required columns are all here and whose columns include every other candidate's.

    >>> table_of(["source_id", "user_id", "day"], where="a.csv")
    'activity'
    >>> table_of(["source_id", "at", "kind", "amount", "currency"], where="a.csv")
    Traceback (most recent call last):
    breakeven.errors.InputError: a.csv: the columns fit payments, funding alike. Next: say which with --table.
    """
    given = set(columns)
    needed = {name: _required(table, row_ids=row_ids) for name, table in TABLES.items()}
    fitting = {name: _known(TABLES[name], given) for name, required in needed.items() if required <= given}
    for name, known in fitting.items():
        if all(known > other for rival, other in fitting.items() if rival != name):
            return name
    if fitting:
        raise InputError(
            f"the columns fit {', '.join(fitting)} alike", where=where, remedy="say which with --table"
        )
    listed = ", ".join(columns)
    found = f"columns found: {listed}"
    near = [name for name, table in TABLES.items() if _known(table, given) - _TECHNICAL]
    if near:
        nearest = min(near, key=lambda name: len(needed[name] - given))
        lacking = ", ".join(sorted(needed[nearest] - given))
        found = f"{nearest} is nearest and lacks {lacking}; columns found: {listed}"
    raise InputError(
        "the columns fit none of the ledger's tables",
        where=where,
        cause=found[:500],
        remedy="say --table, name the columns in a mapping file (--mapping), or add --row-ids if ids lack",
    )


def columns_of(path: Path, encoding: str | None = None) -> list[str]:
    """The names of a file's columns, from its beginning: Parquet, JSON lines or delimited text."""
    try:
        with path.open("rb") as handle:
            head = handle.read(4)
    except FileNotFoundError:
        raise InputError("no such file", where=str(path)) from None
    except OSError as error:
        raise InputError(
            "the file cannot be opened", where=str(path), cause=error.strerror or str(error)
        ) from error
    if head == b"PAR1":
        return _parquet_columns(path)
    lines = list(islice(text_lines(path, encoding or _encoding_of(path)), _SAMPLE_LINES))
    lines = [line.lstrip("\ufeff") for line in lines if line.strip()]
    if not lines:
        raise InputError("the file is empty", where=str(path), remedy="check the export that wrote it")
    if lines[0].lstrip().startswith("{"):
        return _json_columns(lines)
    delimiter = max(_DELIMITERS, key=lines[0].count)
    return [name.strip() for name in next(csv.reader([lines[0]], delimiter=delimiter))]


def _required(table: LedgerTable, *, row_ids: bool) -> set[str]:
    columns = {column.name for column in table.columns if column.required}
    return columns if row_ids else columns | {"source_id"}


def _known(table: LedgerTable, given: set[str]) -> set[str]:
    clock_day = {"day"} if table.partitioned else set[str]()
    return given & ({column.name for column in table.columns} | clock_day | _TECHNICAL)


def _parquet_columns(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(
            "not a readable Parquet file; nothing was imported",
            where=str(path),
            cause=str(error).split("\n")[0],
            remedy="it may be cut off: fetch or export it again",
        ) from error


def _json_columns(lines: list[str]) -> list[str]:
    names: dict[str, None] = {}
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            names.update(dict.fromkeys(str(name) for name in record))
    return list(names)


def _encoding_of(path: Path) -> str:
    """Column names are ASCII in UTF-8 and GB18030 alike; only UTF-16 needs telling."""
    with path.open("rb") as handle:
        head = handle.read(2)
    return "utf-16" if head in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
