"""The bill against class costs, to the cent: the same idle time as the statement, and parts that sum."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from tests.account.bookkeeping import book, new_books

from breakeven.account.account import Account, open_account
from breakeven.ledger.books import open_books
from breakeven.ledger.class_costs import ClassCostEntry, ClassCosts, GpuSeconds
from breakeven.report.tabular import to_json
from breakeven.report.views.check import check_view
from breakeven.report.views.cost import cost_view
from breakeven.report.views.fleet_work import fleet_table

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
KNOWN = datetime(2024, 4, 1, tzinfo=UTC)
PARTS = ("at_benchmark", "derate", "idle", "unexplained")


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Account:
    """Three pools at odd prices for a day, and a model on each of two of them."""
    books = new_books(tmp_path_factory.mktemp("fleet") / "books", serving={"own_providers": ["self"]})
    gpu = {"at": "2024-03-05T00:00:00Z", "gpu": "H800", "currency": "USD"}
    prices = {"main": "2.3457", "night": "1.1113", "spare": "0.7771"}
    book(books, "capacity", [
        {**gpu, "pool": pool, "count": 1, "price_per_gpu_hour": price} for pool, price in prices.items()
    ])  # fmt: skip
    used = {"at": "2024-03-05T12:30:00Z", "user_id": "u", "product": "app", "provider": "self", "requests": 1,
            "cached_input_tokens": 0, "cache_write_tokens": 0}  # fmt: skip
    book(books, "usage", [
        {**used, "model": "large", "uncached_input_tokens": 1_000_003, "output_tokens": 70_001},
        {**used, "model": "small", "uncached_input_tokens": 333_337, "output_tokens": 11_113},
    ])  # fmt: skip
    return open_account(open_books(books.folder))


def with_seconds(account: Account, seconds: str, pools: tuple[str, str] = ("main", "night")) -> Account:
    by_class = {"uncached_input": GpuSeconds.exact(seconds), "output": GpuSeconds.exact(Decimal(seconds) * 7)}
    entries = [
        ClassCostEntry(
            KNOWN, date(2024, 3, 1), "self", model, by_class, pool, "h800",
            Decimal("0.51"), Decimal("0.8"),
        )
        for model, pool in zip(("large", "small"), pools, strict=True)
    ]  # fmt: skip
    return replace(account, class_costs=ClassCosts(entries))


@pytest.mark.parametrize("pools", [("main", "night"), ("", ""), ("main", "")])
@pytest.mark.parametrize("seconds", ["0", *(f"0.00{n:03}" for n in range(1, 140, 6)), "0.5"])
def test_idle_and_served_are_those_of_the_statement_to_the_cent(account, seconds, pools):
    recorded = with_seconds(account, seconds, pools)
    table = fleet_table(recorded)
    if table is None:
        assert seconds == "0", "without any work declared weights spread the bill"
        return
    for name in ("idle", "bill"):
        metric = {"idle": "idle_fleet_cost", "bill": "gpu_cost"}[name]
        assert sum(row[name] for row in table.rows) == recorded.value(metric, 0)
    for row in table.rows:
        assert sum(row[name] for name in PARTS) == row["bill"]
        assert (row["unexplained"] != 0) == (row["state"] != "fits")
        assert min(row["at_benchmark"], row["derate"], row["idle"]) >= 0


def test_check_and_cost_hand_the_same_rows_to_machines(account):
    recorded = with_seconds(account, "0.001", ("main", "night"))
    table = fleet_table(recorded)
    assert table is not None
    assert [row["pool"] for row in table.rows] == ["(other pools)", "main", "night"]
    checked = json.loads(to_json(check_view(recorded, None)[0]))["rows"]
    mine = [row for row in checked if row["category"] == "fleet_work"]
    costed = [row for row in json.loads(to_json(cost_view(recorded)))["rows"] if row["table"] == "fleet_work"]
    for shown, in_check, in_cost in zip(table.rows, mine, costed, strict=True):
        assert (in_check["line"], in_check["vendor"], in_check["currency"]) == (None, None, "USD")
        assert (in_cost["period"], in_check["period"]) == ("2024-03-05", "2024-03"), "bills are by the month"
        for name, value in shown.items():
            if name == "period":
                continue
            said = f"{value:f}" if isinstance(value, Decimal) else value
            assert in_check[name] == in_cost[name] == said
    others = [row for row in checked if row["category"] != "fleet_work"]
    assert others
    assert all(row["line"] for row in others)
    assert {row["state"] for row in mine} == {"fits"}


def test_without_class_costs_no_such_rows(account):
    rows = json.loads(to_json(check_view(account, None)[0]))["rows"]
    assert "fleet_work" not in {row["category"] for row in rows}
