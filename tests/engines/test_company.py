"""A generated company through the whole account: what Spark states is what DuckDB states, digit by digit."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from tests.engines.rollup_rows import multiset

from breakeven.account.account import Account, open_account
from breakeven.account.catalogue import METRICS
from breakeven.account.user_margin import user_margins
from breakeven.engine.spark import SparkEngine
from breakeven.ledger.books import Books, open_books
from breakeven.sources.synthetic.books import write_books
from breakeven.sources.synthetic.plan import CompanyPlan


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Books:
    folder = tmp_path_factory.mktemp("company") / "books"
    write_books(CompanyPlan(users=400, months=3), folder)
    return open_books(folder)


@pytest.fixture(scope="session")
def embedded(company: Books, tmp_path_factory: pytest.TempPathFactory) -> Account:
    """The account of the company, its rollups computed anew by DuckDB."""
    return open_account(company, engine="duckdb", cache=tmp_path_factory.mktemp("embedded"))


@pytest.fixture(scope="session")
def on_spark(company: Books, spark: SparkEngine, tmp_path_factory: pytest.TempPathFactory) -> Account:
    """The same by Spark."""
    return open_account(company, engine="spark", cache=tmp_path_factory.mktemp("spark"))


def stated(account: Account) -> dict[tuple[str, int | None], Any]:
    """Every metric of every bucket and over all; a missing one by its reason."""
    buckets = range(len(account.buckets.periods))
    values: dict[tuple[str, int | None], Any] = {
        (metric, bucket): account.value(metric, bucket) for metric in METRICS for bucket in buckets
    }
    return values | {(metric, None): account.total(metric) for metric in METRICS}


def test_the_account_equals_the_truth(
    engine_name: str, company: Books, request: pytest.FixtureRequest
) -> None:
    account: Account = request.getfixturevalue("on_spark" if engine_name == "spark" else "embedded")
    truth = json.loads((company.folder / "truth.json").read_text("utf-8"))
    months = {period.label: bucket for bucket, period in enumerate(account.buckets.periods)}
    expected = {(line["metric"], months[line["period"]]): Decimal(line["value"]) for line in truth["income"]}
    assert len(expected) >= 60
    assert {key: account.value(*key) for key in expected} == expected


@pytest.mark.spark
def test_every_rollup_has_the_same_rows(on_spark: Account, embedded: Account) -> None:
    for name, rows in embedded.rollups.items():
        assert on_spark.rollups[name].schema == rows.schema, name
        assert multiset(on_spark.rollups[name]) == multiset(rows), name


@pytest.mark.spark
def test_every_metric_has_the_same_digits(on_spark: Account, embedded: Account) -> None:
    ours, theirs = stated(embedded), stated(on_spark)
    assert {key: (ours[key], theirs[key]) for key in ours if repr(ours[key]) != repr(theirs[key])} == {}
    assert sum(isinstance(value, Decimal) for value in ours.values()) > len(METRICS)


@pytest.mark.spark
def test_the_heaviest_users_are_the_same(on_spark: Account, embedded: Account) -> None:
    assert user_margins(on_spark, 1) == user_margins(embedded, 1) is not None


@pytest.mark.spark
def test_what_spark_stored_serves_duckdb(on_spark: Account, company: Books) -> None:
    computed: list[str] = []
    again = open_account(company, engine="duckdb", cache=on_spark.cache, progress=computed.append)
    assert computed == []
    assert {name: multiset(rows) for name, rows in again.rollups.items()} == {
        name: multiset(rows) for name, rows in on_spark.rollups.items()
    }
