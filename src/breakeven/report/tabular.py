"""Views for machines: `--json` with exact decimal strings, and `--csv` that opens safely in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from breakeven.report.numbers import WORD_UNITS, unit_label
from breakeven.report.view_model import Column, Language, Table, Value, View

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # full-width: Excel reads them too
_BYTE_ORDER_MARK = "\ufeff"  # without it Excel reads UTF-8 as the local code page and spoils Chinese


def to_json(view: View) -> str:
    """The envelope and its rows as one JSON object; decimals as strings with every digit, None as null.

    Rows are `view.json_rows` when the view gives them (long form), else the rows of its tables, each with
    the id of its `table` and, where a table mixes units, the `unit` of the row.

    >>> from breakeven.report.view_model import Envelope, Label
    >>> books = Envelope("demo", "2025-02-28", "UTC", "USD")
    >>> row = {"period": "2025-02", "metric": "serving_cost", "value": Decimal("87072.00"), "unit": "USD"}
    >>> json.loads(to_json(View("income", Label("Income", "损益"), books, (), (row,))))["rows"]
    [{'period': '2025-02', 'metric': 'serving_cost', 'value': '87072.00', 'unit': 'USD'}]
    """
    head = view.envelope
    rows = view.json_rows or tuple(row for table in view.tables for row in _keyed_rows(table))
    answer: dict[str, Any] = {
        "schema_version": head.schema_version,
        "view": view.id,
        "books": head.books,
        "as_of": head.as_of,
        "time_zone": head.time_zone,
        "currency": head.currency,
        "synthetic": head.synthetic,
        "facts": _plain_row(view.facts),
        "rows": [_plain_row(row) for row in rows],
        "warnings": [
            {"code": warning.code, "en": warning.label.en, "zh": warning.label.zh}
            for warning in head.warnings
        ],
    }
    if not view.json_rows:
        # The columns' units, table by table, but for tables whose rows carry units of their own.
        answer["units"] = {
            table.id: {c.key: c.unit for c in table.columns if c.unit not in WORD_UNITS}
            for table in view.tables
            if table.row_units is None
        }
    if not view.facts:
        del answer["facts"]
    return json.dumps(answer, ensure_ascii=False, allow_nan=False, indent=2)


def to_csv(view: View, *, bom: bool = True, language: Language | None = None) -> str:
    """All tables of a view as CSV text: ISO dates, no thousands separators, the unit in the header.

    Headers are the column keys, which scripts rely on, or labels when a `language` is given. Several tables
    follow each other with an empty line between, each row then beginning with the id of its table. Text
    that a spreadsheet would run as a formula gets a leading apostrophe; numbers are left as they are.

    >>> from breakeven.report.view_model import Envelope, Label
    >>> channel, spend = Label("Channel", "渠道"), Label("Spend", "支出")
    >>> columns = (Column("channel", channel), Column("spend", spend, "CNY"))
    >>> rows = ({"channel": "=HYPERLINK()", "spend": Decimal("-12.50")}, {"channel": "b", "spend": None})
    >>> table = Table("channels", Label("Channels", "渠道"), columns, rows)
    >>> head = Envelope("demo", "2024-08-31", "Asia/Shanghai", "CNY")
    >>> print(to_csv(View("channels", table.title, head, (table,)), bom=False))
    channel,spend (CNY)
    '=HYPERLINK(),-12.50
    b,
    <BLANKLINE>
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for i, table in enumerate(view.tables):
        if i:
            text.write("\n")
        prefix = ["table"] if len(view.tables) > 1 else []
        unit = ["unit"] if table.row_units else []
        writer.writerow(prefix + [_safe(_header(column, table, language)) for column in table.columns] + unit)
        for n, row in enumerate(table.rows):
            cells = [_cell(row.get(column.key), column, language) for column in table.columns]
            tail = [_safe(table.row_units[n])] if table.row_units else []
            writer.writerow(([_safe(table.id)] if prefix else []) + cells + tail)
    return (_BYTE_ORDER_MARK if bom else "") + text.getvalue()


def _keyed_rows(table: Table) -> Iterator[dict[str, Value]]:
    for i, row in enumerate(table.rows):
        yield {"table": table.id, **row} | ({"unit": table.row_units[i]} if table.row_units else {})


def _plain_row(row: dict[str, Value]) -> dict[str, str | int | None]:
    return {key: f"{value:f}" if isinstance(value, Decimal) else value for key, value in row.items()}


def _header(column: Column, table: Table, language: Language | None) -> str:
    name = column.key if language is None else column.label.text(language)
    unit = column.unit if language is None else unit_label(column.unit, language)
    if table.row_units or column.unit in WORD_UNITS or not unit:
        return name
    return f"{name} ({unit})"


def _cell(value: Value, column: Column, language: Language | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        shown = column.words[value].text(language) if language and value in column.words else value
        return _safe(shown)
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _safe(text: str) -> str:
    guarded = "'" + text if text.startswith(_FORMULA_STARTS) else text
    return guarded.replace("\r\n", "\n").replace("\r", "\n")  # a bare CR would end the row for some readers
