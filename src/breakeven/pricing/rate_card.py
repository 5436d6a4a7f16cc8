"""Rate cards: dated YAML files, read strictly. `docs/how-to/add-a-price.md` shows the format.

A card is append-only: a new price is a new entry with its own `valid_from`, and a correction is a new entry
with the same `valid_from` and a later `known_from`. Nothing is overwritten, so that both "what we believed
then" and "what is true now" can be asked.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal, TypeVar, cast
from zoneinfo import ZoneInfo

from breakeven.money import MINOR_UNITS
from breakeven.pricing.card_values import amount, clock_second, count, day, flag, instant, one_of, words, zone
from breakeven.pricing.located_yaml import Located, read_yaml
from breakeven.pricing.terms import (
    STANDARD_TIERS,
    TOKEN_CLASSES,
    Allowance,
    CardModel,
    ContextTier,
    Entry,
    Negotiated,
    PerClass,
    PriceList,
    Prices,
    RateCard,
    Side,
    VolumeTier,
    VolumeTiers,
)
from breakeven.pricing.windows import DAY_SECONDS, WEEKDAYS, Window

CARD_KEYS = (
    "provider", "provider_aliases", "side", "currency", "time_zone", "source", "checked_on", "main_list",
    "fallback", "note", "models", "negotiated",
)  # fmt: skip
MODEL_KEYS = ("aliases", "prices", "note")
DATED_KEYS = ("valid_from", "valid_to", "known_from", "source", "checked_on", "note")
LIST_KEYS = ("per_mtok", "per_request", "context_tiers", "windows")
ENTRY_KEYS = (*DATED_KEYS, *LIST_KEYS, "withdrawn", "service_tiers", "volume_tiers", "free_per_month")
WINDOW_KEYS = (
    "name", "from", "to", "time_zone", "weekdays", "first_day", "last_day", "multiplier", "per_mtok",
    "per_request", "context_tiers",
)  # fmt: skip
T = TypeVar("T")


def load_card(path: Path, *, layer: str = "") -> RateCard:
    """Read one card. Raises `InputError` with `file:line`, the reason and what to write instead.

    `layer` names the folder's role and becomes part of the card's id (`shipped:deepseek-usd`).
    """
    return card_from(read_yaml(path), f"{layer}:{path.stem}" if layer else path.stem)


def card_from(root: Located, card_id: str) -> RateCard:
    """Build a card from YAML already read."""
    fields = root.fields(CARD_KEYS, required=("provider", "side", "currency"))
    currency = fields["currency"].text()
    if currency not in MINOR_UNITS:
        fields["currency"].fail(
            f"unknown currency {currency!r}", remedy="use an ISO 4217 code such as CNY or USD"
        )
    if "models" not in fields and "negotiated" not in fields:
        root.fail("the card has no prices", remedy="add 'models:' or 'negotiated:'")
    reader = _DatedReader(fields)
    models = tuple(
        _model(name, node, reader) for name, node in (fields["models"].names() if "models" in fields else ())
    )
    _refuse_shared_names(models, root)
    negotiated = tuple(
        _negotiated(node, reader) for node in (fields["negotiated"].items() if "negotiated" in fields else ())
    )
    return RateCard(
        id=card_id,
        file=root.file,
        provider=fields["provider"].text(),
        side=cast("Side", one_of(fields["side"], ("buy", "sell"))),
        currency=currency,
        time_zone=reader.home.key,
        provider_aliases=words(fields["provider_aliases"]) if "provider_aliases" in fields else (),
        main_list=flag(fields["main_list"]) if "main_list" in fields else False,
        fallback=flag(fields["fallback"]) if "fallback" in fields else False,
        note=fields["note"].text() if "note" in fields else "",
        models=models,
        negotiated=negotiated,
    )


class _DatedReader:
    """Reads what every dated thing of a card has, with the card's time zone, source and check as defaults."""

    def __init__(self, card: dict[str, Located]) -> None:
        self.home = zone(card["time_zone"]) if "time_zone" in card else ZoneInfo("UTC")
        self.source = card["source"].text() if "source" in card else ""
        self.checked_on = day(card["checked_on"]) if "checked_on" in card else None

    def times(self, node: Located, fields: dict[str, Located]) -> tuple[datetime, datetime | None, date]:
        valid_from = instant(fields["valid_from"], self.home)
        valid_to = instant(fields["valid_to"], self.home) if "valid_to" in fields else None
        if valid_to is not None and valid_to <= valid_from:
            node.fail(
                "valid_to is not after valid_from",
                cause="valid_to is the first moment that is no longer priced",
            )
        # A list price is public knowledge on the day it takes effect, unless the card says when it was known.
        known = (
            day(fields["known_from"]) if "known_from" in fields else valid_from.astimezone(self.home).date()
        )
        return valid_from, valid_to, known

    def source_of(self, fields: dict[str, Located]) -> str:
        return fields["source"].text() if "source" in fields else self.source

    def checked(self, fields: dict[str, Located]) -> date | None:
        return day(fields["checked_on"]) if "checked_on" in fields else self.checked_on


