"""What a GPU-hour costs, as asked: a price given, or one that ships, in its own currency or at a stated
rate.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from breakeven.cli.serving_options import Asked, GpuHourPrice
from breakeven.errors import UsageError
from breakeven.money import EXACT

if TYPE_CHECKING:
    from breakeven.serving.hardware import Accelerator, Commitment, GpuPrice

_DEFAULT_CURRENCY = "USD"
_GIVE_ONE = "give one with --gpu-price, or choose another --commitment"


def asked_price(asked: Asked, accelerator: Accelerator) -> GpuHourPrice:
    """The price of one hour of one GPU. Raises `UsageError` where none is known or no rate leads there.

    >>> from breakeven.serving.hardware import accelerator
    >>> asked_price(Asked(gpu_price=Decimal(2)), accelerator("h800")).currency
    'USD'
    """
    if asked.gpu_price is not None:
        currency = asked.currency or _DEFAULT_CURRENCY
        return GpuHourPrice(asked.gpu_price, currency, asked.commitment, "--gpu-price", "")
    found = _shipped(asked, accelerator)
    if asked.currency in (None, found.currency):
        return GpuHourPrice(found.amount, found.currency, found.commitment, found.source, str(found.as_of))
    return _converted(asked, found)


def _shipped(asked: Asked, accelerator: Accelerator) -> GpuPrice:
    commitment = cast("Commitment", asked.commitment)
    own = accelerator.price(commitment, asked.currency) if asked.currency else None
    found = own or accelerator.price(commitment)
    if found is None:
        known = ", ".join(sorted({price.commitment for price in accelerator.prices}))
        raise UsageError(
            f"no {asked.commitment} price of {accelerator.name} ships",
            cause=f"published prices of it: {known}" if known else "no published price of it is known",
            remedy=_GIVE_ONE,
        )
    return found


def _converted(asked: Asked, price: GpuPrice) -> GpuHourPrice:
    currency = asked.currency or price.currency
    if asked.exchange_rate is not None:
        rate, where = asked.exchange_rate, "--rate"
    else:
        rate, where = _bank_rate(price, currency)
    amount = EXACT.multiply(price.amount, rate)
    return GpuHourPrice(
        amount,
        currency,
        price.commitment,
        price.source,
        str(price.as_of),
        converted=f"{price.amount} {price.currency} x {rate:.6g} ({where})",
    )


def _bank_rate(price: GpuPrice, currency: str) -> tuple[Decimal, str]:
    """The bank's rate of the day the price was published for, or of its last day before."""
    from breakeven.pricing.fx import NoRate, Rates

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
