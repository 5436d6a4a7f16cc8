"""Laws of importing, for any files: twice is once, order and cutting do not matter, undo is exact."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breakeven.ledger.books import open_books

from .bench import everything, take, write

FORMS = ("csv", "jsonl", "parquet", "csv.gz", "jsonl.zst", "parquet.zst")
LAWS = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=6)
good = st.fixed_dictionaries(
    {
        "source_id": st.integers(1, 12).map(str),
        "user_id": st.sampled_from(["甲", 'say "hi"', "a,b", "line\nbreak", "u"]) | words,
        "day": st.dates(date(2011, 1, 1), date(2025, 12, 31)).map(str),
        "sessions": st.integers(0, 9).map(str),
    }
)
bad = st.fixed_dictionaries(
    {
        "source_id": st.sampled_from(["", "b1"]),
        "user_id": words,
        "day": st.just("never"),
        "sessions": st.just("1"),
    }
)
files = st.lists(good | bad, min_size=1, max_size=8)


def content(record):
    return tuple(record[name] for name in ("source_id", "user_id", "day", "sessions"))


def one_content_per_key(records):
    """The records, each key with the content it first has: without corrections, order cannot matter."""
    first: dict[str, dict[str, str]] = {}
    return [
        first.setdefault(record["source_id"], record) if record["day"] != "never" else record
        for record in records
    ]


@contextmanager
def playground(empty_books):
    """Fresh books and a folder, for each example."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(empty_books, folder / "books")
        yield open_books(folder / "books"), folder


def import_all(books, folder, parts, form="csv"):
    return [
        take(books, "activity", write(folder / f"{i}.{form}", part)) for i, part in enumerate(parts) if part
    ]


@LAWS
@given(files, st.sampled_from(FORMS))
def test_twice_is_once(empty_books, records, form):
    with playground(empty_books) as (books, folder):
        [first] = import_all(books, folder, [records], form)
        once, stamp = everything(books, "activity"), books.stamp()
        [again] = import_all(books, folder, [records], form)
        assert (everything(books, "activity"), books.stamp()) == (once, stamp)
        assert (again.ingested, again.duplicates, again.quarantined) == (
            0,
            first.ingested + first.duplicates,
            first.quarantined,
        )
        # The same rows in another file are no news either.
        told = take(
            books, "activity", write(folder / "other.csv", [*records, {**records[0], "day": "never"}])
        )
        assert (told.ingested, everything(books, "activity")) == (0, once)


@LAWS
@given(
    st.lists(files, min_size=2, max_size=3).flatmap(
        lambda parts: st.tuples(st.just(parts), st.permutations(range(len(parts))))
    )
)
def test_the_order_of_files_does_not_matter(empty_books, drawn):
    parts, order = drawn
    flat = iter(one_content_per_key([record for part in parts for record in part]))
    parts = [[next(flat) for _ in part] for part in parts]
    with playground(empty_books) as (one, folder), playground(empty_books) as (other, elsewhere):
        results = import_all(one, folder, parts)
        reordered = import_all(other, elsewhere, [parts[i] for i in order])
        assert everything(one, "activity") == everything(other, "activity")
        for total in ("rows_read", "ingested", "duplicates", "quarantined"):
            assert sum(getattr(r, total) for r in results) == sum(getattr(r, total) for r in reordered)


@LAWS
@given(files, st.data())
def test_cutting_a_file_in_pieces_does_not_matter(empty_books, records, data):
    cut = data.draw(st.integers(0, len(records)))
    with playground(empty_books) as (one, folder), playground(empty_books) as (other, elsewhere):
        [whole] = import_all(one, folder, [records])
        pieces = import_all(other, elsewhere, [records[:cut], records[cut:]])
        assert everything(one, "activity") == everything(other, "activity")
        for total in ("rows_read", "ingested", "duplicates", "quarantined", "versions"):
            assert getattr(whole, total) == sum(getattr(piece, total) for piece in pieces)


@LAWS
@given(files, files)
def test_undo_takes_out_exactly_one_batch_and_import_brings_it_back(empty_books, first, second):
    with playground(empty_books) as (books, folder):
        import_all(books, folder, [first])
        before = everything(books, "activity")
        path = write(folder / "second.csv", second)
        result = take(books, "activity", path)
        after = everything(books, "activity")
        if result.already_imported:
            return
        _, removed, _ = books.undo(result.batch_id)
        assert (removed, everything(books, "activity")) == (result.ingested, before)
        again = take(books, "activity", path)
        assert (again.ingested, again.duplicates, again.quarantined) == (
            result.ingested,
            result.duplicates,
            result.quarantined,
        )
        assert everything(books, "activity") == after


@LAWS
@given(files)
def test_what_the_books_show_follows_from_the_records(empty_books, records):
    """The ledger against a few lines of Python that say what it should hold."""
    with playground(empty_books) as (books, folder):
        [result] = import_all(books, folder, [records], "jsonl")
        valid = [record for record in records if record["day"] != "never"]
        contents = {content(record) for record in valid}
        versions = Counter(one[0] for one in contents)
        assert result.quarantined == len(records) - len(valid)
        assert result.ingested == len(contents)
        assert result.versions == sum(count - 1 for count in versions.values())
        # Of several contents under one key, the one that appears for the first time last is shown.
        latest = {one[0]: one for one in dict.fromkeys(content(record) for record in valid)}
        shown = [(row[1], row[2], str(row[3]), str(row[4])) for row in everything(books, "activity")]
        assert shown == [latest[key] for key in sorted(latest)]


@LAWS
@given(files)
def test_the_format_of_a_file_does_not_matter(empty_books, records):
    with playground(empty_books) as (books, folder):
        seen = []
        for form in FORMS:
            path = write(folder / f"same.{form}", records)
            result = take(books, "activity", path, source=form)
            problems = [(problem.row, problem.field, problem.reason) for problem in result.problems]
            seen.append((result.ingested, result.duplicates, result.versions, problems))
        assert all(one == seen[0] for one in seen)
        shown = everything(books, "activity")
        per_form = [[row[1:] for row in shown if row[0] == form] for form in FORMS]
        assert all(one == per_form[0] for one in per_form)
