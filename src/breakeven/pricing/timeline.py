"""One model's prices through time: which dated entry is in force when, and the quotes it gives.

Within a card the entry that took effect last counts, and of two that took effect together the one that was
known last: a correction is a later-known entry with the same start. An entry replaces those before it for
good: where it ends and none follows there is no price, never an old one. Across cards the upper layer counts
(the books over what is shipped), and where it has no price the next one is asked.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TypeVar

from breakeven.money import EXACT
from breakeven.pricing.quotes import (
    Quote,
    Unpriced,
    VolumeBand,
    VolumeRule,
    no_price_at_that_time,
    unknown_service_tier,
)
from breakeven.pricing.terms import STANDARD_TIERS, Entry, Negotiated, PerClass, PriceList, Prices

Dated = TypeVar("Dated", Entry, Negotiated)


@dataclass(frozen=True)
class ModelGrid:
    """Where a model's price can change: UTC seconds of the day (without 0), and total-input thresholds.

    Within one UTC day, between two neighbouring cuts, and between two neighbouring thresholds (above one, at
    most the next), every instant and size has the same price.
    """

    cuts_seconds_utc: tuple[int, ...]
    context_thresholds: tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """The entries that one card gives a model; layers come from the strongest to the weakest."""

    card: str
    currency: str
    model: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Span:
    """A stretch of time under one entry: `entry` is None where nothing has a price."""

    start: datetime
    layer: Layer | None
    entry: Entry | None
    negotiated: Negotiated | None


class Timeline:
    """The prices of one model name, ready to be asked."""

    def __init__(
        self,
        provider: str,
        name: str,
        layers: Sequence[Layer],
        negotiated: Sequence[tuple[Negotiated, ...]],
        known_at: date | None,
    ) -> None:
        self.provider, self.name = provider, name
        self.currency = layers[0].currency
        self._layers = [
            (layer, [entry for entry in layer.entries if _known(entry, known_at)]) for layer in layers
        ]
        self._negotiated = [[item for item in group if _known(item, known_at)] for group in negotiated]
        marks = {datetime.min.replace(tzinfo=UTC)}
        for dated in self._dated():
            marks.add(dated.valid_from)
            if dated.valid_to is not None:
                marks.add(dated.valid_to)
        self._starts = sorted(marks)
        self.spans = tuple(self._span(start) for start in self._starts)
        self._quotes: dict[tuple[int, str, int, int], Quote | Unpriced] = {}
        self._thresholds = {
            id(entry): sorted(
                {0} | {mark for price_list in entry.lists() for mark in price_list.every_threshold()}
            )
            for _, entries in self._layers
            for entry in entries
        }

    def _dated(self) -> list[Entry | Negotiated]:
        found: list[Entry | Negotiated] = [entry for _, entries in self._layers for entry in entries]
        return found + [item for group in self._negotiated for item in group]

    def _span(self, at: datetime) -> Span:
        negotiated = next((found for group in self._negotiated if (found := _in_force(group, at))), None)
        for layer, entries in self._layers:
            entry = _in_force(entries, at)
            if entry is not None:
                return Span(at, layer, entry, negotiated)
        return Span(at, None, None, None)

    def quote(self, service_tier: str | None, at: datetime, input_tokens: int) -> Quote | Unpriced:
        """The price in force at an instant for a request of that total input."""
        index = bisect_right(self._starts, at) - 1
        span = self.spans[index]
        if span.entry is None or span.entry.price_list is None:
            return no_price_at_that_time(self.provider, self.name, at)
        price_list, factor = _service(span.entry, span.entry.price_list, service_tier or "")
        if price_list is None:
            return unknown_service_tier(self.provider, self.name, service_tier or "")
        window = price_list.open_window(at) if price_list.windows else -1
        band = bisect_right(self._thresholds[id(span.entry)], input_tokens - 1)
        key = (index, service_tier or "", window, band)
        found = self._quotes.get(key)
        if found is None:
            found = self._quotes[key] = _quote(span, price_list, factor, window, input_tokens)
        return found

    def grid(self) -> ModelGrid:
        """Where this model's price can change within a day, and by the size of a request."""
        cuts: set[int] = set()
        for at in self._starts[1:]:
            cuts.add(at.hour * 3600 + at.minute * 60 + at.second)
        thresholds: set[int] = set()
        for _, entries in self._layers:
            for price_list in (price_list for entry in entries for price_list in entry.lists()):
                thresholds |= price_list.every_threshold()
                for window in price_list.every_window():
                    cuts |= window.cuts_seconds_utc()
        return ModelGrid(tuple(sorted(cuts - {0})), tuple(sorted(thresholds)))


def _known(dated: Entry | Negotiated, known_at: date | None) -> bool:
    return known_at is None or dated.known_from <= known_at


def _in_force(group: Sequence[Dated], at: datetime) -> Dated | None:
    started = [item for item in group if item.valid_from <= at]
    latest = max(started, key=lambda item: (item.valid_from, item.known_from), default=None)
    return latest if latest is not None and (latest.valid_to is None or at < latest.valid_to) else None


def _service(entry: Entry, standard: PriceList, service_tier: str) -> tuple[PriceList | None, Decimal]:
    if service_tier in STANDARD_TIERS:
        return standard, Decimal(1)
    for name, change in entry.service_tiers:
        if name == service_tier:
            return (standard, change) if isinstance(change, Decimal) else (change, Decimal(1))
    return None, Decimal(1)


def _quote(span: Span, price_list: PriceList, factor: Decimal, window: int, input_tokens: int) -> Quote:
    entry, layer = span.entry, span.layer
    if entry is None or layer is None:
        raise AssertionError("a quote needs an entry")
    if span.negotiated is not None:
        factor = EXACT.multiply(factor, span.negotiated.multiplier)
    prices = price_list.resolve(window, input_tokens, None).times(factor)
    volume = None
    if entry.volume is not None:
        bands = [VolumeBand(0, prices.per_token, prices.per_request)]
        for tier in entry.volume.tiers:
            tiered = _in_tier(entry, price_list, window, input_tokens, tier.change).times(factor)
            bands.append(VolumeBand(tier.above_tokens, tiered.per_token, tiered.per_request))
        volume = VolumeRule(entry.volume.mode, tuple(bands))
    return Quote(
        currency=layer.currency,
        per_token=prices.per_token,
        per_request=prices.per_request,
        card=layer.card,
        model=layer.model,
        valid_from=entry.valid_from,
        known_from=entry.known_from,
        source=span.negotiated.source if span.negotiated and span.negotiated.source else entry.source,
        window=price_list.windows[window][0].name if window >= 0 else "",
        volume=volume,
        allowance=entry.allowance,
    )


def _in_tier(
    entry: Entry, price_list: PriceList, window: int, input_tokens: int, change: PerClass | Decimal
) -> Prices:
    if isinstance(change, Decimal):
        return price_list.resolve(window, input_tokens, None).times(change)
    # Base prices of a volume tier stand for the entry's own list; a service tier with its own list keeps it.
    base = change if price_list is entry.price_list else None
    return price_list.resolve(window, input_tokens, base)
