"""The books' side of inference: tokens and cost by model, class and service tier, and the providers' reports.

Everything is read from rollups. Sums exist twice where a provider cuts its months in UTC and the books do
not: by the books' months, which is what the statement shows, and by the months that are billed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

import pyarrow as pa

from breakeven.account.account import Account
from breakeven.account.ledger_rows import Bill
from breakeven.account.usage import CLASSES, PricedUsage, UsageCost, model_cuts
from breakeven.periods import ONE_DAY, Period
from breakeven.pricing.terms import STANDARD_TIERS, TOKEN_CLASSES
from breakeven.reconcile.names import Names

Used = Callable[[Bill, Period], Fraction]
"""How much of what a bill is for the books hold in some days."""

REQUEST_FEES = "request_fees"
_PRICED_BY = ("utc_day", "slot", "context", "provider", "model", "service_tier")
Cell = tuple[int, str, str, str]
"""Bucket, provider, model, token class."""
ModelMonth = tuple[int, str, str]


@dataclass
class Tokens:
    """Tokens of one cell and service tier, what they cost, and how many of them have no price."""

    quantity: int = 0
    amount: Fraction = Fraction(0)
    unpriced: int = 0

    @property
    def known_amount(self) -> Fraction | None:
        """What the tokens cost; None where none of them has a price."""
        return None if self.quantity and self.unpriced == self.quantity and not self.amount else self.amount

    @property
    def mean_price(self) -> Fraction | None:
        """Cost per token of those with a price; None where there are none."""
        priced = self.quantity - self.unpriced
        return self.amount / priced if priced else None

    def add(self, other: Tokens) -> None:
        """Add what another one holds."""
        self.quantity += other.quantity
        self.amount += other.amount
        self.unpriced += other.unpriced


@dataclass
class Counts:
    """What a provider's report, or the books, say of a model: requests (None: unknown), tokens by class."""

    requests: int | None = 0
    tokens: list[int] = field(default_factory=lambda: [0] * len(CLASSES))

    def add(self, other: Counts) -> None:
        """Add what another one says; an unknown number of requests makes the sum unknown."""
        known = self.requests is not None and other.requests is not None
        self.requests = (self.requests or 0) + (other.requests or 0) if known else None
        self.tokens = [old + new for old, new in zip(self.tokens, other.tokens, strict=True)]


Sums = dict[Cell, dict[str, Tokens]]


@dataclass
class Booked:
    """Both sides that are not the bill: the books, and the providers' own reports."""

    names: Names
    stated: Sums = field(default_factory=dict[Cell, dict[str, Tokens]])
    by_billed_month: Sums = field(default_factory=dict[Cell, dict[str, Tokens]])
    counted: dict[ModelMonth, Counts] = field(default_factory=dict[ModelMonth, Counts])
    reported: dict[ModelMonth, Counts] = field(default_factory=dict[ModelMonth, Counts])
    moved: dict[ModelMonth, Counts] = field(default_factory=dict[ModelMonth, Counts])
    """What the books hold in the month after (or before) the one the provider's report holds it in."""
    written: dict[tuple[str, str], set[str]] = field(default_factory=dict[tuple[str, str], set[str]])
    """Names under which usage came in, by (provider, model)."""


def booked(account: Account) -> Booked:
    """Usage of the buckets, own fleet left out."""
    rows = account.rollups["usage"]
    reports = account.rollups["provider_reports"]
    providers = {
        *(rows["provider"].unique().to_pylist() if rows.num_rows else ()),
        *(reports["provider"].unique().to_pylist() if reports.num_rows else ()),
    }
    found = Booked(Names(account, providers))
    found.stated = _sums(found, account.usage.by("provider", "model", "service_tier"))
    utc = {
        (bucket, provider)
        for bucket, period in enumerate(account.buckets.periods)
        for provider in providers - set(account.books.settings.own_providers)
        if found.names.bills_utc_days(provider, period.first)
    }
    found.by_billed_month = {cell: tiers for cell, tiers in found.stated.items() if cell[:2] not in utc}
    if utc:
        shifted = _sums(found, _priced_by_utc_day(account).by("provider", "model", "service_tier"))
        found.by_billed_month |= {cell: tiers for cell, tiers in shifted.items() if cell[:2] in utc}
    if reports.num_rows:
        _read_reports(account, found, {provider for _, provider in utc})
    return found


