"""Records in the ledger's own columns: what every source yields, and the file they travel in.

The ledger imports files, names a batch by the file's bytes and numbers its records. So a source's records are
written to a Parquet file of the original's name whose bytes follow from the original and the options alone:
importing the same trace again finds the same batch. (A later Parquet library may write other bytes; then the
rows' keys still make every row a duplicate.)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from breakeven.errors import NoRecords
from breakeven.ledger.tables import TABLES
from breakeven.ledger.text_files import file_digest
from breakeven.sources.registry import Source

UNREAD = "unread"
"""The column with the text of a record that could not be read: the ledger quarantines it with that text."""

_BATCH_ROWS = 50_000


def record_batches(
    table: str, columns: Sequence[str], records: Iterable[Mapping[str, Any]]
) -> Iterator[pa.RecordBatch]:
    """Records as batches with these columns of a table, `source_id` and `unread`; what one lacks is null.

    Columns that a source never fills are left out, so that the ledger's defaults apply to them.

    >>> [batch] = record_batches("activity", ["user_id", "day"], [{"source_id": "a:1", "user_id": "u7"}])
    >>> batch.to_pylist()
    [{'user_id': 'u7', 'day': None, 'source_id': 'a:1', 'unread': None}]
    """
    fields = [pa.field(name, TABLES[table].column(name).arrow_type) for name in columns]
    schema = pa.schema([*fields, pa.field("source_id", pa.string()), pa.field(UNREAD, pa.string())])
    waiting = iter(records)
    while rows := list(islice(waiting, _BATCH_ROWS)):
        yield pa.RecordBatch.from_pylist([dict(row) for row in rows], schema=schema)


def trace_name(path: Path) -> str:
    """What a file's records are numbered under: its name without endings, so that unpacking changes no key.

    >>> trace_name(Path("traces/conversation.jsonl.gz"))
    'conversation'
    """
    return path.name.partition(".")[0] or path.name


def write_canonical(source: Source, path: Path, options: Mapping[str, str], target: Path) -> None:
    """Write what a source reads from `path` to the Parquet file `target`, with its origin in the metadata.

    Raises `InputError` when the file cannot be read or holds no record.
    """
    origin = {
        "breakeven.source": source.name,
        "breakeven.original_sha256": file_digest(path),
        "breakeven.options": json.dumps(dict(options), sort_keys=True, ensure_ascii=False),
    }
    if source.read is None:
        raise TypeError(f"source {source.name!r} is read by its layouts")
    batches = source.read(path, options)
    first = next(batches, None)
    if first is None:
        raise NoRecords("the file holds no records", where=str(path), remedy="check the export that wrote it")
    schema = first.schema.with_metadata(origin)
    with pq.ParquetWriter(target, schema, compression="snappy") as writer:
        writer.write_batch(first)
        for batch in batches:
            writer.write_batch(batch)
