"""The small tables as rows: bills, funding, fleet. Only the latest version of each row counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from pyarrow import dataset

from breakeven.account.facts import Buckets
from breakeven.ledger.books import Books
from breakeven.ledger.tables import TABLES
from breakeven.periods import ONE_DAY, Period, day_start, time_zone

_SECONDS_AN_HOUR = 3600


def rows_of(books: Books, table: str) -> list[dict[str, Any]]:
    """All current rows of a small table, in a stable order. Instants are UTC."""
    schema = TABLES[table].schema
    files = books.files(table)
    if not files:
        return []
    names = [name for name in schema.names if not (name == "day" and TABLES[table].partitioned)]
    stored = dataset.dataset([file.uri for file in files], schema=schema, format="parquet")
    rows: list[dict[str, Any]] = stored.to_table(columns=names).to_pylist()
    latest: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        key = (row["source"], row["source_id"])
        if key not in latest or row["version"] > latest[key]["version"]:
            latest[key] = row
    return [latest[key] for key in sorted(latest)]


@dataclass(frozen=True)
class FleetHours:
    """One row of the fleet for the time it held: within one day of the books' zone, from `start` to `end`."""

    day: date
    pool: str
    gpu: str
    commitment: str
    currency: str
    gpu_hours: Fraction
    cost: Fraction
    start: datetime
    end: datetime


def fleet_hours(books: Books) -> list[FleetHours]:
    """How long each capacity row held: until the pool's next row of its kind, or the day's end.

    Its kind is its GPU and commitment. A row stands for what runs from its moment on. One row at midnight
    covers a day, twenty-four hourly rows cover it too, and a pool that stops must say so with a count of 0.
    """
    zone = time_zone(books.settings.time_zone)
    by_series: dict[tuple[date, str, str, str], list[dict[str, Any]]] = {}
    for row in rows_of(books, "capacity"):
        at: datetime = row["at"].astimezone(UTC)
        series = (at.astimezone(zone).date(), row["pool"], row["gpu"] or "", row["commitment"] or "")
        by_series.setdefault(series, []).append(row | {"at": at})
    found: list[FleetHours] = []
    for (day, pool, gpu, commitment), rows in sorted(by_series.items()):
        rows.sort(key=lambda row: (row["at"], row["source_id"]))
        ends = [row["at"] for row in rows[1:]] + [day_start(day + ONE_DAY, zone)]
        for row, end in zip(rows, ends, strict=True):
            held: timedelta = end - row["at"]
            hours = Fraction(held // timedelta(microseconds=1), _SECONDS_AN_HOUR * 1_000_000)
            gpu_hours = Fraction(row["count"]) * hours
            found.append(
                FleetHours(
                    day, pool, gpu, commitment, row["currency"], gpu_hours,
                    gpu_hours * Fraction(row["price_per_gpu_hour"]), row["at"], end,
                )
            )  # fmt: skip
    return found


GPU_HOURS = frozenset({"gpu_hours", "gpu_hour", "gpu-hours", "gpu-hour", "gpu hours", "gpu hour"})


@dataclass(frozen=True)
class Bill:
    """A supplier's bill, or a line of one; it accrues evenly over the days of its period.

    `charge` says what kind of line it is (usage, tax, ...). `quantity` is in `unit`. `pricing_amount` is what
    was charged before it was converted to the currency it is billed in; None where that is the same.
    """

    vendor: str
    category: str
    model: str
    period: Period
    amount: Fraction
    currency: str
    funded_by: str
    source: str
    source_id: str
    charge: str = "usage"
    token_class: str = ""
    service_tier: str = ""
    quantity: Fraction | None = None
    unit: str = ""
    pricing_amount: Fraction | None = None
    pricing_currency: str = ""
    invoice_id: str = ""

    def accrued(self, buckets: Buckets) -> list[tuple[int, Fraction]]:
        """(bucket, part of the amount) for each bucket that the bill's period touches."""
        return [
            (bucket, self.amount * days / self.period.day_count)
            for bucket, days in buckets.overlaps(self.period)
        ]


def bills_of(books: Books) -> list[Bill]:
    """All bills."""
    return [
        Bill(
            row["vendor"], _category(row), row["model"] or "",
            Period(row["period_start"], row["period_end"]),
            Fraction(row["amount"]), row["currency"], row["funded_by"] or "", row["source"], row["source_id"],
            row["charge"] or "usage", row["token_class"] or "", row["service_tier"] or "",
            _fraction(row["quantity"]), row["unit"] or "",
            _fraction(row["pricing_amount"]), row["pricing_currency"] or "", row["invoice_id"] or "",
        )
        for row in rows_of(books, "bills")
    ]  # fmt: skip


def _category(row: dict[str, Any]) -> str:
    """A cloud's line in GPU-hours is a bill for the fleet: booked as cloud it would stand beside capacity."""
    is_fleet = row["category"] == "cloud" and (row["unit"] or "").strip().lower() in GPU_HOURS
    return "gpu" if is_fleet else row["category"]


def _fraction(value: Decimal | None) -> Fraction | None:
    return None if value is None else Fraction(value)


@dataclass(frozen=True)
class Fund:
    """Cash or credit received on a day."""

    day: date
    kind: str
    name: str
    amount: Decimal
    currency: str
    restricted_to: str
    expires_on: date | None

    @property
    def is_restricted(self) -> bool:
        """Whether only one vendor accepts it: credit, or money bound to a vendor."""
        return bool(self.restricted_to) or self.kind == "credit"


def funding_of(books: Books) -> list[Fund]:
    """All funding, by day."""
    zone = time_zone(books.settings.time_zone)
    funds = [
        Fund(
            row["at"].astimezone(zone).date(), row["kind"], row["name"] or "", row["amount"], row["currency"],
            row["restricted_to"] or "", row["expires_on"],
        )
        for row in rows_of(books, "funding")
    ]  # fmt: skip
    return sorted(funds, key=lambda fund: (fund.day, fund.name))
