"""The package `genai-prices` as a second input: its dollar prices written out as rate cards in the books.

It is not the engine. Its prices are either dated or bound to a time of day, never both, and most have no date
at all; so the cards are marked `fallback` and are asked only where no other card knows the model. What a card
cannot say is left out and reported, never guessed:

- prices of other units (audio, images, searches, one-hour cache writes): text usage is priced without them;
- hours beside dates: they are read as belonging to the dated price before them in the package's list;
- names given by pattern: only the names that the pattern spells out become aliases.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from breakeven.errors import UsageError

if TYPE_CHECKING:
    from genai_prices.types import ConditionalPrice, ModelInfo, ModelPrice, Provider, TieredPrices

UNDATED = date(2000, 1, 1)
"""Start of prices to which the package gives no date."""
OUR_NAMES = {"moonshotai": "moonshot", "zhipuai": "zhipu"}
_TEXT_KEYS = ("input_mtok", "cache_read_mtok", "cache_write_mtok", "output_mtok")
_REQUESTS = "requests_kcount"


@dataclass(frozen=True)
class LeftOut:
    """Something of the package that a card cannot say."""

    provider: str
    model: str
    en: str
    zh: str


@dataclass
class ImportReport:
    """What an import wrote, and what it left out."""

    package_version: str
    paths: list[Path] = field(default_factory=list[Path])
    model_count: int = 0
    entry_count: int = 0
    left_out: list[LeftOut] = field(default_factory=list[LeftOut])


def import_genai_prices(
    folder: Path, checked_on: date, *, providers: Collection[str] = (), replace: bool = False
) -> ImportReport:
    """Write one card per provider, `genai-prices-PROVIDER.yaml`, into a folder.

    Raises `UsageError` when the package is absent, a provider is unknown to it, or a card would be
    overwritten without `replace`.
    """
    try:
        from genai_prices.data import providers as known

        package_version = version("genai-prices")
    except (ImportError, PackageNotFoundError):
        raise UsageError(
            "the package genai-prices is not installed", remedy="install breakeven[prices] and run this again"
        ) from None
    unknown = set(providers) - {provider.id for provider in known}
    if unknown:
        names = ", ".join(sorted(unknown))
        raise UsageError(
            f"genai-prices knows no provider {names}", remedy="leave --provider out to import all"
        )
    report = ImportReport(package_version)
    cards: list[tuple[Path, str]] = []
    for provider in known:
        if not providers or provider.id in providers:
            text = card_text(provider, checked_on, report)
            if text:
                cards.append((folder / f"genai-prices-{provider.id}.yaml", text))
    taken = [path for path, _ in cards if path.exists()]
    if taken and not replace:
        raise UsageError(f"{taken[0]} exists already", remedy="add --replace to write it anew")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in cards:
        path.write_text(text, encoding="utf-8")
        report.paths.append(path)
    return report


def card_text(provider: Provider, checked_on: date, report: ImportReport) -> str:
    """One provider's prices as the YAML of a rate card; empty when nothing of it can be said."""
    models: dict[str, Any] = {}
    taken: set[str] = set()
    for model in provider.models:
        names = [name for name in _names(model, provider) if name not in taken]
        entries = list(_entries(model, provider, checked_on, report)) if names else []
        if entries:
            taken.update(names)
            models[names[0]] = {**({"aliases": names[1:]} if names[1:] else {}), "prices": entries}
            report.model_count += 1
            report.entry_count += len(entries)
    if not models:
        return ""
    card: dict[str, Any] = {
        "provider": provider.id,
        "side": "buy",
        "currency": "USD",
        "time_zone": "UTC",
        "fallback": "true",
        "source": f"genai-prices {report.package_version}"
        + "".join(f", {url}" for url in provider.pricing_urls or ()),
        "checked_on": checked_on.isoformat(),
        "models": models,
    }
    if provider.id in OUR_NAMES:
        card["provider_aliases"] = [OUR_NAMES[provider.id]]
    return yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=110)


def _names(model: ModelInfo, provider: Provider) -> list[str]:
    """The model's id and the names its pattern spells out, as far as the package itself finds it by them."""
    found = [model.id, *_spelled_out(model.match)]
    return [name for name in dict.fromkeys(found) if provider.find_model(name) is model]


def _spelled_out(clause: object) -> Iterator[str]:
    for key in ("equals", "starts_with"):
        if isinstance(name := getattr(clause, key, None), str):
            yield name
    for inner in getattr(clause, "or_", ()):
        yield from _spelled_out(inner)


