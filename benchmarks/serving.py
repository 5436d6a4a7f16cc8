"""Serving: how true the model of step times is on measurements it was not fitted to, and how fast it answers.

Reads the measured points and the trace beside the project; where absent, their rows stay unmeasured.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product
from typing import Any

import numpy as np

from benchmarks.bench import Bench
from benchmarks.lines import Figure
from benchmarks.process import ROOT, StepFailedError
from breakeven.report.view_model import Label

_DATA = ROOT.parent / "shared" / "data"
TRACE = _DATA / "traces" / "mooncake_fast25_conversation_trace.jsonl.gz"
POINTS = _DATA / "serving" / "measured_serving_points.csv.gz"
CONFIGURATIONS, CAPACITIES, HOURS, MODELS = 100_000, 10, 744, 3
REQUESTS = 12_031


def run(bench: Bench) -> tuple[list[Figure], dict[str, Any]]:
    """The rows of the group."""
    details: dict[str, Any] = {}
    figures: list[Figure] = []
    for name, rows, needed in (
        ("day", _day, None),
        ("truth", _truth, POINTS),
        ("sweep", _sweep, None),
        ("cache", _cache, TRACE),
        ("fleet", _fleet, None),
    ):
        if needed is not None and not needed.is_file():
            bench.say(f"serving: {name} is not measured, {needed.name} does not lie beside the project")
            continue
        bench.say(f"serving: {name}")
        more, said = rows(bench)
        figures += more
        details[name] = said
    return figures, details


def _middle(bench: Bench, work: Callable[[], object]) -> float:
    """The middle of several times, after one that does not count."""
    work()
    times: list[float] = []
    for _ in range(max(bench.repeats, 3)):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2]


def _day(_: Bench) -> tuple[list[Figure], dict[str, Any]]:
    """DeepSeek's published day against itself and against the model; InferSim's six measured rates."""
    from breakeven.serving.published_day import DAY, predicted_day

    found = predicted_day()
    off = infersim_errors()
    worst = max(off, key=lambda name: abs(off[name]))
    implied = Label(
        f"{DAY.implied_nodes:.2f} against {DAY.mean_nodes}; cost {DAY.cost_usd:,.0f} USD, income "
        f"{DAY.income_usd:,.0f} USD against {DAY.published_income_usd:,.0f}",
        f"{DAY.implied_nodes:.2f} 对 {DAY.mean_nodes}；成本 {DAY.cost_usd:,.0f} 美元，收入 "
        f"{DAY.income_usd:,.0f} 对 {DAY.published_income_usd:,.0f} 美元",
    )
    predicted = Label(
        f"{found.nodes.value:.0f} nodes (80 % interval {found.nodes.low:.0f} to {found.nodes.high:.0f}): "
        f"prefill {found.prefill_nodes:.0f} against {DAY.implied_prefill_nodes:.0f}, decode "
        f"{found.decode_nodes:.0f} against {DAY.implied_decode_nodes:.0f}; partly luck",
        f"{found.nodes.value:.0f} 个节点（80 % 区间 {found.nodes.low:.0f} 至 {found.nodes.high:.0f}）："
        f"预填充 {found.prefill_nodes:.0f} 对 {DAY.implied_prefill_nodes:.0f}，解码 "
        f"{found.decode_nodes:.0f} 对 {DAY.implied_decode_nodes:.0f}；部分是运气",
    )
    six = Label(
        f"{worst}; the others within {max(abs(value) for name, value in off.items() if name != worst):.0%}",
        f"{worst}；其余在 {max(abs(value) for name, value in off.items() if name != worst):.0%} 以内",
    )
    return [
        Figure("serving_day", abs(DAY.implied_nodes / DAY.mean_nodes - 1), implied),
        Figure("serving_day_predicted", abs(found.residual), predicted),
        Figure("serving_infersim", abs(off[worst]), six),
    ], {"nodes": found.nodes.value, "residual": found.residual, "infersim": off}


def infersim_errors() -> dict[str, float]:
    """Predicted over measured, less one, of the throughputs that InferSim's README states."""
    from breakeven.serving.architecture import architecture
    from breakeven.serving.hardware import accelerator
    from breakeven.serving.layout import Layout
    from breakeven.serving.step import decode_step, prefill

    found: dict[str, float] = {}
    for model, gpu, layout, precision, actual in (
        ("deepseek-v3", "h800", Layout(data=32, expert=32), "fp8", 7_839),
        ("qwen3-30b-a3b", "h20", Layout(), "bf16", 16_594),
        ("qwen3-8b", "h20", Layout(), "fp8", 15_061),
    ):
        seconds = prefill(
            architecture(model),
            accelerator(gpu),
            layout,
            4_096.0,
            precision=precision,
            prompts=4 * layout.gpus,
        ).seconds
        found[f"{model} on {gpu}, prefill"] = 16_384 / float(seconds) / actual - 1
    for model, gpu, layout, precision, each, context, actual in (
        ("deepseek-v3", "h800", Layout(data=128, expert=128), "fp8", 128, 4_989.0, 2_324),
        ("qwen3-30b-a3b", "h20", Layout(data=4, expert=4), "bf16", 100, 5_120.0, 2_749),
        ("qwen3-8b", "h20", Layout(), "fp8", 64, 5_120.0, 2_682),
    ):
        seconds = decode_step(
            architecture(model), accelerator(gpu), layout, each * layout.gpus, context, precision=precision
        ).seconds
        found[f"{model} on {gpu}, decode"] = each / float(seconds) / actual - 1
    return found


