"""Retention by its three definitions: worked by hand, in the books' time zone, and never zero for absent."""

from __future__ import annotations

import random
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakeven.account import retained
from breakeven.account.account import Account, open_account
from breakeven.account.retained import Span, active_in_spans
from breakeven.account.retention import RetentionLine, day_retention, retention, spans_of
from breakeven.ledger.books import Books

from .bookkeeping import book, new_books

# Ibis 12 still calls a name that DuckDB 2 has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

MARCH = date(2024, 3, 1)


def day(offset: int) -> date:
    return MARCH + timedelta(days=offset)


@pytest.fixture
def shanghai(tmp_path: Path) -> Books:
    return new_books(tmp_path / "books", time_zone="Asia/Shanghai")


def acquire(books: Books, users: dict[str, int], **more: Any) -> None:
    rows = [{"user_id": user, "acquired_at": f"{day(n)}T12:00:00+08:00", **more} for user, n in users.items()]
    book(books, "acquisitions", rows)


def visit(books: Books, days: dict[str, list[int]], watched_days: int | None = None) -> None:
    rows = [{"user_id": user, "day": day(n)} for user, offsets in days.items() for n in offsets]
    book(books, "activity", rows, covers=None if watched_days is None else (MARCH, day(watched_days - 1)))


def shares(line: RetentionLine) -> list[Fraction | None]:
    return [line.share(place) for place in range(len(line.exposed))]


@pytest.fixture
def five(shanghai: Books) -> Account:
    """Five users of one day: one is there on day 7 exactly, one only later, three at some time before."""
    acquire(shanghai, dict.fromkeys("abc", 0), channel="x", platform="ios", campaign="spring")
    acquire(shanghai, dict.fromkeys("de", 0), channel="y")
    visit(shanghai, {"a": [0, 7], "b": [0, 3, 9], "c": [1, 2], "d": [5], "e": [0]}, 60)
    return open_account(shanghai)


def test_one_day_seven_by_three_definitions(five: Account) -> None:
    """Of the same five users day 7 is 20 % (classic), 40 % (rolling) or 80 % (days 1 to 7)."""
    [classic] = retention(five, "classic", periods=[7])
    [rolling] = retention(five, "rolling", periods=[7])
    [within] = retention(five, "bracketed", brackets=[(1, 7)])
    assert [line.share(0) for line in (classic, rolling, within)] == [
        Fraction(1, 5),
        Fraction(2, 5),
        Fraction(4, 5),
    ]


def test_every_period_by_hand(five: Account) -> None:
    [classic] = retention(five, "classic", periods=[0, 1, 2, 3, 7, 9])
    assert classic.returned == (3, 1, 1, 1, 1, 1)
    [rolling] = retention(five, "rolling", periods=[0, 1, 2, 3, 7, 9, 10])
    # c and d were not there on day 0, but later; e never again.
    assert rolling.returned == (5, 4, 4, 3, 2, 1, 0)
    [bracketed] = retention(five, "bracketed", brackets=[(1, 1), (2, 3), (4, 7), (8, 14)])
    assert bracketed.returned == (1, 2, 2, 1)
    [weeks] = retention(five, "classic", "week", periods=[0, 1, 2])
    assert (weeks.exposed, weeks.returned) == ((5, 5, 5), (5, 2, 0))
    [month] = retention(five, "rolling", "month", periods=[0, 1])
    assert (month.exposed, month.returned) == ((5, 5), (5, 0))


@pytest.mark.parametrize("kind", ["classic", "rolling", "bracketed"])
@pytest.mark.parametrize("unit", ["day", "week"])
def test_lines_add_up_to_all_users(five: Account, kind: Any, unit: Any) -> None:
    [everybody] = retention(five, kind, unit)
    for by in ("channel", "campaign", "plan", "platform", "cohort"):
        lines = retention(five, kind, unit, by)
        assert sum(line.users for line in lines) == everybody.users == 5
        for place, exposed in enumerate(everybody.exposed):
            assert sum(line.exposed[place] for line in lines) == exposed
            if exposed:
                assert sum(line.returned[place] or 0 for line in lines) == everybody.returned[place]
    assert [line.name for line in retention(five, kind, unit, "channel")] == ["x", "y"]
    assert [line.name for line in retention(five, kind, unit, "platform")] == ["ios", ""]
    assert [line.name for line in retention(five, kind, unit, "cohort")] == ["2024-03"]


def test_a_plan_is_a_line(five: Account) -> None:
    paid = {"kind": "subscription", "amount": "9", "currency": "USD", "plan": "pro"}
    book(five.books, "payments", [{"user_id": "b", "at": f"{day(4)}T12:00:00+08:00", **paid}])
    account = open_account(five.books)
    for kind, expected in (
        ("classic", {"": (4, 0), "pro": (1, 1)}),
        ("rolling", {"": (4, 2), "pro": (1, 1)}),
    ):
        lines = retention(account, kind, by="plan", periods=[3])
        assert {line.name: (line.users, line.returned[0]) for line in lines} == expected


