"""One fit of a peer, run by the interpreter of an environment of its own: `growth_peers.py PEER FILE.npz`.

The file holds one entry per customer: `repeats`, `recency`, `age` in weeks. The answer is one line of JSON:
seconds of the fit (the peer's own preparation of these arrays included, imports and compilation of a first,
small fit excluded) and the parameters it found.
"""

from __future__ import annotations

import json
import sys
import time
import warnings

import numpy as np

WARM_UP = 2_000


def main(peer: str, file: str) -> None:
    """Fit once small, so that nothing is compiled in the timed fit, then all."""
    warnings.simplefilter("ignore")
    customers = np.load(file)
    columns = [customers[name] for name in ("repeats", "recency", "age")]
    fit = {"lifetimes": lifetimes, "pymc": pymc}[peer]
    fit(*(column[:WARM_UP] for column in columns))
    started = time.perf_counter()
    parameters = fit(*columns)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "parameters": parameters}))


def lifetimes(repeats: np.ndarray, recency: np.ndarray, age: np.ndarray) -> dict[str, float]:
    """BG/NBD by maximum likelihood without penalty."""
    from lifetimes import BetaGeoFitter

    fitter = BetaGeoFitter(penalizer_coef=0.0)
    fitter.fit(repeats, recency, age)
    return {name: float(fitter.params_[name]) for name in ("r", "alpha", "a", "b")}


def pymc(repeats: np.ndarray, recency: np.ndarray, age: np.ndarray) -> dict[str, float]:
    """BG/NBD at its posterior mode, with the package's own priors."""
    import pandas as pd
    from pymc_marketing.clv import BetaGeoModel

    table = pd.DataFrame(
        {"customer_id": np.arange(len(age)), "frequency": repeats, "recency": recency, "T": age}
    )
    model = BetaGeoModel(data=table)
    model.build_model()
    model.fit(method="map")
    found = model.fit_result
    return {name: float(found[name].mean()) for name in ("r", "alpha", "a", "b")}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
