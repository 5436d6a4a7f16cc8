"""The workbook before anybody writes it: sheets of blocks of cells, each with its figure and its formula.

Every metric has one home, a row on the sheet where a reader looks for it; all other cells read that home.
Formulas come from the metric trees over those homes, so a cell says how it comes about, and its stored value
is what the account states: both are the same tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from breakeven.account.account import Account
from breakeven.account.catalogue import METRICS, TOTAL_LINES
from breakeven.account.metrics import Amount, Measured, Missing, Named, Node, Operation, Positive, on_decimals
from breakeven.report.handing.formulas import Ref, as_formula, bound, copy_of, sum_of
from breakeven.report.numbers import unit_label
from breakeven.report.view_model import Label, Language, Value
from breakeven.report.views.parts import label, unit

FIRST_ROW = 4
"""Rows above the first block: title, whose books, what kind of data, and an empty one."""

_METRIC, _UNIT = Label("Line", "项目"), Label("Unit", "单位")
_TOTAL = Label("Total", "合计")


@dataclass(frozen=True)
class Cell:
    """One cell: `value` is exact and None where absent; `why` then says why in the reader's language."""

    value: Value
    unit: str = "text"
    formula: str = ""
    why: str = ""


@dataclass
class Block:
    """A titled table on a sheet. `listed` is how many of its rows make the data, totals beneath left out.

    `emphasis` are totals; `compact` asks for K, M, B or 万, 亿; `row` is where its title stands.
    """

    id: str
    title: str
    headers: list[str]
    rows: list[list[Cell]] = field(default_factory=list[list[Cell]])
    emphasis: frozenset[int] = frozenset()
    note: str = ""
    compact: bool = False
    listed: int = 0
    row: int = 0
    label_columns: int = 1

    @property
    def header_row(self) -> int:
        """Where the column names stand."""
        return self.row + 1

    def at(self, row: int, column: int) -> Ref:
        """The place of a cell of the data, counted from the first row below the headers."""
        return Ref(self.header_row + 1 + row, column)


@dataclass
class Sheet:
    """One sheet: blocks under each other. `lines` are paragraphs of text beneath."""

    id: str
    name: Label
    blocks: list[Block] = field(default_factory=list[Block])
    lines: list[str] = field(default_factory=list[str])

    def place(self, block: Block, height: int) -> Block:
        """Put a block beneath the others; `height` is how many rows of data it will have."""
        below = self.blocks[-1] if self.blocks else None
        block.row = FIRST_ROW if below is None else self.end
        self.blocks.append(block)
        self.end = block.header_row + 1 + height + (2 if block.note else 1) + 1
        return block

    end: int = FIRST_ROW


class MonthBlocks:
    """Blocks of metrics by month over several sheets, and where each metric is at home."""

    def __init__(self, account: Account, language: Language) -> None:
        self.account = account
        self.language: Language = language
        self._homes: dict[str, tuple[Sheet, Block, int]] = {}
        self._placed: list[tuple[Sheet, Block, tuple[str, ...], bool]] = []

    def place(
        self, sheet: Sheet, block_id: str, title: Label, metrics: Sequence[str], *, total: bool = False,
        is_home: bool = True, compact: bool = False,
    ) -> None:  # fmt: skip
        """Reserve rows for metrics by month; the first block that lists a metric is its home."""
        periods = self.account.buckets.periods
        total = total and len(periods) > 1
        headers = [_METRIC.text(self.language), _UNIT.text(self.language), *(p.label for p in periods)]
        if total:
            headers.append(_TOTAL.text(self.language))
        block = Block(
            block_id, title.text(self.language), headers, compact=compact, listed=len(metrics),
            label_columns=2,
            emphasis=frozenset(row for row, metric in enumerate(metrics) if metric in TOTAL_LINES),
        )  # fmt: skip
        sheet.place(block, len(metrics))
        self._placed.append((sheet, block, tuple(metrics), total))
        if is_home:
            for row, metric in enumerate(metrics):
                self._homes.setdefault(metric, (sheet, block, row))

    def homeless(self) -> list[str]:
        """Metrics and measures that formulas need and no block holds yet, in the catalogue's order."""
        needed: set[str] = set()
        waiting = [metric for _, _, metrics, _ in self._placed for metric in metrics]
        while waiting:
            metric = waiting.pop()
            if metric not in needed:
                needed.add(metric)
                node = METRICS[metric].node
                waiting += [] if node is None else _parts(node)
        return [metric for metric in METRICS if metric in needed and metric not in self._homes]

    def fill(self) -> None:
        """Write every cell, now that every metric has its home."""
        for sheet, block, metrics, total in self._placed:
            for metric in metrics:
                block.rows.append(self._row(sheet, block, metric, total=total))

    def _row(self, sheet: Sheet, block: Block, metric: str, *, total: bool) -> list[Cell]:
        account, row_unit = self.account, unit(metric, self.account.currency)
        size = len(account.buckets.periods)
        cells = [
            Cell(label(metric).text(self.language)),
            Cell(unit_label(row_unit, self.language)),
        ]
        for bucket in range(size):
            amount = account.value(metric, bucket)
            formula = self._formula(sheet, block, metric, 2 + bucket)
            if not self._follows(metric, bucket, amount):
                formula = ""  # closed under a definition that has changed since: it stands as it was closed
            cells.append(self._cell(amount, row_unit, formula))
        if total:
            amount = account.total(metric)
            if METRICS[metric].node is None:
                row = len(block.rows)
                formula = sum_of([block.at(row, 2 + bucket) for bucket in range(size)])
                formula = formula if METRICS[metric].additive else ""
            else:
                formula = self._formula(sheet, block, metric, 2 + size)
            cells.append(self._cell(amount, row_unit, formula))
        return cells

    def _follows(self, metric: str, bucket: int, amount: Amount) -> bool:
        """Whether a stated figure is what its tree gives on the stated measures of its month."""
        node = METRICS[metric].node
        if node is None:
            return True
        again = on_decimals(node, lambda measure: self.account.value(measure, bucket))
        return again == amount or (isinstance(again, Missing) and isinstance(amount, Missing))

    def _formula(self, sheet: Sheet, block: Block, metric: str, column: int) -> str:
        home = self._homes[metric]
        if home[1] is not block:
            return copy_of(self._home_of(metric, column, sheet))
        node = METRICS[metric].node
        if node is None:
            return ""
        tree = bound(node, self._homes.__contains__)
        return as_formula(tree, lambda part: self._home_of(part, column, sheet))

    def _home_of(self, metric: str, column: int, reader: Sheet) -> Ref:
        sheet, block, row = self._homes[metric]
        place = block.at(row, column)
        return place if sheet is reader else Ref(place.row, place.column, sheet.name.text(self.language))

    def _cell(self, amount: Amount, cell_unit: str, formula: str) -> Cell:
        if isinstance(amount, Missing):
            return Cell(None, cell_unit, formula, amount.zh if self.language == "zh" else amount.en)
        return Cell(amount, cell_unit, formula)


def _parts(node: Node) -> list[str]:
    """What a tree names directly: metrics are not opened."""
    match node:
        case Named():
            return [node.id]
        case Positive():
            return _parts(node.node)
        case Operation():
            return _parts(node.left) + _parts(node.right)
        case _:
            return [node.id] if isinstance(node, Measured) else []


def exact_number(value: Decimal | int) -> float | int:
    """The figure as a spreadsheet holds it: a double, about fifteen digits."""
    return value if isinstance(value, int) and abs(value) < 10**15 else float(value)
