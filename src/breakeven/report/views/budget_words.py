"""What the budget's identifiers are called."""

from __future__ import annotations

from breakeven.account.channel_series import UNATTRIBUTED
from breakeven.report.view_model import Label

TOTAL = "(total)"
CHANNELS: dict[str, Label] = {
    TOTAL: Label("Total", "合计"),
    UNATTRIBUTED: Label("unattributed", "未归因"),
}
OBJECTIVES: dict[str, Label] = {
    "value": Label("value of the users won, less spend", "新用户价值减去投放"),
    "users": Label("new users", "新增用户"),
    "payback": Label("earliest payback of all that is spent", "全部投放最早回本"),
}
BINDS: dict[str, Label] = {
    "": Label("no bound: returns are equal", "无限值：回报相等"),
    "least": Label("its lower bound", "下限"),
    "most": Label("its upper bound", "上限"),
    "fixed": Label("kept at today's spend", "维持现有投放"),
    "bend": Label("takes what is left, before the bend of its curve", "取余额，尚未越过曲线拐点"),
}
VERDICTS: dict[str, Label] = {
    "better": Label("better than today's split", "优于现有比例"),
    "no_better": Label("no better than today", "不优于现状"),
    "worse": Label("worse than today's split in most draws", "在多数抽样中劣于现有比例"),
    "breaks_limits": Label(
        "today's split breaks a limit that the plan keeps", "现有比例超出限制，而方案不超出"
    ),
    "no_plan": Label("there is no plan within these limits", "在这些限制内没有方案"),
}
LIMITS: dict[str, Label] = {
    "total": Label("total", "总额"),
    "cash_floor": Label("cash that must remain", "须保留的现金"),
    "capacity": Label("serving capacity for new users", "新用户的服务容量"),
    "least": Label("lower bound", "下限"),
    "most": Label("upper bound", "上限"),
    "kept": Label("kept at today's spend", "维持现有投放"),
    "outside": Label("kept: no curve", "维持：没有曲线"),
}
YES_NO = {"yes": Label("yes", "是"), "no": Label("no", "否")}
MEASURES: dict[str, Label] = {
    "plan": Label("Plan achieves", "方案达成"),
    "baseline": Label("Today's split at this total achieves", "按现有比例投放该总额达成"),
    "gain": Label("Gain", "收益"),
    "better": Label("Draws in which the plan is better", "方案更优的抽样占比"),
    "spent": Label("Spent", "投放"),
    "moved": Label("Moved between channels", "渠道间挪动"),
    "lambda": Label("λ: what one more unit of total adds", "λ：总额再增一单位带来的增加"),
    "last_yuan": Label("The last unit of money brings", "最后一单位预算的回报"),
    "residual": Label("Furthest return from it, of free channels", "自由渠道回报与之最大偏差"),
    "gap": Label("Any plan is better by at most", "任何方案至多再优"),
    "extrapolated": Label("Money on extrapolated curve", "位于外推曲线的预算"),
    "load_price": Label("One more unit of serving capacity adds", "服务容量再增一单位带来的增加"),
    "payback": Label("Blended payback on mean curves", "均值曲线下的综合回本"),
}
