"""A number in a YAML file of the user, with its line where it is none."""

from __future__ import annotations

import reprlib
from math import isfinite

from breakeven.pricing.located_yaml import Located

MOST = 1e18
"""Beyond every fleet: all models of the world serve fewer tokens a day."""


def read_number(located: Located) -> float:
    """A number from zero up, such as 1.2, 42e9 or 4_000. Raises `InputError` with the line for another.

    >>> read_number(Located("p.yaml", 1, "42e9"))
    42000000000.0
    """
    text = located.text().replace("_", "")
    try:
        value = float(text)
    except ValueError:
        located.fail(f"{reprlib.repr(text)} is not a number", remedy="write a number such as 1.2 or 42e9")
    if not isfinite(value) or value < 0:
        located.fail(f"{reprlib.repr(text)} is negative or no number", remedy="write a number from zero up")
    if value > MOST:
        located.fail(f"{value:.3g} is beyond every fleet", remedy=f"write a number up to {MOST:.0e}")
    return value


def read_count(located: Located) -> int:
    """A whole number of GPUs. Raises `InputError` with the line for another."""
    value = read_number(located)
    if value != int(value):
        located.fail(
            f"{reprlib.repr(located.text())} is not a number of GPUs", remedy="write 1, 2, 4, 8, ..."
        )
    return int(value)
