"""Read a worked case: settings, prices, rows and what the account must state, as one YAML file.

Every scalar is read as text, so that an amount stays the digits somebody wrote.

- `rows`: per table, a list of rows or a small CSV table (spaces around cells do not count). Everything in a
  case is imported as it stands; a row without `source_id` gets one.
- `class_costs`: what a token takes, as a list of entries: GPU-seconds by class as text, no interval.
- `covers`: per table, the days its file covers, where that is more than its first to its last row.
- `expect`: per period, metrics. `12.50` is that amount; a ratio is compared at the decimals that are written;
  `no value: words` says that there is none, and words of the reason.
"""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from breakeven.account.account import Account, open_account
from breakeven.account.catalogue import METRICS, MONEY
from breakeven.account.metrics import Amount, Missing
from breakeven.ledger.class_costs import ClassCostEntry, GpuSeconds, record_class_cost
from breakeven.periods import ONE_DAY, Period

from .bookkeeping import book, new_books, write_card

FOLDER = Path(__file__).parents[1] / "cases"
KEYS = {
    "title",
    "books",
    "period",
    "currency",
    "cards",
    "fx",
    "class_costs",
    "rows",
    "covers",
    "expect",
    "why",
}
NO_VALUE = "no value: "


def read_case(path: Path) -> dict[str, Any]:
    case = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)
    assert case.keys() <= KEYS, f"{path.name}: unknown {case.keys() - KEYS}"
    return case


def open_case(case: dict[str, Any], folder: Path) -> Account:
    """Books with the rows of a case, opened as an account over its period."""
    settings = dict(case.get("books", {}))
    serving = {key: settings.pop(key) for key in ("own_providers", "weights") if key in settings}
    if "not_applicable" in settings:
        settings["coverage"] = {"not_applicable": settings.pop("not_applicable")}
    books = new_books(folder / "books", serving=serving, **settings)
    for name, card in case.get("cards", {}).items():
        write_card(books, name, card)
    if "fx" in case:
        (books.folder / "fx.csv").write_text(
            "".join(",".join(row) + "\n" for row in _cells(case["fx"])), "utf-8"
        )
    for entry in case.get("class_costs", ()):
        record_class_cost(books.folder, _class_cost(entry))
    covers = {table: Period.parse(text) for table, text in case.get("covers", {}).items()}
    for table, rows in case["rows"].items():
        period = covers.pop(table, None)
        book(books, table, _rows(rows), covers=(period.first, period.end - ONE_DAY) if period else None)
    assert not covers, f"covers without rows: {set(covers)}"
    return open_account(books, period=Period.parse(case["period"]), currency=case.get("currency"))


def _class_cost(said: dict[str, Any]) -> ClassCostEntry:
    seconds = {name: GpuSeconds.exact(text) for name, text in said["seconds"].items()}
    shares = {name: Decimal(said[name]) for name in ("prefill_derate", "decode_derate") if name in said}
    texts = {name: said[name] for name in ("provider", "model", "pool", "gpu", "source") if name in said}
    known_at = datetime.fromisoformat(said["known_at"]).replace(tzinfo=UTC)
    return ClassCostEntry(
        known_at, date.fromisoformat(said["valid_from"]), seconds=seconds, **texts, **shares
    )


def _rows(rows: str | list[dict[str, str]]) -> list[dict[str, str]]:
    if isinstance(rows, list):
        return rows
    header, *lines = _cells(rows)
    return [dict(zip(header, line, strict=True)) for line in lines]


def _cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line] for line in csv.reader(io.StringIO(text)) if line]


def stated(account: Account, metric: str, period: str, expected: str) -> str:
    """What the account states, written in the way the expectation is."""
    if period == "total":
        return written(account.total(metric), metric, expected)
    labels = [bucket.label for bucket in account.buckets.periods]
    return written(account.value(metric, labels.index(period)), metric, expected)


def written(amount: Amount, metric: str, expected: str) -> str:
    if isinstance(amount, Missing):
        words = expected.removeprefix(NO_VALUE)
        return NO_VALUE + (words if words in amount.en else amount.en)
    if expected.startswith(NO_VALUE):
        return str(amount)
    places = -int(Decimal(expected).as_tuple().exponent)
    if METRICS[metric].node is not None and METRICS[metric].unit != MONEY:
        return str(round(amount, places))
    # Amounts and counts are exact.
    return str(amount) if amount != Decimal(expected) else expected
