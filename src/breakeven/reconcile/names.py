"""Whose bill is whose usage: one name for a vendor and a model on both sides, and where days are cut.

A bill says `gpt-4o-2024-08-06` where usage says `gpt-4o`: both are names of one model in the price book.
"""

from __future__ import annotations

import re
from collections.abc import Set
from functools import cache
from typing import TYPE_CHECKING

from breakeven.account.account import Account
from breakeven.account.vendors import usage_name
from breakeven.periods import day_start, time_zone
from breakeven.pricing.quotes import Unpriced

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date


_DATED = re.compile(r"[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{6}|\d{4}|latest)$")


def meeting_names(booked: Set[str], billed: Set[str]) -> dict[str, str]:
    """Models that one side names by a dated snapshot and the other does not, by the name they meet under.

    Only names that the other side lacks are looked at: what both sides name is one model as it stands.

    >>> meeting_names({"gpt-4o", "o1"}, {"gpt-4o-2024-08-06", "gpt-4o-2024-11-20", "o1"})["gpt-4o-2024-08-06"]
    'gpt-4o'
    """
    alone = [(booked - billed), (billed - booked)]
    bases = [{_DATED.sub("", name) for name in side if name} for side in alone]
    found: dict[str, str] = {}
    for base in bases[0] & bases[1]:
        alike = [name for side in alone for name in side if _DATED.sub("", name) == base]
        found |= dict.fromkeys(alike, min(alike, key=lambda name: (len(name), name)))
    return found


class Names:
    """The names of one account."""

    def __init__(self, account: Account, providers: Iterable[str]) -> None:
        self._prices = account.prices
        self._zone = time_zone(account.books.settings.time_zone)
        self._providers = frozenset(providers)
        self.model = cache(self._model)

    def vendor(self, said: str) -> str:
        """The provider that a bill's vendor is in usage."""
        return usage_name(said, self._providers)

    def _model(self, provider: str, said: str) -> str:
        timeline = self._prices.timeline("buy", provider, said) if said else None
        if timeline is None or isinstance(timeline, Unpriced):
            return said
        return next((span.layer.model for span in reversed(timeline.spans) if span.layer), said)

    def bills_utc_days(self, provider: str, month: date) -> bool:
        """Whether a provider's months begin at another moment than the books', and do so in UTC.

        A provider cuts its days in the time zone of its rate card; UTC where no card says otherwise. The
        daily sums know the books' days and those of UTC, so a third zone cannot be told apart.
        """
        zone = self._zone_of(provider)
        theirs = day_start(month, time_zone(zone))
        return theirs == day_start(month, time_zone("UTC")) and theirs != day_start(month, self._zone)

    def _zone_of(self, provider: str) -> str:
        preferred = self._prices.preferred_currency.get(provider)
        cards = [
            card
            for card in reversed(self._prices.cards)
            if card.side == "buy"
            and provider in (card.provider, *card.provider_aliases)
            and preferred in (None, card.currency)
        ]
        cards.sort(key=lambda card: (card.fallback, not card.main_list))
        return cards[0].time_zone if cards else "UTC"

    def list_currency(self, provider: str, model: str) -> str:
        """The currency of the list that prices a model; empty where none does."""
        timeline = self._prices.timeline("buy", provider, model)
        return "" if isinstance(timeline, Unpriced) else timeline.currency

    def has_agreed_price(self, provider: str, model: str) -> bool:
        """Whether the price book holds a factor agreed with the provider for a model."""
        timeline = self._prices.timeline("buy", provider, model)
        return not isinstance(timeline, Unpriced) and any(span.negotiated for span in timeline.spans)
