"""Growth: how fast models are fitted and money is allocated, beside their peers, and how true forecasts are.

Peers run in environments of their own (`run.py` pins them); where they cannot be had, the run fails.
"""

from __future__ import annotations

import json
import subprocess
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import growth_cells
from benchmarks.bench import Bench
from benchmarks.lines import Figure
from benchmarks.process import ROOT, StepFailedError, measure
from breakeven.report.view_model import Label

CUSTOMERS, VISITORS, COMPANIES = 1_000_000, 8_000_000, 200
COHORTS, CHANNELS, AGES, RESAMPLES = 200, 6, 24, 200
BUDGET_CHANNELS = 500
FULL = 6_000_000
"""Users of the largest company of a whole run: smaller runs measure everything smaller by the same part."""
_NEAR = 0.01
"""How far a peer's estimates by the same method may lie from ours."""


def run(bench: Bench) -> tuple[list[Figure], dict[str, Any]]:
    """The rows of the group."""
    part = min(1.0, bench.users / FULL)
    details: dict[str, Any] = {}
    figures: list[Figure] = []
    for rows in (_fits, _cells, _many, _budget, _truth):
        more, said = rows(bench, part)
        figures += more
        details |= said
    return figures, details


def _sized(whole: int, part: float, least: int) -> int:
    return max(round(whole * part), least)


def _fits(bench: Bench, part: float) -> tuple[list[Figure], dict[str, Any]]:
    customers = _sized(CUSTOMERS, part, 3_000)
    file = bench.scratch(f"customers-{customers}.npz")
    bench.say(f"BG/NBD on {customers:,} customers")
    measure(write_customers, file=file, customers=customers)
    ours = sorted(
        (measure(fit_ours, file=file).said for _ in range(max(bench.repeats, 3))),
        key=lambda one: one["seconds"],
    )
    mine = ours[len(ours) // 2]
    theirs: dict[str, dict[str, Any]] = {}
    for peer in ("lifetimes", "pymc"):
        bench.say(f"the same by {peer}")
        theirs[peer] = peer_fit(peer, file)
    for name, value in theirs["lifetimes"]["parameters"].items():
        if abs(value / mine["parameters"][name] - 1) > 10 * _NEAR:
            raise StepFailedError(f"lifetimes finds {name} {value}, ours {mine['parameters'][name]}")
    quickest = min(theirs.values(), key=lambda one: one["seconds"])
    times = {name: one["seconds"] for name, one in theirs.items()}
    beside = Label(
        f"{customers:,} customers, {mine['cells']:,} cells; PyMC-Marketing MAP {times['pymc']:.1f} s, "
        f"lifetimes {times['lifetimes']:.1f} s, in the same run",
        f"{customers:,} 位客户，{mine['cells']:,} 个单元；同一次运行中 PyMC-Marketing MAP "
        f"{times['pymc']:.1f} 秒，lifetimes {times['lifetimes']:.1f} 秒",
    )
    how = Label("against the faster of the two", "相对两者中较快的一个")
    return [
        Figure("growth_fit", mine["seconds"], beside),
        Figure("growth_fit_peers", quickest["seconds"] / mine["seconds"], how),
    ], {"fit": {"ours": ours, **theirs}}


def write_customers(file: str, customers: int) -> dict[str, Any]:
    """Customers of a BG/NBD population, watched for up to 78 weeks, one row each, in weeks of whole days."""
    import numpy as np

    from breakeven.growth.visits.bg_nbd import BgNbd

    random = np.random.default_rng(20)
    age_days = random.integers(39 * 7, 78 * 7, customers)
    parameters = np.array([0.243, 4.414, 0.793, 2.426])
    cells = BgNbd(days_per_period=7).simulate(parameters, age_days, random)
    rows = np.repeat(cells.rows, cells.counts, axis=0)
    random.shuffle(rows)
    named = {name: rows[:, i] for i, name in enumerate(cells.columns)}
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, repeats=named["repeats"], recency=named["recency"] / 7, age=named["age"] / 7)
    return {}


