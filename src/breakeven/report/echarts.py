"""Figures as Apache ECharts options: pure data, no function, nothing that a page must not trust.

`payload` gives the option beside the texts the page's script needs (axis labels), because numbers are put
into words here and nowhere else. Colours are `var(--name)`, or `var(--name)/0.5` where they are thinned: the
script reads them from the page, so light and dark mode follow. Every datum carries the `text` that a pointer
over it is told.
"""

from __future__ import annotations

from collections.abc import Sequence

from breakeven.report.axes import text_width, value_ticks
from breakeven.report.describe import describe
from breakeven.report.echarts_series import (
    Option,
    bar_series,
    heat_cells,
    line_series,
    number,
    waterfall_series,
)
from breakeven.report.figures import Bars, Figure, HeatMap, Lines, Waterfall
from breakeven.report.numbers import compact, tick_labels
from breakeven.report.view_model import Language

_INK, _SOFT, _RULE = "var(--ink)", "var(--soft)", "var(--rule)"
_PHONE = 560  # pixels below which the legend needs the lines of a narrow chart


def payload(figure: Figure, language: Language = "en", *, code: bool = False) -> Option:
    """What the page needs to draw a figure: `option` for ECharts, `ticks` to label its value axis, `height`.

    >>> from breakeven.report.figures import Series, verbatim
    >>> from breakeven.report.view_model import Label
    >>> chart = Bars("users", Label("Users", "用户"), "users", (verbatim("03"),), (
    ...     Series("new", Label("New", "新增"), (7_000,)),))
    >>> payload(chart)["option"]["series"][0]["data"][0]
    {'value': 7000, 'text': 'New, 03: 7,000 users'}
    >>> payload(chart)["ticks"]
    ['0', '2K', '4K', '6K', '8K']
    """
    match figure:
        case Lines():
            series = [part for n in range(len(figure.series)) for part in line_series(figure, n, language)]
            drawn = _upright(figure, language, series, trigger="axis")
        case Bars():
            series = [bar_series(figure, n, language) for n in range(len(figure.series))]
            drawn = (
                _rows(figure, language, series, code=code)
                if figure.horizontal
                else _upright(figure, language, series)
            )
        case Waterfall():
            drawn = _waterfall(figure, language, code=code)
        case HeatMap():
            drawn = _heat_map(figure, language)
    drawn["option"] |= {
        "animation": False,
        "textStyle": {"color": _INK, "fontSize": 12},
        "aria": {"enabled": True, "label": {"description": describe(figure, code=code).text(language)}},
    }
    return drawn


def _upright(
    figure: Lines | Bars, language: Language, series: Sequence[Option], *, trigger: str = "item"
) -> Option:
    value, labels = _value_axis(figure, language)
    names = [label.text(language) for label in figure.categories]
    legend, wide, narrow = _legend(figure, language)
    if isinstance(figure, Lines) and figure.marks:
        wide, narrow = wide + 12, narrow + 12  # their names stand above the plot
    return {
        "ticks": labels,
        "height": 260 + narrow,
        "option": {
            "tooltip": _tooltip(trigger),
            "legend": legend,
            "grid": {"left": 4, "right": 8, "top": wide, "bottom": 4},
            "xAxis": _category_axis(names),
            "yAxis": value,
            "series": list(series),
        },
        "phone": {"maxWidth": _PHONE, "option": {"grid": {"top": narrow}}},
    }


def _rows(figure: Bars, language: Language, series: list[Option], *, code: bool) -> Option:
    value, labels = _value_axis(figure, language)
    names = [label.text(language) for label in figure.categories]
    legend, wide, narrow = _legend(figure, language)
    for n, one in enumerate(series if not figure.stacked else ()):
        for datum, amount in zip(one["data"], figure.series[n].values, strict=True):
            shown = compact(amount, figure.unit, language, code=code)
            look = {"show": amount is not None, "position": "right", "formatter": shown}
            datum["label"] = look | {"color": _INK}
    lanes = 1 if figure.stacked else max(1, len(series))
    return {
        "ticks": labels,
        "height": narrow + 30 + len(names) * (lanes * 16 + 14),
        "option": {
            "tooltip": _tooltip("item"),
            "legend": legend,
            "grid": {"left": 4, "right": 56, "top": wide, "bottom": 4},
            "xAxis": value,
            "yAxis": _category_axis(names) | {"inverse": True},
            "series": series,
        },
        "phone": {
            "maxWidth": _PHONE,
            "option": {"grid": {"top": narrow}, "yAxis": {"axisLabel": {"width": 100}}},
        },
    }


