"""The account of emitted files, computed the slow way: row by row, in plain Python, straight from the rules.

It shares nothing with the generator's own truth but the files and the written prices.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import yaml

ZONE = ZoneInfo("Asia/Shanghai")
CLASSES = ("uncached_input", "cached_input", "cache_write", "output")
TOTALS = {
    "revenue": "subscription_revenue gift_revenue api_revenue refunds",
    "serving_cost": "inference_api_cost gpu_cost",
    "cost_of_revenue": "serving_cost payment_fees bandwidth_cost cloud_cost content_cost",
    "acquisition_spend": "ads_spend creator_spend coupon_spend referral_spend agency_spend",
}
LINES = (
    *TOTALS["revenue"].split(),
    *TOTALS["serving_cost"].split(),
    *TOTALS["cost_of_revenue"].split()[1:],
    *TOTALS["acquisition_spend"].split(),
    *("payroll_cost", "training_cost", "other_cost", "usage_at_list_price"),
)


def read(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Every table's rows as dictionaries."""
    return {
        home.name: [row for file in sorted(home.glob("*.parquet")) for row in pq.read_table(file).to_pylist()]
        for home in sorted(folder.iterdir())
        if home.is_dir() and home.name != "prices"
    }


def local_day(at: datetime) -> date:
    return at.astimezone(ZONE).date()


def month(day: date) -> str:
    return f"{day:%Y-%m}"


def days(first: date, end: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((end - first).days)]


class Cards:
    """Prices by provider and model, read from the YAML as written."""

    def __init__(self, path: Path) -> None:
        card = yaml.safe_load(path.read_text("utf-8"))
        self.providers = {card["provider"], *card.get("provider_aliases", [])}
        self.models = card["models"]

    def value(self, row: dict[str, Any]) -> Fraction:
        """CNY of one row of usage at the entry in force, or KeyError when there is none."""
        if row["provider"] not in self.providers:
            raise KeyError(row["provider"])
        entries = self.models[row["model"]]["prices"]
        entry = [one for one in entries if one["valid_from"] <= local_day(row["at"])][-1]
        factor = Fraction(1)
        if row["service_tier"] != "standard":
            factor = Fraction(str(entry["service_tiers"][row["service_tier"]]["multiplier"]))
        prices = [Fraction(str(entry["per_mtok"][name])) for name in CLASSES]
        tokens = [row[f"{name}_tokens"] for name in CLASSES]
        return factor * sum((p * t for p, t in zip(prices, tokens, strict=True)), Fraction(0)) / 1_000_000


def fleet_hours(rows: list[dict[str, Any]]) -> list[tuple[date, Fraction]]:
    """Local day and cost of every fleet row: it holds until its pool's next row or the end of its day."""
    found = []
    for row in rows:
        day = local_day(row["at"])
        end = datetime.combine(day + timedelta(days=1), datetime.min.time(), ZONE).astimezone(UTC)
        later = [o["at"] for o in rows if o["pool"] == row["pool"] and row["at"] < o["at"] < end]
        hours = Fraction(int((min([*later, end]) - row["at"]).total_seconds()), 3600)
        found.append((day, hours * Fraction(row["count"]) * Fraction(row["price_per_gpu_hour"])))
    return found


def income(tables: dict[str, list[dict[str, Any]]], prices: Path) -> dict[tuple[str, str], Fraction]:
    """Exact lines (not yet rounded) by month and metric."""
    sell, buy = Cards(prices / "synthetic-sell.yaml"), Cards(prices / "synthetic-outside-buy.yaml")
    lines: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    api_value: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    topups: dict[tuple[str, str], Fraction] = defaultdict(Fraction)

    def spread(metric: str, amount: Fraction, first: date, end: date) -> None:
        span = days(first, max(end, first + timedelta(days=1)))
        for day in span:
            lines[month(day), metric] += amount / len(span)

    for row in tables["usage"]:
        when, value = month(local_day(row["at"])), sell.value(row)
        lines[when, "usage_at_list_price"] += value
        if row["provider"] in buy.providers:
            lines[when, "inference_api_cost"] += buy.value(row)
        if row["product"] == "api":
            api_value[when, row["account_id"]] += value
    for row in tables["payments"]:
        day, net = local_day(row["at"]), Fraction(row["amount"]) - Fraction(row["tax"])
        lines[month(day), "payment_fees"] += Fraction(row["fee"])
        if row["kind"] in ("refund", "chargeback"):
            lines[month(day), "refunds"] -= net
        elif row["kind"] == "api_topup":
            topups[month(day), row["account_id"]] += net
        else:
            first, end = local_day(row["service_start"]), local_day(row["service_end"])
            spread(f"{row['kind'].removesuffix('_invoice')}_revenue", net, first, end)
    balance: dict[str, Fraction] = defaultdict(Fraction)
    for when in sorted({key[0] for key in (*api_value, *topups)}):
        for account in {key[1] for key in (*api_value, *topups)}:
            balance[account] += topups[when, account]
            earned = min(balance[account], api_value[when, account])
            balance[account] -= earned
            lines[when, "api_revenue"] += earned
    for day, cost in fleet_hours(tables["capacity"]):
        lines[month(day), "gpu_cost"] += cost
    for row in tables["bills"]:
        if row["category"] not in ("inference_api", "gpu", "payment_fee"):
            spread(f"{row['category']}_cost", Fraction(row["amount"]), row["period_start"], row["period_end"])
    for row in tables["ad_spend"]:
        lines[month(row["day"]), f"{row['kind']}_spend"] += Fraction(row["amount"])
    return lines


def statement(lines: dict[tuple[str, str], Fraction], when: str) -> dict[str, Decimal]:
    """Posted lines and totals of a month."""
    posted = {name: Decimal(round(lines[when, name] * 100)).scaleb(-2) for name in LINES}
    for total, parts in TOTALS.items():
        posted[total] = sum((posted[part] for part in parts.split()), Decimal(0))
    posted["gross_profit"] = posted["revenue"] - posted["cost_of_revenue"]
    posted["contribution"] = posted["gross_profit"] - posted["acquisition_spend"]
    below = ("payroll_cost", "training_cost", "other_cost")
    posted["operating_result"] = posted["contribution"] - sum((posted[name] for name in below), Decimal(0))
    return posted
