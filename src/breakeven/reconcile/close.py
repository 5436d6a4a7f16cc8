"""Close a month, restate it, reopen it, and prove years later that a statement is what it was.

close    freeze the month's statement with all that it was computed from
restate  a new revision of a closed month's statement, from the present facts; the former stays readable
reopen   take the last closing back
verify   compute a statement again from what it rested on, and compare byte for byte
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from breakeven import __version__
from breakeven.account.account import Account, open_account
from breakeven.account.adjustments import Adjustment, due_adjustments
from breakeven.account.frozen import RecordedRates, definitions_digest, keep_terms
from breakeven.account.replay import replayed
from breakeven.account.rollups import Progress
from breakeven.account.stated import ClosedMonths
from breakeven.errors import BreakevenError, UsageError
from breakeven.ledger.books import Books
from breakeven.ledger.closings import BASIS, STATEMENT, Closing, Closings, Entry, canonical, digest_of
from breakeven.ledger.settings import FILE_NAME, SCHEMA_VERSION, settings_from
from breakeven.periods import Period, month_of, time_zone
from breakeven.pricing.fx import Rates
from breakeven.reconcile.closing_conditions import Condition, calendar, of_contents, refused
from breakeven.reconcile.closing_statement import adjustment_rows, statement_of
from breakeven.reconcile.compare import compare

Render = Callable[[Mapping[str, Any]], Mapping[str, bytes]]
"""Further files to freeze beside a statement: the same, as people read it."""


def no_further_files(statement: Mapping[str, Any]) -> Mapping[str, bytes]:  # noqa: ARG001 - a `Render`
    """Freeze the statement's data alone."""
    return {}


@dataclass(frozen=True)
class Prepared:
    """A month as it would be closed now, and whether it may be. Nothing is written yet."""

    month: date
    revision: int
    former: Closing | None
    statement: dict[str, Any]
    conditions: tuple[Condition, ...]
    account: Account
    rates: RecordedRates
    adjustments: tuple[Adjustment, ...]

    @property
    def is_refused(self) -> bool:
        """Whether a condition fails."""
        return refused(self.conditions)


def prepare(
    books: Books,
    month: date,
    *,
    again: bool = False,
    today: date | None = None,
    engine: str = "duckdb",
    progress: Progress = lambda _: None,
) -> Prepared:
    """Compute a month's statement and its conditions. `again` is for a closed month that is restated.

    Environment variables do not count: the statement follows the settings file alone. Raises `UsageError`
    for a month that is to be stated again and is not closed, `BooksError` when the books are empty.
    """
    month, closings = month_of(month), Closings(books.folder)
    closed = closings.in_force()
    if again and month not in closed:
        raise UsageError(f"{month:%Y-%m} is not closed", remedy="see `breakeven closings`")
    settings = settings_from((books.folder / FILE_NAME).read_text("utf-8-sig"), str(books.folder / FILE_NAME))
    rates = RecordedRates(Rates.load(books.folder / "fx.csv"))
    account = open_account(
        books.at_versions(books.present_versions(), settings), period=Period.month(month),
        currency=settings.currency, engine=engine, rates=rates, progress=progress,
    )  # fmt: skip
    progress(f"{month:%Y-%m}: computing")
    entries = _entries_to_book(account, closed, month)
    lines = compare(account)
    statement = statement_of(account, closings.next_revision(month), entries, lines)
    today = today or datetime.now(time_zone(settings.time_zone)).date()
    conditions = [] if again else calendar(account, month, closed, today)
    conditions += of_contents(account, lines)
    return Prepared(
        month, statement["revision"], closed.get(month), statement, tuple(conditions), account, rates, entries
    )


def _entries_to_book(account: Account, closed: Mapping[date, Closing], month: date) -> tuple[Adjustment, ...]:
    """What is due for earlier months, asked under plain rates: other months' questions are not this one's."""
    if not closed:
        return ()
    asking = Account(
        account.books, account.prices, Rates.load(account.books.folder / "fx.csv"), account.currency,
        account.buckets, account.rollups, account.cache, account.engine, account.people_state,
        ClosedMonths(closed), account.class_costs,
    )  # fmt: skip
    return due_adjustments(asking, without=month)


def close_month(prepared: Prepared, *, by: str = "", render: Render = no_further_files) -> Entry:
    """Freeze what was prepared. Raises `UsageError` when a condition fails, or somebody else was faster."""
    return _freeze(prepared, "close", "", by, render)


def restate_month(
    prepared: Prepared, *, reason: str, by: str = "", render: Render = no_further_files
) -> Entry:
    """Freeze a new revision of a closed month. Raises as `close_month`; a reason is required."""
    return _freeze(prepared, "restate", _reason(reason), by, render)


def reopen_month(books: Books, month: date, *, reason: str, by: str = "") -> Entry:
    """Open the last closed month again. Raises `UsageError` for any other; a reason is required."""
    return Closings(books.folder).reopen(month_of(month), reason=_reason(reason), by=by)


def _reason(reason: str) -> str:
    if not reason.strip():
        raise UsageError("a reason is required", remedy='say why: --reason "..."')
    return reason.strip()


