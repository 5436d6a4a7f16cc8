"""The price book: all rate cards together, layered and bitemporal, asked for the price of one usage."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from pathlib import Path

from breakeven.errors import InputError
from breakeven.pricing.quotes import Quote, Unpriced, no_model, no_provider
from breakeven.pricing.rate_card import load_card
from breakeven.pricing.terms import CardModel, Negotiated, RateCard, Side
from breakeven.pricing.timeline import Layer, ModelGrid, Timeline

SHIPPED_FOLDER = Path(__file__).with_name("cards")
SHIPPED_LAYER = "shipped"


class PriceBook:
    """Rate cards of several folders; a later folder overrides an earlier one, model by model and day by day.

    A provider may publish lists in several currencies (a CNY list is not a USD list times an exchange rate).
    One list counts for a model: the one in `preferred_currency[provider]` when the books prefer one (then no
    other is asked); else the strongest that knows the model: upper folders first, then the card marked
    `main_list`, then by currency code. Cards marked `fallback` are asked last.
    """

    def __init__(
        self,
        layers: Sequence[Sequence[RateCard]],
        *,
        known_at: date | None = None,
        preferred_currency: Mapping[str, str] | None = None,
        content: str = "",
    ) -> None:
        self.known_at = known_at
        self.preferred_currency = dict(preferred_currency or {})
        self.cards: tuple[RateCard, ...] = tuple(card for layer in layers for card in layer)
        self._content = content
        self._ranked: dict[tuple[str, str], list[tuple[int, RateCard]]] = {}
        for depth, layer in enumerate(layers):
            for card in layer:
                for provider in (card.provider, *card.provider_aliases):
                    self._ranked.setdefault((card.side, provider), []).append((depth, card))
        for cards in self._ranked.values():
            _refuse_twice(cards)
            # Strongest first; a card's position among equals must not depend on the order of reading.
            cards.sort(
                key=lambda item: (
                    item[1].fallback, -item[0], not item[1].main_list, item[1].currency, item[1].id,
                )
            )  # fmt: skip
        self._timelines: dict[tuple[str, str, str], Timeline | Unpriced] = {}

    @classmethod
    def load(
        cls,
        folders: Sequence[Path],
        *,
        known_at: date | None = None,
        include_shipped: bool = True,
        preferred_currency: Mapping[str, str] | None = None,
    ) -> PriceBook:
        """Read every `*.yaml` card of the folders; a folder that is absent holds no cards.

        `known_at` keeps only what was known on that day. Raises `InputError` with `file:line`.
        """
        layers: list[list[RateCard]] = []
        digest = hashlib.sha256()
        for number, folder in enumerate([SHIPPED_FOLDER, *folders] if include_shipped else list(folders)):
            layer = SHIPPED_LAYER if folder == SHIPPED_FOLDER else folder.name
            paths = card_files(folder)
            layers.append([load_card(path, layer=layer) for path in paths])
            for path in paths:
                content = hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
                digest.update(f"{number}:{path.name}:{content}\n".encode())
        return cls(
            layers, known_at=known_at, preferred_currency=preferred_currency, content=digest.hexdigest()
        )

    @cached_property
    def digest(self) -> str:
        """A hash of everything that can change a price: the cards' text, `known_at`, preferred currencies."""
        preferred = ",".join(f"{key}={value}" for key, value in sorted(self.preferred_currency.items()))
        return hashlib.sha256(f"{self._content}|{self.known_at}|{preferred}".encode()).hexdigest()

    def quote(
        self, side: Side, provider: str, model: str, service_tier: str | None, at: datetime, input_tokens: int
    ) -> Quote | Unpriced:
        """The price in force for a request at a UTC instant with that total input, or why there is none.

        The service tiers '', None, 'standard' and 'default' mean the standard price list.
        """
        timeline = self.timeline(side, provider, model)
        return timeline if isinstance(timeline, Unpriced) else timeline.quote(service_tier, at, input_tokens)

    def timeline(self, side: Side, provider: str, model: str) -> Timeline | Unpriced:
        """The prices of one model through time, or why there are none."""
        key = (side, provider, model)
        found = self._timelines.get(key)
        if found is None:
            found = self._timelines[key] = self._timeline(side, provider, model)
        return found

    def every_list(self, side: Side, provider: str, model: str) -> list[Timeline]:
        """The model's prices in each currency it is published in, the list that counts first."""
        counting = self.timeline(side, provider, model)
        currencies = sorted({card.currency for _, card in self._ranked.get((side, provider), [])})
        used = "" if isinstance(counting, Unpriced) else counting.currency
        found = [self._timeline(side, provider, model, other) for other in currencies if other != used]
        return [timeline for timeline in (counting, *found) if isinstance(timeline, Timeline)]

    def names(self, side: Side) -> list[tuple[str, str]]:
        """Every (provider, model name or alias) that has a price on that side."""
        found: set[tuple[str, str]] = set()
        for (card_side, provider), cards in self._ranked.items():
            if card_side == side:
                for _, card in cards:
                    for model in card.models:
                        found.update((provider, name) for name in (model.name, *model.aliases))
        return sorted(found)

    def grid(self, side: Side) -> dict[tuple[str, str], ModelGrid]:
        """For every (provider, model name or alias): where its price can change. See `ModelGrid`."""
        grids: dict[tuple[str, str], ModelGrid] = {}
        for provider, model in self.names(side):
            timeline = self.timeline(side, provider, model)
            grids[provider, model] = ModelGrid((), ()) if isinstance(timeline, Unpriced) else timeline.grid()
        return grids

    def _timeline(self, side: Side, provider: str, name: str, currency: str = "") -> Timeline | Unpriced:
        cards = self._ranked.get((side, provider))
        if cards is None:
            return no_provider(side, provider)
        knowing = [(card, model) for _, card in cards if (model := _find(card, name)) is not None]
        currency = (
            currency or self.preferred_currency.get(provider) or (knowing[0][0].currency if knowing else "")
        )
        knowing = [(card, model) for card, model in knowing if card.currency == currency]
        if not knowing:
            return no_model(side, provider, name)
        layers = [Layer(card.id, card.currency, model.name, model.entries) for card, model in knowing]
        names = {name, *(model.name for _, model in knowing)}
        agreed = [_agreed(card, names) for _, card in cards if card.currency == currency]
        return Timeline(provider, name, layers, [group for group in agreed if group], self.known_at)


def card_files(folder: Path) -> list[Path]:
    """The card files of a folder, in a fixed order; none when the folder is absent."""
    return sorted(path for path in folder.glob("*.yaml") if path.is_file()) if folder.is_dir() else []


def _find(card: RateCard, name: str) -> CardModel | None:
    for model in card.models:
        if name == model.name or name in model.aliases:
            return model
    return None


def _agreed(card: RateCard, names: set[str]) -> tuple[Negotiated, ...]:
    return tuple(item for item in card.negotiated if not item.models or names & set(item.models))


def _refuse_twice(cards: Sequence[tuple[int, RateCard]]) -> None:
    owners: dict[tuple[int, str, str], CardModel] = {}
    for depth, card in cards:
        for model in card.models:
            for name in (model.name, *model.aliases):
                key = (depth, card.currency, name)
                if key in owners and owners[key] is not model:
                    raise InputError(
                        f"{name!r} is priced by two cards of the same folder, side and currency",
                        where=model.where,
                        cause=f"the other one is at {owners[key].where}",
                        remedy="keep one of them, or move one to another folder",
                    )
                owners[key] = model
