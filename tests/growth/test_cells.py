"""Grouping gives the same cells whatever the order, the split and the way taken inside."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakeven.growth.cells import Cells

rows = st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 3)), max_size=60)
wide = st.lists(
    st.tuples(st.integers(-(2**62), 2**62), st.integers(-(2**40), 2**40), st.integers(0, 1)), max_size=40
)


def same(one: Cells, other: Cells) -> bool:
    return np.array_equal(one.rows, other.rows) and np.array_equal(one.counts, other.counts)


@settings(deadline=None, max_examples=60)
@given(st.one_of(rows, wide), st.randoms(), st.integers(1, 7))
def test_any_split_and_order_gives_the_same_cells(found, random, parts):
    columns = "abc"[: len(found[0])] if found else "ab"
    whole = Cells.group(columns, found)
    counted = sorted(Counter(found).items())
    assert [(tuple(row), int(n)) for row, n in zip(whole.rows, whole.counts, strict=True)] == counted
    shuffled = list(found)
    random.shuffle(shuffled)
    shards = [Cells.group(columns, shuffled[i::parts]) for i in range(parts)]
    assert same(Cells.merge(shards), whole)


@pytest.mark.parametrize("factor", [1, 10**5, 2**38], ids=["dense", "sorted", "by column"])
def test_every_way_of_grouping_agrees(factor):
    random = np.random.default_rng(5)
    table = random.integers(0, 4, (500, 3))
    counts = random.integers(1, 9, 500)
    near, far = Cells.group("abc", table, counts), Cells.group("abc", table * factor, counts)
    assert np.array_equal(near.rows * factor, far.rows)
    assert np.array_equal(near.counts, far.counts)
    ones, many = Cells.group("abc", table * factor), Cells.group("abc", table * factor, np.full(500, 3))
    assert np.array_equal(ones.counts * 3, many.counts)


def test_counts_that_cancel_leave_no_cell():
    assert Cells.group("a", [[1], [1], [2]], [3, -3, 2]).rows.tolist() == [[2]]


def test_huge_counts_stay_exact():
    cells = Cells.group("a", [[1], [1]], [2**60, 1])
    assert cells.counts.tolist() == [2**60 + 1]


@pytest.mark.parametrize("bad", [1.5, np.nan, np.inf])
def test_what_is_not_whole_is_refused(bad):
    with pytest.raises(ValueError, match="whole numbers"):
        Cells.group("a", [[bad]])


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="cannot have counts"):
        Cells.group("a", [[1], [2]], [1])
    with pytest.raises(ValueError, match="nothing to merge"):
        Cells.merge([])
    with pytest.raises(ValueError, match="other columns"):
        Cells.merge([Cells.group("a", [[1]]), Cells.group("b", [[1]])])
    with pytest.raises(ValueError, match="fewer than no"):
        Cells.group("a", [[1]], [-1])
