"""A fleet through its hours: GPUs, use, money and what overflowed, pool by pool and all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from breakeven.errors import InputError
from breakeven.serving.class_work import SECONDS_PER_HOUR, TOKENS_PER_MTOK
from breakeven.serving.fleet.cost import GpuHours
from breakeven.serving.fleet.demand import Floats, HourlyDemand
from breakeven.serving.fleet.hour_wait import hour_wait_seconds
from breakeven.serving.fleet.overflow import Outcome, Pool, overflowing
from breakeven.serving.fleet.replicas import (
    Switched,
    filled_replicas,
    needed_replicas,
    switched,
    units_of,
    within_limit,
)
from breakeven.serving.fleet.served_model import ServedModel
from breakeven.serving.fleet.supply import Overflow, Rules, Supply

_HOURS_PER_DAY = 24
_MORE = 0.1
"""A single token hardly ever needs a replica more: it is asked whether this much more work would."""
_NOISE = 1e-6
_MOST = 1e18
"""Money, or GPU-hours of work: beyond it a sum of money has no exact minor unit any more."""
FOREVER = float("inf")


@dataclass(frozen=True)
class PoolMonth:
    """One pool's hours. Arrays are by hour, or by hour and model of `models`.

    `pool` holds what was asked and planned, `outcome` what became of it, `starting` (hour, model) replicas
    that were on but not ready, `wanted` the replicas that would have been on were there GPUs without end.
    """

    name: str
    supply: Supply
    rules: Rules
    pool: Pool
    wanted: Switched
    starting: Floats
    outcome: Outcome

    @property
    def models(self) -> Sequence[ServedModel]:
        """The models that share the pool."""
        return self.pool.models

    @cached_property
    def served_work(self) -> Floats:
        """GPU-hours of work served, at what a GPU does at its target: (hour, model)."""
        return self.pool.work_of(self.outcome.served)

    @cached_property
    def capacity(self) -> Floats:
        """GPU-hours that the serving replicas can do at their target: (hour, model)."""
        return self.outcome.serving * self.pool.gpus

    @cached_property
    def gpu_hours(self) -> GpuHours:
        """GPUs by how they are paid and by what they did."""
        working = np.minimum(self.served_work, self.capacity)
        return GpuHours.of(
            self.supply,
            self.capacity.sum(axis=1),
            (self.starting * self.pool.gpus).sum(axis=1),
            working.sum(axis=1),
        )

    @property
    def load(self) -> Floats:
        """GPUs that would be on, by hour, were there GPUs without end: what a mix has to carry."""
        return ((self.wanted.serving + self.wanted.starting) * self.pool.gpus).sum(axis=1)

    @cached_property
    def working_cost(self) -> Floats:
        """Money for the GPU time each model worked, at what a GPU that was on cost in its hour: (model)."""
        all_work = self.served_work.sum(axis=1, keepdims=True)
        part = np.divide(self.served_work, all_work, out=np.zeros_like(self.served_work), where=all_work > 0)
        return (part * self.gpu_hours.cost("working")[:, None]).sum(axis=0)

    @cached_property
    def idle_cost(self) -> Floats:
        """All other money of the pool, shared by work: (model). Equal parts where nothing was served."""
        work = self.served_work.sum(axis=0)
        weights = work if work.any() else np.ones_like(work)
        idle = self.gpu_hours.total_cost.sum() - self.working_cost.sum()
        return idle * weights / weights.sum()

    @property
    def price_per_work_hour(self) -> Floats:
        """What a GPU-hour of each model's work costs, idle ones included, (model); NaN without any."""
        work = self.served_work.sum(axis=0)
        cost = self.working_cost + self.idle_cost
        return np.divide(cost, work, out=np.full_like(work, np.nan), where=work > 0)

    @property
    def average_cost_per_mtok(self) -> Floats:
        """Money per million tokens, (model, class), idle hours in it."""
        return self.pool.seconds * self.price_per_work_hour[:, None] * (TOKENS_PER_MTOK / SECONDS_PER_HOUR)

    @cached_property
    def marginal_price(self) -> Floats:
        """Money per further GPU-hour of work in each hour, (hour, model): what the next replica would cost.

        Nothing where a tenth more work fits into what is on, or owned and reserved GPUs are off that could
        carry a replica. Else the on-demand price over the part of a replica that may be filled, for so much
        of it as must be rented. NaN where there is no GPU left to rent.
        """
        gpus, free = self.pool.gpus, self.gpu_hours.off[:, None]
        more = np.maximum(self.pool.work * (1 + _MORE), _NOISE)
        filled = filled_replicas(more, self.models, self.rules) + self.rules.spare * units_of(self.models)
        has_room = self.outcome.serving >= filled
        rented = np.clip(gpus - free, 0.0, None)
        most = FOREVER if self.supply.on_demand is None else self.supply.on_demand
        is_left = rented <= most - self.gpu_hours.on_demand[:, None] + 1e-9
        price = rented / gpus * (self.supply.on_demand_price or 0.0) / (1 - self.rules.headroom)
        return np.where(has_room, 0.0, np.where(is_left, price, np.nan))

    @property
    def peak_price(self) -> float:
        """Long-run money per GPU-hour of work in the busiest hour of every day, over the part that is filled.

        By the hour where more can be rented at the peak, else what a committed GPU of the cheapest kind costs
        all day.
        """
        ways = [
            price * _HOURS_PER_DAY
            for price in (self.supply.owned_price, self.supply.reserved_price)
            if price is not None
        ]
        if self.supply.on_demand_price is not None and self.load.max() < self.supply.limit:
            ways.append(self.supply.on_demand_price)
        return min(ways, default=float("nan")) / (1 - self.rules.headroom)

    @cached_property
    def revenue(self) -> Floats:
        """Money for the tokens served, (hour, model); NaN for a model without prices."""
        prices = np.array(
            [model.prices_per_mtok or (np.nan, np.nan, np.nan) for model in self.models], dtype=float
        )
        return np.einsum("hmc,mc->hm", self.outcome.served, prices) / TOKENS_PER_MTOK

    @cached_property
    def fluid_wait_hours(self) -> Floats:
        """Hours that the backlog before a request takes, (hour, model); infinite where nothing serves."""
        waiting, able = self.outcome.mean_backlog, self.capacity
        wait = np.divide(waiting, able, out=np.zeros_like(able), where=able > 0)
        return np.where((able <= 0) & (waiting > 0), np.inf, wait)

    @cached_property
    def wait_seconds(self) -> Floats:
        """Mean wait of a request, (hour, model): for the backlog, else for a place inside the hour.

        NaN for models whose average request and places are not known, unless there is a backlog.
        """
        fluid = self.fluid_wait_hours * SECONDS_PER_HOUR
        return np.where(fluid > 0, fluid, self.inside_wait_seconds)

    @cached_property
    def inside_wait_seconds(self) -> Floats:
        """Mean wait for a place in an hour without a backlog, (hour, model); NaN if places are unknown."""
        found = np.full_like(self.capacity, np.nan)
        for at, model in enumerate(self.models):
            request, seconds = model.request, model.request_gpu_seconds
            if request is None or request.at_once is None or seconds is None:
                continue
            able = self.capacity[:, at]
            share = np.divide(self.served_work[:, at], able, out=np.zeros_like(able), where=able > 0)
            places = self.outcome.serving[:, at] * request.at_once
            service = np.full_like(able, request.at_once * seconds / model.gpus_per_replica)
            found[:, at] = hour_wait_seconds(
                places, share, service, request.arrival_variation, request.service_variation
            )
        return found

    @cached_property
    def user_tokens_per_second(self) -> Floats:
        """Tokens a second that one user gets, (hour, model); NaN without a latency curve or replicas."""
        found = np.full_like(self.capacity, np.nan)
        for at, model in enumerate(self.models):
            if model.curve is not None:
                able = self.capacity[:, at]
                load = np.divide(
                    self.served_work[:, at], able, out=np.full_like(able, np.nan), where=able > 0
                )
                found[:, at] = 1 / model.curve.seconds_per_token(load)
        return found