def test_the_day_is_that_of_the_books(shanghai: Books) -> None:
    """Half past eleven in the evening of Shanghai is still the day; an hour later is the next one."""
    moments = {"evening": "2024-03-01T23:30:00+08:00", "night": "2024-03-02T00:30:00+08:00"}
    rows = [{"user_id": user, "acquired_at": moment} for user, moment in moments.items()]
    book(shanghai, "acquisitions", rows)
    visit(shanghai, {"evening": [0, 1], "night": [1]}, 20)
    account = open_account(shanghai)
    [line] = retention(account, periods=[0, 1])
    # UTC would put both on 1 March, and have each of them come on day 1.
    assert line.returned == (2, 1)
    assert day_retention(account, 1) == ([2], [1])


def test_users_whose_period_is_not_over_are_not_judged(shanghai: Books) -> None:
    acquire(shanghai, {"old": 0, "new": 6})
    visit(shanghai, {"old": [0, 1, 7], "new": [6]}, 8)  # through the 7th day after the first
    account = open_account(shanghai)
    [line] = retention(account, periods=[0, 1, 2, 7, 8])
    assert line.exposed == (2, 2, 1, 1, 0)
    assert line.returned == (2, 1, 0, 1, None)
    assert line.partial == (False, False, True, True, True)
    assert shares(line)[-1] is None
    [weeks] = retention(account, unit="week", periods=[0, 1])
    assert (weeks.exposed, weeks.partial) == ((1, 0), (True, True))
    [bracket] = retention(account, "bracketed", brackets=[(1, 2), (3, 10)])
    assert (bracket.exposed, bracket.returned, bracket.partial) == ((1, 0), (1, None), (True, True))


def test_a_rolling_share_is_partial_until_all_were_watched_for_thirty_days_more(shanghai: Books) -> None:
    acquire(shanghai, {"u": 0})
    visit(shanghai, {"u": [0]}, 38)  # days 0 to 37
    [line] = retention(open_account(shanghai), "rolling", periods=[7, 8, 37, 38])
    assert line.partial == (False, True, True, True)
    assert line.returned == (0, 0, 0, None)


def test_a_day_without_data_is_no_churn(shanghai: Books) -> None:
    acquire(shanghai, {"u": 0})
    book(shanghai, "activity", [{"user_id": "u", "day": day(0)}], covers=(day(0), day(4)))
    book(shanghai, "activity", [{"user_id": "u", "day": day(9)}], covers=(day(6), day(12)))
    account = open_account(shanghai)
    [line] = retention(account, periods=[4, 5, 6, 9])
    assert line.exposed == (1, 0, 1, 1)
    assert line.returned == (0, None, 0, 1)
    [bracket] = retention(account, "bracketed", brackets=[(1, 4), (5, 6), (7, 9)])
    assert bracket.returned == (0, None, 1)


def test_a_cohort_of_one_a_week_of_data_and_strangers(shanghai: Books) -> None:
    acquire(shanghai, {"only": 0})
    visit(shanghai, {"only": [0, 6], "stranger": [0, 1, 2, 3]})
    account = open_account(shanghai)
    for kind in ("classic", "rolling", "bracketed"):
        for unit in ("day", "week", "month"):
            [line] = retention(account, kind, unit)
            assert line.users == 1
            assert all(back is None or 0 <= back <= 1 for back in line.returned)
    [week] = retention(account, "classic", "week", periods=[0, 1])
    assert week.returned == (1, None)
    acquire(shanghai, {"never seen": 40})
    [later] = [line for line in retention(open_account(shanghai), by="cohort") if line.name == "2024-04"]
    assert (later.users, set(later.returned)) == (1, {None})


def test_books_without_acquisitions_have_no_lines(shanghai: Books) -> None:
    visit(shanghai, {"stranger": [0, 1]})
    account = open_account(shanghai)
    assert retention(account) == retention(account, "rolling", by="plan") == []
    assert day_retention(account, 1) == ([0], [0])


def test_only_users_of_the_period_asked_for(shanghai: Books) -> None:
    from breakeven.periods import Period

    acquire(shanghai, {"march": 0, "april": 35})
    visit(shanghai, {"march": [0, 1], "april": [35]}, 60)
    account = open_account(shanghai, period=Period.parse("2024-04"))
    for kind in ("classic", "rolling"):
        [line] = retention(account, kind, periods=[1])
        assert (line.users, line.exposed, line.returned) == (1, (1,), (0,))


@pytest.mark.parametrize("numbers", [[(3, 2)], [(1, 3), (3, 5)], [(4, 5), (1, 2)], [(-1, 0)]])
def test_brackets_out_of_order_are_a_mistake(numbers: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="in order"):
        spans_of("day", numbers)


def test_day_n_of_any_source_is_one_number(tiny_company: tuple[Account, Any]) -> None:
    """The growth measure, the classic lines, and the counts by user all say the same of a day."""
    account, _ = tiny_company
    for number in (0, 1, 7, 30):
        exposed, returned = day_retention(account, number)
        [line] = retention(account, periods=[number])
        assert (line.exposed[0], line.returned[0]) == (sum(exposed), sum(returned))
        cohorts = retention(account, by="cohort", periods=[number])
        assert [one.exposed[0] for one in cohorts] == exposed
        assert [one.returned[0] or 0 for one in cohorts] == returned
        counted = sum(row.users for row in active_in_spans(account, [Span(number, number)]))
        assert counted >= sum(returned) > 0


