"""What is asked of a fleet: tokens of each class, by model and hour.

Hours are consecutive stretches of 3,600 seconds from a UTC instant, so a day on which clocks change has 23 or
25 of them. Which hour of a day each is follows from a time zone, and only when somebody asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from breakeven.errors import InputError
from breakeven.serving.class_work import SECONDS_PER_HOUR, ClassWork

Floats = NDArray[np.float64]

TOKEN_CLASSES = ("uncached_input", "cached_input", "output")
"""The last axis of every array of tokens, in this order."""
ONE_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class HourlyDemand:
    """Tokens asked for: `tokens` has the shape (hour, model, class), classes as in `TOKEN_CLASSES`.

    `start` is the UTC instant at which the first hour begins. Raises `InputError` for a start without a time
    zone, for counts that are negative or no numbers, and where nothing at all is asked for.

    >>> demand = HourlyDemand(datetime(2026, 3, 1, tzinfo=UTC), ("v3",), np.full((24, 1, 3), 3.6e6))
    >>> demand.hours, demand.total_tokens.tolist()
    (24, [[86400000.0, 86400000.0, 86400000.0]])
    """

    start: datetime
    models: tuple[str, ...]
    tokens: Floats

    def __post_init__(self) -> None:
        if self.start.tzinfo is None:
            raise InputError(
                "the first hour of the demand has no time zone", remedy="write it as 2026-03-01T00:00:00Z"
            )
        if len(set(self.models)) != len(self.models):
            raise InputError("the demand names a model twice", remedy="add its tokens up")
        if self.tokens.ndim != 3 or self.tokens.shape[1:] != (len(self.models), len(TOKEN_CLASSES)):
            raise InputError(
                f"the demand has the shape {self.tokens.shape}",
                remedy=f"give (hour, model, class) with {len(self.models)} models and 3 classes",
            )
        if not np.isfinite(self.tokens).all() or (self.tokens < 0).any():
            hour, model, token_class = np.argwhere(~(self.tokens >= 0) | ~np.isfinite(self.tokens))[0]
            raise InputError(
                f"{TOKEN_CLASSES[token_class]} tokens of {self.models[model]} in hour {hour} are"
                f" {self.tokens[hour, model, token_class]:g}",
                remedy="tokens are counts from zero up",
            )
        if not self.tokens.any():
            raise InputError(
                "there is no traffic: all hours have zero tokens",
                remedy="give hours with tokens, or the period in which there were any",
            )

    @property
    def hours(self) -> int:
        """How many hours there are."""
        return len(self.tokens)

    @property
    def total_tokens(self) -> Floats:
        """Tokens of all hours: (model, class)."""
        return self.tokens.sum(axis=0)

    def work_gpu_hours(self, works: Sequence[ClassWork]) -> Floats:
        """GPU-hours of work that each hour asks for, (hour, model), at the middle values of `works`.

        One GPU-hour an hour is one GPU, as busy as its latency target allows.

        >>> from breakeven.serving.estimate import Estimate
        >>> demand = HourlyDemand(datetime(2026, 3, 1, tzinfo=UTC), ("v3",), np.full((1, 1, 3), 3.6e6))
        >>> work = ClassWork(Estimate.exact(1e-3), Estimate.exact(0.0), Estimate.exact(3e-3))
        >>> demand.work_gpu_hours([work]).tolist()
        [[4.0]]
        """
        return np.einsum("hmc,mc->hm", self.tokens, seconds_per_token(works)) / SECONDS_PER_HOUR

    def only(self, model: str) -> HourlyDemand:
        """The demand for one of its models. Raises `InputError` for one it does not have."""
        if model not in self.models:
            raise InputError(
                f"the demand has no model {model!r}", remedy=f"use one of {', '.join(self.models)}"
            )
        return HourlyDemand(self.start, (model,), self.of_models([model]))

    def of_models(self, chosen: Sequence[str]) -> Floats:
        """The tokens of some models, in their order."""
        return self.tokens[:, [self.models.index(name) for name in chosen], :]

    def starts(self) -> list[datetime]:
        """The UTC instants at which the hours begin."""
        first = self.start.astimezone(UTC)
        return [first + hour * ONE_HOUR for hour in range(self.hours)]

    def local_hours(self, zone: ZoneInfo) -> tuple[NDArray[np.int64], list[date]]:
        """The hour of the day (0 to 23) and the day of a time zone in which each hour begins."""
        local = [start.astimezone(zone) for start in self.starts()]
        return np.array([one.hour for one in local]), [one.date() for one in local]


def seconds_per_token(works: Sequence[ClassWork]) -> Floats:
    """GPU-seconds per token, (model, class), at the middle values."""
    return np.array(
        [[work.uncached_input.value, work.cached_input.value, work.output.value] for work in works]
    )
