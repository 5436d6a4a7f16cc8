"""The law of closing: frozen months and adjusting entries together are what the ledger says."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.account.bookkeeping import book, write_card

from breakeven.account.adjustments import adjustable
from breakeven.account.catalogue import METRICS, MONEY
from breakeven.account.metrics import Missing
from breakeven.ledger.books import Books, open_books
from breakeven.ledger.closings import Closings
from breakeven.periods import next_month
from breakeven.reconcile.close import prepare, reopen_month, restate_month, verify

from .closing_books import AUGUST, JULY, SEPTEMBER, bill, card, close, gift, opened, two_months, usage, whole

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
MONEY_MEASURES = [measure for measure in adjustable() if METRICS[measure].unit == MONEY]

days = st.sampled_from(["2024-07-02", "2024-07-31", "2024-08-01", "2024-08-30", "2024-09-15"])
acts = st.one_of(
    st.tuples(st.just("usage"), days, st.integers(1, 9)),
    st.tuples(st.just("gift"), days, st.integers(1, 999)),
    st.tuples(st.just("refund"), days, st.integers(1, 999)),
    st.tuples(st.just("bill"), st.just(""), st.integers(1, 999)),
    st.tuples(st.just("price"), st.just(""), st.integers(1, 5)),
    st.tuples(st.just("undo"), st.just(""), st.just(0)),
    st.tuples(st.sampled_from(["close", "close", "reopen"]), st.just(""), st.just(0)),
    st.tuples(st.just("restate"), st.just(""), st.integers(0, 1)),
)


def do(books: Books, batches: list[str], act: str, day: str, number: int) -> None:
    closed = Closings(books.folder).in_force()
    open_month = next_month(max(closed)) if closed else JULY
    if act == "usage":
        batches.append(book(books, "usage", [usage(day, number)]))
    elif act in ("gift", "refund"):
        batches.append(book(books, "payments", [gift(day, f"{number}.37", kind=act)]))
    elif act == "bill":
        batches.append(book(books, "bills", [bill(f"{number}.11", "2024-07-10", "2024-09-10", "payroll")]))
    elif act == "price":
        write_card(books, "outside", card(f"{number}.003"))
    elif act == "undo" and batches:
        open_books(books.folder).undo(batches.pop())
    elif act == "close" and open_month != SEPTEMBER:
        close(books, open_month)
    elif act == "reopen" and closed:
        reopen_month(open_books(books.folder), max(closed), reason="a law")
    elif act == "restate" and closed:
        month = list(closed)[number % len(closed)]
        restate_month(prepare(open_books(books.folder), month, again=True), reason="a law")


def check(books: Books) -> None:
    account = opened(books)
    for measure in MONEY_MEASURES:
        live = [account.live_value(measure, bucket) for bucket in range(len(account.buckets.periods))]
        if not any(isinstance(amount, Missing) for amount in live):
            assert account.total(measure) == sum(live), measure
    for entry in account.stated.adjustments:
        assert entry.after is not None
        assert entry.after - (entry.before or Decimal(0)) == entry.amount != 0


def lived(folder: Path, story: list[tuple[str, str, int]]) -> Books:
    books = two_months(folder)
    september = whole(SEPTEMBER)
    book(books, "usage", [usage("2024-09-10", 5)], covers=september)
    book(books, "payments", [gift("2024-09-10", "1")], covers=september)
    book(books, "bills", [bill("30", "2024-09-01", "2024-10-01")], covers=september)
    batches: list[str] = []
    for act, day, number in story:
        do(books, batches, act, day, number)
    return books


def test_a_long_story_sums_to_the_ledger(tmp_path):
    story = [
        ("close", "", 0), ("usage", "2024-07-02", 3), ("price", "", 2), ("close", "", 0), ("bill", "", 62),
        ("refund", "2024-07-31", 5), ("restate", "", 0), ("undo", "", 0), ("gift", "2024-08-01", 9),
        ("reopen", "", 0), ("close", "", 0), ("price", "", 4),
    ]  # fmt: skip
    books = lived(tmp_path / "books", story)
    check(books)
    assert Closings(books.folder).damages() == []
    for month in (JULY, AUGUST):
        assert verify(open_books(books.folder), month).is_same


@pytest.mark.slow
@settings(max_examples=15)
@given(story=st.lists(acts, max_size=7))
def test_closed_months_and_entries_sum_to_the_ledger(story):
    with tempfile.TemporaryDirectory() as folder:
        books = lived(Path(folder) / "books", [("close", "", 0), *story])
        check(books)
        for month, closing in Closings(books.folder).in_force().items():
            assert verify(open_books(books.folder), month, closing.revision).is_same
