"""Open a file of any format we take as a relation of the engine: raw columns, and the records it refuses."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any

from breakeven.engine import sql
from breakeven.engine.duckdb import DuckDBEngine
from breakeven.errors import InputError, NoRecords
from breakeven.ledger.layout import Field, Layout
from breakeven.ledger.mapping import Mapping
from breakeven.ledger.text_files import OVERLONG_MARK, TextFile, compression_of, prepare_text, unpack

_PARQUET_MAGIC = b"PAR1"
_SAMPLE_BYTES = 1 << 20
_JSON_SAMPLE_LINES = 1000
_WHOLE_RECORD = "CAST(to_json(file) AS VARCHAR)"
# Trimming a long line costs more than parsing it: only what does not begin as a record is looked at.
_NOT_BLANK = "CASE WHEN starts_with(line, '{') THEN true ELSE coalesce(trim(line, ' \t\r') <> '', false) END"
# Names no file uses for a column of its own.
ROW, BROKEN, _LINE, _INSIDE = "__row__", "__broken__", "__line__", "__inside__"


@dataclass(frozen=True)
class RawFile:
    """An opened file: `relation` is SQL with the raw columns, and, of Parquet, `ROW` from 1.

    `types` gives the engine's type of each raw column; `raw` is SQL for a record as text. `sometimes` are
    columns of JSON records that the first lines do not show but later ones may have. `claimed` is how many
    records the file itself says it holds. Of a `private` file no line is kept as it stands.
    """

    path: Path
    kind: str
    relation: str
    types: dict[str, str]
    raw: str
    text: TextFile | None = None
    sometimes: frozenset[str] = frozenset()
    claimed: int | None = None
    private: bool = False

    @property
    def header_lines(self) -> int:
        """Lines before the first record."""
        return 1 if self.kind == "csv" else 0


def open_raw(
    engine: DuckDBEngine, path: Path, mapping: Mapping, workspace: Path, optional: Iterable[str]
) -> RawFile:
    """Open a Parquet, JSON-lines or CSV file, plain or compressed; the content decides, then the name.

    `optional` are columns to look for in JSON records beyond those the first lines happen to have; those
    the mapping names must occur somewhere, or a typing mistake would read as "absent".
    """
    with path.open("rb") as handle:
        head = handle.read(4)
    if not head:
        raise NoRecords("the file is empty", where=str(path), remedy="check the export that wrote it")
    layout = mapping.layout
    if layout is not None and layout.prepare is not None:
        folder = workspace / "prepared"
        folder.mkdir(exist_ok=True)
        prepared = layout.prepare(path, folder)
        try:
            raw = open_raw(
                engine, prepared.path, replace(mapping, layout=replace(layout, prepare=None)), workspace, ()
            )
        except InputError as error:
            # People know their file, not the one that was made of it.
            place = error.where.replace(str(prepared.path), str(path))
            raise type(error)(error.what, where=place, cause=error.cause, remedy=error.remedy) from error
        return replace(raw, path=path, claimed=prepared.records)
    if head == _PARQUET_MAGIC or ".parquet" in path.suffixes:
        raw = _open_parquet(engine, path, workspace)
        return raw if layout is None else _with_fields(raw, layout)
    text = prepare_text(path, workspace, mapping.encoding)
    beginning = _beginning(text.path).lstrip("\ufeff")
    if not beginning.strip():
        raise NoRecords("the file holds no data", where=str(path), remedy="check the export that wrote it")
    if beginning.lstrip().startswith("{"):
        if layout is not None:
            return _json_with_fields(path, text, layout)
        mapped = {name for rule in mapping.columns.values() for name in (rule.origin, *rule.others)}
        mapped.update(name for rule in mapping.columns.values() for names in rule.joined for name in names)
        return _open_json_lines(path, text, optional, mapped)
    if beginning.lstrip().startswith("["):
        raise InputError(
            "the file holds one JSON array",
            where=str(path),
            remedy="write JSON lines: one object per line, without brackets around and commas between them",
        )
    raw = _open_csv(path, text, beginning, mapping)
    return raw if layout is None else _with_fields(raw, layout)


def _open_parquet(engine: DuckDBEngine, path: Path, workspace: Path) -> RawFile:
    actual = unpack(path, workspace / "unpacked.parquet") if compression_of(path) else path
    relation = f"read_parquet({sql.text(str(actual))}, file_row_number = true, hive_partitioning = false)"
    try:
        described = engine.rows(f"DESCRIBE SELECT * FROM {relation}")
    except InputError as error:
        raise InputError(
            "not a readable Parquet file; nothing was imported",
            where=str(path),
            cause=error.cause,
            remedy="it may be cut off: fetch or export it again",
        ) from error
    types = {str(row[0]): str(row[1]) for row in described if row[0] != "file_row_number"}
    rows = f"(SELECT {sql.names(types)}, file_row_number + 1 AS {ROW} FROM {relation})"
    return RawFile(path, "parquet", rows, types, _WHOLE_RECORD)


def _open_csv(path: Path, text: TextFile, beginning: str, mapping: Mapping) -> RawFile:
    header = beginning.splitlines()[0]
    delimiter = mapping.delimiter or max(",\t;|", key=header.count)
    columns = [column.strip() for column in next(csv.reader([header], delimiter=delimiter), [])]
    if len({column.casefold() for column in columns}) != len(columns) or not all(columns):
        raise InputError(
            "the header has empty or repeated column names",
            where=f"{path}:1",
            cause=f"header: {header[:200]}",
            remedy="the first line must name every column once",
        )
    shape = ", ".join(f"{sql.text(column)}: 'VARCHAR'" for column in columns)
    relation = (
        f"read_csv({sql.text(str(text.path))}, auto_detect = false, header = true, "
        f"delim = {sql.text(delimiter)}, quote = '\"', escape = '\"', columns = {{{shape}}}, "
        f"{_REJECT_OPTIONS})"
    )
    rows = f"(SELECT {sql.names(columns)} FROM {relation})"
    return RawFile(path, "csv", rows, dict.fromkeys(columns, "VARCHAR"), _WHOLE_RECORD, text)


def _open_json_lines(path: Path, text: TextFile, optional: Iterable[str], mapped: set[str]) -> RawFile:
    # One column that is never split: the unit separator cannot occur in JSON text.
    lines = (
        f"read_csv({sql.text(str(text.path))}, auto_detect = false, header = false, delim = '\x1f', "
        f"quote = '', escape = '', columns = {{'line': 'VARCHAR'}}, strict_mode = false, {_REJECT_OPTIONS})"
    )
    sampled = _json_columns(path, text.path)
    late = {name for name in mapped.difference(sampled) if _occurs(text.path, name.split(".")[-1])}
    sometimes = sorted(late.union(optional).difference(sampled))
    columns = [*sampled, *sometimes]
    paths = ", ".join(sql.text("$." + ".".join(f'"{part}"' for part in name.split("."))) for name in columns)
    picked = ", ".join(f"cells[{i}] AS {sql.name(name)}" for i, name in enumerate(columns, 1))
    rows = (
        f"(SELECT {picked}, line AS {_LINE}, NOT is_object AS {BROKEN} FROM (SELECT line, is_object, "
        f"CASE WHEN is_object THEN json_extract_string(line, [{paths}]) END AS cells FROM (SELECT line, "
        f"CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' ELSE false END AS is_object "
        f"FROM {lines} WHERE {_NOT_BLANK})))"
    )
    types = dict.fromkeys(columns, "VARCHAR")
    return RawFile(path, "jsonl", rows, types, f"file.{_LINE}", text, frozenset(sometimes))


def _with_fields(raw: RawFile, layout: Layout) -> RawFile:
    """A table with a layout's fields as its columns, as text; one that the file lacks is NULL.

    An origin `column.path` leads into a column that holds JSON: its values are taken out in one pass.
    """
    names = {name.strip().casefold(): name for name in raw.types}
    inside: dict[str, list[str]] = {}
    chosen: list[str] = []
    missing: list[Field] = []
    for one in layout.fields:
        cells = [cell for origin in one.origins if (cell := _place(origin, names, raw, inside))]
        if not cells and one.required:
            missing.append(one)
        value = "CAST(NULL AS VARCHAR)"
        if cells:
            value = cells[0] if "." not in one.origins[0] else f"coalesce({', '.join(cells)})"
        chosen.append(f"{value} AS {sql.name(one.name)}")
    if missing:
        raise _other_format(layout, missing, list(raw.types), raw.path)
    row = f", {ROW}" if raw.kind == "parquet" else ""
    opened = "".join(
        f", TRY(json_extract_string({_as_text(column, raw.types[column])}, [{sql.texts(paths)}])) "
        f"AS {sql.name(_INSIDE + column)}"
        for column, paths in inside.items()
    )
    relation = f"(SELECT {', '.join(chosen)}{row} FROM (SELECT *{opened} FROM {raw.relation}))"
    raw = replace(raw, relation=relation, types=dict.fromkeys(_names(layout), "VARCHAR"), **_kept(layout))
    return _with_derived(raw, layout)


def _place(origin: str, names: dict[str, str], raw: RawFile, inside: dict[str, list[str]]) -> str:
    """SQL of an origin in a table, empty when it is not there; notes in `inside` what to take out of JSON."""
    found = names.get(origin.casefold())
    if found is not None:
        return f"nullif({_as_text(found, raw.types[found])}, '')"
    column, _, path = origin.partition(".")
    found = names.get(column.casefold())
    if not path or found is None:
        return ""
    paths = inside.setdefault(found, [])
    paths.append(f"$.{path}")
    return f"nullif({sql.name(_INSIDE + found)}[{len(paths)}], '')"


def _names(layout: Layout) -> list[str]:
    return [one.name for one in layout.fields]


def _kept(layout: Layout) -> dict[str, Any]:
    """What quarantine keeps of a record: its fields, but none that may hold people's words."""
    private = any(one.private for one in layout.fields)
    if not private and not layout.derived:
        return {"raw": _WHOLE_RECORD}
    shown = ", ".join(
        f"{sql.name(one.name)} := file.{sql.name(one.name)}" for one in layout.fields if not one.private
    )
    return {"raw": f"CAST(to_json(struct_pack({shown})) AS VARCHAR)", "private": private}


