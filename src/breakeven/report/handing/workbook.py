"""The workbook as an XLSX file: live formulas, each with the value the account states, in either language.

The file is the same to the byte for the same books, so that two exports can be compared.
"""

from __future__ import annotations

import io
import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import xlsxwriter

from breakeven.account.account import Account
from breakeven.periods import ONE_DAY
from breakeven.report.handing.contents import fits, workbook_sheets
from breakeven.report.handing.number_formats import exact_format, ladder
from breakeven.report.handing.sheets import Block, Cell, Sheet, exact_number
from breakeven.report.view_model import Envelope, Label, Language

SYNTHETIC = Label("SYNTHETIC DATA: an invented company", "合成数据：虚构的公司")
_FONT = {"en": "Calibri", "zh": "Microsoft YaHei"}
_INK, _RULE, _ALARM = "#1f2933", "#9aa5b1", "#b42318"
_WIDEST, _NARROWEST, _TEXT_WIDTH = 52, 9, 110
_LINE_HEIGHT = 13.5


def write_workbook(account: Account, path: Path, language: Language) -> dict[str, int]:
    """Write the workbook; returns how many sheets, formulas and cells without a value it has."""
    sheets, head = workbook_sheets(account, language)
    content = io.BytesIO()
    with xlsxwriter.Workbook(
        content,
        {
            "in_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "default_format_properties": {"font_name": _FONT[language], "font_size": 10, "font_color": _INK},
        },
    ) as book:
        last = account.buckets.span.end - ONE_DAY
        title = f"{head.books} · {account.buckets.span.label}"
        book.set_properties(
            {
                "title": title,
                "comments": SYNTHETIC.text(language) if head.synthetic else "",
                "created": datetime(last.year, last.month, last.day, tzinfo=UTC).replace(tzinfo=None),
            }
        )
        writer = _Writer(book, head, language)
        for sheet in sheets:
            writer.write(sheet)
    path.write_bytes(content.getvalue())
    cells = [cell for sheet in sheets for block in sheet.blocks for row in block.rows for cell in row]
    return {
        "sheets": len(sheets),
        "formulas": sum(1 for cell in cells if cell.formula),
        "without_value": sum(1 for cell in cells if cell.value is None and cell.why),
    }


