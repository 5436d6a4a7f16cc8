"""Walk the company's days once: write its tables in chunks and add up the truth beside them."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from breakeven.sources.synthetic import company
from breakeven.sources.synthetic.acquisitions import acquisition_columns
from breakeven.sources.synthetic.activity import ActiveDay, Calendar
from breakeven.sources.synthetic.api import ApiBusiness, api_columns
from breakeven.sources.synthetic.payments import PaymentBatch, Till, payment_columns
from breakeven.sources.synthetic.plan import CompanyPlan
from breakeven.sources.synthetic.population import draw_population, plan_visits
from breakeven.sources.synthetic.priority import PriorityWindows
from breakeven.sources.synthetic.spend import month_spend, spend_columns
from breakeven.sources.synthetic.suppliers import (
    BURST,
    LONG_CONTEXT,
    RESERVED,
    bill_columns,
    fleet_columns,
    fleet_of_day,
    funding_columns,
    funds,
    measured_bills,
    regular_bills,
)
from breakeven.sources.synthetic.traffic import draw_requests, more_requests, usage_columns
from breakeven.sources.synthetic.truth_money import MoneyTruth
from breakeven.sources.synthetic.truth_usage import UsageTruth
from breakeven.sources.synthetic.truth_users import UserTruth
from breakeven.sources.synthetic.write import MADE_TABLES, ChunkWriter, Emit, numbered

SCHEMA_VERSION = 1
_EPOCH_DAY = date(1970, 1, 1)
Progress = Callable[[int, int], None]
"""Called after each day with the days done and the days there are."""


@dataclass(frozen=True)
class Truth:
    """What the account of the generated books must say; `facts` is the content of `truth.json`."""

    plan: CompanyPlan
    facts: dict[str, Any]

    def write(self, path: Path) -> None:
        """Write it as JSON, money as decimal strings."""
        path.write_text(json.dumps(self.facts, indent=1, ensure_ascii=False) + "\n", "utf-8")


def write_company(
    plan: CompanyPlan,
    folder: Path,
    emit: Emit,
    *,
    chunk_rows: int = 2_000_000,
    progress: Progress | None = None,
) -> Truth:
    """Generate the company into `folder`, handing each finished Parquet chunk to `emit(table, path)`.

    A chunk is deleted after `emit` returns, so memory and disk stay flat in the number of requests. The rows
    and the truth depend on the plan alone, not on `chunk_rows`.
    """
    return _Company(plan, folder, emit, chunk_rows).run(progress)


class _Company:
    def __init__(self, plan: CompanyPlan, folder: Path, emit: Emit, chunk_rows: int) -> None:
        self.plan = plan
        self.writers = {name: ChunkWriter(name, folder, emit, chunk_rows) for name in MADE_TABLES}
        self.people = draw_population(plan)
        visits = plan_visits(plan, self.people)
        self.more_per_session = more_requests(plan, visits)
        self.calendar = Calendar(plan, self.people, visits)
        self.windows = PriorityWindows()
        self.till = Till(plan, self.people, self.windows)
        self.api = ApiBusiness(plan)
        self.users = UserTruth(plan, self.people)
        self.usage = UsageTruth(plan, self.api)
        self.money = MoneyTruth(plan)

    def run(self, progress: Progress | None) -> Truth:
        with ExitStack() as open_files:
            for writer in self.writers.values():
                open_files.enter_context(writer)
            self._supply()
            for day, today in enumerate(self.plan.days):
                if today.day == 1:
                    self._spend(self.plan.month_index(today))
                self._day(day, f"{today:%Y%m%d}")
                if day + 1 == len(self.plan.days) or self.plan.days[day + 1].day == 1:
                    self._bill(self.plan.month_index(today))
                if progress:
                    progress(day + 1, len(self.plan.days))
        self.money.add_usage(self.usage)
        return Truth(self.plan, self._facts())

    def _supply(self) -> None:
        rows = funds(self.plan)
        self.money.add_funds(rows)
        self.writers["funding"].add(funding_columns(self.plan, rows))
        bills = regular_bills(self.plan)
        self.money.add_bills(bills)
        self.writers["bills"].add(bill_columns(bills))

    def _spend(self, month: int) -> None:
        rows = month_spend(self.plan, month)
        self.money.add_spend(month, rows)
        self.writers["ad_spend"].add(spend_columns(self.plan, month, rows))

    def _bill(self, month: int) -> None:
        cost = {pool: self.money.fleet_cost_by_pool[month, pool] for pool in (RESERVED, LONG_CONTEXT, BURST)}
        outside = self.usage.outside_cost_cents(month) / 100
        exact = Decimal(outside.numerator) / Decimal(outside.denominator)
        fees = Decimal(self.money.fee_cents[month]).scaleb(-2)
        bills = measured_bills(self.plan, month, cost, exact, fees)
        self.money.add_bills(bills)
        self.writers["bills"].add(bill_columns(bills))

    def _day(self, day: int, label: str) -> None:
        self.writers["acquisitions"].add(acquisition_columns(self.plan, self.people, day))
        active = self.calendar.next_day(day)
        self.users.add_active(day, active)
        user_ids = numbered("user", active.users)
        self.writers["activity"].add(self._activity_columns(day, label, active, user_ids))
        payments = self.till.day(day, active)
        if self.api.is_open(day):
            usage = self.api.draw_usage(day)
            self.usage.add_api(day, usage)
            self.writers["usage"].add(api_columns(usage, label))
            payments = PaymentBatch.join([payments, self.api.draw_payments(day)])
        self.users.add_payments(day, payments)
        self.money.add_payments(day, payments)
        self.writers["payments"].add(payment_columns(payments, label))
        requests = draw_requests(self.plan, self.people, day, active, self.more_per_session, self.windows)
        self.usage.add_requests(day, requests)
        self.writers["usage"].add(usage_columns(requests, label, user_ids))
        fleet = fleet_of_day(self.plan, day)
        self.money.add_fleet(day, fleet)
        self.writers["capacity"].add(fleet_columns(self.plan, fleet))

    def _activity_columns(
        self, day: int, label: str, active: ActiveDay, user_ids: pa.StringArray
    ) -> dict[str, pa.Array]:
        since_epoch = (self.plan.days[day] - _EPOCH_DAY).days
        return {
            "user_id": user_ids,
            "day": pa.array(np.full(len(active.users), since_epoch, dtype=np.int32)).view(pa.date32()),
            "sessions": pa.array(active.sessions),
            "source_id": numbered(f"act{label}-", active.users),
        }

    def _facts(self) -> dict[str, Any]:
        plan = self.plan
        return {
            "schema_version": SCHEMA_VERSION,
            "synthetic": True,
            "users": plan.users,
            "months": plan.months,
            "seed": plan.seed,
            "share_of_published_size": f"{plan.scale:.6f}",
            "period": plan.period.label,
            "time_zone": company.ZONE,
            "currency": company.CURRENCY,
            "rows": {name: writer.row_count for name, writer in self.writers.items()},
            **self.money.as_json(),
            **self.users.as_json(),
            "usage": self.usage.as_json(),
        }
