"""Bring a file in through its source: by its layouts as it lies, or read into canonical Parquet first."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from breakeven.errors import NoRecords
from breakeven.ledger.books import Books
from breakeven.ledger.ingest import ImportResult
from breakeven.ledger.layout import Layout, Prepare, Prepared
from breakeven.ledger.mapping import Mapping as LedgerMapping
from breakeven.sources.canonical import UNREAD, write_canonical
from breakeven.sources.registry import Source


def prepared_once(layouts: Sequence[Layout], folder: Path) -> Iterator[Layout]:
    """Layouts of one file that prepare it once between them, when the first of them needs it."""
    made: dict[Prepare, Prepared] = {}

    def once(prepare: Prepare) -> Prepare:
        def prepared(path: Path, _: Path) -> Prepared:
            if prepare not in made:
                made[prepare] = prepare(path, folder)
            return made[prepare]

        return prepared

    for layout in layouts:
        shared = layout.prepare if len(layouts) > 1 else None
        yield replace(layout, prepare=once(shared)) if shared else layout


def import_from(
    books: Books,
    source: Source,
    path: Path,
    given: Mapping[str, str],
    *,
    dry_run: bool = False,
    covers: tuple[date, date] | None = None,
    may_be_empty: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> list[ImportResult]:
    """Import one file that a source reads: one result for each table that its records belong to.

    Importing it again with the same options changes nothing. Other options give the same rows other content:
    they become new versions, the old ones stay in the log. A file may be imported for some of its tables when
    the program is stopped in between: importing it again brings in the rest.

    A file without a record is refused, unless `covers` says of which days it tells that there was nothing, or
    it `may_be_empty` (what came of asking a live system for news).

    Raises `InputError` when the file cannot be read, `UsageError` for an option the source does not have.
    """
    options = source.options_from(given)
    if source.layouts is not None:
        found: list[ImportResult] = []
        with tempfile.TemporaryDirectory(prefix="breakeven-source-") as folder:
            for layout in prepared_once(source.layouts(options), Path(folder)):
                mapping = LedgerMapping.of(layout, source.name)
                found += books.ingest(
                    layout.table, [path], mapping=mapping, dry_run=dry_run, covers=covers,
                    may_be_empty=may_be_empty, progress=progress,
                )  # fmt: skip
        # A table of which the file holds nothing is not worth a line, unless it holds nothing at all.
        return [result for result in found if result.rows_read or result.skipped] or found[:1]
    with tempfile.TemporaryDirectory(prefix="breakeven-source-") as folder:
        # The ledger notes file names, so the canonical file bears the original's; its content says Parquet.
        canonical = Path(folder) / path.name
        progress(f"reading {path.name} as {source.name}")
        try:
            write_canonical(source, path, options, canonical)
        except NoRecords:
            if covers is None:
                raise
            canonical.write_bytes(b"")
        [result] = books.ingest(
            source.table, [canonical], source.name, dry_run=dry_run, covers=covers, progress=progress
        )
    ignored = tuple(name for name in result.ignored_columns if name != UNREAD)
    return [replace(result, file=str(path), ignored_columns=ignored)]
