"""Closings as views: the conditions for closing, the log, what changed since, the proof of a statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date
from typing import Any

from breakeven.account.adjustments import Adjustment
from breakeven.account.catalogue import TABLE_WORDS
from breakeven.ledger.books import Books
from breakeven.ledger.closings import Closing, Damage, Entry
from breakeven.periods import ONE_DAY, Period
from breakeven.reconcile.close import Prepared, Verdict
from breakeven.reconcile.closing_conditions import Condition
from breakeven.report.view_model import Column, Envelope, Label, Table, Value, View, Warning  # noqa: A004 - the envelope's word
from breakeven.report.views.closed_months import adjustments_table
from breakeven.report.views.parts import shown

_CONDITIONS = {
    "not_closed": Label("month is open", "该月未结账"),
    "over": Label("month is over", "该月已结束"),
    "order": Label("earlier months are closed", "更早月份已结账"),
    "coverage": Label("days covered", "数据覆盖"),
    "values": Label("lines have values", "各项有数值"),
    "unpriced": Label("tokens have prices", "词元有价格"),
    "unexplained": Label("bills are explained", "账单已解释"),
    "errors": Label("errors in bills or books", "账单或账目的差错"),
    "quarantine": Label("rows in quarantine", "隔离的行"),
}
_STATES = {"pass": Label("passes", "通过"), "fail": Label("FAILS", "未通过"), "note": Label("note", "提示")}
_ACTIONS = {
    "close": Label("closed", "结账"),
    "reopen": Label("reopened", "重新打开"),
    "restate": Label("restated", "重述"),
}
_COUNTS = {"yes": Label("yes", "是"), "no": Label("no", "否")}
_KINDS = {
    "import": Label("import", "导入"),
    "undo": Label("undone", "撤销"),
    "forget": Label("person forgotten", "删除个人数据"),
}


def _envelope(books: Books, month: date | None, warnings: tuple[Warning, ...] = ()) -> Envelope:
    settings = books.settings
    as_of = "" if month is None else (Period.month(month).end - ONE_DAY).isoformat()
    return Envelope(settings.name, as_of, settings.time_zone, settings.currency, settings.synthetic, warnings)


def close_view(books: Books, prepared: Prepared, entry: Entry | None, *, is_trial: bool) -> View:
    """What closing found: every condition, and the digest when the month was closed."""
    month = f"{prepared.month:%Y-%m}"
    if entry is not None:
        title = Label(f"{month} is closed", f"{month} 已结账")
    elif prepared.is_refused:
        title = Label(f"{month} cannot be closed", f"{month} 不能结账")
    else:
        title = Label(f"{month} can be closed", f"{month} 可以结账")
    tables = [_condition_table(prepared.conditions)]
    if prepared.adjustments:
        tables.append(adjustments_table(prepared.adjustments, prepared.account.currency, month))
    facts: dict[str, Value] = {
        "month": month,
        "state": "closed" if entry else "refused" if prepared.is_refused else "open",
        "is_trial": int(is_trial),
        "revision": prepared.revision,
        "digest": entry.digest if entry else None,
        "seal": entry.seal if entry else None,
    }
    if entry is not None:
        tables.append(_sealed(entry))
    head = _envelope(books, prepared.month, _next_steps(prepared.conditions))
    return View("close", title, head, tuple(tables), facts=facts)


def _next_steps(conditions: Sequence[Condition]) -> tuple[Warning, ...]:
    """What to do about each condition that fails, or that a reader must know of."""
    return tuple(
        Warning(c.id, Label(f"{c.found_en}. Next: {c.remedy_en}", f"{c.found_zh}。下一步：{c.remedy_zh}"))
        for c in conditions
        if c.state != "pass"
    )


def _sealed(entry: Entry) -> Table:
    row: dict[str, Value] = {
        "month": f"{entry.month:%Y-%m}",
        "revision": entry.revision,
        "digest": entry.digest,
        "seal": entry.seal,
    }
    return Table(
        "closing",
        Label("Closing", "结账"),
        (
            Column("month", Label("Month", "月份")),
            Column("revision", Label("Revision", "版本"), "count"),
            Column("digest", Label("Digest", "摘要")),
            Column("seal", Label("Seal of the log", "日志封印")),
        ),
        (row,),
        note=Label(
            "Keep the seal outside the books: it vouches for this closing and all before it.",
            "请将封印另行保存：它可证明本次及此前所有结账未被改动。",
        ),
    )


def _condition_table(conditions: Sequence[Condition]) -> Table:
    texts = {condition.found_en: Label(condition.found_en, condition.found_zh) for condition in conditions}
    return Table(
        "conditions",
        Label("Conditions", "结账条件"),
        (
            Column("condition", Label("Condition", "条件"), words=_CONDITIONS),
            Column("state", Label("State", "结果"), words=_STATES),
            Column("subject", Label("Of", "对象")),
            Column("measured", Label("Found", "实际"), "ratio"),
            Column("limit", Label("Limit", "限额"), "ratio"),
            Column("found", Label("What was found", "情况"), words=texts),
        ),
        tuple(
            {
                "condition": condition.id,
                "state": condition.state,
                "subject": condition.subject or None,
                "measured": None if condition.measured is None else shown(condition.measured, "ratio"),
                "limit": None if condition.limit is None else shown(condition.limit, "ratio"),
                "found": condition.found_en,
                "remedy": condition.remedy_en or None,
            }
            for condition in conditions
        ),
        emphasis=frozenset(i for i, condition in enumerate(conditions) if condition.state == "fail"),
    )  # fmt: skip


def closings_view(
    books: Books,
    log: Sequence[Entry],
    closed: Mapping[date, Closing],
    damages: Sequence[Damage],
    entries: Sequence[Adjustment],
    late: Sequence[Mapping[str, Any]],
) -> View:
    """The log of closings, what has changed since, and whether everything is still as it was written."""
    rows = tuple(_log_row(entry, closed) for entry in log)
    tables = [
        Table(
            "log",
            Label("Closed months", "结账记录"),
            (
                Column("action", Label("Act", "操作"), words=_ACTIONS),
                Column("month", Label("Month", "月份")),
                Column("revision", Label("Revision", "版本"), "count"),
                Column("in_force", Label("Counts", "有效"), words=_COUNTS),
                Column("at", Label("When (UTC)", "时间（UTC）")),
                Column("by", Label("By", "经办")),
                Column("reason", Label("Reason", "原因")),
                Column("digest", Label("Digest", "摘要")),
                Column("former", Label("Digest before", "此前摘要")),
            ),
            rows,
        )
    ]  # fmt: skip
    if entries:
        open_month = max(closed)
        booked = f"{Period.month(open_month).end:%Y-%m}"
        tables.append(adjustments_table(entries, books.settings.currency, booked))
    if late:
        tables.append(_late(late))
    warnings = tuple(
        Warning("damaged", Label(f"{damage.where}: {damage.en}", f"{damage.where}：{damage.zh}"))
        for damage in damages
    )
    facts: dict[str, Value] = {"seal": log[-1].seal if log else None, "damages": len(damages)}
    head = _envelope(books, max(closed, default=None), warnings)
    return View("closings", Label("Closings", "结账"), head, tuple(tables), facts=facts)


def _log_row(entry: Entry, closed: Mapping[date, Closing]) -> dict[str, Value]:
    standing = closed.get(entry.month)
    counts = entry.action != "reopen" and standing is not None and standing.revision == entry.revision
    return {
        "action": entry.action,
        "month": f"{entry.month:%Y-%m}",
        "revision": entry.revision,
        "in_force": "yes" if counts else "no",
        "at": entry.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "by": entry.by or None,
        "reason": entry.reason or None,
        "digest": entry.digest or None,
        "former": entry.former or None,
    }


def _late(late: Sequence[Mapping[str, Any]]) -> Table:
    return Table(
        "late",
        Label("Imports since closing that touch closed months", "结账后涉及已结账月份的导入"),
        (
            Column("month", Label("Closed month", "已结账月份")),
            Column("at", Label("When (UTC)", "时间（UTC）")),
            Column("kind", Label("Act", "操作"), words=_KINDS),
            Column(
                "ledger_table", Label("Table", "表"), words={k: Label(*w) for k, w in TABLE_WORDS.items()}
            ),
            Column("file", Label("File", "文件")),
            Column("batch_id", Label("Batch", "批次")),
            Column("rows", Label("Rows", "行数"), "count"),
        ),
        tuple(
            {
                "month": row["month"],
                "at": row["at"].strftime("%Y-%m-%dT%H:%M:%SZ"),
                "kind": row["kind"],
                "ledger_table": row["table"],
                "file": row["file"],
                "batch_id": row["batch_id"],
                "rows": row["rows"],
            }
            for row in late
        ),
    )


def verify_view(books: Books, verdict: Verdict) -> View:
    """Whether a closing can be computed again to the same bytes, and what differs."""
    closing = verdict.closing
    month = f"{closing.month:%Y-%m}"
    good = verdict.is_intact and verdict.is_same
    title = (
        Label(f"{month} is what it was, byte for byte", f"{month} 逐字节未变")
        if good
        else Label(f"{month} is not reproduced", f"{month} 未能复现")
    )
    warnings: list[Warning] = []
    if not verdict.is_intact:
        warnings.append(
            Warning(
                "damaged", Label("the stored files were changed after closing", "存储的文件在结账后被改动")
            )
        )
    if verdict.failure is not None:
        warnings.append(Warning("failure", _failure(verdict)))
    if not good and not verdict.same_definitions:
        warnings.append(
            Warning(
                "definitions",
                Label(
                    f"this program computes differently from the one that closed the month "
                    f"({verdict.program_then} then, {verdict.program_now} now)",
                    "当前程序的计算方式与结账时不同"
                    f"（当时 {verdict.program_then}，现在 {verdict.program_now}）",
                ),
            )
        )  # fmt: skip
    table = Table(
        "differences",
        Label("Differences", "差异"),
        (
            Column("what", Label("What", "内容")),
            Column("stored", Label("As closed", "结账时")),
            Column("computed", Label("Computed now", "现在计算")),
        ),
        tuple({"what": what, "stored": then, "computed": now} for what, then, now in verdict.differences),
    )
    facts: dict[str, Value] = {
        "month": month,
        "revision": closing.revision,
        "digest": closing.digest,
        "state": "same" if good else "different",
        "program_then": verdict.program_then,
        "program_now": verdict.program_now,
    }
    tables = (table,) if verdict.differences else ()
    return View("verify", title, _envelope(books, closing.month, tuple(warnings)), tables, facts=facts)


def _failure(verdict: Verdict) -> Label:
    from breakeven.report.phrases import failure_in_chinese

    error = verdict.failure
    if error is None:
        return Label("", "")
    return Label(str(error), failure_in_chinese(error))
