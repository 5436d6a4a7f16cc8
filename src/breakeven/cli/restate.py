"""`breakeven restate`: a new revision of a closed month's statement, from the present facts."""

from __future__ import annotations

import click

from breakeven.cli.bilingual import command
from breakeven.cli.months import books_and_month, by_option, located, reason_option
from breakeven.cli.options import Output, output_options
from breakeven.cli.output import emit, progress


@command(
    "restate",
    en="State closed MONTH of BOOKS again, from the present facts; the former statement stays readable.\n\n"
    "Adjusting entries that closed months booked for it are taken back in the open month.",
    zh="按现有事实重述 BOOKS 已结账的 MONTH；原报表仍可查看。\n"
    "已结账月份为它记过的调整分录在未结账月份冲回。",
)
@books_and_month
@reason_option
@by_option
@output_options
def restate(arguments: tuple[str, ...], reason: str, by: str, output: Output) -> None:
    """Restate a month."""
    from breakeven.ledger.books import open_books
    from breakeven.reconcile.close import prepare, restate_month
    from breakeven.report.views.closing import close_view
    from breakeven.report.views.statement import frozen_forms

    books, month = located(arguments)
    opened = open_books(books)
    with progress() as say:
        prepared = prepare(opened, month, again=True, progress=say)
    entry = None
    if not prepared.is_refused:
        entry = restate_month(prepared, reason=reason, by=by, render=frozen_forms)
    emit(close_view(opened, prepared, entry, is_trial=False), output)
    if prepared.is_refused:
        raise click.exceptions.Exit(1)
