"""The break-even price: prices now and at a margin of zero, what would make a list pay, and until when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from breakeven.money import EXACT
from breakeven.report.phrases import both
from breakeven.report.view_model import Column, Envelope, Label, Table, Value, View
from breakeven.report.views.serving_assumptions import Assumption, assumptions_table
from breakeven.report.views.serving_figures import CLASSES, cells, interval_columns, significant
from breakeven.serving.breakeven_price import Offer, Solution, Threshold, TokenPrices
from breakeven.serving.estimate import Estimate
from breakeven.serving.price_drift import DriftPath

_THOUSAND = 1_000
_MILLIONTH = Decimal("0.000001")
_FIELDS = {
    "uncached_input": "uncached_input_per_mtok",
    "cached_input": "cached_input_per_mtok",
    "output": "output_per_mtok",
}
_MONEY_WORDS = {
    "revenue": Label("Revenue of 1,000 requests", "每千次请求收入"),
    "cost": Label("Cost of 1,000 requests, idle GPUs included", "每千次请求成本（含空闲）"),
    "left": Label("What is left", "余额"),
    "margin": Label("Margin", "毛利率"),
    "price_level": Label(
        "Price list at which the margin is zero, of this one", "毛利为零的价格水平（相对本价目）"
    ),
}
_LEVERS = {
    "utilisation": Label("Utilisation of the fleet", "机群利用率"),
    "cached_share": Label("Input found in the cache", "缓存命中占输入"),
    "gpu_price": Label("Price of a GPU-hour", "每卡时价格"),
    "free_share": Label("Requests that nobody pays for", "无人付费的请求占比"),
    "work": Label("GPU time of a request, of this model's", "每次请求 GPU 时间（相对本模型）"),
}
_PAYS = {
    "yes": Label("pays", "盈利"),
    "no": Label("loses", "亏损"),
    "not_sure": Label("not sure: the interval contains zero", "不确定：区间包含零"),
}
_VERDICTS = {
    "at_least": Label("pays from the break-even on", "达到盈亏平衡点起盈利"),
    "at_most": Label("pays up to the break-even", "不超过盈亏平衡点时盈利"),
    "always": Label("pays at any value", "任何取值都盈利"),
    "never": Label("no value reaches it", "任何取值都达不到"),
}


@dataclass(frozen=True)
class Instead:
    """Another model on the same traffic at the same list: its margin, or why it has none."""

    model: str
    active_parameters: float
    margin: Estimate | None
    price_level: Estimate | None
    why: str = ""


@dataclass(frozen=True)
class Priced:
    """What the view shows."""

    model: str
    gpu: str
    currency: str
    offer: Offer
    list_prices: Mapping[str, Decimal]
    assumptions: Sequence[Assumption]
    instead: Sequence[Instead] = ()
    drift: DriftPath | None = None
    drift_rule: Label | None = None


def breakeven_price_view(priced: Priced, envelope: Envelope) -> View:
    """The answer for one model, GPU, traffic and price list."""
    title = Label(
        f"Break-even price of {priced.model} on {priced.gpu}",
        f"{priced.model} 在 {priced.gpu} 上的盈亏平衡价",
    )
    tables = [_prices(priced), _money(priced), _levers(priced)]
    if priced.instead:
        tables.append(_instead(priced))
    if priced.drift is not None:
        tables.append(_drift(priced, priced.drift))
    tables.append(assumptions_table(priced.assumptions))
    margin = priced.offer.margin
    facts: dict[str, Value] = {
        "model": priced.model,
        "gpu": priced.gpu,
        "margin": significant(margin.value),
        "price_level": significant(priced.offer.price_level.value),
        "pays": _pays(margin),
    }
    if priced.drift is not None:
        facts["margin_gone_after_months"] = _months(priced.drift.zero_months)
    return View("serving_breakeven_price", title, envelope, tuple(tables), facts=facts)


def _prices(priced: Priced) -> Table:
    unit = f"{priced.currency}/Mtok"
    offer = priced.offer
    level = offer.breakeven_prices(), offer.breakeven_prices("low"), offer.breakeven_prices("high")
    alone = offer.class_prices()
    tokens = {
        "uncached_input": offer.tokens.uncached_input,
        "cached_input": offer.tokens.cached_input,
        "output": offer.tokens.output,
    }
    rows: list[dict[str, Value]] = [
        {
            "class": name,
            "tokens": significant(tokens[name]),
            "list_price": priced.list_prices[name],
            "value": significant(_of(level[0], name)),
            "low": significant(_of(level[1], name)),
            "high": significant(_of(level[2], name)),
            "own_cost": significant(_of(alone, name)),
        }
        for name in _FIELDS
    ]
    return Table(
        "prices",
        Label("Prices per million tokens", "每百万词元价格"),
        (
            Column("class", Label("Tokens", "词元类别"), words={name: CLASSES[name] for name in _FIELDS}),
            Column("tokens", Label("In a request", "每次请求"), "tokens"),
            Column("list_price", Label("List", "现价"), unit),
            Column("value", Label("Break-even", "盈亏平衡价"), unit),
            *interval_columns(unit),
            Column("own_cost", Label("What it costs alone", "该类自身成本"), unit),
        ),
        tuple(rows),
        note=Label(
            "Break-even keeps the ratios of the list. What a class costs alone is the price at which each "
            "class pays for itself. Both carry idle GPUs and requests that nobody pays for.",
            "盈亏平衡价保持现价各类比例；“该类自身成本”为各类分别收支相抵的价格。"
            "二者均已计入空闲与免费请求。",
        ),
    )


def _pays(margin: Estimate) -> str:
    return "yes" if margin.low >= 0 else "no" if margin.high < 0 else "not_sure"


def _of(prices: TokenPrices, name: str) -> float:
    return getattr(prices, _FIELDS[name])


def _money(priced: Priced) -> Table:
    offer = priced.offer
    cost, revenue = offer.cost_per_request * _THOUSAND, offer.revenue_per_request * _THOUSAND
    left = Estimate(revenue - cost.value, revenue - cost.high, revenue - cost.low)
    figures: list[tuple[str, Estimate, str]] = [
        ("revenue", Estimate.exact(revenue), priced.currency),
        ("cost", cost, priced.currency),
        ("left", left, priced.currency),
        ("margin", offer.margin, "ratio"),
        ("price_level", offer.price_level, "ratio"),
    ]
    return Table(
        "money",
        Label("What a thousand requests bring and cost", "每千次请求的收入与成本"),
        (
            Column("figure", Label("Figure", "项目"), words=_MONEY_WORDS),
            Column("value", Label("Value", "数值"), "count"),
            *interval_columns("count"),
        ),
        tuple({"figure": name, **cells(found)} for name, found, _ in figures),
        row_units=tuple(unit for _, _, unit in figures),
    )


def _levers(priced: Priced) -> Table:
    offer = priced.offer
    found: list[tuple[str, float, Threshold, str]] = [
        ("utilisation", offer.utilisation, offer.utilisation_that_pays(), "ratio"),
        ("cached_share", offer.tokens.cached_share, offer.cached_share_that_pays(), "ratio"),
        ("gpu_price", offer.price_per_gpu_hour, offer.gpu_price_that_pays(), f"{priced.currency}/GPU-hour"),
        ("free_share", offer.free_share, offer.free_share_that_pays(), "ratio"),
        ("work", 1.0, offer.work_that_pays(), "ratio"),
    ]
    rows: list[dict[str, Value]] = []
    for name, today, threshold, _ in found:
        middle = threshold.middle
        rows.append(
            {
                "lever": name,
                "today": significant(today),
                "verdict": threshold.direction if middle.verdict == "value" else middle.verdict,
                "value": _value(middle),
                "cheap": _value(threshold.cheap),
                "dear": _value(threshold.dear),
            }
        )
    return Table(
        "levers",
        Label("What would make this list pay, each alone", "单独改变一项时，何时盈利"),
        (
            Column("lever", Label("Lever", "因素"), words=_LEVERS),
            Column("today", Label("Today", "现值"), "count"),
            Column("verdict", Label("The list", "结论"), words=_VERDICTS),
            Column("value", Label("Where it breaks even", "盈亏平衡点"), "count"),
            Column("cheap", Label("Were work cheap (80 %)", "若成本偏低（80 %）"), "count"),
            Column("dear", Label("Were work dear (80 %)", "若成本偏高（80 %）"), "count"),
        ),
        tuple(rows),
        row_units=tuple(unit for *_, unit in found),
        note=Label(
            "No value in a column: every value pays, or none does. The cache is asked at this traffic's work "
            "per token.",
            "某列无数值：任何取值都盈利，或都不盈利。缓存一项按本流量的单词元耗时计算。",
        ),
    )


def _value(solution: Solution) -> Value:
    return None if solution.value is None else significant(solution.value)


def _instead(priced: Priced) -> Table:
    rows = tuple(
        {
            "model": one.model,
            "active": significant(one.active_parameters / 1e9),
            "price_level": None if one.price_level is None else significant(one.price_level.value),
            **(cells(one.margin) if one.margin else {"value": None, "low": None, "high": None}),
            "pays": None if one.margin is None else _pays(one.margin),
            "why": one.why or None,
        }
        for one in priced.instead
    )
    reasons = {one.why: both(one.why) for one in priced.instead}
    return Table(
        "instead",
        Label("Other models at this list", "其他模型按本价目"),
        (
            Column("model", Label("Model", "模型")),
            Column("active", Label("Active parameters, billions", "激活参数（十亿）"), "count"),
            Column("price_level", Label("Break-even, of this list", "盈亏平衡价（相对本价目）"), "ratio"),
            Column("value", Label("Margin", "毛利率"), "ratio"),
            *interval_columns("ratio"),
            Column("pays", Label("The list", "结论"), words=_PAYS),
            Column("why", Label("Why none", "无数值原因"), words=reasons),
        ),
        rows,
        note=Label(
            "Quality is not in it: whether users stay is another question.",
            "未计质量差异：用户是否留下另当别论。",
        ),
    )


def _drift(priced: Priced, path: DriftPath) -> Table:
    unit = f"{priced.currency}/Mtok"
    rows: list[dict[str, Value]] = []
    for point in path.points:
        row: dict[str, Value] = {"month": point.month}
        row |= {name: _fallen(price, point.price_factor) for name, price in priced.list_prices.items()}
        rows.append(row | {"cost": significant(float(point.cost_factor)), **cells(point.margin)})
    gone = _months(path.zero_months)
    en = "the margin never vanishes" if gone is None else f"the margin is gone after {gone} months"
    zh = "毛利不会消失" if gone is None else f"毛利在 {gone} 个月后消失"
    low, high = _months(path.zero_low), _months(path.zero_high)
    if gone is not None:
        en += f" (80 % interval: {low} to {'never' if high is None else high})"
        zh += f"（80 % 区间：{low} 至{'永不' if high is None else f' {high}'}）"
    rule = priced.drift_rule or Label("", "")
    return Table(
        "drift",
        Label("If the price list keeps falling", "若价格持续下降"),
        (
            Column("month", Label("End of month", "第几月末"), "count"),
            *(Column(name, CLASSES[name], unit) for name in _FIELDS),
            Column("cost", Label("Cost, of today's", "成本（相对今日）"), "ratio"),
            Column("value", Label("Margin", "毛利率"), "ratio"),
            *interval_columns("ratio"),
        ),
        tuple(rows),
        note=Label(f"{rule.en}: {en}.", f"{rule.zh}：{zh}。"),
    )


def _fallen(price: Decimal, factor: Decimal) -> Decimal:
    """A price at a month's end, to a millionth of the currency."""
    return EXACT.multiply(price, factor).quantize(_MILLIONTH, context=EXACT).normalize() + 0


def _months(months: float | None) -> Value:
    found = None if months is None else significant(months, 3)
    return None if found is None else found.normalize() + 0
