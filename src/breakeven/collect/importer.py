"""The process that books segments beside the service: its own memory, its own cores, a lower priority.

    python -m breakeven.collect.importer BOOKS OPTIONS

Each line on standard input asks for everything that waits to be booked; for each segment it answers a line
of JSON, and `{}` at the end. It ends when standard input does, which happens when the service dies.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from breakeven.collect.booking import book_waiting


def main(folder: str, options: str) -> int:
    """Book whenever asked."""
    with suppress(OSError, AttributeError):
        os.nice(10)
    chosen = json.loads(options)
    for _ in sys.stdin:
        for booked in book_waiting(Path(folder), chosen):
            answer = {
                "table": booked.table,
                "booked": booked.rows,
                "duplicates": booked.duplicates,
                "quarantined": booked.quarantined,
                "error": str(booked.error) if booked.error else "",
            }
            _say(answer)
        _say({})
    return 0


def _say(answer: Mapping[str, object]) -> None:
    with suppress(BrokenPipeError):  # the service died; what was begun is finished all the same
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
