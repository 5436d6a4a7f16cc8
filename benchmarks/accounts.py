"""How fast the account comes about: from raw rows, after one more day, and under changed prices."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bench import Bench
from benchmarks.company import LAST_DAY, MEASURED_TABLES, import_tables
from benchmarks.lines import Figure
from benchmarks.machine import GIB
from benchmarks.process import Measured, measure, peak_memory_bytes
from breakeven.report.view_model import Label

DEARER = Decimal("1.25")
_PRICE = re.compile(r"(?<=: )\d+\.\d+")


def run(bench: Bench) -> tuple[list[Figure], dict[str, Any]]:
    """All rows of the group. The larger company's books are measured without their last day, then with it."""
    taken = bench.large.ready_books(keep_last_day=True)
    bench.small.ready_books(keep_last_day=False)
    bench.say("taking out what an earlier run added")
    measure(take_last_day_out, books=bench.large.books)

    scans: dict[str, Measured] = {}
    accounts: dict[str, Measured] = {}
    for name, company in (("small", bench.small), ("large", bench.large)):
        bench.say(f"yardstick: scanning the books of {company.users:,} users")
        scans[name] = measure(scan, books=company.books, repeats=bench.repeats)
        bench.say("full account from raw rows")
        shutil.rmtree(company.books / ".cache", ignore_errors=True)
        accounts[name] = measure(account, books=company.books)

    bench.say("one more day")
    day = measure(import_tables, books=bench.large.books, folder=bench.large.last_day, tables=MEASURED_TABLES)
    next_day = measure(account, books=bench.large.books)

    bench.say("changed price cards")
    with dearer_cards(bench.large.books / "prices"):
        repriced = measure(reprice, books=bench.large.books)
    _expect_dearer(next_day, repriced)

    full, scanned = accounts["large"], scans["large"].said
    figures = [
        Figure("account_scan", full.said["all_seconds"] / scanned["seconds"], _beside_scan(full, scanned)),
        Figure("account_memory", full.peak_bytes / GIB, _beside_memory(full, accounts["small"])),
        Figure(
            "account_growth",
            full.said["all_seconds"] / accounts["small"].said["all_seconds"],
            _beside_growth(full, accounts["small"], scans),
        ),
        Figure(
            "account_next_day", next_day.process_seconds / full.process_seconds, _beside_day(next_day, full)
        ),
        Figure("reprice", repriced.process_seconds, _beside_reprice(repriced, full)),
    ]
    details = {
        "usage_rows": {name: run.said["rows"] for name, run in scans.items()},
        "import_in_one_file": taken,
        "last_day": day.said,
        "scan": {name: run.said for name, run in scans.items()},
        "account": {name: _all_of(run) for name, run in accounts.items()},
        "next_day": _all_of(next_day),
        "reprice": _all_of(repriced),
    }
    return figures, details


def scan(books: str, repeats: int) -> dict[str, Any]:
    """The yardstick: one bare pass over every column the account needs, all tables, by the same engine."""
    from breakeven.engine.duckdb import DuckDBEngine
    from breakeven.ledger.books import open_books

    opened = open_books(books)
    durations: list[float] = []
    with DuckDBEngine() as engine:
        for table in MEASURED_TABLES:
            opened.view(engine, table)
        for _ in range(repeats):
            started = time.perf_counter()
            for table in MEASURED_TABLES:
                engine.rows(scan_query(table))
            durations.append(time.perf_counter() - started)
        [(rows,)] = engine.rows("SELECT count(*) FROM usage")
    size = sum(Path(file.uri).stat().st_size for table in MEASURED_TABLES for file in opened.files(table))
    return {"seconds": median(durations), "rows": rows, "bytes": size}


_NOT_NEEDED = {"source", "source_id", "batch_id", "version", "latency_ms", "ttft_ms"}


def scan_query(table: str) -> str:
    """Sums of the numbers and greatest of everything else: as little work as reading a column allows."""
    import pyarrow as pa

    from breakeven.engine import sql
    from breakeven.ledger.tables import TABLES

    wanted = [field for field in TABLES[table].schema if field.name not in _NOT_NEEDED]
    parts = [
        f"{'sum' if pa.types.is_integer(field.type) or pa.types.is_decimal(field.type) else 'max'}"
        f"({sql.name(field.name)})"
        for field in wanted
    ]
    return f"SELECT {', '.join(parts)} FROM {table}"


def account(books: str) -> dict[str, Any]:
    """Open the account and build every view; seconds and memory as they stood after each stage."""
    started = time.perf_counter()
    opened = _open(books)
    posted = time.perf_counter() - started
    posted_peak = peak_memory_bytes()

    from breakeven.report.views.cash import cash_view
    from breakeven.report.views.cost import cost_view
    from breakeven.report.views.growth import channels_view, cohorts_view
    from breakeven.report.views.income import income_view
    from breakeven.report.views.overview import overview_view

    for view in (overview_view, income_view, channels_view, cohorts_view, cash_view):
        view(opened)
    cost_view(opened, users=False)
    views = time.perf_counter() - started
    views_peak = peak_memory_bytes()
    cost_view(opened, users=True)
    return {
        "posted_seconds": posted, "views_seconds": views, "all_seconds": time.perf_counter() - started,
        "posted_peak_gib": posted_peak / GIB, "views_peak_gib": views_peak / GIB, **_usage_values(opened),
    }  # fmt: skip