def _as_text(name: str, kind: str) -> str:
    """A column as text that reads back: nested values as JSON, instants with their offset."""
    column = sql.name(name)
    if kind == "VARCHAR":
        return column
    if kind.startswith(("STRUCT", "MAP")) or kind.endswith("]"):
        return f"CAST(to_json({column}) AS VARCHAR)"
    return f"CAST({column} AS VARCHAR)"


def _json_with_fields(path: Path, text: TextFile, layout: Layout) -> RawFile:
    """JSON records with a layout's fields as columns, each record parsed once.

    What a record holds beside the fields (prompts, answers) is never looked at and never kept.
    """
    places = [(one, origin) for one in layout.fields for origin in one.origins]
    seen = _json_places(text.path, [origin for _, origin in places])
    missing = [one for one in layout.fields if one.required and not seen.intersection(one.origins)]
    if missing:
        raise _other_format(layout, missing, _json_columns(path, text.path), path)
    lines = (
        f"read_csv({sql.text(str(text.path))}, auto_detect = false, header = false, delim = '\x1f', "
        f"quote = '', escape = '', columns = {{'line': 'VARCHAR'}}, strict_mode = false, {_REJECT_OPTIONS})"
    )
    paths = ", ".join(sql.text(_json_path(origin)) for _, origin in places)
    picked: list[str] = []
    for one in layout.fields:
        cells = [f"nullif(cells[{i}], '')" for i, (owner, _) in enumerate(places, 1) if owner is one]
        picked.append(f"coalesce({', '.join(cells)}) AS {sql.name(one.name)}")
    rows = (
        f"(SELECT {', '.join(picked)}, NOT is_object AS {BROKEN} FROM (SELECT is_object, "
        f"CASE WHEN is_object THEN json_extract_string(line, [{paths}]) END AS cells FROM (SELECT line, "
        f"CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' ELSE false END AS is_object "
        f"FROM {lines} WHERE {_NOT_BLANK})))"
    )
    raw = RawFile(path, "jsonl", rows, dict.fromkeys(_names(layout), "VARCHAR"), _WHOLE_RECORD, text)
    return _with_derived(replace(raw, **_kept(layout)), layout)


