"""The bills' side: lines of a vendor's bill by month, model and token class, in the statement's currency."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from breakeven.account.account import Account
from breakeven.account.ledger_rows import Bill
from breakeven.money import minor_units
from breakeven.pricing.fx import NoRate
from breakeven.reconcile.booked import Used, standard
from breakeven.reconcile.line import Cause, RowKey

CAUSE_OF: dict[str, Cause] = {
    "discount": "discount",
    "credit": "discount",
    "tax": "tax",
    "fee": "fee",
    "adjustment": "fee",
}
"""What a line of a bill that is no usage explains."""

_TOKEN_UNITS = {
    "token": 1, "tokens": 1, "ktok": 1000, "1k tokens": 1000, "thousand tokens": 1000, "k tokens": 1000,
    "mtok": 10**6, "1m tokens": 10**6, "million tokens": 10**6, "m tokens": 10**6, "mtokens": 10**6,
}  # fmt: skip


def tokens_of(quantity: Fraction | None, unit: str) -> Fraction | None:
    """A billed quantity in tokens; None where it counts something else, or nothing.

    >>> tokens_of(Fraction(3, 2), "1M tokens"), tokens_of(Fraction(7), "images")
    (Fraction(1500000, 1), None)
    """
    each = _TOKEN_UNITS.get(unit.strip().lower().replace("_", " ").replace("-", " "))
    return None if quantity is None or each is None else quantity * each


@dataclass
class Charges:
    """Lines of a bill that are compared together: usage, and what each other kind of line adds.

    `usage` is what was charged before conversion, at our rate; `fx` is how much the billed amount, at our
    rate, differs from it. `quantity` is None as soon as one line of usage does not tell it. `by_tier` holds
    quantity and amount by service tier; it is only of use where the bill names tiers.
    """

    usage: Fraction = Fraction(0)
    fx: Fraction = Fraction(0)
    quantity: Fraction | None = Fraction(0)
    by_tier: dict[str, tuple[Fraction, Fraction]] = field(
        default_factory=dict[str, tuple[Fraction, Fraction]]
    )
    names_tiers: bool = False
    usage_lines: int = 0
    half_units: Fraction = Fraction(0)
    """Half a minor unit for each line of usage: what rounding can move at most."""
    others: dict[Cause, Fraction] = field(default_factory=lambda: defaultdict[Cause, Fraction](Fraction))
    currencies: set[str] = field(default_factory=set[str])
    """In which currencies usage was charged."""
    rows: list[RowKey] = field(default_factory=list[RowKey])

    @property
    def total(self) -> Fraction:
        """All that is billed here."""
        return self.usage + self.fx + sum(self.others.values(), Fraction(0))


@dataclass(frozen=True)
class Part:
    """The part of one bill that falls in a bucket, converted.

    `accrued` is its part by days, as the account has it. Use may lie otherwise within a bill's period:
    `share` is the part of what was used, and `amount` and `charged` (before conversion) are the bill's by it.
    """

    bill: Bill
    bucket: int
    accrued: Fraction
    share: Fraction
    amount: Fraction
    charged: Fraction
    half_unit: Fraction


def parts_of(
    account: Account, bills: Iterable[Bill], table: str = "", used: Used | None = None
) -> list[Part]:
    """Bills by bucket. A part that lacks an exchange rate is left out, and the envelope says so.

    A bill that reaches over the end of a month is shared by what was `used`, where `table` covers all of it.
    """
    found: list[Part] = []
    for bill in bills:
        whole = used(bill, bill.period) if used and _crosses(account, bill, table) else Fraction(0)
        for bucket, days in account.buckets.overlaps(bill.period):
            period = account.buckets.periods[bucket]
            by_days = share = Fraction(days, bill.period.day_count)
            mine = period.overlap(bill.period)
            if used and whole and mine:
                share = used(bill, mine) / whole
            month = period.first
            accrued = account.converter.over_month(bill.amount * by_days, bill.currency, month)
            amount = account.converter.over_month(bill.amount * share, bill.currency, month)
            charged = amount
            if bill.pricing_amount is not None and bill.pricing_currency not in ("", bill.currency):
                charged = account.converter.over_month(
                    bill.pricing_amount * share, bill.pricing_currency, month
                )
            half = account.converter.over_month(_half_unit(bill), bill.currency, month)
            if isinstance(accrued, NoRate) or isinstance(amount, NoRate) or isinstance(half, NoRate):
                continue
            before = amount if isinstance(charged, NoRate) else charged
            found.append(Part(bill, bucket, accrued, share, amount, before, half))
    return found


def _half_unit(bill: Bill) -> Fraction:
    """What rounding may have moved in an amount: nothing where it is written finer than its currency."""
    units = 10 ** minor_units(bill.currency)
    return Fraction(1, 2 * units) if (bill.amount * units).denominator == 1 else Fraction(0)


def _crosses(account: Account, bill: Bill, table: str) -> bool:
    inside = any(period.overlap(bill.period) == bill.period for period in account.buckets.periods)
    return bill.charge == "usage" and not inside and account.coverage.full(table, bill.period)


def add_usage(
    charges: Charges, part: Part, quantity: Callable[[Fraction | None, str], Fraction | None]
) -> None:
    """Add a line of usage; `quantity` reads how much was billed."""
    bill = part.bill
    billed = quantity(bill.quantity, bill.unit)
    billed = None if billed is None else billed * part.share
    charges.usage += part.charged
    charges.fx += part.amount - part.charged
    if part.accrued != part.amount:
        charges.others["late"] += part.accrued - part.amount
    charges.currencies.add(bill.pricing_currency or bill.currency)
    charges.usage_lines += 1
    charges.half_units += part.half_unit
    charges.rows.append((bill.source, bill.source_id))
    charges.quantity = None if billed is None or charges.quantity is None else charges.quantity + billed
    tier = standard(bill.service_tier)
    held, paid = charges.by_tier.get(tier, (Fraction(0), Fraction(0)))
    charges.by_tier[tier] = (held + (billed or 0), paid + part.charged)


def add_other(charges: Charges, part: Part, share: Fraction = Fraction(1)) -> None:
    """Add a line that is no usage, or its share where it is spread over several groups."""
    charges.others[CAUSE_OF[part.bill.charge]] += part.accrued * share
    charges.rows.append((part.bill.source, part.bill.source_id))


def spread(groups: dict[tuple[str, str], Charges], part: Part, model: str) -> None:
    """Put a tax, discount or fee on the lines it is of: by `model` and class where it names them.

    Among several it is spread by what they charge for usage; where none does, it becomes a line of its own.
    """
    bill = part.bill
    named = [
        key
        for key in groups
        if model in ("", key[0]) and bill.token_class in ("", key[1]) and groups[key].usage > 0
    ]
    whole = sum((groups[key].usage for key in named), Fraction(0))
    if not named:
        add_other(groups.setdefault((model, bill.token_class), Charges()), part)
    for key in named:
        add_other(groups[key], part, groups[key].usage / whole)


def together(parts: Iterable[Part]) -> Charges:
    """All lines as one group, where quantities do not count what the books count."""
    charges = Charges()
    for part in parts:
        if part.bill.charge == "usage":
            add_usage(charges, part, lambda _quantity, _unit: None)
        else:
            add_other(charges, part)
    return charges


def second_bills(parts: Iterable[Part]) -> tuple[list[Part], list[Part]]:
    """Parts that count, and those of a second source that bills the same vendor, model and days again.

    The source that tells more (lines with model, class and quantity) counts. Sources do not compete where
    their days are apart, where they name other models, or where each names invoices that the other does not.
    """
    by_source: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        by_source[part.bill.source].append(part)

    def detail(source: str) -> tuple[int, int, str]:
        lines = [part.bill for part in by_source[source] if part.bill.charge == "usage"]
        told = sum(bool(bill.model) + bool(bill.token_class) + (bill.quantity is not None) for bill in lines)
        return -told, -len(lines), source

    counting: list[Part] = []
    again: list[Part] = []
    for source in sorted(by_source, key=detail):
        mine = by_source[source]
        competes = any(
            _same_days(mine, theirs) and _same_models(mine, theirs) and _same_invoices(mine, theirs)
            for other in {part.bill.source for part in counting}
            if (theirs := by_source[other])
        )
        (again if competes else counting).extend(mine)
    return counting, again


def _same_days(mine: list[Part], theirs: list[Part]) -> bool:
    days = {part.bill.period for part in theirs}
    return any(part.bill.period.overlap(period) for part in mine for period in days)


def _same_models(mine: list[Part], theirs: list[Part]) -> bool:
    models = [{part.bill.model for part in side if part.bill.charge == "usage"} for side in (mine, theirs)]
    return any("" in side for side in models) or not models[0].isdisjoint(models[1])


def _same_invoices(mine: list[Part], theirs: list[Part]) -> bool:
    invoices = [{part.bill.invoice_id for part in side} - {""} for side in (mine, theirs)]
    return not all(invoices) or not invoices[0].isdisjoint(invoices[1])
