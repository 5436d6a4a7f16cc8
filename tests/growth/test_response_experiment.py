"""Experiments: the published geo experiment to its last digit, and bounds that hold as often as they say."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from breakeven.account.metrics import Missing
from breakeven.errors import InputError
from breakeven.growth.interval import Interval
from breakeven.growth.response.calibration import (
    Experiment,
    calibrations_of,
    read_experiments,
    read_rivals,
    rivals_by_period,
)  # fmt: skip
from breakeven.growth.response.experiment import (
    Effect,
    before_and_during,
    incremental_return,
    time_based_regression,
)  # fmt: skip
from breakeven.growth.response.fit import Response, fit_attributed
from breakeven.growth.response.observed import Observed
from breakeven.growth.response.proposal import proposals
from breakeven.periods import Period

from .response_channels import Truth, channel

DATA = Path(__file__).parents[3] / "shared" / "data" / "growth"
REAL = pytest.mark.skipif(not DATA.exists(), reason="the growth data lie beside the project, not in it")


def geo_experiment() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Sales and cost by day of (treated, control) x (before, during); published dates of the experiment."""
    with (DATA / "matched_markets_geoassignment.csv").open() as file:
        group = {row["geo"]: row["geo.group"] for row in csv.DictReader(file)}
    sales: dict[tuple[str, str], float] = defaultdict(float)
    cost: dict[tuple[str, str], float] = defaultdict(float)
    with (DATA / "matched_markets_salesandcost.csv").open() as file:
        for row in csv.DictReader(file):
            sales[row["date"], group[row["geo"]]] += float(row["sales"])
            cost[row["date"], group[row["geo"]]] += float(row["cost"])
    days = sorted({day for day, _ in sales})
    spans = {
        "before": [day for day in days if day < "2015-02-16"],
        "during": [day for day in days if "2015-02-16" <= day <= "2015-03-15"],
    }

    def cut(values: dict[tuple[str, str], float]) -> dict[str, np.ndarray]:
        return {
            f"{name}_{span}": np.array([values[day, one] for day in spans[span]])
            for name, one in (("treated", "2"), ("control", "1"))
            for span in spans
        }

    return cut(sales), cut(cost)


@pytest.mark.shared_data
@REAL
def test_the_published_geo_experiment():
    sales, cost = geo_experiment()
    effect = time_based_regression(
        sales["treated_before"], sales["control_before"], sales["treated_during"], sales["control_during"]
    )
    assert isinstance(effect, Effect)
    spent = float(cost["treated_during"].sum())
    assert spent == pytest.approx(50_000)
    assert not cost["treated_before"].any()
    assert round(effect.change, 3) == 147_337.122
    returned = effect.per(spent)
    assert round(returned.change, 6) == 2.946742
    assert round(returned.lower(0.9), 6) == 2.826194
    assert round(returned.change - returned.lower(0.9), 6) == 0.120548
    assert returned.probability_above(0.0) == pytest.approx(1.0)
    # Two tails at 90 %: published 2.79135 and 3.102936, there by simulation.
    both = returned.interval(0.9)
    assert (both.low, both.high) == pytest.approx((2.79135, 3.102936), abs=2e-3)
    lift = effect.change / effect.would_have_been
    assert lift == pytest.approx(0.173998, abs=1e-4)  # published as a median of draws
    assert isinstance(incremental_return(effect, spent), Interval)


@pytest.mark.simulation
@pytest.mark.parametrize("with_control", [True, False], ids=["geo", "switch off"])
def test_bounds_hold_as_often_as_they_say(with_control):
    hits = 0
    for seed in range(400):
        random = np.random.default_rng(seed)
        common = random.normal(1000.0, 100.0, 30) if with_control else np.full(30, 1000.0)
        treated = 0.5 * common + random.normal(0, 20.0, 30)
        treated[20:] += 15.0
        found = (
            time_based_regression(treated[:20], common[:20], treated[20:], common[20:])
            if with_control
            else before_and_during(treated[:20], treated[20:])
        )
        assert isinstance(found, Effect)
        hits += 150.0 in found.interval(0.8)
    assert 0.75 <= hits / 400 <= 0.85


