"""What a closed month rests on, kept so that it can be computed again: settings, cards, rates, class costs.

Rates are kept as they were answered while the statement was computed, so that neither a new `fx.csv` nor a
new release of the bank's rates can change it. A question that was not asked then is answered by the `fx.csv`
of that time, and by the bank's rates after it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from breakeven.account.catalogue import METRICS
from breakeven.account.metrics import formula
from breakeven.ledger.class_costs import PLACE as CLASS_COSTS
from breakeven.ledger.class_costs import ClassCosts, class_costs_from
from breakeven.ledger.closings import Closings, sha256
from breakeven.ledger.settings import FILE_NAME, Settings, settings_from
from breakeven.pricing.fx import NoRate, Rate, Rates
from breakeven.pricing.located_yaml import parse_yaml
from breakeven.pricing.price_book import SHIPPED_FOLDER, SHIPPED_LAYER, PriceBook, card_files
from breakeven.pricing.rate_card import card_from

FX_FILE = "fx.csv"
Asked = tuple[bool, date, str, str]
"""Whether the month's average was asked, the day, base and quote currency."""

_COLUMNS = ("average", "day", "base", "quote", "rate", "of", "days", "source", "why", "why_zh")


@dataclass(frozen=True)
class Terms:
    """Everything beside the rows that decides a figure."""

    settings: Settings
    prices: PriceBook
    rates: Rates
    class_costs: ClassCosts


class RecordedRates(Rates):
    """Rates that remember every question and its answer."""

    def __init__(self, rates: Rates) -> None:
        super().__init__()
        self._rates = rates
        self.asked: dict[Asked, Rate | NoRate] = {}

    def rate(self, day: date, base: str, quote: str) -> Rate | NoRate:
        """The rate of a day, noted."""
        found = self.asked[False, day, base, quote] = self._rates.rate(day, base, quote)
        return found

    def month_average(self, month: date, base: str, quote: str) -> Rate | NoRate:
        """The mean of a month, noted."""
        found = self.asked[True, month, base, quote] = self._rates.month_average(month, base, quote)
        return found


class FrozenRates(Rates):
    """The answers of a `RecordedRates`; what was not asked then is looked up."""

    def __init__(self, asked: Mapping[Asked, Rate | NoRate], otherwise: Rates) -> None:
        super().__init__()
        self.asked, self._otherwise = dict(asked), otherwise

    def rate(self, day: date, base: str, quote: str) -> Rate | NoRate:
        """The rate of a day as it was answered."""
        known = self.asked.get((False, day, base, quote))
        return known if known is not None else self._otherwise.rate(day, base, quote)

    def month_average(self, month: date, base: str, quote: str) -> Rate | NoRate:
        """The mean of a month as it was answered."""
        known = self.asked.get((True, month, base, quote))
        return known if known is not None else self._otherwise.month_average(month, base, quote)


