"""Lines of a bill that look alike are all owed: they are told apart by a number, the same in every export.

A bill without ids names a line by what it says. Where several lines say the same, the smallest amount is
number 1, and so on: neither the order of the file nor a second export changes it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from breakeven.engine import sql
from breakeven.engine.duckdb import DuckDBEngine
from breakeven.errors import InputError
from breakeven.ledger.layout import Prepare, Prepared
from breakeven.ledger.mapping import Mapping
from breakeven.ledger.raw_files import ROW, RawFile, keep_rejected, open_raw

NUMBER = "line_number_among_equals"
_MEMORY_GIB = 1.0


def number_repeated_lines(identity: tuple[str, ...], order: tuple[str, ...]) -> Prepare:
    """Adds the column `NUMBER` to lines, counting those of equal `identity` in the `order` of these columns.

    A file in which no two lines are alike is left as it is. Columns that a file lacks are not looked at.
    """
    return partial(_prepare, identity=identity, order=order)


def _prepare(path: Path, folder: Path, *, identity: tuple[str, ...], order: tuple[str, ...]) -> Prepared:
    with DuckDBEngine(memory_gib=_MEMORY_GIB, spill=folder / "spill", keep_order=True) as engine:
        raw = open_raw(engine, path, Mapping(), folder, ())
        known = {name.casefold(): name for name in raw.types}
        said = [_cell(raw, known[name.casefold()]) for name in identity if name.casefold() in known]
        if not said:
            return Prepared(path)  # another format: the layout says what it lacks
        key = f"hash({', '.join(said)})"
        engine.execute(f"CREATE TEMP TABLE lines AS SELECT {key} AS key FROM {raw.relation}")
        [(alike,)] = engine.rows("SELECT count(*) - count(DISTINCT key) FROM lines")
        if not alike:
            return Prepared(path)
        if keep_rejected(engine, raw):
            [(line, reason)] = engine.rows('SELECT "row", reason FROM rejected ORDER BY "row" LIMIT 1')
            raise InputError(
                "a line cannot be read, and others occur more than once; nothing was imported",
                where=f"{path}:{line + raw.header_lines}",
                cause=str(reason),
                remedy="a bill must be whole: fetch it again, or repair the line",
            )
        target = folder / "numbered.parquet"
        place = ROW if raw.kind == "parquet" else "row_number() OVER ()"
        ranked = ", ".join(_cell(raw, known[name.casefold()]) for name in order if name.casefold() in known)
        columns = ", ".join(f"{_cell(raw, name)} AS {sql.name(name)}" for name in raw.types)
        number = f"row_number() OVER (PARTITION BY {', '.join(said)} ORDER BY {ranked or 'place'}, place)"
        engine.execute(
            f"COPY (SELECT {columns}, CAST({number} AS VARCHAR) AS {sql.name(NUMBER)} FROM "
            f"(SELECT *, {place} AS place FROM {raw.relation}) ORDER BY place) "
            f"TO {sql.text(str(target))} (FORMAT parquet, COMPRESSION lz4_raw)"
        )
    return Prepared(target)


def _cell(raw: RawFile, name: str) -> str:
    """A column as text, as a layout's field reads it."""
    kind = raw.types[name]
    if kind.startswith(("STRUCT", "MAP")) or kind.endswith("]"):
        return f"CAST(to_json({sql.name(name)}) AS VARCHAR)"
    return sql.name(name) if kind == "VARCHAR" else f"CAST({sql.name(name)} AS VARCHAR)"
