"""Read a worked case of reconciliation: rows of books and bills, and every line that must come out of them.

`rows` are per table; `bills@focus` are rows of the source `focus`. Under `lines` stands every line of the
comparison, by id: `books`, `bill`, `state`, and each cause that is not zero. A side without a figure is `-`.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from tests.account.bookkeeping import book, new_books, write_card
from tests.account.cases import _cells, _rows

from breakeven.account.account import Account, open_account
from breakeven.periods import Period
from breakeven.reconcile.line import Line

FOLDER = Path(__file__).with_name("cases")
KEYS = {"title", "books", "period", "currency", "tolerance", "cards", "fx", "rows", "lines", "why", "warns"}

OUTSIDE = """
provider: outside
side: buy
currency: USD
source: the provider's page
checked_on: 2024-03-20
models:
  m:
    aliases: [m-2024-05-01]
    prices:
      - valid_from: 2024-01-01
        per_mtok: {uncached_input: 1, cached_input: 0.5, cache_write: 1.25, output: 4}
        service_tiers: {batch: {multiplier: 0.5}}
"""
"""The rate card of cases that bring none."""


def read_case(path: Path) -> dict[str, Any]:
    case = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)
    assert case.keys() <= KEYS, f"{path.name}: unknown {case.keys() - KEYS}"
    return case


def open_case(case: dict[str, Any], folder: Path) -> Account:
    """Books with the rows of a case, opened over its period."""
    settings = dict(case.get("books", {}))
    if "own_providers" in settings:
        settings["serving"] = {"own_providers": settings.pop("own_providers")}
    books = new_books(folder / "books", **settings)
    for name, card in case.get("cards", {"outside": OUTSIDE}).items():
        write_card(books, name, card)
    if "fx" in case:
        lines = "".join(",".join(row) + "\n" for row in _cells(case["fx"]))
        (books.folder / "fx.csv").write_text(lines, "utf-8")
    for place, rows in case["rows"].items():
        table, _, source = place.partition("@")
        book(books, table, _rows(rows), source=source or "hand")
    return open_account(books, period=Period.parse(case["period"]), currency=case.get("currency"))


def stated(line: Line, tolerance: Decimal) -> dict[str, str]:
    """A line as a case writes it."""
    sides = {"books": line.books, "bill": line.bill}
    said = {name: "-" if amount is None else str(amount) for name, amount in sides.items()}
    said["state"] = line.state(tolerance)
    return said | {cause: str(amount) for cause, amount in line.parts.items()}
