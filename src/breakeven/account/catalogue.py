"""The metric catalogue: every number the books can state, defined once.

A `Metric` is an id, words in both languages, a unit, and either a *measure* (an additive fact computed from
the tables; `node` is None) or a tree over other metrics. Docs, pages, exports and `explain` read this.

Adding a metric is one statement here and one worked case under `tests/cases`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from breakeven.account.metrics import Measured, Named, Node, Number, Positive

MONEY = "money"
"""Unit of amounts: the statement's currency."""

Better = Literal["up", "down", "neither"]


@dataclass(frozen=True)
class Metric:
    """One number. `unit` is `money`, `money/x`, `ratio`, or what is counted; `tables` feed a measure.

    `additive` says whether months add up to a quarter (distinct users do not).
    """

    id: str
    en: str
    zh: str
    unit: str
    words_en: str
    words_zh: str
    node: Node | None = None
    tables: tuple[str, ...] = ()
    better: Better = "neither"
    additive: bool = True
    origin: str = ""


METRICS: dict[str, Metric] = {}


def _measure(
    id: str,  # noqa: A002 - the word of the catalogue
    en: str,
    zh: str,
    unit: str,
    tables: str,
    words_en: str,
    words_zh: str,
    *,
    better: Better = "neither",
    additive: bool = True,
    origin: str = "",
) -> Node:
    METRICS[id] = Metric(
        id, en, zh, unit, words_en, words_zh, None, tuple(tables.split()), better, additive, origin
    )
    return Measured(id)


def _metric(
    id: str,  # noqa: A002
    en: str,
    zh: str,
    unit: str,
    node: Node,
    words_en: str,
    words_zh: str,
    *,
    better: Better = "neither",
    origin: str = "",
) -> Node:
    METRICS[id] = Metric(id, en, zh, unit, words_en, words_zh, node, (), better, True, origin)
    return Named(id, node)


MILLION = Number(Decimal(1_000_000))

# --- Income: measures -------------------------------------------------------------------------------

subscription_revenue = _measure(
    "subscription_revenue", "Subscription revenue", "订阅收入", MONEY, "payments",
    "subscription payments net of tax, recognised evenly over their service days",
    "订阅付款（不含税），按服务天数平均确认", better="up", origin="IFRS 15, over time",
)  # fmt: skip
gift_revenue = _measure(
    "gift_revenue", "Gift revenue", "打赏收入", MONEY, "payments",
    "gifts net of tax, recognised over the priority they buy, else when paid",
    "打赏（不含税），按所购优先权的天数确认，没有期限的在付款时确认", better="up",
)  # fmt: skip
api_revenue = _measure(
    "api_revenue", "API revenue", "API 收入", MONEY, "payments usage",
    "API invoices over their service days, and prepaid balances as usage at list price consumes them",
    "API 账单按服务天数确认；预付余额随按标价计的用量消耗而确认", better="up", origin="IFRS 15, prepaid balances",
)  # fmt: skip
refunds = _measure(
    "refunds", "Refunds and chargebacks", "退款与拒付", MONEY, "payments",
    "money given back, net of tax, negative", "退还的款项（不含税），为负数", better="up",
)  # fmt: skip
inference_api_cost = _measure(
    "inference_api_cost", "Inference bought by API", "外购推理成本", MONEY, "usage",
    "tokens served by outside providers times their price in force",
    "外部供应商处理的词元数乘以当时的价格", better="down",
)  # fmt: skip
gpu_cost = _measure(
    "gpu_cost", "Own GPU fleet", "自有算力成本", MONEY, "capacity bills",
    "GPUs × hours × price per GPU-hour; the lease bills where no capacity is recorded",
    "显卡数 × 小时 × 每卡时价格；没有算力记录的月份用租赁账单", better="down",
)  # fmt: skip
idle_fleet_cost = _measure(
    "idle_fleet_cost", "Idle fleet, in serving cost", "推理服务成本中的空闲算力", MONEY, "capacity bills usage",
    "the part of the own fleet's cost in which no token kept a GPU busy, by the class costs recorded",
    "自有算力成本中没有词元占用显卡的部分，按已登记的分类成本计算", better="down",
)  # fmt: skip
served_fleet_cost = _metric(
    "served_fleet_cost", "Own fleet without idle time", "自有算力（不含空闲）", MONEY, gpu_cost - idle_fleet_cost,
    "the part of the own fleet's cost that tokens bear", "自有算力成本中由词元承担的部分", better="down",
)  # fmt: skip
fleet_utilisation = _metric(
    "fleet_utilisation", "Utilisation of the own fleet", "自有算力利用率", "ratio", served_fleet_cost / gpu_cost,
    "the part of the own fleet's cost in which tokens kept GPUs busy", "词元占用显卡的成本占自有算力成本",
    better="up",
)  # fmt: skip
payment_fees = _measure(
    "payment_fees", "Payment fees", "支付手续费", MONEY, "payments",
    "what payment channels and stores keep", "支付渠道和应用商店的扣费", better="down",
)  # fmt: skip
bandwidth_cost = _measure(
    "bandwidth_cost", "Bandwidth", "带宽成本", MONEY, "bills",
    "bandwidth bills, accrued over their days", "带宽账单，按天计提", better="down",
)  # fmt: skip
cloud_cost = _measure(
    "cloud_cost", "Cloud", "云服务成本", MONEY, "bills", "other cloud bills, accrued over their days",
    "其他云账单，按天计提", better="down",
)  # fmt: skip
content_cost = _measure(
    "content_cost", "Content", "内容成本", MONEY, "bills", "content licences, accrued over their days",
    "内容授权费，按天计提", better="down",
)  # fmt: skip


