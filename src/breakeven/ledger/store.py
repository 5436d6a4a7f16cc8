"""Delta Lake storage: one commit per batch, many readers beside one writer, every earlier state readable.

A batch's rows and its counts land in *one* Delta commit (the counts as commit metadata), so nobody ever
sees half a batch and no count can disagree with the rows. Corrections are new commits, never rewrites.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from breakeven.errors import BooksError
from breakeven.ledger.interruptible import write_rows
from breakeven.ledger.lock import cannot_write
from breakeven.ledger.tables import LedgerTable

if TYPE_CHECKING:
    from deltalake import DeltaTable

_LEAST_FILE_BYTES, _MOST_FILE_BYTES, _HELD_BYTES = 2 << 20, 100 << 20, 512 << 20
_NOT_IN_LOG = ("user_id", "account_id", "source_id", "day")
_FOREVER = "interval 36500 days"
_METADATA_KEY = "breakeven"


class ConflictError(Exception):
    """Another writer committed first; look again at what the table holds, then retry."""


@dataclass(frozen=True)
class Commit:
    """One entry of a table's log: when, what kind, and what we wrote about it."""

    version: int
    at: datetime
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class StoredFile:
    """One Parquet file of a snapshot, with the statistics that let a reader skip it.

    `names_responses`: some row may have a provider's response id.
    """

    uri: str
    row_count: int
    partition: str | None
    source_least: str | None
    source_most: str | None
    version_most: int
    names_responses: bool = False

    @property
    def name(self) -> str:
        """The file's own name: it is unique, and stays the same wherever the books lie.

        >>> StoredFile("/books/usage/day=2024-03-01/part-0-a1.parquet", 1, None, None, None, 1).name
        'part-0-a1.parquet'
        """
        return self.uri.rsplit("/", 1)[-1]

    def may_hold(self, least: str, most: str) -> bool:
        """Whether rows of a source between these two names can lie in the file."""
        if self.source_least is None or self.source_most is None:
            return True
        return self.source_least <= most and least <= self.source_most


def by_partition(files: Iterable[StoredFile]) -> dict[str, list[StoredFile]]:
    """The files of a table that is cut in days, by day."""
    found: dict[str, list[StoredFile]] = {}
    for file in files:
        if file.partition is not None:
            found.setdefault(file.partition, []).append(file)
    return found


