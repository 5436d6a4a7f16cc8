"""Bills spread over usage: to the last cent, by declared weights."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakeven.errors import InputError
from breakeven.pricing.allocate import AllocationLine, ClassWeights, allocate

WEIGHTS = ClassWeights.of({"uncached_input": "1", "cached_input": "0.1", "output": 4})
counts = st.integers(0, 10**12)


def test_a_gpu_lease_by_weights():
    """20 input + 10 cached at a tenth + 5 output at four is 41; the other line weighs 82."""
    lines = [
        AllocationLine("free", uncached_input_tokens=20, cached_input_tokens=10, output_tokens=5),
        AllocationLine("paid", uncached_input_tokens=40, cached_input_tokens=20, output_tokens=10),
        AllocationLine("idle"),
    ]
    result = allocate(Decimal("87072.00"), "USD", lines, WEIGHTS)
    assert result.parts == (
        ("free", Decimal("29024.00")),
        ("paid", Decimal("58048.00")),
        ("idle", Decimal("0.00")),
    )
    assert result.unallocated == 0


def test_a_bill_that_no_usage_carries_stays_unallocated():
    result = allocate(Decimal("10.00"), "USD", [AllocationLine("a", cache_write_tokens=5)], WEIGHTS)
    assert result.parts == (("a", Decimal(0)),)
    assert result.unallocated == Decimal("10.00")


@given(st.lists(st.tuples(counts, counts, counts, counts), max_size=8), st.integers(-(10**10), 10**10))
def test_parts_always_sum_to_the_bill(usage, cents):
    bill = Decimal(cents).scaleb(-2)
    lines = [AllocationLine(n, 1, *tokens) for n, tokens in enumerate(usage)]
    result = allocate(bill, "CNY", lines, WEIGHTS)
    assert sum((part for _, part in result.parts), result.unallocated) == bill


@pytest.mark.parametrize(
    "declared", [{"input": 1}, {"output": -1}, {"output": "NaN"}, {"output": "x"}, {"output": 0}, {}]
)
def test_bad_weights_are_refused(declared):
    with pytest.raises(InputError, match=r"settings\.toml"):
        ClassWeights.of(declared, where="settings.toml")
