"""The models of visits, checked against plain forms of the same mathematics, and against what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import betaln, gammaln, hyp2f1

from breakeven.account.metrics import Missing
from breakeven.growth.cells import VISIT_COLUMNS, Cells
from breakeven.growth.maximum_likelihood import Fit, fit
from breakeven.growth.visits.bg_bb import (
    BG_BB,
    OPPORTUNITY_COLUMNS,
    TOO_MANY_OPPORTUNITIES,
    VISITS_NOT_PERIODS,
)
from breakeven.growth.visits.bg_nbd import BG_NBD, BgNbd
from breakeven.growth.visits.gamma_gamma import (
    ALL_PAY_ONCE,
    ALL_PAY_THE_SAME,
    GAMMA_GAMMA,
    NO_MEAN,
    NO_TRANSACTIONS,
    NOT_ABOVE_ZERO,
    VALUE_COLUMNS,
    GammaGamma,
)
from breakeven.growth.visits.mbg_nbd import MBG_NBD, MbgNbd
from breakeven.growth.visits.pareto_nbd import PARETO_NBD, ParetoNbd
from breakeven.growth.visits.suitability import NEARLY_EVERY_PERIOD, NOBODY_RETURNED, NOT_WATCHED, TOO_FEW
from breakeven.growth.visits.tracking import discounted_repeats, expected_cumulative

WEEKLY = [BgNbd(7), MbgNbd(7), ParetoNbd(7)]
ALL = [*WEEKLY, BG_BB, GAMMA_GAMMA]
PARAMETERS = {
    "BG/NBD": np.array([0.243, 4.414, 0.793, 2.426]),
    "MBG/NBD": np.array([0.525, 6.183, 0.891, 1.614]),
    "Pareto/NBD": np.array([0.553, 10.578, 0.606, 11.669]),
    "BG/BB": np.array([1.2, 0.75, 0.66, 2.8]),
    "Gamma-Gamma": np.array([6.25, 3.74, 15.44]),
}
by_name = {"ids": lambda model: model.name}


def simulated(model, customers=3000, seed=1, most=90) -> Cells:
    random = np.random.default_rng(seed)
    ages = random.integers(1, most, customers)
    if model.name == "Gamma-Gamma":
        ages = random.geometric(0.3, customers)
    return model.simulate(PARAMETERS[model.name], ages, random)


def cells_of(*rows, columns=VISIT_COLUMNS) -> Cells:
    return Cells.group(columns, rows)


# Likelihoods


def bg_nbd_as_published(r, alpha, a, b, x, t, age):
    alive = (alpha + age) ** -(r + x)
    gone = a / (b + x - 1) * (alpha + t) ** -(r + x) if x else 0.0
    lead = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + gammaln(a + b) + gammaln(b + x)
    return lead - gammaln(b) - gammaln(a + b + x) + np.log(alive + gone)


def pareto_nbd_as_published(r, alpha, s, beta, x, t, age):
    total, low, high = r + s + x, min(alpha, beta), max(alpha, beta)
    second = s + 1 if alpha >= beta else r + x
    found = [
        hyp2f1(total, second, total + 1, (high - low) / (high + end)) / (high + end) ** total
        for end in (t, age)
    ]
    stayed = (alpha + age) ** -(r + x) * (beta + age) ** -s
    lead = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)
    return lead + np.log(stayed + s / total * (found[0] - found[1]))


def bg_bb_as_published(alpha, beta, gamma, delta, x, t, n):
    def part(leave, moment):
        come = betaln(alpha + x, beta + moment - x) - betaln(alpha, beta)
        return np.exp(come + betaln(gamma + leave, delta + moment) - betaln(gamma, delta))

    return np.log(part(0, n) + sum(part(1, moment) for moment in range(t, n)))


@pytest.mark.parametrize(
    ("model", "published"),
    [(BG_NBD, bg_nbd_as_published), (PARETO_NBD, pareto_nbd_as_published), (BG_BB, bg_bb_as_published)],
    ids=["bg-nbd", "pareto-nbd", "bg-bb"],
)
def test_likelihoods_are_the_published_ones(model, published):
    random = np.random.default_rng(4)
    for _ in range(40):
        parameters = np.exp(random.uniform(-1.5, 2.5, 4))
        age = int(random.integers(1, 40))
        x = int(random.integers(0, min(age, 12) + 1))
        t = int(random.integers(x, age + 1)) if x else 0
        cells = cells_of((x, t, age), columns=OPPORTUNITY_COLUMNS if model is BG_BB else VISIT_COLUMNS)
        found = model.log_likelihoods(parameters, cells)
        assert found[0] == pytest.approx(published(*parameters, x, t, age), rel=1e-9, abs=1e-9)


def test_mbg_nbd_is_bg_nbd_with_one_more_chance_to_stop():
    r, alpha, a, b = PARAMETERS["MBG/NBD"]
    found = MBG_NBD.log_likelihoods(PARAMETERS["MBG/NBD"], cells_of((0, 0, 20), (3, 11, 20)))
    never = b / (a + b) * (alpha / (alpha + 20)) ** r + a / (a + b)
    assert found[0] == pytest.approx(np.log(never), rel=1e-12)
    stayed = np.exp(betaln(a, b + 4) - betaln(a, b)) * (alpha + 20) ** -(r + 3)
    left = np.exp(betaln(a + 1, b + 3) - betaln(a, b)) * (alpha + 11) ** -(r + 3)
    lead = gammaln(r + 3) - gammaln(r) + r * np.log(alpha)
    assert found[1] == pytest.approx(lead + np.log(stayed + left), rel=1e-12)


def test_probabilities_of_all_histories_add_up_to_one():
    histories, ways = [], []
    for t in range(13):
        for x in range(1, t + 1) if t else [0]:
            histories.append((x, t, 12))
            ways.append(np.exp(gammaln(t) - gammaln(x) - gammaln(t - x + 1)) if x else 1.0)
    cells = cells_of(*histories, columns=OPPORTUNITY_COLUMNS)
    weight = dict(zip(histories, ways, strict=True))
    total = sum(
        weight[tuple(row)] * likelihood
        for row, likelihood in zip(
            cells.rows.tolist(), np.exp(BG_BB.log_likelihoods(PARAMETERS["BG/BB"], cells)), strict=True
        )
    )
    assert total == pytest.approx(1, rel=1e-12)


def test_gamma_gamma_is_a_density():
    def density(value: float) -> float:
        cells = Cells(VALUE_COLUMNS, np.array([[3, round(3e6 * value)]]), np.ones(1, dtype=np.int64))
        return float(np.exp(GammaGamma(1_000_000).log_likelihoods(PARAMETERS["Gamma-Gamma"], cells))[0])

    assert quad(density, 1e-3, 2000, limit=400)[0] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("model", ALL, **by_name)
def test_gradients_are_the_slopes_of_the_likelihood(model):
    cells = simulated(model, 400)
    for seed in range(4):
        parameters = (
            PARAMETERS[model.name]
            * np.exp(np.random.default_rng(seed).normal(0, 0.7, 4))[: len(PARAMETERS[model.name])]
        )
        found = model.gradients(parameters, cells)
        for i, value in enumerate(parameters):
            step = 1e-6 * value * np.eye(len(parameters))[i]
            up, down = (model.log_likelihoods(parameters + way * step, cells) for way in (1, -1))
            assert found[i] == pytest.approx((up - down) / (2e-6 * value), rel=1e-5, abs=1e-5)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    st.lists(st.floats(-6, 6), min_size=4, max_size=4),
    st.integers(0, 2000),
    st.integers(1, 2000),
    st.floats(0, 1),
)
def test_the_heaviest_user_has_a_finite_likelihood(logs, repeats, age, share):
    """The sums of hypergeometric functions overflow here; these do not, whatever the parameters."""
    parameters = np.exp(np.array(logs))
    cells = cells_of((repeats, round(share * age) if repeats else 0, age))
    for model in WEEKLY:
        assert np.isfinite(model.log_likelihoods(parameters, cells)).all()
        assert np.isfinite(model.gradients(parameters, cells)).all()
        alive = model.alive(parameters, cells)
        assert (alive >= 0).all()
        assert (alive <= 1).all()


# What follows from the parameters


@pytest.mark.parametrize("model", [*WEEKLY, BG_BB], **by_name)
def test_expectations_are_the_means_of_simulated_customers(model):
    parameters, random = PARAMETERS[model.name], np.random.default_rng(8)
    ages, size = [30, 200], 60_000
    expected = model.expected_repeats(parameters, ages)
    for age, mean in zip(ages, expected, strict=True):
        cells = model.simulate(parameters, np.full(size, age), random)
        repeats = cells["repeats"]
        error = np.sqrt(np.cov(repeats, fweights=cells.counts) / size)
        assert abs(np.average(repeats, weights=cells.counts) - mean) < 4 * error
    assert model.expected_repeats(parameters, [0])[0] == 0


@pytest.mark.parametrize("model", [*WEEKLY, BG_BB], **by_name)
def test_conditional_repeats_average_to_those_of_a_new_customer(model):
    """What history says, weighted by how likely it is, is what was known without it."""
    parameters, random = PARAMETERS[model.name], np.random.default_rng(9)
    age, further = 60, 90
    cells = model.simulate(parameters, np.full(60_000, age), random)
    found = model.conditional_repeats(parameters, cells, further)
    early, late = model.expected_repeats(parameters, [age, age + further])
    error = np.sqrt(np.cov(found, fweights=cells.counts) / cells.size)
    assert abs(np.average(found, weights=cells.counts) - (late - early)) < 4 * error


@pytest.mark.parametrize("model", [*WEEKLY, BG_BB], **by_name)
def test_being_active_lies_between_coming_at_once_and_not_at_all(model):
    parameters, cells = PARAMETERS[model.name], simulated(model, 500)
    alive = model.alive(parameters, cells)
    whole = model.active(parameters, cells, 0, 40)
    first, second = model.active(parameters, cells, 0, 20), model.active(parameters, cells, 20, 20)
    assert (whole <= alive + 1e-12).all()
    assert (np.maximum(first, second) <= whole + 1e-12).all()
    assert (whole <= first + second + 1e-12).all()
    assert (second <= first + 1e-12).all()
    assert model.active(parameters, cells, 0, 1e7 if model is not BG_BB else 1500).max() <= 1
    soon = model.conditional_repeats(parameters, cells, 1)
    assert (model.active(parameters, cells, 0, 1) <= soon + 1e-12).all()


@pytest.mark.parametrize("model", [*WEEKLY, BG_BB], **by_name)
def test_active_shares_are_those_of_simulated_customers(model):
    """New customers: the share with a visit in a period is 1 less those with none up to it."""
    parameters = PARAMETERS[model.name]
    new = Cells(VISIT_COLUMNS, np.array([[0, 0, 0]]), np.ones(1, dtype=np.int64))
    cells = model.simulate(parameters, np.full(40_000, 50), np.random.default_rng(5))
    share = cells.counts[cells["repeats"] > 0].sum() / cells.size
    if model.name == "BG/NBD" or model.name == "Pareto/NBD" or model is BG_BB:
        assert model.active(parameters, new, 0, 50)[0] == pytest.approx(share, abs=0.012)
    else:  # MBG/NBD: a new customer may have left with the first visit
        assert model.alive(parameters, new)[0] == pytest.approx(1.614 / (0.891 + 1.614), rel=1e-9)
        assert model.active(parameters, new, 0, 50)[0] == pytest.approx(share, abs=0.012)


@pytest.mark.parametrize("model", [*WEEKLY, BG_BB], **by_name)
def test_draws_of_parameters_go_through_at_once(model):
    cells = simulated(model, 200)
    draws = PARAMETERS[model.name] * np.array([[1.0], [1.1]])
    for answer in (
        lambda p: model.expected_repeats(p, [1, 10, 40]),
        lambda p: model.conditional_repeats(p, cells, 30),
        lambda p: model.alive(p, cells),
        lambda p: model.active(p, cells, 5, 10),
    ):
        assert answer(draws) == pytest.approx(np.stack([answer(one) for one in draws]), rel=1e-12)


def test_expected_repeats_near_the_poles_of_their_formula():
    """At a = 1 and s = 1 the published formulas are 0/0; their limits are not."""
    for model, at in ((BG_NBD, 2), (PARETO_NBD, 2)):
        near = []
        for value in (1 - 1e-4, 1.0, 1 + 1e-4):
            parameters = np.array([0.5, 5.0, 0.7, 3.0])
            parameters[at] = value
            near.append(model.expected_repeats(parameters, [100.0])[0])
        assert near[1] == pytest.approx((near[0] + near[2]) / 2, rel=1e-7)


def test_a_day_without_discount_is_a_day_and_with_it_less():
    cells = simulated(WEEKLY[0], 200)
    parameters = PARAMETERS["BG/NBD"]
    plain = BgNbd(7).conditional_repeats(parameters, cells, 300)
    assert discounted_repeats(BgNbd(7), parameters, cells, 300, 0.0) == pytest.approx(plain)
    less = discounted_repeats(BgNbd(7), parameters, cells, 300, 0.002)
    known = [
        sum(
            (BgNbd(7).conditional_repeats(parameters, cells, day + 1)[i]
             - BgNbd(7).conditional_repeats(parameters, cells, day)[i]) * 1.002 ** -(day + 0.5)
            for day in range(300)
        )
        for i in range(3)
    ]  # fmt: skip
    assert less[:3] == pytest.approx(known, rel=1e-4)


def test_cumulative_repeats_begin_when_customers_do():
    parameters = PARAMETERS["BG/NBD"]
    cells = cells_of((0, 0, 10), (0, 0, 10), (1, 2, 4))
    found = expected_cumulative(BG_NBD, parameters, cells, [0, 6, 9])
    one = BG_NBD.expected_repeats(parameters, np.arange(10))
    assert found == pytest.approx([0, 2 * one[6], 2 * one[9] + one[3]])


def test_a_value_lies_between_the_customers_own_and_that_of_all():
    parameters = PARAMETERS["Gamma-Gamma"]
    mean = GAMMA_GAMMA.mean_value(parameters)
    assert mean == pytest.approx(6.25 * 15.44 / 2.74)
    cells = cells_of((0, 0), (1, 10_000), (20, 200_000), columns=VALUE_COLUMNS)
    none, once, often = GAMMA_GAMMA.conditional_value(parameters, cells)
    assert none == pytest.approx(mean)
    assert mean < once < often < 100
    assert GAMMA_GAMMA.mean_value(np.array([6.0, 0.9, 15.0])) is NO_MEAN
    assert GAMMA_GAMMA.conditional_value(np.array([6.0, 0.9, 15.0]), cells) is NO_MEAN


# Shards, and what is refused


@pytest.mark.parametrize("model", ALL, **by_name)
def test_shards_and_days_give_the_same_bits(model):
    random = np.random.default_rng(3)
    whole = simulated(model, 1500, most=100 if model is BG_BB else 500)
    rows = np.repeat(whole.rows, whole.counts, axis=0)
    random.shuffle(rows)
    parts = [Cells.group(whole.columns, part) for part in np.array_split(rows, 17)]
    one, many = fit(model, whole), fit(model, Cells.merge(parts))
    assert isinstance(one, Fit)
    assert isinstance(many, Fit)
    assert one.estimate.tobytes() == many.estimate.tobytes()
    assert one.covariance.tobytes() == many.covariance.tobytes()
    assert one.log_likelihood == many.log_likelihood


def everyone(rows, columns=VISIT_COLUMNS, times=20):
    return Cells.group(columns, np.repeat(np.array(rows), times, axis=0))


@pytest.mark.parametrize("model", [*WEEKLY, BG_BB], **by_name)
@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (everyone([(0, 0, 0)]), NOT_WATCHED),
        (everyone([(0, 0, 9), (0, 0, 30)]), NOBODY_RETURNED),
        (cells_of((2, 9, 30)), TOO_FEW),
        (cells_of((2, 9, 30), (0, 0, 30)), TOO_FEW),
    ],
    ids=["nobody-watched", "nobody-back", "one-customer", "two-customers"],
)
def test_what_cannot_be_learnt_from_is_refused_by_name(model, cells, reason):
    assert fit(model, cells) == reason


@pytest.mark.parametrize("model", [*WEEKLY, BG_BB], **by_name)
@pytest.mark.parametrize(
    "rows",
    [
        [(1, 1, 1)],
        [(7, 7, 7)],
        [(0, 0, 7), (1, 3, 7), (2, 7, 7), (0, 0, 3), (3, 5, 6)],
        [(1, 1, 7), (0, 0, 7)],
        [(90, 90, 90), (89, 90, 90)],
        [(0, 0, 90), (1, 90, 90)],
        [(0, 0, 0), (1, 1, 1), (0, 0, 1)],
    ],
    ids=["one-day", "every-day", "one-week", "all-alike", "all-heavy", "only-last-day", "hardly-watched"],
)
def test_a_strange_cohort_gets_an_answer_or_a_reason(model, rows):
    found = fit(model, everyone(rows))
    if isinstance(found, Missing):
        assert found.en
        assert found.zh
        assert found.en != found.zh
    else:
        assert np.isfinite(found.estimate).all()
        assert np.isfinite(list(found.standard_errors.values())).all()
        assert np.isfinite(found.log_likelihood)


@pytest.mark.parametrize(
    "rows",
    [[(-1, 0, 3)], [(1, 5, 3)], [(0, 2, 3)]],
    ids=["negative", "after-the-end", "recent-without-repeat"],
)
def test_cells_that_are_no_visits_are_a_mistake(rows):
    with pytest.raises(ValueError, match=r"visit|recency"):
        BG_NBD.refusal(cells_of(*rows))


def test_cells_of_another_kind_are_a_mistake():
    with pytest.raises(ValueError, match="columns"):
        BG_NBD.refusal(cells_of((1, 100), columns=VALUE_COLUMNS))
    with pytest.raises(ValueError, match="columns"):
        GAMMA_GAMMA.refusal(cells_of((1, 1, 1)))


def test_opportunities_are_periods_and_not_too_many():
    assert fit(BG_BB, everyone([(3, 2, 9)])) is VISITS_NOT_PERIODS
    assert fit(BG_BB, everyone([(3, 9, 1_000_000_000)])) is TOO_MANY_OPPORTUNITIES


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([(2, -50), (1, 900)], NOT_ABOVE_ZERO),
        ([(2, 0), (1, 900)], NOT_ABOVE_ZERO),
        ([(0, 100), (2, 900)], NO_TRANSACTIONS),
        ([(1, 700), (1, 900)], ALL_PAY_ONCE),
        ([(2, 1800), (1, 900), (3, 2700)], ALL_PAY_THE_SAME),
    ],
    ids=["refunds-above-revenue", "nothing-left", "no-transactions", "paid-once", "one-price"],
)
def test_values_without_a_model_are_refused_by_name(rows, reason):
    found = fit(GAMMA_GAMMA, everyone(rows, VALUE_COLUMNS))
    assert found is reason


def test_daily_users_are_pointed_to_the_model_of_periods():
    heavy = everyone([(50, 60, 90), (0, 0, 90), (2, 60, 90)])
    assert BG_NBD.notes(heavy) == (NEARLY_EVERY_PERIOD,)
    assert BG_NBD.notes(everyone([(2, 60, 90), (0, 0, 90)])) == ()


def test_independence_of_number_and_value_is_questioned_only_with_reason():
    random = np.random.default_rng(2)
    often = random.geometric(0.3, 3000)
    unrelated = GAMMA_GAMMA.simulate(PARAMETERS["Gamma-Gamma"], often, random)
    assert GAMMA_GAMMA.notes(unrelated) == ()
    related = Cells.group(
        VALUE_COLUMNS, np.stack([often, often * (1000 + 200 * often + random.integers(0, 900, 3000))], axis=1)
    )
    (note,) = GAMMA_GAMMA.notes(related)
    assert "independent" in note.en
    assert GAMMA_GAMMA.correlation(everyone([(2, 1800)], VALUE_COLUMNS)) is None
