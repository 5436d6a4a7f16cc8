"""What a chart shows, before anybody draws it: exact values, both languages, and the table under it.

A figure holds `Decimal` values and labels, nothing about colour or size. The static drawing (`svg`), the
interactive one (`echarts`), the written description (`describe`) and the table (`twin`) all read the same
figure, so none of them can say something else. `None` is *no value*: nothing is drawn, and the table says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from breakeven.report.view_model import Column, Label, Table, Value

Amount = Decimal | int | None
Span = tuple[Decimal, Decimal]

PARTIAL, COMPLETE = Label("not complete yet", "未满期"), Label("complete", "满期")
FORECAST, EXTRAPOLATED = Label("forecast", "预测"), Label("extrapolated", "外推")
_MEASURED, _MEASURED_CELLS = Label("measured", "实测"), Label("Cells measured", "实测格数")
_LOWER, _UPPER = Label("low", "下限"), Label("high", "上限")
_STEP, _AMOUNT = Label("Step", "项目"), Label("Amount", "金额")
_MARK = Label("Mark", "标记")
_MONTH, _VALUE, _PERIOD = Label("Month", "月份"), Label("Value", "数值"), Label("Period", "期间")
_COHORT, _AGE, _USERS = Label("Cohort", "同期群"), Label("Months since", "第几个月"), Label("Users", "人数")


def verbatim(text: str) -> Label:
    """A label for a data value such as a channel name or a month, which is never translated.

    >>> verbatim("douyin").text("zh")
    'douyin'
    """
    return Label(text, text)


@dataclass(frozen=True)
class Step:
    """One bar of a waterfall: a `total` stands on zero, a `change` hangs from where the last bar ended."""

    key: str
    label: Label
    value: Amount
    kind: Literal["total", "change"] = "change"


@dataclass(frozen=True)
class Waterfall:
    """From a first total through changes to later totals, each of which must equal what came before it.

    >>> bridge = Waterfall("bridge", Label("Bridge", "桥"), "USD", (
    ...     Step("revenue", Label("Revenue", "收入"), Decimal(5), "total"),
    ...     Step("cost", Label("Cost", "成本"), Decimal(-8)),
    ...     Step("result", Label("Result", "结果"), Decimal(-3), "total")))
    >>> [tuple(map(str, span)) for span in bridge.spans()]
    [('0', '5'), ('5', '-3'), ('0', '-3')]

    A total that does not follow from its steps raises `ValueError`: such a chart would lie.
    """

    id: str
    title: Label
    unit: str
    steps: tuple[Step, ...]
    note: Label | None = None
    step_axis: Label = _STEP
    value_axis: Label = _AMOUNT

    def __post_init__(self) -> None:
        self.spans()

    def spans(self) -> tuple[Span | None, ...]:
        """Where each bar begins and ends, in the figure's unit; None where the step has no value."""
        running: Decimal | None = None
        spans: list[Span | None] = []
        for step in self.steps:
            if step.value is None:
                spans.append(None)
                running = None  # what follows cannot be checked until the next total
                continue
            value = Decimal(step.value)
            if step.kind == "total":
                if running is not None and running != value:
                    raise ValueError(
                        f"{self.id}: {step.key} is {value}, but the steps before it give {running}"
                    )
                spans.append((Decimal(0), value))
                running = value
            elif running is None and any(spans):
                spans.append(None)  # nothing to hang from: drawn nowhere, still in the table
            else:
                start = running or Decimal(0)
                running = start + value
                spans.append((start, running))
        return tuple(spans)

    def twin(self) -> Table:
        """The table under the chart."""
        names = {step.key: step.label for step in self.steps}
        return Table(
            id=self.id,
            title=self.title,
            columns=(
                Column("step", self.step_axis, words=names),
                Column("value", self.value_axis, self.unit),
            ),
            rows=tuple({"step": step.key, "value": step.value} for step in self.steps),
            note=self.note,
            emphasis=frozenset(i for i, step in enumerate(self.steps) if step.kind == "total"),
        )


@dataclass(frozen=True)
class Series:
    """One line, or one colour of bars: a value per category, and optionally an interval around each.

    `partial` are the positions whose period is not complete yet: drawn dashed or pale, marked in the table.
    """

    key: str
    label: Label
    values: tuple[Amount, ...]
    band: tuple[Span | None, ...] | None = None
    partial: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Mark:
    """A category that a reader should find, such as today's spend: an upright rule with its name."""

    position: int
    label: Label


