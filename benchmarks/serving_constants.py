"""Fits the serving constants to measured points, says how far held-out ones lie, and writes `constants.yaml`.

Run `python -m benchmarks.serving_constants POINTS.csv.gz [--write]`. POINTS is aiconfigurator's
collection of measured points as it is. A few minutes on one core; seeds are fixed.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
import yaml

from breakeven.serving.architecture.attention import Floats
from breakeven.serving.calibration.fit import Fitted, Observed, fit, log_rates, observed, predicted
from breakeven.serving.calibration.hold_out import (
    Errors,
    Integers,
    Score,
    errors,
    families,
    folds,
    half_widths,
    held_out,
)
from breakeven.serving.calibration.point import Point
from breakeven.serving.calibration.priors import BASES
from breakeven.serving.calibration.ranking import ranking
from breakeven.serving.calibration.refit import FEWEST_POINTS, deployment_of, offsets
from breakeven.serving.calibration.silicon_points import decode_points, silicon_points
from breakeven.serving.closed_loop import loop_times
from breakeven.serving.constants import SHIPPED, Constant, shipped_constants
from breakeven.serving.rates import RATES, Rates, model_name
from breakeven.serving.step import decode_step, prefill_seconds

FOLDS = 10
SEED = 5
TIE = 0.05
PREFILL_HEAVY = 1 / 3
AS_OF = "2026-11-22"
HEADER = "# Written by benchmarks/serving_constants.py. Do not edit: run it again.\n"


@dataclass(frozen=True)
class Fold:
    """One way of holding points out, and the errors that came of it."""

    name: str
    numbers: Integers
    errors: Errors


def labels(points: Sequence[Point], which: str) -> list[str]:
    """What points are told apart by."""
    return [
        {
            "model": model_name(point.architecture), "gpu": point.accelerator.name, "engine": point.engine,
            "precision": point.precision, "origin": point.origin,
        }[which]
        for point in points
    ]  # fmt: skip


def numbered(names: Sequence[str]) -> Integers:
    """A fold for each distinct name."""
    return np.unique(np.array(names), return_inverse=True)[1]


def with_three_points(
    points: Sequence[Point], data: Observed, numbers: Integers, start: Fitted
) -> tuple[Floats, Floats]:
    """Throughput and TPOT errors of points of models not in the fit, after three points of each deployment of
    theirs.

        A deployment here is GPU, engine and precision. Its three points are drawn at random and are not
        counted; NaN stands for them and for deployments with no other.
    """
    random = np.random.default_rng(SEED)
    throughput, tpot = np.full(len(points), np.nan), np.full(len(points), np.nan)
    for number in range(int(numbers.max()) + 1):
        fitted = fit(data.rows(numbers != number), start.values)
        own = sorted(
            np.flatnonzero(numbers == number).tolist(), key=lambda place: deployment_of(points[place])
        )
        for _, members in groupby(own, key=lambda place: deployment_of(points[place])):
            places = np.array(list(members))
            distinct = {(points[place].ttft_seconds, points[place].tpot_seconds): place for place in places}
            if len(distinct) <= FEWEST_POINTS:
                continue
            drawn = random.choice(list(distinct.values()), FEWEST_POINTS, replace=False)
            times = {(points[place].ttft_seconds, points[place].tpot_seconds) for place in drawn}
            rest = [
                place
                for place in places
                if (points[place].ttft_seconds, points[place].tpot_seconds) not in times
            ]
            known = data.rows(_mask(drawn, len(points)))
            found, _ = offsets(known, log_rates(fitted.values, known))
            other = data.rows(_mask(np.array(rest), len(points)))
            logs = log_rates(fitted.values, other)
            logs["decode_factor"] = logs["decode_factor"] + found[0]
            logs["prefill_factor"] = logs["prefill_factor"] + found[1]
            _, step, rate = predicted(logs, other)
            throughput[sorted(rest)] = rate - other.log_throughput
            tpot[sorted(rest)] = step - other.log_tpot
    return throughput, tpot


def _mask(places: Sequence[int] | Integers, length: int) -> np.ndarray:
    found = np.zeros(length, dtype=bool)
    found[np.asarray(places, dtype=int)] = True
    return found


def prefill_shares(fitted: Fitted, data: Observed) -> Floats:
    """Of each point's time, the part that prefills take."""
    logs = log_rates(fitted.values, data)
    rate = Rates(**{name: np.exp(logs[name]) for name in RATES})
    loop = loop_times(data.work, rate)
    prompt = prefill_seconds(data.work.prefill, rate).seconds
    return data.work.running * prompt / (loop.ttft_seconds + data.work.output_tokens * loop.tpot_seconds)


