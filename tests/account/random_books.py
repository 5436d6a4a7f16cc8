"""Accounts over random rollups, made in memory: parts and wholes do not hang on how rows came in."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from breakeven.account.account import Account, open_account
from breakeven.account.measures import TOKEN_COLUMNS
from breakeven.periods import ONE_DAY, Period

from .bookkeeping import book, new_books, write_card

PERIOD = Period.parse("2024-03..2024-04")
COHORTS = (date(2024, 2, 1), date(2024, 3, 1), date(2024, 4, 1))
PEOPLE = st.sampled_from(
    [(cohort, channel) for cohort in COHORTS for channel in ("video", "friends", None)] + [(None, None)]
)
AMOUNTS = st.decimals("0", "40", places=4)
DAYS = st.integers(0, 60).map(lambda days: date(2024, 3, 1) + timedelta(days=days))
CARD = """
provider: outside
side: buy
currency: USD
source: test
checked_on: 2024-03-01
models:
  m:
    prices:
      - valid_from: 2024-01-01
        per_mtok: {uncached_input: 3.7, cached_input: 0.37, cache_write: 4.1, output: 11.3}
        free_per_month: {tokens: 500}
"""
NOT_APPLICABLE = ("usage", "activity", "payments", "acquisitions", "ad_spend", "bills")


def base_account(folder: Path) -> Account:
    """Two months, a fleet that costs an odd amount, one rate card, and no row yet."""
    books = new_books(
        folder / "books",
        serving={
            "own_providers": ["self"],
            "weights": {"uncached_input": 1, "cached_input": "0.1", "cache_write": 1, "output": 4},
        },
        coverage={"not_applicable": list(NOT_APPLICABLE)},
    )
    write_card(books, "outside", CARD)
    fleet = {"pool": "main", "gpu": "H800", "count": 1, "price_per_gpu_hour": "0.0137", "currency": "USD"}
    book(
        books,
        "capacity",
        [{"at": f"{day}T00:00:00Z", **fleet} for day in PERIOD.days()],
        covers=(PERIOD.first, PERIOD.end - ONE_DAY),
    )
    return open_account(books, period=PERIOD)


def table(rows: list[dict[str, Any]], schema: dict[str, pa.DataType]) -> pa.Table:
    return pa.Table.from_pylist(rows, pa.schema(list(schema.items()))) if rows else pa.table({})


MONEY, TEXT, DAY, COUNT, FLAG = pa.decimal128(38, 9), pa.string(), pa.date32(), pa.int64(), pa.bool_()
WHO = {"cohort": DAY, "channel": TEXT}
USAGE = {
    "day": DAY, "utc_day": DAY, "slot": COUNT, "context": COUNT, "product": TEXT, "feature": TEXT,
    "provider": TEXT, "model": TEXT, "service_tier": TEXT, **WHO, "is_paying": FLAG, "is_failed": FLAG,
    "has_user": FLAG, "requests": COUNT, "rows": COUNT, "uncounted": COUNT,
    **dict.fromkeys(TOKEN_COLUMNS, COUNT),
}  # fmt: skip
PAYMENTS = {
    "day": DAY, "kind": TEXT, "plan": TEXT, "currency": TEXT, "first_day": DAY, "end_day": DAY, **WHO,
    "payments": COUNT, "amount": MONEY, "fee": MONEY, "tax": MONEY, "fee_unknown": COUNT,
}  # fmt: skip
SPEND = {
    "day": DAY, "channel": TEXT, "campaign": TEXT, "creator": TEXT, "kind": TEXT, "currency": TEXT,
    "amount": MONEY, "impressions": COUNT, "clicks": COUNT,
}  # fmt: skip
ACQUISITIONS = {
    "day": DAY, "channel": TEXT, "campaign": TEXT, "creator": TEXT, "is_paid": FLAG, "platform": TEXT,
    "country": TEXT, "users": COUNT,
}  # fmt: skip
MONTHS = {"month": DAY, **WHO, "users": COUNT}


@st.composite
def usage_row(draw: st.DrawFn) -> dict[str, Any]:
    (cohort, channel), day = draw(PEOPLE), draw(DAYS)
    counts = {name: draw(st.integers(0, 3000)) for name in ("requests", *TOKEN_COLUMNS)}
    return {
        "day": day, "utc_day": day, "slot": 0, "context": 0, "product": draw(st.sampled_from(["app", "api"])),
        "feature": None, "provider": draw(st.sampled_from(["outside", "self", "nobody"])), "model": "m",
        "service_tier": None, "cohort": cohort, "channel": channel, "is_paying": draw(st.booleans()),
        "is_failed": False, "has_user": cohort is not None, "rows": 1, "uncounted": 0, **counts,
    }  # fmt: skip


@st.composite
def payment_row(draw: st.DrawFn) -> dict[str, Any]:
    (cohort, channel), day = draw(PEOPLE), draw(DAYS)
    kind = draw(st.sampled_from(["subscription", "gift", "refund", "chargeback"]))
    end = day + timedelta(days=draw(st.integers(1, 40)))
    return {
        "day": day, "kind": kind, "plan": None, "currency": "USD", "first_day": day, "end_day": end,
        "cohort": cohort, "channel": channel, "payments": 1, "amount": draw(AMOUNTS), "fee": draw(AMOUNTS),
        "tax": Decimal(0), "fee_unknown": 0,
    }  # fmt: skip


@st.composite
def spend_row(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "day": draw(DAYS), "channel": draw(st.sampled_from(["video", "friends", "radio", None])),
        "campaign": draw(st.sampled_from(["a", "b", None])), "creator": None,
        "kind": draw(st.sampled_from(["ads", "creator", "coupon", "referral", "agency"])), "currency": "USD",
        "amount": draw(AMOUNTS), "impressions": None, "clicks": None,
    }  # fmt: skip


@st.composite
def acquired_row(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "day": draw(DAYS), "channel": draw(st.sampled_from(["video", "friends", "organic", None])),
        "campaign": draw(st.sampled_from(["a", None])), "creator": None, "platform": None, "country": None,
        "is_paid": draw(st.sampled_from([True, False, None])), "users": draw(st.integers(1, 9)),
    }  # fmt: skip


@st.composite
def month_row(draw: st.DrawFn) -> dict[str, Any]:
    cohort, channel = draw(PEOPLE)
    month = draw(st.sampled_from([date(2024, 3, 1), date(2024, 4, 1)]))
    return {"month": month, "cohort": cohort, "channel": channel, "users": draw(st.integers(1, 9))}


@st.composite
def small_rollups(draw: st.DrawFn) -> dict[str, pa.Table]:
    def some(row: st.SearchStrategy[dict[str, Any]], schema: dict[str, pa.DataType]) -> pa.Table:
        return table(draw(st.lists(row, max_size=8)), schema)

    return {
        "usage": some(usage_row(), USAGE),
        "payments": some(payment_row(), PAYMENTS),
        "ad_spend": some(spend_row(), SPEND),
        "acquisitions": some(acquired_row(), ACQUISITIONS),
        "active_in_month": some(month_row(), MONTHS),
        "payers": some(month_row(), MONTHS),
    }


def with_rollups(account: Account, rollups: dict[str, pa.Table]) -> Account:
    """The same books with other rows."""
    return replace(account, rollups=account.rollups | rollups)
