"""Books against suppliers' bills: what the books measure themselves, beside what was billed for it.

Three categories are measured by the books and billed by somebody: inference bought by API (usage × price, per
provider), the own fleet (capacity), payment fees (payments). Each line is one of them in one bucket.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from breakeven.account.account import Account
from breakeven.account.facts import post_fraction, whole
from breakeven.account.metrics import Missing
from breakeven.account.usage import CLASSES
from breakeven.money import EXACT
from breakeven.pricing.fx import NoRate


@dataclass(frozen=True)
class Line:
    """One comparison; `books` or `bill` is None where that side has nothing."""

    bucket: int
    category: str
    vendor: str
    books: Decimal | None
    bill: Decimal | None
    unpriced_tokens: int = 0

    @property
    def difference(self) -> Decimal | None:
        """Bill less books; None unless both sides exist."""
        if self.books is None or self.bill is None:
            return None
        return self.bill - self.books

    @property
    def share(self) -> Decimal | None:
        """The difference over the bill; None when there is no bill to compare with."""
        difference = self.difference
        return EXACT.divide(difference, self.bill) if difference is not None and self.bill else None

    def within(self, tolerance: Decimal) -> bool:
        """Whether the two agree up to a share of the bill. A side that is absent is a disagreement."""
        difference = self.difference
        if difference is None:
            return False
        return abs(difference) <= tolerance * abs(self.bill or Decimal(0)) or difference == 0


def compare(account: Account) -> list[Line]:
    """Every comparison the books allow, by bucket, category and vendor."""
    billed: dict[tuple[int, str, str], Fraction] = defaultdict(Fraction)
    for bill in account.bills:
        if bill.category not in ("inference_api", "gpu", "payment_fee"):
            continue
        vendor = bill.vendor if bill.category == "inference_api" else ""
        for bucket, part in bill.accrued(account.buckets):
            amount = account.converter.over_month(part, bill.currency, account.buckets.periods[bucket].first)
            if not isinstance(amount, NoRate):
                billed[bucket, bill.category, vendor] += amount
    booked, unpriced = _booked(account)
    lines: list[Line] = []
    for key in sorted(billed.keys() | booked.keys()):
        bucket, category, vendor = key
        bill = post_fraction(billed[key], account.currency) if key in billed else None
        lines.append(Line(bucket, category, vendor, booked.get(key), bill, unpriced.get(key, 0)))
    return lines


def _booked(
    account: Account,
) -> tuple[dict[tuple[int, str, str], Decimal], dict[tuple[int, str, str], int]]:
    booked: dict[tuple[int, str, str], Decimal] = {}
    unpriced: dict[tuple[int, str, str], int] = {}
    for cost in account.usage.by("provider"):
        if not cost.is_own and isinstance(cost.bought, Fraction):
            key = (cost.bucket, "inference_api", str(cost.key[0]))
            tokens = sum(cost.counts[name] for name in CLASSES)
            if cost.bought or cost.unpriced_buy_tokens < tokens or not tokens:
                booked[key] = post_fraction(cost.bought, account.currency)
            unpriced[key] = cost.unpriced_buy_tokens
    recorded: dict[int, Fraction] = defaultdict(Fraction)
    for hours in account.fleet:
        bucket = account.buckets.of(hours.day)
        if bucket is not None:
            month = account.buckets.periods[bucket].first
            amount = account.converter.over_month(hours.cost, hours.currency, month)
            recorded[bucket] += Fraction(0) if isinstance(amount, NoRate) else amount
    for bucket, amount in recorded.items():
        booked[bucket, "gpu", ""] = post_fraction(amount, account.currency)
    for bucket in range(len(account.buckets.periods)):
        fees = account.facts.get("payment_fees", bucket)
        if not isinstance(fees, Missing) and account.coverage.any(
            "payments", account.buckets.periods[bucket]
        ):
            booked[bucket, "payment_fee", ""] = whole(Fraction(fees))
    return booked, unpriced
