"""Langfuse: what was exported twice counts once, cached tokens once, and nothing is guessed silently."""

from __future__ import annotations

import json
from itertools import permutations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from breakeven.errors import InputError, UsageError
from breakeven.ledger.books import create_books
from breakeven.sources.intake import import_from
from breakeven.sources.registry import find_source

from .samples import HERE, booked

SAMPLE = HERE / "langfuse" / "sample.jsonl"
RECORD = {
    "id": "a", "type": "GENERATION", "start_time": "2024-08-01T00:00:00Z", "provided_model_name": "gpt-4o",
    "usage_details": {"input": 10, "output": 5, "total": 15}, "updated_at": "2024-08-01T00:00:01Z",
}  # fmt: skip


def of(tmp_path, *records, name="export.jsonl", **options):
    path = tmp_path / name
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return booked("langfuse", path, **options)


def usage(**counts):
    return RECORD | {"usage_details": counts}


def test_spans_and_failures_without_usage_are_counted_apart(tmp_path):
    books = create_books(tmp_path / "books", name="x", currency="USD")
    source = find_source("langfuse")
    [result] = import_from(books, source, SAMPLE, {})
    assert (result.rows_read, result.ingested, result.quarantined, result.skipped) == (7, 5, 2, 2)
    assert "never kept" not in "".join(problem.raw for problem in books.quarantined())


def test_an_array_a_table_and_parquet_hold_the_same(tmp_path):
    expected = booked("langfuse", SAMPLE)[:4]
    records = [json.loads(line) for line in SAMPLE.read_text().splitlines()]
    blob = [record for record in records if record["id"] in ("obs-1", "obs-2", "obs-8")]
    for record in blob:
        record.setdefault("user_id", None)
        record.setdefault("end_time", None)
        record.setdefault("completion_start_time", None)
    expected = [row for row in expected if row["source_id"] != "obs-4"]
    (tmp_path / "array.json").write_text(json.dumps(records, indent=1))
    assert booked("langfuse", tmp_path / "array.json") == booked("langfuse", SAMPLE)
    columns = {
        name: [_text(record[name]) for record in blob] for name in blob[1] if name not in ("input", "output")
    }
    table = pa.table(columns)
    pq.write_table(table, tmp_path / "blob.parquet")
    assert booked("langfuse", tmp_path / "blob.parquet") == expected
    from pyarrow.csv import write_csv

    write_csv(table, tmp_path / "blob.csv")
    assert booked("langfuse", tmp_path / "blob.csv") == expected


def _text(value):
    return json.dumps(value) if isinstance(value, dict) else value


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_newest_of_repeated_records_counts_in_any_order(tmp_path, order):
    records = [
        usage(input=i, output=1, total=i + 1) | {"updated_at": f"2024-08-01T00:00:0{i}Z"} for i in (1, 2, 3)
    ]
    [row] = of(tmp_path, *(records[i] for i in order))
    assert row["uncached_input_tokens"] == 3


@pytest.mark.parametrize(
    ("counts", "uncached", "cached", "written", "output"),
    [
        ({"input": 5, "input_cached_tokens": 7, "output": 2, "total": 14}, 5, 7, 0, 2),
        (
            {"input": 5, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 3, "output": 2},
            5,
            7,
            3,
            2,
        ),
        (
            {"input": 5, "input_cache_read": 7, "input_cache_creation": 3, "output": 2, "total": 17},
            5,
            7,
            3,
            2,
        ),
        (
            {"input": 5, "input_audio_tokens": 4, "output": 2, "output_reasoning_tokens": 8, "total": 19},
            9,
            0,
            0,
            10,
        ),
        ({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}, 5, 0, 0, 2),
    ],
)
def test_the_classes_of_all_spellings_add_up(tmp_path, counts, uncached, cached, written, output):
    [row] = of(tmp_path, usage(**counts))
    names = ("uncached_input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens")
    assert tuple(row[name] for name in names) == (uncached, cached, written, output)


def test_cached_tokens_counted_twice_are_refused_or_taken_out(tmp_path):
    record = usage(input=35_720, input_cached_tokens=17_817, output=100, total=35_820)
    [refused] = of(tmp_path, record)
    assert refused["reason"].startswith("input already includes the cached tokens")
    [row] = of(tmp_path, record, inclusive_input="subtract")
    assert (row["uncached_input_tokens"], row["cached_input_tokens"]) == (17_903, 17_817)


@pytest.mark.parametrize("count", [1.5, -1, "many", 10**30])
def test_a_count_that_is_no_count_is_refused(tmp_path, count):
    [refused] = of(tmp_path, usage(input=count, output=1))
    assert refused["reason"] == "a count is not a whole number"


def test_what_a_generation_lacks_is_said(tmp_path):
    [no_model] = of(tmp_path, RECORD | {"provided_model_name": None})
    assert (no_model["quarantined"], no_model["reason"]) == ("model", "the generation names no model")
    [no_usage] = of(tmp_path, usage())
    assert no_usage["reason"] == "the generation reports no usage"
    [characters] = of(tmp_path, RECORD | {"usage_details": None, "usage": {"input": 9, "unit": "CHARACTERS"}})
    assert characters["reason"] == "not counted in tokens"


@pytest.mark.parametrize(
    ("model", "provider", "booked_model"),
    [
        ("o1-2024-12-17", "openai", "o1-2024-12-17"),
        ("kimi-k2-0711-preview", "moonshot", "kimi-k2-0711-preview"),
        ("azure/gpt-4o", "azure", "gpt-4o"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "amazon", "anthropic.claude-3-haiku-20240307-v1:0"),
        ("Qwen/Qwen2-72B-Instruct", "unknown", "Qwen/Qwen2-72B-Instruct"),
        ("our-own", "unknown", "our-own"),
    ],
)
def test_the_provider_follows_from_the_name_by_rule(tmp_path, model, provider, booked_model):
    [row] = of(tmp_path, RECORD | {"provided_model_name": model})
    assert (row["provider"], row["model"]) == (provider, booked_model)
    [row] = of(tmp_path, RECORD | {"provided_model_name": "our-own"}, provider="self")
    assert row["provider"] == "self"


def test_a_renamed_column_and_an_unknown_option_are_refused(tmp_path):
    renamed = {name.replace("start_time", "started"): value for name, value in RECORD.items()}
    with pytest.raises(InputError, match=r"not a Langfuse export of observations.*lacks start_time"):
        of(tmp_path, renamed)
    with pytest.raises(UsageError, match="inclusive_input=maybe"):
        of(tmp_path, RECORD, inclusive_input="maybe")


def test_an_export_without_records_is_said(tmp_path):
    (tmp_path / "none.json").write_text("[]")
    with pytest.raises(InputError, match="holds no records"):
        booked("langfuse", tmp_path / "none.json")
