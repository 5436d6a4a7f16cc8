"""`breakeven report`: the account as one self-contained HTML file."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import ViewOptions, books_argument, view_options
from breakeven.cli.views import account_of, allow_filters
from breakeven.errors import UsageError


@command(
    "report",
    en="Write the account of BOOKS as one HTML file: offline, English and Chinese, for screen and paper.",
    zh="把 BOOKS 的总账写成单个 HTML 文件：离线、中英双语，可看可印。",
)
@books_argument()
@option(
    "-o",
    "--output",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    default="report.html",
    show_default=True,
    en="The file to write; - for standard output.",
    zh="要写入的文件；- 表示标准输出。",
)
@option("--static", is_flag=True, en="No script at all: charts as SVG.", zh="不含脚本，图表为 SVG。")
@view_options
def report(books: Path, target: Path, static: bool, options: ViewOptions) -> None:
    """Write the report."""
    allow_filters(options)
    text = report_html(books, options, static=static)
    if str(target) == "-":
        sys.stdout.write(text)
        return
    try:
        target.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError("the report cannot be written", where=str(target), cause=str(error)) from error
    size_kb = len(text.encode()) / 1000
    said = {"en": f"Wrote {target} ({size_kb:,.0f} kB)", "zh": f"已写入 {target}（{size_kb:,.0f} kB）"}
    print(said[options.language], file=sys.stderr)


def report_html(books: Path, options: ViewOptions, *, static: bool = False) -> str:
    """The report's text."""
    from breakeven.report.html import render_report
    from breakeven.report.views.report_page import report_page

    return render_report(report_page(account_of(books, options)), static=static, language=options.language)
