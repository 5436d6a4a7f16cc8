"""What a reader is told of the own fleet: nobody named as its provider, work beyond its hours, its rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.account.bookkeeping import book, new_books

from breakeven.account.account import Account, open_account
from breakeven.ledger.books import open_books
from breakeven.ledger.class_costs import ClassCostEntry, ClassCosts, GpuSeconds
from breakeven.periods import Period
from breakeven.report.figures import Bars
from breakeven.report.view_model import Warning  # noqa: A004 - the envelope's word
from breakeven.report.views.check import check_view
from breakeven.report.views.cost import cost_view
from breakeven.report.views.explain import rows_view
from breakeven.report.views.income import income_view
from breakeven.report.views.report_page import _use_section  # pyright: ignore[reportPrivateUsage]

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
MARCH = Period.parse("2024-03")
LEASE = {"vendor": "host", "category": "gpu", "period_start": "2024-03-01", "period_end": "2024-04-01",
         "amount": "900", "currency": "USD"}  # fmt: skip


def account(folder: Path, *own: str, leased: bool = False) -> Account:
    """24 GPU-hours at 2.905, or a lease; 3.6 million tokens of `self/large`, which no card prices."""
    books = new_books(folder / "books", serving={"own_providers": list(own)})
    if leased:
        book(books, "bills", [LEASE])
    else:
        row = {"pool": "main", "gpu": "H800", "count": 1, "price_per_gpu_hour": "2.905", "currency": "USD"}
        book(books, "capacity", [{"at": "2024-03-05T00:00:00Z", **row}])
    book(books, "usage", [{
        "at": "2024-03-05T12:00:00Z", "user_id": "u", "product": "app", "provider": "self", "model": "large",
        "requests": 1, "uncached_input_tokens": 3_600_000, "cached_input_tokens": 0, "cache_write_tokens": 0,
        "output_tokens": 0,
    }])  # fmt: skip
    return open_account(open_books(books.folder), period=MARCH)


def recorded(found: Account, seconds: str, **more: Any) -> Account:
    by_class = {"uncached_input": GpuSeconds.exact(seconds)}
    known = datetime(2024, 4, 1, tzinfo=UTC)
    entry = ClassCostEntry(known, date(2024, 3, 1), "self", "large", by_class, **more)
    return replace(found, class_costs=ClassCosts([entry]))


def said(warnings: tuple[Warning, ...], code: str) -> list[str]:
    return [text for each in warnings if each.code == code for text in (each.label.en, each.label.zh)]


@pytest.mark.parametrize("leased", [False, True])
def test_a_fleet_without_own_providers_asks_for_their_names(tmp_path, leased):
    found = account(tmp_path, leased=leased)
    views = (cost_view(found), income_view(found), check_view(found, None)[0])
    for view in views:
        en, zh = said(view.envelope.warnings, "no_own_providers")
        assert en.endswith('[serving] own_providers = ["self"]')
        assert "breakeven.toml" in zh
    named = account(tmp_path / "named", "self", leased=leased)
    for view in (cost_view(named), income_view(named), check_view(named, None)[0]):
        assert not said(view.envelope.warnings, "no_own_providers")


@pytest.mark.parametrize(
    ("pool", "en", "zh"), [("main", "(pool main)", "资源池 main"), ("", "(all pools)", "全部资源池")]
)
def test_more_work_than_hours_names_pool_and_period(tmp_path, pool, en, zh):
    """3.6 million tokens at 0.03 seconds are 30 hours of 24."""
    view = cost_view(recorded(account(tmp_path, "self"), "0.03", pool=pool))
    english, chinese = said(view.envelope.warnings, "class_costs_over_bill")
    assert f"30.0 GPU-hours of work in 2024-03 {en}, the bill 24.0" in english
    assert f"2024-03（{zh}）的分类成本合计 30.0 卡时" in chinese


def test_source_rows_show_every_digit_of_a_price(tmp_path):
    view = rows_view(account(tmp_path, "self"), "idle_fleet_cost", MARCH, 9)
    [row] = next(table for table in view.tables if "price_per_gpu_hour" in table.rows[0]).rows
    assert row["price_per_gpu_hour"] == "2.905"


def test_charts_of_the_report_name_idle_time_in_both_languages(tmp_path):
    section = _use_section(recorded(account(tmp_path, "self"), "0.001"))
    assert section is not None
    [chart] = [one for one in section.blocks if isinstance(one, Bars) and one.id == "cost_by_model_chart"]
    assert [(each.en, each.zh) for each in chart.categories] == [
        ("idle fleet", "空闲算力"), ("self/large", "self/large"),
    ]  # fmt: skip
    assert sum(Decimal(value) for value in chart.series[1].values if value is not None) == Decimal("69.72")
