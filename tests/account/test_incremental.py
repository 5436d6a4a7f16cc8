"""A refreshed cache and a fresh one say the same, whatever came in, in whatever order, or was taken out."""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from breakeven.account.account import load_prices, open_account
from breakeven.account.rollups import RollupStore
from breakeven.account.usage import model_cuts
from breakeven.engine.session import open_engine
from breakeven.ledger.books import Books

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

    # --- what can happen ------------------------------------------------------------------------------

    def put(self, table: str, rows: list[dict[str, Any]], source: str = "hand") -> None:
        if rows:
            rows = [
                {"source_id": f"{table}-{len(self.ids.get(table, [])) + n}", **row}
                for n, row in enumerate(rows)
            ]
            self.ids.setdefault(table, []).extend(rows)
            self.batches.append(book(self.books, table, rows, source=source))

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
                 "uncached_input_tokens": self.chance.randrange(1, 90), "output_tokens": self.chance.randrange(9)}
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
            row |= {"sessions": 100 + self.corrections} if table == "activity" else {"campaign": self.corrections}
        self.batches.append(book(self.books, table, [row]))

    def undo(self, _: int) -> None:
        batch = self.chance.choice(self.batches)
        self.batches.remove(batch)
        self.books.undo(batch)

    def change_window(self, _: int) -> None:
        write_card(self.books, "outside", CARD % self.chance.choice(["00:30", "02:15"]))

    EVENTS = (use_a_day, visit_a_day, acquire, pay, spend, correct, undo, change_window)

    def begin(self) -> None:
        for offset in range(3):
            for event in (self.acquire, self.use_a_day, self.visit_a_day, self.pay, self.spend):
                event(offset)


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    names = sorted(table.column_names)
    return sorted(zip(*(table[name].to_pylist() for name in names), strict=True), key=repr) if names else []


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return Company(tmp_path)


def a_long_story(folder: Path, seed: int, events: int) -> None:
    company = Company(folder, seed)
    company.begin()
    company.refresh()
    for number in range(events):
        event = company.chance.choice(Company.EVENTS)
        event(company, company.chance.randrange(8))
        if company.chance.random() < 0.6 or number + 1 == events:
            company.expect_same_as_fresh(f"{number}: {event.__name__} (seed {seed})")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_story_leaves_the_cache_right(tmp_path, seed):
    a_long_story(tmp_path, seed, events=8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 130))
def test_any_longer_story_leaves_the_cache_right(tmp_path, seed):
    a_long_story(tmp_path, seed, events=15)
