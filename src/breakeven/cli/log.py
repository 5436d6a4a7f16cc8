"""`breakeven log`: every import that ever stood, oldest first."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import Output, books_argument, moment_option, output_options
from breakeven.cli.output import emit, ledger_envelope, utc_text
from breakeven.ledger.batch_log import Batch
from breakeven.ledger.books import open_books
from breakeven.ledger.tables import TABLES
from breakeven.report.view_model import Column, Label, Table, Value, View

_TITLE = Label("Imports", "导入记录")
BATCH = Column("batch_id", Label("Batch", "批次"))
COUNTS = (
    Column("rows_read", Label("Rows read", "读取行数"), "count"),
    Column("ingested", Label("Ingested", "入账"), "count"),
    Column("duplicates", Label("Duplicates", "重复"), "count"),
    Column("quarantined", Label("Quarantined", "隔离"), "count"),
    Column("versions", Label("New versions", "新版本"), "count"),
)
DAYS = (
    Column("first_day", Label("First day", "首日"), "day"),
    Column("last_day", Label("Last day", "末日"), "day"),
)
_STATES = {"stands": Label("stands", "有效"), "undone": Label("undone", "已撤销")}
_COLUMNS = (
    BATCH,
    Column("imported_at", Label("Imported (UTC)", "导入时间（UTC）")),
    Column("state", Label("State", "状态"), words=_STATES),
    Column("ledger_table", Label("Table", "表")),
    Column("source", Label("Source", "来源")),
    Column("file", Label("File", "文件")),
    *COUNTS,
    *DAYS,
)


@command(
    "log",
    en="What was imported into BOOKS, oldest first; rows read = ingested + duplicates + quarantined.",
    zh="BOOKS 的导入记录，从旧到新；读取行数 = 入账 + 重复 + 隔离。",
)
@books_argument()
@option("--table", type=click.Choice(list(TABLES)), en="Only this table.", zh="只看此表。")
@moment_option
@output_options
def log(books: Path, table: str | None, as_of: datetime | None, output: Output) -> None:
    """Show the batches."""
    opened = open_books(books, as_of=as_of)
    rows = tuple(batch_row(batch) for batch in opened.batches() if table in (None, batch.table))
    shown = Table("imports", _TITLE, _COLUMNS, rows)
    emit(View("log", _TITLE, ledger_envelope(opened), (shown,), json_rows=rows), output)


def batch_row(batch: Batch) -> dict[str, Value]:
    """A batch as a row of the log."""
    facts = batch.facts
    known = ("source", "file", *(column.key for column in (*COUNTS, *DAYS)))
    return {
        "batch_id": batch.batch_id,
        "imported_at": utc_text(batch.at),
        "state": "undone" if batch.undone else "stands",
        "ledger_table": batch.table,
        **{name: facts[name] for name in known},
    }