def widths(found: Errors, shares: Floats, weights: Floats) -> dict[str, list[float]]:
    """Half widths of the 80 % interval by quantity.

    Decode from TPOT where decode rules, prefill from throughput where prefills take a third of the time or
    more.
    """
    heavy = shares >= PREFILL_HEAVY
    parts = {
        "decode": (found.tpot[~heavy], weights[~heavy], 1.0),
        "prefill": (found.throughput[heavy], weights[heavy], -1.0),
        "throughput": (found.throughput, weights, 1.0),
    }
    return {
        name: [round(one, 3) for one in half_widths(sign * log_errors, weight)]
        for name, (log_errors, weight, sign) in parts.items()
    }


def coverage(log_errors: Floats, weights: Floats, numbers: Integers) -> float:
    """How many points the 80 % interval holds that the other folds' errors give."""
    held = np.zeros(len(log_errors), dtype=bool)
    for number in range(int(numbers.max()) + 1):
        out = numbers == number
        below, above = half_widths(log_errors[~out], weights[~out])
        held[out] = (-log_errors[out] >= -below) & (-log_errors[out] <= above)
    return float(held.mean())


def disaggregated(path: Path, fitted: Fitted) -> Floats:
    """Logarithms of predicted over measured TPOT of decode workers, which no fit has."""
    values = dict(zip(fitted.names, fitted.values.tolist(), strict=True))
    constants = replace(
        shipped_constants(), constants={name: Constant(name, value, 0.0) for name, value in values.items()}
    )
    return np.log(
        [
            float(
                decode_step(
                    point.architecture, point.accelerator, point.layout, point.batch, point.context_tokens,
                    precision=point.precision, kv_precision="fp8", engine=point.engine, constants=constants,
                ).seconds
            )
            / point.tpot_seconds
            for point in decode_points(path)
        ]
    )  # fmt: skip


def line(name: str, log_errors: Floats) -> str:
    """A row of the table."""
    score = Score.of(log_errors[np.isfinite(log_errors)])
    return (
        f"{name:44} {score.points:5d}  {score.median:6.1%}  {score.mean:6.1%}  {score.within:6.1%}"
        f"  {score.bias:+7.3f}"
    )


@dataclass(frozen=True)
class Findings:
    """How true predictions of throughput are on points that no fit saw."""

    deployment: Score
    model: Score
    three: Score
    """Models held out, after three points of each of their deployments."""
    with_doubted: Score
    doubted: int
    coverage: float
    model_coverage: float
    three_coverage: float
    tau: float
    """Kendall's, of GPUs for a model and a shape."""


def held_out_findings(path: Path) -> Findings:
    """Fit and hold out anew; a minute or two."""
    everything = silicon_points(path)
    points = [point for point in everything if not point.doubt]
    data = observed(points)
    fitted = fit(data)
    by_deployment = folds(families(points), FOLDS, SEED)
    by_model = numbered(labels(points, "model"))
    deployment = held_out(data, by_deployment, fitted).throughput
    model = held_out(data, by_model, fitted).throughput
    three, _ = with_three_points(points, data, by_model, fitted)
    kept = np.isfinite(three)
    doubted = [point for point in everything if point.doubt]
    wrong = errors(fitted, observed(doubted, data.names)).throughput
    once = data.weights / data.weights.max()
    return Findings(
        Score.of(deployment),
        Score.of(model),
        Score.of(three[kept]),
        Score.of(np.concatenate([deployment, wrong])),
        len(doubted),
        coverage(deployment, once, by_deployment),
        coverage(model, once, by_model),
        coverage(three[kept], once[kept], by_model[kept]),
        ranking(points, deployment, same_precision=False).tau,
    )


