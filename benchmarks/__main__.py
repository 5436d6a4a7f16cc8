"""`python -m benchmarks`: prepare the companies, measure, print the table, write the page."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import (
    accounts,
    close,
    collect,
    growth,
    imports,
    machine,
    pricing,
    reconcile,
    serving,
    sources,
    starts,
)
from benchmarks.bench import Bench
from benchmarks.lines import GROUPS, Figure
from benchmarks.page import Results, page, summary
from benchmarks.process import ROOT, StepFailedError

FULL_USERS, QUICK_USERS, FULL_MONTHS = 6_000_000, 60_000, 6
WORK = ROOT / "benchmarks" / "work"
_DISK_BYTES_PER_USER = 3_500
"""Measured: files, books and what an import writes in passing, both sizes together."""

_RUN: dict[str, Callable[[Bench], tuple[list[Figure], dict[str, Any]]]] = {
    "import": imports.run,
    "account": accounts.run,
    "pricing": pricing.run,
    "start": starts.run,
    "sources": sources.run,
    "reconcile": reconcile.run,
    "close": close.run,
    "collect": collect.run,
    "growth": growth.run,
    "serving": serving.run,
}
_WITHOUT_COMPANY = {"sources", "collect", "growth", "serving"}
"""Groups that make what they measure themselves: little, and not kept."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 0 when it was measured (met or missed), 2 when it could not be."""
    options = _options(arguments)
    if options.clean:
        shutil.rmtree(options.work, ignore_errors=True)
        return 0
    bench = Bench(options.users, options.months, options.work, options.repeats)
    bench.work.mkdir(parents=True, exist_ok=True)
    groups = options.only or GROUPS
    lack = "" if _WITHOUT_COMPANY.issuperset(groups) else _lack_of_disk(bench)
    if lack:
        print(lack, file=sys.stderr)
        return 2
    results = _earlier(bench)
    try:
        for group in groups:
            figures, details = _RUN[group](bench)
            results["groups"][group] = {
                "date": f"{datetime.now(UTC):%Y-%m-%d}",
                "figures": [
                    {
                        "line": one.line,
                        "value": one.value,
                        "beside": {"en": one.beside.en, "zh": one.beside.zh},
                    }
                    for one in figures
                ],
                "details": details,
            }
            _write(results, bench)
    except StepFailedError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; groups that were finished are kept, as is what was prepared", file=sys.stderr)
        return 130
    finally:
        shutil.rmtree(bench.work / "scratch", ignore_errors=True)
        print(summary(results))
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./run bench",
        description="Measure Breakeven on generated books. The full size, 100 million requests, takes about "
        "an hour and 20 GB of disk the first time; it writes docs/benchmarks.md and docs/benchmarks.zh.md. "
        "Other sizes write their page beside results.json.",
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--quick", action="store_const", const=QUICK_USERS, dest="users", help="1 million requests"
    )
    size.add_argument("--users", type=int, metavar="N", help=f"users of the larger company ({FULL_USERS:,})")
    parser.add_argument("--months", type=int, default=FULL_MONTHS, metavar="N", help="of the companies (6)")
    parser.add_argument("--only", action="append", choices=GROUPS, help="measure this alone; repeatable")
    parser.add_argument(
        "--repeats", type=int, default=3, metavar="N", help="passes of short measurements (3)"
    )
    parser.add_argument(
        "--work", type=Path, default=WORK, metavar="DIR", help="where the generated books are kept"
    )
    parser.add_argument(
        "--clean", action="store_true", help="remove what earlier runs kept, and do nothing else"
    )
    options = parser.parse_args(arguments)
    options.users = options.users or FULL_USERS
    options.work = options.work.resolve()
    return options


def _lack_of_disk(bench: Bench) -> str:
    """Why there is too little disk, empty when there is enough; what earlier runs kept counts as there."""
    kept = sum(path.stat().st_size for path in bench.work.rglob("*") if path.is_file())
    needed = bench.users * _DISK_BYTES_PER_USER - kept
    free = shutil.disk_usage(bench.work).free
    if needed <= free:
        return ""
    return (
        f"{needed / 1e9:.0f} GB of disk are needed and {free / 1e9:.0f} GB are free; "
        "try --quick, a smaller --users, or another disk with --work"
    )


def _earlier(bench: Bench) -> Results:
    """What an earlier run of this size on this machine left, so that `--only` completes it."""
    about = machine.describe()
    fresh: Results = {
        "machine": about,
        "users": bench.users,
        "months": bench.months,
        "rows": {},
        "groups": {},
    }
    try:
        known = json.loads((bench.work / "results.json").read_text("utf-8"))
    except (OSError, ValueError):
        return fresh
    same = all(known.get(name) == fresh[name] for name in ("machine", "users", "months"))
    return known if same else fresh


def _write(results: Results, bench: Bench) -> None:
    results["rows"] = {
        company.folder.name: company.usage_rows()
        for company in (bench.large, bench.small)
        if (company.folder / "truth.json").exists()
    }
    (bench.work / "results.json").write_text(
        json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8"
    )
    full = (bench.users, bench.months) == (FULL_USERS, FULL_MONTHS)
    folder = ROOT / "docs" if full else bench.work
    for language, name in (("en", "benchmarks.md"), ("zh", "benchmarks.zh.md")):
        (folder / name).write_text(page(results, language), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
