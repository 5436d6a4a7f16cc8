"""How right kept forecasts were: each is joined with what came, by model, kind and months ahead.

What came is what the books say now: a month that was restated scores the forecast anew. A forecast whose
month has not ended is pending, and says when it can be scored; none is dropped for having been wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from breakeven.account.metrics import Missing
from breakeven.ledger.forecasts import Forecast, first_of_each
from breakeven.periods import months_apart

BANDS = ((1, 1), (2, 2), (3, 3), (4, 6), (7, 12), (13, 10_000))
"""Months ahead that are scored together."""


@dataclass(frozen=True)
class Pending:
    """Not known yet: the month with whose end it can be scored."""

    month: date


@dataclass(frozen=True)
class Came:
    """What came. None: the answer turned out to be "not within the horizon"."""

    value: float | None


Outcome = Came | Pending | Missing


@dataclass(frozen=True)
class KeptScore:
    """Scores of the forecasts of one kind, model and unit, made some months ahead.

    `n` of them came true or not; `compared` of those have a number on both sides, and `error` (mean absolute)
    and `bias` (above zero: foretold too much) are of these, in `unit`. `coverage` is the share of all `n`
    within their interval, which promised `level`. `first` and `last` are the days facts were known up to.
    """

    kind: str
    model: str
    unit: str
    horizon: str
    n: int
    compared: int
    error: float | None
    bias: float | None
    coverage: float
    level: float
    first: date
    last: date


@dataclass(frozen=True)
class PendingLine:
    """How many forecasts of a kind and model become known with the end of a month."""

    kind: str
    model: str
    month: date
    n: int


@dataclass(frozen=True)
class Scorecard:
    """Kept forecasts scored, those pending, and those that cannot be scored, with why and how many."""

    scores: tuple[KeptScore, ...]
    pending: tuple[PendingLine, ...]
    unknown: tuple[tuple[Missing, int], ...]
    kept: int

    def beside(self, score: KeptScore, naive: str) -> KeptScore | None:
        """The naive forecasts of the same kind, unit and months ahead, if any were kept."""
        asked = (score.kind, score.unit, score.horizon)
        found = (one for one in self.scores if (one.kind, one.unit, one.horizon) == asked)
        return next((one for one in found if one.model == naive), None)


def target_month(one: Forecast) -> date:
    """The last month a forecast is about. Raises `ValueError` for one of no single cohort.

    >>> day = date(2024, 8, 31)
    >>> target_month(Forecast(day, day, "ltv", "sBG", "", "2024-03", 11, 9.0, 8.0, 10.0, 0.8, "CNY/user"))
    datetime.date(2025, 2, 1)
    """
    year, month = map(int, one.cohort.split("-"))
    years, month = divmod(month - 1 + one.age, 12)
    return date(year + years, month + 1, 1)


def months_ahead(one: Forecast) -> int:
    """From the last month with facts to the month a forecast is about.

    >>> day = date(2024, 8, 31)
    >>> one = Forecast(day, day, "retention", "sBG", "", "2024-03", 12, 0.2, 0.1, 0.3, 0.8, "ratio")
    >>> months_ahead(one)
    7
    """
    return months_apart(one.facts_to, target_month(one))


def band(ahead: int) -> str:
    """The months ahead that are scored together with these.

    >>> [band(ahead) for ahead in (0, 1, 5, 12, 30)]
    ['0', '1', '4-6', '7-12', '13+']
    """
    for first, last in BANDS:
        if first <= ahead <= last:
            return str(first) if first == last else f"{first}+" if last > 1000 else f"{first}-{last}"
    return "0"


def is_within(one: Forecast, came: float | None) -> bool:
    """Whether what came lies in the interval; no bound, and no payback, lie beyond every number."""
    beyond = float("inf")
    low, high, truth = (beyond if value is None else value for value in (one.low, one.high, came))
    return low <= truth <= high


def score_kept(forecasts: Iterable[Forecast], outcome: Callable[[Forecast], Outcome]) -> Scorecard:
    """Score every forecast whose outcome is known; what was foretold twice counts once, as it was said first.

    >>> day = date(2024, 8, 31)
    >>> one = Forecast(day, day, "retention", "sBG", "", "2024-03", 7, 0.2, 0.1, 0.3, 0.8, "ratio")
    >>> card = score_kept([one], lambda _: Came(0.25))
    >>> [(s.model, s.horizon, s.n, round(s.error, 2), round(s.bias, 2), s.coverage) for s in card.scores]
    [('sBG', '2', 1, 0.05, -0.05, 1.0)]
    """
    known: dict[tuple[str, str, str, int], list[tuple[Forecast, float | None]]] = defaultdict(list)
    pending: dict[tuple[str, str, date], int] = defaultdict(int)
    unknown: dict[Missing, int] = defaultdict(int)
    kept = first_of_each(forecasts)
    for one in kept:
        match outcome(one):
            case Came(value):
                known[one.kind, one.model, one.unit, _band_index(one)].append((one, value))
            case Pending(month):
                pending[one.kind, one.model, month] += 1
            case Missing() as reason:
                unknown[reason] += 1
    return Scorecard(
        tuple(_score(*key[:3], known[key]) for key in sorted(known)),
        tuple(PendingLine(*key, pending[key]) for key in sorted(pending)),
        tuple(unknown.items()),
        len(kept),
    )


def _band_index(one: Forecast) -> int:
    ahead = months_ahead(one)
    return next((i for i, (first, last) in enumerate(BANDS) if first <= ahead <= last), -1)


def _score(kind: str, model: str, unit: str, pairs: list[tuple[Forecast, float | None]]) -> KeptScore:
    errors = [
        one.value - came for one, came in pairs if one.value is not None and came is not None
    ]  # fmt: skip
    size = len(errors)
    days = [one.facts_to for one, _ in pairs]
    return KeptScore(
        kind, model, unit, band(months_ahead(pairs[0][0])), len(pairs), size,
        sum(map(abs, errors)) / size if size else None,
        sum(errors) / size if size else None,
        sum(is_within(one, came) for one, came in pairs) / len(pairs),
        sum(one.level for one, _ in pairs) / len(pairs), min(days), max(days),
    )  # fmt: skip
