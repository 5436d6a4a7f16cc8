"""Intervals of survival hold what they say, for the average cohort and for a new one."""

from __future__ import annotations

import numpy as np
import pytest

from breakeven.account.metrics import Missing
from breakeven.growth.bootstrap import ONE_COHORT, bootstrap, cohort_effects
from breakeven.growth.cells import CONTRACT_COLUMNS, Cells
from breakeven.growth.survival import BDW, SBG, WEIBULL
from breakeven.growth.survival.curve import NOBODY_LOST
from breakeven.growth.survival.many_fits import simulate_many

TRUTH = np.array([0.7, 1.2])


def company(deviation: float, cohorts: int, random: np.random.Generator) -> tuple[list[Cells], np.ndarray]:
    """Cohorts whose loss rates lie apart by a normal effect on the log-odds; and one more, in shares."""
    loss = SBG.loss_rates(np.log(TRUTH)[None], 16)[0]
    odds = np.log(loss) - np.log1p(-loss) + random.normal(0, deviation, cohorts + 1)[:, None]
    rates = 1 / (1 + np.exp(-odds))
    found = []
    for i in range(cohorts):
        watched = 4 + i
        begun = np.full((1, watched), 1000.0)
        _, lost = simulate_many(begun, 0 * begun, rates[i : i + 1, :watched], 1, random)
        rows = [*((age, 1) for age in range(1, watched + 1)), (watched, 0)]
        found.append(Cells.group(CONTRACT_COLUMNS, rows, [*lost[0].astype(int), 1000 - int(lost.sum())]))
    return found, np.cumprod(1 - rates[-1])


def test_a_new_cohort_is_less_sure_than_the_average_one():
    random = np.random.default_rng(1)
    cohorts, _ = company(0.4, 8, random)
    found = bootstrap(SBG, cohorts, [0, 6, 12], random)
    assert found.effects.deviation == pytest.approx(0.4, abs=0.2)
    average, fresh = found.average_survival(), found.new_cohort_survival()
    assert (average[0].low, average[0].high) == (1, 1)
    for i in (1, 2):
        assert fresh[i].high - fresh[i].low > 1.5 * (average[i].high - average[i].low)
    intervals = found.parameter_intervals()
    assert all(interval.low < interval.value < interval.high for interval in intervals.values())


def test_cohorts_apart_make_the_average_less_sure():
    widths = []
    for deviation in (0.0, 0.5):
        random = np.random.default_rng(2)
        cohorts, _ = company(deviation, 8, random)
        interval = bootstrap(SBG, cohorts, [12], random).average_survival()[0]
        widths.append(interval.high - interval.low)
    assert widths[1] > 1.5 * widths[0]


def test_one_cohort_says_nothing_of_the_next():
    random = np.random.default_rng(3)
    found = bootstrap(SBG, [SBG.simulate(TRUTH, 1000, 8, random)], [12], random, draws=100)
    assert found.new_cohort_survival() == ONE_COHORT
    assert found.average_survival()[0].low < found.average_survival()[0].high


def test_no_cohorts_and_no_losses_are_refused():
    random = np.random.default_rng(4)
    assert isinstance(bootstrap(SBG, [], [1], random), Missing)
    kept = Cells.group(CONTRACT_COLUMNS, [(5, 0)], [50])
    assert bootstrap(SBG, [kept, kept], [1], random) == NOBODY_LOST


def test_the_same_seed_gives_the_same_draws():
    cohorts, _ = company(0.3, 5, np.random.default_rng(5))
    one, other = (bootstrap(BDW, cohorts, [9], np.random.default_rng(6), draws=60) for _ in range(2))
    assert np.array_equal(one.average, other.average)
    assert np.array_equal(one.new_cohort, other.new_cohort)


def test_a_cohorts_own_effect_shows_in_what_is_left_of_it():
    random = np.random.default_rng(7)
    risk = [WEIBULL.simulate(np.array([scale, 0.7]), 4000, 8, random) for scale in (2.0, 5.0, 12.0)]
    found = bootstrap(WEIBULL, risk, [8, 16], random)
    left = [found.still_there(i, random)[:, 1].mean() for i in range(3)]
    assert left == sorted(left)
    assert (found.still_there(0, random)[:, 0] == 1).all()
    assert found.effects.values[0] > 0 > found.effects.values[2]


def test_cohorts_without_contracts_have_no_effect():
    found = cohort_effects(np.zeros((2, 3)), np.zeros((2, 3)), np.full(3, 0.1))
    assert (found.deviation, found.values.tolist()) == (0.0, [0.0, 0.0])
    assert np.isfinite(found.errors).all()


@pytest.mark.simulation
@pytest.mark.parametrize("deviation", [0.0, 0.3])
def test_intervals_hold_eight_of_ten(deviation):
    """The average cohort's true curve, and a new cohort's, at twice the time watched."""
    average, fresh = [], []
    for seed in range(150):
        random = np.random.default_rng([11, seed])
        cohorts, truth = company(deviation, 6, random)
        found = bootstrap(SBG, cohorts, [16], random, draws=200)
        if isinstance(found, Missing):
            continue
        average.append(SBG.survival(TRUTH, np.array([16.0]))[0] in found.average_survival()[0])
        fresh.append(truth[15] in found.new_cohort_survival()[0])
    assert len(average) > 140
    assert 0.70 <= np.mean(average) <= 0.90
    assert 0.70 <= np.mean(fresh) <= (0.90 if deviation else 1.0)
