"""With `pseudonymise = true` no user's id is anywhere in the books, and rows of one user still join."""

from __future__ import annotations

import hmac
import shutil
import stat

import pytest

from breakeven.engine.duckdb import DuckDBEngine
from breakeven.errors import BooksError
from breakeven.ledger.books import create_books, open_books
from breakeven.ledger.pseudonyms import KEY_FILE, Pseudonyms, create_key, key_path, pseudonyms_of

from .bench import USAGE, held, new_books, rows, take, told, write

ALICE = "alice@example.com"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv(KEY_FILE, raising=False)


@pytest.fixture
def books(tmp_path):
    return new_books(tmp_path / "books", settings={"privacy": {"pseudonymise": True}})


def name_of(books, identifier):
    found = pseudonyms_of(books.folder, books.settings)
    assert found is not None
    return found.of(identifier)


def files_with(folder, text):
    """Files of the books, log and temporary ones included, in which a text stands as it is."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and (text.encode() in path.read_bytes() or text in path.name)
    ]


def parquet_with(folder, text):
    """Parquet files with a text in one of their values."""
    found = []
    with DuckDBEngine() as engine:
        for path in folder.rglob("*.parquet"):
            # A table as text: what is packed in the file is seen as well.
            [(count,)] = engine.rows(
                f"SELECT count(*) FROM read_parquet('{path}', hive_partitioning = false) AS file "
                f"WHERE contains(CAST(file AS VARCHAR), '{text}')"
            )
            found += [path] * bool(count)
    return found


def test_a_pseudonym_is_a_keyed_hash(books):
    key = pseudonyms_of(books.folder, books.settings).key
    expected = {
        one: "p_" + hmac.digest(key, one.encode(), "sha256").hex()[:24] for one in (ALICE, "爱丽丝", "'")
    }
    assert {one: name_of(books, one) for one in expected} == expected


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "csv.gz"])
def test_one_user_is_one_pseudonym_everywhere_and_nobodys_id_is_anywhere(books, tmp_path, form):
    good = {"user_id": ALICE, "account_id": "acme-7"}
    bad = [{**rows("usage", 1, first=9)[0], **good, "output_tokens": -1}]
    usage = take(books, "usage", write(tmp_path / f"u.{form}", [*rows("usage", 2, **good), *bad]))
    take(books, "payments", write(tmp_path / f"p.{form}", rows("payments", 1, **good)), source="stripe")
    take(books, "activity", write(tmp_path / f"a.{form}", rows("activity", 1, user_id=ALICE)))
    alice, acme = name_of(books, ALICE), name_of(books, "acme-7")
    assert held(books, "usage", "user_id, account_id") == [(alice, acme)] * 2
    assert held(books, "payments", "user_id, account_id") == [(alice, acme)]
    assert held(books, "activity", "user_id") == [alice]
    # What cannot be booked is named by its row; its text is not kept.
    assert told(usage) == [(3, "output_tokens", "negative")]
    assert [problem.raw for problem in books.quarantined()] == [""]
    for text in (ALICE, "acme-7"):
        assert files_with(books.folder, text) == []
        assert parquet_with(books.folder, text) == []


def test_lines_the_reader_refuses_leave_no_text_either(books, tmp_path):
    path = tmp_path / "torn.csv"
    path.write_text(f"source_id,user_id,day\na1,{ALICE},2024-03-20\na2,{ALICE},2024-03-20,more\n", "utf-8")
    result = take(books, "activity", path)
    assert (result.ingested, [problem.raw for problem in result.problems]) == (1, [""])
    assert files_with(books.folder, ALICE) + parquet_with(books.folder, ALICE) == []


def test_importing_again_is_once_also_with_pseudonyms(books, tmp_path):
    records = rows("usage", 3, user_id=ALICE)
    take(books, "usage", write(tmp_path / "1.csv", records))
    again = take(books, "usage", write(tmp_path / "2.jsonl", [*records, *rows("usage", 1, first=4)]))
    assert (again.duplicates, again.ingested) == (3, 1)
    corrected = take(books, "usage", write(tmp_path / "3.csv", [{**records[0], "output_tokens": 31}]))
    assert corrected.versions == 1


def test_ids_of_rows_that_hold_a_users_id_are_replaced_whole(books, tmp_path):
    records = [
        {"source_id": f"2024-03-20:{ALICE}", "user_id": ALICE, "day": "2024-03-20"},
        {"source_id": "2024-03-20/u-1", "user_id": "u-1", "day": "2024-03-20"},
        {"source_id": "u-12", "user_id": "u-1", "day": "2024-03-20"},
        {"source_id": "request-9", "user_id": "u-9", "day": "2024-03-20"},
    ]
    take(books, "activity", write(tmp_path / "1.csv", records))
    assert held(books, "activity") == sorted(
        [name_of(books, f"2024-03-20:{ALICE}"), name_of(books, "2024-03-20/u-1"), "request-9", "u-12"]
    )
    assert take(books, "activity", write(tmp_path / "2.jsonl", records)).duplicates == 4


def test_the_key_is_the_owners_alone_and_lies_outside(books, tmp_path):
    path = key_path(books.settings.pseudonym_key)
    assert path.is_relative_to(tmp_path / "config")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = path.read_text().strip()
    assert files_with(books.folder, key) == []
    assert files_with(books.folder, books.settings.pseudonym_key) == [books.folder / "breakeven.toml"]


def test_without_the_right_key_nothing_is_imported(books, tmp_path, monkeypatch):
    file = write(tmp_path / "1.csv", [USAGE])
    path = key_path(books.settings.pseudonym_key)
    right = path.read_text()

    def refused(match):
        with pytest.raises(BooksError, match=match):
            open_books(books.folder).ingest("usage", [file])

    path.chmod(0o644)
    refused("everybody can read")
    path.chmod(0o600)
    path.write_text("00" * 32)
    refused("not the key these books were begun with")
    path.write_text("not hexadecimal")
    refused("not a key")
    path.write_text("00" * 31)
    refused("not a key")
    path.unlink()
    refused("cannot be read")
    inside = books.folder / "key"
    inside.write_text(right)
    inside.chmod(0o600)
    monkeypatch.setenv(KEY_FILE, str(inside))
    refused("lies in the books")
    elsewhere = tmp_path / "key"
    shutil.copy(inside, elsewhere)
    monkeypatch.setenv(KEY_FILE, str(elsewhere))
    assert open_books(books.folder).ingest("usage", [file])[0].ingested == 1


def test_two_books_may_share_a_key(books, tmp_path, monkeypatch):
    monkeypatch.setenv(KEY_FILE, str(key_path(books.settings.pseudonym_key)))
    other = new_books(tmp_path / "other", settings={"privacy": {"pseudonymise": True}})
    assert name_of(other, ALICE) == name_of(books, ALICE)


def test_turning_it_on_by_hand_is_refused(tmp_path):
    books = new_books(tmp_path / "books")
    settings = books.folder / "breakeven.toml"
    settings.write_text(settings.read_text().replace("pseudonymise = false", "pseudonymise = true"))
    with pytest.raises(BooksError, match="have no key"):
        open_books(books.folder).ingest("usage", [write(tmp_path / "1.csv", [USAGE])])


def test_a_key_that_cannot_be_written_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(KEY_FILE, str(tmp_path / "file" / "key"))
    with pytest.raises(BooksError, match="cannot be written"):
        create_books(tmp_path / "books", name="x", settings={"privacy": {"pseudonymise": True}})
    monkeypatch.setenv(KEY_FILE, str(tmp_path / "books" / "key"))
    with pytest.raises(BooksError, match="lies in the books"):
        create_key(tmp_path / "books")


def test_plain_books_stay_plain(tmp_path):
    books = new_books(tmp_path / "books")
    assert pseudonyms_of(books.folder, books.settings) is None
    take(books, "usage", write(tmp_path / "1.csv", [USAGE]))
    assert held(books, "usage", "user_id") == ["u1"]


def test_another_key_gives_other_pseudonyms():
    assert len({Pseudonyms(bytes([byte] * 32)).of(ALICE) for byte in range(9)}) == 9
