"""The truth equals a slow, independent reading of the emitted files, figure by figure."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from breakeven.sources.synthetic.generate import Truth
from breakeven.sources.synthetic.truth_usage import COUNTS

from . import slow_account

Tables = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def tables(tiny: tuple[Path, Truth]) -> Tables:
    return slow_account.read(tiny[0])


@pytest.fixture(scope="module")
def facts(tiny: tuple[Path, Truth]) -> dict[str, Any]:
    return tiny[1].facts


def test_every_income_line_of_every_month(tiny, tables: Tables, facts) -> None:
    lines = slow_account.income(tables, tiny[0] / "prices")
    for when in ("2024-03", "2024-04", "2024-05", "2024-06", "2024-07", "2024-08"):
        told = {row["metric"]: Decimal(row["value"]) for row in facts["income"] if row["period"] == when}
        assert told == slow_account.statement(lines, when), when
    later = {
        name: sum(v for (when, n), v in lines.items() if n == name and when > "2024-08")
        for name in facts["after_the_span"]
    }
    assert {name: Decimal(value) for name, value in facts["after_the_span"].items()} == {
        name: Decimal(round(value * 100)).scaleb(-2) for name, value in later.items()
    }


def test_the_tiny_company_has_something_in_every_line(facts) -> None:
    seen = {row["metric"] for row in facts["income"] if Decimal(row["value"]) != 0}
    assert seen == {row["metric"] for row in facts["income"]}


def test_row_counts_and_unique_keys(tables: Tables, facts) -> None:
    assert {name: len(rows) for name, rows in tables.items()} == facts["rows"]
    for name, rows in tables.items():
        assert len({row["source_id"] for row in rows}) == len(rows), name


def test_tokens_and_requests_by_group(tables: Tables, facts) -> None:
    sums: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0] * len(COUNTS))
    for row in tables["usage"]:
        when = slow_account.month(slow_account.local_day(row["at"]))
        key = (when, row["product"], row["provider"], row["model"], row["service_tier"])
        for place, name in enumerate(COUNTS):
            sums[key][place] += row[name]
    told = {
        (row["period"], row["product"], row["provider"], row["model"], row["service_tier"]): [
            row[n] for n in COUNTS
        ]
        for row in facts["usage"]
    }
    assert told == dict(sums)
    assert {key[1] for key in told} == {"app", "web", "api"}
    assert {key[4] for key in told} == {"standard", "priority"}


def test_new_users_and_spend_by_channel(tables: Tables, facts) -> None:
    users = Counter(
        (slow_account.month(slow_account.local_day(row["acquired_at"])), row["channel"])
        for row in tables["acquisitions"]
    )
    told = {(row["period"], row["channel"]): row["users"] for row in facts["new_users_by_channel"]}
    assert {key: count for key, count in told.items() if count} == users
    paid = Counter(
        slow_account.month(slow_account.local_day(row["acquired_at"]))
        for row in tables["acquisitions"]
        if row["is_paid"]
    )
    assert {row["period"]: row["paid_new_users"] for row in facts["growth"]} == paid
    spend: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for row in tables["ad_spend"]:
        spend[slow_account.month(row["day"]), row["channel"], row["kind"]] += row["amount"]
    assert {(r["period"], r["channel"], r["kind"]): Decimal(r["value"]) for r in facts["spend"]} == spend


def test_active_users_visits_and_payers(tables: Tables, facts) -> None:
    daily, weekly, monthly = defaultdict(set), defaultdict(set), defaultdict(set)
    visits: Counter[str] = Counter()
    for row in tables["activity"]:
        day = row["day"]
        daily[day.isoformat()].add(row["user_id"])
        weekly[(day - timedelta(days=day.weekday())).isoformat()].add(row["user_id"])
        monthly[slow_account.month(day)].add(row["user_id"])
        visits[slow_account.month(day)] += row["sessions"]
    assert {day: users for day, users in facts["dau"].items() if users} == {
        d: len(u) for d, u in daily.items()
    }
    assert {week: users for week, users in facts["wau"].items() if users} == {
        w: len(u) for w, u in weekly.items()
    }
    payers = defaultdict(set)
    for row in tables["payments"]:
        if row["kind"] in ("subscription", "gift"):
            payers[slow_account.month(slow_account.local_day(row["at"]))].add(row["user_id"])
    for row in facts["growth"]:
        when = row["period"]
        assert (row["mau"], row["visits"], row["payers"]) == (
            len(monthly[when]),
            visits[when],
            len(payers[when]),
        )


def test_retention_and_cohorts(tables: Tables, facts) -> None:
    acquired = {row["user_id"]: slow_account.local_day(row["acquired_at"]) for row in tables["acquisitions"]}
    active = {(row["user_id"], row["day"]) for row in tables["activity"]}
    last = max(day for _, day in active)
    cells: dict[tuple[str, str], set[str]] = defaultdict(set)
    for user, day in active:
        cells[slow_account.month(acquired[user]), slow_account.month(day)].add(user)
    for told in facts["retention"]:
        users = [user for user, day in acquired.items() if day.isoformat() == told["day"]]
        assert told["acquired"] == len(users)
        for n in (1, 7, 30):
            back = [user for user in users if (user, acquired[user] + timedelta(days=n)) in active]
            beyond = slow_account.date.fromisoformat(told["day"]) + timedelta(days=n) > last
            assert told[f"day_{n}"] == (None if beyond else len(back))
    months = [row["period"] for row in facts["growth"]]
    for cell in facts["cohorts"]:
        when = months[months.index(cell["cohort"]) + cell["age"]]
        assert cell["active_users"] == len(cells[cell["cohort"], when])
    assert len(facts["cohorts"]) == 21


def test_cash_and_funding(tables: Tables, facts) -> None:
    for told in facts["cash"]:
        rows = [
            r
            for r in tables["payments"]
            if slow_account.month(slow_account.local_day(r["at"])) == told["period"]
        ]
        for kind in ("subscription", "gift", "refund", "chargeback", "api_topup", "api_invoice"):
            assert Decimal(told[kind]) == sum((r["amount"] for r in rows if r["kind"] == kind), Decimal(0))
        assert Decimal(told["fees"]) == sum((r["fee"] for r in rows), Decimal(0))
    received = Counter()
    for row in tables["funding"]:
        received[row["kind"], row["currency"]] += row["amount"]
    assert received == Counter({(r["kind"], r["currency"]): Decimal(r["amount"]) for r in facts["funding"]})
    assert received["credit", "USD"] > received["equity", "USD"]
