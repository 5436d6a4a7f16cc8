"""What use cost, charge by charge: a day, a provider, a model, a token class, with four costs.

List is the price that the shipped cards publish, contracted the books' own price, billed what a supplier
charges for it, effective what the use really cost: for bought tokens the contracted price, for the own fleet
its share of the fleet. The fleet itself is a purchase: billed when it runs, effective through the usage it
serves. Effective cost of a month sums to the statement's serving cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from breakeven.account.account import Account
from breakeven.account.facts import Buckets
from breakeven.account.metrics import Missing
from breakeven.account.usage import CLASSES, COUNTS, PricedUsage, model_cuts
from breakeven.periods import ONE_DAY, Period, day_start, time_zone
from breakeven.pricing.apply import PricedLine, UsageLine, price_usage
from breakeven.pricing.fx import NoRate
from breakeven.pricing.price_book import PriceBook
from breakeven.pricing.quotes import Quote, Unpriced
from breakeven.report.handing.journal import stated_less_adjusted
from breakeven.report.view_model import Label

Category = Literal["Usage", "Purchase", "Adjustment"]
_KEYS = ("day", "provider", "model", "service_tier", "product", "channel")
_MILLION = 1_000_000
REQUESTS = "requests"
_NO_WORDS = Label("", "")


@dataclass(frozen=True)
class Charge:
    """One charge. Costs are exact, in the statement's currency; `priced` is in the list's own currency.

    `meter` is a token class, `requests` for fees per request, or empty for what has no meter; `price_id`
    names the price that gave the cost, and is empty for adjustments alone.
    """

    period: Period
    month: Period
    category: Category
    provider: str
    model: str = ""
    meter: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    is_own: bool = False
    quantity: int | None = None
    hours: Fraction | None = None
    list_cost: Fraction = Fraction(0)
    contracted: Fraction = Fraction(0)
    billed: Fraction = Fraction(0)
    effective: Fraction = Fraction(0)
    priced: Fraction | None = None
    priced_list: Fraction | None = None
    price_currency: str = ""
    price_id: str = ""
    invoice_id: str = ""
    words: Label = _NO_WORDS


@dataclass
class LeftOut:
    """Usage without a price, which no cost column may hold: its tokens, by provider and model."""

    tokens: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])

    def add(self, provider: str, model: str, tokens: int) -> None:
        """Count tokens that are in no row."""
        self.tokens[provider, model] = self.tokens.get((provider, model), 0) + tokens


def charges(account: Account, left_out: LeftOut) -> Iterator[Charge]:
    """All charges, month by month; `left_out` fills while they are read."""
    shipped = _list_prices(account.prices)
    for bucket, period in enumerate(account.buckets.periods):
        found = [*_bought(account, period, shipped, left_out), *_unlogged(account, bucket)]
        fleet = [*_fleet(account, bucket)]
        yield from _with_invoices(account, period, found)
        yield from fleet
        yield from _difference(account, bucket, found, fleet)


def _list_prices(prices: PriceBook) -> PriceBook:
    """What providers publish: shipped cards, the books' own where those know nothing; no discounts."""
    shipped = PriceBook.load([], known_at=prices.known_at)
    known = {card.id for card in shipped.cards}
    own = [replace(card, negotiated=()) for card in prices.cards if card.id not in known]
    preferred = prices.preferred_currency
    return PriceBook([own, list(shipped.cards)], known_at=prices.known_at, preferred_currency=preferred)


def _bought(account: Account, month: Period, shipped: PriceBook, left_out: LeftOut) -> Iterator[Charge]:
    """Usage bought, priced twice: as agreed, and as published."""
    ours, published = (_priced(account, month, book) for book in (account.prices, shipped))
    rows = ours.rows
    if rows.num_rows == 0:
        return
    # Both come of the same rows in the same order, so that one's prices are a further column of the other.
    rows = rows.append_column("list_quotes", published.rows["quotes"])
    sums = [(name, "sum") for name in COUNTS]
    grouped = rows.group_by([*_KEYS, "quotes", "list_quotes"], use_threads=False).aggregate(sums)
    lines = [line for line in grouped.to_pylist() if line["provider"] not in ours.own_providers]
    lines.sort(key=lambda line: tuple(str(line[name]) for name in (*_KEYS, "quotes", "list_quotes")))
    agreed = price_usage([_usage_line(line, ours.quotes(line["quotes"])[0], month.first) for line in lines])
    listed = price_usage(
        [_usage_line(line, published.quotes(line["list_quotes"])[0], month.first) for line in lines]
    )
    grids = _Grids(account.prices, shipped)
    for line, price, public in zip(lines, agreed, listed, strict=True):
        quote = ours.quotes(line["quotes"])[0]
        public = public if grids.fit(line["provider"], line["model"]) else price
        yield from _line_charges(account, month, line, quote, price, public, left_out)


