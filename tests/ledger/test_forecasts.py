"""Kept forecasts: appended once, whole or not at all, and damage is located, never skipped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

import breakeven
from breakeven.errors import BooksError, InputError
from breakeven.ledger import forecasts
from breakeven.ledger.forecasts import PLACE, Forecast, basis_of, keep_forecasts, kept_forecasts

DAY = date(2024, 8, 31)
ONE = Forecast(DAY, DAY, "retention", "sBG", "bilibili", "2024-03", 7, 0.25, 0.2, 0.3, 0.8, "ratio", "facts")
MANY = [replace(ONE, age=age) for age in range(20)]
WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from breakeven.ledger.forecasts import keep_forecasts
from tests.ledger.test_forecasts import ONE
for age in range(60):
    both = replace(ONE, cohort="2024-04", age=age)
    mine = replace(ONE, segment=sys.argv[2], age=age)
    assert keep_forecasts(Path(sys.argv[1]), [both, mine]).problem is None
"""


def test_what_is_kept_reads_back_as_it_was_made(tmp_path):
    beyond = replace(ONE, kind="payback", value=None, low=4.0, high=None, unit="months", segment="", basis="")
    kept = keep_forecasts(tmp_path, [ONE, beyond])
    assert (kept.new, kept.total, kept.problem) == (2, 2, None)
    assert kept_forecasts(tmp_path) == [ONE, beyond]


def test_nothing_kept_is_nothing(tmp_path):
    assert kept_forecasts(tmp_path) == []
    assert keep_forecasts(tmp_path, []).total == 0
    assert not (tmp_path / "forecasts").exists()


def test_the_same_forecast_is_kept_once_whatever_the_day(tmp_path):
    keep_forecasts(tmp_path, [ONE, ONE])
    again = replace(ONE, made_on=date(2024, 10, 1))
    assert keep_forecasts(tmp_path, [again]).new == 0
    assert kept_forecasts(tmp_path) == [ONE]
    assert again.key == ONE.key


@pytest.mark.parametrize(
    "other",
    [
        {"facts_to": date(2024, 9, 30)},
        {"model": "naive"},
        {"segment": ""},
        {"age": 8},
        {"unit": "users"},
        {"level": 0.9},
        {"basis": "restated"},
    ],
    ids=str,
)
def test_another_forecast_is_kept_too(tmp_path, other):
    keep_forecasts(tmp_path, [ONE])
    assert keep_forecasts(tmp_path, [replace(ONE, **other)]).new == 1
    assert replace(ONE, **other).key != ONE.key


@pytest.mark.parametrize("other", [{"value": 0.26}, {"low": None}, {"high": 0.31}], ids=str)
def test_the_same_forecast_drawn_again_is_not_another_one_and_the_first_stays(tmp_path, other):
    keep_forecasts(tmp_path, [ONE, replace(ONE, **other)])
    assert keep_forecasts(tmp_path, [replace(ONE, **other)]).new == 0
    assert kept_forecasts(tmp_path) == [ONE]
    assert replace(ONE, **other).key == ONE.key


def test_the_last_digits_of_a_modelled_number_are_no_new_forecast(tmp_path):
    keep_forecasts(tmp_path, [replace(ONE, value=1 / 3)])
    assert keep_forecasts(tmp_path, [replace(ONE, value=1 / 3 + 1e-15)]).new == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_a_mistake(tmp_path, value):
    with pytest.raises(ValueError, match="cannot be a forecast"):
        keep_forecasts(tmp_path, [ONE, replace(ONE, high=value)])
    assert kept_forecasts(tmp_path) == []


@pytest.mark.parametrize("wrong", [{"cohort": "march"}, {"age": -1}, {"level": 80}], ids=str)
def test_what_would_not_read_back_is_not_written(tmp_path, wrong):
    with pytest.raises(ValueError, match=r"cohort|age|level"):
        keep_forecasts(tmp_path, [ONE, replace(ONE, **wrong)])
    assert kept_forecasts(tmp_path) == []


@pytest.mark.parametrize("lost", [1, 30, 150])
def test_a_torn_last_line_does_not_count_and_the_next_writing_heals_it(tmp_path, lost):
    keep_forecasts(tmp_path, MANY)
    path = tmp_path / PLACE
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] if lost == 1 else whole[: -1 - lost])
    # Without its newline alone the line still says everything: it counts.
    assert kept_forecasts(tmp_path) == (MANY if lost == 1 else MANY[:-1])
    keep_forecasts(tmp_path, [ONE, MANY[-1]])
    assert path.read_bytes().rstrip() == whole.rstrip()
    keep_forecasts(tmp_path, [replace(ONE, age=99)])
    assert kept_forecasts(tmp_path) == [*MANY, replace(ONE, age=99)]


