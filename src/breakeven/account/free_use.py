"""What users cost to serve before they first paid: free use as a cost of winning them.

The usage rollup is asked another question: not whether its user was paying on the day, but whether the user
had never had a paid service up to then. So slots, contexts and token counts are those of every other figure,
and all usage of a month is priced together, whatever part is asked for: volume tiers and allowances hold.
Kept by month beside the rollups, and computed again when anything it rests on changed.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from breakeven.account.measures import ROLLUPS, Inputs, ModelCuts
from breakeven.account.people import People
from breakeven.account.rollups import FORMAT as ROLLUP_FORMAT
from breakeven.account.usage import COUNTS, PricedUsage, model_cuts
from breakeven.engine.session import open_engine
from breakeven.ledger.store import StoredFile, by_partition
from breakeven.periods import Period
from breakeven.pricing.fx import NoRate

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.account.acquisition import Dimension
    from breakeven.engine.session import Engine

FORMAT = 1
"""Raise when the meaning of what is kept changes."""
_KEY = (
    "day",
    "utc_day",
    "slot",
    "context",
    "product",
    "provider",
    "model",
    "service_tier",
    "name",
    "is_before",
)


def free_use_by(account: Account, dimension: Dimension) -> dict[tuple[str | None, int], Fraction]:
    """Exact serving cost of app and web use before a user's first paid service, by name and bucket.

    Names are those of the user's acquisition (None: nobody recorded one). A user who never paid counts with
    all use. Use without a user is nobody's and does not count; neither does the API, which is sold, nor use
    by somebody who paid once and then left. So it is a part of the statement's cost of free use.
    """
    tables = [_of_month(account, bucket, dimension) for bucket in range(len(account.buckets.periods))]
    rows = [table for table in tables if table is not None]
    if not rows:
        return {}
    usage = account.usage
    priced = PricedUsage(
        pa.concat_tables(rows), model_cuts(account.prices), account.prices, account.buckets,
        account.converter, own_providers=usage.own_providers, weights=usage.weights,
        class_costs=account.class_costs, counted=False,
    )  # fmt: skip
    found: dict[tuple[str | None, int], Fraction] = defaultdict(Fraction)
    costs = priced.by("is_before", "product", "name")
    for cost in costs:
        is_before, product, name = cost.key
        if not is_before or product == "api":
            continue
        bought = Fraction(0) if isinstance(cost.bought, NoRate) else cost.bought
        found[name, cost.bucket] += bought + account.fleet_splits[cost.bucket].borne_by(cost)
    return dict(found)


def _of_month(account: Account, bucket: int, dimension: Dimension) -> pa.Table | None:
    """All usage of a bucket by price window, with what was used before a first payment by name."""
    period = account.buckets.periods[bucket]
    files = [
        file
        for file in account.books.files("usage")
        if file.partition is not None and date.fromisoformat(file.partition) in period
    ]
    if not files:
        return None
    folder = account.cache / "free_use"
    stem = f"{dimension}-{period.first}-{period.end}"
    stored = folder / f"{stem}-{_print(account, period, files)}.parquet"
    if stored.exists():
        return pq.read_table(stored)
    rows = _computed(account, files, dimension)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{stored.stem}.{uuid4().hex[:8]}"
    pq.write_table(rows, part, compression="zstd")
    for old in folder.glob(f"{stem}-*.parquet"):
        old.unlink(missing_ok=True)
    part.replace(stored)
    return rows


def _print(account: Account, period: Period, files: list[StoredFile]) -> str:
    """Names everything that the rows of a month rest on."""
    people = People(account.books, Path(), account.people_state, lambda: open_engine(account.engine))
    usage = account.books.files("usage")
    matched, by_day = account.books.matched_days("usage"), by_partition(usage)
    said: list[Any] = [
        FORMAT,
        ROLLUP_FORMAT,
        repr(model_cuts(account.prices)),
        sorted(file.name for file in files),
        # A correction may have taken a row to another month, a match a request to a neighbouring day.
        sorted(file.name for file in usage if file.version_most > 1),
        [matched.beside(day, by_day) for day in by_day if date.fromisoformat(day) in period],
        sorted(account.people_state.get("user_parts", [])),
        people.paying_print(date.min, period.end),
    ]
    return hashlib.sha256(json.dumps(said, default=str).encode()).hexdigest()[:20]


def _computed(account: Account, files: list[StoredFile], dimension: Dimension) -> pa.Table:
    engine = open_engine(account.engine)
    try:
        people = People(account.books, account.cache, account.people_state, lambda: engine)
        account.books.view(engine, "usage", files)
        people.view(engine)
        return plain(engine.arrow(expression(engine, dimension, model_cuts(account.prices))))
    finally:
        engine.close()


def plain(rows: pa.Table) -> pa.Table:
    """One set of types whatever the engine."""
    kinds = {"day": pa.date32(), "utc_day": pa.date32(), "is_before": pa.bool_()}
    kinds |= dict.fromkeys(("product", "provider", "model", "service_tier", "name"), pa.string())
    return rows.cast(pa.schema([(name, kinds.get(name, pa.int64())) for name in rows.column_names]))


def expression(engine: Engine, dimension: Dimension, cuts: tuple[ModelCuts, ...]) -> Any:
    """The usage rollup with `is_before` (its user had no paid service yet) and `name` (of the user)."""

    def table(name: str) -> Any:
        if name == "paid_days":
            return _days_before(engine)
        found = engine.table(name)
        return found.mutate(channel=found[dimension]) if name == "users" and dimension != "channel" else found

    rows = ROLLUPS["usage"].build(Inputs(table, cuts))
    rows = rows.mutate(name=_only(rows.is_paying, rows.channel), is_before=rows.is_paying)
    return rows.group_by(*_KEY).aggregate(
        **{name: rows[name].sum().cast("int64") for name in COUNTS}  # sums of integers, on every engine
    )


def _days_before(engine: Engine) -> Any:
    """(user, day) pairs of use before the user's first paid service, each once, shaped like `paid_days`."""
    usage, windows = engine.table("usage"), engine.table("paid_windows")
    used = usage.filter(usage.user_id.notnull()).select("user_id", "day").distinct()
    firsts = windows.group_by(payer=windows.user_id).aggregate(paid_from=windows.first_day.min())
    both = used.left_join(firsts, used.user_id == firsts.payer)
    before = both.filter(both.paid_from.isnull() | (both.day < both.paid_from))
    return before.select(paid_user_id=before.user_id, paid_day=before.day)


def _only(condition: Any, value: Any) -> Any:
    import ibis

    return ibis.ifelse(condition, value, ibis.null())
