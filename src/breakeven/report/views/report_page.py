"""The report: the account as a page, from the tiles at its head to the tables at its end."""

from __future__ import annotations

from decimal import Decimal

from breakeven.account.account import Account
from breakeven.account.acquisition import by_channel
from breakeven.account.catalogue import METRICS, TABLE_WORDS
from breakeven.account.margin import cost_by, cost_by_class
from breakeven.account.metrics import Missing
from breakeven.account.payback import Cohort
from breakeven.ledger.published import PublishedFigure, read_published
from breakeven.money import EXACT
from breakeven.report.figures import Bars, HeatMap, Lines, Series, Step, Waterfall, verbatim
from breakeven.report.page import Block, Fact, Page, Section, Tile
from breakeven.report.view_model import Column, Label, Table, Value
from breakeven.report.views.cash import CASH_LINES
from breakeven.report.views.check import check_view
from breakeven.report.views.cost import (
    CLASS_LABELS,
    COST_WORDS,
    class_table,
    cost_table,
    use_table,
    users_table,
)
from breakeven.report.views.growth import (
    GROWTH_LINES,
    UNATTRIBUTED,
    channel_table,
    chosen_cohorts,
    cohort_name,
    marginal_table,
    month_table,
    oldest_age,
    payback_table,
    triangle_cell,
    triangle_unit,
)
from breakeven.report.views.growth_chapter import growth_sections
from breakeven.report.views.income import entries_tables, income_table
from breakeven.report.views.parts import envelope, label, metric_value, shown, unit
from breakeven.report.views.serving_chapter import serving_sections

_MOST_CHANNELS = 10
_MOST_MODELS = 12
NEEDS = ("usage", "payments", "acquisitions", "activity", "ad_spend", "bills", "capacity")


def report_page(account: Account) -> Page:
    """The whole report of an account."""
    account.facts  # noqa: B018
    sections = [
        _income_section(account),
        _growth_section(account),
        _cohort_section(account),
        *growth_sections(account),
        _use_section(account),
        *serving_sections(account),
        _cash_section(account),
        _published_section(account),
        _check_section(account),
    ]
    title = Label(f"{account.books.settings.name}: the account", f"{account.books.settings.name}：总账")
    return Page(
        title,
        envelope(account, needs=_needed(account)),
        account.buckets.span.label,
        tuple(section for section in sections if section is not None),
        tuple(_tiles(account)),
        tuple(_facts(account)),
    )


def _needed(account: Account) -> tuple[str, ...]:
    """Tables whose gaps matter: the ones the books have at all, and those every statement needs."""
    return tuple(
        table for table in NEEDS if account.coverage.periods.get(table) or table in ("usage", "payments")
    )


_TILES = (
    "revenue", "contribution", "operating_result", "usage_at_list_price", "serving_cost",
    "cost_profit_margin", "cost_per_mtok_output", "cost_per_mtok_uncached_input", "cac_paid",
    "paid_share", "mau", "cost_per_active", "paying_rate", "cash", "restricted_credit", "runway_months",
)  # fmt: skip


def _tiles(account: Account) -> list[Tile]:
    """Key figures: sums over the report for flows, the last month for what is counted at a moment."""
    last = len(account.buckets.periods) - 1
    month = account.buckets.periods[last].label
    provenance = account.books.settings.provenance
    tiles: list[Tile] = []
    for metric_id in _TILES:
        value, note = metric_value(account, metric_id, None), None
        if value is None:
            value, note = metric_value(account, metric_id, last), Label(month, month)
        if value is not None:
            tiles.append(Tile(label(metric_id), value, unit(metric_id, account.currency), provenance, note))
    return tiles


