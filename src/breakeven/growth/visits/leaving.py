"""The integral over the moment of leaving, which the Pareto/NBD is made of.

    I = ∫ₜᵀ (s/β) (1+y/β)⁻⁽ˢ⁺¹⁾ (1+y/α)⁻⁽ʳ⁺ˣ⁾ dy

With θ the smaller of α and β and z = log((θ+y) / (θ+t)), the integrand's logarithm is concave in z, and
smooth on a scale of one, whatever the parameters. Gauss-Legendre's rule on the part that matters (up to
e⁻⁴⁰ of the start) gives about twelve digits; all terms are positive, so nothing cancels. In logarithms
throughout: a customer with 500 visits is no exception. Cells go through in blocks that stay in the cache.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial.legendre import leggauss

from breakeven.growth.model import Floats
from breakeven.growth.visits.rising import Whole

_RULE = leggauss(40)
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
    for start in range(0, len(repeats), _BLOCK):
        part = slice(start, start + _BLOCK)
        _, terms = _terms(r, alpha, s, beta, repeats[part], last[part], until[part])
        top = terms.max(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            found[part] = np.where(
                np.isfinite(top), top + np.log(np.sum(np.exp(terms - top[:, None]), axis=1)), -np.inf
            )
    return found


def over_leaving(
    r: float,
    alpha: float,
    s: float,
    beta: float,
    repeats: Whole,
    last: Floats,
    until: Floats,
    log_integral: Floats,
) -> Floats:
    """Means over the moment y of leaving, for each cell: log(1+y/α), 1/(α+y), log(1+y/β), 1/(β+y)."""
    found = np.empty((4, len(repeats)))
    for start in range(0, len(repeats), _BLOCK):
        part = slice(start, start + _BLOCK)
        moment, terms = _terms(r, alpha, s, beta, repeats[part], last[part], until[part])
        with np.errstate(invalid="ignore"):
            share = np.exp(terms - log_integral[part, None])
        share = np.where(np.isfinite(share), share, 0.0)
        found[0, part] = np.sum(share * np.log1p(moment / alpha), axis=1)
        found[1, part] = np.sum(share / (alpha + moment), axis=1)
        found[2, part] = np.sum(share * np.log1p(moment / beta), axis=1)
        found[3, part] = np.sum(share / (beta + moment), axis=1)
    return found


def _terms(
    r: float, alpha: float, s: float, beta: float, repeats: Whole, last: Floats, until: Floats
) -> tuple[Floats, Floats]:
    """Moments of leaving and the logarithms of the terms there: (cell, node)."""
    least = min(alpha, beta)
    shape = r + repeats
    begin = least + last
    decay = (s + 1) * begin / (beta + last) + shape * begin / (alpha + last) - 1
    reach = np.log1p((until - last) / begin)
    with np.errstate(divide="ignore"):
        reach = np.where(decay > 0, np.minimum(reach, _NEGLIGIBLE / np.maximum(decay, 1e-300)), reach)
        log_reach = np.log(reach)
    moment = last[:, None] + begin[:, None] * np.expm1(reach[:, None] * NODES)
    terms = np.log(s / beta) + np.log(WEIGHTS) + log_reach[:, None] + np.log(least + moment)
    terms -= (s + 1) * np.log1p(moment / beta)
    terms -= shape[:, None] * np.log1p(moment / alpha)
    return moment, terms
