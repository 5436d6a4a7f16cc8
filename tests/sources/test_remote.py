"""Our tables by URL: from DuckDB, an object store, a web server; each booked once, and no secret said."""

from __future__ import annotations

import socket

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from breakeven.cli.main import main
from breakeven.engine.duckdb import DuckDBEngine
from breakeven.errors import InputError, SourceUnreachable, UsageError
from breakeven.ledger.books import create_books
from breakeven.sources.remote import brought

from .s3_server import serving
from .samples import in_books

ROWS = {"source_id": ["a1", "a2"], "user_id": ["u1", "u2"], "day": ["2024-03-01", "2024-03-02"]}
CSV = b"source_id,user_id,day\na1,u1,2024-03-01\na2,u2,2024-03-02\n"


@pytest.fixture
def books(tmp_path):
    return create_books(tmp_path / "books", name="remote")


@pytest.fixture
def run(books, capsys):
    """Import a URL; the exit code and all that was said."""

    def imported(url, *options):
        code = main(["import", str(books.folder), url, *options])
        return code, "".join(capsys.readouterr())

    return imported


def parquet(rows=ROWS) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(rows), sink)
    return sink.getvalue().to_pybytes()


def ids(books):
    return [row["source_id"] for row in in_books(books)]


def database(path):
    with DuckDBEngine() as engine:
        engine.execute(f"ATTACH '{path}' AS made")
        engine.execute("CREATE TABLE made.seen (source_id VARCHAR, user_id VARCHAR, day DATE)")
        engine.execute("INSERT INTO made.seen VALUES ('a1', 'u1', '2024-03-01'), ('a2', 'u2', '2024-03-02')")
        engine.execute("CREATE VIEW made.ours AS SELECT * FROM made.seen WHERE user_id = 'u1'")
    return path


def test_a_table_of_a_duckdb_file_is_booked_once(run, books, tmp_path):
    url = f"duckdb://{database(tmp_path / 'facts.duckdb')}?table=seen"
    assert run(url)[0] == 0
    code, said = run(url)
    assert code == 0
    assert "breakeven-fetched" not in said
    assert ids(books) == ["a1", "a2"]


def test_a_view_of_a_duckdb_file_is_read_too(run, books, tmp_path):
    assert run(f"duckdb://{database(tmp_path / 'facts.duckdb')}?table=ours")[0] == 0
    assert ids(books) == ["a1"]


def test_a_table_that_is_not_there_is_answered_with_those_that_are(run, tmp_path):
    code, said = run(f"duckdb://{database(tmp_path / 'facts.duckdb')}?table=sene")
    assert code == 3
    assert "main.seen" in said


def test_a_file_that_is_no_database_is_said_to_be_none(run, tmp_path):
    (tmp_path / "facts.duckdb").write_bytes(CSV * 100)
    assert run(f"duckdb://{tmp_path / 'facts.duckdb'}?table=seen")[0] == 4


def test_a_database_url_without_a_table_asks_for_one(run, tmp_path):
    code, said = run(f"duckdb://{database(tmp_path / 'facts.duckdb')}")
    assert code == 2
    assert "?table=NAME" in said


def test_a_scheme_that_nothing_reads_is_a_usage_error(run):
    code, said = run("ftp://host/usage.csv")
    assert code == 2
    assert "nothing here reads ftp://" in said


def test_files_of_this_machine_by_url_and_pattern(run, books, tmp_path):
    for number, name in enumerate(("one", "two")):
        (tmp_path / f"{name}.csv").write_text(f"source_id,user_id,day\n{name},u{number},2024-03-01\n")
    assert run(f"file://{tmp_path}/*.csv")[0] == 0
    assert ids(books) == ["one", "two"]


def test_a_web_server_gives_a_file_and_its_password_stays_secret(run, books):
    with serving({"exports/usage.parquet": parquet()}) as server:
        url = f"http://anna:sesame@127.0.0.1:{server.port}/exports/usage.parquet?signature=topsecret"
        code, said = run(url)
        assert server.authorizations == ["Basic YW5uYTpzZXNhbWU="]
    assert code == 0
    assert ids(books) == ["a1", "a2"]
    main(["log", str(books.folder)])
    assert "sesame" not in said
    assert "topsecret" not in said
    assert f"http://127.0.0.1:{server.port}/exports/usage.parquet" in said


def test_a_download_that_breaks_off_books_nothing(run, books):
    with serving({"usage.csv": CSV}) as server:
        server.cut = True
        code, said = run(f"http://127.0.0.1:{server.port}/usage.csv")
    assert code == 4
    assert "broke off" in said
    assert ids(books) == []


def test_a_web_server_that_refuses_or_is_gone_ends_with_code_4(run):
    with serving({}) as server:
        code, said = run(f"http://127.0.0.1:{server.port}/usage.csv?signature=topsecret")
        assert code == 4
        assert "HTTP 404" in said
    code, said = run(f"http://127.0.0.1:{server.port}/usage.csv?signature=topsecret")
    assert code == 4
    assert "topsecret" not in said


@pytest.fixture
def store(monkeypatch):
    """An S3 with a few objects, named by the usual variables."""
    other = {name: [value.replace("a", "b") for value in values] for name, values in ROWS.items()}
    objects = {
        "bucket/usage/day=1/part.parquet": parquet(),
        "bucket/usage/day=2/part.parquet": parquet(other),
        "bucket/usage/_SUCCESS": b"",
        "bucket/other.csv": CSV,
    }
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    with serving(objects) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
        yield server


@pytest.mark.parametrize("url", ["s3://bucket/usage/*/part.parquet", "s3://bucket/usage/"])
def test_objects_by_pattern_or_folder_are_booked_once(store, run, books, url):
    assert run(url)[0] == 0
    code, said = run(url)
    assert code == 0
    assert sorted(ids(books)) == ["a1", "a2", "b1", "b2"]
    assert "very-secret" not in said
    assert "s3://bucket/usage" in said
    assert all("AKIAEXAMPLE" in signed for signed in store.authorizations)


def test_one_object_by_its_key(store, run, books):
    assert run("s3://bucket/other.csv")[0] == 0
    assert ids(books) == ["a1", "a2"]


def test_a_key_that_is_not_there_is_said(store, run):
    code, said = run("s3://bucket/nothing/*.parquet")
    assert code == 3
    assert "no file matches" in said


def test_an_object_store_that_is_gone_ends_with_code_4(run, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    code, said = run("s3://bucket/usage.csv")
    assert code == 4
    assert "very-secret" not in said


def test_fetched_files_are_private_and_gone_afterwards():
    with serving({"usage.csv": CSV}) as server:
        with brought(f"http://127.0.0.1:{server.port}/usage.csv", None, {}) as fetched:
            [path] = fetched.paths
            assert path.read_bytes() == CSV
            assert fetched.folder.stat().st_mode & 0o077 == 0
        assert not fetched.folder.exists()


def test_errors_keep_their_kinds(tmp_path):
    for url, kind in (
        ("duckdb:///no/such.file?table=t", InputError),
        ("gopher://x/y", UsageError),
        ("http://127.0.0.1:1/x.csv", SourceUnreachable),
    ):
        with pytest.raises(kind), brought(url, None, {}):
            pass
