"""Spend logs in every form they come in: the same rows, each once, and nothing of what people wrote."""

from __future__ import annotations

import csv
import gzip
import json
from fractions import Fraction

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from breakeven import open_account
from breakeven.engine import sql
from breakeven.engine.duckdb import DuckDBEngine
from breakeven.errors import InputError, UsageError
from breakeven.ledger.books import create_books
from breakeven.sources.intake import import_from
from breakeven.sources.registry import find_source

from ..samples import HERE, booked, in_books

SAMPLE = HERE / "litellm" / "sample.csv"
WORDS = ("nobody else may read", "words of a person")


def records():
    with SAMPLE.open(newline="") as file:
        return list(csv.DictReader(file))


def as_api(row):
    """A record as `/spend/logs` gives it: JSON values, times with their zone."""
    made = {name: value if value != "" else None for name, value in row.items()}
    made["metadata"] = json.loads(row["metadata"])
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        made[name] = int(row[name])
    for name in ("startTime", "endTime", "completionStartTime", "updated_at"):
        made[name] = row[name].replace(" ", "T") + "Z" if row[name] else None
    return made


def with_columns(tmp_path, rows, name="export.csv"):
    path = tmp_path / name
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def plain(rows):
    """Rows without where in the file the refused ones stood."""
    return [{name: value for name, value in row.items() if name != "row"} for row in rows]


def costs(books):
    """What each model's tokens cost."""
    return {cost.key[0]: cost for cost in open_account(books).usage.by("model")}


@pytest.fixture
def expected():
    return plain(json.loads(line) for line in (SAMPLE.with_name("expected.jsonl")).read_text().splitlines())


