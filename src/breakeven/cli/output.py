"""Where answers go: views to standard output, progress and asides to standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from breakeven.cli.options import Output
from breakeven.report import view_model
from breakeven.report.view_model import Envelope, View

if TYPE_CHECKING:
    from breakeven.ledger.books import Books


def emit(view: View, output: Output) -> None:
    """Write a view to standard output in the format asked for.

    CSV has no place for warnings: they go to standard error, so that none is lost.
    """
    if output.format == "json":
        from breakeven.report.tabular import to_json

        sys.stdout.write(to_json(view) + "\n")
    elif output.format == "csv":
        from breakeven.report.tabular import to_csv
        from breakeven.report.text import printable

        sys.stdout.write(to_csv(view, bom=output.byte_order_mark))
        for warning in view.envelope.warnings:
            print(f"! {printable(warning.label.text(output.language))}", file=sys.stderr)
    else:
        from breakeven.report.text import print_view

        print_view(view, output.language, ascii_only=output.ascii_only)


def ledger_envelope(books: Books, warnings: tuple[view_model.Warning, ...] = ()) -> Envelope:
    """The head of an answer about the ledger itself, now or at the moment the books were opened for."""
    return Envelope(
        books=books.settings.name,
        as_of=utc_text(books.as_of or datetime.now(UTC)),
        time_zone=books.settings.time_zone,
        currency=books.settings.currency,
        synthetic=books.settings.synthetic,
        warnings=warnings,
    )


def utc_text(moment: datetime) -> str:
    """An instant to the second, as ISO 8601 in UTC.

    >>> utc_text(datetime(2024, 3, 20, 10, 0, 5, 999, tzinfo=UTC))
    '2024-03-20T10:00:05Z'
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def progress() -> Generator[Callable[[str], None]]:
    """A function that shows what is being done, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("") as status:
        yield lambda text: status.update(text.replace("[", r"\["))
