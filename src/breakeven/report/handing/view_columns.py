"""A view's tables as typed columns: money as decimals of its minor unit, counts as integers, days as dates.

A table whose rows differ in unit (a statement by month) becomes tidy rows of (line, period, value, unit): a
column then holds one kind of thing. What a spreadsheet or a data frame needs to know beside the figures
travels as metadata of the file and of each column.
"""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from breakeven.money import minor_units
from breakeven.report.numbers import WORD_UNITS, is_money
from breakeven.report.view_model import Column, Label, Table, Value, View

_COUNTS = frozenset({"users", "requests", "tokens"})
_SIX_DECIMALS = pa.decimal128(38, 6)


def tables_of(view: View) -> dict[str, pa.Table]:
    """Every table of a view by its id; a view with rows of its own for machines has those alone."""
    head = {
        "books": view.envelope.books,
        "as_of": view.envelope.as_of,
        "time_zone": view.envelope.time_zone,
        "currency": view.envelope.currency,
        "synthetic": str(view.envelope.synthetic).lower(),
        "warnings": json.dumps([warning.label.en for warning in view.envelope.warnings], ensure_ascii=False),
    }
    if view.json_rows:
        # Long rows of (period, metric, value, unit): the same that `--json` gives.
        found = {view.id: _tidy(view.json_rows, list(view.json_rows[0]))}
    else:
        found = {table.id: _typed(table) for table in view.tables}
    return {
        name: table.replace_schema_metadata({**(table.schema.metadata or {}), **head})
        for name, table in found.items()
    }


def _typed(table: Table) -> pa.Table:
    if table.row_units:
        return _tidy(_long_rows(table), [table.columns[0].key, "period", "value", "unit"])
    fields = [
        pa.field(column.key, _type_of(column.unit), metadata=_about(column)) for column in table.columns
    ]
    arrays = [
        pa.array([_fitting(row.get(field.name), field.type) for row in table.rows], field.type)
        for field in fields
    ]
    return pa.table(arrays, schema=pa.schema(fields))


def _long_rows(table: Table) -> list[dict[str, Value]]:
    """One row per figure; words that stand beside figures (a source, a qualifier) are left out."""
    name, *rest = table.columns
    units = table.row_units or ()
    return [
        {name.key: row[name.key], "period": column.key, "value": row.get(column.key), "unit": unit}
        for row, unit in zip(table.rows, units, strict=True)
        for column in rest
        if not isinstance(row.get(column.key), str)
    ]


def _tidy(rows: Any, keys: list[str]) -> pa.Table:
    fields = [pa.field(key, _SIX_DECIMALS if key == "value" else pa.string()) for key in keys]
    arrays = [
        pa.array([_fitting(row.get(field.name), field.type) for row in rows], field.type) for field in fields
    ]
    return pa.table(arrays, schema=pa.schema(fields))


def _type_of(unit: str) -> pa.DataType:
    if unit == "day":
        return pa.date32()
    if unit in WORD_UNITS:
        return pa.string()
    if is_money(unit):
        return pa.decimal128(38, minor_units(unit))
    return pa.int64() if unit in _COUNTS else _SIX_DECIMALS


def _fitting(value: Value, kind: pa.DataType) -> Any:
    """A value as its column takes it."""
    if value is None:
        return None
    if pa.types.is_date(kind):
        return date.fromisoformat(str(value))
    if pa.types.is_decimal(kind):
        return None if isinstance(value, str) else Decimal(value)
    if pa.types.is_int64(kind):
        return None if isinstance(value, str) else int(value)
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _about(column: Column) -> dict[str, str]:
    label: Label = column.label
    return {"unit": column.unit, "label_en": label.en, "label_zh": label.zh}