@dataclass(frozen=True)
class Lines:
    """Values over ordered categories (months, ages of a cohort), one line per series, gaps left open.

    `partial_word` says what dashed positions are: not complete yet, forecast, extrapolated.

    >>> chart = Lines("cac", Label("CAC", "获客成本"), "CNY/user", (verbatim("2024-03"),), (
    ...     Series("paid", Label("Paid", "付费"), (Decimal("12.5"),)),))
    >>> chart.twin().rows
    ({'category': '2024-03', 'paid.value': Decimal('12.5')},)
    """

    id: str
    title: Label
    unit: str
    categories: tuple[Label, ...]
    series: tuple[Series, ...]
    note: Label | None = None
    category_axis: Label = _MONTH
    value_axis: Label = _VALUE
    partial_word: Label = PARTIAL
    marks: tuple[Mark, ...] = ()

    def __post_init__(self) -> None:
        _check_lengths(self.id, self.categories, self.series)
        if any(not 0 <= mark.position < len(self.categories) for mark in self.marks):
            raise ValueError(f"{self.id}: a mark stands on one of the {len(self.categories)} categories")

    def twin(self) -> Table:
        """The table under the chart."""
        return _series_table(self)


@dataclass(frozen=True)
class Bars:
    """Values by category, side by side or stacked; a stack grows up by its positive parts and down by its
    negative ones, never one over the other. `horizontal` suits categories with names (channels, models).

    >>> chart = Bars("spend", Label("Spend", "支出"), "CNY", (verbatim("2024-03"),), (
    ...     Series("ads", Label("Ads", "广告"), (Decimal(7),)),
    ...     Series("refund", Label("Refunds", "返还"), (Decimal(-2),)),
    ...     Series("gifts", Label("Gifts", "补贴"), (Decimal(1),))), stacked=True)
    >>> [[tuple(map(str, span)) for span in spans] for spans in chart.spans()]
    [[('0', '7')], [('0', '-2')], [('7', '8')]]
    """

    id: str
    title: Label
    unit: str
    categories: tuple[Label, ...]
    series: tuple[Series, ...]
    stacked: bool = False
    horizontal: bool = False
    note: Label | None = None
    category_axis: Label = _MONTH
    value_axis: Label = _VALUE

    def __post_init__(self) -> None:
        _check_lengths(self.id, self.categories, self.series)

    def spans(self) -> tuple[tuple[Span | None, ...], ...]:
        """Where each bar begins and ends: series by series, category by category."""
        above = [Decimal(0)] * len(self.categories)
        below = [Decimal(0)] * len(self.categories)
        result: list[tuple[Span | None, ...]] = []
        for series in self.series:
            spans: list[Span | None] = []
            for i, value in enumerate(series.values):
                if value is None:
                    spans.append(None)
                    continue
                side = above if value >= 0 else below
                start = side[i] if self.stacked else Decimal(0)
                side[i] = start + Decimal(value)
                spans.append((start, side[i]))
            result.append(tuple(spans))
        return tuple(result)

    def twin(self) -> Table:
        """The table under the chart."""
        return _series_table(self)


