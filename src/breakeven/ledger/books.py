"""Books: one folder that holds everything of one product. Open them, import, look at the log, undo, read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from breakeven.errors import BooksError, UsageError
from breakeven.ledger.batch_log import Batch, batches_of
from breakeven.ledger.coverage import Coverage, coverage_of
from breakeven.ledger.current import corrections_of
from breakeven.ledger.ingest import Importer, ImportResult, Progress
from breakeven.ledger.lock import writer_lock
from breakeven.ledger.mapping import Mapping
from breakeven.ledger.matching import TABLE as MATCHED_TABLE
from breakeven.ledger.matching import MatchedDays, find_matched_days
from breakeven.ledger.problems import Problem
from breakeven.ledger.pseudonyms import create_key, pseudonyms_of
from breakeven.ledger.quarantine import Quarantine
from breakeven.ledger.settings import (
    FILE_NAME,
    REPORT_SOURCES,
    CloseLimits,
    Matching,
    MatchRule,
    Settings,
    read_settings,
    write_settings,
)
from breakeven.ledger.silence import TELLING
from breakeven.ledger.store import ConflictError, StoredFile, TableStore, latest_version
from breakeven.ledger.tables import TABLES
from breakeven.ledger.upgrade import upgrade

if TYPE_CHECKING:
    from breakeven.engine.session import Corrections, Engine

_UNDO_RETRIES = 20


@dataclass
class Books:
    """One product's books. Use `open_books` or `create_books`.

    They are read now, as they stood at a moment (`as_of`), or at given versions of their tables.
    """

    folder: Path
    settings: Settings
    as_of: datetime | None = None
    versions: MappingOf[str, int] | None = None
    _files: dict[str, list[StoredFile]] = field(default_factory=dict[str, list[StoredFile]], repr=False)
    _matched: dict[str, MatchedDays] = field(default_factory=dict[str, MatchedDays], repr=False)

    def store(self, table: str) -> TableStore:
        """The storage of one table."""
        if table not in TABLES:
            raise UsageError(f"unknown table {table!r}", remedy=f"use one of {', '.join(TABLES)}")
        return TableStore(str(self.folder), TABLES[table])

    @cached_property
    def quarantine_store(self) -> Quarantine:
        """Where rows lie that could not be booked."""
        return Quarantine(str(self.folder))

    def ingest(
        self,
        table: str,
        files: Sequence[Path],
        source: str | None = None,
        *,
        mapping: Mapping | None = None,
        dry_run: bool = False,
        covers: tuple[date, date] | None = None,
        may_be_empty: bool = False,
        progress: Progress = lambda _: None,
    ) -> list[ImportResult]:
        """Import files into one table, each as one batch. Importing a file again changes nothing.

        A file without a record is refused, unless `covers` says of which days it tells that there was
        nothing, or it `may_be_empty` (what came of asking a system for news).
        """
        importer = Importer(
            self.folder,
            self.settings.time_zone,
            self.store(table),
            self.quarantine_store,
            mapping or Mapping(),
            source,
            dry_run,
            covers,
            progress,
            pseudonyms_of(self.folder, self.settings),
            may_be_empty,
            lambda: self._traffic_of(table),
        )
        try:
            return [importer.run(Path(path)) for path in files]
        finally:
            self.look_again()

    def _traffic_of(self, table: str) -> set[date]:
        """Days on which rows of any source speak for traffic in a table."""
        files = (file for other in TELLING.get(table, ()) for file in self.files(other))
        return {date.fromisoformat(file.partition) for file in files if file.partition is not None}

    def look_again(self) -> None:
        """Forget what was read of the tables: something was written."""
        self._files.clear()
        self._matched.clear()

    def batches(self) -> list[Batch]:
        """Every import that ever stood, oldest first."""
        found = [batch for name in TABLES for batch in self._batches(name)]
        return sorted(found, key=lambda batch: batch.at)

    def _batches(self, table: str) -> list[Batch]:
        history = self.store(table).history()
        if self.versions is not None:
            last = self.versions.get(table, -1)
            return batches_of(table, (one for one in history if one.version <= last))
        return batches_of(table, (one for one in history if self.as_of is None or one.at <= self.as_of))

    def undo(self, batch_id: str) -> tuple[Batch, int, list[Batch]]:
        """Take one batch out again; returns it, the rows removed, and batches to import again.

        The latter dropped rows as duplicates of the undone batch: their files still hold those rows.
        """
        standing = [batch for batch in self.batches() if not batch.undone]
        matches = [batch for batch in standing if batch.batch_id.startswith(batch_id)]
        if len(matches) != 1 and batch_id not in {batch.batch_id for batch in matches}:
            what = "no such batch stands in the books" if not matches else "several batches begin like that"
            raise UsageError(f"{what}: {batch_id}", remedy="see `breakeven log`")
        batch = next((match for match in matches if match.batch_id == batch_id), matches[0])
        store = self.store(batch.table)
        with writer_lock(self.folder):
            for _ in range(_UNDO_RETRIES):
                try:
                    removed = store.delete_batch(
                        store.open(), batch.batch_id, {"kind": "undo", "batch_id": batch.batch_id}
                    )
                    break
                except ConflictError:
                    continue
            else:
                raise BooksError("other writers kept committing first", remedy="run the same command again")
        self.look_again()
        affected = [other for other in standing if batch.batch_id in other.facts["duplicates_of"]]
        return batch, removed, affected

    def quarantined(self, batch_id: str | None = None) -> Iterator[Problem]:
        """Rows that could not be booked, of one batch or of all that stand."""
        # A file that was read again, for rows that came free by an undo, tells its problems once.
        latest = {batch.content_id: batch.batch_id for batch in self.batches() if not batch.undone}
        yield from self.quarantine_store.read(
            name for name in latest.values() if batch_id is None or name.startswith(batch_id)
        )

    def coverage(self) -> Coverage:
        """Which days each table's sources covered: absent is not zero."""
        return coverage_of(
            ((batch.table, batch.facts) for batch in self.batches() if not batch.undone),
            not_applicable=self.settings.not_applicable,
        )

    def files(self, table: str) -> list[StoredFile]:
        """The Parquet files of a table's snapshot (now, or as of the moment the books were opened for)."""
        if table not in self._files:
            store = self.store(table)
            version = None if self.versions is None else self.versions.get(table, -1)
            # A table that did not exist at these versions held nothing.
            self._files[table] = [] if version == -1 else store.files(store.open(self.as_of, version))
            if self.as_of is not None or version is not None:
                _refuse_if_gone(self._files[table], store.uri)
        return self._files[table]

    def view(
        self,
        engine: Engine,
        table: str,
        files: Sequence[StoredFile] | None = None,
        *,
        matched: bool = True,
    ) -> None:
        """Name a table's files, or some of them, in an engine; rows that were corrected are left out.

        With `matched`, so are rows of requests that another source saw first in precedence.
        """
        chosen = self.files(table) if files is None else files
        definition = TABLES[table]
        engine.view(
            table,
            [file.uri for file in chosen],
            definition.schema,
            "day" if definition.partitioned else None,
            self.corrections(table),
            self.matched_days(table).left_out(chosen, self.files(table)) if matched else None,
        )

    def corrections(self, table: str) -> Corrections | None:
        """Where rows lie that later versions replace; None for a table without any.

        A day's result depends on its own files and, when one of them is among `earlier`, on all of `later`.
        """
        files = self.files(table)
        if all(file.version_most == 1 for file in files):
            return None
        return corrections_of(files, self._batches(table))

    def matched_days(self, table: str) -> MatchedDays:
        """The days of a table in which rows may have to be left out, because another source saw the same."""
        if table not in self._matched:
            files = self.files(table) if table == MATCHED_TABLE else []
            several = len({name for file in files for name in (file.source_least, file.source_most)}) > 1
            named = any(file.names_responses for file in files)
            batches = self._batches(table) if several or named else []
            self._matched[table] = find_matched_days(files, batches, self.settings.matching)
        return self._matched[table]

    def present_versions(self) -> dict[str, int]:
        """The version of each table now."""
        return {name: latest_version(self.folder / name) for name in TABLES}

    def at_versions(self, versions: MappingOf[str, int], settings: Settings) -> Books:
        """The same books at given versions of their tables, under given settings."""
        return Books(self.folder, settings, None, versions)

    def stamp(self) -> str:
        """A cheap name of the ledger's present state: changes with every commit, costs a few file names."""
        return "-".join(str(latest_version(self.folder / name)) for name in TABLES)


