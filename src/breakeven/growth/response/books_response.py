"""Response curves from the books: each channel's spend and new users by week, else by month."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from breakeven.account.channel_series import UNATTRIBUTED, ChannelSeries, channel_series
from breakeven.account.metrics import Missing
from breakeven.errors import InputError
from breakeven.growth.response.calibration import (
    EXPERIMENTS,
    RIVALS,
    Experiment,
    calibrations_of,
    read_experiments,
    read_rivals,
    rivals_by_period,
)  # fmt: skip
from breakeven.growth.response.curve import ResponseCurve
from breakeven.growth.response.fit import Response, fit_attributed
from breakeven.growth.response.identified import judged, moved_together
from breakeven.growth.response.observed import Grain, Observed
from breakeven.pricing.fx import NoRate

if TYPE_CHECKING:
    from breakeven.account.account import Account

Floats = NDArray[np.float64]

WEEKS_ENOUGH = 20
"""From so many whole weeks on, weeks are used; months are fewer and smoother."""
SEED = 20240901
_FEWEST_ALIKE, _MOST_APART = 4, 0.1
"""Coupons are paid per user when, over so many periods, no more than this share of them lies elsewhere."""


def responses_of(
    account: Account, grain: Grain | None = None, experiments: Path | None = None, rivals: Path | None = None,
    draws: int = 400, seed: int = SEED,
) -> list[ResponseCurve]:  # fmt: skip
    """The curve of every channel that has spend and users, largest spend first, each with how sure it is.

    Curves that the data do not determine carry `not_identified`; channels without a curve at all are left out
    (`fitted_responses` names them).
    """
    found = fitted_responses(account, grain, experiments, rivals, draws, seed)
    return [response.curve for response in found.values() if not isinstance(response, Missing)]


def fitted_responses(
    account: Account, grain: Grain | None = None, experiments: Path | None = None, rivals: Path | None = None,
    draws: int = 400, seed: int = SEED,
) -> dict[str, Response | Missing]:  # fmt: skip
    """By channel, what was learned, or why there is no curve. Raises `InputError` for files that do not
    read.
    """
    channels = observed_channels(account, grain, experiments, rivals)
    together = moved_together(channels, pooled=False)
    found: dict[str, Response | Missing] = {}
    for channel in channels:
        fitted = fit_attributed(channel, draws=draws, seed=seed)
        found[channel.channel] = (
            fitted if isinstance(fitted, Missing) else judged(fitted, channel, together.get(channel.channel))
        )
    return found


def observed_channels(
    account: Account, grain: Grain | None = None, experiments: Path | None = None, rivals: Path | None = None
) -> list[Observed]:
    """What the fit is given: channels with any spend, by week when there are enough whole weeks.

    Users are the bought ones where the books tell them apart. `experiments.csv` and `rivals.csv` of the books
    folder count unless other files are named.
    """
    series = series_of(account, grain)
    folder = account.books.folder
    run = read_experiments(path) if (path := _file(experiments, folder / EXPERIMENTS)) else []
    _refuse_unknown(run, books_channels(account))
    run = [_in_currency(account, one) for one in run]
    bids = read_rivals(path) if (path := _file(rivals, folder / RIVALS)) else {}
    rewards = reward_channels(account, series)
    found: list[Observed] = []
    for channel in series.channels:
        spend = _floats(series.spend[channel])
        if channel == UNATTRIBUTED or not np.nansum(spend) > 0:
            continue
        paid, new = series.paid_new_users[channel], series.new_users[channel]
        users = _floats(paid if any(paid) else new)
        rows = bids.get(channel) or bids.get("")
        pressure = rivals_by_period(rows, series.periods) if rows else None
        one = Observed(
            channel, series.grain, np.maximum(spend, 0.0), users, pressure,
            is_reward=channel in rewards, counts_bought=any(paid),
        )  # fmt: skip
        found.append(replace(one, calibrations=calibrations_of(run, one, series.periods)))
    return found


def books_channels(account: Account) -> tuple[str, ...]:
    """Every channel that the books name in spend or acquisitions, in order of name."""
    named = (account.rollups[table]["channel"].to_pylist() for table in ("ad_spend", "acquisitions"))
    return tuple(sorted({name for names in named for name in names if name}))


def reward_channels(account: Account, series: ChannelSeries) -> set[str]:
    """Channels most of whose spend is paid per user won: there spend follows users, not users spend.

    Referral rewards are that by kind. Coupons are where they come to about the same amount for each of the
    channel's new users, period by period: a campaign's budget would not.
    """
    starts = [period.first for period in series.periods]
    spent: dict[str, dict[str, Floats]] = defaultdict(lambda: defaultdict(lambda: np.zeros(len(starts))))
    for row in account.spend_rows("channel"):
        place = bisect_right(starts, row["day"]) - 1
        if place < 0 or row["day"] >= series.periods[place].end or not row["channel"]:
            continue
        amount = account.converter.on_day(Fraction(row["amount_sum"]), row["currency"], row["day"])
        if not isinstance(amount, NoRate):
            spent[row["channel"]][row["kind"]][place] += float(amount)
    found: set[str] = set()
    for channel, kinds in spent.items():
        rewards = kinds["referral"].sum()
        if _goes_with(kinds["coupon"], _floats(series.new_users[channel])):
            rewards += kinds["coupon"].sum()
        if rewards * 2 > sum(amounts.sum() for amounts in kinds.values()):
            found.add(channel)
    return found


def _goes_with(spend: Floats, users: Floats) -> bool:
    """Whether spend is about the same amount for every user, in all periods, of users that do vary."""
    known = np.isfinite(users)
    spend, users = spend[known], users[known]
    if known.sum() < _FEWEST_ALIKE or not spend.sum() > 0 or not users.std() > 0.05 * users.mean():
        return False
    expected = users * spend.sum() / users.sum()
    return float(np.abs(spend - expected).sum()) <= _MOST_APART * float(spend.sum())


def _refuse_unknown(run: list[Experiment], channels: tuple[str, ...]) -> None:
    for one in run:
        if one.channel not in channels:
            raise InputError(
                f"the books have no channel {one.channel!r}",
                where=one.where,
                remedy=f"use one of {', '.join(channels) or 'none'}",
            )


def series_of(account: Account, grain: Grain | None = None) -> ChannelSeries:
    """The channels' series at a grain: weeks where there are at least `WEEKS_ENOUGH` whole ones, else
    months.
    """
    if grain is not None:
        return channel_series(account, grain)
    weeks = channel_series(account, "week")
    return weeks if len(weeks.periods) >= WEEKS_ENOUGH else channel_series(account, "month")


def _in_currency(account: Account, one: Experiment) -> Experiment:
    """An experiment's spend, stated in the books' currency, in the account's."""
    own = account.books.settings.currency
    if own == account.currency:
        return one
    amount = account.converter.on_day(Fraction(one.spend_change), own, one.period.first)
    if isinstance(amount, NoRate):
        raise InputError(
            f"the spend of an experiment has no exchange rate to {account.currency}",
            remedy="ask in the books' own currency",
        )
    return replace(one, spend_change=float(amount))


def _file(named: Path | None, usual: Path) -> Path | None:
    if named is not None:
        return named
    return usual if usual.is_file() else None


def _floats(values: tuple[Decimal | None, ...] | tuple[int | None, ...]) -> Floats:
    return np.array([np.nan if value is None else float(value) for value in values], dtype=float)
