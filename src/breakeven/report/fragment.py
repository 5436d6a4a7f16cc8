"""A view as a piece of HTML inside somebody else's page, such as a notebook's: light or dark, no script.

Colours are the page's own: only its text colour is used, weakened for rules and notes. Text and numbers are
those of every other rendering (`text.cell_text`), and all of them are escaped.
"""

from __future__ import annotations

from markupsafe import Markup, escape

from breakeven.report.numbers import WORD_UNITS
from breakeven.report.text import SYNTHETIC, cell_text, header_text, row_suffix, row_unit, title_text
from breakeven.report.view_model import Label, Language, Table, Value, View

MOST_ROWS = 60
_EMPTY = Label("no rows", "无数据")
_MORE = Label("further rows", "行未显示")
_FAINT = "border:0;border-bottom:1px solid color-mix(in srgb, currentColor 18%, transparent)"
_CELL = f"padding:2px 10px;{_FAINT};background:none;color:inherit"
_NOTE = "opacity:.7;font-size:.85em;margin:.3em 0"


def render_fragment(view: View, language: Language = "en", *, most_rows: int = MOST_ROWS) -> str:
    """A view as one `<div>`. Tables longer than `most_rows` are cut, and say by how many rows.

    >>> from breakeven.report.view_model import Column, Envelope
    >>> name = Label("Channel", "渠道")
    >>> table = Table("channels", name, (Column("channel", name),), ({"channel": "<b>"},))
    >>> html = render_fragment(View("channels", name, Envelope("demo", "2025", "UTC", "USD"), (table,)))
    >>> "&lt;b&gt;" in html, "<b>&lt;" in html
    (True, False)
    """
    head = view.envelope
    about = " · ".join(part for part in (head.books, head.as_of, head.time_zone, head.currency) if part)
    parts = [
        Markup('<p style="font-weight:600;margin:.2em 0">{}</p>').format(view.title.text(language)),
        Markup('<p style="{}">{}</p>').format(_NOTE, about),
    ]
    if head.synthetic:
        parts.append(
            Markup('<p style="{};font-weight:600;opacity:1">[{}]</p>').format(_NOTE, SYNTHETIC.text(language))
        )
    parts += [_table(table, view.title, language, most_rows) for table in view.tables]
    parts += [
        Markup('<p style="{}">! {}</p>').format(_NOTE, warning.label.text(language))
        for warning in head.warnings
    ]
    tag = "zh-Hans" if language == "zh" else "en"
    body = Markup("\n").join(parts)
    return str(Markup('<div lang="{}" class="breakeven-answer">\n{}\n</div>').format(tag, body))


def _table(table: Table, title: Label, language: Language, most_rows: int) -> Markup:
    heads = Markup("").join(
        Markup('<th style="{};text-align:{};font-weight:600">{}</th>').format(
            _CELL, _side(column.unit), header_text(table, column, language)
        )
        for column in table.columns
    )
    rows = Markup("\n").join(_row(table, n, language) for n in range(min(len(table.rows), most_rows)))
    caption = title_text(table, language)
    above = Markup("") if caption == title.text(language) else _caption(caption)
    below: list[Markup] = []
    if not table.rows:
        below.append(Markup('<p style="{}">{}</p>').format(_NOTE, _EMPTY.text(language)))
    if len(table.rows) > most_rows:
        left = len(table.rows) - most_rows
        below.append(Markup('<p style="{}">… {} {}</p>').format(_NOTE, left, _MORE.text(language)))
    if table.note:
        below.append(Markup('<p style="{}">{}</p>').format(_NOTE, table.note.text(language)))
    return Markup(
        '{}<div style="overflow-x:auto"><table style="border-collapse:collapse;margin:.3em 0;'
        'font-variant-numeric:tabular-nums"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>{}'
    ).format(above, heads, rows, Markup("").join(below))


def _caption(text: str) -> Markup:
    return Markup('<p style="font-weight:600;margin:.8em 0 .1em">{}</p>').format(text)


def _row(table: Table, n: int, language: Language) -> Markup:
    cells: list[Markup] = []
    weight = "600" if n in table.emphasis else "400"
    for place, column in enumerate(table.columns):
        unit = row_unit(table, n, column)
        value: Value = table.rows[n].get(column.key)
        text = cell_text(value, column, unit, language)
        if place == 0:
            text += row_suffix(table, n, language)
        cells.append(
            Markup('<td style="{};text-align:{};font-weight:{}">{}</td>').format(
                _CELL, _side(unit), weight, escape(text)
            )
        )
    return Markup("<tr>{}</tr>").format(Markup("").join(cells))


def _side(unit: str) -> str:
    return "left" if unit in WORD_UNITS else "right"
