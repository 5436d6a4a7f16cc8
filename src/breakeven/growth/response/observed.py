"""What the fit of a response curve is given: a channel's periods as arrays, and experiments beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Grain = Literal["week", "month"]

PERIODS_PER_YEAR = {"week": 365.2425 / 7, "month": 12.0}
_LATEST = {"week": 4, "month": 1}


@dataclass(frozen=True)
class Calibration:
    """What an experiment found, per period: spend changed by `spend_change` from `spend_before`, and users by
    `users_change` give or take `error` (one standard deviation).

    `share` is the part of the market it ran in (its spend and users are that part's). `at` is where it lies
    in the series: 0 at the first period, 1 at the last.
    """

    spend_before: float
    spend_change: float
    users_change: float
    error: float
    share: float = 1.0
    at: float = 1.0


@dataclass(frozen=True)
class Observed:
    """One channel: `spend` (money) and `users` by period, NaN where the books do not cover it.

    `rivals` is what rivals spent there, in any constant unit; `controls` (period, control) are other things
    that move users; `calibrations` are experiments. `is_reward` says that the spend is mostly paid per user
    won, so that it follows the users; `counts_bought` that `users` are the bought ones alone.
    """

    channel: str
    period: Grain
    spend: Floats
    users: Floats
    rivals: Floats | None = None
    controls: Floats | None = None
    calibrations: tuple[Calibration, ...] = field(default=())
    is_reward: bool = False
    counts_bought: bool = False

    @property
    def known(self) -> NDArray[np.bool_]:
        """Periods with both spend and users."""
        return np.isfinite(self.spend) & np.isfinite(self.users)

    @property
    def filled_spend(self) -> Floats:
        """Spend with the mean where it is not known: those periods count only as carry-over for others."""
        there = np.isfinite(self.spend)
        return np.where(there, self.spend, self.spend[there].mean() if there.any() else 0.0)

    @property
    def typical_spend(self) -> float:
        """Mean spend of periods with any: the scale of the priors."""
        spent = self.spend[np.isfinite(self.spend) & (self.spend > 0)]
        return float(spent.mean()) if len(spent) else 0.0

    @property
    def typical_users(self) -> float:
        """Mean users of the known periods."""
        return float(self.users[self.known].mean()) if self.known.any() else 0.0

    @property
    def today(self) -> float:
        """The latest spend a period: the mean of the last four weeks, or the last month."""
        return latest(self.spend, self.period)

    @property
    def users_today(self) -> float | None:
        """The users a period in the periods that `today` is the mean of; None where one is not known."""
        there = np.flatnonzero(np.isfinite(self.spend))[-_LATEST[self.period] :]
        counted = self.users[there]
        return float(counted.mean()) if len(counted) and np.isfinite(counted).all() else None

    @property
    def range(self) -> tuple[float, float]:
        """The least and the most spent in a known period."""
        spent = self.spend[np.isfinite(self.spend)]
        return (float(spent.min()), float(spent.max())) if len(spent) else (0.0, 0.0)

    @property
    def rivals_ratio(self) -> Floats | None:
        """Rivals' spend by period over their latest: 1 is today's pressure."""
        if self.rivals is None:
            return None
        now = latest(self.rivals, self.period)
        return np.where(np.isfinite(self.rivals), self.rivals, now) / now if now > 0 else None


def latest(values: Floats, period: Grain) -> float:
    """The mean of the last four weeks or the last month that are known; 0 without any."""
    there = values[np.isfinite(values)]
    return float(there[-_LATEST[period] :].mean()) if len(there) else 0.0


def standardised(controls: Floats | None, periods: int) -> Floats:
    """Controls with mean 0 and deviation 1: (period, control); those that never move are left out."""
    if controls is None:
        return np.zeros((periods, 0))
    found = np.nan_to_num(np.asarray(controls, dtype=float))
    spread = found.std(axis=0)
    moves = spread > 1e-12 * np.maximum(1.0, np.abs(found).max(axis=0))
    return (found[:, moves] - found[:, moves].mean(axis=0)) / spread[moves]


def season_terms(periods: int, period: Grain) -> Floats:
    """Fourier terms of the year: none under a year of data, one pair under two years, else two: (period,
    term).

    Under a year, season and trend are the same thing.
    """
    years = periods / PERIODS_PER_YEAR[period]
    pairs = 0 if years < 1 else 1 if years < 2 else 2
    angle = 2 * np.pi * np.arange(periods) / PERIODS_PER_YEAR[period]
    waves = [wave(angle * (n + 1)) for n in range(pairs) for wave in (np.sin, np.cos)]
    return np.stack(waves, axis=1) if waves else np.zeros((periods, 0))
