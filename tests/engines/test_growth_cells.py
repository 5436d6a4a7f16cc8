"""Visits, contracts and retention are the same on every engine; one takes up what the other kept."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.account.bookkeeping import book, new_books
from tests.engines.rollup_rows import multiset

from breakeven.account.account import Account, open_account
from breakeven.account.contracts import NotCounted, contracts, not_counted
from breakeven.account.retained import Span, active_in_spans
from breakeven.account.retention import retention
from breakeven.account.visit_cells import visit_cells
from breakeven.engine.spark import SparkEngine
from breakeven.ledger.books import Books

FIRST = date(2024, 12, 29)
DIMENSIONS = ("channel", "platform", "is_acquired", "is_active_at_once", "plan")


def day(offset: int) -> date:
    return FIRST + timedelta(days=offset)


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory) -> Books:
    """A week of New York at the turn of the year; the last day came in by itself."""
    books = new_books(tmp_path_factory.mktemp("growing") / "books", time_zone="America/New_York")
    acquired = [
        {"user_id": "a", "acquired_at": "2024-12-30T04:59:59.999999Z", "channel": "x", "platform": "ios"},
        {"user_id": "b", "acquired_at": "2024-12-30T05:00:00Z", "channel": None, "platform": ""},
        {"user_id": "later than seen", "acquired_at": "2025-01-01T12:00:00Z", "channel": 'O\'Hara \\ "x"'},
        {"user_id": "never came", "acquired_at": "2024-12-31T12:00:00Z", "channel": "x"},
    ]
    book(books, "acquisitions", acquired)
    visits = {"a": (0, 3, 4), "b": (1,), "later than seen": (1, 3, 5), "stranger": (2, 5)}
    rows = [{"user_id": user, "day": day(n)} for user, days in visits.items() for n in days]
    book(books, "activity", rows, covers=(day(0), day(5)))
    book(books, "activity", [{"user_id": "a", "day": day(4), "sessions": None}], source="other")
    book(books, "payments", [*_payments()], covers=(date(2024, 12, 1), date(2025, 3, 31)))
    return books


def _payments() -> list[dict[str, Any]]:
    def paid(user: str | None, first: str, end: str, **other: Any) -> dict[str, Any]:
        window = {"service_start": f"{first}T05:00:00Z", "service_end": f"{end}T05:00:00Z"}
        plain = {"user_id": user, "at": f"{first}T05:00:00Z", "kind": "subscription", "plan": "pro"}
        return {**plain, "amount": "12.000000001", "currency": "USD", **window, **other}

    nothing = {"service_start": None, "service_end": None}
    return [
        paid("a", "2025-01-01", "2025-02-01"),
        paid("a", "2025-02-04", "2025-03-04"),
        paid("a", "2025-03-20", "2025-04-20"),
        paid("b", "2025-01-01", "2025-01-08", plan=None),
        paid("stranger", "2025-01-05", "2025-02-05"),
        paid("stranger", "2025-01-20", "2025-02-20", kind="refund", **nothing),
        paid(None, "2025-01-05", "2025-02-05"),
        paid("b", "2025-01-05", "2025-02-05", **nothing),
    ]


@pytest.fixture(scope="module")
def account(engine_name: str, growing: Books, tmp_path_factory: pytest.TempPathFactory) -> Account:
    return open_account(growing, engine=engine_name, cache=tmp_path_factory.mktemp(engine_name))


def test_visits_by_hand(account: Account) -> None:
    names = ("first_day", "repeats", "last_day", "channel", "is_active_at_once")
    found = {
        tuple(row[name] for name in names): row["users"]
        for row in visit_cells(account, "channel", "is_active_at_once").to_pylist()
    }  # fmt: skip
    assert found == {
        (day(0), 2, day(4), "x", True): 1,
        (day(1), 0, day(1), None, True): 1,
        (day(3), 1, day(5), 'O\'Hara \\ "x"', True): 1,
        (day(2), 0, day(2), "x", False): 1,
        (day(2), 1, day(5), None, True): 1,
    }


def test_the_past_by_hand(account: Account) -> None:
    cells = visit_cells(account, "is_acquired", until=day(2)).to_pylist()
    assert {(row["first_day"], row["repeats"], row["is_acquired"]): row["users"] for row in cells} == {
        (day(0), 0, True): 1,
        (day(1), 0, True): 1,
        (day(2), 0, True): 1,
        # Not acquired yet on that day.
        (day(1), 0, False): 1,
        (day(2), 0, False): 1,
    }


def test_contracts_by_hand(account: Account) -> None:
    names = ("cohort", "start_month", "plan", "term", "lifetime", "is_lost", "is_return", "channel")
    found = {
        tuple(row[name] for name in names): row["contracts"]
        for row in contracts(account, "channel").to_pylist()
    }
    december, january, march = date(2024, 12, 1), date(2025, 1, 1), date(2025, 3, 1)
    assert found == {
        (december, january, "pro", "month", 2, True, False, "x"): 1,
        (december, march, "pro", "month", 0, False, True, "x"): 1,
        (december, january, None, "week", 1, True, False, None): 1,
    }
    assert not_counted(account) == NotCounted(no_user=1, no_service=1, trials=0, given_back=1)


def test_retention_by_hand(account: Account) -> None:
    by_plan = retention(account, "bracketed", by="plan", brackets=[(0, 0), (1, 2), (3, 4)])
    assert {line.name: (line.exposed, line.returned) for line in by_plan} == {
        "": ((3, 3, 1), (2, 1, 0)),
        "pro": ((1, 1, 1), (1, 0, 1)),
    }
    [rolling] = retention(account, "rolling", periods=[0, 1, 2, 5])
    assert (rolling.exposed, rolling.returned) == ((4, 4, 4, 1), (3, 2, 2, 0))


@pytest.mark.spark
def test_spark_gives_the_cells_of_duckdb(
    growing: Books, spark: SparkEngine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    one, other = (
        open_account(growing, engine=engine, cache=tmp_path_factory.mktemp("either"))
        for engine in ("duckdb", "spark")
    )
    for until in (None, day(3)):
        ours, theirs = (visit_cells(account, *DIMENSIONS, until=until) for account in (one, other))
        assert theirs.schema == ours.schema
        assert theirs.to_pylist() == ours.to_pylist()
    ours, theirs = (contracts(account, "channel", "platform", "campaign") for account in (one, other))
    assert theirs.schema == ours.schema
    assert multiset(theirs) == multiset(ours)
    spans = (Span(0, 0), Span(1, 3), Span(4, 9))
    for by in (None, "channel", "plan"):
        ours, theirs = (active_in_spans(account, spans, by) for account in (one, other))
        assert sorted(map(repr, theirs)) == sorted(map(repr, ours))


def test_a_later_day_and_a_late_one_on_what_is_kept(
    engine_name: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    books = new_books(tmp_path / "books")
    cache = tmp_path / "cache"
    cache.mkdir()
    rows = [{"user_id": f"u{n}", "day": day(n % 3)} for n in range(12)]
    book(books, "activity", rows)
    visit_cells(open_account(books, cache=cache), "channel")  # kept by the embedded engine
    for offset, users in ((4, ("u1", "u2", "new")), (3, ("u1", "u5"))):
        book(books, "activity", [{"user_id": user, "day": day(offset)} for user in users])
        kept = visit_cells(open_account(books, engine=engine_name, cache=cache), "channel")
        fresh = tmp_path_factory.mktemp("fresh")
        assert kept.to_pylist() == visit_cells(open_account(books, cache=fresh), "channel").to_pylist()
