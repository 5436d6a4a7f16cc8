"""Rows keep the ledger's rules and tell the story: outage, priority, price cut, bills that match but one."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from breakeven.ledger.tables import TABLES
from breakeven.pricing.price_book import PriceBook
from breakeven.pricing.quotes import Quote
from breakeven.pricing.rate_card import load_card
from breakeven.sources.synthetic.files import keep_in
from breakeven.sources.synthetic.generate import Truth, write_company
from breakeven.sources.synthetic.plan import CompanyPlan
from breakeven.sources.synthetic.write import MADE_TABLES

from . import slow_account
from .slow_account import local_day


@pytest.mark.parametrize("table", MADE_TABLES)
def test_files_have_the_canonical_columns(tiny: tuple[Path, Truth], table: str) -> None:
    for path in (tiny[0] / table).iterdir():
        assert "synthetic" in path.name
        fields = {field.name: field.type for field in pq.read_schema(path)}
        known = {column.name: column.arrow_type for column in TABLES[table].columns}
        assert fields == {name: known[name] for name in fields if name != "source_id"} | {
            "source_id": pa.string()
        }
        assert {column.name for column in TABLES[table].columns if column.required} <= fields.keys()


def test_rows_keep_the_ledgers_rules(tiny: tuple[Path, Truth]) -> None:
    tables = slow_account.read(tiny[0])
    for name in MADE_TABLES:
        for column in TABLES[name].columns:
            values = [row.get(column.name) for row in tables[name]]
            if column.required:
                assert None not in values, column.name
            if column.choices:
                assert set(values) <= {*column.choices, None}
            if column.least is not None:
                assert min((value for value in values if value is not None), default=0) >= column.least
    for row in tables["usage"]:
        assert row["reasoning_tokens"] <= row["output_tokens"]
        assert row["status"] == "ok" or row["output_tokens"] == 0
        assert (row["account_id"] is None) != (row["user_id"] is None)
    for row in tables["payments"]:
        assert row["tax"] <= row["amount"]
        assert row["service_start"] is None or row["service_start"] < row["service_end"]


def test_requests_come_from_users_active_that_day(tiny: tuple[Path, Truth]) -> None:
    tables = slow_account.read(tiny[0])
    active = {(row["user_id"], row["day"]): row["sessions"] for row in tables["activity"]}
    requests = Counter((row["user_id"], local_day(row["at"])) for row in tables["usage"] if row["user_id"])
    assert set(requests) == set(active)
    assert all(requests[key] >= sessions for key, sessions in active.items())


def test_priority_is_paid_for(tiny: tuple[Path, Truth]) -> None:
    tables = slow_account.read(tiny[0])
    gifts = [row for row in tables["payments"] if row["kind"] == "gift"]
    for row in tables["usage"]:
        if row["service_tier"] == "priority":
            mine = [gift for gift in gifts if gift["user_id"] == row["user_id"]]
            assert any(gift["at"] <= row["at"] for gift in mine)
    assert min(local_day(gift["at"]) for gift in gifts) >= date(2024, 5, 1)


def test_outage_fails_most_requests_and_empties_the_next_day(tmp_path: Path) -> None:
    files = tmp_path / "files"
    write_company(CompanyPlan(users=3_000, months=1), tmp_path, keep_in(files, "parquet"))
    rows = slow_account.read(files)
    outage = date(2024, 3, 20)
    noon = [r for r in rows["usage"] if local_day(r["at"]) == outage and r["at"].hour in range(3, 9)]
    failed = [row for row in noon if row["status"] == "overloaded"]
    assert 0.6 < len(failed) / len(noon) < 0.85
    assert {(row["uncached_input_tokens"], row["output_tokens"], row["ttft_ms"]) for row in failed} == {
        (0, 0, None)
    }
    assert {local_day(row["at"]) for row in rows["usage"] if row["status"] == "overloaded"} == {outage}
    new = Counter(local_day(row["acquired_at"]) for row in rows["acquisitions"])
    back = Counter(row["day"] for row in rows["activity"])
    returning = {day: back[day] - new[day] for day in back}
    assert returning[outage + timedelta(days=1)] < 0.8 * returning[outage]
    assert max(new, key=lambda day: new[day]) == outage


def test_bills_match_the_fleet_but_for_the_stated_month(tiny: tuple[Path, Truth]) -> None:
    tables = slow_account.read(tiny[0])
    cost: Counter[str] = Counter()
    for day, amount in slow_account.fleet_hours(tables["capacity"]):
        cost[slow_account.month(day)] += amount
    billed: Counter[str] = Counter()
    for row in tables["bills"]:
        if row["category"] == "gpu":
            billed[slow_account.month(row["period_start"])] += row["amount"]
    differs = [when for when in cost if billed[when] != cost[when]]
    assert differs == ["2024-05"]
    assert 0 < billed["2024-05"] / Decimal(int(cost["2024-05"])) - 1 < Decimal("0.003")


def test_cards_are_read_by_the_price_book(tiny: tuple[Path, Truth]) -> None:
    sell = load_card(tiny[0] / "prices" / "synthetic-sell.yaml")
    buy = load_card(tiny[0] / "prices" / "synthetic-outside-buy.yaml")
    assert (sell.side, buy.side, sell.currency) == ("sell", "buy", "CNY")
    assert [entry.valid_from.isoformat() for entry in sell.models[0].entries] == [
        "2023-12-31T16:00:00+00:00",
        "2024-05-21T16:00:00+00:00",
    ]
    used = {(row["provider"], row["model"]) for row in slow_account.read(tiny[0])["usage"]}
    assert {model for _, model in used} == {model.name for model in sell.models}
    assert {provider for provider, _ in used} == {sell.provider, *sell.provider_aliases}


@pytest.mark.parametrize(("side", "metric"), [("sell", "usage_at_list_price"), ("buy", "inference_api_cost")])
def test_the_price_book_agrees_with_the_truth(tiny: tuple[Path, Truth], side, metric: str) -> None:
    book = PriceBook.load([tiny[0] / "prices"], include_shipped=False)
    exact: Counter[str] = Counter()
    for row in slow_account.read(tiny[0])["usage"]:
        tokens = [row[f"{name}_tokens"] for name in slow_account.CLASSES]
        model = (row["provider"], row["model"], row["service_tier"])
        quote = book.quote(side, *model, row["at"], sum(tokens[:3]))
        if isinstance(quote, Quote):
            value = sum((p * t for p, t in zip(quote.per_token, tokens, strict=True) if p), Decimal(0))
            exact[slow_account.month(local_day(row["at"]))] += value
        else:
            assert (side, row["provider"]) == ("buy", "self"), quote
    lines = [row for row in tiny[1].facts["income"] if row["metric"] == metric]
    told = {row["period"]: Decimal(row["value"]) for row in lines}
    assert told == {month: amount.quantize(Decimal("0.01")) for month, amount in exact.items()}
