"""Demand above the fleet: what each policy would lose, whom it lets wait, and what enough GPUs would cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from breakeven.serving.class_work import TOKENS_PER_MTOK
from breakeven.serving.fleet.demand import Floats
from breakeven.serving.fleet.month import FOREVER, FleetMonth, PoolMonth, fleet_month
from breakeven.serving.fleet.supply import OVERFLOWS, Overflow, Rules, Supply

_NOISE = 1e-9


@dataclass(frozen=True)
class Waiting:
    """What has been asked for and is not served when the hours end.

    `tokens` by class, `gpu_hours` their work, `revenue` the money they would bring (None without prices), and
    `hours_to_clear` until the GPUs of the last hour have served all of it, came nothing more: infinite where
    none serves.
    """

    tokens: Floats
    gpu_hours: float
    revenue: float | None
    hours_to_clear: float


@dataclass(frozen=True)
class Lost:
    """What a policy does to a demand. What is not known is None.

    `tokens` (class) and `requests` are turned away or gone, `revenue` the money they would have paid. What
    is still in the queue at the end is neither served nor lost: `waiting`. `wait_hours` is the mean over all
    work, `longest_wait_hours` the worst hour's, both of the backlog alone. `backlog_hours` counts hours
    that end with one. `slowest` is the fewest tokens a second a user gets in an hour, `usual` what is
    promised.
    """

    policy: Overflow
    month: FleetMonth
    hours_short: int
    tokens: Floats
    waiting: Waiting
    requests: float | None
    revenue: float | None
    backlog_hours: int
    wait_hours: float
    longest_wait_hours: float
    slowest: float | None
    usual: float | None

    @property
    def cost(self) -> float:
        """Money for the GPUs."""
        return float(self.month.cost.sum())


@dataclass(frozen=True)
class Avoided:
    """Enough GPUs: how many more at the worst hour, and their price by the hour or all the time.

    `by_the_hour` is None where no on-demand price is known, `all_hours` where no reserved or owned one is.
    """

    gpus: int
    gpu_hours: float
    by_the_hour: float | None
    all_hours: float | None


def lost_by(month: FleetMonth, policy: Overflow) -> Lost:
    """What was lost in hours that were served by a policy."""
    pools = month.pools
    rejected = np.concatenate([pool.outcome.rejected for pool in pools], axis=1)
    work = np.concatenate([pool.pool.work for pool in pools], axis=1)
    wait = np.concatenate([pool.fluid_wait_hours for pool in pools], axis=1)
    backlog = np.concatenate([pool.outcome.backlog for pool in pools], axis=1)
    speeds = np.concatenate([pool.user_tokens_per_second for pool in pools], axis=1)
    speeds = speeds[np.isfinite(speeds)]
    usual = min(
        (1 / model.curve.target_seconds for model in month.models if model.curve is not None), default=None
    )
    return Lost(
        policy,
        month,
        month.hours_short,
        rejected.sum(axis=(0, 1)),
        waiting_at_the_end(month),
        _requests(month, rejected.sum(axis=0)),
        revenue_of(month, rejected.sum(axis=0)),
        int((backlog.sum(axis=1) > _NOISE).sum()),
        float((wait * work).sum() / work.sum()) if work.any() else 0.0,
        float(wait.max()),
        float(speeds.min()) if speeds.size else None,
        usual,
    )


def waiting_at_the_end(month: FleetMonth) -> Waiting:
    """The queue that the last hour leaves to the next one; nothing where no policy lets requests wait."""
    tokens = np.concatenate([pool.outcome.waiting[-1] for pool in month.pools])
    backlog = np.concatenate([pool.outcome.backlog[-1] for pool in month.pools])
    able = np.concatenate([pool.capacity[-1] for pool in month.pools])
    hours = np.divide(backlog, able, out=np.where(backlog > 0, FOREVER, 0.0), where=able > 0)
    return Waiting(tokens.sum(axis=0), float(backlog.sum()), revenue_of(month, tokens), float(hours.max()))


def policies(
    month: FleetMonth, supplies: Mapping[str, Supply], rules: Rules, patience_hours: float = FOREVER
) -> tuple[Lost, ...]:
    """Each policy on the same demand and fleet; slowing down only where all models have a latency curve."""
    can_slow = all(model.curve is not None for model in month.models)
    return tuple(
        lost_by(
            month
            if policy == month.overflow
            else fleet_month(month.demand, month.models, supplies, rules, policy, patience_hours),
            policy,
        )
        for policy in OVERFLOWS
        if policy != "slow" or can_slow
    )


def avoided_by(pools: tuple[PoolMonth, ...]) -> Avoided:
    """The GPUs that demand would have had on by the same rules, beyond those that there are."""
    beyond = [np.maximum(pool.load - pool.supply.limit, 0.0) for pool in pools]
    gpus = [int(np.ceil(more.max(initial=0.0) - _NOISE)) for more in beyond]
    by_hour = [_times(float(m.sum()), p.supply.on_demand_price) for m, p in zip(beyond, pools, strict=True)]
    always = [
        _times(count * len(more), _cheapest(pool.supply))
        for count, more, pool in zip(gpus, beyond, pools, strict=True)
    ]
    return Avoided(sum(gpus), float(sum(more.sum() for more in beyond)), _sum(by_hour), _sum(always))


def _cheapest(supply: Supply) -> float | None:
    known = [price for price in (supply.owned_price, supply.reserved_price) if price is not None]
    return min(known, default=None)


def _times(amount: float, price: float | None) -> float | None:
    return 0.0 if amount == 0 else None if price is None else amount * price


def _sum(amounts: list[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None


def _requests(month: FleetMonth, rejected: Floats) -> float | None:
    """Requests that tokens (model, class) were, by their output; None where requests are not known."""
    counts: list[float | None] = []
    for model, tokens in zip(month.models, rejected, strict=True):
        if model.request is None or model.request.tokens[2] <= 0:
            counts.append(None if tokens.any() else 0.0)
        else:
            counts.append(float(tokens[2]) / model.request.tokens[2])
    return _sum(counts)


def revenue_of(month: FleetMonth, tokens_by_model: Floats) -> float | None:
    """Money that tokens (model, class) would bring; None where a model of them has no prices."""
    amounts = [
        (None if tokens.any() else 0.0)
        if model.prices_per_mtok is None
        else float(tokens @ np.array(model.prices_per_mtok)) / TOKENS_PER_MTOK
        for model, tokens in zip(month.models, tokens_by_model, strict=True)
    ]
    return _sum(amounts)
