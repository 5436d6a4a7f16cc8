"""Subscription contracts: each user's payments for a plan, joined where one term follows the other.

A contract is a chain of service windows of one user, plan and term (week, month, year) in which no gap is
longer than the days of grace. After a longer gap the contract is over; who comes back later begins another.
How long it lasted is counted in whole terms, as models of renewal need it; nobody is called lost before it
could be seen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from breakeven.account.people import People
from breakeven.engine.session import open_engine
from breakeven.errors import UsageError
from breakeven.ledger.lock import hold
from breakeven.periods import ONE_DAY, Period

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.engine.session import Engine

pc: Any = pyarrow.compute
"""Arrow builds its compute functions when it is imported, so they have no static types."""

FORMAT = 1
"""Raise when the definition changes: stored answers of older formats are computed again."""

GRACE_DAYS = 3
"""Days that may lie between two windows of one contract: cards are tried again, people pay late."""

DIMENSIONS = ("channel", "platform", "campaign")
_GIVEN_BACK = ("refund", "chargeback")
_TERMS = ((6, 8, "week"), (28, 31, "month"), (84, 93, "quarter"), (180, 185, "half-year"), (360, 372, "year"))
_FIXED = ("cohort", "start_month", "plan", "term", "lifetime", "is_lost", "is_return")
_KEPT = 20


@dataclass(frozen=True)
class NotCounted:
    """Subscription payments that are no part of any contract, by why.

    `trials` were paid nothing for; `given_back` were refunded or charged back in full.
    """

    no_user: int
    no_service: int
    trials: int
    given_back: int


def contracts(
    account: Account, *dimensions: str, grace_days: int = GRACE_DAYS, until: date | None = None
) -> pa.Table:
    """Contracts of all users, grouped: how many (`contracts`) share the same columns.

    - `cohort`: the month the user was acquired in, empty where nobody recorded it; `start_month`: of the
      contract's first day, in the books' time zone; `plan` as paid for; `term`: `week`, `month`, `quarter`,
      `half-year`, `year`, or the days, such as `10 days`.
    - `lifetime`: of a lost contract the terms paid for (alive at one less, gone at this); of one that is
      still watched the renewals seen, so one in its first term has 0.
    - `is_lost`: the last window ended, and the days of grace after it are all covered by payments data. Where
      they are not, it is watched so far (right-censored), not lost.
    - `is_return`: the user had an earlier contract of this plan and term that ended.

    Dimensions: `channel`, `platform`, `campaign` of the acquisition. A change of plan or of term ends one
    contract and begins another. A subscription payment that was later given back in full (a refund or
    chargeback of the same user, currency and amount strikes the latest such payment before it) counts as
    never made; one given back in part stays. Gifts are no contracts. `until` counts only what was known after
    that day. See `not_counted` for payments left out. Raises `UsageError` for other dimensions.
    """
    unknown = [name for name in dimensions if name not in DIMENSIONS]
    if unknown:
        raise UsageError(
            f"contracts are not split by {unknown[0]!r}", remedy=f"use one of {', '.join(DIMENSIONS)}"
        )
    chosen = tuple(name for name in DIMENSIONS if name in dimensions)
    rows = _kept(
        account, "contracts", [chosen, grace_days, until],
        lambda engine, people: _chains(engine, people, chosen, grace_days, until),
    )  # fmt: skip
    return _judged(account, rows, chosen, grace_days, until)


def not_counted(account: Account, *, until: date | None = None) -> NotCounted:
    """Subscription payments that `contracts` leaves out."""
    rows = _kept(account, "no-contracts", [until], lambda engine, people: _left_out(engine, people, until))
    [row] = rows.to_pylist()
    return NotCounted(
        **{name: int(row[name] or 0) for name in ("no_user", "no_service", "trials", "given_back")}
    )


# --- one pass over the payments ---------------------------------------------------------------------------


def _kept(
    account: Account, what: str, asked: list[Any], compute: Callable[[Engine, People], Any]
) -> pa.Table:
    """An answer that holds as long as its files do: found stored, else computed."""
    files = sorted(file.name for file in account.books.files("payments"))
    people_said = [account.people_state.get("epoch"), account.people_state.get("user_parts")]
    said = json.dumps([FORMAT, account.books.settings.time_zone, asked, files, people_said], default=str)
    path = account.cache / f"{what}-{hashlib.sha256(said.encode()).hexdigest()[:20]}.pq"
    with hold(account.cache / ".lock"):
        if path.exists():
            return pq.read_table(path)
        engine = open_engine(account.engine)
        try:
            people = People(account.books, account.cache, account.people_state, lambda: engine)
            account.books.view(engine, "payments")
            people.view(engine)
            rows = _plain(engine.arrow(compute(engine, people)))
        finally:
            engine.close()
        for old in sorted(account.cache.glob(f"{what}-*.pq"), key=lambda one: one.stat().st_mtime)[:-_KEPT]:
            old.unlink(missing_ok=True)
        pq.write_table(rows, path)
        return rows


def _payments(engine: Engine, people: People, until: date | None) -> Any:
    rows = people.table(engine, None, "local_payments")
    return rows if until is None else rows.filter(rows.day <= until)


def _is_served(rows: Any) -> Any:
    return rows.service_start.notnull() & rows.service_end.notnull()


def _subscriptions(rows: Any) -> Any:
    """Payments that stand for a term of somebody's subscription."""
    paid = (rows.kind == "subscription") & rows.user_id.notnull() & (rows.amount > 0)
    return rows.filter(paid & _is_served(rows))


