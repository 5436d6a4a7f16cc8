"""Many cohorts at once: the same answers as one by one, failures named, the bootstrap honest."""

from __future__ import annotations

import numpy as np
import pytest

from breakeven.account.metrics import Missing
from breakeven.growth.cells import CONTRACT_COLUMNS, Cells
from breakeven.growth.survival import BDW, SBG, SURVIVAL_MODELS, WEIBULL
from breakeven.growth.survival.curve import life_table
from breakeven.growth.survival.many_fits import bootstrap_many, fit_many, simulate_many
from breakeven.growth.survival.scoring import State


def tables(cohorts: list[Cells], periods: int) -> tuple[np.ndarray, np.ndarray]:
    both = [life_table(cells) for cells in cohorts]
    return tuple(np.stack([np.pad(one[i], (0, periods - len(one[i]))) for one in both]) for i in range(2))


def cells_of(risk: np.ndarray, lost: np.ndarray) -> Cells:
    """The contracts behind one life table."""
    left = np.append(risk[1:], 0) - (risk - lost)
    ages = np.arange(1, len(risk) + 1)
    rows = [*((age, 1) for age in ages), *((age, 0) for age in ages)]
    return Cells.group(CONTRACT_COLUMNS, rows, np.r_[lost, -left].astype(int))


@pytest.mark.parametrize("model", [SBG, BDW, WEIBULL], ids=lambda model: model.name)
def test_all_at_once_is_one_by_one(model):
    random = np.random.default_rng(6)
    truth = np.array([0.4, 1.6, 1.3])
    cohorts = [
        BDW.simulate(truth, size, watched, random) for size in (300, 5000, 40_000) for watched in (6, 20)
    ]
    many = fit_many(model, *tables(cohorts, 20))
    for i, cells in enumerate(cohorts):
        one = model.fit(cells)
        refused = many.refusal(i)
        assert isinstance(one, Missing) == (refused is not None)
        if isinstance(one, Missing):
            assert refused == one
            continue
        assert many.parameters[i] == pytest.approx(one.estimate, rel=2e-4)
        assert many.log_likelihoods[i] == pytest.approx(one.log_likelihood, abs=1e-6)
        assert many.standard_errors[i] == pytest.approx(list(one.standard_errors.values()), rel=2e-3)


def test_order_and_company_do_not_matter():
    random = np.random.default_rng(7)
    risk, lost = tables([SBG.simulate(np.array([0.7, 1.2]), 500, 9, random) for _ in range(40)], 9)
    whole = fit_many(SBG, risk, lost)
    order = random.permutation(40)
    assert np.array_equal(fit_many(SBG, risk[order], lost[order]).parameters, whole.parameters[order])
    assert np.array_equal(fit_many(SBG, risk[:1], lost[:1]).parameters, whole.parameters[:1])


def test_what_does_not_converge_is_named():
    risk = np.array([[0, 0, 0], [9, 9, 9], [9, 0, 0], [9, 5, 0], [1000, 900, 700], [800, 400, 300]], float)
    lost = np.array([[0, 0, 0], [0, 0, 0], [9, 0, 0], [4, 0, 0], [100, 200, 400], [400, 100, 50]], float)
    many = fit_many(BDW, risk, lost)
    assert [State(int(state)).name for state in many.states] == [
        "NO_CONTRACTS", "NOBODY_LOST", "ALL_LOST_AT_ONCE", "TOO_FEW_PERIODS", "RUNS_AWAY", "SETTLED",
    ]  # fmt: skip
    assert np.isnan(many.parameters[:4]).all()
    assert np.isnan(many.standard_errors[:5]).all()
    assert many.is_settled.tolist() == [False] * 5 + [True]
    assert all(many.refusal(i) is not None for i in range(5))
    assert many.refusal(5) is None
    limit = WEIBULL.fit(cells_of(risk[4], lost[4]))
    ages = np.arange(4.0)
    assert BDW.survival(many.parameters[4], ages) == pytest.approx(
        WEIBULL.survival(limit.estimate, ages), abs=0.005
    )


