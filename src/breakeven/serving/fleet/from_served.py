"""A fleet's model from the answer of `serve`: the work of its tokens, its replicas, and how it slows down."""

from __future__ import annotations

from breakeven.serving.fleet.latency_curve import LatencyCurve
from breakeven.serving.fleet.served_model import ONE_POOL, RequestShape, ServedModel
from breakeven.serving.served import Served


def served_model(
    served: Served,
    *,
    name: str = "",
    pool: str = ONE_POOL,
    prices_per_mtok: tuple[float, float, float] | None = None,
) -> ServedModel:
    """The model as a fleet serves it. Requests come at random; service varies as their outputs do.

    Where prefill has GPUs of its own, each kind is switched on in whole replicas and places are counted by
    GPU.
    """
    traffic, decode = served.traffic, served.pools[-1]
    apart = len(served.pools) > 1
    total = sum(one.gpu_seconds_per_request for one in served.pools)
    groups = tuple((one.gpus_per_replica, one.gpu_seconds_per_request / total) for one in served.pools)
    at_once = decode.batch / decode.gpus_per_replica * groups[-1][1] if apart else decode.batch
    return ServedModel(
        name or served.model,
        served.work,
        1 if apart else decode.gpus_per_replica,
        pool,
        prices_per_mtok,
        RequestShape(
            (traffic.uncached_input_tokens, traffic.cached_input_tokens, traffic.output_tokens),
            at_once,
            service_variation=traffic.output_spread**2,
        ),
        _curve(served, decode.batch),
        groups if apart else (),
    )


def _curve(served: Served, batch: float) -> LatencyCurve | None:
    """Speed by batch, where memory lets the batch grow at all."""
    if len(served.curve_batch) < 2:
        return None
    # The curve may end before the batch: it holds means, the batch is chosen at a percentile.
    growing = _last_growing(served.curve_batch, served.curve_tpot_seconds)
    return LatencyCurve.of(
        served.curve_batch, served.curve_tpot_seconds, min(max(batch, served.curve_batch[0]), growing)
    )


def _last_growing(batch: tuple[float, ...], seconds: tuple[float, ...]) -> float:
    """The batch of the most throughput."""
    return max(zip(batch, seconds, strict=True), key=lambda point: point[0] / point[1])[0]
