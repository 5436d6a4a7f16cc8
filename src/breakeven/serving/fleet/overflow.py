"""What becomes of tokens that a fleet cannot serve in their hour: they wait, they go, or all slow down.

- `reject`: an hour serves what it can and turns the rest away.
- `queue`: the rest waits, as a fluid: backlog' = what arrives - what is served. Requests that would wait
  longer than the patience go away. Replicas stay on until the backlog is gone.
- `slow`: replicas take more requests at once than the latency target allows, up to what their latency curve
  can give; users get fewer tokens a second. Beyond that, the rest is turned away.

Headroom and spare replicas are used up before anything overflows. Fluid queue: G. F. Newell (1982),
Applications of Queueing Theory, 2nd ed., chapter 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from breakeven.errors import InputError, UsageError
from breakeven.serving.class_work import SECONDS_PER_HOUR
from breakeven.serving.fleet.demand import Floats, seconds_per_token
from breakeven.serving.fleet.replicas import within_limit
from breakeven.serving.fleet.served_model import ServedModel, works
from breakeven.serving.fleet.supply import Overflow

_NOISE = 1e-9


@dataclass(frozen=True)
class Outcome:
    """What happens to the tokens of each hour, (hour, model, class), and to the replicas that serve them.

    `waiting` is the backlog at the end of each hour. All that is demanded by then is served, rejected or
    waiting. `serving` (hour, model) are replicas, more than planned where a backlog keeps them on. `backlog`
    and `mean_backlog` are GPU-hours of work waiting: at the end of the hour, and on average within it.
    """

    served: Floats
    rejected: Floats
    waiting: Floats
    serving: Floats
    backlog: Floats
    mean_backlog: Floats


@dataclass(frozen=True)
class Pool:
    """What an outcome depends on beside the policy: tokens asked, replicas planned, GPUs there are."""

    models: Sequence[ServedModel]
    tokens: Floats
    planned: Floats
    limit: float

    @property
    def gpus(self) -> Floats:
        """GPUs of one replica, by model."""
        return np.array([float(model.gpus_per_replica) for model in self.models])

    @property
    def seconds(self) -> Floats:
        """GPU-seconds per token: (model, class)."""
        return seconds_per_token(works(self.models))

    @property
    def work(self) -> Floats:
        """GPU-hours asked for: (hour, model)."""
        return self.work_of(self.tokens)

    @property
    def capacity(self) -> Floats:
        """GPU-hours that the planned replicas can do: (hour, model)."""
        return self.planned * self.gpus

    def work_of(self, tokens: Floats) -> Floats:
        """GPU-hours of tokens (..., model, class)."""
        return (tokens * self.seconds).sum(axis=-1) / SECONDS_PER_HOUR

    def short(self) -> Floats:
        """GPU-hours of work beyond what the planned replicas can do: (hour, model)."""
        over = self.work - self.capacity
        return np.where(over > _NOISE * np.maximum(self.work, 1.0), over, 0.0)


def overflowing(pool: Pool, policy: Overflow | None, patience_hours: float = float("inf")) -> Outcome:
    """What the policy makes of the demand. Without one, demand above the fleet raises `InputError`.

    Raises `UsageError` for a patience that is negative or no number.
    """
    if not patience_hours >= 0:
        raise UsageError(
            "the patience of who waits is negative or no number", remedy="write minutes from zero up"
        )
    if policy is None:
        _refuse_short(pool)
    if policy == "queue":
        return _queued(pool, patience_hours)
    most = _most_loads(pool.models) if policy == "slow" else np.ones(len(pool.models))
    able = pool.capacity * most
    work = pool.work
    part = _part_served(able, work)
    served = pool.tokens * part[:, :, None]
    nothing = np.zeros_like(work)
    return Outcome(served, pool.tokens - served, np.zeros_like(served), pool.planned, nothing, nothing)


def _most_loads(models: Sequence[ServedModel]) -> Floats:
    for model in models:
        if model.curve is None:
            raise UsageError(
                f"how far {model.name} can slow down is not known",
                remedy="give its latency curve in the file of --work, or --overflow queue or reject",
            )
    return np.array([model.curve.most_load for model in models if model.curve is not None])


def _refuse_short(pool: Pool) -> None:
    short = pool.short()
    if not short.any():
        return
    hours = int((short.sum(axis=1) > 0).sum())
    worst = int(np.argmax(short.sum(axis=1)))
    on = (pool.planned[worst] * pool.gpus).sum()
    is_full = on + float(pool.gpus.min()) > pool.limit
    raise InputError(
        f"demand exceeds the fleet in {hours} of {len(short)} hours, in hour {worst} by"
        f" {short[worst].sum():,.1f} GPUs of work over {on:,.1f} that serve",
        cause="there are too few GPUs" if is_full else "replicas start too slowly to follow the load",
        remedy="say what happens then with --overflow queue, reject or slow, or "
        + (
            "allow more GPUs"
            if is_full
            else "start from the forecast, allow more changes an hour or a larger minimum"
        ),
    )


def _queued(pool: Pool, patience_hours: float) -> Outcome:
    tokens, planned, gpus = pool.tokens, pool.planned, pool.gpus
    if not pool.short().any():
        nothing = np.zeros_like(pool.work)
        none = np.zeros_like(tokens)
        return Outcome(tokens, none, none, planned, nothing, nothing)
    served, rejected, waiting = np.zeros_like(tokens), np.zeros_like(tokens), np.zeros_like(tokens)
    serving, backlog, mean_backlog = planned.copy(), np.zeros_like(pool.work), np.zeros_like(pool.work)
    queue, before = np.zeros_like(tokens[0]), np.zeros(len(gpus))
    arriving = pool.work
    for hour in range(len(tokens)):
        asked = queue + tokens[hour]
        work = pool.work_of(asked)
        if hour and before.any():
            kept = np.minimum(serving[hour - 1], np.ceil(work / gpus - _NOISE))
            wanted = np.maximum(planned[hour], np.where(before > 0, kept, 0.0))
            serving[hour] = within_limit(wanted[None], work[None], gpus, pool.limit)[0]
        able = serving[hour] * gpus
        part = _part_served(able, work)
        served[hour] = asked * part[:, None]
        queue = asked - served[hour]
        left = pool.work_of(queue)
        most = np.where(able > 0, patience_hours * np.maximum(able, _NOISE), left)
        stays = np.divide(most, left, out=np.ones_like(left), where=left > most)
        rejected[hour] = queue * (1 - stays)[:, None]
        queue = queue * stays[:, None]
        after = left * stays
        waiting[hour], backlog[hour] = queue, after
        mean_backlog[hour] = _mean_between(before, left, arriving[hour], able, after)
        before = after
    return Outcome(served, rejected, waiting, serving, backlog, mean_backlog)


def _part_served(able: Floats, work: Floats) -> Floats:
    """The part of the work that fits; all of it where only the rounding of floats is above."""
    return np.divide(able, work, out=np.ones_like(work), where=work > able * (1 + _NOISE))


def _mean_between(before: Floats, unbounded: Floats, arriving: Floats, able: Floats, after: Floats) -> Floats:
    """The average over an hour of a backlog that goes in a straight line and stays at zero once it is there.

    It falls by `able - arriving` an hour; at that pace it is gone after before / (able - arriving) hours.
    """
    falls = able - arriving
    gone = np.divide(before, falls, out=np.ones_like(before), where=falls > before)
    ends = np.where(unbounded > 0, after, 0.0)
    return np.where(falls > before, before * gone / 2, (before + ends) / 2)