def _struck(rows: Any) -> Any:
    """Keys of payments given back in full: the latest before it, of one user, currency and amount."""
    import ibis

    paid = _subscriptions(rows).select(
        "source", "source_id", "user_id", "currency", "amount", paid_at=lambda row: row["at"]
    )
    back = rows.filter(rows.kind.isin(list(_GIVEN_BACK)) & rows.user_id.notnull())
    back = back.select(
        back_source=back.source, back_id=back.source_id, back_at=back["at"],
        back_user=back.user_id, back_currency=back.currency, back_amount=back.amount,
    )  # fmt: skip
    pairs = back.join(
        paid,
        [
            back.back_user == paid.user_id,
            back.back_currency == paid.currency,
            back.back_amount == paid.amount,
            back.back_at >= paid.paid_at,
        ],
    )
    latest = ibis.window(
        group_by=[pairs.back_source, pairs.back_id],
        order_by=[pairs.paid_at.desc(), pairs.source, pairs.source_id],
    )
    ranked = pairs.mutate(rank=ibis.row_number().over(latest))
    return ranked.filter(ranked["rank"] == 0).select("source", "source_id").distinct()


def _chains(
    engine: Engine, people: People, chosen: tuple[str, ...], grace_days: int, until: date | None
) -> Any:
    """Contracts by what they have in common, their last day among it."""
    import ibis

    rows = _payments(engine, people, until)
    struck = _struck(rows).rename(struck_source="source", struck_id="source_id")
    paid = _subscriptions(rows)
    kept = paid.anti_join(struck, [paid.source == struck.struck_source, paid.source_id == struck.struck_id])
    days = kept.end_day.delta(kept.first_day, unit="day").cast("int64")
    term: Any = ibis.cases(
        *((days.between(least, most), name) for least, most, name in _TERMS),
        else_=days.cast("string") + " days",
    )
    windows = kept.select("user_id", "plan", "first_day", "end_day", term=term).distinct()
    own = [windows.user_id, windows.plan, windows.term]
    order = [windows.first_day, windows.end_day]
    windows = windows.mutate(
        running=windows.end_day.max().over(ibis.cumulative_window(group_by=own, order_by=order))
    )
    keys, order = ["user_id", "plan", "term"], ["first_day", "end_day"]
    windows = windows.mutate(before=windows.running.lag().over(ibis.window(group_by=keys, order_by=order)))
    gap = windows.first_day.delta(windows.before, unit="day").cast("int64")
    windows = windows.mutate(begins=(windows.before.isnull() | (gap > grace_days)).cast("int64"))
    windows = windows.mutate(
        number=windows.begins.sum().over(ibis.cumulative_window(group_by=keys, order_by=order))
    )
    chains = windows.group_by([*keys, "number"]).aggregate(
        first=windows.first_day.min(), last_end=windows.end_day.max(), terms=windows.count()
    )
    users = engine.table("users").select("cohort", *chosen, known_user_id=lambda user: user.user_id)
    named = chains.left_join(users, chains.user_id == users.known_user_id)
    named = named.select(
        "cohort", "plan", "term", "terms", "last_end", *chosen,
        start_month=named["first"].truncate("M").cast("date"),
        is_return=named.number > 1,
    )  # fmt: skip
    by = ["cohort", "start_month", "plan", "term", "terms", "last_end", "is_return", *chosen]
    return named.group_by(by).aggregate(contracts=named.count().cast("int64"))


def _left_out(engine: Engine, people: People, until: date | None) -> Any:
    rows = _payments(engine, people, until)
    paid = rows.filter(rows.kind == "subscription")
    named = paid.user_id.notnull()
    counted = paid.aggregate(
        no_user=(~named).cast("int64").sum(),
        no_service=(named & ~_is_served(paid)).cast("int64").sum(),
        trials=(named & _is_served(paid) & (paid.amount == 0)).cast("int64").sum(),
    )
    return counted.cross_join(_struck(rows).aggregate(given_back=lambda row: row.count().cast("int64")))


# --- who is lost ------------------------------------------------------------------------------------------


def _judged(
    account: Account, rows: pa.Table, chosen: tuple[str, ...], grace_days: int, until: date | None
) -> pa.Table:
    """Contracts as lost or watched, by whether a renewal would have been seen."""
    ends: list[date] = rows["last_end"].unique().to_pylist()
    lost_ends = [end for end in ends if _would_be_seen(account, end, grace_days, until)]
    is_lost = pc.is_in(rows["last_end"], value_set=pa.array(lost_ends, pa.date32()))
    lifetime = pc.if_else(is_lost, rows["terms"], pc.subtract(rows["terms"], 1))
    rows = rows.append_column("is_lost", is_lost).append_column("lifetime", lifetime)
    keys = [*_FIXED, *chosen]
    grouped = rows.group_by(keys).aggregate([("contracts", "sum")])
    grouped = grouped.rename_columns([*keys, "contracts"])
    return grouped.sort_by([(key, "ascending") for key in keys]) if grouped.num_rows else grouped


def _would_be_seen(account: Account, end: date, grace_days: int, until: date | None) -> bool:
    """Whether payments data cover every day on which a contract that ended could have been renewed."""
    last = end + timedelta(days=grace_days)
    if until is not None and last > until:
        return False
    return account.coverage.full("payments", Period(end, last + ONE_DAY))


def _plain(rows: pa.Table) -> pa.Table:
    """One set of types whatever the engine."""
    fields: list[pa.Field] = []
    for field in rows.schema:
        kind = field.type
        if pa.types.is_integer(kind):
            kind = pa.int64()
        elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            kind = pa.date32()
        elif pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
            kind = pa.string()
        fields.append(pa.field(field.name, kind))
    return rows.cast(pa.schema(fields))
