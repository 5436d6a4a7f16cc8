"""Spreadsheet number formats: the house's way of writing numbers, in the words of a spreadsheet.

`exact_format` is for tables: every digit that was posted, the sign of the currency, separators. `ladder` is
for the overview: K, M, B in English and 万, 亿, 万亿 in Chinese, by conditions on the value, since a format
must hold for whatever the formula gives next.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from breakeven.money import minor_units
from breakeven.report.numbers import SYMBOLS, currency_of, is_money
from breakeven.report.view_model import Language

_WHOLE = frozenset({"users", "requests", "tokens", "days", "count"})


def exact_format(unit: str, language: Language = "en", value: Decimal | int | None = None) -> str:
    """The number format of a unit in a table; a price has the decimals that its size asks for.

    >>> exact_format("CNY"), exact_format("JPY"), exact_format("ratio")
    ('"¥"#,##0.00', '"JPY "#,##0', '#,##0.0%')
    >>> exact_format("USD/Mtok", value=Decimal("0.0412")), exact_format("USD/Mtok", value=Decimal(-120))
    ('"$"#,##0.000000', '"$"#,##0.00')
    """
    if unit == "ratio":
        return "#,##0.0%"
    if is_money(unit):
        return _sign(unit) + _digits(minor_units(unit))
    if currency_of(unit):
        # Conditions inside a format would lose the minus in some programs, so the size decides here.
        size = abs(value or 100)
        return _sign(unit) + _digits(2 if size >= 100 else 4 if size >= 1 else 6)
    if unit in _WHOLE:
        return "#,##0"
    if unit == "multiple":
        return '0.00"倍"' if language == "zh" else '0.00"×"'
    return "#,##0.0" if unit == "months" else "#,##0.00"


@dataclass(frozen=True)
class Step:
    """From this absolute value on, this format."""

    least: Decimal
    format: str


# (size, suffix, digits): how a spreadsheet divides: each comma at the end is a thousand, and a literal point
# before the last digits makes ten thousand of ten millions, which no comma can.
_EN = (
    (Decimal(10) ** 3, "K", "#,##0.0,", 1),
    (Decimal(10) ** 6, "M", "#,##0.00,,", 2),
    (Decimal(10) ** 9, "B", "#,##0.00,,,", 2),
)
_ZH = (
    (Decimal(10) ** 4, "万", r"0\.0,", 1),
    (Decimal(10) ** 8, "亿", r"0\.00,,", 2),
    (Decimal(10) ** 12, "万亿", r"0\.000,,,", 3),
)


def ladder(unit: str, language: Language = "en") -> tuple[Step, ...]:
    r"""The steps of large figures, the largest first; none for shares and for prices of one thing.

    A figure takes the next step when it would round up to it: 99,999,999 is 1亿, never 10000万.

    >>> [(int(step.least), step.format) for step in ladder("CNY", "zh")][1:]
    [(99999500, '"¥"0\\.00,,"亿"'), (9999, '"¥"0\\.0,"万"')]
    """
    if unit == "ratio" or not (is_money(unit) or unit in _WHOLE):
        return ()
    before = minor_units(unit) if is_money(unit) else 0
    size_before = Decimal(1)
    found: list[Step] = []
    for size, suffix, digits, decimals in _ZH if language == "zh" else _EN:
        least = size - Decimal(5).scaleb(-before - 1) * size_before
        found.append(Step(least, f'{_sign(unit)}{digits}"{suffix}"'))
        before, size_before = decimals, size
    return tuple(reversed(found))


def _digits(decimals: int) -> str:
    return "#,##0." + "0" * decimals if decimals else "#,##0"


def _sign(unit: str) -> str:
    code = currency_of(unit)
    return f'"{SYMBOLS.get(code, code + " ")}"' if code else ""
