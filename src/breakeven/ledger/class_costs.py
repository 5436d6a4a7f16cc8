"""Class costs: how long our GPUs work for one token of each class of a model, as recorded in the books.

One line of JSON an entry, in `serving/class_costs.jsonl` of the books, only ever appended. An entry holds for
its model from a day on (`valid_from`), and was known from a moment on (`known_at`): what we believed then and
what is true now can both be asked. A later entry of the same model and day takes the place of the earlier
one. The serving room computes entries, or a person measured them; whoever allocates cost reads them here.

A last line that a killed process tore off does not count; any other that cannot be read is an error that
names it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from breakeven.errors import BooksError, InputError
from breakeven.ledger.lock import cannot_write, hold

PLACE = Path("serving", "class_costs.jsonl")
CLASSES = ("uncached_input", "cached_input", "cache_write", "output")
"""Token classes, in the order in which usage has them."""
SOURCES = ("modelled", "measured", "declared", "withdrawn")
"""Where an entry comes from; `withdrawn` says that no class cost holds from that day on."""
_DERATES = ("prefill_derate", "decode_derate")
_PROMISES = ("ttft_seconds", "tpot_seconds")
_DIGITS = 9
"""Significant digits kept of a GPU-second: the last ones of a model's float differ between machines."""


@dataclass(frozen=True)
class GpuSeconds:
    """GPU-seconds of one token, and the bounds of their 80 % interval. Exact decimals.

    >>> GpuSeconds.of(0.00012, 0.0001, 0.00015)
    GpuSeconds(value=Decimal('0.000120000000'), low=Decimal('0.000100000000'), high=Decimal('0.000150000000'))
    """

    value: Decimal
    low: Decimal
    high: Decimal

    @classmethod
    def of(cls, value: float, low: float | None = None, high: float | None = None) -> GpuSeconds:
        """From a model's floats, at nine digits; bounds that nobody gave are the value."""
        return cls(*(_rounded(value if each is None else each) for each in (value, low, high)))

    @classmethod
    def exact(cls, text: str | Decimal) -> GpuSeconds:
        """A figure that was measured or declared, without an interval."""
        return cls(Decimal(text), Decimal(text), Decimal(text))


NO_SECONDS = GpuSeconds(Decimal(0), Decimal(0), Decimal(0))


@dataclass(frozen=True)
class ClassCostEntry:
    """What one token of each class of a model takes, from a day on.

    `provider` and `model` are the names that usage has. `pool` is the pool of GPUs (of `capacity`) that
    serves it; empty where any may. `gpu` is the GPU that the seconds are of. Seconds are those at benchmark
    speed and at the latency promised, without idle; production does the share `prefill_derate` of it for
    input and `decode_derate` for output, so a token occupies seconds / derate. There is no price here: the
    books allocate at what a GPU-hour of the fleet cost in the month. `constants` names the version of the
    model's constants, `note` says what it was computed from. `architecture` is the name of what the model is,
    `ttft_seconds` and `tpot_seconds` are the latency promised; empty and None where nobody said, or there is
    no promise.
    """

    known_at: datetime
    valid_from: date
    provider: str
    model: str
    seconds: Mapping[str, GpuSeconds] = field(hash=False)
    pool: str = ""
    gpu: str = ""
    prefill_derate: Decimal = Decimal(1)
    decode_derate: Decimal = Decimal(1)
    constants: str = ""
    source: str = "modelled"
    note: str = ""
    architecture: str = ""
    ttft_seconds: Decimal | None = None
    tpot_seconds: Decimal | None = None

    @property
    def is_withdrawn(self) -> bool:
        """Whether it says that no class cost holds."""
        return self.source == "withdrawn"

    def derate(self, token_class: str) -> Decimal:
        """The share of benchmark speed that production reaches for a class."""
        return self.decode_derate if token_class == CLASSES[-1] else self.prefill_derate

    def benchmark_seconds(self, token_class: str, which: str = "value") -> Fraction:
        """GPU-seconds of a token at benchmark speed: the middle, `low` or `high`."""
        return Fraction(getattr(self.seconds.get(token_class, NO_SECONDS), which))

    def busy_seconds(self, token_class: str, which: str = "value") -> Fraction:
        """GPU-seconds for which a token occupies the fleet in production.

        >>> now = datetime(2024, 3, 1, tzinfo=UTC)
        >>> entry = ClassCostEntry(now, now.date(), "self", "large", {"output": GpuSeconds.exact("0.002")},
        ...     decode_derate=Decimal("0.8"))
        >>> entry.busy_seconds("output")
        Fraction(1, 400)
        """
        return self.benchmark_seconds(token_class, which) / Fraction(self.derate(token_class))

    @property
    def identity(self) -> tuple[object, ...]:
        """What is said, whenever it was said."""
        said = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "known_at"}
        seconds = tuple(self.seconds.get(name, NO_SECONDS) for name in CLASSES)
        return tuple((said | {"seconds": seconds}).values())


