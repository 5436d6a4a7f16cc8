"""How each measure comes about: from rollups, prices and the small tables to one posted amount per bucket.

Every function returns amounts by measure. Coverage has the last word: where a table that a measure needs
covers nothing of a bucket, the measure has no value there.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from breakeven.account import cash
from breakeven.account.acquisition import unreported_ads
from breakeven.account.catalogue import METRICS, TABLE_WORDS
from breakeven.account.facts import Buckets, Tally
from breakeven.account.margin import posted_idle
from breakeven.account.metrics import Amount, Missing
from breakeven.account.payments import fees_and_cash, fees_are_known, recognised
from breakeven.account.retention import day_retention
from breakeven.account.usage import CLASSES, with_bucket
from breakeven.periods import ONE_DAY, Period

if TYPE_CHECKING:
    from breakeven.account.account import Account

Booked = dict[str, list[Amount]]

SPEND_KINDS = ("ads", "creator", "coupon", "referral", "agency")
BILL_CATEGORIES = ("bandwidth", "cloud", "content", "payroll", "training", "other")
_COUNTED = (*CLASSES, "reasoning_tokens", "requests")

UNCOUNTED = Missing(
    "some usage rows do not say how many requests they hold", "有的用量记录没有说明请求数", ("requests",)
)
UNPRICED = Missing("none of the tokens bought has a price", "外购的词元都没有价格", ("inference_api_cost",))
UNLISTED = Missing("no sell price covers this usage", "这些用量没有对外标价", ("usage_at_list_price",))
BY_MONTH = Missing("distinct users are kept by calendar month", "去重用户数按自然月保存")
NO_WEEK = Missing("no full week ends here", "这段时间没有完整的一周", ("wau",))


def book(account: Account) -> Booked:
    """Every measure of the catalogue, bucket by bucket."""
    values: Booked = {}
    for part in (_usage, _bills_and_spend, _free_use, _payments, _growth, cash.measures):
        values |= part(account)
    return {
        measure: [
            _uncovered(account, measure, bucket) or amount for bucket, amount in enumerate(values[measure])
        ]
        for measure, metric in METRICS.items()
        if metric.node is None
    }


def _uncovered(account: Account, measure: str, bucket: int) -> Missing | None:
    """Why coverage forbids a value, if it does."""
    period = account.buckets.periods[bucket]
    absent = [table for table in _needed(account, measure, period) if not account.coverage.any(table, period)]
    if not absent:
        return None
    en = ", ".join(TABLE_WORDS[table][0] for table in absent)
    zh = "、".join(TABLE_WORDS[table][1] for table in absent)
    return Missing(
        f"no {en} data covers {period.label}", f"{period.label} 没有{zh}数据", (measure,), is_gap=True
    )


def _needed(account: Account, measure: str, period: Period) -> tuple[str, ...]:
    """Tables without which a measure has no value in a period."""
    if measure in ("gpu_cost", "idle_fleet_cost"):
        # Capacity or lease bills, either is enough; a company without a fleet of its own needs neither.
        leased = any(bill.category == "gpu" and bill.period.overlap(period) for bill in account.bills)
        if not leased and not account.books.settings.own_providers:
            return ()
        # What is idle is known beside what was served.
        used = ("usage",) if measure == "idle_fleet_cost" else ()
        return used if leased else ("capacity", *used)
    if measure == "ads_spend":
        invoiced = any(
            bill.category == "advertising" and bill.period.overlap(period) for bill in account.bills
        )
        return () if invoiced else METRICS[measure].tables
    if measure in ("cash", "funding_cash", "restricted_credit"):
        return ()  # what was received once is there in later months too
    narrower = {"api_revenue": ("payments",), "cash_out": ("bills",)}
    return narrower.get(measure, METRICS[measure].tables)


def _each(account: Account, make: Callable[[int], Amount]) -> list[Amount]:
    return [make(bucket) for bucket in range(len(account.buckets.periods))]


def _posted(account: Account, tally: Tally) -> list[Amount]:
    return _each(account, lambda bucket: tally.posted(bucket, account.currency))


def _usage(account: Account) -> Booked:
    size = len(account.buckets.periods)
    bought, listed = account.tally(), account.tally()
    counts = {name: [0] * size for name in _COUNTED}
    tokens, to_buy, unpriced, unlisted, uncounted = ([0] * size for _ in range(5))
    for cost in account.usage_totals:
        bucket, cost_tokens = cost.bucket, sum(cost.counts[name] for name in CLASSES)
        bought.add(bucket, cost.bought)
        listed.add(bucket, cost.listed)
        for name, sums in counts.items():
            sums[bucket] += cost.counts[name]
        tokens[bucket] += cost_tokens
        to_buy[bucket] += 0 if cost.is_own else cost_tokens
        unpriced[bucket] += cost.unpriced_buy_tokens
        unlisted[bucket] += cost.unpriced_sell_tokens
        uncounted[bucket] += cost.counts["uncounted"]
    for _, bucket, part in account.unlogged_bills:
        bought.add(bucket, part)
    failed = [0] * size
    for cost in account.usage.by("is_failed"):
        failed[cost.bucket] += cost.counts["requests"] if cost.key[0] else 0
    values: Booked = {name: _counts(sums) for name, sums in counts.items()}
    values["requests"] = [
        UNCOUNTED if uncounted[bucket] else amount for bucket, amount in enumerate(values["requests"])
    ]
    values["failed_requests"] = [
        UNCOUNTED if uncounted[bucket] else amount for bucket, amount in enumerate(_counts(failed))
    ]
    values["unpriced_tokens"] = _counts(unpriced)
    values["inference_api_cost"] = [
        UNPRICED
        if to_buy[bucket] and unpriced[bucket] == to_buy[bucket] and not bought.exact(bucket)
        else cost
        for bucket, cost in enumerate(_posted(account, bought))
    ]
    values["usage_at_list_price"] = [
        UNLISTED if tokens[bucket] and unlisted[bucket] == tokens[bucket] else amount
        for bucket, amount in enumerate(_posted(account, listed))
    ]
    return values


def _bills_and_spend(account: Account) -> Booked:
    values: Booked = {"gpu_cost": _posted(account, account.fleet_cost)}
    values["idle_fleet_cost"] = _each(account, lambda bucket: _idle(account, bucket))
    for category in BILL_CATEGORIES:
        sums = account.tally()
        for _, bucket, part in account.accruals(category):
            sums.add(bucket, part)
        values[f"{category}_cost"] = _posted(account, sums)
    spend = {kind: account.tally() for kind in SPEND_KINDS}
    for row in account.spend_rows():
        amount = account.converter.on_day(Fraction(row["amount_sum"]), row["currency"], row["day"])
        spend[row["kind"]].add(row["bucket"], amount)
    for bill, bucket, part in unreported_ads(account, account.buckets):
        month = account.buckets.periods[bucket].first
        spend["ads"].add(bucket, account.converter.over_month(part, bill.currency, month))
    return values | {f"{kind}_spend": _posted(account, sums) for kind, sums in spend.items()}


def _idle(account: Account, bucket: int) -> Amount:
    """What the own fleet cost while no token kept it busy."""
    split = account.fleet_splits[bucket]
    return split.idle if isinstance(split.idle, Missing) else posted_idle(split, account.currency)


def _free_use(account: Account) -> Booked:
    """Serving cost of app and web usage on days without a paid service; idle time of the fleet is not in it.

    Where the fleet's cost lacks an exchange rate and any free use ran on it, there is no value.
    """
    free = account.tally()
    free_weights = [Fraction(0)] * len(account.buckets.periods)
    for cost in account.usage.by("is_paying", "product"):
        is_paying, product = cost.key
        if not is_paying and product != "api":
            split = account.fleet_splits[cost.bucket]
            free_weights[cost.bucket] += split.weight(cost)
            free.add(cost.bucket, cost.bought)
            free.add(cost.bucket, split.borne_by(cost))
    posted = _posted(account, free)
    for bucket, weight in enumerate(free_weights):
        exact = account.fleet_splits[bucket].cost
        if weight and isinstance(exact, Missing):
            posted[bucket] = exact
    return {"free_use_cost": posted}


def _payments(account: Account) -> Booked:
    measures = (
        "subscription_revenue", "gift_revenue", "api_revenue", "refunds", "payment_fees", "cash_in",
    )  # fmt: skip
    sums = {name: account.tally() for name in measures}
    rollup = account.rollups["payments"]
    for part in recognised(rollup, account.buckets, account.converter):
        sums[part.measure].add(part.bucket, part.amount)
    for part in fees_and_cash(rollup, account.buckets, account.converter):
        sums[part.measure].add(part.bucket, part.amount)
    partial: set[int] = set()
    for month, amount in account.earned_topups.items():
        for bucket, days in account.buckets.overlaps(Period.month(month)):
            if _holds_month(account, bucket, month):
                sums["api_revenue"].add(bucket, amount)
            elif days and amount:
                partial.add(bucket)
    for bill, bucket, part in account.accruals("payment_fee"):
        if not fees_are_known(rollup, bill.period):
            sums["payment_fees"].add(bucket, part)
    values = {name: _posted(account, tally) for name, tally in sums.items()}
    for bucket in partial:
        values["api_revenue"][bucket] = Missing(
            "prepaid API money is earned by calendar month", "预付的 API 款项按自然月确认", ("api_revenue",)
        )
    return values


def _holds_month(account: Account, bucket: int, month: object) -> bool:
    """Whether a bucket is a calendar month, or all of it that the books cover."""
    period = account.buckets.periods[bucket]
    whole = Period.month(period.first)
    span = account.coverage.span()
    return whole.first == month and (period == whole or (span is not None and whole.overlap(span) == period))


def _growth(account: Account) -> Booked:
    values: Booked = {}
    new, paid = _sums(account, "acquisitions", "is_paid", "users")
    values["new_users"], values["paid_new_users"] = _counts(new), _counts(paid)
    user_days, _ = _sums(account, "activity", None, "users")
    visits, _ = _sums(account, "activity", None, "sessions")
    values["user_days"], values["visits"] = _counts(user_days), _counts(visits)
    values["covered_days"] = _counts(
        [account.coverage.share("activity", period)[0] for period in account.buckets.periods]
    )
    values["mau"] = _each(account, lambda bucket: _distinct(account, "active_in_month", bucket))
    values["payers"] = _each(account, lambda bucket: _distinct(account, "payers", bucket))
    values["wau"] = _each(account, lambda bucket: _weekly(account, bucket))
    for days in (1, 7, 30):
        exposed, returned = day_retention(account, days)
        values[f"day{days}_exposed"], values[f"day{days}_returned"] = _counts(exposed), _counts(returned)
    return values


def _sums(account: Account, rollup: str, flag: str | None, column: str) -> tuple[list[int], list[int]]:
    """A rollup's column added up by bucket: all rows, and those where the flag is true."""
    total, flagged = ([0] * len(account.buckets.periods) for _ in range(2))
    rows = account.rollups[rollup]
    if rows.num_rows:
        keys = ["bucket", flag] if flag else ["bucket"]
        grouped = with_bucket(rows, account.buckets).group_by(keys).aggregate([(column, "sum")])
        for row in grouped.to_pylist():
            value = row[f"{column}_sum"] or 0
            total[row["bucket"]] += value
            flagged[row["bucket"]] += value if flag and row[flag] else 0
    return total, flagged


