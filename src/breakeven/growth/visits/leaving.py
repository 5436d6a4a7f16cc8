"""The integral over the moment of leaving, which the Pareto/NBD is made of.

    I = ∫ₜᵀ (s/β) (1+y/β)⁻⁽ˢ⁺¹⁾ (1+y/α)⁻⁽ʳ⁺ˣ⁾ dy

With θ the smaller of α and β and z = log((θ+y) / (θ+t)), the integrand's logarithm is concave in z, and
smooth on a scale of one, whatever the parameters. Gauss-Legendre's rule on the part that matters (up to
e⁻⁴⁰ of the start) gives eleven digits, eight at the extremes; all terms are positive, so nothing cancels.
In logarithms throughout: a customer with 500 visits is no exception. Cells go through in blocks that stay in
the cache.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial.legendre import leggauss

from breakeven.growth.model import Floats
from breakeven.growth.visits.rising import Whole

_RULE = leggauss(32)
NODES: Floats = (_RULE[0] + 1) / 2
"""Where the rule looks, on the way from 0 to 1."""
WEIGHTS: Floats = _RULE[1] / 2
_NEGLIGIBLE = 40.0
_BLOCK = 2048


def until_leaving(
    r: float, alpha: float, s: float, beta: float, repeats: Whole, last: Floats, until: Floats
) -> Floats:
    """The logarithm of the integral for each cell; minus infinity where the last visit ends the watching."""
    found = np.empty(len(repeats))
    for part in _blocks(len(repeats)):
        terms = _Terms(r, alpha, s, beta, repeats[part], last[part], until[part])
        found[part] = terms.log_sum
    return found


def over_leaving(
    r: float, alpha: float, s: float, beta: float, repeats: Whole, last: Floats, until: Floats
) -> tuple[Floats, Floats]:
    """The same, and means over the moment y of leaving: log(1+y/α), 1/(α+y), log(1+y/β), 1/(β+y), by cell."""
    found, logs = np.empty((4, len(repeats))), np.empty(len(repeats))
    for part in _blocks(len(repeats)):
        terms = _Terms(r, alpha, s, beta, repeats[part], last[part], until[part])
        logs[part] = terms.log_sum
        share = terms.sizes / np.maximum(terms.sizes.sum(axis=1), 1e-300)[:, None]
        found[0, part] = np.sum(share * terms.log_visit, axis=1)
        found[1, part] = np.sum(share / (alpha + terms.moment), axis=1)
        found[2, part] = np.sum(share * terms.log_leave, axis=1)
        found[3, part] = np.sum(share / (beta + terms.moment), axis=1)
    return logs, found


def _blocks(size: int) -> list[slice]:
    return [slice(start, start + _BLOCK) for start in range(0, size, _BLOCK)]


class _Terms:
    """The rule's terms for some cells: moments of leaving, and how much each counts: (cell, node)."""

    def __init__(
        self, r: float, alpha: float, s: float, beta: float, repeats: Whole, last: Floats, until: Floats
    ) -> None:
        least = min(alpha, beta)
        shape, begin = r + repeats, least + last
        decay = (s + 1) * begin / (beta + last) + shape * begin / (alpha + last) - 1
        reach = np.log1p((until - last) / begin)
        reach = np.where(decay > 0, np.minimum(reach, _NEGLIGIBLE / np.maximum(decay, 1e-300)), reach)
        way = reach[:, None] * NODES
        self.moment = last[:, None] + begin[:, None] * np.expm1(way)
        near = way + np.log1p(last / least)[:, None]
        self.log_visit = near if alpha == least else np.log1p(self.moment / alpha)
        self.log_leave = near if beta == least else np.log1p(self.moment / beta)
        logs = near - (s + 1) * self.log_leave - shape[:, None] * self.log_visit
        top = logs.max(axis=1)
        self.sizes = np.exp(logs - top[:, None]) * WEIGHTS
        with np.errstate(divide="ignore"):
            self.log_sum = top + np.log(self.sizes.sum(axis=1)) + np.log(reach) + np.log(s * least / beta)
