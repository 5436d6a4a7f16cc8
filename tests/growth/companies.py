"""Companies with known truth: users lived one by one, month by month, then added up to cohort triangles.

Nothing here is drawn from a curve that is fitted elsewhere: users differ in how much they use, heavy users
stay longer and convert more, payers cancel by habits of their own, whole months and whole cohorts have good
and bad luck, channels differ, unit costs fall. Every company is lived to twice the age that its books show.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from breakeven.growth.lifetime_value.triangle import ALL, Triangle
from breakeven.periods import next_month

Floats = np.ndarray
FIRST = date(2023, 1, 1)


@dataclass(frozen=True)
class Company:
    """What the books show (`books`, by channel) and what came (`lived`, the same cohorts to twice the age).

    `index` is the unit cost of each month shown, relative to the last of them.
    """

    books: dict[str, Triangle]
    lived: dict[str, Triangle]
    index: tuple[float, ...]

    @property
    def months(self) -> int:
        """How many months the books show."""
        return len(self.index)

    def all_lived(self) -> Triangle:
        """Every user, to the end."""
        return Triangle.merge(list(self.lived.values()), ALL)


@dataclass(frozen=True)
class Nature:
    """How one company's users are."""

    churn: float
    spread: float
    habit: float
    visits: float
    conversion: float
    cancel: float
    price: float
    refund: float
    fee: float
    unit_cost: float
    payer_appetite: float
    cohort_luck: float
    month_luck: float


def nature_of(random: np.random.Generator) -> Nature:
    """A company drawn at random."""
    return Nature(
        churn=random.uniform(-1.6, 0.2),
        spread=random.uniform(0.6, 1.4),
        habit=random.uniform(0.2, 0.8),
        visits=random.uniform(1.5, 8.0),
        conversion=random.uniform(0.01, 0.06),
        cancel=random.uniform(-2.6, -1.0),
        price=float(random.choice([20.0, 30.0, 69.0])),
        refund=random.uniform(0.0, 0.06),
        fee=random.uniform(0.01, 0.3),
        unit_cost=random.uniform(0.05, 1.2),
        payer_appetite=random.uniform(1.5, 5.0),
        cohort_luck=random.uniform(0.05, 0.25),
        month_luck=random.uniform(0.0, 0.15),
    )


def company(
    seed: int, *, months: int | None = None, users: float | None = None, channels: int = 3
) -> Company:
    """A company lived from a seed: `months` of books, about `users` a cohort and channel."""
    random = np.random.default_rng(seed)
    nature = nature_of(random)
    shown = months or int(random.integers(7, 15))
    size = users or float(np.exp(random.uniform(np.log(250), np.log(3000))))
    index = np.append(np.exp(np.cumsum(-random.exponential(0.05, shown - 1))), 1.0)
    index[:-1] = index[:-1] / index[-2] * random.uniform(1.0, 1.1)
    month_luck = random.normal(0.0, nature.month_luck, shown)
    lived: dict[str, Triangle] = {}
    for k in range(channels):
        draw = random.normal(0.0, 0.35, 3)
        share = float(np.exp(random.normal(0.0, 0.6)))
        rows = [
            _cohort(random, nature, max(20, int(size * share * np.exp(random.normal(0, 0.2)))), 2 * shown,
                    month_luck[i] + random.normal(0.0, nature.cohort_luck, 3) + draw, index[i:])
            for i in range(shown)
        ]  # fmt: skip
        lived[f"channel-{k}"] = _triangle(f"channel-{k}", rows, shown)
    priced = _with_spend(lived, random)
    books = {name: _as_shown(one, shown) for name, one in priced.items()}
    return Company(books, priced, tuple(float(level) for level in index))


def _cohort(
    random: np.random.Generator, nature: Nature, size: int, ages: int, luck: Floats, index: Floats
) -> dict[str, Floats]:
    """One cohort's sums by age; `luck` moves churn, conversion and use."""
    gusto = np.exp(random.normal(-0.32, 0.8, size) + luck[2] * 0.5)
    leave = nature.churn + luck[0] - nature.habit * np.log(gusto) + random.normal(0.0, nature.spread, size)
    stop = nature.cancel - 0.3 * np.log(gusto) + random.normal(0.0, 0.7, size)
    plan = nature.price * np.where(random.random(size) < 0.15, 3.0, 1.0)
    comes = 1.0 - np.exp(-nature.visits * gusto)
    alive = np.ones(size, dtype=bool)
    paying = np.zeros(size, dtype=bool)
    owed = np.zeros(size)
    names = ("active", "payers", "revenue", "refunds", "fees", "serving_paying", "serving_free")
    sums = {name: np.zeros(ages) for name in names}
    for age in range(ages):
        if age:
            gone = random.random(size) < 1.0 / (1.0 + np.exp(-(leave - 0.04 * age)))
            alive &= ~gone
            paying &= alive & (random.random(size) >= 1.0 / (1.0 + np.exp(-stop)))
        active = alive & ((random.random(size) < comes) if age else True)
        part = random.random(size) if age == 0 else np.ones(size)
        chance = nature.conversion * gusto**0.6 * np.exp(luck[1]) / (1.0 + 0.15 * age)
        paying |= active & (random.random(size) < chance * part)
        use = gusto * part * random.lognormal(-0.2, 0.6, size) * active
        revenue = plan * paying
        cost = nature.unit_cost * (index[age] if age < len(index) else 1.0)
        sums["active"][age] = active.sum()
        sums["payers"][age] = paying.sum()
        sums["revenue"][age] = revenue.sum()
        sums["refunds"][age] = owed.sum()
        sums["fees"][age] = revenue.sum() * nature.fee
        sums["serving_paying"][age] = (use * cost * nature.payer_appetite)[paying].sum()
        sums["serving_free"][age] = (use * cost)[~paying].sum()
        owed = revenue * (random.random(size) < nature.refund)
    sums["users"] = np.array([size])
    return sums


def _triangle(segment: str, rows: list[dict[str, Floats]], shown: int) -> Triangle:
    months = [FIRST]
    while len(months) < shown:
        months.append(next_month(months[-1]))
    cells = {name: np.stack([row[name] for row in rows]) for name in rows[0] if name != "users"}
    users = np.array([float(row["users"][0]) for row in rows])
    return Triangle(segment, tuple(months), users, np.full(shown, np.nan), **cells)


def _with_spend(lived: dict[str, Triangle], random: np.random.Generator) -> dict[str, Triangle]:
    """What users cost to win: about what the company's users bring by some age, which differs by company."""
    whole = Triangle.merge(list(lived.values()))
    by_age = np.cumsum(whole.contribution.sum(axis=0) / whole.users.sum())
    level = max(float(by_age[int(random.integers(2, whole.ages))]), 0.5)
    found: dict[str, Triangle] = {}
    for name, one in lived.items():
        price = level * np.exp(random.normal(0.0, 0.25, len(one.users)))
        found[name] = Triangle(
            one.segment, one.months, one.users, price * one.users,
            *(one.line(line) for line in ("active", "payers", "revenue", "refunds", "fees")),
            one.serving_paying, one.serving_free,
        )  # fmt: skip
    return found


def _as_shown(lived: Triangle, shown: int) -> Triangle:
    known = lived.known_to([shown - row for row in range(len(lived.months))])
    cut = {name: known.line(name)[:, :shown] for name in
           ("active", "payers", "revenue", "refunds", "fees", "serving_paying", "serving_free")}  # fmt: skip
    return Triangle(known.segment, known.months, known.users, known.spend, **cut)
