"""Laws of any fleet: what is demanded is served, waits or goes, money has no rest, and more is no worse."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from breakeven.serving.class_work import ClassWork
from breakeven.serving.estimate import Estimate
from breakeven.serving.fleet.best_mix import best_commitment, mixes
from breakeven.serving.fleet.bounds import FleetBounds
from breakeven.serving.fleet.cost import DID, PAID
from breakeven.serving.fleet.demand import HourlyDemand
from breakeven.serving.fleet.hour_wait import hour_wait_seconds, priority_waits
from breakeven.serving.fleet.latency_curve import LatencyCurve
from breakeven.serving.fleet.margin import margins
from breakeven.serving.fleet.month import fleet_month
from breakeven.serving.fleet.priority import who_waits
from breakeven.serving.fleet.replicas import within_limit
from breakeven.serving.fleet.served_model import RequestShape, ServedModel
from breakeven.serving.fleet.shortage import avoided_by, lost_by, policies
from breakeven.serving.fleet.supply import OVERFLOWS, Rules, Supply

START = datetime(2026, 3, 1, tzinfo=UTC)
WORK = ClassWork(Estimate(1e-3, 8e-4, 1.2e-3), Estimate.exact(0.0), Estimate(4e-3, 3e-3, 6e-3))
CURVE = LatencyCurve.of([1, 16, 64, 128], [0.010, 0.016, 0.032, 0.060], target=16)
REQUEST = RequestShape((3_000.0, 1_000.0, 500.0), at_once=32)
gpus = st.sampled_from([1, 2, 8])


@st.composite
def fleets(draw, most_models=3):
    names = [f"m{n}" for n in range(draw(st.integers(1, most_models)))]
    hours = draw(st.integers(1, 30))
    mtok = st.floats(0, 200).map(lambda value: round(value, 3))
    tokens = np.array(
        [[[draw(mtok), draw(mtok), draw(mtok)] for _ in names] for _ in range(hours)], dtype=float
    )
    assume(tokens.any())
    share = draw(st.booleans())
    models = [
        ServedModel(
            name,
            WORK,
            draw(gpus),
            "shared" if share else name,
            (0.5, 0.1, 2.0),
            REQUEST,
            CURVE,
        )
        for name in names
    ]
    supply = Supply(
        draw(st.integers(0, 64)),
        draw(st.integers(0, 64)),
        draw(st.one_of(st.none(), st.integers(8, 64))),
        draw(st.floats(0.1, 3)),
        draw(st.floats(0.1, 3)),
        draw(st.floats(0.1, 5)),
    )
    rules = Rules(
        draw(st.sampled_from([0.0, 0.15, 0.5])),
        draw(st.integers(0, 2)),
        draw(st.integers(0, 2)),
        draw(st.sampled_from([0.0, 10.0, 90.0])),
        draw(st.sampled_from([None, 1, 5])),
        draw(st.integers(0, 3)),
        draw(st.sampled_from(["forecast", "load"])),
    )
    demand = HourlyDemand(START, tuple(names), tokens * 1e6)
    pools = {model.pool for model in models}
    return demand, models, dict.fromkeys(pools, supply), rules


@given(fleets(), st.sampled_from(OVERFLOWS), st.sampled_from([0.25, 2.0, float("inf")]))
@settings(max_examples=60, deadline=None)
def test_served_queued_and_rejected_are_what_was_demanded(fleet, policy, patience):
    demand, models, supplies, rules = fleet
    month = fleet_month(demand, models, supplies, rules, policy, patience)
    for pool in month.pools:
        outcome = pool.outcome
        asked = np.cumsum(pool.pool.tokens, axis=0)
        gone = np.cumsum(outcome.served + outcome.rejected, axis=0)
        np.testing.assert_allclose(gone + outcome.waiting, asked, rtol=1e-9, atol=1e-3)
        assert (outcome.served >= 0).all()
        assert (outcome.waiting >= -1e-6).all()
        # No hour serves more than its replicas can, and none has more GPUs than there are.
        most = CURVE.most_load if policy == "slow" else 1.0
        assert (pool.served_work <= pool.capacity * most * (1 + 1e-9) + 1e-9).all()
        assert (pool.gpu_hours.on <= pool.supply.limit + 1e-6).all()


@given(fleets(), st.sampled_from(OVERFLOWS))
@settings(max_examples=60, deadline=None)
def test_money_is_cut_without_a_rest(fleet, policy):
    demand, models, supplies, rules = fleet
    month = fleet_month(demand, models, supplies, rules, policy)
    for lines in (PAID, DID):
        parts = [month.sum_of(line) for line in lines]
        np.testing.assert_allclose(sum(parts), month.cost, rtol=1e-9, atol=1e-9)
        assert all((part >= -1e-9).all() for part in parts)
    by_model = margins(month)
    assert sum(one.cost for one in by_model) == pytest.approx(month.cost.sum(), rel=1e-9, abs=1e-9)
    whole = month.revenue.sum() - month.cost.sum()
    assert sum(one.margin for one in by_model) == pytest.approx(whole, rel=1e-9, abs=1e-6)
    assert month.margin.sum() == pytest.approx(whole, rel=1e-9, abs=1e-6)
    # Tokens served times their average cost is the cost of every model that served any.
    for pool in month.pools:
        money = (pool.outcome.served.sum(axis=0) / 1e6 * pool.average_cost_per_mtok).sum(axis=1)
        cost = pool.working_cost + pool.idle_cost
        served = pool.served_work.sum(axis=0) > 0
        np.testing.assert_allclose(money[served], cost[served], rtol=1e-9)


@given(fleets(most_models=1), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_more_capacity_never_loses_more(fleet, more):
    demand, models, supplies, rules = fleet
    # A fleet that only sees the load may be luckier with less: a backlog keeps replicas on for the next peak.
    rules = replace(rules, follows="forecast")
    larger = {name: replace(one, owned=one.owned + more) for name, one in supplies.items()}
    for policy, patience in (("reject", 1.0), ("slow", 1.0), ("queue", float("inf"))):
        small = lost_by(fleet_month(demand, models, supplies, rules, policy, patience), policy)
        large = lost_by(fleet_month(demand, models, larger, rules, policy, patience), policy)
        assert large.tokens.sum() <= small.tokens.sum() * (1 + 1e-9) + 1e-3
        assert large.waiting.tokens.sum() <= small.waiting.tokens.sum() * (1 + 1e-9) + 1e-3


@given(
    st.lists(st.floats(0.1, 60), min_size=1, max_size=4),
    gpus,
    st.integers(0, 200),
    st.integers(1, 20),
)
@settings(max_examples=100, deadline=None)
def test_models_that_share_lose_no_replica_to_more_gpus(work, size, limit, more):
    asked, sizes = np.array([work]), np.full(len(work), float(size))
    wanted = np.ceil(asked / size) + 1
    fewer = within_limit(wanted, asked, sizes, limit)
    assert (fewer <= within_limit(wanted, asked, sizes, limit + more)).all()
    assert (fewer @ sizes <= limit + 1e-9).all()
    assert (fewer <= wanted).all()


@given(fleets())
@settings(max_examples=60, deadline=None)
def test_the_best_mix_is_never_dearer(fleet):
    demand, models, supplies, rules = fleet
    for pool in fleet_month(demand, models, supplies, rules, "reject").pools:
        found = {mix.name: mix for mix in mixes(pool.load, pool.supply)}
        for mix in found.values():
            assert found["best"].cost <= mix.cost * (1 + 1e-12) + 1e-9
        if "yours" in found:
            assert found["best_kept"].cost <= found["yours"].cost * (1 + 1e-12) + 1e-9


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=40),
    st.floats(0.1, 5),
    st.floats(0.1, 5),
)
@settings(max_examples=100, deadline=None)
def test_the_newsvendors_rule_is_the_cheapest_of_all(load, committed, rented):
    array = np.array(load, dtype=float)

    def cost(count: int) -> float:
        return committed * count * len(load) + rented * float(np.maximum(array - count, 0).sum())

    best = best_commitment(array, committed, rented, float("inf"))
    assert cost(best) == pytest.approx(min(cost(count) for count in range(62)), rel=1e-12)
    if best:
        assert (array > best - 1).mean() * rented >= committed * (1 - 1e-9)
    assert (array > best).mean() * rented <= committed * (1 + 1e-9)


@given(fleets())
@settings(max_examples=40, deadline=None)
def test_the_margin_of_one_more_token_is_between_nothing_and_renting(fleet):
    demand, models, supplies, rules = fleet
    for pool in fleet_month(demand, models, supplies, rules, "reject").pools:
        price = pool.marginal_price
        most = pool.supply.on_demand_price / (1 - rules.headroom)
        known = np.isfinite(price)
        assert ((price >= 0) & (price <= most * (1 + 1e-9)))[known].all()
        free = pool.gpu_hours.off >= max(model.gpus_per_replica for model in pool.models)
        assert (price[free] == 0).all()


@given(
    st.lists(st.floats(0, 50), min_size=1, max_size=30),
    st.floats(1, 30),
    st.floats(0, 1),
)
@settings(max_examples=80, deadline=None)
def test_priority_moves_waiting_and_removes_none(work, capacity, share):
    asked, able = np.array(work), np.full(len(work), capacity)
    first, others = who_waits(asked, able, share)
    everybody, _ = who_waits(asked, able, 1.0)
    np.testing.assert_allclose(first.backlog + others.backlog, everybody.backlog, atol=1e-6)
    assert (first.backlog <= everybody.backlog + 1e-9).all()


@given(st.floats(1, 5_000), st.floats(0.01, 0.999), st.floats(0, 0.99))
@settings(max_examples=80, deadline=None)
def test_waiting_is_conserved_inside_the_hour(places, taken, share):
    wait = hour_wait_seconds(np.array([places]), np.array([taken]), np.array([20.0]))
    first, others = priority_waits(wait, np.array([taken]), share)
    mean = share * first + (1 - share) * others
    np.testing.assert_allclose(mean, wait, rtol=1e-9, atol=1e-300)
    assert first[0] <= wait[0] * (1 + 1e-12)


def test_waits_grow_with_load_and_stay_finite():
    places, seconds = np.full(50, 640.0), np.full(50, 20.0)
    found = hour_wait_seconds(places, np.linspace(0, 1, 50), seconds)
    assert (np.diff(found) >= 0).all()
    assert found[0] == 0
    assert found[-1] < 60


@given(fleets(), st.sampled_from(OVERFLOWS))
@settings(max_examples=30, deadline=None)
def test_the_interval_holds_the_middle(fleet, policy):
    bounds = FleetBounds.of(*fleet, policy)
    for measure in (lambda month: float(month.cost.sum()), lambda month: month.utilisation):
        found = bounds.estimate(measure)
        if np.isfinite(found.value):
            assert found.low <= found.value <= found.high


def test_enough_gpus_lose_nothing():
    tokens = np.full((48, 1, 3), 2e7)
    tokens[20:26] *= 4
    demand = HourlyDemand(START, ("m",), tokens)
    model = ServedModel("m", WORK, 8, prices_per_mtok=(0.5, 0.1, 2.0), request=REQUEST, curve=CURVE)
    supply = Supply(owned=40, on_demand=0, owned_price=1.0, on_demand_price=3.0)
    month = fleet_month(demand, [model], {"pool": supply}, Rules(0.0), "reject")
    found = {one.policy: one for one in policies(month, {"pool": supply}, Rules(0.0))}
    assert found["reject"].revenue > 0
    assert found["reject"].requests == pytest.approx(found["reject"].tokens[2] / 500)
    assert found["slow"].tokens.sum() < found["reject"].tokens.sum()
    assert found["slow"].slowest < found["slow"].usual
    assert found["queue"].tokens.sum() == 0
    assert found["queue"].longest_wait_hours > 1
    more = avoided_by(month.pools)
    assert more.by_the_hour == pytest.approx(more.gpu_hours * 3.0)
    enough = replace(supply, owned=supply.owned + more.gpus)
    full = fleet_month(demand, [model], {"pool": enough}, Rules(0.0))
    assert full.hours_short == 0
