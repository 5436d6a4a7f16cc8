"""The one answer: how a model serves a traffic on a GPU under a latency target, and what each token class
takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast

from breakeven.serving import attribution
from breakeven.serving.architecture import Architecture, Precision
from breakeven.serving.attribution import PhaseWork
from breakeven.serving.best_layout import (
    Choice,
    Pools,
    best_aggregated,
    best_apart,
    every_pools,
    refuse_target,
    tried_layouts,
)
from breakeven.serving.cases import Cases
from breakeven.serving.class_work import ClassWork
from breakeven.serving.constants import Constants, Quantity, shipped_constants
from breakeven.serving.deployment import Deployment
from breakeven.serving.estimate import Estimate
from breakeven.serving.hardware import Accelerator
from breakeven.serving.knife_edge import MOSTLY, halving_first_token
from breakeven.serving.layout import Layout
from breakeven.serving.nodes import ReplicaPool
from breakeven.serving.served import BOUNDS, Bound, Mode, Pool, Served, Stretched, Work
from breakeven.serving.speculation import NONE, Speculation
from breakeven.serving.steady_state import LIMITS, prompts_of_a_pass, tpot_curve
from breakeven.serving.target import Derate, Target
from breakeven.serving.traffic import Traffic

_CURVE_POINTS = 12
_BOUND_OF_PART: Mapping[str, Bound] = {
    "weights": "memory_bandwidth",
    "kv": "memory_bandwidth",
    "compute": "compute",
    "communication": "communication",
    "overhead": "overhead",
}


def serve(
    architecture: Architecture,
    accelerator: Accelerator,
    traffic: Traffic,
    target: Target | None = None,
    *,
    precision: str | None = None,
    kv_precision: str | None = None,
    engine: str = "",
    mode: Mode | None = None,
    layout: Layout | None = None,
    most_gpus: int | None = None,
    derate: Derate | None = None,
    speculation: Speculation = NONE,
    constants: Constants | None = None,
    monthly_cost: Callable[[tuple[ReplicaPool, ...]], float] | None = None,
) -> Served:
    """The cheapest way to serve `traffic` that keeps `target`: layout, batch, speed, GPUs and work per token.

    Without a `layout` all usual ones are tried; without a `mode` both prefill on the same GPUs and apart.
    Where the traffic has a rate, the fewest GPUs in whole replicas win, else the least GPU time per request;
    with a `monthly_cost` of replicas in pools, what costs least by it, of equals what works least.
    Raises `UsageError` for a model that does not fit, and for a target that no layout keeps, naming the
    nearest.

    >>> from breakeven.serving.architecture import architecture
    >>> from breakeven.serving.hardware import accelerator
    >>> served = serve(architecture("llama-3.1-70b"), accelerator("h100"), Traffic("t", 4_000, 1_000))
    >>> served.tpot_seconds.value <= 0.0501, served.ttft_seconds.value <= 2.001
    (True, True)
    """
    target, derate = target or Target(), derate or Derate()
    deployment = deployment_of(
        architecture,
        accelerator,
        precision=precision,
        kv_precision=kv_precision,
        engine=engine,
        speculation=speculation,
        constants=constants,
    )
    cases = Cases.of([traffic], [target])
    tried = tried_layouts(deployment, traffic, layout, most_gpus)

    def weigh(choice: Choice) -> float:
        seconds = choice.gpu_seconds(derate)
        if traffic.requests_per_second is None:
            return seconds
        # Of layouts that need equally many GPUs, the one that works least.
        return choice.gpus(traffic.requests_per_second, derate) + 1e-6 * seconds

    def weigh_pools(pools: Pools) -> tuple[float, float]:
        if monthly_cost is None:
            return sum(map(weigh, pools)), 0.0
        replicas = tuple(choice.replicas(derate) for choice in pools)
        return monthly_cost(replicas), sum(pool.gpu_seconds_per_request for pool in replicas)

    if monthly_cost is not None:
        found = every_pools(deployment, tried, cases, mode)
    else:
        one = None if mode == "disaggregated" else best_aggregated(deployment, tried, cases, weigh)
        two = None if mode == "aggregated" else best_apart(deployment, tried, cases, weigh)
        found = [*([(one,)] if one else []), *([two] if two else [])]
    if not found:
        raise refuse_target(deployment, tried, cases, mode)
    served = _served(deployment, traffic, target, derate, cases, min(found, key=weigh_pools))
    if served.parts["waiting"] <= MOSTLY:
        return served
    looser = halving_first_token(deployment, tried, traffic, target, derate, mode)
    return replace(served, halving_ttft_seconds=looser)


def deployment_of(
    architecture: Architecture,
    accelerator: Accelerator,
    *,
    precision: str | None = None,
    kv_precision: str | None = None,
    engine: str = "",
    speculation: Speculation = NONE,
    constants: Constants | None = None,
) -> Deployment:
    """A deployment as people ask for one: the makers' precision, a bf16 cache and the shipped constants
    unless said.
    """
    return Deployment(
        architecture,
        accelerator,
        cast("Precision", precision or architecture.native_precision),
        cast("Precision", kv_precision or "bf16"),
        engine,
        speculation,
        constants or shipped_constants(),
    )


def _served(
    deployment: Deployment, traffic: Traffic, target: Target, derate: Derate, cases: Cases, chosen: Pools
) -> Served:
    prefill, decode = chosen[0], chosen[-1]
    apart = len(chosen) > 1

    def sure(value: float, quantity: Quantity) -> Estimate:
        return deployment.estimate(value, quantity)

    seconds = {
        "prefill": float(prefill.steady.prefill_gpu_seconds[0]) / derate.prefill,
        "decode": float(decode.steady.decode_gpu_seconds[0]) / derate.decode,
    }
    together = float(prompts_of_a_pass(prefill.layout, cases.new_tokens)[0]) if apart else 1.0
    in_prefill = attribution.prefill_work(
        deployment, prefill.layout, traffic, seconds["prefill"], together=together
    )
    batch = float(decode.steady.batch[0])
    in_decode = attribution.decode_work(deployment, decode.layout, traffic, batch, seconds["decode"])
    total = sum(seconds.values())
    ttft, tpot = float(prefill.steady.ttft_seconds[0]), float(decode.steady.tpot_seconds[0])
    per_gpu = sure(traffic.output_tokens / total, "throughput")
    speed = sure(tpot, "decode")
    parts = _shares(deployment, chosen, traffic, seconds, together)
    curve_batch, curve_tpot = tpot_curve(deployment, decode.layout, cases, apart=apart, points=_CURVE_POINTS)
    return Served(
        model=deployment.architecture.name,
        gpu=deployment.accelerator.name,
        precision=deployment.precision,
        kv_precision=deployment.kv_precision,
        engine=deployment.engine,
        traffic=traffic,
        target=target,
        derate=derate,
        mode="disaggregated" if apart else "aggregated",
        pools=tuple(
            _pool(choice, traffic, derate, kind) for choice, kind in zip(chosen, _kinds(apart), strict=True)
        ),
        work=_class_work(in_prefill, in_decode, sure),
        gpu_seconds_per_request=_inverse(per_gpu, traffic.output_tokens),
        tokens_per_second_per_gpu=per_gpu,
        tokens_per_second_per_user=_inverse(speed, 1.0),
        ttft_seconds=sure(ttft, "prefill"),
        tpot_seconds=speed,
        parts=parts,
        bound=max(BOUNDS, key=lambda bound: parts[bound]),
        novelty=deployment.novelty,
        curve_batch=curve_batch,
        curve_tpot_seconds=curve_tpot,
        assumed=deployment.architecture.assumed,
        offset=deployment.offset,
        calibration=deployment.constants.offsets,
        stretched=_stretched(deployment, chosen),
    )


def _stretched(deployment: Deployment, chosen: Pools) -> Stretched | None:
    widest = max(choice.layout.tensor for choice in chosen)
    link = deployment.accelerator.link_domain_gpus
    if widest <= link:
        return None
    return Stretched(widest, link, round(widest / deployment.architecture.kv_ranks(widest)))


def _kinds(apart: bool) -> tuple[Work, ...]:
    return ("prefill", "decode") if apart else ("all",)


def _pool(choice: Choice, traffic: Traffic, derate: Derate, kind: Work) -> Pool:
    steady, rate = choice.steady, traffic.requests_per_second
    return Pool(
        work=kind,
        layout=str(choice.layout),
        gpus_per_replica=choice.layout.gpus,
        gpu_seconds_per_request=choice.gpu_seconds(derate),
        batch=float(steady.batch[0]),
        batch_at_percentile=float(steady.batch_at_percentile[0]),
        utilisation=float(steady.utilisation[0]),
        limit=LIMITS[int(steady.limit[0])],
        replicas=None if rate is None else choice.gpus(rate, derate) // choice.layout.gpus,
    )


def _shares(
    deployment: Deployment, chosen: Pools, traffic: Traffic, seconds: Mapping[str, float], together: float
) -> Mapping[Bound, float]:
    """What a request's GPU time goes into. Time that a prefill replica is kept free so that prompts need not
    wait counts as waiting.
    """
    prefill, decode = chosen[0], chosen[-1]
    batch = float(decode.steady.batch[0])
    prompt = deployment.prefill(
        prefill.layout,
        max(traffic.uncached_input_tokens, 1.0),
        traffic.cached_input_tokens,
        together,
    )
    step = deployment.decode(decode.layout, batch, traffic.decode_context_tokens)
    busy = float(prefill.steady.prefill_share[0]) if len(chosen) > 1 else 1.0
    found: dict[Bound, float] = dict.fromkeys(BOUNDS, 0.0)
    for times, worked in ((prompt, seconds["prefill"] * busy), (step, seconds["decode"])):
        for part, value in times.parts.items():
            found[_BOUND_OF_PART[part]] += worked * float(value / times.seconds)
    found["waiting"] = seconds["prefill"] * (1.0 - busy)
    total = sum(found.values())
    return {bound: value / total for bound, value in found.items()}


def _class_work(
    prefill: PhaseWork, decode: PhaseWork, sure: Callable[[float, Quantity], Estimate]
) -> ClassWork:
    """Each class is the sum of its phases, and so are the bounds of its interval."""

    def both(name: str) -> Estimate:
        first, second = sure(getattr(prefill, name), "prefill"), sure(getattr(decode, name), "decode")
        return Estimate(first.value + second.value, first.low + second.low, first.high + second.high)

    return ClassWork(both("uncached_input"), both("cached_input"), both("output"))


def _inverse(estimate: Estimate, numerator: float) -> Estimate:
    return Estimate(numerator / estimate.value, numerator / estimate.high, numerator / estimate.low)
