"""Which users come on which day, and how many sessions they have: one day after another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from breakeven.sources.synthetic import company
from breakeven.sources.synthetic.plan import CompanyPlan
from breakeven.sources.synthetic.population import Population, Visits
from breakeven.sources.synthetic.randomness import Purpose, stream

_WEEKDAY_VISITS = (1.02, 1.03, 1.03, 1.02, 1.0, 0.95, 0.95)
_MOST_SESSIONS = 60


@dataclass(frozen=True)
class ActiveDay:
    """The users of one day, by rising number, and their sessions."""

    users: NDArray[np.int64]
    sessions: NDArray[np.int64]


class Calendar:
    """Walks the days; keeps only the users who may still come back."""

    def __init__(self, plan: CompanyPlan, people: Population, visits: Visits) -> None:
        self._plan, self._people, self._visits = plan, people, visits
        self._may_return: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def next_day(self, day: int) -> ActiveDay:
        """The active users of a day; call it once for each day, in order."""
        people, date = self._people, self._plan.days[day]
        random = stream(self._plan.seed, Purpose.ACTIVITY, day)
        here = self._may_return[people.last_day[self._may_return] >= day]
        factor = _WEEKDAY_VISITS[date.weekday()]
        if date == company.OUTAGE + timedelta(days=1):
            factor *= company.DAY_AFTER_OUTAGE_VISITS
        back = here[random.random(len(here), dtype=np.float32) < people.daily_rate[here] * factor]
        new = np.arange(people.first_of_day[day], people.first_of_day[day + 1])
        self._may_return = np.concatenate([here, new[people.last_day[new] > day]])
        users = np.concatenate([back, new])
        more = self._visits.sessions_per_active_day[self._plan.month_index(date)] - 1
        sessions = 1 + random.poisson(more * people.heaviness[users])
        return ActiveDay(users, np.minimum(sessions, _MOST_SESSIONS))