class ClassCosts:
    """The entries of some books, as known at a moment (all of them without one).

    >>> day = date(2024, 3, 1)
    >>> def entry(known: int, seconds: str) -> ClassCostEntry:
    ...     at = datetime(2024, 4, known, tzinfo=UTC)
    ...     return ClassCostEntry(at, day, "self", "large", {"output": GpuSeconds.exact(seconds)})
    >>> both = [entry(1, "0.001"), entry(9, "0.002")]
    >>> then = ClassCosts(both, datetime(2024, 4, 2, tzinfo=UTC)).of("self", "large", day)
    >>> now = ClassCosts(both).of("self", "large", day)
    >>> str(then.seconds["output"].value), str(now.seconds["output"].value)
    ('0.001', '0.002')
    >>> ClassCosts(both).of("self", "large", date(2024, 2, 28)) is None
    True
    """

    def __init__(self, entries: Iterable[ClassCostEntry] = (), known_at: datetime | None = None) -> None:
        self.entries = tuple(one for one in entries if known_at is None or one.known_at <= known_at)

    def __bool__(self) -> bool:
        return bool(self.entries)

    @cached_property
    def _by_model(self) -> dict[tuple[str, str], list[tuple[date, ClassCostEntry]]]:
        """For each model its entries by day, newest first, each day the one that was recorded last."""
        latest: dict[tuple[str, str], dict[date, ClassCostEntry]] = {}
        for entry in self.entries:
            latest.setdefault((entry.provider, entry.model), {})[entry.valid_from] = entry
        return {
            model: sorted(days.items(), key=lambda pair: pair[0], reverse=True)
            for model, days in latest.items()
        }

    def of(self, provider: str, model: str, day: date) -> ClassCostEntry | None:
        """The entry that holds for a model on a day; None where none does, or it was withdrawn."""
        for valid_from, entry in self._by_model.get((provider, model), ()):
            if valid_from <= day:
                return None if entry.is_withdrawn else entry
        return None

    def from_day(self, provider: str, model: str, day: date) -> ClassCostEntry | None:
        """The entry that was recorded last with exactly this first day, withdrawn or not."""
        found = dict(self._by_model.get((provider, model), ()))
        return found.get(day)


def read_class_costs(folder: Path, known_at: datetime | None = None) -> ClassCosts:
    """What the books in a folder have recorded; nothing where they have none.

    Raises `InputError` that names the file and the line where one cannot be read.
    """
    return ClassCosts(_content(folder).entries, known_at)


def class_costs_from(content: bytes, where: str) -> ClassCosts:
    """The same from a file's content."""
    return ClassCosts(_entries(content, where).entries)


def record_class_cost(folder: Path, entry: ClassCostEntry) -> bool:
    """Append an entry; False where the last one of its model and day says the same already.

    Raises `InputError` for an entry that cannot hold, `BooksError` where the books cannot be written.
    """
    checked(entry, "")
    entry = replace(entry, known_at=entry.known_at.astimezone(UTC))
    path = folder / PLACE
    try:
        path.parent.mkdir(exist_ok=True)
        with hold(path.parent / ".lock"):
            content = _content(folder)
            entries = content.entries
            known = ClassCosts(entries).from_day(entry.provider, entry.model, entry.valid_from)
            if known is not None and known.identity == entry.identity:
                return False
            if entries and entry.known_at < entries[-1].known_at:
                raise BooksError(
                    "the clock is behind the last class cost that was recorded", where=str(path),
                    cause=f"it was recorded at {entries[-1].known_at:%Y-%m-%dT%H:%M:%SZ}",
                    remedy="set the clock of this machine",
                )  # fmt: skip
            _append(path, content, written(entry))
    except OSError as error:
        raise cannot_write(folder, error) from error
    return True


def written(entry: ClassCostEntry) -> bytes:
    """An entry as a line.

    >>> now = datetime(2024, 3, 1, 8, tzinfo=UTC)
    >>> one = ClassCostEntry(now, now.date(), "self", "large", {"output": GpuSeconds.exact("0.002")})
    >>> class_costs_from(written(one), "here").entries == (replace(one, seconds=dict(one.seconds)),)
    True
    """
    said: dict[str, Any] = {each.name: getattr(entry, each.name) for each in fields(entry)}
    said["known_at"] = entry.known_at.astimezone(UTC).isoformat()
    said["seconds"] = {
        name: [f"{each:f}" for each in (given.value, given.low, given.high)]
        for name, given in entry.seconds.items()
    }
    for name in (*_DERATES, *_PROMISES):
        said[name] = None if said[name] is None else f"{said[name]:f}"
    return json.dumps(said, default=str, ensure_ascii=False).encode() + b"\n"


