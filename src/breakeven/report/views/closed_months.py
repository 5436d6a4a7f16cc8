"""What a reader must know of closed months beside any figures, and the adjusting entries as a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from breakeven.account.account import Account
from breakeven.account.adjustments import Adjustment
from breakeven.account.catalogue import METRICS, MONEY
from breakeven.account.metrics import measures_of
from breakeven.periods import Period
from breakeven.report.view_model import Column, Label, Table, Value, Warning  # noqa: A004 - the envelope's word

CAUSES = {
    "late_facts": Label("rows that came since", "结账后到达的数据"),
    "prices": Label("prices, rates or settings", "价格、汇率或设置"),
    "definitions": Label("definitions of the program", "程序的定义"),
    "restated": Label("the month was restated", "该月已重述"),
}
_MOST_NAMED = 4


def closed_warnings(account: Account) -> list[Warning]:
    """Which months are shown as closed, what has changed since, and where it is booked."""
    closed = account.closed
    if closed is None:
        return []
    if closed.live_because is not None:
        shown = any(closed.closings.get(p.first.replace(day=1)) for p in account.buckets.periods)
        return [Warning("closed_months_live", Label(*closed.live_because))] if shown else []
    found: list[Warning] = []
    stated = account.stated
    if stated.closings:
        months = _months([closing.month for closing in stated.closings.values()])
        found.append(
            Warning("closed", Label(f"{months} closed: figures as frozen", f"{months} 已结账：数字已冻结"))
        )
    if stated.cut:
        months = _months([closing.month for closing in stated.cut])
        found.append(
            Warning(
                "closed_in_part",
                Label(
                    f"only a part of {months} is shown, which is closed: these figures are computed anew",
                    f"{months} 已结账，此处只显示其一部分：数字为重新计算",
                ),
            )
        )
    for closing in closed.damaged():
        found.append(
            Warning(
                "closing_damaged",
                Label(
                    f"the closing of {closing.month:%Y-%m} was changed after it was made; see "
                    "`breakeven closings`",
                    f"{closing.month:%Y-%m} 的结账文件在结账后被改动；见 `breakeven closings`",
                ),
            )
        )
    if stated.adjustments:
        found.append(_changed(account, stated.adjustments, closed.open_month))
    return found


def _changed(account: Account, entries: Sequence[Adjustment], open_month: date) -> Warning:
    sums: dict[tuple[date, str], Decimal] = {}
    for entry in entries:
        key = (entry.month, entry.measure)
        sums[key] = sums.get(key, Decimal(0)) + entry.amount
    result = METRICS["operating_result"].node
    of_result = measures_of(result) if result is not None else ()
    money = [key for key in sums if key[1] in of_result]
    named = sorted(money or sums, key=lambda key: (-abs(sums[key]), key))[:_MOST_NAMED]
    unit = f" {account.currency}" if money else ""
    en = "; ".join(f"{month:%Y-%m} {METRICS[m].en} {sums[month, m]:+,}{unit}" for month, m in named)
    zh = "；".join(f"{month:%Y-%m} {METRICS[m].zh} {sums[month, m]:+,}{unit}" for month, m in named)
    more_en, more_zh = (", ...", "……") if len(sums) > len(named) else ("", "")
    booked = f"{open_month:%Y-%m}"
    return Warning(
        "adjustments",
        Label(
            f"changed since closing, booked as adjusting entries in {booked}: {en}{more_en} "
            "(see `breakeven closings`; breakdowns show what the ledger has now)",
            f"结账后有变化，调整分录记入 {booked}：{zh}{more_zh}"
            "（见 `breakeven closings`；明细按账本现状显示）",
        ),
    )


def _months(months: Sequence[date]) -> str:
    """Months as text, runs joined.

    >>> _months([date(2024, 3, 1), date(2024, 4, 1), date(2024, 6, 1)])
    '2024-03..2024-04, 2024-06'
    """
    runs: list[Period] = []
    for month in map(Period.month, sorted(months)):
        if runs and runs[-1].end == month.first:
            runs[-1] = Period(runs[-1].first, month.end)
        else:
            runs.append(month)
    return ", ".join(run.label for run in runs)


def adjustments_table(entries: Sequence[Adjustment], currency: str, booked_in: str) -> Table:
    """Adjusting entries: closed month, line and cause, with before and after."""
    measures = dict.fromkeys(entry.measure for entry in entries)
    return Table(
        "adjustments",
        Label(
            f"Adjusting entries of closed months, booked in {booked_in}",
            f"已结账月份的调整分录，记入 {booked_in}",
        ),
        (
            Column("month", Label("Closed month", "已结账月份")),
            Column(
                "metric",
                Label("Line", "项目"),
                words={m: Label(METRICS[m].en, METRICS[m].zh) for m in measures},
            ),
            Column("cause", Label("Cause", "原因"), words=CAUSES),
            Column("before", Label("Before", "调整前"), "count"),
            Column("after", Label("After", "调整后"), "count"),
            Column("amount", Label("Entry", "分录"), "count"),
        ),
        tuple(adjustment_row(entry) for entry in entries),
        row_units=tuple(METRICS[entry.measure].unit.replace(MONEY, currency, 1) for entry in entries),
    )


def adjustment_row(entry: Adjustment) -> dict[str, Value]:
    """An entry as a row."""
    return {
        "month": f"{entry.month:%Y-%m}",
        "metric": entry.measure,
        "cause": entry.cause,
        "before": entry.before,
        "after": entry.after,
        "amount": entry.amount,
    }