def _truth(_: Bench) -> tuple[list[Figure], dict[str, Any]]:
    """Errors on measured points that the constants were not fitted to: the constants are fitted anew."""
    from benchmarks.serving_constants import Findings, held_out_findings

    found: Findings = held_out_findings(POINTS)
    rows = Label(
        f"{found.deployment.points:,} measured points, whole deployments held out in ten folds; "
        f"{found.doubted} rows left out as doubtful (with them {found.with_doubted.median:.1%} and "
        f"{found.with_doubted.mean:.1%})",
        f"{found.deployment.points:,} 个实测点，按整个部署分十折留出；另有 {found.doubted} 行存疑未用"
        f"（计入后为 {found.with_doubted.median:.1%} 与 {found.with_doubted.mean:.1%}）",
    )
    same = Label("as above", "同上")
    models = Label(f"mean error {found.model.mean:.1%}", f"平均误差 {found.model.mean:.1%}")
    three = Label(f"mean error {found.three.mean:.1%}", f"平均误差 {found.three.mean:.1%}")
    holds = Label(
        f"hold {found.coverage:.1%}; of models held out {found.model_coverage:.1%}, after three points "
        f"{found.three_coverage:.1%}",
        f"覆盖 {found.coverage:.1%}；留出的模型 {found.model_coverage:.1%}，"
        f"三点校准后 {found.three_coverage:.1%}",
    )
    return [
        Figure("serving_held_out_median", found.deployment.median, rows),
        Figure("serving_held_out_mean", found.deployment.mean, same),
        Figure("serving_held_out_within", found.deployment.within, same),
        Figure("serving_new_model", found.model.median, models),
        Figure("serving_three_points", found.three.median, three),
        Figure("serving_coverage", abs(found.coverage - 0.8), holds),
        Figure("serving_ranking", found.tau, Label("best deployment per GPU", "每种显卡取最佳部署")),
    ], {name: str(value) for name, value in vars(found).items()}


def _sweep(bench: Bench) -> tuple[list[Figure], dict[str, Any]]:
    """Layouts of several models and GPUs against many traffics and targets, each tried both ways."""
    from breakeven.serving.architecture import architecture
    from breakeven.serving.cases import Cases
    from breakeven.serving.deployment import Deployment
    from breakeven.serving.hardware import accelerator
    from breakeven.serving.layout import Layout
    from breakeven.serving.sweep import sweep
    from breakeven.serving.target import Target
    from breakeven.serving.traffic import Traffic

    names = ("llama-3.1-70b", "gpt-oss-120b", "qwen3-235b-a22b", "deepseek-v3", "kimi-k2.5")
    gpus = ("h100", "h200", "b200", "h20")
    layouts = (
        Layout(tensor=8),
        Layout(data=16, expert=16),
        Layout(data=32, expert=32),
        Layout(tensor=16),
        Layout(tensor=8, pipeline=2),
    )
    each = CONFIGURATIONS // (len(names) * len(gpus) * len(layouts))
    draw = np.random.default_rng(1)
    traffics = [
        Traffic(
            f"t{number}",
            input_tokens=float(draw.integers(200, 30_000)),
            output_tokens=float(draw.integers(50, 4_000)),
            cached_share=float(draw.uniform(0, 0.8)),
        )
        for number in range(each)
    ]
    targets = [
        Target(ttft_seconds=float(draw.uniform(0.5, 8)), tpot_seconds=float(draw.uniform(0.01, 0.1)))
        for _ in range(each)
    ]
    tried = 0

    def work() -> None:
        nonlocal tried
        cases = Cases.of(traffics, targets)
        tried = 0
        for name, gpu in product(names, gpus):
            model = architecture(name)
            deployment = Deployment(model, accelerator(gpu), model.native_precision)
            fitting = [one for one in layouts if model.experts or one.expert == 1]
            found = sweep(deployment, fitting, cases)
            tried += len(fitting) * each
            if not np.isfinite(found.gpu_seconds).any():
                raise StepFailedError(f"no layout serves {name} on {gpu} at all")

    seconds = _middle(bench, work)
    whole = seconds * CONFIGURATIONS / tried
    beside = Label(
        f"{tried:,} layouts with a traffic and a target each, of {len(names)} models on {len(gpus)} GPUs: "
        "the largest batch within TTFT and TPOT, together and apart",
        f"{len(names)} 个模型 × {len(gpus)} 种显卡，共 {tried:,} 组布局、流量与目标："
        "求满足 TTFT 与 TPOT 的最大批量，合并与分离部署各一次",
    )
    return [
        Figure("serving_sweep", whole, beside),
        Figure("serving_configuration", whole / CONFIGURATIONS * 1e6, beside),
    ], {"seconds": seconds, "tried": tried}


