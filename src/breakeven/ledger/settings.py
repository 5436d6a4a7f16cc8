"""`breakeven.toml`: what is true of a whole company's books (name, currency, time zone, serving weights).

Read in this order, the later winning: the file, then environment (`BREAKEVEN_CURRENCY`, ...), then flags.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal, get_args

from breakeven.errors import BooksError, InputError
from breakeven.money import minor_units
from breakeven.periods import time_zone

SCHEMA_VERSION = 2
Provenance = Literal["measured", "modelled", "published", "assumed"]
FILE_NAME = "breakeven.toml"

DEFAULT_WEIGHTS = {
    "uncached_input": Decimal(1),
    "cached_input": Decimal("0.1"),
    "cache_write": Decimal(1),
    "output": Decimal(4),
}
"""How much of the fleet's cost one token of each class bears, until a measurement says better."""


@dataclass(frozen=True)
class Settings:
    """The settings of one set of books.

    `own_providers` are names under which our own GPUs serve (their usage has a fleet cost, not a buy
    price); `weights` spread that cost over token classes; `tolerance` is what `check` lets a bill differ
    by, as a share of the bill; `not_applicable` names tables this company does not have, so that their
    absence means zero; `provenance` says how sure the rows themselves are; `price_currency` picks the list
    a provider bills us from when it has several.
    """

    name: str
    currency: str = "USD"
    time_zone: str = "UTC"
    synthetic: bool = False
    note_en: str = ""
    note_zh: str = ""
    own_providers: tuple[str, ...] = ()
    weights: Mapping[str, Decimal] = None  # type: ignore[assignment]
    tolerance: Decimal = Decimal("0.005")
    not_applicable: tuple[str, ...] = ()
    price_currency: Mapping[str, str] = None  # type: ignore[assignment]
    provenance: Provenance = "measured"

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", dict(self.weights or DEFAULT_WEIGHTS))
        object.__setattr__(self, "price_currency", dict(self.price_currency or {}))


def schema_version(folder: Path) -> int:
    """Which version of the tables the books in a folder have; that of this program when they do not say."""
    try:
        said = tomllib.loads((folder / FILE_NAME).read_text("utf-8")).get("schema_version", 1)
    except (OSError, ValueError):
        return SCHEMA_VERSION  # reading the settings in earnest says what is wrong with them
    return said if isinstance(said, int) else SCHEMA_VERSION


def read_settings(folder: Path) -> Settings:
    """The settings of the books in a folder. Raises `BooksError` when there are none or they are newer."""
    path = folder / FILE_NAME
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise BooksError(
            "no books here",
            where=str(folder),
            cause=f"there is no {FILE_NAME}",
            remedy=f"run `breakeven init {folder}` or name another folder",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError("settings cannot be read", where=str(path), cause=str(error)) from error
    version = raw.pop("schema_version", 1)
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise BooksError(
            f"these books have schema version {version}, this program knows {SCHEMA_VERSION}",
            where=str(path),
            cause="they were written by a newer Breakeven",
            remedy="upgrade Breakeven",
        )
    return _with_environment(_parse(raw, str(path)))


def _parse(raw: dict[str, Any], where: str) -> Settings:
    serving: dict[str, Any] = raw.pop("serving", {})
    check: dict[str, Any] = raw.pop("check", {})
    coverage: dict[str, Any] = raw.pop("coverage", {})
    prices: dict[str, Any] = raw.pop("prices", {})
    known = {"name", "currency", "time_zone", "synthetic", "note_en", "note_zh", "provenance"}
    for key, table, allowed in (
        ("", raw, known),
        ("serving.", serving, {"own_providers", "weights"}),
        ("check.", check, {"tolerance"}),
        ("coverage.", coverage, {"not_applicable"}),
        ("prices.", prices, {"currency"}),
    ):
        for name in table:
            if name not in allowed:
                raise InputError(
                    f"unknown setting {key}{name}", where=where, remedy=f"known: {', '.join(sorted(allowed))}"
                )
    weights = {name: _decimal(value, where) for name, value in serving.get("weights", {}).items()}
    for name in weights:
        if name not in DEFAULT_WEIGHTS:
            raise InputError(
                f"unknown token class {name!r} in serving.weights",
                where=where,
                remedy=f"use {', '.join(DEFAULT_WEIGHTS)}",
            )
    settings = Settings(
        **{key: raw[key] for key in known if key in raw},
        own_providers=tuple(serving.get("own_providers", ())),
        weights=weights,
        tolerance=_decimal(check.get("tolerance", "0.005"), where),
        not_applicable=tuple(coverage.get("not_applicable", ())),
        price_currency=dict(prices.get("currency", {})),
    )
    minor_units(settings.currency)
    time_zone(settings.time_zone)
    if settings.provenance not in get_args(Provenance):
        raise InputError(
            f"unknown provenance {settings.provenance!r}",
            where=where,
            remedy=f"use {', '.join(get_args(Provenance))}",
        )
    return settings


def _with_environment(settings: Settings) -> Settings:
    currency = os.environ.get("BREAKEVEN_CURRENCY")
    if currency:
        minor_units(currency)
        settings = replace(settings, currency=currency)
    return settings


def _decimal(value: object, where: str) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise InputError(f"{value!r} is not a number", where=where) from None
    if not number.is_finite() or number < 0:
        raise InputError(f"{value!r} must be a number of at least 0", where=where)
    return number


def write_settings(folder: Path, settings: Settings) -> None:
    """Write a new settings file."""
    lines = [
        f"schema_version = {SCHEMA_VERSION}",
        f"name = {_toml(settings.name)}",
        f"currency = {_toml(settings.currency)}",
        f"time_zone = {_toml(settings.time_zone)}  # days and months are cut here; fixed once rows are in",
        f"synthetic = {str(settings.synthetic).lower()}",
        f"note_en = {_toml(settings.note_en)}",
        f"note_zh = {_toml(settings.note_zh)}",
        f"provenance = {_toml(settings.provenance)}  # measured, published, modelled or assumed figures",
        "",
        "[serving]",
        "# Names under which our own GPUs serve, and what one token of each class bears of their cost.",
        f"own_providers = [{', '.join(_toml(name) for name in settings.own_providers)}]",
        "weights = { " + ", ".join(f'{key} = "{value}"' for key, value in settings.weights.items()) + " }",
        "",
        "[check]",
        "# A bill may differ from the books by this share before `breakeven check` fails.",
        f'tolerance = "{settings.tolerance}"',
        "",
        "[coverage]",
        "# Tables this company does not have: their absence then means zero instead of unknown.",
        f"not_applicable = [{', '.join(_toml(name) for name in settings.not_applicable)}]",
        "",
        "[prices]",
        "# Which currency's list a provider bills us from, when it publishes several.",
        "currency = { "
        + ", ".join(f"{_toml(k)} = {_toml(v)}" for k, v in settings.price_currency.items())
        + " }",
        "",
    ]
    (folder / FILE_NAME).write_text("\n".join(lines), "utf-8")


def _toml(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