@dataclass(frozen=True)
class HeatMap:
    """A cohort triangle: one row per cohort with its size, one column per age; None cells stay blank.

    `partial` are (row, column) positions that are not measured to their end; `partial_word` says what they
    are. The table under the chart says of each row how many of its cells are measured.
    """

    id: str
    title: Label
    unit: str
    rows: tuple[Label, ...]
    columns: tuple[Label, ...]
    cells: tuple[tuple[Amount, ...], ...]
    sizes: tuple[int | None, ...] | None = None
    size_unit: str = "users"
    partial: frozenset[tuple[int, int]] = frozenset()
    note: Label | None = None
    row_axis: Label = _COHORT
    column_axis: Label = _AGE
    size_axis: Label = _USERS
    partial_word: Label = PARTIAL

    def __post_init__(self) -> None:
        if len(self.cells) != len(self.rows) or any(len(row) != len(self.columns) for row in self.cells):
            raise ValueError(f"{self.id}: cells must be {len(self.rows)} rows of {len(self.columns)} columns")
        if self.sizes is not None and len(self.sizes) != len(self.rows):
            raise ValueError(f"{self.id}: one size for each of the {len(self.rows)} rows")

    def colour_limit(self) -> Decimal:
        """The magnitude that gets the full colour.

        A first column in which every value is the same (100 % of a cohort at age 0) would drown the rest,
        so it does not count.
        """
        first = {row[0] for row in self.cells if row and row[0] is not None}
        skip = 1 if len(first) == 1 and len(self.columns) > 1 else 0
        values = [abs(Decimal(cell)) for row in self.cells for cell in row[skip:] if cell is not None]
        return max(values, default=Decimal(0)) or max(
            (abs(Decimal(cell)) for cell in first), default=Decimal(0)
        )

    def twin(self) -> Table:
        """The table under the chart."""
        size = (Column("size", self.size_axis, self.size_unit),) if self.sizes is not None else ()
        ages = tuple(Column(f"c{i}", label, self.unit) for i, label in enumerate(self.columns))
        rows: list[dict[str, Value]] = []
        for i, cells in enumerate(self.cells):
            row: dict[str, Value] = {"row": self.rows[i].en}
            if self.sizes is not None:
                row["size"] = self.sizes[i]
            rows.append(row | {f"c{j}": cell for j, cell in enumerate(cells)})
        names = Column("row", self.row_axis, words=_translated(self.rows))
        return Table(
            self.id, self.title, (names, *size, *ages, *self._measured(rows)), tuple(rows), self.note
        )

    def _measured(self, rows: list[dict[str, Value]]) -> tuple[Column, ...]:
        """Where some cells are not measured: how many of each row are, as a last column."""
        if not self.partial:
            return ()
        for i, row in enumerate(rows):
            known = sum(cell is not None for cell in self.cells[i])
            row["measured"] = known - sum(1 for at, _ in self.partial if at == i)
        return (Column("measured", _MEASURED_CELLS, "count"),)


Figure = Waterfall | Lines | Bars | HeatMap


def _translated(labels: tuple[Label, ...]) -> dict[str, Label]:
    return {label.en: label for label in labels if label.en != label.zh}


def _check_lengths(figure_id: str, categories: tuple[Label, ...], series: tuple[Series, ...]) -> None:
    for one in series:
        if len(one.values) != len(categories) or (one.band is not None and len(one.band) != len(categories)):
            raise ValueError(
                f"{figure_id}: series {one.key} needs {len(categories)} values, one per category"
            )
    if len({one.key for one in series}) != len(series):
        raise ValueError(f"{figure_id}: two series have the same key")


def _series_table(figure: Lines | Bars) -> Table:
    columns = [Column("category", figure.category_axis, words=_translated(figure.categories))]
    rows: list[dict[str, Value]] = [{"category": category.en} for category in figure.categories]
    for series in figure.series:
        columns.append(Column(f"{series.key}.value", series.label, figure.unit))
        for row, value in zip(rows, series.values, strict=True):
            row[f"{series.key}.value"] = value
        if series.band is None:
            continue
        for side, bound in enumerate((_LOWER, _UPPER)):
            columns.append(Column(f"{series.key}.{bound.en}", _joined(series.label, bound), figure.unit))
            for row, interval in zip(rows, series.band, strict=True):
                row[f"{series.key}.{bound.en}"] = interval[side] if interval else None
    partial = frozenset[int]().union(*(series.partial for series in figure.series))
    if partial:
        word = figure.partial_word if isinstance(figure, Lines) else PARTIAL
        whole = COMPLETE if word is PARTIAL else _MEASURED
        columns.append(Column("status", _PERIOD, words={"partial": word, "complete": whole}))
        for i, row in enumerate(rows):
            row["status"] = "partial" if i in partial else "complete"
    if isinstance(figure, Lines) and figure.marks:
        named = {mark.position: mark.label for mark in figure.marks}
        columns.append(Column("mark", _MARK, words=_translated(tuple(named.values()))))
        for i, row in enumerate(rows):
            row["mark"] = named[i].en if i in named else None
    return Table(figure.id, figure.title, tuple(columns), tuple(rows), figure.note)


def _joined(first: Label, second: Label) -> Label:
    return Label(f"{first.en}, {second.en}", f"{first.zh}，{second.zh}")
