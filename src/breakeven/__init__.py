"""Breakeven: open-source books for LLM products.

    import breakeven

    books = breakeven.open_books("demo/assistant-2024")
    books.ltv(by="channel").to_polars()       # answers as tables, see `notebook`
    breakeven.Serving("deepseek-v3", "h200", traffic="chat").cost()    # what a token costs, without books
    account = breakeven.open_account(books)
    account.value("gross_margin", 0)          # a Decimal, or a Missing that says why there is no value

The names below are the public interface; they are imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from breakeven.account.account import Account, open_account
    from breakeven.account.catalogue import METRICS
    from breakeven.account.metrics import Missing
    from breakeven.errors import BreakevenError
    from breakeven.ledger.books import Books, create_books
    from breakeven.ledger.mapping import Mapping, read_mapping
    from breakeven.notebook import Answer, Serving, open_books
    from breakeven.periods import Period
    from breakeven.pricing.price_book import PriceBook

__version__ = "0.1.0"

_HOMES = {
    "Account": "account.account",
    "Answer": "notebook",
    "Books": "ledger.books",
    "BreakevenError": "errors",
    "METRICS": "account.catalogue",
    "Mapping": "ledger.mapping",
    "Missing": "account.metrics",
    "Period": "periods",
    "PriceBook": "pricing.price_book",
    "Serving": "notebook",
    "create_books": "ledger.books",
    "open_account": "account.account",
    "open_books": "notebook",
    "read_mapping": "ledger.mapping",
}

__all__ = [
    "METRICS",
    "Account",
    "Answer",
    "Books",
    "BreakevenError",
    "Mapping",
    "Missing",
    "Period",
    "PriceBook",
    "Serving",
    "create_books",
    "open_account",
    "open_books",
    "read_mapping",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'breakeven' has no attribute {name!r}")
    return getattr(import_module(f"breakeven.{_HOMES[name]}"), name)
