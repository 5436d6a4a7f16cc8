"""Option values against the data, stacked as ECharts stacks them, and on the scale of the static drawing."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest

from breakeven.report.axes import value_ticks
from breakeven.report.echarts import payload
from breakeven.report.figures import Bars, HeatMap, Lines, Mark, Waterfall
from breakeven.report.view_model import Label

from . import sample


def option(figure, language="en"):
    return payload(figure, language)["option"]


def values(series):
    return [datum["value"] for datum in series["data"]]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_options_are_pure_data(language):
    for figure in sample.page().figures():
        answer = payload(figure, language)
        assert json.loads(json.dumps(answer, allow_nan=False)) == answer
        assert answer["option"]["tooltip"]["renderMode"] == "richText"  # no HTML is built from data


def test_a_waterfall_stacked_by_sign_gives_its_spans():
    figure = sample.waterfall()
    base_above, base_below, above, below = option(figure)["series"]
    for i, span in enumerate(figure.spans()):
        pieces = []
        for base, body in ((base_above, above), (base_below, below)):
            start, length = values(base)[i], values(body)[i]
            assert start * length >= 0  # the same sign, so that the two are stacked on each other
            if length:
                pieces.append(tuple(sorted((start, start + length))))
        pieces.sort()
        assert (pieces[0][0], pieces[-1][1]) == pytest.approx((float(min(span)), float(max(span))))
        assert all(one[1] == other[0] == 0 for one, other in pairwise(pieces))
    assert any(
        values(above)[i] and values(below)[i] for i in range(len(figure.steps))
    )  # one bar crosses zero


def test_bars_hold_their_values_and_gaps():
    for figure in (sample.spend(), sample.acquisition_cost(), sample.cash()):
        for drawn, series in zip(option(figure)["series"], figure.series, strict=True):
            assert values(drawn) == [
                None if value is None else pytest.approx(float(value)) for value in series.values
            ]
            assert (drawn.get("stackStrategy") == "samesign") == figure.stacked


def test_a_band_is_its_low_and_its_width_stacked_whatever_the_sign():
    figure = sample.payback()
    solid, dashed, low, width, other = option(figure)["series"]
    assert low["stack"] == width["stack"]
    assert low["stackStrategy"] == width["stackStrategy"] == "all"
    stacked = [(a, a + b) for a, b in zip(values(low), values(width), strict=True)]
    assert stacked == [pytest.approx(tuple(map(float, span))) for span in figure.series[0].band]
    assert any(a < 0 < b for a, b in stacked)
    assert values(solid) == [*map(float, figure.series[0].values[:7]), None, None]
    assert values(dashed) == [None] * 6 + [*map(float, figure.series[0].values[6:])]
    assert dashed["lineStyle"] == {"type": "dashed", "color": "var(--blue)"}
    assert values(other)[3:5] == [None, None]


def test_triangle_cells_hold_their_values_and_blank_ones_are_left_out():
    figure = sample.triangle()
    data = option(figure, "zh")["series"][0]["data"]
    assert {tuple(datum["value"]) for datum in data} == {
        (j, i, float(cell))
        for i, row in enumerate(figure.cells)
        for j, cell in enumerate(row)
        if cell is not None
    }
    assert next(datum for datum in data if datum["value"][:2] == [1, 0])["label"]["formatter"] == "51.2%"
    assert sum("未满期" in datum["text"] for datum in data) == 2


@pytest.mark.parametrize("language", ["en", "zh"])
def test_both_drawings_have_one_scale(language):
    for figure in sample.page().figures():
        if isinstance(figure, HeatMap):
            continue
        answer = payload(figure, language)
        lying = isinstance(figure, Waterfall) or (isinstance(figure, Bars) and figure.horizontal)
        axis = answer["option"]["xAxis" if lying else "yAxis"]
        ticks = value_ticks(figure)
        assert (axis["min"], axis["max"]) == (float(ticks[0]), float(ticks[-1]))
        assert len(answer["ticks"]) == len(ticks) == round((axis["max"] - axis["min"]) / axis["interval"]) + 1
        assert answer["ticks"][ticks.index(Decimal(0))] in ("0", "0%")


def test_labels_are_in_the_language_asked_for():
    figure = sample.payback()
    assert isinstance(figure, Lines)
    assert option(figure, "zh")["legend"]["data"] == ["付费获客", "自然用户"]
    assert option(figure, "en")["xAxis"]["data"][0] == "Month 0"
    assert option(figure, "zh")["series"][0]["data"][0]["text"] == "付费获客, 第 0 月: -31.20 CNY/用户"


def test_marks_are_upright_rules_of_the_first_series_only():
    figure = replace(sample.payback(), marks=(Mark(2, Label("paid back", "回本")),))
    series = payload(figure, "zh")["option"]["series"]
    (rule,) = series[0]["markLine"]["data"]
    assert rule["xAxis"] == 2
    assert rule["label"]["formatter"] == "回本"
    assert not any("markLine" in one for one in series[1:])
