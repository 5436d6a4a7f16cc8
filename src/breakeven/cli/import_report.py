"""What an import did, file by file: counts that add up, the first problems, and how to see the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from breakeven.cli.log import BATCH, COUNTS, DAYS
from breakeven.cli.options import Output
from breakeven.cli.output import ledger_envelope
from breakeven.cli.quarantine import PROBLEM_COLUMNS, in_language, problem_row
from breakeven.errors import InputError
from breakeven.ledger.books import Books
from breakeven.ledger.ingest import ImportResult
from breakeven.periods import ONE_DAY
from breakeven.report import view_model
from breakeven.report.phrases import chinese
from breakeven.report.view_model import Column, Label, Table, Value, View
from breakeven.sources.registry import Source

_TITLE = Label("Import", "导入")
_TOTAL = Label("total", "合计")
_STATES = {
    "imported": Label("imported", "已导入"),
    "known": Label("already imported", "此前已导入"),
    "dry_run": Label("dry run", "试运行"),
    "unreadable": Label("not readable", "无法读取"),
}
_COLUMNS = (
    Column("file", Label("File", "文件"), words={"": _TOTAL}),
    Column("state", Label("State", "状态"), words=_STATES),
    Column("ledger_table", Label("Table", "表")),
    *COUNTS,
    *DAYS,
    BATCH,
)
_FIRST_PROBLEMS = Label("First problems", "前几个问题")
_PROBLEMS_SHOWN, _PROBLEMS_IN_JSON = 5, 1000


@dataclass(frozen=True)
class Unread:
    """A file, folder or pattern from which nothing could be imported, and why."""

    name: str
    error: InputError


def import_view(
    books: Books,
    results: Sequence[ImportResult],
    unread: Sequence[Unread],
    reader: Source | None,
    output: Output,
) -> View:
    """The answer of `breakeven import`. JSON rows say in `record` whether they are a file or a problem."""
    rows = [_file_row(result) for result in results] + [_unread_row(failed) for failed in unread]
    shown, emphasis = rows, frozenset[int]()
    if len(results) > 1:
        shown, emphasis = [*rows, _total_row(results)], frozenset({len(rows)})
    tables = [Table("files", _TITLE, _COLUMNS, tuple(shown), emphasis=emphasis)]
    if first := _problem_rows(results, _PROBLEMS_SHOWN):
        tables.append(
            Table("problems", _FIRST_PROBLEMS, in_language(PROBLEM_COLUMNS, first, output), tuple(first))
        )
    json_rows: list[dict[str, Value]] = [{"record": "file", **row} for row in rows]
    json_rows += [{"record": "problem", **row} for row in _problem_rows(results, _PROBLEMS_IN_JSON)]
    warnings = tuple(_warnings(books, results, reader))
    return View("import", _TITLE, ledger_envelope(books, warnings), tuple(tables), json_rows=tuple(json_rows))


def _file_row(result: ImportResult) -> dict[str, Value]:
    return {
        "file": result.file,
        "state": "known" if result.already_imported else "dry_run" if result.dry_run else "imported",
        "ledger_table": result.table,
        **_counts([result]),
        "first_day": result.first_day.isoformat() if result.first_day else None,
        "last_day": result.last_day.isoformat() if result.last_day else None,
        "batch_id": result.batch_id,
        "skipped": result.skipped,
        "ignored_columns": ", ".join(result.ignored_columns),
    }


def _unread_row(failed: Unread) -> dict[str, Value]:
    return {"file": failed.name, "state": "unreadable", "error": str(failed.error)}


def _total_row(results: Sequence[ImportResult]) -> dict[str, Value]:
    return {"file": "", **_counts(results)}


def _counts(results: Sequence[ImportResult]) -> dict[str, Value]:
    return {
        "rows_read": sum(result.rows_read for result in results),
        "ingested": sum(result.ingested for result in results),
        "duplicates": sum(result.duplicates for result in results),
        "quarantined": sum(result.quarantined for result in results),
        "versions": sum(result.versions for result in results),
    }


def _problem_rows(results: Sequence[ImportResult], most: int) -> list[dict[str, Value]]:
    return [problem_row(problem) for result in results for problem in result.problems[:most]]


def _warnings(
    books: Books, results: Sequence[ImportResult], reader: Source | None
) -> Iterator[view_model.Warning]:
    for result in results:
        file, count = result.file, f"{result.quarantined:,}"
        if result.quarantined and result.dry_run:
            yield _warning(
                "quarantined",
                f"{file}: rows that would go to quarantine: {count}.",
                f"{file}：{count} 行将进入隔离区。",
            )
        elif result.quarantined:
            see = f"breakeven quarantine {books.folder} {result.batch_id}"
            yield _warning(
                "quarantined",
                f"{file}: rows in quarantine: {count}. All of them: {see}",
                f"{file}：{count} 行在隔离区。查看全部：{see}",
            )
        if result.skipped:
            yield _warning(
                "skipped",
                f"{file}: records that are no rows ({result.skipped_as}): {result.skipped:,}",
                f"{file}：{result.skipped:,} 条记录不入账（{chinese(result.skipped_as)}）。",
            )
        if not (result.rows_read or result.skipped or result.already_imported):
            yield _warning(
                "empty",
                f"{file}: NOT A SINGLE RECORD for {result.table}; its days count as covered, and as empty.",
                f"{file}：没有任何 {result.table} 记录；其期间按已覆盖且无数据计。",
            )
        if result.silent_days:
            yield _warning(
                "silent_days",
                f"{file}: no rows of {result.table} on days that had traffic: {_days(result.silent_days)}. "
                "Export these days again.",
                f"{file}：以下日期有流量却没有 {result.table} 行：{_days(result.silent_days)}。请重新导出。",
            )
        if result.versions:
            yield _warning(
                "new_versions",
                f"{file}: rows with other content under a known id: {result.versions:,}; the newest counts.",
                f"{file}：{result.versions:,} 行的标识已存在而内容不同，以最新为准。",
            )
        if result.ignored_columns:
            names = ", ".join(result.ignored_columns)
            yield _warning(
                "ignored_columns",
                f"{file}: columns the ledger has no place for: {names}",
                f"{file}：账簿未采用的列：{names}",
            )
    if any(result.table == "usage" and result.ingested for result in results):
        yield from _told_apart(books)
    if reader and results:
        yield _warning(
            "source_notes", f"{reader.name}: {reader.notes.en}", f"{reader.name}：{reader.notes.zh}"
        )


def _days(days: Sequence[date]) -> str:
    """Days, those in a row as one span.

    >>> _days([date(2024, 3, 1), date(2024, 3, 2), date(2024, 3, 9)])
    '2024-03-01..2024-03-02, 2024-03-09'
    """
    spans: list[list[date]] = []
    for day in days:
        if spans and day - spans[-1][-1] == ONE_DAY:
            spans[-1].append(day)
        else:
            spans.append([day])
    return ", ".join(f"{span[0]}..{span[-1]}" if len(span) > 1 else f"{span[0]}" for span in spans)


def _told_apart(books: Books) -> Iterator[view_model.Warning]:
    """Days on which several logs tell of usage and share no response id: one request may count twice."""
    reports = books.settings.matching.reports
    sources: dict[str, set[str]] = {}
    for file in books.files("usage"):
        names = {file.source_least, file.source_most} - {None, *reports}
        sources.setdefault(file.partition or "", set()).update(name for name in names if name)
    apart = {day: names for day, names in sources.items() if len(names) > 1}
    days = sorted(apart.keys() - books.matched_days("usage").days)
    if not days:
        return
    names = ", ".join(sorted({name for day in days for name in apart[day]}))
    yield _warning(
        "sources_without_matches",
        f"usage of {names} lies on the same days ({len(days)}, first {days[0]}) and shares no response id: "
        "if they saw the same requests, these count twice. Declare [matching] rules; see breakeven matches",
        f"{names} 的用量落在相同的日子（{len(days)} 天，首日 {days[0]}），却没有相同的应答标识："
        "若是同一批请求，就会重复计数。请在设置 [matching] 中声明 rules；见 breakeven matches",
    )


def _warning(code: str, en: str, zh: str) -> view_model.Warning:
    return view_model.Warning(code, Label(en, zh))
