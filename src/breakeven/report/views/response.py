"""Response: what more spend on a channel brings, how sure that is, and what would settle it where it is not.

Average costs are measured; everything further along a curve is modelled and carries an interval. Where the
data do not determine a curve, its marginal cost has no value, and the experiment that would give one is
named.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Literal

import numpy as np

from breakeven.account.account import Account
from breakeven.account.metrics import Missing
from breakeven.errors import UsageError
from breakeven.growth.interval import LEVEL, Interval
from breakeven.growth.lifetime_value.books_value import value_per_new_user, values_of
from breakeven.growth.response.auction import is_assumed, stressed
from breakeven.growth.response.books_response import books_channels, fitted_responses, series_of
from breakeven.growth.response.curve import ResponseCurve
from breakeven.growth.response.fit import NO_SPEND, Response
from breakeven.growth.response.identified import FEWEST
from breakeven.growth.response.observed import Grain
from breakeven.report.view_model import Column, Label, Table, Value, View, Warning  # noqa: A004 - the envelope's word
from breakeven.report.views.parts import envelope, shown

YES_NO = {"yes": Label("yes", "是"), "no": Label("no", "否")}
KINDS = {
    "alternate": Label("half and half more in turn", "减半与加半交替"),
    "switch_off": Label("switch off", "停投"),
    "geo_holdout": Label("switch off in half of the market", "半个市场停投"),
    "switch_on": Label("spend again", "恢复投放"),
}
BEYOND = Label("not within 2x observed", "已观测支出的 2 倍内未达到")
AVERAGE = Label("Average CAC of users the spend brings", "支出所带来用户的平均获客成本")
_CHANNEL = Label("Channel", "渠道")
_PERIOD = {"week": Label("week", "周"), "month": Label("month", "月")}
_REACH, _STEPS = 2.0, 12
"""How far a curve's points reach, over the most spend observed, and about how many they are."""
_FINE = np.linspace(0.005, 2.0, 400)


def response_view(
    account: Account,
    *,
    only: tuple[str, ...] = (),
    grain: Grain | None = None,
    experiments: Path | None = None,
    rivals: Path | None = None,
    rivals_factor: float | None = None,
    value_per_user: Decimal | Literal["ltv"] | None = None,
    points: bool = False,
) -> View:
    """What each channel's further spend brings. `points` adds the curves; `rivals_factor` stresses them
    all.
    """
    account.facts  # noqa: B018
    refuse_unknown(account, only)
    fitted = fitted_responses(account, grain, experiments, rivals)
    found = {name: one for name, one in fitted.items() if not only or name in only}
    found |= {name: NO_SPEND for name in only if fitted and name not in fitted}
    curves = [one.curve for one in found.values() if not isinstance(one, Missing)]
    worths = None if value_per_user is None else _worths(account, curves, value_per_user)
    few = () if fitted else (_nothing_to_fit(account, grain),)
    why = few[0].label if few else None
    tables = [curve_table(curves, account.currency, worths=worths, note=why)]
    if rivals_factor is not None:
        tables.append(stress_table(curves, account.currency, rivals_factor))
    if fitted:
        tables.append(open_table(found, account.currency))
    if points:
        tables.append(point_table(curves, account.currency))
    head = envelope(account, needs=("ad_spend", "acquisitions"))
    warnings = (*head.warnings, *few, *_remarks(curves, rivals_factor))
    return View("response", Label("Response", "投放响应"), replace(head, warnings=warnings), tuple(tables))


def refuse_unknown(account: Account, only: tuple[str, ...]) -> None:
    """Refuse a channel that the books do not name: no rows would read as no response."""
    known = books_channels(account)
    for name in only:
        if name not in known:
            raise UsageError(
                f"the books have no channel {name!r}", remedy=f"use one of {', '.join(known) or 'none'}"
            )


def _nothing_to_fit(account: Account, grain: Grain | None) -> Warning:
    """Why no channel has a row, and what would give it one."""
    weeks = len(series_of(account, "week").periods)
    asked = series_of(account, grain)
    if asked.periods and not any(any(amounts) for amounts in asked.spend.values()):
        return Warning(
            "no_spend",
            Label(
                "no channel has any spend, so there is no response: import ad_spend with its channel",
                "没有任何渠道有支出，因此没有投放响应：请导入带渠道的 ad_spend",
            ),
        )
    least = FEWEST["week"]
    return Warning(
        "too_few_periods",
        Label(
            f"too few weeks: {weeks} of at least {least} that spend and acquisitions both cover whole; "
            "import earlier ones, or come back when there are more",
            f"周数太少：支出与获客记录都完整覆盖的只有 {weeks} 周，至少需要 {least} 周；"
            "请导入更早的数据，或待数据积累后再看",
        ),
    )


