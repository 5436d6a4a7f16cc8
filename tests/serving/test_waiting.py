"""Queues against what is known exactly, and against a simulation; limits are found where they are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from breakeven.serving.largest import largest_within
from breakeven.serving.waiting import at_percentile, running_at_percentile, wait_of


@given(st.floats(0.05, 0.95), st.floats(0.6, 0.99))
def test_one_server_with_exponential_service_is_exact(busy: float, share: float):
    mean, tail = wait_of(2.0, busy, share, variation=1.0)
    assert mean == pytest.approx(2.0 * busy / (1 - busy))
    exact = max(0.0, math.log(busy / (1 - share)) * 2.0 / (1 - busy))
    assert tail == pytest.approx(exact)


@given(st.floats(0.05, 0.95), st.floats(0.0, 4.0))
def test_the_mean_wait_of_one_server_is_that_of_pollaczek_and_khinchine(busy: float, variation: float):
    mean, _ = wait_of(1.0, busy, 0.9, variation=variation)
    assert mean == pytest.approx(busy * (1 + variation) / (2 * (1 - busy)))


@pytest.mark.parametrize(("servers", "busy"), [(2, 0.7), (8, 0.8), (32, 0.9)])
def test_many_servers_come_near_erlang(servers: int, busy: float):
    offered = servers * busy
    below = sum(offered**n / math.factorial(n) for n in range(servers))
    full = offered**servers / math.factorial(servers) / (1 - busy)
    erlang = full / (below + full) / (servers * (1 - busy))
    mean, _ = wait_of(1.0, busy, 0.9, variation=1.0, servers=servers)
    assert mean == pytest.approx(erlang, rel=0.15)


def test_the_percentile_of_even_service_against_a_simulation():
    random = np.random.default_rng(5)
    count, busy = 200_000, 0.8
    arrivals = np.cumsum(random.exponential(1 / busy, count))
    # Lindley: a request leaves one service time after the later of its arrival and the one before.
    slack = arrivals - np.arange(count)
    waits = np.maximum.accumulate(slack) - slack
    _, tail = wait_of(1.0, busy, 0.95)
    assert tail == pytest.approx(np.quantile(waits, 0.95), rel=0.1)


def test_a_server_asked_for_more_than_it_can_do_has_no_end():
    mean, tail = wait_of(1.0, [0.5, 1.0, 1.7], 0.9)
    assert np.isfinite(mean).tolist() == np.isfinite(tail).tolist() == [True, False, False]


def test_wait_and_service_at_a_percentile():
    none = wait_of(1.0, 0.0, 0.9)
    assert at_percentile(1.0, 1.5, none) == pytest.approx(1.5)
    busy = wait_of(1.0, 0.7, 0.9)
    assert at_percentile(1.0, 1.0, busy) == pytest.approx(1.0 + busy.at_percentile)


@given(st.floats(5.0, 1e5), st.floats(0.6, 0.99))
def test_the_number_running_is_poisson(mean: float, share: float):
    assert running_at_percentile(mean, share) == pytest.approx(poisson.ppf(share, mean), rel=0.02, abs=1.5)


@given(st.lists(st.floats(0.2, 500.0), min_size=1, max_size=20), st.floats(0.3, 3.0))
def test_the_largest_within_a_limit_is_where_the_limit_is(places: list[float], power: float):
    place = np.array(places)
    found, impossible = largest_within(
        lambda x, which: (x / place[which]) ** power, np.full(place.shape, 0.5), np.full(place.shape, 400.0)
    )
    assert (impossible == (place < 0.5)).all()
    held = ~impossible
    assert found[held] == pytest.approx(np.minimum(place, 400.0)[held], rel=3e-4)
    assert ((found / place)[held] ** power <= 1 + 1e-9).all()