def _waterfall(figure: Waterfall, language: Language, *, code: bool) -> Option:
    value, labels = _value_axis(figure, language)
    names = [step.label.text(language) for step in figure.steps]
    shown = [compact(step.value, figure.unit, language, code=code) for step in figure.steps]
    figures = _category_axis(shown) | {"inverse": True, "position": "right", "axisLine": {"show": False}}
    figures["axisLabel"] = {"color": _INK, "align": "right", "margin": 70}
    return {
        "ticks": labels,
        "height": 40 + 28 * len(names),
        "option": {
            "tooltip": _tooltip("item"),
            "grid": {"left": 4, "right": 4, "top": 8, "bottom": 4},
            "xAxis": value,
            "yAxis": [_category_axis(names) | {"inverse": True}, figures],
            "series": waterfall_series(figure, language),
        },
        "phone": {"maxWidth": _PHONE, "option": {"yAxis": [{"axisLabel": {"width": 100}}, {}]}},
    }


def _heat_map(figure: HeatMap, language: Language) -> Option:
    limit = number(figure.colour_limit())
    names = [label.text(language) for label in figure.rows]
    if figure.sizes is not None:
        sizes = [compact(size, figure.size_unit, language) for size in figure.sizes]
        names = [f"{name}  {size}" for name, size in zip(names, sizes, strict=True)]
    ages = _category_axis([label.text(language) for label in figure.columns])
    return {
        "ticks": [],
        "height": 50 + 28 * len(names),
        "width": 120 + 54 * len(figure.columns),
        "option": {
            "tooltip": _tooltip("item"),
            "grid": {"left": 4, "right": 4, "top": 24, "bottom": 4},
            "visualMap": {"show": False, "min": 0, "max": limit},
            "xAxis": ages | {"position": "top", "axisLine": {"show": False}},
            "yAxis": _category_axis(names) | {"inverse": True, "axisLine": {"show": False}},
            "series": [
                {"type": "heatmap", "emphasis": {"disabled": True}, "data": heat_cells(figure, language)}
            ],
        },
        "phone": {"maxWidth": _PHONE, "option": {}},
    }


def _value_axis(figure: Lines | Bars | Waterfall, language: Language) -> tuple[Option, list[str]]:
    """The axis on the same round numbers as the static drawing, and the labels of its ticks in order."""
    ticks = value_ticks(figure)
    axis: Option = {
        "type": "value",
        "min": number(ticks[0]),
        "max": number(ticks[-1]),
        "interval": number(ticks[1] - ticks[0]),
        "axisLabel": {"color": _SOFT, "hideOverlap": True},
        "splitLine": {"lineStyle": {"color": _RULE}},
    }
    return axis, list(tick_labels(ticks, figure.unit, language))


def _category_axis(names: list[str]) -> Option:
    return {
        "type": "category",
        "data": names,
        "axisTick": {"show": False},
        "axisLine": {"lineStyle": {"color": _SOFT}},  # drawn at zero
        "axisLabel": {"color": _SOFT, "width": 180, "overflow": "truncate", "hideOverlap": True},
    }


def _legend(figure: Lines | Bars, language: Language) -> tuple[Option, int, int]:
    """The legend, and the pixels it takes at the top of a wide and of a narrow chart."""
    names = [series.label.text(language) for series in figure.series]
    if len(names) < 2:
        return {"show": False}, 12, 12
    needed = [text_width(name, 12) + 40 for name in names]
    legend = {
        "data": names,
        "left": 0,
        "top": 0,
        "itemWidth": 12,
        "itemHeight": 10,
        "textStyle": {"color": _INK},
    }
    return legend, 36 + 22 * int(sum(needed) / 760), 36 + 22 * int(sum(needed) / 300)


def _tooltip(trigger: str) -> Option:
    # Drawn as text, never as HTML: no markup to inject, no inline style for the page's policy to refuse.
    return {"trigger": trigger, "renderMode": "richText", "confine": True, "textStyle": {"fontSize": 12}}
