"""The one pass gives what caches kept step by step give, at every capacity; and what must always hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakeven.errors import InputError, UsageError
from breakeven.serving.estimate import Estimate
from breakeven.serving.prefix_cache import POLICIES, PrefixTrace, replay
from breakeven.serving.prefix_cache.economics import (
    HOURS_PER_MONTH,
    CacheTerms,
    Saving,
    best_size,
    best_time_to_live,
    capacities_around,
)
from breakeven.serving.prefix_cache.fetch_bandwidth import least_bandwidth, least_bandwidth_by_peak
from breakeven.serving.prefix_cache.hit_curve import hit_curve
from breakeven.serving.prefix_cache.pools import ROUTINGS, split_hits
from breakeven.serving.prefix_cache.replay import after_warm_up
from breakeven.serving.prefix_cache.weight_before import weight_before_and_above

from .cache_traces import BLOCK, naive_hits, requests_of, traces

CAPACITIES = range(40)


@given(traces())
@pytest.mark.parametrize("policy", POLICIES)
def test_one_pass_is_a_cache_kept_step_by_step(policy, trace):
    curve = replay(trace, [policy]).curves[policy]
    for capacity in CAPACITIES if policy != "infinite" else [1]:
        found = int(curve.hit_blocks(capacity)), int(curve.hit_tokens(capacity))
        assert found == naive_hits(trace, policy, capacity), capacity


@given(traces(), st.floats(0, 1))
@pytest.mark.parametrize("policy", POLICIES)
def test_a_warm_up_fills_the_cache_and_does_not_count(policy, trace, share):
    counted = after_warm_up(trace, share * trace.span_seconds)
    found = replay(trace, [policy], counted=counted)
    curve = found.curves[policy]
    for capacity in (1, 2, 5, 9):
        assert (int(curve.hit_blocks(capacity)), int(curve.hit_tokens(capacity))) == naive_hits(
            trace, policy, capacity, counted
        )
    assert found.asked_tokens == trace.input_tokens[counted].sum()


@given(traces())
def test_a_larger_cache_serves_no_less_and_none_serves_more_than_infinite(trace):
    found = replay(trace)
    most = found.curves["infinite"].most_tokens
    for policy in ("lru", "lfu"):
        curve = found.curves[policy]
        assert (np.diff(curve.blocks_by_capacity) >= 0).all()
        assert (np.diff(curve.tokens_by_capacity) >= 0).all()
        assert curve.blocks_by_capacity[0] == 0
        assert curve.most_tokens == most
        assert curve.enough_blocks <= found.distinct_blocks
        assert curve.hit_blocks(curve.enough_blocks) == curve.hit_blocks(10**9)


@given(traces(), st.integers(0, 12))
def test_a_time_to_live_is_a_cache_that_forgets_what_is_older(trace, seconds):
    last, hits = {}, 0
    for now, tokens, blocks in requests_of(trace):
        found = next(
            (i for i, block in enumerate(blocks) if block not in last or now - last[block] > seconds),
            len(blocks),
        )
        hits += min(found * BLOCK, tokens)
        last.update(dict.fromkeys(blocks, now))
    reuse = replay(trace).reuse
    assert int(reuse.hit_tokens_within(np.array([seconds]))[0]) == hits


@given(traces(), st.integers(1, 12))
def test_blocks_held_in_the_mean_are_those_of_every_second(trace, seconds):
    """Times are whole seconds, so what is held between two of them does not change."""
    reuse = replay(trace).reuse
    first, end = int(trace.seconds[0]), int(trace.seconds[-1])
    last, held = {}, 0
    arrivals = list(requests_of(trace))
    for now in range(first, end):
        for at, _, blocks in arrivals:
            if at == now:
                last.update(dict.fromkeys(blocks, now))
        held += sum(now - since < seconds for since in last.values())
    mean = reuse.mean_blocks_held(np.array([seconds]))
    assert mean is None if end == first else mean[0] == pytest.approx(held / (end - first))


@given(traces(), st.integers(1, 5), st.sampled_from(ROUTINGS), st.sampled_from(["lru", "lfu"]))
def test_separate_caches_together_serve_no_more_than_all_there_is(trace, nodes, routing, policy):
    capacities = np.array([0, nodes, 7 * nodes, 10**6])
    split = split_hits(trace, nodes, routing, policy, capacities, seed=3)
    whole = replay(trace, [policy]).curves[policy]
    assert split.hit_tokens[0] == 0
    assert list(split.hit_tokens) == sorted(split.hit_tokens)
    assert split.hit_tokens[-1] <= whole.most_tokens
    if nodes == 1:
        assert list(split.hit_tokens) == whole.hit_tokens(capacities).tolist()
    assert split == split_hits(trace, nodes, routing, policy, capacities, seed=3)


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-9, 9)), max_size=60))
def test_weights_before_and_above_are_those_of_every_pair(items):
    keys = np.array([key for key, _ in items], np.int64)
    weights = np.array([weight for _, weight in items], np.int64)
    slow = [sum(weights[j] for j in range(i) if keys[j] > keys[i]) for i in range(len(items))]
    assert weight_before_and_above(keys, weights).tolist() == slow


@given(traces(), st.floats(1e-6, 1e-2), st.floats(0, 100))
def test_the_best_size_is_the_best_of_all(trace, seconds, price):
    if trace.span_seconds == 0:
        return
    curve = replay(trace, ["lru"]).curves["lru"]
    terms = CacheTerms(Saving(Estimate.exact(seconds)), 2.0, 1e9, trace.span_seconds, price)
    best = best_size(curve, terms)
    nets = [terms.net_per_month(int(hits), size).value for size, hits in enumerate(curve.tokens_by_capacity)]
    assert best.net_per_month.value == pytest.approx(max(nets), abs=1e-9)
    assert all(net < max(nets) + 1e-9 for net in nets[: best.capacity])


@given(traces(), st.floats(1e-6, 1e-2), st.floats(0, 100))
def test_the_best_time_to_live_is_the_best_of_all(trace, seconds, price):
    if trace.span_seconds == 0:
        return
    reuse = replay(trace).reuse
    terms = CacheTerms(Saving(Estimate.exact(seconds)), 2.0, 1e9, trace.span_seconds, price)
    best = best_time_to_live(reuse, terms)
    times = np.arange(0, trace.span_seconds + 1, 0.5)
    pairs = zip(reuse.hit_tokens_within(times), reuse.mean_blocks_held(times), strict=True)
    nets = [terms.net_per_month(int(hits), float(held)).value for hits, held in pairs]
    assert best.net_per_month.value == pytest.approx(max(*nets, 0), abs=1e-9)


def test_ties_are_broken_as_stated():
    """After (1 2), (3 4) and (1 2) both hold 1 2 3 4. After (3 4) both hold 3 4 1 2: LFU too, since all were
    touched twice and the last touched of equals comes first."""
    asked = [(1, 2), (3, 4), (1, 2), (3, 4), (1, 2)]
    trace = PrefixTrace.of(range(5), [8] * 5, asked, BLOCK)
    for policy in ("lru", "lfu"):
        curve = replay(trace, [policy]).curves[policy]
        # Found at positions 3 and 4 each time: two blocks of the other prefix lie before them.
        assert curve.blocks_by_capacity.tolist() == [0, 0, 0, 3, 6], policy


def test_lfu_keeps_what_is_used_often_where_lru_keeps_what_is_used_last():
    asked = [(1,), (1,), (1,), (2,), (3,), (4,), (1,)]
    trace = PrefixTrace.of(range(7), [4] * 7, asked, BLOCK)
    found = replay(trace).curves
    assert found["lru"].hit_blocks(np.array([1, 3, 4])).tolist() == [2, 2, 3]
    assert found["lfu"].hit_blocks(1) == 3


def test_a_partly_filled_last_block_counts_its_tokens_only():
    trace = PrefixTrace.of([0, 1], [600, 600], [(7, 8), (7, 8)])
    curve = replay(trace, ["lru"]).curves["lru"]
    assert curve.hit_tokens(np.array([1, 2])).tolist() == [512, 600]
    assert trace.full_blocks == 2


def test_requests_at_one_time_follow_in_their_order():
    trace = PrefixTrace.of([5, 5], [4, 4], [(1,), (1,)], BLOCK)
    assert trace.repeated_times == 1
    assert replay(trace).curves["infinite"].most_tokens == 4


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ([(1, 2), (2, 1)], "stands at two places"),
        ([(1, 2), (3, 2)], "stands after two different blocks"),
        ([(1, 1)], "stands at two places, in requests 1 and 1"),
        ([(1, 2, 3), (1, 3)], "stands at two places"),
    ],
)
def test_ids_that_are_no_prefixes_are_refused(asked, says):
    trace = PrefixTrace.of(range(len(asked)), [BLOCK * len(ids) for ids in asked], asked, BLOCK)
    with pytest.raises(InputError, match=says) as caught:
        replay(trace)
    assert "--ids content" in caught.value.remedy


def test_a_trace_has_one_of_each_per_request():
    with pytest.raises(InputError, match="2 times, 1 input lengths and 2 lists of blocks"):
        PrefixTrace.of([0, 1], [4], [(1,), (1,)])


def test_times_must_not_fall_and_there_must_be_requests():
    with pytest.raises(InputError, match="request 2 came before the one above it"):
        replay(PrefixTrace.of([5, 4], [4, 4], [(1,), (1,)], BLOCK))
    with pytest.raises(InputError, match="no requests"):
        replay(PrefixTrace.of([], [], []))
    with pytest.raises(InputError, match="warm-up of 9 s leaves no request"):
        after_warm_up(PrefixTrace.of([0, 5], [4, 4], [(1,), (1,)], BLOCK), 9)


@given(traces())
def test_sorting_keeps_every_request_whole(trace):
    shuffled = np.random.default_rng(1).permutation(trace.requests)
    lengths = [blocks for _, _, blocks in requests_of(trace)]
    mixed = PrefixTrace.of(
        trace.seconds[shuffled], trace.input_tokens[shuffled], [lengths[i] for i in shuffled], BLOCK
    )
    after = mixed.by_time()
    assert (np.diff(after.seconds) >= 0).all()
    assert sorted(map(str, requests_of(after))) == sorted(map(str, requests_of(trace)))


def test_money_is_tokens_times_time_times_price():
    """1,000 hits a second at 1 ms each keep one GPU busy; at 2 an hour that is 1,460 a month."""
    ones = np.array([1])
    curve = hit_curve("lru", ones, ones, 0 * ones, 3_600_000, 1, 3_600_000)
    terms = CacheTerms(Saving(Estimate(1e-3, 5e-4, 2e-3)), 2.0, 5e9, 3_600.0, 3.0)
    assert terms.gpu_hours_saved(3_600_000) == Estimate(1.0, 0.5, 2.0)
    assert terms.saved_per_month(3_600_000) == Estimate(1_460, 730, 2_920)
    assert terms.bill_per_month(1) == 15
    assert terms.net_per_month(3_600_000, 1) == Estimate(1_445, 715, 2_905)
    assert HOURS_PER_MONTH * 12 == 8_760
    best = best_size(curve, terms)
    assert (best.capacity, best.is_all) == (1, True)


def test_what_has_no_price_has_no_bill_rather_than_none_to_pay():
    ones = np.array([1])
    curve = hit_curve("lru", ones, ones, 0 * ones, 1, 1, 1)
    saving = Saving(Estimate.exact(1.0))
    for terms in (
        CacheTerms(saving, 2.0, 1.0, 1.0, None),
        CacheTerms(saving, 2.0, None, 1.0, 1.0),
        CacheTerms(saving, None, 1.0, 1.0, 1.0),
    ):
        assert terms.net_per_month(1, 1) is None
        assert best_size(curve, terms) is None
    assert CacheTerms(saving, None, 1.0, 1.0, 1.0).saved_per_month(1) is None


def test_a_cache_that_costs_more_than_it_saves_has_size_zero():
    ones = np.array([1])
    curve = hit_curve("lru", ones, ones, 0 * ones, 1, 1, 1)
    terms = CacheTerms(Saving(Estimate.exact(1e-9)), 2.0, 1e9, 3_600.0, 3.0)
    assert best_size(curve, terms).capacity == 0


def test_money_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="more GPU time"):
        Saving.between(Estimate.exact(1.0), Estimate.exact(2.0))
    with pytest.raises(InputError, match="same moment"):
        CacheTerms(Saving(Estimate.exact(1.0)), 1.0, 1.0, 0.0, 1.0)
    with pytest.raises(UsageError, match="0 nodes"):
        split_hits(PrefixTrace.of([0], [4], [(1,)], BLOCK), 0, "random", "lru", np.array([1]))


def test_the_saving_is_between_its_bounds_and_never_negative():
    saving = Saving.between(Estimate(1.0, 0.5, 2.0), Estimate(0.5, 0.25, 1.0)).seconds_per_token
    assert (saving.value, saving.low, saving.high) == (0.5, 0.25, 1.0)
    crossed = Saving.between(Estimate(1.0, 0.5, 2.0), Estimate(0.5, 0.75, 1.75)).seconds_per_token
    assert (crossed.value, crossed.low, crossed.high) == (0.5, 0.0, 0.5)


def test_bandwidths_of_the_paper():
    """Mooncake, section 5.3: Llama-3 70B, 8,192 cached tokens, 8 A800 and 8 H800."""
    a800, h800 = (least_bandwidth_by_peak(8_192, 8_192, 8, 8 * peak) / 1e9 for peak in (312e12, 989e12))
    assert (round(a800), round(h800)) == (6, 19)


@given(st.integers(1_000, 200_000), st.floats(1e12, 1e16))
def test_both_ways_to_the_least_bandwidth_agree(cached, flops):
    """Bytes of all layers over the time that their operations take at the same speed, per token."""
    layers, hidden, heads_per_kv_head = 80, 8_192, 8
    kv_bytes = 2 * layers * hidden / heads_per_kv_head * 2
    seconds = layers * (4 * cached * hidden + 22 * hidden**2) / flops
    assert least_bandwidth(kv_bytes, seconds) == pytest.approx(
        least_bandwidth_by_peak(cached, hidden, heads_per_kv_head, flops)
    )


@pytest.mark.parametrize("blocks", [0, 1, 2, 17, 1_000, 182_790])
def test_sizes_shown_run_up_to_all_blocks(blocks):
    sizes = capacities_around(blocks).tolist()
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == blocks
    assert len(sizes) <= 10