def _priced(account: Account, month: Period, book: PriceBook) -> PricedUsage:
    settings = account.books.settings
    return PricedUsage(
        account.rollups["usage"], model_cuts(account.prices), book, Buckets((month,)), account.converter,
        own_providers=settings.own_providers, weights=dict.fromkeys(CLASSES, Fraction(0)),
    )  # fmt: skip


def _usage_line(line: dict[str, Any], quote: Quote | Unpriced, month: date) -> UsageLine:
    counts = (line[f"{name}_sum"] or 0 for name in CLASSES)
    return UsageLine(quote, month.replace(day=1), line["requests_sum"] or 0, *counts)


class _Grids:
    """A published price that changes at hours or sizes by which our usage is not cut cannot be applied."""

    def __init__(self, ours: PriceBook, published: PriceBook) -> None:
        self._ours, self._published = ours.grid("buy"), published.grid("buy")

    def fit(self, provider: str, model: str) -> bool:
        ours, published = (grid.get((provider, model)) for grid in (self._ours, self._published))
        if published is None or ours is None:
            return published is None
        return set(published.cuts_seconds_utc) <= set(ours.cuts_seconds_utc) and set(
            published.context_thresholds
        ) <= set(ours.context_thresholds)


def _line_charges(
    account: Account, month: Period, line: dict[str, Any], quote: Quote | Unpriced, price: PricedLine,
    public: PricedLine, left_out: LeftOut,
) -> Iterator[Charge]:  # fmt: skip
    provider, model, day = line["provider"], line["model"], line["day"]
    base = Charge(
        Period(day, day + ONE_DAY), month, "Usage", provider, model, tags=_tags(line),
        price_currency=price.currency, price_id=_price_id(quote),
    )  # fmt: skip
    parts = [
        (name, line[f"{name}_sum"] or 0, price.amounts[at], public.amounts[at])
        for at, name in enumerate(CLASSES)
    ]
    parts.append((REQUESTS, line["requests_sum"] or 0, price.request_fee, public.request_fee))
    for meter, count, amount, listed in parts:
        if not count or (meter == REQUESTS and not amount):
            continue
        cost = None if amount is None else _in_books(account, amount, price.currency, month)
        if amount is None or cost is None:
            left_out.add(provider, model, count)
            continue
        list_cost = None if listed is None else _in_books(account, listed, public.currency, month)
        same = public.currency == price.currency and listed is not None
        yield replace(
            base, meter=meter, quantity=count, list_cost=cost if list_cost is None else list_cost,
            contracted=cost, billed=cost, effective=cost, priced=Fraction(amount),
            priced_list=Fraction(listed) if same and listed is not None else None,
        )  # fmt: skip


def _in_books(account: Account, amount: Decimal, currency: str, month: Period) -> Fraction | None:
    found = account.converter.over_month(Fraction(amount), currency, month.first)
    return None if isinstance(found, NoRate) else found


def _tags(line: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return _said(**{name: line[name] for name in ("service_tier", "product", "channel")})


def _said(**tags: str | None) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in tags.items() if value)


def _price_id(quote: Quote | Unpriced) -> str:
    """One price of one card: its model, the moment it took effect and the window it holds in."""
    if isinstance(quote, Unpriced):
        return ""
    window = f"/{quote.window}" if quote.window else ""
    return f"{quote.card}/{quote.model}/{quote.valid_from:%Y-%m-%dT%H:%M}{window}"


def _unlogged(account: Account, bucket: int) -> Iterator[Charge]:
    """Bills for inference that nobody logged: booked as billed, without a quantity."""
    month = account.buckets.periods[bucket]
    for bill, at, part in account.unlogged_bills:
        if at == bucket and not isinstance(part, NoRate):
            yield Charge(
                bill.period.overlap(month) or month, month, "Usage", bill.vendor, bill.model, list_cost=part,
                contracted=part, billed=part, effective=part, invoice_id=_invoice_of(bill),
                price_id=f"bill/{bill.source}/{bill.source_id}",
                words=Label("billed, not logged", "有账单无记录"),
            )  # fmt: skip


def _invoice_of(bill: object) -> str:
    return str(getattr(bill, "invoice_id", "") or "")


