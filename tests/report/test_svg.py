"""Drawn coordinates against the data: a bar is as long as its value says, whatever the page looks like."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from breakeven.report.axes import text_width
from breakeven.report.figures import Bars, Lines, Mark, Series, verbatim
from breakeven.report.svg import NARROW, WIDE, draw
from breakeven.report.view_model import Label

from . import sample

NS = "{http://www.w3.org/2000/svg}"
WIDTHS = pytest.mark.parametrize("width", [WIDE, NARROW])


def marks(figure, kind, width=WIDE, language="en"):
    """Drawn marks by (series or step, position)."""
    root = ElementTree.fromstring(draw(figure, language, width=width))
    return {
        (group.get("data-s"), int(one.get("data-i"))): one
        for group in root.iter(NS + "g")
        if group.get("data-s") is not None
        for one in group.iter(NS + kind)
    }


def number(mark, name):
    return float(mark.get(name))


def line_through(pairs):
    """Slope and offset of the straight line through the extreme (value, pixel) pairs."""
    (v0, p0), (v1, p1) = min(pairs), max(pairs)
    slope = (p1 - p0) / float(v1 - v0)
    return slope, p0 - slope * float(v0)


def assert_on_one_scale(pairs):
    slope, offset = line_through(pairs)
    for value, pixel in pairs:
        assert pixel == pytest.approx(slope * float(value) + offset, abs=0.06)


@WIDTHS
def test_waterfall_bars_lie_where_their_steps_are(width):
    figure = sample.waterfall()
    bars = marks(figure, "rect", width)
    pairs = []
    running = Decimal(0)
    for i, step in enumerate(figure.steps):
        start = Decimal(0) if step.kind == "total" else running
        running = start + step.value
        bar = bars[step.key, i]
        pairs.append((min(start, running), number(bar, "x")))
        pairs.append((max(start, running), number(bar, "x") + number(bar, "width")))
    assert_on_one_scale(pairs)
    assert any(
        low < 0 < high for (low, _), (high, _) in zip(pairs[::2], pairs[1::2], strict=True)
    )  # crosses zero


@WIDTHS
def test_stacked_bars_grow_from_zero_by_sign(width):
    figure = sample.spend()
    bars = marks(figure, "rect", width)
    pairs = []
    for i in range(len(figure.categories)):
        up = down = Decimal(0)
        for series in figure.series:
            value = series.values[i]
            start = up if value >= 0 else down
            if value >= 0:
                up += value
            else:
                down += value
            bar = bars[series.key, i]
            top, bottom = number(bar, "y"), number(bar, "y") + number(bar, "height")
            pairs += [(max(start, start + value), top), (min(start, start + value), bottom)]
    assert_on_one_scale(pairs)


@WIDTHS
def test_grouped_rows_have_the_length_of_their_values_and_absent_ones_no_bar(width):
    figure = sample.acquisition_cost()
    bars = marks(figure, "rect", width)
    assert ("marginal", 2) not in bars
    pairs = []
    for (key, i), bar in bars.items():
        value = next(series for series in figure.series if series.key == key).values[i]
        left, right = number(bar, "x"), number(bar, "x") + number(bar, "width")
        pairs += [(Decimal(0), left), (value, right)] if value >= 0 else [(value, left), (Decimal(0), right)]
    assert_on_one_scale(pairs)


@WIDTHS
def test_points_and_the_band_around_them_share_one_scale(width):
    figure = sample.payback()
    points = marks(figure, "circle", width)
    pairs = []
    for series in figure.series:
        for i, value in enumerate(series.values):
            assert ((series.key, i) in points) == (value is not None)
            if value is not None:
                pairs.append((value, number(points[series.key, i], "cy")))
    root = ElementTree.fromstring(draw(figure, width=width))
    (band,) = (one for one in root.iter(NS + "polygon"))
    corners = [tuple(map(float, corner.split(","))) for corner in band.get("points").split()]
    spans = figure.series[0].band
    outline = [high for _, high in spans] + [low for low, _ in reversed(spans)]
    pairs += [(value, y) for value, (_, y) in zip(outline, corners, strict=True)]
    assert any(low < 0 < high for low, high in spans)
    assert_on_one_scale(pairs)


def test_lines_leave_gaps_open_and_dash_what_is_not_complete():
    root = ElementTree.fromstring(draw(sample.payback()))
    paths = list(root.iter(NS + "path"))
    dashed = [one for one in paths if one.get("stroke-dasharray")]
    assert [one.get("d").count("M") for one in paths] == [
        6,
        2,
        5,
    ]  # 9 points, 2 partial; 7 points in two runs
    assert len(dashed) == 1


@pytest.mark.parametrize("language", ["en", "zh"])
def test_triangle_cells_show_their_values_and_blank_cells_are_blank(language):
    figure = sample.triangle()
    cells = marks(figure, "rect", language=language)
    drawn = {(int(row), column) for row, column in cells}
    assert drawn == {(i, j) for i in range(6) for j in range(6) if figure.cells[i][j] is not None}
    depth = {key: number(mark, "fill-opacity") for key, mark in cells.items()}
    assert depth["0", 1] > depth["0", 2] > depth["0", 5]
    assert {key for key, mark in cells.items() if mark.get("stroke-dasharray")} == {("0", 5), ("5", 0)}


@WIDTHS
@pytest.mark.parametrize("language", ["en", "zh"])
def test_texts_stay_inside_and_do_not_overlap(width, language):
    for figure in sample.page().figures():
        root = ElementTree.fromstring(draw(figure, language, width=width))
        boxes = []
        grouped = {one: group for group in root.iter(NS + "g") for one in group}
        for one in root.iter(NS + "text"):
            long = text_width(one.text or "", 12)
            anchor = one.get("text-anchor") or grouped.get(one, one).get("text-anchor")
            x = number(one, "x") - {"end": long, "middle": long / 2}.get(anchor, 0)
            boxes.append((x, number(one, "y"), x + long, one.text))
            assert x >= -1, one.text
            assert x + long <= float(root.get("width")) + 1, one.text
        boxes.sort()
        for a in boxes:
            for b in boxes:
                if a is not b and a[0] <= b[0] and abs(a[1] - b[1]) < 10:
                    assert a[2] <= b[0] + 1, (figure.id, a, b)


def test_hostile_names_are_text():
    name = "<script>alert(1)</script>\x00\x1b[31m&\"'"
    figure = Bars(
        "x", Label(name, name), "CNY", (verbatim(name),), (Series(name, verbatim(name), (Decimal(1),)),)
    )
    for drawn in (draw(figure), draw(Lines("x", figure.title, "CNY", figure.categories, figure.series))):
        root = ElementTree.fromstring(drawn)
        assert not list(root.iter(NS + "script"))
        assert "<script" not in drawn


def test_a_drawing_needs_no_style_attribute_and_says_what_it_shows():
    for figure in sample.page().figures():
        root = ElementTree.fromstring(draw(figure, "zh"))
        assert root.get("role") == "img"
        assert root.get("aria-label")
        assert not any(one.get("style") or one.tag == NS + "style" for one in root.iter())


def test_many_points_are_a_line_and_a_lone_one_stays_visible():
    values = tuple(None if i in (50, 52) else Decimal(i) for i in range(184))
    days = tuple(verbatim(str(i)) for i in range(184))
    drawn = draw(Lines("x", Label("X", "某"), "users", days, (Series("a", Label("A", "甲"), values),)))
    root = ElementTree.fromstring(drawn)
    assert [one.get("data-i") for one in root.iter(NS + "circle")] == ["51"]
    assert len(drawn) < 8_000


@WIDTHS
def test_a_mark_stands_where_its_category_is_and_bears_its_name(width):
    figure = replace(sample.payback(), marks=(Mark(2, Label("paid <back>", "回本")),))
    root = ElementTree.fromstring(draw(figure, width=width))
    (rule,) = (one for one in root.iter(NS + "line") if one.get("data-mark") == "2")
    point = marks(figure, "circle", width)[figure.series[0].key, 2]
    assert number(rule, "x1") == number(rule, "x2") == number(point, "cx")
    assert "paid <back>" in [one.text for one in root.iter(NS + "text")]
