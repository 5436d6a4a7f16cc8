"""Rivals make users dearer, never cheaper, and the ceiling stays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakeven.growth.response.auction import elasticity_of, is_assumed, stressed
from breakeven.growth.response.curve import ResponseCurve


def curve(shape: float = 1.0, elasticity: float | None = 1.0) -> ResponseCurve:
    return ResponseCurve(
        "a", "month", np.array([1000.0]), np.array([500.0]), np.array([shape]), today=200.0,
        rivals_elasticity=None if elasticity is None else np.array([elasticity]),
    )  # fmt: skip


@given(st.floats(1.0, 20.0), st.floats(0.0, 2.0), st.floats(0.3, 3.0), st.floats(1.0, 1e6))
def test_more_rivals_never_bring_more_users(factor, elasticity, shape, spend):
    now, then = curve(shape, elasticity), stressed(curve(shape, elasticity), factor)
    assert then.users(spend)[0] <= now.users(spend)[0] * (1 + 1e-12)
    assert then.ceiling.tolist() == now.ceiling.tolist()


@given(st.floats(0.1, 10.0), st.floats(0.1, 10.0))
def test_pressures_follow_one_another(first, second):
    twice = stressed(stressed(curve(elasticity=0.7), first), second)
    assert twice.half_spend == pytest.approx(stressed(curve(elasticity=0.7), first * second).half_spend)


def test_with_a_pure_contest_only_the_part_of_all_bids_counts():
    both = stressed(curve(), 3.0)
    assert both.users(600.0)[0] == pytest.approx(curve().users(200.0)[0])


def test_for_small_spends_the_price_grows_with_the_rivals():
    now, then = curve(), stressed(curve(elasticity=0.5), 4.0)
    assert then.average_cost(0.01)[0] / now.average_cost(0.01)[0] == pytest.approx(2.0, rel=1e-3)


def test_without_rivals_spend_their_effect_is_assumed_and_the_same_each_time():
    unknown = curve(elasticity=None)
    assert is_assumed(unknown)
    assert not is_assumed(curve())
    assert (elasticity_of(unknown) == elasticity_of(unknown)).all()
    wide = ResponseCurve("a", "week", np.ones(4000), np.ones(4000), np.ones(4000))
    assert elasticity_of(wide).mean() == pytest.approx(0.5, abs=0.02)
    assert (elasticity_of(wide) >= 0).all()


@pytest.mark.parametrize(
    "factor", [0.0, -1.0, float("nan"), float("inf")], ids=["zero", "below", "nan", "inf"]
)
def test_pressure_that_means_nothing_is_refused(factor):
    with pytest.raises(ValueError, match="rivals cannot spend"):
        stressed(curve(), factor)
