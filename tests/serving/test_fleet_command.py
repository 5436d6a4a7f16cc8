"""`breakeven serving fleet` as a person types it and reads it, in both languages."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from tests.account.bookkeeping import book, new_books

from breakeven.cli.main import main
from breakeven.periods import Period, time_zone
from breakeven.report.views.serving_fleet_figures import fleet_figures
from breakeven.serving.fleet.margin import margins
from breakeven.serving.fleet.measured_work import read_served_models
from breakeven.serving.fleet.month import fleet_month
from breakeven.serving.fleet.profile import Profile
from breakeven.serving.fleet.supply import Supply

DAY = "[0.8, 0.6, 0.5, 0.4, 0.4, 0.4, 0.5, 0.7, 0.9, 1.1, 1.3, 1.3, 1.2, 1.2, 1.3, 1.4, 1.4, 1.3, 1.2, 1.2, 1.3, 1.3, 1.2, 1.0]"  # fmt: skip # noqa: E501
PROFILE = f"""time_zone: Asia/Shanghai
hours: {DAY}
tokens_per_day:
  r1: {{uncached_input: 26.6e9, cached_input: 34.2e9, output: 16.8e9}}
"""
MODELS = """models:
  r1:
    gpus_per_replica: 8
    gpu_seconds_per_mtok: {uncached_input: [248, 210, 290], output: [541, 460, 640]}
    prices_per_mtok: {uncached_input: 0.55, cached_input: 0.14, output: 2.19}
    request: {uncached_input: 1900, cached_input: 2450, output: 1200, at_once: 700}
    latency: {concurrency: [64, 256, 700, 1000, 1400], tpot_ms: [22, 30, 48, 60, 80], target: 700}
