"""A live PostgreSQL: pulled twice booked once, late rows found, nothing secret said, out of reach said."""

from __future__ import annotations

import csv
import json
import socket
from contextlib import suppress

import psycopg
import pytest

from breakeven.cli.main import main
from breakeven.errors import InputError, NoRecords, SourceUnreachable, UsageError
from breakeven.ledger.books import create_books
from breakeven.sources.intake import import_from
from breakeven.sources.postgresql import monthly_csv, shown
from breakeven.sources.registry import find_source
from breakeven.sources.remote import brought

from .postgres_server import PASSWORD, programs, running
from .samples import HERE, in_books

SECRETS = (PASSWORD, "a%20b%2Fc%40d%3Ae%25")
PROGRAMS = programs()
needs_server = pytest.mark.skipif(PROGRAMS is None, reason="PostgreSQL is not installed")

SPEND_LOGS = """
CREATE TABLE "LiteLLM_SpendLogs" (
    request_id text PRIMARY KEY, call_type text NOT NULL, api_key text DEFAULT '',
    spend double precision DEFAULT 0,
    total_tokens int DEFAULT 0, prompt_tokens int DEFAULT 0, completion_tokens int DEFAULT 0,
    "startTime" timestamp(3) NOT NULL, "endTime" timestamp(3) NOT NULL, request_duration_ms int,
    "completionStartTime" timestamp(3), model text DEFAULT '', model_id text, model_group text,
    custom_llm_provider text DEFAULT '', api_base text, "user" text DEFAULT '', metadata jsonb DEFAULT '{}',
    cache_hit text DEFAULT '', cache_key text, request_tags jsonb DEFAULT '[]', team_id text,
    organization_id text, end_user text, messages jsonb DEFAULT '{}', response jsonb DEFAULT '{}',
    session_id text, status text, litellm_call_id text, updated_at timestamp(3) DEFAULT CURRENT_TIMESTAMP)
"""


@pytest.fixture(scope="module")
def server():
    assert PROGRAMS is not None
    with running(PROGRAMS) as found:
        yield found


