from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakeven.report.axes import ticks, value_ticks
from breakeven.report.describe import describe
from breakeven.report.figures import (
    EXTRAPOLATED,
    FORECAST,
    Bars,
    HeatMap,
    Lines,
    Mark,
    Series,
    Step,
    Waterfall,
    verbatim,
)
from breakeven.report.view_model import Label

from . import sample

X = Label("X", "某")
MONEY = st.decimals(min_value=Decimal("-1e9"), max_value=Decimal("1e9"), places=2)


def test_a_waterfall_that_does_not_add_up_is_refused():
    steps = (Step("a", X, Decimal(5), "total"), Step("b", X, Decimal(-2)), Step("c", X, Decimal(4), "total"))
    with pytest.raises(ValueError, match="c is 4, but the steps before it give 3"):
        Waterfall("bridge", X, "CNY", steps)


def test_a_waterfall_draws_nothing_after_a_missing_step_until_the_next_total():
    steps = (
        Step("a", X, Decimal(5), "total"),
        Step("b", X, None),
        Step("c", X, Decimal(-1)),
        Step("d", X, Decimal(3), "total"),
        Step("e", X, Decimal(-1)),
    )
    spans = Waterfall("bridge", X, "CNY", steps).spans()
    assert spans == ((0, 5), None, None, (0, 3), (3, 2))


@given(st.lists(st.lists(st.one_of(st.none(), MONEY), min_size=3, max_size=3), min_size=1, max_size=5))
def test_stacks_touch_and_never_overlap(values):
    series = tuple(Series(str(i), X, tuple(row)) for i, row in enumerate(values))
    chart = Bars("x", X, "CNY", (X, X, X), series, stacked=True)
    for i in range(3):
        spans = [row[i] for row in chart.spans() if row[i] is not None]
        known = [row[i] for row in values if row[i] is not None]
        assert sum((end - start for start, end in spans), Decimal(0)) == sum(known, Decimal(0))
        ends = [end for _, end in spans]
        assert max([0, *ends]) == sum(value for value in known if value > 0)
        assert min([0, *ends]) == sum(value for value in known if value < 0)
        intervals = sorted((min(span), max(span)) for span in spans)
        assert all(a[1] <= b[0] for a, b in pairwise(intervals))


def test_the_table_holds_what_the_chart_draws():
    chart = sample.payback()
    rows = chart.twin().rows
    assert [row["paid.value"] for row in rows] == list(chart.series[0].values)
    assert [(row["paid.low"], row["paid.high"]) for row in rows] == list(chart.series[0].band)
    assert [row["free.value"] for row in rows][3] is None
    assert [row["status"] for row in rows][-3:] == ["complete", "partial", "partial"]
    triangle = sample.triangle()
    assert [[row[f"c{j}"] for j in range(6)] for row in triangle.twin().rows] == [
        list(row) for row in triangle.cells
    ]
    bridge = sample.waterfall().twin()
    assert [row["value"] for row in bridge.rows] == [step.value for step in sample.waterfall().steps]
    assert bridge.columns[0].words["revenue"] == Label("Revenue", "收入")


def test_shapes_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="one per category"):
        Lines("x", X, "CNY", (X, X), (Series("a", X, (Decimal(1),)),))
    with pytest.raises(ValueError, match="same key"):
        Bars("x", X, "CNY", (X,), (Series("a", X, (None,)), Series("a", X, (None,))))
    with pytest.raises(ValueError, match="rows of 2 columns"):
        HeatMap("x", X, "ratio", (X,), (X, X), ((None,),))


@given(MONEY, MONEY)
def test_ticks_enclose_the_range_evenly_and_are_few(one, other):
    low, high = min(one, other), max(one, other)
    marks = ticks(low, high)
    assert marks[0] <= low
    assert marks[-1] >= high
    assert len({b - a for a, b in pairwise(marks)}) == 1
    assert 2 <= len(marks) <= 8


def test_an_axis_always_shows_zero():
    chart = Lines("x", X, "CNY", (X, X), (Series("a", X, (Decimal(980), Decimal(1000))),))
    assert Decimal(0) in value_ticks(chart)


def test_descriptions_are_written_from_the_numbers():
    assert describe(sample.waterfall()) == Label(
        "Revenue ¥10.1M, Gross profit ¥1.66M, Operating result -¥20.1M. Largest step: Advertising -¥15.2M.",
        "收入 ¥1,008万，毛利 ¥166万，经营结果 -¥2,010万。最大变动：广告投放 -¥1,523万。",
    )
    assert "Marginal: lowest -¥2.30 (app_store)" in describe(sample.acquisition_cost()).en
    assert "3 more in the table." in describe(sample.spend()).en
    assert "M1 36.2% to 51.2% (5 cells)" in describe(sample.triangle()).en
    nothing = Lines("x", X, "CNY", (X,), (Series("a", X, (None,)),))
    assert describe(nothing) == Label("There is no value to show.", "没有可显示的数值。")


def test_names_from_data_are_the_same_in_both_languages():
    assert verbatim("a") == Label("a", "a")


def marked():
    spend = tuple(verbatim(str(n)) for n in (0, 100, 200, 300))
    users = Series(
        "users", Label("New users", "新增用户"), tuple(map(Decimal, (0, 50, 70, 80))), partial=frozenset({3})
    )
    return Lines(
        "response", Label("Response", "响应"), "users", spend, (users,),
        partial_word=EXTRAPOLATED, marks=(Mark(1, Label("today", "当前")),),
    )  # fmt: skip


def test_a_mark_is_told_in_the_table_and_in_the_description():
    twin = marked().twin()
    assert [row["mark"] for row in twin.rows] == [None, "today", None, None]
    assert twin.columns[-1].words["today"].zh == "当前"
    assert [column.words["partial"] for column in twin.columns if column.key == "status"] == [EXTRAPOLATED]
    assert describe(marked()).en.endswith("80 (300), extrapolated. Marked: today 100.")
    assert describe(marked()).zh.endswith("标记：当前 100。")
    with pytest.raises(ValueError, match="stands on one of the 4"):
        Lines("x", X, "users", marked().categories, marked().series, marks=(Mark(4, X),))


def test_a_triangle_says_how_many_cells_of_a_row_are_measured():
    cells = ((Decimal(1), Decimal("0.5")), (Decimal(1), None))
    triangle = HeatMap(
        "t", X, "ratio", (X, X), (X, X), cells, partial=frozenset({(0, 1)}), partial_word=FORECAST
    )
    assert [row["measured"] for row in triangle.twin().rows] == [1, 1]
    assert "measured" not in HeatMap("t", X, "ratio", (X, X), (X, X), cells).twin().rows[0]