@pytest.mark.parametrize("at", range(0, 400, 23))
def test_a_kill_at_any_byte_loses_at_most_what_was_being_written(tmp_path, at):
    keep_forecasts(tmp_path, MANY[:5])
    path = tmp_path / PLACE
    before = path.stat().st_size
    keep_forecasts(tmp_path, MANY[5:7])
    torn = path.read_bytes()[: before + at]
    path.write_bytes(torn)
    found = kept_forecasts(tmp_path)
    assert found[:5] == MANY[:5]
    assert found == MANY[: len(found)]
    keep_forecasts(tmp_path, MANY)
    assert kept_forecasts(tmp_path) == MANY


BROKEN = {
    "no json": "retention, 0.3",
    "a list": "[1, 2]",
    "deep": "[" * 100_000,
    "nan": {"value": float("nan")},
    "huge": '{"value": 1e999}',
    "text value": {"value": "0.3"},
    "truth value": {"low": True},
    "level": {"level": 2},
    "age": {"age": -1},
    "age in parts": {"age": 1.5},
    "cohort": {"cohort": "march"},
    "month 13": {"cohort": "2024-13"},
    "for ever": {"age": 10**9},
    "day": {"made_on": "2024-13-01"},
    "another field": {"colour": "red"},
    "kind": {"kind": None},
}


@pytest.mark.parametrize("damage", BROKEN)
def test_a_line_changed_by_hand_is_named(tmp_path, damage):
    keep_forecasts(tmp_path, MANY[:3])
    path = tmp_path / PLACE
    lines = path.read_text().splitlines()
    said = BROKEN[damage]
    lines[1] = json.dumps(json.loads(lines[1]) | said) if isinstance(said, dict) else said
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=r"kept\.jsonl:2: a kept forecast cannot be read"):
        kept_forecasts(tmp_path)
    changed = path.read_bytes()
    kept = keep_forecasts(tmp_path, [replace(ONE, age=99)])
    assert isinstance(kept.problem, InputError)
    assert path.read_bytes() == changed


def test_bytes_that_are_no_text_and_lines_that_are_empty(tmp_path):
    keep_forecasts(tmp_path, [ONE])
    path = tmp_path / PLACE
    path.write_bytes(b"\n" + path.read_bytes() + b"\n\n")
    assert kept_forecasts(tmp_path) == [ONE]
    path.write_bytes(b"\xff\xfe\n")
    with pytest.raises(InputError, match=r"kept\.jsonl:1"):
        kept_forecasts(tmp_path)


def test_a_lacking_field_is_named(tmp_path):
    path = tmp_path / PLACE
    path.parent.mkdir()
    path.write_text('{"made_on": "2024-08-31", "facts_to": "2024-08-31"}\n')
    with pytest.raises(InputError, match="'kind' is missing"):
        kept_forecasts(tmp_path)


def test_where_nothing_can_be_written_the_forecast_is_not_kept_and_that_is_said(tmp_path):
    (tmp_path / "forecasts").write_text("a file stands where the folder should be")
    kept = keep_forecasts(tmp_path, [ONE])
    assert kept.new == 0
    assert isinstance(kept.problem, BooksError)
    assert "cannot be written" in str(kept.problem)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_folder_is_said(tmp_path):
    tmp_path.chmod(0o500)
    try:
        assert "read-only" in str(keep_forecasts(tmp_path, [ONE]).problem)
    finally:
        tmp_path.chmod(0o700)


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    keep_forecasts(tmp_path, MANY[:3])
    before = (tmp_path / PLACE).read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(forecasts.os, "fsync", full)
    kept = keep_forecasts(tmp_path, MANY)
    assert "disk is full" in str(kept.problem)
    assert (tmp_path / PLACE).read_bytes() == before


def test_two_processes_keep_everything_once(tmp_path):
    root = Path(breakeven.__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": f"{root / 'src'}:{root}"}
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, name], env=env, stderr=subprocess.PIPE)
        for name in ("one", "two")
    ]
    for writer in writers:
        _, error = writer.communicate(timeout=60)
        assert (writer.returncode, error) == (0, b"")
    found = kept_forecasts(tmp_path)
    assert len(found) == len({one.identity for one in found}) == 180


def test_a_hundred_thousand_forecasts_are_read_in_seconds(tmp_path):
    keep_forecasts(tmp_path, [ONE])
    line = (tmp_path / PLACE).read_text()
    lines = [line.replace("bilibili", f"channel {n}") for n in range(100_000)]
    (tmp_path / PLACE).write_text("".join(lines))
    began = time.process_time()
    assert keep_forecasts(tmp_path, [replace(ONE, segment="channel 5"), ONE]).total == 100_001
    assert time.process_time() - began < 8


def test_a_basis_tells_facts_and_choices_apart():
    assert basis_of({"a": [1, 2], "b": DAY}) == basis_of({"b": DAY, "a": [1, 2]})
    assert basis_of({"a": [1, 2]}) != basis_of({"a": [2, 1]})