def _spend(kind: str, en: str, zh: str) -> Node:
    return _measure(
        f"{kind}_spend", en, zh, MONEY, "ad_spend", f"money spent to win users, kind {kind}",
        f"获客支出，类别：{zh}", better="down",
    )  # fmt: skip


ads_spend = _spend("ads", "Advertising", "广告投放")
creator_spend = _spend("creator", "Creators", "达人合作")
coupon_spend = _spend("coupon", "Coupons", "优惠券补贴")
referral_spend = _spend("referral", "Referral rewards", "邀请奖励")
agency_spend = _spend("agency", "Agency fees", "代理费")


def _bill(category: str, en: str, zh: str) -> Node:
    return _measure(
        f"{category}_cost", en, zh, MONEY, "bills", f"{category} bills, accrued over their days",
        f"{zh}账单，按天计提", better="down",
    )  # fmt: skip


payroll_cost = _bill("payroll", "Payroll", "人力成本")
training_cost = _bill("training", "Training runs", "训练成本")
other_cost = _bill("other", "Other", "其他成本")

usage_at_list_price = _measure(
    "usage_at_list_price", "Usage at list price", "按标价计的用量", MONEY, "usage",
    "all tokens times our own list price in force: what the usage would sell for, paid or free",
    "全部词元乘以当时的对外标价：无论收费还是免费，这些用量按标价值多少", better="up",
)  # fmt: skip
free_use_cost = _measure(
    "free_use_cost", "Cost of free use", "免费使用的成本", MONEY, "usage payments",
    "serving cost of app and web usage on days its user had no paid service",
    "用户没有付费服务的日子里，App 和网页使用的推理成本", better="down",
)  # fmt: skip

# --- Income: the statement --------------------------------------------------------------------------

