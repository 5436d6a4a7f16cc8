"""The account: every measure of the books, posted by bucket, and every metric read off them.

    books --rollups--> few rows --prices, days, rates--> measures --metric trees--> statements

Only this module knows how a measure comes about; the views ask it for values and breakdowns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from breakeven.account import cash as cash_flows
from breakeven.account.catalogue import METRICS, TABLE_WORDS
from breakeven.account.facts import Buckets, Converter, Facts, Tally, post_fraction
from breakeven.account.ledger_rows import Bill, FleetHours, Fund, bills_of, fleet_hours, funding_of
from breakeven.account.metrics import Amount, Missing, on_decimals
from breakeven.account.payments import earned_topups, fees_and_cash, recognised
from breakeven.account.retention import day_retention
from breakeven.account.rollups import Progress, RollupStore
from breakeven.account.usage import CLASSES, PricedUsage, UsageCost, model_cuts, with_bucket
from breakeven.engine.session import open_engine
from breakeven.errors import BooksError
from breakeven.ledger.books import Books
from breakeven.periods import ONE_DAY, Period, month_of
from breakeven.pricing.fx import NoRate, Rates
from breakeven.pricing.price_book import PriceBook

if TYPE_CHECKING:
    from breakeven.engine.session import Engine

SPEND_KINDS = ("ads", "creator", "coupon", "referral", "agency")
BILL_CATEGORIES = ("bandwidth", "cloud", "content", "payroll", "training", "other")


@dataclass
class Account:
    """One set of books under one price book, in one currency, over some buckets."""

    books: Books
    prices: PriceBook
    rates: Rates
    currency: str
    buckets: Buckets
    rollups: dict[str, pa.Table]
    cache: Path
    engine: str = "duckdb"
    people_state: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)
    _facts: Facts | None = field(default=None, repr=False)

    @cached_property
    def converter(self) -> Converter:
        """Exchange into the statement's currency; remembers the rates it used."""
        return Converter(self.currency, self.rates)

    @cached_property
    def coverage(self) -> Any:
        """Which days each table covers."""
        return self.books.coverage()

    @cached_property
    def usage(self) -> PricedUsage:
        """Usage of the buckets under the price book."""
        settings = self.books.settings
        return PricedUsage(
            self.rollups["usage"],
            model_cuts(self.prices),
            self.prices,
            self.buckets,
            self.converter,
            own_providers=settings.own_providers,
            weights={
                column: Fraction(settings.weights.get(column.removesuffix("_tokens"), 0))
                for column in CLASSES
            },
        )

    @cached_property
    def bills(self) -> list[Bill]:
        """All bills."""
        return bills_of(self.books)

    @cached_property
    def fleet(self) -> list[FleetHours]:
        """The fleet, row by row."""
        return fleet_hours(self.books)

    @cached_property
    def funds(self) -> list[Fund]:
        """All funding."""
        return funding_of(self.books)

    @property
    def facts(self) -> Facts:
        """Every measure, posted."""
        if self._facts is None:
            self._facts = Facts(self.buckets, self.currency, self._measures())
        return self._facts

    def value(self, metric_id: str, bucket: int) -> Amount:
        """A metric of a bucket, or why it has no value."""
        metric = METRICS[metric_id]
        if metric.node is None:
            return self.facts.get(metric_id, bucket)
        return on_decimals(metric.node, lambda measure: self.facts.get(measure, bucket))

    def total(self, metric_id: str) -> Amount:
        """A metric over all buckets: measures are added up first, ratios are taken of the sums."""
        metric = METRICS[metric_id]
        if metric.node is None:
            return self._sum_of(metric_id)
        return on_decimals(metric.node, self._sum_of)

    def _sum_of(self, measure: str) -> Amount:
        if len(self.buckets.periods) == 1:
            return self.facts.get(measure, 0)
        if not METRICS[measure].additive:
            return Missing(
                f"{measure} does not add up over periods", f"{METRICS[measure].zh}不能跨期相加", (measure,)
            )
        amounts = [self.facts.get(measure, bucket) for bucket in range(len(self.buckets.periods))]
        total: Amount = amounts[0]
        for amount in amounts[1:]:
            if isinstance(total, Missing):
                return total
            total = amount if isinstance(amount, Missing) else total + amount
        return total

    # --- measures -----------------------------------------------------------------------------------

    def _measures(self) -> dict[str, list[Amount]]:
        values: dict[str, list[Amount]] = {}
        values |= self._usage_measures()
        values |= self._payment_measures()
        values |= self._bill_measures()
        values |= self._growth_measures()
        values |= cash_flows.measures(self)
        values["free_use_cost"] = self._free_use_cost(values["gpu_cost"])
        for measure, metric in METRICS.items():
            if metric.node is None:
                values[measure] = self._covered(measure, values[measure])
        return values

    def _covered(self, measure: str, amounts: Sequence[Amount]) -> list[Amount]:
        """Where a table that a measure needs covers nothing of a bucket, the measure has no value there."""
        return [self.uncovered(measure, bucket) or amount for bucket, amount in enumerate(amounts)]

    def uncovered(self, measure: str, bucket: int) -> Missing | None:
        """Why a measure has no value in a bucket, if coverage forbids one."""
        period = self.buckets.periods[bucket]
        needed = self._needed_tables(measure)
        absent = [table for table in needed if not self.coverage.any(table, period)]
        if not absent:
            return None
        en = ", ".join(TABLE_WORDS[table][0] for table in absent)
        zh = "、".join(TABLE_WORDS[table][1] for table in absent)
        return Missing(
            f"no {en} data covers {period.label}", f"{period.label} 没有{zh}数据", (measure,), is_gap=True
        )

    def _needed_tables(self, measure: str) -> tuple[str, ...]:
        if measure == "gpu_cost":
            # Capacity or lease bills: either is enough; a company without a fleet of its own needs neither.
            return () if not self.books.settings.own_providers else (self._fleet_table(),)
        if measure in (
            "cash",
            "cash_out",
            "restricted_credit",
            "funding_cash",
            "api_revenue",
        ):
            first = {"api_revenue": ("payments",), "cash_out": ("bills",)}
            return first.get(measure, ("funding",) if measure == "cash" else ())
        return METRICS[measure].tables

    def _fleet_table(self) -> str:
        return "capacity" if self.fleet or not self.bills else "bills"

    def _each(self, make: Callable[[int], Amount]) -> list[Amount]:
        return [make(bucket) for bucket in range(len(self.buckets.periods))]

    def tally(self) -> Tally:
        """An empty sum per bucket."""
        return Tally(len(self.buckets.periods))

    @cached_property
    def usage_totals(self) -> list[UsageCost]:
        """Usage by bucket, own fleet and bought apart."""
        return self.usage.by()

    def _usage_measures(self) -> dict[str, list[Amount]]:
        bought, listed = self.tally(), self.tally()
        counts = {
            name: [0] * len(self.buckets.periods) for name in (*CLASSES, "reasoning_tokens", "requests")
        }
        to_buy = [0] * len(self.buckets.periods)
        unpriced, uncounted = [0] * len(self.buckets.periods), [0] * len(self.buckets.periods)
        sell_missing: dict[int, bool] = {}
        for cost in self.usage_totals:
            bought.add(cost.bucket, cost.bought)
            listed.add(cost.bucket, cost.listed)
            for name, sums in counts.items():
                sums[cost.bucket] += cost.counts[name]
            unpriced[cost.bucket] += cost.unpriced_buy_tokens
            to_buy[cost.bucket] += 0 if cost.is_own else sum(cost.counts[name] for name in CLASSES)
            uncounted[cost.bucket] += cost.counts["uncounted"]
            sell_missing[cost.bucket] = sell_missing.get(cost.bucket, True) and cost.unpriced_sell_tokens > 0
        for bill, bucket, part in self._accruals("inference_api"):
            if not self._bought_from(bill.vendor, bucket):
                bought.add(bucket, part)
        failed = [0] * len(self.buckets.periods)
        for cost in self.usage.by("is_failed"):
            if cost.key[0]:
                failed[cost.bucket] += cost.counts["requests"]
        values: dict[str, list[Amount]] = {
            name: [_decimal(value) for value in sums] for name, sums in counts.items()
        }
        values["requests"] = [
            Missing(
                "some usage rows do not say how many requests they hold",
                "有的用量记录没有说明请求数",
                ("requests",),
            )
            if uncounted[bucket]
            else amount
            for bucket, amount in enumerate(values["requests"])
        ]
        values["failed_requests"] = [_decimal(value) for value in failed]
        values["unpriced_tokens"] = [_decimal(value) for value in unpriced]
        values["inference_api_cost"] = self._each(
            lambda bucket: (
                Missing(
                    "none of the tokens bought has a price", "外购的词元都没有价格", ("inference_api_cost",)
                )
                if to_buy[bucket] and unpriced[bucket] == to_buy[bucket] and not bought.exact(bucket)
                else bought.posted(bucket, self.currency)
            )
        )
        values["usage_at_list_price"] = self._each(
            lambda bucket: (
                Missing("no sell price covers this usage", "这些用量没有对外标价", ("usage_at_list_price",))
                if sell_missing.get(bucket)
                else listed.posted(bucket, self.currency)
            )
        )
        return values

    def _bought_from(self, vendor: str, bucket: int) -> bool:
        """Whether the books measure a vendor's inference themselves in a bucket: its bill then reconciles."""
        return (vendor, bucket) in self._providers_in_bucket

    @cached_property
    def _providers_in_bucket(self) -> frozenset[tuple[str, int]]:
        return frozenset((cost.key[0], cost.bucket) for cost in self.usage.by("provider"))

    def _accruals(self, *categories: str) -> list[tuple[Bill, int, Fraction | NoRate]]:
        found: list[tuple[Bill, int, Fraction | NoRate]] = []
        for bill in self.bills:
            if bill.category in categories:
                for bucket, part in bill.accrued(self.buckets):
                    month = self.buckets.periods[bucket].first
                    found.append((bill, bucket, self.converter.over_month(part, bill.currency, month)))
        return found

    def fleet_cost(self) -> Tally:
        """What the own fleet cost: capacity where it is recorded, else lease bills."""
        cost, recorded = self.tally(), set[int]()
        for hours in self.fleet:
            bucket = self.buckets.of(hours.day)
            if bucket is not None:
                recorded.add(bucket)
                month = self.buckets.periods[bucket].first
                cost.add(bucket, self.converter.over_month(hours.cost, hours.currency, month))
        for _, bucket, part in self._accruals("gpu"):
            if bucket not in recorded:
                cost.add(bucket, part)
        return cost

    def _bill_measures(self) -> dict[str, list[Amount]]:
        values: dict[str, list[Amount]] = {}
        for category in BILL_CATEGORIES:
            sums = self.tally()
            for _, bucket, part in self._accruals(category):
                sums.add(bucket, part)
            values[f"{category}_cost"] = self._each(lambda bucket, s=sums: s.posted(bucket, self.currency))
        fleet = self.fleet_cost()
        values["gpu_cost"] = self._each(lambda bucket: fleet.posted(bucket, self.currency))
        spend = {kind: self.tally() for kind in SPEND_KINDS}
        for row in self.spend_rows():
            spend[row["kind"]].add(
                row["bucket"], self.converter.on_day(Fraction(row["amount_sum"]), row["currency"], row["day"])
            )
        for kind, sums in spend.items():
            values[f"{kind}_spend"] = self._each(lambda bucket, s=sums: s.posted(bucket, self.currency))
        return values

    def spend_rows(self, *dimensions: str) -> list[dict[str, Any]]:
        """Acquisition spend by bucket, day, kind, currency and further dimensions."""
        rows = self.rollups["ad_spend"]
        if rows.num_rows == 0:
            return []
        keys = list(dict.fromkeys(["bucket", "day", "kind", "currency", *dimensions]))
        return (
            with_bucket(rows, self.buckets)
            .group_by(keys, use_threads=False)
            .aggregate([("amount", "sum"), ("impressions", "sum"), ("clicks", "sum")])
            .to_pylist()
        )

    def _free_use_cost(self, gpu_cost: Sequence[Amount]) -> list[Amount]:
        """Serving cost of app and web usage on days without a paid service; own fleet by token weights."""
        del gpu_cost
        fleet, free = self.fleet_cost(), self.tally()
        weights = [Fraction(0)] * len(self.buckets.periods)
        free_weights = [Fraction(0)] * len(self.buckets.periods)
        for cost in self.usage.by("is_paying", "product"):
            weights[cost.bucket] += cost.weight
            is_paying, product = cost.key
            if not is_paying and product != "api":
                free_weights[cost.bucket] += cost.weight
                free.add(cost.bucket, cost.bought)
        for bucket, weight in enumerate(weights):
            exact = fleet.exact(bucket)
            if isinstance(exact, Fraction) and weight:
                free.add(bucket, exact * free_weights[bucket] / weight)
        return self._each(lambda bucket: free.posted(bucket, self.currency))

    def _payment_measures(self) -> dict[str, list[Amount]]:
        measures = (
            "subscription_revenue",
            "gift_revenue",
            "api_revenue",
            "refunds",
            "payment_fees",
            "cash_in",
        )
        sums = {name: self.tally() for name in measures}
        rollup = self.rollups["payments"]
        for part in recognised(rollup, self.buckets, self.converter):
            sums[part.measure].add(part.bucket, part.amount)
        for part in fees_and_cash(rollup, self.buckets, self.converter):
            sums[part.measure].add(part.bucket, part.amount)
        for month, amount in self.earned_topups.items():
            for bucket, period in enumerate(self.buckets.periods):
                if period == Period.month(month) or (period.first == month and period.day_count >= 28):
                    sums["api_revenue"].add(bucket, amount)
        for _, bucket, part in self._accruals("payment_fee"):
            if not self.coverage.any("payments", self.buckets.periods[bucket]):
                sums["payment_fees"].add(bucket, part)
        return {
            name: self._each(lambda bucket, s=tally: s.posted(bucket, self.currency))
            for name, tally in sums.items()
        }

    @cached_property
    def earned_topups(self) -> dict[date, Fraction | NoRate]:
        """Prepaid API money as it was earned, by month, from the first month of the books."""
        if self.rollups["topups"].num_rows == 0:
            return {}
        span = self.coverage.span() or self.buckets.span
        months = Buckets.months_of(Period(month_of(span.first), max(span.end, self.buckets.span.end)))
        priced = PricedUsage(
            self.rollups["api_accounts"], model_cuts(self.prices), self.prices, months, self.converter,
            own_providers=(), weights=dict.fromkeys(CLASSES, Fraction(0)), counted=False,
        )  # fmt: skip
        used = [
            (months.periods[cost.bucket].first, str(cost.key[0]), cost.listed)
            for cost in priced.by("account_id")
            if isinstance(cost.listed, Fraction)
        ]
        return earned_topups(self.rollups["topups"], used, self.converter)

    def _growth_measures(self) -> dict[str, list[Amount]]:
        size = len(self.buckets.periods)
        new, paid = [0] * size, [0] * size
        rows = self.rollups["acquisitions"]
        if rows.num_rows:
            for row in (
                with_bucket(rows, self.buckets)
                .group_by(["bucket", "is_paid"])
                .aggregate([("users", "sum")])
                .to_pylist()
            ):
                new[row["bucket"]] += row["users_sum"]
                paid[row["bucket"]] += row["users_sum"] if row["is_paid"] else 0
        user_days, visits = [0] * size, [0] * size
        activity = self.rollups["activity"]
        if activity.num_rows:
            for row in (
                with_bucket(activity, self.buckets)
                .group_by(["bucket"])
                .aggregate([("users", "sum"), ("sessions", "sum")])
                .to_pylist()
            ):
                user_days[row["bucket"]] = row["users_sum"]
                visits[row["bucket"]] = row["sessions_sum"] or 0
        values: dict[str, list[Amount]] = {
            "new_users": [_decimal(value) for value in new],
            "paid_new_users": [_decimal(value) for value in paid],
            "user_days": [_decimal(value) for value in user_days],
            "visits": [_decimal(value) for value in visits],
            "covered_days": self._each(
                lambda bucket: _decimal(self.coverage.share("activity", self.buckets.periods[bucket])[0])
            ),
            "mau": self._each(lambda bucket: self._distinct("active_in_month", bucket, "mau")),
            "payers": self._each(lambda bucket: self._distinct("payers", bucket, "payers")),
            "wau": self._each(self._weekly),
        }
        for days in (1, 7, 30):
            exposed, returned = day_retention(self, days)
            values[f"day{days}_exposed"] = [_decimal(value) for value in exposed]
            values[f"day{days}_returned"] = [_decimal(value) for value in returned]
        return values

    def _distinct(self, rollup: str, bucket: int, measure: str) -> Amount:
        period = self.buckets.periods[bucket]
        month = Period.month(period.first)
        covered = self.coverage.span()
        whole = period == month or (covered is not None and month.overlap(covered) == period)
        if not whole:
            return Missing("distinct users are kept by calendar month", "去重用户数按自然月保存", (measure,))
        rows = self.rollups[rollup]
        if rows.num_rows == 0:
            return _decimal(0)
        users = [
            row["users"] for row in rows.select(["month", "users"]).to_pylist() if row["month"] == month.first
        ]
        return _decimal(sum(users))

    def _weekly(self, bucket: int) -> Amount:
        """Distinct users of the last full week that ends in the bucket."""
        period = self.buckets.periods[bucket]
        last = period.end - ONE_DAY
        sunday = last - ONE_DAY * ((last.weekday() + 1) % 7)
        monday = sunday - ONE_DAY * 6
        if sunday < period.first:
            return Missing("no full week ends here", "这段时间没有完整的一周", ("wau",))
        if not self.coverage.full("activity", Period(monday, sunday + ONE_DAY)):
            return Missing(
                f"the week of {monday} is not fully covered", f"{monday} 这一周的数据不全", ("wau",)
            )
        rows = self.rollups["active_in_week"]
        users = [row["users"] for row in rows.to_pylist() if row["week"] == monday] if rows.num_rows else []
        return _decimal(sum(users))


