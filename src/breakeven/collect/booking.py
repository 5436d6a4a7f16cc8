"""A closed segment into the books, once: imported, made durable, and only then removed.

A segment's content is its batch's name, and its rows have names of their own: whatever is booked a second
time, after a crash between commit and removal, is found in the books and dropped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from breakeven.collect.spool import stream_of, sync_folder, waiting_in
from breakeven.errors import BooksError, BreakevenError, InputError
from breakeven.ledger.books import Books, open_books
from breakeven.ledger.ingest import ImportResult
from breakeven.ledger.layout import Layout
from breakeven.ledger.mapping import Mapping as LedgerMapping
from breakeven.ledger.store import latest_version
from breakeven.sources.intake import import_from
from breakeven.sources.json_lines import layout_of
from breakeven.sources.registry import Source, find_source

ROWS = "rows."
"""What the kind of a stream of ledger rows begins with; the table follows."""

Options = Mapping[str, Mapping[str, str]]
"""Options of sources, by the source's name."""


@dataclass(frozen=True)
class Booked:
    """What became of one segment; `error` says why it still waits."""

    segment: str
    table: str = ""
    rows: int = 0
    duplicates: int = 0
    quarantined: int = 0
    error: BreakevenError | None = None


def book_waiting(folder: Path, options: Options) -> Iterator[Booked]:
    """Book every closed segment, the oldest first. One that cannot be booked stays and stops no other."""
    for segment in waiting_in(folder).closed:
        try:
            yield from book(open_books(folder), segment, options)
        except BreakevenError as error:
            if segment.exists():  # else another process has just booked it
                yield Booked(segment.name, error=error)


def book(books: Books, segment: Path, options: Options) -> list[Booked]:
    """Book one segment and remove it. Raises what importing raises; the segment then stays."""
    stream = stream_of(segment)
    tables = [stream.kind.removeprefix(ROWS)] if stream.kind.startswith(ROWS) else ["usage"]
    before = {name: latest_version(books.folder / name) for name in (*tables, "quarantine")}
    if stream.kind.startswith(ROWS):
        layout = LedgerMapping.of(layout_of(tables[0]), stream.source)
        results = books.ingest(tables[0], [segment], mapping=layout)
    else:
        results = import_from(
            books, _under(_source(stream.kind), stream.source), segment, options.get(stream.kind, {})
        )
    for name, version in before.items():
        make_durable(books.folder / name, version)
    segment.unlink(missing_ok=True)
    return [_booked(segment, result) for result in results]


def _booked(segment: Path, result: ImportResult) -> Booked:
    return Booked(segment.name, result.table, result.ingested, result.duplicates, result.quarantined)


def _source(kind: str) -> Source:
    source = find_source(kind)
    if source is None:
        raise InputError(f"no source reads segments of {kind}", remedy="was a newer Breakeven running here?")
    return source


def _under(source: Source, name: str) -> Source:
    """The same source for records that were taken apart at the door, booked under a sender's own name."""
    layouts = source.layouts
    if layouts is None:
        return source

    def flat(options: Mapping[str, str]) -> tuple[Layout, ...]:
        return tuple(
            replace(
                layout, prepare=None, fields=tuple(replace(field, required=False) for field in layout.fields)
            )
            for layout in layouts(options)
        )

    return replace(source, name=name, layouts=flat)


def make_durable(table: Path, after: int) -> None:
    """Bring a table's commits after a version to the disk: data files first, then the log that names them."""
    log = table / "_delta_log"
    folders = {log}
    try:
        for version in range(after + 1, latest_version(table) + 1):
            entry = log / f"{version:020d}.json"
            for action in _actions(entry):
                if added := action.get("add"):
                    file = table / str(added["path"])
                    _sync(file)
                    folders.add(file.parent)
            _sync(entry)
        for folder in (*folders, table):
            sync_folder(folder)
    except FileNotFoundError:
        return  # taken out again meanwhile; what is gone need not last
    except OSError as error:
        raise BooksError(
            "what was booked could not be made durable", where=str(table), cause=str(error)
        ) from error


def _actions(entry: Path) -> Iterator[dict[str, Any]]:
    with entry.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
