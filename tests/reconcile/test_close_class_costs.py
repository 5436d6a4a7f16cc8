"""Class costs and closed months: what was stated stays, what changed since is an entry with its cause."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from tests.account.bookkeeping import book

from breakeven.account.metrics import Missing
from breakeven.ledger.books import Books, open_books
from breakeven.ledger.class_costs import PLACE, ClassCostEntry, GpuSeconds, record_class_cost
from breakeven.ledger.closings import Closings
from breakeven.reconcile.close import verify

from .closing_books import AUGUST, JULY, close, entries, opened, stated, two_months, usage, whole

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")


def fleet_books(folder: Path) -> Books:
    """Beside what is bought: 24 GPU-hours at 3.60 a month, which serve 3.6 million tokens of input."""
    books = two_months(folder, serving={"own_providers": ["self"]})
    row = {"pool": "main", "gpu": "H800", "count": 1, "price_per_gpu_hour": "3.6", "currency": "USD"}
    book(books, "capacity", [{"at": f"2024-{month}-03T00:00:00Z", **row} for month in ("07", "08")],
         covers=whole(JULY, AUGUST))  # fmt: skip
    own = {"provider": "self", "user_id": "u9", "product": "app", "uncached_input_tokens": 3_600_000}
    book(books, "usage", [usage(f"2024-{month}-03", 0, "large", **own) for month in ("07", "08")])
    return open_books(folder)


def record(books: Books, seconds: str = "0.001", day: date = JULY) -> None:
    by_class = {"uncached_input": GpuSeconds.exact(seconds)}
    record_class_cost(books.folder, ClassCostEntry(datetime.now(UTC), day, "self", "large", by_class))


def test_a_month_closed_with_class_costs_verifies_and_rests_on_a_copy(tmp_path):
    books = fleet_books(tmp_path / "books")
    record(books)
    close(books, JULY, AUGUST)
    assert stated(books, "idle_fleet_cost") == {"2024-07": "82.80", "2024-08": "82.80"}
    record(books, "0.002")
    verdict = verify(open_books(books.folder), JULY)
    assert (verdict.is_intact, verdict.is_same, verdict.differences) == (True, True, ())
    closing = Closings(books.folder).revision(JULY)
    assert b"0.001" in Closings(books.folder).kept(closing.basis["class_costs"])


def test_class_costs_that_change_later_are_entries_in_the_open_month(tmp_path):
    books = fleet_books(tmp_path / "books")
    record(books)
    close(books, JULY, AUGUST)
    record(books, "0.002")
    assert stated(books, "idle_fleet_cost")["2024-07"] == "82.80"
    assert entries(books, "idle_fleet_cost", "free_use_cost") == [
        (month, metric, "prices", *amounts)
        for month, bought in (("2024-07", 3), ("2024-08", 2))
        for metric, *amounts in (
            ("idle_fleet_cost", "82.80", "79.20", "-3.60"),
            ("free_use_cost", f"{bought + 3}.60", f"{bought + 7}.20", "3.60"),
        )
    ]
    assert opened(books).live_value("idle_fleet_cost", 0) == Decimal("79.20")


def test_a_month_that_an_older_program_closed_has_no_class_costs_and_no_idle_line(tmp_path):
    books = fleet_books(tmp_path / "books")
    close(books, JULY)
    closing = Closings(books.folder).revision(JULY)
    assert closing.basis["class_costs"] is None
    _as_older_program(books)
    idle = opened(books).value("idle_fleet_cost", 0)
    assert isinstance(idle, Missing)
    assert "was defined after 2024-07 was closed" in idle.en
    assert opened(books).value("gpu_cost", 0) == Decimal("86.40")
    assert entries(books) == []


def test_recording_from_the_open_month_on_leaves_closed_months_without_entries(tmp_path):
    books = fleet_books(tmp_path / "books")
    close(books, JULY)
    record(books, day=AUGUST)
    assert entries(books) == []
    account = opened(books)
    assert isinstance(account.value("idle_fleet_cost", 0), Missing)
    assert account.value("idle_fleet_cost", 1) == Decimal("82.80")
    assert (books.folder / PLACE).is_file()


@pytest.mark.parametrize("by_older_program", [False, True])
def test_class_costs_recorded_after_a_month_was_closed_book_its_idle_time_in_full(tmp_path, by_older_program):
    """What free use bore of the idle fleet is taken back, and the same money arrives as idle: once."""
    books = fleet_books(tmp_path / "books")
    close(books, JULY)
    if by_older_program:
        _as_older_program(books)
    record(books)
    assert entries(books) == [
        ("2024-07", "idle_fleet_cost", "prices", "None", "82.80", "82.80"),
        ("2024-07", "free_use_cost", "prices", "89.40", "6.60", "-82.80"),
    ]
    assert stated(books, "idle_fleet_cost") == {"2024-07": "-", "2024-08": "165.60"}
    assert stated(books, "serving_cost") == {"2024-07": "89.40", "2024-08": "88.40"}
    assert opened(books).live_value("idle_fleet_cost", 0) == Decimal("82.80")
    close(books, AUGUST)
    assert entries(books) == []
    assert stated(books, "idle_fleet_cost") == {"2024-07": "-", "2024-08": "165.60"}
    record(books, "0.002")
    assert entries(books, "idle_fleet_cost") == [
        (month, "idle_fleet_cost", "prices", "82.80", "79.20", "-3.60") for month in ("2024-07", "2024-08")
    ]


def _as_older_program(books: Books) -> None:
    """Take out of the closing what an older program did not write, and name the files anew in the log."""
    from breakeven.ledger.closings import BASIS, LOG, STATEMENT, canonical, digest_of

    closings = Closings(books.folder)
    closing = closings.revision(JULY)
    basis = {key: value for key, value in closing.basis.items() if key != "class_costs"}
    newer = ("idle_fleet_cost", "served_fleet_cost", "fleet_utilisation")
    statement = closing.statement | {
        "metrics": [metric for metric in closing.statement["metrics"] if metric["id"] not in newer]
    }
    (closing.folder / BASIS).write_bytes(canonical(basis))
    (closing.folder / STATEMENT).write_bytes(canonical(statement))
    log = closings.folder / LOG
    [line] = log.read_text("utf-8").splitlines()
    said = json.loads(line) | {"digest": digest_of(closing.files())}
    log.write_text(json.dumps(said, ensure_ascii=False, sort_keys=True) + "\n", "utf-8")
