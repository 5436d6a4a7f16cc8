"""One long prompt: what it holds and takes, by kind of attention; and how the command says it."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakeven.cli.main import main
from breakeven.cli.serving_context import lengths
from breakeven.errors import InputError, UsageError
from breakeven.report.phrases import chinese
from breakeven.serving.architecture import architecture
from breakeven.serving.deployment import Deployment
from breakeven.serving.hardware import accelerator
from breakeven.serving.long_context import LongPrompt, long_context
from breakeven.serving.target import Derate, Target

MODELS = ("llama-3.1-70b", "qwen3-32b", "gpt-oss-120b", "deepseek-v3", "deepseek-v3.2", "qwen3.5-397b-a17b")


def deployed(name: str, gpu: str = "h200", kv: str = "bf16", precision: str = "fp8") -> Deployment:
    kinds: Any = (precision, kv)
    return Deployment(architecture(name), accelerator(gpu), *kinds)


@pytest.mark.parametrize("name", MODELS)
def test_a_longer_prompt_takes_more(name: str) -> None:
    found = [long_context(deployed(name), LongPrompt(tokens)) for tokens in (8e3, 128e3, 1e6)]
    for shorter, longer in pairwise(found):
        assert longer.kv_bytes > shorter.kv_bytes
        assert longer.gpu_seconds.value > shorter.gpu_seconds.value
        assert longer.attention_share > shorter.attention_share
        assert longer.least_gpus >= shorter.least_gpus


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(MODELS), st.floats(2_000, 3e6), st.sampled_from(["bf16", "fp8"]))
def test_shares_and_intervals_are_in_bounds(name: str, tokens: float, kv: str) -> None:
    found = long_context(deployed(name, kv=kv), LongPrompt(tokens))
    assert 0 <= found.batch_beside <= found.usual_batch
    assert 0 <= found.blocked_share <= 1
    assert 0 < found.attention_share < 1
    assert found.layout.gpus >= found.least_gpus or found.layout.gpus >= 1
    for part in (found.gpu_seconds, found.cached_gpu_seconds, found.decode_gpu_seconds, found.step_seconds):
        assert 0 < part.low <= part.value <= part.high
    assert found.cached_gpu_seconds.value <= found.gpu_seconds.value * 1.5


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(MODELS), st.floats(20_000, 1e6))
def test_a_cached_prompt_is_cheaper(name: str, tokens: float) -> None:
    found = long_context(deployed(name), LongPrompt(tokens))
    assert found.cached_gpu_seconds.value < found.gpu_seconds.value
    assert found.cached_prefill_seconds.value < found.prefill_seconds.value
    assert found.load_seconds < found.cached_prefill_seconds.high


def test_half_the_bytes_hold_half() -> None:
    for name in ("llama-3.1-70b", "deepseek-v3"):
        full, half = (long_context(deployed(name, kv=kv), LongPrompt(1e6)) for kv in ("bf16", "fp8"))
        assert half.kv_bytes == full.kv_bytes / 2
        assert half.least_gpus <= full.least_gpus


def test_the_parts_are_the_whole() -> None:
    found = long_context(deployed("deepseek-v3"), LongPrompt(5e5))
    whole, parts = found.gpu_seconds, (found.prefill_gpu_seconds, found.decode_gpu_seconds)
    for bound in ("low", "value", "high"):
        assert getattr(whole, bound) == sum(getattr(part, bound) for part in parts)


def test_places_taken_are_those_of_its_memory() -> None:
    """On one GPU, with nothing promised, others lose as many places as its cache would have held."""
    prompt = LongPrompt(1e5, usual_tokens=2_000)
    found = long_context(deployed("qwen3-32b"), prompt, Target(tpot_seconds=math.inf), most_gpus=1)
    assert found.layout.gpus == 1
    places = float(architecture("qwen3-32b").kv_bytes(prompt.longest_context)) / float(
        architecture("qwen3-32b").kv_bytes(prompt.usual_tokens)
    )
    assert found.usual_batch - found.batch_beside == pytest.approx(places, rel=1e-6)


def test_an_answer_alone_takes_the_whole_replica() -> None:
    """Where nothing else fits beside it, its GPU time is its own steps on all GPUs."""
    prompt = LongPrompt(2.9e5, output_tokens=500, usual_tokens=2.9e5)
    found = long_context(deployed("qwen3-32b"), prompt, Target(tpot_seconds=math.inf), most_gpus=1)
    assert found.batch_beside == 0
    assert found.decode_gpu_seconds.value == pytest.approx(500 * found.step_seconds.value * found.layout.gpus)


def test_the_derate_divides() -> None:
    plain = long_context(deployed("qwen3-32b"), LongPrompt(1e5))
    slow = long_context(deployed("qwen3-32b"), LongPrompt(1e5), derate=Derate(0.5, 0.5))
    assert slow.gpu_seconds.value == pytest.approx(2 * plain.gpu_seconds.value)


def test_what_no_replica_holds_says_how_many_would() -> None:
    with pytest.raises(UsageError, match="3,277 GB of keys and values") as refused:
        long_context(deployed("llama-3.1-70b", gpu="l40s"), LongPrompt(1e7), most_gpus=16)
    assert "would fill" in refused.value.cause
    for text in (refused.value.what, refused.value.cause, refused.value.remedy):
        assert chinese(text) != text


def test_a_promise_nobody_keeps() -> None:
    with pytest.raises(UsageError, match="no layout that holds the prompt keeps"):
        long_context(deployed("llama-3.1-70b"), LongPrompt(1e5), Target(tpot_seconds=0.001))


@pytest.mark.parametrize("tokens", [0, -5, math.nan, math.inf, 1e12])
def test_lengths_that_no_request_has(tokens: float) -> None:
    with pytest.raises(InputError) as refused:
        LongPrompt(tokens)
    assert chinese(refused.value.remedy) != refused.value.remedy


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "1k..", "5..2", "nan", "200M", "1,2,x"])
def test_texts_that_are_no_lengths(text: str) -> None:
    with pytest.raises(UsageError):
        lengths(text, "--tokens")


@given(st.text(max_size=20))
def test_any_text_is_lengths_or_a_refusal(text: str) -> None:
    try:
        found = lengths(text, "--tokens")
    except UsageError:
        return
    assert all(1 <= length <= 1e8 for length in found)


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["serving", "context", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_two_million_characters_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = asked(
        capsys, "--model", "llama-3.1-70b", "--model", "deepseek-v3.2", "--gpu", "h200", "--characters", "2M",
        "--gpu-price", "2", "--json",
    )  # fmt: skip
    assert code == 0
    answer = json.loads(out)
    costs = [row for row in answer["rows"] if row["table"] == "context_cost"]
    assert {row["tokens"] for row in costs} == {1_200_000}
    assert [(row["model"], row["kv"]) for row in costs] == [
        ("llama-3.1-70b", "bf16"),
        ("llama-3.1-70b", "fp8"),
        ("deepseek-v3.2", "bf16"),
        ("deepseek-v3.2", "fp8"),
    ]
    for row in costs:
        low, cost, high = (float(row[key]) for key in ("low", "cost", "high"))
        assert 0 < float(row["cached"]) < low < cost < high
        assert cost == pytest.approx(float(row["prefill"]) + float(row["answer"]), rel=2e-3)
    assert answer["currency"] == "USD"


def test_in_both_languages(capsys: pytest.CaptureFixture[str]) -> None:
    flags = (
        "--model",
        "qwen3-32b",
        "--gpu",
        "h20",
        "--gpu-price",
        "7",
        "--currency",
        "CNY",
        "--tokens",
        "8k..1M",
    )
    english, chinese_text = (asked(capsys, *flags, "--lang", language)[1] for language in ("en", "zh"))
    assert "places taken" in english
    assert "占用位置" in chinese_text
    assert "was made for 40,960 tokens" in english
    assert "The price of a long prompt" not in chinese_text


def test_nothing_fits_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = asked(
        capsys, "--model", "llama-3.1-405b", "--gpu", "l40s", "--gpu-price", "1", "--tokens", "1M",
        "--most-gpus", "8",
    )  # fmt: skip
    assert code == 2
    assert not out
    assert "no replica of up to 8 l40s has that room" in err


def test_what_fits_and_what_does_not_stand_in_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = asked(
        capsys, "--model", "qwen3-32b", "--gpu", "h200", "--gpu-price", "2", "--tokens", "8k,10M",
        "--kv", "bf16", "--most-gpus", "2", "--json",
    )  # fmt: skip
    assert code == 0
    answer = json.loads(out)
    short, long = (row for row in answer["rows"] if row["table"] == "context_cost")
    assert short["cost"] is not None
    assert long["cost"] is None
    assert any(warning["code"] == "too_long" for warning in answer["warnings"])
