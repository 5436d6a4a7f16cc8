"""What a GPU-hour costs in an answer: a price that was given, or one that ships, perhaps converted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from typing import cast

from breakeven.errors import UsageError
from breakeven.money import EXACT
from breakeven.pricing.fx import NoRate, Rates
from breakeven.report.view_model import Label
from breakeven.report.views.serving_cost import PriceShown
from breakeven.report.views.serving_gpus import COMMITMENT_WORDS
from breakeven.serving.hardware import Accelerator, Commitment, GpuPrice

_DEFAULT_CURRENCY = "USD"
_SHOWN = Context(prec=6)
"""Digits of a converted price as people read it; what is computed with keeps them all."""


@dataclass(frozen=True)
class GpuHourPrice:
    """What a GPU costs for an hour, where that is from, and the exchange rate in it, if any.

    One that was given has no source.
    """

    amount: Decimal
    currency: str
    commitment: str
    source: str = ""
    as_of: str = ""
    converted: str = ""
    """The amount in its own currency and the rate, where it was converted: `2.00 USD x 7.1 (...)`."""

    @property
    def per_gpu_hour(self) -> float:
        """The amount as the models take it."""
        return float(self.amount)

    @property
    def said(self) -> Label:
        """The price in words, with where it is from."""
        plain = (
            f"{_digits(self.amount) if self.converted else f'{self.amount.normalize():f}'} {self.currency}"
        )
        if not self.source:
            return Label(f"{plain}, as given", f"{plain}，由用户给定")
        kind = COMMITMENT_WORDS[self.commitment]
        where = f"{self.source}, {self.as_of}"
        said = Label(f"{plain}, {kind.en}: {where}", f"{plain}，{kind.zh}：{where}")
        if not self.converted:
            return said
        return Label(f"{said.en}; {self.converted}", f"{said.zh}；{self.converted}")

    @property
    def shown(self) -> PriceShown:
        """As the views of serving cost take it."""
        return PriceShown(self.per_gpu_hour, self.currency, self.said)


def given_price(amount: Decimal, currency: str | None = None, commitment: str = "on_demand") -> GpuHourPrice:
    """A price that somebody gave, in dollars unless a currency is named.

    >>> given_price(Decimal("2.50")).said.en
    '2.5 USD, as given'
    """
    return GpuHourPrice(amount, currency or _DEFAULT_CURRENCY, commitment)


def shipped_price(
    accelerator: Accelerator,
    commitment: str = "on_demand",
    currency: str | None = None,
    rate: Decimal | None = None,
) -> GpuHourPrice:
    """The price that ships under a commitment, at the bank's rate of its day (or at `rate`) where converted.

    Raises `UsageError` where none ships, or no rate leads to the currency.

    >>> from breakeven.serving.hardware import accelerator
    >>> shipped_price(accelerator("h800"), currency="CNY", rate=Decimal("7.123456789")).converted
    '2.00 USD x 7.12346 (--rate)'
    """
    kind = cast("Commitment", commitment)
    own = accelerator.price(kind, currency) if currency else None
    found = own or accelerator.price(kind)
    if found is None:
        known = ", ".join(sorted({price.commitment for price in accelerator.prices}))
        raise UsageError(
            f"no {commitment} price of {accelerator.name} ships",
            cause=f"published prices of it: {known}" if known else "no published price of it is known",
            remedy="give one with --gpu-price, or choose another --commitment",
        )
    price = GpuHourPrice(found.amount, found.currency, found.commitment, found.source, str(found.as_of))
    if currency in (None, found.currency):
        return price
    factor, of = (rate, "--rate") if rate is not None else _bank_rate(found, currency)
    return GpuHourPrice(
        EXACT.multiply(found.amount, factor),
        currency,
        price.commitment,
        price.source,
        price.as_of,
        converted=f"{found.amount} {found.currency} x {_digits(factor)} ({of})",
    )


def _digits(value: Decimal) -> str:
    """The value as people read it.

    >>> _digits(Decimal("20.94500000000000000000000001"))
    '20.945'
    """
    return f"{_SHOWN.plus(value).normalize():f}"


def _bank_rate(price: GpuPrice, currency: str) -> tuple[Decimal, str]:
    """The bank's rate of the day the price was published for, or of its last day before."""
    day = _day(str(price.as_of))
    found = Rates.load().rate(day, price.currency, currency)
    if isinstance(found, NoRate):
        raise UsageError(
            f"there is no rate from {price.currency} to {currency} for {day.isoformat()}",
            remedy="state one with --rate, or leave --currency out",
        )
    return found.value, f"{found.source}, {found.day.isoformat()}"


def _day(text: str) -> date:
    """The last day of what a source dates itself by: a day, a month or a year."""
    parts = [int(part) for part in text.split("-") if part.isdigit()]
    today = datetime.now(tz=UTC).date()
    if len(parts) == len(("year", "month", "day")):
        return date(parts[0], parts[1], parts[2])
    if len(parts) == len(("year", "month")):
        return min(date(parts[0], parts[1], 28), today)
    return today
