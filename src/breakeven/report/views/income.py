"""The income statement by month."""

from __future__ import annotations

from breakeven.account.account import Account
from breakeven.account.catalogue import INCOME_LINES, METRICS, TOTAL_LINES
from breakeven.account.metrics import Missing, measures_of
from breakeven.report.view_model import Column, Label, Table, Value, View
from breakeven.report.views.closed_months import adjustments_table
from breakeven.report.views.parts import envelope, label, metric_value, shown, unit

NEEDS = ("payments", "usage", "ad_spend", "bills")
TITLE = Label("Income statement", "损益表")
_ALL = Label("Total", "合计")


def income_view(account: Account) -> View:
    """Revenue to operating result by month; `--json` has one row per line and month."""
    account.facts  # noqa: B018 - computing them notes rates and reasons that the envelope shows
    tables = (income_table(account), *entries_tables(account))
    return View("income", TITLE, envelope(account, needs=NEEDS), tables, _json_rows(account))


def entries_tables(account: Account) -> tuple[Table, ...]:
    """The adjusting entries of closed months, when there are any for lines of the statement."""
    measures = {measure for line in INCOME_LINES for measure in _measures(line)}
    entries = [entry for entry in account.stated.adjustments if entry.measure in measures]
    if not entries or account.closed is None:
        return ()
    return (adjustments_table(entries, account.currency, f"{account.closed.open_month:%Y-%m}"),)


def income_table(account: Account, lines: tuple[str, ...] = INCOME_LINES) -> Table:
    """The statement as a table: one row per line, one column per period."""
    periods = account.buckets.periods
    reasons = _why_missing(account, lines)
    # A line without a value in any period says nothing, unless it is a total: that it is absent is news.
    lines = tuple(
        line
        for line in lines
        if line in TOTAL_LINES or any(metric_value(account, line, b) is not None for b in range(len(periods)))
    )
    rows: list[dict[str, Value]] = []
    for line in lines:
        row: dict[str, Value] = {"metric": line}
        for bucket, period in enumerate(periods):
            row[period.label] = metric_value(account, line, bucket)
        if len(periods) > 1:
            row["total"] = metric_value(account, line, None)
        rows.append(row)
    columns = [Column("metric", Label("Line", "项目"), words={line: label(line) for line in lines})]
    columns += [Column(p.label, Label(p.label, p.label), account.currency) for p in periods]
    if len(periods) > 1:
        columns.append(Column("total", _ALL, account.currency))
    return Table(
        "income",
        TITLE,
        tuple(columns),
        tuple(rows),
        note=_joined(reasons, _booked_later(account, lines)),
        emphasis=frozenset(i for i, line in enumerate(lines) if line in TOTAL_LINES),
        row_units=tuple(unit(line, account.currency) for line in lines),
    )


def _why_missing(account: Account, lines: tuple[str, ...]) -> Label | None:
    """Reasons other than gaps in the data: those stand among the warnings, once for all lines."""
    reasons: dict[str, str] = {}
    measures = {measure for line in lines for measure in _measures(line)}
    for measure in sorted(measures):
        for bucket in range(len(account.buckets.periods)):
            amount = account.stated.measure(measure, bucket)
            if isinstance(amount, Missing) and not amount.is_gap:
                reasons.setdefault(amount.en, amount.zh)
    if not reasons:
        return None
    return Label(
        "Some values are missing: " + "; ".join(reasons), "部分数值缺失：" + "；".join(reasons.values())
    )


def _booked_later(account: Account, lines: tuple[str, ...]) -> Label | None:
    """Cells that hold what a month closed before them has no value of."""
    en: list[str] = []
    zh: list[str] = []
    for (measure, bucket), (booked_in, amount) in account.stated.arrivals.items():
        if measure in lines:
            month, later = (account.buckets.periods[each].label for each in (bucket, booked_in))
            words, money = label(measure), f"{amount:,} {account.currency}"
            en.append(
                f"{words.en}: {later} holds {money} of {month}, which was closed without it (adjusting entry)"
            )
            zh.append(f"{words.zh}：{later} 含 {month} 的 {money}，该月结账时没有此数（调整分录）")
    return Label("; ".join(en), "；".join(zh)) if en else None


def _joined(*notes: Label | None) -> Label | None:
    given = [note for note in notes if note is not None]
    return Label(". ".join(n.en for n in given), "。".join(n.zh for n in given)) if given else None


def _measures(line: str) -> tuple[str, ...]:
    node = METRICS[line].node
    return (line,) if node is None else measures_of(node)


def _json_rows(account: Account) -> tuple[dict[str, Value], ...]:
    rows: list[dict[str, Value]] = []
    for bucket, period in enumerate(account.buckets.periods):
        for line in INCOME_LINES:
            row: dict[str, Value] = {
                "period": period.label,
                "metric": line,
                "value": metric_value(account, line, bucket),
                "unit": unit(line, account.currency),
            }
            if bucket == account.stated.open_bucket and account.stated.adjustments:
                # What the month itself holds; the rest of the value is entries of closed months.
                row["own"] = shown(account.live_value(line, bucket), unit(line, account.currency))
            rows.append(row)
    return tuple(rows)
