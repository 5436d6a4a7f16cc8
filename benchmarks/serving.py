"""Serving: how true the model of step times is on measurements it was not fitted to, and how fast it answers.

Reads the measured points and the trace beside the project; where they are absent, the run fails.
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

TRACE = ROOT.parent / "shared" / "data" / "traces" / "mooncake_fast25_conversation_trace.jsonl.gz"
CONFIGURATIONS, CAPACITIES, HOURS, MODELS = 100_000, 10, 744, 3
REQUESTS = 12_031


def run(bench: Bench) -> tuple[list[Figure], dict[str, Any]]:
    """The rows of the group."""
    details: dict[str, Any] = {}
    figures: list[Figure] = []
    for name, rows in (("sweep", _sweep), ("cache", _cache), ("fleet", _fleet)):
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

    if not TRACE.is_file():
        raise StepFailedError(f"the trace is not there: {TRACE.name}")
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
