"""Bring books of an older program up to this one: add the tables and columns they lack. No row is touched.

Adding a column is a commit of the table's metadata alone; files written before stay as they are and read as
empty there. `docs/decisions/0014-tables-of-version-2.md` lists what version 1 lacked.
"""

from __future__ import annotations

import re
from pathlib import Path

from breakeven.ledger.lock import cannot_write, writer_lock
from breakeven.ledger.settings import FILE_NAME, SCHEMA_VERSION, schema_version
from breakeven.ledger.store import TableStore
from breakeven.ledger.tables import TABLES


def upgrade(folder: Path) -> None:
    """Upgrade the books in a folder when an older program wrote them; nothing happens otherwise.

    Raises `BooksError` when they are older and cannot be written.
    """
    if schema_version(folder) >= SCHEMA_VERSION:
        return
    with writer_lock(folder):
        if schema_version(folder) >= SCHEMA_VERSION:
            return
        for table in TABLES.values():
            store = TableStore(str(folder), table)
            store.create()
            store.add_missing_columns()
        _note_version(folder)


def _note_version(folder: Path) -> None:
    """Write the new version into the settings; people's own words and comments there stay as they are."""
    path = folder / FILE_NAME
    text = path.read_text("utf-8")
    line = f"schema_version = {SCHEMA_VERSION}"
    noted, found = re.subn(r"(?m)^schema_version *= *\d+", line, text, count=1)
    temporary = path.with_suffix(".part")
    try:
        temporary.write_text(noted if found else f"{line}\n{text}", "utf-8")
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(folder, error) from error