def checked(entry: ClassCostEntry, where: str) -> ClassCostEntry:
    """The entry itself. Raises `InputError` for one that cannot hold."""
    for name in ("provider", "model"):
        if not getattr(entry, name):
            raise InputError(
                f"a class cost needs its {name}", where=where, remedy="give the name that usage has"
            )
    if entry.source not in SOURCES:
        raise InputError(
            f"{entry.source!r} is no source of class costs", where=where, remedy=f"use {', '.join(SOURCES)}"
        )
    for name, given in entry.seconds.items():
        if name not in CLASSES:
            raise InputError(f"unknown token class {name!r}", where=where, remedy=f"use {', '.join(CLASSES)}")
        bounds = (given.low, given.value, given.high)
        if not all(each.is_finite() for each in bounds) or not 0 <= bounds[0] <= bounds[1] <= bounds[2]:
            raise InputError(
                f"GPU-seconds of {name} must be 0 or more and lie between their bounds", where=where,
                cause=f"{given.value} with {given.low} to {given.high}",
                remedy="give value, low and high in order",
            )  # fmt: skip
    if not entry.is_withdrawn and not any(each.value for each in entry.seconds.values()):
        raise InputError(
            "a class cost needs GPU-seconds above zero for one class at least", where=where,
            remedy="a token that is computed takes time",
        )  # fmt: skip
    for name in _PROMISES:
        promise: Decimal | None = getattr(entry, name)
        if promise is not None and not (promise.is_finite() and promise > 0):
            raise InputError(f"{name} is {promise}, which is no time", where=where, remedy="give seconds")
    for name in _DERATES:
        share: Decimal = getattr(entry, name)
        if not share.is_finite() or not 0 < share <= 1:
            raise InputError(
                f"{name} is {share}, which is no share of benchmark speed", where=where,
                remedy="give a share above 0 and up to 1, which is benchmark speed",
            )  # fmt: skip
    return entry


_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, InvalidOperation, RecursionError)


@dataclass(frozen=True)
class _Content:
    """The file: its entries, where its whole lines end, and whether the last one only lacks its newline."""

    entries: list[ClassCostEntry]
    end: int
    is_cut: bool = False


def _content(folder: Path) -> _Content:
    path = folder / PLACE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return _Content([], 0)
    except OSError as error:
        raise InputError("the class costs cannot be read", where=str(path), cause=str(error)) from error
    return _entries(content, str(path))


def _entries(content: bytes, where: str) -> _Content:
    *lines, rest = content.split(b"\n")
    found = [_read(f"{where}:{number}", line) for number, line in enumerate(lines, 1) if line.strip()]
    try:
        # An editor may have taken only the newline; a torn line never reads as a whole entry.
        return _Content([*found, checked(_parsed(rest), where)], len(content), is_cut=True)
    except (*_UNREADABLE, InputError):
        return _Content(found, len(content) - len(rest))


def _read(where: str, line: bytes) -> ClassCostEntry:
    try:
        entry = _parsed(line)
    except _UNREADABLE as error:
        cause = f"{error} is missing" if isinstance(error, KeyError) else str(error) or type(error).__name__
        raise InputError(
            "a class cost cannot be read", where=where, cause=cause,
            remedy="restore the line from a backup, or take it out",
        ) from error  # fmt: skip
    return checked(entry, where)


def _parsed(line: bytes) -> ClassCostEntry:
    raw: dict[str, Any] = json.loads(line)
    if unknown := sorted(raw.keys() - {each.name for each in fields(ClassCostEntry)}):
        raise ValueError(f"{unknown[0]} is no field of a class cost")
    known_at = datetime.fromisoformat(raw.pop("known_at"))
    if known_at.tzinfo is None:
        raise ValueError("known_at says no time zone")
    seconds = {
        str(name): GpuSeconds(*(Decimal(str(each)) for each in bounds))
        for name, bounds in dict(raw.pop("seconds")).items()
    }
    for name in _DERATES:
        raw[name] = Decimal(str(raw[name]))
    for name in _PROMISES:
        raw[name] = None if raw.get(name) is None else Decimal(str(raw[name]))
    for name in ("provider", "model", "pool", "gpu", "constants", "source", "note", "architecture"):
        if not isinstance(raw.setdefault(name, "") if name not in ("provider", "model") else raw[name], str):
            raise TypeError(f"{name} is not a text")
    return ClassCostEntry(known_at, date.fromisoformat(raw.pop("valid_from")), seconds=seconds, **raw)


def _append(path: Path, known: _Content, line: bytes) -> None:
    """Write behind the last whole line; a torn one goes. When the disk refuses, the file is as before."""
    with path.open("ab") as file:
        file.truncate(known.end)
        try:
            file.write(b"\n" + line if known.is_cut else line)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            file.truncate(known.end)
            raise


def _rounded(value: float) -> Decimal:
    """A float at nine significant digits, written out."""
    number = Decimal(f"{value:.{_DIGITS - 1}e}")
    return Decimal(f"{number:f}") if number.is_finite() else number
