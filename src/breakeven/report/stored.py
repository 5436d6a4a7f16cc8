"""Views as JSON and back, exactly: a view that was computed once is read the next time.

>>> from breakeven.report.view_model import Envelope
>>> head = Envelope("demo", "2024-08-31", "UTC", "USD")
>>> table = Table("t", Label("T", "表"), (Column("a", Label("A", "甲"), "USD"),), ({"a": Decimal("1.50")},))
>>> view = View("v", Label("V", "视图"), head, (table,))
>>> loads(dumps(view)) == view
True
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from breakeven.report.view_model import Column, Envelope, Label, Table, Value, View, Warning  # noqa: A004 - the envelope's word


def dumps(view: View) -> str:
    """A view as JSON text; decimals are marked so that they come back as decimals."""
    return json.dumps(
        {
            "id": view.id,
            "title": _label(view.title),
            "envelope": {
                "books": view.envelope.books,
                "as_of": view.envelope.as_of,
                "time_zone": view.envelope.time_zone,
                "currency": view.envelope.currency,
                "synthetic": view.envelope.synthetic,
                "warnings": [[warning.code, *_label(warning.label)] for warning in view.envelope.warnings],
                "schema_version": view.envelope.schema_version,
            },
            "tables": [_table(table) for table in view.tables],
            "json_rows": [_row(row) for row in view.json_rows],
            "facts": _row(view.facts),
        },
        ensure_ascii=False,
    )


def loads(text: str) -> View:
    """The view that `dumps` wrote. Raises `ValueError` or `KeyError` for anything else."""
    raw = json.loads(text)
    head = dict(raw["envelope"])
    warnings = tuple(Warning(code, Label(en, zh)) for code, en, zh in head.pop("warnings"))
    return View(
        raw["id"],
        Label(*raw["title"]),
        Envelope(**head, warnings=warnings),
        tuple(_read_table(table) for table in raw["tables"]),
        tuple(_read_row(row) for row in raw["json_rows"]),
        _read_row(raw["facts"]),
    )


def _label(label: Label) -> list[str]:
    return [label.en, label.zh]


def _row(row: dict[str, Value]) -> dict[str, Any]:
    return {
        key: {"decimal": str(value)} if isinstance(value, Decimal) else value for key, value in row.items()
    }


def _read_row(row: dict[str, Any]) -> dict[str, Value]:
    return {
        key: Decimal(value["decimal"]) if isinstance(value, dict) else value for key, value in row.items()
    }


def _table(table: Table) -> dict[str, Any]:
    return {
        "id": table.id,
        "title": _label(table.title),
        "columns": [
            [
                column.key,
                _label(column.label),
                column.unit,
                {key: _label(word) for key, word in column.words.items()},
            ]
            for column in table.columns
        ],
        "rows": [_row(row) for row in table.rows],
        "note": _label(table.note) if table.note else None,
        "emphasis": sorted(table.emphasis),
        "row_units": table.row_units,
    }


def _read_table(raw: dict[str, Any]) -> Table:
    return Table(
        raw["id"],
        Label(*raw["title"]),
        tuple(
            Column(key, Label(*label), unit, {word: Label(*said) for word, said in words.items()})
            for key, label, unit, words in raw["columns"]
        ),
        tuple(_read_row(row) for row in raw["rows"]),
        Label(*raw["note"]) if raw["note"] else None,
        frozenset(raw["emphasis"]),
        tuple(raw["row_units"]) if raw["row_units"] is not None else None,
    )
