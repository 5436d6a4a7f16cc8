"""`breakeven undo`: take one batch out of the books again."""

from __future__ import annotations

from pathlib import Path

import click

from breakeven.cli.bilingual import command
from breakeven.cli.log import BATCH
from breakeven.cli.options import Output, books_argument, output_options
from breakeven.cli.output import emit, ledger_envelope
from breakeven.ledger.batch_log import Batch
from breakeven.ledger.books import open_books
from breakeven.report import view_model
from breakeven.report.view_model import Column, Label, Table, Value, View

_TITLE = Label("Batch undone", "批次已撤销")
_TABLE = Column("ledger_table", Label("Table", "表"))
_FILE = Column("file", Label("File", "文件"))
_COLUMNS = (BATCH, _TABLE, _FILE, Column("rows_removed", Label("Rows removed", "移除行数"), "count"))


@command(
    "undo",
    en="Take BATCH out of BOOKS again; the first characters of its name are enough.\n\n"
    "The books as they stood before stay readable with --as-of. Importing the file again books it again.",
    zh="从 BOOKS 中撤销 BATCH；写出批次名的前几个字符即可。\n"
    "撤销前的账簿仍可用 --as-of 读取。再次导入该文件即重新入账。",
)
@books_argument(required=True)
@click.argument("batch")
@output_options
def undo(books: Path, batch: str, output: Output) -> None:
    """Remove a batch's rows and say what should be imported again."""
    opened = open_books(books)
    undone, rows_removed, affected = opened.undo(batch)
    row: dict[str, Value] = {
        "batch_id": undone.batch_id,
        "ledger_table": undone.table,
        "file": str(undone.facts["file"]),
        "rows_removed": rows_removed,
    }
    warnings = tuple(_import_again(other) for other in affected)
    table = Table("undone", _TITLE, _COLUMNS, (row,))
    emit(View("undo", _TITLE, ledger_envelope(opened, warnings), (table,), json_rows=(row,)), output)


def _import_again(batch: Batch) -> view_model.Warning:
    file = f"{batch.facts['file']} ({batch.batch_id})"
    return view_model.Warning(
        "import_again",
        Label(
            f"{file} holds rows that were dropped as duplicates of the undone batch: import it again.",
            f"{file} 中有些行曾作为被撤销批次的重复而未入账：请再次导入。",
        ),
    )