FORMS = {
    "lines.jsonl": lambda rows: "".join(json.dumps(row) + "\n" for row in rows),
    "array.json": json.dumps,
    "indented.json": lambda rows: json.dumps(rows, indent=2),
    "page.json": lambda rows: json.dumps({"data": rows, "total": len(rows)}),
    "text.jsonl": lambda rows: "".join(
        json.dumps(row | {"metadata": json.dumps(row["metadata"])}) + "\n" for row in rows
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_json_form_gives_the_rows_of_the_csv(form, expected, tmp_path):
    (tmp_path / form).write_text(FORMS[form]([as_api(row) for row in records()]))
    assert plain(booked("litellm", tmp_path / form)) == expected


def test_parquet_gives_the_same_rows_whether_metadata_is_text_or_nested(expected, tmp_path):
    table = pa.table({name: [row[name] or None for row in records()] for name in records()[0]})
    pq.write_table(table, tmp_path / "export.parquet")
    assert plain(booked("litellm", tmp_path / "export.parquet")) == expected


def test_tokens_that_a_cache_served_are_taken_out_of_the_whole_once(tmp_path):
    # Worked by hand: 1000 in, of which 600 read from and 300 written to Anthropic's cache.
    [row] = [row for row in booked("litellm", SAMPLE) if row.get("response_id") == "msg_02"]
    assert [row[f"{name}_tokens"] for name in ("uncached_input", "cached_input", "cache_write")] == [
        100,
        600,
        300,
    ]


def test_an_unknown_model_shows_as_unpriced_not_as_free(tmp_path):
    books = create_books(tmp_path / "books", name="spend", currency="USD")
    import_from(books, find_source("litellm"), SAMPLE, {})
    cost = costs(books)["house-model-9"]
    assert (cost.bought, cost.unpriced_buy_tokens) == (0, 550)


def test_what_the_proxys_own_cache_answered_costs_nothing_and_is_seen(tmp_path):
    rows = booked("litellm", SAMPLE)
    [hit] = [row for row in rows if row.get("feature") == "litellm_cache_hit"]
    assert hit["requests"] == 1
    assert sum(value for name, value in hit.items() if name.endswith("_tokens")) == 0


def test_every_record_is_accounted_for(tmp_path):
    books = create_books(tmp_path / "books", name="spend")
    [result] = import_from(books, find_source("litellm"), SAMPLE, {})
    assert result.skipped == 1
    assert result.rows_read + result.skipped == len(records())
    assert (result.ingested, result.duplicates, result.quarantined) == (10, 1, 2)
    [again] = import_from(books, find_source("litellm"), SAMPLE, {})
    assert (again.already_imported, again.ingested) == (True, 0)


def test_requests_under_one_response_id_are_both_in_the_ledger(tmp_path):
    """LiteLLM's own table would have kept the first only. Which of them count, the matching says."""
    books = create_books(tmp_path / "books", name="spend")
    import_from(books, find_source("litellm"), SAMPLE, {})
    with DuckDBEngine() as engine:
        files = sql.texts(file.uri for file in books.files("usage"))
        stored = engine.rows(
            f"SELECT source_id FROM read_parquet([{files}]) WHERE response_id = 'chatcmpl-01'"
        )
    assert sorted(stored) == [("chatcmpl-01:call-01",), ("chatcmpl-01:call-08",)]


def test_quarantine_keeps_no_words(tmp_path):
    rows = records()
    for number, row in enumerate(rows):
        row["completion_tokens"] = "-1" if number % 2 else row["completion_tokens"]
    path = with_columns(tmp_path, rows)
    # The last line is cut off in the middle of a prompt.
    path.write_bytes(path.read_bytes() + b'x,y,"[{""content"": ""nobody else may read')
    books = create_books(tmp_path / "books", name="spend")
    [result] = import_from(books, find_source("litellm"), path, {})
    assert result.quarantined >= 7
    said = "".join(problem.raw for problem in books.quarantined())
    assert "chatcmpl-01" in said
    assert not any(words in said for words in WORDS)


def test_metadata_that_was_cut_off_is_refused_not_read_as_uncached(tmp_path):
    rows = records()[:2]
    rows[0]["metadata"] = rows[0]["metadata"][:-40]
    found = booked("litellm", with_columns(tmp_path, rows))
    assert [row.get("quarantined") for row in found] == [None, "metadata"]


def test_an_older_version_without_later_columns_is_read(tmp_path):
    later = (
        "litellm_call_id",
        "request_duration_ms",
        "completionStartTime",
        "status",
        "updated_at",
        "organization_id",
    )
    rows = [{name: value for name, value in row.items() if name not in later} for row in records()]
    found = booked("litellm", with_columns(tmp_path, rows))
    assert [row["latency_ms"] for row in found if row.get("response_id") == "msg_02"] == [1000]
    # What the columns said, metadata says too: the same rows, under the same names.
    wanted = {row["source_id"] for row in booked("litellm", SAMPLE) if "source_id" in row}
    assert {row["source_id"] for row in found if "source_id" in row} == wanted


@pytest.mark.parametrize("column", ["startTime", "prompt_tokens", "metadata", "request_id"])
def test_a_renamed_column_is_named_and_nothing_is_imported(column, tmp_path):
    rows = [
        {f"{name}_v2" if name == column else name: value for name, value in row.items()} for row in records()
    ]
    with pytest.raises(InputError, match=f"lacks {column}.*{column} ~ {column}_v2"):
        booked("litellm", with_columns(tmp_path, rows))


def test_an_export_of_nothing_says_so(tmp_path):
    path = tmp_path / "export.csv"
    path.write_text(SAMPLE.read_text().split("\n")[0] + "\n")
    with pytest.raises(InputError, match="no record"):
        booked("litellm", path)


@pytest.mark.parametrize("form", ["array.json", "indented.json", "page.json"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_download_that_was_cut_off_is_refused(form, packed, tmp_path):
    text = FORMS[form]([as_api(row) for row in records()])[:-200].encode()
    path = tmp_path / (form + ".gz" if packed else form)
    path.write_bytes(gzip.compress(text) if packed else text)
    with pytest.raises(InputError, match="ends early"):
        booked("litellm", path)


def test_the_same_rows_in_two_forms_are_booked_once(tmp_path):
    (tmp_path / "lines.jsonl").write_text(FORMS["lines.jsonl"]([as_api(row) for row in records()]))
    books = create_books(tmp_path / "books", name="spend")
    import_from(books, find_source("litellm"), SAMPLE, {})
    [second] = import_from(books, find_source("litellm"), tmp_path / "lines.jsonl", {})
    assert (second.ingested, second.duplicates) == (0, 11)
    assert sum(row.get("output_tokens", 0) for row in in_books(books)) == 300 + 200 + 50 + 80 + 9 + 400 + 6


def test_a_product_is_given_to_all_rows_or_refused():
    assert {row["product"] for row in booked("litellm", SAMPLE, product="api") if "source_id" in row} == {
        "api"
    }
    with pytest.raises(UsageError, match="product=desktop"):
        booked("litellm", SAMPLE, product="desktop")


def test_the_months_cost_is_that_of_the_classes(tmp_path):
    # claude-3-5-sonnet with caching: 3.00 in, 0.30 read, 3.75 written, 15.00 out, USD per million tokens.
    wanted = 100 * 3 + 600 * Fraction("0.30") + 300 * Fraction("3.75") + 200 * 15
    (tmp_path / "later.csv").write_text(SAMPLE.read_text().replace("2024-08-05", "2024-08-20"))
    books = create_books(tmp_path / "books", name="spend", currency="USD")
    import_from(books, find_source("litellm"), tmp_path / "later.csv", {})
    assert costs(books)["claude-3-5-sonnet-20240620"].bought == wanted / 1_000_000
