"""The log of batches: what a commit says about its import, and whether a file's content is in the books.

A batch is named by its content (table, source, mapping, file bytes): importing a file again finds the batch
in the log and reads nothing. When its rows, or rows it dropped as duplicates, were taken out since, the file
is read again under the same name with `+1`, `+2`, ... behind it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from breakeven.ledger.mapping import Mapping
from breakeven.ledger.store import Commit
from breakeven.ledger.tables import LedgerTable


@dataclass(frozen=True)
class Batch:
    """One import in the log, and whether it still stands."""

    table: str
    at: datetime
    facts: MappingOf[str, Any]
    undone: bool

    @property
    def batch_id(self) -> str:
        """The batch's name."""
        return str(self.facts["batch_id"])

    @property
    def content_id(self) -> str:
        """The name of what was imported: the same for every import of one file.

        >>> at = datetime(2024, 3, 1)
        >>> Batch("usage", at, {"batch_id": "5f0c+1"}, undone=False).content_id
        '5f0c'
        """
        return self.batch_id.partition("+")[0]


def batches_of(table: str, history: Iterable[Commit]) -> list[Batch]:
    """The imports of a table's history, oldest first."""
    commits = list(history)
    undone = {commit.facts["batch_id"] for commit in commits if commit.facts["kind"] == "undo"}
    return [
        Batch(table, commit.at, commit.facts, commit.facts["batch_id"] in undone)
        for commit in commits
        if commit.facts["kind"] == "import"
    ]


def content_id(table: LedgerTable, source: str | None, mapping: Mapping, digest: str) -> str:
    """The name of a file's content as it would be imported into a table."""
    said = "\x1f".join((table.name, source or mapping.source or "", mapping.digest, digest))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Seen:
    """What the log knows of a content: the import that holds all its rows, else the name of the next one."""

    standing: Batch | None
    next_id: str


def seen(batches: list[Batch], content: str) -> Seen:
    """Look a content up in the log."""
    same = [batch for batch in batches if batch.content_id == content]
    if not same:
        return Seen(None, content)
    undone = {batch.batch_id for batch in batches if batch.undone}
    last = same[-1]
    complete = not last.undone and undone.isdisjoint(last.facts["duplicates_of"])
    return Seen(last if complete else None, f"{content}+{len(same)}")
