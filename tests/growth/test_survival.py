"""Survival models: what is simulated is found again, what cannot be known is refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakeven.account.metrics import Missing
from breakeven.growth.cells import CONTRACT_COLUMNS, VISIT_COLUMNS, Cells
from breakeven.growth.maximum_likelihood import NO_CUSTOMERS, fit
from breakeven.growth.survival import (
    BDW,
    BDW_NEVER_CHURN,
    POWER,
    SBG,
    SBG_NEVER_CHURN,
    STRAIGHT_LINE,
    SURVIVAL_MODELS,
    WEIBULL,
)
from breakeven.growth.survival.curve import (
    ALL_LOST_AT_ONCE,
    LOST_BEFORE_START,
    NOBODY_LOST,
    NOT_CONTRACTS,
    log_gamma_ratio,
    too_few_ages,
)
from breakeven.growth.survival.sbg import ALL_ALIKE, ALL_OR_NOTHING

TRUTHS = {
    "sBG": (SBG, [0.7, 1.2]),
    "sBG-slow": (SBG, [0.67, 3.8]),
    "BdW": (BDW, [0.26, 1.72, 1.58]),
    "sBG-never": (SBG_NEVER_CHURN, [0.3, 1.5, 2.0]),
    "BdW-never": (BDW_NEVER_CHURN, [0.3, 1.5, 3.0, 1.3]),
    "Weibull": (WEIBULL, [4.0, 0.6]),
    "power": (POWER, [1.5, 0.9]),
    "straight": (STRAIGHT_LINE, [0.6, 0.85]),
}


def contracts(*rows: tuple[int, int, int]) -> Cells:
    """Cells from (lifetime, is_lost, how many)."""
    return Cells.group(CONTRACT_COLUMNS, [row[:2] for row in rows], [row[2] for row in rows])


@pytest.mark.parametrize(("model", "truth"), TRUTHS.values(), ids=TRUTHS)
@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_simulated_is_found_again(model, truth, seed):
    random = np.random.default_rng(seed)
    watched = (30, 24, 18)
    cells = Cells.merge([model.simulate(np.array(truth), 200_000, periods, random) for periods in watched])
    found = model.fit(cells)
    assert not isinstance(found, Missing)
    errors = np.array(list(found.standard_errors.values()))
    if model is not STRAIGHT_LINE:  # least squares: the errors of the likelihood are not its own
        assert (np.abs(found.estimate - truth) < 4 * errors).all()
    ages = np.arange(30.0)
    assert model.survival(found.estimate, ages) == pytest.approx(
        model.survival(np.array(truth), ages), abs=0.006
    )


@settings(deadline=None, max_examples=15)
@given(st.floats(0.2, 5.0), st.floats(0.3, 8.0), st.floats(0.5, 2.5), st.floats(0.02, 0.9))
def test_survival_falls_from_one_and_losses_add_up(first, second, third, share):
    values = {"alpha": first, "beta": second, "c": third, "never": share, "scale": second, "shape": third}
    values |= {"first": share, "kept": 1 - share}
    ages = np.arange(13.0)
    rows = [(t, 1, 1) for t in range(1, 13)] + [(12, 0, 1)]
    for model in SURVIVAL_MODELS:
        parameters = np.array([values[name] for name in model.parameters])
        curve = model.survival(parameters, ages)
        assert curve[0] == pytest.approx(1, abs=1e-14)
        assert (np.diff(curve) <= 1e-12).all()
        assert np.exp(model.log_likelihoods(parameters, contracts(*rows))).sum() == pytest.approx(1)
        both = model.survival(np.stack([parameters, parameters]), ages)
        assert both.shape == (2, 13)
        assert np.array_equal(both[0], curve)
        free = np.array([[0.3] * len(parameters)])
        loss, turns = model.loss_rates(free, 12)
        numeric = super(type(model), model).loss_rates(free, 12) if model in (SBG, BDW) else (loss, turns)
        assert loss == pytest.approx(numeric[0], rel=1e-7)
        assert turns == pytest.approx(numeric[1], abs=1e-7)


def test_bdw_with_c_of_one_is_sbg():
    ages = np.arange(50.0)
    assert BDW.survival(np.array([0.7, 1.2, 1.0]), ages) == pytest.approx(
        SBG.survival(np.array([0.7, 1.2]), ages), rel=1e-12
    )


@pytest.mark.parametrize(("x", "step"), [(1e6, 0.7), (1e9, 3.0), (1e13, 1.0), (75.0, 40.0)])
def test_ratios_of_gammas_keep_their_digits(x, step):
    """Γ(x + s + 1)/Γ(x + 1) = Γ(x + s)/Γ(x) · (x + s)/x, and Γ(x + 1)/Γ(x) = x."""
    ratio = log_gamma_ratio(np.array([x, x + 1]), np.array(step))
    assert ratio[1] - ratio[0] == pytest.approx(np.log1p(step / x), rel=1e-6, abs=2e-14 * ratio[0])
    assert float(log_gamma_ratio(np.array(x), np.array(1.0))) == pytest.approx(np.log(x), rel=1e-14)


@settings(deadline=None, max_examples=8)
@given(st.randoms(), st.integers(2, 9))
def test_the_same_contracts_give_the_same_bits(random, parts):
    watched = BDW.simulate(np.array([0.3, 1.4, 1.5]), 700, 8, np.random.default_rng(4))
    rows = np.repeat(watched.rows, watched.counts, axis=0).tolist()
    shuffled = list(rows)
    random.shuffle(shuffled)
    shards = [Cells.group(CONTRACT_COLUMNS, shuffled[i::parts]) for i in range(parts)]
    for model in (SBG, BDW, WEIBULL):
        whole = model.fit(Cells.group(CONTRACT_COLUMNS, rows))
        again = model.fit(Cells.merge(shards))
        assert whole.estimate.tobytes() == again.estimate.tobytes()
        assert whole.covariance.tobytes() == again.covariance.tobytes()


def test_standard_errors_are_those_of_repeated_samples():
    truth, random = np.array([0.7, 1.2]), np.random.default_rng(3)
    fits = [SBG.fit(SBG.simulate(truth, 4000, 10, random)) for _ in range(100)]
    spread = np.std([one.estimate for one in fits], axis=0)
    stated = np.mean([list(one.standard_errors.values()) for one in fits], axis=0)
    assert stated == pytest.approx(spread, rel=0.2)


REFUSED = {
    "nobody": ([], NO_CUSTOMERS),
    "nobody-lost": ([(5, 0, 100)], NOBODY_LOST),
    "all-at-once": ([(1, 1, 30)], ALL_LOST_AT_ONCE),
    "before-start": ([(0, 1, 3), (2, 0, 9)], LOST_BEFORE_START),
    "negative": ([(-2, 0, 3), (2, 0, 9)], LOST_BEFORE_START),
}


@pytest.mark.parametrize("model", SURVIVAL_MODELS, ids=lambda model: model.name)
@pytest.mark.parametrize(("rows", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_known_is_refused_by_name(model, rows, reason):
    assert model.fit(contracts(*rows)) == reason


@pytest.mark.parametrize("model", SURVIVAL_MODELS, ids=lambda model: model.name)
def test_one_period_is_too_few(model):
    found = model.fit(contracts((1, 1, 40), (1, 0, 60)))
    assert found == too_few_ages(len(model.parameters), 1)
    assert all((found.en, found.zh))


def test_visits_are_not_contracts():
    """Activity in sBG or BdW is refused, and what to use is said."""
    cells = Cells.group(VISIT_COLUMNS, [(2, 10, 30), (0, 0, 30)])
    for model in SURVIVAL_MODELS:
        assert fit(model, cells) == NOT_CONTRACTS
    assert "BG/NBD" in NOT_CONTRACTS.en
    with pytest.raises(ValueError, match="is of contracts"):
        fit(SBG, Cells.group(("a", "b"), [(1, 1)]))


def test_alike_contracts_and_all_or_nothing_are_named():
    constant = [(t, 1, round(20_000 * 0.9 ** (t - 1) * 0.1)) for t in range(1, 9)]
    alike = contracts(*constant, (8, 0, round(20_000 * 0.9**8)))
    assert SBG.fit(alike) == ALL_ALIKE
    assert POWER.fit(alike) == ALL_ALIKE
    rising = contracts((1, 1, 10), (2, 1, 30), (3, 1, 80), (4, 1, 150), (4, 0, 200))
    assert SBG.fit(rising) == ALL_ALIKE
    stuck = contracts((1, 1, 500), (9, 0, 500))
    assert SBG.fit(stuck) == ALL_OR_NOTHING
    never = SBG_NEVER_CHURN.fit(SBG.simulate(np.array([2.0, 4.0]), 300_000, 40, np.random.default_rng(1)))
    assert isinstance(never, Missing) or never.parameters["never"] < 0.02


@settings(deadline=None, max_examples=10)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1), st.integers(0, 40)), max_size=12))
def test_any_contracts_give_finite_numbers_or_a_reason(rows):
    cells = contracts(*rows)
    for model in (SBG, BDW, SBG_NEVER_CHURN, WEIBULL, POWER, STRAIGHT_LINE):
        found = model.fit(cells)
        if isinstance(found, Missing):
            assert found.en
            assert found.zh
        else:
            assert np.isfinite(found.estimate).all()
            assert np.isfinite(list(found.standard_errors.values())).all()
            curve = model.survival(found.estimate, np.arange(40.0))
            assert ((curve >= 0) & (curve <= 1)).all()
