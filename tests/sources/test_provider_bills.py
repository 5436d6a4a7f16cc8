"""Cost reports of OpenAI and Anthropic: exact to the digit, rounded by saying so."""

from __future__ import annotations

import json

import pytest

from breakeven.errors import InputError
from breakeven.ledger.books import create_books
from breakeven.sources.intake import import_from
from breakeven.sources.registry import find_source

from .samples import HERE, booked, in_books


def costs(tmp_path, *values, name="costs.json"):
    results = ", ".join(
        f'{{"amount": {{"value": {value}, "currency": "usd"}}, "line_item": "m-{number}, output"}}'
        for number, value in enumerate(values)
    )
    path = tmp_path / name
    path.write_text(
        f'{{"data": [{{"start_time": 1722470400, "end_time": 1722556800, "results": [{results}]}}]}}'
    )
    return path


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("12345678901.123456789", "12345678901.123456789"),
        ("0.1", "0.1"),
        ("1.98e-05", "0.0000198"),
        ("0.0000000005", "0"),
        ("0.0000000015", "0.000000002"),
        ("0.00000000150000000001", "0.000000002"),
        ("0.00000000250000000001", "0.000000003"),
        ("-0.0000000025", "-0.000000002"),
    ],
)
def test_every_digit_counts_and_halves_go_to_the_even(tmp_path, written, amount):
    [row] = booked("openai_costs", costs(tmp_path, written))
    assert row["amount"] == amount


def test_an_absurd_amount_is_refused_where_it_stands(tmp_path):
    lines = booked("openai_costs", costs(tmp_path, "1", '"a lot"', "1e20", "null"))
    assert [line.get("row") for line in lines] == [None, 2, 3, 4]


@pytest.mark.parametrize("order", [("1", "2"), ("2", "1")])
def test_of_a_day_fetched_twice_the_higher_amount_counts(tmp_path, order):
    books = create_books(tmp_path / "books", name="x", currency="USD")
    for number, value in enumerate(order):
        import_from(books, find_source("openai_costs"), costs(tmp_path, value, name=f"{number}.json"), {})
    [row] = in_books(books)
    assert row["amount"] == "2"


def test_cents_become_dollars(tmp_path):
    sample = json.loads((HERE / "anthropic_cost" / "sample.json").read_text())
    rows = booked("anthropic_cost", HERE / "anthropic_cost" / "sample.json")
    assert {row["amount"] for row in rows if "amount" in row} == {"1.2378912", "0.075", "0.000000002", "0.1"}
    # An older or hand-made file writes the cents as a number.
    sample["data"][0]["results"] = [{"currency": "USD", "amount": 12345.5}]
    (tmp_path / "cost.json").write_text(json.dumps(sample))
    [row] = booked("anthropic_cost", tmp_path / "cost.json")
    assert row["amount"] == "123.455"


def test_the_notes_say_that_priority_is_missing():
    assert "never appears" in find_source("anthropic_cost").notes.en
    assert "从不出现" in find_source("anthropic_cost").notes.zh


def test_anthropic_counts_no_requests_and_both_lives_of_a_cache():
    rows = booked("anthropic_usage", HERE / "anthropic_usage" / "sample.json")
    assert all("requests" not in row for row in rows)
    assert rows[1]["cache_write_tokens"] == 1500


@pytest.mark.parametrize(
    ("name", "key", "title"),
    [
        ("openai_costs", "start_time", "a costs report of OpenAI"),
        ("anthropic_cost", "amount", "a cost report of Anthropic"),
        ("anthropic_usage", "uncached_input_tokens", "a usage report of Anthropic"),
    ],
)
def test_a_renamed_key_is_named(tmp_path, name, key, title):
    content = (HERE / name / "sample.json").read_text().replace(f'"{key}"', f'"{key}_new"')
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(InputError, match=rf"not {title}.*lacks {key}"):
        booked(name, tmp_path / "report.json")


@pytest.mark.parametrize("name", ["openai_costs", "anthropic_cost", "anthropic_usage"])
def test_a_truncated_report_is_refused(tmp_path, name):
    content = (HERE / name / "sample.json").read_text()
    (tmp_path / "report.json").write_text(content[: len(content) * 2 // 3])
    with pytest.raises(InputError, match="cut off"):
        booked(name, tmp_path / "report.json")
