"""Published results on two real segments of subscribers, to the digits printed.

Shares surviving: P. S. Fader and B. G. S. Hardie (2007), How to project customer retention, Journal of
Interactive Marketing 21(1), Table 1. The four-year BdW estimates are those that the package retenmod prints.
Their fifth digit is that of a search stopped early: at 40 digits of working precision the maximum lies at
.2593357, 1.7225515, 1.5843615, where the likelihood is higher.
"""

from __future__ import annotations

import numpy as np
import pytest

from breakeven.growth.cells import CONTRACT_COLUMNS, Cells
from breakeven.growth.survival import BDW, SBG, STRAIGHT_LINE

HIGH_END = (100, 86.9, 74.3, 65.3, 59.3, 55.1, 51.7, 49.1, 46.8, 44.5, 42.7, 40.9, 39.4)
REGULAR = (100, 63.1, 46.8, 38.2, 32.6, 28.9, 26.2, 24.1, 22.3, 20.7, 19.4, 18.3, 17.3)
SEGMENTS = {"high-end": HIGH_END, "regular": REGULAR}
PROJECTED = {
    "high-end": (85.07, 74.69, 66.98, 60.99, 56.18, 52.22, 48.89, 46.04, 43.58, 41.42, 39.51, 37.80),
    "regular": (62.67, 47.38, 38.80, 33.21, 29.23, 26.25, 23.90, 22.01, 20.44, 19.12, 17.99, 17.00),
}


def segment(shares: tuple[float, ...], years: int) -> Cells:
    """A thousand subscribers, watched for some years."""
    left = [round(10 * share) for share in shares[: years + 1]]
    rows = [(year, 1) for year in range(1, years + 1)] + [(years, 0)]
    lost = [left[year - 1] - left[year] for year in range(1, years + 1)]
    return Cells.group(CONTRACT_COLUMNS, rows, [*lost, left[years]])


def test_sbg_on_seven_years():
    regular, high = SBG.fit(segment(REGULAR, 7)), SBG.fit(segment(HIGH_END, 7))
    assert regular.estimate.round(3).tolist() == [0.704, 1.182]
    assert round(regular.log_likelihood, 3) == -1680.265
    assert high.estimate.round(3).tolist() == [0.668, 3.806]
    assert round(high.log_likelihood, 3) == -1611.158
    assert round(high.log_likelihood / 1000, 3) == -1.611


def test_bdw_on_the_high_end():
    four, seven = BDW.fit(segment(HIGH_END, 4)), BDW.fit(segment(HIGH_END, 7))
    assert round(four.log_likelihood, 3) == -1222.749
    assert four.estimate == pytest.approx([0.25934, 1.72256, 1.58435], abs=1.2e-5)
    assert four.estimate == pytest.approx([0.2593357317, 1.7225514881, 1.5843615150], abs=2e-7)
    printed = np.array([0.25934, 1.72256, 1.58435])
    cells = segment(HIGH_END, 4)
    assert four.log_likelihood >= float(cells.counts @ BDW.log_likelihoods(printed, cells))
    assert seven.estimate.round(4).tolist() == [0.2143, 1.4266, 1.7236]
    assert round(seven.log_likelihood, 3) == -1605.314


@pytest.mark.parametrize("name", SEGMENTS)
def test_the_projection_to_twelve_years(name):
    fit = SBG.fit(segment(SEGMENTS[name], 7))
    shares = 100 * SBG.survival(fit.estimate, np.arange(1.0, 13.0))
    assert shares.round(2).tolist() == list(PROJECTED[name])


def year_twelve(model, name: str, years: int) -> float:
    """Error of the year-12 survival in percent of what was seen."""
    fit = model.fit(segment(SEGMENTS[name], years))
    seen = SEGMENTS[name][12]
    return float(100 * (100 * model.survival(fit.estimate, np.array([12.0]))[0] / seen - 1))


def test_year_twelve_from_four_and_from_seven_years():
    assert round(year_twelve(SBG, "high-end", 4), 1) == -22.1
    assert round(year_twelve(BDW, "high-end", 4), 1) == -1.3
    assert round(year_twelve(SBG, "high-end", 7), 1) == -4.1
    assert round(year_twelve(BDW, "high-end", 7), 1) == 2.5
    assert round(year_twelve(SBG, "regular", 7), 1) == -1.7
    assert round(year_twelve(BDW, "regular", 7), 1) == 2.5


@pytest.mark.parametrize("years", [4, 7])
@pytest.mark.parametrize("name", SEGMENTS)
@pytest.mark.parametrize("model", [SBG, BDW], ids=lambda model: model.name)
def test_both_beat_a_straight_line_everywhere(model, name, years):
    """In every later year, against the line through the origin and the one with a level of its own."""
    seen = np.array(SEGMENTS[name]) / 100
    cells = segment(SEGMENTS[name], years)
    later = np.arange(years + 1.0, 13.0)
    ours = np.abs(model.survival(model.fit(cells).estimate, later) - seen[years + 1 :])
    line = STRAIGHT_LINE.survival(STRAIGHT_LINE.fit(cells).estimate, later)
    known = np.arange(1.0, years + 1)
    steepness = (known @ np.log(seen[1 : years + 1])) / (known @ known)
    assert (ours < np.abs(line - seen[years + 1 :])).all()
    assert (ours < np.abs(np.exp(steepness * later) - seen[years + 1 :])).all()
