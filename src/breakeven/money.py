"""Exact money: ISO 4217 minor units, one rounding rule, and apportioning that always adds up.

Amounts are `Decimal`, never float. An amount is *posted* once, to the minor unit of its currency
(half to even); everything above it is arithmetic on posted amounts, so a statement adds up as printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal, localcontext

from breakeven.errors import InputError

# Wide enough for 10^20 tokens times a price of 18 decimals without losing a digit.
EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)

_NO_MINOR = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_TWO = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF "
    "CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL "
    "HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP "
    "MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD "
    "SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS "
    "VED VES WST XCD YER ZAR ZMW ZWG"
)
MINOR_UNITS: dict[str, int] = {
    **dict.fromkeys(_TWO.split(), 2),
    **dict.fromkeys(_NO_MINOR.split(), 0),
    **dict.fromkeys(_THREE.split(), 3),
}
"""Decimal places of each ISO 4217 currency we accept (active codes of the list as of 2026)."""


def minor_units(currency: str) -> int:
    """Decimal places of a currency.

    >>> minor_units("CNY"), minor_units("JPY")
    (2, 0)
    """
    try:
        return MINOR_UNITS[currency]
    except KeyError:
        raise InputError(
            f"unknown currency {currency!r}", remedy="use an ISO 4217 code such as CNY or USD"
        ) from None


def post(amount: Decimal, currency: str) -> Decimal:
    """Round an exact amount to the currency's minor unit, half to even: the one rounding of the books.

    >>> post(Decimal("562100.005"), "USD")
    Decimal('562100.00')
    """
    with localcontext(EXACT):
        return amount.quantize(Decimal(1).scaleb(-minor_units(currency)), rounding=ROUND_HALF_EVEN)


def apportion(total: Decimal, weights: Sequence[Decimal | int], currency: str) -> list[Decimal]:
    """Split a posted total by weights so that the parts, each to the minor unit, sum to it exactly.

    Largest remainder (Hamilton's method); ties go to the earlier part, so the result is deterministic.
    Weights must not be negative. When all weights are zero there is nothing to split by: `ValueError`.

    >>> apportion(Decimal("100.00"), [1, 1, 1], "USD")
    [Decimal('33.34'), Decimal('33.33'), Decimal('33.33')]
    """
    if any(weight < 0 for weight in weights):
        raise ValueError("weights must not be negative")
    with localcontext(EXACT):
        whole = sum((Decimal(weight) for weight in weights), Decimal(0))
        if whole == 0:
            raise ValueError("cannot apportion by weights that are all zero")
        unit = Decimal(1).scaleb(-minor_units(currency))
        exact = [total * Decimal(weight) / whole for weight in weights]
        parts = [part.quantize(unit, rounding=ROUND_DOWN) for part in exact]
        left = int((total - sum(parts, Decimal(0))) / unit)
        step = unit if left >= 0 else -unit
        order = sorted(range(len(parts)), key=lambda i: (-abs(exact[i] - parts[i]), i))
        for i in order[: abs(left)]:
            parts[i] += step
    return parts


def post_parts(parts: Sequence[Decimal], currency: str) -> list[Decimal]:
    """Post exact parts so that they add up to their posted total; each moves by less than one minor unit.

    Signs may differ (refunds beside sales), which is why this is not `apportion`.

    >>> post_parts([Decimal("0.004"), Decimal("0.004"), Decimal("0.004")], "USD")
    [Decimal('0.01'), Decimal('0.00'), Decimal('0.00')]
    """
    with localcontext(EXACT):
        unit = Decimal(1).scaleb(-minor_units(currency))
        total = post(sum(parts, Decimal(0)), currency)
        floors = [(part / unit).to_integral_value(rounding="ROUND_FLOOR") * unit for part in parts]
        left = int((total - sum(floors, Decimal(0))) / unit)
        order = sorted(range(len(parts)), key=lambda i: (floors[i] - parts[i], i))
        for i in order[:left]:
            floors[i] += unit
        return floors
