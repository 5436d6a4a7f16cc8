"""`breakeven forget`: take a person out of the books, and leave every total as it is."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import Output, books_argument, find_books, output_options
from breakeven.cli.output import emit, ledger_envelope, progress
from breakeven.errors import UsageError
from breakeven.ledger.books import open_books
from breakeven.ledger.forget import Forgotten
from breakeven.ledger.forget import forget as forget_person
from breakeven.ledger.settings import FILE_NAME
from breakeven.report import view_model
from breakeven.report.view_model import Column, Label, Table, Value, View

_TITLE = Label("Forgotten", "已遗忘")
_WOULD = Label("Would be forgotten", "将被遗忘")
_PLACES = {
    "quarantine": Label("quarantine (texts)", "隔离区（文本）"),
    "older_files": Label("older files deleted", "删除的旧文件"),
}
_COLUMNS = (
    Column("place", Label("Where", "位置"), words=_PLACES),
    Column("rows", Label("Rows", "行数"), "count"),
)


@command(
    "forget",
    en="Take USER out of BOOKS for good: rows of every table, quarantined texts, older files, caches.\n\n"
    "An anonymous row takes the place of each row that counted, so no total changes. The books can no longer "
    "be read as of moments whose files held the person. It cannot be undone.",
    zh="把 USER 从 BOOKS 中永久移除：各表的行、隔离区文本、旧文件与缓存。\n"
    "每一条计入的行由匿名行代替，合计不变。\n"
    "含有此人的旧文件删除后，账簿不能再按那些时点读取。此操作不可撤销。",
)
@books_argument(required=True)
@click.argument("user", required=False)
@option("--dry-run", is_flag=True, en="Only say what would go.", zh="只说明将移除什么。")
@option("--yes", is_flag=True, en="Do not ask.", zh="不再询问。")
@output_options
def forget(books: Path, user: str | None, dry_run: bool, yes: bool, output: Output) -> None:
    """Forget one person; `forget USER` and `forget USER BOOKS` are understood as well."""
    folder, person = _read(books, user)
    opened = open_books(folder)
    if not (dry_run or yes):
        _ask(folder, output)
    with progress() as show:
        found = forget_person(opened, person, dry_run=dry_run, progress=show)
    title = _WOULD if dry_run else _TITLE
    rows = _rows(found)
    table = Table("forgotten", title, _COLUMNS, rows)
    warnings = _warnings(found, dry_run=dry_run)
    emit(View("forget", title, ledger_envelope(opened, warnings), (table,), json_rows=rows), output)


def _read(first: Path, second: str | None) -> tuple[Path, str]:
    """The books and the person, whichever was named first."""
    if second is None:
        return find_books(), str(first)
    if not (first / FILE_NAME).is_file() and (Path(second) / FILE_NAME).is_file():
        return Path(second), str(first)
    return first, second


def _ask(folder: Path, output: Output) -> None:
    if not sys.stdin.isatty():
        raise UsageError("forgetting cannot be undone", remedy="look with --dry-run, then add --yes")
    question = Label(f"Forget this person in {folder}, for good?", f"在 {folder} 中永久遗忘此人？")
    click.confirm(question.text(output.language), abort=True, err=True)


def _rows(found: Forgotten) -> tuple[dict[str, Value], ...]:
    counts = {**found.rows, "quarantine": found.quarantined, "older_files": found.files_deleted}
    return tuple({"place": place, "rows": count} for place, count in counts.items())


def _warnings(found: Forgotten, *, dry_run: bool) -> tuple[view_model.Warning, ...]:
    if found.is_nobody:
        nobody = Label("Nothing of this person is in the books.", "账簿中没有此人的任何记录。")
        return (view_model.Warning("nobody", nobody),)
    if dry_run:
        return ()
    again = Label(
        "Take the person out of the source systems too: a file that still holds them brings them back.",
        "请同时在来源系统中移除此人：仍含此人的文件再次导入后会重新出现。",
    )
    return (view_model.Warning("sources", again),)
