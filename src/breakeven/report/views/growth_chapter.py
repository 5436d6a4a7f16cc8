"""The chapter of the report on what comes: who will stay, what users are worth, when they pay back, what more
spend brings. All of it is modelled from the months the books show, and says so.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from breakeven.account.account import Account
from breakeven.account.metrics import Missing
from breakeven.growth.interval import LEVEL
from breakeven.growth.lifetime_value.books_value import HORIZON_MONTHS as VALUE_MONTHS
from breakeven.growth.lifetime_value.books_value import Values, values_of
from breakeven.growth.lifetime_value.payback import payback_of
from breakeven.growth.lifetime_value.value import Value as UserValue
from breakeven.growth.response.books_response import fitted_responses
from breakeven.report.figures import FORECAST, Lines, Mark, Series
from breakeven.report.page import Block, Section
from breakeven.report.view_model import Label
from breakeven.report.views.cohort_forecast import figure_of, forecasts_of
from breakeven.report.views.ltv import value_table
from breakeven.report.views.payback import HORIZON_MONTHS, payback_of_row, payback_table
from breakeven.report.views.response import curve_table, open_table
from breakeven.report.views.response_figures import response_figures
from breakeven.report.views.scorecard import ACTIVITY, backtest_table
from breakeven.report.views.value_cells import figure, segment_name

_MOST_CHANNELS = 3
"""Channels with curves of their own; the tables have all of them."""
_MODELLED = Label(
    "Modelled from the months the books show; dashed where nothing is measured yet.",
    "由账簿已有月份建模得出；虚线部分尚无实测。",
)


def growth_sections(account: Account) -> list[Section]:
    """What comes of the users won so far, and of those still to be won; nothing for books without users."""
    if not account.coverage.periods.get("acquisitions") or not account.coverage.periods.get("activity"):
        return []
    sections = (_retention_section(account), _value_section(account), _response_section(account))
    return [section for section in sections if section is not None]


def _retention_section(account: Account) -> Section | None:
    told = forecasts_of(account)
    if not told or told[0].bands is None:
        return None
    blocks: list[Block] = [figure_of(told[0], "retention_forecast")]
    blocks.append(backtest_table({ACTIVITY: told[0].choice}, "retention_backtest"))
    return Section("retention_forecast_section", Label("Who will stay", "谁会留下来"), tuple(blocks))


def _value_section(account: Account) -> Section | None:
    found = values_of(account, "channel", horizon_months=HORIZON_MONTHS)
    worth = values_of(account, "channel", horizon_months=VALUE_MONTHS)  # drawn as `ltv` draws them
    if isinstance(found, Missing) or isinstance(worth, Missing) or found.prospects.refusal is not None:
        return None
    rate = worth.prospects.discount_rate
    title = Label(
        f"{VALUE_MONTHS}-month contribution LTV, discounted {rate:.0%}/year, {LEVEL:.0%} interval",
        f"{VALUE_MONTHS} 个月贡献 LTV，年折现率 {rate:.0%}，{LEVEL:.0%} 区间",
    )
    rows = [*found.rows, found.total]
    blocks: list[Block] = [payback_figure(value, account.currency) for value in _foremost(found)]
    worths = [*worth.rows, worth.total]
    blocks.append(value_table(worths, "channel", account.currency, title, has_total=True))
    told = [(row, payback_of_row(found, row)) for row in rows]
    heading = Label(
        f"Payback within {HORIZON_MONTHS} months, {LEVEL:.0%} band",
        f"{HORIZON_MONTHS} 个月内的回本，{LEVEL:.0%} 区间",
    )
    blocks.append(payback_table(found, told, "channel", account.currency, heading))
    return Section(
        "value", Label("What a user is worth, and when it pays back", "用户价值与回本"), tuple(blocks)
    )


def _foremost(found: Values) -> list[UserValue]:
    """All users, then the channels most was spent on."""
    bought = [row for row in found.rows if np.isfinite(row.spend) and row.spend > 0 and row.lines]
    bought.sort(key=lambda row: -row.spend * row.users)
    return [row for row in (found.total, *bought[:_MOST_CHANNELS]) if row.cumulative.size]


def payback_figure(value: UserValue, currency: str) -> Lines:
    """Cumulative contribution per user with its interval, the cost to win the user, and where they cross."""
    per_user = f"{currency}/user"
    middle, low, high = (
        np.quantile(value.cumulative, q, axis=0) for q in (0.5, 0.5 - LEVEL / 2, 0.5 + LEVEL / 2)
    )
    ages = range(value.horizon_months)

    def shown(number: float) -> Decimal | None:
        found = figure(number, per_user)
        return found if isinstance(found, Decimal) else None

    band = tuple(
        (a, b) if (a := shown(low[age])) is not None and (b := shown(high[age])) is not None else None
        for age in ages
    )
    modelled = frozenset(age for age in ages if value.measured_share[age] < 1.0)
    earned = Series(
        "cumulative",
        Label("Cumulative contribution per user", "人均累计贡献"),
        tuple(shown(middle[age]) for age in ages),
        band,
        modelled,
    )
    cost = shown(value.spend)
    cost_line = Series("cost", Label("Cost to win the user", "获客成本"), (cost,) * value.horizon_months)
    name = segment_name(value)
    title = (
        Label("All users: contribution against the cost to win them", "全部用户：累计贡献与获客成本")
        if value.segment == ""
        else Label(f"{name}: contribution against the cost to win them", f"{name}：累计贡献与获客成本")
    )
    return Lines(
        f"payback_{value.segment or 'all'}",
        title,
        per_user,
        tuple(Label(f"M+{age}", f"第{age}月") for age in ages),
        (earned, cost_line),
        note=_MODELLED,
        category_axis=Label("Months since acquisition", "获得后月数"),
        partial_word=FORECAST,
        marks=_crossing(value),
    )


def _crossing(value: UserValue) -> tuple[Mark, ...]:
    """Where the middle of the draws pays back; none within the horizon is none."""
    told = payback_of(value)
    if isinstance(told, Missing) or told.middle is None:
        return ()
    return (Mark(told.middle - 1, Label("paid back", "回本")),)


def _response_section(account: Account) -> Section | None:
    fitted = fitted_responses(account)
    curves = [one.curve for one in fitted.values() if not isinstance(one, Missing)]
    if not curves:
        return None
    spent = sorted(
        (curve for curve in curves if curve.not_identified is None), key=lambda curve: -curve.today
    )
    blocks: list[Block] = [*response_figures(account, spent[:_MOST_CHANNELS])]
    blocks.append(curve_table(curves, account.currency))
    unsettled = open_table(fitted, account.currency)
    if unsettled.rows:
        blocks.append(unsettled)
    return Section("response", Label("What more spend brings", "加投带来什么"), tuple(blocks))
