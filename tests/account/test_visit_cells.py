"""Visits as cells: what they count, by hand; and one day at a time, in any order, equals all at once."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from breakeven.account.account import Account, open_account
from breakeven.account.visit_cells import visit_cells
from breakeven.account.visit_manifest import VisitManifest
from breakeven.engine.duckdb import DuckDBEngine
from breakeven.errors import UsageError
from breakeven.ledger.books import Books

from .bookkeeping import book, new_books
from .test_incremental import Company

# Ibis 12 still calls a name that DuckDB 2 has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

MARCH = date(2024, 3, 1)
Cell = tuple[Any, ...]


def day(offset: int) -> date:
    return MARCH + timedelta(days=offset)


def cells_of(account: Account, *dimensions: str, until: date | None = None) -> Counter[Cell]:
    table = visit_cells(account, *dimensions, until=until)
    assert table.column_names[:3] == ["first_day", "repeats", "last_day"]
    found = Counter[Cell]()
    for *key, users in zip(*(column.to_pylist() for column in table.columns), strict=True):
        assert users > 0
        found[tuple(key)] += users
    assert len(found) == table.num_rows, "a cell stands there twice"
    return found


def oracle(books: Books, *dimensions: str, until: date = date.max) -> Counter[Cell]:
    """The same, user by user in Python, from the rows that count."""
    with DuckDBEngine() as engine:
        for table in ("acquisitions", "activity", "payments"):
            books.view(engine, table)
        users = {
            row[0]: row[1:]
            for row in engine.rows(
                "SELECT user_id, day, channel, campaign, platform, country FROM acquisitions "
                "ORDER BY acquired_at DESC, source DESC, source_id DESC"
            )
        }
        users = {user: row for user, row in users.items() if row[0] <= until}
        active: dict[str, set[date]] = {}
        for user, on in engine.rows("SELECT user_id, day FROM activity"):
            if on <= until:
                active.setdefault(user, set()).add(on)
        plans = {
            row[0]: row[1]
            for row in engine.rows(
                "SELECT user_id, plan, day FROM payments WHERE kind = 'subscription' AND user_id IS NOT NULL "
                'ORDER BY "at" DESC, source DESC, source_id DESC'
            )
            if row[2] <= until
        }
    found = Counter[Cell]()
    for user in users.keys() | active.keys():
        days = active.get(user, set())
        first = users[user][0] if user in users else min(days)
        later = [on for on in days if on > first]
        origin = users[user][1:] if user in users else (None,) * 4
        said = dict(zip(("channel", "campaign", "platform", "country"), origin, strict=True))
        said |= {"is_acquired": user in users, "is_active_at_once": first in days, "plan": plans.get(user)}
        found[first, len(later), max(later, default=first), *(said[name] for name in dimensions)] += 1
    return found


@pytest.fixture
def shanghai(tmp_path: Path) -> Books:
    return new_books(tmp_path / "books", time_zone="Asia/Shanghai")


def test_a_first_day_repeats_and_the_last_day(shanghai: Books) -> None:
    late, early = "2024-03-01T15:59:59Z", "2024-03-01T16:00:00Z"  # midnight of Shanghai lies between
    book(
        shanghai,
        "acquisitions",
        [
            {"user_id": "late evening", "acquired_at": late, "channel": "x"},
            {"user_id": "after midnight", "acquired_at": early, "channel": "x"},
            {"user_id": "never came", "acquired_at": early, "channel": "y"},
        ],
    )
    visits = [("late evening", 0), ("late evening", 4), ("late evening", 2), ("after midnight", 0)]
    book(shanghai, "activity", [{"user_id": user, "day": day(n)} for user, n in visits])
    book(shanghai, "activity", [{"user_id": "late evening", "day": day(4)}], source="another")
    book(shanghai, "activity", [{"user_id": "nobody's", "day": day(n)} for n in (1, 3)])
    account = open_account(shanghai)
    assert cells_of(account, "channel", "is_acquired", "is_active_at_once") == {
        (day(0), 2, day(4), "x", True, True): 1,
        # Being there before the acquisition is no repeat visit.
        (day(1), 0, day(1), "x", True, False): 1,
        (day(1), 0, day(1), "y", True, False): 1,
        # Nobody recorded where this user came from: the first active day stands for the acquisition.
        (day(1), 1, day(3), None, False, True): 1,
    }
    assert cells_of(account) == {(day(0), 2, day(4)): 1, (day(1), 0, day(1)): 2, (day(1), 1, day(3)): 1}


def test_the_plan_is_that_of_the_first_subscription_payment(shanghai: Books) -> None:
    def paid(user: str, on: int, kind: str, plan: str | None) -> dict[str, Any]:
        noon = f"{day(on)}T12:00:00+08:00"
        return {"user_id": user, "at": noon, "kind": kind, "plan": plan, "amount": "9", "currency": "USD"}

    book(shanghai, "activity", [{"user_id": user, "day": day(0)} for user in "abc"])
    payments = [
        paid("a", 5, "subscription", "max"),
        paid("a", 2, "subscription", "pro"),
        paid("a", 1, "gift", "gift"),
        paid("b", 3, "gift", "gift"),
    ]
    book(shanghai, "payments", payments)
    account = open_account(shanghai)
    assert cells_of(account, "plan") == {(day(0), 0, day(0), "pro"): 1, (day(0), 0, day(0), None): 2}
    assert cells_of(account, "plan", until=day(1)) == {(day(0), 0, day(0), None): 3}


def test_other_dimensions_are_refused(shanghai: Books) -> None:
    book(shanghai, "activity", [{"user_id": "a", "day": day(0)}])
    with pytest.raises(UsageError, match="creator"):
        visit_cells(open_account(shanghai), "creator")


def manifest(account: Account) -> VisitManifest:
    return VisitManifest.read(account.cache / "visits.json")


def test_a_later_day_adds_a_part_and_reads_no_other_day(shanghai: Books, monkeypatch: Any) -> None:
    book(shanghai, "activity", [{"user_id": f"u{n}", "day": day(n % 3)} for n in range(30)])
    visit_cells(open_account(shanghai))
    book(shanghai, "activity", [{"user_id": f"u{n}", "day": day(5)} for n in range(4)])
    account = open_account(shanghai)
    before = manifest(account)
    read: list[set[str | None]] = []
    plain = Books.view

    def spied(self: Books, engine: Any, table: str, files: Any = None, **rest: Any) -> None:
        read.append({file.partition for file in (self.files(table) if files is None else files)})
        plain(self, engine, table, files, **rest)

    monkeypatch.setattr(Books, "view", spied)
    assert cells_of(account) == oracle(shanghai)
    assert read[0] == {"2024-03-06"}
    after = manifest(account)
    assert (after.parts[0], [rows for _, _, rows in after.parts]) == (before.parts[0], [30, 4])


@pytest.mark.parametrize(
    "what", ["an earlier day", "a late acquisition", "an earlier acquisition", "an undo"]
)
def test_what_comes_late_is_counted_right(shanghai: Books, what: str) -> None:
    users = [f"u{n}" for n in range(12)]
    book(
        shanghai, "acquisitions", [{"user_id": user, "acquired_at": f"{day(1)}T08:00:00Z"} for user in users]
    )
    book(shanghai, "activity", [{"user_id": user, "day": day(n)} for n in (1, 4) for user in users])
    last = book(shanghai, "activity", [{"user_id": user, "day": day(5)} for user in ("u1", "stray")])
    cells_of(open_account(shanghai), "channel")
    if what == "an earlier day":
        book(shanghai, "activity", [{"user_id": user, "day": day(2)} for user in ("u1", "u2")])
    elif what == "a late acquisition":
        # Long after the first visits: how many of them lie after it is not known from numbers alone.
        moments = [("stray", 8), ("new", 9)]
        rows = [
            {"user_id": user, "acquired_at": f"{day(n)}T08:00:00Z", "channel": "late"} for user, n in moments
        ]
        book(shanghai, "acquisitions", rows)
    elif what == "an earlier acquisition":
        book(
            shanghai,
            "acquisitions",
            [{"user_id": "u1", "acquired_at": f"{day(-9)}T08:00:00Z", "channel": "first"}],
        )
    else:
        shanghai.undo(last)
    account = open_account(shanghai)
    assert cells_of(account, "channel", "is_active_at_once") == oracle(
        shanghai, "channel", "is_active_at_once"
    )
    assert cells_of(account, "channel") == oracle(shanghai, "channel")


def test_many_later_parts_are_merged_into_one(shanghai: Books) -> None:
    users = [f"u{n}" for n in range(20)]
    book(shanghai, "activity", [{"user_id": user, "day": day(0)} for user in users])
    cells_of(open_account(shanghai))
    sizes: list[int] = []
    for offset in range(1, 8):
        book(shanghai, "activity", [{"user_id": user, "day": day(offset)} for user in users[: 4 + offset]])
        account = open_account(shanghai)
        assert cells_of(account) == oracle(shanghai)
        sizes.append(len(manifest(account).parts))
    assert 1 in sizes
    assert max(sizes) > 2
    stored = {path.name for path in account.cache.glob("visits-*.pq")}
    assert len(stored) < 12, "what nobody uses any more is dropped"


def test_until_is_the_past(shanghai: Books) -> None:
    random_days = random.Random(3)
    rows = [
        {"user_id": f"u{random_days.randrange(15)}", "day": day(random_days.randrange(20))} for _ in range(90)
    ]
    book(shanghai, "activity", {(row["user_id"], row["day"]): row for row in rows}.values())
    acquired = [{"user_id": f"u{n}", "acquired_at": f"{day(n)}T08:00:00Z", "channel": "x"} for n in range(10)]
    book(shanghai, "acquisitions", acquired)
    account = open_account(shanghai)
    for until in (day(0), day(7), day(18), day(50)):
        for _ in range(2):  # the second time from what was kept
            found = cells_of(account, "channel", until=until)
            assert found == oracle(shanghai, "channel", until=until)
    assert cells_of(account) == oracle(shanghai)


def test_broken_or_missing_files_are_made_again(shanghai: Books) -> None:
    book(shanghai, "activity", [{"user_id": f"u{n}", "day": day(n % 3)} for n in range(9)])
    account = open_account(shanghai)
    expected = cells_of(account)
    for path in account.cache.glob("visits-base-*.pq"):
        path.unlink()
    assert cells_of(account) == expected
    (account.cache / "visits.json").write_text('{"format": 1, "parts": 7}')
    assert cells_of(account) == expected


def test_books_without_activity_have_the_users_acquired(shanghai: Books) -> None:
    book(shanghai, "acquisitions", [{"user_id": "a", "acquired_at": f"{day(0)}T08:00:00Z"}])
    assert cells_of(open_account(shanghai)) == {(day(0), 0, day(0)): 1}


def test_books_without_users_have_no_cells(shanghai: Books) -> None:
    book(shanghai, "ad_spend", [{"day": day(0), "kind": "ads", "amount": "7", "currency": "USD"}])
    assert cells_of(open_account(shanghai), "channel", "plan") == {}


def test_all_imports_in_another_order_give_the_same_cells(tmp_path: Path) -> None:
    chance = random.Random(11)
    batches: list[tuple[str, list[dict[str, Any]]]] = []
    for offset in range(5):
        visitors = sorted({f"u{chance.randrange(9)}" for _ in range(5)})
        batches.append(("activity", [{"user_id": user, "day": day(offset)} for user in visitors]))
        new = {"user_id": f"u{chance.randrange(9)}", "acquired_at": f"{day(offset)}T20:00:00Z"}
        batches.append(("acquisitions", [new | {"channel": chance.choice("xy"), "source_id": f"a{offset}"}]))
    found: list[Counter[Cell]] = []
    for number in range(2):
        books = new_books(tmp_path / f"books-{number}", time_zone="Asia/Shanghai")
        for place, (table, rows) in enumerate(batches):
            book(books, table, rows)
            if number and place % 4 == 2:
                cells_of(open_account(books), "channel")
        found.append(cells_of(open_account(books), "channel"))
        chance.shuffle(batches)
    assert found[0] == found[1] == oracle(books, "channel")


def a_long_story(folder: Path, seed: int, events: int) -> None:
    """Whatever comes in or is taken out: cells brought up to date are those of the rows that count now."""
    company = Company(folder, seed)
    company.begin()
    for number in range(events):
        event = company.chance.choice(Company.EVENTS)
        event(company, company.chance.randrange(8))
        account = open_account(company.books, cache=company.cache)
        told = f"{number}: {event.__name__} (seed {seed})"
        for dimensions in ((), ("channel", "is_acquired"), ("is_active_at_once", "plan")):
            assert cells_of(account, *dimensions) == oracle(company.books, *dimensions), told


def test_any_story_leaves_the_cells_right(tmp_path: Path) -> None:
    a_long_story(tmp_path, seed=5, events=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200, 204))
def test_any_longer_story_leaves_the_cells_right(tmp_path: Path, seed: int) -> None:
    a_long_story(tmp_path, seed, events=12)
