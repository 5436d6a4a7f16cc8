"""The own fleet's hours and cost by month and pool, beside the work that class costs say it did."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from breakeven.account.account import Account
from breakeven.account.facts import post_fraction, whole
from breakeven.account.fleet_split import FleetSplit, PoolWork
from breakeven.account.margin import posted_idle
from breakeven.account.metrics import Missing
from breakeven.money import apportion, post, post_parts
from breakeven.report.view_model import Column, Label, Table, Value, Warning  # noqa: A004 - the envelope's word
from breakeven.report.views.parts import shown

ZERO = Decimal(0)
WHOLE_FLEET = "(all pools)"
OTHER_POOLS = "(other pools)"
_WORDS = {WHOLE_FLEET: Label("all pools", "全部资源池"), OTHER_POOLS: Label("other pools", "其他资源池")}
_STATES = {
    "fits": Label("fits", "相符"),
    "perhaps": Label("fits within the interval", "在区间内相符"),
    "over": Label("more work than hours", "工作量超过账单卡时"),
}
_NOTE = Label(
    "Bill = work at benchmark speed + derate + idle + unexplained, at the period's own price of a GPU-hour. "
    "The stated derate is the share of benchmark speed that class costs count with; at the implied one no "
    "GPU would be idle, so production lies between the two. What is unexplained is work beyond the hours "
    "billed: class costs too high, hours not recorded, or a derate too low. Bounds are 80 % intervals.",
    "账单 = 基准速度下的工作量 + 降额 + 空闲 + 未解释，均按当期实际卡时价格折算。声明降额是分类成本所采用的"
    "相对基准速度的比例；隐含降额对应显卡毫无空闲的情形，因此生产环境介于两者之间。未解释的部分是超出账单"
    "卡时的工作量：分类成本偏高、卡时漏记，或降额取值过低。区间为 80% 区间。",
)


def fleet_table(account: Account) -> Table | None:
    """Bill against class costs, month by month; None where no class cost splits any month."""
    currency = account.currency
    rows: list[dict[str, Value]] = []
    for period, split in zip(account.buckets.periods, account.fleet_splits, strict=True):
        for pool, (served, idle) in zip(split.pools, _posted(split, currency), strict=True):
            name = pool.pool or (WHOLE_FLEET if len(split.pools) == 1 else OTHER_POOLS)
            rows.append({"period": period.label, "pool": name} | _row(pool, served, idle, currency))
    if not rows:
        return None
    hours = "hours"
    return Table(
        "fleet_work",
        Label("Own fleet: the bill against class costs", "自有算力：账单与分类成本"),
        (
            Column("period", Label("Period", "期间")),
            Column("pool", Label("Pool", "资源池"), words=_WORDS),
            Column("gpu_hours", Label("GPU-hours billed", "账单卡时"), hours),
            Column("benchmark_hours", Label("At benchmark speed", "基准速度卡时"), hours),
            Column("stated_derate", Label("Stated derate", "声明降额"), "ratio"),
            Column("busy_hours", Label("Busy", "占用卡时"), hours),
            Column("busy_low", Label("Busy, low", "占用下限"), hours),
            Column("busy_high", Label("Busy, high", "占用上限"), hours),
            Column("utilisation", Label("Utilisation", "利用率"), "ratio"),
            Column("implied_derate", Label("Implied derate", "隐含降额"), "ratio"),
            Column("bill", Label("Bill", "账单"), currency),
            Column("at_benchmark", Label("Work at benchmark", "基准工作量"), currency),
            Column("derate", Label("Derate", "降额"), currency),
            Column("idle", Label("Idle", "空闲"), currency),
            Column("unexplained", Label("Unexplained", "未解释"), currency),
            Column("state", Label("State", "结果"), words=_STATES),
        ),
        tuple(rows),
        note=_NOTE,
    )


def _posted(split: FleetSplit, currency: str) -> list[tuple[Decimal, Decimal]]:
    """What tokens bear of each pool, and what is idle, as the statement has both: idle time is posted first.

    So the pools sum to `served_fleet_cost` and `idle_fleet_cost` to the cent.
    """
    if isinstance(split.cost, Missing):
        return []
    served = post(whole(split.cost), currency) - posted_idle(split, currency)
    idle = post_parts([whole(pool.idle) for pool in split.pools], currency)
    return list(zip(_by_size(served, [pool.served for pool in split.pools], currency), idle, strict=True))


def _by_size(total: Decimal, parts: list[Fraction], currency: str) -> list[Decimal]:
    """A posted total by its exact parts; nothing is nothing of each."""
    weights = [whole(part) for part in parts]
    return apportion(total, weights, currency) if any(weights) else [post(ZERO, currency)] * len(parts)


def _row(pool: PoolWork, served: Decimal, idle: Decimal, currency: str) -> dict[str, Value]:
    price = pool.price_per_gpu_hour
    benchmark, derate = pool.at_benchmark.value * price, (pool.busy.value - pool.at_benchmark.value) * price
    work = post_fraction(benchmark + derate, currency) if pool.is_over else served
    at_benchmark, derated = _by_size(work, [benchmark, derate], currency)
    return {
        "gpu_hours": _shown(pool.gpu_hours, "hours"),
        "benchmark_hours": _shown(pool.at_benchmark.value, "hours"),
        "stated_derate": _shown(pool.stated_derate, "ratio"),
        "busy_hours": _shown(pool.busy.value, "hours"),
        "busy_low": _shown(pool.busy.low, "hours"),
        "busy_high": _shown(pool.busy.high, "hours"),
        "utilisation": _shown(pool.utilisation, "ratio"),
        "implied_derate": _shown(pool.implied_derate, "ratio"),
        "bill": served + idle,
        "at_benchmark": at_benchmark,
        "derate": derated,
        "idle": idle,
        "unexplained": served - work,
        "state": _state(pool),
    }


def _state(pool: PoolWork) -> str:
    if not pool.is_over:
        return "fits"
    return "perhaps" if pool.busy.low <= pool.gpu_hours else "over"


def _shown(value: Fraction | None, unit: str) -> Value:
    if value is None:
        return None
    return round(Decimal(whole(value)), 1) if unit == "hours" else shown(whole(value), unit)


def fleet_warnings(account: Account) -> list[Warning]:
    """What a reader must know of how the fleet's cost was split: where it does not fit, what was assumed."""
    if not account.class_costs:
        return _no_own_providers(account)
    return [
        *_no_own_providers(account),
        *_over(account),
        *_without_class_costs(account),
        *_by_proportion(account),
    ]


