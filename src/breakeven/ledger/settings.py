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
from breakeven.ledger.tables import TABLES
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


REPORT_SOURCES = ("openai_usage", "anthropic_usage")


@dataclass(frozen=True)
class MatchRule:
    """Rows of two sources are one request when these columns agree and their times lie this close."""

    columns: tuple[str, ...]
    within_seconds: int = 0


@dataclass(frozen=True)
class Matching:
    """How a request that several sources saw is counted once.

    Of rows with one provider and response id, the one whose source stands first in `precedence` counts
    (sources not named come after, by name). `rules` are declared beside it, for sources without response ids.
    `reports` are a provider's own totals: they count only for days of a provider that no other source covers.
    """

    precedence: tuple[str, ...] = ()
    rules: tuple[MatchRule, ...] = ()
    reports: tuple[str, ...] = REPORT_SOURCES


@dataclass(frozen=True)
class CloseLimits:
    """What a month must keep to be closed: shares of its days, its tokens, its bills."""

    coverage: Decimal = Decimal(1)
    unpriced: Decimal = Decimal("0.01")
    unexplained: Decimal = Decimal("0.005")
    errors: Decimal = Decimal("0.05")


@dataclass(frozen=True)
class Settings:
    """The settings of one set of books.

    `own_providers` are names under which our own GPUs serve (their usage has a fleet cost, not a buy price);
    `weights` spread that cost over token classes; `tolerance` is what `check` lets a bill differ by, as a
    share of the bill (None: nobody declared one); `not_applicable` names tables this company does not have,
    so that their absence means zero; `provenance` says how sure the rows themselves are; `price_currency`
    picks the list a provider bills us from when it has several; `pseudonymise` turns user and account ids
    into keyed hashes at the door, under the key with the fingerprint `pseudonym_key`.
    """

    name: str
    currency: str = "USD"
    time_zone: str = "UTC"
    synthetic: bool = False
    note_en: str = ""
    note_zh: str = ""
    own_providers: tuple[str, ...] = ()
    weights: Mapping[str, Decimal] = None  # type: ignore[assignment]
    tolerance: Decimal | None = None
    not_applicable: tuple[str, ...] = ()
    price_currency: Mapping[str, str] = None  # type: ignore[assignment]
    provenance: Provenance = "measured"
    close: CloseLimits = CloseLimits()
    matching: Matching = Matching()
    pseudonymise: bool = False
    pseudonym_key: str = ""

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


def settings_from(text: str, where: str) -> Settings:
    """Settings as a file's text gives them, whatever the environment says."""
    raw = tomllib.loads(text)
    raw.pop("schema_version", None)
    return _parse(raw, where)


def _parse(raw: dict[str, Any], where: str) -> Settings:
    serving: dict[str, Any] = raw.pop("serving", {})
    check: dict[str, Any] = raw.pop("check", {})
    coverage: dict[str, Any] = raw.pop("coverage", {})
    prices: dict[str, Any] = raw.pop("prices", {})
    close: dict[str, Any] = raw.pop("close", {})
    matching: dict[str, Any] = raw.pop("matching", {})
    privacy: dict[str, Any] = raw.pop("privacy", {})
    known = {"name", "currency", "time_zone", "synthetic", "note_en", "note_zh", "provenance"}
    for key, table, allowed in (
        ("", raw, known),
        ("serving.", serving, {"own_providers", "weights"}),
        ("check.", check, {"tolerance"}),
        ("coverage.", coverage, {"not_applicable"}),
        ("prices.", prices, {"currency"}),
        ("close.", close, {"coverage", "unpriced", "unexplained", "errors"}),
        ("matching.", matching, {"precedence", "rules", "reports"}),
        ("privacy.", privacy, {"pseudonymise", "key"}),
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
        tolerance=_decimal(check["tolerance"], where) if "tolerance" in check else None,
        not_applicable=tuple(coverage.get("not_applicable", ())),
        price_currency=dict(prices.get("currency", {})),
        close=CloseLimits(**{name: _decimal(value, where) for name, value in close.items()}),
        matching=_matching(matching, where),
        pseudonymise=privacy.get("pseudonymise", False) is True,
        pseudonym_key=str(privacy.get("key", "")),
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


def _matching(said: dict[str, Any], where: str) -> Matching:
    rules: list[MatchRule] = []
    for rule in said.get("rules", ()):
        columns = tuple(str(name) for name in rule.get("columns", ())) if isinstance(rule, dict) else ()
        allowed = {column.name for column in TABLES["usage"].columns} - {"at", "requests"}
        unknown = [name for name in columns if name not in allowed]
        if not columns or unknown:
            raise InputError(
                f"a matching rule needs columns of usage, and has {', '.join(unknown) or 'none'}",
                where=where,
                remedy='write rules = [{ columns = ["user_id", "model"], within_seconds = 5 }]',
            )
        rules.append(MatchRule(columns, int(_decimal(rule.get("within_seconds", 0), where))))
    return Matching(
        tuple(said.get("precedence", ())), tuple(rules), tuple(said.get("reports", REPORT_SOURCES))
    )


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
        "# A bill may differ from the books by this share before `breakeven check` fails. As long as",
        "# none is declared, every difference counts.",
        '# tolerance = "0.005"' if settings.tolerance is None else f'tolerance = "{settings.tolerance}"',
        "",
        "[close]",
        "# A month closes only with its days covered, and unpriced tokens and unexplained bills below:",
        f'coverage = "{settings.close.coverage}"',
        f'unpriced = "{settings.close.unpriced}"',
        f'unexplained = "{settings.close.unexplained}"',
        "# Bills explained by errors (not logged, counted twice, other price) also stay below this share.",
        f'errors = "{settings.close.errors}"',
        "",
        "[matching]",
        "# Which source counts when several saw one request, the first named first; see `breakeven matches`.",
        f"precedence = [{', '.join(_toml(name) for name in settings.matching.precedence)}]",
        f"reports = [{', '.join(_toml(name) for name in settings.matching.reports)}]",
        *_rule_lines(settings.matching.rules),
        "",
        "[privacy]",
        "# User and account ids become keyed hashes at the door; `key` names the key, which lies elsewhere.",
        f"pseudonymise = {str(settings.pseudonymise).lower()}",
        f"key = {_toml(settings.pseudonym_key)}",
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


def _rule_lines(rules: tuple[MatchRule, ...]) -> list[str]:
    if not rules:
        return ['# rules = [{ columns = ["user_id", "model"], within_seconds = 5 }]']
    written = (
        f"{{ columns = [{', '.join(map(_toml, rule.columns))}], within_seconds = {rule.within_seconds} }}"
        for rule in rules
    )
    return [f"rules = [{', '.join(written)}]"]


def _toml(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
