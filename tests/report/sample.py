"""An invented company for the tests of the report room: every number here is made up and marked synthetic."""

from __future__ import annotations

from decimal import Decimal
from itertools import accumulate

from breakeven.report.figures import Bars, HeatMap, Lines, Series, Step, Waterfall, verbatim
from breakeven.report.page import Fact, Page, Section, Tile
from breakeven.report.view_model import Column, Envelope, Label, Table, View, Warning  # noqa: A004

HOSTILE = "</script><img src=x onerror=alert(1)>"
MONTHS = tuple(f"2024-{month:02}" for month in range(3, 9))
CHANNELS = ("douyin", "bilibili", "xiaohongshu", "wechat_moments", "app_store", HOSTILE)
ENVELOPE = Envelope(
    books="invented-assistant",
    as_of="2024-08-31",
    time_zone="Asia/Shanghai",
    currency="CNY",
    synthetic=True,
    warnings=(
        Warning(
            "unpriced",
            Label(
                "0.3% of tokens have no price and are in no cost figure.",
                "0.3% 的 token 没有价格，未计入任何成本。",
            ),
        ),
    ),
)

_STEPS = (
    ("subscription_revenue", "Subscriptions", "订阅收入", "6812400.10"),
    ("gift_revenue", "Gifts", "打赏收入", "2145210.00"),
    ("api_revenue", "API", "API 收入", "1310045.55"),
    ("refunds", "Refunds and chargebacks", "退款与拒付", "-184120.40"),
    ("inference_cost", "Inference", "推理成本", "-7210334.12"),
    ("bandwidth_cost", "Bandwidth and cloud", "带宽与云", "-911200.00"),
    ("payment_fees", "Payment fees", "支付手续费", "-301204.77"),
    ("ads_spend", "Advertising", "广告投放", "-15234500.00"),
    ("creator_spend", "Creators", "达人合作", "-2410000.00"),
    ("payroll_cost", "Payroll", "人力成本", "-4120000.00"),
)


def waterfall() -> Waterfall:
    values = [Decimal(value) for *_, value in _STEPS]
    running = list(accumulate(values))
    steps = [Step(key, Label(en, zh), value) for (key, en, zh, _), value in zip(_STEPS, values, strict=True)]
    steps.insert(4, Step("revenue", Label("Revenue", "收入"), running[3], "total"))
    steps.insert(8, Step("gross_profit", Label("Gross profit", "毛利"), running[6], "total"))
    steps.append(Step("result", Label("Operating result", "经营结果"), running[-1], "total"))
    return Waterfall("bridge", Label("From revenue to result", "从收入到经营结果"), "CNY", tuple(steps))


def spend() -> Bars:
    series = tuple(
        Series(
            name,
            verbatim(name),
            tuple(Decimal(1_500_000 + 310_000 * i + 270_000 * m * (6 - i)) for m in range(6)),
        )
        for i, name in enumerate(CHANNELS)
    )
    returned = Series(
        "returned", Label("Returned credit", "返还"), tuple(Decimal(-400_000 - 90_000 * m) for m in range(6))
    )
    return Bars(
        "spend",
        Label("Spend by channel", "各渠道支出"),
        "CNY",
        tuple(map(verbatim, MONTHS)),
        (*series, returned),
        stacked=True,
        note=Label("Returned credit is negative.", "返还为负数。"),
    )


def acquisition_cost() -> Bars:
    names = tuple(map(verbatim, CHANNELS))
    average = tuple(Decimal(12 + 5 * i) + Decimal("0.53") for i in range(6))
    marginal = (
        Decimal("19.20"),
        Decimal("31.75"),
        None,
        Decimal("44.10"),
        Decimal("-2.30"),
        Decimal("61.00"),
    )
    return Bars(
        "cac",
        Label("Cost of a new user by channel", "各渠道获客成本"),
        "CNY/user",
        names,
        (
            Series("average", Label("Average", "平均"), average),
            Series("marginal", Label("Marginal", "边际"), marginal),
        ),
        horizontal=True,
        category_axis=Label("Channel", "渠道"),
    )


def payback() -> Lines:
    months = tuple(Label(f"Month {i}", f"第 {i} 月") for i in range(9))
    paid = tuple(
        Decimal(value)
        for value in ("-31.20", "-24.10", "-18.75", "-13.02", "-8.40", "-4.11", "-0.35", "2.90", "5.05")
    )
    free = (
        tuple(Decimal(value) for value in ("-9.80", "-6.00", "-3.10"))
        + (None,) * 2
        + tuple(Decimal(value) for value in ("1.80", "2.90", "3.70", "4.20"))
    )
    band = tuple((value - Decimal(i) / 2, value + Decimal(i) / 2) for i, value in enumerate(paid))
    return Lines(
        "payback",
        Label("Payback so far, per user", "至今回本进度（每用户）"),
        "CNY/user",
        months,
        (
            Series("paid", Label("Bought users", "付费获客"), paid, band=band, partial=frozenset({7, 8})),
            Series("free", Label("Organic users", "自然用户"), free),
        ),
        category_axis=Label("Age", "月龄"),
    )


def triangle() -> HeatMap:
    cells = tuple(
        tuple(
            None
            if i + j > 5
            else Decimal(1)
            if j == 0
            else (Decimal(41 - 3 * i) / (10 * j + 70)).quantize(Decimal("0.0001"))
            for j in range(6)
        )
        for i in range(6)
    )
    return HeatMap(
        "retention",
        Label("Users who come back", "用户留存"),
        "ratio",
        tuple(map(verbatim, MONTHS)),
        tuple(Label(f"M{i}", f"第{i}月") for i in range(6)),
        cells,
        sizes=tuple(120_400 + 18_250 * i for i in range(6)),
        partial=frozenset({(0, 5), (5, 0)}),
    )