def _cache(bench: Bench) -> tuple[list[Figure], dict[str, Any]]:
    from breakeven.serving.prefix_cache.replay import replay
    from breakeven.serving.prefix_cache.trace_lines import read_trace

    with gzip.open(TRACE, "rt", encoding="utf-8") as lines:
        trace = read_trace(lines, TRACE.name).trace
    if trace.requests != REQUESTS:
        raise StepFailedError(f"{trace.requests:,} requests instead of {REQUESTS:,}")
    capacities = np.geomspace(1_000, 100_000, CAPACITIES).astype(int)
    shares: list[float] = []

    def work() -> None:
        found = replay(trace)
        for policy in ("lru", "lfu"):
            found.curves[policy].hit_blocks(capacities)
        hits = found.curves["infinite"]
        shares[:] = [
            float(hits.hit_blocks(np.array([found.distinct_blocks]))[0]) / found.asked_blocks,
            hits.most_tokens / found.asked_tokens,
        ]

    seconds = _middle(bench, work)
    if [round(share, 3) for share in shares] != [0.366, 0.374]:
        raise StepFailedError(f"hits of a cache without limit are {shares}, not 36.6 % and 37.4 %")
    beside = Label(
        f"{REQUESTS:,} requests to Kimi, LRU and LFU at {CAPACITIES} capacities and a cache without limit "
        f"({shares[0]:.1%} of blocks, {shares[1]:.1%} of tokens)",
        f"{REQUESTS:,} 个 Kimi 请求，LRU 与 LFU 各 {CAPACITIES} 种容量及无限缓存"
        f"（命中块 {shares[0]:.1%}、词元 {shares[1]:.1%}）",
    )
    return [Figure("serving_cache", seconds, beside)], {"seconds": seconds, "shares": shares}


def _fleet(bench: Bench) -> tuple[list[Figure], dict[str, Any]]:
    from breakeven.serving.class_work import ClassWork
    from breakeven.serving.estimate import Estimate
    from breakeven.serving.fleet.demand import HourlyDemand
    from breakeven.serving.fleet.month import fleet_month
    from breakeven.serving.fleet.served_model import ServedModel
    from breakeven.serving.fleet.supply import Supply

    draw = np.random.default_rng(2)
    hours = np.arange(HOURS)
    shape = 1 + 0.5 * np.sin(hours / 24 * 2 * np.pi)[:, None, None]
    noise = draw.gamma(50, 1 / 50, (HOURS, MODELS, 1))
    scale = np.array([1.0, 0.4, 0.1])[None, :, None] * np.array([2e9, 1e9, 5e8])[None, None, :]
    names = tuple(f"model-{number}" for number in range(MODELS))
    demand = HourlyDemand(datetime(2026, 3, 1, tzinfo=UTC), names, shape * noise * scale)
    models = [
        ServedModel(
            name,
            ClassWork(Estimate.exact(1.2e-4), Estimate.exact(1e-5), Estimate.exact(5e-4)),
            8,
            prices_per_mtok=(0.55, 0.14, 2.19),
        )
        for name in names
    ]
    supply = Supply(owned=400, owned_price=1.3, on_demand_price=3.0)
    margin: list[float] = []

    def work() -> None:
        month = fleet_month(demand, models, {"pool": supply})
        margin[:] = [float(month.margin.sum()), float(month.cost.sum())]
        month.marginal_cost_per_mtok.sum()
        month.average_cost_per_mtok.sum()

    seconds = _middle(bench, work)
    beside = Label(
        f"{HOURS} hours, {MODELS} models on one pool of owned and rented GPUs: fleet, cost, margin, marginal "
        "cost by hour",
        f"{HOURS} 小时、{MODELS} 个模型共用自有与租用显卡：机群、成本、毛利与逐时边际成本",
    )
    return [Figure("serving_fleet", seconds, beside)], {"seconds": seconds, "margin": margin}
