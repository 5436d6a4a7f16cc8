"""Supplier bills without a usage price (GPU leases, cloud), spread over usage by declared weights.

A weight says what one token of a class costs relative to the others: output tokens are made one at a time,
so they weigh more than input tokens that are read together. A line's share is the sum of its tokens times
their weights, and the parts add up to the bill to the last minor unit.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from breakeven.errors import InputError
from breakeven.money import EXACT, apportion
from breakeven.pricing.terms import TOKEN_CLASSES


@dataclass(frozen=True)
class ClassWeights:
    """What one token of each class, and one request, weighs. Only their ratios matter."""

    uncached_input: Decimal = Decimal(0)
    cached_input: Decimal = Decimal(0)
    cache_write: Decimal = Decimal(0)
    output: Decimal = Decimal(0)
    request: Decimal = Decimal(0)

    @classmethod
    def of(cls, declared: Mapping[str, object], *, where: str = "") -> ClassWeights:
        """Read declared weights such as `{"uncached_input": "1", "output": "4"}`; what is not named weighs 0.

        Raises `InputError` for an unknown class, a negative or an impossible weight, or none above zero.
        """
        known = (*TOKEN_CLASSES, "request")
        weights: dict[str, Decimal] = {}
        for name, value in declared.items():
            if name not in known:
                raise InputError(
                    f"unknown token class {name!r}", where=where, remedy=f"use {', '.join(known)}"
                )
            try:
                weights[name] = Decimal(str(value))
            except InvalidOperation:
                weights[name] = Decimal("NaN")
            if not weights[name].is_finite() or weights[name] < 0:
                raise InputError(
                    f"{value!r} is not a weight for {name}", where=where, remedy="write 0 or more"
                )
        if not any(weights.values()):
            raise InputError("no class has a weight above zero", where=where, remedy="give at least one")
        return cls(**weights)


@dataclass(frozen=True)
class AllocationLine:
    """Usage that a bill is spread over; `key` is the caller's."""

    key: Hashable
    requests: int = 0
    uncached_input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0

    def weight(self, weights: ClassWeights) -> Decimal:
        """The line's share in the bill, before it is put in proportion."""
        total = Decimal(0)
        for count, weight in (
            (self.uncached_input_tokens, weights.uncached_input),
            (self.cached_input_tokens, weights.cached_input),
            (self.cache_write_tokens, weights.cache_write),
            (self.output_tokens, weights.output),
            (self.requests, weights.request),
        ):
            total = EXACT.add(total, EXACT.multiply(weight, count))
        return total


@dataclass(frozen=True)
class Allocation:
    """The parts of a bill by line, in their order, and what no usage could carry. They sum to the bill."""

    parts: tuple[tuple[Hashable, Decimal], ...]
    unallocated: Decimal


def allocate(
    bill: Decimal, currency: str, lines: Sequence[AllocationLine], weights: ClassWeights
) -> Allocation:
    """Spread a posted bill over usage. Without any weighted usage the whole bill stays unallocated.

    >>> lines = [AllocationLine("free", output_tokens=2), AllocationLine("paid", output_tokens=1)]
    >>> allocate(Decimal("100.00"), "USD", lines, ClassWeights(output=Decimal(1))).parts
    (('free', Decimal('66.67')), ('paid', Decimal('33.33')))
    """
    shares = [line.weight(weights) for line in lines]
    if not any(shares):
        return Allocation(tuple((line.key, Decimal(0)) for line in lines), bill)
    parts = apportion(bill, shares, currency)
    return Allocation(tuple((line.key, part) for line, part in zip(lines, parts, strict=True)), Decimal(0))
