"""A process of its own that imports files: python worker.py BOOKS TABLE FILE...; says what it is doing."""

from __future__ import annotations

import sys
from pathlib import Path


def main(folder: str, table: str, *files: str) -> int:
    from breakeven.errors import BreakevenError
    from breakeven.ledger.books import open_books

    def say(message: str) -> None:
        print(message, flush=True)

    try:
        say("ready")
        books = open_books(folder)
        for file in files:
            [result] = books.ingest(table, [Path(file)], "test", progress=say)
            say(f"done {result.ingested} {result.duplicates} {result.quarantined} {result.rows_read}")
    except KeyboardInterrupt:
        return 130
    except BreakevenError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
