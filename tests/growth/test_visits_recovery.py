"""The law of models of visits: customers simulated from known parameters give them back, with true errors."""

from __future__ import annotations

import numpy as np
import pytest

from breakeven.growth.cells import VISIT_COLUMNS, Cells
from breakeven.growth.maximum_likelihood import Fit, fit
from breakeven.growth.model import to_free
from breakeven.growth.visits.bg_bb import BG_BB
from breakeven.growth.visits.bg_nbd import BG_NBD, BgNbd
from breakeven.growth.visits.gamma_gamma import GAMMA_GAMMA
from breakeven.growth.visits.mbg_nbd import MbgNbd
from breakeven.growth.visits.pareto_nbd import PARETO_NBD, ParetoNbd

# Hours in the cells and weeks in the parameters: what rounding to a period does is not the law's matter.
HOURS = 7 * 24
TRUTHS = [
    (BgNbd(HOURS), (0.25, 4.4, 0.8, 2.4)),
    (BgNbd(HOURS), (1.0, 2.0, 0.5, 3.0)),
    (BgNbd(HOURS), (0.6, 0.4, 1.0, 8.0)),
    (MbgNbd(HOURS), (0.5, 6.2, 0.9, 1.6)),
    (MbgNbd(HOURS), (1.2, 2.0, 0.6, 2.5)),
    (MbgNbd(HOURS), (0.7, 0.5, 1.5, 6.0)),
    (ParetoNbd(HOURS), (0.55, 10.6, 0.6, 11.7)),
    (ParetoNbd(HOURS), (1.0, 2.0, 0.8, 8.0)),
    (ParetoNbd(HOURS), (2.0, 1.0, 0.5, 20.0)),
    (BG_BB, (1.2, 0.75, 0.66, 2.8)),
    (BG_BB, (0.6, 1.8, 0.8, 12.0)),
    (BG_BB, (2.0, 3.0, 1.0, 6.0)),
    (GAMMA_GAMMA, (6.25, 3.74, 15.44)),
    (GAMMA_GAMMA, (1.5, 2.2, 40.0)),
    (GAMMA_GAMMA, (20.0, 5.0, 8.0)),
]


def standard_scores(model, truth, seed, customers=6000):
    """How many standard errors each estimate is off, on the scale on which errors are normal."""
    random = np.random.default_rng(seed)
    if model is GAMMA_GAMMA:
        ages = random.geometric(0.35, customers)
    elif model is BG_BB:
        ages = random.integers(20, 80, customers)
    else:
        ages = random.integers(10, 79, customers) * HOURS
    found = fit(model, model.simulate(np.array(truth), ages, random))
    assert isinstance(found, Fit), found
    scales = tuple(found.scales.values())
    off = to_free(found.estimate, scales) - to_free(np.array(truth), scales)
    return off / np.sqrt(np.diag(found.covariance))


@pytest.mark.parametrize(
    ("model", "truth"), TRUTHS, ids=[f"{model.name}-{truth[0]}" for model, truth in TRUTHS]
)
def test_simulated_customers_give_their_parameters_back(model, truth):
    assert np.abs(standard_scores(model, truth, seed=11)).max() < 3.5


@pytest.mark.simulation
def test_standard_errors_are_neither_too_small_nor_too_large():
    """Squares of standard scores are one on average, over models, truths and samples."""
    squares = np.concatenate(
        [standard_scores(model, truth, seed) ** 2 for model, truth in TRUTHS for seed in range(20, 28)]
    )
    # Scores of one fit are correlated, so they are worth fewer than they are.
    assert 0.75 < squares.mean() < 1.3
    assert np.mean(squares > 1.2816**2) == pytest.approx(0.2, abs=0.06)


def heavy_daily_users(customers=4000) -> Cells:
    """Most came now and then; some come nearly every day for a year and a half, up to 540 times."""
    random = np.random.default_rng(405)
    age = random.integers(30, 560, customers)
    daily = random.random(customers) < 0.08
    chance = np.where(daily, random.beta(60, 3, customers), random.beta(0.5, 30, customers))
    stay = np.minimum(age, random.geometric(np.where(daily, 0.0005, random.beta(0.7, 20, customers) + 1e-4)))
    repeats = random.binomial(stay, chance)
    recency = np.where(repeats > 0, np.maximum(repeats, stay - random.geometric(chance + 1e-6) + 1), 0)
    return Cells.group(VISIT_COLUMNS, np.stack([repeats, np.minimum(recency, age), age], axis=1))


@pytest.mark.parametrize(
    "model", [BG_NBD, BgNbd(7), PARETO_NBD, BG_BB], ids=["days", "weeks", "pareto", "bg-bb"]
)
def test_five_hundred_visits_need_no_penalty_to_settle(model):
    cells = heavy_daily_users()
    assert cells["repeats"].max() > 500
    found = fit(model, cells)
    assert isinstance(found, Fit), found
    slopes = model.gradients(found.estimate, cells) @ cells.counts * found.estimate
    assert np.abs(slopes).max() < 1e-3 * np.sqrt(cells.size)
    # The forecast of a daily user is near a visit a day, while most others are gone.
    heavy = cells.where((cells["repeats"] > 500) & (cells["recency"] >= cells.rows[:, 2] - 3))
    month = model.conditional_repeats(found.estimate, heavy, 30)
    assert ((month > 22) & (month < 33)).all()


def test_weeks_and_days_are_the_same_model():
    """A change of the period changes the rates by its length, and nothing that is forecast."""
    cells = heavy_daily_users(1500)
    daily, weekly = fit(BG_NBD, cells), fit(BgNbd(7), cells)
    assert isinstance(daily, Fit)
    assert isinstance(weekly, Fit)
    assert weekly.estimate == pytest.approx(daily.estimate / np.array([1, 7, 1, 1]), rel=1e-5)
    assert BgNbd(7).conditional_repeats(weekly.estimate, cells, 60) == pytest.approx(
        BG_NBD.conditional_repeats(daily.estimate, cells, 60), rel=1e-5
    )


@pytest.mark.slow
def test_a_million_customers_grouped_give_back_their_parameters():
    random, truth = np.random.default_rng(6), np.array([0.243, 4.414, 0.793, 2.426])
    cells = BgNbd(7).simulate(truth, random.integers(0, 547, 1_000_000), random)
    rows = np.repeat(cells.rows, cells.counts, axis=0)
    random.shuffle(rows)
    found = fit(BgNbd(7), Cells.group(VISIT_COLUMNS, rows))
    assert isinstance(found, Fit)
    assert found.estimate == pytest.approx(truth, rel=0.03)
