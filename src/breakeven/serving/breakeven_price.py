"""The price at which serving earns nothing, and what would make a given price pay.

A request of t tokens of each class takes g = sum of work x t GPU-seconds. A fleet that is busy a share u of
the hours it is paid for, and whose users pay for a share 1 - f of the requests, spends and earns per request

    cost    = g x (price of a GPU-hour / 3,600) / u
    revenue = (1 - f) x sum of price x t
    margin  = 1 - cost / revenue

so every question has a closed answer: the price level, the utilisation, the price of a GPU-hour, the work
that a smaller model must get by with, and the share of input that the cache must know (cost and revenue are
both linear in it). The interval is the one of the work: its classes come from one model and are off together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from breakeven.errors import InputError
from breakeven.serving.class_work import SECONDS_PER_HOUR, TOKENS_PER_MTOK, ClassWork
from breakeven.serving.estimate import Estimate

Bound = Literal["value", "low", "high"]
Direction = Literal["at_least", "at_most"]
Verdict = Literal["value", "always", "never"]


@dataclass(frozen=True)
class Tokens:
    """Tokens of each class in one request."""

    uncached_input: float
    cached_input: float
    output: float

    def __post_init__(self) -> None:
        for name in ("uncached_input", "cached_input", "output"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(
                    f"{name} tokens of a request are {getattr(self, name):g}", remedy="write 0 or more"
                )
        if self.total == 0:
            raise InputError("a request without tokens", remedy="state the tokens of a request")

    @property
    def total(self) -> float:
        """All of them."""
        return self.uncached_input + self.cached_input + self.output

    @property
    def cached_share(self) -> float:
        """The share of input that the cache knows; 0 without input."""
        together = self.uncached_input + self.cached_input
        return self.cached_input / together if together else 0.0

    def with_cached_share(self, share: float) -> Tokens:
        """The same input, another share of it known to the cache.

        >>> Tokens(600.0, 400.0, 100.0).with_cached_share(0.9).cached_input
        900.0
        """
        together = self.uncached_input + self.cached_input
        return replace(self, uncached_input=together * (1 - share), cached_input=together * share)


@dataclass(frozen=True)
class TokenPrices:
    """Money per million tokens of each class."""

    uncached_input_per_mtok: float
    cached_input_per_mtok: float
    output_per_mtok: float

    def __post_init__(self) -> None:
        figures = (self.uncached_input_per_mtok, self.cached_input_per_mtok, self.output_per_mtok)
        if not all(0 <= figure < math.inf for figure in figures):
            raise InputError("a token price below zero cannot be", remedy="write prices per million tokens")

    def per_request(self, tokens: Tokens) -> float:
        """What a request is sold for.

        >>> TokenPrices(0.55, 0.14, 2.19).per_request(Tokens(1e6, 1e6, 1e6))
        2.88
        """
        return (
            self.uncached_input_per_mtok * tokens.uncached_input
            + self.cached_input_per_mtok * tokens.cached_input
            + self.output_per_mtok * tokens.output
        ) / TOKENS_PER_MTOK

    def times(self, level: float) -> TokenPrices:
        """The same list at another level; its ratios stay."""
        return TokenPrices(
            self.uncached_input_per_mtok * level,
            self.cached_input_per_mtok * level,
            self.output_per_mtok * level,
        )


@dataclass(frozen=True)
class Solution:
    """One answer: a value, or that every value does, or that none does."""

    verdict: Verdict
    value: float | None = None


@dataclass(frozen=True)
class Threshold:
    """From (`at_least`) or up to (`at_most`) which value the price pays.

    `middle` is at the middle of the work's interval, `cheap` and `dear` at its bounds.
    """

    direction: Direction
    middle: Solution
    cheap: Solution
    dear: Solution


@dataclass(frozen=True)
class Offer:
    """A model served and sold: its requests, what they take, what a GPU-hour costs and what tokens sell for.

    `utilisation` is the share of paid GPU-hours that serve at the stated work, `free_share` the share of
    requests that nobody pays for. Raises `InputError` for shares that cannot be.

    >>> work = ClassWork(Estimate.exact(1e-4), Estimate.exact(0.0), Estimate.exact(5e-4))
    >>> offer = Offer(Tokens(1000, 1000, 200), work, 3.6, TokenPrices(0.5, 0.05, 1.0), utilisation=0.5)
    >>> round(offer.cost_per_request.value, 6), round(offer.revenue_per_request, 6)
    (0.0004, 0.00075)
    >>> round(offer.margin.value, 4)
    0.4667
    """

    tokens: Tokens
    work: ClassWork
    price_per_gpu_hour: float
    prices: TokenPrices
    utilisation: float = 1.0
    free_share: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.utilisation <= 1:
            raise InputError(
                f"a utilisation of {self.utilisation:g} cannot be",
                cause="a percentage without its sign, or a fleet that does more than it can",
                remedy="write a share above 0 and up to 1",
            )
        if not 0 <= self.free_share < 1:
            raise InputError(
                f"a free share of {self.free_share:g} leaves nobody who pays",
                remedy="write a share from 0 to below 1",
            )
        if not 0 < self.price_per_gpu_hour < math.inf:
            raise InputError("a GPU-hour costs more than zero", remedy="give its price")

    def gpu_seconds(self, bound: Bound = "value", tokens: Tokens | None = None) -> float:
        """GPU-seconds of a request at the middle or a bound of the work."""
        of = tokens or self.tokens
        return (
            getattr(self.work.uncached_input, bound) * of.uncached_input
            + getattr(self.work.cached_input, bound) * of.cached_input
            + getattr(self.work.output, bound) * of.output
        )

    def cost(self, bound: Bound = "value", tokens: Tokens | None = None) -> float:
        """Money that a request costs, idle GPUs included."""
        return self.gpu_seconds(bound, tokens) * self.price_per_gpu_hour / SECONDS_PER_HOUR / self.utilisation

    def revenue(self, tokens: Tokens | None = None) -> float:
        """Money that a request brings on average, free ones among them."""
        return (1 - self.free_share) * self.prices.per_request(tokens or self.tokens)

    @property
    def cost_per_request(self) -> Estimate:
        """Money that a request costs, with its interval."""
        return Estimate(self.cost(), self.cost("low"), self.cost("high"))

    @property
    def revenue_per_request(self) -> float:
        """Money that a request brings on average."""
        return self.revenue()

    @property
    def margin(self) -> Estimate:
        """What is left of revenue, as a share of it; its low bound is where work is dear.

        Raises `InputError` where nothing is earned: a margin has no value then.
        """
        level = self.price_level
        return Estimate(1 - level.value, 1 - level.high, 1 - level.low)

    @property
    def price_level(self) -> Estimate:
        """By what the price list must be multiplied for a margin of zero."""
        revenue = self._earning()
        cost = self.cost_per_request
        return Estimate(cost.value / revenue, cost.low / revenue, cost.high / revenue)

    def breakeven_prices(self, bound: Bound = "value") -> TokenPrices:
        """The list, its ratios kept, at which the margin is zero."""
        return self.prices.times(getattr(self.price_level, bound))

    def class_prices(self, bound: Bound = "value") -> TokenPrices:
        """The list at which every class pays for itself alone: its cost, idle and free requests included."""
        factor = self.price_per_gpu_hour / SECONDS_PER_HOUR * TOKENS_PER_MTOK
        factor /= self.utilisation * (1 - self.free_share)
        return TokenPrices(
            getattr(self.work.uncached_input, bound) * factor,
            getattr(self.work.cached_input, bound) * factor,
            getattr(self.work.output, bound) * factor,
        )

    def utilisation_that_pays(self) -> Threshold:
        """From which utilisation the price pays; never where a fleet that never idles loses money."""
        return self._threshold(
            "at_least", lambda bound: _share(self.cost(bound) * self.utilisation / self._earning())
        )

    def gpu_price_that_pays(self) -> Threshold:
        """Up to which price of a GPU-hour the list pays."""
        earned = self._earning()
        return self._threshold(
            "at_most", lambda bound: Solution("value", self.price_per_gpu_hour * earned / self.cost(bound))
        )

    def work_that_pays(self) -> Threshold:
        """Up to which multiple of this model's GPU-seconds a request may take: how small a model must be."""
        earned = self._earning()
        return self._threshold("at_most", lambda bound: Solution("value", earned / self.cost(bound)))

    def free_share_that_pays(self) -> Threshold:
        """Up to which share of free requests the price pays; never where it loses with none."""
        sold = self._earning() / (1 - self.free_share)
        return self._threshold("at_most", lambda bound: _at_least_zero(1 - self.cost(bound) / sold))

    def cached_share_that_pays(self) -> Threshold:
        """From or up to which share of cached input the price pays, at this work per token.

        A hit saves work and earns less. Where the discount is larger than the saving, a *lower* share pays.
        """
        none, all_ = self.tokens.with_cached_share(0.0), self.tokens.with_cached_share(1.0)

        def solve(bound: Bound) -> Solution:
            at_none = self.revenue(none) - self.cost(bound, none)
            at_all = self.revenue(all_) - self.cost(bound, all_)
            if at_none >= 0 and at_all >= 0:
                return Solution("always")
            if at_none < 0 and at_all < 0:
                return Solution("never")
            return Solution("value", at_none / (at_none - at_all))

        gain = (self.revenue(all_) - self.cost(tokens=all_)) - (self.revenue(none) - self.cost(tokens=none))
        return self._threshold("at_least" if gain >= 0 else "at_most", solve)

    def _threshold(self, direction: Direction, solve: Callable[[Bound], Solution]) -> Threshold:
        return Threshold(direction, solve("value"), solve("low"), solve("high"))

    def _earning(self) -> float:
        revenue = self.revenue()
        if revenue == 0:
            raise InputError(
                "these prices earn nothing on this traffic, so a margin has no value",
                cause="every class that the requests have is free",
                remedy="give prices for the classes of this traffic",
            )
        return revenue


def _share(value: float) -> Solution:
    return Solution("value", value) if value <= 1 else Solution("never")


def _at_least_zero(value: float) -> Solution:
    return Solution("value", value) if value >= 0 else Solution("never")
