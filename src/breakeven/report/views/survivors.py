"""Whether survivors are the heavy users, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from breakeven.account.account import Account
from breakeven.account.payback import Cohort
from breakeven.account.survivors import survivor_use
from breakeven.report.view_model import Column, Label, Table, Value
from breakeven.report.views.parts import shown


def survivor_table(account: Account, found: Sequence[Cohort], *, payers_only: bool = False) -> Table:
    """By age: who is left, what they use, and what that is over what an average user would have used."""
    currency = account.currency
    rows: list[dict[str, Value]] = [
        {
            "age": use.age,
            "cohorts": use.cohorts,
            "survivors": use.survivors,
            "survival": shown(use.survival, "ratio"),
            "cost_per_survivor": shown(use.cost_per_survivor, f"{currency}/user"),
            "tokens_per_user": shown(use.tokens_per_user, "tokens/user"),
            "tokens_if_independent": shown(use.tokens_per_user_if_independent, "tokens/user"),
            "heaviness": shown(use.heaviness, "multiple"),
        }
        for use in survivor_use(found, payers_only=payers_only)
    ]
    who = Label("Payers", "付费用户") if payers_only else Label("Active users", "活跃用户")
    return Table(
        "survivors_payers" if payers_only else "survivors",
        Label(
            f"Are survivors the heavy users? {who.en} by month since acquisition",
            f"留下的是不是重度用户？获得后各月的{who.zh}",
        ),
        (
            Column("age", Label("Age", "月龄"), "months"),
            Column("cohorts", Label("Cohorts", "同期群数"), "count"),
            Column("survivors", who, "users"),
            Column("survival", Label("Of those acquired", "占获得人数"), "ratio"),
            Column("cost_per_survivor", Label("Serving cost each", "人均推理成本"), f"{currency}/user"),
            Column("tokens_per_user", Label("E(alive × tokens)", "E(留存×词元)"), "tokens/user"),
            Column("tokens_if_independent", Label("S × E(tokens)", "S×E(词元)"), "tokens/user"),
            Column("heaviness", Label("Ratio", "比值"), "multiple"),
        ),
        tuple(rows),
        note=Label(
            "Tokens per acquired user, against what retention times the average user of month 1 would give. "
            "Above 1: those who stay use more, and a cost computed from averages is too low by that factor. "
            "Below 1: they use less, and such a cost is too high. "
            "Whole months only.",
            "每获得一名用户的词元数，对照“留存率×第1月平均用户”的结果。大于 1：留下的人用得更多，"
            "按平均数算出的成本按此倍数偏低。小于 1：留下的人用得更少，按平均数算出的成本偏高。"
            "只含完整月份。",
        ),
    )
