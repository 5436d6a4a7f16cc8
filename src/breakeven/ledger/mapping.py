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
    constants: {provider: moonshot, product: api}
    values:
      status: {成功: ok}

Unknown keys are errors with their line, so that a typing mistake cannot silently lose a column.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from breakeven.errors import InputError
from breakeven.ledger.tables import TABLES, LedgerTable
from breakeven.periods import time_zone

TIME_UNITS = ("iso", "s", "ms", "us", "ns")
ROW_NUMBER = "row"
WHOLE_INPUT = "input_tokens"


@dataclass(frozen=True)
class ColumnRule:
    """Where one ledger column comes from: a column of the file, its time unit or scale."""

    origin: str
    unit: str = "iso"
    scale: Decimal | None = None


@dataclass(frozen=True)
class Mapping:
    """How one file layout reads; the empty mapping reads canonical columns as they are."""

    columns: dict[str, ColumnRule] = field(default_factory=dict[str, ColumnRule])
    constants: dict[str, str] = field(default_factory=dict[str, str])
    values: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    table: str | None = None
    source: str | None = None
    time_zone: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    input_includes_cached: bool = False

    @property
    def digest(self) -> str:
        """A stable hash of what the mapping says: part of a batch's identity."""
        said = {
            "columns": {k: [v.origin, v.unit, str(v.scale)] for k, v in self.columns.items()},
            "constants": self.constants,
            "values": self.values,
            "time_zone": self.time_zone,
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "input_includes_cached": self.input_includes_cached,
        }
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
    top = reader.mapping(node)
    allowed = {
        "table",
        "source",
        "time_zone",
        "encoding",
        "delimiter",
        "input_includes_cached",
        "columns",
        "constants",
        "values",
    }
    reader.known(top, allowed)
    table = reader.table(top)
    columns = {
        name.value: reader.rule(name, value, table) for name, value in reader.pairs(top.get("columns"))
    }
    constants = {
        reader.column_name(name, table): reader.scalar(value)
        for name, value in reader.pairs(top.get("constants"))
    }
    values = {
        name.value: {key.value: reader.scalar(item) for key, item in reader.pairs(choices)}
        for name, choices in reader.pairs(top.get("values"))
    }
    zone = reader.optional(top, "time_zone")
    if zone:
        time_zone(zone)
    return Mapping(
        columns=columns,
        constants=constants,
        values=values,
        table=table.name if table else None,
        source=reader.optional(top, "source"),
        time_zone=zone,
        encoding=reader.optional(top, "encoding"),
        delimiter=reader.optional(top, "delimiter"),
        input_includes_cached=reader.optional(top, "input_includes_cached") == "true",
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
        return list(node.value)

    def mapping(self, node: Any) -> dict[str, Any]:
        self._keys = {key.value: key for key, _ in self.pairs(node)}
        return {key.value: value for key, value in self.pairs(node)}

    def known(self, top: dict[str, Any], allowed: set[str]) -> None:
        for key in top:
            if key not in allowed:
                raise self.fail(
                    self._keys[key], f"unknown key {key!r}", f"known: {', '.join(sorted(allowed))}"
                )

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
        parts = {key.value: (key, item) for key, item in self.pairs(value)}
        for key, (node, _) in parts.items():
            if key not in ("from", "unit", "scale"):
                raise self.fail(node, f"unknown key {key!r}", "known: from, unit, scale")
        if "from" not in parts:
            raise self.fail(value, "a column needs `from`")
        unit = self.scalar(parts["unit"][1]) if "unit" in parts else "iso"
        if unit not in TIME_UNITS:
            raise self.fail(parts["unit"][1], f"unknown time unit {unit!r}", f"use {', '.join(TIME_UNITS)}")
        scale = None
        if "scale" in parts:
            try:
                scale = Decimal(self.scalar(parts["scale"][1]))
            except InvalidOperation:
                raise self.fail(parts["scale"][1], "scale is not a number") from None
        return ColumnRule(self.scalar(parts["from"][1]), unit, scale)
