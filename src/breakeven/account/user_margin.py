"""Which users cost more than they bring: the heaviest users and the loss-making share of a month.

Each user's tokens are costed at the month's average unit cost of the model and token class, so users sum to
the month's serving cost without idle GPUs (up to a trillionth of the currency per token); revenue is what
was recognised for the user in the month, less what was given back. Ranking happens in the engine; few numbers
come back.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from breakeven.account.people import People
from breakeven.account.usage import CLASSES
from breakeven.engine.session import open_engine
from breakeven.ledger.store import by_partition
from breakeven.periods import Period
from breakeven.pricing.fx import NoRate

if TYPE_CHECKING:
    from breakeven.account.account import Account

_PICO = 10**12
_MICRO = 10**6
"""Revenue is counted in nano-units times millionths of a rate: 1000 to a trillionth."""
_TO_PICO = 1000
FORMAT = 3


@dataclass(frozen=True)
class UserMargins:
    """Users with usage in a month, by what they cost and bring. Money in trillionths of the currency."""

    users: int
    cost_pico: int
    top_percent_cost_pico: int
    top_tenth_cost_pico: int
    loss_making: int
    loss_making_cost_pico: int
    payers: int
    loss_making_payers: int
    heaviest_cost_pico: int

    @property
    def loss_making_share(self) -> Fraction | None:
        """Users whose serving cost exceeds their revenue, over all users with usage."""
        return Fraction(self.loss_making, self.users) if self.users else None

    @property
    def top_percent_share(self) -> Fraction | None:
        """Share of the cost that the heaviest hundredth of users causes."""
        return Fraction(self.top_percent_cost_pico, self.cost_pico) if self.cost_pico else None

    @property
    def top_tenth_share(self) -> Fraction | None:
        """Share of the cost that the heaviest tenth of users causes."""
        return Fraction(self.top_tenth_cost_pico, self.cost_pico) if self.cost_pico else None


def user_margins(account: Account, bucket: int) -> UserMargins | None:
    """The distribution over users in one bucket; None when no usage row names its user."""
    # Who makes a loss does not hang on the statement's currency: it is settled in that of the books.
    account = replace(account, currency=account.books.settings.currency)
    period = account.buckets.periods[bucket]
    files = _files_in(account, "usage", period)
    if not files:
        return None
    unit_costs = _unit_costs(account, bucket)
    said: list[Any] = [FORMAT, account.currency, period.label, files, unit_costs]
    people = People(account.books, account.cache, account.people_state, lambda: open_engine(account.engine))
    said.append([people.paying_print(period.first, period.end), _files_in(account, "payments", period)])
    # A correction may have taken a row to another month.
    said.append(sorted(file.name for file in account.books.files("usage") if file.version_most > 1))
    # So may a request that another source saw on a neighbouring day.
    matched, by_day = account.books.matched_days("usage"), by_partition(account.books.files("usage"))
    said.append([matched.beside(day, by_day) for day in by_day if date.fromisoformat(day) in period])
    name = hashlib.sha256(json.dumps(said).encode()).hexdigest()[:20]
    stored = account.cache / f"users-{period.label}-{name}.json"
    if stored.exists():
        known = json.loads(stored.read_text("utf-8"))
    else:
        known = _compute(account, period, files, unit_costs)
        for old in account.cache.glob(f"users-{period.label}-*.json"):
            old.unlink(missing_ok=True)
        stored.write_text(json.dumps(known), "utf-8")
    return UserMargins(**known) if known["users"] else None


def _files_in(account: Account, table: str, period: Period) -> list[str]:
    """The files of a table that hold days of a period."""
    return sorted(
        file.name
        for file in account.books.files(table)
        if file.partition is not None and date.fromisoformat(file.partition) in period
    )


def _unit_costs(account: Account, bucket: int) -> list[tuple[str, str, list[int]]]:
    """(provider, model, cost in trillionths per token of each class), averaged over the bucket."""
    costs = {
        (cost.key, cost.is_own): cost
        for cost in account.usage.by("provider", "model")
        if cost.bucket == bucket
    }
    split = account.fleet_splits[bucket]
    found: list[tuple[str, str, list[int]]] = []
    for (key, is_own), cost in sorted(costs.items(), key=lambda item: str(item[0])):
        amounts = split.by_class(cost) if is_own else cost.bought_by_class
        per_token = [
            round(Fraction(amount, cost.counts[name] or 1) * _PICO)
            for name, amount in zip(CLASSES, amounts, strict=True)
        ]
        found.append((key[0], key[1], per_token))
    return found


def _compute(account: Account, period: Period, files: list[str], unit_costs: Any) -> dict[str, int]:
    engine = open_engine(account.engine)
    try:
        people = People(account.books, account.cache, account.people_state, lambda: engine)
        used = set(files)
        account.books.view(engine, "usage", [f for f in account.books.files("usage") if f.name in used])
        account.books.view(engine, "payments")
        people.view(engine)
        [row] = engine.arrow(_expression(engine, people, account, period, unit_costs)).to_pylist()
    finally:
        engine.close()
    return {name: int(row[name] or 0) for name in asdict(_NOBODY)}


def _expression(engine: Any, people: People, account: Account, period: Period, unit_costs: Any) -> Any:
    import ibis

    usage = engine.table("usage")
    usage = usage.filter(usage.user_id.notnull())
    prices = ibis.memtable(
        pa.table(
            {
                "cost_provider": pa.array([provider for provider, _, _ in unit_costs], pa.string()),
                "cost_model": pa.array([model for _, model, _ in unit_costs], pa.string()),
                **{
                    f"per_{name}": pa.array([costs[i] for _, _, costs in unit_costs], pa.int64())
                    for i, name in enumerate(CLASSES)
                },
            }
        )
    )
    joined = usage.join(prices, [usage.provider == prices.cost_provider, usage.model == prices.cost_model])
    cost = sum(
        (joined[name] * joined[f"per_{name}"] for name in CLASSES[1:]),
        joined[CLASSES[0]] * joined[f"per_{CLASSES[0]}"],
    )
    costs = (
        joined.mutate(cost=cost)
        .group_by("user_id")
        .aggregate(cost=lambda t: t.cost.sum().cast("decimal(38, 0)"))
    )
    revenue = _revenue(people, engine, account, period)
    both = costs.left_join(revenue, costs.user_id == revenue.paying_user_id)
    earned = both.earned.cast("decimal(38, 0)").coalesce(_nothing("decimal(38, 0)"))
    users = both.select("user_id", "cost", earned=earned, pays=both.paying_user_id.notnull())
    users = users.mutate(
        rank=ibis.row_number().over(ibis.window(order_by=[users.cost.desc(), users.user_id])),
        all_users=users.count().over(ibis.window()),
    )
    zero = _nothing("decimal(38, 0)")
    losing = users.cost * _TO_PICO > users.earned

    def among(condition: Any) -> Any:
        chosen: Any = ibis.ifelse(condition, users.cost, zero)
        return chosen.sum()

    def how_many(condition: Any) -> Any:
        return condition.cast("int64").sum()

    # The heaviest hundredth is at least one user: rank (from 0) times 100 lies below the number of users.
    return users.aggregate(
        users=users.count(),
        cost_pico=users.cost.sum(),
        top_percent_cost_pico=among(users["rank"] * 100 < users.all_users),
        top_tenth_cost_pico=among(users["rank"] * 10 < users.all_users),
        loss_making=how_many(losing),
        loss_making_cost_pico=among(losing),
        payers=how_many(users.pays),
        loss_making_payers=how_many(losing & users.pays),
        heaviest_cost_pico=users.cost.max(),
    )


def _revenue(people: People, engine: Any, account: Account, period: Period) -> Any:
    """Recognised subscription and gift revenue per user in the period, in trillionths, rounded down.

    Refunds and chargebacks count on their day. Other currencies count at the month's average rate, to six
    decimals; payments in a currency without a rate are left out.
    """
    import ibis

    payments = people.table(engine, None, "local_payments")
    back = payments.kind.isin(["refund", "chargeback"])
    served = payments.kind.isin(["subscription", "gift"])
    in_service = served & (payments.first_day < period.end) & (payments.end_day > period.first)
    given_back = back & (payments.day >= period.first) & (payments.day < period.end)
    payments = payments.filter(payments.user_id.notnull() & (in_service | given_back))
    first: Any = ibis.greatest(payments.first_day, ibis.literal(period.first))
    end: Any = ibis.least(payments.end_day, ibis.literal(period.end))
    net = (payments.amount - payments.tax.coalesce(_nothing("decimal(28, 9)"))) * 1_000_000_000
    nano = net.cast("int64")
    days = end.delta(first, unit="day").cast("int64")
    term = payments.end_day.delta(payments.first_day, unit="day").cast("int64")
    earned: Any = ibis.ifelse(payments.kind.isin(["refund", "chargeback"]), -nano, nano * days // term)
    rates = _rates(account, period)
    micro: Any = ibis.cases(
        *((payments.currency == currency, rate) for currency, rate in rates), else_=_nothing("int64")
    )
    parts = payments.mutate(earned=earned.cast("decimal(38, 0)") * micro.cast("decimal(10, 0)"))
    return parts.group_by(paying_user_id=parts.user_id).aggregate(earned=parts.earned.sum())


def _rates(account: Account, period: Period) -> list[tuple[str, int]]:
    """Millionths of the books' currency for one unit of each currency that customers paid in."""
    rows = account.rollups["payments"]
    paid_in: list[str] = rows["currency"].unique().to_pylist() if rows.num_rows else []
    found: list[tuple[str, int]] = [(account.currency, _MICRO)]
    for currency in sorted(set(paid_in) - {account.currency}):
        rate = account.rates.month_average(period.first.replace(day=1), currency, account.currency)
        if not isinstance(rate, NoRate):
            found.append((currency, round(Fraction(rate.value) * _MICRO)))
    return found


def _nothing(kind: str) -> Any:
    import ibis

    zero: Any = ibis.literal(0)
    return zero.cast(kind)


_NOBODY = UserMargins(0, 0, 0, 0, 0, 0, 0, 0, 0)
