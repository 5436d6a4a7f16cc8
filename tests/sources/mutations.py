"""Damage that happens to files: bytes flipped or lost, lines swapped or repeated, cells that are absurd."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from random import Random

from breakeven.errors import BreakevenError
from breakeven.ledger.books import create_books, open_books
from breakeven.sources.intake import import_from
from breakeven.sources.registry import find_source

_ABSURD = [
    *(
        b"",
        b"-1",
        b"0",
        b"1e999",
        b"9" * 40,
        b"12.3.4",
        b"NaN",
        b"null",
        b"true",
        b"1_000",
        b"99999999999999999",
    ),
    *(b'"', b"'", b"{}", b"[]", b"\\", b",", b"\n", b'{"a":', b"]", b"}"),
    *(b"2024-02-30", b"0001-01-01T00:00:00Z", b"\xff\xfe", b"\x00", "字".encode()),
]
_CELL = re.compile(rb"[^,\s{}\[\]:\"]+")


def damaged(content: bytes, random: Random) -> bytes:
    """A file with one to four kinds of damage."""
    for _ in range(random.randint(1, 4)):
        content = random.choice([_bytes, _cut, _lines, _cells, _insert])(content, random)
    return content


def _bytes(content: bytes, random: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(random.randint(1, 8)):
        if changed:
            changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def _cut(content: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def _insert(content: bytes, random: Random) -> bytes:
    at = random.randrange(len(content) + 1)
    return content[:at] + random.choice(_ABSURD) + content[at:]


def _lines(content: bytes, random: Random) -> bytes:
    lines = content.splitlines(keepends=True)
    if not lines:
        return content
    one, other = random.randrange(len(lines)), random.randrange(len(lines))
    match random.randrange(3):
        case 0:
            lines[one], lines[other] = lines[other], lines[one]
        case 1:
            lines.insert(one, lines[other])
        case _:
            del lines[one]
    return b"".join(lines)


def _cells(content: bytes, random: Random) -> bytes:
    cells = list(_CELL.finditer(content))
    for found in sorted(
        random.sample(cells, min(len(cells), random.randint(1, 3))), key=lambda cell: -cell.start()
    ):
        content = content[: found.start()] + random.choice(_ABSURD) + content[found.end() :]
    return content


def account_for(name: str, sample: Path, content: bytes, folder: Path) -> None:
    """Import these bytes as the sample of a source; raises `AssertionError` for a record not accounted for.

    `folder` keeps empty books to copy between calls.
    """
    empty, books_folder = folder / "empty", folder / "books"
    if not empty.exists():
        create_books(empty, name="fuzz", currency="USD")
    shutil.rmtree(books_folder, ignore_errors=True)
    shutil.copytree(empty, books_folder)
    path = folder / sample.name
    path.write_bytes(content)
    books = open_books(books_folder)
    source = find_source(name)
    assert source is not None
    try:
        results = import_from(books, source, path, {})
    except BreakevenError:
        # A file that was refused may have been booked for an earlier table of several, never in part of one.
        results = []
    for result in results:
        assert result.rows_read == result.ingested + result.duplicates + result.quarantined, result
    batches = [batch.facts for batch in books.batches()]
    booked = sum(file.row_count for table in source.tables for file in books.files(table))
    assert booked == sum(facts["ingested"] for facts in batches)
    assert len(list(books.quarantined())) == sum(facts["quarantined"] for facts in batches)