def _model(name: str, node: Located, reader: _DatedReader) -> CardModel:
    fields = node.fields(MODEL_KEYS, required=("prices",))
    entries = tuple(_entry(item, reader) for item in fields["prices"].items())
    if not entries:
        node.fail(f"the model {name!r} has no prices", remedy="add a dated entry under 'prices:'")
    seen: dict[tuple[datetime, date], Entry] = {}
    for item, entry in zip(fields["prices"].items(), entries, strict=True):
        key = (entry.valid_from, entry.known_from)
        if key in seen:
            item.fail(
                "two entries with the same valid_from and known_from",
                cause=f"the other one is at {seen[key].where}",
                remedy="give a correction its own known_from",
            )
        seen[key] = entry
    return CardModel(name, words(fields["aliases"]) if "aliases" in fields else (), entries, node.where)


def _refuse_shared_names(models: tuple[CardModel, ...], root: Located) -> None:
    owners: dict[str, str] = {}
    for model in models:
        for name in (model.name, *model.aliases):
            if name in owners:
                root.fail(
                    f"{name!r} names both {owners[name]!r} and {model.name!r}", remedy="remove one alias"
                )
            owners[name] = model.name


def _entry(node: Located, reader: _DatedReader) -> Entry:
    fields = node.fields(ENTRY_KEYS, required=("valid_from",))
    valid_from, valid_to, known_from = reader.times(node, fields)
    withdrawn = flag(fields["withdrawn"]) if "withdrawn" in fields else False
    if withdrawn and any(
        key in fields for key in (*LIST_KEYS, "service_tiers", "volume_tiers", "free_per_month")
    ):
        node.fail("a withdrawn model has no prices", remedy="remove the prices or 'withdrawn'")
    if not withdrawn and "per_mtok" not in fields and "per_request" not in fields:
        node.fail("the entry has no price", remedy="add 'per_mtok:', 'per_request:' or 'withdrawn: true'")
    base = None if withdrawn else _price_list(fields, reader.home, Decimal(0))
    tiers = (
        _service_tiers(fields["service_tiers"], reader.home, base)
        if base and "service_tiers" in fields
        else ()
    )
    return Entry(
        valid_from=valid_from,
        valid_to=valid_to,
        known_from=known_from,
        source=reader.source_of(fields),
        checked_on=reader.checked(fields),
        where=node.where,
        price_list=base,
        service_tiers=tiers,
        volume=_volume(fields["volume_tiers"]) if "volume_tiers" in fields else None,
        allowance=_allowance(fields["free_per_month"]) if "free_per_month" in fields else None,
    )


def _negotiated(node: Located, reader: _DatedReader) -> Negotiated:
    fields = node.fields((*DATED_KEYS, "models", "multiplier"), required=("valid_from", "multiplier"))
    valid_from, valid_to, known_from = reader.times(node, fields)
    return Negotiated(
        multiplier=amount(fields["multiplier"]),
        models=words(fields["models"]) if "models" in fields else (),
        valid_from=valid_from,
        valid_to=valid_to,
        known_from=known_from,
        source=reader.source_of(fields),
        where=node.where,
    )


def _price_list(fields: dict[str, Located], home: ZoneInfo, fee: Decimal) -> PriceList:
    prices = _prices(fields, fee)
    tiers = _context_tiers(fields["context_tiers"], prices.per_request) if "context_tiers" in fields else ()
    windows = (
        tuple(_window(item, home, prices.per_request) for item in fields["windows"].items())
        if "windows" in fields
        else ()
    )
    return PriceList(prices, tiers, windows)


def _prices(fields: dict[str, Located], fee: Decimal) -> Prices:
    per_mtok = _per_class(fields["per_mtok"]) if "per_mtok" in fields else (None, None, None, None)
    return Prices(per_mtok, amount(fields["per_request"]) if "per_request" in fields else fee)


def _per_class(node: Located) -> PerClass:
    fields = node.fields(TOKEN_CLASSES)
    if not fields:
        node.fail("no token class is priced here", remedy=f"name at least one of {', '.join(TOKEN_CLASSES)}")
    found: dict[str, Decimal] = {}
    for name in TOKEN_CLASSES:
        if name not in fields:
            continue
        if isinstance(fields[name].value, dict):
            found[name] = _same_as(name, fields[name], found)
        else:
            found[name] = amount(fields[name])
    return (
        found.get("uncached_input"),
        found.get("cached_input"),
        found.get("cache_write"),
        found.get("output"),
    )