revenue = _metric(
    "revenue", "Revenue", "收入", MONEY, subscription_revenue + gift_revenue + api_revenue + refunds,
    "subscriptions, gifts and API, less refunds", "订阅、打赏与 API 收入，减退款", better="up",
)  # fmt: skip
serving_cost = _metric(
    "serving_cost", "Serving cost", "推理服务成本", MONEY, inference_api_cost + gpu_cost,
    "inference bought and own fleet", "外购推理与自有算力之和", better="down",
)  # fmt: skip
cost_of_revenue = _metric(
    "cost_of_revenue", "Cost of revenue", "营业成本", MONEY,
    serving_cost + payment_fees + bandwidth_cost + cloud_cost + content_cost,
    "serving, payment fees, bandwidth, cloud and content", "推理、手续费、带宽、云与内容成本之和", better="down",
)  # fmt: skip
gross_profit = _metric(
    "gross_profit", "Gross profit", "毛利", MONEY, revenue - cost_of_revenue,
    "revenue less cost of revenue", "收入减营业成本", better="up",
)  # fmt: skip
gross_margin = _metric(
    "gross_margin", "Gross margin", "毛利率", "ratio", gross_profit / revenue,
    "gross profit over revenue", "毛利除以收入", better="up",
)  # fmt: skip
acquisition_spend = _metric(
    "acquisition_spend", "Acquisition spend", "获客支出", MONEY,
    ads_spend + creator_spend + coupon_spend + referral_spend + agency_spend,
    "all money spent to win users", "全部获客支出", better="down",
)  # fmt: skip
contribution = _metric(
    "contribution", "Contribution", "贡献利润", MONEY, gross_profit - acquisition_spend,
    "gross profit less acquisition spend", "毛利减获客支出", better="up",
)  # fmt: skip
operating_result = _metric(
    "operating_result", "Operating result", "经营结果", MONEY,
    contribution - payroll_cost - training_cost - other_cost,
    "contribution less payroll, training and other cost", "贡献利润减人力、训练和其他成本", better="up",
)  # fmt: skip
cost_profit_margin = _metric(
    "cost_profit_margin", "Cost-profit margin", "成本利润率", "ratio",
    (usage_at_list_price - serving_cost) / serving_cost,
    "usage at list price over serving cost, less one: theoretical, since free use is counted at the list price",
    "按标价计的用量除以推理成本再减一：理论值，因为免费用量也按标价计", better="up",
    origin="DeepSeek-V3/R1 Inference System Overview, 2025-03-01",
)  # fmt: skip

# --- Use --------------------------------------------------------------------------------------------

requests = _measure(
    "requests", "Requests", "请求数", "requests", "usage", "model requests, failed ones included",
    "模型请求数，包含失败的请求", better="up",
)  # fmt: skip
failed_requests = _measure(
    "failed_requests", "Failed requests", "失败请求数", "requests", "usage",
    "requests whose status is neither empty, ok, success nor 2xx", "状态不是空、ok、success 或 2xx 的请求",
    better="down",
)  # fmt: skip
_TOKENS = (
    ("uncached_input_tokens", "Uncached input tokens", "未命中缓存的输入词元"),
    ("cached_input_tokens", "Cached input tokens", "命中缓存的输入词元"),
    ("cache_write_tokens", "Cache write tokens", "写入缓存的词元"),
    ("output_tokens", "Output tokens", "输出词元"),
    ("reasoning_tokens", "Reasoning tokens", "推理过程词元"),
)
uncached_input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens = (
    _measure(id_, en, zh, "tokens", "usage", f"{en.lower()}; classes never overlap", f"{zh}；各类互不重叠")
    for id_, en, zh in _TOKENS
)
input_tokens = _metric(
    "input_tokens", "Input tokens", "输入词元", "tokens",
    uncached_input_tokens + cached_input_tokens + cache_write_tokens,
    "uncached, cached and cache-write input tokens", "未命中、命中与写入缓存的输入词元之和",
)  # fmt: skip
tokens = _metric(
    "tokens", "Tokens", "词元总数", "tokens", input_tokens + output_tokens, "input and output tokens",
    "输入与输出词元之和",
)  # fmt: skip
cache_hit_rate = _metric(
    "cache_hit_rate", "Cache hit rate", "缓存命中率", "ratio", cached_input_tokens / input_tokens,
    "cached over all input tokens", "命中缓存的输入词元占全部输入词元", better="up",
)  # fmt: skip
unpriced_tokens = _measure(
    "unpriced_tokens", "Unpriced tokens", "未定价词元", "tokens", "usage",
    "tokens that should have a buy price and have none: their cost is missing, not zero",
    "应有采购价却没有价格的词元：其成本缺失，而不是零", better="down",
)  # fmt: skip
unpriced_share = _metric(
    "unpriced_share", "Unpriced share of tokens", "未定价词元占比", "ratio", unpriced_tokens / tokens,
    "unpriced over all tokens", "未定价词元占全部词元", better="down",
)  # fmt: skip
cost_per_mtok = _metric(
    "cost_per_mtok", "Serving cost per million tokens", "每百万词元推理成本", "money/Mtok",
    serving_cost * MILLION / tokens, "serving cost over all tokens", "推理成本除以全部词元", better="down",
)  # fmt: skip
cost_per_mtok_output = _metric(
    "cost_per_mtok_output", "Serving cost per million output tokens", "每百万输出词元的推理成本", "money/Mtok",
    serving_cost * MILLION / output_tokens, "all serving cost over output tokens alone",
    "全部推理成本只除以输出词元", better="down",
)  # fmt: skip
cost_per_mtok_uncached_input = _metric(
    "cost_per_mtok_uncached_input", "Serving cost per million uncached input tokens",
    "每百万未命中输入词元的推理成本", "money/Mtok", serving_cost * MILLION / uncached_input_tokens,
    "all serving cost over uncached input tokens alone", "全部推理成本只除以未命中缓存的输入词元", better="down",
)  # fmt: skip
cost_per_mtok_computed = _metric(
    "cost_per_mtok_computed", "Serving cost per million computed tokens", "每百万计算词元的推理成本",
    "money/Mtok", serving_cost * MILLION / (output_tokens + uncached_input_tokens),
    "serving cost over output and uncached input tokens: the tokens a GPU really computes",
    "推理成本除以输出词元与未命中输入词元之和，即显卡真正计算的词元", better="down",
)  # fmt: skip
cost_per_request = _metric(
    "cost_per_request", "Serving cost per request", "每次请求推理成本", "money/request",
    serving_cost / requests, "serving cost over requests", "推理成本除以请求数", better="down",
)  # fmt: skip

