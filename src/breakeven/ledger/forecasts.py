"""Forecasts that were made, kept as they were made: so that they can be scored when the months have come.

One line of JSON a forecast, in `forecasts/kept.jsonl` of the books, only ever appended, never pruned. The
same forecast made again from the same facts and choices is not written twice, whatever day it is and whatever
else was asked for beside it: the first stays. A last line
that a killed process tore off does not count; any other that cannot be read is an error that names it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import Any

from breakeven.errors import BreakevenError, InputError
from breakeven.ledger.lock import cannot_write, hold

PLACE = Path("forecasts", "kept.jsonl")
_DIGITS = 9
"""Significant digits kept of a modelled number: the last ones differ between machines and mean nothing."""


@dataclass(frozen=True)
class Forecast:
    """One number that was foretold.

    `kind` is what (`retention`, `ltv`, `payback`), `segment` whose (a channel, or empty for all), `cohort`
    the month the users came (`2024-03`, empty for all), `unit` that of `value`. `age` is the last month that
    counts, in months after that one: for `ltv` up to and including it, for `payback` the last of the horizon.
    `facts_to` is the last day of the facts it was made from; `basis` names those facts and the choices made
    (see `basis_of`). `value` is None where the answer was "not within the horizon"; so is a bound beyond it.
    """

    made_on: date
    facts_to: date
    kind: str
    model: str
    segment: str
    cohort: str
    age: int
    value: float | None
    low: float | None
    high: float | None
    level: float
    unit: str
    basis: str = ""

    @property
    def identity(self) -> tuple[object, ...]:
        """What is foretold, by what and from what, but not the number: other draws are no other forecast."""
        return (
            self.facts_to, self.kind, self.model, self.segment, self.cohort, self.age, self.level, self.unit,
            self.basis,
        )  # fmt: skip

    @property
    def key(self) -> str:
        """A short name for it."""
        return hashlib.sha256(repr(self.identity).encode()).hexdigest()[:20]


@dataclass(frozen=True)
class Kept:
    """What came of keeping forecasts: how many were new, how many the books hold, and what went wrong."""

    new: int
    total: int
    problem: BreakevenError | None = None


def basis_of(facts: Mapping[str, Any]) -> str:
    """A fingerprint of facts and choices, given as anything JSON can write, whatever their order.

    >>> basis_of({"seed": 1, "users": [10, 8]}) == basis_of({"users": [10, 8], "seed": 1})
    True
    """
    said = json.dumps(facts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def kept_forecasts(folder: Path) -> list[Forecast]:
    """Every forecast kept in a books folder, in the order made.

    Raises `InputError` that names the file and the line where one cannot be read.
    """
    return _content(folder).kept


def first_of_each(forecasts: Iterable[Forecast]) -> list[Forecast]:
    """Forecasts without those of an identity that came before.

    >>> day = date(2024, 8, 31)
    >>> one = Forecast(day, day, "ltv", "BdW", "", "2024-03", 12, 9.0, 8.0, 10.0, 0.8, "CNY/user")
    >>> [each.value for each in first_of_each([one, replace(one, value=9.1), replace(one, age=13)])]
    [9.0, 9.0]
    """
    found: dict[tuple[object, ...], Forecast] = {}
    for one in forecasts:
        found.setdefault(one.identity, one)
    return list(found.values())


def keep_forecasts(folder: Path, forecasts: Iterable[Forecast]) -> Kept:
    """Append the forecasts that are not kept yet, all of them or none.

    A forecast is worth having even where it cannot be kept (a read-only folder, a full disk, a damaged
    file): then nothing is written, and `problem` says why. Raises `ValueError` for what is no forecast.
    """
    asked = list(dict.fromkeys(rounded(one) for one in forecasts))
    path = folder / PLACE
    try:
        if not asked:
            return Kept(0, len(kept_forecasts(folder)))
        path.parent.mkdir(exist_ok=True)
        with hold(path.parent / ".lock"):
            content = _content(folder)
            known = {one.identity for one in content.kept}
            new = [one for one in first_of_each(asked) if one.identity not in known]
            if new:
                _append(path, content, b"".join(_written(one) for one in new))
    except OSError as error:
        return Kept(0, 0, cannot_write(folder, error))
    except BreakevenError as error:
        return Kept(0, 0, error)
    return Kept(len(new), len(content.kept) + len(new))


def rounded(one: Forecast) -> Forecast:
    """A forecast as it is kept. Raises `ValueError` where a value or bound is not finite.

    >>> day = date(2024, 8, 31)
    >>> rounded(Forecast(day, day, "ltv", "BdW", "", "2024-03", 12, 1 / 3, 0.0, None, 0.8, "CNY/user")).value
    0.333333333
    """

    def figure(value: float | None) -> float | None:
        if value is None:
            return None
        if not math.isfinite(value):
            raise ValueError(f"{value} cannot be a forecast of {one.kind} for {one.cohort}")
        return float(f"{value:.{_DIGITS}g}")

    return replace(
        one, age=int(one.age), value=figure(one.value), low=figure(one.low), high=figure(one.high),
        level=float(one.level),
    )  # fmt: skip


@dataclass(frozen=True)
class _Content:
    """The file: its forecasts, where its whole lines end, and whether the last one only lacks its newline."""

    kept: list[Forecast]
    end: int
    is_cut: bool


def _content(folder: Path) -> _Content:
    path = folder / PLACE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return _Content([], 0, is_cut=False)
    except OSError as error:
        raise InputError("the kept forecasts cannot be read", where=str(path), cause=str(error)) from error
    *lines, rest = content.split(b"\n")
    kept = [_read(folder, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    end = len(content) - len(rest)
    try:
        # An editor may have taken only the newline; a torn line never reads as a whole forecast.
        return _Content([*kept, _parsed(rest)], end, is_cut=True)
    except _UNREADABLE:
        return _Content(kept, end, is_cut=False)


def _append(path: Path, known: _Content, content: bytes) -> None:
    """Write behind the last whole line; a torn one goes. When the disk refuses, the file is as before."""
    with path.open("ab") as file:
        if known.is_cut:
            content = b"\n" + content
        else:
            file.truncate(known.end)
        before = file.seek(0, os.SEEK_END)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            file.truncate(before)
            raise


def _written(one: Forecast) -> bytes:
    """A forecast as a line. Raises `ValueError` for one that would not read back."""
    said = {field.name: getattr(one, field.name) for field in fields(one)}
    line = json.dumps(said, default=str, ensure_ascii=False, allow_nan=False).encode()
    if _parsed(line) != one:
        raise ValueError(f"{one} would not read back")
    return line + b"\n"


_MONTH = re.compile(r"[12]\d{3}-(0[1-9]|1[0-2])")
_OLDEST = 1200
_TEXTS = ("kind", "model", "segment", "cohort", "unit", "basis")
_FIGURES = ("value", "low", "high")
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


def _read(folder: Path, number: int, line: bytes) -> Forecast:
    try:
        return _parsed(line)
    except _UNREADABLE as error:
        cause = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(
            "a kept forecast cannot be read", where=f"{folder / PLACE}:{number}", cause=cause,
            remedy="restore the line from a backup, or take it out",
        ) from error  # fmt: skip


def _parsed(line: bytes) -> Forecast:
    raw: dict[str, Any] = json.loads(line)
    made_on, facts_to = date.fromisoformat(raw.pop("made_on")), date.fromisoformat(raw.pop("facts_to"))
    for name in _TEXTS:
        if not isinstance(raw.setdefault(name, "") if name == "basis" else raw[name], str):
            raise TypeError(f"{name} is not a text")
    for name in _FIGURES:
        raw[name] = _figure(name, raw[name])
    level = _figure("level", raw.pop("level"))
    if level is None or not 0 < level < 1:
        raise ValueError("level is not a share between 0 and 1")
    if type(raw["age"]) is not int or not 0 <= raw["age"] <= _OLDEST:
        raise ValueError("age is not a number of months")
    if raw["cohort"] and not _MONTH.fullmatch(raw["cohort"]):
        raise ValueError("cohort is not a month such as 2024-03")
    return Forecast(made_on, facts_to, level=level, **raw)


def _figure(name: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is not a finite number")
    return float(value)
