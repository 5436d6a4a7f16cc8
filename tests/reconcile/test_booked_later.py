"""What a closed month has no value of and a later one books: the total is known, the cell explained."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from tests.account.bookkeeping import book

from breakeven.ledger.books import Books, open_books
from breakeven.ledger.class_costs import ClassCostEntry, GpuSeconds, record_class_cost
from breakeven.report.view_model import Table
from breakeven.report.views.cost import use_table
from breakeven.report.views.income import income_table

from .closing_books import AUGUST, JULY, close, opened, two_months, usage, whole

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")


@pytest.fixture
def books(tmp_path) -> Books:
    """24 GPU-hours at 3.60 a month, which took in an hour's work; July was closed before anybody recorded."""
    books = two_months(tmp_path / "books", serving={"own_providers": ["self"]})
    row = {"pool": "main", "gpu": "H800", "count": 1, "price_per_gpu_hour": "3.6", "currency": "USD"}
    book(books, "capacity", [{"at": f"2024-{month}-03T00:00:00Z", **row} for month in ("07", "08")],
         covers=whole(JULY, AUGUST))  # fmt: skip
    own = {"provider": "self", "user_id": "u9", "product": "app", "uncached_input_tokens": 3_600_000}
    book(books, "usage", [usage(f"2024-{month}-03", 0, "large", **own) for month in ("07", "08")])
    close(open_books(books.folder), JULY)
    seconds = {"uncached_input": GpuSeconds.exact("0.001")}
    record_class_cost(books.folder, ClassCostEntry(datetime.now(UTC), JULY, "self", "large", seconds))
    return open_books(books.folder)


def idle_row(table: Table) -> dict[str, object]:
    return next(dict(row) for row in table.rows if row["metric"] == "idle_fleet_cost")


def test_idle_time_of_a_closed_month_is_in_the_total_and_the_cell_is_explained(books):
    table = income_table(opened(books))
    assert list(idle_row(table).values())[1:] == [None, Decimal("165.60"), Decimal("165.60")]
    assert table.note is not None
    assert (
        "Idle fleet, in serving cost: 2024-08 holds 82.80 USD of 2024-07, which was closed" in table.note.en
    )
    assert "推理服务成本中的空闲算力：2024-08 含 2024-07 的 82.80 USD" in table.note.zh
    account = opened(books)
    assert account.total("served_fleet_cost") == Decimal("7.20")
    assert round(Decimal(account.total("fleet_utilisation")), 6) == Decimal("0.041667")  # type: ignore[arg-type]


def test_the_same_once_the_later_month_is_closed_too(books):
    close(books, AUGUST)
    table = income_table(opened(books))
    assert list(idle_row(table).values())[1:] == [None, Decimal("165.60"), Decimal("165.60")]
    assert table.note is not None
    assert "2024-08 holds 82.80 USD of 2024-07" in table.note.en


def test_without_the_month_that_books_it_the_total_stays_unknown(books):
    account = opened(books)
    assert account.stated.arrivals == {("idle_fleet_cost", 0): (1, Decimal("82.80"))}
    from breakeven.periods import Period

    july = opened(books, period=Period.parse("2024-07"))
    assert july.stated.arrivals == {}
    assert income_table(july).note is None or "holds" not in str(income_table(july).note)


def test_cost_shows_how_busy_the_fleet_was_by_month_without_entries_of_others(books):
    row = next(row for row in use_table(opened(books)).rows if row["metric"] == "fleet_utilisation")
    assert list(row.values())[1:] == [Decimal("0.041667")] * 2
