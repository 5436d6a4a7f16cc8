"""`breakeven init`: start new books."""

from __future__ import annotations

from pathlib import Path

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import Output, books_argument, currency_code, output_options, share
from breakeven.cli.output import emit, ledger_envelope
from breakeven.ledger.books import create_books
from breakeven.periods import time_zone as known_time_zone
from breakeven.report.view_model import Column, Label, Table, Value, View

_TITLE = Label("New books", "新建账簿")
_COLUMNS = (
    Column("name", Label("Name", "名称")),
    Column("folder", Label("Folder", "文件夹")),
    Column("currency", Label("Currency", "币种")),
    Column("time_zone", Label("Time zone", "时区")),
)


@command(
    "init",
    en="Start new books in BOOKS, an empty or new folder.",
    zh="在 BOOKS（空的或新的文件夹）中新建账簿。",
)
@books_argument(required=True)
@option(
    "--name",
    metavar="NAME",
    en="What the books are called; else the folder's name.",
    zh="账簿名称，默认取文件夹名。",
)
@option(
    "--currency", default="USD", show_default=True, metavar="CODE", en="Statement currency.", zh="报表币种。"
)
@option(
    "--time-zone",
    default="UTC",
    show_default=True,
    metavar="ZONE",
    en="Where days and months are cut; fixed once rows are in.",
    zh="按此时区划分日与月；有数据后不可更改。",
)
@option(
    "--tolerance",
    metavar="SHARE",
    en="Share of a bill that the books may differ by, e.g. 0.005; none is assumed.",
    zh="账与账单允许相差的比例，如 0.005；不给则不设容差。",
)
@output_options
def init(
    books: Path, name: str | None, currency: str, time_zone: str, tolerance: str | None, output: Output
) -> None:
    """Create the folder, its settings and its empty tables."""
    declared = {} if tolerance is None else {"check": {"tolerance": share(tolerance, "--tolerance")}}
    created = create_books(
        books,
        name=name or books.resolve().name,
        currency=currency_code(currency),
        time_zone=known_time_zone(time_zone).key,
        settings=declared,
    )
    settings = created.settings
    row: dict[str, Value] = {
        "name": settings.name,
        "folder": str(books),
        "currency": settings.currency,
        "time_zone": settings.time_zone,
    }
    note = Label(
        f"Settings are in {books / 'breakeven.toml'}. Next: breakeven import {books} FILES",
        f"设置在 {books / 'breakeven.toml'}。下一步：breakeven import {books} 文件",
    )
    table = Table("books", _TITLE, _COLUMNS, (row,), note)
    emit(View("init", _TITLE, ledger_envelope(created), (table,), json_rows=(row,)), output)
