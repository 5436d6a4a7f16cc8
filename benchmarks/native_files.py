"""Files as other systems write them, of any length: one for every source, in its own form.

Each is a generator of text. Records follow templates in which `<name>` stands for a value that differs from
record to record (`varied`); ids never repeat, so every record is news to the books.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FIRST = int(datetime(2024, 8, 1, tzinfo=UTC).timestamp())
SPAN_SECONDS = 31 * 86_400
_MODELS = ("gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18", "gpt-4.1-2025-04-14", "o3-2025-04-16")
_CLAUDES = ("claude-sonnet-4-20250514", "claude-opus-4-20250514", "claude-3-5-haiku-20241022")

Text = Callable[[int], Iterator[str]]
"""The text of a file with so many records, in pieces."""


@dataclass(frozen=True)
class Native:
    """How to write one source's file: its ending, its text, and how many rows its records become."""

    ending: str
    text: Text
    rows: Callable[[int], int] = lambda records: records
    encoding: str = "utf-8"
    options: Mapping[str, str] = field(default_factory=dict[str, str])


def written(record: Any, indent: int | None = None) -> str:
    """JSON with places to be filled; a text behind `#` stands bare, as numbers do.

    >>> written({"id": "a-<n>", "tokens": "#<tokens>", "start": "#<at>.25", "intValue": "<tokens>"})
    '{"id": "a-<n>", "tokens": <tokens>, "start": <at>.25, "intValue": "<tokens>"}'
    """
    return re.sub(r'"#([^"]*)"', r"\1", json.dumps(record, ensure_ascii=False, indent=indent))


def template(record: Any, indent: int | None = None) -> str:
    """A JSON record to be filled by `%`.

    >>> template({"id": "a-<n>", "tokens": "#<tokens>", "rate": "5%"}) % {"n": 1, "tokens": 20}
    '{"id": "a-1", "tokens": 20, "rate": "5%"}'
    """
    return lined(written(record, indent))


def lined(text: str) -> str:
    """A line of text to be filled by `%`.

    >>> lined("`<n>,`0.60%") % {"n": 7}
    '`7,`0.60%'
    """
    return re.sub(r"<(\w+)>", r"%(\1)s", text.replace("%", "%%"))


def varied(number: int, records: int) -> dict[str, Any]:
    """The values of one record: its number, a moment of a month, names, tokens, and money in cents.

    >>> values = varied(1, 4)
    >>> values["n"], values["day"], values["clock"], values["money"]
    ('00000001', '2024-08-08', '18:00:00', '1.37')
    """
    at = FIRST + number * SPAN_SECONDS // records
    moment = datetime.fromtimestamp(at, UTC)
    tokens, cents = 1_000 + number * 7919 % 4_000, cents_of(number)
    return {
        "n": f"{number:08d}",
        "hex": f"{number + 1:016x}",
        "at": at,
        "later": at + 2,
        "day": f"{moment:%Y-%m-%d}",
        "clock": f"{moment:%H:%M:%S}",
        "user": number * 7919 % 50_021,
        "campaign": number % 997,
        "model": _MODELS[number % len(_MODELS)],
        "claude": _CLAUDES[number % len(_CLAUDES)],
        "tokens": tokens,
        "cached": tokens // 2,
        "fresh": tokens - tokens // 2,
        "out": 20 + number * 104_729 % 500,
        "reasoning": number % 20,
        "requests": 1 + number % 40,
        "total": tokens + 20 + number * 104_729 % 500,
        "cents": cents,
        "money": amount(cents),
        "fee": amount(fee_of(number)),
    }


def cents_of(number: int) -> int:
    """The money of a record, in cents."""
    return 100 + number * 37 % 20_000


def fee_of(number: int) -> int:
    """The fee of a record, in cents."""
    return cents_of(number) * 6 // 1000


def amount(cents: int) -> str:
    """Cents as a decimal number.

    >>> amount(-105), amount(7)
    ('-1.05', '0.07')
    """
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def filled(templates: Sequence[str], records: int) -> Iterator[str]:
    """So many records, the templates in turn."""
    kinds = len(templates)
    return (templates[number % kinds] % varied(number, records) for number in range(records))


def csv_of(header: str, *lines: str) -> Text:
    """A table of text: a header, then lines like these in turn."""
    templates = [lined(line) + "\n" for line in lines]

    def text(records: int) -> Iterator[str]:
        yield header + "\n"
        yield from filled(templates, records)

    return text


def json_lines_of(*records: Mapping[str, Any]) -> Text:
    """One JSON object per line, like these in turn."""
    templates = [template(record) + "\n" for record in records]
    return lambda count: filled(templates, count)


def grouped(records: Iterator[str], size: int, separator: str) -> Iterator[str]:
    """Texts joined, so many at a time.

    >>> list(grouped(iter("abcde"), 2, ","))
    ['a,b', 'c,d', 'e']
    """
    group: list[str] = []
    for record in records:
        group.append(record)
        if len(group) == size:
            yield separator.join(group)
            group = []
    if group:
        yield separator.join(group)


def write_native(native: Native, records: int, path: Path) -> None:
    """Write a file of so many records."""
    with path.open("w", encoding=native.encoding, newline="") as out:
        for part in grouped(native.text(records), 1_000, ""):
            out.write(part)


def native_files() -> dict[str, Native]:
    """Every source that a file can be written for."""
    from benchmarks import native_bills, native_payments, native_usage

    return native_usage.FILES | native_bills.FILES | native_payments.FILES
