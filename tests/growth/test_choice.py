"""Choosing by what would have been foretold: nothing hidden is seen, ties go by rule, refusals are named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakeven.account.metrics import Missing
from breakeven.growth.cells import CONTRACT_COLUMNS, Cells
from breakeven.growth.choosing.backtest import Foretold, backtest, cuts_of, interval_score, scores_of
from breakeven.growth.choosing.candidates import (
    Activity,
    ConstantChurn,
    Contracts,
    SurvivalCandidate,
    contract_cells,
    contract_triangle,
    temper_of,
)
from breakeven.growth.choosing.choice import (
    BEST,
    NAIVE_WINS,
    NOBODY,
    SIMPLEST,
    TOO_SHORT,
    choose_from,
    choose_survival,
)
from breakeven.growth.survival import BDW, SBG, STRAIGHT_LINE

SUBSCRIPTIONS = Path(__file__).parents[3] / "shared" / "data" / "growth" / "sbg_fader_hardie_2007_table1.csv"
NOT_TODAY = Missing("it refuses", "拒绝")


@dataclass(frozen=True)
class Says:
    """Foretells `share` for every cell, `spread` to either side; refuses what has fewer months visible."""

    name: str
    share: float
    spread: float = 0.1
    parameters: int = 1
    is_naive: bool = False
    needs: int = 0

    def foretell(self, exposed, returned, draws, random):
        if np.isfinite(returned).any(axis=0).sum() < self.needs:
            return NOT_TODAY
        value = np.where(np.isfinite(returned), returned / np.maximum(exposed, 1), self.share)
        noise = random.uniform(-self.spread, self.spread, size=(draws, 1, 1))
        return Foretold(value, np.where(np.isfinite(returned), value, value + noise))


@dataclass(frozen=True)
class LastSeen:
    """Foretells each cohort's last visible share."""

    name: str = "last"
    parameters: int = 0
    is_naive: bool = False

    def foretell(self, exposed, returned, draws, random):
        shares = returned / np.where(exposed > 0, exposed, np.nan)
        value = shares.copy()
        for row in value:
            known = np.flatnonzero(np.isfinite(row))
            if len(known):
                row[known[-1] + 1 :] = row[known[-1]]
        noise = random.normal(0, 0.02, size=(draws, 1, 1))
        return Foretold(value, value[None] + noise)


def triangle(cohorts: int, users: float = 1000.0, share: float = 0.3, seed: int = 1):
    """A cohort each month, all of them seen to the same last month."""
    random = np.random.default_rng(seed)
    returned = np.full((cohorts, cohorts), np.nan)
    for row in range(cohorts):
        seen = cohorts - row
        returned[row, :seen] = random.binomial(int(users), share, size=seen)
        returned[row, 0] = users
    return np.where(np.isfinite(returned), users, np.nan), returned


def picked(*candidates, cohorts=8, **how):
    exposed, returned = triangle(cohorts, **how)
    return choose_from(candidates, Activity(), exposed, returned)


# --- what is hidden ----------------------------------------------------------------------------------


