"""Class costs in the books: appended once, read as they were known, and damage is located, never skipped."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakeven.errors import BooksError, InputError
from breakeven.ledger.class_costs import (
    CLASSES,
    PLACE,
    ClassCostEntry,
    ClassCosts,
    GpuSeconds,
    class_costs_from,
    read_class_costs,
    record_class_cost,
    written,
)
from breakeven.ledger.stamp import stamp

NOW = datetime(2024, 8, 31, 8, tzinfo=UTC)
SECONDS = {"uncached_input": GpuSeconds.of(1.7e-4, 1e-4, 3e-4), "output": GpuSeconds.of(1.4e-3)}
ONE = ClassCostEntry(
    NOW, date(2024, 8, 1), "self", "large", SECONDS, "main", "h800", Decimal("0.51"), Decimal("0.8"),
    "2026-11", "modelled", "qwen3-32b, 中文",
)  # fmt: skip


def later(entry: ClassCostEntry = ONE, **changes: object) -> ClassCostEntry:
    return replace(entry, known_at=entry.known_at + timedelta(hours=1), **changes)  # type: ignore[arg-type]


def test_what_is_recorded_reads_back_exactly(tmp_path):
    assert record_class_cost(tmp_path, ONE)
    assert read_class_costs(tmp_path).entries == (ONE,)
    assert not read_class_costs(tmp_path / "other").entries


def test_what_the_model_is_and_the_promise_read_back_and_older_lines_without_them_read(tmp_path):
    more = {"architecture": "qwen3-32b", "ttft_seconds": Decimal(2), "tpot_seconds": Decimal("0.05")}
    record_class_cost(tmp_path, later(**more))
    assert read_class_costs(tmp_path).entries == (later(**more),)
    older = json.loads(written(ONE))
    for name in more:
        del older[name]
    assert class_costs_from(json.dumps(older).encode() + b"\n", "here").entries == (ONE,)


def test_recorded_twice_is_recorded_once_whenever_it_was_said(tmp_path):
    record_class_cost(tmp_path, ONE)
    assert not record_class_cost(tmp_path, later())
    assert record_class_cost(tmp_path, later(decode_derate=Decimal("0.7")))
    assert record_class_cost(tmp_path, later()), "what was replaced meanwhile is news again"
    assert len(read_class_costs(tmp_path).entries) == 3


@pytest.mark.parametrize(
    "changes",
    [{"valid_from": date(2024, 9, 1)}, {"pool": ""}, {"gpu": "h20"}, {"source": "measured"}, {"note": ""},
     {"model": "small"}, {"provider": "own"}, {"architecture": "qwen3-32b"},
     {"tpot_seconds": Decimal("0.05")}, {"seconds": {"output": SECONDS["output"]}}],
    ids=str,
)  # fmt: skip
def test_anything_else_is_another_entry(tmp_path, changes):
    record_class_cost(tmp_path, ONE)
    assert record_class_cost(tmp_path, later(**changes))


def test_a_record_changes_the_stamp_of_the_books(tmp_path):
    before = stamp(tmp_path)
    record_class_cost(tmp_path, ONE)
    assert stamp(tmp_path) != before


def test_a_line_that_was_torn_off_does_not_count_and_is_written_over(tmp_path):
    record_class_cost(tmp_path, ONE)
    path = tmp_path / PLACE
    path.write_bytes(path.read_bytes() + written(later(model="small"))[:-9])
    assert read_class_costs(tmp_path).entries == (ONE,)
    other = later(model="other")
    record_class_cost(tmp_path, other)
    assert read_class_costs(tmp_path).entries == (ONE, other)


def test_a_last_line_that_only_lacks_its_newline_counts(tmp_path):
    record_class_cost(tmp_path, ONE)
    path = tmp_path / PLACE
    path.write_bytes(path.read_bytes()[:-1])
    other = later(model="other")
    record_class_cost(tmp_path, other)
    assert read_class_costs(tmp_path).entries == (ONE, other)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("known_at", None, "'known_at' is missing"),
        ("known_at", "2024-08-31T08:00:00", "known_at says no time zone"),
        ("valid_from", "soon", "Invalid isoformat"),
        ("seconds", {"output": ["0.1", "0.2", "0.3"]}, "must be 0 or more and lie between their bounds"),
        ("seconds", {"output": ["0.1"]}, "cannot be read"),
        ("seconds", {"thinking": ["1", "1", "1"]}, "unknown token class 'thinking'"),
        ("seconds", {"output": ["0", "0", "0"]}, "needs GPU-seconds above zero"),
        ("decode_derate", "51", "is no share of benchmark speed"),
        ("prefill_derate", "0", "is no share of benchmark speed"),
        ("tpot_seconds", "-0.05", "tpot_seconds is -0.05, which is no time"),
        ("architecture", 7, "architecture is not a text"),
        ("source", "guessed", "is no source of class costs"),
        ("model", 7, "model is not a text"),
        ("provider", "", "needs its provider"),
        ("speed", 1, "speed is no field of a class cost"),
    ],
)
def test_damage_names_its_file_line_and_cause(tmp_path, field, value, says):
    record_class_cost(tmp_path, ONE)
    said = json.loads(written(ONE))
    if value is None:
        del said[field]
    else:
        said[field] = value
    path = tmp_path / PLACE
    path.write_bytes(path.read_bytes() + json.dumps(said).encode() + b"\n" + written(ONE))
    with pytest.raises(InputError) as caught:
        read_class_costs(tmp_path)
    assert says in str(caught.value)
    assert f"{PLACE}:2" in str(caught.value)


def test_a_clock_that_runs_behind_is_refused(tmp_path):
    record_class_cost(tmp_path, ONE)
    with pytest.raises(BooksError, match="the clock is behind"):
        record_class_cost(tmp_path, replace(ONE, model="small", known_at=NOW - timedelta(days=1)))


def test_books_that_cannot_be_written_say_so(tmp_path):
    (tmp_path / "serving").write_text("a file where a folder should be")
    with pytest.raises(BooksError):
        record_class_cost(tmp_path, ONE)


def test_what_holds_is_the_last_word_of_the_last_day_that_has_come():
    first, corrected = ONE, later(gpu="h20")
    second = later(corrected, valid_from=date(2024, 9, 1))
    withdrawn = later(second, valid_from=date(2024, 10, 1), source="withdrawn", seconds={})
    known = ClassCosts([first, corrected, second, withdrawn])
    assert known.of("self", "large", date(2024, 7, 31)) is None
    assert known.of("self", "large", date(2024, 8, 15)) == corrected
    assert known.of("self", "large", date(2024, 9, 15)) == second
    assert known.of("self", "large", date(2024, 10, 1)) is None
    assert known.of("self", "small", date(2024, 9, 15)) is None
    assert ClassCosts(known.entries, NOW).of("self", "large", date(2024, 9, 15)) == first


AMOUNTS = st.decimals("0.000000001", "99", places=9)


@given(
    st.dictionaries(st.sampled_from(CLASSES), st.tuples(AMOUNTS, AMOUNTS, AMOUNTS).map(sorted), min_size=1),
    st.text(max_size=9),
)  # fmt: skip
def test_any_entry_reads_back(amounts, note):
    seconds = {name: GpuSeconds(value, low, high) for name, (low, value, high) in amounts.items()}
    entry = replace(ONE, seconds=seconds, note=note)
    assert class_costs_from(written(entry), str(Path("here"))).entries == (entry,)
