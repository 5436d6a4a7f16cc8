"""Open a file of any format we take as a relation of the engine: raw columns, record number, rejects."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from breakeven.engine import sql
from breakeven.engine.duckdb import DuckDBEngine
from breakeven.errors import InputError
from breakeven.ledger.mapping import Mapping
from breakeven.ledger.text_files import TextFile, compression_of, prepare_text

_PARQUET_MAGIC = b"PAR1"
_REJECTS = "raw_rejects"
_JSON_SAMPLE_LINES = 1000
_WHOLE_RECORD = "CAST(to_json(file) AS VARCHAR)"


@dataclass(frozen=True)
class Rejected:
    """A record the reader could not even split into columns."""

    row: int
    field: str
    reason: str
    raw: str


@dataclass
class RawFile:
    """An opened file. `relation` is SQL with the raw columns and, when `ordered`, `_row` from 1.

    `types` gives the engine's type of each raw column; `raw` is SQL for a record as text.
    """

    path: Path
    kind: str
    relation: str
    types: dict[str, str]
    raw: str
    text: TextFile | None = None
    rejected: list[Rejected] = field(default_factory=list[Rejected])


def open_raw(
    engine: DuckDBEngine, path: Path, mapping: Mapping, workspace: Path, wanted: frozenset[str]
) -> RawFile:
    """Open a Parquet, JSON-lines or CSV file, plain or compressed; the content decides, then the name.

    `wanted` are column names to look for in JSON records beyond those the first lines happen to have.
    """
    with path.open("rb") as handle:
        head = handle.read(4)
    if not head:
        raise InputError("the file is empty", where=str(path), remedy="check the export that wrote it")
    if head == _PARQUET_MAGIC or ".parquet" in path.suffixes:
        return _open_parquet(engine, path, workspace)
    text = prepare_text(path, workspace, mapping.encoding)
    beginning = _beginning(text.path)
    if not beginning.strip():
        raise InputError("the file holds no data", where=str(path), remedy="check the export that wrote it")
    if beginning.lstrip("\ufeff \r\n\t").startswith("{"):
        return _open_json_lines(path, text, wanted)
    return _open_csv(path, text, mapping)


def read_rejects(engine: DuckDBEngine, raw: RawFile) -> list[Rejected]:
    """What the text reader refused, after the relation has been read once."""
    found = list(raw.rejected)
    if raw.text is None:
        return found
    header_lines = 1 if raw.kind == "csv" else 0
    for line, column, kind, text, message in engine.rows(
        "SELECT line, first(column_name), first(error_type), first(csv_line), first(error_message) "
        f'FROM (SELECT * FROM "{_REJECTS}" ORDER BY line, column_idx) GROUP BY line ORDER BY line'
    ):
        reason = str(kind).lower().replace("_", " ")
        detail = str(message).split("\n")[0]
        found.append(
            Rejected(int(line) - header_lines, column or "", f"{reason}: {detail}", str(text)[:2000])
        )
    return found


def _open_parquet(engine: DuckDBEngine, path: Path, workspace: Path) -> RawFile:
    actual = path
    if compression_of(path):
        actual = prepare_text(path, workspace, "utf-8").path.rename(workspace / "unpacked.parquet")
    relation = f"read_parquet({sql.text(str(actual))}, file_row_number = true, hive_partitioning = false)"
    try:
        types = _describe(engine, relation)
    except InputError as error:
        raise InputError(
            "not a readable Parquet file; nothing was imported",
            where=str(path),
            cause=error.cause,
            remedy="it may be cut off: fetch or export it again",
        ) from error
    types.pop("file_row_number")
    columns = sql.names(types)
    return RawFile(
        path,
        "parquet",
        f"(SELECT {columns}, file_row_number + 1 AS _row FROM {relation})",
        types,
        _WHOLE_RECORD,
    )


def _open_csv(path: Path, text: TextFile, mapping: Mapping) -> RawFile:
    header = _beginning(text.path).lstrip("\ufeff").splitlines()[0]
    delimiter = mapping.delimiter or max(",\t;|", key=header.count)
    columns = [column.strip() for column in _split(header, delimiter)]
    if len(set(columns)) != len(columns) or not all(columns):
        raise InputError(
            "the header has empty or repeated column names",
            where=f"{path}:1",
            cause=f"header: {header[:200]}",
            remedy="the first line must name every column once",
        )
    types = dict.fromkeys(columns, "VARCHAR")
    shape = ", ".join(f"{sql.text(column)}: 'VARCHAR'" for column in columns)
    relation = (
        f"read_csv({sql.text(str(text.path))}, auto_detect = false, header = true, delim = {sql.text(delimiter)}, "
        f"quote = '\"', escape = '\"', columns = {{{shape}}}, {_reject_options()})"
    )
    raw = RawFile(path, "csv", f"(SELECT {sql.names(columns)} FROM {relation})", types, _WHOLE_RECORD, text)
    raw.rejected = _overlong(text, header_lines=1)
    return raw


def _open_json_lines(path: Path, text: TextFile, wanted: frozenset[str]) -> RawFile:
    # One column that is never split: the unit separator cannot occur in JSON text.
    lines = (
        f"read_csv({sql.text(str(text.path))}, auto_detect = false, header = false, delim = '\x1f', quote = '', "
        f"escape = '', columns = {{'line': 'VARCHAR'}}, strict_mode = false, {_reject_options()})"
    )
    sampled = _json_columns(text.path)
    columns = [*sampled, *sorted(wanted.difference(sampled))]
    paths = ", ".join(sql.text("$." + ".".join(f'"{part}"' for part in name.split("."))) for name in columns)
    picked = ", ".join(f"cells[{i}] AS {sql.name(name)}" for i, name in enumerate(columns, 1))
    relation = (
        f"(SELECT {picked}, line AS _line, NOT json_valid(line) AS _broken FROM (SELECT line, "
        f"CASE WHEN json_valid(line) THEN json_extract_string(line, [{paths}]) END AS cells "
        f"FROM {lines} WHERE line IS NOT NULL AND trim(line) <> ''))"
    )
    raw = RawFile(path, "jsonl", relation, dict.fromkeys(sampled, "VARCHAR"), "file._line", text)
    raw.rejected = _overlong(text, header_lines=0)
    return raw


def _reject_options() -> str:
    return f"store_rejects = true, rejects_table = '{_REJECTS}', rejects_scan = 'raw_scans', parallel = true"


def _overlong(text: TextFile, header_lines: int) -> list[Rejected]:
    return [
        Rejected(
            long.line - header_lines, "", f"the line is {long.length_bytes:,} bytes long", long.beginning
        )
        for long in text.overlong
    ]


def _beginning(path: Path) -> str:
    with path.open("rb") as handle:
        return handle.read(1 << 20).decode("utf-8", errors="replace")


def _split(header: str, delimiter: str) -> list[str]:
    import csv

    return next(csv.reader([header], delimiter=delimiter))


def _json_columns(path: Path) -> list[str]:
    """Names of the fields that occur in the first lines; nested objects as `outer.inner`."""
    names: dict[str, None] = {}

    def visit(prefix: str, value: Any, depth: int) -> None:
        for key, item in value.items():
            name = f"{prefix}{key}"
            names.setdefault(name)
            if isinstance(item, dict) and depth < 3:
                visit(f"{name}.", item, depth + 1)

    with path.open("rb") as handle:
        for line in islice(handle, _JSON_SAMPLE_LINES):
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                visit("", record, 0)
    if not names:
        raise InputError(
            "no JSON object in the first lines", where=str(path), remedy="one JSON object per line"
        )
    return list(names)


def _describe(engine: DuckDBEngine, relation: str) -> dict[str, str]:
    return {str(row[0]): str(row[1]) for row in engine.rows(f"DESCRIBE SELECT * FROM {relation}")}
