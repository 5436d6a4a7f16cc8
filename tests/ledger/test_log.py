"""The log, undo, as-of reading, dry runs, coverage."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from breakeven.errors import BooksError, InputError, UsageError
from breakeven.ledger import ingest
from breakeven.ledger.books import create_books, open_books
from breakeven.periods import Period

from .bench import everything, held, new_books, rows, take, write


def test_the_log_tells_each_import(books, tmp_path):
    take(books, "usage", write(tmp_path / "u.csv", rows("usage", 3)))
    take(books, "activity", write(tmp_path / "a.csv", rows("activity", 2)))
    first, second = books.batches()
    assert (first.table, first.facts["file"], first.facts["ingested"], first.undone) == (
        "usage",
        "u.csv",
        3,
        False,
    )
    assert (second.table, second.facts["first_day"]) == ("activity", "2024-03-20")


def test_the_same_file_again_changes_nothing(books, tmp_path):
    path = write(tmp_path / "u.csv", rows("usage", 3) + rows("usage", 1, first=9, model=""))
    take(books, "usage", path)
    before = books.stamp()
    again = take(books, "usage", path)
    assert again.already_imported
    assert (again.rows_read, again.ingested, again.duplicates, again.quarantined) == (4, 0, 3, 1)
    copy = write(tmp_path / "copy.csv", rows("usage", 3) + rows("usage", 1, first=9, model=""))
    assert take(books, "usage", copy).already_imported
    assert (books.stamp(), len(list(books.quarantined()))) == (before, 1)


def test_an_undone_import_can_be_imported_again(books, tmp_path):
    path = write(tmp_path / "u.csv", rows("usage", 3) + rows("usage", 1, first=9, model=""))
    kept = everything(books, "usage")
    for round_ in range(3):
        result = take(books, "usage", path)
        assert (result.ingested, result.already_imported, result.batch_id.count("+")) == (
            3,
            False,
            round_ > 0,
        )
        assert len(list(books.quarantined())) == 1
        batch, removed, affected = books.undo(result.batch_id[:19])
        assert (batch.batch_id, removed, affected) == (result.batch_id, 3, [])
        assert everything(books, "usage") == kept == []
        assert list(books.quarantined()) == []


def test_undo_names_the_imports_whose_rows_came_free(books, tmp_path):
    first = take(books, "usage", write(tmp_path / "1.csv", rows("usage", 4)))
    path = write(tmp_path / "2.csv", [*rows("usage", 4, first=3), {**rows("usage", 1)[0], "source_id": ""}])
    second = take(books, "usage", path)
    assert (second.ingested, second.duplicates, second.quarantined) == (2, 2, 1)
    _, removed, affected = books.undo(first.batch_id)
    assert (removed, [batch.batch_id for batch in affected]) == (4, [second.batch_id])
    assert held(books, "usage") == ["u5", "u6"]
    # The second file is in the log, but two of its rows are not in the books: it is read again.
    again = take(books, "usage", path)
    assert (again.already_imported, again.ingested, again.duplicates) == (False, 2, 2)
    assert held(books, "usage") == ["u3", "u4", "u5", "u6"]
    assert take(books, "usage", path).already_imported
    # Its bad row is quarantined once, though the file was read twice.
    assert [problem.row for problem in books.quarantined()] == [5]


def test_undo_needs_one_standing_batch(books, tmp_path):
    batch_id = take(books, "usage", write(tmp_path / "u.csv", rows("usage", 1))).batch_id
    with pytest.raises(UsageError, match="no such batch"):
        books.undo("nothing")
    take(books, "usage", write(tmp_path / "v.csv", rows("usage", 1, first=2)))
    with pytest.raises(UsageError, match="several batches"):
        books.undo("")
    books.undo(batch_id)
    with pytest.raises(UsageError, match="no such batch"):
        books.undo(batch_id)


def test_the_books_as_they_stood(books, tmp_path):
    moments = [datetime.now(UTC)]

    def mark():
        time.sleep(0.02)
        moments.append(datetime.now(UTC))
        time.sleep(0.02)

    first = take(books, "activity", write(tmp_path / "1.csv", rows("activity", 2)))
    mark()
    take(books, "activity", write(tmp_path / "2.csv", rows("activity", 1, sessions=9)))
    mark()
    books.undo(first.batch_id)
    mark()
    seen = [open_books(books.folder, as_of=moment) for moment in [moments[0] - timedelta(days=1), *moments]]
    columns = "source_id, sessions"
    assert [held(one, "activity", columns) for one in seen] == [
        [],
        [],
        [("a1", 2), ("a2", 2)],
        [("a1", 9), ("a2", 2)],
        [("a1", 9)],
    ]
    assert [[batch.undone for batch in one.batches()] for one in seen] == [
        [],
        [],
        [False],
        [False, False],
        [True, False],
    ]
    # A copy whose files are all of today stands as it stood, too.
    copied = Path(shutil.copytree(books.folder, tmp_path / "copied", copy_function=shutil.copyfile))
    again = [open_books(copied, as_of=moment) for moment in moments]
    assert [held(one, "activity", columns) for one in again] == [
        held(one, "activity", columns) for one in seen[1:]
    ]


def test_a_dry_run_says_what_would_happen_and_writes_nothing(books, tmp_path):
    take(books, "activity", write(tmp_path / "1.csv", rows("activity", 2)))
    path = write(
        tmp_path / "2.csv",
        [
            *rows("activity", 3, first=2),
            *rows("activity", 1, sessions=9),
            *rows("activity", 1, first=9, day="x"),
        ],
    )
    before = {file: file.stat().st_mtime_ns for file in books.folder.rglob("*")}
    said = take(books, "activity", path, dry_run=True)
    assert said.dry_run
    assert (said.ingested, said.duplicates, said.quarantined, said.versions) == (3, 1, 1, 1)
    assert [problem.field for problem in said.problems] == ["day"]
    assert {file: file.stat().st_mtime_ns for file in books.folder.rglob("*")} == before
    done = take(books, "activity", path)
    assert (done.ingested, done.duplicates, done.quarantined, done.versions) == (3, 1, 1, 1)
    assert take(books, "activity", path, dry_run=True).already_imported


def test_unused_columns_are_told(books, tmp_path):
    records = rows("activity", 1, mood="good", batch_id="mine", version=7)
    for form in ("csv", "jsonl", "parquet"):
        result = take(books, "activity", write(tmp_path / f"a.{form}", records), source=form)
        assert result.ignored_columns == ("mood",)
    assert set(held(books, "activity", "version")) == {1}
    assert "mine" not in held(books, "activity", "batch_id")


def test_the_day_of_a_row_follows_its_time_and_the_books_zone(books, tmp_path):
    record = rows("usage", 1, at="2024-03-20T16:30:00Z", day="1999-01-01")
    for form in ("csv", "jsonl", "parquet"):
        zone = {"mapping": None}
        if form == "parquet":
            record = [{**record[0], "at": datetime(2024, 3, 20, 16, 30, tzinfo=UTC)}]
        result = take(books, "usage", write(tmp_path / f"u.{form}", record), source=form, **zone)
        assert (result.first_day, result.last_day) == (date(2024, 3, 21), date(2024, 3, 21))
    assert set(held(books, "usage", "CAST(day AS VARCHAR)")) == {"2024-03-21"}


def test_first_and_last_day_of_each_kind_of_table(books, tmp_path):
    def days(table, *records):
        result = take(books, table, write(tmp_path / f"{table}.csv", records))
        assert result.ingested == len(records)
        return str(result.first_day), str(result.last_day)

    money = {"amount": 1, "currency": "CNY"}
    assert days("activity", *rows("activity", 1, day="2024-03-05"), *rows("activity", 1, first=2)) == (
        "2024-03-05",
        "2024-03-20",
    )
    spent = {"source_id": "s1", "day": "2024-03-07", "kind": "ads", **money}
    assert days("ad_spend", spent) == ("2024-03-07", "2024-03-07")
    bill = {
        "vendor": "v",
        "category": "gpu",
        "period_start": "2024-03-01",
        "period_end": "2024-04-01",
        **money,
    }
    assert days("bills", {"source_id": "b1", **bill}) == ("2024-03-01", "2024-03-31")
    # 20:00 in UTC is the next day in the books' Shanghai, whether the table is cut in days or not.
    paid = {"source_id": "f1", "at": "2024-03-07T20:00:00Z", "kind": "equity", **money}
    assert days("funding", paid) == ("2024-03-08", "2024-03-08")
    assert days("payments", {**paid, "kind": "gift"}) == ("2024-03-08", "2024-03-08")
    came = {"source_id": "c1", "user_id": "u", "acquired_at": "2024-03-07T20:00:00Z"}
    assert days("acquisitions", came) == ("2024-03-08", "2024-03-08")
    gpus = {"source_id": "g1", "at": "2024-03-07T20:00:00Z", "pool": "p", "count": 8, "price_per_gpu_hour": 2}
    assert days("capacity", {**gpus, "currency": "USD"}) == ("2024-03-08", "2024-03-08")


def test_coverage_is_what_the_rows_span_or_the_importer_says(books, tmp_path):
    march = Period(date(2024, 3, 1), date(2024, 4, 1))
    assert not books.coverage().any("activity", march)
    two = rows("activity", 1, day="2024-03-04") + rows("activity", 1, first=2, day="2024-03-06")
    first = take(books, "activity", write(tmp_path / "1.csv", two))
    assert books.coverage().share("activity", march) == (3, 31)
    take(books, "activity", write(tmp_path / "2.csv", rows("activity", 1, first=3, day="2024-03-07")))
    assert books.coverage().periods["activity"] == (Period(date(2024, 3, 4), date(2024, 3, 8)),)
    said = (date(2024, 3, 1), date(2024, 3, 31))
    take(books, "activity", write(tmp_path / "3.csv", rows("activity", 1, first=4)), covers=said)
    assert books.coverage().full("activity", march)
    books.undo(first.batch_id)
    assert books.coverage().full("activity", march)


def test_books_of_a_newer_program_are_not_touched(books):
    path = books.folder / "breakeven.toml"
    path.write_text(path.read_text().replace("schema_version = 2", "schema_version = 3"))
    with pytest.raises(BooksError, match="schema version 3, this program knows 2") as caught:
        open_books(books.folder)
    assert "upgrade" in caught.value.remedy


def test_no_books_and_books_twice(tmp_path, books):
    with pytest.raises(BooksError, match="no books here"):
        open_books(tmp_path)
    with pytest.raises(UsageError, match="there are books here already"):
        create_books(books.folder, name="again")


def test_init_can_be_finished_after_it_was_cut_off(tmp_path):
    half = new_books(tmp_path / "half")
    (half.folder / "breakeven.toml").unlink()
    take(new_books(tmp_path / "half"), "activity", write(tmp_path / "a.csv", rows("activity", 1)))


def test_an_unknown_table(books, tmp_path):
    with pytest.raises(UsageError, match="unknown table 'invoices'"):
        take(books, "invoices", tmp_path / "x.csv")


def test_a_file_that_grows_while_it_is_read_is_not_half_imported(books, tmp_path):
    path = write(tmp_path / "log.csv", rows("activity", 5))

    land = ingest.land

    def meanwhile(*given, **named):
        done = land(*given, **named)
        with path.open("a") as handle:
            handle.write("a9,u9,2024-03-20,1\n")
        return done

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest, "land", meanwhile)
        with pytest.raises(InputError, match="changed while it was read"):
            take(books, "activity", path)
    assert held(books, "activity") == []
    assert take(books, "activity", path).ingested == 6
