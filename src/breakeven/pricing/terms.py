"""What a rate card can say about a price: the terms, as data, and how they combine.

A *price list* is prices per token class and per request, with tiers by context length and windows of the day.
Terms combine by two rules, used everywhere:

- a term with a `multiplier` is the prices it stands on, times that factor (the request fee included);
- a term with prices of its own is a list of its own: nothing it does not name applies there, except the
  request fee, which stays unless it is written again.

The order is service tier, then window, then context tier, then volume, then the negotiated factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from breakeven.money import EXACT
from breakeven.pricing.windows import Window

TokenClass = Literal["uncached_input", "cached_input", "cache_write", "output"]
TOKEN_CLASSES: tuple[TokenClass, ...] = ("uncached_input", "cached_input", "cache_write", "output")
"""The order in which prices, counts and amounts of the four classes are written everywhere."""

Side = Literal["buy", "sell"]
STANDARD_TIERS = frozenset({"", "standard", "default"})

PerClass = tuple[Decimal | None, Decimal | None, Decimal | None, Decimal | None]
"""One price per token class, in the order of `TOKEN_CLASSES`; None is *no price*, never zero."""


@dataclass(frozen=True)
class Prices:
    """Prices per million tokens of each class, and per request, in the card's currency."""

    per_mtok: PerClass
    per_request: Decimal = Decimal(0)

    def times(self, factor: Decimal) -> Prices:
        """All prices times a factor, exactly; no price stays no price."""
        if factor == 1:
            return self
        uncached, cached, write, output = self.per_mtok
        return Prices(
            (_times(uncached, factor), _times(cached, factor), _times(write, factor), _times(output, factor)),
            EXACT.multiply(self.per_request, factor),
        )

    @property
    def per_token(self) -> PerClass:
        """The same prices per single token, exactly."""
        uncached, cached, write, output = self.per_mtok
        return (_per_token(uncached), _per_token(cached), _per_token(write), _per_token(output))


def _times(price: Decimal | None, factor: Decimal) -> Decimal | None:
    return None if price is None else EXACT.multiply(price, factor)


def _per_token(price: Decimal | None) -> Decimal | None:
    return None if price is None else price.scaleb(-6, EXACT)


@dataclass(frozen=True)
class ContextTier:
    """The whole request is priced here when its total input is above the threshold."""

    above_input_tokens: int
    change: Prices | Decimal


@dataclass(frozen=True)
class PriceList:
    """Prices with their context tiers (by rising threshold) and windows (the first that is open counts)."""

    prices: Prices
    context_tiers: tuple[ContextTier, ...] = ()
    windows: tuple[tuple[Window, PriceList | Decimal], ...] = ()

    def open_window(self, at: datetime) -> int:
        """Index of the window that is open at an instant, or -1."""
        for index, (window, _) in enumerate(self.windows):
            if window.covers(at):
                return index
        return -1

    def resolve(self, window: int, input_tokens: int, base: PerClass | None) -> Prices:
        """The prices under a window (-1 for none) at a total input; `base` replaces the list's own prices."""
        inner, factor = self, Decimal(1)
        if window >= 0:
            change = self.windows[window][1]
            if isinstance(change, Decimal):
                factor = change
            else:
                inner, base = change, None
        prices = inner.prices if base is None else Prices(base, inner.prices.per_request)
        for tier in reversed(inner.context_tiers):
            if input_tokens > tier.above_input_tokens:
                prices = prices.times(tier.change) if isinstance(tier.change, Decimal) else tier.change
                break
        return prices.times(factor)

    def every_window(self) -> list[Window]:
        """The windows of this list."""
        return [window for window, _ in self.windows]

    def every_threshold(self) -> set[int]:
        """The context thresholds of this list and of the lists in its windows."""
        found = {tier.above_input_tokens for tier in self.context_tiers}
        for _, change in self.windows:
            if isinstance(change, PriceList):
                found |= change.every_threshold()
        return found


@dataclass(frozen=True)
class VolumeTier:
    """Prices once the month's tokens of the model are above a mark: a factor, or base prices of its own."""

    above_tokens: int
    change: PerClass | Decimal


@dataclass(frozen=True)
class VolumeTiers:
    """Monthly volume: `graduated` prices each band at its tier, `whole` prices all tokens at one."""

    mode: Literal["graduated", "whole"]
    tiers: tuple[VolumeTier, ...]


@dataclass(frozen=True)
class Allowance:
    """What a month gives free of charge: tokens of any class, tokens per class, requests."""

    tokens: int = 0
    per_class: tuple[int, int, int, int] = (0, 0, 0, 0)
    requests: int = 0


@dataclass(frozen=True)
class Entry:
    """One dated price of one model. Valid time is [valid_from, valid_to) in UTC; known time is a day.

    `price_list` is None when the entry says that there is no price from then on (the model was withdrawn).
    """

    valid_from: datetime
    valid_to: datetime | None
    known_from: date
    source: str
    checked_on: date | None
    where: str
    price_list: PriceList | None = None
    service_tiers: tuple[tuple[str, PriceList | Decimal], ...] = ()
    volume: VolumeTiers | None = None
    allowance: Allowance | None = None

    def lists(self) -> list[PriceList]:
        """The price lists of this entry: its own and those of service tiers with own prices."""
        own = [self.price_list] if self.price_list else []
        return own + [change for _, change in self.service_tiers if isinstance(change, PriceList)]


@dataclass(frozen=True)
class Negotiated:
    """A factor on list prices, agreed with the provider; no models named means all of them."""

    multiplier: Decimal
    models: tuple[str, ...]
    valid_from: datetime
    valid_to: datetime | None
    known_from: date
    source: str
    where: str


@dataclass(frozen=True)
class CardModel:
    """One model of a card: its name, other names for it, and its dated prices in the order written."""

    name: str
    aliases: tuple[str, ...]
    entries: tuple[Entry, ...]
    where: str


@dataclass(frozen=True)
class RateCard:
    """Dated prices of one provider's models on one side, in one currency.

    `main_list` marks the list that counts when a provider publishes several and the books prefer none.
    `fallback` cards are asked only where no other card knows the model.
    """

    id: str
    file: str
    provider: str
    side: Side
    currency: str
    time_zone: str
    provider_aliases: tuple[str, ...] = ()
    main_list: bool = False
    fallback: bool = False
    note: str = ""
    models: tuple[CardModel, ...] = ()
    negotiated: tuple[Negotiated, ...] = ()
