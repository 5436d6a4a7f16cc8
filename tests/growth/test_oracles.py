"""Other people's fits of the same models to the same data: theirs and ours agree.

They need old packages, which lie in an environment of their own and are asked in one process of theirs.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from breakeven.growth.books_curves import product_limit
from breakeven.growth.cells import VISIT_COLUMNS, Cells
from breakeven.growth.maximum_likelihood import Fit, fit
from breakeven.growth.survival import SBG, WEIBULL
from breakeven.growth.visits.bg_bb import BG_BB
from breakeven.growth.visits.bg_nbd import BgNbd
from breakeven.growth.visits.gamma_gamma import GAMMA_GAMMA, VALUE_COLUMNS
from breakeven.growth.visits.mbg_nbd import MbgNbd
from breakeven.growth.visits.pareto_nbd import ParetoNbd

from .visits_of_cdnow import needs_cdnow, purchases, value_cells

PYTHON = Path(__file__).parents[2] / ".venv-oracles" / "bin" / "python"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="./run test --slow makes it"),
]

ASKED = """
import json, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
asked = json.load(sys.stdin)
kind, counts = asked["kind"], np.array(asked["counts"], dtype=float)
columns = [np.array(column, dtype=float) for column in zip(*asked["rows"])]
answer = {}
if kind in ("Weibull", "KaplanMeier"):
    import lifelines
    lifetime, lost = columns
    if kind == "Weibull":
        upper = np.where(lost > 0, lifetime, np.inf)
        lower = np.where(lost > 0, lifetime - 1, lifetime)
        found = lifelines.WeibullFitter().fit_interval_censoring(lower, upper, weights=counts)
        answer = {"parameters": [found.lambda_, found.rho_], "log_likelihood": found.log_likelihood_}
    else:
        found = lifelines.KaplanMeierFitter().fit(lifetime, lost, weights=counts)
        answer = {"shares": [float(found.predict(age)) for age in asked["ages"]]}
else:
    import lifetimes
    fitter = getattr(lifetimes, kind)()
    order = {"GammaGammaFitter": "p q v", "BetaGeoBetaBinomFitter": "alpha beta gamma delta",
             "ParetoNBDFitter": "r alpha s beta"}.get(kind, "r alpha a b").split()
    if kind == "BetaGeoBetaBinomFitter":
        fitter.fit(*columns, weights=counts)
    elif kind == "ParetoNBDFitter":
        fitter.fit(*columns, weights=counts, tol=1e-10, maxiter=20000)
    else:
        fitter.fit(*columns, weights=counts)
    answer = {"parameters": [float(fitter.params_[name]) for name in order]}
json.dump(answer, sys.stdout)
"""


def theirs(kind: str, rows: Any, counts: Any, **more: Any) -> dict[str, Any]:
    asked = {"kind": kind, "rows": np.asarray(rows).tolist(), "counts": np.asarray(counts).tolist(), **more}
    ran = subprocess.run(
        [str(PYTHON), "-c", ASKED], input=json.dumps(asked), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout)


def fitted(model: Any, cells: Cells) -> Fit:
    found = fit(model, cells)
    assert isinstance(found, Fit), found
    return found


def weekly(cells: Cells) -> list[list[float]]:
    """Rows in weeks, as the others take them."""
    return [[row[0], row[1] / 7, row[2] / 7] for row in cells.rows.tolist()]


@cache
def simulated_visits() -> Cells:
    ages = np.random.default_rng(4).integers(100, 300, 3000)
    return BgNbd(7).simulate(np.array([0.6, 6.0, 0.8, 3.0]), ages, np.random.default_rng(5))


def cdnow_visits() -> Cells:
    return Cells.group(VISIT_COLUMNS, purchases().rows())


SOURCES = [
    pytest.param(simulated_visits, id="simulated"),
    pytest.param(cdnow_visits, id="cdnow", marks=[pytest.mark.shared_data, needs_cdnow]),
]


def agree(model: Any, cells: Cells, parameters: list[float], tolerance: float) -> None:
    """The same parameters, and no better likelihood elsewhere: where theirs stops early, ours lies above."""
    found = fitted(model, cells)
    here = np.sum(cells.counts * model.log_likelihoods(np.array(parameters), cells))
    assert found.log_likelihood >= here - 1e-6
    assert found.log_likelihood == pytest.approx(here, abs=0.05)
    assert found.estimate == pytest.approx(parameters, rel=tolerance)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    ("model", "kind", "tolerance"),
    [
        (BgNbd(7), "BetaGeoFitter", 5e-3),
        (MbgNbd(7), "ModifiedBetaGeoFitter", 5e-3),
        (ParetoNbd(7), "ParetoNBDFitter", 5e-3),
    ],
    ids=["bg-nbd", "mbg-nbd", "pareto-nbd"],
)
def test_visits(model: Any, kind: str, tolerance: float, source: Callable[[], Cells]) -> None:
    cells = source()
    agree(model, cells, theirs(kind, weekly(cells), cells.counts)["parameters"], tolerance)


def test_bg_bb() -> None:
    random = np.random.default_rng(6)
    cells = BG_BB.simulate(np.array([1.2, 0.75, 0.66, 2.8]), np.full(4000, 6), random)
    agree(BG_BB, cells, theirs("BetaGeoBetaBinomFitter", cells.rows, cells.counts)["parameters"], 5e-3)


def values() -> Cells:
    random = np.random.default_rng(7)
    often = random.integers(1, 8, 2000)
    rates = random.gamma(4.0, 1 / 15.0, 2000)
    minor = np.maximum(np.rint(100 * random.gamma(6.0 * often) / rates), 1).astype(np.int64)
    return Cells.group(VALUE_COLUMNS, np.stack([often, minor], axis=1))


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(values, id="simulated"),
        pytest.param(value_cells, id="cdnow", marks=[pytest.mark.shared_data, needs_cdnow]),
    ],
)
def test_gamma_gamma(source: Callable[[], Cells]) -> None:
    cells = source()
    rows = [[often, minor / often / 100] for often, minor in cells.rows.tolist()]
    agree(GAMMA_GAMMA, cells, theirs("GammaGammaFitter", rows, cells.counts)["parameters"], 5e-3)


def contracts() -> Cells:
    random = np.random.default_rng(8)
    parts = [SBG.simulate(np.array([0.9, 1.8]), 400, watched, random) for watched in (12, 9, 6, 3)]
    return Cells.merge(parts)


def test_weibull() -> None:
    cells = contracts()
    # Contracts in their first term say nothing to either side.
    other = theirs("Weibull", cells.rows, cells.counts)
    found = fitted(WEIBULL, cells)
    assert found.estimate == pytest.approx(other["parameters"], rel=1e-3)
    assert found.log_likelihood == pytest.approx(other["log_likelihood"], abs=0.01)


def test_share_still_there() -> None:
    cells, ages = contracts(), (1, 2, 3, 6, 9, 12)
    share, at_risk = product_limit(cells, ages)
    assert (at_risk > 0).all()
    assert share == pytest.approx(
        theirs("KaplanMeier", cells.rows, cells.counts, ages=ages)["shares"], abs=1e-9
    )
