"""How long a person waits for an answer that the books hold already."""

from __future__ import annotations

import shutil
from statistics import median
from typing import Any

from benchmarks.bench import Bench
from benchmarks.lines import Figure
from benchmarks.process import command_seconds
from breakeven.report.view_model import Label


def run(bench: Bench) -> tuple[list[Figure], dict[str, Any]]:
    """All rows of the group: medians of whole processes, on the larger company's books."""
    bench.large.ready_books(keep_last_day=True)
    books = bench.large.books
    views = books / ".cache" / "views"

    def forget() -> None:
        shutil.rmtree(views, ignore_errors=True)

    bench.say("the overview, a first time")
    command_seconds(["overview", str(books)], repeats=1)
    bench.say("the overview and the help page, several times")
    durations = {
        "overview": command_seconds(["overview", str(books)], repeats=2 * bench.repeats - 1),
        "overview_cold": command_seconds(
            ["overview", str(books)], repeats=2 * bench.repeats - 1, before=forget
        ),
        "help": command_seconds(["--help"], repeats=4 * bench.repeats - 3),
    }
    figures = [Figure(name, median(each), _beside(each)) for name, each in durations.items()]
    return figures, durations


def _beside(durations: list[float]) -> Label:
    return Label(
        f"median of {len(durations)}; from {min(durations):.2f} to {max(durations):.2f} s",
        f"{len(durations)} 次的中位数；{min(durations):.2f} 至 {max(durations):.2f} 秒",
    )
