"""`breakeven demo`: build the two demo books, print their accounts, write the reports."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

from breakeven.cli.bilingual import command
from breakeven.cli.options import Output, ViewOptions, output_options
from breakeven.cli.report import report_html
from breakeven.cli.views import run_view
from breakeven.ledger.settings import FILE_NAME
from breakeven.report.view_model import Label

PUBLISHED_DAY, ASSISTANT = "deepseek-2025-02-27", "assistant-2024"


@command(
    "demo",
    en="Build the demo books in FOLDER, print the accounts, and write FOLDER/report.html.",
    zh="在 FOLDER 中建立示例账簿，打印总账，并写出 FOLDER/report.html。",
)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default="demo")
@output_options
def demo(folder: Path, output: Output) -> None:
    """Build what is not there yet, then show it."""
    from breakeven.account.account import Account
    from breakeven.report.view_model import View

    def income(account: Account) -> View:
        from breakeven.report.views.income import income_view

        return income_view(account)

    def overview(account: Account) -> View:
        from breakeven.report.views.overview import overview_view

        return overview_view(account)

    folder.mkdir(parents=True, exist_ok=True)
    options = ViewOptions(output.format, output.language, output.ascii_only, output.byte_order_mark)
    day, company = folder / PUBLISHED_DAY, folder / ASSISTANT
    _build(day, _published_day, Label("the published day 2025-02-27", "公开的一天 2025-02-27"), options)
    _build(
        company, _assistant, Label("a synthetic assistant company of 2024", "2024 年的合成助手公司"), options
    )
    for books, name, build in (
        (day, "overview", overview),
        (company, "overview", overview),
        (company, "income", income),
    ):
        run_view(books, options, name, build)
        print(flush=True)
    reports = (
        (company, "report.html", False),
        (company, "report-static.html", True),
        (day, f"{PUBLISHED_DAY}.html", False),
    )
    for books, name, static in reports:
        (folder / name).write_text(report_html(books, options, static=static), "utf-8")
        _say(Label(f"wrote {folder / name}", f"已写入 {folder / name}"), options)


def _build(folder: Path, write: Callable[[Path], None], what: Label, options: ViewOptions) -> None:
    """Write books unless they are there: a second run finds the first one's."""
    if (folder / FILE_NAME).exists():
        return
    started = time.monotonic()
    write(folder)
    seconds = time.monotonic() - started
    _say(Label(f"built {what.en} in {seconds:.0f} s", f"已建立{what.zh}，用时 {seconds:.0f} 秒"), options)


def _published_day(folder: Path) -> None:
    from breakeven.sources.published_day import write_books

    write_books(folder)


def _assistant(folder: Path) -> None:
    from breakeven.sources.synthetic.books import write_books
    from breakeven.sources.synthetic.plan import CompanyPlan

    write_books(CompanyPlan(users=134_576), folder)


def _say(text: Label, options: ViewOptions) -> None:
    print(text.text(options.language), file=sys.stderr, flush=True)
