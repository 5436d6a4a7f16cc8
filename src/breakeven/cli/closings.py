"""`breakeven closings`: what was closed, what changed since, and whether all of it is as it was written."""

from __future__ import annotations

from pathlib import Path

import click

from breakeven.cli.bilingual import command
from breakeven.cli.options import Output, books_argument, output_options
from breakeven.cli.output import emit, progress


@command(
    "closings",
    en="The log of BOOKS' closed months, and what changed since; exit 1 when a closing was tampered with.",
    zh="BOOKS 的结账日志，以及结账后的变化；结账文件被改动时退出码为 1。",
)
@books_argument()
@output_options
def closings(books: Path, output: Output) -> None:
    """List and verify the closings."""
    from breakeven.account.account import open_account
    from breakeven.account.adjustments import Adjustment, due_adjustments
    from breakeven.ledger.books import open_books
    from breakeven.ledger.closings import Closings
    from breakeven.reconcile.close import late_commits
    from breakeven.report.views.closing import closings_view

    opened = open_books(books)
    found = Closings(opened.folder)
    damages = found.damages()
    entries, late = tuple[Adjustment, ...](), list[dict[str, object]]()
    readable = not any(damage.where.startswith("closed/log") for damage in damages)
    log = found.log() if readable else []
    closed = found.in_force() if readable else {}
    if closed and not damages:
        with progress() as say:
            account = open_account(opened, progress=say)
            if account.closed is not None and account.closed.live_because is None:
                entries = due_adjustments(account)
        late = [row for closing in closed.values() for row in late_commits(opened, closing)]
    emit(closings_view(opened, log, closed, damages, entries, late), output)
    if damages:
        raise click.exceptions.Exit(1)