def test_a_cost_that_is_itself_uncertain_widens_the_return():
    effect = Effect(1000.0, 50.0, 20, 5000.0)
    exact = incremental_return(effect, 100.0)
    unsure = incremental_return(effect, Effect(100.0, 10.0, 20, 400.0))
    assert isinstance(exact, Interval)
    assert isinstance(unsure, Interval)
    assert unsure.high - unsure.low > exact.high - exact.low
    assert unsure == incremental_return(effect, Effect(100.0, 10.0, 20, 400.0))


@pytest.mark.parametrize("cost", [0.0, Effect(0.0, 0.0, 9, 1.0), Effect(5.0, 4.0, 9, 1.0)])
def test_a_cost_that_did_not_change_has_no_return(cost):
    found = incremental_return(Effect(10.0, 1.0, 9, 1.0), cost)
    assert isinstance(found, Missing)


def test_refusals():
    assert isinstance(time_based_regression([1, 2], [1, 2], [3], [3]), Missing)
    assert isinstance(time_based_regression([1, 2, 3, 4, 5], [7] * 5, [3], [7]), Missing)
    assert isinstance(before_and_during([1.0, 2.0], [3.0]), Missing)
    assert isinstance(before_and_during([1.0] * 9, []), Missing)


# --- what would settle a curve ---------------------------------------------------------------------------


def test_a_proposed_experiment_detects_what_it_says():
    observed, curve = channel(Truth(dispersion=0.02), np.random.default_rng(2))
    response = fit_attributed(observed)
    assert isinstance(response, Response)
    off = next(one for one in proposals(response) if one.kind == "switch_off")
    assert off.is_enough
    assert off.extra_spend == pytest.approx(-observed.today * off.periods)
    assert off.lost_users.value == pytest.approx(off.effect_users)
    really_lost = float(curve.users(observed.today)[0]) * off.periods
    assert off.lost_users.value == pytest.approx(really_lost, rel=0.15)
    # Run it many times with the detectable effect: it should show in about eight of ten.
    shown = 0
    for seed in range(400):
        random = np.random.default_rng(seed)
        before = response.noise * random.standard_normal(response.periods)
        during = response.noise * random.standard_normal(off.periods) - off.detectable_users / off.periods
        found = before_and_during(before, during)
        assert isinstance(found, Effect)
        shown += -found.lower(0.1) > 0
    assert 0.72 <= shown / 400 <= 0.88


def test_noisier_channels_take_longer():
    def periods(dispersion: float) -> int:
        observed, _ = channel(Truth(dispersion=dispersion), np.random.default_rng(3))
        response = fit_attributed(observed, draws=200)
        assert isinstance(response, Response)
        return next(one.periods for one in proposals(response) if one.kind == "switch_off")

    assert periods(0.2) > periods(0.005)


def test_a_channel_that_is_off_can_only_be_switched_on():
    observed, _ = channel(Truth(), np.random.default_rng(5))
    stopped = np.r_[observed.spend[:-6], np.zeros(6)]
    response = fit_attributed(replace(observed, spend=stopped), draws=200)
    assert isinstance(response, Response)
    [plan] = proposals(response)
    assert plan.kind == "switch_on"
    assert plan.lost_users.value == 0
    assert plan.extra_spend == pytest.approx(response.typical_spend * plan.periods)
    assert "again" in plan.en
    assert "恢复投放" in plan.zh


# --- files -----------------------------------------------------------------------------------------------

HEADER = "channel,kind,first_day,last_day,spend_change,users_change,low,high\n"


def test_an_experiment_of_the_series_is_put_on_its_scale(tmp_path):
    (tmp_path / "e.csv").write_text(HEADER + "douyin,switch_off,2024-01-15,2024-01-28,-2000,-100,-120,-80\n")
    [run] = read_experiments(tmp_path / "e.csv")
    assert run.period == Period(date(2024, 1, 15), date(2024, 1, 29))
    assert run.error == pytest.approx(20 / 1.2816, rel=1e-4)
    weeks = [Period(date(2024, 1, 1 + 7 * n), date(2024, 1, 8 + 7 * n)) for n in range(3)]
    weeks.append(Period(date(2024, 1, 22), date(2024, 1, 29)))
    weeks = sorted(set(weeks))
    spend = np.array([1000.0, 1000.0, 0.0, 0.0])[: len(weeks)]
    observed = Observed("douyin", "week", spend, np.ones(len(weeks)))
    [found] = calibrations_of([run], observed, weeks)
    assert (found.spend_before, found.spend_change, found.users_change) == (1000.0, -1000.0, -50.0)
    assert calibrations_of([run], replace(observed, channel="search"), weeks) == ()


