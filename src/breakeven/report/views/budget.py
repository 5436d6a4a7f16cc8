"""The budget: where a month's or quarter's money should go, what that gains over today's split, and proof."""

from __future__ import annotations

from dataclasses import replace

from breakeven.account.account import Account
from breakeven.account.metrics import Missing
from breakeven.errors import UsageError
from breakeven.growth.budget.best_plan import plan_budget
from breakeven.growth.budget.books_offers import Plannable, books_offers, with_load
from breakeven.growth.budget.capacity import peak_load
from breakeven.growth.budget.gain import Gain, gain_of
from breakeven.growth.budget.plan import Plan
from breakeven.growth.budget.question import Limits, Question
from breakeven.report.view_model import Label, Value, View, Warning  # noqa: A004
from breakeven.report.views.budget_asked import SEED, Wanted
from breakeven.report.views.budget_limits import limits_table
from breakeven.report.views.budget_plan import (
    costs_table,
    extrapolated_share,
    plan_rows,
    plan_table,
    returns_table,
)
from breakeven.report.views.budget_summary import summary_table, why_table
from breakeven.report.views.budget_words import CHANNELS
from breakeven.report.views.parts import envelope

__all__ = ["NEEDS", "SEED", "Wanted", "books_budget_view", "budget_view"]
NEEDS = ("ad_spend", "acquisitions", "activity", "usage", "payments")


def books_budget_view(account: Account, wanted: Wanted) -> View:
    """The budget of the books. Raises `UsageError` for bounds on channels that the books do not have."""
    offered = books_offers(
        account,
        needs_value=wanted.objective != "users",
        horizon_months=wanted.horizon_months,
        seed=wanted.seed,
    )
    known = {offer.name for offer in offered.offers}
    for channel in (*wanted.at_least, *wanted.at_most):
        if known and channel not in known:
            raise UsageError(
                f"there is no channel {channel!r} with a response curve",
                remedy=f"use one of {', '.join(sorted(known))}",
            )
    if wanted.capacity is not None and wanted.capacity_unit != "users":
        load = peak_load(account, wanted.capacity_unit, wanted.months)
        if isinstance(load, Missing):
            raise UsageError(
                f"the books do not say how many {wanted.capacity_unit} a new user asks for",
                remedy="give --capacity-users instead",
            )
        offered = with_load(offered, load)
    return budget_view(account, offered, wanted)


def budget_view(account: Account, plannable: Plannable, wanted: Wanted) -> View:
    """The plan, what it gains and how sure that is, what binds; or why there is none."""
    months = float(wanted.months)
    outside = sum(spend for spend, _ in plannable.outside.values()) * months
    today = plannable.spend_today * months
    total = float(wanted.total) if wanted.total is not None else today
    cash = None if isinstance(plannable.cash, Missing) else float(plannable.cash)
    limits = Limits(
        total=total - outside,
        spend_all=wanted.spend_all,
        at_least={name: float(amount) for name, amount in wanted.at_least.items()},
        at_most={name: float(amount) for name, amount in wanted.at_most.items()},
        cash=None if cash is None else cash - outside,
        cash_floor=None if wanted.cash_floor is None else float(wanted.cash_floor),
        capacity=None if wanted.capacity is None else float(wanted.capacity),
        beside=outside,
    )
    found: Plan | Missing
    if plannable.nothing is not None:
        found = plannable.nothing
    elif wanted.cash_floor is not None and isinstance(plannable.cash, Missing):
        found = Missing(
            f"a cash floor needs the cash, and it is not known: {plannable.cash.en}",
            f"现金底线需要现金余额，而余额未知：{plannable.cash.zh}",
        )
    else:
        found = plan_budget(plannable.offers, wanted.objective, limits, months=months, explore=wanted.explore)
    title, head = Label("Budget", "预算"), envelope(account, needs=NEEDS)
    facts: dict[str, Value] = {
        "objective": wanted.objective, "months": wanted.months, "horizon_months": wanted.horizon_months,
        "seed": wanted.seed, "today_is": plannable.month,
    }  # fmt: skip
    if isinstance(found, Missing):
        facts["verdict"] = "no_plan"
        head = replace(head, warnings=(*head.warnings, *_outside_warnings(plannable)))
        return View("budget", title, head, (why_table("no_plan", (found,)),), facts=facts)
    question = Question(plannable.offers, limits, months, explore=wanted.explore)
    gain = gain_of(found, question, seed=wanted.seed)
    facts["verdict"] = gain.verdict
    rows = plan_rows(account.currency, found, plannable, months)
    tables = (
        plan_table(account.currency, rows, plannable.month),
        costs_table(account.currency, rows),
        returns_table(account.currency, found, rows),
        summary_table(account.currency, found, gain, wanted, outside),
        why_table(gain.verdict, gain.reasons),
        limits_table(account.currency, found, plannable, wanted, outside),
    )
    warnings = (*head.warnings, *_warnings(found, plannable, gain, outside))
    return View("budget", title, replace(head, warnings=warnings), tables, facts=facts)


def _warnings(plan: Plan, plannable: Plannable, gain: Gain, outside: float) -> list[Warning]:
    found = [
        Warning(
            "kept",
            Label(
                f"{line.channel} keeps today's spend: {line.kept.en}",
                f"{line.channel} 维持现有投放：{line.kept.zh}",
            ),
        )
        for line in plan.lines
        if line.kept is not None
    ]
    found += _outside_warnings(plannable)
    found += [
        Warning(
            "explored",
            Label(
                f"{line.channel} is moved on a curve that is little more than the prior: {line.doubt.en}",
                f"{line.channel} 依据几乎只有先验的曲线调整：{line.doubt.zh}",
            ),
        )
        for line in plan.lines
        if line.doubt is not None and line.kept is None
    ]
    beyond = extrapolated_share(plan, outside)
    if beyond >= 0.0005:
        share = f"{beyond:.1%}" if beyond < 0.1 else f"{beyond:.0%}"
        found.append(
            Warning(
                "extrapolated",
                Label(
                    f"{share} of the planned money lies on curves beyond any spend observed",
                    f"方案中 {share} 的预算位于从未观察过的投放水平",
                ),
            )
        )
    if gain.months_censored:
        found.append(
            Warning(
                "beyond_horizon",
                Label(
                    "in some draws spend is not brought back within the horizon; they count as the horizon",
                    "部分抽样在期限内未回本，按期限计入",
                ),
            )
        )
    return found


def _outside_warnings(plannable: Plannable) -> list[Warning]:
    """Spend without a curve, each with the reason; and channels whose spend of today has no value."""
    found: list[Warning] = []
    for name, (_, why) in plannable.outside.items():
        words = CHANNELS.get(name, Label(name, name))
        found.append(
            Warning(
                "kept",
                Label(f"{words.en} keeps today's spend: {why.en}", f"{words.zh}维持现有投放：{why.zh}"),
            )
        )
    if plannable.unknown:
        en, zh = ", ".join(plannable.unknown), "、".join(plannable.unknown)
        found.append(
            Warning(
                "unknown_spend",
                Label(
                    f"spend of {plannable.month} is not known for {en}: today's total is not the statement's",
                    f"{zh} 在 {plannable.month} 的支出未知：现有合计与报表不一致",
                ),
            )
        )
    return found