def _fleet(account: Account, bucket: int) -> Iterator[Charge]:
    """The own fleet: what it was billed, as purchases; whom it served, and what was idle."""
    month = account.buckets.periods[bucket]
    split = account.fleet_splits[bucket]
    if isinstance(split.cost, Missing) or not split.cost:
        return
    yield from _purchases(account, bucket)
    usage = _priced(account, month, account.prices)
    lines: list[dict[str, Any]] = []
    if usage.rows.num_rows:
        sums = [(name, "sum") for name in CLASSES]
        grouped = usage.rows.group_by(list(_KEYS), use_threads=False).aggregate(sums)
        lines = [line for line in grouped.to_pylist() if line["provider"] in usage.own_providers]
    lines.sort(key=lambda line: tuple(str(line[name]) for name in _KEYS))
    if idle := Fraction(0) if isinstance(split.idle, Missing) else split.idle:
        words = Label("idle fleet", "空闲算力")
        yield Charge(
            month, month, "Usage", account.books.settings.name, is_own=True, list_cost=idle, contracted=idle,
            effective=idle, price_id=f"own-fleet/{month.label}", words=words,
        )  # fmt: skip
    if not split.unit:
        return
    for line in lines:
        number = account.usage.class_cost_of(line["provider"], line["model"], line["day"])
        for name, weight in zip(CLASSES, split.per_token[number], strict=True):
            count = line[f"{name}_sum"] or 0
            if count:
                share = weight * count * split.unit
                yield Charge(
                    Period(line["day"], line["day"] + ONE_DAY), month, "Usage", line["provider"],
                    line["model"], name, _tags(line), is_own=True, quantity=count, list_cost=share,
                    contracted=share, effective=share, priced=share, priced_list=share,
                    price_currency=account.currency, price_id=f"own-fleet/{month.label}",
                )  # fmt: skip


def _purchases(account: Account, bucket: int) -> Iterator[Charge]:
    month = account.buckets.periods[bucket]
    recorded = False
    for hours in account.fleet:
        if account.buckets.of(hours.day) == bucket:
            recorded = True
            cost = account.converter.over_month(hours.cost, hours.currency, month.first)
            if not isinstance(cost, NoRate) and cost:
                yield Charge(
                    Period(hours.day, hours.day + ONE_DAY), month, "Purchase", account.books.settings.name,
                    hours.pool, is_own=True, hours=hours.gpu_hours, list_cost=cost, contracted=cost,
                    billed=cost, price_currency=hours.currency, price_id=f"{hours.pool}/{hours.gpu or 'gpu'}",
                    priced=hours.cost, priced_list=hours.cost,
                    tags=_said(gpu=hours.gpu, commitment=hours.commitment),
                )  # fmt: skip
    for bill, at, part in account.accruals("gpu"):
        if at == bucket and not recorded and not isinstance(part, NoRate):
            yield Charge(
                bill.period.overlap(month) or month, month, "Purchase", bill.vendor, is_own=True,
                list_cost=part, contracted=part, billed=part, invoice_id=_invoice_of(bill),
                price_id=f"bill/{bill.source}/{bill.source_id}",
            )  # fmt: skip


def _with_invoices(account: Account, month: Period, found: list[Charge]) -> Iterator[Charge]:
    """Usage bears its invoice only where the invoice's amount is what its charges sum to."""
    invoices: dict[str, set[str]] = {}
    billed: dict[str, Fraction] = {}
    for bill in account.bills:
        if bill.category == "inference_api" and _invoice_of(bill) and bill.currency == account.currency:
            invoices.setdefault(bill.vendor, set())
            if bill.period.overlap(month):
                invoices[bill.vendor].add(_invoice_of(bill))
                inside = bill.period.overlap(month) == bill.period
                billed[bill.vendor] = billed.get(bill.vendor, Fraction(0)) + (bill.amount if inside else 0)
    sums: dict[str, Fraction] = {}
    for charge in found:
        sums[charge.provider] = sums.get(charge.provider, Fraction(0)) + charge.billed
    for charge in found:
        names = invoices.get(charge.provider, set())
        if not charge.invoice_id and len(names) == 1 and sums[charge.provider] == billed[charge.provider]:
            charge = replace(charge, invoice_id=next(iter(names)))
        yield charge


def _difference(account: Account, bucket: int, found: list[Charge], fleet: list[Charge]) -> Iterator[Charge]:
    """A closed month stands as it was closed: what the rows have become since is one adjustment."""
    if bucket not in account.stated.closings:
        return
    month = account.buckets.periods[bucket]
    for measure, rows in (("inference_api_cost", found), ("gpu_cost", fleet)):
        stated = stated_less_adjusted(account, measure, bucket)
        live = account.facts.get(measure, bucket)
        if isinstance(stated, Missing) or isinstance(live, Missing) or stated == live or not rows:
            continue
        left = Fraction(stated - live)
        words = Label("as closed, less as the rows are now", "结账时的数字减现有明细")
        yield Charge(
            month, month, "Adjustment", account.books.settings.name, is_own=True, list_cost=left,
            contracted=left, billed=left, effective=left, words=words,
        )  # fmt: skip


def instants(period: Period, zone: str) -> tuple[datetime, datetime]:
    """A period's first instant and the first one after it, in UTC."""
    local = time_zone(zone)
    return day_start(period.first, local), day_start(period.end, local)
