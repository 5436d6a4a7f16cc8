"""Step times: laws of physics, layouts, what fits, speed, and published measurements that no fit saw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakeven.errors import InputError, UsageError
from breakeven.serving.architecture import architecture
from breakeven.serving.closed_loop import closed_loop
from breakeven.serving.communication import sent
from breakeven.serving.constants import shipped_constants
from breakeven.serving.hardware import Accelerator, accelerator
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


def test_a_batch_across_servers_is_halved_only_where_that_is_quicker():
    near = replace(H800, link_domain_gpus=16)
    slow = replace(H800, network_bytes_per_second=10e9)
    layout = Layout(data=16, expert=16)

    def step(gpu: Accelerator, sequences: float) -> StepTime:
        return decode_step(DEEPSEEK, gpu, layout, sequences, 500, precision="fp8")

    small, large = step(H800, 16.0), step(slow, 16.0 * 150)
    assert float(small.weights) == pytest.approx(float(step(near, 16.0).weights))  # whole: read once
    assert float(small.communication) > 0
    assert float(large.weights) == pytest.approx(2 * float(step(near, 16.0 * 150).weights))  # read by each
    assert float(large.communication) < 0.8 * float(large.seconds)
