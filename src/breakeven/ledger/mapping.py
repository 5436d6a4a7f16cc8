"""A mapping file says how somebody's own file layout becomes the columns of a ledger table.

    table: usage
    source: my-gateway
    time_zone: Asia/Shanghai          # for times written without an offset
    input_includes_cached: true       # then `input_tokens` may be mapped instead of uncached_input_tokens
    columns:
      at: {from: created, unit: ms}   # iso (default), s, ms, us, ns
      user_id: uid
      input_tokens: prompt_tokens
      amount: {from: cents, scale: "0.01"}
      source_id: row                  # no id in the file: its name and the record's number
      # source_id: {join: [day, uid]} # no id, but these columns together never occur twice
      # amount: {from: [Cost, Spend]} # the first of these names that the file has
    constants: {provider: moonshot, product: api}
    values:
      status: {成功: ok}
    skip:
      day: [合计, Total]              # records with one of these words there are no rows: a line of totals

Unknown keys are errors with their line, so that a typing mistake cannot silently lose a column.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from breakeven.errors import InputError
from breakeven.ledger.layout import Layout
from breakeven.ledger.tables import TABLES, LedgerTable
from breakeven.periods import time_zone

TIME_UNITS = ("iso", "s", "ms", "us", "ns")
ROW_NUMBER = "row"
WHOLE_INPUT = "input_tokens"
MOST_SCALE = 100_000_000
_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@dataclass(frozen=True)
class ColumnRule:
    """Where one ledger column comes from: a column of the file, its time unit or scale.

    `others` are its names in other versions of the file. `joined` are the columns whose values make an id
    together, each by its names. `expression` is SQL that takes the column's place; only a layout has one, a
    mapping file never.
    """

    origin: str
    unit: str = "iso"
    scale: Decimal | None = None
    expression: str = ""
    others: tuple[str, ...] = ()
    joined: tuple[tuple[str, ...], ...] = ()

    def found_in(self, columns: Collection[str]) -> ColumnRule:
        """The rule with the name that a file has; with the first where it has none."""
        names = (name for name in (self.origin, *self.others) if name in columns)
        return replace(self, origin=next(names, self.origin))


@dataclass(frozen=True)
class Mapping:
    """How one file layout reads; the empty mapping reads canonical columns as they are."""

    columns: dict[str, ColumnRule] = field(default_factory=dict[str, ColumnRule])
    constants: dict[str, str] = field(default_factory=dict[str, str])
    values: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    skip: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    table: str | None = None
    source: str | None = None
    time_zone: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    input_includes_cached: bool = False
    layout: Layout | None = None

    @classmethod
    def of(cls, layout: Layout, source: str) -> Mapping:
        """The mapping that reads a system's own format by its layout."""
        rules = {
            name: ColumnRule(name, value.unit, value.scale, layout.expression(name))
            for name, value in layout.columns.items()
        }
        rules["source_id"] = ColumnRule("source_id", expression=layout.filled(layout.source_id))
        if layout.revision:
            rules["revision"] = ColumnRule("revision", expression=layout.filled(layout.revision))
        return cls(
            columns=rules,
            table=layout.table,
            source=layout.source or source,
            time_zone=layout.time_zone,
            encoding=layout.encoding,
            delimiter=layout.delimiter,
            input_includes_cached=WHOLE_INPUT in layout.columns,
            layout=layout,
        )

    @property
    def digest(self) -> str:
        """A stable hash of what the mapping says: part of a batch's identity."""
        if self.layout is not None:
            return self.layout.digest
        said: dict[str, Any] = {
            "columns": {
                k: [v.origin, v.unit, str(v.scale), *v.others, *v.joined] for k, v in self.columns.items()
            },
            "constants": self.constants,
            "values": self.values,
            "time_zone": self.time_zone,
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "input_includes_cached": self.input_includes_cached,
        }
        if self.skip:
            said["skip"] = self.skip
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def read_mapping(path: Path) -> Mapping:
    """Read a mapping file; every mistake is an `InputError` with its line."""
    try:
        node = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
    except FileNotFoundError:
        raise InputError("no such mapping file", where=str(path)) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(
            "the mapping is not valid YAML", where=str(path), cause=str(error).split("\n")[0]
        ) from error
    reader = _Reader(path)
    top = reader.mapping(
        node,
        "table",
        "source",
        "time_zone",
        "encoding",
        "delimiter",
        "input_includes_cached",
        "columns",
        "constants",
        "values",
        "skip",
    )
    table = reader.table(top)
    columns = {
        name.value: reader.rule(name, value, table) for name, value in reader.pairs(top.get("columns"))
    }
    constants = {
        reader.column_name(name, table): reader.scalar(value)
        for name, value in reader.pairs(top.get("constants"))
    }
    values = {
        reader.column_name(name, table): {
            key.value: reader.scalar(item) for key, item in reader.pairs(choices)
        }
        for name, choices in reader.pairs(top.get("values"))
    }
    skip = {column.value: reader.names(words) for column, words in reader.pairs(top.get("skip"))}
    zone = reader.optional(top, "time_zone")
    if zone:
        time_zone(zone)
    return Mapping(
        columns=columns,
        constants=constants,
        values=values,
        skip=skip,
        table=table.name if table else None,
        source=reader.optional(top, "source"),
        time_zone=zone,
        encoding=reader.optional(top, "encoding"),
        delimiter=reader.optional(top, "delimiter"),
        input_includes_cached=reader.flag(top, "input_includes_cached"),
    )


