"""Snapshots of every view of the published day, in both languages, and of its report page.

The day is small and exact, so a golden file says in plain text what a person reads. After a deliberate
change, run the tests with BREAKEVEN_WRITE_GOLDEN=1 and read the difference before committing it.
"""

from __future__ import annotations

import json
import os
import re
from decimal import Decimal
from pathlib import Path

import pytest

from breakeven.account.account import open_account
from breakeven.report.html import render_report
from breakeven.report.tabular import to_json
from breakeven.report.text import render_text
from breakeven.report.views.cash import cash_view
from breakeven.report.views.check import check_view
from breakeven.report.views.cost import cost_view
from breakeven.report.views.explain import explain_view
from breakeven.report.views.growth import channels_view, cohorts_view
from breakeven.report.views.income import income_view
from breakeven.report.views.overview import overview_view
from breakeven.report.views.report_page import report_page
from breakeven.sources.published_day import write_books

GOLDEN = Path(__file__).parent / "golden"
VIEWS = {
    "overview": overview_view,
    "income": income_view,
    "cost": cost_view,
    "cash": cash_view,
    "channels": channels_view,
    "cohorts": cohorts_view,
    "check": lambda account: check_view(account, Decimal("0.005"))[0],
    "explain": lambda account: explain_view(account, "cost_profit_margin"),
}


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    return open_account(write_books(tmp_path_factory.mktemp("books") / "day"))


def _same_as_golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("BREAKEVEN_WRITE_GOLDEN"):
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


def _stable(text: str) -> str:
    """Without the temporary folder of the books."""
    return re.sub(r"/\S*/day\b", "BOOKS", text)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", VIEWS)
def test_a_view_reads_as_it_did(account, name, language):
    _same_as_golden(f"{name}.{language}.txt", _stable(render_text(VIEWS[name](account), language, width=120)))


def test_the_json_of_the_statement(account):
    text = to_json(income_view(account))
    _same_as_golden("income.json", text + "\n")
    rows = {row["metric"]: row for row in json.loads(text)["rows"]}
    assert rows["serving_cost"] == {
        "period": "2025-02-27", "metric": "serving_cost", "value": "87072.00", "unit": "USD",
    }  # fmt: skip
    assert rows["usage_at_list_price"]["value"] == "562100.00"
    assert rows["cost_profit_margin"]["value"] == "5.455577"
    assert rows["revenue"]["value"] is None, "nobody published what was paid: absent is not zero"


def test_the_report_says_why_it_differs_from_what_was_published(account):
    page = report_page(account)
    [section] = [section for section in page.sections if section.id == "published"]
    table = section.blocks[0]
    row = next(row for row in table.rows if row["metric"] == "usage_at_list_price")
    assert (row["computed"], row["published"], row["difference"]) == (
        Decimal("562100.00"),
        Decimal(562027),
        Decimal("73.00"),
    )
    html = render_report(page, static=True)
    assert "unrounded token counts" in html
    assert "未取整的词元数" in html
    assert {tile.provenance for tile in page.tiles} == {"published"}
