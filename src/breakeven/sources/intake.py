"""Bring a file in through its source: by its layouts as it lies, or read into canonical Parquet first."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from breakeven.ledger.books import Books
from breakeven.ledger.ingest import ImportResult
from breakeven.ledger.mapping import Mapping as LedgerMapping
from breakeven.sources.canonical import UNREAD, write_canonical
from breakeven.sources.registry import Source


def import_from(
    books: Books,
    source: Source,
    path: Path,
    given: Mapping[str, str],
    *,
    dry_run: bool = False,
    covers: tuple[date, date] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> list[ImportResult]:
    """Import one file that a source reads: one result for each table that its records belong to.

    Importing it again with the same options changes nothing. Other options give the same rows other content:
    they become new versions, the old ones stay in the log. A file may be imported for some of its tables when
    the program is stopped in between: importing it again brings in the rest.

    Raises `InputError` when the file cannot be read, `UsageError` for an option the source does not have.
    """
    options = source.options_from(given)
    if source.layouts is not None:
        found: list[ImportResult] = []
        for layout in source.layouts(options):
            mapping = LedgerMapping.of(layout, source.name)
            found += books.ingest(
                layout.table, [path], mapping=mapping, dry_run=dry_run, covers=covers, progress=progress
            )
        # A table of which the file holds nothing is not worth a line, unless it holds nothing at all.
        return [result for result in found if result.rows_read or result.skipped] or found[:1]
    with tempfile.TemporaryDirectory(prefix="breakeven-source-") as folder:
        # The ledger notes file names, so the canonical file bears the original's; its content says Parquet.
        canonical = Path(folder) / path.name
        progress(f"reading {path.name} as {source.name}")
        write_canonical(source, path, options, canonical)
        [result] = books.ingest(
            source.table, [canonical], source.name, dry_run=dry_run, covers=covers, progress=progress
        )
    ignored = tuple(name for name in result.ignored_columns if name != UNREAD)
    return [replace(result, file=str(path), ignored_columns=ignored)]
