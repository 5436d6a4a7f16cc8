"""Which curve to trust: the one that would have foretold these books best, unless a simpler did as well.

The rule, in full. Older cohorts are cut at several dates (`backtest`). A model's loss is its mean absolute
error, every month ahead counting alike, cohorts by their users. The smallest loss wins, unless others lie
within one standard error of it: the error of the difference, from drawing cohorts and the users in them anew.
Among those the smallest Akaike criterion on all that is known decides where they have one, else the fewest
parameters. The naive forecast is not a model one would choose for being simple: it is taken only where it
beats the best model by more than that error. Without enough history the default is taken, and that is said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from breakeven.account.metrics import Missing
from breakeven.growth.choosing.backtest import (
    FEWEST_VISIBLE,
    Backtest,
    Candidate,
    Floats,
    Foretold,
    Kind,
    Score,
    Whole,
    backtest,
    scores_of,
)
from breakeven.growth.choosing.candidates import (
    Activity,
    ActivityCandidate,
    ConstantChurn,
    Contracts,
    SurvivalCandidate,
)
from breakeven.growth.interval import LEVEL
from breakeven.growth.survival import SURVIVAL_MODELS, SurvivalModel

TOO_SHORT = Missing(
    f"too little history to compare models: at least {FEWEST_VISIBLE + 1} months of some cohort are needed",
    f"历史太短，无法比较模型：至少需要某个同期群 {FEWEST_VISIBLE + 1} 个月的数据",
)
NOBODY = Missing("no model can be fitted to these cohorts", "没有模型能拟合这些同期群")
BEST = Missing("smallest error of all", "误差最小")
SIMPLEST = Missing(
    "simplest of those whose error is the smallest but for noise",
    "误差与最小者的差别在噪声之内，取其中最简单者",
)
LIKELIEST = Missing(
    "best description of the known months (AIC) of those whose error is the smallest but for noise",
    "误差与最小者的差别在噪声之内，取其中最能描述已知月份者（AIC）",
)
NAIVE_WINS = Missing(
    "no model beats the naive forecast on these cohorts", "在这些同期群上没有模型胜过朴素预测"
)
_RESAMPLED = 400


@dataclass(frozen=True)
class Choice:
    """The candidate chosen and why, what it says of every cell, and the scores of all.

    `foretold` is of the whole triangle, `naive` the baseline's; either may be a refusal. `losses` are those
    the choice was made by, `noise` the standard error of each one's distance to the smallest. `refused` says
    why a model was not compared. `is_default` where there was too little history to compare.
    """

    candidate: Candidate | None
    reason: Missing
    is_default: bool
    foretold: Foretold | Missing
    naive: Foretold | Missing
    scores: tuple[Score, ...]
    losses: dict[str, float]
    noise: dict[str, float]
    refused: dict[str, Missing]
    tested: Backtest
    level: float = LEVEL

    @property
    def model(self) -> str:
        """The name of the model chosen; empty when none could be."""
        return self.candidate.name if self.candidate else ""

    @property
    def best(self) -> Any:
        """The chosen model fitted to all that is known (`ActivityFit`, of contracts `Fit`), or a refusal."""
        return self.foretold if isinstance(self.foretold, Missing) else self.foretold.fit

    def score(self, model: str, horizon: str = "all") -> Score | None:
        """One score, if that horizon was reached."""
        return next((one for one in self.scores if (one.model, one.horizon) == (model, horizon)), None)


def choose_from(
    candidates: Sequence[Candidate],
    kind: Kind,
    exposed: Floats,
    returned: Floats,
    *,
    starts: Whole | None = None,
    ages: int | None = None,
    draws: int = 400,
    seed: int = 20_240_601,
    level: float = LEVEL,
) -> Choice:
    """Choose among candidates for a triangle of counts (cohort, age), NaN where not observed.

    `starts` numbers the month in which each cohort began (0, 1, 2, ... unless given); `ages` is how many ages
    to foretell, at least those of the triangle. The first candidate that is no baseline is the default.
    """
    began = np.arange(len(exposed)) if starts is None else np.asarray(starts, dtype=np.int64)
    tested = backtest(candidates, kind, exposed, returned, began, seed=seed, level=level)
    by_name = {one.name: one for one in candidates}
    losses = dict(zip(tested.models, _weights(tested) @ _errors(tested, tested.truth).T, strict=True))
    losses = {name: float(loss) for name, loss in losses.items()} if tested.size else {}
    noise = _noise(tested, kind, exposed, returned, began, losses, seed) if losses else {}
    refused = dict(tested.refused)
    exposed, returned = widened(exposed, returned, ages)

    answered: dict[str, Foretold | Missing] = {}

    def told(one: Candidate) -> Foretold | Missing:
        if one.name not in answered:
            answered[one.name] = one.foretell(exposed, returned, draws, np.random.default_rng(seed))
        return answered[one.name]

    if losses:
        order, reason = _ranked(by_name, losses, noise, told)
    else:
        order, reason = [one for one in candidates if not one.is_naive], TOO_SHORT
    best, foretold = None, NOBODY
    for one in order:
        answer = told(one)
        if isinstance(answer, Foretold):
            best, foretold = one, answer
            break
        refused[one.name] = answer
    naive = next((one for one in candidates if one.is_naive), None)
    return Choice(
        best, reason if best else NOBODY, not losses, foretold, told(naive) if naive else NOBODY,
        tuple(scores_of(tested)), losses, noise, refused, tested, level,
    )  # fmt: skip


def widened(exposed: Floats, returned: Floats, ages: int | None) -> tuple[Floats, Floats]:
    """Counts with as many ages as are to be foretold, unknown where there were none."""
    missing = max(0, (ages or 0) - returned.shape[1])
    pad = ((0, 0), (0, missing))
    return tuple(  # type: ignore[return-value]
        np.pad(np.asarray(part, dtype=float), pad, constant_values=np.nan) for part in (exposed, returned)
    )


def _weights(tested: Backtest) -> Floats:
    """Of each cell in the loss: months ahead count alike, cohorts within them by users; they sum to 1."""
    weight = np.maximum(tested.weight, 1e-9)
    found = np.zeros(tested.size)
    horizons = np.unique(tested.months_ahead)
    for ahead in horizons:
        which = tested.months_ahead == ahead
        found[which] = weight[which] / weight[which].sum() / len(horizons)
    return found


def _errors(tested: Backtest, truth: Floats) -> Floats:
    """(model, cell)"""
    return np.abs(tested.value - truth[None, :])


def _ranked(
    by_name: dict[str, Candidate],
    losses: dict[str, float],
    noise: dict[str, float],
    told: Callable[[Candidate], Foretold | Missing],
) -> tuple[list[Candidate], Missing]:
    """Candidates from the one to take on, and why it is that one."""
    by_loss = sorted(losses, key=lambda name: (losses[name], by_name[name].parameters, name))
    models = [name for name in by_loss if not by_name[name].is_naive]
    if not models:
        return [by_name[name] for name in by_loss], NAIVE_WINS
    best, naive = models[0], by_loss[0]
    if naive != best and losses[best] - losses[naive] > noise[best]:
        return [by_name[name] for name in (naive, *models)], NAIVE_WINS
    # Noise is of the distance to the smallest loss; that may be the naive one's, by less than noise.
    near = [name for name in models if losses[name] - losses[best] <= noise[name]]
    answers = {name: told(by_name[name]) for name in near} if len(near) > 1 else {}
    aic = {
        name: one.aic for name, one in answers.items() if isinstance(one, Foretold) and one.aic is not None
    }
    if len(aic) == len(near):
        taken, reason = min(near, key=lambda name: (aic[name], name)), LIKELIEST
    else:
        taken, reason = min(near, key=lambda n: (by_name[n].parameters, losses[n], n)), SIMPLEST
    rest = [name for name in models if name != taken]
    return [by_name[name] for name in (taken, *rest)], BEST if taken == best else reason


def _noise(
    tested: Backtest,
    kind: Kind,
    exposed: Floats,
    returned: Floats,
    starts: Whole,
    losses: dict[str, float],
    seed: int,
) -> dict[str, float]:
    """The standard error of each model's loss less the smallest, by drawing cohorts and their users anew."""
    redrawn = np.empty((_RESAMPLED, tested.size))
    month = starts[:, None] + np.arange(returned.shape[1])[None, :]
    for cut in np.unique(tested.cut):
        which = tested.cut == cut
        # The same seed at every cut: a month that several cuts hide comes out alike in all of them.
        drawn = kind.redrawn(exposed, returned, month < cut, _RESAMPLED, seed)
        redrawn[:, which] = drawn[:, tested.cohort[which], tested.age[which]]
    cohorts, member = np.unique(tested.cohort, return_inverse=True)
    random = np.random.default_rng(seed)
    times = random.multinomial(len(cohorts), np.full(len(cohorts), 1 / len(cohorts)), size=_RESAMPLED)
    weight = times[:, member] * _weights(tested)[None, :]
    weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1e-300)
    resampled = np.stack(
        [(weight * np.abs(redrawn - value[None, :])).sum(axis=1) for value in tested.value], axis=1
    )
    best = tested.models.index(min(losses, key=lambda name: losses[name]))
    spread = (resampled - resampled[:, [best]]).std(axis=0)
    return {name: float(spread[row]) for row, name in enumerate(tested.models)}


def choose(exposed: Floats, returned: Floats, curves: Sequence[Any] | None = None, **how: Any) -> Choice:
    """Choose a curve of activity; the naive forecast, among the curves or not, is always beside.

    Takes what `choose_from` takes. `curves` are those of `growth.activity` unless given.
    """
    from breakeven.growth.activity import fit as activity

    found = activity.ACTIVITY_CURVES if curves is None else curves
    models = [ActivityCandidate(curve) for curve in found if curve is not activity.NAIVE]
    return choose_from(
        [*models, ActivityCandidate(activity.NAIVE, is_naive=True)], Activity(), exposed, returned, **how
    )


def choose_survival(
    exposed: Floats, returned: Floats, models: Sequence[SurvivalModel] = SURVIVAL_MODELS, **how: Any
) -> Choice:
    """Choose a survival model for contracts (see `contract_triangle`); constant churn is always beside."""
    found = [SurvivalCandidate(model) for model in models]
    return choose_from([*found, ConstantChurn()], Contracts(), exposed, returned, **how)
