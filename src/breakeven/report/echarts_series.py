"""The series of ECharts options: what is drawn between the axes.

Two things make charts lie here, and are avoided: ECharts stacks by sign, so a waterfall bar that crosses
zero is drawn as one piece above and one below, and a band around a line is stacked with `stackStrategy: all`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from breakeven.report.figures import Bars, HeatMap, Lines, Series, Waterfall
from breakeven.report.marks import in_full, told
from breakeven.report.numbers import compact
from breakeven.report.svg_heat_map import LIGHT_TEXT_FROM, shade
from breakeven.report.view_model import Language

Option = dict[str, Any]
BLUE, ORANGE = "var(--blue)", "var(--orange)"
SERIES = (BLUE, ORANGE, *(f"var(--series-{n})" for n in range(3, 9)))


def line_series(figure: Lines, n: int, language: Language) -> list[Option]:
    """A line, its dashed part where periods are not complete, and its interval."""
    series, tint = figure.series[n], SERIES[n % len(SERIES)]
    name = series.label.text(language)
    data = [
        {"value": number(value), "text": told(figure, n, i, language)}
        for i, value in enumerate(series.values)
    ]
    gap: Option = {"value": None}
    shared: Option = {"type": "line", "name": name, "color": tint, "emphasis": {"disabled": True}}
    whole = [gap if i in series.partial else datum for i, datum in enumerate(data)]
    parts = [shared | {"symbol": "circle", "symbolSize": 6, "data": whole}]
    if series.partial:
        kept = series.partial | {beside for i in series.partial for beside in (i - 1, i + 1)}
        tail = [
            datum
            if i in series.partial
            else {"value": datum["value"], "symbol": "none"}
            if i in kept
            else gap
            for i, datum in enumerate(data)
        ]
        look = {
            "symbol": "circle",
            "symbolSize": 6,
            "lineStyle": {"type": "dashed", "color": tint},
            "itemStyle": {"color": "var(--paper)", "borderColor": tint, "borderWidth": 1.5},
        }
        parts.append(shared | look | {"data": tail})
    if n == 0 and figure.marks:
        parts[0]["markLine"] = _rules(figure, language)
    return parts + _band(series, name, n, tint)


def _rules(figure: Lines, language: Language) -> Option:
    """Upright rules at the marked categories, with their names."""
    return {
        "symbol": "none",
        "silent": True,
        "lineStyle": {"color": "var(--soft)", "type": "dotted"},
        "data": [
            {
                "xAxis": mark.position,
                "label": {
                    "formatter": mark.label.text(language),
                    "position": "insideEndTop",
                    "rotate": 0,
                    "color": "var(--ink)",
                },
            }
            for mark in figure.marks
        ],
    }


def _band(series: Series, name: str, n: int, tint: str) -> list[Option]:
    if series.band is None:
        return []
    unseen: Option = {
        "type": "line",
        "name": name,  # so that the legend hides a line together with its interval
        "z": 1,
        "stack": f"band-{n}",
        "stackStrategy": "all",
        "symbol": "none",
        "silent": True,
    }
    unseen |= {"color": tint, "lineStyle": {"opacity": 0}, "emphasis": {"disabled": True}}
    low = [{"value": number(span[0] if span else None)} for span in series.band]
    width = [{"value": number(span[1] - span[0] if span else None)} for span in series.band]
    return [unseen | {"data": low}, unseen | {"data": width, "areaStyle": {"opacity": 0.16}}]


def bar_series(figure: Bars, n: int, language: Language) -> Option:
    """The bars of one series."""
    series = figure.series[n]
    data: list[Option] = []
    for i, value in enumerate(series.values):
        datum: Option = {"value": number(value), "text": told(figure, n, i, language)}
        if i in series.partial:
            datum["itemStyle"] = {"opacity": 0.4}
        data.append(datum)
    drawn: Option = {
        "type": "bar",
        "name": series.label.text(language),
        "color": SERIES[n % len(SERIES)],
        "barMaxWidth": 44,
        "emphasis": {"disabled": True},
        "data": data,
    }
    return drawn | {"stack": "all", "stackStrategy": "samesign"} if figure.stacked else drawn


def waterfall_series(figure: Waterfall, language: Language) -> list[Option]:
    """Each bar as what lies above zero and what lies below it, each on an unseen base of its own sign."""
    zero = Decimal(0)
    data: dict[str, list[Option]] = {"base_above": [], "base_below": [], "above": [], "below": []}
    for step, span in zip(figure.steps, figure.spans(), strict=True):
        low, high = (min(span), max(span)) if span else (zero, zero)
        falls = step.value is not None and step.value < 0
        look = {"color": ORANGE if falls else BLUE, "opacity": 1 if step.kind == "total" else 0.55}
        text = f"{step.label.text(language)}: {in_full(step.value, figure.unit, language)}"
        parts = {
            "base_above": max(low, zero),
            "base_below": min(high, zero),
            "above": max(high, zero) - max(low, zero),
            "below": min(low, zero) - min(high, zero),
        }
        for key, part in parts.items():
            datum: Option = {"value": number(part)}
            data[key].append(datum if key.startswith("base") else datum | {"text": text, "itemStyle": look})
    return [
        {
            "type": "bar",
            "name": key,
            "stack": "bridge",
            "barWidth": "56%",
            "silent": key.startswith("base"),
            "itemStyle": {"opacity": 0} if key.startswith("base") else {},
            "emphasis": {"disabled": True},
            "data": data[key],
        }
        for key in data
    ]


def heat_cells(figure: HeatMap, language: Language) -> list[Option]:
    """The cells that have a value, each with its own colour and text."""
    limit = figure.colour_limit()
    cells: list[Option] = []
    for i, row in enumerate(figure.cells):
        for j, cell in enumerate(row):
            if cell is None:
                continue
            depth = shade(cell, limit)
            where = f"{figure.rows[i].text(language)}, {figure.columns[j].text(language)}"
            text = f"{where}: {in_full(cell, figure.unit, language)}"
            look = {
                "show": True,
                "formatter": compact(cell, figure.unit, language, sign=False),
                "color": "var(--on-colour)" if depth >= LIGHT_TEXT_FROM else "var(--ink)",
            }
            tint = ORANGE if cell < 0 else BLUE
            paint: Option = {"color": f"{tint}/{depth:g}"}
            if (i, j) in figure.partial:
                paint |= {"borderColor": tint, "borderType": "dashed", "borderWidth": 1}
            cells.append(
                {
                    "value": [j, i, number(cell)],
                    "visualMap": False,  # the colour is set here, by sign and magnitude
                    "itemStyle": paint,
                    "label": look,
                    "text": f"{text}, {figure.partial_word.text(language)}"
                    if (i, j) in figure.partial
                    else text,
                }
            )
    return cells


def number(value: Decimal | int | None) -> float | int | None:
    """The nearest number that JSON can carry; it is only drawn, never read out."""
    if value is None or isinstance(value, int):
        return value
    return int(value) if value == value.to_integral_value() else float(value)
