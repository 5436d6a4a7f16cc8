"""Views in a terminal: aligned tables with the unit in the header, warnings beneath, provenance on top.

Rich is imported only when something is drawn. Figures are never cut: a table wider than the terminal is
drawn in several parts that repeat its first column, and output that is no terminal gets all it needs.
"""

from __future__ import annotations

import sys
from typing import IO, TYPE_CHECKING

from breakeven.report.numbers import NO_VALUE, WORD_UNITS, exact, unit_label
from breakeven.report.view_model import Column, Envelope, Label, Language, Table, Value, View

if TYPE_CHECKING:
    from rich.console import Console

SYNTHETIC = Label("SYNTHETIC DATA", "合成数据")
_HEAD = (
    ("period", Label("period", "期间")),
    ("as_of", Label("as of", "截至")),
    ("time_zone", Label("time zone", "时区")),
    ("currency", Label("currency", "币种")),
)
_EMPTY = Label("no rows", "无数据")
_PADDING = 3  # cells that a column needs beside its text
_UNLIMITED_WIDTH = 10_000


def print_view(
    view: View,
    language: Language = "en",
    *,
    file: IO[str] | None = None,
    ascii_only: bool = False,
    width: int | None = None,
) -> None:
    """Write a view to a terminal or a pipe (standard output by default).

    Colour and emphasis appear only on a terminal and never when `NO_COLOR` is set. `ascii_only` avoids line
    drawing and characters whose width some Chinese terminals misjudge. `width` is in terminal cells.
    """
    from rich.console import Console

    file = file or sys.stdout
    console = Console(file=file, highlight=False, markup=False, emoji=False, width=width)
    if width is None and not console.is_terminal:
        console.width = _UNLIMITED_WIDTH
    _print_head(console, view, language, ascii_only=ascii_only)
    for table in view.tables:
        console.print()
        _print_table(console, table, view, language, ascii_only=ascii_only)
    if view.envelope.warnings:
        console.print()
    for warning in view.envelope.warnings:
        console.print(f"! {printable(warning.label.text(language))}", style="yellow", soft_wrap=True)


def render_text(
    view: View, language: Language = "en", *, ascii_only: bool = False, width: int | None = None
) -> str:
    """What `print_view` writes to a pipe, as one string.

    >>> from decimal import Decimal
    >>> cost = Label("Cost", "成本")
    >>> columns = (Column("month", Label("Month", "月份"), "month"), Column("cost", cost, "USD"))
    >>> table = Table("cost", cost, columns, ({"month": "2025-02", "cost": Decimal("87072")},))
    >>> head = Envelope("demo", "2025-02-28", "UTC", "USD")
    >>> print(render_text(View("cost", table.title, head, (table,)), ascii_only=True))
    Cost
    demo | as of 2025-02-28 | time zone UTC | currency USD
    <BLANKLINE>
    Month     Cost (USD)
    --------------------
    2025-02    87,072.00
    <BLANKLINE>
    """
    import io

    text = io.StringIO()
    print_view(view, language, file=text, ascii_only=ascii_only, width=width)
    return "\n".join(line.rstrip() for line in text.getvalue().split("\n"))


def cell_text(value: Value, column: Column, unit: str, language: Language) -> str:
    """One cell as people read it: identifiers by their words, figures in full, no value as a dash.

    >>> metric = Column("metric", Label("Metric", "指标"), words={"gpu_cost": Label("GPUs", "显卡")})
    >>> cell_text("gpu_cost", metric, "text", "zh")
    '显卡'
    """
    if isinstance(value, str):
        return column.words[value].text(language) if value in column.words else value
    return exact(value, unit)


def row_unit(table: Table, row: int, column: Column) -> str:
    """The unit of one cell: the row's own where the table gives one, except in columns of words."""
    if table.row_units is None or column.unit in WORD_UNITS:
        return column.unit
    return table.row_units[row]


def row_suffix(table: Table, row: int, language: Language) -> str:
    """What the first cell of a row must add when the row's unit is not the one its headers name."""
    if table.row_units is None or table.row_units[row] == "ratio":
        return ""  # a ratio carries its own % sign
    if all(table.row_units[row] == column.unit for column in table.columns if column.unit not in WORD_UNITS):
        return ""
    unit = unit_label(table.row_units[row], language)
    return f" ({unit})" if unit else ""


