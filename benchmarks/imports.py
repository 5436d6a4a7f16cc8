"""How fast files enter the books, against a plain write of the same rows by the same libraries."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.company import import_table
from benchmarks.lines import Figure
from benchmarks.machine import GIB
from benchmarks.process import Measured, measure
from breakeven.report.view_model import Label


def run(bench: Bench) -> tuple[list[Figure], dict[str, Any]]:
    """All rows of the group; times are those of whole processes."""
    file = bench.small.files() / "usage.parquet"
    half, text = bench.small.first_half(), bench.small.csv()
    rows = bench.small.usage_rows()

    bench.say(f"yardstick: writing {rows:,} rows unvalidated")
    target = bench.scratch("plain")
    plain = measure(write_plainly, file=file, target=target)
    shutil.rmtree(target)

    bench.say("importing Parquet")
    books = bench.scratch("books")
    first = measure(import_table, books=books, table="usage", file=file)
    bench.say("importing the same file again")
    again = measure(import_table, books=books, table="usage", file=file)
    _expect(first, ingested=rows)
    _expect(again, ingested=0)

    bench.say("importing a file with half its rows known")
    books = bench.scratch("books")
    known = measure(import_table, books=books, table="usage", file=half).said["ingested"]
    half_known = measure(import_table, books=books, table="usage", file=file)
    _expect(half_known, ingested=rows - known)

    bench.say("importing CSV")
    from_csv = measure(import_table, books=bench.scratch("books"), table="usage", file=text)
    _expect(from_csv, ingested=rows)
    shutil.rmtree(bench.work / "scratch")

    slowdown = first.process_seconds / plain.process_seconds
    beside_rate = Label(
        f"{rows:,} rows in {first.process_seconds:.1f} s; DuckDB and delta-rs write them, unvalidated, in "
        f"{plain.process_seconds:.1f} s: {slowdown:.2f} times that",
        f"{rows:,} 行用时 {first.process_seconds:.1f} 秒；DuckDB 与 delta-rs 不校验直接写入用时 "
        f"{plain.process_seconds:.1f} 秒，即其 {slowdown:.2f} 倍",
    )
    runs = {"parquet": first, "again": again, "half_known": half_known, "csv": from_csv, "plain_write": plain}
    measured = (first, half_known, from_csv)
    figures = [
        Figure("import_parquet", rows / first.process_seconds, beside_rate),
        Figure("import_csv", rows / from_csv.process_seconds, _beside_csv(from_csv, text)),
        Figure("import_memory", max(run.peak_bytes for run in measured) / GIB, _beside_memory(runs)),
        Figure("import_again", again.process_seconds / first.process_seconds, _beside_times(again, first)),
        Figure(
            "import_half_known",
            half_known.process_seconds / first.process_seconds,
            _beside_times(half_known, first),
        ),
    ]
    details = {
        name: {"seconds": run.process_seconds, "peak_gib": run.peak_bytes / GIB} for name, run in runs.items()
    }
    return figures, {"rows": rows, "runs": details}


def write_plainly(file: str, target: str) -> dict[str, Any]:
    """The yardstick: rows by day into a Delta table, with neither validation nor a look for duplicates."""
    import duckdb
    from deltalake import write_deltalake

    from breakeven.sources.synthetic import company

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    rows = connection.sql(
        f"SELECT *, CAST((\"at\" AT TIME ZONE '{company.ZONE}') AS DATE) AS day FROM read_parquet('{file}')"
    )
    write_deltalake(target, rows.to_arrow_reader(100_000), partition_by=["day"])
    return {"bytes": sum(path.stat().st_size for path in Path(target).rglob("*.parquet"))}


def _expect(run: Measured, *, ingested: int) -> None:
    if run.said["ingested"] != ingested:
        raise AssertionError(f"{run.said['ingested']} rows were ingested, {ingested} were news")


def _beside_csv(run: Measured, text: Path) -> Label:
    size = text.stat().st_size / GIB
    return Label(
        f"{size:.2f} GiB of text in {run.process_seconds:.1f} s",
        f"{size:.2f} GiB 文本用时 {run.process_seconds:.1f} 秒",
    )


def _beside_memory(runs: dict[str, Measured]) -> Label:
    peaks = {name: run.peak_bytes / GIB for name, run in runs.items()}
    return Label(
        f"Parquet {peaks['parquet']:.2f}, half known {peaks['half_known']:.2f}, CSV {peaks['csv']:.2f}; "
        f"the plain write {peaks['plain_write']:.2f} GiB",
        f"Parquet {peaks['parquet']:.2f}，一半已知 {peaks['half_known']:.2f}，CSV {peaks['csv']:.2f}；"
        f"直接写入 {peaks['plain_write']:.2f} GiB",
    )


def _beside_times(run: Measured, first: Measured) -> Label:
    return Label(
        f"{run.process_seconds:.2f} s against {first.process_seconds:.2f} s",
        f"{run.process_seconds:.2f} 秒，对比 {first.process_seconds:.2f} 秒",
    )
