"""Usage with prices: tokens by any dimensions, what they cost to buy, and what they would sell for.

Rollup rows are first added up by the quote that prices them, then multiplied: a changed price costs the
multiplication of a few rows, never a look at the requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pyarrow.compute

from breakeven.account.facts import Buckets, Converter
from breakeven.account.measures import TOKEN_COLUMNS, ModelCuts
from breakeven.ledger.class_costs import ClassCostEntry, ClassCosts
from breakeven.pricing.apply import UsageLine, price_usage
from breakeven.pricing.fx import NoRate
from breakeven.pricing.price_book import PriceBook
from breakeven.pricing.quotes import Quote, Unpriced
from breakeven.pricing.terms import Side

# Arrow builds its compute functions when it is imported, so they have no static types.
pc: Any = pyarrow.compute

_KEY = ("provider", "model", "service_tier", "utc_day", "slot", "context")
_SERVED = ("provider", "model", "day")
CLASSES = TOKEN_COLUMNS[:4]
COUNTS = ("requests", *TOKEN_COLUMNS)
DECLARED = 0
"""What `UsageCost.own_tokens` calls tokens of a model without class costs: declared weights stand for it."""


def model_cuts(book: PriceBook) -> tuple[ModelCuts, ...]:
    """Where prices can change inside a day or with a request's size, on either side; like models together."""
    merged: dict[tuple[str, str], tuple[set[int], set[int]]] = {}
    for side in ("buy", "sell"):
        for key, grid in book.grid(side).items():
            cuts, thresholds = merged.setdefault(key, (set(), set()))
            cuts.update(grid.cuts_seconds_utc)
            thresholds.update(grid.context_thresholds)
    groups: dict[tuple[str, tuple[int, ...], tuple[int, ...]], list[str]] = {}
    for (provider, model), (cuts, thresholds) in sorted(merged.items()):
        if cuts or thresholds:
            groups.setdefault((provider, tuple(sorted(cuts)), tuple(sorted(thresholds))), []).append(model)
    return tuple(
        ModelCuts(provider, tuple(models), cuts, thresholds)
        for (provider, cuts, thresholds), models in groups.items()
    )


@dataclass(frozen=True)
class UsageCost:
    """One group of usage in one bucket: counts, and exact money in the statement's currency.

    `bought` is None where an exchange rate is absent. `bought_by_class` and `unpriced_by_class` follow
    `CLASSES`. `is_own` says who serves it: own GPUs, or a provider with a price. `weight` is what own tokens
    weigh by declared weights; `own_tokens` are their counts by class under each class cost that holds for
    them (a number in `PricedUsage.class_costs`).
    """

    bucket: int
    key: tuple[Any, ...]
    counts: dict[str, int]
    is_own: bool
    weight: Fraction
    bought: Fraction | NoRate
    listed: Fraction | NoRate
    unpriced_buy_tokens: int
    unpriced_sell_tokens: int
    bought_by_class: tuple[Fraction, ...]
    unpriced_by_class: tuple[int, ...] = (0, 0, 0, 0)
    own_tokens: dict[int, tuple[int, ...]] = field(default_factory=dict[int, tuple[int, ...]])


