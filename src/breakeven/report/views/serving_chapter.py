"""The chapter of the report on own GPUs: what a token costs to serve, and who bears what the fleet costs.

Nothing for books without a fleet of their own. Where class costs are recorded they say what each token bears,
with their interval; where none are, declared weights do, and the chapter says what would replace them.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from breakeven.account.account import Account
from breakeven.account.fleet_split import Hours
from breakeven.account.margin import IDLE, CostLine, cost_by
from breakeven.account.metrics import Missing
from breakeven.account.own_tokens import WEIGHTS, OwnTokens, own_tokens
from breakeven.errors import UsageError
from breakeven.money import EXACT
from breakeven.report.figures import Bars, Lines, Series, verbatim
from breakeven.report.page import Block, Section
from breakeven.report.view_model import Column, Label, Table, Value, View
from breakeven.report.views.cost import CLASS_LABELS
from breakeven.report.views.fleet_work import fleet_table
from breakeven.report.views.parts import envelope, metric_value, shown
from breakeven.report.views.serving_figures import significant
from breakeven.report.views.serving_frontier import books_frontier
from breakeven.serving.books_day import HOURS, FleetDay, Floats, fleet_day
from breakeven.serving.estimate import LEVEL

_MTOK = 1_000_000
_SECONDS_PER_HOUR = 3_600
_MOST_MODELS = 8
"""Models with bars of their own; the tables have all of them."""
_TITLE = Label("What a token costs to serve", "每个词元的服务成本")
_TOTAL = "(total)"
_NAMES = {IDLE: Label("idle fleet", "空闲算力"), _TOTAL: Label("Total", "合计")}
_BASES = {
    "modelled": Label("modelled", "模型推算"),
    "measured": Label("measured", "实测"),
    "declared": Label("declared", "声明"),
    WEIGHTS: Label("declared weights", "声明的权重"),
    "mixed": Label("several", "多种"),
}
_WEIGHTS_ALONE = Label(
    "No class costs are recorded, so the weights that the settings declare (serving.weights) spread the "
    "whole bill over the tokens, idle hours included. What a token takes is assumed here, neither modelled "
    "nor measured: `breakeven serving record BOOKS --model NAME --as MODEL --gpu GPU` replaces the weights "
    "by GPU time, with an interval, and puts idle hours on a line of their own.",
    "账簿中没有登记分类成本，因此按设置中声明的权重（serving.weights）把全部账单（含空闲时段）分摊到词元。"
    "每个词元的占用在此是假设，既非建模也非实测：用 `breakeven serving record BOOKS --model 名称 --as 模型 "
    "--gpu 显卡` 登记后，将改按占用的 GPU 时间分摊，附区间，并把空闲单列。",
)
_BY_CLASS_COSTS = Label(
    "Tokens bear the GPU time that the recorded class costs say they take, at what a GPU-hour cost in the "
    "period. What is left of the bill is idle, and no token bears it.",
    "词元按登记的分类成本承担其占用的 GPU 时间，单价为当期实际卡时成本。账单的其余部分为空闲，"
    "不由任何词元承担。",
)
_BY_PROPORTION = Label(
    "The recorded class costs give proportions only, since no GPU-hours are recorded: idle time is not "
    "known, and tokens bear all of the bill.",
    "没有卡时记录，登记的分类成本只能给出比例：空闲时间未知，全部账单由词元承担。",
)
_IN_PART = Label(
    "In some months no class costs hold, and declared weights spread the bill.",
    "部分月份没有有效的分类成本，按声明的权重分摊账单。",
)


def serving_sections(account: Account) -> list[Section]:
    """What own tokens cost and who bears the fleet; nothing for books whose tokens are all bought."""
    blocks = _blocks(account)
    return [Section("serving", _TITLE, tuple(blocks))] if blocks else []


def serving_view(account: Account) -> View:
    """The same as tables alone. Raises `UsageError` for books without a fleet of their own."""
    account.facts  # noqa: B018
    blocks = _blocks(account)
    if not blocks:
        raise UsageError(
            "these books have no tokens on own GPUs",
            cause="own_providers names nobody, or neither capacity nor a lease says what the fleet cost",
            remedy="ask `cost` what bought tokens cost",
        )
    tables = [
        block if isinstance(block, Table) else block.twin()
        for block in blocks
        if not isinstance(block, Label)
    ]
    tables[0] = replace(tables[0], note=basis_text(account))
    return View("serving", _TITLE, envelope(account, needs=("usage", "capacity")), tuple(tables))


def _blocks(account: Account) -> list[Block]:
    if not account.books.settings.own_providers:
        return []
    tokens = own_tokens(account)
    if not any(one.cost for one in tokens):
        return []
    blocks: list[Block | None] = [
        basis_text(account),
        class_cost_figure(tokens, account),
        class_cost_table(tokens, account),
        fleet_figure(account),
        *fleet_tables(account),
        day_figure(fleet_day(account)),
        books_frontier(account),
        *price_blocks(account),
    ]
    return [block for block in blocks if block is not None]


def basis_text(account: Account) -> Label:
    """What the allocation rests on, in a sentence or two."""
    known = {
        split.basis
        for split in account.fleet_splits
        if not isinstance(split.cost, Missing) and split.cost and split.per_token
    }
    if known <= {"weights"}:
        return _WEIGHTS_ALONE
    said = [_BY_CLASS_COSTS] if "class_costs" in known else []
    said += [_BY_PROPORTION] if "proportions" in known else []
    said += [_IN_PART] if "weights" in known else []
    return Label(" ".join(one.en for one in said), "".join(one.zh for one in said))


# --- by class -------------------------------------------------------------------------------------------


def class_cost_figure(tokens: list[OwnTokens], account: Account) -> Bars:
    """Money per million tokens of each class, model by model."""
    models = list(dict.fromkeys((one.provider, one.model) for one in tokens))[:_MOST_MODELS]
    by_key = {(one.provider, one.model, one.token_class): one for one in tokens}
    unit = f"{account.currency}/Mtok"
    classes = [name for name in CLASS_LABELS if any(one.token_class == name for one in tokens)]

    def value(model: tuple[str, str], name: str) -> Decimal | None:
        found = by_key.get((*model, name))
        return None if found is None else _modelled(found.cost, found.tokens)

    return Bars(
        "serving_class_cost_chart",
        Label("Cost per million tokens, by class and model", "各模型各类词元的每百万词元成本"),
        unit,
        tuple(verbatim(_name(account, *model)) for model in models),
        tuple(
            Series(name, CLASS_LABELS[name], tuple(value(model, name) for model in models))
            for name in classes
        ),
        horizontal=True,
        category_axis=Label("Model", "模型"),
    )


def class_cost_table(tokens: list[OwnTokens], account: Account) -> Table | None:
    """The same with its interval and the GPU time behind it; None where no class costs give any."""
    if all(one.gpu_hours is None for one in tokens):
        return None
    unit, level = f"{account.currency}/Mtok", f"{LEVEL:.0%}"
    rows: list[dict[str, Value]] = [
        {
            "model": _name(account, one.provider, one.model),
            "token_class": one.token_class,
            "tokens": one.tokens,
            "cost_per_mtok": _modelled(one.cost, one.tokens),
            "cost_low": _modelled(one.low, one.tokens),
            "cost_high": _modelled(one.high, one.tokens),
            "gpu_seconds_per_mtok": _seconds_per_mtok(one.gpu_hours, one.tokens),
            "basis": next(iter(one.bases)) if len(one.bases) == 1 else "mixed",
        }
        for one in tokens
    ]
    return Table(
        "serving_class_cost",
        Label("How sure these costs are, and the GPU time behind them", "上述成本的区间与占用的 GPU 时间"),
        (
            Column("model", Label("Model", "模型")),
            Column("token_class", Label("Token class", "词元类别"), words=CLASS_LABELS),
            Column("tokens", Label("Tokens", "词元"), "tokens"),
            Column("cost_per_mtok", Label("Cost", "成本"), unit),
            Column("cost_low", Label(f"{level} interval, low", f"{level} 区间下限"), unit),
            Column("cost_high", Label(f"{level} interval, high", f"{level} 区间上限"), unit),
            Column("gpu_seconds_per_mtok", Label("GPU-seconds per million", "每百万词元 GPU 秒"), "count"),
            Column("basis", Label("Rests on", "依据"), words=_BASES),
        ),
        tuple(rows),
        note=Label(
            "GPU-seconds as in production, the stated derate included; idle hours are not in them. There are "
            "no bounds where declared weights stand in, or more work is recorded than hours were billed.",
            "GPU 秒为生产环境水平，已含声明的折减，不含空闲时段。"
            "以声明权重代替、或登记的工作量超过账单卡时的，没有区间。",
        ),
    )


def _name(account: Account, provider: str, model: str | None) -> str:
    """A model as people know it; its provider is said only where the books name several of their own."""
    several = len(account.books.settings.own_providers) > 1
    return provider if model is None else f"{provider}/{model}" if several else model


def _modelled(cost: Fraction | None, tokens: int) -> Decimal | None:
    """Money per million tokens at as many digits as a model has."""
    return None if cost is None else significant(float(cost * _MTOK / tokens))


def _seconds_per_mtok(hours: Hours | None, tokens: int) -> Decimal | None:
    return None if hours is None else significant(float(hours.value * _SECONDS_PER_HOUR * _MTOK / tokens))


# --- the fleet ------------------------------------------------------------------------------------------


def fleet_figure(account: Account) -> Bars:
    """What the fleet cost in each month: served, idle, or undivided where idle time is not known."""
    months = range(len(account.buckets.periods))

    def values(metric_id: str) -> tuple[Decimal | int | None, ...]:
        found = (metric_value(account, metric_id, month) for month in months)
        return tuple(None if isinstance(value, str) else value for value in found)

    billed, idle = values("gpu_cost"), values("idle_fleet_cost")
    undivided = tuple(cost if share is None else None for cost, share in zip(billed, idle, strict=True))
    series = [
        Series("served", Label("Served tokens", "由词元承担"), values("served_fleet_cost")),
        Series("idle", Label("Idle", "空闲"), idle),
        Series("undivided", Label("Idle time not known", "空闲未知"), undivided),
    ]
    known = any(value is not None for value in idle)
    return Bars(
        "serving_fleet_chart",
        Label("Cost of the own fleet, served and idle", "自有算力成本：承担与空闲")
        if known
        else Label("Cost of the own fleet, its idle time not known", "自有算力成本（空闲未知）"),
        account.currency,
        tuple(verbatim(period.label) for period in account.buckets.periods),
        tuple(one for one in series if any(value is not None for value in one.values)),
        stacked=True,
    )


_TIME = ("period", "pool", "gpu_hours", "busy_hours", "busy_low", "busy_high", "utilisation",
         "stated_derate", "implied_derate", "state")  # fmt: skip
_MONEY = ("period", "pool", "bill", "at_benchmark", "derate", "idle", "unexplained")


def fleet_tables(account: Account) -> list[Table]:
    """Modelled against billed, in hours and in money: on a page one table of both would be too wide."""
    table = fleet_table(account)
    if table is None:
        return []
    one_pool = len({row["pool"] for row in table.rows}) == 1
    hours = Label("Own fleet: hours billed and hours of work", "自有算力：账单卡时与有效卡时")
    return [
        _columns(replace(table, id="serving_fleet_hours", title=hours, note=None), _TIME, one_pool),
        _columns(replace(table, id="serving_fleet_money"), _MONEY, one_pool),
    ]


def _columns(table: Table, keys: tuple[str, ...], one_pool: bool) -> Table:
    """Some columns of a table, in the order given; pools only where there are several."""
    by_key = {column.key: column for column in table.columns}
    kept = tuple(key for key in keys if key in by_key and not (one_pool and key == "pool"))
    rows = tuple({key: row[key] for key in kept} for row in table.rows)
    return replace(table, columns=tuple(by_key[key] for key in kept), rows=rows)


def day_figure(day: FleetDay | None) -> Lines | None:
    """GPUs held and GPUs kept busy through the hours of a day."""
    if day is None:
        return None

    def gpus(values: Floats) -> tuple[Decimal | None, ...]:
        return tuple(significant(value, 3) for value in values.tolist())

    middle, low, high = (gpus(one) for one in day.busy)
    series = [
        Series(
            "busy", Label("Busy, mean of the days", "占用（各日平均）"), middle,
            band=tuple(
                None if least is None or most is None else (least, most)
                for least, most in zip(low, high, strict=True)
            ),
        ),
        Series("busiest", Label("Busy, at its busiest", "占用（该时段最忙的一天）"), gpus(day.busiest)),
    ]  # fmt: skip
    if day.held is not None:
        series.append(Series("held", Label("Held, mean of the days", "持有（各日平均）"), gpus(day.held)))
    left_out = ", ".join(day.left_out)
    month = day.month.label
    note = Label(
        f"{month}, hours of the books' time zone. Busy GPUs are the hour's tokens at the recorded class "
        "costs; where they exceed the GPUs held, people waited or the class costs are too high."
        + (f" Without class costs, and so not in it: {left_out}." if left_out else ""),
        f"{month}，按账簿时区的小时。占用为该小时词元按登记的分类成本折算的显卡数；高于持有数时，"
        "要么用户在排队，要么分类成本偏高。"
        + (f"没有分类成本、未计入的模型：{left_out}。" if left_out else ""),
    )
    return Lines(
        "serving_day",
        Label("Load against fleet by hour of the day", "一天中各小时的负载与算力"),
        "count",
        tuple(verbatim(f"{hour:02}:00") for hour in range(HOURS)),
        tuple(series),
        note=note,
        category_axis=Label("Hour", "小时"),
        value_axis=Label("GPUs", "显卡数"),
    )


# --- against the price list -----------------------------------------------------------------------------


def price_blocks(account: Account) -> list[Block]:
    """Cost of a million tokens of each own model against its price list; nothing where none has a list."""
    own = account.books.settings.own_providers
    lines = [line for line in cost_by(account, "provider", "model") if line.key[0] in own and line.tokens]
    idle = [line for line in cost_by(account, "provider", "model") if line.key[0] == IDLE]
    if not any(line.listed for line in lines):
        return []
    return [price_figure(lines, account), price_table(lines, idle, account)]


def price_figure(lines: list[CostLine], account: Account) -> Bars:
    """Cost and list price of a million tokens, side by side."""
    unit = f"{account.currency}/Mtok"
    most = lines[:_MOST_MODELS]
    return Bars(
        "serving_margin_chart",
        Label("Cost of a million tokens against its list price", "每百万词元的成本与标价"),
        unit,
        tuple(verbatim(_name(account, *line.key)) for line in most),
        (
            Series("cost", Label("Cost", "成本"), tuple(_each(one.fleet, one, unit) for one in most)),
            Series("listed", Label("List price", "标价"), tuple(_list_price(one, unit) for one in most)),
        ),
        horizontal=True,
        category_axis=Label("Model", "模型"),
    )  # fmt: skip


def price_table(lines: list[CostLine], idle: list[CostLine], account: Account) -> Table:
    """The margin of each own model at its list price, idle time, and what is left of both."""
    total = CostLine((_TOTAL, None))
    for line in (*lines, *idle):
        total.fleet += line.fleet
        for name, count in line.counts.items():
            total.counts[name] = total.counts.get(name, 0) + count
        total.listed += line.listed
        total.unlisted_tokens += line.unlisted_tokens
    everything = [*lines, *idle, total]
    currency = account.currency
    unit = f"{currency}/Mtok"
    return Table(
        "serving_margin",
        Label("Own models against their list prices", "自有模型的成本与标价"),
        (
            Column("model", Label("Model", "模型"), words=_NAMES),
            Column("tokens", Label("Tokens", "词元"), "tokens"),
            Column("fleet", Label("Cost", "成本"), currency),
            Column("cost_per_mtok", Label("Cost per million", "每百万成本"), unit),
            Column("usage_at_list_price", Label("At list price", "按标价"), currency),
            Column("list_per_mtok", Label("List price per million", "每百万标价"), unit),
            Column("margin", Label("Margin at list price", "按标价的毛利率"), "ratio"),
        ),
        tuple(
            {
                "model": _name(account, *line.key),
                "tokens": line.tokens or None,
                "fleet": line.fleet,
                "cost_per_mtok": _each(line.fleet, line, unit),
                "usage_at_list_price": _listed(line),
                "list_per_mtok": _list_price(line, unit),
                "margin": _margin(line),
            }
            for line in everything
        ),
        note=Label(
            "List price of the tokens as they were used, also of use that was given away. Idle time is in "
            "the total; it is in each model's cost too where no class costs set it apart.",
            "标价按实际用量计算，免费使用也按标价计。合计已计入空闲；"
            "没有分类成本将其单列时，各模型的成本中也含空闲。",
        ),
        emphasis=frozenset({len(everything) - 1}),
    )


def _listed(line: CostLine) -> Decimal | None:
    """The value at list price; none where not all of the tokens have a list price."""
    return None if line.unlisted_tokens or not line.tokens else line.listed


def _each(amount: Decimal, line: CostLine, unit: str) -> Decimal | None:
    value = shown(EXACT.divide(amount * _MTOK, Decimal(line.tokens)), unit) if line.tokens else None
    return value if isinstance(value, Decimal) else None


def _list_price(line: CostLine, unit: str) -> Decimal | None:
    listed = _listed(line)
    return None if listed is None else _each(listed, line, unit)


def _margin(line: CostLine) -> Value:
    listed = _listed(line)
    return shown(EXACT.divide(listed - line.fleet, listed), "ratio") if listed else None
