"""Rising factorials of whole length, which every model of visits is made of.

Γ(base + n) / Γ(base) is a product of n factors. Its logarithm is summed for all n once and looked up, without
the gamma function: exact for the heaviest user, and for a base so large that two gammas would cancel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln

from breakeven.growth.model import Floats

Whole = NDArray[np.int64]

_LONGEST = 1_000_000
"""Longer products are left to the gamma function: a table would not pay."""


def log_rising(base: float, lengths: Whole) -> Floats:
    """The logarithm of base · (base + 1) · ... with as many factors as each length says.

    >>> np.exp(log_rising(2.0, np.array([0, 1, 3]))).round(9).tolist()
    [1.0, 2.0, 24.0]
    """
    top = int(lengths.max(initial=0))
    if top > _LONGEST:
        return gammaln(base + lengths) - gammaln(base)
    return _running(np.log(base + np.arange(top)))[lengths]


def rising_slope(base: float, lengths: Whole) -> Floats:
    """The derivative of `log_rising` by the base.

    >>> rising_slope(2.0, np.array([0, 1, 2])).round(9).tolist()
    [0.0, 0.5, 0.833333333]
    """
    top = int(lengths.max(initial=0))
    if top > _LONGEST:
        return digamma(base + lengths) - digamma(base)
    return _running(1.0 / (base + np.arange(top)))[lengths]


def by_value(function: Callable[[Floats], Floats], whole: Whole) -> Floats:
    """A function of whole numbers from nothing upwards, computed once for each number where there are few."""
    top = int(whole.max(initial=0))
    if top >= max(len(whole), 1024):
        return function(whole.astype(float))
    return function(np.arange(top + 1.0))[whole]


def _running(terms: NDArray[Any]) -> Floats:
    found = np.zeros(len(terms) + 1)
    np.cumsum(terms, out=found[1:])
    return found
