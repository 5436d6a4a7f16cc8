"""What the books state before anybody draws a total: measures by bucket, posted once.

A *bucket* is a period of the statement, normally a calendar month. `Facts` turns rollups, prices and the
small tables into one posted amount per (measure, bucket); `Account` reads metrics off them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction

from breakeven.account.metrics import Amount, Missing
from breakeven.money import EXACT, post
from breakeven.periods import Period
from breakeven.pricing.fx import NoRate, Rate, Rates


@dataclass(frozen=True)
class Buckets:
    """The periods of a statement in order, and which of them a day falls in.

    >>> buckets = Buckets.months_of(Period.parse("2024-03..2024-04"))
    >>> buckets.of(date(2024, 4, 2)), buckets.of(date(2024, 5, 1))
    (1, None)
    """

    periods: tuple[Period, ...]

    @classmethod
    def months_of(cls, period: Period) -> Buckets:
        """The calendar months of a period; its ends may cut the first and the last short."""
        parts = (Period.month(month).overlap(period) for month in period.months())
        return cls(tuple(part for part in parts if part))

    def of(self, day: date) -> int | None:
        """The bucket of a day, or None outside all."""
        for index, period in enumerate(self.periods):
            if day in period:
                return index
        return None

    def overlaps(self, span: Period) -> list[tuple[int, int]]:
        """(bucket, days of `span` in it), for those that overlap."""
        found: list[tuple[int, int]] = []
        for index, period in enumerate(self.periods):
            part = period.overlap(span)
            if part:
                found.append((index, part.day_count))
        return found

    @property
    def span(self) -> Period:
        """From the first day of the first bucket to the end of the last."""
        return Period(self.periods[0].first, self.periods[-1].end)


@dataclass
class Converter:
    """Converts to the statement's currency and remembers which rates were used, to be shown."""

    currency: str
    rates: Rates
    used: dict[tuple[str, str, bool], Rate] = field(default_factory=dict[tuple[str, str, bool], Rate])
    absent: dict[str, NoRate] = field(default_factory=dict[str, NoRate])

    def on_day(self, amount: Fraction, currency: str, day: date) -> Fraction | NoRate:
        """At the reference rate of the day, or the last one published before it."""
        return self._apply(amount, currency, day, monthly=False)

    def over_month(self, amount: Fraction, currency: str, month: date) -> Fraction | NoRate:
        """At the month's average rate: for what accrues day by day."""
        return self._apply(amount, currency, month.replace(day=1), monthly=True)

    def _apply(self, amount: Fraction, currency: str, day: date, *, monthly: bool) -> Fraction | NoRate:
        if currency == self.currency or amount == 0:
            return amount
        rate = (self.rates.month_average if monthly else self.rates.rate)(day, currency, self.currency)
        if isinstance(rate, NoRate):
            self.absent[f"{currency} {day}"] = rate
            return rate
        self.used[currency, day.isoformat(), monthly] = rate
        return amount * Fraction(rate.value)


@dataclass
class Tally:
    """Exact sums by bucket in the statement's currency; a sum that lacks an exchange rate has no value."""

    size: int
    _sums: list[Fraction] = field(default_factory=list[Fraction])
    _missing: dict[int, Missing] = field(default_factory=dict[int, Missing])

    def __post_init__(self) -> None:
        self._sums = [Fraction(0)] * self.size

    def add(self, bucket: int, amount: Fraction | NoRate) -> None:
        """Add a converted amount to a bucket."""
        if isinstance(amount, NoRate):
            self._missing[bucket] = Missing(amount.en, amount.zh)
        else:
            self._sums[bucket] += amount

    def exact(self, bucket: int) -> Fraction | Missing:
        """The unrounded sum."""
        return self._missing.get(bucket, self._sums[bucket])

    def posted(self, bucket: int, currency: str) -> Amount:
        """The sum, posted to the minor unit."""
        value = self.exact(bucket)
        return value if isinstance(value, Missing) else post_fraction(value, currency)


def post_fraction(value: Fraction, currency: str) -> Decimal:
    """Post an exact fraction, half to even.

    >>> post_fraction(Fraction(1, 3), "CNY")
    Decimal('0.33')
    """
    # 60 digits hold any sum of money far beyond the minor unit, so this division decides every half correctly
    # unless a repeating fraction agrees with a half for over 40 digits.
    return post(EXACT.divide(Decimal(value.numerator), Decimal(value.denominator)), currency)


def whole(value: Fraction | int) -> Decimal:
    """A fraction as a decimal of sixty digits, for ratios and weights."""
    value = Fraction(value)
    return EXACT.divide(Decimal(value.numerator), Decimal(value.denominator))


@dataclass(frozen=True)
class Facts:
    """Posted measures by bucket. `get` is what metric trees read."""

    buckets: Buckets
    currency: str
    values: Mapping[str, Sequence[Amount]]

    def get(self, measure: str, bucket: int) -> Amount:
        """A measure's posted amount in a bucket, or why it has none."""
        known = self.values.get(measure)
        if known is None:
            raise KeyError(f"no such measure: {measure}")
        return known[bucket]