@pytest.fixture
def logs(server):
    """A fresh table of spend logs that holds the sample, as far as a primary key lets it."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute('DROP TABLE IF EXISTS "LiteLLM_SpendLogs"')
        connection.execute(SPEND_LOGS)
        with (HERE / "litellm" / "sample.csv").open() as file:
            for row in csv.DictReader(file):
                insert(connection, **row)
        yield connection


def insert(connection, **row):
    given = {name: value for name, value in row.items() if value != "" or name == "request_id"}
    names = ", ".join(f'"{name}"' for name in given)
    holes = ", ".join(["%s"] * len(given))
    connection.execute(
        f'INSERT INTO "LiteLLM_SpendLogs" ({names}) VALUES ({holes}) ON CONFLICT DO NOTHING',
        list(given.values()),
    )


def pull(books, url, **options):
    source = find_source("litellm")
    results = []
    with brought(url, source, options) as fetched:
        for path in fetched.paths:
            results += import_from(books, source, path, options, may_be_empty=True)
    return results


@needs_server
def test_a_live_table_gives_the_rows_of_its_export(server, logs, tmp_path):
    books = create_books(tmp_path / "live", name="live")
    pull(books, server.url)
    found = {row["source_id"]: row for row in in_books(books) if "source_id" in row}
    expected = [json.loads(line) for line in (HERE / "litellm" / "expected.jsonl").read_text().splitlines()]
    same = [row for row in expected if row.get("source_id") in found]
    # Rows without an id, or with one that is taken, never get into the proxy's own table.
    assert len(same) == len(found) == 9
    for row in same:
        found[row["source_id"]].pop("revision")
        row.pop("revision", None)
        assert found[row["source_id"]] | {"status": ""} == row | {"status": ""}


@needs_server
def test_pulling_again_books_nothing_and_late_rows_are_picked_up(server, logs, tmp_path):
    books = create_books(tmp_path / "books", name="live")
    first = pull(books, server.url)
    again = pull(books, server.url)
    assert sum(result.ingested for result in first) == 9
    assert all(result.already_imported for result in again)
    given = {"call_type": "acompletion", "model": "gpt-4o", "custom_llm_provider": "openai", "metadata": "{}"}
    given |= {"prompt_tokens": 5, "completion_tokens": 1}
    for name, start in (("late", "2024-08-05 09:00"), ("next", "2024-10-01 00:00")):
        insert(logs, request_id=name, startTime=start, endTime=start, **given)
    late = pull(books, server.url)
    assert [(one.ingested, one.duplicates) for one in late] == [(1, 9), (1, 0)]
    assert [one.file.rsplit("-", 2)[1:] for one in late] == [["2024", "08.csv"], ["2024", "10.csv"]]


@needs_server
def test_since_leaves_earlier_rows_in_the_database(server, logs, tmp_path):
    books = create_books(tmp_path / "books", name="live")
    with suppress(NoRecords):  # a live table without news is no error; asked for alone, it may be one
        assert sum(result.rows_read for result in pull(books, server.url, since="2024-08-06")) == 0
    [result] = pull(books, server.url, since="2024-08-05")
    assert result.ingested == 9


@needs_server
def test_prompts_and_answers_never_leave_the_database(server, logs, tmp_path):
    source = find_source("litellm")
    with brought(server.url, source, {}) as fetched:
        text = "".join(path.read_text() for path in fetched.paths)
        assert all(path.stat().st_mode & 0o077 == 0 or fetched.folder.stat().st_mode & 0o077 == 0
                   for path in fetched.paths)  # fmt: skip
    assert "nobody else may read" not in text
    assert "messages" not in text.splitlines()[0]
    assert not fetched.folder.exists()


@needs_server
def test_a_wrong_password_is_out_of_reach_and_never_said(server, logs, tmp_path, capsys):
    create_books(tmp_path / "books", name="live")
    url = f"postgresql://books:open-sesame@127.0.0.1:{server.port}/postgres"
    code = main(["import", str(tmp_path / "books"), url, "--source", "litellm"])
    said = "".join(capsys.readouterr())
    assert code == 4
    assert "open-sesame" not in said
    assert f"postgresql://127.0.0.1:{server.port}/postgres" in said


@needs_server
def test_neither_log_nor_report_holds_the_password(server, logs, tmp_path, capsys):
    create_books(tmp_path / "books", name="live")
    assert main(["import", str(tmp_path / "books"), server.url, "--source", "litellm"]) == 0
    main(["log", str(tmp_path / "books"), "--json"])
    said = "".join(capsys.readouterr())
    assert f"127.0.0.1-{server.port}-postgres-2024-08.csv" in said
    assert f"postgresql://127.0.0.1:{server.port}/postgres" in said
    assert not any(secret in said for secret in SECRETS)


@needs_server
def test_a_database_without_the_table_is_refused(server, tmp_path):
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute('DROP TABLE IF EXISTS "LiteLLM_SpendLogs"')
    with pytest.raises(InputError, match="no table 'LiteLLM_SpendLogs'"):
        pull(create_books(tmp_path / "books", name="live"), server.url)


@needs_server
def test_a_renamed_column_is_named(server, logs, tmp_path):
    logs.execute('ALTER TABLE "LiteLLM_SpendLogs" RENAME "startTime" TO start_time')
    with pytest.raises(InputError, match="lacks startTime"):
        pull(create_books(tmp_path / "books", name="live"), server.url)
    logs.execute('ALTER TABLE "LiteLLM_SpendLogs" RENAME start_time TO "startTime"')
    logs.execute('ALTER TABLE "LiteLLM_SpendLogs" RENAME prompt_tokens TO input_tokens')
    with pytest.raises(InputError, match="it lacks prompt_tokens"):
        pull(create_books(tmp_path / "more", name="live"), server.url)


@needs_server
def test_the_pull_cannot_write(server, logs, tmp_path):
    logs.execute("CREATE TABLE IF NOT EXISTS touched (n int)")
    logs.execute(
        "CREATE OR REPLACE FUNCTION touch() RETURNS text LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO touched VALUES (1); RETURN 'x'; END $$"
    )
    logs.execute("CREATE OR REPLACE VIEW sly AS SELECT touch() AS source_id")
    with (
        pytest.raises(SourceUnreachable, match="read-only"),
        brought(server.url + "?table=sly", None, {}),
    ):
        pass
    assert logs.execute("SELECT count(*) FROM touched").fetchone() == (0,)


@needs_server
def test_a_table_of_ours_is_read_by_url(server, logs, tmp_path, capsys):
    logs.execute("CREATE SCHEMA IF NOT EXISTS facts")
    logs.execute("DROP TABLE IF EXISTS facts.my_usage")
    logs.execute(
        "CREATE TABLE facts.my_usage (source_id text, at timestamptz, provider text, model text, "
        "uncached_input_tokens bigint, output_tokens bigint, extra jsonb)"
    )
    logs.execute(
        "INSERT INTO facts.my_usage VALUES "
        "('a', '2024-08-01 10:00+08', 'openai', 'gpt-4o', 10, 2, '{\"b\": 1}'), "
        "('b', '2024-08-02 10:00+00', 'openai', 'gpt-4o', 20, 3, NULL)"
    )
    books = create_books(tmp_path / "books", name="ours")
    url = server.url + "?table=facts.my_usage"
    assert main(["import", str(tmp_path / "books"), url]) == 0
    assert main(["import", str(tmp_path / "books"), url]) == 0
    assert [(row["source_id"], row["at"]) for row in in_books(books)] == [
        ("a", "2024-08-01T02:00:00"),
        ("b", "2024-08-02T10:00:00"),
    ]


def test_a_database_that_is_not_there_ends_with_code_4(tmp_path, capsys):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    create_books(tmp_path / "books", name="live")
    url = f"postgresql://anna:open-sesame@127.0.0.1:{port}/litellm"
    assert main(["import", str(tmp_path / "books"), url, "--source", "litellm"]) == 4
    said = "".join(capsys.readouterr())
    assert "open-sesame" not in said
    assert "did not answer" in said


def test_a_since_that_is_no_day_is_refused(tmp_path):
    with pytest.raises(UsageError, match="since=soon"):
        monthly_csv("postgresql://x/y", tmp_path, table="t", columns=(), time="t", key="k", since="soon")


def test_what_people_see_of_a_url_holds_no_secret():
    for url in ("postgresql://u:pw@h/db?password=pw", "https://u:pw@h/db?sig=pw", "s3://u:pw@h/db"):
        assert "pw" not in shown(url)
