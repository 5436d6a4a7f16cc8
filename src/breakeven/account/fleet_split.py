"""Who bears the own fleet's cost in a period: tokens by the time they keep GPUs busy, the rest is idle.

Where class costs are recorded, a token bears its GPU-seconds at what a GPU-hour of its pool cost in the
period, and what is left of the pool's cost is idle. Where the recorded work exceeds the pool's hours, all of
its cost is spread by that work, and nothing is idle. A period is one of the statement's: a month, or the
part of one that was asked for, at that part's own price. Without GPU-hours (leases billed by the month) class
costs give proportions alone, and idle time is not known. Without class costs declared weights spread all of
the cost.

Models without class costs beside others with them: a unit of their declared weight takes as many GPU-seconds
as one of the others on average in the period. `docs/decisions/0027-class-costs.md` says why.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from breakeven.account.ledger_rows import GPU_HOURS
from breakeven.account.metrics import Missing
from breakeven.account.usage import CLASSES, DECLARED, UsageCost
from breakeven.ledger.class_costs import CLASSES as CLASS_NAMES
from breakeven.ledger.class_costs import ClassCostEntry
from breakeven.pricing.fx import NoRate

if TYPE_CHECKING:
    from breakeven.account.account import Account

Basis = Literal["weights", "class_costs", "proportions"]
ZERO = Fraction(0)
_SECONDS_PER_HOUR = 3_600
IDLE_NEEDS_CLASS_COSTS = Missing(
    "no class costs are recorded, so declared weights spread the idle time of the own fleet over its tokens",
    "没有登记分类成本：自有算力的空闲时间按声明的权重分摊到词元中",
    ("idle_fleet_cost",),
    is_gap=True,
)
IDLE_NEEDS_HOURS = Missing(
    "the own fleet's GPU-hours are not recorded, so its idle time is not known",
    "没有自有算力的卡时记录，无法得知其空闲时间",
    ("idle_fleet_cost",),
    is_gap=True,
)


@dataclass(frozen=True)
class Hours:
    """Modelled GPU-hours: the middle and the bounds of the 80 % interval."""

    value: Fraction = ZERO
    low: Fraction = ZERO
    high: Fraction = ZERO

    def __add__(self, other: Hours) -> Hours:
        return Hours(self.value + other.value, self.low + other.low, self.high + other.high)

    def __mul__(self, factor: Fraction) -> Hours:
        return Hours(self.value * factor, self.low * factor, self.high * factor)


@dataclass(frozen=True)
class PoolWork:
    """A part of the fleet in a period: what it held and cost, and what the class costs say it did.

    `pool` is empty for the GPUs that no class cost names a pool for. `at_benchmark` is the work at benchmark
    speed, `busy` the same at the stated derate. Bounds of different models and classes are added up as if
    they were wrong together, which is the widest that they can be.
    """

    pool: str
    gpu_hours: Fraction
    cost: Fraction
    at_benchmark: Hours
    busy: Hours

    @property
    def price_per_gpu_hour(self) -> Fraction:
        """What an hour of one GPU cost on average."""
        return self.cost / self.gpu_hours if self.gpu_hours else ZERO

    @property
    def served(self) -> Fraction:
        """The part of the cost that tokens bear: at most all of it."""
        return min(self.cost, self.busy.value * self.price_per_gpu_hour)

    @property
    def idle(self) -> Fraction:
        """The part of the cost that no token bears."""
        return self.cost - self.served

    @property
    def stated_derate(self) -> Fraction | None:
        """The share of benchmark speed that the class costs state, over all work; None without work."""
        return self.at_benchmark.value / self.busy.value if self.busy.value else None

    @property
    def implied_derate(self) -> Fraction | None:
        """The share of benchmark speed at which this work fills all hours billed; None without work or hours.

        Above 1 the work would not fit even at benchmark speed: the class costs are too high, or hours lack.
        """
        return self.at_benchmark.value / self.gpu_hours if self.gpu_hours and self.busy.value else None

    @property
    def utilisation(self) -> Fraction | None:
        """Busy hours over hours billed; above 1 where the class costs say more than the bill."""
        return self.busy.value / self.gpu_hours if self.gpu_hours else None

    @property
    def is_over(self) -> bool:
        """Whether the class costs say more work than the hours billed hold."""
        return self.busy.value > self.gpu_hours


@dataclass(frozen=True)
class FleetSplit:
    """The cost of the own fleet in one bucket, by who bears it. Money is exact, in the statement's currency.

    `per_token` is the weight of a token of each class under each class cost, `unit` what one unit of weight
    costs. `pools` says how the fleet's hours were used; it is empty where that is not known.
    """

    basis: Basis
    cost: Fraction | Missing
    unit: Fraction
    per_token: Mapping[int, tuple[Fraction, ...]]
    idle: Fraction | Missing
    pools: tuple[PoolWork, ...] = ()

    def weight(self, usage: UsageCost) -> Fraction:
        """What a group of usage of this bucket weighs against others."""
        if self.basis == "weights":
            return usage.weight
        return sum(self._weights(usage), ZERO)

    def borne_by(self, usage: UsageCost) -> Fraction:
        """What a group of usage of this bucket bears of the fleet's cost; zero where that has no value."""
        return self.weight(usage) * self.unit

    def by_class(self, usage: UsageCost) -> tuple[Fraction, ...]:
        """The same by token class."""
        return tuple(weight * self.unit for weight in self._weights(usage))

    def _weights(self, usage: UsageCost) -> tuple[Fraction, ...]:
        sums = [ZERO] * len(CLASSES)
        for number, tokens in usage.own_tokens.items():
            for position, weight in enumerate(self.per_token[number]):
                sums[position] += weight * tokens[position]
        return tuple(sums)


