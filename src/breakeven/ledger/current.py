"""What is true now of rows that were corrected: only the latest version of a (source, source_id) counts.

Nothing is rewritten when a correction comes in. Each import that brings new versions notes in the log the
days in which the replaced rows lie; a reader leaves those rows out of the files of those days, and reads all
other files as they are. Taking the correction out again brings the older row back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from breakeven.engine.session import Corrections
from breakeven.ledger.batch_log import Batch
from breakeven.ledger.store import StoredFile


def corrections_of(files: Sequence[StoredFile], batches: Iterable[Batch]) -> Corrections | None:
    """Which of a snapshot's files hold later versions, and which may hold rows that those replace.

    `batches` are the table's imports up to the snapshot. None when there is nothing to leave out.
    """
    later = tuple(file.uri for file in files if file.version_most > 1)
    if not later:
        return None
    days = {day for batch in batches for day in batch.facts["revised_days"]}
    earlier = frozenset(file.uri for file in files if file.partition is None or file.partition in days)
    return Corrections(later, earlier)