def _facts(account: Account) -> list[Fact]:
    batches = [batch for batch in account.books.batches() if not batch.undone]
    read = sum(batch.facts["rows_read"] for batch in batches)
    refused = sum(batch.facts["quarantined"] for batch in batches)
    facts = [
        Fact(Label("Rows read", "读取行数"), read, "count"),
        Fact(Label("Rows in quarantine", "隔离行数"), refused, "count"),
        Fact(
            Label("Unpriced share of tokens", "未定价词元占比"),
            metric_value(account, "unpriced_share", None),
            "ratio",
        ),
    ]
    span = account.buckets.span
    for table in _needed(account):
        covered, days = account.coverage.share(table, span)
        share = shown(EXACT.divide(Decimal(covered), Decimal(days)), "ratio")
        en, zh = TABLE_WORDS[table]
        facts.append(Fact(Label(f"Days with {en} data", f"有{zh}数据的天数"), share, "ratio"))
    return facts


def _income_section(account: Account) -> Section:
    blocks: list[Block] = []
    waterfall = income_waterfall(account)
    if waterfall is not None:
        blocks.append(waterfall)
    blocks += [income_table(account), *entries_tables(account)]
    return Section("income", Label("From revenue to result", "从收入到结果"), tuple(blocks))


_WATERFALL: tuple[tuple[str, int], ...] = (
    ("revenue", 0), ("serving_cost", -1), ("payment_fees", -1), ("bandwidth_cost", -1), ("cloud_cost", -1),
    ("content_cost", -1), ("gross_profit", 0), ("acquisition_spend", -1), ("contribution", 0),
    ("payroll_cost", -1), ("training_cost", -1), ("other_cost", -1), ("operating_result", 0),
)  # fmt: skip


def income_waterfall(account: Account) -> Waterfall | None:
    """From revenue to the operating result over all months; None when a line in between has no value."""
    steps: list[Step] = []
    for metric_id, sign in _WATERFALL:
        amount = account.total(metric_id)
        if isinstance(amount, Missing):
            return None
        steps.append(
            Step(
                metric_id, label(metric_id), amount * sign if sign else amount, "change" if sign else "total"
            )
        )
    return Waterfall(
        "waterfall",
        Label("From revenue to operating result", "从收入到经营结果"),
        account.currency,
        tuple(steps),
        note=Label("All months of the report together.", "报告期内各月合计。"),
    )


def _months(account: Account) -> tuple[Label, ...]:
    return tuple(verbatim(period.label) for period in account.buckets.periods)


def _line(account: Account, metric_id: str) -> Series:
    values = tuple(_number(metric_value(account, metric_id, b)) for b in range(len(account.buckets.periods)))
    return Series(metric_id, label(metric_id), values)


def _number(value: Value) -> Decimal | int | None:
    return None if isinstance(value, str) else value


def _growth_section(account: Account) -> Section | None:
    if not account.coverage.periods.get("acquisitions") and not account.coverage.periods.get("ad_spend"):
        return None
    blocks: list[Block] = []
    lines = [line for line in by_channel(account) if line.spend]
    if lines:
        head, rest = lines[:_MOST_CHANNELS], lines[_MOST_CHANNELS:]
        series = [
            Series(
                f"c{n}",
                verbatim(line.name) if line.name else Label("unattributed", "未归因"),
                tuple(line.spend_by_bucket[b] for b in range(len(account.buckets.periods))),
            )
            for n, line in enumerate(head)
        ]
        if rest:
            others = tuple(
                sum((line.spend_by_bucket[b] for line in rest), Decimal(0))
                for b in range(len(account.buckets.periods))
            )
            series.append(Series("others", Label(f"{len(rest)} others", f"其他 {len(rest)} 个"), others))
        blocks.append(
            Bars(
                "spend_by_channel",
                Label("Acquisition spend by channel", "各渠道获客支出"),
                account.currency,
                _months(account),
                tuple(series),
                stacked=True,
            )
        )
        paid = [line for line in lines if line.paid_new_users][:_MOST_CHANNELS]
        if paid:
            blocks.append(
                Bars(
                    "cac_by_channel",
                    Label("Cost per bought user, by channel", "各渠道投放获客成本"),
                    f"{account.currency}/user",
                    tuple(verbatim(line.name or UNATTRIBUTED) for line in paid),
                    (
                        Series(
                            "cac_paid",
                            label("cac_paid"),
                            tuple(_cac(line.cac_paid, account) for line in paid),
                        ),
                    ),
                    horizontal=True,
                    category_axis=Label("Channel", "渠道"),
                )
            )
    if any(metric_value(account, "cac_paid", b) is not None for b in range(len(account.buckets.periods))):
        blocks.append(
            Lines(
                "cac_by_month",
                Label("Acquisition cost by month", "各月获客成本"),
                f"{account.currency}/user",
                _months(account),
                (_line(account, "cac_paid"), _line(account, "cac_blended")),
            )
        )
    blocks.append(channel_table(account))
    if len(account.buckets.periods) > 1:
        blocks.append(marginal_table(account))
    blocks.append(month_table(account, GROWTH_LINES, "growth"))
    return Section("growth", Label("What growth costs", "增长的成本"), tuple(blocks))


