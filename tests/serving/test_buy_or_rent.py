"""Buy or rent by hand, and the laws that hold for any."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from breakeven.errors import InputError
from breakeven.serving.buy_or_rent import (
    Api,
    Demand,
    NodeSize,
    Owned,
    Purchase,
    Rented,
    at_volume,
    break_even,
    cheapest,
    daily_shape,
    hosting_per_gpu,
    largest_volume,
    power_per_gpu,
    utilisation,
)

CASES = yaml.safe_load((Path(__file__).parent / "money_cases/buy_or_rent.yaml").read_text())
NODE = NodeSize(8, 8)


def option_of(written):
    return Api(written["price"]) if written["way"] == "api" else Rented(written["price"], written["way"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_by_hand(case):
    demand = Demand(case["gpu_seconds"], daily_shape(case["peak"]), case["spare"])
    first, then = option_of(case["first"]), option_of(case["then"])
    found = [at_volume(option, case["volume"], demand, NODE) for option in (first, then)]
    assert [one.cost for one in found] == pytest.approx(case["cost"])
    assert [one.fixed for one in found] == pytest.approx(case["fixed"])
    crossing = break_even(first, then, demand, NODE)
    assert (crossing.first, crossing.then) == (first.way, then.way)
    assert crossing.from_volume == (case["from_volume"] and pytest.approx(case["from_volume"]))
    assert crossing.for_good_volume == (case["for_good"] and pytest.approx(case["for_good"]))


def test_what_a_gpu_costs_its_owner():
    """45,000 with its server, four years: 937.50 a month without interest; at 10 % 1.1^(1/12) compounds."""
    assert Purchase(30_000, 1.5, 4, 0.0).monthly_per_gpu == pytest.approx(937.5)
    assert Purchase(30_000, 1.5, 4, 0.0, resale_share=0.2).monthly_per_gpu == pytest.approx(750)
    rate = 1.1 ** (1 / 12) - 1
    paid = Purchase(30_000, 1.5, 4, 0.10).monthly_per_gpu
    assert sum(paid / (1 + rate) ** month for month in range(1, 49)) == pytest.approx(45_000)
    assert hosting_per_gpu(1_730, 200) == pytest.approx(346)
    assert power_per_gpu(1_000, 1.0, 0.10) == pytest.approx(73)


def test_whole_replicas_in_whole_nodes():
    assert NodeSize.for_replica(8, 8) == NodeSize(8, 8)
    assert NodeSize.for_replica(3, 8) == NodeSize(8, 6)
    assert NodeSize.for_replica(32, 8) == NodeSize(32, 32)
    assert NodeSize.for_replica(12, 8) == NodeSize(16, 12)


def test_utilisation_is_what_the_volume_implies():
    demand = Demand(1.0, daily_shape(1.0), 1)
    assert utilisation(21_024_000, demand, NODE) == pytest.approx(0.5)  # one full node and a spare
    assert utilisation(21_024_000 * 9, demand, NODE) == pytest.approx(0.9)
    assert utilisation(0, demand, NODE) == 0


demands = st.builds(Demand, st.floats(0.01, 100), st.floats(1, 2).map(daily_shape), st.integers(0, 2))
options = st.one_of(
    st.builds(Api, st.floats(1e-5, 0.1)),
    st.builds(Rented, st.floats(0.5, 10), st.sampled_from(["on_demand", "reserved"]), st.floats(0, 5e4)),
    st.builds(Owned, st.floats(300, 5_000), st.floats(0, 5e4), st.sampled_from(["owned", "on_premises"])),
)
volumes = st.floats(0.001, 100)  # nodes' worth


def worth(nodes: float, demand: Demand) -> float:
    return nodes * largest_volume(demand, NODE, 1)


@given(options, demands, volumes, st.floats(1, 5))
def test_parts_sum_and_more_never_costs_less(option, demand, nodes, factor):
    volume = worth(nodes, demand)
    cost = at_volume(option, volume, demand, NODE)
    assert cost.fixed + cost.variable == pytest.approx(cost.cost)
    assert cost.variable >= -1e-6 * cost.cost
    assert at_volume(option, volume * factor, demand, NODE).cost >= cost.cost * (1 - 1e-9)


@settings(deadline=None, max_examples=25)
@given(options, options, demands)
def test_both_sides_of_a_break_even(one, other, demand):
    found = break_even(one, other, demand, NODE)
    by_way = {one.way: one, other.way: other}
    if one.way == other.way or found.from_volume is None:
        return

    def gap(volume: float) -> float:
        at = np.array([volume])
        costs = [by_way[way].monthly_cost(at, demand, NODE)[0] for way in (found.first, found.then)]
        return (costs[0] - costs[1]) / max(costs)

    assert gap(found.from_volume * (1 - 1e-9)) <= 1e-5
    assert gap(found.from_volume * (1 + 1e-9) + 1e-9) >= -1e-5
    if found.for_good_volume is not None:
        most = largest_volume(demand, NODE)
        for volume in np.geomspace(found.for_good_volume * (1 + 1e-6), most * (1 - 1e-6), 50):
            assert gap(float(volume)) >= -1e-5


@given(st.lists(options, min_size=2, max_size=4), demands, volumes)
def test_the_cheapest_is_none_dearer_than_any(found, demand, nodes):
    volume = worth(nodes, demand)
    best = cheapest(found, volume, demand, NODE)
    costs = {option.way: [] for option in found}
    for option in found:
        costs[option.way].append(at_volume(option, volume, demand, NODE).cost)
    assert min(costs[best]) == min(cost for each in costs.values() for cost in each)


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="one wave"):
        daily_shape(3.0)
    with pytest.raises(InputError, match="mean 1"):
        Demand(1.0, (1.0,) * 23 + (2.0,))
    with pytest.raises(InputError, match="no GPU time"):
        Demand(0.0, daily_shape(1.0))
    with pytest.raises(InputError, match="shares of 1"):
        Purchase(30_000, 1.5, 4, 10.0)
    with pytest.raises(InputError, match="PUE"):
        power_per_gpu(700, 0.9, 0.1)