def fleet_splits(account: Account) -> list[FleetSplit]:
    """The split of each bucket."""
    return [_split(account, bucket) for bucket in range(len(account.buckets.periods))]


def _split(account: Account, bucket: int) -> FleetSplit:
    cost = account.fleet_cost.exact(bucket)
    entries = account.usage.class_costs
    declared = tuple(account.usage.weights[name] for name in CLASSES)
    used = _tokens([total for total in account.usage_totals if total.bucket == bucket])
    recorded = {number for number in used if number != DECLARED}
    # A class cost that holds on none of the bucket's days takes part in nothing here.
    per_token = {number: _busy_seconds(entries[number]) for number in recorded}
    seconds = sum((_dot(used[number], per_token[number]) for number in recorded), ZERO)
    weight = sum((_dot(used[number], declared) for number in recorded), ZERO)
    if not seconds or (DECLARED in used and not weight):
        return _by_weights(cost, used, declared)
    per_unit = seconds / weight if weight else ZERO
    per_token[DECLARED] = tuple(each * per_unit for each in declared)
    held = _hours_by_pool(account, bucket)
    if held is None or isinstance(cost, Missing):
        return _proportions(cost, used, per_token)
    pool_of = _pools(used, entries, held)
    done = _work_of(
        used, entries, _dot(used.get(DECLARED, _NO_TOKENS), declared) / weight if weight else ZERO
    )
    groups = {*pool_of.values(), *(pool if pool in pool_of.values() else "" for pool in held)}
    works = [_pool_work(pool, held, done, pool_of) for pool in sorted(groups)]
    rates = {
        work.pool: work.price_per_gpu_hour / _SECONDS_PER_HOUR
        * (work.gpu_hours / work.busy.value if work.is_over else 1)
        for work in works
    }  # fmt: skip
    money = {
        number: tuple(each * rates[pool_of[number]] for each in seconds_of)
        for number, seconds_of in per_token.items()
        if number in pool_of
    }
    idle = sum((work.idle for work in works), ZERO)
    return FleetSplit("class_costs", cost, Fraction(1), money, idle, tuple(works))


def _tokens(costs: Iterable[UsageCost]) -> dict[int, tuple[int, ...]]:
    """Own tokens by class under each class cost; class costs without a token are left out."""
    sums: dict[int, list[int]] = defaultdict(lambda: [0] * len(CLASSES))
    for cost in costs:
        for number, tokens in cost.own_tokens.items():
            for position, count in enumerate(tokens):
                sums[number][position] += count
    return {number: tuple(counts) for number, counts in sums.items()}


def _dot(tokens: Sequence[int], each: Sequence[Fraction]) -> Fraction:
    return sum((count * one for count, one in zip(tokens, each, strict=True)), ZERO)


_NO_TOKENS = (0,) * len(CLASSES)


def _busy_seconds(entry: ClassCostEntry | None) -> tuple[Fraction, ...]:
    return tuple(entry.busy_seconds(name) if entry else ZERO for name in CLASS_NAMES)


def _by_weights(
    cost: Fraction | Missing, used: Mapping[int, tuple[int, ...]], declared: tuple[Fraction, ...]
) -> FleetSplit:
    """All of the cost over all own tokens; a fleet that served nothing is idle."""
    weight = sum((_dot(tokens, declared) for tokens in used.values()), ZERO)
    per_token = dict.fromkeys((*used, DECLARED), declared)
    if isinstance(cost, Missing):
        return FleetSplit("weights", cost, ZERO, per_token, cost)
    if not weight or not cost:
        return FleetSplit("weights", cost, ZERO, per_token, cost)
    return FleetSplit("weights", cost, cost / weight, per_token, IDLE_NEEDS_CLASS_COSTS)


