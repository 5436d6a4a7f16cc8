"""Requests that several sources saw: the same rows count on every engine, and a late file is heeded."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.account.bookkeeping import new_books
from tests.engines.rollup_rows import Rollups, multiset, rollups_of, total
from tests.ledger.sightings import deliver, sighting

from breakeven.account.rollups import RollupStore
from breakeven.engine.session import Engine, open_engine
from breakeven.engine.spark import SparkEngine
from breakeven.ledger.books import Books

ODD = 'O\'Hara \\ "proxy"'


@pytest.fixture(scope="module")
def sighted(tmp_path_factory: pytest.TempPathFactory) -> Books:
    folder = tmp_path_factory.mktemp("sighted")
    rules = [
        {"columns": ("user_id", "product"), "within_seconds": 5},
        {"columns": ("user_id",), "within_seconds": 60},
    ]
    books = new_books(
        folder / "books",
        time_zone="Asia/Shanghai",
        matching={"precedence": (ODD, "gateway"), "rules": rules},
    )
    report = {"requests": 50, "user_id": ""}
    deliver(
        books,
        folder,
        [
            sighting("gateway", "1", "20T10:00:00", "r1", product="app"),
            sighting("sdk", "1", "20T10:00:01", "r1", product="app"),
            sighting(ODD, "1", "20T15:59:59", "r2"),
            sighting("gateway", "2", "20T16:00:01", "r2"),
            sighting("gateway", "3", "21T10:00:00", product="app"),
            sighting("sdk", "3", "21T10:00:05", "r3", product="app"),
            sighting("spans", "3", "21T10:00:30"),
            *(sighting("gateway", f"m{n}", "22T10:00:00") for n in range(3)),
            *(sighting("sdk", f"m{n}", "22T10:00:00") for n in range(2)),
            sighting("openai_usage", "d20", "20T00:00:00", **report),
            sighting("openai_usage", "d25", "25T00:00:00", **report),
            sighting("anthropic_usage", "d25", "25T00:00:00", **report),
        ],
    )
    deliver(books, folder, [sighting("sdk", "3", "21T10:00:05", "r3", output_tokens=11)], "corrected")
    return books


COUNTED = {
    ("gateway", "1"), (ODD, "1"), ("gateway", "3"), ("gateway", "m0"), ("gateway", "m1"), ("gateway", "m2"),
    ("anthropic_usage", "d25"),
}  # fmt: skip


def test_the_rows_that_count(engine: Engine, sighted: Books) -> None:
    sighted.view(engine, "usage")
    rows = engine.table("usage").select("source", "source_id")
    assert {tuple(row.values()) for row in engine.arrow(rows).to_pylist()} == COUNTED
    sighted.view(engine, "usage", matched=False)
    rows = engine.table("usage").select("source", "source_id")
    assert engine.arrow(rows).num_rows == 15


@pytest.mark.spark
@pytest.mark.slow
def test_spark_gives_the_rollups_of_duckdb(sighted: Books, spark: SparkEngine, tmp_path: Path) -> None:
    embedded = rollups_of(sighted, "duckdb", tmp_path / "duckdb")
    on_spark = rollups_of(sighted, "spark", tmp_path / "spark")
    assert embedded["usage"].num_rows
    for name, rows in embedded.items():
        assert multiset(on_spark[name]) == multiset(rows), name


def test_a_late_file_of_a_neighbouring_day_is_heeded(tmp_path: Path) -> None:
    books = new_books(tmp_path / "books", matching={"precedence": ("late",)})
    cache = tmp_path / "cache"
    cache.mkdir()

    def refreshed() -> tuple[Rollups, int]:
        store = RollupStore(books, lambda: open_engine("duckdb"), folder=cache)
        return store.refresh(), store.computed_days["usage"]

    deliver(books, tmp_path, [sighting("early", str(n), f"2{n}T23:59:59", f"r{n}") for n in range(4)], "1")
    first, computed = refreshed()
    assert (total(first["usage"], "rows", lambda row: row["day"].day), computed) == (
        {20: 1, 21: 1, 22: 1, 23: 1},
        4,
    )
    deliver(books, tmp_path, [sighting("late", "1", "22T00:00:01", "r1")], "2")
    second, computed = refreshed()
    # The 22nd has a new file; the 21st has none, and loses its row all the same. The others stay as they are.
    assert (total(second["usage"], "rows", lambda row: row["day"].day), computed) == (
        {20: 1, 22: 2, 23: 1},
        2,
    )
    assert multiset(rollups_of(books, "duckdb", tmp_path / "anew")["usage"]) == multiset(second["usage"])