def shared_unit(table: Table) -> str | None:
    """The unit of all value columns where several share one; it then stands in the title, once."""
    units = [column.unit for column in table.columns if column.unit not in WORD_UNITS]
    return units[0] if len(units) > 1 and len(set(units)) == 1 and units[0] != "ratio" else None


def title_text(table: Table, language: Language) -> str:
    """A table's title, with the unit that all its columns share."""
    return _with_unit(table.title.text(language), shared_unit(table), language)


def header_text(table: Table, column: Column, language: Language) -> str:
    """A column's label with its unit, since the unit stands in the header and not in the cells."""
    own = None if column.unit in ("ratio", shared_unit(table)) else column.unit
    return _with_unit(column.label.text(language), own, language)


def _with_unit(text: str, unit: str | None, language: Language) -> str:
    shown = unit_label(unit, language) if unit else ""
    return f"{text} ({shown})" if shown and shown.lower() not in text.lower() else text


def _print_head(console: Console, view: View, language: Language, *, ascii_only: bool) -> None:
    head: Envelope = view.envelope
    known: dict[str, Value] = {
        "period": view.facts.get("period"),
        "as_of": head.as_of,
        "time_zone": head.time_zone,
        "currency": head.currency,
    }
    parts = [printable(head.books)] * bool(head.books) + [
        f"{label.text(language)} {printable(str(known[key]))}" for key, label in _HEAD if known[key]
    ]
    console.print(printable(view.title.text(language)), style="bold", soft_wrap=True)
    console.print((" | " if ascii_only else " · ").join(parts), style="dim", soft_wrap=True)
    if head.synthetic:
        console.print(f"[{SYNTHETIC.text(language)}]", style="bold yellow", soft_wrap=True)


def _print_table(console: Console, table: Table, view: View, language: Language, *, ascii_only: bool) -> None:
    from rich.box import SIMPLE_HEAD, Box
    from rich.cells import cell_len
    from rich.table import Table as Grid
    from rich.text import Text

    plain = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
    if table.title != view.title or shared_unit(table):
        console.print(printable(title_text(table, language)), style="bold", soft_wrap=True)
    if not table.rows:
        console.print(_EMPTY.text(language), style="dim")
    headers = [printable(header_text(table, column, language)) for column in table.columns]
    rows = _cells(table, language, ascii_only=ascii_only)
    widths = [max(map(cell_len, cells)) + _PADDING for cells in zip(headers, *rows, strict=True)]
    for n, part in enumerate(_parts(widths, console.width) if rows else ()):
        grid = Grid(box=plain if ascii_only else SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for i in part:
            justify = "left" if table.columns[i].unit in WORD_UNITS else "right"
            grid.add_column(Text(headers[i]), justify=justify, no_wrap=True)
        for row_number, row in enumerate(rows):
            style = "bold" if row_number in table.emphasis else ""
            grid.add_row(*(Text(row[i]) for i in part), style=style)
        if n:
            console.print()
        terminal_width = console.width
        # Where even the first column and one figure are wider, the terminal wraps them: nothing is cut.
        console.width = max(terminal_width, sum(widths[i] for i in part))
        console.print(grid)
        console.width = terminal_width
    if table.note:
        console.print(printable(table.note.text(language)), style="dim", soft_wrap=True)


def _cells(table: Table, language: Language, *, ascii_only: bool) -> list[list[str]]:
    rows: list[list[str]] = []
    for n, row in enumerate(table.rows):
        cells = [
            cell_text(row.get(column.key), column, row_unit(table, n, column), language)
            for column in table.columns
        ]
        cells[0] += row_suffix(table, n, language)
        rows.append([printable("-" if ascii_only and cell == NO_VALUE else cell) for cell in cells])
    return rows


def _parts(widths: list[int], width: int) -> list[list[int]]:
    """Columns in groups that fit side by side, each group led by the first column."""
    parts = [[0]]
    for i in range(1, len(widths)):
        if len(parts[-1]) > 1 and sum(widths[j] for j in parts[-1]) + widths[i] > width:
            parts.append([0])
        parts[-1].append(i)
    return parts


def printable(text: str) -> str:
    r"""Text from data without control characters, which could move the cursor or turn the line around.

    Names, paths and cells of other people's files pass through here before a terminal sees them.

    >>> printable("r1\x1b[2J\u202e")
    'r1 [2J '
    """
    return "".join(char if char.isprintable() else " " for char in text)
