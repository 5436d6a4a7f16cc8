"""`breakeven close`: freeze a month; or show, or prove, what was frozen."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.months import books_and_month, by_option, located
from breakeven.cli.options import Output, output_options
from breakeven.cli.output import emit, progress
from breakeven.errors import UsageError


@command(
    "close",
    en="Freeze MONTH of BOOKS: its statement, and all that it was computed from.\n\n"
    "Closed figures never change; what comes later is booked in the first open month as adjusting entries. "
    "Exit 1 when a condition fails, or a statement is not reproduced.",
    zh="冻结 BOOKS 的 MONTH：其报表，以及计算所依据的一切。\n"
    "已结账的数字不再变化；之后的变化作为调整分录记入第一个未结账月份。\n"
    "条件未通过或报表未能复现时退出码为 1。",
)
@books_and_month
@option("--dry-run", is_flag=True, en="Only say whether it could be closed.", zh="只说明能否结账。")
@option("--show", is_flag=True, en="Show the frozen statement.", zh="显示已冻结的报表。")
@option(
    "--verify",
    is_flag=True,
    en="Compute the statement again from what it rests on, and compare.",
    zh="按结账依据重新计算报表并比较。",
)
@option(
    "--revision", type=int, en="With --show or --verify: this one.", zh="配合 --show 或 --verify：指定版本。"
)
@by_option
@output_options
def close(
    arguments: tuple[str, ...],
    dry_run: bool,
    show: bool,
    verify: bool,
    revision: int | None,
    by: str,
    output: Output,
) -> None:
    """Close a month."""
    books, month = located(arguments)
    if dry_run + show + verify > 1:
        raise UsageError("--dry-run, --show and --verify exclude each other", remedy="choose one")
    if revision is not None and not (show or verify):
        raise UsageError("--revision goes with --show or --verify", remedy="leave it out")
    if show:
        _show(books, month, revision, output)
    elif verify:
        _verify(books, month, revision, output)
    else:
        _close(books, month, by, output, is_trial=dry_run)


def _close(books: Path, month: date, by: str, output: Output, *, is_trial: bool) -> None:
    from breakeven.ledger.books import open_books
    from breakeven.reconcile.close import close_month, prepare
    from breakeven.report.views.closing import close_view
    from breakeven.report.views.statement import frozen_forms

    opened = open_books(books)
    with progress() as say:
        prepared = prepare(opened, month, progress=say)
    goes = not (is_trial or prepared.is_refused)
    entry = close_month(prepared, by=by, render=frozen_forms) if goes else None
    emit(close_view(opened, prepared, entry, is_trial=is_trial), output)
    if prepared.is_refused:
        raise click.exceptions.Exit(1)


def _show(books: Path, month: date, revision: int | None, output: Output) -> None:
    """Write the stored bytes. Only a form that was not stored is made from the stored statement."""
    from breakeven.ledger.books import open_books
    from breakeven.ledger.closings import STATEMENT, Closings
    from breakeven.report.views.statement import statement_view

    opened = open_books(books)
    closing = Closings(opened.folder).revision(month, revision)
    names = {"json": STATEMENT, "csv": "statement.csv", "text": f"statement.{output.language}.txt"}
    name = names[output.format]
    if (closing.folder / name).is_file() and not (output.ascii_only and output.format == "text"):
        content = closing.read(name)
        mark = "\ufeff".encode() if output.format == "csv" and output.byte_order_mark else b""
        write_bytes(mark + content)
    else:
        emit(statement_view(closing.statement), output)


def _verify(books: Path, month: date, revision: int | None, output: Output) -> None:
    from breakeven.ledger.books import open_books
    from breakeven.reconcile.close import verify
    from breakeven.report.views.closing import verify_view

    opened = open_books(books)
    with progress() as say:
        verdict = verify(opened, month, revision, progress=say)
    emit(verify_view(opened, verdict), output)
    if not (verdict.is_intact and verdict.is_same):
        raise click.exceptions.Exit(1)


def write_bytes(content: bytes) -> None:
    """Write bytes to standard output as they are, whatever its encoding and line ends."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
