"""GPUs that a pool can have, what they cost, and the rules by which they are switched on."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from typing import Literal

from breakeven.errors import InputError, UsageError

Overflow = Literal["queue", "reject", "slow"]
_MOST_GPUS = 10_000_000
"""GPUs of one kind, and replicas of a model: far beyond every fleet, and still exact in a float."""
_MOST_START_MINUTES = 7 * 24 * 60
OVERFLOWS: tuple[Overflow, ...] = ("queue", "reject", "slow")
Follows = Literal["forecast", "load"]


@dataclass(frozen=True)
class Supply:
    """GPUs of one pool and prices per GPU-hour, in one currency.

    Owned and reserved GPUs cost their price in every hour, used or not; on-demand ones while they are on.
    `on_demand` is the most that can be had by the hour, None for as many as needed. A price that is None is
    not known: such GPUs can be neither had nor recommended. Raises `UsageError` and `InputError`.

    >>> Supply(owned=64, on_demand=32, owned_price=1.2, on_demand_price=3.0).limit
    96.0
    """

    owned: int = 0
    reserved: int = 0
    on_demand: int | None = None
    owned_price: float | None = None
    reserved_price: float | None = None
    on_demand_price: float | None = None

    def __post_init__(self) -> None:
        for name in ("owned", "reserved", "on_demand"):
            count, price, flag = getattr(self, name), getattr(self, f"{name}_price"), name.replace("_", "-")
            if count is not None and count < 0:
                raise UsageError(f"--{flag} {count} is below zero", remedy="GPUs are counted from zero up")
            if count is not None and count > _MOST_GPUS:
                raise UsageError(
                    f"--{flag} {reprlib.repr(count)} is not between 0 and {_MOST_GPUS:,}",
                    remedy=f"write a number up to {_MOST_GPUS:,}",
                )
            if price is not None and not 0 <= price < float("inf"):
                raise UsageError(
                    f"--{flag}-price {price:g} is not a price",
                    remedy="give money per GPU-hour, from zero up",
                )
            if price is None and count != 0:
                raise UsageError(
                    f"what --{flag} GPUs cost is not known",
                    remedy=f"give --{flag}-price, or --{flag} 0 for none of them",
                )
        if self.limit == 0:
            raise InputError("the fleet has no GPUs", remedy="give owned, reserved or on-demand GPUs")

    @property
    def committed(self) -> int:
        """GPUs that are paid in every hour."""
        return self.owned + self.reserved

    @property
    def limit(self) -> float:
        """The most GPUs that can be on at once; infinite where on-demand ones are not limited."""
        return float("inf") if self.on_demand is None else float(self.committed + self.on_demand)


@dataclass(frozen=True)
class Rules:
    """How a fleet follows its demand.

    - `headroom`: the part of serving capacity that an average hour leaves free, for the bursts inside it.
    - `minimum`: replicas of each model that are always on.
    - `spare`: replicas on beyond need while a model serves, so that as many may fail (N + spare).
    - `start_minutes`: from switching a replica on (and paying for it) until it serves.
    - `most_changes`: replicas of a model that can start, and stop, in an hour; None for any number.
    - `scale_down_hours`: a replica no longer needed stays on so long.
    - `follows`: the `forecast` (started before need), or the `load` of the hour just past.
    """

    headroom: float = 0.15
    minimum: int = 0
    spare: int = 0
    start_minutes: float = 0.0
    most_changes: int | None = None
    scale_down_hours: int = 0
    follows: Follows = "forecast"

    def __post_init__(self) -> None:
        if not 0 <= self.headroom < 1:
            raise UsageError(
                f"the headroom {self.headroom:g} is not a share below 1",
                remedy="write 0.15 to leave 15 % of the capacity free",
            )
        if not min(self.minimum, self.spare, self.scale_down_hours, self.start_minutes) >= 0:
            raise UsageError(
                "a rule of the fleet is negative", remedy="minimum, spare and times start at zero"
            )
        for flag, given, most in (
            ("minimum", self.minimum, _MOST_GPUS),
            ("spare", self.spare, _MOST_GPUS),
            ("start-minutes", self.start_minutes, _MOST_START_MINUTES),
        ):
            if not given <= most:
                raise UsageError(
                    f"--{flag} {reprlib.repr(given)} is not between 0 and {most:,}",
                    remedy=f"write a number up to {most:,}",
                )
        if self.most_changes is not None and self.most_changes < 1:
            raise UsageError(
                "a fleet that may not change cannot follow",
                remedy="let at least one replica start in an hour, or set the minimum to what the peak needs",
            )
