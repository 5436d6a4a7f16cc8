"""Curves are learned where the data hold them, with intervals that mean what they say, and refused
elsewhere.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakeven.account.metrics import Missing
from breakeven.growth.response.adstock import carried, geometric_weights, weibull_weights
from breakeven.growth.response.attributed import Attributed
from breakeven.growth.response.fit import Response, fit_attributed
from breakeven.growth.response.identified import doubt, judged, moved_together
from breakeven.growth.response.observed import Calibration, Observed
from breakeven.growth.response.pooled import PooledFit, fit_pooled
from breakeven.growth.response.sampler import highest, walk

from .response_channels import Truth, channel


def fitted(observed: Observed, seed: int = 1) -> Response:
    found = fit_attributed(observed, seed=seed)
    assert isinstance(found, Response)
    return found


# --- carry-over ------------------------------------------------------------------------------------------


@given(st.floats(0, 0.95), st.integers(1, 20))
def test_weights_of_carry_over_add_up_to_one_and_fall(carry, lags):
    weights = geometric_weights(carry, lags)
    assert weights.sum() == pytest.approx(1)
    assert (np.diff(weights) <= 0).all()
    assert weibull_weights(1.0 + carry, 3.0, lags).sum() == pytest.approx(1)


@given(st.floats(1, 1e6), st.floats(0, 0.9), st.integers(3, 30))
def test_a_steady_spend_is_carried_to_itself(spend, carry, periods):
    assert carried(np.full(periods, spend), geometric_weights(carry, 13)) == pytest.approx(spend)


# --- the sampler -----------------------------------------------------------------------------------------


def test_walkers_find_a_correlated_normal():
    covariance = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 25.0]])
    inverse = np.linalg.inv(covariance)
    middle = np.array([3.0, -2.0, 10.0])

    def density(points):
        return -0.5 * np.einsum("di,ij,dj->d", points - middle, inverse, points - middle)

    random = np.random.default_rng(5)
    best = highest(density, random.normal(size=(50, 3)))
    assert best == pytest.approx(middle, abs=1e-3)
    chain = walk(density, best, np.ones(3), draws=4000, random=random, steps=800)
    assert chain.settled
    assert chain.points.mean(axis=0) == pytest.approx(middle, abs=0.4)
    assert np.cov(chain.points.T)[0, 1] == pytest.approx(0.9, abs=0.12)
    assert chain.points[:, 2].std() == pytest.approx(5.0, rel=0.1)


def test_a_start_without_any_height_is_no_trap():
    def density(points):
        return np.where(points[:, 0] > 0, -0.5 * (points[:, 0] - 1.0) ** 2 / 0.01, -np.inf)

    chain = walk(density, np.array([1.0]), np.array([5.0]), draws=500, random=np.random.default_rng(1))
    assert (chain.points > 0).all()
    assert chain.points.mean() == pytest.approx(1.0, abs=0.05)


# --- too few of them, said as people say it -------------------------------------------------------------


@pytest.mark.parametrize(("periods", "said"), [(1, "only 1 period has"), (3, "only 3 periods have")])
def test_one_period_is_one(periods, said):
    found = fit_attributed(Observed("a", "week", np.ones(periods), np.ones(periods)))
    assert isinstance(found, Missing)
    assert said in found.en


# --- a channel from its own users ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def varied() -> tuple[Observed, Response, float]:
    observed, curve = channel(Truth(), np.random.default_rng(11))
    return observed, fitted(observed), float(curve.marginal_cost(observed.today)[0])


def test_the_marginal_cost_of_a_varied_channel_is_found(varied):
    observed, response, truth = varied
    found = response.marginal_cost(observed.today)
    assert truth in found
    assert found.high / found.low < 1.8
    assert judged(response, observed).curve.not_identified is None
    assert response.learned() < 0.5


def test_the_same_seed_gives_the_same_draws(varied):
    observed, response, _ = varied
    again = fitted(observed)
    assert (again.curve.ceiling == response.curve.ceiling).all()
    assert (fitted(observed, seed=2).curve.ceiling != response.curve.ceiling).any()


def test_users_and_spend_in_other_units_give_the_same_curve(varied):
    observed, response, _ = varied
    dearer = fitted(replace(observed, spend=observed.spend * 7.0))
    assert np.median(dearer.curve.half_spend) == pytest.approx(
        7 * np.median(response.curve.half_spend), rel=0.02
    )


def test_the_curve_is_that_of_the_last_period(varied):
    observed, _, _ = varied
    model = Attributed(observed)
    points = model.prior.middle[None] + np.zeros((2, 1))
    points[1, model.prior.at("drift")] = 0.4
    ceilings = model.curve(points)[0]
    assert ceilings[1] / ceilings[0] == pytest.approx(np.exp(0.2))


def test_periods_that_are_not_known_are_left_out():
    observed, curve = channel(Truth(), np.random.default_rng(12))
    users, spend = observed.users.copy(), observed.spend.copy()
    users[10:14], spend[30] = np.nan, np.nan
    users[60] = np.nan
    response = fitted(replace(observed, users=users, spend=spend))
    assert response.periods == 98
    assert float(curve.marginal_cost(observed.today)[0]) in response.marginal_cost(observed.today, level=0.95)


def test_rivals_spend_is_learned_and_not_taken_for_saturation():
    random = np.random.default_rng(3)
    rivals = np.exp(np.cumsum(random.normal(0.01, 0.15, 104)))
    observed, curve = channel(Truth(rivals=0.9, half=3.0, dispersion=0.004), random, rivals=rivals)
    response = fitted(observed)
    elasticity = response.curve.rivals_elasticity
    assert elasticity is not None
    assert np.quantile(elasticity, 0.05) < 0.9 < np.quantile(elasticity, 0.95)
    assert elasticity.std() < 0.2
    assert float(curve.marginal_cost(observed.today)[0]) in response.marginal_cost(observed.today, level=0.9)
    assert fitted(replace(observed, rivals=None)).curve.rivals_elasticity is None


# --- what the data cannot tell ---------------------------------------------------------------------------


def test_a_spend_that_never_varied_is_not_identified():
    observed, _ = channel(Truth(), np.random.default_rng(4), spend=np.full(104, 1.0))
    found = judged(fitted(observed), observed)
    assert found.curve.not_identified is not None
    assert "spend never varied" in found.curve.not_identified.en
    assert "支出几乎没有变化" in found.curve.not_identified.zh
    assert found.plan is not None
    assert found.plan.is_enough
    assert found.plan.detectable_users < found.plan.effect_users


def test_a_spend_that_varied_less_than_chance_is_not_identified():
    observed, _ = channel(Truth(typical=400.0, dispersion=0.2), np.random.default_rng(6), spread=0.08)
    why = doubt(fitted(observed), observed)
    assert why is not None
    assert "below chance" in why.en


def test_a_spend_that_only_went_with_time_is_not_identified():
    observed, _ = channel(Truth(), np.random.default_rng(7), spend=np.linspace(1.0, 3.0, 104))
    why = doubt(fitted(observed), observed)
    assert why is not None
    assert "only went with time" in why.en


def test_few_weeks_are_not_identified():
    observed, _ = channel(Truth(), np.random.default_rng(8), periods=9)
    why = doubt(fitted(observed), observed)
    assert why is not None
    assert "only 9 weeks" in why.en


@pytest.mark.parametrize("pooled", [False, True], ids=["attributed", "pooled"])
def test_two_channels_that_moved_together_are_named(pooled):
    random = np.random.default_rng(9)
    one, _ = channel(Truth(), random, name="douyin")
    copy, _ = channel(Truth(), random, spend=one.spend * 2, name="bilibili")
    free, _ = channel(Truth(), random, name="search")
    found = moved_together([one, copy, free], pooled=pooled)
    assert set(found) == {"douyin", "bilibili"}
    assert found["douyin"].partner == "bilibili"
    response = judged(fitted(one), one, found["douyin"])
    assert response.curve.not_identified is not None
    assert "douyin and bilibili moved together" in response.curve.not_identified.en
    assert response.plan is not None
    assert response.plan.is_enough


def test_nearly_together_matters_only_where_nobody_knows_who_came_from_where():
    random = np.random.default_rng(10)
    one, _ = channel(Truth(), random, name="douyin")
    near, _ = channel(Truth(), random, spend=one.spend * np.exp(random.normal(0, 0.1, 104)), name="bilibili")
    assert set(moved_together([one, near], pooled=True)) == {"douyin", "bilibili"}
    assert moved_together([one, near], pooled=False) == {}


@pytest.mark.parametrize(
    ("spend", "users", "said"),
    [
        ([0.0] * 30, [5.0] * 30, "nothing was spent"),
        ([9.0] * 30, [0.0] * 30, "brought no users"),
        ([9.0] * 2, [1.0] * 2, "only 2 periods"),
        ([9.0, np.nan] * 3, [np.nan, 9.0] * 3, "only 0 periods"),
    ],
    ids=["no spend", "no users", "two weeks", "never both known"],
)
def test_without_anything_to_fit_there_is_a_named_refusal(spend, users, said):
    found = fit_attributed(Observed("a", "week", np.array(spend), np.array(users)))
    assert isinstance(found, Missing)
    assert said in found.en
    assert found.zh.startswith("无法识别")


@settings(max_examples=5)
@given(st.integers(0, 10**6))
def test_no_curve_is_ever_not_a_number(seed):
    random = np.random.default_rng(seed)
    spend = random.choice([0.0, 1.0, 1e-3, 1e9], size=14)
    users = random.choice([0.0, 1.0, 1e7], size=14)
    found = fit_attributed(Observed("a", "month", spend, users), draws=50)
    if isinstance(found, Response):
        curve = found.curve
        assert all(np.isfinite(value).all() for value in (curve.ceiling, curve.half_spend, curve.shape))
        assert (curve.users(curve.observed[1]) >= 0).all()


# --- experiments calibrate -------------------------------------------------------------------------------


def test_an_experiment_scales_what_was_attributed():
    observed, curve = channel(Truth(), np.random.default_rng(13))
    today = observed.today
    # Only six in ten of the attributed users would not have come anyway.
    really = 0.6 * float(curve.users(today)[0])
    run = Calibration(today, -today, -really, 0.04 * really)
    response = fitted(replace(observed, calibrations=(run,)))
    assert np.median(response.curve.users(today)) == pytest.approx(really, rel=0.08)
    assert response.is_calibrated
    marginal = float(curve.marginal_cost(today)[0]) / 0.6
    assert marginal in response.marginal_cost(today)


def test_an_experiment_in_part_of_the_market_is_scaled_up():
    observed, curve = channel(Truth(), np.random.default_rng(14))
    today, share = observed.today, 0.25
    really = share * float((curve.users(2 * today) - curve.users(today))[0])
    run = Calibration(today, share * today, really, 0.05 * really, share=share)
    response = fitted(replace(observed, calibrations=(run,)))
    found = np.median(response.curve.users(2 * today) - response.curve.users(today))
    assert found == pytest.approx(really / share, rel=0.1)


# --- one outcome for all ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_channels_are_told_apart_from_one_outcome():
    random = np.random.default_rng(21)
    truths = {"douyin": Truth(cost=15.0), "search": Truth(half=0.8, cost=40.0), "bilibili": Truth(cost=25.0)}
    pairs = [channel(truth, random, name=name, spread=0.8) for name, truth in truths.items()]
    base = 20_000.0
    outcome = base + sum(one.users for one, _ in pairs) + random.normal(0, 300, 104)
    found = fit_pooled([one for one, _ in pairs], outcome, draws=300)
    assert isinstance(found, PooledFit)
    hits = [
        float(curve.marginal_cost(one.typical_spend)[0])
        in response.marginal_cost(one.typical_spend, level=0.95)
        for (one, curve), response in zip(pairs, found.responses, strict=True)
    ]
    assert sum(hits) >= 2
    fitted_outcome = found.predict([one.spend for one, _ in pairs]).mean(axis=0)
    assert np.corrcoef(fitted_outcome, outcome)[0, 1] > 0.9


def test_no_outcome_is_a_refusal():
    one, _ = channel(Truth(), np.random.default_rng(1), periods=20)
    found = fit_pooled([one], np.full(20, np.nan))
    assert isinstance(found, Missing)
    assert "only 0 periods" in found.en


# --- intervals mean what they say ------------------------------------------------------------------------


@pytest.mark.simulation
def test_eight_intervals_in_ten_hold_the_true_marginal_cost():
    hits: list[bool] = []
    for seed in range(100):
        random = np.random.default_rng(5000 + seed)
        observed, curve = channel(Truth.drawn(random), random)
        found = fitted(observed, seed=seed).marginal_cost(observed.today)
        hits.append(float(curve.marginal_cost(observed.today)[0]) in found)
    # 80 % of 100, give or take two and a half standard errors.
    assert 70 <= sum(hits) <= 90
