"""What use costs, by any dimension: inference bought at its price, own fleet by token weights, to the cent.

The parts of a bucket add up to the statement's posted lines: bought inference is posted by largest remainder,
the fleet's cost is apportioned by weights. A fleet that served nothing leaves an `idle` line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from breakeven.account.facts import whole
from breakeven.account.metrics import Missing
from breakeven.account.usage import COUNTS, UsageCost
from breakeven.money import apportion, post, post_parts
from breakeven.pricing.fx import NoRate

if TYPE_CHECKING:
    from breakeven.account.account import Account

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
    fleet = account.fleet_cost.exact(bucket)
    if isinstance(fleet, Missing) or not fleet:
        return lines
    total = post(whole(fleet), currency)
    weights = [whole(cost.weight) for cost in costs]
    if any(weights):
        for line, part in zip(lines, apportion(total, weights, currency), strict=False):
            line.fleet = part
    else:
        lines.append(CostLine((IDLE, *[None] * (width - 1))[:width], fleet=total))
    return lines


@dataclass(frozen=True)
class ClassCost:
    """What one token class cost: its own price where bought, its weight's share of the fleet where served."""

    token_class: str
    tokens: int
    serving_cost: Decimal


def cost_by_class(account: Account) -> list[ClassCost]:
    """Serving cost by token class over all buckets; request fees, if any, are a class of their own."""
    names = ("uncached_input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens")
    tokens = dict.fromkeys((*names, "request_fees"), 0)
    exact = dict.fromkeys((*names, "request_fees"), Fraction(0))
    for bucket in range(len(account.buckets.periods)):
        costs = [cost for cost in account.usage_totals if cost.bucket == bucket]
        weights = {
            name: sum(
                (account.usage.weights[name] * cost.counts[name] for cost in costs if cost.is_own),
                Fraction(0),
            )
            for name in names
        }
        fleet = account.fleet_cost.exact(bucket)
        whole_weight = sum(weights.values(), Fraction(0))
        for name in names:
            tokens[name] += sum(cost.counts[name] for cost in costs)
            if isinstance(fleet, Fraction) and whole_weight:
                exact[name] += fleet * weights[name] / whole_weight
        for cost in costs:
            for name, amount in zip(names, cost.bought_by_class, strict=True):
                exact[name] += amount
            if isinstance(cost.bought, Fraction):
                exact["request_fees"] += cost.bought - sum(cost.bought_by_class, Fraction(0))
    parts = post_parts([whole(amount) for amount in exact.values()], account.currency)
    return [
        ClassCost(name, tokens[name], part)
        for name, part in zip(exact, parts, strict=True)
        if part or tokens[name]
    ]
