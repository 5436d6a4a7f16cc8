"""A refreshed cache and a fresh one say the same, whatever came in, in whatever order, or was taken out."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from breakeven.account.account import load_prices
from breakeven.account.rollups import RollupStore
from breakeven.account.usage import model_cuts
from breakeven.engine.session import open_engine

from .bookkeeping import book, new_books, write_card

# Ibis 12 still calls a name that DuckDB 2 has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

FIRST = date(2024, 3, 28)
CARD = """
provider: outside
side: buy
currency: USD
source: test
checked_on: 2024-03-01
models:
  m:
    prices:
      - valid_from: 2024-01-01
        per_mtok: {uncached_input: 1, cached_input: 1, cache_write: 1, output: 2}
        windows: [{name: night, from: "%s", to: "08:30", multiplier: 0.5}]
"""


class Company:
    """A few users whose rows arrive day by day, late, twice, corrected, or not at all."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.chance = random.Random(seed)
        self.books = new_books(folder / "books", time_zone="Asia/Shanghai")
        write_card(self.books, "outside", CARD % "00:30")
        self.cache = folder / "cache"
        self.cache.mkdir()
        self.folder = folder
        self.batches: list[str] = []
        self.waiting = None
        self.corrections = 0
        self.ids: dict[str, list[dict[str, Any]]] = {}

    def refresh(self) -> RollupStore:
        store = self.store(self.cache)
        self.rollups = store.refresh()
        return store

    def store(self, cache: Path) -> RollupStore:
        cuts = model_cuts(load_prices(self.books))
        return RollupStore(self.books, lambda: open_engine("duckdb"), cuts=cuts, folder=cache)

    def expect_same_as_fresh(self, after: str) -> None:
        fresh = self.folder / f"fresh-{self.chance.getrandbits(40)}"
        fresh.mkdir()
        expected = self.store(fresh).refresh()
        self.refresh()
        for name, table in expected.items():
            assert rows_of(self.rollups[name]) == rows_of(table), f"{name} after {after}"

    def tokens_by_day(self) -> dict[date, int]:
        usage = self.rollups["usage"].group_by("day").aggregate([("uncached_input_tokens", "sum")])
        return {line["day"]: line["uncached_input_tokens_sum"] for line in usage.to_pylist()}

    # --- what can happen ------------------------------------------------------------------------------

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """What is put meanwhile comes in one import per table."""
        self.waiting: dict[str, list[dict[str, Any]]] | None = {}
        yield
        waiting, self.waiting = self.waiting, None
        for table, rows in waiting.items():
            self.batches.append(book(self.books, table, rows))

    def put(self, table: str, rows: list[dict[str, Any]]) -> None:
        if rows:
            rows = [
                {"source_id": f"{table}-{len(self.ids.get(table, [])) + n}", **row}
                for n, row in enumerate(rows)
            ]
            self.ids.setdefault(table, []).extend(rows)
            if self.waiting is None:
                self.batches.append(book(self.books, table, rows))
            else:
                self.waiting.setdefault(table, []).extend(rows)

    def day(self, offset: int) -> date:
        return FIRST + timedelta(days=offset)

    def at(self, offset: int) -> str:
        moment = time(self.chance.randrange(24), self.chance.randrange(60))
        return f"{datetime.combine(self.day(offset), moment).isoformat()}+08:00"

    def user(self) -> str:
        return f"u{self.chance.randrange(12)}"

    def use_a_day(self, offset: int) -> None:
        self.put(
            "usage",
            [
                {"at": self.at(offset), "user_id": self.chance.choice([self.user(), ""]), "product": "app",
                 "account_id": "acme", "provider": "outside", "model": "m",
                 "uncached_input_tokens": self.chance.randrange(1, 90), "output_tokens": 3}
                for _ in range(4)
            ],
        )  # fmt: skip

    def visit_a_day(self, offset: int) -> None:
        users = sorted({self.user() for _ in range(4)})
        self.put("activity", [{"user_id": user, "day": self.day(offset), "sessions": 2} for user in users])

    def acquire(self, offset: int) -> None:
        users = sorted({self.user() for _ in range(3)})
        self.put(
            "acquisitions",
            [
                {"user_id": user, "acquired_at": self.at(offset), "channel": self.chance.choice("ab"),
                 "is_paid": "true"}
                for user in users
            ],
        )  # fmt: skip

    def pay(self, offset: int) -> None:
        start = offset + self.chance.randrange(-2, 3)
        self.put(
            "payments",
            [
                {"at": self.at(offset), "user_id": self.user(), "kind": "subscription", "amount": "31",
                 "currency": "USD", "service_start": f"{self.day(start)}T00:00:00+08:00",
                 "service_end": f"{self.day(start + self.chance.randrange(1, 9))}T00:00:00+08:00"},
                {"at": self.at(offset), "user_id": self.user(), "account_id": "acme", "kind": "gift",
                 "amount": "5", "currency": "USD", "service_start": "", "service_end": ""},
            ],
        )  # fmt: skip

    def spend(self, offset: int) -> None:
        self.put("ad_spend", [{"day": self.day(offset), "kind": "ads", "amount": "7", "currency": "USD"}])

    def correct(self, _: int) -> None:
        """Say something else under a known key, perhaps on another day."""
        table = self.chance.choice([name for name in self.ids if self.ids[name]])
        row = dict(self.chance.choice(self.ids[table]))
        self.corrections += 1
        if "at" in row:
            row["at"] = self.at(self.chance.randrange(8))
        elif "acquired_at" in row:
            row |= {"acquired_at": self.at(self.chance.randrange(8)), "channel": f"c{self.corrections}"}
        else:
            row["day"] = self.day(self.chance.randrange(8))
            row |= (
                {"sessions": 100 + self.corrections}
                if table == "activity"
                else {"campaign": self.corrections}
            )
        self.batches.append(book(self.books, table, [row]))

    def undo(self, _: int) -> None:
        batch = self.chance.choice(self.batches)
        self.batches.remove(batch)
        self.books.undo(batch)

    def change_window(self, _: int) -> None:
        write_card(self.books, "outside", CARD % self.chance.choice(["00:30", "02:15"]))

    EVENTS = (use_a_day, visit_a_day, acquire, pay, spend, correct, undo, change_window)

    def begin(self) -> None:
        with self.at_once():
            for offset in range(3):
                for event in (self.acquire, self.use_a_day, self.visit_a_day, self.pay, self.spend):
                    event(offset)


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    names = sorted(table.column_names)
    return sorted(zip(*(table[name].to_pylist() for name in names), strict=True), key=repr) if names else []


