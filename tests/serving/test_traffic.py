"""Traffic is read as it is meant: lengths, rates, shares, units; what cannot be is refused with a remedy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakeven.errors import InputError, UsageError
from breakeven.report.serving.traffic_files import read_traffic
from breakeven.serving.published_day import DAY
from breakeven.serving.traffic import Traffic, traffic_of_requests
from breakeven.serving.traffic_named import named_traffic, traffic_names

TRACES = Path(__file__).parents[3] / "shared/data/traces"


def test_lengths_and_a_rate():
    found = named_traffic("4000/1000@50rps")
    assert (found.input_tokens, found.output_tokens, found.requests_per_second) == (4000, 1000, 50)
    assert named_traffic("128k/2_000").input_tokens == 128_000
    assert named_traffic("chat@86400rpd").requests_per_second == 1.0


@pytest.mark.parametrize("name", traffic_names())
def test_every_shipped_traffic_says_where_it_is_from(name: str):
    found = named_traffic(name)
    assert found.name == name
    assert "202" in found.source


def test_deepseek_day_is_the_published_one():
    day = named_traffic("deepseek-day")
    assert day.requests_per_second * day.input_tokens * 86_400 == pytest.approx(DAY.input_tokens, rel=1e-4)
    assert day.requests_per_second * day.output_tokens * 86_400 == pytest.approx(DAY.output_tokens, rel=1e-4)
    assert day.decode_context_tokens == pytest.approx(DAY.mean_kv_tokens, rel=1e-4)
    assert day.cached_share == DAY.cached_tokens / DAY.input_tokens


@pytest.mark.shared_data
@pytest.mark.skipif(not TRACES.exists(), reason="the data beside the project are absent")
@pytest.mark.parametrize(
    ("file", "name"),
    [
        pytest.param("mooncake_fast25_conversation_trace.jsonl.gz", "kimi-hour", marks=pytest.mark.slow),
        ("azure_llm_2023_conv.csv.gz", "azure-hour"),
    ],
)
def test_shipped_summaries_are_those_of_their_traces(file: str, name: str):
    read, shipped = read_traffic(str(TRACES / file)), named_traffic(name)
    for field in ("input_tokens", "output_tokens", "requests_per_second", "input_spread", "output_spread"):
        assert getattr(read, field) == pytest.approx(getattr(shipped, field), rel=1e-3), field
    assert read.cached_share == pytest.approx(shipped.cached_share, abs=1e-3)
    assert read.length_correlation == pytest.approx(shipped.length_correlation, abs=1e-3)


@given(st.lists(st.tuples(st.integers(1, 50_000), st.integers(1, 5_000)), min_size=2, max_size=30))
def test_the_running_context_is_that_of_all_requests_weighted_by_their_output(lengths: list[tuple[int, int]]):
    inputs, outputs = np.array(lengths, dtype=float).T
    found = traffic_of_requests("t", np.arange(len(lengths)), inputs, outputs)
    counted = (outputs * (inputs + outputs / 2)).sum() / outputs.sum()
    assert found.decode_context_tokens == pytest.approx(counted, rel=1e-9)


@given(st.floats(0.05, 1.5))
def test_the_nodes_of_a_spread_have_its_mean_and_spread(spread: float):
    multiples, weights = Traffic("t", 1_000, 10, input_spread=spread).input_nodes()
    assert weights @ multiples == pytest.approx(1.0)
    assert np.sqrt(weights @ (multiples - 1) ** 2) == pytest.approx(spread, rel=0.12)


def test_a_profile_file(tmp_path: Path):
    file = tmp_path / "day.yaml"
    hours = [1] * 12 + [3] * 12
    file.write_text(f"input_tokens: 3000\noutput_tokens: 500\ncached_share: 40%\nhourly: {hours}\n", "utf-8")
    found = read_traffic(str(file))
    assert (found.name, found.cached_input_tokens) == ("day", 1_200)
    assert (found.hourly[0], found.hourly[-1]) == (0.5, 1.5)
    file.write_text("input_tokens: 3000\n\noutputs: 500\n", "utf-8")
    with pytest.raises(InputError, match=r"day\.yaml:3"):
        read_traffic(str(file))


def test_a_trace_with_a_bad_row_names_it(tmp_path: Path):
    file = tmp_path / "t.csv"
    file.write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,374,44\n2023-11-16 18:15:50,many,4\n"
    )
    with pytest.raises(InputError, match=r"t\.csv:2: not a request"):
        read_traffic(str(file))
    file.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,374,44\n")
    with pytest.raises(InputError, match="have the same time"):
        read_traffic(str(file))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("4000", "cannot read the traffic"),
        ("4000/1000@fast", "cannot read the rate"),
        ("-4/1000", "input_tokens cannot be -4"),
        ("4000/0", "without output"),
        ("0/1000", "without input"),
        ("4000/1000@0", "zero requests per second"),
        ("608000m/168000m", "of one request"),
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(text: str, words: str):
    with pytest.raises((InputError, UsageError), match=words) as found:
        read_traffic(text)
    assert found.value.remedy


def test_shares_and_spreads_out_of_range():
    plain = Traffic("t", 100, 10)
    for field, value in (
        ("cached_share", 40.0), ("input_spread", -1.0), ("length_correlation", 2.0), ("hourly", (1.0,)),
        ("hourly", (0.0,) * 24), ("requests_per_second", -1.0),
    ):  # fmt: skip
        with pytest.raises(InputError) as found:
            replace(plain, **{field: value})
        assert found.value.remedy


def test_characters():
    assert Traffic("t", 10_000, 1_000).from_characters(0.6).output_tokens == 600
    with pytest.raises(InputError):
        Traffic("t", 10_000, 1_000).from_characters(60)
