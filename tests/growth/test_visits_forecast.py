"""Forecasts of visits hold what came as often as they say, also where cohorts differ by more than chance."""

from __future__ import annotations

import numpy as np
import pytest

from breakeven.growth.cells import VISIT_COLUMNS, Cells
from breakeven.growth.maximum_likelihood import Fit, fit
from breakeven.growth.visits.bg_bb import BG_BB
from breakeven.growth.visits.bg_nbd import BgNbd
from breakeven.growth.visits.forecast import cohort_differences, forecast_visits
from breakeven.growth.visits.mbg_nbd import MbgNbd
from breakeven.growth.visits.pareto_nbd import ParetoNbd

TRUTHS = [
    (BgNbd(7), np.array([0.5, 3.0, 0.7, 3.0])),
    (MbgNbd(7), np.array([0.8, 3.0, 0.7, 3.0])),
    (ParetoNbd(7), np.array([0.6, 4.0, 0.6, 12.0])),
    (BG_BB, np.array([1.2, 3.0, 0.7, 9.0])),
]
by_name = {"ids": [model.name for model, _ in TRUTHS]}


def company(model, truth, seed, customers=1000, cohorts=8, apart=(0.0, 0.0)):
    """Cohorts of different ages whose second parameters differ, and what each did in the 90 days after."""
    random, found, later = np.random.default_rng(seed), [], []
    for cohort in range(cohorts):
        own = truth.copy()
        own[[1, 3]] *= np.exp(np.array(apart) * random.standard_normal(2))
        found.append(model.simulate(own, np.full(customers, (cohort + 2) * 30), random))
        later.append(model.further(own, found[-1], 90, random).sum())
    return found, np.array(later)


def common(model, cohorts) -> Fit:
    found = fit(model, Cells.merge(cohorts))
    assert isinstance(found, Fit), found
    return found


@pytest.mark.parametrize(("model", "truth"), TRUTHS, **by_name)
def test_possible_futures_have_the_mean_that_is_expected(model, truth):
    cells = model.simulate(truth, np.full(4000, 80), np.random.default_rng(3))
    futures = model.further(truth, cells, 60, np.random.default_rng(4))
    assert len(futures) == cells.size
    off = futures - np.repeat(model.conditional_repeats(truth, cells, 60), cells.counts)
    assert abs(off.mean()) < 4 * off.std() / np.sqrt(len(off))


def test_differences_between_cohorts_are_found_where_they_are():
    model, truth = TRUTHS[0]
    alike, _ = company(model, truth, seed=1, cohorts=24)
    apart, _ = company(model, truth, seed=1, cohorts=24, apart=(0.3, 0.0))
    none = cohort_differences(model, common(model, alike).estimate, alike)
    some = cohort_differences(model, common(model, apart).estimate, apart)
    assert (none.deviations < 0.12).all()
    assert 0.2 < some.deviations[0] < 0.42
    assert np.abs(some.effects[:, 0]).max() > 0.3
    assert cohort_differences(model, truth, alike[:1]).deviations.tolist() == [0, 0]


@pytest.mark.parametrize(("model", "truth"), TRUTHS, **by_name)
def test_a_forecast_has_bounds_and_its_cohorts_add_up(model, truth):
    cohorts, later = company(model, truth, seed=5, customers=600, cohorts=4)
    found = common(model, cohorts)
    forecast = forecast_visits(model, found, cohorts, 90, np.random.default_rng(1), draws=60)
    assert forecast.total.low < forecast.total.value < forecast.total.high
    assert forecast.total.value == pytest.approx(sum(one.value for one in forecast.by_cohort))
    assert forecast.total.value == pytest.approx(later.sum(), rel=0.25)
    again = forecast_visits(model, found, cohorts, 90, np.random.default_rng(1), draws=60)
    assert again.draws.tobytes() == forecast.draws.tobytes()


def test_a_cohort_in_which_nobody_came_back_is_forecast_too():
    model, truth = TRUTHS[0]
    cohorts, _ = company(model, truth, seed=5, customers=600, cohorts=3)
    silent = Cells.group(VISIT_COLUMNS, [(0, 0, 60)] * 40)
    one = Cells.group(VISIT_COLUMNS, [(0, 0, 60)])
    forecast = forecast_visits(
        model, common(model, cohorts), [*cohorts, silent, one], 90, np.random.default_rng(1), draws=50
    )
    assert np.isfinite(forecast.draws).all()
    assert all(one.low >= 0 for one in forecast.by_cohort)
    with pytest.raises(ValueError, match="no cohorts"):
        forecast_visits(model, common(model, cohorts), [], 90, np.random.default_rng(1))


@pytest.mark.simulation
@pytest.mark.parametrize("apart", [(0.0, 0.0), (0.3, 0.3)], ids=["alike", "apart"])
def test_four_in_five_forecasts_hold_what_came(apart):
    model, truth = TRUTHS[0]
    held = []
    for seed in range(24):
        cohorts, later = company(model, truth, seed, apart=apart)
        forecast = forecast_visits(
            model, common(model, cohorts), cohorts, 90, np.random.default_rng(seed), draws=100
        )
        held += [came in one for came, one in zip(later, forecast.by_cohort, strict=True)]
    assert 0.72 < np.mean(held) < 0.88
