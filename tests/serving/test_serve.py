"""The answer keeps what it promises, adds up, moves the right way, and says why when there is none."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakeven.errors import InputError, UsageError
from breakeven.serving.architecture import architecture
from breakeven.serving.cases import Cases
from breakeven.serving.deployment import Deployment
from breakeven.serving.frontier import TPOT_MS, cheapest, frontier_gpu_seconds
from breakeven.serving.hardware import accelerator
from breakeven.serving.layout import Layout
from breakeven.serving.layouts import USUAL_MOST_GPUS, layouts
from breakeven.serving.published_day import DAY, predicted_day, reached_of_model
from breakeven.serving.serve import serve
from breakeven.serving.speculation import Speculation
from breakeven.serving.steady_state import aggregated, decode_apart, prefill_apart
from breakeven.serving.step import decode_step, prefill
from breakeven.serving.sweep import sweep
from breakeven.serving.target import Derate, Target
from breakeven.serving.traffic import Traffic

LLAMA, H100 = architecture("llama-3.1-70b"), accelerator("h100")
MIX = Traffic("mix", 4_000, 1_000, cached_share=0.25)


def llama(**more: object):
    given = {"traffic": MIX, "target": Target(2.0, 0.05), "precision": "fp8"} | more
    return serve(LLAMA, H100, given.pop("traffic"), given.pop("target"), **given)


DEPLOYMENT = Deployment(LLAMA, H100, "fp8")


@pytest.mark.parametrize("mode", ["aggregated", "disaggregated"])
def test_the_parts_add_up(mode: str):
    served = llama(mode=mode)
    by_class = served.work.gpu_seconds(3_000, 1_000, 1_000)
    assert by_class == pytest.approx(served.gpu_seconds_per_request.value, rel=1e-9)
    assert sum(pool.gpu_seconds_per_request for pool in served.pools) == pytest.approx(by_class, rel=1e-9)
    assert sum(served.parts.values()) == pytest.approx(1.0)
    assert served.tokens_per_second_per_gpu.value * by_class == pytest.approx(1_000)
    assert served.mode == mode


@pytest.mark.parametrize("mode", ["aggregated", "disaggregated"])
@pytest.mark.parametrize("percentile", [0.5, 0.9, 0.99])
def test_the_target_is_kept_and_used(mode: str, percentile: float):
    served = llama(mode=mode, target=Target(2.0, 0.04, percentile))
    assert served.ttft_seconds.value <= 2.0 * 1.0001
    assert served.tpot_seconds.value <= 0.04 * 1.0001
    assert all(pool.limit != "memory_capacity" or pool.utilisation > 0.99 for pool in served.pools)


def test_intervals_hold_their_middle():
    served = llama()
    for one in (
        served.work.uncached_input, served.work.cached_input, served.work.output, served.ttft_seconds,
        served.tpot_seconds, served.tokens_per_second_per_gpu, served.gpu_seconds_per_request,
    ):  # fmt: skip
        assert 0 < one.low < one.value < one.high


def test_little_and_the_share_of_prefill():
    """By hand, for one layout: what runs is what arrives times how long it stays."""
    cases = Cases.of([MIX], [Target(2.0, 0.05, 0.5)])
    found = aggregated(DEPLOYMENT, Layout(tensor=4), cases)
    # At the median the percentile is the mean, so the promised TPOT is the mean one.
    assert found.batch[0] == pytest.approx(
        found.requests_per_second[0] * 1_000 * found.tpot_seconds[0], rel=1e-9
    )
    step = float(DEPLOYMENT.decode(Layout(tensor=4), found.batch, MIX.decode_context_tokens).seconds[0])
    assert step / (1 - found.prefill_share[0]) == pytest.approx(found.tpot_seconds[0], rel=1e-9)
    whole = 4 / found.requests_per_second[0]
    assert found.gpu_seconds()[0] == pytest.approx(whole, rel=1e-9)


def test_a_brute_search_finds_no_larger_batch():
    cases = Cases.of([MIX], [Target(math.inf, 0.03, 0.9)])
    found = decode_apart(DEPLOYMENT, Layout(tensor=4), cases)
    batches = np.linspace(1, 400, 20_000)
    at = batches + 1.2815515655446004 * np.sqrt(batches)
    times = DEPLOYMENT.decode(Layout(tensor=4), at, MIX.decode_context_tokens).seconds
    assert found.batch[0] == pytest.approx(batches[times <= 0.03].max(), abs=0.05)


@settings(deadline=None, max_examples=15)
@given(st.floats(0.015, 0.08), st.floats(1.1, 2.0))
def test_a_slower_promise_never_costs_more(tpot: float, slower: float):
    cases = Cases.of([MIX], [Target(3.0, tpot), Target(3.0, tpot * slower), Target(3.0 * slower, tpot)])
    found = sweep(DEPLOYMENT, [Layout(tensor=2), Layout(tensor=4), Layout(tensor=8)], cases).gpu_seconds
    assert found[1] <= found[0] * 1.001
    assert found[2] <= found[0] * 1.001


def test_a_higher_percentile_costs_more_and_spread_lengths_too():
    assert (
        llama(target=Target(2.0, 0.05, 0.99)).requests_per_second_per_gpu
        < llama().requests_per_second_per_gpu
    )
    spread = replace(MIX, input_spread=1.3, output_spread=0.7)
    assert llama(traffic=spread).requests_per_second_per_gpu < llama().requests_per_second_per_gpu


def test_cached_input_is_cheaper_than_computed_and_not_free():
    work = llama().work
    assert 0 < work.cached_input.value < work.uncached_input.value
    none = llama(traffic=replace(MIX, cached_share=0.0)).work
    assert none.cached_input.value > 0
    everything = llama(traffic=replace(MIX, cached_share=1.0)).work
    assert everything.uncached_input.value > everything.cached_input.value > 0


def test_a_derate_multiplies_the_work_of_its_phase():
    plain, both = llama(mode="disaggregated"), llama(mode="disaggregated", derate=Derate(0.5, 0.8))
    assert both.pools[0].gpu_seconds_per_request == pytest.approx(
        plain.pools[0].gpu_seconds_per_request / 0.5
    )
    assert both.pools[1].gpu_seconds_per_request == pytest.approx(
        plain.pools[1].gpu_seconds_per_request / 0.8
    )
    assert both.tpot_seconds == plain.tpot_seconds


def test_gpus_are_whole_replicas():
    served = llama(traffic=MIX.at_rate(37.0))
    assert served.gpus == served.gpus_for(37.0)
    assert served.gpus % served.pools[0].gpus_per_replica == 0 or served.mode == "disaggregated"
    assert served.gpus >= 37.0 * served.gpu_seconds_per_request.value
    assert llama(traffic=MIX.at_rate(370.0)).gpus < 10 * served.gpus * 1.05


def test_speculation_yields_more_tokens_where_steps_have_room():
    alone = Traffic("t", 4_000, 1_000)
    plain = llama(traffic=alone, target=Target(2.0, 0.02), mode="disaggregated")
    drafted = llama(
        traffic=alone,
        target=Target(2.0, 0.02),
        mode="disaggregated",
        speculation=Speculation(1, acceptance=0.85),
    )
    assert drafted.tokens_per_second_per_gpu.value > plain.tokens_per_second_per_gpu.value


@given(st.integers(1, 10), st.floats(0.0, 1.0))
def test_tokens_per_step_are_counted_draft_by_draft(drafts: int, chance: float):
    assert Speculation(drafts, chance).tokens_per_step == pytest.approx(
        sum(chance**n for n in range(drafts + 1))
    )


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Speculation(2), "acceptance"),
        (lambda: Speculation(-1), "drafts"),
        (lambda: Speculation(1, accepted_length=2.5), "yield"),
        (lambda: Speculation(1, acceptance=1.5), "acceptance"),
        (lambda: Target(-1.0), "ttft_seconds"),
        (lambda: Target(percentile=90), "percentile"),
        (lambda: Derate(prefill=0.0), "prefill"),
        (lambda: Derate(decode=80), "decode"),
    ],
)
def test_promises_that_cannot_be_are_refused(make: object, field: str):
    with pytest.raises(InputError, match=field) as found:
        make()
    assert found.value.remedy


def test_a_target_that_nothing_keeps_names_the_nearest():
    with pytest.raises(UsageError, match=r"no layout keeps 2,000 ms .* and 1 ms per token at p90") as found:
        llama(target=Target(2.0, 0.001))
    assert "the nearest is" in found.value.cause
    assert "TP8" in found.value.cause


def test_a_model_that_does_not_fit_says_how_many_would():
    with pytest.raises(UsageError, match="does not fit") as found:
        serve(architecture("deepseek-v3"), accelerator("rtx-4090"), MIX, most_gpus=8)
    assert "GPUs" in found.value.remedy
    with pytest.raises(UsageError, match="does not fit"):
        serve(architecture("deepseek-v3"), H100, MIX, layout=Layout(tensor=4))


def test_layouts_fit_and_pipelines_only_where_nothing_else_does():
    for layout in layouts(architecture("deepseek-v3"), H100, "fp8"):
        assert layout.pipeline == 1
    assert all(layout.gpus <= USUAL_MOST_GPUS for layout in layouts(architecture("deepseek-v3"), H100, "fp8"))


def test_wide_prefill_queues_less_than_narrow():
    """Sixteen groups that share a queue are busier at the same promise than one."""
    model = Deployment(architecture("deepseek-v3"), accelerator("h200"), "fp8")
    cases = Cases.of([Traffic("t", 4_000, 1_000)], [Target(4.0, 0.05)])
    wide = prefill_apart(model, Layout(data=16, expert=16), cases)
    narrow = prefill_apart(model, Layout(data=4, tensor=4, expert=16), cases)
    assert wide.prefill_share[0] > 0.8
    assert narrow.ttft_seconds[0] <= 4.0 * 1.001


def test_the_frontier_falls():
    cost = frontier_gpu_seconds(DEPLOYMENT, MIX, Target(2.0, 0.05))
    finite = cost[np.isfinite(cost)]
    assert finite.size >= 5
    assert (np.diff(finite) <= finite[:-1] * 1e-3).all()
    assert np.isinf(cost[: len(TPOT_MS) - finite.size]).all()
    assert cheapest({"a": cost, "none": np.full(cost.size, np.nan)})[-1] == "a"


# --- DeepSeek's published day ------------------------------------------------------------------------


def test_the_published_day_agrees_with_itself():
    assert DAY.implied_nodes == pytest.approx(DAY.mean_nodes, rel=1e-3)
    assert DAY.cost_usd == pytest.approx(DAY.published_cost_usd, rel=1e-3)
    assert DAY.income_usd == pytest.approx(DAY.published_income_usd, rel=1e-3)
    assert (round(DAY.derate.prefill, 2), round(DAY.derate.decode, 2)) == (0.51, 0.80)


def test_the_published_day_is_predicted_from_architecture_and_traffic():
    found = predicted_day()
    assert abs(found.residual) <= 0.25
    assert found.nodes.low < DAY.mean_nodes < found.nodes.high
    assert found.prefill_nodes + found.decode_nodes == pytest.approx(found.nodes.value)


# --- InferSim's six actuals (github.com/alibaba/InferSim, README; no constant is fitted to them) ---------

DECODE_ACTUALS = [
    # model, GPU, layout, precision, engine, sequences per GPU, context, output tokens per second and GPU
    ("deepseek-v3", "h800", Layout(data=128, expert=128), "fp8", "", 128, 4_989.0, 2_324),
    ("qwen3-30b-a3b", "h20", Layout(data=4, expert=4), "bf16", "sglang", 100, 5_120.0, 2_749),
    ("qwen3-8b", "h20", Layout(), "fp8", "sglang", 64, 5_120.0, 2_682),
]
PREFILL_ACTUALS = [
    # model, GPU, layout, precision, engine, input tokens per second and GPU; prompts of 4,096, 16,384 a pass
    # The last number is how far off it may be: 0.2, but for DeepSeek's own kernels with experts perfectly
    # balanced, which constants fitted to open engines on single servers miss by some 31 %.
    ("deepseek-v3", "h800", Layout(data=32, expert=32), "fp8", "", 7_839, 0.33),
    ("qwen3-30b-a3b", "h20", Layout(), "bf16", "sglang", 16_594, 0.2),
    ("qwen3-8b", "h20", Layout(), "fp8", "sglang", 15_061, 0.2),
]


@pytest.mark.parametrize(
    ("model", "gpu", "layout", "precision", "engine", "sequences", "context", "actual"), DECODE_ACTUALS
)
def test_infersim_decode(model, gpu, layout, precision, engine, sequences, context, actual):
    batch = sequences * layout.gpus
    step = decode_step(
        architecture(model), accelerator(gpu), layout, batch, context, precision=precision, engine=engine
    )
    assert sequences / float(step.seconds) == pytest.approx(actual, rel=0.2)


@pytest.mark.parametrize(("model", "gpu", "layout", "precision", "engine", "actual", "off"), PREFILL_ACTUALS)
def test_infersim_prefill(model, gpu, layout, precision, engine, actual, off):
    whole = prefill(
        architecture(model), accelerator(gpu), layout, 4_096.0, precision=precision, engine=engine,
        prompts=4 * layout.gpus,
    )  # fmt: skip
    assert 16_384 / float(whole.seconds) == pytest.approx(actual, rel=off)


# --- Promises at the edge, layouts that no engine runs, prefixes dearer than computing -----------------


@pytest.mark.parametrize(
    ("model", "gpu", "target"),
    [
        ("llama-3.1-70b", "h100", Target(2.0, 0.001)),
        ("deepseek-v3", "rtx-4090", Target(1.0, 0.05)),
        ("deepseek-v3", "h100", Target(0.05, 0.05)),
        ("qwen3-32b", "l40s", Target(0.2, 0.01)),
    ],
)
def test_the_nearest_target_is_kept_when_it_is_asked_for(model: str, gpu: str, target: Target):
    ask = architecture(model), accelerator(gpu), MIX
    with pytest.raises(UsageError, match="no layout keeps") as found:
        serve(*ask, target)
    first, each = re.findall(r"([\d,.]+) ms", found.value.cause)
    seconds = [float(text.replace(",", "")) / 1_000 for text in (first, each)]
    served = serve(*ask, Target(*seconds, target.percentile))
    assert served.ttft_seconds.value <= seconds[0]


def test_a_promise_at_the_edge_says_what_halves_the_cost():
    ask = architecture("deepseek-v3"), accelerator("rtx-4090"), MIX
    with pytest.raises(UsageError) as found:
        serve(*ask, Target(1.0, 0.05))
    first = float(re.findall(r"([\d,.]+) ms", found.value.cause)[0].replace(",", "")) / 1_000
    edge = serve(*ask, Target(first, 0.05))
    assert edge.parts["waiting"] > 0.5
    assert edge.halving_ttft_seconds is not None
    looser = serve(*ask, Target(edge.halving_ttft_seconds, 0.05))
    assert looser.gpu_seconds_per_request.value <= edge.gpu_seconds_per_request.value / 2
    assert llama().halving_ttft_seconds is None


def test_heads_are_not_cut_in_pieces():
    with pytest.raises(UsageError, match="TP3 does not divide the 64 attention heads"):
        llama(layout=Layout(tensor=3))
    odd = replace(architecture("qwen3-32b"))
    assert all(odd.heads % layout.tensor == 0 for layout in layouts(odd, H100))


def test_a_tensor_group_beyond_the_link_is_told():
    stretched = llama(layout=Layout(tensor=64)).stretched
    assert stretched is not None
    assert (stretched.tensor, stretched.link_gpus, stretched.cache_copies) == (64, 8, 8)
    assert llama(layout=Layout(tensor=8)).stretched is None


@pytest.mark.parametrize("mode", ["aggregated", "disaggregated"])
@pytest.mark.parametrize("model", ["qwen3.5-27b", "qwen3-32b"])
def test_a_prefix_dearer_to_fetch_than_to_compute_is_computed(mode: str, model: str):
    """Linear attention has a state of fixed size, however short the prefix."""
    seconds = [
        serve(
            architecture(model), H100, Traffic("t", 4_000, 1_000, cached_share=share), mode=mode
        ).gpu_seconds_per_request.value
        for share in (0.0, 0.001, 0.01, 0.05, 0.25)
    ]
    assert (np.diff(seconds) <= np.array(seconds[:-1]) * 1e-3).all()


def test_the_day_reaches_more_of_the_model_than_of_its_own_benchmark():
    reached = reached_of_model()
    assert reached.prefill == pytest.approx(0.72, abs=0.05)
    assert reached.decode == pytest.approx(0.86, abs=0.05)
    assert DAY.derate.prefill < reached.prefill
