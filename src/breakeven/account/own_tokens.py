"""What tokens of each class cost on the own fleet, model by model, with the interval of their class costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from breakeven.account.fleet_split import FleetSplit, Hours
from breakeven.account.metrics import Missing
from breakeven.account.usage import CLASSES, DECLARED, UsageCost
from breakeven.ledger.class_costs import CLASSES as CLASS_NAMES
from breakeven.ledger.class_costs import ClassCostEntry

if TYPE_CHECKING:
    from breakeven.account.account import Account

_SECONDS_PER_HOUR = 3_600
WEIGHTS = "weights"
"""The basis of tokens that no class cost is recorded for: the weights that the settings declare."""


@dataclass(frozen=True)
class OwnTokens:
    """Tokens of one class that own GPUs computed for one model, and what they cost. Money is exact.

    `low` and `high` are the cost at the bounds of the class costs, `gpu_hours` the time that they say these
    tokens kept GPUs busy. All three are None where any of the tokens has declared weights alone; the bounds
    also where the class costs say more work than the fleet had hours for, since the fleet's whole cost is
    spread then. `bases` are the sources of the class costs (modelled, measured, declared), and `WEIGHTS`.
    """

    provider: str
    model: str
    token_class: str
    tokens: int
    cost: Fraction
    low: Fraction | None
    high: Fraction | None
    gpu_hours: Hours | None
    bases: frozenset[str]

    def __add__(self, other: OwnTokens) -> OwnTokens:
        """The same of both."""
        return replace(
            self,
            tokens=self.tokens + other.tokens,
            cost=self.cost + other.cost,
            low=None if self.low is None or other.low is None else self.low + other.low,
            high=None if self.high is None or other.high is None else self.high + other.high,
            gpu_hours=None
            if self.gpu_hours is None or other.gpu_hours is None
            else self.gpu_hours + other.gpu_hours,
            bases=self.bases | other.bases,
        )


def own_tokens(account: Account) -> list[OwnTokens]:
    """Cost by model and token class over the months whose fleet cost is known; the dearest model first.

    What no token bears, idle time, is not in it. Classes without a token are left out.
    """
    found: dict[tuple[str, str], dict[str, OwnTokens]] = defaultdict(dict)
    for used in account.usage.by("provider", "model"):
        if not used.is_own or isinstance(account.facts.get("gpu_cost", used.bucket), Missing):
            continue
        provider, model = (str(part) for part in used.key)
        of_model = found[provider, model]
        for part in _parts(account, used, provider, model):
            known = of_model.get(part.token_class)
            of_model[part.token_class] = part if known is None else known + part
    models = sorted(found.items(), key=lambda item: (-sum(part.cost for part in item[1].values()), item[0]))
    return [parts[name] for _, parts in models for name in CLASSES if name in parts]


def _parts(account: Account, used: UsageCost, provider: str, model: str) -> Iterator[OwnTokens]:
    """One group of usage by class cost and token class."""
    split = account.fleet_splits[used.bucket]
    for number, tokens in used.own_tokens.items():
        entry = account.usage.class_costs[number] if number != DECLARED else None
        for position, count in enumerate(tokens):
            if not count:
                continue
            cost = count * split.per_token[number][position] * split.unit
            name = CLASS_NAMES[position]
            low, high = _bounds(split, cost, entry, name)
            yield OwnTokens(
                provider, model, CLASSES[position], count, cost, low, high,
                None if entry is None else _hours(entry, name, count),
                frozenset({WEIGHTS if entry is None else entry.source}),
            )  # fmt: skip


def _bounds(
    split: FleetSplit, cost: Fraction, entry: ClassCostEntry | None, name: str
) -> tuple[Fraction, Fraction] | tuple[None, None]:
    """The cost at the bounds of the class cost: as far from the middle as its GPU-seconds are."""
    if entry is None or split.basis != "class_costs" or any(work.is_over for work in split.pools):
        return None, None
    middle, low, high = (entry.busy_seconds(name, which) for which in ("value", "low", "high"))
    if not middle:
        return (Fraction(0), Fraction(0)) if not high else (None, None)
    return cost * low / middle, cost * high / middle


def _hours(entry: ClassCostEntry, name: str, tokens: int) -> Hours:
    seconds = (entry.busy_seconds(name, which) for which in ("value", "low", "high"))
    return Hours(*(tokens * each / _SECONDS_PER_HOUR for each in seconds))
