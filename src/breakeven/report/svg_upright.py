"""Lines and upright bars as static SVG: values go up, categories go right."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from math import ceil

from breakeven.report.axes import text_width, value_ticks
from breakeven.report.figures import Bars, Lines, Series, Span
from breakeven.report.marks import (
    FONT_SIZE,
    PAPER,
    PARTIAL_BAR,
    RULE,
    SOFT,
    Drawing,
    Scale,
    colour,
    element,
    fit,
    legend,
    told,
    words,
)
from breakeven.report.numbers import tick_labels
from breakeven.report.view_model import Language

_PLOT_HEIGHT = 230
_MANY_POINTS = 40  # more than this are drawn as a line without dots, unless they stand alone
_NAME_WIDTH = 90


def _upright_frame(sheet: Drawing, figure: Lines | Bars, language: Language) -> tuple[Scale, Scale, float]:
    """Legend, grid and axes of a chart whose values go up; its value scale, category scale and height."""
    top = legend(sheet, figure.unit, [series.label for series in figure.series], language) + 6
    ticks = value_ticks(figure)
    labels = tick_labels(ticks, figure.unit, language)
    left = max(text_width(label, FONT_SIZE) for label in labels) + 8
    bottom = top + _PLOT_HEIGHT
    value = Scale(ticks[0], ticks[-1], bottom, top)
    slot = (sheet.width - left - 8) / max(1, len(figure.categories))
    category = Scale(Decimal(0), Decimal(1), left + slot / 2, left + slot * 1.5)
    for tick, label in zip(ticks, labels, strict=True):
        y = value.at(tick)
        rule = {"stroke": SOFT, "stroke_opacity": 0.7} if tick == 0 else {"stroke": RULE}
        sheet.add(element("line", x1=left, x2=sheet.width, y1=y, y2=y, **rule))
        sheet.add(words(label, left - 8, y + 4, text_anchor="end", fill=SOFT))
    names = [label.text(language) for label in figure.categories]
    widest = max((text_width(name, FONT_SIZE) for name in names), default=0)
    step = 1 if widest <= slot - 4 else ceil((min(widest, _NAME_WIDTH) + 8) / slot)
    for i, name in list(enumerate(names))[::step]:
        x = min(category.at(i), sheet.width - min(widest, slot * step) / 2)
        sheet.add(words(fit(name, slot * step - 4), x, bottom + 18, text_anchor="middle", fill=SOFT))
    return value, category, bottom + 26


def draw_lines(sheet: Drawing, figure: Lines, language: Language) -> float:
    """Draw lines, their intervals and their points; returns the height used."""
    value, category, height = _upright_frame(sheet, figure, language)
    _rules(sheet, figure, value, category, language)
    for n, series in enumerate(figure.series):
        sheet.add(*(_area(points, colour(n), series.key) for points in _bands(series, value, category)))
    for n, series in enumerate(figure.series):
        at = [None if one is None else (category.at(i), value.at(one)) for i, one in enumerate(series.values)]
        solid, dashed = "", ""
        for i, (here, there) in enumerate(pairwise(at), start=1):
            if here and there:
                stroke = f"M{here[0]:g} {here[1]:g}L{there[0]:g} {there[1]:g}"
                if series.partial.isdisjoint((i - 1, i)):
                    solid += stroke
                else:
                    dashed += stroke
        for path, style in ((solid, {}), (dashed, {"stroke_dasharray": "4 4"})):
            if path:
                sheet.add(element("path", d=path, fill="none", stroke=colour(n), stroke_width=2, **style))
        dots: list[str] = []
        for i, point in enumerate(at):
            alone = not any(at[max(0, i - 1) : i] + at[i + 1 : i + 2])
            if point is None or (len(at) > _MANY_POINTS and not alone):
                continue
            hollow: dict[str, str | float] = {"fill": PAPER} if i in series.partial else {}
            hint = sheet.hint(told(figure, n, i, language))
            dots.append(element("circle", hint, cx=point[0], cy=point[1], r=3, **hollow, data_i=i))
        sheet.add(element("g", *dots, fill=colour(n), stroke=colour(n), data_s=series.key))
    return height


def _rules(sheet: Drawing, figure: Lines, value: Scale, category: Scale, language: Language) -> None:
    """An upright rule at each marked category, its name on the side where there is more room."""
    for mark in figure.marks:
        x = category.at(mark.position)
        right = x < sheet.width / 2
        rule = {"stroke": SOFT, "stroke_dasharray": "1 3", "data_mark": mark.position}
        name = fit(mark.label.text(language), sheet.width / 2)
        sheet.add(
            element("line", x1=x, x2=x, y1=value.start, y2=value.end, **rule),
            words(name, x + 4 if right else x - 4, value.end + 10, text_anchor="start" if right else "end"),
        )


def _bands(series: Series, value: Scale, category: Scale) -> list[list[tuple[float, float]]]:
    """Outlines of the interval around a line: one polygon per unbroken run of positions that have one."""
    runs: list[list[tuple[int, Span]]] = [[]]
    for i, span in enumerate(series.band or ()):
        if span is None:
            runs.append([])
        else:
            runs[-1].append((i, span))
    return [
        [(category.at(i), value.at(high)) for i, (_, high) in run]
        + [(category.at(i), value.at(low)) for i, (low, _) in reversed(run)]
        for run in runs
        if run
    ]


def _area(points: list[tuple[float, float]], tint: str, key: str) -> str:
    outline = " ".join(f"{x:g},{y:g}" for x, y in points)
    return element("polygon", points=outline, fill=tint, fill_opacity=0.16, class_="band", data_s=key)


def draw_columns(sheet: Drawing, figure: Bars, language: Language) -> float:
    """Draw upright bars, side by side or stacked by sign; returns the height used."""
    value, category, height = _upright_frame(sheet, figure, language)
    slot = category.end - category.start
    lanes = 1 if figure.stacked else max(1, len(figure.series))
    thick = min(44.0, slot * 0.72 / lanes)
    for n, (series, spans) in enumerate(zip(figure.series, figure.spans(), strict=True)):
        offset = 0 if figure.stacked else (n - (lanes - 1) / 2) * thick
        bars: list[str] = []
        for i, span in enumerate(spans):
            if span is None:
                continue
            high, low = value.at(max(span)), value.at(min(span))
            box = {"x": category.at(i) + offset - thick / 2 + 0.5, "width": thick - 1}
            look = PARTIAL_BAR | {"stroke": colour(n)} if i in series.partial else {}
            hint = sheet.hint(told(figure, n, i, language))
            bars.append(element("rect", hint, **box, y=high, height=low - high, **look, data_i=i))
        sheet.add(element("g", *bars, fill=colour(n), data_s=series.key))
    return height