class TableStore:
    """One ledger table on disk (or at an object store URL)."""

    def __init__(self, folder: str, table: LedgerTable) -> None:
        self.uri = f"{folder.rstrip('/')}/{table.name}"
        self.table = table

    def create(self) -> None:
        """Write the empty table; does nothing when it exists."""
        from deltalake import DeltaTable

        if DeltaTable.is_deltatable(self.uri):
            return
        DeltaTable.create(
            self.uri,
            schema=self.table.schema,
            partition_by=["day"] if self.table.partitioned else None,
            # The log and removed files are kept: audits read the books as they stood at any moment.
            configuration={
                **self._statistics,
                "delta.logRetentionDuration": _FOREVER,
                "delta.deletedFileRetentionDuration": _FOREVER,
            },
        )

    @property
    def _statistics(self) -> dict[str, str]:
        """Which columns' extremes go into the log: who a user is does not, for the log is kept for ever."""
        kept = (name for name in self.table.schema.names if name not in _NOT_IN_LOG)
        return {"delta.dataSkippingStatsColumns": ",".join(kept)}

    def add_missing_columns(self) -> None:
        """Give a table of older books the columns it lacks, in one commit of its metadata."""
        from deltalake.schema import Schema

        delta = self.open()
        known = {field.name for field in delta.schema().fields}
        lacking = [field for field in self.table.schema if field.name not in known]
        if lacking:
            with located(self.uri):
                delta.alter.add_columns(list(Schema.from_arrow(pa.schema(lacking)).fields))
                delta.alter.set_table_properties(self._statistics)

    def open(self, as_of: datetime | None = None, version: int | None = None) -> DeltaTable:
        """The table now, as it stood at a moment, or at a version; before its first commit it was empty."""
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        try:
            delta = DeltaTable(self.uri, version=version)
            if as_of is not None:
                # By the time the commits state: that of their files changes when a folder is copied.
                asked = as_of.timestamp() * 1000
                known = (entry["version"] for entry in delta.history() if entry["timestamp"] <= asked)
                delta.load_as_version(next(known, 0))
        except (DeltaError, OSError) as error:
            raise BooksError(
                f"table {self.table.name} cannot be opened",
                where=self.uri,
                cause=str(error).splitlines()[0],
                remedy="run `breakeven init` in an empty folder, or check the path and permissions",
            ) from error
        return delta

    def files(self, delta: DeltaTable) -> list[StoredFile]:
        """The files of a snapshot, in a stable order."""
        actions: dict[str, list[Any]] = pa.table(delta.get_add_actions(flatten=True)).to_pydict()
        count = len(actions.get("path", []))

        def column(name: str) -> list[Any]:
            return actions.get(name) or [None] * count

        root = self.uri
        found = [
            StoredFile(
                uri=f"{root}/{path}",
                row_count=rows or 0,
                partition=None if day is None else str(day),
                source_least=least,
                source_most=most,
                # A file without statistics might hold a later version: look into it.
                version_most=2 if version is None else version,
                names_responses=(empty is None and least is None) or (empty is not None and empty < rows),
            )
            for path, rows, day, least, most, version, empty in zip(
                column("path"),
                column("num_records"),
                column("partition.day"),
                column("min.source"),
                column("max.source"),
                column("max.version"),
                column("null_count.response_id"),
                strict=True,
            )
        ]
        return sorted(found, key=lambda file: file.uri)

    def history(self) -> list[Commit]:
        """All commits that carry our facts, oldest first."""
        commits: list[Commit] = []
        for entry in reversed(self.open().history()):
            if _METADATA_KEY in entry:
                at = datetime.fromtimestamp(entry["timestamp"] / 1000, tz=UTC)
                commits.append(Commit(entry["version"], at, json.loads(entry[_METADATA_KEY])))
        return commits

    def append(
        self,
        base: DeltaTable,
        rows: pa.RecordBatchReader,
        facts: Mapping[str, Any],
        *,
        app_id: str,
        days: int = 1,
    ) -> None:
        """Commit rows and facts as one version right after `base`; `ConflictError` when someone was faster.

        The application transaction makes a batch's commit idempotent in the Delta log itself. `days` is in
        how many partitions the rows fall: the storage library holds one open file for each in memory, so
        the more there are, the smaller each may grow before it is written out.
        """
        from deltalake import Transaction

        with located(self.uri):
            write_rows(
                base,
                rows,
                partition_by=["day"] if self.table.partitioned else None,
                target_file_size=max(_LEAST_FILE_BYTES, min(_MOST_FILE_BYTES, _HELD_BYTES // max(days, 1))),
                writer_properties=_writer_properties(self.table),
                commit_properties=_commit_properties(facts, [Transaction(app_id, 1)]),
            )

    def replace_days(
        self, base: DeltaTable, rows: pa.RecordBatchReader, days: Sequence[str], facts: Mapping[str, Any]
    ) -> None:
        """Put rows in the place of all rows of some days, in one commit; `ConflictError` as `append`."""
        with located(self.uri):
            write_rows(
                base,
                rows,
                mode="overwrite",
                predicate=f"day IN ({', '.join(repr(day) for day in days)})",
                partition_by=["day"],
                target_file_size=max(
                    _LEAST_FILE_BYTES, min(_MOST_FILE_BYTES, _HELD_BYTES // max(len(days), 1))
                ),
                writer_properties=_writer_properties(self.table),
                commit_properties=_commit_properties(facts, None),
            )

    def delete_batch(self, base: DeltaTable, batch_id: str, facts: Mapping[str, Any]) -> int:
        """Take a batch's rows out in one commit; returns how many went."""
        with located(self.uri):
            metrics = base.delete(
                f"batch_id = '{batch_id}'",
                commit_properties=_commit_properties(facts, None),
            )
        return int(metrics["num_deleted_rows"] or 0)


def _commit_properties(facts: Mapping[str, Any], transactions: list[Any] | None) -> Any:
    from deltalake import CommitProperties

    return CommitProperties(
        custom_metadata={_METADATA_KEY: json.dumps(facts, ensure_ascii=False, sort_keys=True)},
        # No silent rebase: whoever comes second must look at the rows again for duplicates.
        max_commit_retries=0,
        app_transactions=transactions,
    )


def _writer_properties(table: LedgerTable) -> Any:
    """Dictionaries help where words repeat; on keys and counts they only cost time (measured: a third)."""
    from deltalake import ColumnProperties, WriterProperties

    plain = ColumnProperties(dictionary_enabled=False)
    unique = {"source_id", "user_id"}
    columns = {
        column.name: plain
        for column in table.columns
        if column.kind in ("timestamp", "count") or column.name in unique
    }
    columns["source_id"] = plain
    return WriterProperties(compression="SNAPPY", max_row_group_size=122_880, column_properties=columns)


@contextmanager
def located(uri: str) -> Generator[None]:
    """Turn what storage can do wrong into an error a person can act on."""
    from deltalake.exceptions import CommitFailedError, DeltaError

    try:
        yield
    except CommitFailedError as error:
        raise ConflictError from error
    except (DeltaError, OSError, ValueError) as error:
        text = str(error)
        if any(sign in text for sign in _DISK_FULL):
            raise cannot_write(uri, OSError(errno.ENOSPC, text.splitlines()[0][:300])) from error
        if "Permission denied" in text or "Read-only" in text:
            raise cannot_write(uri, OSError(errno.EROFS, text.splitlines()[0][:300])) from error
        raise BooksError(
            "the table could not be written; nothing of this batch is in it", where=uri, cause=text[:300]
        ) from error


_DISK_FULL = ("No space left", "StorageFull", "Disk quota", "File too large")


def latest_version(folder: Path) -> int:
    """The newest version in a local table's log, by file name alone: cheap enough for every command.

    Returns -1 when there is no log.
    """
    newest = -1
    for version in _log_versions(folder / "_delta_log"):
        newest = max(newest, version)
    return newest


def _log_versions(log: Path) -> Iterator[int]:
    try:
        for entry in log.iterdir():
            if entry.suffix == ".json" and entry.stem.isdigit():
                yield int(entry.stem)
    except FileNotFoundError:
        return
