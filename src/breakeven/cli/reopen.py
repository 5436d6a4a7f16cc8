"""`breakeven reopen`: take the last closing back."""

from __future__ import annotations

from breakeven.cli.bilingual import command
from breakeven.cli.months import books_and_month, by_option, located, reason_option
from breakeven.cli.options import Output, output_options
from breakeven.cli.output import emit


@command(
    "reopen",
    en="Open the last closed MONTH of BOOKS again; its statement stays readable.",
    zh="重新打开 BOOKS 最后结账的 MONTH；其报表仍可查看。",
)
@books_and_month
@reason_option
@by_option
@output_options
def reopen(arguments: tuple[str, ...], reason: str, by: str, output: Output) -> None:
    """Reopen a month."""
    from breakeven.ledger.books import open_books
    from breakeven.ledger.closings import Closings
    from breakeven.reconcile.close import reopen_month
    from breakeven.report.views.closing import closings_view

    books, month = located(arguments)
    opened = open_books(books)
    entry = reopen_month(opened, month, reason=reason, by=by)
    closed, damages = Closings(opened.folder).in_force(), Closings(opened.folder).damages()
    emit(closings_view(opened, [entry], closed, damages, (), ()), output)
