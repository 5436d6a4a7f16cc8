"""Fitting the constants: all at once, to log TPOT, log TTFT and log throughput, with a robust loss.

Each constant has a prior (a plausible value and how far it may be off), so what the points do not identify
stays where it was, and adjustments by group shrink toward none: the mixed model of statistics, fitted as one
nonlinear least-squares problem. Equal rows that the collection holds several times count once together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from breakeven.serving.architecture.attention import Floats
from breakeven.serving.calibration.point import Point
from breakeven.serving.calibration.priors import Prior, prior
from breakeven.serving.closed_loop import ClosedLoop, LoopWork, loop_times, loop_work
from breakeven.serving.rates import RATES, Rates, Situation, terms
from breakeven.serving.step_work import StepWork

ERRORS = {"ttft": 0.6, "tpot": 0.18, "throughput": 0.15}
"""Size of an ordinary residual of each logarithm; larger ones count by their size, not its square."""
_STEP = 1e-5


@dataclass(frozen=True)
class Observed:
    """Points as arrays: what they measured, how much each counts, their counted work, and the design.

    `design` holds, for each rate, which constants (columns of `names`) it is made of, row by row.
    """

    names: tuple[str, ...]
    work: LoopWork
    design: Mapping[str, tuple[npt.NDArray[np.int64], Floats]]
    log_ttft: Floats
    log_tpot: Floats
    log_throughput: Floats
    weights: Floats
    nominal_output: Floats
    nominal_concurrency: Floats

    def rows(self, chosen: npt.NDArray[np.bool_]) -> Observed:
        """Some of the points."""
        return Observed(
            self.names,
            LoopWork(
                _chosen(self.work.decode, chosen), _chosen(self.work.prefill, chosen),
                self.work.concurrency[chosen], self.work.running[chosen],
                self.work.output_tokens[chosen], self.work.gpus[chosen],
            ),
            {rate: (columns, weights[chosen]) for rate, (columns, weights) in self.design.items()},
            self.log_ttft[chosen], self.log_tpot[chosen], self.log_throughput[chosen], self.weights[chosen],
            self.nominal_output[chosen], self.nominal_concurrency[chosen],
        )  # fmt: skip


@dataclass(frozen=True)
class Fitted:
    """Values of the constants (logarithms) in the order of `names`, with standard errors."""

    names: tuple[str, ...]
    values: Floats
    standard_errors: Floats


def observed(points: Sequence[Point], names: tuple[str, ...] | None = None) -> Observed:
    """Points as the fit takes them; `names` are the constants to keep, by default all that they need."""
    situations = [_situation(point) for point in points]
    per_row = [terms(situation) for situation in situations]
    if names is None:
        names = tuple(sorted({name for row in per_row for parts in row.values() for name in parts}))
    column = {name: number for number, name in enumerate(names)}
    design: dict[str, tuple[npt.NDArray[np.int64], Floats]] = {}
    for rate in RATES:
        used = sorted({column[name] for row in per_row for name in row[rate] if name in column})
        position = {number: place for place, number in enumerate(used)}
        weights = np.zeros((len(points), len(used)))
        for place, row in enumerate(per_row):
            for name, weight in row[rate].items():
                if name in column:
                    weights[place, position[column[name]]] += float(weight)
        design[rate] = (np.asarray(used, dtype=np.int64), weights)
    works = [
        loop_work(
            point.architecture, point.accelerator, point.layout, point.concurrency,
            point.input_tokens * point.length_share, point.output_tokens * point.length_share,
            precision=point.precision, kv_precision=point.kv_precision,
        )
        for point in points
    ]  # fmt: skip
    times = Counter((point.ttft_seconds, point.tpot_seconds) for point in points)
    return Observed(
        names,
        _stacked(works),
        design,
        np.log([point.ttft_seconds for point in points]),
        np.log([point.tpot_seconds for point in points]),
        np.log([point.output_tokens_per_second_per_gpu for point in points]),
        np.array([1.0 / times[point.ttft_seconds, point.tpot_seconds] for point in points]),
        np.array([point.output_tokens for point in points]),
        np.array([point.concurrency for point in points]),
    )


def _situation(point: Point) -> Situation:
    context = point.length_share * (point.input_tokens + point.output_tokens / 2)
    return Situation(
        point.architecture, point.accelerator, point.layout, point.precision, point.engine,
        np.asarray(point.concurrency), np.asarray(context), point.has_even_lengths,
    )  # fmt: skip


def _stacked(works: Sequence[LoopWork]) -> LoopWork:
    return LoopWork(
        StepWork.stacked([work.decode for work in works]),
        StepWork.stacked([work.prefill for work in works]),
        *(
            np.array([float(getattr(work, name)) for work in works])
            for name in ("concurrency", "running", "output_tokens", "gpus")
        ),
    )


def _chosen(work: StepWork, chosen: npt.NDArray[np.bool_]) -> StepWork:
    return StepWork(*(getattr(work, name)[chosen] for name in StepWork.__dataclass_fields__))


def log_rates(values: Floats, data: Observed) -> dict[str, Floats]:
    """The logarithm of each rate for each point."""
    return {rate: weights @ values[columns] for rate, (columns, weights) in data.design.items()}


def predicted(logs: Mapping[str, Floats], data: Observed) -> tuple[Floats, Floats, Floats]:
    """Logarithms of TTFT, TPOT and throughput, the last from nominal lengths as for measurements."""
    loop: ClosedLoop = loop_times(data.work, Rates(**{name: np.exp(logs[name]) for name in RATES}))
    life = loop.ttft_seconds + loop.tpot_seconds * (data.nominal_output - 1)
    throughput = data.nominal_concurrency * data.nominal_output / life / data.work.gpus
    return np.log(loop.ttft_seconds), np.log(loop.tpot_seconds), np.log(throughput)


def fit(data: Observed, start: Floats | None = None, *, priors: Sequence[Prior] | None = None) -> Fitted:
    """The constants that the points and the priors give together."""
    prior_list = [prior(name) for name in data.names] if priors is None else priors
    middle = np.array([one.value for one in prior_list])
    width = np.array([one.spread for one in prior_list])
    root = np.sqrt(data.weights)

    def robust(residual: Floats) -> tuple[Floats, Floats]:
        """Pseudo-Huber: the residual whose square is the loss, and its derivative."""
        size = np.sqrt(1 + residual**2)
        value = np.sign(residual) * np.sqrt(2 * (size - 1))
        slope = np.where(np.abs(residual) < 1e-4, 1.0, residual / (size * np.where(value == 0, 1.0, value)))
        return value, slope

    def scaled(logs: Mapping[str, Floats]) -> Floats:
        ttft, tpot, throughput = predicted(logs, data)
        return np.stack(
            [
                (ttft - data.log_ttft) / ERRORS["ttft"],
                (tpot - data.log_tpot) / ERRORS["tpot"],
                (throughput - data.log_throughput) / ERRORS["throughput"],
            ]
        )

    def residuals(values: Floats) -> Floats:
        value, _ = robust(scaled(log_rates(values, data)))
        return np.concatenate([(value * root).ravel(), (values - middle) / width])

    def jacobian(values: Floats) -> Floats:
        logs = log_rates(values, data)
        base = scaled(logs)
        _, slope = robust(base)
        found = np.zeros((*base.shape, len(values)))
        for rate, (columns, weights) in data.design.items():
            moved = scaled({**logs, rate: logs[rate] + _STEP})
            change = (moved - base) / _STEP * slope * root
            found[:, :, columns] += change[:, :, None] * weights[None, :, :]
        return np.concatenate([found.reshape(-1, len(values)), np.diag(1 / width)])

    first = middle if start is None else start
    result = least_squares(residuals, first, jac=jacobian, method="lm", ftol=1e-4, xtol=1e-5, max_nfev=30)  # pyright: ignore[reportArgumentType] - the stub knows no callables
    information = result.jac.T @ result.jac
    errors = np.sqrt(np.diag(np.linalg.inv(information)))
    return Fitted(data.names, result.x, errors)