def _distinct(account: Account, rollup: str, bucket: int) -> Amount:
    """Distinct users of a calendar month: they do not add up, so other periods have no value."""
    month = account.buckets.periods[bucket].first.replace(day=1)
    if not _holds_month(account, bucket, month):
        return BY_MONTH
    rows = account.rollups[rollup]
    if rows.num_rows == 0:
        return Decimal(0)
    return Decimal(sum(row["users"] for row in rows.to_pylist() if row["month"] == month))


def _weekly(account: Account, bucket: int) -> Amount:
    """Distinct users of the last full week that ends in the bucket."""
    period = account.buckets.periods[bucket]
    last = period.end - ONE_DAY
    sunday = last - ONE_DAY * ((last.weekday() + 1) % 7)
    monday = sunday - ONE_DAY * 6
    if sunday < period.first:
        return NO_WEEK
    if not account.coverage.full("activity", Period(monday, sunday + ONE_DAY)):
        return Missing(f"the week of {monday} is not fully covered", f"{monday} 这一周的数据不全", ("wau",))
    rows = account.rollups["active_in_week"]
    users = [row["users"] for row in rows.to_pylist() if row["week"] == monday] if rows.num_rows else []
    return Decimal(sum(users))


def _counts(values: list[int]) -> list[Amount]:
    return [Decimal(value) for value in values]


def whole_months(first: Period, last: Period) -> Buckets:
    """Calendar months from the month of one period to the end of another."""
    return Buckets.months_of(Period(first.first.replace(day=1), max(first.end, last.end)))
