"""Activity of cohorts: a curve through what all show, and each cohort's own forecast with its interval.

A curve alone is never the truth. So a forecast is the curve, what the curve misses (a common drift in the
logarithm of age, learned and carried on beyond the oldest cohort), the cohort's own level and drift as far as
its own history shows them, the months' ups and downs, and chance. `activity_variation` says how.

Curves of exits (sBG, BdW) alone are refused here: they hold for contracts that end once, and active users
come back. Use them for how many have not left, times how many of those are active: `ACTIVITY_CURVES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from breakeven.account.metrics import Missing
from breakeven.growth.activity.curves import ACTIVITY_CURVES, NAIVE, ActivityCurve
from breakeven.growth.activity.forecast import forecast_cohorts
from breakeven.growth.activity.posterior import Posterior, posterior_of
from breakeven.growth.activity.variation import AgeMeans, Spread, age_means, triangle
from breakeven.growth.maximum_likelihood import NO_CUSTOMERS
from breakeven.growth.model import Floats, from_free, slope
from breakeven.growth.survival import SurvivalModel

__all__ = [
    "ACTIVITY_CURVES", "NAIVE", "ActivityCounts", "ActivityCurve", "ActivityFit",
    "fit_activity", "refuse_activity",
]  # fmt: skip

NOBODY_RETURNED = Missing(
    "nobody came back after the period of acquisition: there is no activity to continue",
    "获取当期之后没有任何用户回来：没有可供推断的活跃",
)
ONE_AGE = Missing(
    "only one age after the acquisition was seen: a level, but no course to continue",
    "获取之后只观察到一个时点：只有水平，没有可延续的走势",
)
MORE_ACTIVE_THAN_USERS = Missing(
    "more users were active than the cohort has, or fewer than none: the counts are wrong",
    "活跃用户数多于同期群人数或为负：数据有误",
)


@dataclass(frozen=True)
class ActivityCounts:
    """Users by age: `exposed` who could have been active, `returned` who were. Adds up over shards and days.

    >>> monday = ActivityCounts.of([[10, 10]], [[10, 4]])
    >>> both = monday + ActivityCounts.of([[20, 20, 20]], [[20, 9, 5]])
    >>> both.ages.tolist(), both.exposed.tolist(), both.returned.tolist()
    ([0, 1, 2], [30.0, 30.0, 20.0], [30.0, 13.0, 5.0])
    """

    exposed: Floats
    returned: Floats

    @classmethod
    def of(cls, exposed: ArrayLike, returned: ArrayLike) -> ActivityCounts:
        """Cohorts summed by age, from (cohort, age) with NaN or 0 exposed where nothing was seen."""
        users, active = np.asarray(exposed, float), np.asarray(returned, float)
        seen = np.isfinite(users) & np.isfinite(active)
        return cls(np.where(seen, users, 0.0).sum(axis=0), np.where(seen, active, 0.0).sum(axis=0))

    @property
    def ages(self) -> np.ndarray:
        """0, 1, 2, ... periods after the acquisition."""
        return np.arange(len(self.exposed))

    def __add__(self, other: ActivityCounts) -> ActivityCounts:
        size = max(len(self.exposed), len(other.exposed))
        mine, theirs = (
            [np.pad(counts, (0, size - len(counts))) for counts in (one.exposed, one.returned)]
            for one in (self, other)
        )
        return ActivityCounts(mine[0] + theirs[0], mine[1] + theirs[1])


@dataclass(frozen=True)
class ActivityFit:
    """A curve fitted to cohorts. `estimate` and `errors` are (parameter,) on the parameters' own scale.

    `spread` is how cohorts vary. `notes` say what could not be learned. `first` is the share active in the
    period of acquisition, as (active, users) over all cohorts.
    """

    curve: ActivityCurve
    estimate: Floats
    errors: Floats
    customers: int
    oldest_age: int
    spread: Spread
    means: AgeMeans
    posterior: Posterior
    first: tuple[float, float]
    notes: tuple[Missing, ...] = ()

    @property
    def model(self) -> str:
        """The curve's name."""
        return self.curve.name

    @property
    def parameters(self) -> dict[str, float]:
        """The estimates by name."""
        return {name: float(one) for name, one in zip(self.curve.parameters, self.estimate, strict=True)}

    @property
    def standard_errors(self) -> dict[str, float]:
        """By name, on the parameters' own scale."""
        return {name: float(one) for name, one in zip(self.curve.parameters, self.errors, strict=True)}

    def shares(self, ages: Floats) -> Floats:
        """The curve itself, (age,): what an average cohort shows, without interval."""
        return self.curve.shares(self.estimate, ages)

    def forecast(
        self,
        exposed_users: ArrayLike,
        returned: ArrayLike,
        horizon: int,
        draws: int,
        random: np.random.Generator,
    ) -> Floats:
        """Active shares (draw, cohort, age) at ages 0 to `horizon` - 1, each cohort given its own history.

        `exposed_users` is (cohort,), `returned` (cohort, age) with NaN where not seen yet: what was seen
        comes back as it was, the same in every draw. All else varies with the parameters, between cohorts,
        from month to month and by chance. A cohort of no users gives the share expected of one. Raises
        `ValueError` for shapes that do not fit.
        """
        users, active = np.asarray(exposed_users, float), np.asarray(returned, float)
        if active.ndim != 2 or users.shape != active.shape[:1]:
            raise ValueError(f"users {users.shape} must be (cohort,), returned {active.shape} (cohort, age)")
        if not np.isfinite(users).all() or (users < 0).any():
            raise ValueError("every cohort needs its number of users, 0 or more")
        with np.errstate(invalid="ignore"):
            if (active < 0).any() or (active > users[:, None]).any():
                raise ValueError("active users must lie between none and all of the cohort")
        return forecast_cohorts(
            self.posterior, self.spread, self.first, users, active, horizon, draws, random
        )


