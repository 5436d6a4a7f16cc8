"""How far cohorts lie off a common rate, for how long, and how lumpy their money is month by month.

A cohort's cell is mean · level + noise. Its level wanders around one and comes back slowly: a good cohort
stays good for a while, a dozen payers who stay are a dozen next month too. Three variances say how much:

    Var(cell) = white · mean + lasting · mean + between · mean²

`white` is luck that is gone next month, `lasting` that of few payers who stay, `between` that of whole
cohorts. They come from the products of a cohort's residuals in the same and in successive months (moments).
What a cohort's level is now follows from its measured cells by Kalman's filter (Kalman, 1960).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STAYS = 0.9
"""How much of a cohort's level off the rate is left a month later."""
_LIKE_PARENT = 30.0
"""How many cells of its own a segment needs to be believed as much as everybody's variances."""
_MOST = 1.5
_LEAST = 1e-4


@dataclass(frozen=True)
class Lumps:
    """The three variances. `white` and `lasting` are in units of the money (or in heads), `between` is
    relative.
    """

    white: float
    lasting: float
    between: float

    @property
    def dispersion(self) -> float:
        """Variance over mean of one cell, but for what whole cohorts lie apart."""
        return self.white + self.lasting

    def dispersion_around(self, mean: Floats) -> float:
        """Variance over mean that tells as much of a rate as these cells do, whole cohorts' part included.

        A cell of mean m has the variance (dispersion + between · m) · m. Without the second part, cells whose
        variance is all between cohorts would seem to know their rate without error.
        """
        cells = mean[mean > 0]
        if not len(cells):
            return self.dispersion
        return float(cells.sum() / (cells / (self.dispersion + self.between * cells)).sum())


def lumps_of(mean: Floats, amount: Floats, parent: Lumps | None = None) -> Lumps:
    """The variances of amounts (cohort, age) around their means; a mean of zero is a cell not measured.

    With few cells a segment's own lean on its parent's.
    """
    known = mean > 0
    most = float(amount.max(initial=0.0)) or 1.0
    root = np.sqrt(np.where(known, mean, 1.0))
    residual = np.where(known, (amount - mean) / root, 0.0)
    both = known[:, 1:] & known[:, :-1]
    level = float(np.median(residual[known] ** 2)) if known.any() else most
    typical = max(level, 1e-9 * most)
    same, pair = residual[known] ** 2, (residual[:, 1:] * residual[:, :-1])[both]
    means, pair_means = mean[known], (root[:, 1:] * root[:, :-1])[both]
    rows = np.concatenate(
        [
            np.stack([np.ones(len(same)), np.ones(len(same)), means], axis=1),
            np.stack([np.zeros(len(pair)), np.full(len(pair), STAYS), pair_means], axis=1),
        ]
    )
    values = np.concatenate([same, pair])
    # What whole cohorts lie apart is taken to stay in full here, or it would eat up the luck of a month.
    # Large cells vary more: each equation counts by how sure it is.
    weight = 1.0 / (typical + 0.02 * np.concatenate([means, pair_means]))
    scale = np.array([typical, typical, 1.0])
    if len(values) >= 4:
        solved = scipy.optimize.nnls(rows * scale * weight[:, None], values * weight)[0] * scale
    else:
        solved = np.array([typical, 0.0, 0.05])
    own = Lumps(max(float(solved[0]), 1e-9 * most), float(solved[1]), min(float(solved[2]), 1.0))
    if parent is None:
        return own
    share = len(same) / (len(same) + _LIKE_PARENT)
    return Lumps(*(share * a + (1 - share) * b for a, b in zip(_parts(own), _parts(parent), strict=True)))


def _parts(lumps: Lumps) -> tuple[float, float, float]:
    return lumps.white, lumps.lasting, lumps.between


def levels_ahead(
    lumps: Lumps, base: Floats, amount: Floats, drawn: Floats, rate: Floats, random: np.random.Generator
) -> Floats:
    """(draw, cohort, age): levels of cohorts in months not measured, given those that are; one elsewhere.

    `base`, `amount` (cohort, age) are measured, `drawn` (draw, cohort, age) the base to go on with, `rate`
    (draw, age). Where nothing is measured a level is drawn from all cohorts'.
    """
    draws, cohorts, ages = drawn.shape
    found = np.ones((draws, cohorts, ages))
    measured = np.zeros((cohorts, ages), dtype=bool)
    width = min(base.shape[1], ages)
    measured[:, :width] = (np.isfinite(base) & np.isfinite(amount))[:, :width]
    centre, spread = np.zeros((draws, cohorts)), np.zeros((draws, cohorts))
    walk = np.zeros((draws, cohorts))
    is_walking = np.zeros(cohorts, dtype=bool)
    earlier = np.zeros((draws, cohorts))
    for age in range(ages):
        expected = np.maximum(drawn[:, :, age] * rate[:, None, age], 0.0)
        lie = lumps.between + lumps.lasting / np.maximum(expected, max(lumps.lasting, 1e-300) / _MOST)
        lie = np.clip(lie, _LEAST, _MOST)
        first = age == 0
        centre = centre * STAYS
        spread = lie if first else STAYS**2 * spread + (1 - STAYS**2) * lie
        seen = measured[:, age]
        if seen.any():
            noise = lumps.white * np.maximum(1.0 + centre, 0.05)
            cell = np.nan_to_num(amount[:, age]) if age < width else np.zeros(cohorts)
            gain = np.where(expected > 0, spread * expected / (spread * expected + noise), 0.0)
            ratio = np.divide(cell[None, :], expected, out=np.ones_like(expected), where=expected > 0)
            centre = np.where(seen, centre + gain * (np.minimum(ratio, 20.0) - 1.0 - centre), centre)
            spread = np.where(seen, spread * (1.0 - gain), spread)
            is_walking = is_walking & ~seen
        starts = ~seen & ~is_walking
        wide = np.log1p(lie)
        if starts.any():
            at = np.maximum(1.0 + centre, 0.05)
            own = np.log1p(spread / at**2)
            start = np.log(at) - own / 2 + np.sqrt(own) * random.normal(size=(draws, cohorts))
            walk_on = start
        else:
            walk_on = walk
        moved = (
            STAYS * (walk + earlier / 2)
            - wide / 2
            + np.sqrt((1 - STAYS**2) * wide) * random.normal(size=(draws, cohorts))
        )
        walk = np.where(starts, walk_on, np.where(is_walking, moved, 0.0))
        earlier = wide
        is_walking = is_walking | starts
        found[:, :, age] = np.where(seen, 1.0, np.exp(walk))
    return found