def rates_text(asked: Mapping[Asked, Rate | NoRate]) -> bytes:
    """Answers as CSV, in a fixed order."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for (average, day, base, quote), found in sorted(asked.items()):
        key = ["month" if average else "day", day.isoformat(), base, quote]
        if isinstance(found, NoRate):
            writer.writerow([*key, "", found.day.isoformat(), "", "", found.en, found.zh])
        else:
            answer = [f"{found.value:f}", found.day.isoformat(), found.days_averaged, found.source]
            writer.writerow([*key, *answer, "", ""])
    return text.getvalue().encode()


def rates_from(content: bytes) -> dict[Asked, Rate | NoRate]:
    """Answers back from their CSV.

    >>> rate = Rate("USD", "CNY", Decimal("7.10"), date(2024, 8, 1), "test")
    >>> asked = {(False, date(2024, 8, 3), "USD", "CNY"): rate}
    >>> rates_from(rates_text(asked)) == asked
    True
    """
    found: dict[Asked, Rate | NoRate] = {}
    for row in csv.DictReader(io.StringIO(content.decode(), newline="")):
        base, quote, of = row["base"], row["quote"], date.fromisoformat(row["of"])
        answer: Rate | NoRate = (
            Rate(base, quote, Decimal(row["rate"]), of, row["source"], int(row["days"]))
            if row["rate"]
            else NoRate(base, quote, of, row["why"], row["why_zh"])
        )
        found[row["average"] == "month", date.fromisoformat(row["day"]), base, quote] = answer
    return found


def present_terms(books: Path) -> dict[str, Any]:
    """What settings, cards and own rates are now, named by their contents; nothing is kept."""
    fx, settings, class_costs = books / FX_FILE, books / FILE_NAME, books / CLASS_COSTS
    return {
        "settings": sha256(settings.read_bytes()),
        "fx": sha256(fx.read_bytes()) if fx.is_file() else None,
        "class_costs": sha256(class_costs.read_bytes()) if class_costs.is_file() else None,
        "cards": [
            {"layer": layer, "name": path.name, "sha256": sha256(path.read_bytes())}
            for layer, path in _cards(books)
        ],
    }


def keep_terms(closings: Closings, asked: Mapping[Asked, Rate | NoRate]) -> dict[str, Any]:
    """Keep copies of the present terms; returns their names for the basis of a closing."""
    books = closings.books
    for path in [
        books / FILE_NAME,
        books / FX_FILE,
        books / CLASS_COSTS,
        *(path for _, path in _cards(books)),
    ]:
        if path.is_file():
            closings.keep(path.read_bytes())
    return present_terms(books) | {"rates": closings.keep(rates_text(asked))}


def kept_terms(closings: Closings, basis: Mapping[str, Any]) -> Terms:
    """The terms that a closing was computed under."""
    settings = settings_from(closings.kept(basis["settings"]).decode("utf-8-sig"), FILE_NAME)
    layers: dict[str, list[Any]] = {SHIPPED_LAYER: [], "prices": []}
    said: list[str] = []
    for card in basis["cards"]:
        text = closings.kept(card["sha256"]).decode("utf-8-sig")
        name = f"{card['layer']}:{card['name'].removesuffix('.yaml')}"
        layers[card["layer"]].append(card_from(parse_yaml(text, card["name"]), name))
        said.append(f"{card['layer']}:{card['name']}:{card['sha256']}")
    prices = PriceBook(
        list(layers.values()),
        preferred_currency=settings.price_currency,
        content=sha256("\n".join(said).encode()),
    )
    asked = rates_from(closings.kept(basis["rates"]))
    rates = FrozenRates(asked, _own_rates(closings, basis["fx"]))
    return Terms(settings, prices, rates, _class_costs(closings, basis))


def _class_costs(closings: Closings, basis: Mapping[str, Any]) -> ClassCosts:
    """Those of the time; months closed by a program that knew none had none."""
    name = basis.get("class_costs")
    return class_costs_from(closings.kept(name), str(CLASS_COSTS)) if name else ClassCosts()


def _own_rates(closings: Closings, fx: str | None) -> Rates:
    if fx is None:
        return Rates()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FX_FILE
        path.write_bytes(closings.kept(fx))
        return Rates.load(path)


def _cards(books: Path) -> list[tuple[str, Path]]:
    own = [("prices", path) for path in card_files(books / "prices")]
    return [(SHIPPED_LAYER, path) for path in card_files(SHIPPED_FOLDER)] + own


def definitions_digest() -> str:
    """A name for how figures are computed: the catalogue's trees, and the code of account and pricing."""
    said = [
        f"{metric.id}|{metric.unit}|{metric.additive}|{' '.join(metric.tables)}|"
        + (formula(metric.node) if metric.node is not None else "")
        for metric in METRICS.values()
    ]
    return sha256("\n".join([_code_digest(), *said]).encode())


@cache
def _code_digest() -> str:
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    rooms = [*package.glob("account/*.py"), *package.glob("pricing/*.py"), *package.glob("*.py")]
    for path in sorted(rooms):
        content = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{path.parent.name}/{path.name} {sha256(content)}\n".encode())
    return digest.hexdigest()
