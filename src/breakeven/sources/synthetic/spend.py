"""What growth costs: spend by day, channel, campaign, creator and kind, exact to the month's total."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from breakeven.sources.synthetic import company
from breakeven.sources.synthetic.plan import CompanyPlan
from breakeven.sources.synthetic.population import channel_shares
from breakeven.sources.synthetic.randomness import Purpose, split, stream
from breakeven.sources.synthetic.write import money_from_cents, numbered

_CENTS_PER_CLICK, _IMPRESSIONS_PER_CLICK = 130, 45
_PAUSED_SHARE = 0.05
_COUNTED_KINDS = ("ads", "creator")


@dataclass(frozen=True)
class SpendRow:
    """One line of spend on one day, in cents."""

    day: int
    channel: str
    line: company.SpendLine
    creator: str | None
    cents: int
    clicks: int | None


def month_spend(plan: CompanyPlan, month: int) -> list[SpendRow]:
    """All spend of a month; the rows sum to `plan.acquisition_spend_cents(month)` exactly."""
    random = stream(plan.seed, Purpose.SPEND, month)
    days = [index for index, day in enumerate(plan.days) if plan.month_index(day) == month]
    lines = _lines(month)
    weights = np.outer(
        random.normal(1.0, 0.08, len(days)).clip(0.7, 1.3), np.array([weight for *_, weight in lines])
    )
    weights *= random.normal(1.0, 0.2, weights.shape).clip(0.4, 1.8)
    weights[random.random(weights.shape) < _PAUSED_SHARE] = 0.0
    weights *= _repair(weights, np.array([weight for *_, weight in lines]))
    cents = split(plan.acquisition_spend_cents(month), weights.ravel()).reshape(weights.shape)
    clicks = random.poisson(cents / _CENTS_PER_CLICK)
    return [
        SpendRow(
            day, channel, line, creator, int(cents[row, column]),
            int(clicks[row, column]) if line.kind in _COUNTED_KINDS else None,
        )
        for row, day in enumerate(days)
        for column, (channel, line, creator, _) in enumerate(lines)
        if cents[row, column]
    ]  # fmt: skip


def _lines(month: int) -> list[tuple[str, company.SpendLine, str | None, float]]:
    """Channel, line, creator and share of the month's spend; creators of a line share it equally."""
    users = channel_shares(month)
    costs = users * [channel.relative_cost for channel in company.CHANNELS]
    costs *= (1 - company.BRAND_SPEND_SHARE) / costs.sum()
    found: list[tuple[str, company.SpendLine, str | None, float]] = []
    for channel, share in zip(
        (*company.CHANNELS, company.BRAND), (*costs, company.BRAND_SPEND_SHARE), strict=True
    ):
        for line in channel.lines:
            creators = line.creators or (None,)
            part = float(share) * line.weight / len(creators)
            found += [(channel.name, line, creator, part) for creator in creators]
    return found


def _repair(weights: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Factors that bring each line back to its share of the month after days were varied."""
    whole = weights.sum(axis=0)
    return np.divide(wanted, whole, out=np.zeros_like(whole), where=whole > 0)


def spend_columns(plan: CompanyPlan, month: int, rows: list[SpendRow]) -> dict[str, pa.Array]:
    """The canonical `ad_spend` columns of a month."""
    impressions = [None if row.clicks is None else row.clicks * _IMPRESSIONS_PER_CLICK for row in rows]
    return {
        "day": pa.array([plan.days[row.day] for row in rows], pa.date32()),
        "channel": pa.array([row.channel for row in rows], pa.string()),
        "campaign": pa.array([row.line.campaign for row in rows], pa.string()),
        "creator": pa.array([row.creator for row in rows], pa.string()),
        "kind": pa.array([row.line.kind for row in rows], pa.string()),
        "amount": money_from_cents(np.array([row.cents for row in rows], dtype=np.int64)),
        "currency": pa.array([company.CURRENCY] * len(rows), pa.string()),
        "impressions": pa.array(impressions, pa.int64()),
        "clicks": pa.array([row.clicks for row in rows], pa.int64()),
        "source_id": numbered(f"spend{plan.month_starts[month]:%Y%m}-", np.arange(len(rows))),
    }