def _cac(amount: Decimal | Missing, account: Account) -> Decimal | int | None:
    return _number(shown(amount, f"{account.currency}/user"))


def _cohort_section(account: Account) -> Section | None:
    found = chosen_cohorts(account)
    if not found:
        return None
    blocks: list[Block] = [
        _triangle(account, found, "retention", Label("Active share of each cohort", "各同期群的活跃比例")),
        _triangle(account, found, "contribution", Label("Contribution of each cohort", "各同期群的贡献")),
        _payback_lines(found),
        payback_table(account, found),
    ]
    return Section(
        "cohorts", Label("Who stays, and whether it pays back", "谁留下来，是否回本"), tuple(blocks)
    )


def _triangle(account: Account, found: list[Cohort], what: str, title: Label) -> HeatMap:
    ages = range(oldest_age(found) + 1)
    return HeatMap(
        f"triangle_{what}",
        title,
        triangle_unit(account, what),
        tuple(verbatim(cohort_name(cohort)) for cohort in found),
        tuple(Label(f"M+{age}", f"第{age}月") for age in ages),
        tuple(tuple(_number(triangle_cell(cohort, what, age)) for age in ages) for cohort in found),
        sizes=tuple(cohort.users for cohort in found),
    )


def _payback_lines(found: list[Cohort]) -> Lines:
    """Cumulative contribution over spend, by age: a cohort has paid back where its line reaches 100 %."""
    ages = range(oldest_age(found) + 1)

    def share(cohort: Cohort, age: int) -> Decimal | None:
        if isinstance(cohort.spend, Missing) or not cohort.spend or age not in cohort.ages:
            return None
        value = shown(EXACT.divide(cohort.cumulative(age), cohort.spend), "ratio")
        return value if isinstance(value, Decimal) else None

    return Lines(
        "payback_so_far",
        Label("Cumulative contribution over acquisition spend", "累计贡献占获客支出"),
        "ratio",
        tuple(Label(f"M+{age}", f"第{age}月") for age in ages),
        tuple(
            Series(f"k{n}", verbatim(cohort_name(cohort)), tuple(share(cohort, age) for age in ages))
            for n, cohort in enumerate(found)
        ),
        note=Label("Paid back where a line reaches 100 %.", "曲线达到 100% 即回本。"),
        category_axis=Label("Months since acquisition", "获得后月数"),
    )


