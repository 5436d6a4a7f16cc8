"""One writer at a time per books folder; the kernel lets go when a process dies, however it dies."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from breakeven.errors import BooksError

try:
    import fcntl
except ImportError:  # Windows: Delta's own conflict check still keeps two writers apart, only less politely.
    fcntl = None

_POLL_SECONDS = 0.05


@contextmanager
def writer_lock(folder: Path, *, waiting: Callable[[], None] | None = None) -> Generator[None]:
    """Hold the books for writing. `waiting` is called once when another process holds them."""
    with ExitStack() as held:
        try:
            held.enter_context(hold(folder / ".writer.lock", waiting=waiting))
        except OSError as error:
            raise cannot_write(folder, error) from error
        yield


@contextmanager
def hold(path: Path, *, waiting: Callable[[], None] | None = None) -> Generator[None]:
    """Hold a lock file, waiting for it as long as somebody else does."""
    with path.open("a") as handle:
        told = False
        while fcntl is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if waiting and not told:
                    waiting()
                    told = True
                time.sleep(_POLL_SECONDS)
        yield


def is_free(path: Path) -> bool:
    """Whether nobody alive holds a lock file; False where locks cannot tell."""
    if fcntl is None:
        return False
    try:
        with path.open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def cannot_write(folder: Path | str, error: OSError) -> BooksError:
    """What to say when the books' disk refuses: full, read-only, or not ours.

    >>> print(cannot_write("books", OSError(errno.ENOSPC, "No space left on device")))
    books: the disk is full; nothing of this batch was written. Likely cause: [Errno 28] No space left on \
device. Next: free disk space and run the same command again.
    """
    if error.errno in _FULL:
        return BooksError(
            "the disk is full; nothing of this batch was written",
            where=str(folder),
            cause=str(error),
            remedy="free disk space and run the same command again",
        )
    return BooksError(
        "the books folder cannot be written",
        where=str(folder),
        cause=str(error),
        remedy="check who owns the folder and whether the disk is mounted read-only",
    )
