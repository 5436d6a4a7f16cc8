"""What a GPU-hour costs in an answer: a price that was given, or one that ships, perhaps converted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import cast

from breakeven.errors import UsageError
from breakeven.money import EXACT
from breakeven.pricing.fx import NoRate, Rates
from breakeven.report.view_model import Label
from breakeven.report.views.serving_cost import PriceShown
from breakeven.report.views.serving_gpus import COMMITMENT_WORDS
from breakeven.serving.hardware import Accelerator, Commitment, GpuPrice

_DEFAULT_CURRENCY = "USD"


@dataclass(frozen=True)
class GpuHourPrice:
    """What a GPU costs for an hour, and in words where that is from, any exchange rate included."""

    amount: Decimal
    currency: str
    said: Label

    @property
    def shown(self) -> PriceShown:
        """As the views of serving cost take it."""
        return PriceShown(float(self.amount), self.currency, self.said)


def given_price(amount: Decimal, currency: str | None = None) -> GpuHourPrice:
    """A price that somebody gave, in dollars unless a currency is named.

    >>> given_price(Decimal("2.50")).said.en
    '2.5 USD, as given'
    """
    currency = currency or _DEFAULT_CURRENCY
    plain = f"{amount.normalize():f} {currency}"
    return GpuHourPrice(amount, currency, Label(f"{plain}, as given", f"{plain}，由用户给定"))


def shipped_price(
    accelerator: Accelerator,
    commitment: str = "on_demand",
    currency: str | None = None,
    rate: Decimal | None = None,
) -> GpuHourPrice:
    """The price that ships under a commitment, at the bank's rate of its day (or at `rate`) where converted.

    Raises `UsageError` where none ships, or no rate leads to the currency.
    """
    kind = cast("Commitment", commitment)
    own = accelerator.price(kind, currency) if currency else None
    found = own or accelerator.price(kind)
    if found is None:
        known = ", ".join(sorted({price.commitment for price in accelerator.prices}))
        raise UsageError(
            f"no {commitment} price of {accelerator.name} ships",
            cause=f"published prices of it: {known}" if known else "no published price of it is known",
            remedy="give a price of a GPU-hour, or choose another commitment",
        )
    words = COMMITMENT_WORDS[commitment]
    where = f"{found.source}, {found.as_of}"
    if currency in (None, found.currency):
        return _said(found.amount, found.currency, words, where, "")
    factor, of = (rate, "--rate") if rate is not None else _bank_rate(found, currency)
    how = f"; {found.amount} {found.currency} x {factor.normalize():f} ({of})"
    return _said(EXACT.multiply(found.amount, factor), currency, words, where, how)


def _said(amount: Decimal, currency: str, words: Label, where: str, how: str) -> GpuHourPrice:
    plain = f"{round(amount, 4).normalize():f} {currency}"
    said = Label(f"{plain}, {words.en}: {where}{how}", f"{plain}，{words.zh}：{where}{how}")
    return GpuHourPrice(amount, currency, said)


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