def fit_activity(
    curve: ActivityCurve | SurvivalModel, exposed: ArrayLike, returned: ArrayLike
) -> ActivityFit | Missing:
    """Fit a curve to the activity of cohorts, or say why not.

    `exposed` and `returned` are (cohort, age) for ages 0, 1, 2, ... in periods: users of the cohort, and how
    many of them were active; NaN, or nobody exposed, where not observed. A cohort's months are taken to run
    up to one last day, so cells equally far from a cohort's end are one calendar month.

    >>> users = np.full((3, 5), 1000.0)
    >>> active = [[1000, 420, 330, 290, 262], [1000, 405, 322, 277, np.nan], [1000, 431, 341, np.nan, np.nan]]
    >>> found = fit_activity(ACTIVITY_CURVES[0], users, active)
    >>> {name: round(value, 2) for name, value in found.parameters.items()}
    {'level': 0.42, 'decay': 0.34}
    """
    if isinstance(curve, SurvivalModel):
        return _final_exits(curve.name)
    users, active = np.asarray(exposed, float), np.asarray(returned, float)
    if users.shape != active.shape or users.ndim != 2:
        raise ValueError(f"exposed {users.shape} and returned {active.shape} must both be (cohort, age)")
    seen = np.isfinite(users) & np.isfinite(active) & (users > 0)
    users, active = np.where(seen, users, np.nan), np.where(seen, active, np.nan)
    refused = _refusal(users, active, seen)
    if refused is not None:
        return refused
    order = np.lexsort((*np.nan_to_num(active, nan=-1).T, *np.nan_to_num(users, nan=-1).T))
    users, active, seen = users[order], active[order], seen[order]
    means = _means(users.tobytes(), active.tobytes(), users.shape)
    posterior = posterior_of(curve, means)
    scales = tuple(curve.parameters.values())
    estimate = from_free(posterior.centre, scales)
    errors = np.sqrt(np.diag(posterior.covariance)) * slope(estimate, scales)
    at_start = seen[:, 0]
    return ActivityFit(
        curve,
        estimate,
        errors,
        int(np.nanmax(users, axis=1, where=seen, initial=0.0).sum()),
        int(np.flatnonzero(seen.any(axis=0)).max()),
        means.spread,
        means,
        posterior,
        (float(active[at_start, 0].sum()), float(users[at_start, 0].sum())),
        _notes(means.spread, seen),
    )


def refuse_activity(exposed: ArrayLike, returned: ArrayLike) -> Missing | None:
    """Why these counts are activity and not contracts, so that a curve of exits alone would be wrong.

    Contracts that end once can only become fewer: one cohort with more active users at a later age is enough.
    None where no cohort ever rises, which is what contracts look like.

    >>> refuse_activity([[10, 10, 10]], [[10, 4, 6]]).en[:52]
    'in 1 of 1 cohorts users came back after a pause: thi'
    >>> refuse_activity([[10, 10, 10]], [[10, 6, 4]]) is None
    True
    """
    users, active = np.asarray(exposed, float), np.asarray(returned, float)
    with np.errstate(invalid="ignore"):
        counted = np.where((users > 0) & np.isfinite(active), active, np.nan)
    lowest = np.fmin.accumulate(counted, axis=1) if counted.size else counted
    with np.errstate(invalid="ignore"):
        risen = int((counted > lowest).any(axis=1).sum())
    if risen == 0:
        return None
    return Missing(
        f"in {risen} of {len(users)} cohorts users came back after a pause: this is activity, and "
        "sBG and BdW describe exits that are final. Use the curves alive x active",
        f"{len(users)} 个同期群中有 {risen} 个的用户在停用后又回来：这是活跃数据，"
        "而 sBG 与 BdW 描述的是不再回来的流失。请使用“存活 × 活跃”曲线",
    )


def _final_exits(name: str) -> Missing:
    return Missing(
        f"{name} describes exits that are final, such as a subscription cancelled; active users come back. "
        "Use the curves alive x active",
        f"{name} 描述的是不再回来的流失（例如取消订阅），而活跃用户会回来。请使用“存活 × 活跃”曲线",
    )


def _refusal(users: Floats, active: Floats, seen: np.ndarray) -> Missing | None:
    if not seen.any():
        return NO_CUSTOMERS
    if (active[seen] < 0).any() or (active[seen] > users[seen]).any():
        return MORE_ACTIVE_THAN_USERS
    later = seen[:, 1:]
    if later.any(axis=0).sum() < 2:
        return ONE_AGE
    if active[:, 1:][later].sum() == 0:
        return NOBODY_RETURNED
    return None


def _notes(spread: Spread, seen: np.ndarray) -> tuple[Missing, ...]:
    found: list[Missing] = []
    if seen.any(axis=1).sum() < 3:
        found.append(
            Missing(
                "fewer than three cohorts: how cohorts differ is assumed rather than learned",
                "同期群少于三个：同期群之间的差异是假定的，而非由数据得出",
            )
        )
    if spread.month == 0:
        found.append(
            Missing(
                "the months' own ups and downs cannot be told from those of ages",
                "无法把各月自身的起伏与时点的起伏区分开",
            )
        )
    return tuple(found)


@lru_cache(maxsize=16)
def _means(users: bytes, active: bytes, shape: tuple[int, int]) -> AgeMeans:
    """The same for every curve, so computed once for all that are compared."""
    exposed, returned = (np.frombuffer(one, dtype=float).reshape(shape) for one in (users, active))
    return age_means(triangle(exposed, returned))
