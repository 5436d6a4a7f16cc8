"""One metric tree, two evaluators: exact on decimals, and as an expression on the columns of an engine."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breakeven.account.catalogue import METRICS, MONEY
from breakeven.account.metrics import Amount, Missing, Node, Operation, measures_of, on_columns, on_decimals
from breakeven.engine.duckdb import DuckDBEngine
from breakeven.engine.session import Engine

Value = Decimal | None
Row = dict[str, Value]

TREES: dict[str, Node] = {name: metric.node for name, metric in METRICS.items() if metric.node is not None}
MEASURES = sorted({measure for node in TREES.values() for measure in measures_of(node)})
RELATIVE = 1e-12


def is_money(measure: str) -> bool:
    return METRICS[measure].unit == MONEY


def column_type(measure: str) -> pa.DataType:
    """As the rollups store it: sums of money with nine places, counts as whole numbers."""
    return pa.decimal128(38, 9) if is_money(measure) else pa.int64()


def divides(node: Node) -> bool:
    """Whether a value of the tree is a quotient: those are floats on engines."""
    if isinstance(node, Operation):
        return node.operator == "/" or divides(node.left) or divides(node.right)
    return divides(inner) if isinstance(inner := getattr(node, "node", None), Node) else False


def on_engine(engine: Engine, rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Every tree on every row, in the order of the rows."""
    columns: dict[str, pa.Array] = {
        measure: pa.array(
            [
                None if (value := row[measure]) is None else value if is_money(measure) else int(value)
                for row in rows
            ],
            column_type(measure),
        )
        for measure in MEASURES
    }
    table = ibis.memtable(pa.table({"number": pa.array(range(len(rows)), pa.int64()), **columns}))
    trees = {name: on_columns(node, table.__getitem__) for name, node in TREES.items()}
    found = engine.arrow(table.select("number", **trees).order_by("number"))
    return {name: found[name].to_pylist() for name in TREES}


def exact(node: Node, row: Row) -> Amount:
    def measure(name: str) -> Amount:
        value = row[name]
        return Missing("absent", "缺失") if value is None else value

    return on_decimals(node, measure)


def check(rows: Sequence[Row], found: dict[str, list[Any]]) -> int:
    """Compare with the exact evaluation; returns how many values there were to compare."""
    compared = 0
    for name, node in TREES.items():
        for row, value in zip(rows, found[name], strict=True):
            expected = exact(node, row)
            if isinstance(expected, Missing):
                assert value is None, (name, row)
                continue
            compared += 1
            if divides(node):
                assert value == pytest.approx(float(expected), rel=RELATIVE, abs=0), (name, row)
            else:
                assert value == expected, (name, row)
    return compared


def money(chance: random.Random) -> Decimal:
    return Decimal(chance.randrange(-(10**20), 10**20)).scaleb(-9)


@pytest.fixture(scope="module")
def sample() -> list[Row]:
    """Forty rows of a fixed seed: whole, with gaps, and with zeros that divide nothing."""
    chance = random.Random(2024)
    rows: list[Row] = [dict.fromkeys(MEASURES, Decimal(0)), dict.fromkeys(MEASURES)]
    for number in range(38):
        row: Row = {}
        for measure in MEASURES:
            value: Value = money(chance) if is_money(measure) else Decimal(chance.randrange(10**15))
            if number % 3 and chance.random() < 0.1:
                value = chance.choice([None, Decimal(0)])
            row[measure] = value
        rows.append(row)
    return rows


def test_every_tree_agrees_with_its_exact_value(engine: Engine, sample: list[Row]) -> None:
    assert check(sample, on_engine(engine, sample)) > 15 * len(TREES)


@pytest.mark.spark
def test_both_engines_give_the_same_digits(spark: Engine, sample: list[Row]) -> None:
    with DuckDBEngine() as embedded:
        assert on_engine(spark, sample) == on_engine(embedded, sample)


@pytest.fixture(scope="module")
def embedded() -> Iterator[DuckDBEngine]:
    with DuckDBEngine() as engine:
        yield engine


amounts = st.none() | st.decimals(-(10**15), 10**15, places=9) | st.just(Decimal(0))
counts = st.none() | st.integers(0, 10**15).map(Decimal)
any_row = st.fixed_dictionaries({measure: amounts if is_money(measure) else counts for measure in MEASURES})


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(any_row, min_size=1, max_size=12))
def test_every_tree_agrees_with_its_exact_value_on_any_rows(embedded: DuckDBEngine, rows: list[Row]) -> None:
    check(rows, on_engine(embedded, rows))
