"""What a plan gains is asked of every draw; a plan that is no better is said to be none, with the reason."""

from __future__ import annotations

import numpy as np
import pytest
from tests.growth.test_budget import offer

from breakeven.account.metrics import Missing
from breakeven.growth.budget.best_plan import plan_budget
from breakeven.growth.budget.gain import gain_of
from breakeven.growth.budget.payback import payback_months
from breakeven.growth.budget.question import Limits, Offer, Question
from breakeven.growth.response.curve import ResponseCurve


def unsure(name, ceiling, spread, *, half=500.0, worth=10.0, today=300.0, seed=1, draws=300):
    """A channel whose ceiling is known to a factor of e^spread, and its users' value to ten percent."""
    random = np.random.default_rng([seed, *name.encode()])
    curve = ResponseCurve(
        name,
        "month",
        ceiling * np.exp(spread * random.normal(size=draws)),
        np.full(draws, half),
        np.ones(draws),
        today=today,
        observed=(100.0, 600.0),
    )
    path = np.cumsum(np.full((draws, 6), worth / 6), axis=1) * np.exp(0.1 * random.normal(size=(draws, 1)))
    return Offer(curve, path)


def asked(offers, objective="value", limits=None, **more):
    limits = limits or Limits(600.0)
    plan = plan_budget(offers, objective, limits, **more)
    return plan, gain_of(plan, Question(offers, limits, **more), seed=7)


def said(gain):
    return " | ".join(reason.en for reason in gain.reasons)


def test_a_gain_is_the_difference_of_both_plans_on_each_draw():
    offers = [unsure("a", 3000, 0.2), unsure("b", 500, 0.2)]
    plan, gain = asked(offers, "users")
    by_hand = sum(
        offer.curve.users(spend) - offer.curve.users(300.0)
        for offer, spend in zip(offers, plan.spend, strict=True)
    )
    assert gain.gain.value == pytest.approx(by_hand.mean())
    assert gain.better == np.mean(by_hand > 0)
    assert (gain.verdict, gain.reasons) == ("better", ())
    assert gain.gain.low > 0


def test_a_plan_whose_gain_may_be_nothing_is_no_better_than_today():
    plan, gain = asked([unsure("a", 1400, 0.8), unsure("b", 1000, 0.8)], "users")
    assert gain.moved > 0.005
    assert gain.gain.low < 0 < gain.gain.high
    assert gain.verdict == "no_better"
    assert "may be nothing" in said(gain)
    assert gain.gain.value != 0
    assert plan.spend.sum() == pytest.approx(600.0)


def test_the_optimum_is_todays_split_and_flat_returns_are_the_reason():
    _, gain = asked([unsure("a", 1000, 0.0), unsure("b", 1000, 0.0)], "users")
    assert gain.verdict == "no_better"
    assert gain.moved < 0.005
    assert "already brings nearly the same everywhere" in said(gain)


def test_the_optimum_is_todays_split_and_bounds_are_the_reason():
    offers = [unsure("a", 3000, 0.1), unsure("b", 500, 0.1)]
    _, gain = asked(offers, "users", Limits(600.0, at_least={"b": 300.0}, at_most={"a": 300.0}))
    assert gain.verdict == "no_better"
    assert said(gain) == "bounds hold a, b where they are"


def test_nothing_identified_leaves_nothing_to_move():
    unknown = Missing("spend never varied", "支出没有变化")
    _, gain = asked([offer("a", not_identified=unknown), offer("b", not_identified=unknown)], "users")
    assert gain.verdict == "no_better"
    assert "no channel is free to move" in said(gain)
    _, one = asked([offer("a", not_identified=unknown), offer("b")], "users")
    assert "only b is free to move" in said(one)


def test_kept_channels_cancel_out_of_the_gain():
    unknown = Missing("spend never varied", "支出没有变化")
    wild = unsure("c", 1000, 3.0)
    kept = Offer(wild.curve, wild.contribution, kept=unknown)
    offers = [unsure("a", 3000, 0.1), unsure("b", 500, 0.1), kept]
    plan, gain = asked(offers, "users", Limits(1200.0))
    assert gain.baseline_spend.tolist() == pytest.approx([450.0, 450.0, 300.0])
    assert plan.spend[2] == 300.0
    assert gain.verdict == "better"


def test_a_plan_that_only_bounds_make_worse_says_which():
    offers = [unsure("a", 3000, 0.1), unsure("b", 500, 0.1)]
    _, gain = asked(offers, "users", Limits(600.0, at_most={"a": 100.0}))
    assert gain.gain.high < 0
    assert gain.verdict == "breaks_limits"
    assert "outside the bounds of a" in said(gain)
    _, served = asked(offers, "users", Limits(600.0, capacity=500.0))
    assert served.verdict == "breaks_limits"
    assert "more users than can be served" in said(served)


def test_users_that_cost_more_than_they_bring_are_named():
    _, gain = asked([unsure("a", 3000, 0.1, worth=-2.0), unsure("b", 500, 0.1)])
    assert gain.verdict == "better"
    assert "less than they cost to serve: a (-" in said(gain)


def test_draws_of_different_numbers_meet_and_the_seed_decides_how():
    offers = [unsure("a", 3000, 0.2, draws=50), unsure("b", 500, 0.2, draws=400)]
    _, first = asked(offers)
    _, second = asked(offers)
    assert first.gain == second.gain
    assert first.gain.low <= first.gain.value <= first.gain.high


def test_payback_of_both_plans_in_months_sooner():
    early = unsure("a", 3000, 0.1, worth=6.0)
    late = unsure("b", 600, 0.1, worth=6.0)
    plan, gain = asked([early, late], "payback")
    assert gain.plan.value < gain.baseline.value
    assert gain.gain.value == pytest.approx(gain.baseline.value - gain.plan.value)
    assert plan.months == pytest.approx(gain.plan.value, rel=0.1)
    _, never = asked([unsure("a", 30, 0.1), unsure("b", 30, 0.1)], "payback")
    assert never.months_censored
    assert never.plan.value == 6.0


def test_payback_months_by_hand():
    paths = np.array([[[1.0, 3.0], [2.0, 2.0]]])
    users = np.array([[10.0, 5.0]])
    # 10·1 + 5·2 = 20 after a month, 10·3 + 5·2 = 40 after two.
    assert payback_months(paths, users, 10.0).tolist() == [0.5]
    assert payback_months(paths, users, 30.0).tolist() == [1.5]
    assert payback_months(paths, users, 40.5).tolist() == [np.inf]
    assert payback_months(paths, users, 0.0).tolist() == [0.0]
