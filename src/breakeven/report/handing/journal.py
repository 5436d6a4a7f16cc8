"""A month as double entry: what the account states, posted so that every entry sums to zero.

Costs and revenue are accrued: revenue comes out of what customers prepaid, cost goes to what suppliers are
owed; money that moves settles these. Every income and expense account has the balance of its statement line,
cash and credits have the account's closing balances; what they need beyond the flows is an exchange
difference. Amounts are in the statement's currency, posted once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction

from breakeven.account.account import Account
from breakeven.account.catalogue import METRICS
from breakeven.account.facts import whole
from breakeven.account.metrics import Missing
from breakeven.money import post_parts
from breakeven.periods import ONE_DAY, Period
from breakeven.pricing.fx import NoRate
from breakeven.report.view_model import Label

ZERO = Decimal(0)
CASH, CREDITS = "Assets:Cash", "Assets:Credits"
OPENING, EXCHANGE = "Equity:Opening", "Income:ExchangeDifferences"

ACCOUNT_OF: Mapping[str, str] = {
    "subscription_revenue": "Income:Subscription",
    "gift_revenue": "Income:Gifts",
    "api_revenue": "Income:API",
    "refunds": "Income:Refunds",
    "inference_api_cost": "Expenses:Inference",
    "gpu_cost": "Expenses:OwnFleet",
    "payment_fees": "Expenses:PaymentFees",
    "bandwidth_cost": "Expenses:Bandwidth",
    "cloud_cost": "Expenses:Cloud",
    "content_cost": "Expenses:Content",
    "ads_spend": "Expenses:Acquisition:Advertising",
    "creator_spend": "Expenses:Acquisition:Creators",
    "coupon_spend": "Expenses:Acquisition:Coupons",
    "referral_spend": "Expenses:Acquisition:Referrals",
    "agency_spend": "Expenses:Acquisition:Agencies",
    "payroll_cost": "Expenses:Payroll",
    "training_cost": "Expenses:Training",
    "other_cost": "Expenses:Other",
}
"""Where each line of the statement is booked; its balance is the line (income with the sign turned)."""

PAYABLE_OF: Mapping[str, str] = {
    measure: "Liabilities:Payable:" + account.removeprefix("Expenses:").partition(":")[0]
    for measure, account in ACCOUNT_OF.items()
    if account.startswith("Expenses:")
} | {"refunds": "Liabilities:Payable:Refunds"}
"""What a cost is owed on until money is paid for it."""

DEFERRED_OF: Mapping[str, str] = {
    "subscription_revenue": "Liabilities:DeferredRevenue:Subscription",
    "gift_revenue": "Liabilities:DeferredRevenue:Gifts",
    "api_revenue": "Liabilities:DeferredRevenue:API",
}
"""What customers have paid for and not had yet."""


@dataclass(frozen=True)
class Posting:
    """An amount on an account; debits are positive."""

    account: str
    amount: Decimal


@dataclass(frozen=True)
class Entry:
    """Postings of one day that sum to zero, and what they tell of. `facts` are for readers and machines."""

    day: date
    words: Label
    postings: tuple[Posting, ...]
    facts: Mapping[str, str]


@dataclass
class Month:
    """What a month books: entries, and the balances that the account states at its end."""

    period: Period
    entries: list[Entry] = field(default_factory=list[Entry])
    stated: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    absent: dict[str, Missing] = field(default_factory=dict[str, Missing])

    @property
    def last_day(self) -> date:
        """The day its entries bear."""
        return self.period.end - ONE_DAY

    def add(self, words: Label, postings: Sequence[tuple[str, Decimal]], **facts: str) -> None:
        """Book an entry; postings on one account are added up, and nothing is booked for nothing."""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for account, amount in postings:
            sums[account] += amount
        if sum(sums.values(), ZERO) != 0:
            raise AssertionError(f"an entry must sum to zero: {words.en} {dict(sums)}")
        kept = tuple(Posting(account, amount) for account, amount in sums.items() if amount)
        if kept:
            facts = {"period": self.period.label} | facts
            self.entries.append(Entry(self.last_day, words, kept, facts))


def stated_less_adjusted(account: Account, measure: str, bucket: int) -> Decimal | Missing:
    """What a month states of a measure without entries that adjust closed months: these are booked apart."""
    amount = account.value(measure, bucket)
    if isinstance(amount, Missing) or bucket != account.stated.open_bucket:
        return amount
    return amount - account.stated.adjusted.get(measure, ZERO)


def fitted(
    total: Decimal, exact: Mapping[str, Fraction], currency: str, rest: str
) -> list[tuple[str, Decimal]]:
    """Exact parts, posted, that sum to a total stated elsewhere. A cent goes to the largest; more to `rest`.

    >>> fitted(Decimal("10.00"), {"a": Fraction(20, 3), "b": Fraction(10, 3)}, "USD", "rest")
    [('a', Decimal('6.67')), ('b', Decimal('3.33'))]
    """
    names = list(exact)
    parts = post_parts([whole(exact[name]) for name in names], currency)
    left = total - sum(parts, ZERO)
    # Each part was posted on its own once, so that many half-cents are rounding; more is another matter.
    if left and names and abs(left) <= Decimal("0.01") * (len(names) + 1):
        largest = max(range(len(names)), key=lambda at: abs(parts[at]))
        parts[largest] += left
        left = ZERO
    found = list(zip(names, parts, strict=True))
    return [*found, (rest, left)] if left else found


def known(amount: Fraction | NoRate) -> Fraction:
    """An amount with an exchange rate; one without counts nowhere, and its measure has no value."""
    return Fraction(0) if isinstance(amount, NoRate) else amount


def line_words(measure: str) -> Label:
    """What an entry for a line of the statement is called."""
    return Label(METRICS[measure].en, METRICS[measure].zh)
