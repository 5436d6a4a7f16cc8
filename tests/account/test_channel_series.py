"""Channels by week and by month: only periods that the books know whole; sums are the statement's."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from breakeven.account.account import Account, open_account
from breakeven.account.channel_series import UNATTRIBUTED, ChannelSeries, Grain, channel_series
from breakeven.account.metrics import Missing
from breakeven.ledger.books import Books
from breakeven.periods import ONE_DAY, Period

from .bookkeeping import book, new_books
from .cases import FOLDER, open_case, read_case
from .random_books import base_account, small_rollups, with_rollups

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")


def spend(day: str, amount: Any, channel: str = "video", **rest: Any) -> dict[str, Any]:
    return {"day": day, "channel": channel, "kind": "ads", "amount": amount, "currency": "USD", **rest}


def won(user: str, at: str, channel: str = "video", paid: bool | None = True) -> dict[str, Any]:
    return {"user_id": user, "acquired_at": at, "channel": channel, "is_paid": "" if paid is None else paid}


def series_of(
    books: Books, first: date, last: date, *rows: dict[str, Any], users: list[Any], grain: Grain = "week"
) -> ChannelSeries:
    book(books, "ad_spend", rows, covers=(first, last))
    book(books, "acquisitions", users, covers=(first, last))
    return channel_series(open_account(books), grain)


def test_weeks_begin_on_monday_in_the_zone_of_the_books(tmp_path: Path):
    books = new_books(tmp_path / "books", time_zone="Asia/Shanghai")
    series = series_of(
        books, date(2024, 12, 20), date(2025, 1, 14),
        spend("2024-12-29", 4), spend("2024-12-30", 8), spend("2025-01-05", 16), spend("2025-01-13", 32),
        users=[
            # Sunday evening in London is Monday morning in Shanghai.
            won("a", "2024-12-29T15:59:59Z"), won("b", "2024-12-29T16:00:00Z"),
            won("c", "2025-01-05T15:59:59Z", paid=False), won("d", "2025-01-06T00:00:00Z", channel=""),
        ],
    )  # fmt: skip
    assert [period.label for period in series.periods] == [
        "2024-12-23..2024-12-29", "2024-12-30..2025-01-05", "2025-01-06..2025-01-12",
    ]  # fmt: skip
    assert series.channels == ("video", UNATTRIBUTED)
    assert series.spend == {"video": (4, 24, 0), UNATTRIBUTED: (0, 0, 0)}
    assert series.new_users == {"video": (1, 2, 0), UNATTRIBUTED: (0, 0, 1)}
    assert series.paid_new_users == {"video": (1, 1, 0), UNATTRIBUTED: (0, 0, 1)}
    # 20 to 22 December and 13 and 14 January are parts of weeks.
    assert [(left.period.first, left.why.zh) for left in series.left_out] == [
        (date(2024, 12, 16), "2024-12-16 .. 2024-12-22 只有一部分在所看的期间内"),
        (date(2025, 1, 13), "2025-01-13 .. 2025-01-19 只有一部分在所看的期间内"),
    ]


def test_months_at_the_ends_that_are_covered_in_part_are_left_out(tmp_path: Path):
    series = series_of(
        new_books(tmp_path / "books"), date(2024, 2, 10), date(2024, 5, 20),
        spend("2024-02-10", 1), spend("2024-03-10", 2), spend("2024-04-10", 3), spend("2024-05-10", 4),
        users=[won("a", "2024-03-05T00:00:00Z")], grain="month",
    )  # fmt: skip
    assert [period.label for period in series.periods] == ["2024-03", "2024-04"]
    assert series.spend == {"video": (2, 3)}
    assert len(series.left_out) == 2


def test_a_gap_in_the_middle_is_no_value_and_no_zero(tmp_path: Path):
    books = new_books(tmp_path / "books")
    march = (date(2024, 3, 1), date(2024, 3, 31))
    book(books, "ad_spend", [spend("2024-03-10", 2)], covers=(date(2024, 3, 1), date(2024, 5, 31)))
    book(books, "acquisitions", [won("a", "2024-03-05T00:00:00Z")], covers=march)
    later = (date(2024, 4, 15), date(2024, 5, 31))
    book(books, "acquisitions", [won("b", "2024-04-20T00:00:00Z")], covers=later)
    series = channel_series(open_account(books), "month")
    assert [period.label for period in series.periods] == ["2024-03", "2024-04", "2024-05"]
    assert series.spend == {"video": (2, 0, 0)}
    assert series.new_users == series.paid_new_users == {"video": (1, None, 0)}
    assert series.left_out == ()


def test_books_that_relate_nothing_give_no_periods(tmp_path: Path):
    books = new_books(tmp_path / "books")
    book(books, "ad_spend", [spend("2024-03-10", 2)], covers=(date(2024, 3, 1), date(2024, 3, 31)))
    series = channel_series(open_account(books), "week")
    assert (series.periods, series.channels, series.spend) == ((), (), {})
    # Four weeks that spend covers whole, and two at the ends of March.
    assert len(series.left_out) == 5
    assert all("acquisitions cover only a part" in left.why.en for left in series.left_out[1:-1])


def test_a_day_is_too_short_for_a_week(tmp_path: Path):
    one_day = date(2024, 3, 6)
    series = series_of(
        new_books(tmp_path / "books"), one_day, one_day, spend("2024-03-06", 1),
        users=[won("a", "2024-03-06T00:00:00Z")],
    )  # fmt: skip
    assert (series.periods, len(series.left_out)) == ((), 1)


def test_spend_without_an_exchange_rate_is_no_value(tmp_path: Path):
    series = series_of(
        new_books(tmp_path / "books"), date(2024, 3, 1), date(2024, 4, 30),
        spend("2024-03-10", 2), spend("2024-04-10", 3, currency="AED"), spend("2024-04-10", 5, "radio"),
        users=[won("a", "2024-03-05T00:00:00Z")], grain="month",
    )  # fmt: skip
    assert series.spend == {"video": (2, None), "radio": (0, 5)}


def test_the_worked_case_by_month(tmp_path: Path):
    account = open_case(read_case(FOLDER / "spend_ledger.yaml"), tmp_path)
    series = channel_series(account, "month")
    assert series.channels == ("video", "friends", "radio", "organic", UNATTRIBUTED)
    assert series.spend == {
        "video": (90, 100), "friends": (20, 0), "radio": (0, 5), "organic": (0, 0), UNATTRIBUTED: (10, 0),
    }  # fmt: skip
    assert series.new_users["video"] == series.paid_new_users["video"] == (2, 3)
    assert (series.new_users["organic"], series.paid_new_users["organic"]) == ((1, 0), (0, 0))


def test_weeks_add_up_to_what_was_spent_in_them(tiny_company):
    account = tiny_company[0]
    series = channel_series(account, "week")
    inside = Period(series.periods[0].first, series.periods[-1].end)
    assert all(period.first.weekday() == 0 and period.day_count == 7 for period in series.periods)
    expected: dict[str, Decimal] = defaultdict(Decimal)
    for row in account.rollups["ad_spend"].to_pylist():
        if row["day"] in inside:
            assert row["currency"] == account.currency
            expected[row["channel"] or UNATTRIBUTED] += row["amount"]
    for channel, amounts in series.spend.items():
        assert abs(sum(amounts) - expected[channel]) <= Decimal("0.01") * len(series.periods)
    assert sum(map(sum, series.spend.values())) > 0


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Account:
    return base_account(tmp_path_factory.mktemp("random"))


@settings(max_examples=25)
@given(rollups=small_rollups())
def test_a_month_is_the_statement_and_no_user_is_lost(base, rollups):
    account = with_rollups(base, rollups)
    months = channel_series(account, "month")
    assert [period.label for period in months.periods] == ["2024-03", "2024-04"]
    for bucket in (0, 1):
        # The statement posts each kind apart, the series all kinds together: half a cent a kind, at most.
        stated = account.live_value("acquisition_spend", bucket)
        assert abs(sum(values[bucket] for values in months.spend.values()) - stated) <= Decimal("0.03")
        new = sum(values[bucket] for values in months.new_users.values())
        assert new == account.live_value("new_users", bucket)
        paid = sum(values[bucket] for values in months.paid_new_users.values())
        assert paid == account.live_value("paid_new_users", bucket)
    weeks = channel_series(account, "week")
    assert weeks.periods[0].first == date(2024, 3, 4)
    assert weeks.periods[-1].end - ONE_DAY == date(2024, 4, 28)
    assert not any(isinstance(value, Missing) for values in weeks.spend.values() for value in values)
