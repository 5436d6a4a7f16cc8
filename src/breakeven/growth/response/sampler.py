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
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Density = Callable[[Floats], Floats]
"""Log density of many points at once: (walker, parameter) -> (walker,), up to a constant."""

WALKERS = 48
SETTLED = 0.25
"""A walk whose halves differ by more than this, in standard deviations, has not settled."""
_JUMP = 10
_NUDGE = 1e-5
_LENGTHS = np.array([4.0, 2.0, 1.0, 0.5, 0.25, 0.1, 0.03, 0.01, 0.001])
_MOST_CLIMBS = 80
_LEAST_GAIN = 1e-6
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


def highest(density: Density, starts: Floats, polished: int = 2) -> Floats:
    """The highest point found from the best of many starts (the maximum a posteriori estimate)."""
    heights = density(starts)
    best = starts[np.argsort(-heights)[:polished]]
    found = [_uphill(density, start) for start in best]
    return max(found, key=lambda one: one[1])[0]


def _uphill(density: Density, point: Floats) -> tuple[Floats, float]:
    """Quasi-Newton steps (BFGS). Differences for the slope, and all lengths of a step, are one call each."""
    size = len(point)
    nudges = _NUDGE * np.concatenate([np.eye(size), -np.eye(size)])

    def slope(at: Floats) -> Floats:
        values = density(at + nudges)
        return np.nan_to_num((values[:size] - values[size:]) / (2 * _NUDGE), posinf=0.0, neginf=0.0)

    height, rise = float(density(point[None])[0]), slope(point)
    inverse = np.eye(size) / max(float(np.abs(rise).max()), 1.0)
    for _ in range(_MOST_CLIMBS):
        tried = point + _LENGTHS[:, None] * (inverse @ rise)
        heights = density(tried)
        longest = int(np.argmax(np.where(np.isfinite(heights), heights, -np.inf)))
        gained = float(heights[longest]) - height
        if not gained > _LEAST_GAIN:
            break
        step, before = tried[longest] - point, rise
        point, height, rise = tried[longest], float(heights[longest]), slope(tried[longest])
        bend = before - rise
        along = float(step @ bend)
        if along > 1e-12:
            turn = np.eye(size) - np.outer(step, bend) / along
            inverse = turn @ inverse @ turn.T + np.outer(step, step) / along
    return point, height


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
