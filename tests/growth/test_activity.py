"""Activity: curves are found again, forecasts hold what they say, exits alone are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakeven.account.metrics import Missing
from breakeven.growth.activity.fit import (
    ACTIVITY_CURVES,
    MORE_ACTIVE_THAN_USERS,
    NAIVE,
    NOBODY_RETURNED,
    ONE_AGE,
    ActivityCounts,
    fit_activity,
    refuse_activity,
)
from breakeven.growth.maximum_likelihood import NO_CUSTOMERS
from breakeven.growth.survival import BDW, SBG

from .activity_worlds import WORLDS, company, seen_so_far

TRUE = {"level": 0.4, "decay": 0.5, "active": 0.6, "never": 0.1, "scale": 6.0, "shape": 0.7}
TRUE |= {"alpha": 0.8, "beta": 2.5, "c": 1.2}
ALL_CURVES = (*ACTIVITY_CURVES, NAIVE)


def exposed(users: np.ndarray, active: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(active), users[:, None], np.nan)


@pytest.mark.parametrize("curve", ACTIVITY_CURVES, ids=lambda curve: curve.name)
def test_what_is_simulated_is_found_again(curve):
    """The course exactly; each parameter within its error, which is wide where others do its work."""
    random = np.random.default_rng(1)
    truth = np.array([TRUE[name] for name in curve.parameters])
    shares = curve.shares(truth, np.arange(25.0))
    users = np.full((12, 25), 300_000.0)
    found = fit_activity(curve, users, random.binomial(300_000, np.broadcast_to(shares, (12, 25))))
    assert found.shares(np.arange(25.0)) == pytest.approx(shares, abs=0.006)
    free = {"positive": np.log, "share": lambda share: np.log(share / (1 - share))}
    for (name, scale), value in zip(curve.parameters.items(), truth, strict=True):
        estimate, error = found.parameters[name], found.standard_errors[name]
        relative = error / (estimate * (1 - estimate) if scale == "share" else estimate)
        assert abs(free[scale](estimate) - free[scale](value)) < 3 * relative + 0.05


@pytest.mark.parametrize("curve", ALL_CURVES, ids=lambda curve: curve.name)
def test_what_was_seen_comes_back_and_the_rest_is_a_share(curve):
    users, active = company("lasting_habits", 8, 1)
    seen = seen_so_far(active)
    found = fit_activity(curve, exposed(users, seen), seen)
    draws = found.forecast(users, seen, 20, 50, np.random.default_rng(2))
    assert draws.shape == (50, 8, 20)
    assert ((draws >= 0) & (draws <= 1)).all()
    known = np.isfinite(seen)
    assert draws[:, :, :17][:, known] == pytest.approx(
        np.broadcast_to((active / users[:, None])[known], (50, known.sum()))
    )
    assert (draws[:, :, 17:].std(axis=0) > 0).all()
    again = found.forecast(users, seen, 20, 50, np.random.default_rng(2))
    assert np.array_equal(draws, again)


def test_the_same_cohorts_in_any_order_give_the_same_bits():
    users, active = company("pauses", 7, 3)
    seen = seen_so_far(active)
    order = np.random.default_rng(4).permutation(7)
    for curve in ALL_CURVES:
        one = fit_activity(curve, exposed(users, seen), seen)
        other = fit_activity(curve, exposed(users, seen)[order], seen[order])
        assert one.estimate.tobytes() == other.estimate.tobytes()
        assert one.spread == other.spread


def test_counts_add_up_over_shards():
    users, active = company("pauses", 6, 5)
    seen = seen_so_far(active)
    whole = ActivityCounts.of(exposed(users, seen), seen)
    parts = [ActivityCounts.of(exposed(users, seen)[i::3], seen[i::3]) for i in range(3)]
    both = parts[0] + parts[1] + parts[2]
    assert np.array_equal(both.returned, whole.returned)
    assert np.array_equal(both.exposed, whole.exposed)


def test_a_cohorts_own_history_moves_its_forecast():
    """A large cohort goes on as it is; what a small one shows may be chance, and is drawn to the middle."""
    users, active = company("power_law", 12, 2)
    seen = seen_so_far(active)
    found = fit_activity(ACTIVITY_CURVES[0], exposed(users, seen), seen)
    shares = found.shares(np.arange(7.0))
    sizes = np.repeat([20.0, 20_000.0], 2)
    theirs = np.round(sizes[:, None] * shares * np.array([[1.0] + [factor] * 6 for factor in (1.3, 0.7) * 2]))
    later = found.forecast(sizes, theirs, 13, 2000, np.random.default_rng(1))[:, :, 12].mean(axis=0)
    small, large = later[0] - later[1], later[2] - later[3]
    assert 0 < small < 0.8 * large
    assert large == pytest.approx(0.6 * found.shares(np.array([12.0]))[0], rel=0.3)


def test_a_smaller_cohort_and_a_later_age_are_less_sure():
    users, active = company("final_exits", 9, 6)
    seen = seen_so_far(active)
    found = fit_activity(ACTIVITY_CURVES[2], exposed(users, seen), seen)
    fresh = np.full((2, 1), np.nan)
    draws = found.forecast(np.array([50.0, 50_000.0]), fresh, 30, 1000, np.random.default_rng(7))
    assert draws[:, 0, 5].std() > 1.3 * draws[:, 1, 5].std()
    chance = np.clip(draws[:, 1, 1:], 1e-4, 1 - 1e-4)
    large = np.log(chance / (1 - chance))
    assert large[:, 28].std() > 1.5 * large[:, 4].std()


def test_a_cohort_of_no_users_gives_what_is_expected():
    users, active = company("power_law", 5, 8)
    found = fit_activity(ACTIVITY_CURVES[0], exposed(users, active), active)
    draws = found.forecast([0.0, 1.0], np.full((2, 0), np.nan), 6, 4000, np.random.default_rng(9))
    assert set(np.unique(draws[:, 1])) == {0.0, 1.0}
    assert len(np.unique(draws[:, 0, 3])) > 1000
    assert np.isfinite(draws).all()
    assert draws[:, 0, 3].mean() == pytest.approx(draws[:, 1, 3].mean(), abs=0.03)


REFUSED = {
    "nothing": ([[np.nan, np.nan]], [[np.nan, np.nan]], NO_CUSTOMERS),
    "nobody": ([[0, 0, 0]], [[0, 0, 0]], NO_CUSTOMERS),
    "nobody-returned": ([[9, 9, 9]], [[9, 0, 0]], NOBODY_RETURNED),
    "one-age": ([[9, 9]], [[9, 4]], ONE_AGE),
    "more-than-all": ([[9, 9, 9]], [[9, 10, 2]], MORE_ACTIVE_THAN_USERS),
    "fewer-than-none": ([[9, 9, 9]], [[9, -1, 2]], MORE_ACTIVE_THAN_USERS),
}


@pytest.mark.parametrize(("users", "active", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_known_is_refused_by_name(users, active, reason):
    for curve in ALL_CURVES:
        assert fit_activity(curve, users, active) == reason


def test_exits_alone_are_refused_and_what_to_use_is_said():
    users, active = company("pauses", 4, 1)
    for model in (SBG, BDW):
        refused = fit_activity(model, exposed(users, active), active)
        assert isinstance(refused, Missing)
        assert "alive x active" in refused.en
        assert "存活 × 活跃" in refused.zh
    falling = np.minimum.accumulate(active, axis=1)
    back = falling.copy()
    back[2, 5] = back[2, 4] + 1
    refused = refuse_activity(exposed(users, back), back)
    assert refused.en.startswith("in 1 of 4 cohorts")
    assert "alive x active" in refused.en
    assert refuse_activity(exposed(users, falling), falling) is None
    assert refuse_activity([[np.nan, 0]], [[1, 2]]) is None
    assert refuse_activity(np.zeros((0, 3)), np.zeros((0, 3))) is None


def test_what_could_not_be_learned_is_said():
    users, active = company("pauses", 8, 1)
    assert (
        fit_activity(NAIVE, exposed(users, active)[:2], active[:2]).notes[0].en.startswith("fewer than three")
    )
    seen = seen_so_far(active)
    found = fit_activity(NAIVE, exposed(users, seen), seen)
    assert found.notes == ()
    assert found.spread.month > 0


@settings(deadline=None, max_examples=15)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.lists(st.integers(0, 3), min_size=3, max_size=3)),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(ALL_CURVES),
)
def test_tiny_cohorts_give_a_finite_answer_or_a_reason(cohorts, curve):
    cohorts = cohorts[:6]
    users = np.array([size for size, _ in cohorts], float)
    active = np.minimum(np.array([[size, *later] for size, later in cohorts], float), users[:, None])
    found = fit_activity(curve, np.repeat(users[:, None], 4, 1), active)
    if isinstance(found, Missing):
        assert found.en
        assert found.zh
        return
    draws = found.forecast(users, active, 9, 30, np.random.default_rng(1))
    assert np.isfinite(draws).all()
    assert ((draws >= 0) & (draws <= 1)).all()
    assert np.isfinite(found.estimate).all()


def test_everybody_always_active_and_nobody_ever_again():
    users = np.full((3, 6), 500.0)
    for active in (users, np.c_[users[:, :2], np.zeros((3, 4))]):
        for curve in ALL_CURVES:
            found = fit_activity(curve, users, active)
            draws = found.forecast(users[:, 0], active, 12, 50, np.random.default_rng(1))
            assert np.isfinite(draws).all()


def test_a_year_of_days_takes_no_minute():
    """Ages in groups that widen: 365 daily cohorts of 365 days."""
    ages = np.arange(365.0)
    random = np.random.default_rng(1)
    users = random.integers(50, 400, 365).astype(float)
    share = 0.5 * np.maximum(ages, 1) ** -0.45
    active = random.binomial(users[:, None].astype(int), np.broadcast_to(share, (365, 365))).astype(float)
    active[ages[None, :] > ages[::-1][:, None]] = np.nan
    found = fit_activity(ACTIVITY_CURVES[0], exposed(users, active), active)
    assert found.parameters["decay"] == pytest.approx(0.45, abs=0.03)
    draws = found.forecast(users[-3:], active[-3:], 400, 50, random)
    assert draws[:, 0, 300].mean() == pytest.approx(0.5 * 300**-0.45, abs=0.02)


@pytest.mark.parametrize(
    ("users", "active"),
    [([5.0], [[6.0]]), ([5.0], [[-1.0]]), ([np.nan], [[1.0]]), ([-1.0], [[np.nan]]), ([1.0, 2.0], [[1.0]])],
)
def test_wrong_counts_are_mistakes(users, active):
    known, counted = company("pauses", 4, 1)
    found = fit_activity(NAIVE, exposed(known, counted), counted)
    with pytest.raises(ValueError, match=r"users|cohort"):
        found.forecast(users, active, 4, 5, np.random.default_rng(1))
    with pytest.raises(ValueError, match="both be"):
        fit_activity(NAIVE, [[1.0]], [[1.0, 2.0]])


@pytest.mark.simulation
def test_intervals_at_twice_the_observed_age_hold_eight_of_ten():
    """Over companies of every world, each cohort at twice its age: no curve but the naive one far off."""
    held: dict[str, list[float]] = {curve.name: [] for curve in ACTIVITY_CURVES}
    for world in WORLDS:
        for seed in range(12):
            users, active = company(world, 12, seed)
            seen = seen_so_far(active)
            for curve in ACTIVITY_CURVES:
                found = fit_activity(curve, exposed(users, seen), seen)
                draws = found.forecast(users, seen, active.shape[1], 300, np.random.default_rng(seed))
                cohort, age = np.arange(12), 2 * np.arange(12, 0, -1)
                low, high = np.quantile(draws[:, cohort, age], [0.1, 0.9], axis=0)
                truth = active[cohort, age] / users
                held[curve.name] += ((low <= truth) & (truth <= high)).astype(float).tolist()
    shares = {name: float(np.mean(one)) for name, one in held.items()}
    assert 0.74 <= shares["alive (sBG) x active"] <= 0.88, shares
    assert all(0.66 <= share <= 0.90 for share in shares.values()), shares
    assert 0.74 <= np.mean(list(shares.values())) <= 0.86, shares
