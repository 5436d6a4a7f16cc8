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
    Owned,
    Purchase,
    Rented,
    at_volume,
    break_even,
    cheapest,
    hosting_per_gpu,
    least_cost,
    power_per_gpu,
)
from breakeven.serving.nodes import (
    MOST_NODES,
    SECONDS_PER_MONTH,
    NodeFleet,
    ReplicaPool,
    daily_shape,
    packed_nodes,
)

CASES = yaml.safe_load((Path(__file__).parent / "money_cases/buy_or_rent.yaml").read_text())
GPUS_PER_NODE = 8


def one_pool(gpu_seconds, hourly, spare_nodes):
    """Replicas that fill a node."""
    return NodeFleet((ReplicaPool(GPUS_PER_NODE, gpu_seconds),), GPUS_PER_NODE, hourly, spare_nodes)


def option_of(written):
    return Api(written["price"]) if written["way"] == "api" else Rented(written["price"], written["way"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_by_hand(case):
    fleet = one_pool(case["gpu_seconds"], daily_shape(case["peak"]), case["spare"])
    first, then = option_of(case["first"]), option_of(case["then"])
    found = [at_volume(option, case["volume"], fleet) for option in (first, then)]
    assert [one.cost for one in found] == pytest.approx(case["cost"])
    assert [one.fixed for one in found] == pytest.approx(case["fixed"])
    crossing = break_even(first, then, fleet)
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


@pytest.mark.parametrize(
    ("replicas", "sizes", "gpus_per_node", "nodes"),
    [
        ([3], [8], 8, 3),
        ([3], [3], 8, 2),  # two of 3 in a node
        ([1], [32], 8, 4),
        ([2], [12], 8, 3),  # a node each, and the halves left share one
        ([1, 2], [2, 4], 8, 2),  # 10 GPUs
        ([4, 1], [1, 4], 8, 1),  # the small ones fill the node up
        ([5, 1], [1, 4], 8, 2),
        ([1, 1], [32, 16], 72, 1),
        ([3, 3], [32, 16], 72, 3),  # 32+32, 32+16+16, 16
        ([1, 1], [8, 4], 4, 3),
    ],
)
def test_replicas_of_both_pools_share_nodes(replicas, sizes, gpus_per_node, nodes):
    counts = [np.array([float(count)]) for count in replicas]
    assert packed_nodes(counts, sizes, gpus_per_node).tolist() == [nodes]


def test_prefill_and_decode_are_counted_apart():
    """21,024,000 requests a month are 8 a second: prefill of 1 GPU-second 8 GPUs, decode of 3 three eights.

    One of 16 GPUs for prefill and one of 8 for decode, glued, would come three times each: 72 GPUs.
    """
    volume = 8 * SECONDS_PER_MONTH
    fleet = NodeFleet((ReplicaPool(16, 1.0), ReplicaPool(8, 3.0)), 8, daily_shape(1.0), spare_nodes=0)
    assert (fleet.useful_gpus(volume), fleet.gpus(volume)) == (16 + 24, 40)
    assert fleet.utilisation(volume) == pytest.approx(32 / 40)


def test_utilisation_is_what_the_volume_implies():
    fleet = one_pool(1.0, daily_shape(1.0), 1)
    assert fleet.utilisation(21_024_000) == pytest.approx(0.5)  # one full node and a spare
    assert fleet.utilisation(21_024_000 * 9) == pytest.approx(0.9)
    assert fleet.utilisation(0) == 0


def test_the_cheaper_layout_is_that_of_the_month_and_not_of_a_request():
    """One request takes less on replicas of 8, but a month of this volume fits one node of replicas of 1."""
    options = [Api(1e-9), Rented(1.0, "on_demand"), Rented(0.7, "reserved")]
    volume, flat = 6 * SECONDS_PER_MONTH, daily_shape(1.0)
    small = NodeFleet((ReplicaPool(1, 1.2),), 8, flat, 0)
    large = NodeFleet((ReplicaPool(8, 0.5), ReplicaPool(8, 0.5)), 8, flat, 0)
    assert large.gpu_seconds_per_request < small.gpu_seconds_per_request
    assert least_cost(options, volume, small) == pytest.approx(8 * 730 * 0.7)
    assert least_cost(options, volume, large) == pytest.approx(16 * 730 * 0.7)


pools = st.lists(
    st.builds(ReplicaPool, st.sampled_from([1, 2, 4, 8, 12, 16, 32]), st.floats(0.05, 50)),
    min_size=1,
    max_size=2,
).map(tuple)
shapes = st.floats(1, 2).map(daily_shape)
fleets = st.builds(NodeFleet, pools, st.sampled_from([4, 8, 72]), shapes, st.integers(0, 2))


@settings(deadline=None, max_examples=50)
@given(fleets, st.floats(0.001, 0.9))
def test_nodes_hold_their_replicas_and_change_at_stairs_alone(fleet, share):
    volume = fleet.largest_volume * share
    spare = fleet.spare_nodes * fleet.gpus_per_node
    assert fleet.useful_gpus(volume) <= fleet.gpus(volume) - spare
    busy = volume * fleet.peak * fleet.gpu_seconds_per_request / SECONDS_PER_MONTH
    assert fleet.useful_gpus(volume) >= busy * (1 - 1e-9)
    stairs = fleet.stairs(fleet.peak, fleet.largest_volume)
    before = float(fleet.nodes_at(np.array([volume]), fleet.peak)[0]) - fleet.spare_nodes
    assert before <= MOST_NODES
    least = float(fleet.nodes_at(np.array([1e-9]), fleet.peak)[0])
    if not (stairs < volume).any():
        assert before + fleet.spare_nodes == least
    edges = np.concatenate([[0.0], stairs, [fleet.largest_volume]])
    at = int(np.searchsorted(edges, volume))
    piece = np.linspace(edges[at - 1], edges[at], 7)[1:-1]
    assert len(set(fleet.nodes_at(piece, fleet.peak).tolist())) == 1


options = st.one_of(
    st.builds(Api, st.floats(1e-5, 0.1)),
    st.builds(Rented, st.floats(0.5, 10), st.sampled_from(["on_demand", "reserved"]), st.floats(0, 5e4)),
    st.builds(Owned, st.floats(300, 5_000), st.floats(0, 5e4), st.sampled_from(["owned", "on_premises"])),
)
volumes = st.floats(0.001, 100)  # nodes' worth


def worth(nodes: float, fleet: NodeFleet) -> float:
    return nodes * fleet.largest_volume / MOST_NODES


@given(options, fleets, volumes, st.floats(1, 5))
def test_parts_sum_and_more_never_costs_less(option, fleet, nodes, factor):
    volume = worth(nodes, fleet)
    cost = at_volume(option, volume, fleet)
    assert cost.fixed + cost.variable == pytest.approx(cost.cost)
    assert cost.variable >= -1e-6 * cost.cost
    assert at_volume(option, volume * factor, fleet).cost >= cost.cost * (1 - 1e-9)


@settings(deadline=None, max_examples=25)
@given(options, options, fleets)
def test_both_sides_of_a_break_even(one, other, fleet):
    found = break_even(one, other, fleet)
    by_way = {one.way: one, other.way: other}
    if one.way == other.way or found.from_volume is None:
        return

    def gap(volume: float) -> float:
        at = np.array([volume])
        costs = [by_way[way].monthly_cost(at, fleet)[0] for way in (found.first, found.then)]
        return (costs[0] - costs[1]) / max(costs)

    assert gap(found.from_volume * (1 - 1e-9)) <= 1e-5
    assert gap(found.from_volume * (1 + 1e-9) + 1e-9) >= -1e-5
    if found.for_good_volume is not None:
        most = fleet.largest_volume
        for volume in np.geomspace(found.for_good_volume * (1 + 1e-6), most * (1 - 1e-6), 50):
            assert gap(float(volume)) >= -1e-5


@given(st.lists(options, min_size=2, max_size=4), fleets, volumes)
def test_the_cheapest_is_none_dearer_than_any(found, fleet, nodes):
    volume = worth(nodes, fleet)
    best = cheapest(found, volume, fleet)
    costs = {option.way: [] for option in found}
    for option in found:
        costs[option.way].append(at_volume(option, volume, fleet).cost)
    assert min(costs[best]) == min(cost for each in costs.values() for cost in each)


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="one wave"):
        daily_shape(3.0)
    with pytest.raises(InputError, match="mean 1"):
        one_pool(1.0, (1.0,) * 23 + (2.0,), 0)
    with pytest.raises(InputError, match="no GPU time"):
        one_pool(0.0, daily_shape(1.0), 0)
    with pytest.raises(InputError, match="shares of 1"):
        Purchase(30_000, 1.5, 4, 10.0)
    with pytest.raises(InputError, match="PUE"):
        power_per_gpu(700, 0.9, 0.1)