def tokens_by_day(account: Account, names: Names) -> Used:
    """How many tokens that a bill is for the books hold in some days: of its vendor, model and class."""
    days: dict[str, list[tuple[date, str, list[int]]]] = defaultdict(list)
    rows = account.rollups["usage"]
    if rows.num_rows:
        grouped = rows.group_by(["day", "provider", "model"], use_threads=False)
        for row in grouped.aggregate([(name, "sum") for name in CLASSES]).to_pylist():
            model = names.model(row["provider"], row["model"])
            days[row["provider"]].append((row["day"], model, [row[f"{name}_sum"] or 0 for name in CLASSES]))

    def used(bill: Bill, period: Period) -> Fraction:
        vendor = names.vendor(bill.vendor)
        model = names.model(vendor, bill.model)
        counted = [position for position, name in enumerate(TOKEN_CLASSES) if bill.token_class in ("", name)]
        return Fraction(
            sum(
                tokens[position]
                for day, name, tokens in days.get(vendor, ())
                if day in period and model in ("", name)
                for position in counted
            )
        )

    return used


def _sums(found: Booked, costs: list[UsageCost]) -> Sums:
    sums: Sums = {}
    for cost in costs:
        if cost.is_own:
            continue
        provider, said, tier = str(cost.key[0]), str(cost.key[1]), standard(cost.key[2])
        model = found.names.model(provider, said)
        found.written.setdefault((provider, model), set()).add(said)
        rest = cost.bought if isinstance(cost.bought, Fraction) else Fraction(0)
        for position, token_class in enumerate(TOKEN_CLASSES):
            count, amount = cost.counts[CLASSES[position]], cost.bought_by_class[position]
            unpriced = cost.unpriced_by_class[position] if isinstance(cost.bought, Fraction) else count
            rest -= amount
            if count:
                tiers = sums.setdefault((cost.bucket, provider, model, token_class), {})
                tiers.setdefault(tier, Tokens()).add(Tokens(count, amount, unpriced))
        if rest:
            tiers = sums.setdefault((cost.bucket, provider, model, REQUEST_FEES), {})
            tiers.setdefault(tier, Tokens()).add(Tokens(0, rest))
    return sums


def total(sums: Sums, cells: Iterable[Cell]) -> Tokens:
    """Some cells added up, all service tiers together."""
    found = Tokens()
    for cell in cells:
        for tokens in sums.get(cell, {}).values():
            found.add(tokens)
    return found


def standard(tier: object) -> str:
    """A service tier, the standard one as an empty text.

    >>> standard("default"), standard(None), standard("batch")
    ('', '', 'batch')
    """
    said = str(tier or "")
    return "" if said in STANDARD_TIERS else said


def _priced_by_utc_day(account: Account) -> PricedUsage:
    """The same usage, put in months by its UTC day."""
    rows = account.rollups["usage"]
    sums = [(name, "sum") for name in ("requests", *CLASSES, "reasoning_tokens")]
    small = rows.group_by(list(_PRICED_BY), use_threads=False).aggregate(sums)
    small = small.rename_columns([name.removesuffix("_sum") for name in small.column_names])
    small = small.append_column("day", small["utc_day"])
    return PricedUsage(
        small, model_cuts(account.prices), account.prices, account.buckets, account.converter,
        own_providers=account.usage.own_providers, weights=account.usage.weights, counted=False,
    )  # fmt: skip


