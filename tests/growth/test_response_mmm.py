"""A media mix model's data layout is written, and a posterior comes back as the curves it was."""

from __future__ import annotations

import csv
import json
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from breakeven.errors import InputError
from breakeven.growth.response.mmm_layout import Layout, layout_of, nearest_hill, read_posterior, write_layout
from breakeven.growth.response.observed import Observed


@pytest.fixture
def channels() -> list[Observed]:
    random = np.random.default_rng(1)
    return [
        Observed(name, "week", random.uniform(100, 900, 30), random.uniform(5, 20, 30))
        for name in ("抖音", "App Store", "app-store")
    ]


@pytest.fixture
def layout(channels) -> Layout:
    return layout_of(channels, np.sum([one.users for one in channels], axis=0), "CNY")


def table(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_the_data_are_written_with_what_they_mean(channels, layout, tmp_path):
    outcome = np.sum([one.users for one in channels], axis=0)
    outcome[3] = np.nan
    firsts = [date(2024, 1, 1) + timedelta(days=7 * n) for n in range(30)]
    assert write_layout(tmp_path / "mmm.csv", layout, firsts, channels, outcome) == 29
    with (tmp_path / "mmm.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["date", "y", "spend_抖音", "spend_app_store", "spend_app_store_2", "t"]
    assert [row["date"] for row in rows[:4]] == ["2024-01-01", "2024-01-08", "2024-01-15", "2024-01-29"]
    assert float(rows[0]["spend_app_store"]) == pytest.approx(channels[1].spend[0])
    said = json.loads((tmp_path / "mmm.json").read_text())
    assert said["channel_columns"] == list(rows[0])[2:5]
    assert said["control_columns"] == ["t"]
    assert said["adstock"] == {"kind": "geometric", "l_max": 13, "normalize": True}
    assert Layout.read(tmp_path / "mmm.json") == layout


def test_a_missing_column_has_a_next_step(layout, tmp_path):
    path = table(tmp_path / "p.csv", [{"channel": "抖音", "saturation_slope": 1.0}])
    with pytest.raises(InputError, match="saturation_kappa") as refused:
        read_posterior(path, layout)
    assert "saturation_beta" in refused.value.remedy


@pytest.mark.parametrize(
    ("kind", "row", "users"),
    [
        ("hill", {"slope": 0.8, "kappa": 0.5, "beta": 0.4}, lambda x: 0.4 * x**0.8 / (0.5**0.8 + x**0.8)),
        ("michaelis_menten", {"alpha": 0.4, "lam": 0.3}, lambda x: 0.4 * x / (0.3 + x)),
    ],
    ids=["hill", "michaelis_menten"],
)
def test_hill_curves_come_back_exactly(channels, layout, tmp_path, kind, row, users):
    said = {**layout.document(), "saturation": {"kind": kind}}
    (tmp_path / "l.json").write_text(json.dumps(said))
    rows = [
        {"chain": 0, "draw": n, "channel": "spend_app_store", "adstock_alpha": 0.3}
        | {f"saturation_{name}": value for name, value in row.items()}
        for n in range(5)
    ]
    [curve] = read_posterior(table(tmp_path / "p.csv", rows), Layout.read(tmp_path / "l.json"))
    assert curve.channel == "App Store"
    assert curve.carry_over.tolist() == [0.3] * 5
    assert curve.observed == channels[1].range
    for spend in (10.0, 300.0, 2000.0):
        wanted = layout.target_scale * users(spend / layout.channel_scale["App Store"])
        assert curve.users(spend) == pytest.approx(wanted, rel=1e-9)


def test_a_logistic_curve_comes_back_as_the_nearest(channels, tmp_path):
    outcome = np.sum([one.users for one in channels], axis=0)
    layout = layout_of(channels, outcome, "CNY", "logistic")
    lam = np.array([0.5, 1.0, 2.0])
    rows = [{"channel": "抖音", "saturation_lam": value, "saturation_beta": 0.4} for value in lam]
    [curve] = read_posterior(table(tmp_path / "p.csv", rows), layout)
    x = np.linspace(1.0, 2 * channels[0].range[1], 50)
    scaled = x / layout.channel_scale["抖音"]
    wanted = layout.target_scale * 0.4 * np.tanh(lam[:, None] * scaled / 2)
    assert np.abs(curve.users(x) - wanted).max() < 0.025 * wanted.max()
    assert (curve.carry_over == 0).all()


def test_the_nearest_curve_follows_its_scale():
    one = nearest_hill(np.array([1.0]), np.array([1.0]), 3.0)
    other = nearest_hill(np.array([50.0]), np.array([200.0]), 600.0)
    assert other[0] == pytest.approx(50 * one[0])
    assert other[1] == pytest.approx(200 * one[1])
    assert other[2] == pytest.approx(one[2])


def test_parquet_reads_like_csv_and_many_draws_are_thinned(layout, tmp_path):
    rows = [
        {"channel": "spend_app_store", "adstock_alpha": 0.1, "saturation_slope": 1.0, "saturation_kappa": 0.5,
         "saturation_beta": 0.1 + n / 1e4}
        for n in range(1000)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "p.parquet")
    [one] = read_posterior(tmp_path / "p.parquet", layout, draws=100)
    [other] = read_posterior(table(tmp_path / "p.csv", rows), layout, draws=100)
    assert len(one.ceiling) == 100
    assert one.ceiling == pytest.approx(other.ceiling)


GOOD = {"channel": "抖音", "saturation_slope": "1", "saturation_kappa": "1", "saturation_beta": "1"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"saturation_beta": "nan"}, "must be a number above 0"),
        ({"saturation_kappa": "-1"}, "must be a number above 0"),
        ({"saturation_slope": ""}, "lacks saturation_slope"),
        ({"channel": "tv"}, "a channel that the layout does not"),
        ({"adstock_alpha": "x"}, "adstock_alpha must be"),
    ],
    ids=["nan", "negative", "empty", "stranger", "text"],
)
def test_a_posterior_that_cannot_be_is_refused(layout, tmp_path, change, said):
    with pytest.raises(InputError, match=said):
        read_posterior(table(tmp_path / "p.csv", [GOOD | change]), layout)


def test_files_of_another_kind_are_refused(layout, tmp_path):
    (tmp_path / "p.csv").write_text("channel\n")
    with pytest.raises(InputError, match="no draws"):
        read_posterior(tmp_path / "p.csv", layout)
    (tmp_path / "p.parquet").write_bytes(b"not parquet")
    with pytest.raises(InputError, match="cannot be read"):
        read_posterior(tmp_path / "p.parquet", layout)
    for text in ("[]", "{}", '{"channels": [{"channel": "a"}]}', "nonsense"):
        (tmp_path / "l.json").write_text(text)
        with pytest.raises(InputError, match="not the layout"):
            Layout.read(tmp_path / "l.json")
