"""A table of a view as an Arrow table: decimals stay decimals, no value stays null, units go along."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa

from breakeven.report.numbers import WORD_UNITS
from breakeven.report.view_model import Column, Table, Value

_DIGITS = 38
"""As many as readers of Arrow agree on; more go into the wider decimal."""


def arrow_table(table: Table) -> pa.Table:
    """The rows as columns named by their keys, each with its unit in the field's metadata.

    Whole numbers are int64, exact figures decimal at the finest scale of their column, all others text. Where
    rows have units of their own, a column `unit` says which.

    >>> from breakeven.report.view_model import Label
    >>> name, spend = Label("Channel", "渠道"), Label("Spend", "支出")
    >>> columns = (Column("channel", name), Column("spend", spend, "CNY"))
    >>> rows = ({"channel": "a", "spend": Decimal("12.50")}, {"channel": "b", "spend": None})
    >>> found = arrow_table(Table("channels", Label("Channels", "渠道"), columns, rows))
    >>> str(found.schema.field("spend").type), found.to_pylist()[0]
    ('decimal128(38, 2)', {'channel': 'a', 'spend': Decimal('12.50')})
    """
    arrays: list[Any] = []
    fields: list[Any] = []
    for column in table.columns:
        values = [row.get(column.key) for row in table.rows]
        array = _array(column, values)
        about = {} if column.unit in WORD_UNITS or table.row_units else {"unit": column.unit}
        fields.append(pa.field(column.key, array.type, metadata=about))
        arrays.append(array)
    if table.row_units is not None and "unit" not in {column.key for column in table.columns}:
        fields.append(pa.field("unit", pa.string()))
        arrays.append(pa.array(list(table.row_units), pa.string()))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _array(column: Column, values: list[Value]) -> Any:
    present = [value for value in values if value is not None]
    if any(isinstance(value, str) for value in present) or (not present and column.unit in WORD_UNITS):
        return pa.array([None if value is None else _text(value) for value in values], pa.string())
    if present and all(isinstance(value, int) for value in present):
        return pa.array(values, pa.int64())
    decimals = [None if value is None else Decimal(value) for value in values]
    scale = max((-int(one.as_tuple().exponent) for one in decimals if one is not None), default=0)
    scale = max(0, scale)
    whole = max((max(0, one.adjusted() + 1) for one in decimals if one is not None), default=0)
    kind = pa.decimal128(_DIGITS, scale) if whole + scale <= _DIGITS else pa.decimal256(76, scale)
    return pa.array(decimals, kind)


def _text(value: Value) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