def _freeze(prepared: Prepared, action: Any, reason: str, by: str, render: Render) -> Entry:
    if prepared.is_refused:
        raise UsageError(
            f"{prepared.month:%Y-%m} cannot be closed: a condition fails",
            remedy="see them with `breakeven close --dry-run`",
        )
    account = prepared.account
    closings = Closings(account.books.folder)
    basis = {
        "format": 1,
        "month": f"{prepared.month:%Y-%m}",
        "revision": prepared.revision,
        "program": __version__,
        "definitions": definitions_digest(),
        "schema_version": SCHEMA_VERSION,
        "tables": dict(account.books.versions or {}),
        "adjustments": adjustment_rows(prepared.adjustments),
        **keep_terms(closings, prepared.rates.asked),
    }
    files = {
        STATEMENT: canonical(prepared.statement), BASIS: canonical(basis), **render(prepared.statement),
    }  # fmt: skip
    former = prepared.former.digest if prepared.former else ""
    return closings.add(prepared.month, prepared.revision, files, action, former=former, reason=reason, by=by)


@dataclass(frozen=True)
class Verdict:
    """Whether a statement can be computed again to the same bytes; `differences` are (what, then, now)."""

    closing: Closing
    is_intact: bool
    is_same: bool
    program_then: str
    program_now: str
    same_definitions: bool
    differences: tuple[tuple[str, str | None, str | None], ...] = ()
    failure: BreakevenError | None = None


def verify(
    books: Books, month: date, revision: int | None = None, *, progress: Progress = lambda _: None
) -> Verdict:
    """Compute a closing again from what it rests on, and compare. Raises `UsageError` when there is none."""
    closing = Closings(books.folder).revision(month_of(month), revision)
    basis = closing.basis
    is_intact = digest_of(closing.files()) == closing.digest
    same_definitions = basis["definitions"] == definitions_digest()
    plain = Verdict(closing, is_intact, False, basis["program"], __version__, same_definitions)
    try:
        account = replayed(books, closing, progress=progress)
        entries = [_entry(row) for row in basis["adjustments"]]
        again = canonical(statement_of(account, closing.revision, entries, compare(account)))
    except (BreakevenError, OSError) as error:
        failure = error if isinstance(error, BreakevenError) else BreakevenError(str(error))
        return _with(plain, failure=failure)
    stored = closing.read(STATEMENT)
    if again == stored:
        return _with(plain, is_same=True)
    return _with(plain, differences=tuple(_differences("", json.loads(stored), json.loads(again))))


def _with(verdict: Verdict, **changes: Any) -> Verdict:
    from dataclasses import replace

    return replace(verdict, **changes)


def _differences(where: str, then: Any, now: Any) -> list[tuple[str, str | None, str | None]]:
    """Where two statements differ, leaf by leaf; members of lists go by their id where they have one."""
    if isinstance(then, list) and isinstance(now, list):
        then, now = _keyed(then), _keyed(now)
    if isinstance(then, dict) and isinstance(now, dict):
        found: list[tuple[str, str | None, str | None]] = []
        for key in sorted(then.keys() | now.keys()):
            place = f"{where}.{key}" if where else str(key)
            found += _differences(place, then.get(key), now.get(key))
        return found
    if then == now:
        return []
    return [(where, None if then is None else str(then), None if now is None else str(now))]


def _keyed(members: list[Any]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for number, member in enumerate(members):
        name = str(member.get("id") or "") if isinstance(member, dict) else ""
        named[name if name and name not in named else f"{number:04d}"] = member
    return named


def _entry(row: Mapping[str, Any]) -> Adjustment:
    from decimal import Decimal

    def number(text: str | None) -> Decimal | None:
        return None if text is None else Decimal(text)

    month, amount = date.fromisoformat(f"{row['month']}-01"), Decimal(row["amount"])
    before, after = number(row["before"]), number(row["after"])
    return Adjustment(month, row["revision"], row["metric"], row["cause"], before, after, amount)


def late_commits(books: Books, closing: Closing) -> list[dict[str, Any]]:
    """Imports and removals since a month was closed whose rows touch it: where late facts come from."""
    period = Period.month(closing.month)
    found: list[dict[str, Any]] = []
    for table, version in closing.basis["tables"].items():
        history = books.store(table).history()
        imports = {c.facts["batch_id"]: c.facts for c in history if c.facts["kind"] == "import"}
        for commit in history:
            if commit.version <= version:
                continue
            facts = imports.get(commit.facts.get("batch_id", ""), commit.facts)
            if _touches(facts, period):
                found.append(
                    {
                        "month": f"{closing.month:%Y-%m}",
                        "at": commit.at.astimezone(UTC),
                        "kind": commit.facts["kind"],
                        "table": table,
                        "file": facts.get("file"),
                        "batch_id": facts.get("batch_id"),
                        "rows": facts.get("ingested"),
                    }
                )
    return sorted(found, key=lambda row: (row["at"], row["table"]))


def _touches(facts: Mapping[str, Any], period: Period) -> bool:
    days = [*facts.get("revised_days", ())]
    if any(date.fromisoformat(day) in period for day in days):
        return True
    first, last = facts.get("first_day"), facts.get("last_day")
    if first is None or last is None:
        return not facts.get("rows_read")  # a commit that names no days may have touched any
    return date.fromisoformat(first) < period.end and date.fromisoformat(last) >= period.first