@given(st.integers(4, 7), st.integers(0, 5))
def test_nothing_after_the_cut_is_seen(cut, change):
    exposed, returned = triangle(8, seed=change)
    month = np.arange(8)[:, None] + np.arange(8)[None, :]
    other = np.where(month < cut, returned, returned // 2)
    told = []
    for counts in (returned, other):
        tested = backtest([LastSeen()], Activity(), exposed, counts, np.arange(8))
        told.append(tested.value[0, tested.cut == cut])
    assert told[0].tolist() == told[1].tolist()
    assert len(told[0])


def test_every_cell_behind_a_cut_is_asked_for_once():
    exposed, returned = triangle(6)
    tested = backtest([LastSeen()], Activity(), exposed, returned, np.arange(6))
    month = tested.cohort + tested.age
    assert (month >= tested.cut).all()
    assert (tested.months_ahead == month - tested.cut + 1).all()
    assert tested.cuts == 3
    # Cohorts that had not begun are nobody's to foretell.
    assert (tested.cohort < tested.cut).all()
    expected = {(k, c, m - c) for k in (3, 4, 5) for c in range(k) for m in range(k, 6)}
    assert {*zip(tested.cut, tested.cohort, tested.age, strict=True)} == expected
    assert len(expected) == tested.size


def test_a_cut_leaves_three_ages_and_half_of_the_history_and_there_are_at_most_five():
    assert cuts_of(np.ones((1, 3), bool), np.zeros(1, int)) == []
    assert cuts_of(np.ones((1, 5), bool), np.zeros(1, int)) == [3, 4]
    many = cuts_of(np.ones((1, 60), bool), np.zeros(1, int))
    assert (many[0], many[-1], len(many)) == (30, 59, 5)
    assert cuts_of(np.zeros((2, 5), bool), np.zeros(2, int)) == []


def test_cohorts_may_begin_in_any_month():
    exposed, returned = np.full((2, 6), 100.0), np.full((2, 6), 40.0)
    returned[1, 4:] = np.nan
    tested = backtest([LastSeen()], Activity(), exposed, returned, np.array([0, 2]))
    assert {*zip(tested.cut, tested.cohort, tested.age, strict=True)} == {
        (3, 0, 3), (3, 0, 4), (3, 0, 5), (3, 1, 1), (3, 1, 2), (3, 1, 3),
        (4, 0, 4), (4, 0, 5), (4, 1, 2), (4, 1, 3), (5, 0, 5), (5, 1, 3),
    }  # fmt: skip


# --- scores ------------------------------------------------------------------------------------------


def test_scores_by_hand():
    """One cohort of 10 with shares 1, .5, .5, .4, .2; 'says' foretells .5 between .4 and .6 for all."""
    returned = np.array([[10.0, 5.0, 5.0, 4.0, 2.0]])
    exposed = np.full((1, 5), 10.0)

    @dataclass(frozen=True)
    class Half(Says):
        def foretell(self, exposed, returned, draws, random):
            value = np.full(returned.shape, 0.5)
            return Foretold(value, np.stack([value - 0.101, value + 0.101]))

    tested = backtest([Half("half", 0.5)], Activity(), exposed, returned, np.zeros(1, int), level=1 - 1e-9)
    found = {score.horizon: score for score in scores_of(tested)}
    # Cut 3 hides .4 and .2, cut 4 hides .2.
    assert {*found} == {"all", "1", "2", "twice"}
    assert (found["all"].n, found["1"].n, found["2"].n, found["twice"].n) == (3, 2, 1, 1)
    assert found["1"].error == pytest.approx((0.1 + 0.3) / 2)
    assert found["2"].bias == pytest.approx(0.3)
    assert found["1"].coverage == 0.5
    assert found["twice"].error == pytest.approx(0.3)  # age 4, foretold at age 2


def test_the_interval_score_rewards_narrow_and_punishes_wrong():
    truth = np.array([0.5])
    wide = interval_score(truth, np.array([0.1]), np.array([0.9]), 0.8)
    narrow = interval_score(truth, np.array([0.45]), np.array([0.55]), 0.8)
    wrong = interval_score(truth, np.array([0.6]), np.array([0.7]), 0.8)
    assert narrow < wide < wrong


def test_larger_cohorts_count_for_more():
    exposed, returned = triangle(6)
    exposed[0] *= 100
    returned[0] *= 100
    returned[0, 1:] = exposed[0, 1:] * 0.9
    error = {score.model: score.error for score in scores_of(
        backtest([Says("large", 0.9), Says("small", 0.3)], Activity(), exposed, returned, np.arange(6))
    ) if score.horizon == "all"}  # fmt: skip
    assert error["large"] < error["small"]


# --- the rule ----------------------------------------------------------------------------------------


def test_the_smallest_error_wins():
    found = picked(Says("wrong", 0.6), Says("right", 0.3), Says("naive", 0.5, is_naive=True))
    assert (found.model, found.reason, found.is_default) == ("right", BEST, False)
    assert found.losses["right"] < found.losses["naive"] < found.losses["wrong"]


def test_within_noise_the_simplest_is_taken():
    found = picked(Says("rich", 0.302, parameters=5), Says("plain", 0.3, parameters=2))
    assert (found.model, found.reason) == ("plain", SIMPLEST)
    assert found.losses["rich"] < found.losses["plain"]


def test_beyond_noise_it_is_not():
    assert picked(Says("rich", 0.3, parameters=5), Says("plain", 0.35, parameters=2)).model == "rich"


def test_few_users_make_more_noise():
    rich, plain = Says("rich", 0.29, parameters=5), Says("plain", 0.28, parameters=2)
    assert picked(rich, plain, users=100_000).model == "rich"
    assert picked(rich, plain, users=20, cohorts=5).model == "plain"


def test_the_naive_forecast_is_taken_only_where_it_is_clearly_better():
    beaten = picked(Says("model", 0.6), Says("naive", 0.3, is_naive=True))
    assert (beaten.model, beaten.reason) == ("naive", NAIVE_WINS)
    even = picked(Says("model", 0.3005), Says("naive", 0.3, is_naive=True, parameters=0))
    assert even.model == "model"
    assert not isinstance(even.naive, Missing)


def test_too_little_history_takes_the_first_and_says_so():
    found = picked(Says("first", 0.6), Says("right", 0.3), Says("naive", 0.3, is_naive=True), cohorts=3)
    assert (found.model, found.reason, found.is_default) == ("first", TOO_SHORT, True)
    assert found.scores == ()
    assert "4" in TOO_SHORT.en
    assert "4" in TOO_SHORT.zh


def test_one_that_refuses_is_named_and_the_next_is_taken():
    found = picked(Says("never", 0.3, needs=99), Says("other", 0.4), cohorts=3)
    assert found.model == "other"
    assert found.refused == {"never": NOT_TODAY}


def test_nobody_left_is_a_refusal():
    found = picked(Says("never", 0.3, needs=99))
    assert (found.model, found.candidate, found.foretold, found.reason) == ("", None, NOBODY, NOBODY)


def test_models_are_compared_on_the_same_cells():
    """One that needs five months is compared where all could answer, and not on easier ground."""
    exposed, returned = triangle(8)
    late = backtest([Says("a", 0.3), Says("b", 0.3, needs=5)], Activity(), exposed, returned, np.arange(8))
    assert late.models == ("a", "b")
    assert late.cut.min() == 5
    assert late.value.shape == (2, late.size)


def test_the_choice_is_the_same_every_time():
    one, other = (picked(Says("a", 0.3), LastSeen()) for _ in range(2))
    assert (one.losses, one.noise, one.scores) == (other.losses, other.noise, other.scores)
    assert one.foretold.draws.tolist() == other.foretold.draws.tolist()


def test_ages_beyond_the_triangle_are_foretold():
    exposed, returned = triangle(6)
    found = choose_from([LastSeen()], Activity(), exposed, returned, ages=10)
    assert found.foretold.value.shape == (6, 10)
    assert np.isfinite(found.foretold.value).all()


@pytest.mark.parametrize("what", ["empty cohort", "one user", "gap", "nobody came back"])
def test_odd_cohorts_give_numbers_or_refusals(what):
    exposed, returned = triangle(7)
    if what == "empty cohort":
        exposed[2], returned[2] = np.where(np.isfinite(exposed[2]), 0.0, np.nan), returned[2] * 0
    elif what == "one user":
        exposed, returned = np.where(np.isfinite(exposed), 1.0, np.nan), np.minimum(returned, 1)
    elif what == "gap":
        exposed[:, 2], returned[:, 2] = np.nan, np.nan
    else:
        returned[:, 1:] *= 0
    found = choose_from([LastSeen(), Says("says", 0.2)], Activity(), exposed, returned)
    assert found.model
    figures = [x for s in found.scores for x in (s.error, s.bias, s.coverage, s.interval_score)]
    assert np.isfinite([*figures, *found.losses.values(), *found.noise.values()]).all()


# --- contracts ---------------------------------------------------------------------------------------


def kept_for(years: int, segment: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A thousand contracts of a published segment: exposed and renewed to a year, and the truth."""
    table = np.genfromtxt(SUBSCRIPTIONS, delimiter=",", names=True)
    there = np.round(table[f"{segment}_pct"] * 10)
    return np.r_[1000.0, there[:years]][None], there[None, : years + 1], there / 1000


@pytest.mark.shared_data
@pytest.mark.skipif(not SUBSCRIPTIONS.exists(), reason="the data lie beside the project, not in it")
def test_four_years_of_the_high_end_segment_choose_a_model_right_for_the_twelfth():
    exposed, returned, truth = kept_for(4, "high_end")
    found = choose_survival(exposed, returned, ages=13)
    assert (found.model, found.is_default) == ("BdW", False)
    assert found.foretold.value[0, 12] / truth[12] - 1 == pytest.approx(-0.013, abs=0.002)
    sbg = SurvivalCandidate(SBG).foretell(
        *(np.pad(part, ((0, 0), (0, 8)), constant_values=np.nan) for part in (exposed, returned)),
        10, np.random.default_rng(1),
    )  # fmt: skip
    assert sbg.value[0, 12] / truth[12] - 1 == pytest.approx(-0.221, abs=0.002)
    assert found.losses["BdW"] < found.losses["naive"] < found.losses["straight line"]


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.skipif(not SUBSCRIPTIONS.exists(), reason="the data lie beside the project, not in it")
@pytest.mark.parametrize(
    ("segment", "years", "most"),
    [
        ("high_end", 5, 0.03), ("high_end", 6, 0.03), ("high_end", 7, 0.03),
        ("regular", 4, 0.08), ("regular", 5, 0.05), ("regular", 6, 0.03), ("regular", 7, 0.08),
    ],
)  # fmt: skip
def test_the_same_rule_on_other_years_and_the_other_segment(segment, years, most):
    exposed, returned, truth = kept_for(years, segment)
    found = choose_survival(exposed, returned, ages=13)
    error = abs(found.foretold.value[0, 12] / truth[12] - 1)
    naive = abs(found.naive.value[0, 12] / truth[12] - 1)
    assert error < most
    assert error < naive
    assert found.losses[found.model] < found.losses["straight line"]


def test_contracts_that_follow_a_model_are_foretold_by_it_and_not_by_constant_churn():
    random = np.random.default_rng(5)
    ages = np.arange(10.0)
    loss = 1 - np.divide(*(SBG.survival(np.array([0.8, 1.5]), at) for at in (ages[1:], ages[:-1])))
    exposed, returned = np.full((10, 10), np.nan), np.full((10, 10), np.nan)
    for row in range(10):
        there = 3000
        exposed[row, 0] = returned[row, 0] = there
        for age in range(1, 10 - row):
            exposed[row, age] = there
            there -= random.binomial(there, loss[age - 1])
            returned[row, age] = there
    found = choose_survival(exposed, returned, models=(SBG, STRAIGHT_LINE))
    assert found.model == "sBG"
    assert found.losses["sBG"] < 0.5 * min(found.losses["naive"], found.losses["straight line"])
    assert 0.6 <= found.score("sBG").coverage <= 0.95


def contracts_of_unlike_cohorts(variance: float, seed: int):
    """Twenty cohorts that follow one curve, each losing faster or slower than it by a factor of its own."""
    random = np.random.default_rng(seed)
    curve = SBG.survival(np.array([0.8, 2.5]), np.arange(20.0))
    exposed, returned = np.full((20, 20), np.nan), np.full((20, 20), np.nan)
    for row in range(20):
        factor = random.gamma(1 / variance, variance) if variance else 1.0
        exposed[row, 0] = returned[row, 0] = there = 2000
        for age in range(1, 20 - row):
            exposed[row, age] = there
            there = random.binomial(there, (curve[age] / curve[age - 1]) ** factor)
            returned[row, age] = there
    return exposed, returned


def test_cohorts_that_differ_by_a_third_widen_the_interval_nearly_enough():
    """Without what sets cohorts apart, 28 % of the cells lay within; the interval promises 80 %."""
    inside = []
    for seed in range(6):
        exposed, returned = contracts_of_unlike_cohorts(0.1, seed)
        kind, began = Contracts(), np.arange(20)
        tested = backtest([SurvivalCandidate(SBG)], kind, exposed, returned, began, seed=seed)
        inside += ((tested.low[0] <= tested.truth) & (tested.truth <= tested.high[0])).tolist()
    assert 0.66 <= np.mean(inside) <= 0.88
    curve = SBG.survival(np.array([0.8, 2.5]), np.arange(20.0))
    assert temper_of(*contracts_of_unlike_cohorts(0.1, 1), curve).variance == pytest.approx(0.1, rel=0.6)
    assert temper_of(*contracts_of_unlike_cohorts(0.0, 1), curve).variance < 0.005


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 1), st.integers(1, 50)), min_size=1, max_size=9))
def test_a_triangle_of_contracts_holds_what_the_cells_hold(rows):
    cells = Cells.group(CONTRACT_COLUMNS, [row[:2] for row in rows], [row[2] for row in rows])
    exposed, returned = contract_triangle([cells])
    back = contract_cells(exposed, returned)
    assert (back.rows.tolist(), back.counts.tolist()) == (cells.rows.tolist(), cells.counts.tolist())


def test_a_contract_lost_stays_lost():
    exposed, returned = np.array([[100.0, 100.0, 60.0, 50.0]]), np.array([[100.0, 60.0, 50.0, 49.0]])
    kind = Contracts()
    assert kind.shares(exposed, returned).round(6).tolist() == [[1.0, 0.6, 0.5, 0.49]]
    seen = np.array([[True, True, False, False]])
    drawn = kind.redrawn(exposed, returned, seen, 200, 3)
    assert (drawn[:, 0, 1] == 0.6).all()
    assert (np.diff(drawn, axis=2) <= 0).all()
    told = SurvivalCandidate(BDW).foretell(exposed, returned, 50, np.random.default_rng(1))
    beyond = ConstantChurn().foretell(
        *(np.pad(part, ((0, 0), (0, 3)), constant_values=np.nan) for part in (exposed, returned)),
        300, np.random.default_rng(1),
    )  # fmt: skip
    assert isinstance(told, Foretold | Missing)
    assert (np.diff(beyond.draws, axis=2) <= 1e-12).all()
    assert beyond.value[0, 4] == pytest.approx(0.49 * 0.98)


def test_no_contract_watched_is_refused():
    found = choose_survival(np.zeros((0, 5)), np.zeros((0, 5)))
    assert found.foretold == NOBODY
    one = choose_survival(np.array([[5.0]]), np.array([[5.0]]))
    assert one.foretold == NOBODY
    assert one.refused