class PricedUsage:
    """The usage rollup under a price book."""

    def __init__(
        self,
        rollup: pa.Table,
        cuts: Sequence[ModelCuts],
        book: PriceBook,
        buckets: Buckets,
        converter: Converter,
        *,
        own_providers: Iterable[str],
        weights: dict[str, Fraction],
        class_costs: ClassCosts | None = None,
        counted: bool = True,
    ) -> None:
        self.book, self.buckets, self.converter = book, buckets, converter
        self.own_providers = frozenset(own_providers)
        self.weights = weights
        self._counts = (*COUNTS, "rows", "uncounted") if counted else COUNTS
        self._marks = {(cut.provider, model): cut for cut in cuts for model in cut.models}
        self._quotes: list[tuple[Quote | Unpriced, Quote | Unpriced]] = []
        self.buy_reasons: dict[str, Unpriced] = {}
        self.sell_reasons: dict[str, Unpriced] = {}
        self._recorded = class_costs or ClassCosts()
        self.class_costs: tuple[ClassCostEntry | None, ...] = (None, *self._recorded.entries)
        """Class costs by their number in the column `class_cost` of `rows`; number 0 is none."""
        self.rows = self._with_class_costs(self._with_quotes(_in_buckets(rollup, buckets)))

    def _with_quotes(self, rows: pa.Table) -> pa.Table:
        if rows.num_rows == 0:
            return rows
        encoded = pc.dictionary_encode(_key_text(rows)).combine_chunks()
        first = _first_positions(encoded)
        keys = rows.select(_KEY).take(pa.array(first)).to_pylist()
        known: dict[tuple[Any, ...], int] = {}
        ids: list[int] = []
        for key in keys:
            pair = (self._quote("buy", key), self._quote("sell", key))
            found = known.get(pair)
            if found is None:
                found = known[pair] = len(self._quotes)
                self._quotes.append(pair)
            ids.append(found)
        return rows.append_column("quotes", pa.array(ids, pa.int64()).take(encoded.indices))

    def _with_class_costs(self, rows: pa.Table) -> pa.Table:
        if rows.num_rows == 0:
            return rows
        if not self._recorded or not self.own_providers:
            return rows.append_column("class_cost", pa.repeat(pa.scalar(DECLARED, pa.int64()), rows.num_rows))
        parts = [pc.fill_null(pc.cast(rows[name], pa.string()), "\x00") for name in _SERVED]
        encoded = pc.dictionary_encode(pc.binary_join_element_wise(*parts, "\x1f")).combine_chunks()
        first = rows.select(_SERVED).take(pa.array(_first_positions(encoded))).to_pylist()
        ids = pa.array([self.class_cost_of(*(key[name] for name in _SERVED)) for key in first], pa.int64())
        return rows.append_column("class_cost", ids.take(encoded.indices))

    def class_cost_of(self, provider: str, model: str, day: date) -> int:
        """The number of the class cost that holds for an own model on a day; 0 where none does."""
        found = self._recorded.of(provider, model, day) if provider in self.own_providers else None
        return self.class_costs.index(found)

    def _quote(self, side: Side, key: dict[str, Any]) -> Quote | Unpriced:
        cut = self._marks.get((key["provider"], key["model"]))
        seconds = cut.cuts_seconds_utc[key["slot"] - 1] if cut and key["slot"] else 0
        tokens = cut.context_thresholds[key["context"] - 1] + 1 if cut and key["context"] else 0
        at = datetime.combine(key["utc_day"], time(), tzinfo=UTC) + timedelta(seconds=seconds)
        return self.book.quote(side, key["provider"], key["model"], key["service_tier"], at, tokens)

    def quotes(self, number: int) -> tuple[Quote | Unpriced, Quote | Unpriced]:
        """The buy and the sell price that a number in the column `quotes` of `rows` stands for."""
        return self._quotes[number]

    def by(self, *dimensions: str) -> list[UsageCost]:
        """Counts and exact money by bucket and dimensions; no dimension gives the totals."""
        if self.rows.num_rows == 0:
            return []
        keys = list(dict.fromkeys(["bucket", *dimensions, "provider", "quotes", "class_cost"]))
        grouped = self.rows.group_by(keys, use_threads=False).aggregate(
            [(name, "sum") for name in self._counts]
        )
        lines = grouped.to_pylist()
        priced = [self._price(lines, side) for side in (0, 1)]
        found: dict[tuple[Any, ...], UsageCost] = {}
        for position, line in enumerate(lines):
            key = (
                line["bucket"],
                *(line[name] for name in dimensions),
                line["provider"] in self.own_providers,
            )
            cost = self._cost(line, dimensions, priced[0][position], priced[1][position])
            found[key] = _added(found[key], cost) if key in found else cost
        return sorted(
            found.values(), key=lambda cost: (cost.bucket, [str(part) for part in cost.key], cost.is_own)
        )

    def _price(self, lines: list[dict[str, Any]], side: int) -> list[Any]:
        return price_usage(
            [
                UsageLine(
                    self._quotes[line["quotes"]][side],
                    self.buckets.periods[line["bucket"]].first.replace(day=1),
                    line["requests_sum"] or 0,
                    *(line[f"{name}_sum"] or 0 for name in CLASSES),
                )
                for line in lines
            ]
        )

    def _cost(self, line: dict[str, Any], dimensions: Sequence[str], buy: Any, sell: Any) -> UsageCost:
        bucket = line["bucket"]
        month = self.buckets.periods[bucket].first
        is_own = line["provider"] in self.own_providers
        counts = {name: line[f"{name}_sum"] or 0 for name in self._counts}
        weight = (
            sum((self.weights[name] * counts[name] for name in CLASSES), Fraction(0))
            if is_own
            else Fraction(0)
        )
        bought_at, sold_at = self._quotes[line["quotes"]]
        if isinstance(bought_at, Unpriced) and not is_own:
            self.buy_reasons.setdefault(bought_at.reason.en, bought_at)
        if isinstance(sold_at, Unpriced):
            self.sell_reasons.setdefault(sold_at.reason.en, sold_at)
        nothing = Fraction(0)
        convert = self.converter.over_month
        by_class = [convert(Fraction(amount or 0), buy.currency, month) for amount in buy.amounts]
        return UsageCost(
            bucket,
            tuple(line[name] for name in dimensions),
            counts,
            is_own,
            weight,
            nothing if is_own else convert(Fraction(buy.total), buy.currency, month),
            convert(Fraction(sell.total), sell.currency, month),
            0 if is_own else sum(buy.unpriced_tokens),
            sum(sell.unpriced_tokens),
            tuple(nothing if is_own or isinstance(part, NoRate) else part for part in by_class),
            (0, 0, 0, 0) if is_own else buy.unpriced_tokens,
            {line["class_cost"]: tuple(counts[name] for name in CLASSES)} if is_own else {},
        )


