"""The price book laid out for reading: a model's prices through time, and what differs between two books."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from breakeven.pricing.price_book import PriceBook
from breakeven.pricing.terms import Entry, PerClass, PriceList, Prices, Side
from breakeven.pricing.timeline import Span, Timeline

NOT_PRICED = Prices((None, None, None, None))


@dataclass(frozen=True)
class PriceRow:
    """One price of one model over one stretch of time; `valid_to` is the first moment it no longer holds.

    `above_input_tokens` and `above_tokens` (of the month) name the tier; 0 is the base. Negotiated factors
    are already in the figures. Prices are per million tokens, in `currency`; a withdrawn model has none.
    """

    side: Side
    provider: str
    model: str
    currency: str
    valid_from: datetime | None
    valid_to: datetime | None
    known_from: date
    service_tier: str
    window: str
    above_input_tokens: int
    above_tokens: int
    prices: Prices
    negotiated: Decimal | None
    source: str
    checked_on: date | None
    card: str
    where: str

    @property
    def key(self) -> tuple[object, ...]:
        """What the price is for: two books differ where the prices of one key differ."""
        return (
            self.side,
            self.provider,
            self.model,
            self.currency,
            self.valid_from,
            self.service_tier,
            self.window,
            self.above_input_tokens,
            self.above_tokens,
        )


@dataclass(frozen=True)
class PriceChange:
    """A price that only one of two books has, or that differs between them."""

    kind: Literal["added", "removed", "changed"]
    before: PriceRow | None
    after: PriceRow | None


def prices_through_time(
    book: PriceBook,
    *,
    sides: Sequence[Side] = ("buy", "sell"),
    provider: str | None = None,
    model: str | None = None,
    day: date | None = None,
) -> list[PriceRow]:
    """The prices in force, stretch by stretch, oldest first; `day` keeps what holds on that UTC day.

    A list in each currency is shown, the one that counts first. Aliases are listed only when asked for by
    name.
    """
    rows: list[PriceRow] = []
    for side in sides:
        for name in book.names(side):
            if (provider is not None and name[0] != provider) or (model is not None and name[1] != model):
                continue
            for timeline in book.every_list(side, *name):
                if model is not None or not _is_alias(timeline):
                    rows.extend(row for row in _rows(side, timeline) if day is None or _holds_on(row, day))
    return rows


def differences(before: PriceBook, after: PriceBook) -> list[PriceChange]:
    """What prices were added, removed or changed from one book to another."""
    old = {row.key: row for row in prices_through_time(before)}
    new = {row.key: row for row in prices_through_time(after)}
    changes: list[PriceChange] = []
    for key in sorted(old.keys() | new.keys(), key=_readable):
        left, right = old.get(key), new.get(key)
        if left is None:
            changes.append(PriceChange("added", None, right))
        elif right is None:
            changes.append(PriceChange("removed", left, None))
        elif left.prices != right.prices:
            changes.append(PriceChange("changed", left, right))
    return changes


def _readable(key: tuple[object, ...]) -> tuple[str, ...]:
    return tuple(str(part) for part in key)


def _is_alias(timeline: Timeline) -> bool:
    own = [span.layer.model for span in timeline.spans if span.layer is not None]
    return timeline.name not in own


def _holds_on(row: PriceRow, day: date) -> bool:
    starts = row.valid_from is None or row.valid_from.date() <= day
    # `to` is exclusive: a price that ends at midnight does not hold on the day that begins then.
    return starts and (row.valid_to is None or (row.valid_to - timedelta(microseconds=1)).date() >= day)


def _rows(side: Side, timeline: Timeline) -> Iterator[PriceRow]:
    spans = timeline.spans
    for position, span in enumerate(spans):
        if span.entry is None or span.layer is None:
            continue
        base = PriceRow(
            side=side,
            provider=timeline.provider,
            model=timeline.name,
            currency=span.layer.currency,
            valid_from=span.start if position else None,
            valid_to=spans[position + 1].start if position + 1 < len(spans) else None,
            known_from=span.entry.known_from,
            service_tier="",
            window="",
            above_input_tokens=0,
            above_tokens=0,
            prices=NOT_PRICED,
            negotiated=span.negotiated.multiplier if span.negotiated else None,
            source=span.entry.source,
            checked_on=span.entry.checked_on,
            card=span.layer.card,
            where=span.entry.where,
        )
        yield from _entry_rows(base, span, span.entry)


def _entry_rows(base: PriceRow, span: Span, entry: Entry) -> Iterator[PriceRow]:
    if entry.price_list is None:
        yield base
        return
    factor = span.negotiated.multiplier if span.negotiated else Decimal(1)
    tiers: list[tuple[str, PriceList, Decimal]] = [("", entry.price_list, factor)]
    for name, change in entry.service_tiers:
        if isinstance(change, Decimal):
            tiers.append((name, entry.price_list, change * factor))
        else:
            tiers.append((name, change, factor))
    for name, price_list, tier_factor in tiers:
        row = replace(base, service_tier=name)
        yield from _list_rows(row, price_list, None, tier_factor)
        for volume in entry.volume.tiers if entry.volume else ():
            above = replace(row, above_tokens=volume.above_tokens)
            if isinstance(volume.change, Decimal):
                yield from _list_rows(above, price_list, None, tier_factor * volume.change)
            elif price_list is entry.price_list:
                yield from _list_rows(above, price_list, volume.change, tier_factor)


def _list_rows(
    row: PriceRow, price_list: PriceList, base: PerClass | None, factor: Decimal
) -> Iterator[PriceRow]:
    for position in range(-1, len(price_list.windows)):
        window, inner = "", price_list
        if position >= 0:
            found, change = price_list.windows[position]
            window, inner = found.name, change if isinstance(change, PriceList) else price_list
        for threshold in sorted({0} | {tier.above_input_tokens for tier in inner.context_tiers}):
            prices = price_list.resolve(position, threshold + 1 if threshold else 0, base).times(factor)
            yield replace(row, window=window, above_input_tokens=threshold, prices=prices)