@dataclass(frozen=True)
class FleetMonth:
    """All pools of a fleet over the hours of a demand."""

    demand: HourlyDemand
    pools: tuple[PoolMonth, ...]
    overflow: Overflow | None

    @property
    def models(self) -> tuple[ServedModel, ...]:
        """All models, pool by pool."""
        return tuple(model for pool in self.pools for model in pool.models)

    def sum_of(self, line: str) -> Floats:
        """Money by hour of a line of `cost.PAID` or `cost.DID`, all pools together."""
        return sum((pool.gpu_hours.cost(line) for pool in self.pools), np.zeros(self.demand.hours))

    def gpu_hours_of(self, line: str) -> Floats:
        """GPU-hours by hour of such a line."""
        return sum((pool.gpu_hours.gpu_hours(line) for pool in self.pools), np.zeros(self.demand.hours))

    @property
    def cost(self) -> Floats:
        """Money by hour."""
        return sum((pool.gpu_hours.total_cost for pool in self.pools), np.zeros(self.demand.hours))

    @property
    def work(self) -> Floats:
        """GPU-hours of work asked for, by hour."""
        return sum((pool.pool.work.sum(axis=1) for pool in self.pools), np.zeros(self.demand.hours))

    @property
    def on(self) -> Floats:
        """GPUs that are on, by hour."""
        return sum((pool.gpu_hours.on for pool in self.pools), np.zeros(self.demand.hours))

    @property
    def paid(self) -> Floats:
        """GPUs that are paid for, by hour."""
        return sum((pool.gpu_hours.paid for pool in self.pools), np.zeros(self.demand.hours))

    @property
    def utilisation(self) -> float:
        """Work done over GPU-hours paid for; NaN where nothing is paid."""
        paid = self.paid.sum()
        return float(self.gpu_hours_of("working").sum() / paid) if paid else float("nan")

    @property
    def hours_short(self) -> int:
        """Hours in which demand exceeds what serves."""
        short = np.concatenate([pool.pool.short() for pool in self.pools], axis=1)
        return int((short.sum(axis=1) > 0).sum())

    @property
    def peak_to_mean(self) -> float:
        """Work asked for in the busiest hour over that of the average one; NaN where there is none."""
        mean = self.work.mean()
        return float(self.work.max() / mean) if mean else float("nan")

    @property
    def average_cost_per_mtok(self) -> Floats:
        """Money per million tokens with idle in it: (model, class), in the order of `models`."""
        return np.concatenate([pool.average_cost_per_mtok for pool in self.pools])

    @property
    def marginal_cost_per_mtok(self) -> Floats:
        """Money for a million further tokens in an hour, (hour, model, class); NaN where none can be had."""
        per_hour = np.concatenate([pool.marginal_price for pool in self.pools], axis=1)
        seconds = np.concatenate([pool.pool.seconds for pool in self.pools])
        return per_hour[:, :, None] * seconds[None] * (TOKENS_PER_MTOK / SECONDS_PER_HOUR)

    @property
    def peak_cost_per_mtok(self) -> Floats:
        """Long-run money for one million further tokens in the busiest hour of every day: (model, class)."""
        return np.concatenate(
            [
                pool.pool.seconds * (TOKENS_PER_MTOK / SECONDS_PER_HOUR) * pool.peak_price
                for pool in self.pools
            ]
        )

    @property
    def revenue(self) -> Floats:
        """Money for the tokens served: (hour, model); NaN for models without prices."""
        return np.concatenate([pool.revenue for pool in self.pools], axis=1)

    @property
    def margin(self) -> Floats:
        """Revenue less everything paid for, by hour; NaN where a model has no prices."""
        return self.revenue.sum(axis=1) - self.cost


