"""A place for one import's temporary files; what a killed process left behind is swept up by the next one.

A workspace lives in `.work/` of the books, on the disk that must have room for the tables anyway. Its owner
holds a kernel lock on it, which ends with the process however that dies: an unlocked workspace is litter.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from breakeven.ledger.lock import cannot_write, hold, is_free

_FOLDER = ".work"
_LOCK = "lock"


@contextmanager
def workspace(books: Path | None) -> Generator[Path]:
    """A new folder that is gone afterwards; None takes the system's place, and leaves the books untouched."""
    if books is None:
        with tempfile.TemporaryDirectory(prefix="breakeven-") as found:
            yield Path(found)
        return
    root = books / _FOLDER
    with ExitStack() as owned:
        try:
            root.mkdir(exist_ok=True)
            # Making, locking and sweeping happen under one lock, so nobody sweeps what is just being made.
            with hold(root / _LOCK):
                _sweep(root)
                own = Path(tempfile.mkdtemp(prefix="import-", dir=root))
                owned.enter_context(hold(own / _LOCK))
                owned.callback(shutil.rmtree, own, ignore_errors=True)
        except OSError as error:
            raise cannot_write(books, error) from error
        yield own


def sweep(books: Path) -> None:
    """Remove what killed imports left behind."""
    root = books / _FOLDER
    if root.is_dir():
        with hold(root / _LOCK):
            _sweep(root)


def _sweep(root: Path) -> None:
    """Remove the workspaces whose owners are dead."""
    for entry in root.iterdir():
        if entry.is_dir() and is_free(entry / _LOCK):
            shutil.rmtree(entry, ignore_errors=True)
