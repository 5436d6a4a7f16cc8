"""Public simulated series. Neither set publishes its true curves: what can be checked is prediction and
shape.

Robyn's weekly series: revenue follows `competitor_sales_B` closely (correlation 0.92), so a baseline that
knows the competitor is strong; what is asked of the curves is that they predict half a year ahead better than
the same weeks a year before, and that what they say of channels stays within what is left to explain.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from breakeven.growth.response.identified import judged, moved_together
from breakeven.growth.response.observed import Observed
from breakeven.growth.response.pooled import PooledFit, fit_pooled

DATA = Path(__file__).parents[3] / "shared" / "data" / "growth"
pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.exists(), reason="the growth data lie beside the project, not in it"),
]


def columns(name: str) -> dict[str, np.ndarray]:
    with (DATA / name).open() as file:
        rows = list(csv.DictReader(file))
    found: dict[str, np.ndarray] = {}
    for key in rows[0]:
        try:
            found[key] = np.array([float(row[key]) for row in rows])
        except ValueError:
            found[key] = np.array([row[key] for row in rows])
    return found


def error(wanted: np.ndarray, found: np.ndarray | float) -> float:
    """Mean absolute error as a share."""
    return float(np.mean(np.abs(wanted - found) / wanted))


@pytest.fixture(scope="module")
def robyn():
    data = columns("robyn_dt_simulated_weekly.csv")
    events = [(data["events"] == name).astype(float) for name in ("event1", "event2")]
    controls = np.column_stack([data["competitor_sales_B"], data["newsletter"], *events])
    names = ("tv_S", "ooh_S", "print_S", "facebook_S", "search_S")
    return data["revenue"], {name: data[name] for name in names}, controls


@pytest.mark.parametrize("fitted", [156, 182], ids=["three years", "three years and a half"])
def test_robyn_half_a_year_ahead(robyn, fitted):
    revenue, spend, controls = robyn
    channels = [Observed(name, "week", x[:fitted], revenue[:fitted]) for name, x in spend.items()]
    found = fit_pooled(channels, revenue[:fitted], controls=controls[:fitted], draws=200)
    assert isinstance(found, PooledFit)
    predicted = found.predict(list(spend.values()), controls).mean(axis=0)
    ahead = slice(fitted, fitted + 26)
    year_before = revenue[fitted - 52 : fitted - 26]
    assert error(revenue[ahead], predicted[ahead]) < 0.6 * error(revenue[ahead], year_before)
    assert error(revenue[:fitted], predicted[:fitted]) < 0.09


def test_robyn_channels(robyn):
    revenue, spend, controls = robyn
    channels = [Observed(name, "week", x, revenue) for name, x in spend.items()]
    assert moved_together(channels, pooled=True) == {}
    found = fit_pooled(channels, revenue, controls=controls, draws=200)
    assert isinstance(found, PooledFit)
    parts = {
        one.curve.channel: float(
            np.median(one.curve.users(spend[one.curve.channel]).sum(axis=1)) / revenue.sum()
        )
        for one in found.responses
    }
    assert all(0 < part < 0.2 for part in parts.values())
    assert sum(parts.values()) < 0.35
    # Television goes with revenue the most, and is the one that shows.
    assert max(parts, key=parts.__getitem__) == "tv_S"
    doubts = {
        one.curve.channel: judged(one, channel).doubt
        for one, channel in zip(found.responses, channels, strict=True)
    }
    assert doubts["tv_S"] is None
    assert any(doubts.values())


def test_meridian_national():
    data = columns("meridian_national_all_channels.csv")
    outcome = data["conversions"]
    names = [f"Channel{n}" for n in range(5)]
    controls = np.column_stack(
        [data[name] for name in ("competitor_sales_control", "sentiment_score_control", "Promo")]
        + [data["Organic_channel0_impression"]]
    )
    channels = [Observed(name, "week", data[f"{name}_spend"][:130], outcome[:130]) for name in names]
    assert moved_together(channels, pooled=True) == {}
    found = fit_pooled(channels, outcome[:130], controls=controls[:130], draws=200)
    assert isinstance(found, PooledFit)
    predicted = found.predict([data[f"{name}_spend"] for name in names], controls).mean(axis=0)
    ahead = slice(130, 156)
    assert error(outcome[ahead], predicted[ahead]) < 0.6 * error(outcome[ahead], outcome[78:104])
    assert error(outcome[ahead], predicted[ahead]) < 0.9 * error(outcome[ahead], outcome[:130].mean())
    # Its channels move the outcome by less than chance, and that is what is said.
    assert all(judged(one, x).doubt for one, x in zip(found.responses, channels, strict=True))
