"""How long requests wait inside an hour whose fleet is nearly full, though on average it has room.

With c places (replicas x requests a replica serves at once), each taken for S seconds on average, and a share
of them taken, the wait of an hour without end is that of `breakeven.serving.waiting`. A queue that starts
empty cannot grow so long in one hour, however near to full: at full it spreads like a reflected random walk,
whose mean over T seconds is, with the squared coefficients of variation a of arrivals and s of service,

    W = 2/3 sqrt(2 T / pi x S / c x (a + s))

(D. L. Iglehart and W. Whitt (1970), Multiple channel queues in heavy traffic I, Advances in Applied
Probability 2, 150-177). The lesser of the two is taken.

Who pays to go first waits W1, the others W2 (A. Cobham (1954), Priority assignment in waiting line problems,
Operations Research 2(1), 70-76); the wait of all together stays what it was, which is Kleinrock's
conservation law:

    W1 = W (1 - rho) / (1 - rho1),    W2 = W / (1 - rho1),    rho1 W1 + rho2 W2 = rho W
"""

from __future__ import annotations

import numpy as np

from breakeven.serving.class_work import SECONDS_PER_HOUR
from breakeven.serving.fleet.demand import Floats
from breakeven.serving.waiting import wait_of

_MIDDLE = 0.5
_SMALLEST = 1e-12


def hour_wait_seconds(
    places: Floats,
    share_taken: Floats,
    service_seconds: Floats,
    arrival_variation: float = 1.0,
    service_variation: float = 1.0,
) -> Floats:
    """Mean seconds before a request is begun, in an hour on average `share_taken` full (at most 1).

    NaN where there are no places.

    >>> one, half, second = np.array([1.0]), np.array([0.5]), np.array([1.0])
    >>> hour_wait_seconds(one, half, second).round(9).tolist()  # M/M/1: rho / (1 - rho) S
    [1.0]
    >>> hour_wait_seconds(one, np.array([1.0]), second).round(1).tolist()  # finite: an hour has an end
    [45.1]
    """
    share, count = np.clip(share_taken, 0.0, 1.0), np.maximum(places, _SMALLEST)
    variation = arrival_variation + service_variation
    # Allen and Cunneen: bursts of arrivals count like differences of service.
    steady = wait_of(service_seconds, share, _MIDDLE, variation=variation - 1, servers=count).mean
    hour = 2 / 3 * np.sqrt(2 * SECONDS_PER_HOUR / np.pi * service_seconds / count * variation)
    return np.where(places > 0, np.minimum(steady, hour), np.nan)


def priority_waits(wait: Floats, share_taken: Floats, priority_share: float) -> tuple[Floats, Floats]:
    """The wait of those who go first, and of the others, where all together wait `wait`.

    >>> first, others = priority_waits(np.array([9.0]), np.array([0.9]), 0.1)
    >>> first.round(3).tolist(), others.round(3).tolist()
    ([0.989], [9.89])
    """
    taken = np.clip(share_taken, 0.0, 1.0)
    if priority_share >= 1:
        return wait, np.full_like(wait, np.nan)
    left = np.maximum(1 - taken * priority_share, _SMALLEST)
    return wait * (1 - taken) / left, wait / left
