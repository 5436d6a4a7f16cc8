"""Numbers as people read them: one ladder for English (K, M, B) and Chinese (万, 亿, 万亿).

A value is rounded *first* and its unit chosen afterwards, so 99,999,999 CNY is ¥1亿 and never ¥10000万.
`compact` is for tiles, axes and chart labels; `exact` is for tables, where the unit stands in the header.
All arithmetic is on `Decimal`; nothing here knows what a number means beyond its unit (see `Column`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from breakeven.money import EXACT, MINOR_UNITS, minor_units
from breakeven.report.view_model import Label, Language, Value

NO_VALUE = "–"
"""What stands where there is no value: absent is never written as zero."""

SYMBOLS = {"CNY": "¥", "USD": "$", "EUR": "€", "GBP": "£"}  # JPY stays a code: its sign is also CNY's
WORD_UNITS = frozenset({"text", "day", "month"})

_LADDERS: dict[Language, tuple[tuple[Decimal, str], ...]] = {
    "en": ((Decimal(1), ""), (Decimal(10) ** 3, "K"), (Decimal(10) ** 6, "M"), (Decimal(10) ** 9, "B")),
    "zh": ((Decimal(1), ""), (Decimal(10) ** 4, "万"), (Decimal(10) ** 8, "亿"), (Decimal(10) ** 12, "万亿")),
}
_UNIT_WORDS = {
    "ratio": Label("%", "%"),
    "users": Label("users", "人"),
    "user": Label("user", "用户"),
    "requests": Label("requests", "次请求"),
    "request": Label("request", "请求"),
    "tokens": Label("tokens", "词元"),
    "token": Label("token", "词元"),
    "Mtok": Label("million tokens", "百万词元"),
    "days": Label("days", "天"),
    "months": Label("months", "个月"),
    "day": Label("day", "天"),
    "month": Label("month", "月"),
    "hours": Label("hours", "小时"),
    "hour": Label("hour", "小时"),
    "GPU": Label("GPU", "卡"),
    "GPU-hour": Label("GPU-hour", "卡时"),
    "visits": Label("visits", "次访问"),
    "visitor": Label("visitor", "访客"),
    "count": Label("", ""),
    "multiple": Label("×", "倍"),
}


def is_money(unit: str) -> bool:
    """Whether a unit is a plain currency code.

    >>> is_money("CNY"), is_money("CNY/user"), is_money("ratio")
    (True, False, False)
    """
    return unit in MINOR_UNITS


def currency_of(unit: str) -> str | None:
    """The currency a unit is in, for money and for money per something.

    >>> currency_of("USD/Mtok"), currency_of("users")
    ('USD', None)
    """
    head = unit.partition("/")[0]
    return head if head in MINOR_UNITS else None


def currencies_of(units: Iterable[str]) -> frozenset[str]:
    """All currencies among units; more than one means that codes must be shown instead of signs.

    >>> sorted(currencies_of(["CNY", "USD/Mtok", "ratio"]))
    ['CNY', 'USD']
    """
    return frozenset(code for unit in units if (code := currency_of(unit)))


def unit_label(unit: str, language: Language = "en") -> str:
    """A unit in words for a table header or an axis; empty for bare counts and text.

    >>> unit_label("CNY"), unit_label("USD/Mtok"), unit_label("CNY/user", "zh")
    ('CNY', 'USD per million tokens', 'CNY/用户')
    """
    if unit in WORD_UNITS:
        return ""
    words = [_UNIT_WORDS[part].text(language) if part in _UNIT_WORDS else part for part in unit.split("/")]
    return ("/" if language == "zh" else " per ").join(words)


def compact(
    value: Value, unit: str, language: Language = "en", *, code: bool = False, sign: bool = True
) -> str:
    """A short form with two to four significant digits, for tiles and chart labels.

    `code` writes CNY and USD instead of ¥ and $ (when a page shows more than one currency); `sign=False`
    leaves the currency out, for a chart whose axis already names it.

    >>> compact(Decimal("99999999"), "CNY", "zh"), compact(999_999, "users"), compact(999_999, "users", "zh")
    ('¥1亿', '1M', '100万')
    >>> compact(Decimal("-1234567.89"), "USD", code=True), compact(Decimal("0.1634"), "ratio")
    ('-USD 1.23M', '16.3%')
    >>> compact(None, "CNY"), compact(Decimal("0.00000123"), "USD")
    ('–', '$0.00000123')
    """
    if value is None or isinstance(value, str):
        return NO_VALUE if value is None else value
    amount = Decimal(value)
    if unit == "ratio":
        return _percent(amount)
    number, suffix = _climb(abs(amount), language, _cents(unit))
    text = number + suffix
    minus = "-" if amount < 0 and text.strip("0.") else ""
    return minus + (_currency_sign(unit, code=code) if sign else "") + text


def exact(value: Value, unit: str) -> str:
    """The full figure for a table cell, with thousands separators and without its unit.

    Money has its minor units; money per something and token prices keep at least three significant digits;
    an amount too small for its minor unit shows its digits instead of 0.00.

    >>> exact(Decimal("562100"), "USD"), exact(Decimal("0.14"), "USD/Mtok"), exact(12031, "requests")
    ('562,100.00', '0.140', '12,031')
    >>> exact(Decimal("5.456"), "ratio"), exact(None, "CNY"), exact(Decimal("0.00000123"), "USD")
    ('545.6%', '–', '0.00000123')
    """
    if value is None or isinstance(value, str):
        return NO_VALUE if value is None else value
    amount = Decimal(value)
    if unit == "ratio":
        return _percent(amount)
    if is_money(unit):
        text = _fixed(amount, minor_units(unit))
        return text if amount == 0 or text.strip("-0.,") else _significant(amount, 3)
    if currency_of(unit):
        return _price(amount)
    if amount == amount.to_integral_value():
        return _fixed(amount, 0)
    return _trim(_fixed(amount, 2)) if abs(amount) >= 1 else _trim(_significant(amount, 3))


def tick_labels(ticks: Sequence[Decimal], unit: str, language: Language = "en") -> tuple[str, ...]:
    """Labels of an axis: one step of the ladder and as many decimals as tell the ticks apart.

    >>> tick_labels([Decimal(0), Decimal(500_000), Decimal(1_000_000)], "CNY", "zh")
    ('0', '50万', '100万')
    >>> tick_labels([Decimal("-0.5"), Decimal(0), Decimal("0.5")], "ratio")
    ('-50%', '0%', '50%')
    """
    if unit == "ratio":
        return tuple(f"{_plain(tick * 100)}%" for tick in ticks)
    largest = max((abs(tick) for tick in ticks), default=Decimal(0))
    size, suffix = max(
        (step for step in _LADDERS[language] if step[0] <= largest), default=_LADDERS[language][0]
    )
    return tuple(f"{_plain(tick / size)}{suffix}" if tick else "0" for tick in ticks)


def _cents(unit: str) -> int | None:
    """Decimals that small amounts of money show; None for what is no money."""
    return minor_units(unit) if is_money(unit) else 2 if currency_of(unit) else None


def _climb(amount: Decimal, language: Language, cents: int | None) -> tuple[str, str]:
    """The first step of the ladder on which the *rounded* figure still fits, and its suffix.

    `cents` are the decimals of money, which below a thousand is written in full: 12.50 and not 12.5.
    """
    ladder = _LADDERS[language]
    for (size, suffix), (larger, _) in zip(ladder, (*ladder[1:], (None, "")), strict=True):
        with localcontext(EXACT):
            mantissa = amount / size
            rounded = _round(mantissa, _decimals(mantissa, cents if size == 1 else None))
        if larger is None or rounded * size < larger:
            text = _trim(f"{rounded:,f}")
            if cents and size == 1 and 0 < rounded < 1000:
                whole, _, shown = text.partition(".")
                text = f"{whole}.{shown:0<{cents}}"
            return text, suffix
    raise AssertionError("the last step of the ladder takes everything")


def _decimals(mantissa: Decimal, cents: int | None) -> int:
    if mantissa != 0 and mantissa < 1:
        return 2 - mantissa.adjusted()
    if cents is not None:
        return cents if mantissa < 1000 else 0
    return 2 if mantissa < 10 else 1 if mantissa < 100 else 0


def _percent(ratio: Decimal) -> str:
    with localcontext(EXACT):
        percent = ratio * 100
    if percent != 0 and abs(percent) < Decimal("0.1"):
        return _trim(_significant(percent, 2)) + "%"
    return _fixed(percent, 1) + "%"


def _price(amount: Decimal) -> str:
    """Three to six significant digits and at least two decimals: published prices stay as published."""
    if amount == 0:
        return "0.00"
    with localcontext(EXACT):
        rounded = _round(amount, max(2, 5 - amount.adjusted())).normalize()
    shown = -int(rounded.as_tuple().exponent)
    decimals = max(2, 2 - rounded.adjusted(), min(shown, 5 - rounded.adjusted()))
    return _fixed(rounded, decimals)


def _significant(amount: Decimal, digits: int) -> str:
    return _fixed(amount, max(0, digits - 1 - amount.adjusted()))


def _round(amount: Decimal, decimals: int) -> Decimal:
    with localcontext(EXACT):
        return amount.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_EVEN)


def _fixed(amount: Decimal, decimals: int) -> str:
    rounded = _round(amount, decimals)
    return f"{abs(rounded) if rounded == 0 else rounded:,f}"


def _plain(amount: Decimal) -> str:
    with localcontext(EXACT):
        return _trim(f"{amount:,f}")


def _trim(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _currency_sign(unit: str, *, code: bool) -> str:
    currency = currency_of(unit)
    if currency is None:
        return ""
    return f"{currency} " if code or currency not in SYMBOLS else SYMBOLS[currency]
