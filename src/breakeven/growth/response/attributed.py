"""A channel's own new users against its own spend, as counts.

    users_t ~ negative binomial, mean = season_t · drift_t · (base + level · H(x_t) / H(1)),
    variance = mean + dispersion · mean²

H is the Hill curve, x_t the spend in units of typical spend, divided by what rivals' pressure makes dearer,
carried over. The books know each user's channel, so channels need not be told apart by their ups and downs;
whether a user would have come anyway, attribution cannot say. An experiment can: with one, the curve is
scaled so that it agrees with what the experiment found, and that scale is estimated along with the rest.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import scipy.special
from numpy.typing import NDArray

from breakeven.growth.response import priors
from breakeven.growth.response.adstock import LAGS, geometric_weights, lagged
from breakeven.growth.response.observed import Observed, season_terms, standardised
from breakeven.growth.response.priors import Prior, hill, share_of

Floats = NDArray[np.float64]


class Attributed:
    """The posterior of one channel. `counted` is how much of a period each period counts for: less than 1
    where errors of neighbouring periods go together (see `fit`).
    """

    def __init__(self, observed: Observed, counted: float = 1.0) -> None:
        self.observed = observed
        self.counted = counted
        size = len(observed.spend)
        self._known = observed.known
        self._users = observed.users[self._known]
        self._time = np.linspace(-0.5, 0.5, size) if size > 1 else np.zeros(1)
        self._moves = np.hstack([season_terms(size, observed.period), standardised(observed.controls, size)])
        self._seasons = season_terms(size, observed.period).shape[1]
        self._scaled = observed.filled_spend / observed.typical_spend
        ratio = observed.rivals_ratio
        self._pressure = None if ratio is None else np.log(np.maximum(ratio, 1e-6))

    @cached_property
    def prior(self) -> Prior:
        """The beliefs, with the parameters this channel has."""
        pairs = [
            ("level", priors.LEVEL),
            ("half_spend", priors.HALF_SPEND),
            ("shape", priors.SHAPE),
            ("carry_over", priors.CARRY_OVER[self.observed.period]),
            ("base_share", priors.BASE_SHARE),
            ("drift", priors.DRIFT),
            ("dispersion", priors.DISPERSION),
        ]
        if self._pressure is not None:
            pairs.append(("rivals", priors.RIVALS))
        if self.observed.calibrations:
            pairs.append(("incrementality", priors.INCREMENTALITY))
        pairs += [(f"season_{n}", priors.SEASON) for n in range(self._seasons)]
        pairs += [(f"control_{n}", priors.CONTROL) for n in range(self._moves.shape[1] - self._seasons)]
        return Prior.of(pairs)

    def log_density(self, points: Floats) -> Floats:
        """Log posterior, up to a constant: (draw, parameter) -> (draw,)."""
        mean = self.means(points)[:, self._known]
        size = 1.0 / np.exp(np.clip(points[:, self.prior.at("dispersion")], -16.0, 6.0))[:, None]
        y = self._users
        found = scipy.special.gammaln(y + size) - scipy.special.gammaln(size)
        found += size * np.log(size / (size + mean)) + y * np.log(mean / (size + mean))
        total = self.counted * found.sum(axis=1) + self.prior.log_density(points)
        total += self._calibrated(points)
        return np.where(np.isfinite(total), total, -np.inf)

    def means(self, points: Floats) -> Floats:
        """Expected users of every period: (draw, period)."""
        half, shape = self._half(points), self._shape(points)
        works = self._works(points)
        curve = hill(works, half[:, None], shape[:, None]) / hill(np.ones(1), half, shape)[:, None]
        level = np.exp(np.clip(points[:, self.prior.at("level")], -12, 12))[:, None]
        base = share_of(points[:, self.prior.at("base_share")])[:, None]
        moved = points[:, [self.prior.at("drift")]] * self._time
        if self._moves.shape[1]:
            moved = moved + points[:, -self._moves.shape[1] :] @ self._moves.T
        mean = self.observed.typical_users * np.exp(np.clip(moved, -8, 8)) * (base + level * curve)
        return np.maximum(mean, 1e-9)

    def curve(self, points: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Ceiling, half-saturation, shape and carry-over as of the last period, in users and money:
        (draw,).
        """
        half, shape = self._half(points), self._shape(points)
        users = self.observed.typical_users * self._level(points, at=1.0)
        if self.observed.calibrations:
            users = users * np.exp(np.clip(points[:, self.prior.at("incrementality")], -5, 5))
        ceiling = users / hill(np.ones(1), half, shape)
        carry = share_of(points[:, self.prior.at("carry_over")])
        return ceiling, half * self.observed.typical_spend, shape, carry

    def base_users(self, points: Floats, spend: float) -> Floats:
        """Users a period, as of the last one, that come beside those the curve brings at a spend: (draw,).

        They come without any spend, or, where an experiment found less than is attributed, would have come
        anyway.
        """
        ceiling, half, shape, _ = self.curve(points)
        brought = ceiling * hill(np.asarray(spend), half, shape)
        scale = np.ones(len(points))
        if self.observed.calibrations:
            scale = np.exp(np.clip(points[:, self.prior.at("incrementality")], -5, 5))
        drift = np.exp(np.clip(points[:, self.prior.at("drift")] * 0.5, -8, 8))
        base = self.observed.typical_users * share_of(points[:, self.prior.at("base_share")]) * drift
        return np.maximum(base + brought / scale - brought, 0.0)

    def rivals_elasticity(self, points: Floats) -> Floats | None:
        """How far half-saturation moves with rivals' spend; None where theirs is not known."""
        return None if self._pressure is None else points[:, self.prior.at("rivals")]

    def deviations(self, points: Floats) -> Floats:
        """Observed less expected, in standard deviations, of the known periods: (draw, known period)."""
        mean = self.means(points)[:, self._known]
        dispersion = np.exp(np.clip(points[:, self.prior.at("dispersion")], -16.0, 6.0))[:, None]
        return (self._users - mean) / np.sqrt(mean + dispersion * mean**2)

    def noise(self, points: Floats) -> float:
        """Deviation of one period's users around what is expected at the last period, in users."""
        mean = self.means(points)[:, -1]
        dispersion = np.exp(np.clip(points[:, self.prior.at("dispersion")], -16.0, 6.0))
        return float(np.median(np.sqrt((mean + dispersion * mean**2) / self.counted)))

    def _works(self, points: Floats) -> Floats:
        """Spend as it works: dearer under rivals, then carried over: (draw, period), in typical spend."""
        lags = LAGS[self.observed.period]
        weights = geometric_weights(share_of(points[:, self.prior.at("carry_over")]), lags)
        if self._pressure is None:
            return weights @ self._lagged.T
        cheaper = np.exp(-points[:, [self.prior.at("rivals")]] * self._pressure)
        return np.einsum("dl,dlt->dt", weights, _lagged_rows(self._scaled * cheaper, lags))

    @cached_property
    def _lagged(self) -> Floats:
        return lagged(self._scaled, LAGS[self.observed.period])

    def _half(self, points: Floats) -> Floats:
        return np.exp(np.clip(points[:, self.prior.at("half_spend")], -12, 12))

    def _shape(self, points: Floats) -> Floats:
        return np.exp(np.clip(points[:, self.prior.at("shape")], -4, 4))

    def _level(self, points: Floats, at: float) -> Floats:
        """Users at typical spend over mean users, at a place in the series from 0 to 1."""
        drift = points[:, self.prior.at("drift")] * (at - 0.5)
        return np.exp(np.clip(points[:, self.prior.at("level")] + drift, -12, 12))

    def _calibrated(self, points: Floats) -> Floats:
        """What experiments say of the curve's rise between two spends."""
        total = np.zeros(len(points))
        if not self.observed.calibrations:
            return total
        half, shape = self._half(points), self._shape(points)
        scale = np.exp(np.clip(points[:, self.prior.at("incrementality")], -5, 5)) / hill(
            np.ones(1), half, shape
        )
        for one in self.observed.calibrations:
            before = one.spend_before / self.observed.typical_spend
            after = before + one.spend_change / one.share / self.observed.typical_spend
            rise = hill(np.maximum(after, 0.0), half, shape) - hill(np.asarray(before), half, shape)
            users = self.observed.typical_users * self._level(points, one.at) * scale * rise * one.share
            total -= 0.5 * ((users - one.users_change) / one.error) ** 2
        return total


def _lagged_rows(spend: Floats, lags: int) -> Floats:
    """Like `lagged`, for one series a draw: (draw, period) -> (draw, lag, period)."""
    size = spend.shape[1]
    before = np.repeat(spend[:, : max(3, size // 4)].mean(axis=1, keepdims=True), lags - 1, axis=1)
    whole = np.concatenate([before, spend], axis=1)
    return np.stack([whole[:, lags - 1 - lag : lags - 1 - lag + size] for lag in range(lags)], axis=1)
