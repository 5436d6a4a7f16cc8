"""One writer at a time per books folder; the kernel lets go when a process dies, however it dies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from breakeven.errors import BooksError

try:
    import fcntl
except ImportError:  # Windows: Delta's own conflict check still keeps two writers apart, only less politely.
    fcntl = None


@contextmanager
def writer_lock(folder: Path, *, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the books for writing. `waiting` is called once when another process holds them."""
    path = folder / ".writer.lock"
    try:
        handle = path.open("a")
    except OSError as error:
        raise BooksError(
            "the books folder cannot be written",
            where=str(folder),
            cause=str(error),
            remedy="check who owns the folder and whether the disk is full or mounted read-only",
        ) from error
    with handle:
        if fcntl is not None:
            told = False
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if waiting and not told:
                        waiting()
                        told = True
                    time.sleep(0.05)
        yield