class _Writer:
    def __init__(self, book: Any, head: Envelope, language: Language) -> None:
        self.book, self.head = book, head
        self.language: Language = language
        self._formats: dict[tuple[tuple[str, Any], ...], Any] = {}

    def format(self, **properties: Any) -> Any:
        """A cell format, each kind made once."""
        key = tuple(sorted(properties.items()))
        if key not in self._formats:
            self._formats[key] = self.book.add_format(properties)
        return self._formats[key]

    def write(self, sheet: Sheet) -> None:
        """One sheet from top to bottom."""
        page = self.book.add_worksheet(sheet.name.text(self.language))
        page.hide_gridlines(2)
        page.set_comments_author("Breakeven")
        self._head(page, sheet)
        for block in sheet.blocks:
            self._block(page, block)
        for number, line in enumerate(sheet.lines):
            page.write_string(sheet.end + number, 0, line, self.format(text_wrap=True, valign="top"))
        self._columns(page, sheet)
        page.set_landscape()
        page.set_paper(9)
        page.fit_to_pages(1, 0)
        page.set_footer(f"&L{self.head.books.replace('&', '&&')}&C{self._mark()}&R&P / &N")
        if sheet.blocks:
            first = sheet.blocks[0]
            page.freeze_panes(first.header_row + 1, first.label_columns)

    def _mark(self) -> str:
        return SYNTHETIC.text(self.language) if self.head.synthetic else ""

    def _head(self, page: Any, sheet: Sheet) -> None:
        head = self.head
        said = {
            "en": f"as of {head.as_of} · time zone {head.time_zone} · currency {head.currency}",
            "zh": f"截至 {head.as_of} · 时区 {head.time_zone} · 币种 {head.currency}",
        }
        page.write_string(0, 0, sheet.name.text(self.language), self.format(bold=True, font_size=15))
        page.write_string(1, 0, f"{head.books} · {said[self.language]}", self.format(font_color="#616e7c"))
        if head.synthetic:
            page.write_string(2, 0, self._mark(), self.format(bold=True, font_color=_ALARM))

    def _block(self, page: Any, block: Block) -> None:
        page.write_string(block.row, 0, block.title, self.format(bold=True, font_size=12))
        header = self.format(bold=True, bottom=1, bottom_color=_RULE, text_wrap=True, valign="bottom")
        figures = self.format(
            bold=True, bottom=1, bottom_color=_RULE, text_wrap=True, valign="bottom", align="right"
        )
        for column, name in enumerate(block.headers):
            page.write_string(
                block.header_row, column, name, header if self._is_words(block, column) else figures
            )
        if block.listed:
            page.add_table(
                block.header_row, 0, block.header_row + block.listed, len(block.headers) - 1,
                {
                    "name": f"breakeven_{block.id}", "style": None,
                    "autofilter": not block.emphasis or block.listed < len(block.rows),
                    "columns": [
                        {"header": name, "header_format": header if self._is_words(block, at) else figures}
                        for at, name in enumerate(block.headers)
                    ],
                },
            )  # fmt: skip
        for number, row in enumerate(block.rows):
            for column, cell in enumerate(row):
                self._cell(page, block, number, column, cell)
        if block.note:
            below = block.at(len(block.rows), 0)
            page.write_string(below.row, 0, block.note, self.format(italic=True, font_color="#616e7c"))

    def _is_words(self, block: Block, column: int) -> bool:
        return column < block.label_columns or all(row[column].unit == "text" for row in block.rows)

    def _cell(self, page: Any, block: Block, number: int, column: int, cell: Cell) -> None:
        place = block.at(number, column)
        look: dict[str, Any] = {}
        if number in block.emphasis:
            look |= {"bold": True, "top": 1, "top_color": _RULE}
        if isinstance(cell.value, str) or (cell.value is None and cell.unit == "text"):
            if block.id == "definitions":
                look |= {"text_wrap": True, "valign": "top"}
            if cell.value is None:
                page.write_blank(place.row, place.column, None, self.format(**look))
            else:
                page.write_string(place.row, place.column, cell.value, self.format(**look))
            return
        look["num_format"] = exact_format(cell.unit, self.language, cell.value)
        style = self.format(**look)
        value = "" if cell.value is None else exact_number(cell.value)
        if cell.formula:
            page.write_formula(place.row, place.column, cell.formula, style, value)
        elif cell.value is None:
            page.write_blank(place.row, place.column, None, style)
        else:
            page.write_number(place.row, place.column, value, style)
        self._remark(page, place.row, place.column, cell)
        if block.compact:
            self._climb(page, place.row, place.column, cell.unit)

    def _remark(self, page: Any, row: int, column: int, cell: Cell) -> None:
        text = cell.why if cell.value is None else ""
        if isinstance(cell.value, Decimal | int) and not cell.formula and not fits(cell.value):
            text = Label(f"exactly {cell.value:,}", f"精确值 {cell.value:,}").text(self.language)
        if text:
            lines = 1 + _width(text) // 34
            page.write_comment(row, column, text, {"width": 240, "height": 18 + 16 * lines})

    def _climb(self, page: Any, row: int, column: int, unit: str) -> None:
        for step in ladder(unit, self.language):
            page.conditional_format(
                row, column, row, column,
                {
                    "type": "cell", "criteria": "not between", "minimum": -float(step.least),
                    "maximum": float(step.least), "stop_if_true": True,
                    "format": self._climbing(step.format),
                },
            )  # fmt: skip

    def _climbing(self, number_format: str) -> Any:
        key = (("climbing", number_format),)
        if key not in self._formats:
            # A format of a condition says only what it changes: all else stays the cell's own.
            self._formats[key] = self.book.add_format({"num_format": number_format})
        return self._formats[key]

    def _columns(self, page: Any, sheet: Sheet) -> None:
        widths: dict[int, int] = {}
        for block in sheet.blocks:
            for column, name in enumerate(block.headers):
                longest = max((_width(word) for word in name.split()), default=0)
                widths[column] = max(widths.get(column, _NARROWEST), longest + 2)
            for row in block.rows:
                for column, cell in enumerate(row):
                    widths[column] = max(widths[column], min(_width(_shown(cell)) + 2, _WIDEST))
        if sheet.lines:
            widths[0] = _TEXT_WIDTH
        for column, width in widths.items():
            page.set_column(column, column, width)
        # Wrapped text needs its height said: not every program works it out when it opens a file.
        for block in sheet.blocks:
            lines = [_lines(name, widths[column]) for column, name in enumerate(block.headers)]
            page.set_row(block.header_row, _LINE_HEIGHT * max(lines) + 2)
            for number, row in enumerate(block.rows if block.id == "definitions" else ()):
                lines = [_lines(_shown(cell), widths[column]) for column, cell in enumerate(row)]
                page.set_row(block.at(number, 0).row, _LINE_HEIGHT * max(lines) + 2)
        for number, line in enumerate(sheet.lines):
            page.set_row(sheet.end + number, _LINE_HEIGHT * _lines(line, widths[0]) + 4)


def _shown(cell: Cell) -> str:
    if cell.value is None or isinstance(cell.value, str):
        return cell.value or ""
    digits = f"{cell.value:,.2f}" if cell.unit != "ratio" else f"{Decimal(cell.value) * 100:,.1f}%"
    return f"¥{digits}"


def _lines(text: str, width: int) -> int:
    return 1 + (_width(text) + 1) // width


def _width(text: str) -> int:
    """How many narrow characters wide a text is: a Chinese character counts for two.

    >>> _width("CNY"), _width("毛利率")
    (3, 6)
    """
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
