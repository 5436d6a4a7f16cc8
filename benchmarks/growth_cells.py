"""How fast the visits of many users become cells: from raw rows, and after one more day of activity.

The books are made by the engine and written to the tables directly: importing is measured elsewhere. Opening
the account is not part of what is timed here; each timed step runs in a process of its own, whose peak memory
is the step's.
"""

from __future__ import annotations

import shutil
import time
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.machine import GIB
from benchmarks.process import measure

USERS, DAYS = 8_000_000, 92
FIRST = date(2024, 1, 1)
SPLIT = ("channel", "platform")


def run(folder: Path, users: int = USERS) -> dict[str, Any]:
    """Everything of this module, as numbers by name. Seconds are those of `visit_cells` alone."""
    books = folder / f"visits-of-{users}"
    if not (books / "breakeven.toml").exists():
        measure(make_books, books=books, users=users)
    shutil.rmtree(books / ".cache", ignore_errors=True)
    shutil.rmtree(books / "activity", ignore_errors=True)
    rows = measure(write_activity, books=books, users=users, first=0, end=DAYS).said["rows"]
    measure(open_books_account, books=books)
    whole = measure(count, books=books, dimensions=[])
    split = measure(count, books=books, dimensions=list(SPLIT))
    found: dict[str, Any] = {
        "users": whole.said["users"],
        "activity_rows": rows,
        "cells": whole.said["cells"],
        "seconds": whole.said["seconds"],
        "cpu_seconds": whole.said["cpu_seconds"],
        "peak_gib": whole.peak_bytes / GIB,
        "split_cells": split.said["cells"],
        "split_seconds": split.said["seconds"],
        "next_days": [],
    }
    for day in range(DAYS, DAYS + 3):
        measure(write_activity, books=books, users=users, first=day, end=day + 1)
        measure(open_books_account, books=books)
        one = measure(count, books=books, dimensions=[])
        by = measure(count, books=books, dimensions=list(SPLIT))
        found["next_days"].append(
            {
                "did": one.said["did"],
                "seconds": one.said["seconds"],
                "cpu_seconds": one.said["cpu_seconds"],
                "share": one.said["seconds"] / whole.said["seconds"],
                "peak_gib": one.peak_bytes / GIB,
                "split_seconds": by.said["seconds"],
            }
        )
    return found


def make_books(books: str, users: int) -> dict[str, Any]:
    """Books whose users are acquired evenly over the days, from a few channels on three platforms."""
    from breakeven.ledger.books import create_books

    made = create_books(books, name="visits", time_zone="Asia/Shanghai")
    query = f"""SELECT {_ID} AS user_id,
        TIMESTAMPTZ '{FIRST} 12:00:00+08' + to_days((u % {DAYS})::INTEGER) AS acquired_at,
        'channel-' || (u * 7919 % 12) AS channel, 'campaign-' || (u * 104729 % 60) AS campaign,
        NULL::VARCHAR AS creator, (u % 10 < 7) AS is_paid,
        ['ios', 'android', 'web'][1 + (u % 3)::INTEGER] AS platform, 'CN' AS country,
        {_tail("u::VARCHAR")}, DATE '{FIRST}' + (u % {DAYS})::INTEGER AS day
        FROM range({users}) t(u) ORDER BY day"""
    _write(made, "acquisitions", query, 0, DAYS)
    return {}


def write_activity(books: str, users: int, first: int, end: int) -> dict[str, Any]:
    """Two and a half active days for each user: the first, and up to three later ones, anywhere after it."""
    from breakeven.ledger.books import open_books

    opened = open_books(books) if Path(books, "activity").exists() else _with_table(books)
    visits = f"""SELECT u, CASE WHEN k = 0 THEN u % {DAYS} ELSE u % {DAYS} + 1 + hash(u, k) % 60 END AS d
        FROM range({users}) t(u), range(6) s(k) WHERE k = 0 OR hash(u, k, 7) % 1000 < 460"""
    query = f"""SELECT {_ID} AS user_id, DATE '{FIRST}' + d::INTEGER AS day, 1::BIGINT AS sessions,
        {_tail("u || '-' || d")} FROM (SELECT DISTINCT u, d FROM ({visits}) WHERE d >= {first} AND d < {end})
        ORDER BY day"""
    return {"rows": _write(opened, "activity", query, first, end)}


def open_books_account(books: str) -> dict[str, Any]:
    """Bring the account's own rollups up to date, which is not what is timed here."""
    _account(books)
    return {}


def count(books: str, dimensions: list[str]) -> dict[str, Any]:
    """The cells of the users, by some dimensions."""
    from breakeven.account import visit_cells as module
    from breakeven.account.visit_manifest import VisitManifest

    # Whoever takes in a day has just brought the account up to date, with the same libraries.
    import_module("ibis.backends.duckdb")
    opened = _account(books)
    before = VisitManifest.read(opened.cache / "visits.json").version
    started, busy = time.perf_counter(), time.process_time()
    cells = module.visit_cells(opened, *dimensions)
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    after = VisitManifest.read(opened.cache / "visits.json")
    did = "nothing" if after.version == before else "added" if len(after.parts) > 1 else "all"
    users = sum(cells["users"].to_pylist())
    return {"seconds": seconds, "cpu_seconds": busy, "cells": cells.num_rows, "users": users, "did": did}


_ID = "'p_' || substr(md5(u::VARCHAR), 1, 20)"


def _tail(source_id: str) -> str:
    return f"""NULL::BIGINT AS revision, 'made' AS source, {source_id} AS source_id, 1::INTEGER AS version,
        'made' AS batch_id"""


def _with_table(books: str) -> Any:
    from breakeven.ledger.store import TableStore
    from breakeven.ledger.tables import TABLES

    TableStore(books, TABLES["activity"]).create()
    from breakeven.ledger.books import open_books

    return open_books(books)


def _write(books: Any, table: str, query: str, first: int, end: int) -> int:
    """Rows of a query into a table, as one batch with the facts that an import leaves."""
    from breakeven.engine.duckdb import DuckDBEngine
    from breakeven.ledger.tables import TABLES

    store, schema = books.store(table), TABLES[table].schema
    days = [(FIRST + timedelta(days=offset)).isoformat() for offset in (first, end - 1)]
    name = f"{table}-{first}-{end}"
    with DuckDBEngine(memory_gib=4.0, keep_order=True) as engine:
        columns = ", ".join(schema.names)
        named = f"SELECT * REPLACE ('{name}' AS batch_id) FROM ({query})"
        engine.execute(f"CREATE TABLE made AS SELECT {columns} FROM ({named})")
        [(rows,)] = engine.rows("SELECT count(*) FROM made")
        facts = {
            "kind": "import", "batch_id": name, "file": name, "file_sha256": name, "source": "made",
            "rows_read": rows, "ingested": rows, "duplicates": 0, "quarantined": 0, "versions": 0,
            "skipped": 0,
            "duplicates_of": [], "revised_days": [], "repeated_days": [],
            "first_day": days[0], "last_day": days[1], "covers": None,
        }  # fmt: skip
        stream = engine.stream("SELECT * FROM made ORDER BY day")
        store.append(store.open(), stream, facts, app_id=name, days=end - first)
    return int(rows)


def _account(books: str) -> Any:
    from breakeven.account.account import open_account
    from breakeven.ledger.books import open_books

    return open_account(open_books(books))
