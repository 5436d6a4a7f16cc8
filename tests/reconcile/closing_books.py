"""Small books with two or three months, worked by hand, that tests close."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from tests.account.bookkeeping import book, new_books, write_card

from breakeven.account.account import Account, open_account
from breakeven.ledger.books import Books, open_books
from breakeven.ledger.closings import Closings
from breakeven.periods import Period
from breakeven.reconcile.close import close_month, prepare
from breakeven.report.views.statement import frozen_forms

JULY, AUGUST, SEPTEMBER = date(2024, 7, 1), date(2024, 8, 1), date(2024, 9, 1)
CARD = """
provider: outside
side: buy
currency: {currency}
source: test
checked_on: 2024-03-01
models:
  m: {{prices: [{{valid_from: 2024-01-01, per_mtok: {{uncached_input: {uncached}, output: 2}}}}]}}
"""
FX = "day,base,quote,rate,source\n"


def card(uncached: str = "1", currency: str = "USD") -> str:
    return CARD.format(uncached=uncached, currency=currency)


def usage(day: str, millions: int, model: str = "m", **more: Any) -> dict[str, Any]:
    tokens = {"uncached_input_tokens": millions * 1_000_000, "output_tokens": 0, "requests": 1}
    return {"at": f"{day}T12:00:00Z", "provider": "outside", "model": model, **tokens, **more}


def gift(day: str, amount: str, **more: Any) -> dict[str, Any]:
    return {
        "at": f"{day}T12:00:00Z",
        "user_id": "u1",
        "kind": "gift",
        "amount": amount,
        "currency": "USD",
        **more,
    }


def bill(amount: str, first: str, end: str, category: str = "cloud", **more: Any) -> dict[str, Any]:
    terms = {"vendor": "host", "category": category, "period_start": first, "period_end": end}
    return {**terms, "amount": amount, "currency": "USD", **more}


def whole(*months: date) -> tuple[date, date]:
    return months[0], Period.month(months[-1]).end - timedelta(days=1)


def two_months(folder: Path, **settings: Any) -> Books:
    """July: 3 Mtok at 1, gifts of 10. August: 2 Mtok at 1, gifts of 20, 31 of cloud. All days covered."""
    settings = {"coverage": {"not_applicable": ["ad_spend"]}, **settings}
    books = new_books(folder, **settings)
    write_card(books, "outside", card())
    book(books, "usage", [usage("2024-07-03", 3), usage("2024-08-03", 2)], covers=whole(JULY, AUGUST))
    book(books, "payments", [gift("2024-07-05", "10"), gift("2024-08-05", "20")], covers=whole(JULY, AUGUST))
    book(books, "bills", [bill("31", "2024-08-01", "2024-09-01")], covers=whole(JULY, AUGUST))
    return open_books(folder)


def close(books: Books, *months: date) -> None:
    for month in months:
        prepared = prepare(open_books(books.folder), month)
        failing = [condition for condition in prepared.conditions if condition.state == "fail"]
        assert not failing
        close_month(prepared, render=frozen_forms)


def opened(books: Books, **how: Any) -> Account:
    return open_account(open_books(books.folder), **how)


def stated(books: Books, metric: str, **how: Any) -> dict[str, str]:
    """A metric by month, as stated; `-` where it has no value."""
    account = opened(books, **how)
    values = {p.label[:7]: account.value(metric, b) for b, p in enumerate(account.buckets.periods)}
    return {month: "-" if hasattr(value, "en") else f"{value:f}" for month, value in values.items()}


def entries(books: Books, *measures: str) -> list[tuple[str, ...]]:
    """The entries due: (closed month, measure, cause, before, after, amount)."""
    return [
        (
            f"{entry.month:%Y-%m}",
            entry.measure,
            entry.cause,
            str(entry.before),
            str(entry.after),
            str(entry.amount),
        )
        for entry in opened(books).stated.adjustments
        if not measures or entry.measure in measures
    ]


def frozen_bytes(books: Books) -> dict[str, bytes]:
    """Everything that closings hold except the log, by path within the books."""
    folder = Closings(books.folder).folder
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "log.jsonl"
    }
