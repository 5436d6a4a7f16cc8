"""`breakeven export`: hand the books on, as a workbook, as journal entries, as FOCUS, as columns."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.export_formats import Format, Request, default_name, format_of
from breakeven.cli.options import ViewOptions, books_argument, view_options
from breakeven.cli.output import emit
from breakeven.cli.views import allow_filters
from breakeven.errors import UsageError

if TYPE_CHECKING:
    from breakeven.report.view_model import View

VIEW_NAMES = ("overview", "income", "channels", "cohorts", "cost", "cash", "check")
TABLE_NAMES = (
    "acquisitions", "ad_spend", "activity", "usage", "payments", "bills", "funding", "capacity",
    "settlements",
)  # fmt: skip


@command(
    "export",
    en="Write BOOKS as a workbook (xlsx), journal entries (beancount), a FOCUS dataset of usage cost, or as "
    "CSV, Parquet or Arrow of a view or of a ledger table.",
    zh="把 BOOKS 导出为工作簿（xlsx）、记账分录（beancount）、FOCUS 用量成本数据集，"
    "或把视图、账簿表导出为 CSV、Parquet、Arrow。",
)
@books_argument()
@option(
    "--format",
    "chosen",
    type=click.Choice(get_args(Format)),
    en="What to write; without it, what the name of the file says, else xlsx.",
    zh="导出格式；省略时按文件名后缀判断，否则为 xlsx。",
)
@option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    en="The file to write; - for standard output; without it, a name of books and period.",
    zh="要写入的文件；- 表示标准输出；省略时按账簿与期间命名。",
)
@option(
    "--view",
    "view_name",
    type=click.Choice(VIEW_NAMES),
    en="For csv, parquet and arrow: the rows of this view (income unless said otherwise).",
    zh="用于 csv、parquet、arrow：导出此视图的行（默认 income）。",
)
@option(
    "--table",
    "table_name",
    type=click.Choice(TABLE_NAMES),
    en="For csv, parquet and arrow: the rows of this ledger table.",
    zh="用于 csv、parquet、arrow：导出此账簿表的行。",
)
@option(
    "--focus-version",
    type=click.Choice(["1.2", "1.0"]),
    default="1.2",
    show_default=True,
    en="The version of FOCUS; 1.0 is what the FinOps validator checks.",
    zh="FOCUS 版本；1.0 是 FinOps 校验器所检查的版本。",
)
@view_options
def export(
    books: Path, chosen: Format | None, out: Path | None, view_name: str | None, table_name: str | None,
    focus_version: str, options: ViewOptions,
) -> None:  # fmt: skip
    """Write the file, then say what was written."""
    allow_filters(options)
    form = chosen or format_of(out)
    if (view_name or table_name) and form not in ("csv", "parquet", "arrow"):
        raise UsageError(
            f"--view and --table do not go with --format {form}", remedy="use --format csv, parquet or arrow"
        )
    if view_name and table_name:
        raise UsageError("--view and --table exclude each other", remedy="choose one")
    request = Request(books, form, Path(), view_name or "income", table_name, focus_version, options)
    if out is not None and str(out) == "-":
        _to_standard_output(request)
        return
    emit(_write(replace(request, out=out or default_name(request))), options)


def _to_standard_output(request: Request) -> None:
    if request.form == "xlsx" and sys.stdout.isatty():
        raise UsageError("a workbook is not for a terminal", remedy="name a file: --out books.xlsx")
    with tempfile.TemporaryDirectory() as folder:
        view = _write(replace(request, out=Path(folder) / "out"))
        files = sorted(Path(folder).iterdir())
        if len(files) != 1:
            raise UsageError("this view has several tables, each a file of its own", remedy="name a file")
        with files[0].open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
    for warning in view.envelope.warnings:
        print(f"! {warning.label.text(request.options.language)}", file=sys.stderr)


def _write(request: Request) -> View:
    from breakeven.cli.export_formats import write

    try:
        return write(request)
    except OSError as error:
        raise UsageError("the file cannot be written", where=str(request.out), cause=str(error)) from error
