"""Response curves as charts: users by spend with today marked, average and marginal cost, extrapolation
dashed.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import numpy as np

from breakeven.account.account import Account
from breakeven.growth.interval import Interval
from breakeven.growth.response.books_response import responses_of
from breakeven.growth.response.curve import ResponseCurve
from breakeven.report.figures import EXTRAPOLATED, Lines, Mark, Series, verbatim
from breakeven.report.view_model import Label
from breakeven.report.views.response import AVERAGE, modelled, spend_levels


def response_figures(account: Account, curves: list[ResponseCurve] | None = None) -> tuple[Lines, ...]:
    """Two charts a channel, of those whose curve is identified: users, and what users cost, by spend."""
    found = responses_of(account) if curves is None else curves
    return tuple(
        figure
        for curve in found
        if curve.not_identified is None
        for figure in (users_figure(curve, account.currency), cost_figure(curve, account.currency))
    )


def users_figure(curve: ResponseCurve, currency: str) -> Lines:
    """New users a period by spend a period, with the interval."""
    spends = spend_levels(curve)
    series = _series(
        curve,
        spends,
        "users",
        Label("Users the spend brings", "支出带来的用户"),
        curve.users,
        "users",
        banded=True,
    )
    return _lines(curve, spends, "users", Label("users", "用户"), "users", currency, (series,))


def cost_figure(curve: ResponseCurve, currency: str) -> Lines:
    """Average and marginal cost of a user by spend."""
    spends = [spend for spend in spend_levels(curve) if spend > 0]
    unit = f"{currency}/user"
    average = _series(curve, spends, "average", AVERAGE, curve.average_cost, unit)
    marginal = _series(
        curve,
        spends,
        "marginal",
        Label("Marginal CAC", "边际获客成本"),
        curve.marginal_cost,
        unit,
        banded=True,
    )
    said = Label("cost of a user", "获客成本")
    return _lines(curve, spends, "cost", said, unit, currency, (average, marginal))


def _series(
    curve: ResponseCurve, spends: list[float], key: str, label: Label,
    of: Callable[[float], np.ndarray], unit: str, *, banded: bool = False,
) -> Series:  # fmt: skip
    middles = [Interval.of(np.minimum(of(spend), 1e18)) for spend in spends]
    values = [modelled(float(np.median(np.minimum(of(spend), 1e18))), unit) for spend in spends]
    bands = [(modelled(one.low, unit), modelled(one.high, unit)) for one in middles]
    return Series(
        key,
        label,
        tuple(value if isinstance(value, Decimal) else None for value in values),
        band=tuple(
            (low, high) if isinstance(low, Decimal) and isinstance(high, Decimal) else None
            for low, high in bands
        )
        if banded
        else None,
        partial=frozenset(n for n, spend in enumerate(spends) if curve.is_extrapolated(spend)),
    )


def _lines(
    curve: ResponseCurve, spends: list[float], key: str, said: Label, unit: str, currency: str,
    series: tuple[Series, ...],
) -> Lines:  # fmt: skip
    each = Label("a week", "每周") if curve.period == "week" else Label("a month", "每月")
    return Lines(
        f"response_{key}_{curve.channel}",
        Label(f"{curve.channel}: {said.en} by spend", f"{curve.channel}：{said.zh}随支出的变化"),
        unit,
        tuple(verbatim(f"{spend:,.0f}") for spend in spends),
        series,
        note=Label(
            "Modelled; dashed beyond the spend that was ever observed.",
            "模型估计；虚线为超出已观测支出范围的外推。",
        ),
        category_axis=Label(f"Spend {each.en}, {currency}", f"{each.zh}支出，{currency}"),
        value_axis=Label(said.en.capitalize(), said.zh),
        partial_word=EXTRAPOLATED,
        marks=(Mark(spends.index(round(curve.today, 2)), Label("today's spend", "当前支出")),),
    )