def fit_ours(file: str) -> dict[str, Any]:
    """Group the customers and fit, from the same arrays that the peers are given."""
    import numpy as np

    from breakeven.growth.cells import VISIT_COLUMNS, Cells
    from breakeven.growth.maximum_likelihood import Fit, fit
    from breakeven.growth.visits.bg_nbd import BgNbd

    loaded = np.load(file)
    customers = {name: loaded[name] for name in ("repeats", "recency", "age")}
    started = time.perf_counter()
    days = [customers["repeats"], customers["recency"] * 7, customers["age"] * 7]
    cells = Cells.group(VISIT_COLUMNS, np.stack([np.rint(one).astype(np.int64) for one in days], axis=1))
    found = fit(BgNbd(days_per_period=7), cells)
    seconds = time.perf_counter() - started
    if not isinstance(found, Fit):
        raise StepFailedError(found.en)
    return {"seconds": seconds, "cells": len(cells.counts), "parameters": found.parameters}


def peer_fit(peer: str, file: Path) -> dict[str, Any]:
    """A peer's fit of the same customers, in its own environment."""
    beside = import_module("run")
    name = {"lifetimes": "oracles", "pymc": "pymc"}[peer]
    beside.ensure_beside(name)
    python = beside.BESIDE[name].folder / "bin" / "python"
    command = [str(python), str(Path(__file__).with_name("growth_peers.py")), peer, str(file)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise StepFailedError(f"{peer} ended with code {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def _cells(bench: Bench, part: float) -> tuple[list[Figure], dict[str, Any]]:
    users = _sized(VISITORS, part, 2_000)
    bench.say(f"cells of {users:,} users")
    said = growth_cells.run(bench.work / "scratch" / "visits", users)
    share = sorted(one["share"] for one in said["next_days"])[len(said["next_days"]) // 2]
    beside = Label(
        f"{said['activity_rows']:,} activity days of {said['users']:,} users, {said['cells']:,} cells",
        f"{said['users']:,} 位用户的 {said['activity_rows']:,} 个活跃日，{said['cells']:,} 个单元",
    )
    days = Label(
        f"the middle of {len(said['next_days'])} further days", f"再加 {len(said['next_days'])} 天的中位数"
    )
    return [
        Figure("growth_cells", said["seconds"], beside),
        Figure("growth_cells_memory", said["peak_gib"], beside),
        Figure("growth_cells_next_day", share, days),
    ], {"cells": said}


def _many(bench: Bench, part: float) -> tuple[list[Figure], dict[str, Any]]:
    cohorts = _sized(COHORTS, part, 2)
    bench.say(f"sBG and BdW for {cohorts} cohorts of {CHANNELS} channels, with {RESAMPLES} resamples each")
    said = measure(fit_cohorts, cohorts=cohorts).said
    beside = Label(
        f"{said['fits']:,} fits over {AGES} ages; {said['settled']:.1%} settled, the others are named",
        f"{said['fits']:,} 次拟合，{AGES} 期；{said['settled']:.1%} 收敛，其余逐一列明原因",
    )
    return [Figure("growth_cohorts", said["seconds"], beside)], {"cohorts": said}


def fit_cohorts(cohorts: int) -> dict[str, Any]:
    """Each cohort of each channel fitted with both models, and refitted to resamples of its own forecast."""
    import numpy as np

    from breakeven.growth.survival import BDW, SBG
    from breakeven.growth.survival.many_fits import bootstrap_many

    random = np.random.default_rng(6)
    size = cohorts * CHANNELS
    users = random.integers(400, 4_000, size)
    drawn = (random.uniform(0.5, 1.2, size), random.uniform(1.2, 4, size), random.uniform(0.8, 1.6, size))
    ages = np.arange(AGES + 1.0)
    lost = np.zeros((size, AGES))
    for i, parameters in enumerate(zip(*drawn, strict=True)):
        there = BDW.survival(np.array(parameters), ages)
        lost[i] = random.multinomial(users[i], [*-np.diff(there), there[-1]])[:-1]
    at_risk = users[:, None] - np.cumsum(np.pad(lost, ((0, 0), (1, 0))), axis=1)[:, :-1]
    started = time.perf_counter()
    fits = settled = 0
    for model in (SBG, BDW):
        found = bootstrap_many(model, at_risk, lost, RESAMPLES, random)
        for refits in found.parameters:
            kept = refits[np.isfinite(refits[:, 0])]
            low, high = np.quantile(model.survival(kept, ages), [0.1, 0.9], axis=0)
            if not (low <= high).all():
                raise StepFailedError("an interval without a number")
        fits += size * (1 + RESAMPLES)
        settled += int(found.estimates.is_settled.sum() + np.isfinite(found.parameters[:, :, 0]).sum())
    return {"seconds": time.perf_counter() - started, "fits": fits, "settled": settled / fits}


def _budget(bench: Bench, part: float) -> tuple[list[Figure], dict[str, Any]]:  # noqa: ARG001 - as the others
    bench.say(f"a budget over {BUDGET_CHANNELS} channels")
    said = measure(allocate, channels=BUDGET_CHANNELS).said
    beside = Label(
        f"{BUDGET_CHANNELS} concave channels with bounds, exact to {said['residual']:.0e} of λ",
        f"{BUDGET_CHANNELS} 个有上下限的凹渠道，边际回报与 λ 相差 {said['residual']:.0e}",
    )
    return [Figure("growth_budget", said["milliseconds"], beside)], {"budget": said}


def _truth(bench: Bench, part: float) -> tuple[list[Figure], dict[str, Any]]:
    companies = _sized(COMPANIES, part, 2)
    bench.say(f"intervals on {companies} generated companies")
    said = measure(coverage, companies=companies).said
    figures = [
        Figure(
            f"growth_coverage_{what}",
            max(abs(said[what]["coverage"] - 0.8), 1e-4),
            Label(
                f"cover {said[what]['coverage']:.1%} of {said[what]['count']:,}; {companies} companies",
                f"{companies} 家公司的 {said[what]['count']:,} 个真值中覆盖 {said[what]['coverage']:.1%}",
            ),
        )
        for what in ("retention", "ltv", "payback")
    ]
    bench.say("year 12 from four years")
    twelfth = measure(year_twelve).said
    figures.append(
        Figure(
            "growth_year_twelve",
            max(abs(twelfth["error"]), 1e-4),
            Label(
                f"chosen by backtest within four years: {twelfth['model']}; 39.4 % came",
                f"由四年内的回测选出：{twelfth['model']}；实际为 39.4 %",
            ),
        )
    )
    return figures, {"coverage": said, "year_twelve": twelfth}


def coverage(companies: int) -> dict[str, Any]:
    """How often intervals held what came."""
    from benchmarks import growth_coverage

    found = growth_coverage.measure(companies)
    return {
        name: {"coverage": tally.coverage, "width": tally.width, "count": len(tally.hits)}
        for name, tally in found.items()
    }


def year_twelve() -> dict[str, Any]:
    """A published segment of a thousand subscriptions, known for four years, asked for the twelfth.

    High-end segment of Fader and Hardie (2007), How to project customer retention, Journal of Interactive
    Marketing 21(1), table 1.
    """
    import numpy as np

    from breakeven.growth.choosing.choice import choose_survival

    there = np.array([[1000.0, 869.0, 743.0, 653.0, 593.0]])
    exposed = np.concatenate([[[1000.0]], there[:, :-1]], axis=1)
    chosen = choose_survival(exposed, there, ages=13)
    return {"model": chosen.model, "error": float(chosen.foretold.value[0, 12]) / 0.394 - 1}


def allocate(channels: int) -> dict[str, Any]:
    """The best plan over many concave channels, the curves being known; the median of several times."""
    import numpy as np

    from breakeven.growth.budget.best_plan import plan_budget
    from breakeven.growth.budget.question import Limits, Offer
    from breakeven.growth.response.curve import ResponseCurve

    random = np.random.default_rng(500)
    offers: list[Offer] = []
    for n in range(channels):
        half = np.exp(random.normal(9, 1))
        curve = ResponseCurve(
            f"channel-{n:03}", "month", np.array([half / random.uniform(2, 40)]), np.array([half]),
            np.array([random.uniform(0.5, 1.0)]), today=float(half / 2),
        )  # fmt: skip
        offers.append(Offer(curve, random.uniform(5, 30, (200, 12)).cumsum(axis=1) / 12))
    total = sum(offer.curve.today for offer in offers)
    least = {offer.name: offer.curve.today * 0.2 for offer in offers[::7]}
    most = {offer.name: offer.curve.today * 1.5 for offer in offers[::5]}
    limits = Limits(total, at_least=least, at_most=most)
    seconds: list[float] = []
    for _ in range(21):
        started = time.perf_counter()
        plan = plan_budget(offers, "value", limits)
        seconds.append(time.perf_counter() - started)
    return {
        "milliseconds": sorted(seconds)[10] * 1000,
        "residual": plan.residual,
        "multiplier": plan.multiplier,
    }
