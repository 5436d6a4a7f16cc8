"""From the books to cells for models: who counts, how long they were watched, and the past as known."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.account.bookkeeping import book, new_books

from breakeven.account.account import open_account
from breakeven.growth.books_cells import UNATTRIBUTED, contracts_of, visits_of, watched
from breakeven.growth.cells import CONTRACT_COLUMNS, VISIT_COLUMNS, Cells
from breakeven.ledger.books import Books

# Ibis 12 still calls a name that DuckDB 2 has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

MARCH = date(2024, 3, 1)


def day(offset: int) -> date:
    return MARCH + timedelta(days=offset)


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return new_books(tmp_path / "books")


def acquire(books: Books, users: dict[str, tuple[int, str | None]]) -> None:
    book(
        books,
        "acquisitions",
        [
            {"user_id": user, "acquired_at": f"{day(n)}T12:00:00Z", "channel": channel}
            for user, (n, channel) in users.items()
        ],
    )


def visit(books: Books, days: dict[str, list[int]], first: int, end: int) -> None:
    rows = [{"user_id": user, "day": day(n)} for user, offsets in days.items() for n in offsets]
    book(books, "activity", rows, covers=(day(first), day(end - 1)))


def rows_of(cells: Cells) -> dict[tuple[int, ...], int]:
    return {tuple(row): int(count) for row, count in zip(cells.rows.tolist(), cells.counts, strict=True)}


def test_visits_in_days(books: Books) -> None:
    acquire(books, {"a": (0, "x"), "b": (0, "x"), "c": (2, None), "last day": (9, "x"), "before": (-5, "x")})
    visit(books, {"a": [0, 3, 7], "b": [0], "c": [2, 5], "before": [1], "stranger": [1, 2]}, 0, 10)
    account = open_account(books)
    [(name, cells)] = visits_of(account).items()
    assert (name, cells.columns) == ("", VISIT_COLUMNS)
    # Whom we did not see from the beginning, and who was won on the last day, say nothing yet.
    assert rows_of(cells) == {(2, 7, 9): 1, (0, 0, 9): 1, (1, 3, 7): 1}
    by_channel = visits_of(account, "channel")
    assert set(by_channel) == {"x", UNATTRIBUTED}
    assert rows_of(by_channel[UNATTRIBUTED]) == {(1, 3, 7): 1}
    assert rows_of(Cells.merge(by_channel.values())) == rows_of(cells)


def test_the_past_as_it_was_known(books: Books) -> None:
    acquire(books, {"a": (0, "x"), "b": (1, "x"), "c": (6, "x")})
    visit(books, {"a": [0, 3, 7], "b": [1, 2]}, 0, 10)
    account = open_account(books)
    assert rows_of(visits_of(account, until=day(5))[""]) == {(1, 3, 5): 1, (1, 1, 4): 1}
    assert rows_of(visits_of(account, until=day(30))[""]) == rows_of(visits_of(account)[""])
    assert visits_of(account, until=day(-3)) == {}


def test_visits_are_watched_from_the_last_gap_on(books: Books) -> None:
    acquire(books, {"early": (0, "x"), "late": (11, "x")})
    visit(books, {"early": [0, 2]}, 0, 5)
    visit(books, {"late": [11, 12], "early": [12]}, 10, 15)
    account = open_account(books)
    period = watched(account, "activity")
    assert period is not None
    assert (period.first, period.end) == (day(10), day(15))
    assert rows_of(visits_of(account)[""]) == {(1, 1, 3): 1}
    assert watched(account, "payments") is None


def test_books_that_record_no_acquisitions_have_visits_all_the_same(books: Books) -> None:
    visit(books, {"a": [0, 3], "b": [1]}, 0, 6)
    assert rows_of(visits_of(open_account(books))[""]) == {(1, 3, 5): 1, (0, 0, 4): 1}


def test_contracts_in_their_own_terms(books: Books) -> None:
    def paid(user: str, first: str, end: str, plan: str = "pro") -> dict[str, Any]:
        window = {"service_start": f"{first}T00:00:00Z", "service_end": f"{end}T00:00:00Z"}
        money = {"kind": "subscription", "plan": plan, "amount": "10", "currency": "USD"}
        return {"user_id": user, "at": f"{first}T00:00:00Z", **money, **window}

    book(
        books,
        "payments",
        [
            paid("a", "2024-03-01", "2024-04-01"),
            paid("a", "2024-04-01", "2024-05-01"),
            paid("b", "2024-03-01", "2024-04-01", "max"),
            paid("c", "2024-05-10", "2024-06-10"),
            paid("year", "2024-03-01", "2025-03-01"),
        ],
        covers=(MARCH, date(2024, 5, 31)),
    )
    account = open_account(books)
    [(name, cells)] = contracts_of(account).items()
    assert (name, cells.columns) == ("", CONTRACT_COLUMNS)
    assert rows_of(cells) == {(2, 1): 1, (1, 1): 1, (0, 0): 1}
    assert {name: rows_of(one) for name, one in contracts_of(account, "plan").items()} == {
        "pro": {(2, 1): 1, (0, 0): 1},
        "max": {(1, 1): 1},
    }
    assert {name: one.size for name, one in contracts_of(account, "term", term=None).items()} == {
        "month": 3,
        "year": 1,
    }
    assert set(contracts_of(account, "channel")) == {UNATTRIBUTED}
    assert rows_of(contracts_of(account, until=date(2024, 4, 20))[""]) == {(1, 0): 1, (1, 1): 1}


def test_books_without_payments_have_no_contracts(books: Books) -> None:
    visit(books, {"a": [0]}, 0, 3)
    assert contracts_of(open_account(books)) == {}
