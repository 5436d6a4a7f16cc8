"""The own fleet's money on one page: parts of a month, token classes and the statement, to the cent."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from breakeven.account.account import Account, open_account
from breakeven.account.margin import cost_by, cost_by_class
from breakeven.account.usage import CLASSES
from breakeven.ledger.books import Books, open_books
from breakeven.ledger.class_costs import ClassCostEntry, GpuSeconds, record_class_cost
from breakeven.periods import ONE_DAY, Period
from breakeven.report.views.cost import class_table

from .bookkeeping import book, new_books

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
KNOWN = datetime(2024, 5, 1, tzinfo=UTC)


def fleet_books(folder: Path, days: dict[str, dict[str, str]]) -> Books:
    """A GPU a pool on each day at its price; 3.6 million tokens of input, 70,001 of output."""
    books = new_books(folder / "books", serving={"own_providers": ["self"]})
    gpu: dict[str, Any] = {"gpu": "H800", "count": 1, "currency": "USD"}
    used = {
        "user_id": "u", "product": "app", "provider": "self", "model": "large", "requests": 1,
        "uncached_input_tokens": 3_600_000, "cached_input_tokens": 0, "cache_write_tokens": 0,
    }  # fmt: skip
    for day, prices in days.items():
        book(books, "capacity", [
            {**gpu, "at": f"{day}T00:00:00Z", "pool": pool, "price_per_gpu_hour": price}
            for pool, price in prices.items()
        ])  # fmt: skip
        month = Period.parse(day[:7])
        covers = month.first, month.end - ONE_DAY
        book(books, "usage", [{**used, "at": f"{day}T12:00:00Z", "output_tokens": 70_001}], covers=covers)
    return books


def opened(books: Books, period: str, output: str = "0", pool: str = "") -> Account:
    seconds = {"uncached_input": GpuSeconds.exact("0.001"), "output": GpuSeconds.exact(output)}
    entry = ClassCostEntry(KNOWN, date(2024, 1, 1), "self", "large", seconds, pool)
    record_class_cost(books.folder, entry)
    return open_account(open_books(books.folder), period=Period.parse(period))


def test_parts_of_a_month_sum_to_its_fleet_cost_and_have_prices_of_their_own(tmp_path):
    """24 hours at 2 and 24 at 4, an hour of work on each day: 3 in the month, 2 and 4 in its parts."""
    books = fleet_books(tmp_path, {"2024-03-05": {"main": "2"}, "2024-03-20": {"main": "4"}})
    periods = ("2024-03", "2024-03-01..2024-03-14", "2024-03-15..2024-03-31")
    shown = [opened(books, period) for period in periods]
    cost, idle = ([account.value(name, 0) for account in shown] for name in ("gpu_cost", "idle_fleet_cost"))
    assert cost == [Decimal("144.00"), Decimal("48.00"), Decimal("96.00")]
    assert idle == [Decimal("138.00"), Decimal("46.00"), Decimal("92.00")]
    one_day = fleet_books(tmp_path / "other", {"2024-03-05": {"main": "2"}})
    book(one_day, "capacity", [{"at": "2024-03-20T00:00:00Z", "pool": "main", "gpu": "H800", "count": 1,
                                "price_per_gpu_hour": "4", "currency": "USD"}])  # fmt: skip
    split = [opened(one_day, period).value("idle_fleet_cost", 0) for period in periods]
    assert split == [Decimal("141.00"), Decimal("46.00"), Decimal("96.00")], "141 in the month, 142 in parts"
    notes = [class_table(opened(one_day, period)).note for period in periods[:2]]
    assert all(note is not None for note in notes)
    assert [note is not None and "part of a month" in note.en for note in notes] == [False, True]
    assert [note is not None and "月份的一部分" in note.zh for note in notes] == [False, True]


@pytest.mark.parametrize("pool", ["", "main"])
@pytest.mark.parametrize("output", [f"0.0{n:03}" for n in range(1, 80, 11)])
def test_token_classes_sum_to_the_posted_lines_over_months(tmp_path, pool, output):
    prices = {"main": "2.3457", "night": "1.1113", "spare": "0.7771"}
    books = fleet_books(tmp_path, {"2024-03-05": prices, "2024-04-05": prices, "2024-05-05": prices})
    account = opened(books, "2024-03-01..2024-05-31", output, pool)
    by_class = {each.token_class: each.serving_cost for each in cost_by_class(account)}
    posted = {
        name: sum(Decimal(account.live_value(name, bucket)) for bucket in range(3))  # type: ignore[arg-type]
        for name in ("idle_fleet_cost", "served_fleet_cost", "serving_cost")
    }
    assert by_class["idle_fleet"] == posted["idle_fleet_cost"]
    assert sum(by_class[name] for name in CLASSES if name in by_class) == posted["served_fleet_cost"]
    assert sum(by_class.values()) == posted["serving_cost"]
    assert sum(line.fleet for line in cost_by(account, "model")) == posted["serving_cost"]
