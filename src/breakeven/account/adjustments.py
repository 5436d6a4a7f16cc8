"""Adjusting entries: what a closed month would state now, less what was stated, by cause, to the last cent.

    as closed -> today's definitions -> rows that came since -> today's prices, rates and settings = now

Each arrow is a cause; they telescope, so causes sum to the difference exactly. What closed months have booked
already is taken off, so that an entry is due once: in the first month after the last closed one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from breakeven.account.catalogue import METRICS
from breakeven.account.facts import Buckets
from breakeven.account.frozen import FrozenRates, definitions_digest, present_terms
from breakeven.account.metrics import Amount, Missing
from breakeven.account.replay import definitions_now, facts_now_under_kept_terms
from breakeven.account.stated import figures_of
from breakeven.errors import BreakevenError
from breakeven.ledger.closings import Closing, Closings, sha256
from breakeven.ledger.stamp import stamp
from breakeven.periods import Period
from breakeven.pricing.price_book import SHIPPED_FOLDER

if TYPE_CHECKING:
    from breakeven.account.account import Account

Cause = Literal["definitions", "late_facts", "prices", "restated"]
Figures = Mapping[str, Amount]
ZERO = Decimal(0)
_LOOKS_AHEAD = re.compile(r"day\d+_")
_KEPT_ANSWERS = 10
_TAKEN_OUT_OF_OTHERS = ("idle_fleet_cost",)
"""Measures that hold what others held in months closed before they were defined: when class costs take idle
time out of the cost of free use, it must arrive somewhere."""
_NOT_DEFINED = Missing("not defined when the month was closed", "结账时尚未定义", _TAKEN_OUT_OF_OTHERS)


@dataclass(frozen=True)
class Adjustment:
    """One entry: a measure of a closed month changed for one cause.

    `before` is what closed statements say of that month by now, `after` what they say with this entry; None
    is no value. `amount` is what the entry books in the open month; it is zero where the figure was lost.
    """

    month: date
    revision: int
    measure: str
    cause: Cause
    before: Decimal | None
    after: Decimal | None
    amount: Decimal


def adjustable() -> list[str]:
    """Measures whose change is booked: they add up over months, and a month's rows decide them.

    Distinct users and balances do not add up; returns on a day after the month are known only later. Both
    stay as they were closed.
    """
    return [
        metric.id
        for metric in METRICS.values()
        if metric.node is None and metric.additive and not _LOOKS_AHEAD.match(metric.id)
    ]


def due_adjustments(account: Account, *, without: date | None = None) -> tuple[Adjustment, ...]:
    """The entries due now, for all closed months; an answer is kept until anything of the books changes.

    `without` leaves one closed month out, and all later ones: what is due when that month is stated again.
    """
    closed = account.closed
    if closed is None:
        return ()
    closings = [c for month, c in closed.closings.items() if without is None or month < without]
    kept = _kept_answer(account) if without is None else None
    if kept is not None and kept.is_file():
        try:
            return tuple(_entry(row) for row in json.loads(kept.read_text("utf-8")))
        except (OSError, ValueError, KeyError):
            pass
    others = [c for month, c in closed.closings.items() if month != without]
    found = tuple(entry for _, entries in _each(account, closings, others) for entry in entries)
    if kept is not None:
        _keep(kept, found)
    return found


def _each(
    account: Account, closings: list[Closing], others: list[Closing]
) -> Iterable[tuple[Closing, list[Adjustment]]]:
    months = [Period.month(closing.month) for closing in closings]
    now, periods = account, list(account.buckets.periods)
    if not set(months) <= set(periods):
        now, periods = replace(account, buckets=Buckets(tuple(months)), closed=None), months
    for closing, month in zip(closings, months, strict=True):
        figures = _figures(now, periods.index(month))
        yield closing, entries_of(account, closing, figures, booked_for(closing.month, others))


def _figures(account: Account, bucket: int) -> dict[str, Amount]:
    return {measure: account.facts.get(measure, bucket) for measure in adjustable()}


Booked = Mapping[tuple[str, int, str], Decimal]
"""Amounts by measure, revision of the month they adjust, and cause."""


def booked_for(month: date, closings: Iterable[Closing]) -> dict[tuple[str, int, str], Decimal]:
    """What closed statements have booked for a month already."""
    found: dict[tuple[str, int, str], Decimal] = {}
    for closing in closings:
        for entry in closing.statement["adjustments"]:
            if entry["month"] == f"{month:%Y-%m}":
                key = (entry["metric"], entry["revision"], entry["cause"])
                found[key] = found.get(key, ZERO) + Decimal(entry["amount"])
    return found


def entries_of(account: Account, closing: Closing, now: Figures, booked: Booked) -> list[Adjustment]:
    """The entries due for one closed month."""
    own = figures_of(closing.statement, "own")
    if account.class_costs:
        own |= {measure: _NOT_DEFINED for measure in _TAKEN_OUT_OF_OTHERS if measure not in own}
    watched = [measure for measure in adjustable() if measure in own]
    changed = [m for m in watched if not _same(own[m], now[m])]
    found: list[Adjustment] = []
    steps = _steps(account, closing, own, now) if changed else []
    for measure in watched:
        mine = {key[1:]: amount for key, amount in booked.items() if key[0] == measure and amount}
        if measure in changed or mine:
            found += _chain(closing, measure, own, steps, mine)
    return found


def _steps(account: Account, closing: Closing, own: Figures, now: Figures) -> list[tuple[Cause, Figures]]:
    """The figures after each cause in turn; the last are those of now."""
    definitions: Figures = own
    try:
        if closing.basis["definitions"] != definitions_digest():
            definitions = _figures(definitions_now(account, closing), 0)
        under_kept_terms = now
        if not same_terms(account, closing):
            if _no_rows_since(account, closing):
                under_kept_terms = definitions
            else:
                under_kept_terms = _figures(facts_now_under_kept_terms(account, closing), 0)
    except (BreakevenError, OSError):
        # What the month rested on cannot be read any more: its causes cannot be told apart.
        return [("late_facts", now)]
    return [("definitions", definitions), ("late_facts", under_kept_terms), ("prices", now)]


def same_terms(account: Account, closing: Closing) -> bool:
    """Whether settings, price cards and exchange rates are still those that the month was closed under."""
    basis = closing.basis
    # Months closed before class costs were known name none, and rest on none.
    if any(value != basis.get(name) for name, value in present_terms(account.books.folder).items()):
        return False
    from breakeven.account.frozen import rates_from

    asked = rates_from(Closings(account.books.folder).kept(basis["rates"]))
    again = account.rates
    if isinstance(again, FrozenRates):
        return False
    return all(
        (again.month_average if average else again.rate)(day, base, quote) == answer
        for (average, day, base, quote), answer in asked.items()
    )


def _no_rows_since(account: Account, closing: Closing) -> bool:
    books = account.books
    return books.as_of is None and (books.versions or books.present_versions()) == closing.basis["tables"]


def _chain(
    closing: Closing,
    measure: str,
    own: Figures,
    steps: list[tuple[Cause, Figures]],
    booked: Mapping[tuple[int, str], Decimal],
) -> list[Adjustment]:
    """Entries of one measure. A step without a value hands its change on to the next one."""
    due: dict[Cause, Decimal] = {}
    stated = ZERO if isinstance(own[measure], Missing) else Decimal(own[measure])  # type: ignore[arg-type]
    known: Amount = own[measure]
    reached, lost_by = stated, None
    for cause, figures in steps:
        amount = figures[measure]
        if isinstance(amount, Missing):
            lost_by = lost_by or cause
        else:
            lost_by = None
            due[cause] = amount - reached
            reached = amount
    if lost_by is not None and not isinstance(known, Missing):
        return [Adjustment(closing.month, closing.revision, measure, lost_by, known, None, ZERO)]
    for (revision, cause), amount in booked.items():
        # What was booked for a statement that was replaced since is taken back.
        name: Cause = cause if revision == closing.revision else "restated"  # type: ignore[assignment]
        due[name] = due.get(name, ZERO) - amount
    running = stated + sum(booked.values(), ZERO)
    before: Decimal | None = None if isinstance(known, Missing) and not booked else running
    found: list[Adjustment] = []
    order: tuple[Cause, ...] = ("restated", "definitions", "late_facts", "prices")
    for cause in order:
        amount = due.get(cause, ZERO)
        if amount:
            after = running + amount
            found.append(Adjustment(closing.month, closing.revision, measure, cause, before, after, amount))
            running = before = after
    return found


def _same(first: Amount, second: Amount) -> bool:
    if isinstance(first, Missing) or isinstance(second, Missing):
        return isinstance(first, Missing) and isinstance(second, Missing)
    return first == second


# --- Keeping the answer ---------------------------------------------------------------------------------


def _kept_answer(account: Account) -> Path | None:
    """Where the answer to this question would lie; None for questions about another moment."""
    if account.books.as_of is not None or account.books.versions is not None:
        return None
    folder = account.books.folder
    said = (stamp(folder, SHIPPED_FOLDER), definitions_digest(), account.currency, account.engine)
    return folder / ".cache" / "closed" / f"due-{sha256(repr(said).encode())[:16]}.json"


def _keep(path: Path, entries: tuple[Adjustment, ...]) -> None:
    """Keep an answer, let old ones go. A folder that cannot be written is fine."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in sorted(path.parent.glob("due-*.json"), key=lambda old: old.stat().st_mtime)[
            :-_KEPT_ANSWERS
        ]:
            old.unlink(missing_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps([asdict(entry) for entry in entries], default=str), "utf-8")
        temporary.replace(path)
    except OSError:
        return


def _entry(row: dict[str, Any]) -> Adjustment:
    def number(text: str | None) -> Decimal | None:
        return None if text is None else Decimal(text)

    month, before, after = date.fromisoformat(row["month"]), number(row["before"]), number(row["after"])
    return Adjustment(
        month, row["revision"], row["measure"], row["cause"], before, after, Decimal(row["amount"])
    )