# --- Growth -----------------------------------------------------------------------------------------

new_users = _measure(
    "new_users", "New users", "新增用户", "users", "acquisitions", "users acquired, each counted once",
    "新获得的用户，每人只计一次", better="up",
)  # fmt: skip
paid_new_users = _measure(
    "paid_new_users", "Paid new users", "投放新增用户", "users", "acquisitions",
    "new users marked as bought", "标记为投放获得的新用户",
)  # fmt: skip
paid_share = _metric(
    "paid_share", "Paid share of new users", "投放新增占比", "ratio", paid_new_users / new_users,
    "paid over all new users", "投放新增除以全部新增", better="down",
)  # fmt: skip
cac_blended = _metric(
    "cac_blended", "Blended CAC", "综合获客成本", "money/user", acquisition_spend / new_users,
    "acquisition spend over all new users", "获客支出除以全部新增用户", better="down",
)  # fmt: skip
cac_paid = _metric(
    "cac_paid", "Paid CAC", "投放获客成本", "money/user", acquisition_spend / paid_new_users,
    "acquisition spend over paid new users", "获客支出除以投放新增用户", better="down",
)  # fmt: skip
mau = _measure(
    "mau", "Monthly active users", "月活跃用户", "users", "activity", "distinct users with activity in the month",
    "当月有活动的去重用户数", better="up", additive=False,
)  # fmt: skip
user_days = _measure(
    "user_days", "Active user-days", "活跃人天", "count", "activity", "sum of daily active users",
    "每日活跃用户数之和", better="up",
)  # fmt: skip
covered_days = _measure(
    "covered_days", "Days covered", "有数据的天数", "days", "activity", "days of the month with activity data",
    "当月有活动数据的天数",
)  # fmt: skip
visits = _measure(
    "visits", "Visits", "访问次数", "count", "activity", "sessions of all active users", "全部活跃用户的会话数",
    better="up",
)  # fmt: skip
dau = _metric(
    "dau", "Daily active users", "日活跃用户", "users", user_days / covered_days,
    "average over the covered days", "有数据天数内的平均值", better="up",
)  # fmt: skip
wau = _measure(
    "wau", "Weekly active users", "周活跃用户", "users", "activity",
    "distinct users of the last full week (Monday to Sunday) that ends in the month",
    "当月结束的最后一个完整周（周一至周日）的去重用户数", better="up", additive=False,
)  # fmt: skip
stickiness = _metric(
    "stickiness", "Stickiness (DAU/MAU)", "粘性（日活/月活）", "ratio", dau / mau,
    "average daily over monthly active users", "平均日活除以月活", better="up",
)  # fmt: skip
visits_per_visitor = _metric(
    "visits_per_visitor", "Visits per visitor", "人均访问次数", "visits/user", visits / mau,
    "visits over monthly active users", "访问次数除以月活", better="up",
)  # fmt: skip
requests_per_active = _metric(
    "requests_per_active", "Requests per active user", "人均请求数", "requests/user", requests / mau,
    "requests over monthly active users", "请求数除以月活", better="up",
)  # fmt: skip
tokens_per_active = _metric(
    "tokens_per_active", "Tokens per active user", "人均词元数", "tokens/user", tokens / mau,
    "tokens over monthly active users", "词元数除以月活",
)  # fmt: skip
cost_per_active = _metric(
    "cost_per_active", "Serving cost per active user", "每活跃用户推理成本", "money/user", serving_cost / mau,
    "serving cost over monthly active users", "推理成本除以月活", better="down",
)  # fmt: skip

