"""Whether those who stay are those who use most: what ignoring it would do to the cost of serving a cohort.

Cost per acquired user at an age is E(alive x tokens). Whoever multiplies retention by the tokens of an
average user computes S x E(tokens), which is the same only when use and survival have nothing to do with each
other. Their ratio is measured here, within cohorts, in tokens: at constant unit cost, so that a price cut
between two months is not taken for lighter use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from breakeven.account.facts import whole
from breakeven.account.metrics import Amount, Missing
from breakeven.account.payback import Cohort, CohortAge

NOBODY = Missing("nobody is left to measure", "没有留下可供计量的用户")


@dataclass(frozen=True)
class SurvivorUse:
    """One age, over all cohorts for which both this age and the base age are whole months.

    `tokens` is what the survivors used in the month; `as_at_base` what they would have used if each had used
    what the cohort's average active user used at the base age.
    """

    age: int
    base_age: int
    cohorts: int
    users: int
    survivors: int
    tokens: int
    as_at_base: Fraction
    serving_cost: Decimal

    @property
    def survival(self) -> Amount:
        """Survivors over users acquired."""
        return _ratio(Fraction(self.survivors), self.users)

    @property
    def tokens_per_survivor(self) -> Amount:
        """Tokens of the month over those active in it."""
        return _ratio(Fraction(self.tokens), self.survivors)

    @property
    def cost_per_survivor(self) -> Amount:
        """Serving cost of the month over those active in it, at the unit costs of then."""
        return _ratio(Fraction(self.serving_cost), self.survivors)

    @property
    def tokens_per_user(self) -> Amount:
        """E(alive x tokens): tokens of the month over users acquired."""
        return _ratio(Fraction(self.tokens), self.users)

    @property
    def tokens_per_user_if_independent(self) -> Amount:
        """S x E(tokens): survival times what an average user used at the base age."""
        return _ratio(self.as_at_base, self.users)

    @property
    def heaviness(self) -> Amount:
        """E(alive x tokens) over S x E(tokens): above 1, survivors are the heavy users."""
        return _ratio(Fraction(self.tokens), self.as_at_base)


def survivor_use(
    found: Sequence[Cohort], *, base_age: int = 1, payers_only: bool = False
) -> list[SurvivorUse]:
    """Use of those who are still there, from the base age on, against that of everybody at the base age.

    `base_age` is 1, the first whole month of a cohort's life: its first month begins on any day. With
    `payers_only`, survivors are users with a paid service in the month, and tokens those of paid days: the
    customers of a flat price. A cohort that nobody of was there at the base age says nothing. Use that grows
    for everybody with time counts as heaviness too: compare with `cohorts` of other months.
    """
    ages = sorted({age for cohort in found for age in cohort.ages if age >= base_age})
    uses = [_at(found, age, base_age, payers_only=payers_only) for age in ages]
    return [use for use in uses if use.cohorts]


def _at(found: Sequence[Cohort], age: int, base_age: int, *, payers_only: bool) -> SurvivorUse:
    cohorts = users = survivors = tokens = 0
    as_at_base, cost = Fraction(0), Decimal(0)
    for cohort in found:
        base, now = cohort.ages.get(base_age), cohort.ages.get(age)
        if base is None or now is None or base.is_partial or now.is_partial:
            continue
        there, used = _use(base, payers_only=payers_only)
        if not there:
            continue
        here, uses = _use(now, payers_only=payers_only)
        cohorts += 1
        users += cohort.users
        survivors += here
        tokens += uses
        as_at_base += Fraction(here * used, there)
        cost += now.serving_cost - (now.free_serving_cost if payers_only else Decimal(0))
    return SurvivorUse(age, base_age, cohorts, users, survivors, tokens, as_at_base, cost)


def _use(cell: CohortAge, *, payers_only: bool) -> tuple[int, int]:
    """Who was there, and how many tokens they used."""
    if payers_only:
        return cell.payers, cell.tokens - cell.free_tokens
    return cell.active_users, cell.tokens


def _ratio(part: Fraction, of: int | Fraction) -> Amount:
    return whole(part / of) if of else NOBODY
