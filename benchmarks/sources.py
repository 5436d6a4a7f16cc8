"""How fast each source's own files enter the books: read, checked, compared with what is there, committed.

A file of one source is written, imported into books of its own in a process of its own, and removed. Every
record must arrive: the run fails when a row is refused or lost.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.lines import Figure
from benchmarks.machine import GIB
from benchmarks.native_files import native_files, write_native
from benchmarks.process import measure
from breakeven.report.view_model import Label

FULL_RECORDS = 300_000
_MB = 1_000_000


def run(bench: Bench) -> tuple[list[Figure], dict[str, Any]]:
    """The row of the group is the slowest source; all of them are in the details, by name."""
    bench.say("importing a file of each source")
    records = min(FULL_RECORDS, max(bench.users // 2, 20))
    load = os.getloadavg()[0]
    found: dict[str, dict[str, Any]] = {}
    for name in readable():
        folder = bench.scratch("native")
        folder.mkdir()
        try:
            found[name] = one = _measured(name, records, folder)
        finally:
            shutil.rmtree(folder)
        bench.say(
            f"{name}: {records:,} records in {one['seconds']:.1f} s ({one['cpu_seconds']:.1f} s of CPU), "
            f"{one['records_per_s']:,.0f} rows/s"
        )
    slowest = min(found, key=lambda name: found[name]["records_per_s"])
    fastest = max(found, key=lambda name: found[name]["records_per_s"])
    slow, fast = found[slowest], found[fastest]
    beside = Label(
        f"{slowest}, {slow['megabytes']:.0f} MB in {slow['seconds']:.1f} s; the fastest of {len(found)} is "
        f"{fastest} with {fast['records_per_s']:,.0f} rows/s; load before {load:.1f}",
        f"{slowest}，{slow['megabytes']:.0f} MB 用时 {slow['seconds']:.1f} 秒；{len(found)} 种之中最快的 "
        f"{fastest} 为每秒 {fast['records_per_s']:,.0f} 行；此前负载 {load:.1f}",
    )
    return [Figure("sources", slow["records_per_s"], beside)], {"load_before": load, "sources": found}


def readable() -> list[str]:
    """Every source and mapping that ships with us, by name."""
    from breakeven.sources.registry import source_names
    from breakeven.sources.shipped_mappings import SHIPPED

    return sorted({*source_names(), *SHIPPED})


def _measured(name: str, records: int, folder: Path) -> dict[str, Any]:
    native = native_files()[name]
    file = folder / f"{name}{native.ending}"
    write_native(native, records, file)
    size_mb = file.stat().st_size / _MB
    done = measure(import_native, name=name, file=file, books=folder / "books", rows=native.rows(records))
    seconds = done.said["seconds"]
    return {
        "records": records,
        "rows": native.rows(records),
        "seconds": seconds,
        "process_seconds": done.process_seconds,
        "cpu_seconds": done.said["cpu_seconds"],
        "records_per_s": records / seconds,
        "megabytes": size_mb,
        "megabytes_per_s": size_mb / seconds,
        "peak_gib": done.peak_bytes / GIB,
    }


def import_native(name: str, file: str, books: str, rows: int) -> dict[str, Any]:
    """Import one file into new books; every record must become the rows that it should."""
    from breakeven.ledger.books import create_books
    from breakeven.ledger.mapping import read_mapping
    from breakeven.sources.intake import import_from
    from breakeven.sources.registry import find_source
    from breakeven.sources.shipped_mappings import shipped_mapping

    new = create_books(
        books, name="benchmark (synthetic)", currency="CNY", time_zone="Asia/Shanghai", synthetic=True
    )
    source, mapping = find_source(name), shipped_mapping(name)
    started, cpu_started = time.perf_counter(), time.process_time()
    if source is not None:
        results = import_from(new, source, Path(file), {})
    elif mapping is not None:
        known = read_mapping(mapping)
        results = new.ingest(known.table or "", [Path(file)], mapping=known)
    else:
        raise AssertionError(f"there is no source {name}")
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    ingested = sum(result.ingested for result in results)
    if ingested != rows:
        lost = {result.table: (result.rows_read, result.ingested, result.quarantined) for result in results}
        raise AssertionError(f"{name}: {ingested:,} rows were ingested, not {rows:,}: {lost}")
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "ingested": ingested}
