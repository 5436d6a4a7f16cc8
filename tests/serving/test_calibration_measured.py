"""The measured points: how they are read, and targets on folds held out; the benchmark has the full table."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from breakeven.serving.calibration.fit import Fitted, Observed, observed
from breakeven.serving.calibration.fit import fit as fit_constants
from breakeven.serving.calibration.hold_out import Score, errors, families, folds, half_widths
from breakeven.serving.calibration.point import Point
from breakeven.serving.calibration.ranking import ranking
from breakeven.serving.calibration.refit import as_fitted
from breakeven.serving.calibration.silicon_points import decode_points, silicon_points
from breakeven.serving.constants import shipped_constants
from breakeven.serving.step import decode_step

POINTS = Path(__file__).parents[3] / "shared/data/serving/measured_serving_points.csv.gz"
pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not POINTS.exists(), reason="the data lie beside the project, not in it"),
]


@cache
def everything() -> list[Point]:
    return silicon_points(POINTS)


@cache
def taken() -> tuple[list[Point], Observed]:
    points = [point for point in everything() if not point.doubt]
    return points, observed(points, as_fitted(shipped_constants()).names)


def shipped() -> Fitted:
    return as_fitted(shipped_constants())


def test_every_row_is_read_and_doubts_have_reasons():
    doubts = [point.doubt for point in everything() if point.doubt]
    assert len(everything()) == 2616
    assert (
        doubts.count("prefill and decode GPUs added up"),
        doubts.count("concurrency and batch disagree"),
    ) == (19, 15)
    assert len(doubts) == 34


def test_squared_tensor_sizes_are_eight_gpus():
    """The same measurement stands in the file twice: once as TP 64 with 8 x 8 experts, once as TP 8."""
    twins: dict[tuple[float, float], set[int]] = {}
    for point in everything():
        if not point.doubt:
            twins.setdefault((point.ttft_seconds, point.tpot_seconds), set()).add(point.layout.gpus)
    assert all(len(gpus) == 1 for gpus in twins.values())


def test_no_deployment_stands_on_both_sides():
    points, _ = taken()
    names = families(points)
    fold = folds(names, 10)
    by_times: dict[tuple[float, float], set[int]] = {}
    by_deployment: dict[str, set[int]] = {}
    for point, number in zip(points, fold, strict=True):
        by_times.setdefault((point.ttft_seconds, point.tpot_seconds), set()).add(int(number))
        by_deployment.setdefault(point.deployment, set()).add(int(number))
    assert all(len(one) == 1 for one in by_times.values())
    assert all(len(one) == 1 for one in by_deployment.values())


def test_shipped_constants_fit_what_they_were_fitted_to():
    points, data = taken()
    found = errors(shipped(), data)
    score = Score.of(found.throughput)
    assert (score.median < 0.07, score.mean < 0.12, score.within > 0.85) == (True, True, True), score
    assert ranking(points, found.throughput, same_precision=False).tau > 0.85


def test_disaggregated_decode_that_no_fit_saw():
    """Wide expert parallel on GB200 and GB300 among them, which no aggregated point has."""
    misses = [
        float(
            decode_step(
                point.architecture, point.accelerator, point.layout, point.batch, point.context_tokens,
                precision=point.precision, kv_precision="fp8", engine=point.engine,
            ).seconds
        )
        / point.tpot_seconds
        - 1
        for point in decode_points(POINTS)
    ]  # fmt: skip
    assert len(misses) > 150
    assert np.median(np.abs(misses)) < 0.2


@pytest.mark.slow
def test_targets_on_deployments_held_out():
    """Three of the ten folds of the benchmark: a third of the deployments, none of their rows in the fit."""
    points, data = taken()
    out = np.isin(folds(families(points), 10), (0, 3, 6))
    found = errors(fit_constants(data.rows(~out), shipped().values), data.rows(out))
    score = Score.of(found.throughput)
    assert score.median <= 0.15, score
    assert score.mean <= 0.20, score
    assert score.within >= 0.65, score
    below, above = half_widths(found.throughput, np.ones(out.sum()))
    assert 0.1 < below < 0.5
    assert 0.1 < above < 0.5


@pytest.mark.slow
def test_a_model_not_in_the_fit():
    points, data = taken()
    out = np.array([point.architecture.name.startswith(("minimax", "qwen3.5")) for point in points])
    found = errors(fit_constants(data.rows(~out), shipped().values), data.rows(out))
    assert Score.of(found.throughput).median <= 0.20