def fleet_month(
    demand: HourlyDemand,
    models: Sequence[ServedModel],
    supplies: Mapping[str, Supply],
    rules: Rules | None = None,
    overflow: Overflow | None = None,
    patience_hours: float = FOREVER,
) -> FleetMonth:
    """Serve a demand. `supplies` are GPUs by pool; each model's pool must be among them.

    Without an `overflow` policy demand above the fleet raises `InputError`, as does a model whose work or
    whose pool is not given.

    >>> from datetime import UTC, datetime
    >>> from breakeven.serving.class_work import ClassWork
    >>> from breakeven.serving.estimate import Estimate
    >>> work = ClassWork(Estimate.exact(1e-4), Estimate.exact(0.0), Estimate.exact(1e-3))
    >>> tokens = np.array([3.6e6, 3.6e7, 8.64e7])[:, None, None] * np.array([0.0, 0.0, 1.0])
    >>> demand = HourlyDemand(datetime(2026, 3, 1, tzinfo=UTC), ("v3",), tokens)
    >>> supply = Supply(owned=16, owned_price=1.0, on_demand_price=3.0)
    >>> month = fleet_month(demand, [ServedModel("v3", work, 8)], {"pool": supply}, Rules(headroom=0.0))
    >>> month.on.tolist(), month.cost.tolist(), month.utilisation
    ([8.0, 16.0, 24.0], [16.0, 16.0, 40.0], 0.625)
    >>> month.pools[0].marginal_price[:, 0].tolist()
    [0.0, 0.0, 3.0]
    """
    rules = rules or Rules()
    served = _asked_for(demand, models)
    pools: dict[str, list[ServedModel]] = {}
    for model in served:
        pools.setdefault(model.pool, []).append(model)
    for name in pools:
        if name not in supplies:
            raise InputError(
                f"the pool {name!r} has no GPUs", remedy=f"give it some, or use one of {', '.join(supplies)}"
            )
    month = FleetMonth(
        demand,
        tuple(
            _pool_month(demand, name, chosen, supplies[name], rules, overflow, patience_hours)
            for name, chosen in pools.items()
        ),
        overflow,
    )
    _refuse_beyond(month)
    return month