"""
ENOUGH = ("--owned", 96, "--owned-price", "1.2", "--reserved-price", "1.6", "--on-demand-price", "2.5")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "BREAKEVEN_LANG", "BREAKEVEN_DEBUG", "BREAKEVEN_BOOKS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "profile.yaml").write_text(PROFILE, "utf-8")
    (tmp_path / "models.yaml").write_text(MODELS, "utf-8")

    def running(*arguments, profile=True, work=True):
        capsys.readouterr()
        given = [*map(str, arguments), "--period", "2026-03-01..2026-03-07"]
        given += ["--profile", str(tmp_path / "profile.yaml")] if profile else []
        given += ["--work", str(tmp_path / "models.yaml")] if work else []
        code = main(["serving", "fleet", *given])
        told = capsys.readouterr()
        return code, told.out, told.err

    return running


def answer(ran):
    assert ran[0] == 0, ran[2]
    found = json.loads(ran[1])
    tables: dict[str, list[dict]] = {}
    for row in found["rows"]:
        tables.setdefault(row["table"], []).append(row)
    return found, tables


def test_the_answer_adds_up(run):
    found, tables = answer(run(*ENOUGH, "--json"))
    assert found["currency"] == "USD"
    assert found["time_zone"] == "Asia/Shanghai"
    lines = {row["line"]: Decimal(row["cost"]) for row in tables["cost"] if row["line"] != "total"}
    totals = [Decimal(row["cost"]) for row in tables["cost"] if row["line"] == "total"]
    assert lines["owned"] + lines["reserved"] + lines["on_demand"] == totals[0]
    assert lines["working"] + lines["idle_on"] + lines["starting"] + lines["off"] == totals[1] == totals[0]
    assert lines["owned"] == 96 * Decimal("1.2") * 168
    [model, whole] = tables["margin"]
    assert Decimal(model["margin"]) == Decimal(model["revenue"]) - totals[0]
    assert model["margin"] == whole["margin"]
    assert len(tables["all_hours"]) == 168
    assert [row["hour"] for row in tables["hours"]] == [f"{hour:02d}:00" for hour in range(24)]
    summary = {row["measure"]: row for row in tables["summary"]}
    assert Decimal(summary["cost"]["value"]) == totals[0]
    low, value, high = (Decimal(summary["cost"][key]) for key in ("low", "value", "high"))
    assert low <= value <= high
    by_name = {row["mix"]: row for row in tables["mix"]}
    assert Decimal(by_name["yours"]["cost"]) == totals[0]
    assert Decimal(by_name["best"]["cost"]) <= min(Decimal(row["cost"]) for row in tables["mix"])
    # At night a further token is free, at noon it must be rented.
    by_hour = {row["hour"]: row for row in tables["hours"]}
    assert Decimal(by_hour["04:00"]["marginal"]) == 0 < Decimal(by_hour["15:00"]["marginal"])
    assert "shortage" not in tables


def test_who_loses_and_who_waits(run):
    asked = ("--on-demand", 64, "--overflow", "queue", "--priority", "5%", "--json")
    found, tables = answer(run(*ENOUGH, *asked))
    assert found["facts"]["more_gpus"] > 0
    assert Decimal(found["facts"]["more_gpus_by_the_hour"]) > 0
    by_policy = {row["policy"]: row for row in tables["shortage"]}
    assert set(by_policy) == {"queue", "reject", "slow"}
    assert Decimal(by_policy["reject"]["lost_revenue"]) > Decimal(by_policy["slow"]["lost_revenue"]) >= 0
    assert Decimal(by_policy["queue"]["longest_wait_minutes"]) > 1
    assert Decimal(by_policy["slow"]["slowest"]) < Decimal(1000) / 48
    waits = {row["group"]: Decimal(row["wait_minutes"]) for row in tables["waits"]}
    assert waits["first"] == 0 < waits["nobody"] < waits["others"]


def test_refusals(run):
    code, _, told = run(*ENOUGH, "--on-demand", 64)
    assert code == 3
    assert "demand exceeds the fleet in" in told
    assert "--overflow queue" in told
    code, _, told = run(*ENOUGH, "--on-demand", 64, "--lang", "zh")
    assert "小时需求超过机队" in told
    assert "下一步" in told
    assert run("--owned", 8)[0] == 2
    assert run(*ENOUGH, "--sell", "1/2")[0] == 2
    assert run(*ENOUGH, "--model", "deepseek-v3")[0] == 2
    code, _, told = run(*ENOUGH, work=False)
    assert (code, "which model on which GPU?" in told) == (2, True)
    # Hours that are all alike need no time zone; a file's hours do.
    assert run(*ENOUGH, "--traffic", "4000/1000@5rps", profile=False)[0] == 0
    code, _, told = run(*ENOUGH, "--time-zone", "UTC", profile=False)
    assert (code, "how much traffic" in told) == (2, True)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_people_can_read_it(run, language):
    code, told, _ = run(
        *ENOUGH, "--on-demand", 64, "--overflow", "slow", "--priority", "0.1", "--lang", language
    )
    assert code == 0
    chinese = sum("\u4e00" <= char <= "\u9fff" for char in told)
    assert (chinese > 500) == (language == "zh")
    assert (chinese == 0) == (language == "en")
    assert "nan" not in told.lower().replace("finance", "")
    assert "inf" not in told.lower()


def test_books_by_the_hour(run, tmp_path):
    books = new_books(tmp_path / "books", time_zone="Asia/Shanghai", serving={"own_providers": ["self"]})
    rows = [
        {
            "at": (datetime(2026, 2, 28, 16, 10, tzinfo=UTC) + timedelta(hours=hour)).isoformat(),
            "provider": "self", "model": "deepseek-r1", "requests": 1000, "uncached_input_tokens": 10**9,
            "cached_input_tokens": 0, "output_tokens": 10**8 * (1 + hour % 24),
        }
        for hour in range(7 * 24)
    ]  # fmt: skip
    book(books, "usage", rows)
    found, tables = answer(run(books.folder, *ENOUGH, "--json", profile=False))
    assert found["books"] == "test"
    assert found["facts"]["models"] == "deepseek-r1"
    work = [Decimal(row["work"]) for row in tables["hours"]]
    assert work == sorted(work)
    assert work[0] == pytest.approx(Decimal((1000 * 248 + 100 * 541) / 3600), rel=Decimal("1e-3"))


def test_a_month_of_three_models_takes_less_than_half_a_second(tmp_path):
    path = tmp_path / "models.yaml"
    path.write_text(MODELS, "utf-8")
    [model] = read_served_models(path)
    models = [replace(model, name=name) for name in "abc"]
    profile = Profile.of("Asia/Shanghai", json.loads(DAY))
    supply = {"pool": Supply(300, 100, None, 1.2, 1.6, 2.5)}
    took = []
    for _ in range(3):
        began = time.perf_counter()
        tokens = dict.fromkeys("abc", (26600000000.0, 34200000000.0, 16800000000.0))
        month = fleet_month(profile.demand(tokens, Period.parse("2026-03")), models, supply)
        assert month.margin.shape == (744,)
        assert len(margins(month)) == 3
        took.append(time.perf_counter() - began)
    assert min(took) < 0.5


def test_pools_of_their_own(run, tmp_path):
    path = tmp_path / "models.yaml"
    two = MODELS.replace("    gpus_per", "    pool: large\n    gpus_per")
    two += "  mini: {pool: small, gpu_seconds_per_mtok: {output: 50}}\n"

    def ran(more: str, *arguments):
        (tmp_path / "profile.yaml").write_text(PROFILE + "  mini: {output: 1.2e9}\n", "utf-8")
        path.write_text(two + more, "utf-8")
        return run(*ENOUGH[2:], *arguments, "--work", path, "--json", work=False)

    pools = "pools:\n  large: {owned: 96}\n  small: {owned: 1, on_demand: 4}\n"
    _, tables = answer(ran(pools))
    assert {row["pool"] for row in tables["mix"]} == {"large", "small"}
    assert {row["model"] for row in tables["classes"]} == {"r1", "mini"}
    assert "margin" not in tables, "one model has no prices: there is no margin of the whole"
    lines = {row["line"]: Decimal(row["cost"]) for row in tables["cost"]}
    assert lines["owned"] == 97 * Decimal("1.2") * 168
    assert ran(pools, "--owned", 4)[0] == 2
    assert ran("pools:\n  large: {owned: 96}\n")[0] == 2
    assert ran("")[0] == 2
    code, _, told = ran(pools, "--demand-model", "nobody")
    assert (code, "no model 'nobody'" in told) == (3, True)
    _, tables = answer(ran(pools, "--demand-model", "mini"))
    assert {row["model"] for row in tables["classes"]} == {"mini"}


def test_charts_say_what_the_tables_say(run, tmp_path):
    run(*ENOUGH)
    [model] = read_served_models(tmp_path / "models.yaml")
    profile = Profile.of("Asia/Shanghai", json.loads(DAY))
    demand = profile.demand({"r1": (26.6e9, 34.2e9, 16.8e9)}, Period.parse("2026-03"))
    month = fleet_month(demand, [model], {"pool": Supply(96, 0, None, 1.2, 1.6, 2.5)})
    day, marginal, duration = fleet_figures(month, time_zone("Asia/Shanghai"), "USD")
    assert len(day.categories) == len(marginal.categories) == 24
    work = next(one for one in day.series if one.key == "work")
    assert float(sum(value for value in work.values if value is not None)) == pytest.approx(
        month.work.sum() / 31, rel=1e-3
    )
    load = duration.series[0].values
    assert list(load) == sorted(load, reverse=True)
    assert float(load[0]) == month.pools[0].load.max()
