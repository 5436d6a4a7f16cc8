"""Axes on round numbers, shared by the static and the interactive drawing so that both have one scale."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext

from breakeven.money import EXACT
from breakeven.report.figures import Bars, Lines, Span, Waterfall

_STEPS = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))


_BROAD = frozenset("MW%@…")


def ticks(low: Decimal, high: Decimal, count: int = 5) -> tuple[Decimal, ...]:
    """Evenly spaced round numbers that enclose a range with about `count` intervals.

    >>> [str(tick) for tick in ticks(Decimal("-3.2"), Decimal("11.9"))]
    ['-5', '0', '5', '10', '15']
    >>> [str(tick) for tick in ticks(Decimal(0), Decimal(0))]
    ['0', '1']
    """
    if low == high:
        low, high = (low, Decimal(0)) if low < 0 else (Decimal(0), high or Decimal(1))
        count = 1 if (low, high) == (Decimal(0), Decimal(1)) else count
    with localcontext(EXACT):
        rough = (high - low) / count
        magnitude = Decimal(1).scaleb(rough.adjusted())
        step = next(size * magnitude for size in _STEPS if size * magnitude >= rough)
        first = (low / step).to_integral_value(rounding=ROUND_FLOOR)
        last = (high / step).to_integral_value(rounding=ROUND_CEILING)
        return tuple(_tidy(step * i) for i in range(int(first), int(last) + 1))


def value_ticks(figure: Waterfall | Lines | Bars) -> tuple[Decimal, ...]:
    """The value axis of a figure. It always includes zero: a cut axis makes small changes look large.

    >>> from breakeven.report.figures import Series, verbatim
    >>> from breakeven.report.view_model import Label
    >>> march = Series("a", verbatim("a"), (Decimal(80), Decimal(95)))
    >>> chart = Lines("x", Label("X", "某"), "CNY", (verbatim("03"), verbatim("04")), (march,))
    >>> [str(tick) for tick in value_ticks(chart)]
    ['0', '20', '40', '60', '80', '100']
    """
    values = [Decimal(0), *_drawn(figure)]
    lying = isinstance(figure, Waterfall) or (isinstance(figure, Bars) and figure.horizontal)
    return ticks(min(values), max(values), 7 if lying else 5)  # finer steps waste less of a wide axis


def text_width(text: str, size: float) -> float:
    """About how wide a text is at a font size, in the widest of the fonts we may meet.

    Chinese characters are square, a few Latin ones nearly so, the others about two thirds of that.

    >>> text_width("成本", 12), text_width("cost", 10), text_width("800M", 12)
    (24.0, 26.0, 34.8)
    """
    square = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    broad = sum(char in _BROAD for char in text)
    return round((square + 0.95 * broad + 0.65 * (len(text) - square - broad)) * size, 2)


def _drawn(figure: Waterfall | Lines | Bars) -> Iterable[Decimal]:
    spans: list[Span | None] = []
    match figure:
        case Waterfall():
            spans.extend(figure.spans())
        case Bars():
            spans.extend(span for series in figure.spans() for span in series)
        case Lines():
            for series in figure.series:
                spans.extend(series.band or ())
                yield from (Decimal(value) for value in series.values if value is not None)
    for span in spans:
        yield from span or ()


def _tidy(value: Decimal) -> Decimal:
    """Without trailing zeros or exponent, so that 10 is written 10 and not 1E+1."""
    plain = value.normalize()
    if plain == 0:
        return Decimal(0)
    return plain.quantize(Decimal(1)) if int(plain.as_tuple().exponent) > 0 else plain
