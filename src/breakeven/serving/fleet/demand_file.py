"""Demand from a CSV file: one row per hour and model.

    at,                    model, uncached_input_tokens, cached_input_tokens, output_tokens
    2026-03-01T00:00:00Z,  v3,    11000000,              14000000,            7000000

Rows are in order of time, without gaps and without repetition: a missing hour is not an hour without traffic,
for which a row says 0. Times carry their distance from UTC.
"""

from __future__ import annotations

import csv
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from math import isfinite
from pathlib import Path

import numpy as np

from breakeven.errors import InputError
from breakeven.serving.fleet.demand import ONE_HOUR, TOKEN_CLASSES, HourlyDemand
from breakeven.serving.fleet.read_number import MOST

_COLUMNS = tuple(f"{name}_tokens" for name in TOKEN_CLASSES)
_OTHER_SEPARATORS = (";", "\t", "|")


@dataclass(frozen=True)
class _Row:
    where: str
    at: datetime
    """With the file's own distance from UTC, in which messages repeat it."""
    model: str
    tokens: tuple[float, ...]


def read_demand(path: Path, default_model: str = "") -> HourlyDemand:
    """Read hourly tokens. Rows without a model are of `default_model`.

    Raises `InputError` with file and row: columns that are missing, times without a zone or not a whole
    number of hours apart, hours that are unsorted, repeated or missing, counts that are negative or no
    numbers.
    """
    rows = list(_rows(path, default_model))
    if not rows:
        raise InputError("the file has no hours", where=str(path), remedy="write a row for each hour")
    models = tuple(dict.fromkeys(row.model for row in rows))
    series = {model: [row for row in rows if row.model == model] for model in models}
    for found in series.values():
        _check_order(found)
    start = rows[0].at
    end = max(found[-1].at for found in series.values()) + ONE_HOUR
    for model, found in series.items():
        if (found[0].at, found[-1].at + ONE_HOUR) != (start, end):
            raise InputError(
                f"{model} has hours from {_said(found[0].at)} to {_said(found[-1].at)}, others from"
                f" {_said(start)} to {_said(end - ONE_HOUR)}",
                where=found[0].where,
                cause="a missing hour is not an hour without traffic",
                remedy="give every model the same hours, with 0 where there was no traffic",
            )
    tokens = np.array([[row.tokens for row in series[model]] for model in models]).transpose(1, 0, 2)
    return HourlyDemand(start.astimezone(UTC), models, tokens)


def _rows(path: Path, default_model: str) -> Iterator[_Row]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "cannot read this file", where=str(path), cause=str(error), remedy="give a UTF-8 CSV file"
        ) from None
    reader = csv.DictReader(text.splitlines(), skipinitialspace=True)
    try:
        yield from _read(reader, path, default_model)
    except csv.Error as error:
        raise InputError(
            "this is not a table of hours",
            where=f"{path}:{reader.line_num or 1}",
            cause=str(error),
            remedy=f"name the columns at, model, {', '.join(_COLUMNS)}",
        ) from None


def _read(reader: csv.DictReader[str], path: Path, default_model: str) -> Iterator[_Row]:
    names = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = names
    needed = {"at", *_COLUMNS} if default_model else {"at", "model", *_COLUMNS}
    missing = sorted(needed - set(names) - {"cached_input_tokens"})
    if missing:
        raise InputError(
            f"the column {missing[0]!r} is missing",
            where=f"{path}:1",
            cause=_other_separator(names),
            remedy=f"name the columns at, model, {', '.join(_COLUMNS)}",
        )
    for row in reader:
        where = f"{path}:{reader.line_num}"
        yield _Row(
            where,
            _instant(row["at"] or "", where),
            (row.get("model") or "").strip() or default_model,
            tuple(_count(row.get(name, "0") or "", name, where) for name in _COLUMNS),
        )


def _other_separator(names: list[str]) -> str:
    """Why a header has one column only, if another separator says so."""
    for mark in _OTHER_SEPARATORS if len(names) == 1 else ():
        if mark in names[0]:
            return f"the columns are separated by {mark!r}, not by commas"
    return ""


def _instant(text: str, where: str) -> datetime:
    try:
        at = datetime.fromisoformat(text.strip())
        at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InputError(
            f"cannot read the time {reprlib.repr(text)}", where=where, remedy="write 2026-03-01T00:00:00Z"
        ) from None
    if at.tzinfo is None:
        raise InputError(
            f"the time {text.strip()} has no time zone",
            where=where,
            cause="the same clock time is another hour in another zone, and occurs twice when clocks go back",
            remedy="write its distance from UTC: 2026-03-01T00:00:00+08:00, or Z for UTC",
        )
    return at


def _count(text: str, column: str, where: str) -> float:
    try:
        value = float(text.strip().replace("_", ""))
    except ValueError:
        value = float("nan")
    if not isfinite(value) or value < 0:
        raise InputError(
            f"{column} cannot be {reprlib.repr(text.strip())}",
            where=where,
            remedy="write a count of tokens from zero up",
        )
    if value > MOST:
        raise InputError(
            f"{column} of {value:.3g} is beyond every fleet",
            where=where,
            remedy=f"write a number up to {MOST:.0e}",
        )
    return value


def _check_order(rows: list[_Row]) -> None:
    """Hours of one model: each is one hour after the one before it."""
    for before, row in pairwise(rows):
        apart = row.at - before.at
        if apart == ONE_HOUR:
            continue
        if apart == ONE_HOUR * 0:
            what = f"the hour {_said(row.at)} of {row.model} is repeated"
            remedy = "add the two rows up"
        elif apart < ONE_HOUR * 0:
            what = f"the hours of {row.model} are not sorted: {_said(row.at)} after {_said(before.at)}"
            remedy = "sort the rows by time"
        elif apart % ONE_HOUR:
            what = f"{_said(row.at)} is not a whole number of hours after {_said(before.at)}"
            remedy = "give whole hours"
        else:
            gap = before.at + ONE_HOUR
            what = f"the hour {_said(gap)} of {row.model} is missing"
            remedy = "add it, with 0 if there was no traffic"
        raise InputError(what, where=row.where, remedy=remedy)


def _said(at: datetime) -> str:
    return at.isoformat(timespec="minutes").replace("+00:00", "Z")
