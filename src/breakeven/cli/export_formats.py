"""What each format of `breakeven export` asks of the books, and which room writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from breakeven.cli.options import ViewOptions
from breakeven.cli.output import ledger_envelope, progress
from breakeven.cli.views import account_of
from breakeven.periods import Period

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.report.handing.columns import Columns, Kind
    from breakeven.report.view_model import Envelope, View
    from breakeven.report.views.written import Written

Format = Literal["xlsx", "beancount", "focus", "csv", "parquet", "arrow"]
_BY_SUFFIX: dict[str, Format] = {
    ".xlsx": "xlsx", ".beancount": "beancount", ".bean": "beancount", ".csv": "csv", ".parquet": "parquet",
    ".arrow": "arrow", ".feather": "arrow",
}  # fmt: skip
_SUFFIX: dict[str, str] = {"focus": ".focus.csv"}


@dataclass(frozen=True)
class Request:
    """What to write where."""

    books: Path
    form: Format
    out: Path
    view: str
    table: str | None
    focus_version: str
    options: ViewOptions


def format_of(out: Path | None) -> Format:
    """The format that a file's name tells; a workbook when it tells none.

    >>> format_of(Path("2024-08.beancount")), format_of(None)
    ('beancount', 'xlsx')
    """
    return _BY_SUFFIX.get(out.suffix.lower(), "xlsx") if out is not None else "xlsx"


def default_name(request: Request) -> Path:
    """A name of books, content and period; synthetic books say so in it."""
    from breakeven.ledger.settings import read_settings

    settings = read_settings(request.books)
    said = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in settings.name)
    parts = [said.strip("-")]
    if settings.synthetic and "synthetic" not in said:
        parts.append("synthetic")
    if request.form in ("csv", "parquet", "arrow"):
        parts.append(request.table or request.view)
    if request.options.period is not None:
        parts.append(request.options.period.label)
    return Path("-".join(parts) + _SUFFIX.get(request.form, f".{request.form}"))


def write(request: Request) -> View:
    """Write the files and say what was written."""
    from breakeven.report.views.written import written_view

    write_as: Mapping[Format, Callable[[Request], tuple[list[Written], Envelope]]] = {
        "xlsx": _workbook, "beancount": _beancount, "focus": _focus,
    }  # fmt: skip
    if request.table is not None:
        files, head = _table(request)
    else:
        files, head = write_as.get(request.form, _view)(request)
    return written_view(files, head)


def _columns(request: Request, kind: Kind | None = None) -> Columns:
    from breakeven.report.handing.columns import Columns

    return Columns(kind or cast("Kind", request.form), bom=request.options.byte_order_mark)


def _head(account: Account) -> Envelope:
    from breakeven.report.views.parts import envelope

    return envelope(account, needs=("payments", "usage", "ad_spend", "bills"))


def _workbook(request: Request) -> tuple[list[Written], Envelope]:
    from breakeven.report.handing.columns import whole_file
    from breakeven.report.handing.workbook import write_workbook
    from breakeven.report.views.written import Written

    account = account_of(request.books, request.options)
    with progress() as say, whole_file(request.out) as part:
        say("writing")
        counts = write_workbook(account, part, request.options.language)
    return [Written(request.out, "xlsx", counts["sheets"], "sheets", "workbook")], _head(account)


def _beancount(request: Request) -> tuple[list[Written], Envelope]:
    from breakeven.ledger.books import open_books
    from breakeven.report.handing.beancount import beancount_text
    from breakeven.report.handing.columns import whole_file
    from breakeven.report.views.written import Written

    options = request.options
    if options.period is not None:
        # Balances come of all that went before: the account starts with the books.
        span = open_books(request.books, as_of=options.as_of).coverage().span()
        if span is not None:
            first = min(span.first, options.period.first)
            options = replace(options, period=Period(first, options.period.end))
    account = account_of(request.books, options)
    period = request.options.period or account.buckets.span
    text, transactions = beancount_text(account, period, options.language)
    with whole_file(request.out) as part:
        part.write_text(text, "utf-8")
    return [Written(request.out, "beancount", transactions, "transactions", period.label)], _head(account)


def _focus(request: Request) -> tuple[list[Written], Envelope]:
    from breakeven.report.handing.columns import SUFFIXES
    from breakeven.report.handing.focus import left_out_warning, write_focus
    from breakeven.report.views.written import Written

    account = account_of(request.books, request.options)
    kind = SUFFIXES.get(request.out.suffix.lower(), "csv")
    # A dataset for programs: no mark before the first column name, no sign before a text.
    columns = replace(_columns(request, kind), bom=False, guarded=False)
    with progress() as say:
        say("writing")
        rows, left_out = write_focus(
            account, request.out, columns, request.options.language, request.focus_version
        )
    head = _head(account)
    if left_out.tokens:
        head = replace(head, warnings=(*head.warnings, left_out_warning(left_out)))
    what = f"FOCUS {request.focus_version}"
    return [Written(request.out, f"focus {kind}", rows, "rows", what)], head


def _view(request: Request) -> tuple[list[Written], Envelope]:
    from breakeven.report.handing.columns import open_columns
    from breakeven.report.handing.view_columns import tables_of
    from breakeven.report.views.by_name import VIEWS
    from breakeven.report.views.written import Written

    account = account_of(request.books, request.options)
    view = VIEWS[request.view](account)
    tables = tables_of(view)
    files: list[Written] = []
    for name, table in tables.items():
        # One table a file: a column then holds one kind of thing.
        out = request.out if len(tables) == 1 else request.out.with_stem(f"{request.out.stem}-{name}")
        with open_columns(out, table.schema, _columns(request)) as write_batch:
            for batch in table.to_batches():
                write_batch(batch)
        files.append(Written(out, request.form, table.num_rows, "rows", name))
    return files, view.envelope


def _table(request: Request) -> tuple[list[Written], Envelope]:
    from breakeven.ledger.books import open_books
    from breakeven.report.handing.ledger_columns import write_table
    from breakeven.report.views.written import Written

    table = str(request.table)
    books = open_books(request.books, as_of=request.options.as_of)
    with progress() as say:
        say("writing")
        rows = write_table(books, table, request.out, _columns(request), request.options.period)
    return [Written(request.out, request.form, rows, "rows", table)], ledger_envelope(books)
