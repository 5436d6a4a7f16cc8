"""What a person may choose about the synthetic company, and the days and instants that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property

from breakeven.errors import UsageError
from breakeven.periods import Period, day_start, month_of, next_month, time_zone
from breakeven.sources.synthetic import company

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def spend_cny(month: int) -> int:
    """Full-size acquisition spend of the plan's month (0 is the first).

    >>> spend_cny(0), spend_cny(9)
    (15000000, 50000000)
    """
    return company.SPEND_CNY[min(month, len(company.SPEND_CNY) - 1)]


def cost_per_bought_user_cny(month: int) -> float:
    """Spend over bought users in the plan's month.

    >>> cost_per_bought_user_cny(0), round(cost_per_bought_user_cny(5), 2)
    (12.5, 30.0)
    """
    return company.COST_PER_BOUGHT_USER_CNY[min(month, len(company.COST_PER_BOUGHT_USER_CNY) - 1)]


@dataclass(frozen=True)
class CompanyPlan:
    """Size, span and seed of a synthetic company; the same plan always gives the same rows and truth.

    `users` is the number of new users over the whole span, `requests_per_user` their requests in the app and
    on the web over the span, on average. `gpu_bill_excess` is by how much the lease bill of the third month
    exceeds the fleet's cost, so that a check has something to find; zero for none.

    >>> plan = CompanyPlan(users=134_576)
    >>> f"{plan.scale:.4f}", plan.period.label, plan.acquisition_spend_cents(0)
    ('0.0100', '2024-03..2024-08', 15000016)
    """

    users: int
    months: int = 6
    seed: int = 2024
    first_month: date = date(2024, 3, 1)
    requests_per_user: float = 17.0
    visits_per_visitor: float = 6.0
    gpu_bill_excess: Decimal = Decimal("0.003")

    def __post_init__(self) -> None:
        if self.users < 1 or self.months < 1 or self.seed < 0:
            raise UsageError("users and months must be at least 1, and the seed not negative")
        if self.first_month.day != 1:
            raise UsageError("the company begins on the first day of a month", remedy="give a first day")

    @cached_property
    def month_starts(self) -> tuple[date, ...]:
        """First days of the months."""
        months = [self.first_month]
        while len(months) < self.months:
            months.append(next_month(months[-1]))
        return tuple(months)

    @cached_property
    def period(self) -> Period:
        """All days of the span."""
        return Period(self.first_month, next_month(self.month_starts[-1]))

    @cached_property
    def days(self) -> tuple[date, ...]:
        """Each day of the span."""
        return tuple(self.period.days())

    def day_index(self, day: date) -> int:
        """Days since the span began; negative before, `len(days)` and more after it."""
        return (day - self.first_month).days

    def month_index(self, day: date) -> int:
        """The plan's month a day of the span lies in; `months` and more after the span."""
        first, month = self.first_month, month_of(day)
        return (month.year - first.year) * 12 + month.month - first.month

    def day_start_us(self, day: date) -> int:
        """Microseconds since 1970 UTC at which a local day begins."""
        return (day_start(day, time_zone(company.ZONE)) - _EPOCH) // _MICROSECOND

    @cached_property
    def full_size_users(self) -> float:
        """New users of the published size over the same months: spend over cost a user, over 70 %."""
        bought = sum(spend_cny(month) / cost_per_bought_user_cny(month) for month in range(self.months))
        return bought / company.BOUGHT_SHARE

    @cached_property
    def scale(self) -> float:
        """The size as a share of the published size."""
        return self.users / self.full_size_users

    def acquisition_spend_cents(self, month: int) -> int:
        """Exact acquisition spend of a month, in cents."""
        return round(spend_cny(month) * 100 * self.scale)

    @cached_property
    def new_users_by_month(self) -> tuple[int, ...]:
        """New users of each month; they sum to `users`."""
        weights = [spend_cny(month) / cost_per_bought_user_cny(month) for month in range(self.months)]
        whole, run, before, counts = sum(weights), 0.0, 0, list[int]()
        for weight in weights:
            run += weight
            upto = round(self.users * run / whole)
            counts.append(upto - before)
            before = upto
        return tuple(counts)
