"""A file read by a source is booked as a batch: once, under its own name, every row accounted for."""

from __future__ import annotations

import gzip

import pytest

from breakeven.errors import InputError
from breakeven.ledger.books import create_books
from breakeven.sources.intake import import_from
from breakeven.sources.registry import find_source

from .samples import HERE

SAMPLE = HERE / "mooncake" / "sample.jsonl"


@pytest.fixture
def books(tmp_path):
    return create_books(tmp_path / "books", name="test", currency="CNY")


@pytest.fixture
def mooncake():
    return find_source("mooncake")


def test_every_record_is_booked_or_quarantined_under_its_own_number(books, mooncake):
    [result] = import_from(books, mooncake, SAMPLE, {})
    assert (result.rows_read, result.ingested, result.duplicates, result.quarantined) == (10, 7, 0, 3)
    assert result.ignored_columns == ()
    problems = {problem.row: problem for problem in result.problems}
    assert set(problems) == {7, 8, 10}
    assert problems[7].file == "sample.jsonl"
    assert "many" in problems[7].raw
    assert (problems[10].field, problems[10].reason) == ("uncached_input_tokens", "negative")


def test_importing_twice_is_importing_once(books, mooncake):
    [first] = import_from(books, mooncake, SAMPLE, {})
    [again] = import_from(books, mooncake, SAMPLE, {})
    assert again.already_imported
    assert (again.batch_id, again.ingested, again.duplicates) == (first.batch_id, 0, 7)
    [batch] = books.batches()
    assert (batch.facts["file"], batch.facts["source"]) == ("sample.jsonl", "mooncake")


def test_the_packed_trace_holds_the_same_rows(books, mooncake, tmp_path):
    import_from(books, mooncake, SAMPLE, {})
    packed = tmp_path / "sample.jsonl.gz"
    packed.write_bytes(gzip.compress(SAMPLE.read_bytes()))
    [result] = import_from(books, mooncake, packed, {})
    assert (result.ingested, result.duplicates, result.versions) == (0, 7, 0)


def test_other_options_make_new_versions(books, mooncake):
    import_from(books, mooncake, SAMPLE, {})
    [result] = import_from(books, mooncake, SAMPLE, {"model": "k1"})
    assert (result.ingested, result.duplicates, result.versions) == (7, 0, 7)


def test_a_cut_off_archive_changes_nothing(books, mooncake, tmp_path):
    packed = tmp_path / "cut.jsonl.gz"
    packed.write_bytes(gzip.compress(SAMPLE.read_bytes())[:-40])
    with pytest.raises(InputError, match="ends early"):
        import_from(books, mooncake, packed, {})
    assert books.batches() == []


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_file_is_refused(books, mooncake, tmp_path, content):
    (tmp_path / "none.jsonl").write_bytes(content)
    with pytest.raises(InputError, match="no records"):
        import_from(books, mooncake, tmp_path / "none.jsonl", {})
