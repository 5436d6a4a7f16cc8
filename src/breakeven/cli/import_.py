"""`breakeven import`: files into the ledger, with every row of every file accounted for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit

import click

from breakeven.cli import failures
from breakeven.cli.bilingual import command, option
from breakeven.cli.import_report import Unread, import_view
from breakeven.cli.options import Output, books_argument, output_options
from breakeven.cli.output import emit, progress
from breakeven.errors import InputError, UsageError
from breakeven.ledger.books import Books, open_books
from breakeven.ledger.ingest import ImportResult
from breakeven.ledger.mapping import ROW_NUMBER, ColumnRule, Mapping, read_mapping
from breakeven.ledger.tables import TABLES
from breakeven.periods import ONE_DAY, Period
from breakeven.periods import time_zone as known_time_zone
from breakeven.sources.intake import import_from
from breakeven.sources.recognise import recognise_table
from breakeven.sources.registry import Source, find_source, source_names
from breakeven.sources.remote import brought, is_remote
from breakeven.sources.shipped_mappings import shipped_mapping

_ENDINGS = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".parquet")
_COMPRESSED = tuple(ending + packed for ending in _ENDINGS for packed in (".gz", ".zst"))
_LIVE = ("postgresql", "postgres", "duckdb")
"""A database that has nothing new has nothing new; a file without a record may be a failed export."""
Show = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What the command line asks for, the same for every file."""

    source: str | None
    reader: Source | None
    reader_options: dict[str, str]
    table: str | None
    mapping: Mapping
    covers: tuple[date, date] | None
    dry_run: bool


@command(
    "import",
    en="Import FILES into BOOKS. Importing a file twice, or two that overlap, books no row twice.\n\n"
    "CSV, JSON lines and Parquet, also .gz and .zst, with the ledger's own column names, or others through a "
    "mapping file. Folders and patterns are taken apart. URLs name files (https, s3, gs, file) or a table of "
    "a database (postgresql://host/db?table=NAME, duckdb:///path?table=NAME). Rows that cannot be booked go "
    "to quarantine with the reason; a file that cannot be read at all makes the exit code 3, and the others "
    "are imported.",
    zh="把文件导入 BOOKS。重复导入同一文件或有重叠的文件，不会重复入账。\n"
    "支持 CSV、JSON Lines、Parquet 及其 .gz、.zst；列名用账簿自己的，或由映射文件给出。\n"
    "可给出文件夹与通配符。也可给出 URL：文件（https、s3、gs、file），或数据库的表\n"
    "（postgresql://主机/库?table=表名、duckdb:///路径?table=表名）。\n"
    "不能入账的行连同原因进入隔离区；\n"
    "完全无法读取的文件使退出码为 3，其余文件照常导入。",
)
@books_argument(required=True)
@click.argument("files", nargs=-1, required=True)
@option(
    "--table",
    type=click.Choice(list(TABLES)),
    en="The ledger's table; else it is told from the columns.",
    zh="账簿的表；不给则由列名判断。",
)
@option(
    "--source",
    metavar="NAME",
    en="The system the files come from: one of `breakeven sources` is read in its own layout, any other "
    "name labels the rows.",
    zh="文件来自哪个系统：`breakeven sources` 所列的按其自身格式读取，其他名称只作行的标签。",
)
@option(
    "--mapping",
    metavar="FILE",
    type=click.Path(path_type=Path),
    en="A mapping file for other column names, or the name of one that ships with us (`breakeven sources`).",
    zh="列名不同时的映射文件，或自带映射的名称（见 `breakeven sources`）。",
)
@option(
    "--option",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    en="Tell the source something; may be repeated.",
    zh="数据源的选项；可重复。",
)
@option(
    "--covers",
    metavar="PERIOD",
    en="What the files cover, when that is more than the days from their first to their last row.",
    zh="文件覆盖的期间（若多于首行至末行之间的日子）。",
)
@option(
    "--row-ids",
    is_flag=True,
    en="Rows have no ids: the file and the row's number stand in.",
    zh="行没有标识：用文件与行号代替。",
)
@option(
    "--time-zone", metavar="ZONE", en="The zone of times written without one.", zh="未写时区的时间所属时区。"
)
@option(
    "--encoding",
    metavar="NAME",
    en="Text encoding, if not UTF-8 or GB18030.",
    zh="文本编码（若非 UTF-8 或 GB18030）。",
)
@option("--dry-run", is_flag=True, en="Say what would happen; change nothing.", zh="只说明会怎样，不作改动。")
@output_options
def import_(
    books: Path,
    files: Sequence[str],
    table: str | None,
    source: str | None,
    mapping: Path | None,
    given: Sequence[str],
    covers: str | None,
    row_ids: bool,
    time_zone: str | None,
    encoding: str | None,
    dry_run: bool,
    output: Output,
) -> None:
    """Import every file, print what became of it, and fail at the end if some could not be read."""
    rules = _mapping(mapping, row_ids=row_ids, time_zone=time_zone, encoding=encoding)
    reader = find_source(source) if source else None
    request = Request(source, reader, _pairs(given), table, rules, _days(covers), dry_run)
    _refuse_contradictions(request)
    opened = open_books(books)
    results: list[ImportResult] = []
    unread: list[Unread] = []
    try:
        with progress() as show:
            for name in files:
                _import_all(opened, name, request, results, unread, show)
    finally:
        # What was committed before a disk filled up or a key was pressed is said in any case.
        if results or unread:
            emit(import_view(opened, results, unread, reader, output), output)
    for failed in unread:
        click.echo(failures.block(failed.error, output.language), err=True)
    if unread:
        raise click.exceptions.Exit(failures.BAD_DATA)


