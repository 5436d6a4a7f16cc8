"""Kept forecasts against what came: by hand, pending ones counted, none dropped for having been wrong."""

from __future__ import annotations

import random as standard_random
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakeven.account.metrics import Missing
from breakeven.growth.choosing.scorecard import (
    Came,
    Pending,
    band,
    is_within,
    months_ahead,
    score_kept,
    target_month,
)
from breakeven.ledger.forecasts import Forecast

AUGUST = date(2024, 8, 31)
ONE = Forecast(AUGUST, AUGUST, "retention", "sBG", "", "2024-03", 7, 0.25, 0.2, 0.3, 0.8, "ratio")
GONE = Missing("gone", "没有了")


def test_scores_by_hand():
    """Foretold .25 within .2 to .3 for three cohorts; .27, .20 and .40 came."""
    said = {f"2024-0{i}": came for i, came in ((3, 0.27), (4, 0.2), (5, 0.4))}
    forecasts = [replace(ONE, cohort=month, age=10 - int(month[-1])) for month in said]
    [score] = score_kept(forecasts, lambda one: Came(said[one.cohort])).scores
    assert (score.horizon, score.n, score.compared) == ("2", 3, 3)
    assert score.error == pytest.approx((0.02 + 0.05 + 0.15) / 3)
    assert score.bias == pytest.approx((-0.02 + 0.05 - 0.15) / 3)
    assert score.coverage == pytest.approx(2 / 3)
    assert score.level == pytest.approx(0.8)


def test_the_naive_forecast_is_found_beside():
    card = score_kept([ONE, replace(ONE, model="naive", value=0.2)], lambda _: Came(0.25))
    mine = next(score for score in card.scores if score.model == "sBG")
    naive = card.beside(mine, "naive")
    assert naive is not None
    assert (mine.error, naive.error) == (0, pytest.approx(0.05))
    alone = score_kept([ONE], lambda _: Came(0.25))
    assert alone.beside(alone.scores[0], "naive") is None


def test_what_cannot_be_scored_yet_is_pending_and_what_never_can_is_named():
    forecasts = [replace(ONE, age=age) for age in (7, 8, 20)]
    card = score_kept(forecasts, lambda one: Pending(target_month(one)) if one.age < 20 else GONE)
    assert card.scores == ()
    assert [(line.month, line.n) for line in card.pending] == [(date(2024, 10, 1), 1), (date(2024, 11, 1), 1)]
    assert card.unknown == ((GONE, 1),)
    assert card.kept == 3


def test_a_forecast_that_was_kept_with_other_draws_too_counts_once_as_it_was_said_first():
    again = [ONE, replace(ONE, value=0.35, low=0.3, high=0.4), replace(ONE, made_on=date(2024, 9, 1))]
    card = score_kept(again, lambda _: Came(0.25))
    assert [(score.n, score.error, score.coverage) for score in card.scores] == [(1, 0.0, 1.0)]
    assert card.kept == 1


def test_kinds_models_units_and_months_ahead_are_scored_apart():
    others = [
        replace(ONE, kind="ltv", unit="CNY/user"),
        replace(ONE, kind="ltv", unit="USD/user"),
        replace(ONE, model="BdW"),
        replace(ONE, age=8),
    ]
    card = score_kept([ONE, *others], lambda _: Came(1.0))
    assert len(card.scores) == 5
    assert {score.n for score in card.scores} == {1}


@pytest.mark.parametrize(
    ("low", "value", "high", "came", "is_hit"),
    [
        (5, 7, 9, 8, True),
        (5, 7, 9, None, False),
        (5, 7, None, None, True),
        (5, 7, None, 40, True),
        (5, 7, None, 4, False),
        (None, None, None, None, True),
        (None, None, None, 12, False),
    ],
)
def test_not_within_the_horizon_is_beyond_every_month(low, value, high, came, is_hit):
    one = replace(ONE, kind="payback", unit="months", low=low, value=value, high=high, age=12)
    assert is_within(one, came) == is_hit
    [score] = score_kept([one], lambda _: Came(came)).scores
    assert score.coverage == is_hit
    assert score.compared == (value is not None and came is not None)
    assert (score.error is None) == (score.compared == 0)


def test_months_count_as_the_account_counts_them():
    assert target_month(ONE) == date(2024, 10, 1)
    assert target_month(replace(ONE, kind="ltv", age=11)) == date(2025, 2, 1)
    assert target_month(replace(ONE, cohort="2023-12", age=1)) == date(2024, 1, 1)
    assert months_ahead(ONE) == 2
    assert [band(ahead) for ahead in (1, 3, 4, 6, 7, 12, 13)] == [
        "1",
        "3",
        "4-6",
        "4-6",
        "7-12",
        "7-12",
        "13+",
    ]


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_the_order_of_forecasts_does_not_matter(seed, size):
    random = np.random.default_rng(seed)
    forecasts = [
        replace(ONE, segment=str(i), age=int(age), value=value / 64, model=["naive", "sBG"][int(age) % 2])
        for i, (age, value) in enumerate(random.integers([6, 0], [20, 64], (size, 2)).tolist())
    ]
    shuffled = forecasts[:]
    standard_random.Random(seed).shuffle(shuffled)
    truth = {one: Came(0.25) if one.age % 3 else Pending(target_month(one)) for one in forecasts}
    one, other = score_kept(forecasts, truth.__getitem__), score_kept(shuffled, truth.__getitem__)
    assert (one.pending, one.unknown) == (other.pending, other.unknown)
    assert one.scores == other.scores  # values are binary fractions, so sums are exact in any order
    assert sum(score.n for score in one.scores) + sum(line.n for line in one.pending) == one.kept == size
