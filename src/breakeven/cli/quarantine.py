"""`breakeven quarantine`: rows that could not be booked, with file, row, field, reason and remedy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.log import BATCH
from breakeven.cli.options import Output, books_argument, output_options
from breakeven.cli.output import emit, ledger_envelope
from breakeven.errors import UsageError
from breakeven.ledger.books import Books, open_books
from breakeven.ledger.problems import Problem
from breakeven.report import view_model
from breakeven.report.view_model import Column, Label, Table, Value, View

_TITLE = Label("Quarantine", "隔离区")
PROBLEM_COLUMNS = (
    Column("file", Label("File", "文件")),
    Column("row", Label("Row", "行"), "count"),
    Column("field", Label("Field", "字段")),
    Column("reason", Label("Reason", "原因")),
    Column("remedy", Label("Next step", "下一步")),
)
_SAID = ("reason", "remedy")
_RAW = Column("raw", Label("Record", "原始记录"))
_COLUMNS = (BATCH, Column("ledger_table", Label("Table", "表")), *PROBLEM_COLUMNS)
_SHOWN_TO_PEOPLE = 50


@command(
    "quarantine",
    en="Rows that could not be booked, of BATCH or of all batches that stand, numbered as in their file from "
    "1. Repair them there and import the file again: rows already booked count as duplicates.",
    zh="未能入账的行：某个 BATCH 的，或全部有效批次的。行号为文件中的记录号，从 1 起。\n"
    "修正文件后再次导入即可：已入账的行算作重复。",
)
@books_argument(required=True)
@click.argument("batch", required=False)
@option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    en=f"Show at most N rows (for people {_SHOWN_TO_PEOPLE}; in JSON and CSV all).",
    zh=f"最多显示 N 行（终端默认 {_SHOWN_TO_PEOPLE} 行；JSON 与 CSV 默认全部）。",
)
@output_options
def quarantine(books: Path, batch: str | None, limit: int | None, output: Output) -> None:
    """Show quarantined rows."""
    opened = open_books(books)
    total = _count(opened, batch)
    if limit is None and output.format == "text":
        limit = _SHOWN_TO_PEOPLE
    rows: tuple[dict[str, Value], ...] = tuple(
        {"batch_id": problem.batch_id, **problem_row(problem), "raw": problem.raw}
        for problem in islice(opened.quarantined(batch), limit)
    )
    warnings: tuple[view_model.Warning, ...] = ()
    if len(rows) < total:
        text = Label(
            f"{len(rows):,} of {total:,} rows are shown; --limit or --csv shows more.",
            f"共 {total:,} 行，仅显示 {len(rows):,} 行；用 --limit 或 --csv 查看更多。",
        )
        warnings = (view_model.Warning("truncated", text),)
    columns = in_language(_COLUMNS, rows, output) if output.format == "text" else (*_COLUMNS, _RAW)
    table = Table("quarantine", _TITLE, columns, rows)
    emit(View("quarantine", _TITLE, ledger_envelope(opened, warnings), (table,), json_rows=rows), output)


def problem_row(problem: Problem) -> dict[str, Value]:
    """A problem as a row: where it is, what is wrong, what to do."""
    return {
        "ledger_table": problem.table,
        "file": problem.file,
        "row": problem.row,
        "field": problem.field,
        "reason": problem.reason,
        "remedy": problem.remedy,
    }


def in_language(
    columns: Sequence[Column], rows: Iterable[Mapping[str, Value]], output: Output
) -> tuple[Column, ...]:
    """Columns that know the reasons and remedies of their rows in the reader's language."""
    if output.language == "en":
        return tuple(columns)
    from breakeven.report.phrases import both

    words = {key: {text: both(text) for row in rows if isinstance(text := row[key], str)} for key in _SAID}
    return tuple(
        replace(column, words=words[column.key]) if column.key in _SAID else column for column in columns
    )


def _count(books: Books, batch: str | None) -> int:
    """How many rows the log says are quarantined. Raises `UsageError` when no such batch stands."""
    # A file that was read again, after an undo, counts once.
    latest = {found.content_id: found for found in books.batches() if not found.undone}
    chosen = [found for found in latest.values() if found.batch_id.startswith(batch or "")]
    if batch and not chosen:
        raise UsageError(f"no such batch stands in the books: {batch}", remedy="see `breakeven log`")
    return sum(int(found.facts["quarantined"]) for found in chosen)
