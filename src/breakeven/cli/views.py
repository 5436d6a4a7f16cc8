"""Run a view: find it stored, or open the account and build it; then print it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from breakeven import __version__
from breakeven.cli.options import ViewOptions
from breakeven.cli.output import emit, progress
from breakeven.errors import UsageError
from breakeven.ledger.settings import read_settings
from breakeven.ledger.stamp import stamp
from breakeven.report.view_model import View

if TYPE_CHECKING:
    from breakeven.account.account import Account

UNATTRIBUTED = "(unattributed)"
"""How views name spend and users without a channel; the word may be asked for too."""
SHIPPED_CARDS = Path(__file__).parents[1] / "pricing" / "cards"


def run_view(books: Path, options: ViewOptions, name: str, build: Callable[[Account], View]) -> None:
    """Show a view of the books. `name` tells it from other views and other choices of its own options."""
    currency = options.currency or read_settings(books).currency
    stored = _stored_path(books, options, name, currency)
    view = _read(stored) if stored else None
    if view is None:
        account = account_of(books, options)
        view = build(account)
        if stored:
            _write(stored, view)
    emit(view, options)


def allow_filters(options: ViewOptions, *allowed: str) -> None:
    """Refuse filters that a view would not heed: a figure must never be wider than what was asked for."""
    for name in options.filters:
        if name not in allowed:
            remedy = f"it takes {', '.join('--' + key for key in allowed)}" if allowed else "leave it out"
            raise UsageError(f"this view cannot be filtered by --{name}", remedy=remedy)


def known_names(account: Account, options: ViewOptions) -> None:
    """Refuse channels and cohorts that the books have never seen: a typing error must not look like no users.

    Names of the whole books count, not only those of the account's period. Raises `UsageError`.
    """
    asked = options.filters
    if not asked.get("channel") and not asked.get("cohort"):
        return
    acquired = account.rollups["acquisitions"]
    tables = [table for table in (acquired, account.rollups["ad_spend"]) if table.num_rows]
    channels = {name for table in tables for name in table["channel"].to_pylist()}
    channels |= {bill.vendor for bill in account.bills if bill.category == "advertising"}
    named = sorted(name for name in channels if name)
    for name in asked.get("channel", ()):
        if name not in named and name != UNATTRIBUTED:
            raise UsageError(f"the books have no channel {name!r}", remedy=_one_of(named))
    days = acquired["day"].unique().to_pylist() if acquired.num_rows else []
    months = sorted({f"{day:%Y-%m}" for day in days})
    for month in asked.get("cohort", ()):
        if month not in months:
            raise UsageError(f"the books have no cohort {month!r}", remedy=_one_of(months))


def _one_of(names: list[str]) -> str:
    """What may be written instead; of many names, as many as one can read."""
    most = 20
    shown = ", ".join(names[:most]) or "none"
    return f"use one of {shown}, ..." if len(names) > most else f"use one of {shown}"


def account_of(books: Path, options: ViewOptions) -> Account:
    """Open the account that the options ask for."""
    from breakeven.account.account import open_account
    from breakeven.ledger.books import open_books

    opened = open_books(books, as_of=options.as_of)
    with progress() as say:
        account = open_account(
            opened,
            period=options.period,
            currency=options.currency,
            engine=options.engine,
            known_at=options.known_at,
            progress=say,
        )
        say("computing")
        account.facts  # noqa: B018 - while the progress shows
    return account


def _stored_path(books: Path, options: ViewOptions, name: str, currency: str) -> Path | None:
    """Where an answer to exactly this question would lie; None for questions that are not kept."""
    if options.as_of is not None or options.engine != "duckdb":
        return None
    period = options.period.label if options.period else ""
    filters = sorted((key, values) for key, values in options.filters.items())
    said = repr((__version__, stamp(books, SHIPPED_CARDS), name, period, currency, options.known_at, filters))
    return books / ".cache" / "views" / f"{name}-{hashlib.sha256(said.encode()).hexdigest()[:16]}.json"


def _read(path: Path) -> View | None:
    from breakeven.report.stored import loads

    try:
        return loads(path.read_text("utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, view: View) -> None:
    """Keep an answer, let old ones go. A folder that cannot be written is fine."""
    from breakeven.report.stored import dumps

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = sorted(path.parent.glob(f"{view.id}*.json"), key=lambda old: old.stat().st_mtime)
        for old in kept[:-20]:
            old.unlink(missing_ok=True)
        temporary = path.with_suffix(".part")
        temporary.write_text(dumps(view), "utf-8")
        temporary.replace(path)
    except OSError:
        return
