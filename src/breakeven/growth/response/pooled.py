"""One outcome against all channels together: revenue, or all new users, where nobody knows who came from
where.

    y_t = constant + trend + season + controls + Σ_c share_c · H_c(x_ct) / H_c(1) + noise

The linear part (constant, trend, season, controls) has normal priors and is integrated out exactly, so only
the channels' parameters and the noise are walked. Channels that moved together cannot be told apart here;
`identified` says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from breakeven.account.metrics import Missing
from breakeven.growth.response import priors
from breakeven.growth.response.adstock import LAGS, geometric_weights, lagged
from breakeven.growth.response.curve import ResponseCurve
from breakeven.growth.response.fit import (
    FEWEST,
    NO_SPEND,
    NO_USERS,
    NOT_SETTLED,
    Response,
    elasticity,
    independent_share,
)  # fmt: skip
from breakeven.growth.response.observed import (
    PERIODS_PER_YEAR,
    Calibration,
    Grain,
    Observed,
    season_terms,
    standardised,
)
from breakeven.growth.response.priors import Prior, hill, share_of
from breakeven.growth.response.sampler import highest, walk

Floats = NDArray[np.float64]

_STARTS = 400
_PER_CHANNEL = ("share", "half_spend", "shape", "carry_over")
_CONSTANT, _TREND, _SEASON, _CONTROL = (0.7, 1.0), 0.3, 0.15, 0.3


@dataclass(frozen=True)
class PooledFit:
    """All channels fitted together. `responses` in the order given; `draws` (draw, parameter) of `model`."""

    model: Pooled
    responses: tuple[Response, ...]
    draws: Floats

    def predict(self, channels: list[Floats], controls: Floats | None = None) -> Floats:
        """The outcome over the fitted periods and those after them: (draw, period).

        `channels` and `controls` hold all periods, fitted ones first; noise is not added.
        """
        return self.model.predicted(self.draws, channels, controls)


class Pooled:
    """The posterior of several channels against one outcome (the `users` of each `Observed` are not read)."""

    def __init__(
        self, channels: list[Observed], outcome: Floats, controls: Floats | None = None, counted: float = 1.0
    ) -> None:
        self.channels, self.counted = channels, counted
        self.size = len(outcome)
        self.period: Grain = channels[0].period
        known = np.isfinite(outcome)
        for channel in channels:
            known &= np.isfinite(channel.spend)
        self.known = known
        self.mean = float(np.abs(outcome[known]).mean())
        self._outcome = outcome[known] / self.mean
        self._controls = controls
        self._lagged = [
            lagged(channel.filled_spend / channel.typical_spend, LAGS[self.period]) for channel in channels
        ]
        self.design, self._middle, self._spread = self._linear(controls, self.size)
        scaled = (self.design * self._spread)[known]
        left, lengths, _ = np.linalg.svd(scaled, full_matrices=False)
        self._left, self._lengths = left, lengths
        share = float(np.log(priors.CHANNEL_SHARE / len(channels)))
        pairs = [("noise", priors.NOISE)]
        for n in range(len(channels)):
            pairs += [
                (f"share_{n}", (share, priors.CHANNEL_SHARE_SPREAD)),
                (f"half_spend_{n}", priors.HALF_SPEND),
                (f"shape_{n}", priors.SHAPE),
                (f"carry_over_{n}", priors.CARRY_OVER[self.period]),
            ]
        self.prior = Prior.of(pairs)

    def log_density(self, points: Floats) -> Floats:
        """Log posterior with the linear part integrated out: (draw, parameter) -> (draw,)."""
        noise = np.exp(2 * np.clip(points[:, 0], -12, 6))[:, None]
        left = self._left_over(points)
        inside = left @ self._left
        outside = (left**2).sum(axis=1) - (inside**2).sum(axis=1)
        wide = noise + self._lengths**2
        found = -0.5 * ((inside**2 / wide) + np.log(wide)).sum(axis=1)
        freedom = left.shape[1] - inside.shape[1]
        found -= 0.5 * (outside / noise[:, 0] + freedom * np.log(noise[:, 0]))
        total = self.counted * found + self.prior.log_density(points)
        for n, channel in enumerate(self.channels):
            for one in channel.calibrations:
                total -= 0.5 * self._calibrated(points, n, one) ** 2
        return np.where(np.isfinite(total), total, -np.inf)

    def curve(self, points: Floats, n: int) -> tuple[Floats, Floats, Floats, Floats]:
        """Ceiling (outcome), half-saturation (money), shape and carry-over of the n-th channel: (draw,)."""
        share, half, shape, carry = self._parameters(points, n)
        ceiling = self.mean * share / hill(np.ones(1), half, shape)
        return ceiling, half * self.channels[n].typical_spend, shape, carry

    def deviations(self, point: Floats) -> Floats:
        """Observed less expected at one point, in outcome over its mean: (known period,)."""
        expected = self.predicted(
            point[None], [channel.filled_spend for channel in self.channels], self._controls
        )
        return self._outcome - expected[0, self.known] / self.mean

    def predicted(self, points: Floats, spend: list[Floats], controls: Floats | None) -> Floats:
        """The outcome of periods from the first fitted one on: (draw, period)."""
        size = len(spend[0])
        design, _, _ = self._linear(controls, size)
        media = np.zeros((len(points), size))
        for n, channel in enumerate(self.channels):
            works = lagged(spend[n] / channel.typical_spend, LAGS[self.period])
            media += self._brought(points, n, works)
        noise = np.exp(2 * np.clip(points[:, 0], -12, 6))
        left = self._left_over(points)
        fitted = self.design[self.known]
        found = np.empty((len(points), size))
        for draw in range(len(points)):
            precision = fitted.T @ fitted / noise[draw] + np.diag(self._spread**-2.0)
            shift = np.linalg.solve(precision, fitted.T @ left[draw] / noise[draw])
            found[draw] = media[draw] + design @ (self._middle + shift)
        return found * self.mean

    def _linear(self, controls: Floats | None, size: int) -> tuple[Floats, Floats, Floats]:
        """Design (period, term) with middle and deviation of each term; scaled by the fitted periods."""
        season = season_terms(self.size, self.period).shape[1]
        angle = 2 * np.pi * np.arange(size) / PERIODS_PER_YEAR[self.period]
        waves = [wave(angle * (n + 1)) for n in range(season // 2) for wave in (np.sin, np.cos)]
        trend = np.arange(size) / max(self.size - 1, 1) - 0.5
        moved = standardised(controls, size) if controls is not None else np.zeros((size, 0))
        if controls is not None and size > self.size:
            # Later periods are measured on the scale of the fitted ones.
            fitted = np.nan_to_num(controls[: self.size])
            spread = fitted.std(axis=0)
            moves = spread > 1e-12
            moved = (np.nan_to_num(controls)[:, moves] - fitted[:, moves].mean(axis=0)) / spread[moves]
        design = np.column_stack([np.ones(size), trend, *waves, moved])
        middle = np.zeros(design.shape[1])
        middle[0] = _CONSTANT[0]
        spread = np.array([_CONSTANT[1], _TREND, *[_SEASON] * season, *[_CONTROL] * moved.shape[1]])
        return design, middle, spread

    def _parameters(self, points: Floats, n: int) -> tuple[Floats, Floats, Floats, Floats]:
        first = 1 + n * len(_PER_CHANNEL)
        share, half, shape = (np.exp(np.clip(points[:, first + k], -12, 12)) for k in range(3))
        return share, half, np.minimum(shape, 50.0), share_of(points[:, first + 3])

    def _brought(self, points: Floats, n: int, works: Floats) -> Floats:
        share, half, shape, carry = self._parameters(points, n)
        x = geometric_weights(carry, works.shape[1]) @ works.T
        scale = share / hill(np.ones(1), half, shape)
        return scale[:, None] * hill(x, half[:, None], shape[:, None])

    def _left_over(self, points: Floats) -> Floats:
        """Outcome less channels less the prior middle of the linear part: (draw, known period)."""
        left = self._outcome - self.design[self.known] @ self._middle
        brought = sum(
            (self._brought(points, n, works[self.known]) for n, works in enumerate(self._lagged)),
            np.zeros((len(points), int(self.known.sum()))),
        )
        return left - brought

    def _calibrated(self, points: Floats, n: int, one: Calibration) -> Floats:
        ceiling, half, shape, _ = self.curve(points, n)
        before = np.asarray(one.spend_before)
        after = np.maximum(before + one.spend_change / one.share, 0.0)
        rise = hill(after, half, shape) - hill(before, half, shape)
        return (one.share * ceiling * rise - one.users_change) / one.error


def fit_pooled(
    channels: list[Observed],
    outcome: Floats,
    *,
    controls: Floats | None = None,
    draws: int = 400,
    seed: int = 1,
) -> PooledFit | Missing:
    """Curves of all channels against one outcome; a `Missing` where there is nothing to fit."""
    channels = [channel for channel in channels if channel.typical_spend]
    if not channels:
        return NO_SPEND
    known = np.isfinite(outcome)
    if known.sum() < FEWEST:
        return Missing(
            f"not identified: only {int(known.sum())} periods have an outcome",
            f"无法识别：只有 {int(known.sum())} 期有结果数据",
        )
    if not np.abs(outcome[known]).sum():
        return NO_USERS
    random = np.random.default_rng(seed)
    model = Pooled(channels, outcome, controls)
    starts = np.vstack([model.prior.middle, model.prior.draws(_STARTS, random)])
    best = highest(model.log_density, starts, polished=2)
    model = Pooled(channels, outcome, controls, independent_share(model.deviations(best)))
    chain = walk(
        model.log_density, best, 0.2 * model.prior.spread, draws=draws, random=random, steps=40 * len(best)
    )
    believed = model.prior.draws(2000, random)
    noise = float(np.median(np.exp(chain.points[:, 0]))) * model.mean / np.sqrt(model.counted)
    responses: list[Response] = []
    for n, channel in enumerate(channels):
        ceiling, half, shape, carry = model.curve(chain.points, n)
        _, believed_half, believed_shape, _ = model.curve(believed, n)
        today = channel.today or channel.typical_spend
        curve = ResponseCurve(
            channel.channel, channel.period, ceiling, half, shape, carry, channel.range, channel.today,
            not_identified=None if chain.settled else NOT_SETTLED,
        )  # fmt: skip
        responses.append(
            Response(
                curve,
                elasticity=elasticity(half, shape, today),
                believed_elasticity=elasticity(believed_half, believed_shape, today),
                noise=noise,
                typical_spend=channel.typical_spend,
                periods=int(model.known.sum()),
                is_calibrated=bool(channel.calibrations),
            )
        )
    return PooledFit(model, tuple(responses), chain.points)


def with_calibrations(channels: list[Observed], found: dict[str, tuple[Calibration, ...]]) -> list[Observed]:
    """The channels with their experiments."""
    return [replace(channel, calibrations=found.get(channel.channel, ())) for channel in channels]