def test_an_experiment_outside_the_series_starts_from_todays_spend():
    run = Experiment("a", "geo", Period.parse("2025-01"), 300.0, 10.0, 5.0, 15.0, 0.5)
    observed = Observed("a", "month", np.full(6, 70.0), np.ones(6))
    months = [Period.parse(f"2024-0{n}") for n in range(1, 7)]
    [found] = calibrations_of([run], observed, months)
    assert (found.spend_before, found.at, found.share) == (70.0, 1.0, 0.5)
    assert found.spend_change == pytest.approx(300.0 * (365.2425 / 12) / 31)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a,switch_off,2024-01-01,2023-01-01,-1,-1,-2,0", "ends before it begins"),
        ("a,holiday,2024-01-01,2024-01-08,-1,-1,-2,0", "no kind of experiment"),
        ("a,geo,yesterday,2024-01-08,-1,-1,-2,0", "cannot read the day"),
        ("a,geo,2024-01-01,2024-01-08,nan,-1,-2,0", "spend_change is not a number"),
        ("a,geo,2024-01-01,2024-01-08,0,-1,-2,0", "spend_change is zero"),
        ("a,geo,2024-01-01,2024-01-08,5,9,1,2", "does not lie between"),
        ("a,geo,2024-01-01,2024-01-08,5,1e999,1,2", "users_change is not a number"),
    ],
    ids=["backwards", "kind", "day", "nan", "no change", "outside", "endless"],
)
def test_an_experiment_that_does_not_read_is_refused(tmp_path, row, said):
    (tmp_path / "e.csv").write_text(HEADER + row + "\n")
    with pytest.raises(InputError, match=said):
        read_experiments(tmp_path / "e.csv")


def test_a_file_without_its_columns_is_refused(tmp_path):
    (tmp_path / "r.csv").write_text("day,spend\n2024-01-01,5\n")
    with pytest.raises(InputError, match="no column period_start, channel"):
        read_rivals(tmp_path / "r.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_rivals(tmp_path / "absent.csv")


def test_rivals_hold_until_the_next_row(tmp_path):
    (tmp_path / "r.csv").write_text(
        "period_start,channel,spend\n2024-02-01,douyin,580\n2024-01-01,douyin,310\n2024-01-01,,31\n"
    )
    rows = read_rivals(tmp_path / "r.csv")
    assert set(rows) == {"douyin", ""}
    weeks = [Period(date(2024, 1, 29), date(2024, 2, 5)), Period(date(2024, 3, 4), date(2024, 3, 11))]
    found = rivals_by_period(rows["douyin"], weeks)
    assert found[0] == pytest.approx((3 * 10 + 4 * 20) / 7)
    assert np.isnan(found[1])


@pytest.mark.parametrize(
    "text",
    [
        "channel,kind\na,geo\n",
        "channel,kind,first_day,last_day,spend_change,users_change,low,high\n"
        "a,geo,2025-01-01,2025-01-31,much,1,0,2\n",
        "channel,kind,first_day,last_day,spend_change,users_change,low,high\n"
        "a,geo,2025-02-01,2025-01-01,5,1,0,2\n",
        "channel,kind,first_day,last_day,spend_change,users_change,low,high,share\n"
        "a,geo,2025-01-01,2025-01-31,5,1,0,2,3\n",
    ],
    ids=["columns", "number", "order", "share"],
)
def test_what_is_wrong_with_a_file_of_experiments_has_a_next_step(tmp_path, text):
    (tmp_path / "experiments.csv").write_text(text)
    with pytest.raises(InputError) as refused:
        read_experiments(tmp_path / "experiments.csv")
    assert refused.value.remedy
