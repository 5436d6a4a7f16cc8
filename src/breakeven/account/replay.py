"""Compute a closed month again: from exactly what it rested on, or from today's rows under its terms."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from breakeven.account.facts import Buckets
from breakeven.account.frozen import Terms, kept_terms
from breakeven.account.rollups import Progress
from breakeven.account.usage import model_cuts
from breakeven.ledger.books import Books
from breakeven.ledger.closings import Closing, Closings, sha256
from breakeven.periods import Period

if TYPE_CHECKING:
    from breakeven.account.account import Account

_KEPT_CACHES = 4


def replayed(
    books: Books, closing: Closing, *, engine: str = "duckdb", progress: Progress = lambda _: None
) -> Account:
    """The account of a closed month, from the table versions, cards, rates and settings it was closed on."""
    terms = kept_terms(Closings(books.folder), closing.basis)
    frozen = books.at_versions(closing.basis["tables"], terms.settings)
    return _opened(frozen, terms, closing, engine, progress)


def definitions_now(account: Account, closing: Closing) -> Account:
    """What a closed month rested on, under today's definitions."""
    return replayed(account.books, closing, engine=account.engine)


def facts_now_under_kept_terms(account: Account, closing: Closing) -> Account:
    """A closed month from the rows of now, under the settings, prices and rates it was closed on."""
    terms = kept_terms(Closings(account.books.folder), closing.basis)
    books = Books(account.books.folder, terms.settings, account.books.as_of, account.books.versions)
    now = account.books.settings
    same_rollups = (
        model_cuts(terms.prices) == model_cuts(account.prices)
        and terms.settings.time_zone == now.time_zone
        and terms.settings.matching == now.matching
    )
    if not same_rollups:
        return _opened(books, terms, closing, account.engine, lambda _: None)
    month = Buckets((Period.month(closing.month),))
    return replace(
        account, books=books, prices=terms.prices, rates=terms.rates, currency=terms.settings.currency,
        buckets=month, closed=None, class_costs=terms.class_costs,
    )  # fmt: skip


def _opened(books: Books, terms: Terms, closing: Closing, engine: str, progress: Progress) -> Account:
    from breakeven.account.account import open_account

    return open_account(
        books, period=Period.month(closing.month), engine=engine, prices=terms.prices, rates=terms.rates,
        cache=_cache(books, terms), progress=progress, closed=False, class_costs=terms.class_costs,
    )  # fmt: skip


def _cache(books: Books, terms: Terms) -> Path:
    """A place for rollups of other rows or price grids than those of now, so that these stay as they are."""
    said = (books.versions, books.as_of, model_cuts(terms.prices), terms.settings.time_zone)
    said = (*said, terms.settings.matching)
    folder = books.folder / ".cache" / "closed"
    try:
        chosen = folder / f"rollups-{sha256(repr(said).encode())[:12]}"
        chosen.mkdir(parents=True, exist_ok=True)
        chosen.touch()
        others = sorted(folder.glob("rollups-*"), key=lambda path: path.stat().st_mtime)
        for old in others[:-_KEPT_CACHES]:
            shutil.rmtree(old, ignore_errors=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="breakeven-rollups-"))
    return chosen
