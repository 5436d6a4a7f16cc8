"""Draws from a posterior: many walkers that learn from one another where to step.

Posteriors of response curves are bent: a low ceiling reached early and a high one reached late explain the
same weeks. A normal approximation at the best point then misleads, so we walk. Differential evolution steps
a walker along the difference of two others, so steps take on the posterior's own scale and direction
without tuning; every tenth goes the whole difference, which jumps between modes. All walkers are evaluated
in one call.

ter Braak, C. J. F. (2006). A Markov chain Monte Carlo version of the genetic algorithm differential
evolution. Statistics and Computing 16.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Density = Callable[[Floats], Floats]
"""Log density of many points at once: (walker, parameter) -> (walker,), up to a constant."""

WALKERS = 64
SETTLED = 0.25
"""A walk whose halves differ by more than this, in standard deviations, has not settled."""
_JUMP = 10
_MOST_WALKS = 3


@dataclass(frozen=True)
class Chain:
    """What the walkers saw: `points` (draw, parameter); `unrest` is how far they still drifted (see
    `SETTLED`).
    """

    points: Floats
    unrest: float

    @property
    def settled(self) -> bool:
        """Whether the walk forgot where it began."""
        return self.unrest < SETTLED


def highest(density: Density, starts: Floats, polished: int = 4) -> Floats:
    """The highest point found from the best of many starts (the maximum a posteriori estimate)."""
    heights = density(starts)
    best = starts[np.argsort(-heights)[:polished]]
    step = 1e-5

    def downhill(point: Floats) -> tuple[float, Floats]:
        nudges = np.concatenate(
            [[point], point + step * np.eye(len(point)), point - step * np.eye(len(point))]
        )
        values = density(nudges)
        size = len(point)
        return -float(values[0]), -(values[1 : size + 1] - values[size + 1 :]) / (2 * step)

    found = [
        scipy.optimize.minimize(downhill, start, jac=True, method="L-BFGS-B", options={"maxiter": 200})
        for start in best
    ]
    return np.asarray(min(found, key=lambda one: one.fun).x, dtype=float)


def walk(
    density: Density, centre: Floats, spread: Floats, *, draws: int, random: np.random.Generator,
    steps: int = 600,
) -> Chain:  # fmt: skip
    """Walk from around `centre` for as long as it takes to settle (at most three times `steps`).

    `spread` is how far apart the walkers start in each parameter. The first half of a walk is forgotten.
    """
    walkers = max(WALKERS, 2 * (len(centre) + 2))
    walkers += walkers % 2
    points = centre + spread * random.standard_normal((walkers, len(centre)))
    points[0] = centre
    heights = density(points)
    lost = ~np.isfinite(heights)
    points[lost], heights[lost] = centre, heights[0]
    unrest, kept = np.inf, np.empty((0, walkers, len(centre)))
    for _ in range(_MOST_WALKS):
        trail = np.empty((steps, walkers, len(centre)))
        for step in range(steps):
            points, heights = _stepped(density, points, heights, whole=step % _JUMP == 0, random=random)
            trail[step] = points
        kept = trail[steps // 2 :] if not np.isfinite(unrest) else trail
        unrest = _unrest(kept)
        if unrest < SETTLED:
            break
    flat = kept.reshape(-1, len(centre))
    return Chain(flat[random.choice(len(flat), size=draws, replace=len(flat) < draws)], unrest)


def _stepped(
    density: Density, points: Floats, heights: Floats, *, whole: bool, random: np.random.Generator
) -> tuple[Floats, Floats]:
    """One step of every walker, half of them at a time: each half learns from the other."""
    points, heights = points.copy(), heights.copy()
    half, size = len(points) // 2, points.shape[1]
    for movers, guides in ((slice(0, half), slice(half, None)), (slice(half, None), slice(0, half))):
        others = points[guides]
        first = random.integers(half, size=half)
        second = (first + random.integers(1, half, size=half)) % half
        length = 1.0 if whole else 2.38 / np.sqrt(2 * size) * np.exp(0.3 * random.standard_normal((half, 1)))
        wanted = points[movers] + length * (others[first] - others[second])
        wanted += 1e-6 * random.standard_normal(wanted.shape)
        there = density(wanted)
        accepted = np.log(random.random(half)) < there - heights[movers]
        points[movers] = np.where(accepted[:, None], wanted, points[movers])
        heights[movers] = np.where(accepted, there, heights[movers])
    return points, heights


def _unrest(trail: Floats) -> float:
    """How far a walk (step, walker, parameter) still drifts: the worst difference between its early and late
    half, of means or of spreads, in standard deviations.
    """
    middle = len(trail) // 2
    early, late = (part.reshape(-1, trail.shape[2]) for part in (trail[:middle], trail[middle:]))
    spread = np.maximum((early.std(axis=0) + late.std(axis=0)) / 2, 1e-12)
    moved = np.abs(early.mean(axis=0) - late.mean(axis=0)) / spread
    widened = np.abs(early.std(axis=0) - late.std(axis=0)) / spread
    return float(max(moved.max(), widened.max()))
