"""Small or large by hand, and the laws that hold for any."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakeven.errors import InputError
from breakeven.pricing.located_yaml import parse_yaml
from breakeven.serving.request_classes import kinds_from
from breakeven.serving.small_or_large import (
    SECONDS_PER_MONTH,
    Fleet,
    Replica,
    RequestClass,
    best_split,
    marginal_saving,
    order_of_moving,
    path,
    split_of,
)

# A million requests of 26.28 GPU-seconds fill 10 GPUs for a month (2,628,000 seconds): ten replicas of one.
TEN = 26.28
FLEET = Fleet(1e6, 1.0, small=(Replica(1, 0),), large=(Replica(1, 0),))
GPU_MONTH = 730.0


def one(name="all", share=1.0, small=0.1, large=1.0, good=(0.9, 0.9), worth=1.0) -> RequestClass:
    return RequestClass(name, share, TEN * small, TEN * large, good[0], good[1], value_of_good=worth)


def test_the_first_percent_costs_and_saves_nothing():
    """Ten large GPUs, and a small one does ten times as much: 5 % moved is one small GPU more."""
    splits = path([one()], FLEET, [0.0, 0.05, 0.10, 0.15, 0.5, 1.0])
    assert [(split.small_gpus, split.large_gpus) for split in splits] == [
        (0, 10), (1, 10), (1, 9), (1, 9), (1, 5), (1, 0),
    ]  # fmt: skip
    assert [split.saving for split in splits] == [0, -GPU_MONTH, 0, 0, 4 * GPU_MONTH, 9 * GPU_MONTH]
    assert marginal_saving([one()], FLEET, splits[2], step=0.01) == 0
    assert marginal_saving([one()], FLEET, splits[3], step=0.05) == GPU_MONTH


def test_the_spare_is_part_of_the_idle():
    fleet = Fleet(1e6, 1.0, small=(Replica(1, 1),), large=(Replica(1, 1),))
    assert split_of([one()], fleet, [0.05]).small_gpus == 2
    assert split_of([one()], fleet, [0.0]).large_gpus == 11
    assert best_split([one()], fleet).saving == 9 * GPU_MONTH


def test_prefill_and_decode_are_counted_apart():
    """Ten GPUs' worth: a fifth in prefill replicas of 1, the rest (8 GPUs) in three decode replicas of 3.

    Glued together they would be three replicas of 4, 12 GPUs.
    """
    apart = (Replica(1, 0, work_share=0.2), Replica(3, 0, work_share=0.8))
    fleet = Fleet(1e6, 1.0, small=(Replica(1, 0),), large=apart)
    splits = path([one()], fleet, [0.0, 0.5, 0.7, 0.9])
    assert [split.large_gpus for split in splits] == [2 + 9, 1 + 6, 1 + 3, 1 + 3]
    assert best_split([one()], fleet).saving == 10 * GPU_MONTH
    with pytest.raises(InputError, match="share out"):
        Fleet(1e6, 1.0, small=(Replica(1, 0),), large=apart[:1])


def test_the_best_moves_as_many_as_free_a_gpu_and_no_more():
    """Moving all loses 0.1 x 0.02 x 1e6 = 2,000; 100,000 requests free a GPU of 730 and lose 200."""
    worth = one(good=(0.8, 0.9), worth=0.02)
    assert worth.loss_per_request == pytest.approx(0.002)
    best = best_split([worth], FLEET)
    assert best.moved == (1.0,)
    assert best.net == pytest.approx(9 * GPU_MONTH - 2_000)
    dear = one(good=(0.8, 0.9), worth=0.08)  # a GPU of 730 loses 800: nothing moves
    assert best_split([dear], FLEET).moved_share == 0


def test_two_classes_the_easy_one_first():
    easy, hard = one("easy", 0.55, good=(0.9, 0.9)), one("hard", 0.45, good=(0.5, 0.9), worth=10.0)
    assert order_of_moving([hard, easy]) == [1, 0]
    best = best_split([hard, easy], FLEET)
    # 0.45 of ten GPUs is 4.5, five replicas: half a GPU's worth of easy requests fits in for nothing.
    assert best.moved[0] == 0
    assert (best.small_gpus, best.large_gpus) == (1, 5)
    assert best.moved_share == pytest.approx(0.5, abs=1e-4)
    assert best.loss == 0


def test_where_the_small_one_is_better_all_of_it_moves():
    better = one(good=(0.95, 0.9))
    assert better.loss_per_request < 0
    assert best_split([better], FLEET).moved == (1.0,)


one_drawn = st.tuples(
    st.floats(0.05, 1),
    st.floats(0.02, 2),
    st.floats(0.2, 4),
    st.floats(0.3, 1),
    st.floats(0.3, 1),
    st.floats(0, 0.2),
)
classes = st.lists(one_drawn, min_size=1, max_size=4)


def built(drawn) -> list[RequestClass]:
    total = sum(each[0] for each in drawn)
    return [
        RequestClass(str(index), each[0] / total, TEN * each[1], TEN * each[2], each[3], each[4], each[5])
        for index, each in enumerate(drawn)
    ]


@settings(deadline=None, max_examples=4)
@given(classes, st.integers(0, 2), st.integers(1, 4), st.floats(1, 1.5), st.floats(0.1, 0.9))
def test_no_share_of_a_grid_beats_the_best(drawn, spare, gpus, peak, prefill):
    found = built(drawn)
    large = (Replica(1, spare, prefill), Replica(gpus, spare, 1 - prefill))
    small = (Replica(2, spare, 0.5), Replica(1, spare, 0.5))
    fleet = Fleet(1e6, 1.0, small, large, peak_over_mean=peak)
    best = best_split(found, fleet)
    grid = path(found, fleet, [step / 20 for step in range(21)])
    assert best.net >= max(split.net for split in grid) - 1e-3
    assert best.net >= -1e-9
    before = split_of(found, fleet, [0.0] * len(found)).cost
    for split in (best, *grid):
        assert split.cost == pytest.approx(before - split.saving)
        assert split.net == pytest.approx(split.saving - split.loss)


@given(classes, st.floats(0, 1))
def test_replicas_hold_the_load(drawn, share):
    found = built(drawn)
    split = path(found, FLEET, [share])[0]
    pairs = zip(found, split.moved, strict=True)
    load = sum(each.share * (1 - moved) * each.large_gpu_seconds for each, moved in pairs)
    assert load * 1e6 <= split.large_gpus * SECONDS_PER_MONTH * (1 + 1e-6)
    assert split.moved_share == pytest.approx(share)


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="sum to"):
        best_split([one(share=0.5)], FLEET)
    with pytest.raises(InputError, match="small_quality"):
        one(good=(90, 0.9))
    with pytest.raises(InputError, match="no traffic"):
        Fleet(0, 1.0, (Replica(1),), (Replica(1),))
    one_class = "{name: a, share: %s, input_tokens: 9, output_tokens: 1, quality: %s}"
    text = "{requests_per_month: 10, classes: [" + one_class + "]}"
    for share, quality, said in (
        ("0.5", "{small: 1, large: 1}", "sum to 0.5"),
        ("100", "{small: 1, large: 1}", "share from 0 to 1"),
        ("1", "{small: 1}", "'large' is missing"),
        ("some", "{small: 1, large: 1}", "not a share"),
    ):
        with pytest.raises(InputError, match=said) as failure:
            kinds_from(parse_yaml(text % (share, quality), "classes.yaml"))
        assert failure.value.where == "classes.yaml:1"


def test_shares_and_counts_are_read_as_everywhere():
    one_class = (
        "{name: a, share: 100%, input_tokens: 2k, cached_share: 75%, output_tokens: 1, quality: {small: 90%,"
        " large: 1}, value_of_good: 1}"
    )
    found = kinds_from(parse_yaml("{requests_per_month: 30M, classes: [" + one_class + "]}", "a.yaml"))
    kind = found.kinds[0]
    assert (found.requests_per_month, kind.input_tokens, kind.cached_share) == (30e6, 2_000, 0.75)
    assert (kind.small_quality, kind.left_out) == (0.9, ("loss_of_bad",))
    with pytest.raises(InputError, match=r"'175%' is not a share"):
        kinds_from(
            parse_yaml("{requests_per_month: 1, classes: [" + one_class.replace("75", "175") + "]}", "a")
        )
