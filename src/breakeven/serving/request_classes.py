"""Kinds of requests with what answers are worth, read from YAML: the input of `small_or_large`.

    requests_per_month: 20000000
    classes:
      - name: chat
        share: 0.7
        input_tokens: 2000
        cached_share: 0.4
        output_tokens: 400
        value_of_good: 0.010        # money that a good answer is worth, and a bad one loses
        loss_of_bad: 0.020
        quality: {small: 0.85, large: 0.90}

Shares are of requests and sum to 1; `40%` is 0.4, and `30M` is 30 million.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from breakeven.errors import InputError
from breakeven.pricing.located_yaml import Located, read_yaml
from breakeven.serving.traffic import Traffic

_CLASS_KEYS = ("name", "share", "input_tokens", "output_tokens", "quality")
_AMOUNTS = ("value_of_good", "loss_of_bad")
_OPTIONAL = ("cached_share", *_AMOUNTS)
_UNITS = {"k": 1e3, "m": 1e6, "万": 1e4, "亿": 1e8}


@dataclass(frozen=True)
class Kind:
    """One class as it was written; money is in the currency of the answer."""

    name: str
    share: float
    input_tokens: float
    cached_share: float
    output_tokens: float
    small_quality: float
    large_quality: float
    value_of_good: float
    loss_of_bad: float
    left_out: tuple[str, ...] = ()
    """Amounts that the file does not state: they count as zero."""


@dataclass(frozen=True)
class Kinds:
    """All of them, and how many requests come a month."""

    requests_per_month: float
    kinds: tuple[Kind, ...]

    @property
    def traffic(self) -> Traffic:
        """The mean request over all classes, at the month's rate."""
        from breakeven.serving.nodes import SECONDS_PER_MONTH

        given = sum(kind.share * kind.input_tokens for kind in self.kinds)
        cached = sum(kind.share * kind.input_tokens * kind.cached_share for kind in self.kinds)
        return Traffic(
            "mix",
            input_tokens=given,
            output_tokens=sum(kind.share * kind.output_tokens for kind in self.kinds),
            cached_share=cached / given,
            requests_per_second=self.requests_per_month / SECONDS_PER_MONTH,
        )


def read_kinds(path: Path) -> Kinds:
    """Read the file. Raises `InputError` with `file:line` for what is missing or cannot be."""
    return kinds_from(read_yaml(path))


def kinds_from(root: Located) -> Kinds:
    """From YAML already read.

    >>> from breakeven.pricing.located_yaml import parse_yaml
    >>> one = "{name: a, share: 1, input_tokens: 9, output_tokens: 1, quality: {small: 0.8, large: 0.9}}"
    >>> found = kinds_from(parse_yaml("{requests_per_month: 1000, classes: [" + one + "]}", "a.yaml"))
    >>> found.kinds[0].loss_of_bad, found.traffic.input_tokens
    (0.0, 9.0)
    """
    fields = root.fields(("requests_per_month", "classes"), required=("requests_per_month", "classes"))
    kinds = tuple(map(_kind, fields["classes"].items()))
    total = sum(kind.share for kind in kinds)
    if abs(total - 1) > 1e-6:
        fields["classes"].fail(
            f"the shares of the classes sum to {total:g}, not to 1",
            remedy="let them sum to 1, with a class for the rest",
        )
    if len({kind.name for kind in kinds}) < len(kinds):
        fields["classes"].fail("a name appears twice in this list")
    return Kinds(_number(fields["requests_per_month"], least=1e-9, example="20000000 or 20M"), kinds)


def _kind(node: Located) -> Kind:
    fields = node.fields((*_CLASS_KEYS, *_OPTIONAL), required=_CLASS_KEYS)
    quality = fields["quality"].fields(("small", "large"), required=("small", "large"))
    return Kind(
        name=fields["name"].text(),
        share=_share(fields["share"]),
        input_tokens=_number(fields["input_tokens"], least=1),
        cached_share=_share(fields["cached_share"]) if "cached_share" in fields else 0.0,
        output_tokens=_number(fields["output_tokens"], least=1),
        small_quality=_share(quality["small"]),
        large_quality=_share(quality["large"]),
        value_of_good=_number(fields["value_of_good"]) if "value_of_good" in fields else 0.0,
        loss_of_bad=_number(fields["loss_of_bad"]) if "loss_of_bad" in fields else 0.0,
        left_out=tuple(name for name in _AMOUNTS if name not in fields),
    )


def _number(node: Located, least: float = 0.0, example: str = "2000") -> float:
    """A number of at least `least`: 2000, 2_000, 30M, 3万."""
    text = node.text().strip().replace("_", "")
    unit = text[-1:].lower() if text[-1:].lower() in _UNITS else ""
    try:
        value = float(text[:-1]) * _UNITS[unit] if unit else float(text)
    except ValueError:
        value = math.nan
    if not least <= value < math.inf:
        node.fail(f"{node.text()!r} is not a number of at least {least:g}", remedy=f"write it like {example}")
    return value


def _share(node: Located) -> float:
    """A share as 0.4 or 40%."""
    text = node.text().strip()
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise InputError(
            f"{node.text()!r} is not a share from 0 to 1",
            where=node.where,
            cause="a percentage without its sign",
            remedy="write 0.4 or 40%",
        )
    return value