def _with_derived(raw: RawFile, layout: Layout) -> RawFile:
    """The same with a layout's derived values as further columns, each worked out once per record."""
    relation = raw.relation
    for name, expression in layout.derived.items():
        relation = f"(SELECT *, {layout.filled(expression)} AS {sql.name(name)} FROM {relation} AS file)"
    return replace(raw, relation=relation)


def _json_places(path: Path, origins: Iterable[str]) -> set[str]:
    """Which paths lead to something in the first records of a file."""
    wanted = {origin: _keys_of(origin) for origin in origins}
    found: set[str] = set()
    with path.open("rb") as handle:
        for line in islice(handle, _JSON_SAMPLE_LINES):
            try:
                record = json.loads(line.decode("utf-8-sig"))
            except ValueError:
                continue
            for origin, keys in wanted.items():
                value = record
                for key in keys:
                    value = value.get(key) if isinstance(value, dict) else None
                if value is not None:
                    found.add(origin)
    return found


def _json_path(origin: str) -> str:
    """The path of a field; a report's column title with brackets is a key, not a place in a list.

    >>> _json_path("lines.data[0].id"), _json_path("metadata[user_id]")
    ('$.lines.data[0].id', '$."metadata[user_id]"')
    """
    return f'$."{origin}"' if re.search(r"\[(?![0-9])", origin) else f"$.{origin}"


