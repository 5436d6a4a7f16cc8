"""Same key, other content: a new version. Readers see only the latest, and undo brings back the older."""

from __future__ import annotations

import pytest

from breakeven.engine.duckdb import DuckDBEngine
from breakeven.ledger.tables import TABLES

from .bench import held, rows, take, told, write

COUNTS = "source_id, sessions, version, CAST(day AS VARCHAR)"


def stored(books, table, columns):
    """All rows on disk, replaced ones included."""
    with DuckDBEngine() as engine:
        uris = [file.uri for file in books.files(table)]
        engine.view(table, uris, TABLES[table].schema, "day" if TABLES[table].partitioned else None)
        return sorted(engine.rows(f"SELECT {columns} FROM {table}"))


def test_a_correction_replaces_the_row_in_every_view(books, tmp_path):
    first = take(books, "activity", write(tmp_path / "1.csv", rows("activity", 3)))
    assert books.corrections("activity") is None
    # The corrected row lies on another day than the one it replaces.
    moved = rows("activity", 1, first=2, sessions=9, day="2024-04-02")
    second = take(books, "activity", write(tmp_path / "2.csv", moved + rows("activity", 1, first=4)))
    assert (first.versions, second.versions, second.ingested) == (0, 1, 2)
    day = "2024-03-20"
    assert held(books, "activity", COUNTS) == [
        ("a1", 2, 1, day),
        ("a2", 9, 2, "2024-04-02"),
        ("a3", 2, 1, day),
        ("a4", 2, 1, day),
    ]
    assert len(stored(books, "activity", COUNTS)) == 5

    _, removed, _ = books.undo(second.batch_id)
    assert removed == 2
    assert held(books, "activity", COUNTS) == [(f"a{i}", 2, 1, day) for i in (1, 2, 3)]


def test_a_view_of_some_files_still_knows_of_corrections_in_others(books, tmp_path):
    take(books, "activity", write(tmp_path / "1.csv", rows("activity", 3)))
    take(books, "activity", write(tmp_path / "2.csv", rows("activity", 1, first=2, day="2024-04-02")))
    old = [file for file in books.files("activity") if file.partition == "2024-03-20"]
    with DuckDBEngine() as engine:
        books.view(engine, "activity", old)
        assert sorted(engine.rows("SELECT source_id FROM activity")) == [("a1",), ("a3",)]


def test_days_without_corrected_rows_are_read_as_they_are(books, tmp_path):
    take(books, "activity", write(tmp_path / "1.csv", rows("activity", 3)))
    take(books, "activity", write(tmp_path / "2.csv", rows("activity", 3, first=4, day="2024-03-21")))
    take(books, "activity", write(tmp_path / "3.csv", rows("activity", 1, sessions=5)))
    corrections = books.corrections("activity")
    assert corrections is not None
    days = {file.uri: file.partition for file in books.files("activity")}
    assert {days[uri] for uri in corrections.earlier} == {"2024-03-20"}
    assert [days[uri] for uri in corrections.later] == ["2024-03-20"]


def test_versions_within_one_file_go_by_their_order(books, tmp_path):
    records = [row for sessions in (1, 2, 2, 3) for row in rows("activity", 2, sessions=sessions)]
    result = take(books, "activity", write(tmp_path / "1.csv", records))
    assert (result.ingested, result.duplicates, result.versions) == (6, 2, 4)
    assert held(books, "activity", "source_id, sessions, version") == [("a1", 3, 3), ("a2", 3, 3)]


def test_a_table_that_is_not_cut_in_days_is_corrected_too(books, tmp_path):
    bill = {
        "source_id": "b1",
        "vendor": "cloud",
        "category": "cloud",
        "period_start": "2024-03-01",
        "period_end": "2024-04-01",
        "amount": "10",
        "currency": "CNY",
    }
    other = {**bill, "source_id": "b2"}
    take(books, "bills", write(tmp_path / "1.csv", [bill, other]))
    assert take(books, "bills", write(tmp_path / "2.csv", [{**bill, "amount": "12"}])).versions == 1
    assert held(books, "bills", "source_id, CAST(amount AS VARCHAR)") == [
        ("b1", "12.000000000"),
        ("b2", "10.000000000"),
    ]


def test_taking_out_the_older_version_leaves_the_newer(books, tmp_path):
    first = take(books, "activity", write(tmp_path / "1.csv", rows("activity", 2)))
    take(books, "activity", write(tmp_path / "2.csv", rows("activity", 1, sessions=9)))
    books.undo(first.batch_id)
    assert held(books, "activity", "source_id, sessions") == [("a1", 9)]


def test_a_chain_of_corrections_can_be_taken_out_link_by_link(books, tmp_path):
    results = [
        take(books, "activity", write(tmp_path / f"{i}.csv", rows("activity", 1, sessions=i)))
        for i in range(1, 5)
    ]
    left = {1, 2, 3, 4}
    for gone, expected in ((3, 4), (4, 2), (1, 2)):
        books.undo(results[gone - 1].batch_id)
        left.discard(gone)
        assert held(books, "activity", "source_id, sessions") == [("a1", expected)]
    assert len(stored(books, "activity", "source_id")) == len(left)


def test_the_same_key_in_another_source_is_another_row(books, tmp_path):
    path = write(tmp_path / "1.csv", rows("activity", 2))
    take(books, "activity", path, source="app")
    other = take(books, "activity", path, source="web")
    assert (other.ingested, other.versions) == (2, 0)


@pytest.mark.parametrize("long", ["s" * 40, "s" * 300, "源" * 120])
def test_long_names_of_sources_are_told_apart(books, tmp_path, long):
    path = write(tmp_path / "1.csv", rows("activity", 2))
    for source in (long + "a", long + "b"):
        assert take(books, "activity", path, source=source).ingested == 2
    again = take(books, "activity", write(tmp_path / "2.csv", rows("activity", 3)), source=long + "a")
    assert (again.ingested, again.duplicates) == (1, 2)


def test_many_sources_in_one_file_are_all_compared(books, tmp_path):
    records = [{**row, "source": f"s{i:03}"} for i, row in enumerate(rows("activity", 250))]
    for name, count in (("1.csv", 200), ("2.csv", 250)):
        result = take(books, "activity", write(tmp_path / name, records[:count]), source=None)
    assert (result.ingested, result.duplicates) == (50, 200)
    assert told(result) == []