def reprice(books: str) -> dict[str, Any]:
    """Open the account under the cards as they are now and post every measure."""
    return _usage_values(_open(books))


def _open(books: str) -> Any:
    from breakeven.account.account import open_account
    from breakeven.ledger.books import open_books

    opened = open_account(open_books(books))
    opened.facts  # noqa: B018 - computes every measure
    return opened


def _usage_values(account: Any) -> dict[str, Any]:
    names = ("usage_at_list_price", "inference_api_cost")
    return {"months": len(account.buckets.periods), **{name: str(account.total(name)) for name in names}}


def take_last_day_out(books: str) -> dict[str, Any]:
    """Undo the batches of the last day, as long as they stand."""
    from breakeven.ledger.books import open_books

    opened = open_books(books)
    standing = [batch for batch in opened.batches() if not batch.undone and LAST_DAY in batch.facts["file"]]
    for batch in standing:
        opened.undo(batch.batch_id)
    return {"undone": len(standing)}


@contextmanager
def dearer_cards(folder: Path) -> Generator[None]:
    """Every price of the folder's cards raised by a quarter, for a while."""
    before = {path: path.read_text("utf-8") for path in folder.glob("*.yaml")}
    try:
        for path, text in before.items():
            path.write_text(raised(text), "utf-8")
        yield
    finally:
        for path, text in before.items():
            path.write_text(text, "utf-8")


def raised(card: str) -> str:
    """A card's text with every price per million tokens raised by a quarter.

    >>> raised("        per_mtok: {uncached_input: 12.00, output: 1.25}")
    '        per_mtok: {uncached_input: 15.0000, output: 1.5625}'
    """
    return "\n".join(
        _PRICE.sub(lambda found: str(Decimal(found[0]) * DEARER), line) if "per_mtok" in line else line
        for line in card.split("\n")
    )


def _expect_dearer(before: Measured, after: Measured) -> None:
    """All of the history must have been priced anew: totals rise by a quarter, up to a cent a month."""
    for name in ("usage_at_list_price", "inference_api_cost"):
        expected, found = Decimal(before.said[name]) * DEARER, Decimal(after.said[name])
        if not expected or abs(found - expected) > Decimal("0.02") * before.said["months"]:
            raise AssertionError(f"{name} is {found} under dearer cards, not {expected}")


def _all_of(run: Measured) -> dict[str, Any]:
    return {**run.said, "process_seconds": run.process_seconds, "peak_gib": run.peak_bytes / GIB}


def _beside_scan(full: Measured, scanned: dict[str, Any]) -> Label:
    seconds, views = full.said["all_seconds"], full.said["views_seconds"]
    without = views / scanned["seconds"]
    return Label(
        f"{scanned['rows']:,} usage rows: {seconds:.1f} s against {scanned['seconds']:.2f} s; without the "
        f"table of users {views:.1f} s, {without:.1f} times",
        f"{scanned['rows']:,} 行用量：{seconds:.1f} 秒对比 {scanned['seconds']:.2f} 秒；不含用户表 "
        f"{views:.1f} 秒，{without:.1f} 倍",
    )


def _beside_memory(full: Measured, small: Measured) -> Label:
    return Label(
        f"{full.said['views_peak_gib']:.2f} GiB without the table of users; of a fifth of the rows "
        f"{small.peak_bytes / GIB:.2f} GiB",
        f"不含用户表 {full.said['views_peak_gib']:.2f} GiB；五分之一行数时 {small.peak_bytes / GIB:.2f} GiB",
    )


def _beside_growth(full: Measured, small: Measured, scans: dict[str, Measured]) -> Label:
    rows = scans["large"].said["rows"] / scans["small"].said["rows"]
    scanned = scans["large"].said["seconds"] / scans["small"].said["seconds"]
    return Label(
        f"{full.said['all_seconds']:.1f} s against {small.said['all_seconds']:.1f} s for {rows:.2f} times "
        f"the rows; the bare scan takes {scanned:.1f} times",
        f"{full.said['all_seconds']:.1f} 秒对比 {small.said['all_seconds']:.1f} 秒，行数为 {rows:.2f} 倍；"
        f"纯扫描为 {scanned:.1f} 倍",
    )


def _beside_day(day: Measured, full: Measured) -> Label:
    inside, whole = day.said["all_seconds"], full.said["all_seconds"]
    posted = day.said["posted_seconds"]
    of_posted = f"{posted / full.said['posted_seconds']:.1%}"
    return Label(
        f"whole processes: {day.process_seconds:.2f} s against {full.process_seconds:.1f} s; inside "
        f"{inside:.2f} s, {inside / whole:.1%}; the account without views {posted:.2f} s, "
        f"{of_posted} of its own",
        f"整个进程 {day.process_seconds:.2f} 秒对比 {full.process_seconds:.1f} 秒；进程内 {inside:.2f} 秒，"
        f"{inside / whole:.1%}；不含视图 {posted:.2f} 秒，为其全量的 {of_posted}",
    )


def _beside_reprice(run: Measured, full: Measured) -> Label:
    return Label(
        f"whole process; {run.seconds:.2f} s inside; the full account takes {full.process_seconds:.1f} s",
        f"整个进程；进程内 {run.seconds:.2f} 秒；全账需 {full.process_seconds:.1f} 秒",
    )