def _keys_of(origin: str) -> list[str]:
    """The keys of a path, quoted ones whole.

    >>> _keys_of('attributes."gen_ai.system".name')
    ['attributes', 'gen_ai.system', 'name']
    """
    return [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|([^."]+)', origin)]


def _other_format(layout: Layout, missing: list[Field], found: list[str], path: Path) -> InputError:
    """What to say of a file that lacks what every file of its format has."""
    lacking = ", ".join(one.origins[0] for one in missing)
    near = {one.origins[0]: get_close_matches(one.origins[0], found, 1, 0.6) for one in missing}
    similar = ", ".join(f"{name} ~ {names[0]}" for name, names in near.items() if names)
    cause = f"similar names: {similar}; columns found: {', '.join(found)}" if similar else None
    return InputError(
        f"not {layout.title}, or a version of it that is not known: it lacks {lacking}",
        where=str(path),
        cause=(cause or f"columns found: {', '.join(found)}")[:500],
        remedy="check what was exported; if the system renamed a column, read it with a mapping file",
    )


def _beginning(path: Path) -> str:
    with path.open("rb") as handle:
        return handle.read(_SAMPLE_BYTES).decode("utf-8", errors="replace")


def _occurs(path: Path, key: str) -> bool:
    """Whether a JSON key is written anywhere in a file."""
    wanted, tail = f'"{key}"'.encode(), b""
    with path.open("rb") as handle:
        while chunk := handle.read(_SAMPLE_BYTES):
            if wanted in tail + chunk:
                return True
            tail = chunk[-len(wanted) :]
    return False


def _json_columns(path: Path, text: Path) -> list[str]:
    """Names of the fields that occur in the first lines; nested objects as `outer.inner`."""
    names: dict[str, str] = {}

    def visit(prefix: str, value: dict[str, Any], depth: int) -> None:
        for key, item in value.items():
            name = f"{prefix}{key}"
            # The engine does not tell upper case from lower; the first name wins.
            if '"' not in key:
                names.setdefault(name.casefold(), name)
            if isinstance(item, dict) and depth < 3:
                visit(f"{name}.", item, depth + 1)

    with text.open("rb") as handle:
        for line in islice(handle, _JSON_SAMPLE_LINES):
            try:
                record = json.loads(line.decode("utf-8-sig"))
            except ValueError:
                continue
            if isinstance(record, dict):
                visit("", record, 0)
    if not names:
        raise InputError(
            "no JSON object in the first lines", where=str(path), remedy="write one JSON object per line"
        )
    return list(names.values())


# What the engine refuses is kept in these tables of its own. Their size is bounded: a file that is refused
# a million times over is not the kind of file it was taken for.
_REJECTS = "raw_rejects"
MOST_REJECTED = 1_000_000
_REJECT_OPTIONS = (
    f"store_rejects = true, rejects_table = '{_REJECTS}', rejects_scan = 'raw_scans', "
    f"rejects_limit = {MOST_REJECTED}"
)


def count_refused(engine: DuckDBEngine, raw: RawFile) -> int:
    """How many records the reader refused, whoever is to report them. The relation has to be read before."""
    if raw.text is None:
        return 0
    [(lines,)] = engine.rows(f"SELECT count(DISTINCT line) FROM {_REJECTS}")
    return int(lines)


def keep_rejected(engine: DuckDBEngine, raw: RawFile, *, is_ours: bool = True) -> int:
    """Make the table `rejected` (row, field, reason, remedy, raw) of what the reader refused; how many.

    To be called after the relation has been read once. With `is_ours` false they are another table's to
    report, and none is kept. Raises `InputError` when nearly all was refused.
    """
    engine.execute(
        "CREATE TEMP TABLE rejected "
        '("row" BIGINT, field VARCHAR, reason VARCHAR, remedy VARCHAR, raw VARCHAR)'
    )
    if raw.text is None or not is_ours:
        return 0
    [(entries,)] = engine.rows(f"SELECT count(*) FROM {_REJECTS}")
    if entries >= MOST_REJECTED:
        [(message,)] = engine.rows(f"SELECT error_message FROM {_REJECTS} ORDER BY line LIMIT 1")
        raise InputError(
            "too many lines cannot be split into the columns of the header; nothing was imported",
            where=str(raw.path),
            cause=str(message).splitlines()[0],
            remedy="check the delimiter, the quotes and the encoding",
        )
    engine.execute(
        f"INSERT INTO rejected SELECT line - {raw.header_lines}, coalesce(first(field), ''), "
        "first(reason), first(remedy), first(raw) FROM (SELECT line, "
        f"{_REASONS.format(encoding=sql.text(raw.text.encoding))}, "
        "ltrim(left(csv_line, 2000), chr(10)) AS raw, "
        "CASE WHEN error_type IN ('CAST', 'INVALID ENCODING') THEN column_name END AS field "
        f"FROM {_REJECTS} ORDER BY line, column_idx) GROUP BY line"
    )
    for number, line in enumerate(raw.text.overlong):
        engine.execute(
            f"UPDATE rejected SET reason = 'the line is {line.length_bytes:,} bytes long', "
            f"remedy = 'shorten the value; no record may be longer than 1.9 MB', field = '', "
            f"raw = {sql.text(line.beginning)} "
            f"WHERE regexp_matches(raw, '[^a-z]{OVERLONG_MARK}{number}([^0-9]|$)')"
        )
    if raw.private:
        engine.execute("UPDATE rejected SET raw = ''")
    [(rejected,)] = engine.rows("SELECT count(*) FROM rejected")
    return int(rejected)


_COUNTS = "'.*columns: ([0-9]+) found: ([0-9]+).*'"
_REASONS = f"""
CASE error_type
    WHEN 'MISSING COLUMNS' THEN
        regexp_replace(lower(error_message), {_COUNTS}, 'too few columns: \\2 of \\1', 's')
    WHEN 'TOO MANY COLUMNS' THEN
        regexp_replace(lower(error_message), {_COUNTS}, 'too many columns: \\2 instead of \\1', 's')
    WHEN 'INVALID ENCODING' THEN 'bytes that are not ' || {{encoding}} || ' text'
    WHEN 'UNQUOTED VALUE' THEN 'a quotation mark that is not closed, or not doubled inside a value'
    WHEN 'LINE SIZE OVER MAXIMUM' THEN 'the record is longer than 2 MB'
    ELSE lower(CAST(error_type AS VARCHAR)) || ': ' || split_part(error_message, chr(10), 1)
END AS reason,
CASE error_type
    WHEN 'INVALID ENCODING' THEN 'export it as UTF-8, or say `encoding: ...` in a mapping file'
    WHEN 'UNQUOTED VALUE' THEN 'quote values that hold quotes or line breaks, and double the quotes in them'
    WHEN 'LINE SIZE OVER MAXIMUM' THEN 'shorten the value; a quotation mark may be missing'
    ELSE 'check for a missing or unquoted delimiter; quote values that hold one'
END AS remedy
"""