def _entries(
    model: ModelInfo, provider: Provider, checked_on: date, report: ImportReport
) -> Iterator[dict[str, Any]]:
    def leave_out(en: str, zh: str) -> None:
        report.left_out.append(LeftOut(provider.id, model.id, en, zh))

    from genai_prices.types import ModelPrice, TimeOfDateConstraint

    prices = model.prices
    conditional = [] if isinstance(prices, ModelPrice) else prices
    if any(isinstance(item.constraint, TimeOfDateConstraint) for item in conditional):
        if model.price_variants:
            leave_out("service tiers beside hours of the day", "按时段计价之外的服务等级")
        stretches = _stretches_with_hours(conditional)
    else:
        stretches = [(start, model.get_prices(_noon(start)), []) for start in _starts(model)]
    for start, standard, hours in stretches:
        block = _block(standard)
        other = _other_units(standard)
        if other:
            leave_out(f"prices of other units: {', '.join(other)}", f"其他单位的价格：{', '.join(other)}")
        if not block:
            leave_out("no text price", "没有文本价格")
            continue
        entry: dict[str, Any] = {"valid_from": start.isoformat(), **block}
        if start == UNDATED:
            entry["known_from"] = checked_on.isoformat()
        if hours:
            entry["windows"] = [window for item in reversed(hours) if (window := _window(item)) is not None]
        else:
            tiers = _service_tiers(model, start, standard)
            if tiers:
                entry["service_tiers"] = tiers
        yield entry


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), tzinfo=UTC)


def _starts(model: ModelInfo) -> list[date]:
    from genai_prices.types import ModelPrice, StartDateConstraint

    conditional = [] if isinstance(model.prices, ModelPrice) else model.prices
    constraints = [item.constraint for item in [*conditional, *(model.price_variants or [])]]
    dated = {item.start_date for item in constraints if isinstance(item, StartDateConstraint)}
    return sorted({UNDATED} | dated)


def _stretches_with_hours(
    conditional: list[ConditionalPrice],
) -> list[tuple[date, ModelPrice, list[ConditionalPrice]]]:
    from genai_prices.types import StartDateConstraint, TimeOfDateConstraint

    stretches: list[tuple[date, ModelPrice, list[ConditionalPrice]]] = []
    for item in conditional:
        if isinstance(item.constraint, TimeOfDateConstraint) and stretches:
            stretches[-1][2].append(item)
        else:
            dated = isinstance(item.constraint, StartDateConstraint)
            stretches.append((item.constraint.start_date if dated else UNDATED, item.prices, []))  # pyright: ignore
    return stretches


def _window(item: ConditionalPrice) -> dict[str, Any] | None:
    block = _block(item.prices)
    start, end = getattr(item.constraint, "start_time", None), getattr(item.constraint, "end_time", None)
    if not block or not isinstance(start, time) or not isinstance(end, time):
        return None
    first, last = _utc_clock(start), _utc_clock(end)
    return {"name": f"{first}-{last} UTC", "from": first, "to": last, **block}


def _utc_clock(at: time) -> str:
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return f"{datetime.combine(date(2000, 1, 1), aware).astimezone(UTC):%H:%M:%S}"


def _service_tiers(model: ModelInfo, start: date, standard: ModelPrice) -> dict[str, Any]:
    tiers: dict[str, Any] = {}
    for variant in model.price_variants or ():
        if len(variant.when) == 1:
            ((key, value),) = variant.when.items()
            resolved = model.get_prices(_noon(start), {key: value})
            if (
                key in ("service_tier", "processing")
                and value not in ("default", "standard")
                and resolved != standard
            ):
                tiers[value] = _block(resolved)
    return tiers


def _block(prices: ModelPrice) -> dict[str, Any]:
    """Prices of text tokens and requests, with context tiers; cached tokens without a price cost as input."""
    stored = {key: value for key in (*_TEXT_KEYS, _REQUESTS) if (value := getattr(prices, key)) is not None}
    if "input_mtok" not in stored and "output_mtok" not in stored:
        return {}
    thresholds = sorted({tier.start for value in stored.values() for tier in getattr(value, "tiers", ())})
    block = _prices_at(stored, 0)
    if thresholds:
        block["context_tiers"] = [
            {"above_input_tokens": mark, **_prices_at(stored, mark + 1)} for mark in thresholds
        ]
    return block


def _prices_at(stored: dict[str, Any], input_tokens: int) -> dict[str, Any]:
    per_mtok: dict[str, Any] = {}
    for key, name in zip(
        _TEXT_KEYS, ("uncached_input", "cached_input", "cache_write", "output"), strict=True
    ):
        if key in stored:
            per_mtok[name] = _plain(_at(stored[key], input_tokens))
        elif name != "output" and "input_mtok" in stored:
            per_mtok[name] = {"same_as": "uncached_input"}
    block: dict[str, Any] = {"per_mtok": per_mtok}
    if _REQUESTS in stored:
        block["per_request"] = _plain(_at(stored[_REQUESTS], input_tokens) / 1000)
    return block


def _at(price: Decimal | TieredPrices, input_tokens: int) -> Decimal:
    if isinstance(price, Decimal):
        return price
    reached = [tier.price for tier in price.tiers if input_tokens > tier.start]
    return reached[-1] if reached else price.base


def _plain(price: Decimal) -> str:
    return f"{price.normalize():f}"


def _other_units(prices: ModelPrice) -> list[str]:
    return sorted(
        key
        for key, value in prices.__dict__.items()
        if value is not None and key not in (*_TEXT_KEYS, _REQUESTS)
    )
