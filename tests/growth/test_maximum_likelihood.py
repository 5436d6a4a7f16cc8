"""The search finds the maximum, with or without derivatives, and refuses by name where there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakeven.account.metrics import Missing
from breakeven.growth import search
from breakeven.growth.cells import Cells
from breakeven.growth.maximum_likelihood import (
    FLAT,
    NO_CUSTOMERS,
    NOT_SETTLED,
    at,
    fit,
    from_free,
    runs_away,
    slope,
    to_free,
)


@dataclass(frozen=True)
class Geometric:
    """Tries until the first success: the estimate is known in closed form."""

    name = "geometric"

    @property
    def parameters(self):
        return {"chance": "share"}

    def starts(self, cells):
        return [np.array([0.5]), np.array([0.01])]

    def log_likelihoods(self, parameters, cells):
        return np.log(parameters[0]) + cells["tries"] * np.log1p(-parameters[0])

    def refusal(self, cells):
        return None


class SlopedGeometric(Geometric):
    def gradients(self, parameters, cells):
        return (1 / parameters[0] - cells["tries"] / (1 - parameters[0]))[None]


class Twice(Geometric):
    """Two parameters of which only the product matters."""

    @property
    def parameters(self):
        return {"first": "positive", "second": "positive"}

    def starts(self, cells):
        return [np.array([1.0, 2.0])]

    def log_likelihoods(self, parameters, cells):
        rate = parameters[0] * parameters[1]
        return np.log(rate) - rate * (cells["tries"] + 1)


class Running(Geometric):
    """The larger the parameter, the better."""

    @property
    def parameters(self):
        return {"size": "positive"}

    def starts(self, cells):
        return [np.array([1.0])]

    def log_likelihoods(self, parameters, cells):
        return -1 / parameters[0] * (cells["tries"] + 1.0)


class Named(Running):
    def edge(self, parameter, *, is_high):
        return Missing(f"{parameter} {is_high}", "原因")


class Broken(Running):
    def log_likelihoods(self, parameters, cells):
        return np.full(len(cells.counts), np.nan)


CELLS = Cells.group(("tries",), [[0], [1], [2], [5]], [40, 30, 20, 10])


@pytest.mark.parametrize("model", [Geometric(), SlopedGeometric()], ids=["differences", "derivatives"])
def test_the_maximum_is_that_of_the_closed_form(model):
    found = fit(model, CELLS)
    chance = 1 / (1 + 120 / 100)
    assert found.parameters["chance"] == pytest.approx(chance, rel=1e-9)
    assert found.standard_errors["chance"] == pytest.approx(chance * np.sqrt((1 - chance) / 100), rel=1e-4)
    assert found.log_likelihood == pytest.approx(100 * np.log(chance) + 120 * np.log1p(-chance))
    assert found.aic == pytest.approx(2 - 2 * found.log_likelihood)
    assert found.customers == 100


def test_very_many_cells_are_thinned_only_for_the_start(monkeypatch):
    random = np.random.default_rng(1)
    tries = Cells.group(("tries",), random.geometric(0.002, (50_000, 1)))
    whole = fit(SlopedGeometric(), tries)
    monkeypatch.setattr("breakeven.growth.maximum_likelihood.MANY_CELLS", 100)
    monkeypatch.setattr(search, "MANY_CELLS", 100)
    thinned = fit(SlopedGeometric(), tries)
    assert len(search.thinned(tries).counts) < len(tries.counts) / 10
    assert thinned.estimate == pytest.approx(whole.estimate, rel=1e-9)


def test_refusals_say_which_parameter():
    assert fit(Geometric(), Cells.group(("tries",), [])) == NO_CUSTOMERS
    assert fit(Broken(), CELLS) == NOT_SETTLED
    assert fit(Running(), CELLS) == runs_away("size", is_high=True)
    assert fit(Named(), CELLS).en == "size True"
    flat = fit(Twice(), CELLS)
    assert flat.en == f"{FLAT.en} (first, second)"
    assert flat.zh == f"{FLAT.zh}（first、second）"
    always = Cells.group(("tries",), [[0]], [10])
    assert fit(Geometric(), always) == runs_away("chance", is_high=True)


def test_a_maximum_found_elsewhere_gets_its_errors():
    def log_likelihood(free):
        return -50 * float((free[0] - 1) ** 2) - 8 * float((free[1] + 2) ** 2)

    scales = {"one": "any", "two": "positive"}
    found = at("mine", scales, np.array([0.9, -1.9]), log_likelihood, 30)
    assert found.estimate == pytest.approx([1, np.exp(-2)], rel=1e-6)
    assert np.diag(found.covariance) == pytest.approx([0.01, 1 / 16], rel=1e-4)
    assert at("mine", {"one": "any"}, np.array([0.0]), lambda free: float(free[0]), 5) != found


@settings(deadline=None, max_examples=30)
@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1 - 1e-6), st.floats(-50, 50))
def test_the_free_scale_and_back(positive, share, anything):
    scales = ("positive", "share", "any")
    value = np.array([positive, share, anything])
    assert from_free(to_free(value, scales), scales) == pytest.approx(value, rel=1e-9)
    both = np.stack([value, value])
    assert np.array_equal(to_free(both, scales)[1], to_free(value, scales))
    step = 1e-6
    moved = from_free(to_free(value, scales) + step, scales) - from_free(
        to_free(value, scales) - step, scales
    )
    assert moved / (2 * step) == pytest.approx(slope(value, scales), rel=1e-4, abs=1e-8)


def test_draws_spread_as_the_errors_say():
    found = fit(Geometric(), CELLS)
    draws = found.draws(4000, np.random.default_rng(1))
    assert draws.shape == (4000, 1)
    assert draws.std() == pytest.approx(found.standard_errors["chance"], rel=0.1)
    assert found.draws(0, np.random.default_rng(1)).shape == (0, 1)
