"""`breakeven init`: start new books."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import Output, books_argument, currency_code, output_options, share
from breakeven.cli.output import emit, ledger_envelope
from breakeven.ledger.books import create_books
from breakeven.ledger.pseudonyms import key_path
from breakeven.periods import time_zone as known_time_zone
from breakeven.report import view_model
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
@option(
    "--pseudonymise",
    is_flag=True,
    en="Keep keyed hashes instead of user ids; the key lies outside the books.",
    zh="以加密哈希代替用户标识；密钥保存在账簿之外。",
)
@output_options
def init(
    books: Path,
    name: str | None,
    currency: str,
    time_zone: str,
    tolerance: str | None,
    pseudonymise: bool,
    output: Output,
) -> None:
    """Create the folder, its settings and its empty tables."""
    declared: dict[str, Any] = {"privacy": {"pseudonymise": pseudonymise}}
    if tolerance is not None:
        declared["check"] = {"tolerance": share(tolerance, "--tolerance")}
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
    warnings = (_keep_the_key(settings.pseudonym_key),) if settings.pseudonymise else ()
    emit(View("init", _TITLE, ledger_envelope(created, warnings), (table,), json_rows=(row,)), output)


def _keep_the_key(fingerprint: str) -> view_model.Warning:
    path = key_path(fingerprint)
    return view_model.Warning(
        "pseudonym_key",
        Label(
            f"The key of the pseudonyms is {path}. Back it up apart from the books: without it nothing "
            "can be imported, and nobody can be found or forgotten.",
            f"假名密钥在 {path}。请与账簿分开备份：没有它便无法导入，也无法查找或遗忘任何人。",
        ),
    )