def _added(first: UsageCost, second: UsageCost) -> UsageCost:
    def plus(left: Fraction | NoRate, right: Fraction | NoRate) -> Fraction | NoRate:
        if isinstance(left, NoRate):
            return left
        return right if isinstance(right, NoRate) else left + right

    return UsageCost(
        first.bucket,
        first.key,
        {name: value + second.counts[name] for name, value in first.counts.items()},
        first.is_own,
        first.weight + second.weight,
        plus(first.bought, second.bought),
        plus(first.listed, second.listed),
        first.unpriced_buy_tokens + second.unpriced_buy_tokens,
        first.unpriced_sell_tokens + second.unpriced_sell_tokens,
        tuple(
            left + right for left, right in zip(first.bought_by_class, second.bought_by_class, strict=True)
        ),
        tuple(
            left + right
            for left, right in zip(first.unpriced_by_class, second.unpriced_by_class, strict=True)
        ),
        {
            number: tuple(
                left + right
                for left, right in zip(
                    first.own_tokens.get(number, _NO_TOKENS),
                    second.own_tokens.get(number, _NO_TOKENS),
                    strict=True,
                )
            )
            for number in (first.own_tokens | second.own_tokens)
        },
    )


_NO_TOKENS = (0, 0, 0, 0)


def _in_buckets(rows: pa.Table, buckets: Buckets) -> pa.Table:
    """Only the rows whose day lies in a bucket, with the bucket's number."""
    if rows.num_rows == 0:
        return rows
    return with_bucket(rows, buckets)


def with_bucket(rows: pa.Table, buckets: Buckets, column: str = "day") -> pa.Table:
    """Append `bucket` to rows by their day; rows outside all buckets are left out."""
    days = rows[column].combine_chunks()
    encoded = pc.dictionary_encode(days)
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    numbers = pa.array([buckets.of(day) for day in encoded.dictionary.to_pylist()], pa.int64())
    rows = rows.append_column("bucket", numbers.take(encoded.indices))
    return rows.filter(pc.is_valid(rows["bucket"]))


def _key_text(rows: pa.Table) -> Any:
    parts = [pc.fill_null(pc.cast(rows[name], pa.string()), "\x00") for name in _KEY]
    return pc.binary_join_element_wise(*parts, "\x1f")


def _first_positions(encoded: Any) -> list[int]:
    seen: dict[int, int] = {}
    for position, code in enumerate(encoded.indices.to_pylist()):
        if code not in seen:
            seen[code] = position
    return [seen[code] for code in range(len(encoded.dictionary))]
