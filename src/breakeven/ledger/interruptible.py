"""Write a stream of rows so that Ctrl-C is heard: the storage library does not listen while it works."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

if TYPE_CHECKING:
    from deltalake import DeltaTable


def write_rows(
    table: DeltaTable,
    rows: pa.RecordBatchReader,
    *,
    mode: Literal["append", "overwrite"] = "append",
    **options: Any,
) -> None:
    """Write rows to a table in one commit; an interrupt ends the stream, and nothing is committed.

    An interrupt that comes when the last row has gone finds the commit done: running again finds it too.
    """
    from deltalake import write_deltalake

    stop = Event()

    def until_stopped() -> Iterator[pa.RecordBatch]:
        for batch in rows:
            if stop.is_set():
                raise InterruptedError
            yield batch

    write: Any = write_deltalake
    stream = pa.RecordBatchReader.from_batches(rows.schema, until_stopped())
    # The work goes to a thread, and this one waits: only a thread that waits in Python hears a signal.
    with ThreadPoolExecutor(1, "write") as pool:
        writing = pool.submit(write, table, stream, mode=mode, **options)
        try:
            writing.result()
        except KeyboardInterrupt:
            stop.set()
            raise
