"""Figures as static SVG, without script: for print, mail, notebooks and the static report.

Every mark carries `data-i` (position) in a group with `data-s` (series or step key, or row), so that a test
can hold the drawn coordinates against the data. Bars that name things are drawn in rows, where labels never
overlap.
"""

from __future__ import annotations

from breakeven.report.describe import describe
from breakeven.report.figures import Bars, Figure, HeatMap, Lines, Waterfall
from breakeven.report.marks import Drawing
from breakeven.report.svg_heat_map import draw_heat_map
from breakeven.report.svg_rows import draw_rows, draw_waterfall
from breakeven.report.svg_upright import draw_columns, draw_lines
from breakeven.report.view_model import Language

WIDE, NARROW = 840, 350
"""Pixels: a page column on a desktop or on paper, and a phone."""


def draw(
    figure: Figure, language: Language = "en", *, width: int = WIDE, code: bool = False, hints: bool = True
) -> str:
    """One figure as an SVG element in one language, `width` pixels wide (a cohort triangle may be wider).

    `code` writes currency codes instead of signs, for pages that show more than one currency.
    `hints` puts a text for the pointer into each mark; drawings for phones never have them.

    >>> from breakeven.report.figures import Series, verbatim
    >>> from breakeven.report.view_model import Label
    >>> chart = Bars("users", Label("Users", "用户"), "users", (verbatim("03"),), (
    ...     Series("new", Label("New", "新增"), (7,)),))
    >>> "<title>New, 03: 7 users</title>" in draw(chart)
    True
    """
    sheet = Drawing(width, hints=hints and width > NARROW)
    match figure:
        case Lines():
            height = draw_lines(sheet, figure, language)
        case Bars(horizontal=True):
            height = draw_rows(sheet, figure, language, code=code)
        case Bars():
            height = draw_columns(sheet, figure, language)
        case Waterfall():
            height = draw_waterfall(sheet, figure, language, code=code)
        case HeatMap():
            height = draw_heat_map(sheet, figure, language)
    return sheet.framed(height, describe(figure, code=code).text(language))