def curve_table(
    curves: list[ResponseCurve], currency: str, *, worths: Mapping[str, float] | None = None,
    note: Label | None = None,
) -> Table:  # fmt: skip
    """One row per channel: today's place on its curve, what users cost there, and what further ones cost."""
    per_user = f"{currency}/user"
    booked: list[Column] = []
    base: list[Column] = []
    if any(curve.base_users is not None for curve in curves):
        booked = [
            Column("users_booked", Label("Users (booked)", "用户（账面）"), "users"),
            Column("cac_booked", Label("Average CAC (booked)", "平均获客成本（账面）"), per_user),
        ]
        base = [Column("users_base", Label("Users without it", "无支出也来的用户"), "users")]
    columns = [
        Column("channel", _CHANNEL),
        Column("period", Label("Per", "每"), words=dict(_PERIOD)),
        Column("spend", Label("Spend today", "当前支出"), currency),
        *booked,
        Column("users", Label("Users the spend brings", "支出带来的用户"), "users"),
        *base,
        Column("cac_average", AVERAGE, per_user),
        Column("cac_marginal", Label("Marginal CAC", "边际获客成本"), per_user),
        Column("cac_marginal_low", Label("low", "下限"), per_user),
        Column("cac_marginal_high", Label("high", "上限"), per_user),
        Column("saturation", Label("Saturation", "饱和度"), "ratio"),
        Column("carry_over", Label("Carry-over", "延续"), "ratio"),
        Column("identified", Label("Identified", "可识别"), words=YES_NO),
    ]
    if worths is not None:
        columns += [
            Column("value", Label("Value of a user", "用户价值"), per_user),
            Column("worth_spend", Label("Marginal CAC meets value at", "边际成本等于价值的支出"), currency),
            Column("worth_extrapolated", Label("Extrapolated", "外推"), words=YES_NO | {"beyond": BEYOND}),
        ]
    rows = tuple(_curve_row(curve, currency, worths) for curve in curves)
    return Table(
        "responses",
        Label("Response today", "当前响应"),
        tuple(columns),
        rows,
        note=note
        or Label(
            "Today is the last four weeks, or the last month. Booked: measured in them; bought users where "
            "the channel has any, else all. Their average CAC is spend over them: the paid (else blended) "
            "CAC of `growth`, which has it over its whole period. "
            "The rest is modelled: users the spend brings and users without it make up the booked ones, but "
            f"for chance; bounds hold {LEVEL:.0%} of cases. "
            "No marginal CAC where the data do not determine the curve.",
            "“当前”为最近四周或最近一个月。账面数为该期间实测：渠道有投放用户时只计投放用户，否则计全部用户；"
            "账面平均获客成本为支出除以该用户数，即 `growth` 的付费（否则为综合）获客成本，"
            "只是 `growth` 取整个期间。其余为模型估计："
            "支出带来的用户与无支出也来的用户之和即账面用户（随机波动除外）；"
            f"区间覆盖 {LEVEL:.0%} 的情形。"
            "数据不足以确定曲线时不给出边际获客成本。",
        ),
    )


def _curve_row(curve: ResponseCurve, currency: str, worths: Mapping[str, float] | None) -> dict[str, Value]:
    per_user = f"{currency}/user"
    known = curve.not_identified is None and curve.today > 0
    marginal, booked = _middle(curve.marginal_cost(curve.today)), curve.booked_users
    row: dict[str, Value] = {
        "channel": curve.channel,
        "period": curve.period,
        "spend": modelled(curve.today, currency),
        "users": modelled(float(np.median(curve.users(curve.today))), "users"),
        "cac_average": modelled(_middle(curve.average_cost(curve.today)).value, per_user),
        "users_booked": None if booked is None else modelled(booked, "users"),
        "cac_booked": modelled(curve.today / booked, per_user) if booked else None,
        "users_base": None
        if curve.base_users is None
        else modelled(float(np.median(curve.base_users)), "users"),
        "cac_marginal": modelled(marginal.value, per_user) if known else None,
        "cac_marginal_low": modelled(marginal.low, per_user) if known else None,
        "cac_marginal_high": modelled(marginal.high, per_user) if known else None,
        "saturation": modelled(float(np.median(curve.users(curve.today) / curve.ceiling)), "ratio"),
        "carry_over": modelled(float(np.median(curve.carry_over)), "ratio"),
        "identified": _yes(curve.not_identified is None),
    }
    if worths is not None:
        value = worths.get(curve.channel)
        asked = curve.not_identified is None and value is not None
        worth = worth_spend(curve, value) if asked and value is not None else None
        row["value"] = None if value is None else modelled(value, per_user)
        row["worth_spend"] = None if worth is None else modelled(worth, currency)
        beyond = "beyond" if asked else None
        row["worth_extrapolated"] = beyond if worth is None else _yes(curve.is_extrapolated(worth))
    return row


