"""Channels whose true response is known: spend that varies, a Hill curve on carried-over spend, noisy
counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from breakeven.growth.response.adstock import LAGS, carried, geometric_weights
from breakeven.growth.response.curve import ResponseCurve
from breakeven.growth.response.observed import Observed


@dataclass(frozen=True)
class Truth:
    """What a generated channel really is: half-saturation over typical spend, shape, carry-over, ..."""

    half: float = 1.5
    shape: float = 0.9
    carry_over: float = 0.2
    base: float = 0.05
    drift: float = 0.0
    dispersion: float = 0.01
    cost: float = 20.0
    typical: float = 50_000.0
    rivals: float = 0.0

    @classmethod
    def drawn(cls, random: np.random.Generator) -> Truth:
        """One as companies may have it; wider than what the tests of single cases use."""
        return cls(
            half=random.uniform(0.4, 4.0),
            shape=random.uniform(0.7, 1.2),
            carry_over=random.uniform(0.0, 0.5),
            base=random.uniform(0.0, 0.2),
            drift=random.uniform(-0.5, 0.5),
            dispersion=random.uniform(0.003, 0.03),
            cost=random.uniform(8.0, 60.0),
            typical=float(np.exp(random.normal(10.0, 1.0))),
        )


def channel(
    truth: Truth, random: np.random.Generator, *, periods: int = 104, spread: float = 0.5,
    spend: np.ndarray | None = None, rivals: np.ndarray | None = None, name: str = "douyin",
) -> tuple[Observed, ResponseCurve]:  # fmt: skip
    """A channel's weeks, and its true curve as of the last of them."""
    if spend is None:
        spend = np.exp(random.normal(0.0, spread, periods))
    spend = spend * truth.typical / spend.mean()
    works = spend
    if rivals is not None:
        works = spend * (rivals / rivals[-4:].mean()) ** -truth.rivals
    works = carried(works, geometric_weights(truth.carry_over, LAGS["week"]))
    half = truth.half * truth.typical
    level = truth.typical / truth.cost
    drift = np.exp(truth.drift * np.linspace(-0.5, 0.5, len(spend)))
    mean = (
        level * drift * (truth.base + hill(works, half, truth.shape) / hill(truth.typical, half, truth.shape))
    )
    size = 1.0 / truth.dispersion
    users = random.negative_binomial(size, size / (size + mean)).astype(float)
    ceiling = level * float(drift[-1]) / hill(truth.typical, half, truth.shape)
    curve = ResponseCurve(
        name, "week", np.array([ceiling]), np.array([half]), np.array([truth.shape]),
        np.array([truth.carry_over]), (float(spend.min()), float(spend.max())), float(spend[-4:].mean()),
    )  # fmt: skip
    return Observed(name, "week", spend, users, rivals), curve


def hill(x, half, shape):
    return 1.0 / (1.0 + (half / x) ** shape)