def main(arguments: Sequence[str]) -> None:
    """See the module."""
    everything = silicon_points(Path(arguments[0]))
    points = [point for point in everything if not point.doubt]
    doubts = Counter(point.doubt for point in everything)
    print(f"{len(everything)} aggregated rows, {len(points)} taken; doubted: {dict(doubts)}")
    data = observed(points)
    fitted = fit(data)
    numbers = folds(families(points), FOLDS, SEED)
    by_deployment = Fold("deployment", numbers, held_out(data, numbers, fitted))
    numbers = numbered(labels(points, "model"))
    by_model = Fold("model", numbers, held_out(data, numbers, fitted))
    gpus = numbered(labels(points, "gpu"))
    by_gpu = Fold("gpu", gpus, held_out(data, gpus, fitted))
    three, three_tpot = with_three_points(points, data, by_model.numbers, fitted)

    print(f"{'':44} {'rows':>5}  {'median':>6}  {'mean':>6}  {'<20 %':>6}  {'bias':>7}")
    print(line("fitted, throughput", errors(fitted, data).throughput))
    for fold in (by_deployment, by_model, by_gpu):
        for quantity in ("throughput", "tpot", "ttft"):
            print(line(f"{fold.name} held out, {quantity}", getattr(fold.errors, quantity)))
    print(line("model held out, three of its points", three))
    print(line("model held out, three of its points, tpot", three_tpot))
    doubted = [point for point in everything if point.doubt]
    wrong = errors(fitted, observed(doubted, data.names))
    print(line("doubted rows, in no fit", wrong.throughput))
    print(line("deployment held out, doubted rows with it",
               np.concatenate([by_deployment.errors.throughput, wrong.throughput])))  # fmt: skip
    once = data.weights / data.weights.max()
    distinct = np.unique(
        [f"{a}{b}" for a, b in zip(data.log_ttft, data.log_tpot, strict=True)], return_index=True
    )[1]
    print(line("deployment held out, equal rows once", by_deployment.errors.throughput[distinct]))
    for which in ("model", "gpu", "engine", "precision", "origin"):
        names = np.array(labels(points, which))
        for name in sorted(set(names)):
            print(line(f"  {which} {name}", by_deployment.errors.throughput[names == name]))
    models = np.array(labels(points, "model"))
    for name in sorted(set(models)):
        print(line(f"  not in the fit: {name}", by_model.errors.throughput[models == name]))
        print(line("    with three of its points", three[models == name]))
    for fold in (by_deployment, by_model, by_gpu):
        print(
            f"80 % interval, {fold.name} held out: holds "
            f"{coverage(fold.errors.throughput, once, fold.numbers):.1%} of throughput, "
            f"{coverage(fold.errors.tpot, once, fold.numbers):.1%} of TPOT"
        )
    kept = np.isfinite(three)
    print(
        f"80 % interval, three points: holds {coverage(three[kept], once[kept], by_model.numbers[kept]):.1%}"
    )
    for same_precision in (False, True):
        for tie in (0.0, TIE):
            found = ranking(points, by_deployment.errors.throughput, same_precision=same_precision, tie=tie)
            print(f"Kendall's tau, same precision {same_precision}, ties below {tie:.0%}: {found}")

    print(line("disaggregated decode, tpot, in no fit", disaggregated(Path(arguments[0]), fitted)))

    if "--write" in arguments:
        shares = prefill_shares(fitted, data)
        measured = Errors(np.zeros(kept.sum()), three_tpot[kept], three[kept])
        spreads = {
            "known": widths(by_deployment.errors, shares, once),
            "new_model": widths(by_model.errors, shares, once),
            "new_gpu": widths(by_gpu.errors, shares, once),
            "measured": widths(measured, shares[kept], once[kept]),
        }
        spreads["new_both"] = {
            quantity: [
                round(float(np.hypot(a, b)), 3)
                for a, b in zip(spreads["new_model"][quantity], spreads["new_gpu"][quantity], strict=True)
            ]
            for quantity in ("decode", "prefill", "throughput")
        }
        SHIPPED.write_text(written(fitted, data, points, spreads), "utf-8")
        print(f"wrote {SHIPPED.name}")


def written(
    fitted: Fitted, data: Observed, points: Sequence[Point], spreads: dict[str, dict[str, list[float]]]
) -> str:
    """The file's text."""
    uses: Counter[str] = Counter()
    for columns, weights in data.design.values():
        for place, column in enumerate(columns):
            name = fitted.names[column]
            uses[name] = max(uses[name], int(np.count_nonzero(weights[:, place])))
    value = dict(zip(fitted.names, fitted.values, strict=True))
    error = dict(zip(fitted.names, fitted.standard_errors, strict=True))
    data_out = {
        "provenance": (
            f"{len(points)} aggregated points of aiconfigurator's silicon_sample.csv (Apache-2.0): "
            "InferenceX runs of October 2025 to April 2026 and NVIDIA's own"
        ),
        "as_of": AS_OF,
        "constants": {
            name: {
                "value": float(f"{np.exp(value[name]):.4g}"),
                "unit": base.unit,
                "standard_error": round(float(error[name]), 3),
                "identified_by": base.identified_by,
            }
            for name, base in BASES.items()
        },
        "adjustments": {
            name: [round(float(value[name]), 4), round(float(error[name]), 3), uses[name]]
            for name in fitted.names
            if name not in BASES
        },
        "spreads": spreads,
        "measured": {
            "models": sorted(set(labels(points, "model"))),
            "gpus": sorted(set(labels(points, "gpu"))),
        },
    }
    return HEADER + yaml.safe_dump(
        data_out, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None
    )


if __name__ == "__main__":
    main(sys.argv[1:])