class _Reader:
    """Typed access to YAML nodes that knows the line of everything."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fail(self, node: Any, what: str, remedy: str = "") -> InputError:
        line = node.start_mark.line + 1 if node is not None else 1
        return InputError(what, where=f"{self.path}:{line}", remedy=remedy)

    def pairs(self, node: Any) -> list[tuple[Any, Any]]:
        if node is None:
            return []
        if not isinstance(node, yaml.MappingNode):
            raise self.fail(node, "expected `name: value` lines here")
        seen: set[str] = set()
        for key, _ in node.value:
            if self.scalar(key) in seen:
                raise self.fail(key, f"{key.value!r} is written twice", "keep one of the two")
            seen.add(key.value)
        return list(node.value)

    def mapping(self, node: Any, *allowed: str) -> dict[str, Any]:
        pairs = self.pairs(node)
        for key, _ in pairs:
            if key.value not in allowed:
                raise self.fail(key, f"unknown key {key.value!r}", f"known: {', '.join(allowed)}")
        return {key.value: value for key, value in pairs}

    def scalar(self, node: Any) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self.fail(node, "expected a single value here")
        return str(node.value)

    def optional(self, top: dict[str, Any], key: str) -> str | None:
        return self.scalar(top[key]) if key in top else None

    def table(self, top: dict[str, Any]) -> LedgerTable | None:
        name = self.optional(top, "table")
        if name is None:
            return None
        if name not in TABLES:
            raise self.fail(top["table"], f"unknown table {name!r}", f"use one of {', '.join(TABLES)}")
        return TABLES[name]

    def column_name(self, node: Any, table: LedgerTable | None) -> str:
        if table is not None:
            known = [column.name for column in table.columns] + ["source", "source_id"]
            if table.name == "usage":
                known.append(WHOLE_INPUT)
            if node.value not in known:
                raise self.fail(
                    node, f"table {table.name} has no column {node.value!r}", f"use {', '.join(known)}"
                )
        return str(node.value)

    def rule(self, name: Any, value: Any, table: LedgerTable | None) -> ColumnRule:
        self.column_name(name, table)
        if isinstance(value, yaml.ScalarNode):
            return ColumnRule(str(value.value))
        if name.value == "source_id":
            parts = self.mapping(value, "join")
            if not isinstance(parts.get("join"), yaml.SequenceNode):
                raise self.fail(value, "an id needs `join` with a list of columns")
            return ColumnRule(ROW_NUMBER, joined=tuple(self.names(one) for one in parts["join"].value))
        parts = self.mapping(value, "from", "unit", "scale")
        if "from" not in parts:
            raise self.fail(value, "a column needs `from`")
        unit = self.optional(parts, "unit") or "iso"
        if unit not in TIME_UNITS:
            raise self.fail(parts["unit"], f"unknown time unit {unit!r}", f"use {', '.join(TIME_UNITS)}")
        scale = self.scale(parts["scale"]) if "scale" in parts else None
        origin, *others = self.names(parts["from"])
        return ColumnRule(origin, unit, scale, others=tuple(others))

    def names(self, node: Any) -> tuple[str, ...]:
        """One word, or a list of words."""
        if not isinstance(node, yaml.SequenceNode):
            return (self.scalar(node),)
        if not node.value:
            raise self.fail(node, "this list is empty")
        return tuple(self.scalar(one) for one in node.value)

    def scale(self, node: Any) -> Decimal:
        try:
            scale = Decimal(self.scalar(node))
            if scale.is_finite() and 0 < scale <= MOST_SCALE and scale == round(scale, 9):
                return scale
        except InvalidOperation:
            pass
        raise self.fail(
            node,
            f"scale is not a number above 0 of at most nine decimals, up to {MOST_SCALE:,}",
            'write scale: "0.01"',
        )

    def flag(self, top: dict[str, Any], key: str) -> bool:
        said = self.optional(top, key) or "false"
        if said.lower() not in _FLAGS:
            raise self.fail(top[key], f"{key} is not true or false", "write true or false")
        return _FLAGS[said.lower()]
