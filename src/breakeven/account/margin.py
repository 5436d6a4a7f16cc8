"""What use costs, by any dimension: inference bought at its price, own fleet by class costs, to the cent.

The parts of a bucket add up to the statement's posted lines: bought inference is posted by largest remainder,
the fleet's cost is apportioned by GPU-seconds or declared weights (`fleet_split`). What no token bears is an
`idle` line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from breakeven.account.facts import whole
from breakeven.account.metrics import Missing
from breakeven.account.usage import CLASSES, COUNTS, UsageCost
from breakeven.money import apportion, post, post_parts
from breakeven.pricing.fx import NoRate

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.account.fleet_split import FleetSplit

IDLE = "(idle fleet)"
BILLED = "(billed, not logged)"


@dataclass
class CostLine:
    """One group of usage over the account's buckets. Money is posted and in the statement's currency."""

    key: tuple[Any, ...]
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    bought: Decimal = Decimal(0)
    fleet: Decimal = Decimal(0)
    listed: Decimal = Decimal(0)
    unpriced_tokens: int = 0
    unlisted_tokens: int = 0

    @property
    def serving_cost(self) -> Decimal:
        """Bought inference and share of the own fleet."""
        return self.bought + self.fleet

    @property
    def tokens(self) -> int:
        """Input and output tokens."""
        return sum(
            self.counts[name]
            for name in (
                "uncached_input_tokens",
                "cached_input_tokens",
                "cache_write_tokens",
                "output_tokens",
            )
        )


Keep = Callable[[tuple[Any, ...]], bool]


def cost_by(account: Account, *dimensions: str, buckets: Sequence[int] | None = None) -> list[CostLine]:
    """Serving cost, list value and counts by dimensions, over all or some buckets; parts sum to the whole."""
    lines: dict[tuple[Any, ...], CostLine] = {}
    for bucket, parts in posted_parts(account, *dimensions).items():
        if buckets is not None and bucket not in buckets:
            continue
        for part in parts:
            line = lines.setdefault(part.key, CostLine(part.key))
            for name, value in part.counts.items():
                line.counts[name] = line.counts.get(name, 0) + value
            line.bought += part.bought
            line.fleet += part.fleet
            line.listed += part.listed
            line.unpriced_tokens += part.unpriced_tokens
            line.unlisted_tokens += part.unlisted_tokens
    return sorted(lines.values(), key=lambda line: (-line.serving_cost, -line.tokens, str(line.key)))


def posted_parts(account: Account, *dimensions: str) -> dict[int, list[CostLine]]:
    """The same, bucket by bucket."""
    costs = account.usage.by(*dimensions)
    found: dict[int, list[CostLine]] = {}
    for bucket in range(len(account.buckets.periods)):
        mine = [cost for cost in costs if cost.bucket == bucket]
        found[bucket] = _post_bucket(account, bucket, mine, len(dimensions))
    return found


def _post_bucket(account: Account, bucket: int, costs: list[UsageCost], width: int) -> list[CostLine]:
    currency = account.currency
    lines = [
        CostLine(
            cost.key,
            dict(cost.counts),
            unpriced_tokens=cost.unpriced_buy_tokens,
            unlisted_tokens=cost.unpriced_sell_tokens,
        )
        for cost in costs
    ]
    # Never-negative parts of a posted total: the exact amounts are the weights that split it.
    for name, exact in (
        ("bought", [cost.bought for cost in costs]),
        ("listed", [cost.listed for cost in costs]),
    ):
        amounts = [Fraction(0) if isinstance(amount, NoRate) else amount for amount in exact]
        for line, part in zip(
            lines, post_parts([whole(amount) for amount in amounts], currency), strict=True
        ):
            setattr(line, name, part)
    posted = account.facts.get("inference_api_cost", bucket)
    unlogged = (
        Decimal(0)
        if isinstance(posted, Missing)
        else posted - sum((line.bought for line in lines), Decimal(0))
    )
    if unlogged:
        lines.append(CostLine((BILLED, *[None] * (width - 1))[:width], bought=unlogged))
    split = account.fleet_splits[bucket]
    if isinstance(split.cost, Missing) or not split.cost:
        return lines
    total, idle = post(whole(split.cost), currency), posted_idle(split, currency)
    weights = [whole(split.weight(cost)) for cost in costs]
    if any(weights):
        for line, part in zip(lines, apportion(total - idle, weights, currency), strict=False):
            line.fleet = part
    if idle:
        lines.append(CostLine((IDLE, *[None] * (width - 1))[:width], fleet=idle))
    return lines


def posted_idle(split: FleetSplit, currency: str) -> Decimal:
    """The idle line of a bucket; zero where idle time is not known: tokens bear all of the cost then."""
    return Decimal(0) if isinstance(split.idle, Missing) else post(whole(split.idle), currency)


@dataclass(frozen=True)
class ClassCost:
    """What one token class cost: its own price where bought, its share of the fleet where served."""

    token_class: str
    tokens: int
    serving_cost: Decimal


def cost_by_class(account: Account) -> list[ClassCost]:
    """Serving cost by token class over all buckets; request fees and idle time, if any, are a class each.

    Each bucket's parts sum to what the statement posts there: bought, served and idle. Bills without usage
    have no class.
    """
    tokens: dict[str, int] = dict.fromkeys((*CLASSES, "request_fees", "idle_fleet"), 0)
    posted = dict.fromkeys(tokens, post(Decimal(0), account.currency))
    for bucket in range(len(account.buckets.periods)):
        for cost in account.usage_totals:
            if cost.bucket == bucket:
                for name in CLASSES:
                    tokens[name] += cost.counts[name]
        for name, part in _classes_of(account, bucket).items():
            posted[name] += part
    return [ClassCost(name, tokens[name], part) for name, part in posted.items() if part or tokens[name]]


def _classes_of(account: Account, bucket: int) -> dict[str, Decimal]:
    """What each class cost in a bucket, posted."""
    split, currency = account.fleet_splits[bucket], account.currency
    bought, own = [Fraction(0)] * (len(CLASSES) + 1), [Fraction(0)] * len(CLASSES)
    for cost in (cost for cost in account.usage_totals if cost.bucket == bucket):
        by_class = list(cost.bought_by_class)
        fees = cost.bought - sum(by_class, Fraction(0)) if isinstance(cost.bought, Fraction) else Fraction(0)
        bought = [known + more for known, more in zip(bought, [*by_class, fees], strict=True)]
        own = [known + more for known, more in zip(own, split.by_class(cost), strict=True)]
    parts = post_parts([whole(amount) for amount in bought], currency)
    found: dict[str, Decimal] = dict(zip((*CLASSES, "request_fees"), parts, strict=True))
    if isinstance(split.cost, Fraction) and split.cost:
        idle = posted_idle(split, currency)
        if any(own):
            served = post(whole(split.cost), currency) - idle
            shares = apportion(served, [whole(amount) for amount in own], currency)
            found |= {name: found[name] + part for name, part in zip(CLASSES, shares, strict=True)}
        found["idle_fleet"] = idle
    return found
