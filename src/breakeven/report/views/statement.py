"""A frozen statement as a view, and in the forms that are frozen beside it.

The view is made of the statement's own content alone, names of metrics included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from breakeven.account.catalogue import TABLE_WORDS
from breakeven.periods import ONE_DAY, Period
from breakeven.report.tabular import to_csv
from breakeven.report.text import render_text
from breakeven.report.view_model import Column, Envelope, Label, Language, Table, Value, View, Warning  # noqa: A004 - the envelope's word
from breakeven.report.views.closed_months import CAUSES
from breakeven.report.views.parts import shown


def statement_view(statement: Mapping[str, Any]) -> View:
    """A frozen statement: the income lines, all other figures, entries, bills, coverage."""
    period, currency = Period.parse(statement["month"]), str(statement["currency"])
    metrics = {metric["id"]: metric for metric in statement["metrics"]}
    income = [metrics[name] for name in statement["income_lines"] if name in metrics]
    others = [metric for metric in metrics.values() if metric["id"] not in statement["income_lines"]]
    title = Label(
        f"Statement of {period.label}, revision {statement['revision']}",
        f"{period.label} 报表，第 {statement['revision']} 版",
    )
    totals = frozenset(statement["total_lines"])
    tables = [
        _figures("income", Label("Income statement", "损益表"), income, currency, totals),
        _figures("figures", Label("Further figures", "其他指标"), others, currency),
    ]
    if statement["adjustments"]:
        tables.append(_entries(statement, metrics, currency))
    tables += [_bills(statement, currency), _coverage(statement)]
    note = Label(statement["note_en"] or statement["note_zh"], statement["note_zh"] or statement["note_en"])
    notes = [Warning("note", note)] if note.en else []
    unpriced = statement["unpriced"]["tokens_without_price"]
    if unpriced:
        said = Label(f"{unpriced:,} bought tokens have no price", f"{unpriced:,} 个外购词元没有价格")
        notes.append(Warning("unpriced", said))
    rows = sum(file["rows"] for file in statement["quarantined"])
    if rows:
        said = Label(f"{rows:,} rows of its imports were in quarantine", f"相关导入中有 {rows:,} 行被隔离")
        notes.append(Warning("quarantined", said))
    return View(
        "statement",
        title,
        Envelope(
            books=str(statement["books"]),
            as_of=(period.end - ONE_DAY).isoformat(),
            time_zone=str(statement["time_zone"]),
            currency=currency,
            synthetic=bool(statement["synthetic"]),
            warnings=tuple(notes),
        ),
        tuple(tables),
    )


def frozen_forms(statement: Mapping[str, Any]) -> dict[str, bytes]:
    """The statement as people read it, to be frozen beside its data."""
    view = statement_view(statement)
    languages: tuple[Language, ...] = ("en", "zh")
    texts = {f"statement.{language}.txt": render_text(view, language).encode() for language in languages}
    return texts | {"statement.csv": to_csv(view, bom=False).encode()}


def _figures(
    name: str,
    title: Label,
    metrics: Sequence[Mapping[str, Any]],
    currency: str,
    totals: frozenset[str] = frozenset(),
) -> Table:
    metrics = [m for m in metrics if m["value"] is not None or m["own"] is not None or m["id"] in totals]
    adjusted = any(metric["own"] != metric["value"] for metric in metrics)
    columns = [
        Column("metric", Label("Line", "项目"), words={m["id"]: Label(m["en"], m["zh"]) for m in metrics})
    ]
    if adjusted:
        columns.append(Column("own", Label("Of the month", "当月"), currency))
    columns.append(Column("value", Label("Stated", "列报"), currency))
    rows: list[dict[str, Value]] = []
    for metric in metrics:
        row: dict[str, Value] = {"metric": metric["id"]}
        for key in ("own", "value") if adjusted else ("value",):
            row[key] = None if metric[key] is None else shown(Decimal(metric[key]), metric["unit"])
        rows.append(row)
    missing = {m["why_en"]: m["why_zh"] for m in metrics if m["value"] is None and m["why_en"]}
    note = (
        Label("No value: " + "; ".join(missing), "无数值：" + "；".join(missing.values()))
        if missing
        else None
    )
    return Table(
        name, title, tuple(columns), tuple(rows), note,
        emphasis=frozenset(i for i, metric in enumerate(metrics) if metric["id"] in totals),
        row_units=tuple(metric["unit"] for metric in metrics),
    )  # fmt: skip


def _entries(statement: Mapping[str, Any], metrics: Mapping[str, Any], currency: str) -> Table:
    entries = statement["adjustments"]
    words = {e["metric"]: Label(metrics[e["metric"]]["en"], metrics[e["metric"]]["zh"]) for e in entries}
    numbers = ("before", "after", "amount")
    rows = tuple(
        {name: entry[name] for name in ("month", "metric", "cause")}
        | {name: None if entry[name] is None else Decimal(entry[name]) for name in numbers}
        for entry in entries
    )
    return Table(
        "adjustments",
        Label("Adjusting entries of earlier closed months", "更早的已结账月份的调整分录"),
        (
            Column("month", Label("Closed month", "已结账月份")),
            Column("metric", Label("Line", "项目"), words=words),
            Column("cause", Label("Cause", "原因"), words=CAUSES),
            Column("before", Label("Before", "调整前"), currency),
            Column("after", Label("After", "调整后"), currency),
            Column("amount", Label("Entry", "分录"), currency),
        ),
        rows,
        row_units=tuple(metrics[entry["metric"]]["unit"] for entry in entries),
    )


def _bills(statement: Mapping[str, Any], currency: str) -> Table:
    def amount(text: str | None) -> Decimal | None:
        return None if text is None else Decimal(text)

    lines = statement["reconciliation"]
    return Table(
        "reconciliation",
        Label("Books against bills", "账与账单核对"),
        (
            Column("category", Label("Category", "类别")),
            Column("vendor", Label("Vendor", "供应商")),
            Column("model", Label("Model", "模型")),
            Column("token_class", Label("Token class", "词元类别")),
            Column("books", Label("Books", "账上"), currency),
            Column("bill", Label("Bill", "账单"), currency),
            Column("difference", Label("Difference", "差额"), currency),
            Column("unexplained", Label("Unexplained", "未解释"), currency),
            Column("causes", Label("Causes", "原因")),
        ),
        tuple(
            {name: line[name] or None for name in ("category", "vendor", "model", "token_class")}
            | {name: amount(line[name]) for name in ("books", "bill", "difference", "unexplained")}
            | {
                "causes": ", ".join(f"{cause} {value}" for cause, value in sorted(line["parts"].items()))
                or None
            }
            for line in lines
        ),
        row_units=tuple(line["currency"] for line in lines),
    )


def _coverage(statement: Mapping[str, Any]) -> Table:
    return Table(
        "coverage",
        Label("Days with data", "有数据的天数"),
        (
            Column(
                "table", Label("Table", "表"), words={k: Label(*words) for k, words in TABLE_WORDS.items()}
            ),
            Column("covered_days", Label("Days covered", "有数据的天数"), "days"),
            Column("days", Label("Days of the month", "当月天数"), "days"),
        ),
        tuple(dict(row) for row in statement["coverage"]),
    )
