"""What users pay: subscriptions with their renewals, gifts, refunds and chargebacks, day by day."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, fields
from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from breakeven.periods import next_month
from breakeven.sources.synthetic import company
from breakeven.sources.synthetic.activity import ActiveDay
from breakeven.sources.synthetic.clock import DAY_US, HOUR_US, STARTS_US, within_hours
from breakeven.sources.synthetic.plan import CompanyPlan
from breakeven.sources.synthetic.population import Population
from breakeven.sources.synthetic.priority import PriorityWindows
from breakeven.sources.synthetic.randomness import Purpose, choice_table, stream
from breakeven.sources.synthetic.write import chosen, money_from_cents, numbered, numbered_or_none

KINDS = ("subscription", "gift", "refund", "chargeback", "api_topup", "api_invoice")
PLANS: tuple[str | None, ...] = (
    *(plan.name for plan in company.SUBSCRIPTION_PLANS),
    *(gift.name for gift in company.GIFTS),
    None,
)
NO_PLAN = len(PLANS) - 1
NOBODY = -1
NO_SERVICE = -1
_FIRST_GIFT = len(company.SUBSCRIPTION_PLANS)
_PRICES = np.array(
    [one.price_cents for one in company.SUBSCRIPTION_PLANS] + [one.price_cents for one in company.GIFTS]
)
_REFUND_AFTER_DAYS, _CHARGEBACK_AFTER_DAYS = (1, 8), (15, 41)
_HEAVIEST_COUNTS = 4.0

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class PaymentBatch:
    """Payments as arrays; money in cents; `user` or `account` is NOBODY, service times may be NO_SERVICE."""

    at_us: Numbers
    user: Numbers
    account: Numbers
    kind: Numbers
    plan: Numbers
    amount: Numbers
    fee: Numbers
    tax: Numbers
    start_us: Numbers
    end_us: Numbers

    @property
    def row_count(self) -> int:
        """How many payments."""
        return len(self.at_us)

    @classmethod
    def join(cls, batches: list[PaymentBatch]) -> PaymentBatch:
        """The batches one after another."""
        return cls(*(np.concatenate([getattr(one, field.name) for one in batches]) for field in fields(cls)))


def tax_cents(gross: Numbers) -> Numbers:
    """Tax contained in a gross amount, to the nearest cent.

    >>> tax_cents(np.array([3900])).tolist()
    [221]
    """
    share = company.TAX_PERCENT
    return (gross * share * 2 + 100 + share) // (2 * (100 + share))


def fee_cents(gross: Numbers) -> Numbers:
    """What the payment channel keeps, to the nearest cent.

    >>> fee_cents(np.array([3900])).tolist()
    [23]
    """
    return (gross * company.FEE_PER_MILLE + 500) // 1_000


def months_later(day: date, months: int) -> date:
    """The same day some months later, or the last day of a shorter month.

    >>> months_later(date(2024, 3, 31), 1)
    datetime.date(2024, 4, 30)
    """
    month = day.replace(day=1)
    for _ in range(months):
        month = next_month(month)
    last = (next_month(month) - month).days
    return month.replace(day=min(day.day, last))


class Till:
    """Takes the users' payments of one day after another; remembers renewals and refunds to come."""

    def __init__(self, plan: CompanyPlan, people: Population, windows: PriorityWindows) -> None:
        self._plan, self._people, self._windows = plan, people, windows
        self._subscribed_until: NDArray[np.int16] = np.full(people.size, -1, dtype=np.int16)
        self._renewals: dict[int, list[tuple[Numbers, Numbers, Numbers]]] = defaultdict(list)
        self._returns: dict[int, list[tuple[int, PaymentBatch]]] = defaultdict(list)
        self._new_plan = choice_table(tuple(one.share for one in company.SUBSCRIPTION_PLANS))
        self._new_gift = choice_table(tuple(one.share for one in company.GIFTS))

    def day(self, day: int, active: ActiveDay) -> PaymentBatch:
        """All payments of users on a day; opens the priority windows that gifts buy."""
        random = stream(self._plan.seed, Purpose.PAYMENT, day)
        eager = np.minimum(self._people.heaviness[active.users], _HEAVIEST_COUNTS)
        subscriptions = self._subscriptions(day, active, eager, random)
        gifts = self._gifts(day, active, eager, random)
        sales = PaymentBatch.join([subscriptions, gifts])
        self._plan_returns(day, sales, random)
        return PaymentBatch.join([sales, *self._due_returns(day, random)])

    def _subscriptions(
        self, day: int, active: ActiveDay, eager: NDArray[np.float32], random: np.random.Generator
    ) -> PaymentBatch:
        wants = random.random(len(eager)) < company.SUBSCRIBE_SHARE_OF_ACTIVE_DAYS * eager
        new = active.users[wants & (self._subscribed_until[active.users] < day)]
        plans = self._new_plan[random.integers(0, 65_536, len(new))].astype(np.int64)
        moments = STARTS_US[random.integers(0, 65_536, len(new))]
        due = self._renewals.pop(day, [])
        users, plans, moments = (
            np.concatenate(part)
            for part in zip(
                (new, plans, moments), *(self._who_renew(day, *one, random) for one in due), strict=True
            )
        )
        ends = np.empty(len(users), dtype=np.int64)
        for code, offer in enumerate(company.SUBSCRIPTION_PLANS):
            end = self._plan.day_index(months_later(self._plan.days[day], offer.service_months))
            mine = plans == code
            ends[mine] = end
            self._renewals[end].append((users[mine], plans[mine], moments[mine]))
        self._subscribed_until[users] = np.minimum(ends, 32_000)
        at_us = self._start_us(day) + moments
        return self._sale(0, users, plans, at_us, at_us + (ends - day) * DAY_US)

    def _who_renew(
        self, day: int, users: Numbers, plans: Numbers, moments: Numbers, random: np.random.Generator
    ) -> tuple[Numbers, Numbers, Numbers]:
        stays = (random.random(len(users)) < company.RENEWAL_SHARE) & (self._people.last_day[users] >= day)
        return users[stays], plans[stays], moments[stays]

    def _gifts(
        self, day: int, active: ActiveDay, eager: NDArray[np.float32], random: np.random.Generator
    ) -> PaymentBatch:
        share = company.GIFT_SHARE_OF_ACTIVE_DAYS if self._plan.days[day] >= company.GIFTS_FROM else 0.0
        moments = STARTS_US[random.integers(0, 65_536, len(eager))]
        wish = np.where(within_hours(moments, company.PEAK_HOURS), 2.0, 0.6)
        gives = random.random(len(eager)) < share * eager * wish
        users, at_us = active.users[gives], self._start_us(day) + moments[gives]
        gifts = self._new_gift[random.integers(0, 65_536, len(users))]
        hours = np.array([gift.service_hours for gift in company.GIFTS])[gifts]
        end_us = at_us + hours * HOUR_US
        self._windows.forget_before(self._start_us(day))
        self._windows.add(users, at_us, end_us)
        return self._sale(1, users, gifts.astype(np.int64) + _FIRST_GIFT, at_us, end_us)

    def _sale(
        self, kind: int, users: Numbers, plans: Numbers, at_us: Numbers, end_us: Numbers
    ) -> PaymentBatch:
        gross = _PRICES[plans]
        kinds, accounts = np.full(len(users), kind), np.full(len(users), NOBODY)
        fees, taxes = fee_cents(gross), tax_cents(gross)
        return PaymentBatch(at_us, users, accounts, kinds, plans, gross, fees, taxes, at_us, end_us)

    def _plan_returns(self, day: int, sales: PaymentBatch, random: np.random.Generator) -> None:
        chance = random.random(sales.row_count)
        refunded = chance < company.REFUND_SHARE
        charged_back = ~refunded & (chance < company.REFUND_SHARE + company.CHARGEBACK_SHARE)
        for kind, chosen_rows, after in (
            (2, refunded, _REFUND_AFTER_DAYS),
            (3, charged_back, _CHARGEBACK_AFTER_DAYS),
        ):
            for row in np.flatnonzero(chosen_rows):
                one = PaymentBatch(*(getattr(sales, field.name)[row : row + 1] for field in fields(sales)))
                self._returns[day + int(random.integers(*after))].append((kind, one))

    def _due_returns(self, day: int, random: np.random.Generator) -> list[PaymentBatch]:
        due = self._returns.pop(day, [])
        if not due:
            return []
        sales = PaymentBatch.join([one for _, one in due])
        kinds = np.array([kind for kind, _ in due])
        at_us = self._start_us(day) + STARTS_US[random.integers(0, 65_536, len(due))]
        fees = np.where(kinds == KINDS.index("chargeback"), company.CHARGEBACK_FEE_CENTS, 0)
        none = np.full(len(due), NO_SERVICE)
        return [
            PaymentBatch(
                at_us, sales.user, sales.account, kinds, sales.plan, sales.amount, fees, sales.tax, none, none
            )
        ]

    def _start_us(self, day: int) -> int:
        return self._plan.day_start_us(self._plan.days[day])


def payment_columns(batch: PaymentBatch, day_label: str) -> dict[str, pa.Array]:
    """The canonical `payments` columns of a day's payments."""
    rows = batch.row_count
    no_service = batch.start_us == NO_SERVICE
    instant = pa.timestamp("us", tz="UTC")
    return {
        "at": pa.array(batch.at_us).view(instant),
        "user_id": numbered_or_none("user", batch.user),
        "account_id": numbered_or_none("account-", batch.account),
        "kind": chosen(batch.kind, KINDS),
        "plan": chosen(batch.plan, PLANS),
        "amount": money_from_cents(batch.amount),
        "fee": money_from_cents(batch.fee),
        "tax": money_from_cents(batch.tax),
        "currency": chosen(np.zeros(rows, dtype=np.int8), (company.CURRENCY,)),
        "service_start": pa.array(batch.start_us, mask=no_service).view(instant),
        "service_end": pa.array(batch.end_us, mask=no_service).view(instant),
        "source_id": numbered(f"pay{day_label}-", np.arange(rows)),
    }