def cash() -> Bars:
    free = tuple(
        Decimal(v) for v in (310_000_000, 281_000_000, 240_500_000, 190_200_000, 138_900_000, 80_100_000)
    )
    credit = tuple(
        Decimal(v) for v in (620_000_000, 612_000_000, 601_000_000, 587_000_000, 570_000_000, 551_000_000)
    )
    return Bars(
        "cash",
        Label("Cash and restricted credit", "现金与受限额度"),
        "CNY",
        tuple(map(verbatim, MONTHS)),
        (
            Series("cash", Label("Cash", "现金"), free, partial=frozenset({5})),
            Series(
                "credit",
                Label("Credit restricted to one cloud", "限定云厂商额度"),
                credit,
                partial=frozenset({5}),
            ),
        ),
    )


def income_table() -> Table:
    metrics = {
        "revenue": Label("Revenue", "收入"),
        "serving_cost": Label("Serving cost", "服务成本"),
        "gross_profit": Label("Gross profit", "毛利"),
        "gross_margin": Label("Gross margin", "毛利率"),
        "cac_blended": Label("Cost of a new user", "获客成本"),
    }
    rows = (
        {m: Decimal(1_480_000 + 91_000 * i) + Decimal("0.55") for i, m in enumerate(MONTHS)},
        {m: Decimal(-1_120_000 - 141_000 * i) for i, m in enumerate(MONTHS)},
        {m: Decimal(360_000 - 50_000 * i) + Decimal("0.55") for i, m in enumerate(MONTHS)},
        {m: Decimal("0.2431") - Decimal("0.0411") * i for i, m in enumerate(MONTHS)},
        {m: (Decimal("12.5") + 3 * i if i else None) for i, m in enumerate(MONTHS)},
    )
    return Table(
        "income",
        Label("Income by month", "按月损益"),
        (
            Column("metric", Label("Metric", "指标"), words=metrics),
            *(Column(month, verbatim(month), "CNY") for month in MONTHS),
        ),
        tuple({"metric": key, **row} for key, row in zip(metrics, rows, strict=True)),
        emphasis=frozenset({2}),
        row_units=("CNY", "CNY", "CNY", "ratio", "CNY/user"),
    )


def channel_table() -> Table:
    columns = (
        Column("channel", Label("Channel", "渠道")),
        Column("spend", Label("Spend", "支出"), "CNY"),
        Column("new_users", Label("New users", "新增用户"), "users"),
        Column("cac", Label("CAC", "获客成本"), "CNY/user"),
        Column("paid_share", Label("Bought", "付费占比"), "ratio"),
    )
    rows = tuple(
        {
            "channel": name,
            "spend": Decimal(9_120_000 - 1_310_000 * i) + Decimal("0.05"),
            "new_users": 480_000 - 61_000 * i,
            "cac": Decimal("19.00") + i,
            "paid_share": Decimal("0.7"),
        }
        for i, name in enumerate(CHANNELS)
    )
    unattributed = {
        "channel": "unattributed",
        "spend": Decimal("0.00"),
        "new_users": 1200,
        "cac": None,
        "paid_share": None,
    }
    return Table(
        "channels",
        Label("Channels", "渠道"),
        columns,
        (*rows, unattributed),
        Label("Spend sums to the statement.", "支出合计等于损益表。"),
    )


def view() -> View:
    return View(
        "income",
        Label("Income", "损益"),
        ENVELOPE,
        (income_table(), channel_table()),
        facts={"period": "2024-03..2024-08"},
    )


def page() -> Page:
    tiles = (
        Tile(Label("Revenue", "收入"), Decimal("10083535.25"), "CNY"),
        Tile(Label("Operating result", "经营结果"), Decimal("-20103703.64"), "CNY"),
        Tile(Label("Gross margin", "毛利率"), Decimal("0.1634"), "ratio"),
        Tile(
            Label("Cost of a new user", "获客成本"),
            Decimal("23.41"),
            "CNY/user",
            note=Label("marginal ¥39.80", "边际 ¥39.80"),
        ),
        Tile(
            Label("Runway", "现金跑道"),
            Decimal("9.4"),
            "months",
            "modelled",
            Label("16.8 with restricted credit", "含受限额度 16.8"),
        ),
        Tile(Label("Active users", "月活用户"), 9_999_600, "users"),
        Tile(Label("Price of output tokens", "输出 token 价格"), Decimal("2.19"), "CNY/Mtok", "published"),
        Tile(Label("Payback", "回本周期"), None, "months", "assumed", Label("not reached yet", "尚未回本")),
    )
    sections = (
        Section(
            "income",
            Label("Income", "损益"),
            (
                Label(
                    "What was earned and where it went, March to August.",
                    "三月至八月，收入从哪里来、花到哪里去。",
                ),
                waterfall(),
                income_table(),
            ),
        ),
        Section("channels", Label("Channels", "渠道"), (spend(), acquisition_cost(), channel_table())),
        Section("cohorts", Label("Cohorts", "同期群"), (triangle(), payback())),
        Section("cash", Label("Cash and runway", "现金与跑道"), (cash(),)),
    )
    facts = (
        Fact(Label("Covered", "数据覆盖"), Decimal(1), "ratio"),
        Fact(Label("Unpriced share", "未定价占比"), Decimal("0.003"), "ratio"),
        Fact(Label("FX", "汇率"), "7.1123 CNY/USD, 2024-08-30"),
    )
    return Page(
        Label("Breakeven report", "盈亏平衡报告"), ENVELOPE, "2024-03..2024-08", sections, tiles, facts
    )
