"""The account: every measure of the books, posted by bucket, and every metric read off them.

    books --rollups--> few rows --prices, days, rates--> measures --metric trees--> statements

`booking` says how each measure comes about; the views ask the account for values and breakdowns. Closed
months keep the values they were closed with (`stated`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute

from breakeven.account.booking import book, whole_months
from breakeven.account.catalogue import METRICS
from breakeven.account.facts import Buckets, Converter, Facts, Tally
from breakeven.account.fleet_split import FleetSplit, fleet_splits
from breakeven.account.ledger_rows import Bill, FleetHours, Fund, bills_of, fleet_hours, funding_of
from breakeven.account.metrics import Amount, Missing, on_decimals
from breakeven.account.payments import earned_topups
from breakeven.account.rollups import Progress, RollupStore
from breakeven.account.stated import ClosedMonths, Stated, closed_months
from breakeven.account.usage import CLASSES, PricedUsage, UsageCost, model_cuts, with_bucket
from breakeven.account.vendors import usage_name
from breakeven.engine.session import open_engine
from breakeven.errors import BooksError
from breakeven.ledger.books import Books
from breakeven.ledger.class_costs import ClassCosts, read_class_costs
from breakeven.ledger.closings import Closings
from breakeven.ledger.coverage import Coverage
from breakeven.periods import ONE_DAY, Period
from breakeven.pricing.fx import NoRate, Rates
from breakeven.pricing.price_book import PriceBook

if TYPE_CHECKING:
    from breakeven.engine.session import Engine


# Arrow builds its compute functions when it is imported, so they have no static types.
pc: Any = pyarrow.compute


@dataclass
class Account:
    """One set of books under one price book, in one currency, over some buckets. Use `open_account`."""

    books: Books
    prices: PriceBook
    rates: Rates
    currency: str
    buckets: Buckets
    rollups: dict[str, pa.Table]
    cache: Path
    engine: str = "duckdb"
    people_state: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)
    closed: ClosedMonths | None = None
    class_costs: ClassCosts = field(default_factory=ClassCosts, repr=False)

    @cached_property
    def facts(self) -> Facts:
        """Every measure, posted, as the ledger has it now."""
        return Facts(self.buckets, self.currency, book(self))

    @cached_property
    def stated(self) -> Stated:
        """What is shown as the figures of each month: frozen where it is closed."""
        return Stated(self)

    def value(self, metric_id: str, bucket: int) -> Amount:
        """A metric of a bucket as it is stated, or why it has no value."""
        return self.stated.value(metric_id, bucket)

    def live_value(self, metric_id: str, bucket: int) -> Amount:
        """A metric of a bucket as the ledger has it now, closed or not: what breakdowns sum to."""
        metric = METRICS[metric_id]
        if metric.node is None:
            return self.facts.get(metric_id, bucket)
        return on_decimals(metric.node, lambda measure: self.facts.get(measure, bucket))

    def total(self, metric_id: str) -> Amount:
        """A metric over all buckets: measures are added up first, ratios are taken of the sums."""
        metric = METRICS[metric_id]
        if len(self.buckets.periods) == 1:
            return self.value(metric_id, 0)
        if metric.node is None:
            return self._sum_of(metric_id)
        return on_decimals(metric.node, self._sum_of)

    def _sum_of(self, measure: str) -> Amount:
        arrivals = self.stated.arrivals
        # What a closed month has no value of, and a later one books, is in the later one.
        amounts = [
            Decimal(0) if (measure, bucket) in arrivals else self.stated.measure(measure, bucket)
            for bucket in range(len(self.buckets.periods))
        ]
        total = amounts[0]
        if len(amounts) > 1 and not METRICS[measure].additive:
            metric = METRICS[measure]
            return Missing(
                f"{metric.en} does not add up over periods", f"{metric.zh}不能跨期相加", (measure,)
            )
        for amount in amounts[1:]:
            if isinstance(total, Missing):
                return total
            total = amount if isinstance(amount, Missing) else total + amount
        return total

    # --- what the measures are made of --------------------------------------------------------------

    @cached_property
    def converter(self) -> Converter:
        """Exchange into the statement's currency; remembers the rates it used."""
        return Converter(self.currency, self.rates)

    @cached_property
    def coverage(self) -> Coverage:
        """Which days each table covers."""
        return self.books.coverage()

    @cached_property
    def usage(self) -> PricedUsage:
        """Usage of the buckets under the price book."""
        settings = self.books.settings
        weights = {
            column: Fraction(settings.weights.get(column.removesuffix("_tokens"), 0)) for column in CLASSES
        }
        return PricedUsage(
            self.rollups["usage"], model_cuts(self.prices), self.prices, self.buckets, self.converter,
            own_providers=settings.own_providers, weights=weights, class_costs=self.class_costs,
        )  # fmt: skip

    @cached_property
    def usage_totals(self) -> list[UsageCost]:
        """Usage by bucket, own fleet and bought apart."""
        return self.usage.by()

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

    def tally(self) -> Tally:
        """An empty sum per bucket."""
        return Tally(len(self.buckets.periods))

    def accruals(self, *categories: str) -> list[tuple[Bill, int, Fraction | NoRate]]:
        """(bill, bucket, its part in the statement's currency) of the bills of some categories."""
        found: list[tuple[Bill, int, Fraction | NoRate]] = []
        for bill in self.bills:
            if bill.category in categories:
                for bucket, part in bill.accrued(self.buckets):
                    month = self.buckets.periods[bucket].first
                    found.append((bill, bucket, self.converter.over_month(part, bill.currency, month)))
        return found

    @cached_property
    def unlogged_bills(self) -> list[tuple[Bill, int, Fraction | NoRate]]:
        """Bills for inference that no priced usage stands for: these are booked, the others reconcile."""
        providers = {str(cost.key[0]) for cost in self.usage.by("provider")}
        measured = {
            (str(cost.key[0]), cost.bucket)
            for cost in self.usage.by("provider")
            if cost.is_own or cost.unpriced_buy_tokens < sum(cost.counts[name] for name in CLASSES)
        }
        days = self._shifted_days
        providers |= {provider for provider, _ in days}
        found: list[tuple[Bill, int, Fraction | NoRate]] = []
        for bill, bucket, part in self.accruals("inference_api"):
            name = usage_name(bill.vendor, providers)
            # A day of the provider may lie in the month before the books' day of the same requests.
            is_shifted = bill.period.day_count == 1 and (name, bill.period.first) in days
            if (name, bucket) not in measured and not is_shifted:
                found.append((bill, bucket, part))
        return found

    @cached_property
    def _shifted_days(self) -> set[tuple[str, date]]:
        """Providers and UTC days with usage that the books date on another day."""
        rows = self.rollups["usage"]
        if rows.num_rows == 0:
            return set()
        shifted = rows.filter(pc.not_equal(rows["day"], rows["utc_day"]))
        pairs = shifted.group_by(["provider", "utc_day"]).aggregate([]).to_pylist()
        return {(pair["provider"], pair["utc_day"]) for pair in pairs}

    @cached_property
    def fleet_cost(self) -> Tally:
        """What the own fleet cost: capacity where it is recorded, else lease bills."""
        cost, recorded = self.tally(), set[int]()
        for hours in self.fleet:
            bucket = self.buckets.of(hours.day)
            if bucket is not None:
                recorded.add(bucket)
                month = self.buckets.periods[bucket].first
                cost.add(bucket, self.converter.over_month(hours.cost, hours.currency, month))
        for _, bucket, part in self.accruals("gpu"):
            if bucket not in recorded:
                cost.add(bucket, part)
        return cost

    @cached_property
    def fleet_splits(self) -> list[FleetSplit]:
        """By bucket, who bears what the own fleet cost."""
        return fleet_splits(self)

    def spend_rows(self, *dimensions: str) -> list[dict[str, Any]]:
        """Acquisition spend by bucket, day, kind, currency and further dimensions."""
        rows = self.rollups["ad_spend"]
        if rows.num_rows == 0:
            return []
        keys = list(dict.fromkeys(["bucket", "day", "kind", "currency", *dimensions]))
        sums = [("amount", "sum"), ("impressions", "sum"), ("clicks", "sum")]
        grouped = with_bucket(rows, self.buckets).group_by(keys, use_threads=False)
        return grouped.aggregate(sums).to_pylist()

    @cached_property
    def earned_topups(self) -> dict[date, Fraction | NoRate]:
        """Prepaid API money as it was earned, by month, from the first month of the books."""
        if self.rollups["topups"].num_rows == 0:
            return {}
        months = whole_months(self.coverage.span() or self.buckets.span, self.buckets.span)
        priced = PricedUsage(
            self.rollups["api_accounts"], model_cuts(self.prices), self.prices, months, self.converter,
            own_providers=(), weights=dict.fromkeys(CLASSES, Fraction(0)), counted=False,
        )  # fmt: skip
        used = [
            (months.periods[cost.bucket].first, str(cost.key[0]), cost.listed)
            for cost in priced.by("account_id")
        ]
        return earned_topups(self.rollups["topups"], used, self.converter)


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
    rates: Rates | None = None,
    class_costs: ClassCosts | None = None,
    closed: bool = True,
) -> Account:
    """Bring the rollups up to date and open the account over a period (all months with data by default).

    `known_at` prices with what was known on that day, class costs too unless they are given. Closed months
    are stated as they were closed, unless `closed` is False. Raises `BooksError` when the books are empty.
    """
    span = books.coverage().span()
    if span is None:
        raise BooksError(
            "the books hold no rows yet",
            where=str(books.folder),
            remedy="import files with `breakeven import`",
        )
    price_book = prices or load_prices(books, known_at)

    def start() -> Engine:
        return open_engine(engine)

    store = RollupStore(books, start, cuts=model_cuts(price_book), folder=cache, progress=progress)
    account = Account(
        books=books,
        prices=price_book,
        rates=rates or Rates.load(books.folder / "fx.csv"),
        currency=currency or books.settings.currency,
        buckets=Buckets.months_of(period) if period else _covered_months(books.coverage(), span),
        rollups=store.refresh(),
        cache=store.folder,
        engine=engine,
        people_state=store.people_state,
        class_costs=_class_costs(books, known_at) if class_costs is None else class_costs,
    )
    if closed and books.versions is None:
        asked_otherwise = known_at is not None or prices is not None
        account.closed = closed_months(account, Closings(books.folder), asked_otherwise=asked_otherwise)
    return account


def _class_costs(books: Books, known_at: date | None) -> ClassCosts:
    """The class costs recorded in the books, as known at the moment or by the end of the day asked for."""
    day_end = datetime.combine(known_at + ONE_DAY, time(), tzinfo=UTC) if known_at else None
    moments = [moment for moment in (books.as_of, day_end) if moment is not None]
    return read_class_costs(books.folder, min(moments, default=None))


def _covered_months(coverage: Coverage, span: Period) -> Buckets:
    """Months in which anything happened, without the tail that only deferred service reaches into."""
    events = [
        period
        for table in ("usage", "activity", "payments", "ad_spend", "acquisitions", "capacity")
        for period in coverage.periods.get(table, ())
    ] or [span]
    whole = Period(min(period.first for period in events), max(period.end for period in events))
    months = Buckets.months_of(whole).periods
    return Buckets(tuple(month for month in months if any(month.overlap(event) for event in events)))
