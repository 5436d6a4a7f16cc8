"""A modelled number with how sure it is: the middle and the bounds of its 80 % interval."""

from __future__ import annotations

from dataclasses import dataclass

LEVEL = 0.8
"""How often the truth should lie between `low` and `high`."""


@dataclass(frozen=True)
class Estimate:
    """A middle value and the bounds of its interval, all in one unit.

    >>> Estimate(10.0, 8.0, 13.0) * 2
    Estimate(value=20.0, low=16.0, high=26.0)
    """

    value: float
    low: float
    high: float

    def __mul__(self, factor: float) -> Estimate:
        """The same in other units; `factor` is exact and not negative."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor)

    @classmethod
    def exact(cls, value: float) -> Estimate:
        """A number that is known."""
        return cls(value, value, value)
