"""What the same tokens cost from month to month: a chained Laspeyres index over models and token classes.

A basket is what was served in a month: tokens of each class of each model, and requests that bear a fee. Each
month is linked to the next by the earlier month's basket at both months' average unit costs, over what both
months have in common; links are multiplied. So a price cut, a cheaper hour or a fuller fleet lowers the
index, and use that moves between models does not: that is another basket, not another price.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from breakeven.account.facts import whole
from breakeven.account.metrics import Amount, Missing
from breakeven.account.usage import CLASSES, UsageCost

if TYPE_CHECKING:
    from breakeven.account.account import Account

NO_USAGE = Missing("no usage with a cost in this month", "该月没有可计成本的用量", ("usage",))
NOTHING_IN_COMMON = Missing(
    "no model served tokens at a cost in both months: they cannot be linked",
    "前后两个月没有共同的计价模型，无法衔接",
    ("usage",),
)
REQUESTS = "requests"

Item = tuple[str, str, str]
"""Provider, model, token class (or `requests`)."""
Basket = dict[Item, tuple[int, Fraction]]
"""Quantity of each item, and what all of it cost."""


@dataclass(frozen=True)
class Link:
    """Two neighbouring months with usage: `ratio` is what the earlier basket cost later, over what it cost.

    `matched_share` is the part of the earlier month's cost whose items both months have.
    """

    earlier: date
    later: date
    ratio: Fraction | Missing
    matched_share: Fraction


def unit_cost_index(account: Account) -> dict[date, Amount]:
    """For each month, what the same tokens cost relative to the last month with a value, which is 1.

    A month is missing when it has no usage with a cost, or cannot be linked to the last one. Multiply today's
    cost of serving by a month's value to have it at that month's unit costs. Bought tokens count at what was
    paid on average, own ones at their share of what the fleet cost: with class costs the time they keep GPUs
    busy, without them also idle time, so that an idle fleet is dear.

    Source: chained Laspeyres index, as in International Labour Office and others (2004), Consumer Price Index
    Manual: Theory and Practice.
    """
    baskets = _baskets(account)
    months = sorted({period.first.replace(day=1) for period in account.buckets.periods})
    index: dict[date, Amount] = dict.fromkeys(months, NO_USAGE)
    known = sorted(month for month, basket in baskets.items() if basket)
    if not known:
        return index
    index[known[-1]] = Decimal(1)
    level: Fraction | Missing = Fraction(1)
    for link in reversed(unit_cost_links(account)):
        if isinstance(level, Missing) or isinstance(link.ratio, Missing) or not link.ratio:
            level = NOTHING_IN_COMMON
        else:
            level = level / link.ratio
        index[link.earlier] = level if isinstance(level, Missing) else whole(level)
    return index


def unit_cost_links(account: Account) -> list[Link]:
    """The links of the index, oldest first, between each month with a cost and the next one that has one."""
    baskets = _baskets(account)
    known = sorted(month for month, basket in baskets.items() if basket)
    return [_link(earlier, later, baskets[earlier], baskets[later]) for earlier, later in pairwise(known)]


def _link(earlier: date, later: date, before: Basket, after: Basket) -> Link:
    common = sorted(before.keys() & after.keys())
    then = sum((before[item][1] for item in common), Fraction(0))
    all_then = sum((cost for _, cost in before.values()), Fraction(0))
    now = sum(
        (before[item][0] * after[item][1] / after[item][0] for item in common),
        Fraction(0),
    )
    share = then / all_then if all_then else Fraction(0)
    return Link(earlier, later, now / then if then else NOTHING_IN_COMMON, share)


def _baskets(account: Account) -> dict[date, Basket]:
    """What was served at a known cost, by month."""
    found: dict[date, dict[Item, list[Fraction]]] = defaultdict(
        lambda: defaultdict(lambda: [Fraction(0), Fraction(0)])
    )
    for cost in account.usage.by("provider", "model"):
        month = account.buckets.periods[cost.bucket].first.replace(day=1)
        for item, quantity, amount in _items(account, cost):
            sums = found[month][item]
            sums[0] += quantity
            sums[1] += amount
    return {
        month: {item: (int(quantity), amount) for item, (quantity, amount) in items.items() if quantity}
        for month, items in found.items()
    }


def _items(account: Account, cost: UsageCost) -> list[tuple[Item, int, Fraction]]:
    provider, model = (str(part) for part in cost.key)
    if cost.is_own:
        if isinstance(account.facts.get("gpu_cost", cost.bucket), Missing):
            return []
        borne = account.fleet_splits[cost.bucket].by_class(cost)
        return [
            ((provider, model, name), cost.counts[name], amount)
            for name, amount in zip(CLASSES, borne, strict=True)
            if cost.counts[name]
        ]
    if not isinstance(cost.bought, Fraction):
        return []
    items: list[tuple[Item, int, Fraction]] = []
    for name, amount, unpriced in zip(CLASSES, cost.bought_by_class, cost.unpriced_by_class, strict=True):
        if priced := cost.counts[name] - unpriced:
            items.append(((provider, model, name), priced, amount))
    fees = cost.bought - sum(cost.bought_by_class, Fraction(0))
    if fees and cost.counts[REQUESTS]:
        items.append(((provider, model, REQUESTS), cost.counts[REQUESTS], fees))
    return items
