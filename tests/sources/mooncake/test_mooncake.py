"""Cached tokens follow from shared prefixes, exactly and whatever the order of the file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakeven.errors import InputError, UsageError
from breakeven.sources.mooncake import Request, cached_tokens

from ..samples import rows_of

TRACE = (
    Path(__file__).parents[4] / "shared" / "data" / "traces" / "mooncake_fast25_conversation_trace.jsonl.gz"
)


@st.composite
def traces(draw):
    """Requests at different times, whose blocks chain as a prefix tree does."""
    prefixes = draw(st.lists(st.lists(st.integers(0, 2), max_size=5), min_size=1, max_size=12))
    names = {}
    requests = []
    for number, steps in enumerate(prefixes, 1):
        path = [tuple(steps[: i + 1]) for i in range(len(steps))]
        blocks = tuple(names.setdefault(step, len(names)) for step in path)
        last = draw(st.integers(1, 512))
        tokens = (len(blocks) - 1) * 512 + last if blocks else 0
        requests.append(Request(number, number * 10, tokens, 1, blocks))
    return requests


@given(traces(), st.randoms())
def test_the_order_of_the_file_is_irrelevant(requests, random):
    shuffled = list(requests)
    random.shuffle(shuffled)
    assert cached_tokens(shuffled) == cached_tokens(requests)


@given(traces())
def test_cached_is_the_longest_prefix_any_earlier_request_shares(requests):
    """The same answer by comparing every pair of requests."""
    for i, request in enumerate(requests):
        longest = 0
        for earlier in requests[:i]:
            pairs = zip(request.blocks, earlier.blocks, strict=False)
            same = next((n for n, (a, b) in enumerate(pairs) if a != b), None)
            shared = min(len(request.blocks), len(earlier.blocks)) if same is None else same
            longest = max(longest, shared)
        assert cached_tokens(requests)[request.number] == min(longest * 512, request.input_tokens)


def test_options_choose_start_model_and_block(tmp_path):
    trace = tmp_path / "t.jsonl"
    record = '{"timestamp": %d, "input_length": 150, "output_length": 1, "hash_ids": [1, %d]}\n'
    trace.write_text(record % (0, 2) + record % (60_000, 3))
    rows = rows_of(
        "mooncake", trace, start="2024-05-01T00:00:00Z", model="k1", block_tokens="100", trace="day"
    )
    assert [row["at"] for row in rows] == ["2024-05-01T00:00:00+00:00", "2024-05-01T00:01:00+00:00"]
    assert [row["source_id"] for row in rows] == ["day:1", "day:2"]
    assert [row["cached_input_tokens"] for row in rows] == [0, 100]
    assert {row["model"] for row in rows} == {"k1"}


@pytest.mark.parametrize(
    "options",
    [
        {"start": "2024-05-01"},
        {"start": "soon"},
        {"block_tokens": "0"},
        {"block_tokens": "1.5"},
        {"colour": "x"},
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options, tmp_path):
    (tmp_path / "t.jsonl").write_text(
        '{"timestamp": 0, "input_length": 1, "output_length": 1, "hash_ids": []}\n'
    )
    with pytest.raises(UsageError, match=next(iter(options))):
        rows_of("mooncake", tmp_path / "t.jsonl", **options)


def test_another_file_is_not_taken_for_a_trace(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"prompt": "hello"}\n')
    with pytest.raises(InputError, match=r"t\.jsonl:1: not a Mooncake trace"):
        rows_of("mooncake", tmp_path / "t.jsonl")


@pytest.mark.shared_data
@pytest.mark.skipif(not TRACE.exists(), reason="the traces lie beside the project, not in it")
def test_the_real_trace_adds_up():
    rows = rows_of("mooncake", TRACE)
    assert len(rows) == 12_031
    assert all("unread" not in row for row in rows)
    sums = {
        name: sum(row[name] for row in rows)
        for name in ("uncached_input_tokens", "cached_input_tokens", "output_tokens")
    }
    assert sums == {
        "uncached_input_tokens": 90_695_412,
        "cached_input_tokens": 54_098_411,
        "output_tokens": 4_122_048,
    }
    assert Counter(row["model"] for row in rows) == {
        "moonshot-v1-8k": 6_461,
        "moonshot-v1-32k": 4_724,
        "moonshot-v1-128k": 846,
    }
