"""Models from a file, for who measured what their GPUs do.

    models:
      deepseek-r1:
        gpus_per_replica: 8                    # GPUs that start and stop together
        gpu_seconds_per_mtok: {uncached_input: 248, output: 541}   # at the latency target, without idle
        prices_per_mtok: {uncached_input: 0.55, cached_input: 0.14, output: 2.19}    # optional
        pool: shared                           # optional: models of one pool share its GPUs
        request: {uncached_input: 500, cached_input: 700, output: 350, at_once: 256}  # optional, for waiting
        latency: {concurrency: [64, 256, 512], tpot_ms: [30, 48, 80], target: 256}     # optional, for slowing

    pools:                                     # optional: GPUs of each pool, where there are several
      shared: {owned: 64, reserved: 16, on_demand: 32}

A figure of GPU-seconds may be a list `[middle, low, high]`: its 80 % interval.
"""

from __future__ import annotations

from pathlib import Path

from breakeven.pricing.located_yaml import Located, read_yaml
from breakeven.serving.class_work import TOKENS_PER_MTOK, ClassWork
from breakeven.serving.estimate import Estimate
from breakeven.serving.fleet.demand import TOKEN_CLASSES
from breakeven.serving.fleet.latency_curve import LatencyCurve
from breakeven.serving.fleet.read_number import read_count, read_number
from breakeven.serving.fleet.served_model import ONE_POOL, RequestShape, ServedModel

_KEYS = (
    "gpus_per_replica",
    "gpu_seconds_per_mtok",
    "prices_per_mtok",
    "pool",
    "request",
    "latency",
    "source",
)
_SHAPE = (*TOKEN_CLASSES, "at_once", "arrival_variation", "service_variation")
_KINDS = ("owned", "reserved", "on_demand")
_MS_PER_SECOND = 1_000


def read_served_models(path: Path) -> tuple[ServedModel, ...]:
    """Read models with measured work. Raises `InputError` with the line for what cannot be read."""
    models = read_yaml(path).fields(("models", "pools"), ("models",))["models"]
    return tuple(_model(name, located) for name, located in models.names())


def read_pools(path: Path) -> dict[str, dict[str, int]]:
    """GPUs of each pool (`owned`, `reserved`, `on_demand`) where the same file names them, else nothing."""
    fields = read_yaml(path).fields(("models", "pools"), ("models",))
    if "pools" not in fields:
        return {}
    return {
        name: {kind: read_count(count) for kind, count in located.fields(_KINDS).items()}
        for name, located in fields["pools"].names()
    }


def _model(name: str, located: Located) -> ServedModel:
    fields = located.fields(_KEYS, ("gpu_seconds_per_mtok",))
    seconds = fields["gpu_seconds_per_mtok"].fields(TOKEN_CLASSES, ("output",))
    work = ClassWork(*(_estimate(seconds.get(one)) * (1 / TOKENS_PER_MTOK) for one in TOKEN_CLASSES))
    replica = fields.get("gpus_per_replica")
    return ServedModel(
        name,
        work,
        gpus_per_replica=1 if replica is None else read_count(replica),
        pool=fields["pool"].text() if "pool" in fields else ONE_POOL,
        prices_per_mtok=_by_class(fields.get("prices_per_mtok")),
        request=_request(fields.get("request")),
        curve=_curve(fields.get("latency")),
    )


def _estimate(located: Located | None) -> Estimate:
    """A number, or its middle and bounds; a class that is not named takes no GPU time."""
    if located is None:
        return Estimate.exact(0.0)
    if not isinstance(located.value, tuple):
        return Estimate.exact(read_number(located))
    bounds = [read_number(one) for one in located.items()]
    if len(bounds) != 3 or not bounds[1] <= bounds[0] <= bounds[2]:
        located.fail("this is not a middle with its bounds", remedy="write [middle, low, high]")
    return Estimate(*bounds)


def _by_class(located: Located | None) -> tuple[float, float, float] | None:
    if located is None:
        return None
    given = located.fields(TOKEN_CLASSES, TOKEN_CLASSES)
    first, second, third = (read_number(given[name]) for name in TOKEN_CLASSES)
    return first, second, third


def _request(located: Located | None) -> RequestShape | None:
    if located is None:
        return None
    given = {name: read_number(one) for name, one in located.fields(_SHAPE, ("output",)).items()}
    return RequestShape(
        (given.get("uncached_input", 0.0), given.get("cached_input", 0.0), given["output"]),
        given.get("at_once"),
        given.get("arrival_variation", 1.0),
        given.get("service_variation", 1.0),
    )


def _curve(located: Located | None) -> LatencyCurve | None:
    if located is None:
        return None
    keys = ("concurrency", "tpot_ms", "target")
    given = located.fields(keys, keys)
    return LatencyCurve.of(
        [read_number(one) for one in given["concurrency"].items()],
        [read_number(one) / _MS_PER_SECOND for one in given["tpot_ms"].items()],
        read_number(given["target"]),
        located.where,
    )
