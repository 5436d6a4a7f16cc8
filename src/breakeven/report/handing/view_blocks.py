"""A view's tables as blocks of a sheet: the same rows, with formulas where a column is arithmetic on others.

A formula stands only where it gives the very figure the view states; everywhere else the figure stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from breakeven.account.catalogue import METRICS
from breakeven.account.metrics import Amount, Measured, Missing, Node, Number, on_decimals
from breakeven.report.handing.formulas import as_formula, bound, sum_of
from breakeven.report.handing.sheets import Block, Cell, Sheet
from breakeven.report.numbers import WORD_UNITS, unit_label
from breakeven.report.view_model import Column, Label, Language, Table, Value
from breakeven.report.views.parts import shown

_MILLION = Number(Decimal(1_000_000))
_ABSENT = Label("no value: absent, which is not zero", "没有数值：缺失，而不是零")
_ADDED = ("spend", "users", "requests", "tokens", "bought", "fleet", "serving_cost", "usage_at_list_price")
_ADDED_TOO = ("new_users", "paid_new_users", "unpriced_tokens", "books", "bill", "difference")


def _metric(metric: str, **columns: str) -> Node:
    """A metric's tree over a table's columns; `columns` names those that are called otherwise."""
    node = METRICS[metric].node
    if node is None:
        raise ValueError(f"{metric} is no tree")
    return _renamed(bound(node, lambda name: name in columns), columns)


def _renamed(node: Node, columns: Mapping[str, str]) -> Node:
    if isinstance(node, Measured):
        return Measured(columns.get(node.id, node.id))
    parts = {name: getattr(node, name) for name in ("left", "right", "node") if hasattr(node, name)}
    if not parts:
        return node
    rest = {"operator": getattr(node, "operator")} if hasattr(node, "operator") else {}  # noqa: B009
    return type(node)(**rest, **{name: _renamed(part, columns) for name, part in parts.items()})


DERIVED: dict[str, tuple[Node, ...]] = {
    "paid_share": (_metric("paid_share"),),
    "cac_blended": (_metric("cac_blended", acquisition_spend="spend"),),
    "cac_paid": (_metric("cac_paid", acquisition_spend="spend"),),
    "serving_cost": (_metric("serving_cost", inference_api_cost="bought", gpu_cost="fleet"),),
    "cost_per_mtok": (_metric("cost_per_mtok", serving_cost="serving_cost", tokens="tokens"),),
    "cost_per_request": (_metric("cost_per_request", serving_cost="serving_cost"),),
    "contribution_per_user": (Measured("contribution") / Measured("users"),),
    "paid_back_share": (Measured("contribution") / Measured("spend"),),
    "difference": (Measured("bill") - Measured("books"),),
    "share": (Measured("difference") / Measured("bill"),),
}
"""How a column comes from the others of its row, by its key; tried where all those columns exist."""


def place_table(sheet: Sheet, table: Table, language: Language) -> None:
    """Put a view's table on a sheet."""
    columns = table.columns
    headers = _unique([_header(column, table, language) for column in columns])
    if table.row_units:
        headers.insert(1, Label("Unit", "单位").text(language))
    totals = len(table.rows) - 1 if table.emphasis == frozenset({len(table.rows) - 1}) else len(table.rows)
    block = Block(
        table.id, table.title.text(language), headers, emphasis=table.emphasis, listed=totals,
        note=table.note.text(language) if table.note else "",
        label_columns=2 if table.row_units else 1,
    )  # fmt: skip
    sheet.place(block, len(table.rows))
    for number in range(len(table.rows)):
        row_unit = table.row_units[number] if table.row_units else None
        cells = [
            _cell(block, columns, table.rows, number, at, row_unit or column.unit, language)
            for at, column in enumerate(columns)
        ]
        if row_unit:
            cells.insert(1, Cell(unit_label(row_unit, language)))
        block.rows.append(cells)


def _header(column: Column, table: Table, language: Language) -> str:
    name, unit = column.label.text(language), unit_label(column.unit, language)
    return name if table.row_units or not unit else f"{name} ({unit})"


def _unique(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    for position, name in enumerate(names):
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            names[position] = f"{name} {seen[name]}"
    return names


def _cell(
    block: Block, columns: tuple[Column, ...], rows: tuple[dict[str, Value], ...], number: int, at: int,
    unit: str, language: Language,
) -> Cell:  # fmt: skip
    column, row = columns[at], rows[number]
    value = row.get(column.key)
    if unit in WORD_UNITS or isinstance(value, str):
        text = (
            column.words[value].text(language) if isinstance(value, str) and value in column.words else value
        )
        return Cell(text, "text")
    places = {each.key: position for position, each in enumerate(columns)}
    if len(columns) == len(block.headers):
        if number >= block.listed and column.key in (*_ADDED, *_ADDED_TOO) and number:
            above = [one.get(column.key) for one in rows[: block.listed]]
            if all(isinstance(one, Decimal | int) for one in above) and sum(map(Decimal, above)) == value:  # type: ignore[arg-type]
                return Cell(value, unit, sum_of([block.at(i, at) for i in range(block.listed)]))
        for tree in DERIVED.get(column.key, ()):
            amount = _evaluated(tree, row, places)
            if amount is not None and shown(amount, unit) == value:
                formula = as_formula(tree, lambda key: block.at(number, places[key]))
                if isinstance(amount, Missing):
                    return Cell(None, unit, formula, amount.zh if language == "zh" else amount.en)
                return Cell(amount, unit, formula)
    return Cell(value, unit, "", "" if value is not None else _ABSENT.text(language))


def _evaluated(tree: Node, row: dict[str, Value], places: Mapping[str, int]) -> Amount | None:
    """The tree on a row's own cells; None where the table lacks one of its columns."""
    absent = Missing(_ABSENT.en, _ABSENT.zh)
    lacking: list[str] = []

    def cell(key: str) -> Amount:
        if key not in places:
            lacking.append(key)
        value = row.get(key)
        return absent if value is None or isinstance(value, str) else Decimal(value)

    amount = on_decimals(tree, cell)
    return None if lacking else amount