def _import_all(
    books: Books,
    name: str,
    request: Request,
    results: list[ImportResult],
    unread: list[Unread],
    show: Show,
) -> None:
    """Import what one argument names; what cannot be read is noted and does not stop the rest."""
    if is_remote(name, request.reader):
        _import_remote(books, name, request, results, unread, show)
        return
    try:
        paths = expanded(name)
    except InputError as error:
        unread.append(Unread(name, error))
        return
    for path in paths:
        try:
            results.extend(_import_one(books, path, request, show))
        except InputError as error:
            unread.append(Unread(str(path), error))


def _import_remote(
    books: Books,
    name: str,
    request: Request,
    results: list[ImportResult],
    unread: list[Unread],
    show: Show,
) -> None:
    """Import what a URL names. What is said of it names the URL, without its secrets."""
    try:
        with brought(name, request.reader, request.reader_options, progress=show) as fetched:
            for path in fetched.paths:
                try:
                    done = _import_one(books, path, request, show, is_live=urlsplit(name).scheme in _LIVE)
                    results.extend(replace(one, file=fetched.label(path)) for one in done)
                except InputError as error:
                    where = fetched.readable(error.where)
                    said = InputError(error.what, where=where, cause=error.cause, remedy=error.remedy)
                    unread.append(Unread(fetched.label(path), said))
    except InputError as error:
        unread.append(Unread(error.where, error))


def _import_one(
    books: Books, path: Path, request: Request, show: Show, *, is_live: bool = False
) -> list[ImportResult]:
    if request.reader:
        return import_from(
            books,
            request.reader,
            path,
            request.reader_options,
            dry_run=request.dry_run,
            covers=request.covers,
            may_be_empty=is_live,
            progress=show,
        )
    rules = request.mapping
    table = request.table or rules.table
    if table is None:
        try:
            table = recognise_table(path, encoding=rules.encoding, row_ids="source_id" in rules.columns)
        except InputError as error:
            raise _perhaps_a_source(error, request.source) from error
    return books.ingest(
        table,
        [path],
        request.source,
        mapping=rules,
        dry_run=request.dry_run,
        covers=request.covers,
        may_be_empty=is_live,
        progress=show,
    )


def _perhaps_a_source(error: InputError, said: str | None) -> InputError:
    """A file that is no table of ours is often a system's own, for a source that was not named rightly."""
    remedy = f"name the system it comes from with --source (see `breakeven sources`); or {error.remedy}"
    if said is not None:
        near = ", ".join(get_close_matches(said.lower(), source_names(), 3) or source_names())
        remedy = f"there is no source {said!r} that reads files: use {near}; or {error.remedy}"
    return InputError(error.what, where=error.where, cause=error.cause, remedy=remedy)


def expanded(name: str) -> list[Path]:
    """The files an argument names: itself, those a pattern matches, or those in a folder and below, sorted.

    Raises `InputError` when there are none.
    """
    path = Path(name)
    if path.is_dir():
        found = [file for file in path.rglob("*") if file.is_file() and _is_data(file, path)]
        if not found:
            raise InputError(
                "no files to import in this folder", where=name, remedy=f"files end in {', '.join(_ENDINGS)}"
            )
        return sorted(found)
    if path.exists() or not any(sign in name for sign in "*?["):
        return [path]
    matches = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    if not matches:
        raise InputError("no file matches", where=name)
    return matches


def _is_data(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)
    return not hidden and file.name.lower().endswith(_ENDINGS + _COMPRESSED)


def _mapping(path: Path | None, *, row_ids: bool, time_zone: str | None, encoding: str | None) -> Mapping:
    """The mapping file with what flags say on top."""
    # A file of that name in the way counts: what lies before one's eyes is what one means.
    shipped = shipped_mapping(str(path)) if path and not path.exists() else None
    rules = read_mapping(shipped or path) if path else Mapping()
    if row_ids:
        rules = replace(rules, columns=rules.columns | {"source_id": ColumnRule(ROW_NUMBER)})
    if time_zone:
        rules = replace(rules, time_zone=known_time_zone(time_zone).key)
    return replace(rules, encoding=encoding) if encoding else rules


def _refuse_contradictions(request: Request) -> None:
    reader, table = request.reader, request.table
    if reader is None:
        if request.reader_options:
            raise UsageError("--option needs a source that reads files", remedy="see `breakeven sources`")
        if table and request.mapping.table not in (None, table):
            raise UsageError(f"the mapping is for {request.mapping.table}, not {table}")
        return
    if request.mapping != Mapping():
        raise UsageError(
            f"source {reader.name!r} reads its own layout",
            remedy="leave out --mapping, --row-ids, --time-zone and --encoding",
        )
    if table is not None and table not in reader.tables:
        raise UsageError(f"source {reader.name!r} fills {', '.join(reader.tables)}, not {table}")
    reader.options_from(request.reader_options)


def _pairs(given: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for name, equals, _ in pairs:
        if not equals:
            raise UsageError(f"--option {name} has no value", remedy=f"write --option {name}=VALUE")
    return {name: value for name, _, value in pairs}


def _days(covers: str | None) -> tuple[date, date] | None:
    """First and last day, both included, of what the files cover."""
    if covers is None:
        return None
    period = Period.parse(covers)
    return period.first, period.end - ONE_DAY
