"""What reconciling and closing a month adds to the account itself: both from raw rows, each in a process."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.accounts import scan
from benchmarks.bench import Bench
from benchmarks.lines import Figure
from benchmarks.process import Measured, measure
from breakeven.report.view_model import Label

LENIENT = '[close]\ncoverage = "0"\nunpriced = "1"\nunexplained = "1000000"\n'
_LIMITS = re.compile(r"\[close\][^\[]*")


def run(bench: Bench) -> tuple[list[Figure], dict[str, Any]]:
    """The row of the group: reconcile and close the first month, over the account of the same books."""
    bench.large.ready_books(keep_last_day=True)
    books = bench.large.books
    with lenient_limits(books):
        bench.say("reading every file once, so that none comes from the disk later")
        measure(scan, books=books, repeats=1)
        bench.say("the account alone")
        _empty(books)
        alone = measure(account, books=books)
        bench.say("reconciling and closing a month")
        _empty(books)
        closing = measure(reconcile_and_close, books=books)
        bench.say("showing and proving it")
        proof = measure(prove, books=books, month=closing.said["month"])
        bench.say("the account with a closed month")
        again = measure(account, books=books)
        _empty(books)
    of_month, of_all = alone.said["first_month_requests"], alone.said["requests"]
    beside = Label(
        f"books of {of_all:,} requests, {of_month:,} of them in the month; the account alone "
        f"{alone.process_seconds:.1f} s; reconciled and closed {closing.process_seconds:.1f} s; proved again "
        f"from its basis {proof.process_seconds:.1f} s; the account after that {again.process_seconds:.1f} s",
        f"账簿共 {of_all:,} 个请求，该月 {of_month:,} 个；仅账目 {alone.process_seconds:.1f} 秒；"
        f"核对并结账 {closing.process_seconds:.1f} 秒；按依据重新验证 {proof.process_seconds:.1f} 秒；"
        f"其后的账目 {again.process_seconds:.1f} 秒",
    )
    details = {
        "account": _all_of(alone),
        "close": _all_of(closing),
        "prove": _all_of(proof),
        "account_after": _all_of(again),
    }
    return [Figure("close", closing.process_seconds / alone.process_seconds, beside)], details


def account(books: str) -> dict[str, Any]:
    """Open the account and post every measure."""
    from breakeven.account.account import open_account
    from breakeven.ledger.books import open_books

    opened = open_account(open_books(books))
    opened.facts  # noqa: B018 - computes every measure
    return {
        "months": len(opened.buckets.periods),
        "requests": int(opened.total("requests")),
        "first_month_requests": int(opened.value("requests", 0)),
    }


def reconcile_and_close(books: str) -> dict[str, Any]:
    """Prepare and close the first month with data, its bills compared."""
    from breakeven.ledger.books import open_books
    from breakeven.reconcile.close import close_month, prepare
    from breakeven.report.views.statement import frozen_forms

    opened = open_books(books)
    span = opened.coverage().periods["usage"][0]
    started = time.perf_counter()
    prepared = prepare(opened, span.first.replace(day=1))
    computed = time.perf_counter() - started
    failing = [condition for condition in prepared.conditions if condition.state == "fail"]
    if failing:
        raise AssertionError(f"the month cannot be closed: {failing}")
    entry = close_month(prepared, render=frozen_forms)
    return {
        "month": entry.month.isoformat(), "digest": entry.digest, "prepare_seconds": computed,
        "bill_lines": len(prepared.statement["reconciliation"]),
    }  # fmt: skip


def prove(books: str, month: str) -> dict[str, Any]:
    """Compute the closed month again from what it rests on; it must be the same."""
    from breakeven.ledger.books import open_books
    from breakeven.reconcile.close import verify

    verdict = verify(open_books(books), date.fromisoformat(month))
    if not verdict.is_same:
        raise AssertionError(f"not reproduced: {verdict.differences[:5]} {verdict.failure}")
    return {"is_same": verdict.is_same}


@contextmanager
def lenient_limits(books: Path) -> Generator[None]:
    """Limits that any month keeps, for a while: what is measured is the work, not the company."""
    path = books / "breakeven.toml"
    before = path.read_text("utf-8")
    path.write_text(f"{_LIMITS.sub('', before).rstrip()}\n\n{LENIENT}", "utf-8")
    try:
        yield
    finally:
        path.write_text(before, "utf-8")


def _empty(books: Path) -> None:
    for name in (".cache", "closed"):
        shutil.rmtree(books / name, ignore_errors=True)


def _all_of(run: Measured) -> dict[str, Any]:
    return {"process_seconds": run.process_seconds, "peak_bytes": run.peak_bytes, **run.said}
