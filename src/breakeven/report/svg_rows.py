"""Bars in rows as static SVG: a name at the left, a bar on a common scale, its figure at the right.

Waterfalls are drawn this way too, so that a statement reads from top to bottom as it does in a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from math import ceil

from breakeven.report.axes import text_width, value_ticks
from breakeven.report.figures import Bars, Span, Waterfall
from breakeven.report.marks import (
    BLUE,
    FONT_SIZE,
    ORANGE,
    PARTIAL_BAR,
    RULE,
    SOFT,
    Drawing,
    Scale,
    colour,
    element,
    fit,
    in_full,
    legend,
    told,
    words,
)
from breakeven.report.numbers import compact, tick_labels
from breakeven.report.view_model import Language

_BAR, _GAP = 14, 12  # pixels


@dataclass(frozen=True)
class _Row:
    """One bar: its lane within a named group, where it lies, how it looks and what is written beside it."""

    group: int
    lane: int
    key: str
    position: int
    span: Span | None
    paint: dict[str, str | float]
    hint: str
    figure: str


def draw_rows(sheet: Drawing, figure: Bars, language: Language, *, code: bool) -> float:
    """Draw horizontal bars, side by side or stacked by sign; returns the height used."""
    rows: list[_Row] = []
    for n, (series, spans) in enumerate(zip(figure.series, figure.spans(), strict=True)):
        for i, span in enumerate(spans):
            shown = "" if figure.stacked else compact(series.values[i], figure.unit, language, code=code)
            paint: dict[str, str | float] = {"fill": colour(n)}
            if i in series.partial:
                paint |= PARTIAL_BAR | {"stroke": colour(n)}
            pointed = told(figure, n, i, language)
            rows.append(_Row(i, 0 if figure.stacked else n, series.key, i, span, paint, pointed, shown))
    top = legend(sheet, figure.unit, [series.label for series in figure.series], language)
    names = [label.text(language) for label in figure.categories]
    lanes = 1 if figure.stacked else max(1, len(figure.series))
    return _draw(sheet, figure, language, top, names, rows, lanes)[1]


def draw_waterfall(sheet: Drawing, figure: Waterfall, language: Language, *, code: bool) -> float:
    """Draw totals from zero and changes from where the last bar ended; returns the height used."""
    rows: list[_Row] = []
    spans = figure.spans()
    for i, (step, span) in enumerate(zip(figure.steps, spans, strict=True)):
        falls = step.value is not None and step.value < 0
        paint: dict[str, str | float] = {"fill": ORANGE if falls else BLUE}
        if step.kind == "change":
            paint["fill_opacity"] = 0.55
        shown = compact(step.value, figure.unit, language, code=code)
        pointed = f"{step.label.text(language)}: {in_full(step.value, figure.unit, language)}"
        rows.append(_Row(i, 0, step.key, i, span, paint, pointed, shown))
    top = legend(sheet, figure.unit, (), language)
    names = [step.label.text(language) for step in figure.steps]
    totals = frozenset(i for i, step in enumerate(figure.steps) if step.kind == "total")
    scale, height = _draw(sheet, figure, language, top, names, rows, 1, bold=totals)
    for i, (here, there) in enumerate(pairwise(spans)):
        if here and there:  # a thin thread from the end of one bar to the start of the next
            x, y = scale.at(here[1]), top + _GAP / 2 + i * (_BAR + _GAP) + _BAR
            sheet.add(element("line", x1=x, x2=x, y1=y, y2=y + _GAP, stroke=SOFT, stroke_dasharray="2 2"))
    return height


def _draw(
    sheet: Drawing,
    figure: Bars | Waterfall,
    language: Language,
    top: float,
    names: Sequence[str],
    rows: Sequence[_Row],
    lanes: int,
    *,
    bold: frozenset[int] = frozenset(),
) -> tuple[Scale, float]:
    """Names, grid, bars and figures; returns the value scale and the height used."""
    size = FONT_SIZE
    left = min(max((text_width(name, size) * 1.06 for name in names), default=0), sheet.width * 0.36) + 12
    right = max((text_width(row.figure, size) for row in rows), default=0) * 1.06 + 10
    ticks = value_ticks(figure)
    scale = Scale(ticks[0], ticks[-1], left + 6, sheet.width - right - 6)
    pitch = lanes * _BAR + _GAP
    bottom = top + pitch * len(names)
    _draw_grid(sheet, scale, ticks, tick_labels(ticks, figure.unit, language), top, bottom)
    for i, name in enumerate(names):
        y = top + pitch * i + pitch / 2 + 4
        weight = {"font_weight": 600} if i in bold else {}
        label = element("g", sheet.hint(name), words(fit(name, left - 12), 0, y, **weight))
        sheet.add(label)
    for row in rows:
        y = top + _GAP / 2 + pitch * row.group + _BAR * row.lane
        if row.span is not None:
            low, high = scale.at(min(row.span)), scale.at(max(row.span))
            box = {"x": low, "y": y + 0.5, "width": high - low, "height": _BAR - 1}
            bar = element("rect", sheet.hint(row.hint), **box, **row.paint, data_i=row.position)
            sheet.add(element("g", bar, data_s=row.key))
        if row.figure:
            weight = {"font_weight": 600} if row.group in bold else {}
            sheet.add(words(row.figure, sheet.width, y + _BAR / 2 + 4, text_anchor="end", **weight))
    return scale, bottom + 24


def _draw_grid(
    sheet: Drawing, scale: Scale, ticks: Sequence[Decimal], labels: Sequence[str], top: float, bottom: float
) -> None:
    widest = max(text_width(label, FONT_SIZE) for label in labels) + 8
    every = ceil(widest / (scale.at(ticks[1]) - scale.at(ticks[0])))
    zero = ticks.index(Decimal(0))
    for i, (tick, label) in enumerate(zip(ticks, labels, strict=True)):
        if (i - zero) % every:
            continue  # labels would touch; zero always keeps its own
        x = scale.at(tick)
        rule = {"stroke": SOFT, "stroke_opacity": 0.7} if tick == 0 else {"stroke": RULE}
        sheet.add(element("line", x1=x, x2=x, y1=top, y2=bottom, **rule))
        sheet.add(words(label, x, bottom + 16, text_anchor="middle", fill=SOFT))
