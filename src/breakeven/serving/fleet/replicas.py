"""Whole replicas by hour: what work needs, how a fleet that cannot jump gets there, and who goes short.

    needed = ceil(work / (GPUs per replica x (1 - headroom))) + spare,    at least the minimum

Where prefill and decode have GPUs of their own, each kind is rounded up for its share of the work.

A fleet with a limit r on changes, which knows what is coming, starts early and stops late: replicas on are
the least number that is never below need and never changes by more than r. Both directions are running
maxima:

    up to hour t:  max over k of needed(t + k) - r k,    from hour t:  max over k of needed(t - k) - r k
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

import numpy as np

from breakeven.serving.fleet.demand import Floats
from breakeven.serving.fleet.served_model import ServedModel
from breakeven.serving.fleet.supply import Rules

_NOISE = 1e-9
"""Work this little above whole replicas is rounding of floats, not a reason for one more."""
_MINUTES_PER_HOUR = 60


@dataclass(frozen=True)
class Switched:
    """Replicas by hour and model, as averages over the hour: `serving`, and `starting`, on but not ready."""

    serving: Floats
    starting: Floats


def needed_replicas(work: Floats, models: Sequence[ServedModel], rules: Rules) -> Floats:
    """Replicas that work (GPU-hours an hour; hour, model) needs. No work needs the minimum.

    >>> from breakeven.serving.class_work import ClassWork
    >>> from breakeven.serving.estimate import Estimate
    >>> model = ServedModel("v3", ClassWork(*[Estimate.exact(1e-3)] * 3), gpus_per_replica=8)
    >>> work = np.array([[0.0], [6.0], [6.9]])
    >>> needed_replicas(work, [model], Rules(headroom=0.2, spare=1))[:, 0].tolist()
    [0.0, 2.0, 3.0]
    """
    units = units_of(models)
    enough = filled_replicas(work, models, rules) + rules.spare * units
    return np.maximum(np.where(work > 0, enough, 0.0), rules.minimum * units)


def filled_replicas(work: Floats, models: Sequence[ServedModel], rules: Rules) -> Floats:
    """Replicas that work fills as far as the headroom allows, the last one of each kind perhaps in part."""
    filled = np.zeros_like(work)
    for at, model in enumerate(models):
        for gpus, share in model.replica_groups:
            whole = np.ceil(work[:, at] * share / (gpus * (1 - rules.headroom)) - _NOISE)
            filled[:, at] += whole * gpus / model.gpus_per_replica
    return filled


def units_of(models: Sequence[ServedModel]) -> Floats:
    """What one whole replica counts as, by model."""
    return np.array([float(model.units) for model in models])


def switched(needed: Floats, rules: Rules, units: Floats | float = 1.0) -> Switched:
    """The replicas on when a fleet follows what is needed by its rules, were GPUs without end.

    `units` is what one whole replica counts as, by model.
    """
    most = float("inf") if rules.most_changes is None else rules.most_changes * units
    if rules.follows == "forecast":
        return _ahead(needed, rules, most)
    return _behind(needed, rules, most)


def _ahead(needed: Floats, rules: Rules, most: Floats | float) -> Switched:
    """Started before need: nothing is ever short, and the time of starting is paid beforehand."""
    serving = _kept_on(needed, rules.scale_down_hours)
    if rules.most_changes is not None:
        slope = np.arange(len(needed), dtype=float)[:, None] * most
        serving = np.maximum.accumulate((serving - slope)[::-1])[::-1] + slope
        serving = np.maximum.accumulate(serving + slope) - slope
    whole, part = _hours_of_start(rules)
    on = (1 - part) * _most_coming(serving, whole) + part * _most_coming(serving, whole + 1)
    return Switched(serving, on - serving)


def _behind(needed: Floats, rules: Rules, most: Floats | float) -> Switched:
    """Ordered after the hour just past, serving when started: a replica is ready that stayed on so long.

    The first hour begins with what it needs.
    """
    seen = np.concatenate([needed[:1], needed[:-1]])
    wanted = _kept_on(seen, rules.scale_down_hours)
    if rules.most_changes is not None:
        for hour in range(1, len(wanted)):
            wanted[hour] = np.clip(wanted[hour], wanted[hour - 1] - most, wanted[hour - 1] + most)
    whole, part = _hours_of_start(rules)
    ready = (1 - part) * _least_before(wanted, whole) + part * _least_before(wanted, whole + 1)
    return Switched(ready, wanted - ready)


def _hours_of_start(rules: Rules) -> tuple[int, float]:
    hours = rules.start_minutes / _MINUTES_PER_HOUR
    return floor(hours), hours - floor(hours)


def _kept_on(replicas: Floats, hours: int) -> Floats:
    """What each hour and the `hours` before it needed at most."""
    kept = replicas.copy()
    for back in range(1, min(hours, len(replicas) - 1) + 1):
        np.maximum(kept[back:], replicas[:-back], out=kept[back:])
    return kept


def _most_coming(replicas: Floats, hours: int) -> Floats:
    return _kept_on(replicas[::-1], hours)[::-1]


def _least_before(replicas: Floats, hours: int) -> Floats:
    return -_kept_on(-replicas, hours)


def within_limit(replicas: Floats, work: Floats, gpus_per_replica: Floats, limit: float) -> Floats:
    """Replicas (hour, model) cut down to a limit of GPUs in the hours that exceed it.

    Models share what there is by their work, in whole replicas and never more than they would have: the parts
    rounded down, then each further replica to who has most work for each GPU it would then have (D'Hondt's
    method, by which no model loses a replica when there are more GPUs, as long as replicas are of one size).

    >>> within_limit(np.array([[2.0, 2.0]]), np.array([[16.0, 8.0]]), np.array([8.0, 8.0]), 24).tolist()
    [[2.0, 1.0]]
    """
    if limit == float("inf"):
        return replicas
    over = (replicas * gpus_per_replica).sum(axis=1) > limit * (1 + _NOISE)
    if not over.any():
        return replicas
    cut = replicas.copy()
    for hour in np.flatnonzero(over):
        cut[hour] = _shared(replicas[hour], work[hour], gpus_per_replica, limit)
    return cut


def _shared(replicas: Floats, work: Floats, gpus: Floats, limit: float) -> Floats:
    weights = work if work.any() else replicas * gpus
    share = limit * weights / weights.sum()
    given = np.minimum(np.floor(share / gpus + _NOISE), np.floor(replicas + _NOISE))
    while True:
        left = limit - float(given @ gpus)
        room = (given + 1 <= replicas + _NOISE) & (gpus <= left + _NOISE)
        if not room.any():
            return given
        given[int(np.argmax(np.where(room, weights / ((given + 1) * gpus), -1.0)))] += 1