def _worths(
    account: Account, curves: list[ResponseCurve], value_per_user: Decimal | Literal["ltv"]
) -> dict[str, float]:
    """What a new user of each channel is worth: as said, or the margin lifetime value where that is known."""
    if value_per_user != "ltv":
        return {curve.channel: float(value_per_user) for curve in curves}
    values = values_of(account, "channel")
    if isinstance(values, Missing):
        return {}
    found: dict[str, float] = {}
    for curve in curves:
        value = value_per_new_user(account, curve.channel, values)
        if not isinstance(value, Missing) and value.contribution is not None:
            found[curve.channel] = value.contribution.value
    return found


def worth_spend(curve: ResponseCurve, value: float) -> float | None:
    """The largest spend at which one more user costs no more than `value`; 0 where there is none.

    None where that is not within twice the most observed: it was not found, and what lies further is unknown.
    """
    spends = _FINE * max(curve.observed[1], curve.today)
    costs = np.median(curve.marginal_cost(spends), axis=0)
    below = np.flatnonzero(costs <= value)
    if not len(below):
        return 0.0
    return None if below[-1] == len(spends) - 1 else float(spends[below[-1]])


def stress_table(curves: list[ResponseCurve], currency: str, factor: float) -> Table:
    """The same spend if rivals spend `factor` times what they spend today."""
    per_user = f"{currency}/user"
    rows: list[dict[str, Value]] = []
    for curve in curves:
        harder = stressed(curve, factor)
        known = curve.not_identified is None and curve.today > 0
        before, after = (_middle(one.marginal_cost(curve.today)) for one in (curve, harder))
        rows.append(
            {
                "channel": curve.channel,
                "users": modelled(float(np.median(curve.users(curve.today))), "users"),
                "users_stressed": modelled(float(np.median(harder.users(curve.today))), "users"),
                "cac_average_stressed": modelled(_middle(harder.average_cost(curve.today)).value, per_user),
                "cac_marginal": modelled(before.value, per_user) if known else None,
                "cac_marginal_stressed": modelled(after.value, per_user) if known else None,
                "assumed": _yes(is_assumed(curve)),
            }
        )
    said = f"{factor:g}"
    return Table(
        "rivals",
        Label(f"If rivals spend {said} times as much", f"若对手支出为目前的 {said} 倍"),
        (
            Column("channel", _CHANNEL),
            Column("users", Label("Users the spend brings today", "当前支出带来的用户"), "users"),
            Column("users_stressed", Label("Users it brings then", "届时带来的用户"), "users"),
            Column("cac_average_stressed", Label("Average CAC of them then", "届时其平均获客成本"), per_user),
            Column("cac_marginal", Label("Marginal CAC today", "当前边际获客成本"), per_user),
            Column("cac_marginal_stressed", Label("Marginal CAC then", "届时边际获客成本"), per_user),
            Column("assumed", Label("Rivals' effect assumed", "对手影响为假设"), words=YES_NO),
        ),
        tuple(rows),
    )