# --- Money ------------------------------------------------------------------------------------------

payers = _measure(
    "payers", "Paying users", "付费用户", "users", "payments",
    "distinct users whose paid service, or gift without a term, falls in the month",
    "当月处于付费服务期（或当月打赏）的去重用户数", better="up", additive=False,
)  # fmt: skip
paying_rate = _metric(
    "paying_rate", "Paying rate", "付费率", "ratio", payers / mau, "paying over monthly active users",
    "付费用户除以月活", better="up",
)  # fmt: skip
arpu = _metric(
    "arpu", "ARPU", "每用户平均收入", "money/user", revenue / mau, "revenue over monthly active users",
    "收入除以月活", better="up",
)  # fmt: skip
arppu = _metric(
    "arppu", "ARPPU", "每付费用户平均收入", "money/user",
    (subscription_revenue + gift_revenue) / payers, "subscription and gift revenue over paying users",
    "订阅与打赏收入除以付费用户", better="up",
)  # fmt: skip
contribution_per_active = _metric(
    "contribution_per_active", "Contribution per active user", "每活跃用户贡献利润", "money/user",
    contribution / mau, "contribution over monthly active users", "贡献利润除以月活", better="up",
)  # fmt: skip
cash_in = _measure(
    "cash_in", "Cash from customers", "客户回款", MONEY, "payments",
    "payments net of fees, less refunds, when paid", "扣除手续费和退款后的收款，按收款日计", better="up",
)  # fmt: skip
cash_out = _measure(
    "cash_out", "Cash to suppliers", "付现支出", MONEY, "bills ad_spend",
    "bills and acquisition spend not paid by restricted credit", "未由专用额度支付的账单与获客支出", better="down",
)  # fmt: skip
credit_used = _measure(
    "credit_used", "Restricted credit used", "专用额度消耗", MONEY, "bills",
    "bills paid by credit that only one vendor accepts", "由只能用于某一供应商的额度支付的账单", better="down",
)  # fmt: skip
funding_cash = _measure(
    "funding_cash", "Funding received in cash", "到账现金融资", MONEY, "funding",
    "opening cash, equity and debt without restriction", "期初现金、股权与债务融资中不受限制的部分",
)  # fmt: skip
cash = _measure(
    "cash", "Unrestricted cash", "可自由支配现金", MONEY, "funding payments bills ad_spend",
    "at the end of the month", "月末余额", better="up", additive=False,
)  # fmt: skip
restricted_credit = _measure(
    "restricted_credit", "Restricted credit", "专用额度余额", MONEY, "funding bills",
    "credit left at the end of the month, spendable at one vendor only", "月末剩余、只能用于某一供应商的额度",
    better="up", additive=False,
)  # fmt: skip
burn = _metric(
    "burn", "Net burn", "净消耗", MONEY, cash_out - cash_in, "cash to suppliers less cash from customers",
    "付现支出减客户回款", better="down",
)  # fmt: skip
runway_months = _metric(
    "runway_months", "Runway", "现金可支撑月数", "months", cash / Positive(burn),
    "unrestricted cash over the month's net burn", "可自由支配现金除以当月净消耗", better="up",
)  # fmt: skip
runway_months_with_credit = _metric(
    "runway_months_with_credit", "Runway counting credit as cash", "把额度当现金的可支撑月数", "months",
    (cash + restricted_credit) / Positive(burn + credit_used),
    "cash and restricted credit over burn and credit used: what it would be if credit were cash",
    "现金与专用额度之和除以净消耗与额度消耗之和：假如额度就是现金", better="up",
)  # fmt: skip
burn_multiple = _metric(
    "burn_multiple", "Burn multiple", "烧钱倍数", "multiple", burn / revenue,
    "net burn over the month's revenue", "净消耗除以当月收入", better="down",
    origin="after D. Sacks, The Burn Multiple (2020), with revenue in place of net new ARR",
)  # fmt: skip

