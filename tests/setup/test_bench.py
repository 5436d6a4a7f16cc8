"""The benchmarks run through at a tiny size and leave every row of their table; how fast is not tested."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from benchmarks import __main__ as bench
from benchmarks import (
    accounts,
    close,
    company,
    growth,
    growth_cells,
    imports,
    pricing,
    process,
    reconcile,
    serving,
    serving_constants,
    sources,
)
from benchmarks.lines import GROUPS, LINES, figure
from benchmarks.native_files import native_files, write_native
from benchmarks.serving_constants import Findings

from breakeven.serving.calibration.hold_out import Score

ROOT = Path(__file__).parents[2]


def at_hand(step, **arguments):
    """As `process.measure`, but here: a smoke run need not pay for twenty interpreters."""
    said = step(**json.loads(json.dumps(arguments, default=str)))
    return process.Measured(1.0, 1.0, process.peak_memory_bytes(), json.loads(json.dumps(said)))


SCORE = Score(points=9, median=0.1, mean=0.15, within=0.7, bias=0.0)
FOUND = Findings(SCORE, SCORE, SCORE, SCORE, 1, 0.78, 0.79, 0.78, 0.9)
"""What fitting the constants anew finds, in place of the minutes it takes."""
LEFT_OUT = ("serving_held_out", "serving_new_model", "serving_three", "serving_coverage", "serving_ranking")


def measured_lines() -> set[str]:
    """The rows that can be measured here: some need data that lie beside the project, not in it."""
    absent = () if serving.POINTS.is_file() else LEFT_OUT
    absent += () if serving.TRACE.is_file() else ("serving_cache",)
    return {line for line in LINES if not line.startswith(absent)} if absent else set(LINES)


@pytest.fixture
def small_run(monkeypatch, tmp_path):
    for module in (accounts, close, company, growth, growth_cells, imports, pricing, reconcile, sources):
        monkeypatch.setattr(module, "measure", at_hand)
    monkeypatch.setattr(sources, "readable", lambda: ["alipay", "ocean_engine"])
    monkeypatch.setattr(growth, "peer_fit", lambda _, file: growth.fit_ours(str(file)))
    monkeypatch.setattr(serving, "CONFIGURATIONS", 2_000)
    monkeypatch.setattr(serving_constants, "held_out_findings", lambda _: FOUND)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
    return ["--users", "200", "--months", "1", "--repeats", "1", "--work", str(tmp_path / "work")]


@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
def test_every_row_of_the_table_is_measured(small_run, tmp_path, capsys):
    assert bench.main(small_run) == 0

    results = json.loads((tmp_path / "work" / "results.json").read_text("utf-8"))
    found = {one["line"]: one for group in results["groups"].values() for one in group["figures"]}
    assert list(results["groups"]) == list(GROUPS)
    assert set(found) == measured_lines()
    assert all(one["value"] > 0 and one["beside"]["en"] and one["beside"]["zh"] for one in found.values())

    said = capsys.readouterr()
    assert all(LINES[line].work.en in said.out for line in measured_lines())
    assert "generating" in said.err
    for language, name in (("en", "benchmarks.md"), ("zh", "benchmarks.zh.md")):
        written = (tmp_path / "work" / name).read_text("utf-8")
        assert all(f"| {line.work.text(language)} | " in written for line in LINES.values())
        assert "$" not in written
        assert "| `alipay` | 100 | " in written

    assert bench.main([*small_run, "--clean"]) == 0
    assert not (tmp_path / "work").exists()


def test_a_step_runs_in_a_process_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    done = process.measure(company.generate, users=20, months=1, folder=tmp_path)
    assert done.said["rows"]["acquisitions"] == 20
    assert (tmp_path / "usage.parquet").exists()
    assert 0 < done.seconds < done.process_seconds
    assert done.peak_bytes > 20_000_000


def test_a_step_that_fails_stops_the_run(tmp_path):
    (tmp_path / "usage.parquet").write_text("no Parquet")
    with pytest.raises(process.StepFailedError, match="split_last_day"):
        process.measure(company.split_last_day, months=1, raw=tmp_path, history=tmp_path, last_day=tmp_path)


def test_too_little_disk_is_said_before_anything_is_written(tmp_path, capsys):
    assert bench.main(["--users", str(10**15), "--work", str(tmp_path)]) == 2
    assert "GB of disk are needed" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_target_is_met_from_the_side_it_names():
    assert LINES["import_parquet"].is_met(700_000)
    assert not LINES["import_parquet"].is_met(699_999)
    assert LINES["help"].is_met(0.15)
    assert not LINES["help"].is_met(0.151)
    assert figure(0.0312, "share") == "3.1 %"


def test_a_file_can_be_written_for_every_source():
    """A new source needs one in benchmarks/native_*.py, or nobody knows how fast it reads."""
    assert sorted(native_files()) == sources.readable()


@pytest.mark.slow
@pytest.mark.parametrize("name", sources.readable())
def test_every_record_of_a_written_file_reaches_the_books(tmp_path, name):
    native = native_files()[name]
    file = tmp_path / f"{name}{native.ending}"
    write_native(native, 240, file)
    done = sources.import_native(name, str(file), str(tmp_path / "books"), native.rows(240))
    assert done["ingested"] == native.rows(240)


def test_a_written_file_that_loses_a_record_stops_the_run(tmp_path):
    native = native_files()["azure"]
    file = tmp_path / "azure.csv"
    write_native(native, 20, file)
    with pytest.raises(AssertionError, match="20 rows were ingested, not 21"):
        sources.import_native("azure", str(file), str(tmp_path / "books"), 21)


def test_cards_are_dearer_for_a_while_only(tmp_path):
    card = tmp_path / "card.yaml"
    card.write_text("checked_on: 2024-01-01\n        per_mtok: {output: 12.00}\n")
    with accounts.dearer_cards(tmp_path):
        assert "per_mtok: {output: 15.0000}" in card.read_text()
        assert "2024-01-01" in card.read_text()
    assert "per_mtok: {output: 12.00}" in card.read_text()
