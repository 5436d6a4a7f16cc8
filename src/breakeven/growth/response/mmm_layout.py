"""PyMC-Marketing's data layout, written; and a posterior fitted there, read back as response curves.

Written for PyMC-Marketing 0.19 (`pymc_marketing.mmm.multidimensional.MMM`). Its parameters live on scaled
data: every channel is divided by its `channel_scale` and the target by its `target_scale` (the maxima,
unless told otherwise), so the scales travel beside the data and are needed to read the posterior.

    logistic           beta · (1 - e^(-lam·x)) / (1 + e^(-lam·x))
    hill               beta · x^slope / (kappa^slope + x^slope)
    michaelis_menten   alpha · x / (lam + x)
    tanh               b · tanh(x / (b·c))

Hill and Michaelis-Menten are Hill curves as they stand. Logistic and tanh saturate faster than any Hill
curve; they are read as the nearest one over twice the observed spend, and how far that is off is said.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from breakeven.errors import InputError
from breakeven.growth.response.curve import ResponseCurve
from breakeven.growth.response.observed import Grain, Observed

Floats = NDArray[np.float64]

WRITTEN_FOR = "0.19"
PARAMETERS = {
    "logistic": ("saturation_lam", "saturation_beta"),
    "hill": ("saturation_slope", "saturation_kappa", "saturation_beta"),
    "michaelis_menten": ("saturation_alpha", "saturation_lam"),
    "tanh": ("saturation_b", "saturation_c"),
}
"""Columns a posterior needs, by kind of saturation; `adstock_alpha` beside them when adstock is geometric."""
_MOST_ROWS = 5_000_000
_LATER = 13


@dataclass(frozen=True)
class Layout:
    """What the JSON beside the data says. `columns` gives the column of each channel."""

    grain: Grain
    currency: str
    columns: dict[str, str]
    channel_scale: dict[str, float]
    target_scale: float
    observed: dict[str, tuple[float, float]]
    today: dict[str, float]
    saturation: str = "hill"
    lags: int = _LATER
    counted: dict[str, str] = field(default_factory=dict[str, str])
    """Which new users of each channel `y` holds: `bought`, or `all` where none of its users are bought."""

    def document(self) -> dict[str, Any]:
        """As written: what a fit needs to know, and what reading back does."""
        return {
            "schema_version": 1,
            "library": {"name": "pymc-marketing", "written_for": WRITTEN_FOR},
            "date_column": "date",
            "target_column": "y",
            "channel_columns": list(self.columns.values()),
            "control_columns": ["t"],
            "adstock": {"kind": "geometric", "l_max": self.lags, "normalize": True},
            "saturation": {"kind": self.saturation},
            "scaling": {"method": "max"},
            "channels": [
                {
                    "channel": channel,
                    "column": column,
                    "scale": self.channel_scale[channel],
                    "observed": list(self.observed[channel]),
                    "today": self.today[channel],
                    "users_in_y": self.counted.get(channel, "all"),
                }
                for channel, column in self.columns.items()
            ],
            "target_scale": self.target_scale,
            "grain": self.grain,
            "currency": self.currency,
        }

    @classmethod
    def read(cls, path: Path) -> Layout:
        """The layout of a file that `document` gave. Raises `InputError`."""
        try:
            raw = json.loads(path.read_text("utf-8"))
            channels = raw["channels"]
            found = cls(
                raw["grain"],
                str(raw["currency"]),
                {str(one["channel"]): str(one["column"]) for one in channels},
                {str(one["channel"]): float(one["scale"]) for one in channels},
                float(raw["target_scale"]),
                {
                    str(one["channel"]): (float(one["observed"][0]), float(one["observed"][1]))
                    for one in channels
                },
                {str(one["channel"]): float(one["today"]) for one in channels},
                str(raw["saturation"]["kind"]),
                int(raw["adstock"]["l_max"]),
                {str(one["channel"]): str(one.get("users_in_y", "all")) for one in channels},
            )
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise InputError(
                "this is not the layout of a media mix model",
                where=str(path),
                cause=repr(error),
                remedy="give the .json that breakeven growth export-mmm wrote",
            ) from error
        scales = [found.target_scale, *found.channel_scale.values()]
        if found.grain not in ("week", "month") or not all(math.isfinite(s) and s > 0 for s in scales):
            raise InputError("the layout's grain or scales cannot be used", where=str(path))
        return found


def layout_of(
    channels: Sequence[Observed], outcome: Floats, currency: str, saturation: str = "hill"
) -> Layout:
    """The layout of some channels with one outcome. Channels become columns `spend_NAME`, letters and
    digits.
    """
    columns: dict[str, str] = {}
    for channel in channels:
        plain = "spend_" + (re.sub(r"\W+", "_", channel.channel).strip("_").lower() or "channel")
        taken = set(columns.values())
        columns[channel.channel] = next(
            name for name in (plain, *(f"{plain}_{n}" for n in range(2, 10_000))) if name not in taken
        )
    known = _known(channels, outcome)
    return Layout(
        channels[0].period,
        currency,
        columns,
        {one.channel: float(one.spend[known].max()) for one in channels},
        float(outcome[known].max()),
        {one.channel: one.range for one in channels},
        {one.channel: one.today for one in channels},
        saturation,
        counted={one.channel: "bought" if one.counts_bought else "all" for one in channels},
    )


def write_layout(
    path: Path, layout: Layout, firsts: Sequence[date], channels: Sequence[Observed], outcome: Floats
) -> int:
    """Write the data (`path`, CSV) and what it is (`path` with .json); how many periods. Periods that are not
    known whole are left out. Column `t` counts periods: a trend as a control.
    """
    known = _known(channels, outcome)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["date", "y", *layout.columns.values(), "t"])
        for n in map(int, np.flatnonzero(known)):
            spent = [f"{channel.spend[n]:.10g}" for channel in channels]
            writer.writerow([firsts[n].isoformat(), f"{outcome[n]:.10g}", *spent, n])
    text = json.dumps(layout.document(), ensure_ascii=False, indent=2, allow_nan=False)
    path.with_suffix(".json").write_text(text + "\n", "utf-8")
    return int(known.sum())


def _known(channels: Sequence[Observed], outcome: Floats) -> NDArray[np.bool_]:
    """The periods that are written: what a fit scales by is their maxima."""
    return np.all([np.isfinite(outcome), *(np.isfinite(channel.spend) for channel in channels)], axis=0)


def read_posterior(path: Path, layout: Layout, *, draws: int = 400, seed: int = 1) -> list[ResponseCurve]:
    """Curves from a table of draws (CSV or Parquet): a row is a draw of a channel, columns `channel`,
    `adstock_alpha` and those of `PARAMETERS`, as `idata.posterior[[...]].to_dataframe().reset_index()`
    gives it.

    `channel` may be the channel's name or its column. Raises `InputError` for a table that cannot be read so.
    """
    if layout.saturation not in PARAMETERS:
        raise InputError(
            f"curves of kind {layout.saturation!r} cannot be read",
            where=str(path),
            remedy=f"fit one of {', '.join(PARAMETERS)}",
        )
    needed = PARAMETERS[layout.saturation]
    table = _table(path, needed)
    by_column = {column: channel for channel, column in layout.columns.items()}
    found: dict[str, dict[str, Floats]] = {by_column.get(name, name): rows for name, rows in table.items()}
    unknown = sorted(set(found) - set(layout.columns))
    if unknown:
        raise InputError(
            f"the posterior has a channel that the layout does not: {unknown[0]}",
            where=str(path),
            remedy="give the layout that the model was fitted on",
        )
    random = np.random.default_rng(seed)
    curves: list[ResponseCurve] = []
    for channel in layout.columns:
        if channel not in found:
            continue
        rows = found[channel]
        size = len(rows[needed[0]])
        chosen = random.choice(size, size=draws, replace=False) if size > draws else np.arange(size)
        curves.append(_curve(channel, layout, {name: column[chosen] for name, column in rows.items()}))
    return curves


def _curve(channel: str, layout: Layout, rows: dict[str, Floats]) -> ResponseCurve:
    money, users = layout.channel_scale[channel], layout.target_scale
    kind = layout.saturation
    if kind == "hill":
        ceiling, half, shape = rows["saturation_beta"], rows["saturation_kappa"], rows["saturation_slope"]
    elif kind == "michaelis_menten":
        ceiling, half = rows["saturation_alpha"], rows["saturation_lam"]
        shape = np.ones(len(half))
    else:
        if kind == "logistic":
            ceiling, half = rows["saturation_beta"], np.log(3.0) / rows["saturation_lam"]
        else:
            ceiling = rows["saturation_b"]
            half = ceiling * rows["saturation_c"] * np.arctanh(0.5)
        top = 2.0 * layout.observed[channel][1] / money
        ceiling, half, shape = nearest_hill(ceiling, half, top)
    carry = rows.get("adstock_alpha", np.zeros(len(half)))
    return ResponseCurve(
        channel, layout.grain, ceiling * users, half * money, shape, carry,
        layout.observed[channel], layout.today[channel],
    )  # fmt: skip


def nearest_hill(ceiling: Floats, half: Floats, top: float) -> tuple[Floats, Floats, Floats]:
    """The Hill curves nearest to ceiling · tanh(atanh(1/2) · x / half) from 0 to `top`: (draw,) each.

    How near depends only on top / half, so it is worked out on a grid of that and read off in between. The
    curves differ by at most 2.5 % of the users at `top` while that is up to four halves, 5 % at eight, 9 %
    far beyond. Fast saturation reads as a shape above 1: an S-curve that is not one at small spends.

    >>> found = nearest_hill(np.array([100.0]), np.array([1.0]), 2.0)
    >>> [round(float(value[0]), 2) for value in found]
    [161.15, 2.0, 1.16]
    """
    grid = np.geomspace(0.05, 50.0, 25)
    fits = np.array([_nearest_on(reach) for reach in grid])
    reach = np.log(np.clip(top / half, grid[0], grid[-1]))
    scale, wide, shape = (np.interp(reach, np.log(grid), column) for column in fits.T)
    return ceiling * scale, half * wide, shape


def _nearest_on(reach: float) -> tuple[float, float, float]:
    """Ceiling, half and shape, each over that of the tanh curve, that fit best on (0, reach] halves."""
    x = np.linspace(0.0, reach, 61)[1:]
    wanted = np.tanh(np.arctanh(0.5) * x)

    def gap(point: Floats) -> Floats:
        ceiling, half, shape = np.exp(point)
        return ceiling / (1.0 + (half / x) ** shape) - wanted

    bounds = (np.log([0.5, 0.2, 0.8]), np.log([8.0, 20.0, 4.0]))
    best = scipy.optimize.least_squares(gap, np.log([1.1, 1.0, 1.4]), bounds=bounds)
    ceiling, half, shape = np.exp(best.x)
    return float(ceiling), float(half), float(shape)


def _table(path: Path, needed: tuple[str, ...]) -> dict[str, dict[str, Floats]]:
    """Columns by channel, as finite numbers above zero."""
    rows = _parquet_rows(path) if path.suffix == ".parquet" else _csv_rows(path)
    wanted = ("adstock_alpha", *needed)
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number, row in enumerate(rows, 2):
        absent = [name for name in ("channel", *needed) if row.get(name) in (None, "")]
        if absent:
            raise InputError(
                f"the posterior lacks {', '.join(absent)}",
                where=f"{path}:{number}",
                remedy=f"a posterior has the columns channel, {', '.join(needed)}; "
                "fit the saturation that the layout names",
            )
        for name in wanted:
            if name not in row:
                continue
            try:
                value = float(row[name])
            except (TypeError, ValueError):
                value = math.nan
            if not math.isfinite(value) or value < 0 or (value == 0 and name != "adstock_alpha"):
                raise InputError(
                    f"{name} must be a number above 0: {row[name]!r}",
                    where=f"{path}:{number}",
                    remedy="write the draws as the model gave them",
                )
            found[str(row["channel"])][name].append(value)
    if not found:
        raise InputError(
            "the posterior has no draws",
            where=str(path),
            remedy="write idata.posterior[...].to_dataframe().reset_index() to a CSV",
        )
    return {
        channel: {name: np.array(values) for name, values in columns.items()}
        for channel, columns in found.items()
    }


def _csv_rows(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for _, row in zip(range(_MOST_ROWS), csv.DictReader(file), strict=False)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError("the file cannot be read", where=str(path), cause=str(error)) from error
    return [{key: value for key, value in row.items() if key} for row in rows]


def _parquet_rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path).slice(0, _MOST_ROWS).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise InputError("the file cannot be read", where=str(path), cause=str(error)) from error
