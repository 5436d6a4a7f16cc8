"""A figure in a sentence, written from its numbers: what a reader who cannot see the chart is told."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from breakeven.report.figures import Amount, Bars, Figure, HeatMap, Lines, Series, Waterfall
from breakeven.report.numbers import compact
from breakeven.report.view_model import Label, Language

_Show = Callable[[Amount], str]
_MOST_SERIES = 4
_EMPTY = Label("There is no value to show.", "没有可显示的数值。")


def describe(figure: Figure, *, code: bool = False) -> Label:
    """What the figure shows, in both languages, with its own figures.

    >>> from breakeven.report.figures import verbatim
    >>> paid = Series("paid", Label("Paid", "付费"), (Decimal("12.5"), Decimal(30)))
    >>> months = (verbatim("2024-03"), verbatim("2024-08"))
    >>> describe(Lines("cac", Label("CAC", "获客成本"), "CNY", months, (paid,))).en
    'Paid: ¥12.50 (2024-03), ¥30.00 (2024-08).'
    """
    return Label(_sentences(figure, "en", code=code), _sentences(figure, "zh", code=code))


def _sentences(figure: Figure, language: Language, *, code: bool) -> str:
    def amount(value: Amount) -> str:
        return compact(value, figure.unit, language, code=code)

    match figure:
        case Waterfall():
            parts = _waterfall(figure, language, amount)
        case Lines():
            parts = [_line(figure, series, language, amount) for series in _foremost(figure)]
            parts += [_others(figure, language), _marks(figure, language)]
        case Bars():
            parts = [_bars(figure, series, language, amount) for series in _foremost(figure)]
            parts.append(_others(figure, language))
        case HeatMap():
            parts = [_heat_map(figure, language, amount)]
    said = ("" if language == "zh" else " ").join(part for part in parts if part)
    return said or _EMPTY.text(language)


def _foremost(figure: Lines | Bars) -> list[Series]:
    """The series to speak of, in their order: all of a few, else those that reach furthest from zero."""

    def reach(series: Series) -> Decimal:
        return max((abs(Decimal(value)) for value in series.values if value is not None), default=Decimal(0))

    chosen = sorted(figure.series, key=reach, reverse=True)[:_MOST_SERIES]
    return [series for series in figure.series if series in chosen]


def _others(figure: Lines | Bars, language: Language) -> str:
    rest = len(figure.series) - _MOST_SERIES
    if rest <= 0:
        return ""
    return f"另有 {rest} 项见表。" if language == "zh" else f"{rest} more in the table."


def _waterfall(figure: Waterfall, language: Language, amount: _Show) -> list[str]:
    known = [step for step in figure.steps if step.value is not None]
    totals = [step for step in known if step.kind == "total"]
    changes = [step for step in known if step.kind == "change"]
    parts: list[str] = []
    if totals:
        names = [f"{step.label.text(language)} {amount(step.value)}" for step in totals]
        parts.append("，".join(names) + "。" if language == "zh" else ", ".join(names) + ".")
    if changes:
        largest = max(changes, key=lambda step: abs(Decimal(step.value or 0)))
        name, value = largest.label.text(language), amount(largest.value)
        parts.append(f"最大变动：{name} {value}。" if language == "zh" else f"Largest step: {name} {value}.")
    return parts


def _line(figure: Lines, series: Series, language: Language, amount: _Show) -> str:
    known = [i for i, value in enumerate(series.values) if value is not None]
    if not known:
        return ""
    first, last = known[0], known[-1]
    name, values = series.label.text(language), series.values
    start = _at(figure, first, amount(values[first]), language)
    if first == last:
        return f"{name}：{start}。" if language == "zh" else f"{name}: {start}."
    end = _at(figure, last, amount(values[last]), language)
    if last in series.partial:
        word = figure.partial_word.text(language)
        end += f"，{word}" if language == "zh" else f", {word}"
    return f"{name}：{start}，{end}。" if language == "zh" else f"{name}: {start}, {end}."


def _marks(figure: Lines, language: Language) -> str:
    """What the upright rules mark."""
    told = [
        f"{mark.label.text(language)} {figure.categories[mark.position].text(language)}"
        for mark in figure.marks
    ]
    if not told:
        return ""
    return f"标记：{'；'.join(told)}。" if language == "zh" else f"Marked: {'; '.join(told)}."


def _bars(figure: Bars, series: Series, language: Language, amount: _Show) -> str:
    known = [(Decimal(value), i) for i, value in enumerate(series.values) if value is not None]
    if not known:
        return ""
    name = series.label.text(language)
    if len(known) == 1:
        only = _at(figure, known[0][1], amount(known[0][0]), language)
        return f"{name}：{only}。" if language == "zh" else f"{name}: {only}."
    (low, low_at), (high, high_at) = min(known), max(known, key=lambda pair: (pair[0], -pair[1]))
    lowest = _at(figure, low_at, amount(low), language)
    highest = _at(figure, high_at, amount(high), language)
    if language == "zh":
        return f"{name}：最低 {lowest}，最高 {highest}。"
    return f"{name}: lowest {lowest}, highest {highest}."


def _heat_map(figure: HeatMap, language: Language, amount: _Show) -> str:
    spreads: list[str] = []
    for j, column in enumerate(figure.columns):
        values = [Decimal(cell) for row in figure.cells if (cell := row[j]) is not None]
        if not values:
            continue
        name, low, high = column.text(language), amount(min(values)), amount(max(values))
        if language == "zh":
            spreads.append(f"{name} {low if low == high else f'{low}至{high}'}（{len(values)} 格）")
        else:
            spreads.append(f"{name} {low if low == high else f'{low} to {high}'} ({len(values)} cells)")
    if not spreads:
        return ""
    if language == "zh":
        return f"{len(figure.rows)} 行{figure.row_axis.zh}，按{figure.column_axis.zh}：{'；'.join(spreads)}。"
    return f"{len(figure.rows)} rows of {figure.row_axis.en.lower()}. " + f"{'; '.join(spreads)}."


def _at(figure: Lines | Bars, position: int, shown: str, language: Language) -> str:
    category = figure.categories[position].text(language)
    return f"{shown}（{category}）" if language == "zh" else f"{shown} ({category})"