def _read_reports(account: Account, found: Booked, utc: set[str]) -> None:
    """Requests and tokens by day on both sides; a report counts for months whose booked days it spans."""
    order = {source: rank for rank, source in enumerate(account.books.settings.matching.reports)}
    reports = account.rollups["provider_reports"]
    said = _by_day(found, reports, utc, "source")
    # Of several reports of one provider, the source that the settings name first counts.
    source_of: dict[str, str] = {}
    for _, provider, _, source in said:
        held = source_of.setdefault(provider, source)
        if order.get(source, len(order)) < order.get(held, len(order)):
            source_of[provider] = source
    reported = {key[:3]: counts for key, counts in said.items() if source_of[key[1]] == key[3]}
    counted = {key[:3]: counts for key, counts in _by_day(found, account.rollups["usage"], utc).items()}
    span = {
        provider: (min(days), max(days))
        for provider in source_of
        if (days := [day for day, name, _ in reported if name == provider])
    }
    for bucket, period in enumerate(account.buckets.periods):
        for provider, (first, last) in span.items():
            days = {day for day, name, _ in counted if name == provider and day in period}
            if all(first <= day <= last for day in days):
                _add_month(found.reported, reported, bucket, provider, period)
                _add_month(found.counted, counted, bucket, provider, period)
        for provider, model in {(name, model) for _, name, model in reported}:
            moves, (first, last) = Counts(), span[provider]
            for edge, sign in ((period.end, 1), (period.first, -1)):
                if first < edge <= last:
                    _add_moves(moves, reported, counted, provider, model, edge, sign)
            if moves.requests or any(moves.tokens):
                found.moved[bucket, provider, model] = moves


DayCounts = dict[tuple[date, str, str], Counts]


def _by_day(found: Booked, rows: pa.Table, utc: set[str], *more: str) -> dict[Any, Counts]:
    sums = [(name, "sum") for name in ("requests", "uncounted", *CLASSES)]
    days: dict[Any, Counts] = defaultdict(Counts)
    if rows.num_rows:
        keys = ["day", "utc_day", "provider", "model", *more]
        for row in rows.group_by(keys, use_threads=False).aggregate(sums).to_pylist():
            provider = row["provider"]
            model = found.names.model(provider, row["model"])
            day = row["utc_day"] if provider in utc else row["day"]
            requests = None if row["uncounted_sum"] else row["requests_sum"] or 0
            tokens = [row[f"{name}_sum"] or 0 for name in CLASSES]
            days[day, provider, model, *(row[name] for name in more)].add(Counts(requests, tokens))
    return days


def _add_month(
    into: dict[ModelMonth, Counts], days: DayCounts, bucket: int, provider: str, period: Period
) -> None:
    for (day, name, model), counts in days.items():
        if name == provider and day in period:
            into.setdefault((bucket, provider, model), Counts()).add(counts)


def _add_moves(
    moves: Counts, reported: DayCounts, counted: DayCounts, provider: str, model: str, edge: date, sign: int
) -> None:
    """What lies on the two sides of a month's edge in the report and the other way round in the books."""
    before, after = (edge - ONE_DAY, provider, model), (edge, provider, model)
    nothing = Counts()
    sides = [days.get(day, nothing) for day in (before, after) for days in (reported, counted)]
    for position in range(len(CLASSES)):
        said_before, had_before, said_after, had_after = (side.tokens[position] for side in sides)
        moves.tokens[position] += sign * _moved(said_before - had_before, had_after - said_after)
    requests = [side.requests for side in sides]
    if None not in requests:
        said_before, had_before, said_after, had_after = (number or 0 for number in requests)
        moves.requests = (moves.requests or 0) + sign * _moved(
            said_before - had_before, had_after - said_after
        )


def _moved(lacking: int, surplus: int) -> int:
    if lacking > 0 and surplus > 0:
        return min(lacking, surplus)
    return max(lacking, surplus) if lacking < 0 and surplus < 0 else 0
