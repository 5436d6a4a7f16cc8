"""Usage events in every form they lie on disk, with what a person can say of them beside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from breakeven.errors import InputError, UsageError
from breakeven.ledger.books import create_books
from breakeven.sources.cloudevents import SOURCE
from breakeven.sources.intake import import_from

from ..samples import booked, in_books

SAMPLE = Path(__file__).parent / "sample.jsonl"
EVENTS = [json.loads(line) for line in SAMPLE.read_text().splitlines()]


def file_of(folder, content):
    path = folder / "events.json"
    path.write_text(content)
    return path


@pytest.mark.parametrize("content", [json.dumps(EVENTS), json.dumps(EVENTS, indent=2)])
def test_a_batch_is_booked_like_lines(tmp_path, content):
    assert booked("cloudevents", file_of(tmp_path, content)) == booked("cloudevents", SAMPLE)


def test_one_event_alone(tmp_path):
    [row] = booked("cloudevents", file_of(tmp_path, json.dumps(EVENTS[0], indent=1)))
    assert (row["source_id"], row["provider"]) == ("litellm-proxy chatcmpl-1", "moonshot")


def test_identical_ids_of_different_sources_are_different_events(tmp_path):
    ids = [row["source_id"] for row in booked("cloudevents", SAMPLE) if "table" in row]
    assert {"litellm-proxy chatcmpl-1", "shop chatcmpl-1"} <= set(ids)


def test_events_that_tell_of_no_call_are_counted(tmp_path):
    books = create_books(tmp_path / "books", name="t")
    [result] = import_from(books, SOURCE, SAMPLE, {})
    assert (result.rows_read, result.ingested, result.quarantined, result.skipped) == (11, 4, 7, 1)


def test_counts_that_exclude_cached_tokens(tmp_path):
    data = {
        "provider": "anthropic",
        "model": "m",
        "input_tokens": 10,
        "cached_input_tokens": 500,
        "output_tokens": 1,
    }
    path = file_of(tmp_path, json.dumps(EVENTS[1] | {"data": data}) + "\n")
    [refused] = booked("cloudevents", path)
    assert str(refused["reason"]).startswith("the parts exceed the whole")
    [row] = booked("cloudevents", path, input_includes_cached="false", subject="account_id")
    assert (row["uncached_input_tokens"], row["cached_input_tokens"], row["account_id"]) == (10, 500, "u-1")
    assert "user_id" not in row
    with pytest.raises(UsageError, match="no column for it"):
        booked("cloudevents", path, subject="email")


def test_a_provider_for_events_that_name_none(tmp_path):
    found = booked("cloudevents", SAMPLE, provider="self")
    assert [row["model"] for row in found if row.get("provider") == "self"] == ["unknown-model"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (json.dumps(EVENTS)[:-40], "not valid JSON"),
        (json.dumps(EVENTS[0], indent=1)[:-4], "not valid JSON"),
        ('{"id": 1}\n', "not CloudEvents"),
        ("[" * 100_000, "not valid JSON"),
        ("id,source\n1,a\n", "not CloudEvents"),
        ("", "the file is empty"),
    ],
)
def test_another_file_is_refused(tmp_path, content, said):
    with pytest.raises(InputError, match=said):
        booked("cloudevents", file_of(tmp_path, content))


def test_the_first_arrival_of_an_event_without_a_time_counts(tmp_path):
    """The service stamps such events when they come; sent again, they come again, later or even before."""
    books = create_books(tmp_path / "books", name="t")
    timeless = {name: value for name, value in EVENTS[1].items() if name != "time"}
    for arrived_us in ("1724112000000002", "1724112000000001", "1724112000000003"):
        path = tmp_path / f"{arrived_us}.jsonl"
        path.write_text(json.dumps(timeless | {"arrived_us": arrived_us}) + "\n")
        import_from(books, SOURCE, path, {})
    [row] = in_books(books)
    assert row["at"] == "2024-08-20T00:00:00.000001"