def _refuse_beyond(month: FleetMonth) -> None:
    """Figures that no fleet has come from a slip of the pen, and end where money has no digits left."""
    for amount in (month.work, month.cost, np.nan_to_num(month.revenue, nan=0.0, posinf=FOREVER)):
        if not float(amount.sum()) <= _MOST:
            raise InputError(
                f"a figure of this fleet is {float(amount.sum()):.3g}, beyond every fleet",
                cause="tokens, GPU-seconds or a price are too large",
                remedy="check their units: tokens are counts, GPU-seconds are per million tokens",
            )


def _asked_for(demand: HourlyDemand, models: Sequence[ServedModel]) -> list[ServedModel]:
    known = {model.name: model for model in models}
    for name in demand.models:
        if name not in known:
            raise InputError(
                f"how long GPUs work for a token of {name} is not known",
                remedy="give its GPU-seconds in the file of --work, or choose one model of the demand with"
                " --demand-model",
            )
    return [known[name] for name in demand.models]


def _pool_month(
    demand: HourlyDemand,
    name: str,
    models: Sequence[ServedModel],
    supply: Supply,
    rules: Rules,
    overflow: Overflow | None,
    patience_hours: float,
) -> PoolMonth:
    asked = Pool(models, demand.of_models([model.name for model in models]), np.zeros(0), supply.limit)
    wanted = switched(needed_replicas(asked.work, models, rules), rules, units_of(models))
    planned = within_limit(wanted.serving, asked.work, asked.gpus, supply.limit)
    pool = Pool(models, asked.tokens, planned, supply.limit)
    outcome = overflowing(pool, overflow, patience_hours)
    return PoolMonth(name, supply, rules, pool, wanted, _starting(wanted, outcome, pool), outcome)


def _starting(wanted: Switched, outcome: Outcome, pool: Pool) -> Floats:
    """Replicas that start, as far as GPUs are left for them beside those that serve."""
    starting = np.clip(wanted.serving + wanted.starting - outcome.serving, 0.0, wanted.starting)
    if pool.limit == FOREVER:
        return starting
    room = np.maximum(pool.limit - (outcome.serving * pool.gpus).sum(axis=1), 0.0)
    asked = (starting * pool.gpus).sum(axis=1)
    part = np.divide(room, asked, out=np.ones_like(room), where=asked > room)
    return starting * part[:, None]
