"""Which weights a checkpoint keeps in which precision: experts may be fp4 while attention stays bf16."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from breakeven.serving.architecture.precision import Precision, bytes_per_element

Part = Literal[
    "embedding",
    "attention",
    "indexer",
    "dense",
    "shared_experts",
    "routed_experts",
    "router",
    "norms",
    "head",
]
PARTS: tuple[Part, ...] = get_args(Part)
ALWAYS_BF16: frozenset[Part] = frozenset({"embedding", "router", "norms", "head"})
"""Parts that published checkpoints do not quantise."""

_FULL_BYTES = bytes_per_element("bf16")


@dataclass(frozen=True)
class Storage:
    """The precision of a checkpoint's weights, and the parts it keeps in bf16 besides those that all keep.

    >>> Storage("fp4", frozenset({"attention"})).bytes_of("attention")
    2.0
    """

    precision: Precision
    kept: frozenset[Part] = frozenset()
    bytes_per_weight: float | None = None

    def bytes_of(self, part: Part) -> float:
        """Bytes of one weight of a part, with its share of the scales."""
        if part in ALWAYS_BF16 or part in self.kept:
            return _FULL_BYTES
        return bytes_per_element(self.precision) if self.bytes_per_weight is None else self.bytes_per_weight

    def total(self, parameters: Mapping[Part, float]) -> float:
        """Bytes of so many weights of each part."""
        return sum(count * self.bytes_of(part) for part, count in parameters.items())


def usual_storage(precision: Precision, *, has_experts: bool) -> Storage:
    """How checkpoints of this precision are made where nothing says more.

    Eight bits take all matrices of the layers. Four bits take them in a dense model; with experts, attention
    stays in bf16, as in the NVFP4 checkpoints of DeepSeek, MiniMax and GLM and in Kimi-K2.5's own int4.
    """
    if precision in ("int4", "fp4") and has_experts:
        return Storage(precision, frozenset({"attention", "indexer"}))
    return Storage(precision)
