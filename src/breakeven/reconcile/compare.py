"""Books against bills: every comparison that the books allow, each with the causes of its difference."""

from __future__ import annotations

from dataclasses import replace

from breakeven.account.account import Account
from breakeven.account.facts import Buckets
from breakeven.periods import Period
from breakeven.reconcile.ads import ads
from breakeven.reconcile.draft import Draft, post_lines
from breakeven.reconcile.fees import fees
from breakeven.reconcile.fleet import allocation, fleet
from breakeven.reconcile.inference import inference
from breakeven.reconcile.line import Line
from breakeven.reconcile.settlements import settlement_lines

CATEGORIES = (
    "inference_api", "gpu", "gpu_allocation", "advertising", "payment_fee", "payout", "bank",
)  # fmt: skip
"""What is compared, in the order in which it is shown."""

_MEASURED_IN = {"usage": inference, "capacity": fleet, "ad_spend": ads, "payments": fees}
_EVENTS = ("usage", "activity", "payments", "ad_spend", "acquisitions", "capacity")


def compare(account: Account) -> list[Line]:
    """Every comparison, by bucket, category, vendor, model and token class.

    The parts of a line sum to its difference exactly. Only rollups and small tables are read. Months are
    whole (`whole_months`).
    """
    months = whole_months(account)
    labels = [period.label for period in months.buckets.periods]
    lines = post_lines(drafts_of(months), account.currency, labels)
    lines += allocation(account, labels)
    lines += settlement_lines(months)
    return sorted(lines, key=lambda line: (line.bucket, CATEGORIES.index(line.category)))


def drafts_of(account: Account) -> list[Draft]:
    """The comparisons in the statement's currency, in exact fractions.

    What a company declares not to measure (`coverage.not_applicable`) is booked from its bills: there is
    nothing to compare these with.
    """
    unmeasured = account.books.settings.not_applicable
    return [
        draft
        for table, comparison in _MEASURED_IN.items()
        if table not in unmeasured
        for draft in comparison(account)
    ]


def whole_months(account: Account) -> Account:
    """The account over whole months where the books hold nothing of the days that this adds.

    The first and the last month of books begin and end with their data; a bill is of the month all the same.
    """
    periods = tuple(_widened(account, period) for period in account.buckets.periods)
    return account if periods == account.buckets.periods else replace(account, buckets=Buckets(periods))


def _widened(account: Account, period: Period) -> Period:
    month = Period.month(period.first)
    known = [one for table in _EVENTS for one in account.coverage.periods.get(table, ())]
    first = (
        period.first if any(one.overlap(Period(month.first, period.first)) for one in known) else month.first
    )
    end = period.end if any(one.overlap(Period(period.end, month.end)) for one in known) else month.end
    return Period(first, end)