# --- Retention --------------------------------------------------------------------------------------

_RETENTION_DAYS = (1, 7, 30)
for _day in _RETENTION_DAYS:
    _exposed = _measure(
        f"day{_day}_exposed", f"Users with a day {_day}", f"可观察第 {_day} 日的用户", "users",
        "acquisitions activity", f"users acquired in the month whose day {_day} is covered",
        f"当月新增且第 {_day} 日有数据的用户",
    )  # fmt: skip
    _returned = _measure(
        f"day{_day}_returned", f"Users back on day {_day}", f"第 {_day} 日回访用户", "users",
        "acquisitions activity", f"of these, active exactly on day {_day} (classic definition)",
        f"其中恰在第 {_day} 日活跃的用户（经典定义）",
    )  # fmt: skip
    _metric(
        f"day{_day}_retention", f"Day-{_day} retention", f"第 {_day} 日留存率", "ratio", _returned / _exposed,
        f"classic: users active exactly {_day} days after acquisition, over those with such a day",
        f"经典定义：获得后恰第 {_day} 日活跃的用户，除以可观察的用户", better="up",
    )  # fmt: skip

TABLE_WORDS: dict[str, tuple[str, str]] = {
    "acquisitions": ("acquisitions", "获客记录"),
    "ad_spend": ("acquisition spend", "获客支出"),
    "activity": ("activity", "活跃记录"),
    "usage": ("usage", "用量"),
    "payments": ("payments", "付款"),
    "bills": ("bills", "账单"),
    "funding": ("funding", "融资"),
    "settlements": ("settlements", "结算与到账"),
    "capacity": ("GPU capacity", "算力"),
}
"""What people call the ledger's tables."""

INCOME_LINES: tuple[str, ...] = (
    "subscription_revenue", "gift_revenue", "api_revenue", "refunds", "revenue",
    "inference_api_cost", "gpu_cost", "serving_cost", "idle_fleet_cost", "payment_fees", "bandwidth_cost", "cloud_cost",
    "content_cost", "cost_of_revenue", "gross_profit", "gross_margin",
    "ads_spend", "creator_spend", "coupon_spend", "referral_spend", "agency_spend", "acquisition_spend",
    "contribution", "payroll_cost", "training_cost", "other_cost", "operating_result",
    "usage_at_list_price", "free_use_cost", "cost_profit_margin",
)  # fmt: skip
"""The income statement, top to bottom."""

TOTAL_LINES = frozenset(
    {"revenue", "serving_cost", "cost_of_revenue", "gross_profit", "acquisition_spend", "contribution",
     "operating_result"}
)  # fmt: skip
"""Lines that are sums of lines above them."""