def a_long_story(folder: Path, seed: int, events: int) -> None:
    company = Company(folder, seed)
    company.begin()
    company.refresh()
    for number in range(events):
        event = company.chance.choice(Company.EVENTS)
        event(company, company.chance.randrange(8))
        if company.chance.random() < 0.3 or number + 1 == events:
            company.expect_same_as_fresh(f"{number}: {event.__name__} (seed {seed})")


def test_any_story_leaves_the_cache_right(tmp_path):
    a_long_story(tmp_path, seed=2, events=4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 112))
def test_any_longer_story_leaves_the_cache_right(tmp_path, seed):
    a_long_story(tmp_path, seed, events=15)


@pytest.fixture
def company(tmp_path: Path) -> Company:
    """Three days of one user, `a`, who pays for the second; the cache is up to date."""
    company = Company(tmp_path)
    with company.at_once():
        company.put("acquisitions", [{"user_id": "a", "acquired_at": company.at(0), "channel": "x"}])
        for offset in range(3):
            a_plain_day(company, offset, "a")
    company.refresh()
    return company


def a_plain_day(company: Company, offset: int, user: str) -> None:
    noon = f"{company.day(offset)}T12:00:00+08:00"
    company.put(
        "usage",
        [{"at": noon, "user_id": user, "product": "app", "provider": "outside", "model": "m",
          "uncached_input_tokens": 5, "output_tokens": 1}],
    )  # fmt: skip
    company.put("activity", [{"user_id": user, "day": company.day(offset)}])
    company.put("payments", [{"at": noon, "user_id": user, "kind": "gift", "amount": "1", "currency": "USD"}])
    company.put("ad_spend", [{"day": company.day(offset), "kind": "ads", "amount": "7", "currency": "USD"}])


def test_one_more_day_computes_that_day_alone(company):
    assert set(company.refresh().computed_days.values()) == {0}
    with company.at_once():
        company.put("acquisitions", [{"user_id": "b", "acquired_at": company.at(3), "channel": "y"}])
        a_plain_day(company, 3, "b")
    company.expect_same_as_fresh("one more day")
    a_plain_day(company, 4, "a")
    # The fourth and fifth day lie in April and in the running week: one day, week or month of each rollup.
    computed = company.refresh().computed_days
    assert computed == dict.fromkeys(computed, 1) | {"acquisitions": 0}


