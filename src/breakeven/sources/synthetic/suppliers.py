"""What suppliers are owed: the fleet day by day, the bills, and the money the company was given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pyarrow as pa

from breakeven.money import post
from breakeven.periods import next_month
from breakeven.sources.synthetic import company
from breakeven.sources.synthetic.clock import HOUR_US
from breakeven.sources.synthetic.plan import CompanyPlan
from breakeven.sources.synthetic.write import canonical_schema

RESERVED, LONG_CONTEXT, BURST = "reserved-main", "reserved-long-context", "on-demand-burst"
_INSTANT = pa.timestamp("us", tz="UTC")
_DAYS_PER_MONTH = Decimal("30.5")
_INFERENCE_BILL_EXCESS = Decimal("0.03")


@dataclass(frozen=True)
class FleetRow:
    """A pool's GPUs from a local hour on, and for how many hours (the truth's own count) they stay."""

    day: int
    hour: int
    hours: int
    pool: str
    gpus: int
    price: Decimal
    commitment: str


def fleet_of_day(plan: CompanyPlan, day: int) -> list[FleetRow]:
    """The fleet of a day: two reserved pools all day, and a pool rented by the hour in the evening.

    On even days the rented pool ends at 23:00 by a row of zero GPUs; on odd days it lasts till midnight.
    """
    month = plan.month_index(plan.days[day])
    full_size = company.RESERVED_GPUS[min(month, len(company.RESERVED_GPUS) - 1)]
    reserved = Decimal(company.RESERVED_PRICE_PER_GPU_HOUR)
    rented = Decimal(company.ON_DEMAND_PRICE_PER_GPU_HOUR)

    def gpus(share: float) -> int:
        return max(1, round(full_size * share * plan.scale))

    rows = [
        FleetRow(day, 0, 24, RESERVED, gpus(1.0), reserved, "reserved"),
        FleetRow(day, 0, 24, LONG_CONTEXT, gpus(company.LONG_CONTEXT_SHARE_OF_GPUS), reserved, "reserved"),
    ]
    ends_early = day % 2 == 0
    first, last = company.PEAK_HOURS[0], company.PEAK_HOURS[1] - 1
    for hour in range(first, last + 1):
        extra = gpus(company.BURST_SHARE_OF_GPUS * (1 + 0.5 * ((hour + day) % 3)))
        hours = 2 if hour == last and not ends_early else 1
        rows.append(FleetRow(day, hour, hours, BURST, extra, rented, "on_demand"))
    if ends_early:
        rows.append(FleetRow(day, last + 1, 24 - last - 1, BURST, 0, rented, "on_demand"))
    return rows


def fleet_cost(rows: list[FleetRow]) -> Decimal:
    """GPUs x price x hours, exactly.

    >>> fleet_cost([FleetRow(0, 0, 24, "pool", 2, Decimal("12.50"), "reserved")])
    Decimal('600.00')
    """
    return sum((row.gpus * row.price * row.hours for row in rows), Decimal(0))


def fleet_columns(plan: CompanyPlan, rows: list[FleetRow]) -> dict[str, pa.Array]:
    """The canonical `capacity` columns."""
    types = {field.name: field.type for field in canonical_schema("capacity")}
    at_us = [plan.day_start_us(plan.days[row.day]) + row.hour * HOUR_US for row in rows]
    keys = [f"fleet-{plan.days[row.day]:%Y%m%d}-{row.hour:02d}-{row.pool}" for row in rows]
    return {
        "at": pa.array(at_us, pa.int64()).view(_INSTANT),
        "pool": pa.array([row.pool for row in rows], pa.string()),
        "gpu": pa.array([company.GPU] * len(rows), pa.string()),
        "count": pa.array([Decimal(row.gpus) for row in rows], types["count"]),
        "price_per_gpu_hour": pa.array([row.price for row in rows], types["price_per_gpu_hour"]),
        "currency": pa.array([company.CURRENCY] * len(rows), pa.string()),
        "commitment": pa.array([row.commitment for row in rows], pa.string()),
        "source_id": pa.array(keys, pa.string()),
    }


@dataclass(frozen=True)
class Bill:
    """One bill; days half-open."""

    vendor: str
    category: str
    start: date
    end: date
    amount: Decimal
    model: str | None = None
    quantity: Decimal | None = None
    unit: str | None = None
    funded_by: str | None = None


def regular_bills(plan: CompanyPlan) -> list[Bill]:
    """Bills of the suppliers of `company.SUPPLIES`: monthly, at mid-month, or every other month."""
    bills: list[Bill] = []
    for supply in company.SUPPLIES:
        start, age = plan.period.first, 0
        while start < plan.period.end:
            end = min(_bill_end(start, supply), plan.period.end)
            monthly = Decimal(supply.monthly_cny) * Decimal(repr(plan.scale))
            cost = monthly * Decimal(repr(supply.growth)) ** age * (end - start).days / _DAYS_PER_MONTH
            amount = max(Decimal("0.01"), post(cost, company.CURRENCY))
            bills.append(Bill(supply.vendor, supply.category, start, end, amount, funded_by=supply.funded_by))
            start, age = end, age + 1
    return bills


def _bill_end(start: date, supply: company.Supply) -> date:
    if start.day < supply.cut_day:
        return start.replace(day=supply.cut_day)
    month = start
    for _ in range(supply.months_per_bill):
        month = next_month(month)
    return month.replace(day=supply.cut_day)


def measured_bills(
    plan: CompanyPlan, month: int, cost_by_pool: dict[str, Decimal], outside_cost: Decimal, fees: Decimal
) -> list[Bill]:
    """Bills for what the books measure themselves: the fleet, the outside provider, the payment channel.

    The reserved fleet's bill of the third month exceeds its cost by `plan.gpu_bill_excess`; the outside
    provider rounds each month up by three cents.
    """
    start = plan.month_starts[month]
    end = next_month(start)
    odd_month = month == min(2, plan.months - 1)
    own = cost_by_pool[RESERVED] * (1 + plan.gpu_bill_excess if odd_month else Decimal(1))
    leased = cost_by_pool[LONG_CONTEXT] + cost_by_pool[BURST]
    bills = [
        Bill(company.CLOUD, "gpu", start, end, post(own, company.CURRENCY), funded_by=company.CREDIT),
        Bill(company.LEASE_PARTNER, "gpu", start, end, post(leased, company.CURRENCY)),
    ]
    if outside_cost:
        amount = post(outside_cost, company.CURRENCY) + _INFERENCE_BILL_EXCESS
        model = company.MODELS[company.OUTSIDE_MODEL]
        bills.append(Bill(company.OUTSIDE_PROVIDER, "inference_api", start, end, amount, model))
    if fees:
        bills.append(Bill("payment-channel", "payment_fee", start, end, fees))
    return bills


def bill_columns(bills: list[Bill]) -> dict[str, pa.Array]:
    """The canonical `bills` columns."""
    types = {field.name: field.type for field in canonical_schema("bills")}

    def column(name: str, values: list[object]) -> pa.Array:
        return pa.array(values, types[name])

    return {
        "vendor": column("vendor", [bill.vendor for bill in bills]),
        "category": column("category", [bill.category for bill in bills]),
        "model": column("model", [bill.model for bill in bills]),
        "period_start": column("period_start", [bill.start for bill in bills]),
        "period_end": column("period_end", [bill.end for bill in bills]),
        "amount": column("amount", [bill.amount for bill in bills]),
        "currency": column("currency", [company.CURRENCY for _ in bills]),
        "quantity": column("quantity", [bill.quantity for bill in bills]),
        "unit": column("unit", [bill.unit for bill in bills]),
        "funded_by": column("funded_by", [bill.funded_by for bill in bills]),
        "source_id": column("source_id", [f"bill-{b.vendor}-{b.category}-{b.start:%Y%m%d}" for b in bills]),
    }


@dataclass(frozen=True)
class Fund:
    """Money or credit received."""

    day: date
    kind: str
    name: str
    amount: Decimal
    currency: str
    restricted_to: str | None = None
    expires_on: date | None = None


def funds(plan: CompanyPlan) -> list[Fund]:
    """What the company has to spend, all on its first day: cash, equity, and credit at one cloud alone."""

    def scaled(amount: int, currency: str) -> Decimal:
        return post(Decimal(amount) * Decimal(repr(plan.scale)), currency)

    first = plan.period.first
    expires = first.replace(year=first.year + 2)
    equity, credit = scaled(company.EQUITY_USD, "USD"), scaled(company.CREDIT_USD, "USD")
    return [
        Fund(first, "opening", "opening cash", scaled(company.OPENING_CASH_CNY, "CNY"), "CNY"),
        Fund(first, "equity", "round of February", equity, "USD"),
        Fund(first, "credit", company.CREDIT, credit, "USD", company.CLOUD, expires),
    ]


def funding_columns(plan: CompanyPlan, rows: list[Fund]) -> dict[str, pa.Array]:
    """The canonical `funding` columns."""
    amount_type = canonical_schema("funding").field("amount").type
    at_us = [plan.day_start_us(row.day) for row in rows]
    return {
        "at": pa.array(at_us, pa.int64()).view(_INSTANT),
        "kind": pa.array([row.kind for row in rows], pa.string()),
        "name": pa.array([row.name for row in rows], pa.string()),
        "amount": pa.array([row.amount for row in rows], amount_type),
        "currency": pa.array([row.currency for row in rows], pa.string()),
        "restricted_to": pa.array([row.restricted_to for row in rows], pa.string()),
        "expires_on": pa.array([row.expires_on for row in rows], pa.date32()),
        "source_id": pa.array([f"fund-{number}" for number in range(len(rows))], pa.string()),
    }
