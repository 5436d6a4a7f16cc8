"""A fleet told whole: what still waits, names that drive no terminal, figures beyond every fleet."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest

from breakeven.cli.main import main

MODELS = """models:
  m:
    gpus_per_replica: 4
    gpu_seconds_per_mtok: {uncached_input: [100, 80, 130], cached_input: 10, output: [400, 300, 500]}
    prices_per_mtok: {uncached_input: 0.55, cached_input: 0.14, output: 2.19}
    request: {uncached_input: 2000, cached_input: 1000, output: 500, at_once: 100}
"""
HEAD = "at,model,uncached_input_tokens,cached_input_tokens,output_tokens"
ROWS = ((100, 50, 20), (200, 100, 40), (400, 200, 80), (800, 300, 160), (300, 0, 60), (0, 0, 0))
DEMAND = "\n".join(
    [
        HEAD,
        *(
            f"2026-03-01T{hour:02d}:00:00+08:00,m,{a}000000,{b}000000,{c}000000"
            for hour, (a, b, c) in enumerate(ROWS)
        ),
    ]
)
FLEET = ("--owned", 8, "--owned-price", 1, "--on-demand", 4, "--on-demand-price", 3, "--headroom", 0,
         "--currency", "USD", "--time-zone", "Asia/Shanghai", "--overflow", "queue")  # fmt: skip
PROFILE = f"time_zone: UTC\nhours: {[1] * 24}\ntokens_per_day:\n  m: {{uncached_input: 1e300, output: 1}}\n"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "BREAKEVEN_LANG", "BREAKEVEN_DEBUG"):
        monkeypatch.delenv(name, raising=False)

    def running(*arguments, demand=DEMAND, models=MODELS):
        (tmp_path / "demand.csv").write_text(demand, "utf-8")
        (tmp_path / "work.yaml").write_text(models, "utf-8")
        given = ["--work", str(tmp_path / "work.yaml"), *map(str, (*FLEET, *arguments))]
        if "--profile" not in given:
            given += ["--demand", str(tmp_path / "demand.csv")]
        code = main(["serving", "fleet", *given])
        told = capsys.readouterr()
        return code, told.out, told.err

    return running


def tables_of(ran):
    assert ran[0] == 0, ran[2]
    found = json.loads(ran[1])
    tables: dict[str, list[dict]] = {}
    for row in found["rows"]:
        tables.setdefault(row["table"], []).append(row)
    return found, tables


def test_what_still_waits_is_said_and_everything_adds_up(run):
    found, tables = tables_of(run("--json"))
    fates = {row["fate"]: row for row in tables["balance"]}
    for key in ("mtok", "gpu_hours", "revenue"):
        parts = sum(Decimal(fates[name][key]) for name in ("served", "waiting", "lost"))
        assert float(parts) == pytest.approx(float(fates["demanded"][key]), rel=1e-5)
    assert Decimal(fates["demanded"]["mtok"]) == sum(map(sum, ROWS))
    # 330.5 thousand GPU-seconds are asked for, 228.3 thousand done: 102.2 thousand are 28.39 GPU-hours.
    assert float(fates["waiting"]["gpu_hours"]) == pytest.approx(91.8056 - 63.4167, abs=1e-3)
    [queue] = [row for row in tables["shortage"] if row["policy"] == "queue"]
    assert (queue["waiting_gpu_hours"], queue["pending_revenue"]) == ("28.39", "574.35")
    assert float(queue["hours_to_clear"]) == pytest.approx(28.3889 / 12, rel=1e-3)
    assert found["facts"]["pending_revenue"] == "574.35"
    [reject] = [row for row in tables["shortage"] if row["policy"] == "reject"]
    assert Decimal(reject["waiting_mtok"]) == 0
    for language, words in (("en", "28.4 GPU-hours"), ("zh", "28.4 卡时")):
        told = run("--lang", language)[1]
        [remark] = [line for line in told.splitlines() if line.startswith("!") and words in line]
        assert "574.35 USD" in remark
    quiet = DEMAND.replace("000000", "0000")
    assert "waiting_mtok" not in json.loads(run("--json", demand=quiet)[1])["facts"]


def test_figures_carry_no_rounding_of_floats(run):
    _, tables = tables_of(run("--json"))
    by_hour = {row["hour"]: row for row in tables["hours"]}
    assert Decimal(by_hour["02:00"]["idle"]) == 0
    for rows in tables.values():
        for row in rows:
            for value in row.values():
                assert not re.match(r"-0[.0]*$|-?[\d.]+E-", str(value)), row


@pytest.mark.parametrize("mark", ["\x1b[2J", "\u202e"])
def test_names_of_files_drive_no_terminal(run, mark):
    models = MODELS.replace("  m:", f'  "m{mark}":'.replace("\x1b", "\\e"))
    code, told, _ = run(demand=DEMAND.replace(",m,", f",m{mark},"), models=models)
    assert code == 0
    assert mark[0] not in told
    gap = DEMAND.replace(",m,", f",m{mark},").splitlines()
    code, _, told = run(demand="\n".join(gap[:3] + gap[4:]), models=models)
    assert code == 3
    assert mark[0] not in told


@pytest.mark.parametrize("language", ["en", "zh"])
def test_files_that_are_none_are_named(run, tmp_path, language):
    def told(*arguments, code=3, **given):
        ran = run(*arguments, "--lang", language, **given)
        assert ran[0] == code, ran
        assert len(ran[2]) < 700
        chinese = sum("\u4e00" <= char <= "\u9fff" for char in ran[2])
        assert (chinese > 15) == (language == "zh")
        return ran[2]

    profile = tmp_path / "profile.yaml"
    profile.write_text(PROFILE, "utf-8")
    assert "profile.yaml:4" in told("--profile", profile)
    assert "131072" in told(demand="a" * 400_000)
    assert "';'" in told(demand=DEMAND.replace(",", ";"))
    lines = DEMAND.splitlines()
    assert "2026-03-01T02:00+08:00" in told(demand="\n".join(lines[:3] + lines[4:]))
    assert "..." in told(demand=DEMAND.replace("800000000", "9" * 6_000))
    assert "..." in told(models=MODELS.replace("output: 2.19", f"output: {'9' * 6_000}"))
    assert "1e+20" in told(demand=DEMAND.replace("800000000", "1e20"))
    assert "10,080" in told("--start-minutes", "1e9", code=2)
    assert "10,000,000" in told("--minimum", 1_000_000_000, code=2)
    told("--patience", "-5", code=2)
    for flag in ("--owned", "--owned-price", "--sell"):
        assert "..." in told(flag, "9" * 6_000, code=2)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_waits_that_have_no_end_say_why(run, language):
    asked = ("--priority", "30%", "--patience", 60)
    _, tables = tables_of(run(*asked, "--json"))
    waits = {row["group"]: row for row in tables["waits"]}
    assert waits["others"]["wait_minutes"] is None
    lost = float(waits["others"]["lost_share"]) * float(waits["others"]["share"])
    assert lost > float(waits["nobody"]["lost_share"]), "with a patience, priority loses demand"
    told = run(*asked, "--lang", language)[1]
    assert ("has no end" if language == "en" else "没有尽头") in told
    assert ("does not remove any" if language == "en" else "不会减少等待") not in told
    patient = run("--priority", "5%", "--lang", language)[1]
    assert ("does not remove any" if language == "en" else "不会减少等待") in patient