def _decimal(value: int) -> Any:
    return post_fraction(Fraction(value), "JPY")


def load_prices(books: Books, known_at: date | None = None) -> PriceBook:
    """The books' price book: their own cards over the shipped ones."""
    return PriceBook.load(
        [books.folder / "prices"], known_at=known_at, preferred_currency=books.settings.price_currency
    )


def open_account(
    books: Books,
    *,
    period: Period | None = None,
    currency: str | None = None,
    engine: str = "duckdb",
    known_at: date | None = None,
    cache: Path | None = None,
    progress: Progress = lambda _: None,
    prices: PriceBook | None = None,
) -> Account:
    """Bring the rollups up to date and open the account over a period (all covered months by default).

    `known_at` prices with what was known on that day. Raises `BooksError` when the books are empty.
    """
    book = prices or load_prices(books, known_at)

    def start() -> Engine:
        return open_engine(engine)

    span = books.coverage().span()
    if span is None:
        raise BooksError(
            "the books hold no rows yet",
            where=str(books.folder),
            remedy="import files with `breakeven import`",
        )
    store = RollupStore(books, start, cuts=model_cuts(book), folder=cache, progress=progress)
    rollups = store.refresh()
    return Account(
        books=books,
        prices=book,
        rates=Rates.load(books.folder / "fx.csv"),
        currency=currency or books.settings.currency,
        buckets=Buckets.months_of(period) if period else _covered_months(books, span),
        rollups=rollups,
        cache=store.folder,
        engine=engine,
        people_state=store.people_state,
    )


def _covered_months(books: Books, span: Period) -> Buckets:
    """Months in which anything happened, without the tail that only deferred service reaches into."""
    coverage = books.coverage()
    events = [
        period
        for table in ("usage", "activity", "payments", "ad_spend", "acquisitions", "capacity")
        for period in coverage.periods.get(table, ())
    ] or [span]
    whole = Period(min(period.first for period in events), max(period.end for period in events))
    months = Buckets.months_of(whole).periods
    return Buckets(tuple(month for month in months if any(month.overlap(event) for event in events)))