def test_laws_of_a_company(tiny_company: tuple[Account, Any]) -> None:
    account, _ = tiny_company
    for unit in ("day", "week", "month"):
        for by in (None, "channel"):
            pairs = zip(
                retention(account, "classic", unit, by), retention(account, "rolling", unit, by), strict=True
            )
            for classic, rolling in pairs:
                assert (classic.name, classic.exposed) == (rolling.name, rolling.exposed)
                for exactly, later in zip(classic.returned, rolling.returned, strict=True):
                    assert (exactly is None) == (later is None)
                    assert exactly is None or exactly <= (later or 0)


@st.composite
def histories(draw: st.DrawFn) -> dict[str, tuple[int, list[int]]]:
    offsets = st.integers(0, 12)
    users = draw(st.integers(1, 5))
    return {f"u{n}": (draw(offsets), sorted(draw(st.sets(offsets, max_size=6)))) for n in range(users)}


@settings(max_examples=4, deadline=None)
@given(histories())
def test_definitions_agree_with_counting_by_hand(
    tmp_path_factory: pytest.TempPathFactory, users: dict[str, tuple[int, list[int]]]
) -> None:
    books = new_books(tmp_path_factory.mktemp("history") / "books", time_zone="Asia/Shanghai")
    acquire(books, {user: acquired for user, (acquired, _) in users.items()})
    visit(books, {user: days for user, (_, days) in users.items()} | {"stranger": [0]}, 13)
    account = open_account(books)
    periods, brackets = [0, 1, 2, 5], [(0, 1), (2, 4), (5, 11)]
    [classic] = retention(account, "classic", periods=periods)
    [rolling] = retention(account, "rolling", periods=periods)
    [bracketed] = retention(account, "bracketed", brackets=brackets)
    for place, number in enumerate(periods):
        ages = [[n - acquired for n in days] for acquired, days in users.values() if acquired + number <= 12]
        assert classic.exposed[place] == rolling.exposed[place] == len(ages)
        assert (classic.returned[place] or 0) == sum(number in own for own in ages)
        assert (rolling.returned[place] or 0) == sum(any(age >= number for age in own) for own in ages)
    for place, (first, last) in enumerate(brackets):
        ages = [[n - acquired for n in days] for acquired, days in users.values() if acquired + last <= 12]
        assert bracketed.exposed[place] == len(ages)
        back = sum(any(first <= age <= last for age in own) for own in ages)
        assert (bracketed.returned[place] or 0) == back


# --- what is kept ----------------------------------------------------------------------------------------


def counted_months(account: Account, monkeypatch: pytest.MonkeyPatch, *spans: Span) -> list[str]:
    """Months of acquisition that had to be counted for some spans."""
    months: list[str] = []
    plain = retained._counted

    def spied(account: Account, spans: Any, by: Any, chosen: list[str]) -> Any:
        months.extend(chosen)
        return plain(account, spans, by, chosen)

    with monkeypatch.context() as patch:
        patch.setattr(retained, "_counted", spied)
        active_in_spans(account, spans)
    return months


def test_months_whose_spans_are_over_are_not_counted_again(
    shanghai: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(1)
    acquire(shanghai, {f"u{n}": n for n in range(70)})
    visits = {f"u{n}": sorted({n, n + chance.randrange(9)}) for n in range(70)}
    visit(shanghai, visits, 80)
    spans = (Span(0, 0), Span(1, 3), Span(4, 9))
    account = open_account(shanghai)
    march, april, may = "2024-03-01", "2024-04-01", "2024-05-01"
    assert counted_months(account, monkeypatch, *spans) == [march, april, may]
    assert counted_months(account, monkeypatch, *spans) == []
    book(shanghai, "activity", [{"user_id": "u69", "day": day(120)}])
    assert counted_months(open_account(shanghai), monkeypatch, *spans) == []
    book(shanghai, "activity", [{"user_id": "u69", "day": day(78)}])
    account = open_account(shanghai)
    assert counted_months(account, monkeypatch, *spans) == [may]
    fresh = account.cache.with_name("fresh")
    fresh.mkdir()
    anew = active_in_spans(open_account(shanghai, cache=fresh), spans)
    by_key = {(one.acquired_day, one.span): one.users for one in active_in_spans(account, spans)}
    assert by_key == {(one.acquired_day, one.span): one.users for one in anew}
    acquire(shanghai, {"late to be known": 33})
    assert counted_months(open_account(shanghai), monkeypatch, *spans) == [april]


def test_spans_that_overlap_are_a_mistake(five: Account) -> None:
    with pytest.raises(ValueError, match="share no day"):
        active_in_spans(five, [Span(0, 3), Span(3, 5)])
    assert active_in_spans(five, []) == []