def open_table(found: Mapping[str, Response | Missing], currency: str) -> Table:
    """Channels whose curve the data do not determine: why, and the experiment that would settle it."""
    rows: list[dict[str, Value]] = []
    words: dict[str, Label] = {}
    for name, one in found.items():
        why, plan = (one, None) if isinstance(one, Missing) else (one.doubt, one.plan)
        if why is None:
            continue
        words[why.en] = Label(why.en, why.zh)
        row: dict[str, Value] = {"channel": name, "why": why.en}
        if plan is not None:
            row |= {
                "experiment": plan.kind,
                "periods": plan.periods,
                "lost_users": modelled(plan.lost_users.value, "users"),
                "extra_spend": modelled(plan.extra_spend, currency),
                "detectable_users": modelled(plan.detectable_users, "users"),
                "enough": _yes(plan.is_enough),
            }
        rows.append(row)
    return Table(
        "not_identified",
        Label("Not identified, and what would settle it", "无法识别的渠道与可判定的实验"),
        (
            Column("channel", _CHANNEL),
            Column("why", Label("Why", "原因"), words=words),
            Column("experiment", Label("Experiment", "实验"), words=dict(KINDS)),
            Column("periods", Label("Periods", "期数"), "count"),
            Column("lost_users", Label("Users it costs", "少获得的用户"), "users"),
            Column("extra_spend", Label("Further spend", "额外支出"), currency),
            Column("detectable_users", Label("Change it detects", "可检出的变化"), "users"),
            Column("enough", Label("Enough", "足够"), words=YES_NO),
        ),
        tuple(rows),
        note=None if rows else Label("Every curve is identified.", "各渠道的曲线均可识别。"),
    )


def point_table(curves: list[ResponseCurve], currency: str) -> Table:
    """The curves at spends from nothing to twice the most observed."""
    per_user = f"{currency}/user"
    rows: list[dict[str, Value]] = []
    for curve in curves:
        for spend in spend_levels(curve):
            users = _middle(curve.users(spend))
            marginal = _middle(curve.marginal_cost(spend))
            rows.append(
                {
                    "channel": curve.channel,
                    "spend": modelled(spend, currency),
                    "users": modelled(users.value, "users"),
                    "users_low": modelled(users.low, "users"),
                    "users_high": modelled(users.high, "users"),
                    "cac_average": modelled(_middle(curve.average_cost(spend)).value, per_user),
                    "cac_marginal": modelled(marginal.value, per_user) if spend else None,
                    "extrapolated": _yes(curve.is_extrapolated(spend)),
                    "identified": _yes(curve.not_identified is None),
                }
            )
    return Table(
        "curves",
        Label("Curves", "响应曲线"),
        (
            Column("channel", _CHANNEL),
            Column("spend", Label("Spend", "支出"), currency),
            Column("users", Label("Users the spend brings", "支出带来的用户"), "users"),
            Column("users_low", Label("low", "下限"), "users"),
            Column("users_high", Label("high", "上限"), "users"),
            Column("cac_average", AVERAGE, per_user),
            Column("cac_marginal", Label("Marginal CAC", "边际获客成本"), per_user),
            Column("extrapolated", Label("Extrapolated", "外推"), words=YES_NO),
            Column("identified", Label("Identified", "可识别"), words=YES_NO),
        ),
        tuple(rows),
    )


def spend_levels(curve: ResponseCurve) -> list[float]:
    """Where a curve is shown: even steps to about twice the most observed, today's spend on one of them.

    Where today's spend is next to nothing against that, it stands between the steps.
    """
    top = _REACH * max(curve.observed[1], curve.today)
    before = round(_STEPS * curve.today / top) if top else 0
    if before:
        step = curve.today / before
        return [round(step * n, 2) for n in range(math.ceil(top / step - 1e-9) + 1)]
    return sorted({*(round(top * n / _STEPS, 2) for n in range(_STEPS + 1)), round(curve.today, 2)})


def modelled(value: float, unit: str) -> Value:
    """A modelled number as shown in a unit; no value when it is not finite or beyond any use."""
    if not math.isfinite(value) or abs(value) >= 1e15:
        return None
    return shown(Decimal(repr(round(value, 9))), unit)


def _middle(draws: np.ndarray) -> Interval:
    """The middle draw between the quantiles; infinite where most draws are."""
    capped = np.minimum(draws, 1e18)
    return Interval.of(capped, value=float(np.median(capped)))


def _yes(said: bool) -> str:
    return "yes" if said else "no"


def _remarks(curves: list[ResponseCurve], rivals_factor: float | None) -> list[Warning]:
    found = [
        Warning(
            "attributed",
            Label(
                "users are taken as attributed; whether they would have come anyway only an experiment tells",
                "用户按归因计入；他们是否本来就会来，只有实验能说明",
            ),
        )
    ]
    if rivals_factor is not None and any(is_assumed(curve) for curve in curves):
        found.append(
            Warning(
                "rivals_assumed",
                Label(
                    "how rivals' spend moves prices is assumed (elasticity 0.5 ± 0.25): "
                    "no rivals.csv says what they spent",
                    "对手支出对价格的影响为假设（弹性 0.5 ± 0.25）：没有 rivals.csv 说明其支出",
                ),
            )
        )
    return found