def _no_own_providers(account: Account) -> list[Warning]:
    """A fleet that no usage can be served by: all of it looks idle, and its models look bought."""
    if account.books.settings.own_providers:
        return []
    paid = [
        period.label
        for period, split in zip(account.buckets.periods, account.fleet_splits, strict=True)
        if isinstance(split.cost, Fraction) and split.cost
    ]
    unpriced = sorted(
        {
            str(cost.key[0])
            for cost in account.usage.by("provider")
            if cost.unpriced_buy_tokens and cost.key[0]
        }
    )
    if not paid:
        return []
    said = ", ".join(paid)
    names = ", ".join(f'"{name}"' for name in unpriced)
    en = f"[serving] own_providers = [{names}]" if names else "[serving] own_providers"
    return [
        Warning(
            "no_own_providers",
            Label(
                f"own GPUs cost money in {said}, but the settings name no own providers: no usage counts as "
                "served by them, so all of that cost is idle, and their tokens ask for a buy price. Add to "
                f"breakeven.toml the names that usage has for own models: {en}",
                f"{said} 有自有算力成本，但设置中没有自有供应商：没有用量被视为由其提供服务，因此其成本全部为"
                f"空闲，而其词元被要求采购价。请在 breakeven.toml 中写入自有模型在用量中的供应商名：{en}",
            ),
        )
    ]


def _over(account: Account) -> list[Warning]:
    found: list[Warning] = []
    for period, split in zip(account.buckets.periods, account.fleet_splits, strict=True):
        for pool in split.pools:
            if not pool.is_over or pool.implied_derate is None:
                continue
            busy, held = (f"{whole(hours):,.1f}" for hours in (pool.busy.value, pool.gpu_hours))
            derate = f"{whole(pool.implied_derate):.2f}"
            month = period.label
            named = _WORDS[WHOLE_FLEET if len(split.pools) == 1 else OTHER_POOLS]
            where = Label(f"pool {pool.pool}", f"资源池 {pool.pool}") if pool.pool else named
            found.append(
                Warning(
                    "class_costs_over_bill",
                    Label(
                        f"class costs say {busy} GPU-hours of work in {month} ({where.en}), the bill {held}: "
                        f"all of it is spread and none is idle; it would fit at {derate} of benchmark speed",
                        f"{month}（{where.zh}）的分类成本合计 {busy} 卡时，账单只有 {held} 卡时："
                        f"全部成本按工作量分摊，没有空闲；达到基准速度的 {derate} 时才相符",
                    ),
                )
            )
    return found


def _without_class_costs(account: Account) -> list[Warning]:
    """Own models that declared weights stand for beside others with class costs."""
    split_by_cost = {bucket for bucket, split in enumerate(account.fleet_splits) if split.basis != "weights"}
    names = sorted(
        {
            f"{cost.key[0]}/{cost.key[1]}"
            for cost in account.usage.by("provider", "model")
            if cost.bucket in split_by_cost and any(cost.own_tokens.get(0, ()))
        }
    )
    if not names:
        return []
    said = ", ".join(names)
    return [
        Warning(
            "no_class_costs",
            Label(
                f"no class costs for all usage of {said}: a unit of its declared weight counts as many "
                "GPU-seconds as one of the other models on average, so idle time rests on the weights too",
                f"{said} 的用量没有（完整的）分类成本：其声明权重的每一单位按其他模型的平均 GPU 秒数计算，"
                "因此空闲时间也取决于权重",
            ),
        )
    ]


def _by_proportion(account: Account) -> list[Warning]:
    months = [
        period.label
        for period, split in zip(account.buckets.periods, account.fleet_splits, strict=True)
        if split.basis == "proportions" and isinstance(split.cost, Fraction) and split.cost
    ]
    if not months:
        return []
    said = ", ".join(months)
    return [
        Warning(
            "no_gpu_hours",
            Label(
                f"no GPU-hours are recorded for {said}: class costs give proportions, idle time is not known",
                f"{said} 没有卡时记录：分类成本只给出比例，空闲时间未知",
            ),
        )
    ]
