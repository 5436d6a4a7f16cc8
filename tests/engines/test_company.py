"""A generated company through the whole account: what Spark states is what DuckDB states, digit by digit."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.engines.rollup_rows import multiset

from breakeven.account.account import Account, open_account
from breakeven.account.catalogue import METRICS
from breakeven.account.user_margin import user_margins
from breakeven.ledger.books import Books, open_books
from breakeven.sources.synthetic.books import write_books
from breakeven.sources.synthetic.plan import CompanyPlan


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Books:
    folder = tmp_path_factory.mktemp("company") / "books"
    write_books(CompanyPlan(users=400, months=3), folder)
    return open_books(folder)


@pytest.fixture(scope="session")
def account(company: Books, engine_name: str, tmp_path_factory: pytest.TempPathFactory) -> Account:
    """The account of the company, its rollups computed anew by one engine."""
    return open_account(company, engine=engine_name, cache=tmp_path_factory.mktemp(engine_name))


@pytest.fixture(scope="session")
def embedded(company: Books, tmp_path_factory: pytest.TempPathFactory) -> Account:
    """The same account by DuckDB, to compare with."""
    return open_account(company, engine="duckdb", cache=tmp_path_factory.mktemp("embedded"))


def stated(account: Account) -> dict[tuple[str, int | None], Any]:
    """Every metric of every bucket and over all; a missing one by its reason."""
    buckets = range(len(account.buckets.periods))
    values: dict[tuple[str, int | None], Any] = {
        (metric, bucket): account.value(metric, bucket) for metric in METRICS for bucket in buckets
    }
    return values | {(metric, None): account.total(metric) for metric in METRICS}


def test_the_account_equals_the_truth(account: Account, company: Books) -> None:
    truth = json.loads((company.folder / "truth.json").read_text("utf-8"))
    months = {period.label: bucket for bucket, period in enumerate(account.buckets.periods)}
    compared = 0
    for month, lines in truth["income"].items():
        for metric, expected in lines.items():
            assert account.value(metric, months[month]) == Decimal(expected), (month, metric)
            compared += 1
    assert compared >= 60


def test_every_rollup_has_the_same_rows(account: Account, embedded: Account) -> None:
    for name, rows in embedded.rollups.items():
        assert account.rollups[name].schema == rows.schema, name
        assert multiset(account.rollups[name]) == multiset(rows), name


def test_every_metric_has_the_same_digits(account: Account, embedded: Account) -> None:
    ours, theirs = stated(embedded), stated(account)
    differing = {key: (ours[key], theirs[key]) for key in ours if repr(ours[key]) != repr(theirs[key])}
    assert not differing
    assert sum(isinstance(value, Decimal) for value in ours.values()) > len(METRICS)


def test_the_heaviest_users_are_the_same(account: Account, embedded: Account) -> None:
    assert user_margins(account, 1) == user_margins(embedded, 1) is not None


def test_a_cache_of_one_engine_serves_the_other(
    account: Account, company: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored does not depend on who computed it: nothing is computed again."""
    computed: list[str] = []
    other = "duckdb" if account.engine == "spark" else "spark"
    again = open_account(company, engine=other, cache=account.cache, progress=computed.append)
    assert computed == []
    assert {name: multiset(rows) for name, rows in again.rollups.items()} == {
        name: multiset(rows) for name, rows in account.rollups.items()
    }
