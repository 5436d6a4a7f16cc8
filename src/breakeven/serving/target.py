"""What is promised to users, and how far production falls short of a benchmark."""

from __future__ import annotations

import math
from dataclasses import dataclass

from breakeven.errors import InputError


@dataclass(frozen=True)
class Target:
    """The latency promised: time to the first token, time per further token, and the share of requests that
    get it.

    `math.inf` promises nothing. Raises `InputError` for times at or below zero and for a percentile outside
    0.5 to 0.999.

    >>> Target(ttft_seconds=2.0, tpot_seconds=0.05, percentile=0.9).tokens_per_second_per_user
    20.0
    """

    ttft_seconds: float = 2.0
    tpot_seconds: float = 0.05
    percentile: float = 0.9

    def __post_init__(self) -> None:
        for field in ("ttft_seconds", "tpot_seconds"):
            seconds = getattr(self, field)
            if math.isnan(seconds) or seconds <= 0:
                raise InputError(
                    f"{field} cannot be {seconds:g}", remedy="a latency target is a time above zero"
                )
        if not 0.5 <= self.percentile <= 0.999:
            raise InputError(
                f"the percentile is {self.percentile:g}",
                cause="a percentage without its sign, or a share beyond what a tail rule can say",
                remedy="write a share from 0.5 to 0.999, such as 0.9 or p90",
            )

    @property
    def tokens_per_second_per_user(self) -> float:
        """The slowest stream that the target allows."""
        return 1.0 / self.tpot_seconds


UNLIMITED = Target(math.inf, math.inf, 0.5)
"""No promise at all: as much as the GPUs can do."""


@dataclass(frozen=True)
class Derate:
    """The share of a benchmark's throughput that production reaches, apart for prefill and decode.

    Work is divided by it. 1 is a benchmark: requests of even length, nothing failing, nobody waiting.
    DeepSeek's published day reached 0.51 and 0.80 of DeepSeek's own benchmark, more of this model's figures
    (see `published_day`). Raises `InputError` outside 0 to 1.
    """

    prefill: float = 1.0
    decode: float = 1.0

    def __post_init__(self) -> None:
        for name in ("prefill", "decode"):
            share = getattr(self, name)
            if not 0.0 < share <= 1.0:
                raise InputError(
                    f"the derate of {name} is {share:g}",
                    cause="a percentage without its sign, or the derate's inverse",
                    remedy="write the share of benchmark throughput that production reaches, such as 0.8",
                )


BENCHMARK = Derate()
"""Nothing taken off."""
