"""Subscription contracts from payments: chains, gaps, refunds and what cannot be known yet, by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from breakeven.account.account import Account, open_account
from breakeven.account.contracts import NotCounted, contracts, not_counted
from breakeven.errors import UsageError
from breakeven.ledger.books import Books

from .bookkeeping import book, new_books

# Ibis 12 still calls a name that DuckDB 2 has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

ALL_YEAR = (date(2024, 1, 1), date(2024, 12, 31))


def paid(user: str | None, start: str, end: str, **other: Any) -> dict[str, Any]:
    """A payment of ten dollars for the plan `pro`, on its first day, in the time of Shanghai."""
    at = other.pop("at", f"{start}T00:00:00+08:00")
    window = {"service_start": f"{start}T00:00:00+08:00", "service_end": f"{end}T00:00:00+08:00"}
    plain = {"user_id": user, "at": at, "kind": "subscription", "plan": "pro", "amount": "10"}
    return {**plain, "currency": "USD", **window, **other}


def months(user: str, *starts: int, **other: Any) -> list[dict[str, Any]]:
    """Calendar months of 2024 that a user paid for."""
    return [
        paid(user, f"2024-{n:02}-01", f"2024-{n + 1:02}-01" if n < 12 else "2025-01-01", **other)
        for n in starts
    ]


def given_back(user: str, at: str, amount: str = "10", kind: str = "refund") -> dict[str, Any]:
    return {"user_id": user, "at": at, "kind": kind, "amount": amount, "currency": "USD"}


@pytest.fixture
def shanghai(tmp_path: Path) -> Books:
    return new_books(tmp_path / "books", time_zone="Asia/Shanghai")


def account_of(
    books: Books, payments: list[dict[str, Any]], covers: tuple[date, date] | None = ALL_YEAR
) -> Account:
    columns = ("user_id", "service_start", "service_end", "plan")
    book(books, "payments", [{**dict.fromkeys(columns), **row} for row in payments], covers=covers)
    return open_account(books)


def lives(account: Account, *columns: str, **asked: Any) -> dict[tuple[Any, ...], int]:
    """Contracts by lifetime, whether they are lost, and further columns."""
    dimensions = [name for name in columns if name in ("channel", "platform", "campaign")]
    rows = contracts(account, *dimensions, **asked).to_pylist()
    found: dict[tuple[Any, ...], int] = {}
    for row in rows:
        key = (row["lifetime"], row["is_lost"], *(row[name] for name in columns))
        found[key] = found.get(key, 0) + row["contracts"]
    return found


def test_renewals_make_one_contract_and_a_longer_gap_ends_it(shanghai: Books) -> None:
    account = account_of(
        shanghai,
        [
            *months("three and gone", 1, 2, 3),
            *months("still there", 10, 11, 12),
            *months("back again", 1, 2, 6),
            *months("in the first month", 12),
        ],
    )
    assert lives(account, "start_month", "is_return") == {
        (3, True, date(2024, 1, 1), False): 1,
        # The third renewal is not due: two were seen.
        (2, False, date(2024, 10, 1), False): 1,
        (2, True, date(2024, 1, 1), False): 1,
        (1, True, date(2024, 6, 1), True): 1,
        (0, False, date(2024, 12, 1), False): 1,
    }


@pytest.mark.parametrize(("first", "lifetimes"), [("2024-02-04", [2]), ("2024-02-05", [1, 1])])
def test_three_days_of_grace(shanghai: Books, first: str, lifetimes: list[int]) -> None:
    account = account_of(shanghai, [*months("u", 1), paid("u", first, "2024-03-04")])
    found = [key[0] for key, count in lives(account).items() for _ in range(count)]
    assert found == lifetimes
    assert lives(account, grace_days=4) == {(2, True): 1}


@pytest.mark.parametrize(("last_covered", "is_lost"), [(3, False), (4, True)])
def test_nobody_is_lost_before_the_grace_is_over(shanghai: Books, last_covered: int, is_lost: bool) -> None:
    account = account_of(shanghai, months("u", 1), (date(2024, 1, 1), date(2024, 2, last_covered)))
    assert lives(account) == {(1 if is_lost else 0, is_lost): 1}


def test_a_renewal_in_days_nobody_covered_is_not_a_loss(shanghai: Books) -> None:
    """The payments of February are missing: whoever paid in January is watched so far, not lost."""
    book(shanghai, "payments", months("u", 1), covers=(date(2024, 1, 1), date(2024, 1, 31)))
    account = account_of(shanghai, months("other", 3), (date(2024, 3, 1), date(2024, 12, 31)))
    assert lives(account, "start_month") == {
        (0, False, date(2024, 1, 1)): 1,
        (1, True, date(2024, 3, 1)): 1,
    }


def test_terms_and_plans_are_contracts_of_their_own(shanghai: Books) -> None:
    account = account_of(
        shanghai,
        [
            paid("year", "2024-01-01", "2025-01-01"),
            paid("week", "2024-01-01", "2024-01-08"),
            paid("week", "2024-01-08", "2024-01-15"),
            paid("odd", "2024-01-01", "2024-01-13"),
            paid("quarter", "2024-01-01", "2024-04-01"),
            *months("upgrade", 1, 2),
            paid("upgrade", "2024-03-01", "2024-04-01", plan="max"),
            # One term sold by two shops is one window.
            *months("twice", 5),
            *months("twice", 5, at="2024-05-01T10:00:00+08:00"),
        ],
    )
    assert lives(account, "plan", "term") == {
        (0, False, "pro", "year"): 1,
        (2, True, "pro", "week"): 1,
        (1, True, "pro", "12 days"): 1,
        (1, True, "pro", "quarter"): 1,
        (2, True, "pro", "month"): 1,
        (1, True, "max", "month"): 1,
        (1, True, "pro", "month"): 1,
    }


def test_what_was_given_back_in_full_was_never_bought(shanghai: Books) -> None:
    account = account_of(
        shanghai,
        [
            *months("refunded at once", 1),
            given_back("refunded at once", "2024-01-03T10:00:00+08:00"),
            *months("last month charged back", 1, 2, 3),
            given_back("last month charged back", "2024-05-20T10:00:00+08:00", kind="chargeback"),
            *months("a part given back", 1, 2),
            given_back("a part given back", "2024-02-03T10:00:00+08:00", amount="4"),
            *months("refunded before paying", 6),
            given_back("refunded before paying", "2024-05-31T10:00:00+08:00"),
        ],
    )
    assert lives(account) == {(2, True): 2, (1, True): 1}
    assert not_counted(account) == NotCounted(no_user=0, no_service=0, trials=0, given_back=2)


def test_payments_that_are_no_contract_are_counted_by_why(shanghai: Books) -> None:
    nothing = {"service_start": None, "service_end": None}
    account = account_of(
        shanghai,
        [
            *months("u", 1),
            paid(None, "2024-01-01", "2024-02-01"),
            paid("no service", "2024-01-01", "2024-02-01", **nothing),
            paid("trial", "2024-01-01", "2024-01-08", amount="0"),
            paid("gift", "2024-01-01", "2024-02-01", kind="gift"),
        ],
    )
    assert lives(account) == {(1, True): 1}
    assert not_counted(account) == NotCounted(no_user=1, no_service=1, trials=1, given_back=0)


def test_until_knows_nothing_of_what_came_later(shanghai: Books) -> None:
    account = account_of(
        shanghai,
        [*months("u", 1, 2, 3), *months("v", 1), given_back("v", "2024-04-01T10:00:00+08:00")],
    )
    assert lives(account, until=date(2024, 2, 15)) == {(1, False): 1, (1, True): 1}
    assert lives(account, until=date(2024, 2, 3)) == {(1, False): 1, (0, False): 1}
    assert lives(account) == {(3, True): 1}


def test_windows_are_those_of_the_books_time_zone(shanghai: Books) -> None:
    """A month from 23:30 of the 31st in UTC begins on the first of Shanghai."""
    window = {"service_start": "2023-12-31T16:30:00Z", "service_end": "2024-01-31T16:30:00Z"}
    account = account_of(shanghai, [paid("u", "2024-01-01", "2024-02-01", **window)])
    assert lives(account, "start_month", "term") == {(1, True, date(2024, 1, 1), "month"): 1}


def test_cohort_and_channel_are_of_the_acquisition(shanghai: Books) -> None:
    book(
        shanghai,
        "acquisitions",
        [{"user_id": "u", "acquired_at": "2023-12-31T16:00:00Z", "channel": "x", "platform": "ios"}],
    )
    account = account_of(shanghai, [*months("u", 3), *months("stranger", 3)])
    assert lives(account, "cohort", "channel", "platform") == {
        (1, True, date(2024, 1, 1), "x", "ios"): 1,
        (1, True, None, None, None): 1,
    }
    with pytest.raises(UsageError, match="country"):
        contracts(account, "country")


def test_a_new_payment_is_seen_and_an_undone_one_is_gone(shanghai: Books) -> None:
    account = account_of(shanghai, months("u", 1, 2))
    assert lives(account) == {(2, True): 1}
    batch = book(shanghai, "payments", months("u", 3))
    assert lives(open_account(shanghai)) == {(3, True): 1}
    shanghai.undo(batch)
    assert lives(open_account(shanghai)) == {(2, True): 1}


def test_books_without_payments_have_no_contracts(shanghai: Books) -> None:
    book(shanghai, "activity", [{"user_id": "u", "day": "2024-01-01"}])
    account = open_account(shanghai)
    assert contracts(account, "channel").num_rows == 0
    assert not_counted(account) == NotCounted(0, 0, 0, 0)