def _proportions(
    cost: Fraction | Missing,
    used: Mapping[int, tuple[int, ...]],
    per_token: Mapping[int, tuple[Fraction, ...]],
) -> FleetSplit:
    """All of the cost by GPU-seconds: how many hours there were is not known."""
    if isinstance(cost, Missing):
        return FleetSplit("proportions", cost, ZERO, per_token, cost)
    seconds = sum((_dot(tokens, per_token[number]) for number, tokens in used.items()), ZERO)
    return FleetSplit("proportions", cost, cost / seconds, per_token, IDLE_NEEDS_HOURS if cost else ZERO)


Held = dict[str, tuple[Fraction, Fraction]]
"""GPU-hours and cost by pool."""


def _hours_by_pool(account: Account, bucket: int) -> Held | None:
    """What the fleet held: as capacity has it, else as leases are billed; None where neither counts hours."""
    month = account.buckets.periods[bucket].first
    held: Held = {}
    for row in account.fleet:
        if account.buckets.of(row.day) == bucket:
            cost = account.converter.over_month(row.cost, row.currency, month)
            hours, known = held.get(row.pool, (ZERO, ZERO))
            held[row.pool] = (hours + row.gpu_hours, known + (ZERO if isinstance(cost, NoRate) else cost))
    if not held:
        held = _hours_of_leases(account, bucket)
    return held if any(hours for hours, _ in held.values()) else None


def _hours_of_leases(account: Account, bucket: int) -> Held:
    """Leases that count GPU-hours; one that charges for use without counting leaves the hours unknown."""
    hours = cost = ZERO
    for bill, at, part in account.accruals("gpu"):
        if at != bucket:
            continue
        days = bill.period.overlap(account.buckets.periods[bucket])
        if bill.charge == "usage":
            if bill.quantity is None or bill.unit.strip().lower() not in GPU_HOURS or days is None:
                return {}
            hours += bill.quantity * days.day_count / bill.period.day_count
        cost += ZERO if isinstance(part, NoRate) else part
    return {"": (hours, cost)} if hours else {}


def _pools(
    used: Mapping[int, tuple[int, ...]], entries: Sequence[ClassCostEntry | None], held: Held
) -> dict[int, str]:
    """Which pool serves the tokens of each class cost; empty is all pools that none of them names.

    Where every pool is named and tokens are left that name none, the whole fleet counts as one pool.
    """
    named: dict[int, str] = {}
    for number in used:
        entry = entries[number]
        pool = entry.pool if entry else ""
        named[number] = pool if pool in held and held[pool][0] else ""
    rest = sum((hours for pool, (hours, _) in held.items() if pool not in named.values()), ZERO)
    if "" in named.values() and not rest:
        return dict.fromkeys(named, "")
    return named


def _hours(tokens: Sequence[int], seconds: Callable[[str, str], Fraction]) -> Hours:
    """GPU-hours of tokens, with bounds."""
    bounds = ([seconds(name, which) for name in CLASS_NAMES] for which in ("value", "low", "high"))
    return Hours(*(_dot(tokens, each) / _SECONDS_PER_HOUR for each in bounds))


Work = tuple[Hours, Hours]
"""GPU-hours at benchmark speed, and busy."""


def _work_of(
    used: Mapping[int, tuple[int, ...]], entries: Sequence[ClassCostEntry | None], declared: Fraction
) -> dict[int, Work]:
    """The work under each class cost; tokens without any take `declared` times that of all others."""
    found: dict[int, Work] = {}
    for number, tokens in used.items():
        entry = entries[number]
        if entry is not None:
            found[number] = _hours(tokens, entry.benchmark_seconds), _hours(tokens, entry.busy_seconds)
    if DECLARED in used:
        others = tuple(sum((work[at] for work in found.values()), Hours()) for at in (0, 1))
        found[DECLARED] = others[0] * declared, others[1] * declared
    return found


def _pool_work(pool: str, held: Held, done: Mapping[int, Work], pool_of: Mapping[int, str]) -> PoolWork:
    """What one pool held, and what it was busy with."""
    named = set(pool_of.values())
    mine = [amounts for name, amounts in held.items() if (name if name in named else "") == pool]
    works = [work for number, work in done.items() if pool_of[number] == pool]
    return PoolWork(
        pool,
        sum((hours for hours, _ in mine), ZERO),
        sum((cost for _, cost in mine), ZERO),
        sum((benchmark for benchmark, _ in works), Hours()),
        sum((busy for _, busy in works), Hours()),
    )
