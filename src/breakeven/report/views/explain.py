"""Where a number comes from: the metric's definition, its tree with values, and the rows at its leaves."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

from breakeven.account.account import Account
from breakeven.account.catalogue import METRICS
from breakeven.account.metrics import Missing, Named, Node, Operation, Positive, formula, measures_of
from breakeven.account.source_rows import Found, find_rows
from breakeven.errors import UsageError
from breakeven.periods import Period, time_zone
from breakeven.report.view_model import Column, Label, Table, Value, View
from breakeven.report.views.parts import envelope, label, metric_value, unit


def known_metric(name: str) -> str:
    """A metric's id; `UsageError` with the nearest names for anything else."""
    if name in METRICS:
        return name
    near = difflib.get_close_matches(name, list(METRICS), 3)
    raise UsageError(
        f"there is no metric {name!r}",
        remedy=f"did you mean {', '.join(near)}?" if near else "see docs/metrics.md",
    )


def explain_view(account: Account, metric_id: str) -> View:
    """The definition in words, and the tree down to measures with their values per period."""
    account.facts  # noqa: B018
    metric = METRICS[metric_id]
    rows: list[dict[str, Value]] = []
    units: list[str] = []
    for depth, part in _parts(metric_id):
        row: dict[str, Value] = {
            "metric": part,
            "name": "· " * depth + METRICS[part].en,
            "name_zh": "· " * depth + METRICS[part].zh,
            "formula": formula(node)
            if (node := METRICS[part].node) is not None
            else ", ".join(METRICS[part].tables),
        }
        for bucket, period in enumerate(account.buckets.periods):
            row[period.label] = metric_value(account, part, bucket)
        rows.append(row)
        units.append(unit(part, account.currency))
    columns = [
        Column("metric", Label("Metric", "指标")),
        Column("name", Label("Name", "英文名")),
        Column("name_zh", Label("Chinese name", "中文名")),
        Column("formula", Label("Formula, or tables", "公式或数据表")),
        *(Column(p.label, Label(p.label, p.label), "count") for p in account.buckets.periods),
    ]
    words = Label(metric.words_en, metric.words_zh)
    origin = f" ({metric.origin})" if metric.origin else ""
    note = Label(
        f"{metric.en}: {words.en}{origin}. Rows: breakeven rows {account.books.folder} {metric_id}",
        f"{metric.zh}：{words.zh}{origin}。来源行：breakeven rows {account.books.folder} {metric_id}",
    )
    table = Table(
        "explain",
        label(metric_id),
        tuple(columns),
        tuple(rows),
        _with_reasons(account, metric_id, note),
        row_units=tuple(units),
    )
    needs = METRICS[metric_id].tables
    return View("explain", label(metric_id), envelope(account, needs=needs), (table,))


def _with_reasons(account: Account, metric_id: str, note: Label) -> Label:
    for bucket in range(len(account.buckets.periods)):
        amount = account.value(metric_id, bucket)
        if isinstance(amount, Missing):
            return Label(f"{note.en}. No value where: {amount.en}", f"{note.zh}。无数值的原因：{amount.zh}")
    return note


def _parts(metric_id: str) -> list[tuple[int, str]]:
    """The metric, the metrics and measures it is made of, depth first, each where it first occurs."""
    found: list[tuple[int, str]] = []
    seen: set[str] = set()

    def visit(name: str, depth: int) -> None:
        if name in seen:
            return
        seen.add(name)
        found.append((depth, name))
        node = METRICS[name].node
        if node is not None:
            for part in _direct(node):
                visit(part, depth + 1)

    visit(metric_id, 0)
    return found


def _direct(node: Node) -> list[str]:
    if isinstance(node, Operation):
        return [*_direct(node.left), *_direct(node.right)]
    if isinstance(node, Named):
        return [node.id]
    if isinstance(node, Positive):
        return _direct(node.node)
    return list(measures_of(node))


def rows_view(
    account: Account,
    metric_id: str,
    period: Period,
    limit: int,
    filters: Mapping[str, tuple[str, ...]] | None = None,
) -> View:
    """The source rows behind a metric: every measure of its tree, table by table."""
    node = METRICS[metric_id].node
    measures = (metric_id,) if node is None else measures_of(node)
    tables: list[Table] = []
    seen: set[tuple[str, str]] = set()
    for measure in measures:
        for found in find_rows(account, measure, period, limit, filters or {}):
            key = (found.origin.table, found.origin.condition)
            if key not in seen:
                seen.add(key)
                tables.append(_table(measure, found, account.books.settings.time_zone))
    title = Label(
        f"Rows behind {METRICS[metric_id].en}, {period.label}",
        f"{METRICS[metric_id].zh}的来源行，{period.label}",
    )
    return View("rows", title, envelope(account), tuple(tables))


def _table(measure: str, found: Found, zone: str) -> Table:
    label = Label(
        f"{METRICS[measure].en}: {found.origin.table}", f"{METRICS[measure].zh}：{found.origin.table}"
    )
    return found_table(f"{measure}.{found.origin.table}", label, found, zone)


def found_table(table_id: str, title: Label, found: Found, zone: str) -> Table:
    """Rows that were found, with the columns that hold anything; instants in the books' time zone."""
    names = [
        name
        for name in (found.rows[0] if found.rows else {})
        if any(row[name] is not None for row in found.rows)
    ]
    shown = len(found.rows)
    where = "" if found.origin.condition == "true" else f" ({found.origin.condition})"
    return Table(
        table_id,
        title,
        tuple(Column(name, Label(name, name)) for name in names),
        tuple({name: _plain(row[name], zone) for name in names} for row in found.rows),
        note=Label(
            f"{shown:,} of {found.count:,} rows of {found.origin.table}{where}",
            f"{found.origin.table} 表{where}共 {found.count:,} 行，显示 {shown:,} 行",
        ),
    )


def _plain(value: object, zone: str) -> Value:
    if value is None or (isinstance(value, int | str) and not isinstance(value, bool)):
        return value
    if isinstance(value, Decimal):
        # Every digit that was recorded: a price of 2.905 is not 2.9.
        return value.normalize() if value == value.to_integral() else f"{value.normalize():f}"
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).astimezone(time_zone(zone)).isoformat(timespec="seconds")
    return value.isoformat() if isinstance(value, date) else str(value).lower()
