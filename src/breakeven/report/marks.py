"""What static drawings are made of: escaped SVG elements, a linear scale, and the palette.

Colours are CSS variables of the page with a fallback, so a drawing follows light and dark mode on a page and
still stands on its own. Blue and orange carry meaning together with sign or text, never red and green.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from html import escape

from breakeven.report.axes import text_width
from breakeven.report.figures import PARTIAL, Bars, Lines
from breakeven.report.numbers import exact, unit_label
from breakeven.report.view_model import Label, Language, Value

INK, SOFT, RULE, PAPER = (
    "var(--ink,#1b2430)",
    "var(--soft,#5d6878)",
    "var(--rule,#e3e7ed)",
    "var(--paper,#fff)",
)
BLUE, ORANGE = "var(--blue,#2563c9)", "var(--orange,#d9731a)"
SERIES = (
    BLUE,
    ORANGE,
    "var(--series-3,#1f9a94)",
    "var(--series-4,#7c63b8)",
    "var(--series-5,#7fb0ea)",
    "var(--series-6,#b08a3e)",
    "var(--series-7,#8793a3)",
    "var(--series-8,#c76b8f)",
)
FONTS = "system-ui,-apple-system,'Segoe UI','PingFang SC','Microsoft YaHei','Noto Sans CJK SC',sans-serif"
FONT_SIZE = 12
PARTIAL_BAR: dict[str, str | float] = {"fill_opacity": 0.35, "stroke_dasharray": "3 2"}
"""How a bar differs while its period is not complete; its edge gets the colour of its fill."""
LINE = 18
"""Pixels from one line of text to the next."""


def colour(index: int) -> str:
    """The colour of the series at a position; the palette repeats after eight."""
    return SERIES[index % len(SERIES)]


def element(name: str, *children: str, **attributes: str | float) -> str:
    """One SVG element; attribute values are escaped, children are markup already (see `words`).

    An underscore in a name stands for a hyphen, and a trailing one is dropped (`class_`).

    >>> element("rect", x=1.0, y=2.25, class_="bar")
    '<rect x="1" y="2.25" class="bar"/>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_printable(_number(value)), quote=True)}"'
        for key, value in attributes.items()
    )
    return f"<{name}{written}>{''.join(children)}</{name}>" if any(children) else f"<{name}{written}/>"


def words(text: str, x: float, y: float, **attributes: str | float) -> str:
    """A text element at a baseline position; the text is escaped.

    >>> words("<b>", 1, 2)
    '<text x="1" y="2">&lt;b&gt;</text>'
    """
    return element("text", escape(_printable(text)), x=x, y=y, **attributes)


def fit(text: str, width: float, size: float = FONT_SIZE) -> str:
    """The text, or its beginning with an ellipsis where it would be wider than `width`.

    >>> fit("a very long channel name", 60)
    'a very…'
    """
    if text_width(text, size) <= width:
        return text
    kept = text
    while kept and text_width(kept + "…", size) > width:
        kept = kept[:-1]
    return kept + "…"


@dataclass(frozen=True)
class Scale:
    """Values to positions in pixels, linearly: `low` lies at `start`, `high` at `end`.

    >>> Scale(Decimal(-5), Decimal(5), 100.0, 0.0).at(Decimal(0))
    50.0
    """

    low: Decimal
    high: Decimal
    start: float
    end: float

    def at(self, value: Decimal | int) -> float:
        """The position of a value."""
        share = (Decimal(value) - self.low) / (self.high - self.low)
        return round(self.start + float(share) * (self.end - self.start), 2)


@dataclass
class Drawing:
    """Marks collected from top to bottom, then framed as one SVG of a known size."""

    width: float
    hints: bool = True
    marks: list[str] = field(default_factory=list[str])

    def add(self, *marks: str) -> None:
        """Draw marks over what is there."""
        self.marks.extend(marks)

    def hint(self, text: str) -> str:
        """What a pointer over a mark is told, where the drawing has such texts."""
        return f"<title>{escape(_printable(text))}</title>" if self.hints else ""

    def framed(self, height: float, description: str) -> str:
        """The finished SVG; its description is what assistive technology reads."""
        return element(
            "svg",
            *self.marks,
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {_number(self.width)} {_number(height)}",
            width=self.width,
            height=height,
            role="img",
            aria_label=description,
            font_family=FONTS,
            font_size=FONT_SIZE,
            fill=INK,
        )


def legend(sheet: Drawing, unit: str, names: Sequence[Label], language: Language) -> float:
    """The unit and, for several series, their names in as many lines as they need; returns the height."""
    x, y = 0.0, 12.0
    if shown := unit_label(unit, language):
        sheet.add(words(shown, 0, y, fill=SOFT))
        x = text_width(shown, FONT_SIZE) + 20
    for n, label in enumerate(names if len(names) > 1 else ()):
        name = fit(label.text(language), sheet.width - 20)
        needed = 15 + text_width(name, FONT_SIZE) + 16
        if x and x + needed > sheet.width + 16:
            x, y = 0.0, y + LINE
        sheet.add(
            element("rect", x=x, y=y - 9, width=10, height=10, rx=2, fill=colour(n)), words(name, x + 15, y)
        )
        x += needed
    return y + 10 if x else 4.0


def in_full(value: Value, unit: str, language: Language) -> str:
    """A figure with every digit and its unit, for the pointer.

    >>> in_full(612_000_000, "CNY", "en"), in_full(Decimal("0.163"), "ratio", "en")
    ('612,000,000.00 CNY', '16.3%')
    """
    named = "" if unit == "ratio" or value is None else f" {unit_label(unit, language)}"
    return exact(value, unit) + named.rstrip()


def told(figure: Lines | Bars, series: int, position: int, language: Language) -> str:
    """What a pointer over one mark is told: series, category, figure, and whether its period is complete."""
    one = figure.series[series]
    name, category = one.label.text(language), figure.categories[position].text(language)
    text = f"{name}, {category}: {in_full(one.values[position], figure.unit, language)}"
    word = figure.partial_word if isinstance(figure, Lines) else PARTIAL
    return f"{text}, {word.text(language)}" if position in one.partial else text


def _number(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"


def _printable(text: str) -> str:
    """Without control characters, some of which no XML document may hold."""
    return "".join(char if char.isprintable() else " " for char in text)
