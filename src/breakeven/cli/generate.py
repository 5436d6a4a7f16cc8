"""`breakeven generate`: a synthetic company of any size, into new books or into plain files."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from breakeven.cli.bilingual import command, language_in, option
from breakeven.errors import UsageError

if TYPE_CHECKING:
    from breakeven.sources.synthetic.generate import Truth
    from breakeven.sources.synthetic.plan import CompanyPlan

Progress = Callable[[int, int], None]

_SAID = {
    "en": "Synthetic company in {place}: {users:,} new users over {months} months, {rows:,} rows of usage, "
    "{scale:.2%} of the published size. Exact totals: {truth}",
    "zh": "合成公司已写入 {place}：{months} 个月新增用户 {users:,}，用量 {rows:,} 行，"
    "规模为公开数字的 {scale:.2%}。精确总数见 {truth}",
}


@command(
    "generate",
    en="Write a synthetic assistant company into new BOOKS, with its exact truth in truth.json.\n\n"
    "Everything is invented and marked synthetic. The same users, months and seed give the same rows.",
    zh="把一家合成的助手公司写入新的 BOOKS，精确总数写在 truth.json。\n"
    "一切皆为虚构并标明合成；用户数、月数与种子相同，则每一行相同。",
)
@click.argument("books", type=click.Path(path_type=Path, file_okay=False), required=False)
@option(
    "--users",
    type=click.IntRange(1, 99_999_999),
    default=134_576,
    show_default=True,
    en="New users in all; the default is a hundredth of the published size.",
    zh="新增用户总数；默认为公开规模的百分之一。",
)
@option(
    "--months",
    type=click.IntRange(1, 36),
    default=6,
    show_default=True,
    en="From March 2024.",
    zh="自 2024 年 3 月起。",
)
@option(
    "--seed", type=click.IntRange(0), default=2024, show_default=True, en="Of all chance.", zh="随机种子。"
)
@option(
    "--requests-per-user",
    type=click.FloatRange(1, 10_000),
    default=17.0,
    show_default=True,
    en="Requests over all months, on average.",
    zh="全部月份内平均每位用户的请求数。",
)
@option(
    "--raw",
    type=click.Path(path_type=Path, file_okay=False),
    en="Write plain files to this folder instead of books.",
    zh="不建账簿，只把文件写入此文件夹。",
)
@option(
    "--format",
    "file_format",
    type=click.Choice(["parquet", "csv"]),
    default="parquet",
    show_default=True,
    en="Format of plain files.",
    zh="文件格式。",
)
@option("--lang", type=click.Choice(["en", "zh"]), expose_value=False, en="Language.", zh="语言。")
@click.pass_context
def generate(
    context: click.Context,
    books: Path | None,
    users: int,
    months: int,
    seed: int,
    requests_per_user: float,
    raw: Path | None,
    file_format: Literal["parquet", "csv"],
) -> None:
    """Parse, generate, say what was written."""
    from breakeven.sources.synthetic.plan import CompanyPlan

    place = books or raw
    if place is None or (books and raw):
        raise UsageError("name either BOOKS or --raw FOLDER", remedy="breakeven generate books --users 10000")
    plan = CompanyPlan(users=users, months=months, seed=seed, requests_per_user=requests_per_user)
    with _progress_bar() as progress:
        truth = _into_files(plan, raw, file_format, progress) if raw else _into_books(plan, place, progress)
    said = _SAID[language_in(context)].format(
        place=place, users=users, months=months, rows=truth.facts["rows"]["usage"], scale=plan.scale,
        truth=place / "truth.json",
    )  # fmt: skip
    click.echo(said)


def _into_books(plan: CompanyPlan, folder: Path, progress: Progress | None) -> Truth:
    from breakeven.sources.synthetic.books import write_books

    return write_books(plan, folder, progress=progress)


def _into_files(
    plan: CompanyPlan, folder: Path, file_format: Literal["parquet", "csv"], progress: Progress | None
) -> Truth:
    from breakeven.sources.synthetic.files import keep_in
    from breakeven.sources.synthetic.generate import write_company
    from breakeven.sources.synthetic.prices import write_cards

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="breakeven-synthetic-", dir=folder) as chunks:
        truth = write_company(plan, Path(chunks), keep_in(folder, file_format), progress=progress)
    write_cards(folder / "prices")
    truth.write(folder / "truth.json")
    return truth


def _progress_bar() -> AbstractContextManager[Progress | None]:
    return _terminal_bar() if sys.stderr.isatty() else _silence()


@contextmanager
def _silence() -> Generator[None]:
    yield None


@contextmanager
def _terminal_bar() -> Generator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    days = TextColumn("{task.completed}/{task.total}")
    console = Console(stderr=True)
    with Bar(TextColumn("synthetic"), BarColumn(), days, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("days")
        yield lambda done, whole: bar.update(task, completed=done, total=whole)