def _same_as(name: str, node: Located, found: dict[str, Decimal]) -> Decimal:
    target = node.fields(("same_as",), required=("same_as",))["same_as"]
    if name not in ("cached_input", "cache_write") or target.text() != "uncached_input":
        target.fail("only cached_input and cache_write can be the same as uncached_input")
    if "uncached_input" not in found:
        target.fail("uncached_input has no price here to be the same as")
    return found["uncached_input"]


def _change(node: Located, fields: dict[str, Located], own: Callable[[], T]) -> T | Decimal:
    has_own = "per_mtok" in fields or "per_request" in fields
    if has_own == ("multiplier" in fields):
        node.fail("give either a multiplier or prices of its own (per_mtok, per_request)")
    return own() if has_own else amount(fields["multiplier"])


def _context_tiers(node: Located, fee: Decimal) -> tuple[ContextTier, ...]:
    tiers: list[ContextTier] = []
    for item in node.items():
        fields = item.fields(
            ("above_input_tokens", "multiplier", "per_mtok", "per_request"), required=("above_input_tokens",)
        )
        threshold = count(fields["above_input_tokens"])
        if tiers and threshold <= tiers[-1].above_input_tokens:
            item.fail("context tiers must rise", remedy="order them by above_input_tokens, each once")
        tiers.append(ContextTier(threshold, _change(item, fields, lambda f=fields: _prices(f, fee))))
    return tuple(tiers)


def _window(node: Located, home: ZoneInfo, fee: Decimal) -> tuple[Window, PriceList | Decimal]:
    fields = node.fields(WINDOW_KEYS, required=("name", "from", "to"))
    start, end = clock_second(fields["from"]), clock_second(fields["to"])
    if start in (DAY_SECONDS, end):
        node.fail("the window is empty", remedy='for the whole day write from "00:00" to "24:00"')
    weekdays: frozenset[int] | None = None
    if "weekdays" in fields:
        names = [one_of(item, WEEKDAYS) for item in fields["weekdays"].items()]
        weekdays = frozenset(WEEKDAYS.index(name) for name in names)
    if "context_tiers" in fields and "multiplier" in fields:
        node.fail(
            "a window with a multiplier keeps the context tiers it stands on", remedy="remove context_tiers"
        )
    first = day(fields["first_day"]) if "first_day" in fields else None
    last = day(fields["last_day"]) if "last_day" in fields else None
    if first and last and last < first:
        node.fail("last_day is before first_day")
    window = Window(
        name=fields["name"].text(),
        start_second=start,
        end_second=end if end else DAY_SECONDS,
        zone=zone(fields["time_zone"]) if "time_zone" in fields else home,
        weekdays=weekdays,
        first_day=first,
        last_day=last,
    )
    return window, _change(node, fields, lambda: _price_list(fields, home, fee))


def _service_tiers(
    node: Located, home: ZoneInfo, base: PriceList
) -> tuple[tuple[str, PriceList | Decimal], ...]:
    tiers: list[tuple[str, PriceList | Decimal]] = []
    for name, item in node.names():
        if name in STANDARD_TIERS:
            item.fail(f"{name!r} is the price list itself, not a service tier")
        fields = item.fields(("multiplier", *LIST_KEYS))
        if "multiplier" in fields and ("context_tiers" in fields or "windows" in fields):
            item.fail("a tier with a multiplier keeps the context tiers and windows it stands on")
        own = _change(item, fields, lambda f=fields: _price_list(f, home, base.prices.per_request))
        tiers.append((name, own))
    return tuple(tiers)


def _volume(node: Located) -> VolumeTiers:
    fields = node.fields(("mode", "tiers"), required=("mode", "tiers"))
    tiers: list[VolumeTier] = []
    for item in fields["tiers"].items():
        inner = item.fields(("above_tokens", "multiplier", "per_mtok"), required=("above_tokens",))
        threshold = count(inner["above_tokens"])
        if threshold == 0 or (tiers and threshold <= tiers[-1].above_tokens):
            item.fail(
                "volume tiers must rise from above zero", remedy="the entry's own prices hold below the first"
            )
        tiers.append(VolumeTier(threshold, _change(item, inner, lambda f=inner: _per_class(f["per_mtok"]))))
    if not tiers:
        node.fail("no volume tier is given")
    mode = cast("Literal['graduated', 'whole']", one_of(fields["mode"], ("graduated", "whole")))
    return VolumeTiers(mode, tuple(tiers))


def _allowance(node: Located) -> Allowance:
    fields = node.fields(("tokens", *TOKEN_CLASSES, "requests"))
    if "tokens" in fields and any(name in fields for name in TOKEN_CLASSES):
        node.fail("give free tokens of any class or free tokens per class, not both")

    def free(name: str) -> int:
        return count(fields[name]) if name in fields else 0

    per_class = (free("uncached_input"), free("cached_input"), free("cache_write"), free("output"))
    return Allowance(free("tokens"), per_class, free("requests"))