def _refuse_if_gone(files: Sequence[StoredFile], where: str) -> None:
    """Earlier states cannot be read once files of theirs are deleted."""
    if all(Path(file.uri).exists() for file in files):
        return
    raise BooksError(
        "the books as they stood then can no longer be read",
        where=where,
        cause="a person was forgotten since, and the files that held them are deleted",
        remedy="read the books as of a later moment, or as they are now",
    )


def open_books(folder: str | os.PathLike[str], *, as_of: datetime | None = None) -> Books:
    """Open the books in a folder, now or as they stood at a moment (UTC).

    Raises `BooksError` when there are none, or when a newer program wrote them.
    """
    path = Path(folder)
    settings = read_settings(path)
    upgrade(path)
    return Books(path, settings, as_of)


def create_books(
    folder: str | os.PathLike[str],
    *,
    name: str,
    currency: str = "USD",
    time_zone: str = "UTC",
    synthetic: bool = False,
    settings: MappingOf[str, Any] | None = None,
) -> Books:
    """Start new books in an empty or new folder.

    `settings` takes further settings by table, as in the file: `{"serving": {"own_providers": ["self"]}}`.
    """
    path = Path(folder)
    if (path / FILE_NAME).exists():
        raise UsageError("there are books here already", remedy=f"use another folder than {path}")
    extra = dict(settings or {})
    serving: MappingOf[str, Any] = extra.get("serving", {})
    check: MappingOf[str, Any] = extra.get("check", {})
    limits: MappingOf[str, Any] = extra.get("close", {})
    matching: MappingOf[str, Any] = extra.get("matching", {})
    chosen = Settings(
        name=name,
        currency=currency,
        time_zone=time_zone,
        synthetic=synthetic,
        note_en=str(extra.get("note_en", "")),
        note_zh=str(extra.get("note_zh", "")),
        provenance=extra.get("provenance", "measured"),
        own_providers=tuple(serving.get("own_providers", ())),
        weights={key: Decimal(str(value)) for key, value in serving.get("weights", {}).items()},
        tolerance=Decimal(str(check["tolerance"])) if "tolerance" in check else None,
        not_applicable=tuple(extra.get("coverage", {}).get("not_applicable", ())),
        price_currency=dict(extra.get("prices", {}).get("currency", {})),
        close=CloseLimits(**{name: Decimal(str(value)) for name, value in limits.items()}),
        matching=Matching(
            tuple(matching.get("precedence", ())),
            tuple(MatchRule(**rule) for rule in matching.get("rules", ())),
            tuple(matching.get("reports", REPORT_SOURCES)),
        ),
        pseudonymise=bool(extra.get("privacy", {}).get("pseudonymise", False)),
    )
    if chosen.pseudonymise:
        chosen = replace(chosen, pseudonym_key=create_key(path).fingerprint)
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / "prices").mkdir(exist_ok=True)
        books = Books(path, chosen)
        for table in TABLES:
            books.store(table).create()
        books.quarantine_store.create()
        # The settings come last: a folder without them is not books yet, and init can run again.
        write_settings(path, chosen)
    except OSError as error:
        raise BooksError(
            "the books cannot be created",
            where=str(path),
            cause=str(error),
            remedy="choose a writable folder",
        ) from error
    return read_back(path)


def read_back(path: Path) -> Books:
    """Open what was just written, so that creating proves that opening works."""
    return open_books(path)
