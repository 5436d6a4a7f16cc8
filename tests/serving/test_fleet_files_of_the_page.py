"""The files that the page on fleets shows are read as it says."""

from __future__ import annotations

import re
from pathlib import Path

from breakeven.serving.fleet.demand_file import read_demand
from breakeven.serving.fleet.measured_work import read_served_models
from breakeven.serving.fleet.profile import read_profile

PAGE = Path(__file__).parents[2] / "docs/models/serving-fleet.md"


def test_the_files_of_the_page(tmp_path):
    shown = re.findall(r"^```(csv|yaml)\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    paths = []
    for number, (kind, text) in enumerate(shown):
        paths.append(tmp_path / f"{number}.{kind}")
        paths[-1].write_text(text, "utf-8")
    demand, profile, models = paths
    assert read_demand(demand).hours == 2
    assert set(read_profile(profile).tokens_per_day) == {"r1"}
    [model] = read_served_models(models)
    assert (model.name, model.gpus_per_replica, model.pool) == ("r1", 8, "shared")
    assert model.request is not None
    assert model.curve is not None
