"""One tree, three evaluators: exact decimals, columns of an engine, float arrays. They must agree."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal, localcontext

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakeven.account.catalogue import METRICS
from breakeven.account.metrics import (
    ZERO_DENOMINATOR,
    Measured,
    Missing,
    Named,
    Node,
    Operation,
    formula,
    measures_of,
    on_arrays,
    on_columns,
    on_decimals,
)
from breakeven.money import EXACT

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
MEASURES = sorted(metric.id for metric in METRICS.values() if metric.node is None)
TREES = {metric.id: metric.node for metric in METRICS.values() if metric.node is not None}
ABSENT = Missing("absent", "没有")

amounts = st.one_of(
    st.just(Decimal(0)), st.none(), st.decimals(-(10**6), 10**6, places=2), st.integers(1, 9).map(Decimal)
)
books = st.fixed_dictionaries(dict.fromkeys(MEASURES, amounts))


@pytest.fixture(scope="module")
def engine() -> Iterator[ibis.BaseBackend]:
    backend = ibis.duckdb.connect()
    yield backend
    backend.disconnect()


@settings(max_examples=15, deadline=None)
@given(rows=st.lists(books, min_size=1, max_size=20))
def test_the_three_evaluators_agree_on_every_metric(engine, rows):
    exact = [{key: ABSENT if value is None else value for key, value in row.items()} for row in rows]
    columns = pa.table(
        {name: pa.array([row[name] for row in rows], pa.decimal128(18, 2)) for name in MEASURES}
    )
    table = ibis.memtable(columns)
    wanted = table.select(**{name: on_columns(tree, table.__getitem__) for name, tree in TREES.items()})
    from_engine = engine.to_pyarrow(wanted).to_pydict()
    for name, tree in TREES.items():
        decimals = [on_decimals(tree, row.__getitem__) for row in exact]
        arrays = on_arrays(
            tree, lambda key: np.array([math.nan if row[key] is None else float(row[key]) for row in rows])
        )
        for position, value in enumerate(decimals):
            shown = from_engine[name][position]
            if isinstance(value, Missing):
                assert shown is None, name
                assert math.isnan(arrays[position]), name
            else:
                scale = max(float(row) for row in map(abs, _values(exact[position], tree)))
                near = {"rel": 1e-9, "abs": scale * 1e-9}
                assert float(shown) == pytest.approx(float(value), **near), name
                assert arrays[position] == pytest.approx(float(value), **near), name


def _values(row: dict[str, Decimal | Missing], tree: Node) -> list[Decimal]:
    values = [row[name] for name in measures_of(tree)]
    return [value for value in values if isinstance(value, Decimal)]


@pytest.mark.parametrize("metric", TREES)
def test_a_missing_measure_leaves_no_value_and_is_named(metric):
    tree = TREES[metric]
    for absent in measures_of(tree):
        why = Missing(f"{absent} is absent", "没有", (absent,))
        found = on_decimals(tree, lambda name, a=absent, w=why: w if name == a else Decimal(7))
        assert isinstance(found, Missing)
        assert absent in found.needs


def test_two_reasons_are_both_said_once():
    first, second = Missing("a", "甲", ("x",)), Missing("b", "乙", ("y",))
    tree = Measured("x") + Measured("y") + Measured("x")
    found = on_decimals(tree, {"x": first, "y": second}.__getitem__)
    assert isinstance(found, Missing)
    assert found.needs == ("x", "y")


trees = st.recursive(
    st.sampled_from("abc").map(Measured),
    lambda inner: st.builds(Operation, st.sampled_from("+-*/"), inner, inner),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(tree=trees, values=st.tuples(*[st.integers(-4, 4)] * 3))
def test_any_tree_reads_as_its_formula(tree, values):
    """What `formula` prints, read as arithmetic, is what the tree gives."""
    known = dict(zip("abc", map(Decimal, values), strict=True))
    found = on_decimals(tree, known.__getitem__)
    with localcontext(EXACT):
        try:
            assert found == eval(formula(tree), {}, known)
        except ArithmeticError:
            assert found == ZERO_DENOMINATOR
    assert on_decimals(Named("whole", tree), known.__getitem__) == found
    assert formula(Named("whole", tree)) == "whole"
