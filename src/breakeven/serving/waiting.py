"""How long requests wait for a server that is busy, in the mean and at a percentile.

Requests come at random (Poisson), service times differ (squared coefficient of variation `variation`), and
`servers` work side by side. The chance of waiting at all is Sakasegawa's approximation, and a wait, where
there is one, is exponential, as it becomes in heavy traffic (Kingman):

    P(wait) = rho^(sqrt(2 (c + 1)) - 1),   mean wait of those who wait = s (1 + cv^2) / (2 c (1 - rho))

With one server and exponential service both are exact. Source: H. Sakasegawa (1977), An approximation formula
L_q = a rho^b / (1 - rho), Annals of the Institute of Statistical Mathematics 29, 67-75.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]


class Wait(NamedTuple):
    """Seconds of waiting: the mean over all requests, and what a share of them stays below."""

    mean: Floats
    at_percentile: Floats


def wait_of(
    service_seconds: ArrayLike,
    utilisation: ArrayLike,
    percentile: ArrayLike,
    *,
    variation: ArrayLike = 0.0,
    servers: ArrayLike = 1.0,
) -> Wait:
    """The wait at a utilisation from 0 to below 1; at 1 and above it has no end (infinite).

    One server, exponential service, half busy: M/M/1 has a mean wait of one service time.

    >>> mean, tail = wait_of(1.0, 0.5, 0.95, variation=1.0)
    >>> round(float(mean), 6), round(float(tail), 3)
    (1.0, 4.605)
    """
    service, busy, share, cv2, count = np.broadcast_arrays(
        *(
            np.asarray(each, dtype=float)
            for each in (service_seconds, utilisation, percentile, variation, servers)
        )
    )
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        waits = np.clip(busy, 0.0, 1.0) ** (np.sqrt(2.0 * (count + 1.0)) - 1.0)
        scale = np.where(busy < 1.0, service * (1.0 + cv2) / (2.0 * count * (1.0 - busy)), np.inf)
        tail = np.where(waits > 1.0 - share, scale * np.log(waits / (1.0 - share)), 0.0)
        mean = np.where(waits > 0.0, waits * scale, 0.0)
    return Wait(mean, tail)


def at_percentile(service_seconds: ArrayLike, service_multiple: ArrayLike, wait: Wait) -> Floats:
    """Wait and service together at the percentile, where they vary apart from each other.

    Means add up, and what the percentile lies above the mean adds up as independent deviations do: by
    squares. `service_multiple` is the service time at the percentile over its mean.
    """
    service = np.asarray(service_seconds, dtype=float)
    own = service * (np.asarray(service_multiple, dtype=float) - 1.0)
    with np.errstate(invalid="ignore"):
        other = np.where(np.isfinite(wait.mean), np.maximum(wait.at_percentile - wait.mean, 0.0), np.inf)
        return service + wait.mean + np.hypot(own, other)


def running_at_percentile(mean_running: ArrayLike, percentile: ArrayLike) -> Floats:
    """Requests running at once that a share of moments stays below, never less than one.

    Where nobody is turned away, the number running is Poisson whatever the spread of service times
    (M/G/infinity), so its percentile lies some standard deviations sqrt(mean) above the mean: what a replica
    must have room and speed for. Small replicas pay more for chance than large ones.

    >>> running_at_percentile([0.01, 100.0], 0.9).round(1).tolist()
    [1.0, 112.8]
    """
    mean = np.asarray(mean_running, dtype=float)
    return np.maximum(1.0, mean + ndtri(np.asarray(percentile, dtype=float)) * np.sqrt(mean))
