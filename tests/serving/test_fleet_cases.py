"""Fleets under `fleet_cases`: hours one can follow by hand, and what the model must say of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import yaml

from breakeven.serving.fleet.best_mix import mixes
from breakeven.serving.fleet.cost import DID, PAID
from breakeven.serving.fleet.demand import HourlyDemand
from breakeven.serving.fleet.measured_work import read_served_models
from breakeven.serving.fleet.month import FleetMonth, fleet_month
from breakeven.serving.fleet.supply import Rules, Supply

CASES = sorted(Path(__file__).with_name("fleet_cases").glob("*.yaml"))
OUTPUT = np.array([0.0, 0.0, 1e6])


def month_of(case: dict, tmp_path: Path) -> FleetMonth:
    file = tmp_path / "models.yaml"
    file.write_text(yaml.safe_dump({"models": case["models"]}), "utf-8")
    mtok = np.array(list(case["output_mtok"].values()), dtype=float).T
    demand = HourlyDemand(
        datetime(2026, 3, 1, tzinfo=UTC), tuple(case["output_mtok"]), mtok[:, :, None] * OUTPUT
    )
    return fleet_month(
        demand,
        read_served_models(file),
        {"pool": Supply(**case["supply"])},
        Rules(**case["rules"]),
        case.get("overflow"),
        case.get("patience_hours", float("inf")),
    )


def figure(month: FleetMonth, name: str):
    pool = month.pools[0]
    if name in (*PAID, *DID):
        lines = month.gpu_hours_of if name == "starting" else month.sum_of
        return lines(name).sum()
    cost = {mix.name: mix for mix in mixes(pool.load, pool.supply)}
    found = {
        "gpus_on": lambda: month.on,
        "total_cost": lambda: month.cost.sum(),
        "average_output_per_mtok": lambda: month.average_cost_per_mtok[0, 2],
        "marginal_output_per_mtok": lambda: month.marginal_cost_per_mtok[:, 0, 2],
        "rejected_output_mtok": lambda: pool.outcome.rejected.sum() / 1e6,
        "waiting_output_mtok": lambda: pool.outcome.waiting[-1].sum() / 1e6,
        "backlog": lambda: pool.outcome.backlog.sum(axis=1),
        "fluid_wait_hours": lambda: pool.fluid_wait_hours[:, 0],
        "user_tokens_per_second": lambda: pool.user_tokens_per_second[:, 0],
        "best_cost": lambda: cost["best"].cost,
        "best_owned": lambda: cost["best"].owned,
        "all_reserved_cost": lambda: cost["all_reserved"].cost,
    }
    return found[name]() if name in found else getattr(month, name)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path, tmp_path: Path):
    case = yaml.safe_load(path.read_text("utf-8"))
    month = month_of(case, tmp_path)
    assert case["title"]
    assert case["why"]
    for name, expected in case["expect"].items():
        assert figure(month, name) == pytest.approx(expected, rel=1e-9, abs=1e-9), name


def test_there_are_cases():
    assert len(CASES) >= 9
