"""Backtests: hide what came later, forecast it from what was known then, and measure how far off that was.

A triangle of shares (cohort, age) is cut at several dates. Before a cut everything is visible, after it
nothing; every candidate sees the same cells and is asked for the same ones. So a model is judged by what it
would have said, never by how well it describes what it was fitted to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from breakeven.account.metrics import Missing
from breakeven.growth.interval import LEVEL

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

HORIZONS = (1, 2, 3, 6, 12)
"""Months ahead that a scorecard shows."""
TWICE = "twice"
"""The horizon at which a cohort is as old again as it had been observed."""
FEWEST_VISIBLE = 3
"""Ages that must be visible before a cut: the start and two more, or nothing bends."""
MOST_CUTS = 5


@dataclass(frozen=True)
class Foretold:
    """What a candidate says of every cell: `value` (cohort, age), and as `draws` (draw, cohort, age).

    `aic` is Akaike's criterion of its fit to what was visible, where it has a likelihood; `fit` that fit.
    """

    value: Floats
    draws: Floats
    aic: float | None = None
    fit: Any = None


class Candidate(Protocol):
    """A way of forecasting a triangle: fitted anew to whatever is visible."""

    @property
    def name(self) -> str:
        """As shown."""
        ...

    @property
    def parameters(self) -> int:
        """How many numbers it takes from the data: its complexity."""
        ...

    @property
    def is_naive(self) -> bool:
        """Whether it is the baseline that every model must beat."""
        ...

    def foretell(
        self, exposed: Floats, returned: Floats, draws: int, random: np.random.Generator
    ) -> Foretold | Missing:
        """Shares of every cell, from counts that are NaN where nothing is known; or why there are none."""
        ...


class Kind(Protocol):
    """What the counts of a triangle mean: activity (comes and goes) or contracts (an exit is for good)."""

    def shares(self, exposed: Floats, returned: Floats) -> Floats:
        """(cohort, age): the share of the cohort that is foretold and scored; NaN where not known."""
        ...

    def redrawn(
        self, exposed: Floats, returned: Floats, visible: NDArray[np.bool_], draws: int, seed: int
    ) -> Floats:
        """(draw, cohort, age): shares as they might have come out with other users of the same habits."""
        ...


@dataclass(frozen=True)
class Backtest:
    """Every hidden cell that was asked for, at every cut: the truth, and what each model had said.

    Arrays are (cell,), those of models (model, cell). `months_ahead` counts from the last visible month.
    """

    models: tuple[str, ...]
    cut: Whole
    cohort: Whole
    age: Whole
    months_ahead: Whole
    is_twice: NDArray[np.bool_]
    weight: Floats
    truth: Floats
    value: Floats
    low: Floats
    high: Floats
    refused: dict[str, Missing]
    level: float = LEVEL

    @property
    def size(self) -> int:
        """How many cells."""
        return len(self.truth)

    @property
    def cuts(self) -> int:
        """How many dates the triangle was cut at."""
        return len(np.unique(self.cut))


@dataclass(frozen=True)
class Score:
    """How a model did at a horizon: months ahead as text, `twice` the observed age, or `all` of them.

    `error` is the mean absolute error and `bias` the mean error (above zero: foretold too much), both in
    shares of a cohort, each cell weighted by its users. `coverage` is the share of cells inside their
    interval, `interval_score` its width with a penalty for what fell outside: smaller is better. `n` counts
    cells. Source: T. Gneiting and A. E. Raftery (2007), Strictly proper scoring rules, prediction, and
    estimation, Journal of the American Statistical Association 102(477), 359-378.
    """

    model: str
    horizon: str
    error: float
    bias: float
    coverage: float
    interval_score: float
    n: int


def cuts_of(is_known: NDArray[np.bool_], starts: Whole) -> list[int]:
    """Months before which a triangle can be cut: half of the history is visible, and something is hidden.

    So what is asked is at most what is asked in earnest: a cohort as old again as the oldest was.

    >>> cuts_of(np.tri(9, dtype=bool)[::-1], np.arange(9))
    [5, 6, 7, 8]
    """
    if not is_known.any():
        return []
    month = starts[:, None] + np.arange(is_known.shape[1])[None, :]
    first, last = int(month[is_known].min()), int(month[is_known].max())
    half = (last - first + 2) // 2
    every = list(range(first + max(FEWEST_VISIBLE, half), last + 1))
    if len(every) <= MOST_CUTS:
        return every
    return [every[int(i)] for i in np.linspace(0, len(every) - 1, MOST_CUTS).round()]


def backtest(
    candidates: Sequence[Candidate],
    kind: Kind,
    exposed: Floats,
    returned: Floats,
    starts: Whole,
    *,
    draws: int = 200,
    seed: int = 0,
    level: float = LEVEL,
) -> Backtest:
    """Ask every candidate at every cut. One that refuses the last cut is out, and says why.

    Cuts at which any of the others refuses are left out for all: models are compared on the same cells.
    """
    truth = kind.shares(exposed, returned)
    month = starts[:, None] + np.arange(returned.shape[1])[None, :]
    answers: dict[int, list[Foretold | Missing]] = {}
    cuts = cuts_of(np.isfinite(truth), starts)
    for cut in cuts:
        visible = month < cut
        seen = np.where(visible, exposed, np.nan), np.where(visible, returned, np.nan)
        answers[cut] = [
            one.foretell(*seen, draws, np.random.default_rng([seed, cut, i]))
            for i, one in enumerate(candidates)
        ]
    refused: dict[str, Missing] = {}
    if cuts:
        for one, answer in zip(candidates, answers[cuts[-1]], strict=True):
            if isinstance(answer, Missing):
                refused[one.name] = answer
    left = [i for i, one in enumerate(candidates) if one.name not in refused]
    parts = [
        _cells(cut, truth, exposed, starts, found, level)
        for cut in cuts
        if (found := _all_of(answers[cut], left))
    ]
    names = tuple(candidates[i].name for i in left)
    return _joined(names, parts, refused, level)


def _all_of(answers: list[Foretold | Missing], left: list[int]) -> list[Foretold]:
    found = [answer for i in left if isinstance(answer := answers[i], Foretold)]
    return found if len(found) == len(left) else []


_Part = dict[str, NDArray[np.generic]]


def _cells(
    cut: int, truth: Floats, exposed: Floats, starts: Whole, found: list[Foretold], level: float
) -> _Part:
    """The hidden cells of one cut, of cohorts that had begun before it."""
    ages = np.arange(truth.shape[1])
    month = starts[:, None] + ages[None, :]
    seen = np.isfinite(truth) & (month < cut)
    last = np.where(seen.any(axis=1), truth.shape[1] - 1 - np.argmax(seen[:, ::-1], axis=1), -1)
    hidden = np.isfinite(truth) & (month >= cut) & (last[:, None] >= 0)
    for one in found:
        hidden &= np.isfinite(one.value)
    cohort, age = np.nonzero(hidden)
    tail = (1 - level) / 2
    edges = [np.quantile(one.draws[:, cohort, age], [tail, 1 - tail], axis=0) for one in found]
    return {
        "cut": np.full(len(cohort), cut),
        "cohort": cohort,
        "age": age,
        "months_ahead": starts[cohort] + age - cut + 1,
        "is_twice": (age == 2 * last[cohort]) & (last[cohort] > 0),
        "weight": np.nan_to_num(exposed).max(axis=1)[cohort],
        "truth": truth[cohort, age],
        "value": np.stack([one.value[cohort, age] for one in found]),
        "low": np.stack([edge[0] for edge in edges]),
        "high": np.stack([edge[1] for edge in edges]),
    }


def _joined(
    models: tuple[str, ...], parts: list[_Part], refused: dict[str, Missing], level: float
) -> Backtest:
    def whole(name: str) -> Whole:
        return np.concatenate([np.zeros(0, np.int64), *(part[name].astype(np.int64) for part in parts)])

    def floats(name: str) -> Floats:
        return np.concatenate([np.zeros(0), *(part[name].astype(float) for part in parts)])

    def by_model(name: str) -> Floats:
        empty = np.zeros((len(models), 0))
        return np.concatenate([empty, *(part[name].astype(float) for part in parts)], axis=1)

    return Backtest(
        models, whole("cut"), whole("cohort"), whole("age"), whole("months_ahead"),
        whole("is_twice").astype(bool), floats("weight"), floats("truth"),
        by_model("value"), by_model("low"), by_model("high"), refused, level,
    )  # fmt: skip


def scores_of(tested: Backtest) -> list[Score]:
    """Scores of every model over all cells, at each of `HORIZONS` that was reached, and at twice the age."""
    horizons: list[tuple[str, NDArray[np.bool_]]] = [("all", np.ones(tested.size, dtype=bool))]
    horizons += [(str(ahead), tested.months_ahead == ahead) for ahead in HORIZONS]
    horizons.append((TWICE, tested.is_twice))
    return [
        _score(tested, row, name, which)
        for row in range(len(tested.models))
        for name, which in horizons
        if which.any()
    ]


def _score(tested: Backtest, row: int, horizon: str, which: NDArray[np.bool_]) -> Score:
    weight = tested.weight[which]
    weight = weight / weight.sum() if weight.sum() > 0 else np.full(len(weight), 1 / len(weight))
    truth, value = tested.truth[which], tested.value[row, which]
    low, high = tested.low[row, which], tested.high[row, which]
    return Score(
        tested.models[row],
        horizon,
        float(weight @ np.abs(value - truth)),
        float(weight @ (value - truth)),
        float(((low <= truth) & (truth <= high)).mean()),
        float(weight @ interval_score(truth, low, high, tested.level)),
        int(which.sum()),
    )


def interval_score(truth: Floats, low: Floats, high: Floats, level: float) -> Floats:
    """Width of the interval, and 2 / (1 - level) times the distance by which the truth missed it.

    >>> one = np.array([0.5, 0.8])
    >>> interval_score(one, np.array([0.4, 0.4]), np.array([0.6, 0.6]), 0.8).round(3).tolist()
    [0.2, 2.2]
    """
    missed = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    return high - low + 2 / (1 - level) * missed
