"""Step times: laws of physics, layouts, what fits, speed, and published measurements that no fit saw."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakeven.errors import InputError, UsageError
from breakeven.serving.architecture import Architecture, architecture
from breakeven.serving.closed_loop import closed_loop
from breakeven.serving.communication import sent
from breakeven.serving.constants import shipped_constants
from breakeven.serving.hardware import accelerator
from breakeven.serving.layout import Layout
from breakeven.serving.memory import least_gpus, most_sequences, refuse_misfit
from breakeven.serving.rates import Situation, terms
from breakeven.serving.step import StepTime, decode_step, prefill
from breakeven.serving.step_work import decode_work, prefill_work

LLAMA, DEEPSEEK = architecture("llama-3.1-70b"), architecture("deepseek-v3")
H100, H20, H800 = accelerator("h100"), accelerator("h20"), accelerator("h800")


@pytest.mark.parametrize("text", ["TP8", "DP8 EP8", "TP4 EP4", "TP2 DP4 EP8 PP2", "TP1"])
def test_layouts_read_as_they_are_written(text: str):
    assert str(Layout.parse(text)) == text


@pytest.mark.parametrize("text", ["", "8", "TP0", "TP4 EP3", "XP8"])
def test_no_layouts(text: str):
    with pytest.raises(InputError):
        Layout.parse(text)


def test_a_dense_step_reads_all_weights_once():
    work = decode_work(LLAMA, H100, Layout(tensor=4), 8, 1024, precision="bf16")
    read = LLAMA.touched_weight_bytes(1, "bf16") / 4 / H100.bandwidth_bytes_per_second
    assert float(work.weights_seconds) == pytest.approx(float(read))


def test_attention_apart_replicates_what_is_not_an_expert():
    tensor = decode_work(DEEPSEEK, H100, Layout(8, 8), 64, 1024, precision="fp8")
    apart = decode_work(DEEPSEEK, H100, Layout(1, 8, 8), 64, 1024, precision="fp8")
    common = DEEPSEEK.common_weight_bytes("fp8") / H100.bandwidth_bytes_per_second
    assert float(apart.weights_seconds - tensor.weights_seconds) == pytest.approx(common * 7 / 8)
    # every rank of a tensor group holds the latent cache whole; groups apart hold their own sequences only
    assert float(tensor.kv_seconds / apart.kv_seconds) == pytest.approx(8)


def test_all_to_all_leaves_the_server_only_when_experts_do():
    tokens = np.asarray(128.0)
    assert float(sent(DEEPSEEK, H800, Layout(1, 8, 8), tokens, "decode").network_bytes) == 0
    wide = sent(DEEPSEEK, H800, Layout(1, 128, 128), tokens, "decode")
    assert float(wide.network_bytes) == pytest.approx(58 * 128 * 7168 * 3 * 8 * 15 / 16)
    prompt = sent(DEEPSEEK, H800, Layout(1, 128, 128), tokens, "prefill")
    assert float(prompt.network_bytes) == pytest.approx(58 * 128 * 7168 * 3 * 4 * 15 / 16)  # four servers


@given(st.floats(1, 512), st.floats(1.01, 4), st.floats(256, 60_000), st.sampled_from([1, 2, 4, 8]))
def test_a_longer_or_larger_batch_never_takes_less(batch: float, more: float, context: float, tensor: int):
    def step(sequences: float, tokens: float) -> float:
        return float(decode_step(LLAMA, H100, Layout(tensor), sequences, tokens, precision="fp8").seconds)

    assert step(batch * more, context) > step(batch, context)
    # the smooth correction by context may undo a little of what the longer cache adds
    assert step(batch, context * more) > 0.9 * step(batch, context)


@given(st.floats(64, 100_000), st.floats(1.05, 4))
def test_a_longer_prompt_takes_longer_and_a_cached_one_less(new: float, more: float):
    long = float(prefill(LLAMA, H100, Layout(4), new * more, precision="fp8").seconds)
    assert long > float(prefill(LLAMA, H100, Layout(4), new, precision="fp8").seconds)
    cached = float(prefill(LLAMA, H100, Layout(4), new, new * (more - 1), precision="fp8").seconds)
    assert cached < long


def test_parts_sum_and_keep_their_shape():
    found = decode_step(DEEPSEEK, H800, Layout(1, 32, 32), np.ones((3, 1)) * 640, np.ones((1, 5)) * 4096)
    assert found.seconds.shape == (3, 5)
    assert np.allclose(sum(found.parts.values()), found.seconds)
    assert all((part >= 0).all() for part in found.parts.values())


def test_no_step_beats_the_printed_peaks():
    for model, layout in ((LLAMA, Layout(4)), (DEEPSEEK, Layout(8))):
        work = decode_work(model, H100, layout, 64, 4096, precision="fp8")
        time_taken = decode_step(model, H100, layout, 64, 4096, precision="fp8").seconds
        assert float(time_taken) > float(work.weights_seconds + work.kv_seconds)
        asked = prefill_work(model, H100, layout, 8192, precision="fp8")
        assert float(prefill(model, H100, layout, 8192, precision="fp8").seconds) > float(
            asked.linear_seconds + asked.attention_seconds
        )


def test_weights_that_do_not_fit_say_how_many_gpus_would():
    needed = least_gpus(DEEPSEEK, H100, "fp8")
    with pytest.raises(UsageError, match=f"need {needed} GPUs"):
        refuse_misfit(DEEPSEEK, H100, Layout(8), "fp8")
    with pytest.raises(UsageError):
        closed_loop(DEEPSEEK, H100, Layout(8), 4, 1024, 1024, precision="fp8")
    assert float(most_sequences(DEEPSEEK, H100, Layout(8), 1024, precision="fp8")) == 0


def test_what_memory_does_not_hold_waits():
    few = closed_loop(LLAMA, H100, Layout(1), 4, 1024, 8192, precision="fp8", engine="vllm")
    many = closed_loop(LLAMA, H100, Layout(1), 256, 1024, 8192, precision="fp8", engine="vllm")
    assert float(many.running) < 20
    assert float(many.ttft_seconds) > 100 * float(few.ttft_seconds)


def test_the_share_before_the_first_token_moves_time_but_not_throughput():
    found = closed_loop(LLAMA, H100, Layout(2), 64, 1024, 1024, precision="fp8", engine="vllm")
    life = found.ttft_seconds + 1023 * found.tpot_seconds
    assert float(found.output_tokens_per_second_per_gpu) == pytest.approx(float(64 * 1024 / life / 2))


def test_an_unknown_engine_is_the_average_of_those_measured():
    names = [name for name in shipped_constants().constants if name.startswith("layer_seconds.")]
    situation = Situation(LLAMA, H100, Layout(2), "fp8", "", np.asarray(8.0), np.asarray(1024.0))
    used = {name for parts in terms(situation).values() for name in parts}
    assert used & set(names) == {"layer_seconds.hopper"}


def _step_per_gpu(
    model: Architecture, gpu: str, layout: Layout, batch: int, context: int, precision: str
) -> float:
    found: StepTime = decode_step(
        model, accelerator(gpu), layout, batch * layout.gpus, context,
        precision=precision,  # pyright: ignore[reportArgumentType]
    )  # fmt: skip
    return batch / float(found.seconds)


def _prefill_per_gpu(model: Architecture, gpu: str, layout: Layout, precision: str) -> float:
    """16,384 tokens a GPU, in prompts of 4,096: as InferSim's and DeepSeek's profiles have it."""
    found = prefill(
        model, accelerator(gpu), layout, 4096, prompts=4 * layout.gpus,
        precision=precision,  # pyright: ignore[reportArgumentType]
    )  # fmt: skip
    return 16_384 / float(found.seconds)


def test_infersim_actuals_that_no_fit_saw():
    """alibaba/InferSim's README and examples; no H20 or H800 is among the fitted points.

    Prefill of DeepSeek-V3 misses: engines measured on DeepSeek-R1 prefill slower than DeepSeek's own.
    """
    small, moe = architecture("qwen3-8b"), architecture("qwen3-30b-a3b")
    assert _step_per_gpu(small, "h20", Layout(), 64, 5120, "fp8") == pytest.approx(2682, rel=0.2)
    assert _step_per_gpu(moe, "h20", Layout(1, 4, 4), 100, 5120, "bf16") == pytest.approx(2749, rel=0.2)
    assert _step_per_gpu(DEEPSEEK, "h800", Layout(1, 128, 128), 128, 4096, "fp8") == pytest.approx(
        2324, rel=0.2
    )
    assert _prefill_per_gpu(small, "h20", Layout(), "fp8") == pytest.approx(15_061, rel=0.2)
    assert _prefill_per_gpu(moe, "h20", Layout(), "bf16") == pytest.approx(16_594, rel=0.2)
    assert _prefill_per_gpu(DEEPSEEK, "h800", Layout(1, 32, 32), "fp8") == pytest.approx(7839, rel=0.35)


def test_a_hundred_thousand_configurations_in_three_seconds():
    batches = np.linspace(1, 512, 1_000)
    began = time.perf_counter()
    for tensor in (1, 2, 4, 8):
        for context in np.geomspace(1024, 131_072, 25):
            closed_loop(LLAMA, accelerator("b200"), Layout(tensor), batches, context, 1024, precision="fp8")
    assert time.perf_counter() - began < 3
