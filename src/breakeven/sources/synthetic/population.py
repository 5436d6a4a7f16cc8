"""The users: when and where they come from, how long they stay, how often and how much they use it.

All users are drawn at the start into compact arrays (14 bytes a user), in the order in which they come, so
that a user's number also says the day: `first_of_day[d] <= user < first_of_day[d + 1]`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from breakeven.sources.synthetic import company
from breakeven.sources.synthetic.plan import CompanyPlan
from breakeven.sources.synthetic.randomness import Purpose, choice_table, split, stream

ORGANIC = len(company.CHANNELS)
"""The channel number of users who were not bought; lower numbers index `company.CHANNELS`."""

_ALL_CHANNELS = (*company.CHANNELS, company.ORGANIC)
_STAY_SPREAD = 1.6
_USUAL_DAILY_RATE, _RATE_SPREAD = 0.35, 0.6
_HEAVY_SPREAD, _HEAVIEST = 0.75, 20.0
_WEEKDAY_FACTORS = (1.04, 1.06, 1.06, 1.04, 1.0, 0.9, 0.9)


@dataclass(frozen=True)
class Population:
    """One entry per user in each array; `last_day` may lie after the span."""

    first_of_day: NDArray[np.int64]
    acquired_day: NDArray[np.int16]
    channel: NDArray[np.int8]
    platform: NDArray[np.int8]
    last_day: NDArray[np.int16]
    daily_rate: NDArray[np.float32]
    heaviness: NDArray[np.float32]

    @property
    def size(self) -> int:
        """How many users come over the span."""
        return len(self.channel)


def draw_population(plan: CompanyPlan) -> Population:
    """All users of the plan, in the order in which they come."""
    day_counts = np.vstack([_month_counts(plan, month) for month in range(plan.months)])
    first_of_day = np.concatenate(([0], np.cumsum(day_counts.sum(axis=1)))).astype(np.int64)
    people = Population(
        first_of_day,
        acquired_day=np.repeat(np.arange(len(plan.days), dtype=np.int16), day_counts.sum(axis=1)),
        channel=np.empty(plan.users, dtype=np.int8),
        platform=np.empty(plan.users, dtype=np.int8),
        last_day=np.empty(plan.users, dtype=np.int16),
        daily_rate=np.empty(plan.users, dtype=np.float32),
        heaviness=np.empty(plan.users, dtype=np.float32),
    )
    platforms = choice_table(company.PLATFORM_SHARES)
    for day, counts in enumerate(day_counts):
        _draw_day(plan, people, day, counts, platforms)
    return people


def _month_counts(plan: CompanyPlan, month: int) -> NDArray[np.int64]:
    """New users of each day of a month (rows) by channel (columns, organic last)."""
    random = stream(plan.seed, Purpose.POPULATION, 1_000_000 + month)
    days = [day for day in plan.days if plan.month_index(day) == month]
    users = plan.new_users_by_month[month]
    bought = round(users * company.BOUGHT_SHARE)
    usual = np.array([_WEEKDAY_FACTORS[day.weekday()] for day in days])
    surge = np.array([company.SURGE.get(day, 1.0) for day in days])
    usual *= random.normal(1.0, 0.06, len(days)).clip(0.7, 1.3)
    shares = channel_shares(month)
    weights = np.outer(usual * (1 + (surge - 1) * 0.15), shares).ravel()
    bought_cells = random.multinomial(bought, weights / weights.sum()).reshape(len(days), len(shares))
    organic = split(users - bought, usual * surge)
    return np.column_stack([bought_cells, organic])


def channel_shares(month: int) -> NDArray[np.float64]:
    """Share of bought users by channel in the plan's month, moving from first to last over six months."""
    move = min(month, 5) / 5
    shares = [one.first_share + (one.last_share - one.first_share) * move for one in company.CHANNELS]
    return np.array(shares) / sum(shares)


def _draw_day(
    plan: CompanyPlan,
    people: Population,
    day: int,
    counts: NDArray[np.int64],
    platforms: NDArray[np.int8],
) -> None:
    random = stream(plan.seed, Purpose.POPULATION, day)
    first, end = int(people.first_of_day[day]), int(people.first_of_day[day + 1])
    size = end - first
    channel = random.permutation(np.repeat(np.arange(len(counts), dtype=np.int8), counts))
    once = np.array([one.once_share for one in _ALL_CHANNELS])[channel]
    median = np.array([one.median_stay_days for one in _ALL_CHANNELS])[channel]
    stay = 1 + np.exp(np.log(median) + _STAY_SPREAD * random.standard_normal(size))
    stay = np.where(random.random(size) < once, 0, np.minimum(stay, 20_000))
    rate = np.exp(np.log(_USUAL_DAILY_RATE) + _RATE_SPREAD * random.standard_normal(size))
    heavy = np.exp(_HEAVY_SPREAD * random.standard_normal(size) - _HEAVY_SPREAD**2 / 2)
    people.channel[first:end] = channel
    people.platform[first:end] = platforms[random.integers(0, len(platforms), size)]
    people.last_day[first:end] = np.minimum(day + stay, 32_000).astype(np.int16)
    people.daily_rate[first:end] = rate.clip(0.03, 0.95)
    people.heaviness[first:end] = heavy.clip(0.05, _HEAVIEST)


@dataclass(frozen=True)
class Visits:
    """What makes the visits come out as planned: sessions on an active day, on average, by month.

    `weighted_sessions` counts each expected session by its user's heaviness: heavy users come more often.
    """

    sessions_per_active_day: tuple[float, ...]
    expected_sessions: float
    weighted_sessions: float


def plan_visits(plan: CompanyPlan, people: Population) -> Visits:
    """Solve for the sessions per active day that give `visits_per_visitor` in each month.

    Expected visitors and active days follow from the users' own rates, so nothing is tuned by hand.
    """
    per_day, sessions, weighted = list[float](), 0.0, 0.0
    mean_square = float(np.square(people.heaviness, dtype=np.float64).mean())
    start = 0
    for month in plan.month_starts:
        end = start + sum(1 for day in plan.days if plan.month_index(day) == plan.month_index(month))
        visitors, active_days = _expected(people, start, end)
        per_day.append(max(1.0, plan.visits_per_visitor * visitors / active_days) if active_days else 1.0)
        sessions += per_day[-1] * active_days
        weighted += (1 + (per_day[-1] - 1) * mean_square) * active_days
        start = end
    return Visits(tuple(per_day), sessions, weighted)


def _expected(people: Population, start: int, end: int) -> tuple[float, float]:
    """Expected visitors and active days in the days [start, end): a user's first day is always active."""
    came = int(people.first_of_day[end])
    here = np.flatnonzero(people.last_day[:came] >= start)
    acquired = people.acquired_day[here].astype(np.int32)
    rate = people.daily_rate[here].astype(np.float64)
    new = acquired >= start
    first = np.where(new, acquired + 1, start)
    chances = np.maximum(0, np.minimum(people.last_day[here], end - 1) - first + 1)
    visitors = np.where(new, 1.0, 1.0 - (1.0 - rate) ** chances).sum()
    return float(visitors), float(new.sum() + (chances * rate).sum())
