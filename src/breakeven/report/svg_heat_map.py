"""A cohort triangle as static SVG: the figure stands in each cell, colour only helps the eye."""

from __future__ import annotations

from decimal import Decimal

from breakeven.report.axes import text_width
from breakeven.report.figures import HeatMap
from breakeven.report.marks import BLUE, FONT_SIZE, ORANGE, SOFT, Drawing, element, words
from breakeven.report.numbers import compact, unit_label
from breakeven.report.view_model import Language

_CELL_HEIGHT = 26
_ON_COLOUR = "var(--on-colour,#fff)"
LIGHT_TEXT_FROM = 0.8
"""Share of the full colour from which a cell needs text in the colour of the paper."""


def shade(value: Decimal | int, limit: Decimal) -> float:
    """How much of the full colour a cell gets, from 0.06 to 1, by the magnitude of its value.

    >>> shade(0, Decimal(10)), shade(-10, Decimal(10)), shade(20, Decimal(10))
    (0.06, 1.0, 1.0)
    """
    share = min(abs(Decimal(value)) / limit, Decimal(1)) if limit else Decimal(0)
    return round(0.06 + 0.94 * float(share), 3)


def draw_heat_map(sheet: Drawing, figure: HeatMap, language: Language) -> float:
    """Draw the triangle; widens the sheet where the figures need it, and returns the height used."""
    names = [label.text(language) for label in figure.rows]
    sizes = [compact(size, figure.size_unit, language) for size in figure.sizes or ()]
    texts = [[compact(cell, figure.unit, language, sign=False) for cell in row] for row in figure.cells]
    heads = [label.text(language) for label in figure.columns]
    size_head = figure.size_axis.text(language)

    def widest(*columns: str) -> float:
        return max((text_width(text, FONT_SIZE) for text in columns), default=0)

    name_width = widest(*names, figure.row_axis.text(language)) + 12
    size_width = widest(*sizes, size_head) + 12 if sizes else 0
    cell = widest(*(text for row in texts for text in row), *heads) + 12
    left = name_width + size_width
    cell = max(cell, min(76, (sheet.width - left) / max(1, len(heads))))
    sheet.width = max(sheet.width, left + cell * len(heads))
    caption = f"{figure.column_axis.text(language)} · {unit_label(figure.unit, language)}".rstrip("· ")
    sheet.add(words(caption, left, 12, fill=SOFT))
    sheet.add(words(figure.row_axis.text(language), 0, 32, fill=SOFT))
    if sizes:
        sheet.add(words(size_head, left - 12, 32, text_anchor="end", fill=SOFT))
    for j, head in enumerate(heads):
        sheet.add(words(head, left + cell * (j + 0.5), 32, text_anchor="middle", fill=SOFT))
    for i, name in enumerate(names):
        y = 40 + _CELL_HEIGHT * i
        sheet.add(words(name, 0, y + 17))
        if sizes:
            sheet.add(words(sizes[i], left - 12, y + 17, text_anchor="end", fill=SOFT))
        _draw_row(sheet, figure, i, texts[i], left, cell, language)
    return 44.0 + _CELL_HEIGHT * len(names)


def _draw_row(
    sheet: Drawing, figure: HeatMap, i: int, texts: list[str], left: float, width: float, language: Language
) -> None:
    """One cohort: its coloured boxes, and its figures over them. What they share is said once, in a group."""
    limit, y = figure.colour_limit(), 40 + _CELL_HEIGHT * i
    boxes: list[str] = []
    figures: list[str] = []
    for j, value in enumerate(figure.cells[i]):
        if value is None:
            continue
        depth, x = shade(value, limit), left + width * j
        look: dict[str, str | float] = {"fill": ORANGE} if value < 0 else {}
        told = ""
        if (i, j) in figure.partial:
            told = sheet.hint(figure.partial_word.text(language))
            look |= {"stroke": ORANGE if value < 0 else BLUE, "stroke_dasharray": "3 2"}
        box = {"x": x + 1, "y": y + 1, "width": width - 2, "height": _CELL_HEIGHT - 2}
        boxes.append(element("rect", told, **box, fill_opacity=depth, **look, data_i=j))
        ink: dict[str, str | float] = {"fill": _ON_COLOUR} if depth >= LIGHT_TEXT_FROM else {}
        figures.append(words(texts[j], x + width / 2, y + 17, **ink))
    sheet.add(element("g", *boxes, fill=BLUE, data_s=i))
    sheet.add(element("g", *figures, text_anchor="middle", pointer_events="none"))
