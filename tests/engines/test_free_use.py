"""Free use until first payment, worked out by hand, is the same on every engine."""

from __future__ import annotations

import shutil
from dataclasses import replace
from fractions import Fraction

import pyarrow as pa
import pytest
from tests.account.cases import FOLDER, open_case, read_case
from tests.engines.corner_books import CUTS, corner_books
from tests.engines.rollup_rows import multiset, total

from breakeven.account.account import Account, open_account
from breakeven.account.acquisition import Dimension
from breakeven.account.free_use import expression, free_use_by, plain
from breakeven.account.people import People
from breakeven.engine.session import open_engine


@pytest.fixture(scope="session")
def case_account(tmp_path_factory: pytest.TempPathFactory) -> Account:
    return open_case(read_case(FOLDER / "spend_ledger.yaml"), tmp_path_factory.mktemp("case"))


@pytest.fixture(scope="session")
def corners(tmp_path_factory: pytest.TempPathFactory) -> Account:
    return open_account(corner_books(tmp_path_factory.mktemp("corners") / "books"))


def rows(account: Account, engine_name: str, dimension: Dimension) -> pa.Table:
    """What the expression yields on an engine, price windows included."""
    engine = open_engine(engine_name)
    try:
        people = People(account.books, account.cache, account.people_state, lambda: engine)
        account.books.view(engine, "usage")
        people.view(engine)
        return plain(engine.arrow(expression(engine, dimension, CUTS)))
    finally:
        engine.close()


@pytest.mark.parametrize("dimension", ["channel", "campaign"])
def test_the_worked_case(engine_name: str, case_account: Account, dimension: Dimension) -> None:
    shutil.rmtree(case_account.cache / "free_use", ignore_errors=True)
    found = free_use_by(replace(case_account, engine=engine_name), dimension)
    if dimension == "channel":
        assert found == {("video", 0): 5, (None, 0): 1, ("organic", 1): 1}
    else:
        assert found == {(None, 0): 6, (None, 1): 1}
    assert all(isinstance(amount, Fraction) for amount in found.values())


def test_nothing_of_the_usage_is_lost_or_counted_twice(engine_name: str, corners: Account) -> None:
    found, usage = rows(corners, engine_name, "channel"), corners.rollups["usage"]
    for column in ("requests", "uncached_input_tokens", "output_tokens"):
        assert total(found, column, lambda _: "all") == total(usage, column, lambda _: "all")
    before = total(found, "requests", lambda row: (row["is_before"], row["name"]))
    assert before[True, None] is not None
    assert {name for is_before, name in before if not is_before} == {None}


@pytest.mark.spark
@pytest.mark.parametrize("dimension", ["channel", "campaign", "creator"])
def test_spark_gives_the_rows_of_duckdb(spark: object, corners: Account, dimension: Dimension) -> None:
    found = rows(corners, "duckdb", dimension)
    assert multiset(found) == multiset(rows(corners, "spark", dimension))
    assert found.num_rows > 10
