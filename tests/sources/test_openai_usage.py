"""OpenAI usage: cached tokens are inside the input, late buckets win, missing pages are named."""

from __future__ import annotations

import json

import pytest

from breakeven.errors import InputError, UsageError
from breakeven.ledger.books import create_books
from breakeven.sources.intake import import_from
from breakeven.sources.registry import find_source

from .samples import HERE, booked, in_books

RESULT = {
    "input_tokens": 100,
    "output_tokens": 9,
    "input_cached_tokens": 60,
    "num_model_requests": 2,
    "model": "gpt-4o",
}


def page(tmp_path, *results, name="page.json", **said):
    bucket = {"start_time": 1722470400, "end_time": 1722474000, "results": list(results)}
    path = tmp_path / name
    path.write_text(json.dumps({"object": "page", "data": [bucket], "has_more": False} | said))
    return path


def test_cached_tokens_are_taken_out_of_the_input_once(tmp_path):
    [row] = booked("openai_usage", page(tmp_path, RESULT))
    assert (row["uncached_input_tokens"], row["cached_input_tokens"], row["requests"]) == (40, 60, 2)
    [refused] = booked("openai_usage", page(tmp_path, RESULT | {"input_cached_tokens": 101}))
    assert refused["reason"] == "the parts exceed the whole: more cached than input tokens"


@pytest.mark.parametrize("first", ["early", "late"])
def test_of_a_bucket_fetched_twice_the_fuller_one_counts(tmp_path, first):
    early = page(tmp_path, RESULT, name="early.json")
    late = page(tmp_path, RESULT | {"input_tokens": 150, "num_model_requests": 3}, name="late.json")
    books = create_books(tmp_path / "books", name="x", currency="USD")
    for path in (early, late) if first == "early" else (late, early):
        import_from(books, find_source("openai_usage"), path, {})
    [row] = in_books(books)
    assert (row["uncached_input_tokens"], row["requests"]) == (90, 3)


def test_audio_is_refused_unless_it_is_to_be_text(tmp_path):
    spoken = page(tmp_path, RESULT | {"input_audio_tokens": 30, "output_audio_tokens": 5})
    [refused] = booked("openai_usage", spoken)
    assert refused["quarantined"] == "input_audio_tokens"
    [row] = booked("openai_usage", spoken, modalities="as_text")
    assert (row["uncached_input_tokens"], row["output_tokens"]) == (70, 14)
    newer = page(tmp_path, RESULT | {"input_text_tokens": 70, "input_audio_tokens": 30})
    [row] = booked("openai_usage", newer, modalities="as_text")
    assert row["uncached_input_tokens"] == 40
    with pytest.raises(UsageError, match="modalities=x"):
        booked("openai_usage", spoken, modalities="x")


def test_the_older_name_of_the_results_is_known(tmp_path):
    path = page(tmp_path, RESULT)
    path.write_text(path.read_text().replace('"results"', '"result"'))
    assert len(booked("openai_usage", path)) == 1


def test_a_table_of_the_same_columns_is_read(tmp_path):
    path = tmp_path / "usage.csv"
    path.write_text(
        "start_time,end_time,model,input_tokens,output_tokens,input_cached_tokens,num_model_requests\n"
        "1722470400,1722474000,gpt-4o,100,9,60,2\n"
    )
    assert booked("openai_usage", path) == booked("openai_usage", page(tmp_path, RESULT))


def test_what_is_missing_or_renamed_is_named(tmp_path):
    with pytest.raises(InputError, match=r"last page says that more follow.*next page is page_2"):
        booked("openai_usage", page(tmp_path, RESULT, has_more=True, next_page="page_2"))
    renamed = {name.replace("num_model_requests", "requests"): value for name, value in RESULT.items()}
    with pytest.raises(InputError, match=r"not a usage report of OpenAI.*lacks num_model_requests"):
        booked("openai_usage", page(tmp_path, renamed))
    with pytest.raises(InputError, match=r"holds no records.*1 buckets without a result"):
        booked("openai_usage", page(tmp_path))
    whole = (HERE / "openai_usage" / "sample.json").read_text()
    (tmp_path / "cut.json").write_text(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cut off"):
        booked("openai_usage", tmp_path / "cut.json")
