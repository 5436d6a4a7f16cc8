"""What comparing all bills adds to the account: both from raw rows, each in a process of its own."""

from __future__ import annotations

import shutil
import time
from typing import Any

from benchmarks.accounts import scan
from benchmarks.bench import Bench
from benchmarks.close import account
from benchmarks.lines import Figure
from benchmarks.process import measure
from breakeven.report.view_model import Label


def run(bench: Bench) -> tuple[list[Figure], dict[str, Any]]:
    """The row of the group: the account with every month reconciled, over the account alone."""
    bench.large.ready_books(keep_last_day=True)
    books = bench.large.books
    bench.say("reading every file once, so that none comes from the disk later")
    measure(scan, books=books, repeats=1)
    bench.say("the account alone")
    shutil.rmtree(books / ".cache", ignore_errors=True)
    alone = measure(account, books=books)
    bench.say("the account with its bills")
    shutil.rmtree(books / ".cache", ignore_errors=True)
    compared = measure(reconcile, books=books)
    seconds, lines = compared.said["compare_seconds"], compared.said["lines"]
    beside = Label(
        f"the account alone {alone.process_seconds:.1f} s; with its bills {compared.process_seconds:.1f} s, "
        f"of which comparing {lines:,} lines took {seconds:.2f} s",
        f"仅账目 {alone.process_seconds:.1f} 秒；连同账单 {compared.process_seconds:.1f} 秒，"
        f"其中比较 {lines:,} 行用了 {seconds:.2f} 秒",
    )
    details = {
        name: {"process_seconds": one.process_seconds, "peak_bytes": one.peak_bytes, **one.said}
        for name, one in (("account", alone), ("reconcile", compared))
    }
    return [Figure("reconcile", compared.process_seconds / alone.process_seconds, beside)], details


def reconcile(books: str) -> dict[str, Any]:
    """Open the account, post every measure and compare every bill; the parts of each line must add up."""
    from breakeven.account.account import open_account
    from breakeven.ledger.books import open_books
    from breakeven.reconcile.compare import compare

    opened = open_account(open_books(books))
    opened.facts  # noqa: B018 - computes every measure
    started = time.perf_counter()
    lines = compare(opened)
    seconds = time.perf_counter() - started
    for line in lines:
        if line.difference is not None and sum(line.parts.values()) != line.difference:
            raise AssertionError(f"the parts of {line.id} do not add up")
    return {"compare_seconds": seconds, "lines": len(lines), "requests": int(opened.total("requests"))}