def _use_section(account: Account) -> Section | None:
    if not account.coverage.periods.get("usage"):
        return None
    blocks: list[Block] = []
    models = [line for line in cost_by(account, "provider", "model") if line.serving_cost][:_MOST_MODELS]
    if models:
        blocks.append(
            Bars(
                "cost_by_model_chart",
                Label("Serving cost by model", "各模型的推理成本"),
                account.currency,
                tuple(
                    COST_WORDS.get(str(line.key[0]))
                    or verbatim("/".join(str(part) for part in line.key if part is not None))
                    for line in models
                ),
                (
                    Series("bought", Label("Bought by API", "外购"), tuple(line.bought for line in models)),
                    Series("fleet", Label("Own fleet", "自有算力"), tuple(line.fleet for line in models)),
                ),
                stacked=True,
                horizontal=True,
                category_axis=Label("Model", "模型"),
            )
        )
    classes = cost_by_class(account)
    if classes:
        blocks.append(
            Bars(
                "cost_by_class_chart",
                Label("Serving cost by token class", "各类词元的推理成本"),
                account.currency,
                tuple(CLASS_LABELS[cost.token_class] for cost in classes),
                (
                    Series(
                        "serving_cost", label("serving_cost"), tuple(cost.serving_cost for cost in classes)
                    ),
                ),
                horizontal=True,
                category_axis=Label("Token class", "词元类别"),
            )
        )
    blocks += [
        cost_table(account, "model", {}),
        cost_table(account, "product", {}),
        cost_table(account, "tier", {}),
        class_table(account),
        use_table(account),
    ]
    users = users_table(account)
    if users is not None:
        blocks.append(users)
    return Section("use", Label("What use costs", "使用的成本"), tuple(blocks))


def _cash_section(account: Account) -> Section | None:
    if not account.funds:
        return None
    balances = Bars(
        "cash_and_credit",
        Label("Unrestricted cash and restricted credit", "可自由支配现金与专用额度"),
        account.currency,
        _months(account),
        (_line(account, "cash"), _line(account, "restricted_credit")),
        stacked=True,
    )
    runway = Lines(
        "runway",
        Label("Runway, and what it would be if credit were cash", "可支撑月数，以及把额度当现金时的月数"),
        "months",
        _months(account),
        (_line(account, "runway_months"), _line(account, "runway_months_with_credit")),
    )
    return Section(
        "cash",
        Label("What money is left", "还剩多少钱"),
        (balances, runway, month_table(account, CASH_LINES, "money")),
    )


def _published_section(account: Account) -> Section | None:
    figures = [figure for figure in read_published(account.books.folder) if figure.metric in METRICS]
    if not figures:
        return None
    return Section(
        "published",
        Label("Beside what was published", "与公开数字对照"),
        (published_table(account, figures), *_why(figures)),
    )


def published_table(account: Account, figures: list[PublishedFigure]) -> Table:
    """Computed beside published, with the difference."""
    rows: list[dict[str, Value]] = []
    units: list[str] = []
    for figure in figures:
        bucket = next((b for b, p in enumerate(account.buckets.periods) if p.overlap(figure.period)), None)
        computed = None if bucket is None else metric_value(account, figure.metric, bucket)
        difference = (
            computed - figure.value if isinstance(computed, Decimal) and figure.value is not None else None
        )
        rows.append(
            {
                "metric": figure.metric,
                "period": figure.period.label,
                "computed": computed,
                "published": figure.value,
                "difference": difference,
                "qualifier": figure.qualifier,
                "source": f"{figure.stated_by}: {figure.source} ({figure.published})",
            }
        )
        units.append(unit(figure.metric, account.currency))
    return Table(
        "published",
        Label("Computed and published", "计算值与公布值"),
        (
            Column("metric", Label("Metric", "指标"), words={f.metric: label(f.metric) for f in figures}),
            Column("period", Label("Period", "期间")),
            Column("computed", Label("These books", "本账"), "count"),
            Column("published", Label("Published", "公布"), "count"),
            Column("difference", Label("Difference", "差额"), "count"),
            Column("qualifier", Label("As stated", "口径")),
            Column("source", Label("Source", "来源")),
        ),
        tuple(rows),
        row_units=tuple(units),
    )


def _why(figures: list[PublishedFigure]) -> list[Label]:
    return [
        Label(
            f"{METRICS[figure.metric].en}: {figure.note_en or figure.note_zh}",
            f"{METRICS[figure.metric].zh}：{figure.note_zh or figure.note_en}",
        )
        for figure in figures
        if figure.note_en or figure.note_zh
    ]


def _check_section(account: Account) -> Section | None:
    if not account.bills:
        return None
    view, _ = check_view(account, account.books.settings.tolerance)
    return Section("check", Label("Books against bills", "账与账单核对"), view.tables)
