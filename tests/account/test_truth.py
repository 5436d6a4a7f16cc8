"""The account of a generated company equals its `truth.json`, which was computed by other means."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from breakeven.account.account import Account
from breakeven.account.acquisition import by_channel
from breakeven.account.retention import active_triangle, new_users_by_day
from breakeven.account.usage import COUNTS
from breakeven.periods import months_apart
from breakeven.sources.synthetic.plan import CompanyPlan

from .conftest import booked

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
Stated = tuple[Account, dict[str, Any]]


@pytest.fixture(scope="module", params=["tiny", pytest.param("20k users", marks=pytest.mark.slow)])
def company(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stated:
    if request.param == "tiny":
        return request.getfixturevalue("tiny_company")
    return booked(CompanyPlan(users=20_000, seed=8), tmp_path_factory.mktemp("company") / "books")


def labels(account: Account) -> list[str]:
    return [period.label for period in account.buckets.periods]


def test_income(company: Stated):
    account, truth = company
    for line in truth["income"]:
        value = account.value(line["metric"], labels(account).index(line["period"]))
        assert (line["period"], line["metric"], value) == (
            line["period"], line["metric"], Decimal(line["value"]),
        )  # fmt: skip


def test_growth(company: Stated):
    account, truth = company
    assert [line["period"] for line in truth["growth"]] == labels(account)
    for bucket, line in enumerate(truth["growth"]):
        for metric in ("new_users", "paid_new_users", "mau", "visits"):
            assert account.value(metric, bucket) == line[metric], (line["period"], metric)
        # The truth counts who bought in the month; the account, who had a paid service in it.
        assert account.value("payers", bucket) >= line["payers"]


def test_active_users_by_day_and_week(company: Stated):
    account, truth = company
    days = account.rollups["activity"].group_by("day").aggregate([("users", "sum")]).to_pylist()
    known = {line["day"].isoformat(): line["users_sum"] for line in days}
    assert known == {day: users for day, users in truth["dau"].items() if users}
    weeks = account.rollups["active_in_week"].to_pylist()
    known = {line["week"].isoformat(): line["users"] for line in weeks}
    assert known == {week: users for week, users in truth["wau"].items() if users}


def test_cohort_triangle(company: Stated):
    account, truth = company
    found = {
        (f"{key.month:%Y-%m}", age): users
        for key, ages in active_triangle(account).items()
        for age, users in ages.items()
    }
    assert found == {
        (line["cohort"], line["age"]): line["active_users"]
        for line in truth["cohorts"]
        if line["active_users"]
    }
    first = account.buckets.periods[0].first
    assert max(age for _, age in found) == months_apart(first, account.buckets.periods[-1].first)


@pytest.mark.parametrize("after", [1, 7, 30])
def test_retention(company: Stated, after: int):
    account, truth = company
    exposed, returned = defaultdict(int), defaultdict(int)
    for line in truth["retention"]:
        if line[f"day_{after}"] is not None:
            exposed[line["day"][:7]] += line["acquired"]
            returned[line["day"][:7]] += line[f"day_{after}"]
    for bucket, label in enumerate(labels(account)):
        assert account.value(f"day{after}_exposed", bucket) == exposed[label]
        assert account.value(f"day{after}_returned", bucket) == returned[label]


def test_new_users_by_day(company: Stated):
    account, truth = company
    acquired = {date.fromisoformat(line["day"]): line["acquired"] for line in truth["retention"]}
    assert new_users_by_day(account) == {day: users for day, users in acquired.items() if users}


def test_spend_and_users_by_channel(company: Stated):
    account, truth = company
    spend: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in truth["spend"]:
        spend[line["channel"], line["period"]] += Decimal(line["value"])
    users = {(line["channel"], line["period"]): line["users"] for line in truth["new_users_by_channel"]}
    names = labels(account)
    stated_spend = {
        (line.name, names[bucket]): amount
        for line in by_channel(account)
        for bucket, amount in line.spend_by_bucket.items()
    }
    stated_users = {
        (line.name, names[bucket]): count
        for line in by_channel(account)
        for bucket, count in line.new_by_bucket.items()
    }
    assert {key: amount for key, amount in stated_spend.items() if amount} == {
        key: amount for key, amount in spend.items() if amount
    }
    assert {key: count for key, count in stated_users.items() if count} == {
        key: count for key, count in users.items() if count
    }


def test_spend_by_kind(company: Stated):
    account, truth = company
    spend: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in truth["spend"]:
        spend[line["kind"], line["period"]] += Decimal(line["value"])
    for (kind, label), amount in spend.items():
        assert account.value(f"{kind}_spend", labels(account).index(label)) == amount


def test_usage_by_product_model_and_tier(company: Stated):
    account, truth = company
    dimensions = ("product", "provider", "model", "service_tier")
    stated = {
        (labels(account)[cost.bucket], *cost.key): {name: cost.counts[name] for name in COUNTS}
        for cost in account.usage.by(*dimensions)
    }
    assert stated == {
        (line["period"], *(line[name] for name in dimensions)): {name: line[name] for name in COUNTS}
        for line in truth["usage"]
    }


def test_cash_from_customers_and_spend(company: Stated):
    account, truth = company
    for bucket, line in enumerate(truth["cash"]):
        received = sum(Decimal(line[kind]) for kind in ("subscription", "gift", "api_topup", "api_invoice"))
        given_back = Decimal(line["refund"]) + Decimal(line["chargeback"])
        assert account.value("cash_in", bucket) == received - given_back - Decimal(line["fees"])
        assert account.value("acquisition_spend", bucket) == Decimal(line["acquisition_spend"])


def test_bills_and_credit_are_paid_once(company: Stated):
    """Over all months, cash and credit together pay the ads and every bill but that of payment channels."""
    account, truth = company
    assert {line["currency"] for line in truth["funding"]} == {"CNY", "USD"}
    span = account.buckets.span
    bills = [bill for bill in truth["bills"] if bill["category"] != "payment_fee"]
    assert all(span.first <= date.fromisoformat(bill["period_start"]) < span.end for bill in bills)
    billed = sum(Decimal(bill["amount"]) for bill in bills)
    spend = sum(Decimal(line["acquisition_spend"]) for line in truth["cash"])
    paid = account.total("cash_out") + account.total("credit_used")
    # Each month is stated to the cent, twice.
    assert abs(paid - billed - spend) <= Decimal("0.01") * len(account.buckets.periods)
    assert account.total("credit_used") > 0
