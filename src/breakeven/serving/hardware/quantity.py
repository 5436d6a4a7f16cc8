"""Physical quantities as people write them: `989 TFLOPS`, `80 GB`, `3.35 TB/s`, `700 W`.

A bare number is in the base unit (FLOP/s, bytes, bytes per second, watts). Every quantity has a range beyond
which no accelerator lies: a number outside it has lost its unit, and is refused rather than believed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from breakeven.pricing.located_yaml import Located

_TEXT = re.compile(r"([-+]?\d[\d_]*(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*([A-Za-z/]*)")
_DECIMAL = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}


@dataclass(frozen=True)
class Dimension:
    """A kind of quantity: its base unit, its units, and the range that makes sense."""

    base: str
    units: dict[str, float]
    least: float
    most: float
    example: str


_BYTES = {f"{prefix}B": factor for prefix, factor in (_DECIMAL | _BINARY).items()}
_RATES = {f"{unit}/s": factor for unit, factor in _BYTES.items()} | {
    f"{prefix}bit/s": factor / 8 for prefix, factor in _DECIMAL.items()
}
_FLOPS = {
    f"{prefix}{unit}": factor
    for prefix, factor in _DECIMAL.items()
    for unit in ("FLOPS", "FLOP/s", "OPS", "OP/s")
}

PEAK = Dimension("FLOP/s", _FLOPS, 1e12, 1e17, "989 TFLOPS")
MEMORY = Dimension("B", _BYTES, 1e9, 1e13, "80 GB")
BANDWIDTH = Dimension("B/s", _RATES, 1e10, 1e15, "3.35 TB/s")
LINK = Dimension("B/s", _RATES, 1e9, 1e14, "450 GB/s")
NETWORK = Dimension("B/s", _RATES, 1e8, 1e13, "50 GB/s or 400 Gbit/s")
POWER = Dimension("W", {"W": 1.0, "kW": 1e3}, 10.0, 1e5, "700 W")


def quantity(node: Located, dimension: Dimension) -> float:
    """The quantity in its base unit. Raises `InputError` with the line for what cannot be one.

    >>> from breakeven.pricing.located_yaml import parse_yaml
    >>> quantity(parse_yaml("3.35 TB/s", "gpu.yaml"), BANDWIDTH)
    3350000000000.0
    """
    text = node.text()
    match = _TEXT.fullmatch(text)
    if match is None:
        node.fail(f"{text!r} is not a number with a unit", remedy=f"write it like {dimension.example}")
    number, unit = float(match[1]), match[2]
    if number <= 0:
        node.fail(
            f"a figure of {text} cannot be",
            cause="it is zero or negative; leave a figure that is not known away",
            remedy=f"write it like {dimension.example}",
        )
    if unit and unit not in dimension.units:
        near = next((known for known in dimension.units if known.lower() == unit.lower()), None)
        node.fail(
            f"unknown unit {unit!r}",
            cause="b and B, m and M mean different things" if near else "",
            remedy=f"write it like {dimension.example}",
        )
    value = number * dimension.units[unit] if unit else number
    if not dimension.least <= value <= dimension.most:
        node.fail(
            f"{text} is {value:.3g} {dimension.base}, which no accelerator has",
            cause="a unit was left out or mixed up",
            remedy=f"write the unit: {dimension.example}",
        )
    return value
