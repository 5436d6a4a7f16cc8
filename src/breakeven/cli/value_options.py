"""Options that the commands on user value share: horizon, assumed unit cost, seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from breakeven.cli.bilingual import AnyFunction, option
from breakeven.cli.options import ViewOptions
from breakeven.cli.views import allow_filters
from breakeven.errors import UsageError

LONGEST_MONTHS = 120
SEED = 20_240_601


def allow_rows(options: ViewOptions, by: str) -> None:
    """Refuse filters that rows of this kind have no place for: a row of all channels is not one channel's."""
    allow_filters(options, "channel", "cohort")
    if options.filters.get("channel") and by not in ("channel", "both"):
        raise UsageError("these rows are of all channels", remedy="add --by channel, or leave --channel out")
    if options.filters.get("cohort") and by not in ("cohort", "both"):
        raise UsageError("these rows are of all cohorts", remedy="add --by cohort, or leave --cohort out")


def horizon_option(months: int) -> Callable[[AnyFunction], AnyFunction]:
    """Add `--horizon`, in months, the month of acquisition included."""
    return option(
        "--horizon",
        type=click.IntRange(1, LONGEST_MONTHS),
        default=months,
        show_default=True,
        metavar="MONTHS",
        en="How many months to look at, that of acquisition included.",
        zh="期限（月），含获得当月。",
    )


def unit_cost_option(function: AnyFunction) -> AnyFunction:
    """Add `--unit-cost`, given to the command as texts such as `2025-01=0.5`."""
    added: Any = option(
        "--unit-cost",
        multiple=True,
        metavar="MONTH=FACTOR",
        en="Assume that serving costs FACTOR times today's from MONTH on; may be repeated.",
        zh="假设自 MONTH 起推理成本为当前的 FACTOR 倍；可重复。",
    )
    return added(function)


def seed_option(function: AnyFunction) -> AnyFunction:
    """Add `--seed`: the same books and seed give the same figures."""
    added: Any = option(
        "--seed",
        type=click.IntRange(0),
        default=SEED,
        show_default=True,
        en="Seed of the draws.",
        zh="抽样种子。",
    )
    return added(function)
