"""How often 80 % intervals hold the truth, on generated companies lived to twice the age that their books
show.

Retention at twice the observed age, lifetime value to twice the books' months, and payback, each drawn as the
commands draw them. Run `python -m benchmarks.growth_coverage [COMPANIES]`.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
from tests.growth.companies import Company, company

from breakeven.account.metrics import Missing
from breakeven.growth.choosing.choice import Choice, choose
from breakeven.growth.lifetime_value.books_value import Values, arranged
from breakeven.growth.lifetime_value.payback import months_of, payback_of
from breakeven.growth.lifetime_value.prospects import Prospects, prospects_from
from breakeven.growth.lifetime_value.triangle import ALL, Triangle
from breakeven.growth.lifetime_value.value import Value

COMPANIES = 200
DRAWS = 200
YOUNGEST = 3
"""Months a cohort must show to be asked for its retention at twice that age."""


@dataclass
class Tally:
    """Whether each interval held the truth, and how wide it was."""

    hits: list[bool] = field(default_factory=list)
    above: list[bool] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)

    def add(self, low: float, high: float, truth: float, scale: float | None = None) -> None:
        self.hits.append(bool(low <= truth <= high))
        self.above.append(bool(truth > high))
        size = abs(truth if scale is None else scale)
        if np.isfinite(high - low) and size > 0:
            self.widths.append((high - low) / size)

    @property
    def coverage(self) -> float:
        return float(np.mean(self.hits)) if self.hits else float("nan")

    @property
    def width(self) -> float:
        """The middle width of an interval, over what came."""
        return float(np.median(self.widths)) if self.widths else float("nan")


def measure(companies: int = COMPANIES, draws: int = DRAWS, first_seed: int = 0) -> dict[str, Tally]:
    """Tallies by what was foretold: `retention`, `ltv`, `payback`, and the first two of all channels."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    for seed in range(first_seed, first_seed + companies):
        one = company(seed)
        choice = chosen(one, draws)
        found = prospects(one, choice, draws, seed)
        if isinstance(found, Missing):
            continue
        _retention(one, found, tallies)
        _retention_of_all(one, choice, tallies)
        _values(one, arranged(found, "channel"), tallies)
        _values(one, arranged(found, "all"), tallies)
        _paybacks(one, arranged(found, "both"), tallies)
    return dict(tallies)


def chosen(one: Company, draws: int) -> Choice:
    """The activity curve that a company's own older cohorts speak for."""
    whole = Triangle.merge(list(one.books.values()))
    exposed = np.where(whole.is_measured, whole.users[:, None], np.nan)
    return choose(exposed, whole.active, ages=2 * one.months, draws=draws)


def prospects(one: Company, choice: Choice, draws: int, seed: int) -> Prospects | Missing:
    """A company's books drawn to twice their months, as the commands do it."""
    months = next(iter(one.books.values())).months
    index = {month: Decimal(repr(level)) for month, level in zip(months, one.index, strict=True)}
    return prospects_from(one.books, index, choice, horizon_months=2 * one.months, draws=draws, seed=seed)


def _retention_of_all(one: Company, choice: Choice, tallies: dict[str, Tally]) -> None:
    """Every cohort of all channels together, as `cohorts --forecast` shows it, at twice the age it shows."""
    if isinstance(choice.foretold, Missing):
        return
    lived = one.all_lived()
    for row in range(one.months - YOUNGEST + 1):
        age = 2 * (one.months - 1 - row)
        truth = lived.active[row, age] / lived.users[row]
        tallies["retention of all"].add(*np.quantile(choice.foretold.draws[:, row, age], [0.1, 0.9]), truth)


def _retention(one: Company, found: Prospects, tallies: dict[str, Tally]) -> None:
    """Every channel's oldest cohort, and its middle one, at twice the age they show."""
    for name, shown in one.books.items():
        for row in (0, (one.months - YOUNGEST) // 2):
            age = 2 * (one.months - 1 - row)
            truth = one.lived[name].active[row, age] / shown.users[row]
            drawn = found.segments[name].active_shares[:, row, age]
            tallies["retention"].add(*np.quantile(drawn, [0.1, 0.9]), truth)


def _values(one: Company, values: Values, tallies: dict[str, Tally]) -> None:
    """What users turned out to be worth, by channel (`ltv`) and all together (`ltv of all`)."""
    for value in values.rows:
        lived = one.all_lived() if value.segment == ALL else one.lived[value.segment]
        discount = (1.0 + value.discount_rate) ** (-np.arange(value.horizon_months) / 12.0)
        truth = float(lived.contribution.sum(axis=0) @ discount) / lived.users.sum()
        middle = value.contribution
        if middle is not None:
            tallies["ltv" if value.segment else "ltv of all"].add(middle.low, middle.high, truth)


def _paybacks(one: Company, values: Values, tallies: dict[str, Tally]) -> None:
    """Cohorts that had not paid back yet: when they did, where the draws leave it open."""
    for value in values.rows:
        lived = one.lived[value.segment]
        row = [f"{month:%Y-%m}" for month in lived.months].index(value.cohort)
        truth = _crossing(lived, row, value)
        if truth <= one.months - row:
            continue
        told = payback_of(value)
        if isinstance(told, Missing):
            continue
        early = np.inf if told.early is None else told.early
        late = np.inf if told.late is None else told.late
        if early != late:
            tallies["payback"].add(early, late, truth)
        tallies["payback, certain ones too"].add(early, late, truth)


def _crossing(lived: Triangle, row: int, value: Value) -> float:
    cumulative = np.cumsum(lived.contribution[row] / lived.users[row])[None, : value.horizon_months]
    return float(months_of(cumulative, value.spend)[0])


def main() -> None:
    """Print coverage and width."""
    started = time.perf_counter()
    tallies = measure(int(sys.argv[1]) if len(sys.argv) > 1 else COMPANIES)
    print(f"{time.perf_counter() - started:.1f} s")
    for name, tally in tallies.items():
        print(
            f"{name:28} covers {tally.coverage:6.1%}  above {np.mean(tally.above):6.1%}"
            f"  width {tally.width:6.2f}  n {len(tally.hits)}"
        )


if __name__ == "__main__":
    main()
