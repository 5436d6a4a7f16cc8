"""What is asked of the GPUs: how long requests are, how much of them a cache knows, and how many come.

Lengths differ between requests, and that matters three times. A long answer stays longer, so the sequences
that are running at a moment are longer than those that arrive (length bias). Attention of a prompt grows with
the square of its length, so long prompts cost more than their share. And prompts of unequal length queue for
longer. `input_spread` and `output_spread` carry this: the standard deviation of a length over its mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from breakeven.errors import InputError

Floats = NDArray[np.float64]

HOURS = 24
LONGEST_TOKENS = 20_000_000
"""Beyond any context window sold; a longer request is a day's tokens, or a slip of units."""
_NODES = 5


@dataclass(frozen=True)
class Traffic:
    """Requests in the mean, and how they spread.

    `input_tokens` includes what the prefix cache knows (`cached_share` of it). `requests_per_second` is the
    mean of the day, None where only the shape is known. `hourly` holds 24 multipliers of it with mean 1, or
    nothing. Raises `InputError` for lengths and shares that no traffic can have.

    >>> chat = Traffic("chat", input_tokens=4_000, output_tokens=1_000, cached_share=0.25)
    >>> chat.uncached_input_tokens, chat.cached_input_tokens, chat.decode_context_tokens
    (3000.0, 1000.0, 4500.0)
    """

    name: str
    input_tokens: float
    output_tokens: float
    cached_share: float = 0.0
    requests_per_second: float | None = None
    input_spread: float = 0.0
    output_spread: float = 0.0
    length_correlation: float = 0.0
    hourly: tuple[float, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        _check_lengths(self)
        _check_rate(self.name, self.requests_per_second)
        _check_shares(self)
        if self.hourly:
            object.__setattr__(self, "hourly", _mean_one(self.name, self.hourly))

    @property
    def uncached_input_tokens(self) -> float:
        """Input tokens of a request that must be computed."""
        return self.input_tokens * (1.0 - self.cached_share)

    @property
    def cached_input_tokens(self) -> float:
        """Input tokens of a request whose keys and values the prefix cache holds."""
        return self.input_tokens * self.cached_share

    @property
    def input_residency_tokens(self) -> float:
        """Input of the sequences running at a moment: an answer's length weighs how often its prompt is met.

        E[input x output] / E[output].
        """
        return self.input_tokens * (1.0 + self.length_correlation * self.input_spread * self.output_spread)

    @property
    def output_residency_tokens(self) -> float:
        """Output that the sequences running at a moment have behind them: E[output^2] / (2 E[output]).

        >>> Traffic("even", 1_000, 1_000).output_residency_tokens
        500.0
        >>> Traffic("exponential", 1_000, 1_000, output_spread=1.0).output_residency_tokens
        1000.0
        """
        return 0.5 * self.output_tokens * (1.0 + self.output_spread**2)

    @property
    def decode_context_tokens(self) -> float:
        """The mean context of a running sequence over time, weighted by how long each runs."""
        return self.input_residency_tokens + self.output_residency_tokens

    def input_nodes(self) -> tuple[Floats, Floats]:
        """Multiples of the mean input and their weights: a log-normal spread by Gauss-Hermite quadrature.

        Mean 1 and the stated spread, within the quadrature's error.

        >>> multiples, weights = Traffic("t", 1_000, 100, input_spread=0.8).input_nodes()
        >>> round(float(weights @ multiples), 6)
        1.0
        """
        if self.input_spread == 0.0:
            return np.ones(1), np.ones(1)
        nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
        weights = weights / weights.sum()
        sigma = math.sqrt(math.log1p(self.input_spread**2))
        multiples = np.exp(sigma * nodes)
        return multiples / float(weights @ multiples), weights

    def at_rate(self, requests_per_second: float) -> Traffic:
        """The same requests at another rate."""
        return replace(self, requests_per_second=requests_per_second)

    def from_characters(self, tokens_per_character: float) -> Traffic:
        """The same traffic where its lengths were counted in characters.

        >>> Traffic("novel", 10_000, 1_000).from_characters(0.6).input_tokens
        6000.0
        """
        if not 0 < tokens_per_character <= 4:
            raise InputError(
                f"{tokens_per_character:g} tokens per character is not possible",
                remedy="use about 0.6 for Chinese and 0.3 for English",
            )
        return replace(
            self,
            input_tokens=self.input_tokens * tokens_per_character,
            output_tokens=self.output_tokens * tokens_per_character,
        )


def traffic_of_requests(
    name: str,
    at_seconds: Iterable[float],
    input_tokens: Iterable[float],
    output_tokens: Iterable[float],
    cached_tokens: Iterable[float] | None = None,
    source: str = "",
) -> Traffic:
    """The summary of requests one by one: means, spreads, correlation, and the rate over their span.

    Raises `InputError` for no requests, and for times that stand still (no rate can follow from them).

    >>> traffic_of_requests("two", [0.0, 10.0], [100, 300], [50, 50]).requests_per_second
    0.2
    """
    times, inputs, outputs = (_floats(column) for column in (at_seconds, input_tokens, output_tokens))
    if times.size == 0:
        raise InputError("no requests in the trace", where=name, remedy="check the file")
    span = float(times.max() - times.min())
    if span <= 0:
        raise InputError(
            "all requests of the trace have the same time",
            where=name,
            cause="the time column is constant, or the trace holds one request",
            remedy="give lengths and a rate instead, such as 4000/1000@5rps",
        )
    cached = float(_floats(cached_tokens).sum()) if cached_tokens is not None else 0.0
    spreads = [
        float(column.std() / column.mean()) if column.mean() > 0 else 0.0 for column in (inputs, outputs)
    ]
    varied = min(spreads) > 0
    return Traffic(
        name,
        float(inputs.mean()),
        float(outputs.mean()),
        cached_share=cached / float(inputs.sum()) if inputs.sum() > 0 else 0.0,
        requests_per_second=times.size / span,
        input_spread=spreads[0],
        output_spread=spreads[1],
        length_correlation=float(np.corrcoef(inputs, outputs)[0, 1]) if varied else 0.0,
        source=source,
    )


def _floats(values: Iterable[Any]) -> Floats:
    return np.array(list(values), dtype=np.float64)


def _check_lengths(traffic: Traffic) -> None:
    for field in ("input_tokens", "output_tokens"):
        tokens = getattr(traffic, field)
        if not math.isfinite(tokens) or tokens < 0:
            raise InputError(
                f"{field} cannot be {tokens:g}", where=traffic.name, remedy="a length is zero or more tokens"
            )
        if tokens > LONGEST_TOKENS:
            raise InputError(
                f"{field} of one request is {tokens:,.0f}",
                where=traffic.name,
                cause="tokens of a day or per million instead of tokens per request, or characters",
                remedy="give the mean length of one request in tokens; characters need --characters",
            )
    if traffic.input_tokens == 0:
        raise InputError(
            "requests without input", where=traffic.name, remedy="give the mean input length of a request"
        )
    if traffic.output_tokens < 1:
        raise InputError(
            "requests without output",
            where=traffic.name,
            cause="an embedding or scoring load, which has no decode and no TPOT",
            remedy="give at least one output token per request, such as 4000/1",
        )


def _check_rate(name: str, rate: float | None) -> None:
    if rate is None:
        return
    if rate == 0:
        raise InputError(
            "no traffic: zero requests per second",
            where=name,
            remedy="leave the rate out for costs alone, or give one above zero",
        )
    if not math.isfinite(rate) or rate < 0:
        raise InputError(f"{rate:g} requests per second", where=name, remedy="a rate is a positive number")


def _check_shares(traffic: Traffic) -> None:
    if not 0.0 <= traffic.cached_share <= 1.0:
        raise InputError(
            f"the cached share is {traffic.cached_share:g}",
            where=traffic.name,
            cause="a percentage without its sign",
            remedy="write a share of the input from 0 to 1, such as 0.4, or 40%",
        )
    for field in ("input_spread", "output_spread"):
        spread = getattr(traffic, field)
        if not math.isfinite(spread) or spread < 0:
            raise InputError(
                f"{field} cannot be {spread:g}",
                where=traffic.name,
                remedy="give standard deviation over mean, from 0 up",
            )
    if not -1.0 <= traffic.length_correlation <= 1.0:
        raise InputError(
            f"length_correlation is {traffic.length_correlation:g}",
            where=traffic.name,
            remedy="a correlation lies between -1 and 1",
        )


def _mean_one(name: str, hourly: tuple[float, ...]) -> tuple[float, ...]:
    if len(hourly) != HOURS:
        raise InputError(
            f"hourly has {len(hourly)} numbers",
            where=name,
            remedy="give 24 multipliers, one per hour of the day",
        )
    if not all(math.isfinite(each) and each >= 0 for each in hourly) or sum(hourly) <= 0:
        raise InputError(
            "hourly holds something other than numbers from 0 up, or only zeros",
            where=name,
            remedy="give 24 multipliers, one per hour of the day",
        )
    mean = sum(hourly) / HOURS
    return tuple(each / mean for each in hourly)
