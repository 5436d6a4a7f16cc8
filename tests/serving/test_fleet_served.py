"""A fleet of what `serve` answers: the same work, whole replicas of each kind, speed on its own curve."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from breakeven.serving.architecture import architecture
from breakeven.serving.fleet.demand import HourlyDemand
from breakeven.serving.fleet.from_served import served_model
from breakeven.serving.fleet.month import fleet_month
from breakeven.serving.fleet.supply import Rules, Supply
from breakeven.serving.hardware import accelerator
from breakeven.serving.serve import serve
from breakeven.serving.traffic import Traffic

TRAFFIC = Traffic("chat", 4_000, 1_000, cached_share=0.25, output_spread=0.8)


@pytest.fixture(scope="module", params=["aggregated", "disaggregated"])
def served(request):
    return serve(architecture("llama-3.1-70b"), accelerator("h200"), TRAFFIC, mode=request.param)


def test_the_work_is_that_of_the_answer(served):
    model = served_model(served)
    assert model.work == served.work
    assert model.request_gpu_seconds == pytest.approx(served.gpu_seconds_per_request.value, rel=1e-6)
    assert model.request is not None
    assert model.request.service_variation == pytest.approx(0.64)


def test_replicas_are_whole(served):
    model = served_model(served)
    requests = 3_600 * 20.0
    tokens = requests * np.array([[[3_000.0, 1_000.0, 1_000.0]]])
    demand = HourlyDemand(datetime(2026, 3, 1, tzinfo=UTC), (model.name,), tokens)
    rules = Rules(headroom=0.1, spare=1)
    month = fleet_month(demand, [model], {"pool": Supply(on_demand_price=2.0)}, rules)
    whole = 0
    for pool in served.pools:
        work = requests * pool.gpu_seconds_per_request / 3_600
        whole += (int(np.ceil(work / (pool.gpus_per_replica * 0.9) - 1e-9)) + 1) * pool.gpus_per_replica
    assert month.on.tolist() == [whole]
    assert month.work[0] == pytest.approx(20.0 * served.gpu_seconds_per_request.value, rel=1e-6)


def test_users_get_what_is_promised_at_the_target(served):
    model = served_model(served)
    assert model.curve is not None
    assert model.curve.most_load >= 1
    at_target = float(model.curve.seconds_per_token(np.array([1.0]))[0])
    assert at_target == pytest.approx(model.curve.target_seconds)
    slower = model.curve.seconds_per_token(np.linspace(0.1, model.curve.most_load, 20))
    assert (np.diff(slower) >= -1e-12).all()