def test_a_user_won_again_later_changes_no_other_day(company):
    company.put("acquisitions", [{"user_id": "a", "acquired_at": company.at(2), "channel": "y"}])
    company.expect_same_as_fresh("the same user, later")
    store = company.refresh()
    company.put("acquisitions", [{"user_id": "a", "acquired_at": company.at(3), "channel": "z"}])
    store = company.refresh()
    assert {name: days for name, days in store.computed_days.items() if days} == {"acquisitions": 1}


def test_a_user_won_earlier_than_known_moves_to_the_first_channel(company):
    company.put("acquisitions", [{"user_id": "a", "acquired_at": company.at(-40), "channel": "first"}])
    company.expect_same_as_fresh("the same user, earlier")
    assert company.rollups["usage"]["channel"].unique().to_pylist() == ["first"]


def test_late_acquisitions_explain_unknown_users_of_any_table(company):
    noon = f"{company.day(4)}T12:00:00+08:00"
    use = {"at": noon, "provider": "outside", "model": "m", "uncached_input_tokens": 5, "output_tokens": 1}
    company.put("usage", [{"user_id": "late in usage", **use}])
    company.put("activity", [{"user_id": "late in activity", "day": company.day(4)}])
    paid = {"at": noon, "kind": "gift", "amount": "1", "currency": "USD"}
    company.put("payments", [{"user_id": "late in payments", **paid}])
    company.refresh()
    for table in ("usage", "activity", "payments"):
        moment = {"acquired_at": company.at(1), "channel": f"found in {table}"}
        company.put("acquisitions", [{"user_id": f"late in {table}", **moment}])
        company.expect_same_as_fresh(f"late acquisitions of {table}")
        assert f"found in {table}" in company.rollups[table]["channel"].to_pylist()


def test_a_late_payment_makes_the_days_it_paid_for_paying(company):
    paying = {"kind": "subscription", "amount": "9", "currency": "USD", "user_id": "b"}
    with company.at_once():
        for offset in (0, 1, 2):
            a_plain_day(company, offset, "b")
    start, end = (f"{company.day(offset)}T00:00:00+08:00" for offset in (1, 2))
    term = {"service_start": start, "service_end": end}
    company.refresh()
    company.put("payments", [{"at": company.at(6), **paying, **term}])
    company.expect_same_as_fresh("a late payment")


def test_of_a_corrected_row_only_the_last_version_counts(company):
    """Also when the correction puts the row on another day."""
    row = company.ids["usage"][1]
    for day, tokens in ((1, 700), (6, 800)):
        noon = f"{company.day(day)}T12:00:00+08:00"
        batch = book(company.books, "usage", [row | {"at": noon, "uncached_input_tokens": tokens}])
        company.expect_same_as_fresh("a correction")
        assert company.tokens_by_day() == {company.day(0): 5, company.day(2): 5, company.day(day): tokens}
    company.books.undo(batch)
    company.expect_same_as_fresh("the last correction undone")
    assert company.tokens_by_day() == {company.day(0): 5, company.day(1): 700, company.day(2): 5}


def test_a_corrected_term_moves_the_paying_days(company):
    start, end, sooner = (f"{company.day(offset)}T00:00:00+08:00" for offset in (0, 9, 1))
    paid = {"at": company.at(0), "user_id": "a", "kind": "subscription", "amount": "9", "currency": "USD"}
    company.put("payments", [paid | {"service_start": start, "service_end": end}])
    company.refresh()
    row = company.ids["payments"][-1] | {"service_end": sooner}
    book(company.books, "payments", [row])
    company.expect_same_as_fresh("a shorter term")
    assert company.rollups["payers"].to_pylist() == [
        {"month": date(2024, 3, 1), "cohort": date(2024, 3, 1), "channel": "x", "users": 1}
    ]


def test_what_the_cache_lost_or_no_longer_holds_is_computed_again(company):
    for path in company.cache.glob("*.parquet"):
        path.unlink()
    company.expect_same_as_fresh("parts were deleted")
    (company.cache / "manifest.json").write_text("{")
    company.expect_same_as_fresh("the manifest was broken")
    write_card(company.books, "outside", CARD % "02:15")
    company.expect_same_as_fresh("the price got another night")


def test_processes_that_open_the_books_at_once_all_get_the_account(company):
    """One computes, the others wait for it; nobody removes what another still reads."""
    script = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from breakeven.account.account import open_account\n"
        "from breakeven.ledger.books import open_books\n"
        "print(open_account(open_books(sys.argv[1])).value('user_days', 0))"
    )
    command = [sys.executable, "-c", script, str(company.books.folder)]
    opened = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
    said = [process.communicate(timeout=120) for process in opened]
    assert said == [(b"3\n", b"")] * 3
