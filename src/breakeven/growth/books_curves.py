"""The books under every model of subscriptions and of visits: what each says, and how sure, line by line.

Subscriptions of one term are a line of their own, since a renewal a month is not a renewal a year. The curve
that would have foretold a line's own past best is the one continued; all others stand beside it. Everything
is computed from cells, so it takes as long for a million users as for some thousand.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from breakeven.account.contracts import contracts
from breakeven.account.metrics import Missing
from breakeven.growth.books_cells import ALL, UNATTRIBUTED, visits_of, watched
from breakeven.growth.bootstrap import Bootstrap, bootstrap
from breakeven.growth.cells import CONTRACT_COLUMNS, Cells
from breakeven.growth.choosing.books_contracts import TERM, ContractTriangle
from breakeven.growth.choosing.candidates import NAIVE_NAME, contract_triangle
from breakeven.growth.choosing.choice import NAIVE_WINS, NOBODY, choose_survival
from breakeven.growth.interval import Interval
from breakeven.growth.maximum_likelihood import Fit, Floats, fit
from breakeven.growth.survival import STRAIGHT_LINE, SURVIVAL_MODELS, SurvivalModel
from breakeven.growth.survival.curve import life_table
from breakeven.growth.visits.bg_bb import BG_BB
from breakeven.growth.visits.bg_nbd import BG_NBD
from breakeven.growth.visits.forecast import cohort_differences, forecast_visits
from breakeven.growth.visits.mbg_nbd import MBG_NBD
from breakeven.growth.visits.pareto_nbd import PARETO_NBD
from breakeven.periods import ONE_DAY

if TYPE_CHECKING:
    from breakeven.account.account import Account


CurvesBy = Literal["channel", "plan", "platform"]

AGES = (1, 2, 3, 6, 12)
"""Ages in terms that are always of interest; the horizon is the last."""
DAYS = 30
"""Over how many days to come visits are expected."""
VISIT_MODELS = (BG_NBD, MBG_NBD, PARETO_NBD, BG_BB)
NO_BACKTEST = Missing(
    "best description of what is known (AIC); only monthly terms are tried on the past",
    "最能描述已知数据者（AIC）；只有按月的订阅做了回测",
)
_NAIVE_BUT = Missing(
    f"{NAIVE_WINS.en}; continued by the best description of what is known (AIC)",
    f"{NAIVE_WINS.zh}；此处以最能描述已知数据者（AIC）延续",
)
_DRAWS, _VISIT_DRAWS, _SEED = 400, 100, 20_240_601


@dataclass(frozen=True)
class ContractCurves:
    """Subscriptions of one segment (`""` for all) and one term, under every survival model.

    `chosen` is the model continued, empty where none could be fitted, and `reason` why it is that one.
    `measured` is the product-limit share still there at each of `ages` (NaN where nobody was watched so
    long), from `at_risk` contracts in the period that ends there. `modelled` holds the chosen one's draws;
    `straight_line` is the share on a straight line through the logarithm.
    """

    segment: str
    term: str
    cells: Cells
    fits: dict[str, Fit | Missing]
    chosen: str
    reason: Missing
    ages: tuple[int, ...]
    measured: Floats
    at_risk: Floats
    modelled: Bootstrap | Missing
    straight_line: Floats | Missing

    @property
    def lost(self) -> int:
        """Contracts seen to end."""
        return int(self.cells.counts[self.cells["is_lost"] > 0].sum())


@dataclass(frozen=True)
class VisitCurve:
    """One model's word on the visits of one segment's users.

    `alive` is the chance that the middle user is still one, `alive_share` the mean chance: the share of users
    expected to be there. `per_user` and `per_new_user` are days with a visit in the next `DAYS` days, of a
    user of today on average and of a new one after the first day. With one of `cohorts` (months) their bounds
    know nothing of how cohorts differ.
    """

    segment: str
    users: int
    model: str
    fit: Fit | Missing
    cohorts: int = 0
    alive: float | None = None
    alive_share: float | None = None
    per_user: Interval | None = None
    per_new_user: Interval | None = None


def curve_ages(horizon: int) -> tuple[int, ...]:
    """Ages to show: the usual ones below a horizon, and it.

    >>> curve_ages(12), curve_ages(8), curve_ages(24)
    ((1, 2, 3, 6, 12), (1, 2, 3, 6, 8), (1, 2, 3, 6, 12, 24))
    """
    return (*(age for age in AGES if age < horizon), horizon)


def contract_curves(
    account: Account, by: CurvesBy | None = None, horizon: int = 12, seed: int = _SEED
) -> list[ContractCurves]:
    """All subscriptions by term, then those of each segment; empty without any. `horizon` in terms."""
    found = _contract_cohorts(account, None)
    if by is not None:
        found |= _contract_cohorts(account, by)
    return [_continued(*key, cohorts, curve_ages(horizon), seed) for key, cohorts in found.items()]


def _contract_cohorts(account: Account, by: CurvesBy | None) -> dict[tuple[str, str], dict[date, Cells]]:
    """Contracts by (segment, term), each by the month they began, in order."""
    table = contracts(account, *([by] if by in ("channel", "platform") else []))
    rows: dict[tuple[str, str], dict[date, list[tuple[int, int, int]]]] = defaultdict(dict)
    for row in table.to_pylist():
        key = ((row[by] or UNATTRIBUTED) if by else ALL, row["term"])
        cell = (row["lifetime"], int(row["is_lost"]), row["contracts"])
        rows[key].setdefault(row["start_month"], []).append(cell)
    return {
        key: {
            month: Cells.group(CONTRACT_COLUMNS, [cell[:2] for cell in cells], [cell[2] for cell in cells])
            for month, cells in sorted(months.items())
        }
        for key, months in sorted(rows.items())
    }


def _continued(
    segment: str, term: str, cohorts: dict[date, Cells], ages: tuple[int, ...], seed: int
) -> ContractCurves:
    cells = Cells.merge(cohorts.values())
    fits = {model.name: model.fit(cells) for model in SURVIVAL_MODELS}
    chosen, reason = _chosen(term, cohorts, fits)
    at = np.array(ages, dtype=float)
    modelled: Bootstrap | Missing = reason
    if chosen is not None:
        random = np.random.default_rng(seed)
        modelled = bootstrap(chosen, list(cohorts.values()), at, random, _DRAWS)
    line = fits[STRAIGHT_LINE.name]
    return ContractCurves(
        segment, term, cells, fits, chosen.name if chosen else "", reason, ages, *product_limit(cells, ages),
        modelled, line if isinstance(line, Missing) else STRAIGHT_LINE.survival(line.estimate, at),
    )  # fmt: skip


def _chosen(
    term: str, cohorts: dict[date, Cells], fits: dict[str, Fit | Missing]
) -> tuple[SurvivalModel | None, Missing]:
    """The model to continue a line by, and why; none where no model can be fitted."""
    aic = {name: one.aic for name, one in fits.items() if isinstance(one, Fit)}
    if not aic:
        return None, next((one for one in fits.values() if isinstance(one, Missing)), NOBODY)
    by_name = {model.name: model for model in SURVIVAL_MODELS}
    likeliest = by_name[min(aic, key=lambda name: (aic[name], name))]
    if term != TERM:
        return likeliest, NO_BACKTEST
    triangle = ContractTriangle(tuple(cohorts), *contract_triangle(list(cohorts.values())))
    choice = choose_survival(triangle.exposed, triangle.returned, starts=triangle.starts)
    if choice.model == NAIVE_NAME:
        return likeliest, _NAIVE_BUT
    return (by_name[choice.model], choice.reason) if choice.model in aic else (likeliest, choice.reason)


def product_limit(cells: Cells, ages: tuple[int, ...]) -> tuple[Floats, Floats]:
    """The share still there at some ages, and how many contracts were at risk in the period before each.

    NaN where nobody was watched so long. E. L. Kaplan and P. Meier (1958), Nonparametric estimation from
    incomplete observations, Journal of the American Statistical Association 53(282).

    >>> cells = Cells.group(CONTRACT_COLUMNS, [(1, 1), (2, 0), (2, 1)], [2, 7, 1])
    >>> share, at_risk = product_limit(cells, (1, 2, 3))
    >>> share.round(3).tolist(), at_risk.tolist()
    ([0.8, 0.7, nan], [10.0, 8.0, 0.0])
    """
    risk, lost = life_table(cells)
    kept = np.cumprod(np.where(risk > 0, 1 - lost / np.maximum(risk, 1.0), np.nan))
    at = [age - 1 for age in ages]
    return (
        np.array([kept[age] if age < len(kept) else np.nan for age in at]),
        np.array([risk[age] if age < len(risk) else 0.0 for age in at]),
    )


def visit_curves(account: Account, by: CurvesBy | None = None, seed: int = _SEED) -> list[VisitCurve]:
    """Every model of visits for all users, then for those of each segment; empty without visits."""
    period = watched(account, "activity")
    if period is None:
        return []
    lines = visits_of(account) | (visits_of(account, by) if by else {})
    last = period.end - ONE_DAY
    return [
        _visits(model, segment, cells, last, seed)
        for segment, cells in lines.items()
        for model in VISIT_MODELS
    ]


def _visits(model: Any, segment: str, cells: Cells, last: date, seed: int) -> VisitCurve:
    found = fit(model, cells)
    if isinstance(found, Missing):
        return VisitCurve(segment, cells.size, model.name, found)
    cohorts = month_cohorts(cells, last)
    random = np.random.default_rng(seed)
    coming = forecast_visits(model, found, cohorts, DAYS, random, draws=_VISIT_DRAWS).total
    alive = model.alive(found.estimate, cells)
    return VisitCurve(
        segment,
        cells.size,
        model.name,
        found,
        len(cohorts),
        middle(alive, cells.counts),
        float(np.average(alive, weights=cells.counts)),
        Interval(coming.value / cells.size, coming.low / cells.size, coming.high / cells.size, coming.level),
        _per_new_user(model, found, cohorts, random),
    )


def _per_new_user(model: Any, found: Fit, cohorts: list[Cells], random: np.random.Generator) -> Interval:
    """Of a cohort not seen yet: parameters as unsure as they are, moved as far as cohorts lie apart."""
    apart = cohort_differences(model, found.estimate, cohorts).deviations
    parameters = found.draws(4 * _VISIT_DRAWS, random)
    moves = np.clip(apart * random.standard_normal((len(parameters), len(apart))), -3.0, 3.0)
    parameters[:, [1, 3]] *= np.exp(moves)
    return Interval.of(
        model.expected_repeats(parameters, [DAYS])[:, 0],
        float(model.expected_repeats(found.estimate, [DAYS])[0]),
    )


def month_cohorts(cells: Cells, last: date) -> list[Cells]:
    """Visits by the month of the first one, where `last` is the last day watched.

    >>> from breakeven.growth.cells import VISIT_COLUMNS
    >>> cells = Cells.group(VISIT_COLUMNS, [(0, 0, 3), (1, 2, 5), (0, 0, 40)])
    >>> [cohort["age"].tolist() for cohort in month_cohorts(cells, date(2024, 3, 5))]
    [[40], [5], [3]]
    """
    first = [last - timedelta(days=int(age)) for age in cells["age"]]
    month = np.array([day.year * 12 + day.month for day in first])
    return [cells.where(month == one) for one in np.unique(month)]


def middle(values: Floats, counts: Any) -> float:
    """The median of values that some counts of users have.

    >>> middle(np.array([0.9, 0.1, 0.5]), np.array([1, 5, 1]))
    0.1
    """
    order = np.argsort(values)
    reached = np.cumsum(counts[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])
