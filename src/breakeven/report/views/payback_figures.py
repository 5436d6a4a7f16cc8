"""Payback as curves: cumulative contribution per user by months, with its band, against what a user cost."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from breakeven.account.account import Account
from breakeven.account.metrics import Missing
from breakeven.growth.books_value import Values, values_of
from breakeven.growth.interval import LEVEL
from breakeven.growth.payback import Payback
from breakeven.growth.value import Value as UserValue
from breakeven.report.figures import Lines, Mark, Series, verbatim
from breakeven.report.view_model import Label
from breakeven.report.views.payback import HORIZON_MONTHS, payback_of_row
from breakeven.report.views.value_cells import MODELLED, SEGMENTS, figure, segment_name


def payback_figures(account: Account, found: Values | Missing | None = None) -> tuple[Lines, ...]:
    """A curve for all users, and one for each channel that cost something and can be forecast."""
    values = values_of(account, "channel", horizon_months=HORIZON_MONTHS) if found is None else found
    if isinstance(values, Missing):
        return ()
    rows = [values.total, *(row for row in values.rows if row.spend > 0)]
    return tuple(payback_figure(values, row, account.currency) for row in rows if row.refusal is None)


def payback_figure(values: Values, row: UserValue, currency: str) -> Lines:
    """One row's curve; months that are not measured for all its users are drawn as modelled."""
    per_user = f"{currency}/user"
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(row.cumulative, [tail, 1.0 - tail], axis=0)
    middle = row.cumulative.mean(axis=0)
    coming = frozenset(int(age) for age in np.flatnonzero(row.measured_share < 1.0))
    ages = range(row.horizon_months)
    came = Series(
        "contribution",
        Label("Cumulative contribution", "累计贡献"),
        tuple(_amount(middle[age], per_user) for age in ages),
        band=tuple(_span(low[age], high[age], per_user) if age in coming else None for age in ages),
        partial=coming,
    )
    cost = Series("cac", Label("CAC", "获客成本"), tuple(_amount(row.spend, per_user) for _ in ages))
    name = segment_name(row)
    words = SEGMENTS.get(name, verbatim(name))
    return Lines(
        f"payback-{row.segment or 'all'}",
        Label(f"Payback: {words.en}", f"回本：{words.zh}"),
        per_user,
        tuple(Label(f"month {age + 1}", f"第{age + 1}个月") for age in ages),
        (came, cost),
        note=Label(
            f"Per acquired user, not discounted; the band holds {LEVEL:.0%} of cases.",
            f"按每个获得用户计，不折现；区间覆盖 {LEVEL:.0%} 的情形。",
        ),
        category_axis=Label("Months, that of acquisition first", "月数（获得当月为第 1 个月）"),
        value_axis=Label("Contribution", "贡献"),
        partial_word=MODELLED,
        marks=_crossing(payback_of_row(values, row)),
    )


def _crossing(payback: Payback | Missing) -> tuple[Mark, ...]:
    if isinstance(payback, Missing) or payback.middle is None:
        return ()
    return (Mark(payback.middle - 1, Label("paid back", "回本")),)


def _amount(number: float, unit: str) -> Decimal | None:
    shown = figure(float(number), unit)
    return shown if isinstance(shown, Decimal) else None


def _span(low: float, high: float, unit: str) -> tuple[Decimal, Decimal] | None:
    ends = _amount(low, unit), _amount(high, unit)
    return None if ends[0] is None or ends[1] is None else (ends[0], ends[1])