@pytest.mark.parametrize(
    ("risk", "lost"), [([[5.0]], [[6.0]]), ([[np.nan]], [[0.0]]), ([[5.0, 4.0]], [[1.0]]), ([5.0], [1.0])]
)
def test_wrong_counts_are_mistakes(risk, lost):
    with pytest.raises(ValueError, match=r"counts|both be"):
        fit_many(SBG, risk, lost)


def test_no_cohorts_is_no_fits():
    assert fit_many(SBG, np.zeros((0, 4)), np.zeros((0, 4))).parameters.shape == (0, 2)


def test_a_simulated_cohort_is_watched_as_the_real_one():
    """Contracts that go out of sight do so in the copy, in the same share; new ones join."""
    random = np.random.default_rng(8)
    risk, lost = np.array([[1000.0, 400.0, 500.0, 0.0]]), np.array([[100.0, 50.0, 60.0, 0.0]])
    again_risk, again_lost = simulate_many(risk, lost, np.full((1, 4), 0.1), 2000, random)
    assert again_risk.mean(axis=0) == pytest.approx([1000, 400, 510, 0], rel=0.02)
    assert again_lost[:, 0].mean() == pytest.approx(100, rel=0.02)
    assert (again_lost <= again_risk).all()


def test_the_bootstrap_spreads_as_repeated_samples_do():
    truth, random = np.array([0.7, 1.2]), np.random.default_rng(9)
    risk, lost = tables([SBG.simulate(truth, 2000, 8, random) for _ in range(60)], 8)
    found = bootstrap_many(SBG, risk, lost, 100, random)
    across = SBG.survival(found.estimates.parameters, np.array([16.0]))[:, 0].std()
    within = found.survival(np.array([16.0]))[:, :, 0].std(axis=1).mean()
    assert within == pytest.approx(across, rel=0.25)
    assert found.unsettled_share.max() < 0.05


def test_the_bootstrap_repeats_with_its_seed():
    risk, lost = tables([BDW.simulate(np.array([0.4, 1.5, 1.2]), 900, 8, np.random.default_rng(1))], 8)
    one, other = (bootstrap_many(BDW, risk, lost, 20, np.random.default_rng(2)).parameters for _ in range(2))
    assert np.array_equal(one, other, equal_nan=True)


@pytest.mark.parametrize("model", SURVIVAL_MODELS, ids=lambda model: model.name)
def test_every_model_can_be_fitted_in_numbers(model):
    truth = {"alpha": 1.0, "beta": 3.0, "c": 1.2, "never": 0.25, "scale": 4.0, "shape": 0.8}
    truth |= {"first": 0.7, "kept": 0.85}
    parameters = np.array([truth[name] for name in model.parameters])
    risk, lost = tables(
        [model.simulate(parameters, 400_000, 24, np.random.default_rng(s)) for s in (1, 2)], 24
    )
    many = fit_many(model, risk, lost)
    assert many.is_settled.all()
    ages = np.arange(25.0)
    curves = model.survival(many.parameters, ages)
    assert curves == pytest.approx(np.tile(model.survival(parameters, ages), (2, 1)), abs=0.005)


@pytest.mark.slow
def test_of_very_many_refits_hardly_any_is_left_unsettled():
    """200 cohorts of 6 channels, sBG and BdW, with 20 refits each."""
    random = np.random.default_rng(10)
    parameters = np.exp(random.normal(np.log([0.8, 3.0, 1.2]), [0.3, 0.4, 0.15], (1200, 3)))
    rates = BDW.loss_rates(np.log(parameters), 24)[0]
    begun = np.zeros((1200, 24))
    begun[:] = random.integers(200, 3000, 1200)[:, None]
    risk, lost = simulate_many(begun, np.zeros((1200, 24)), rates, 1, random)
    seen = np.arange(24) < random.integers(6, 25, 1200)[:, None]
    for model in (SBG, BDW):
        found = bootstrap_many(model, risk * seen, lost * seen, 20, random)
        assert (found.states <= State.RUNS_AWAY).mean() > 0.999
