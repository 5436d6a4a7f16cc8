"""What an answer about serving stands on: each figure given, published or assumed, with its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from breakeven.report.view_model import Column, Label, Table, Value


@dataclass(frozen=True)
class Assumption:
    """One figure: what it is, its value and unit, and where it is from."""

    what: Label
    value: Value
    unit: str
    source: Label


GIVEN = Label("given", "给定")
ASSUMED = Label("assumed", "假设")


def assumptions_table(rows: Sequence[Assumption]) -> Table:
    """All of them."""
    sources = {row.source.en: row.source for row in rows}
    return Table(
        "assumptions",
        Label("What this stands on", "依据与假设"),
        (
            Column("figure", Label("Figure", "项目"), words={row.what.en: row.what for row in rows}),
            Column("value", Label("Value", "数值"), "count"),
            Column("source", Label("Where it is from", "来源"), words=sources),
        ),
        tuple({"figure": row.what.en, "value": row.value, "source": row.source.en} for row in rows),
        row_units=tuple(row.unit for row in rows),
    )
