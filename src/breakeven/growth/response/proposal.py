"""The experiment that would settle a curve: how long, what it costs, what it would show.

Lengths come from a power calculation on the channel's own noise: the shortest experiment whose 80 %
interval is a quarter of the effect either way. What it would then detect eight times in ten (one-sided, at
10 %) is stated. Costs are in users not won and money spent or saved, by the curve as far as it is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.stats

from breakeven.growth.interval import Interval
from breakeven.growth.response.fit import Response

Kind = Literal["alternate", "switch_off", "geo_holdout", "switch_on"]

MOST_PERIODS = {"week": 26, "month": 12}
_WITHIN = 0.25
_POWER = float(scipy.stats.norm.ppf(0.9) + scipy.stats.norm.ppf(0.8))
_REACH = float(scipy.stats.norm.ppf(0.9))
_HELD_OUT = 0.5
_PERIODS = {"week": ("weeks", "周"), "month": ("months", "个月")}
_EACH = {"week": ("week by week", "逐周"), "month": ("month by month", "逐月")}


@dataclass(frozen=True)
class Proposal:
    """An experiment on one channel over `periods`.

    `lost_users` are not won because of it; `extra_spend` is money beyond today's plan (below zero: saved);
    `effect_users` is what it should show in all, `detectable_users` the least it would show eight times in
    ten. `is_enough` is false where even the longest one would leave the effect unclear.
    """

    kind: Kind
    channel: str
    period: Literal["week", "month"]
    periods: int
    lost_users: Interval
    extra_spend: float
    effect_users: float
    detectable_users: float
    is_enough: bool

    @property
    def en(self) -> str:
        """What to do, what it costs and shows, in English."""
        what = {
            "alternate": f"spend half and one and a half times today's on {self.channel} in turn, "
            f"{_EACH[self.period][0]},",
            "switch_off": f"switch {self.channel} off",
            "geo_holdout": f"switch {self.channel} off in half of the market",
            "switch_on": f"spend on {self.channel} again, as in the periods when it did,",
        }[self.kind]
        money = f" and saves {-self.extra_spend:,.0f} of spend" if self.extra_spend < 0 else ""
        money += f" and {self.extra_spend:,.0f} of spend" if self.extra_spend > 0 else ""
        enough = "" if self.is_enough else "; even that would leave it unclear"
        lost = f"{self.lost_users.value:,.0f}"
        return (
            f"{what} for {self.periods} {_PERIODS[self.period][0]}: costs about {lost} users{money}, "
            f"and shows a change of {self.detectable_users:,.0f} users or more{enough}"
        )

    @property
    def zh(self) -> str:
        """The same in Chinese."""
        what = {
            "alternate": f"{_EACH[self.period][1]}交替以当前支出的 0.5 倍与 1.5 倍投放 {self.channel}，",
            "switch_off": f"停投 {self.channel} ",
            "geo_holdout": f"在一半市场停投 {self.channel} ",
            "switch_on": f"按以往的投放水平恢复投放 {self.channel}，",
        }[self.kind]
        money = f"，节省支出 {-self.extra_spend:,.0f}" if self.extra_spend < 0 else ""
        money += f"，支出 {self.extra_spend:,.0f}" if self.extra_spend > 0 else ""
        enough = "" if self.is_enough else "；即便如此仍难以分辨"
        lost = f"{self.lost_users.value:,.0f}"
        return (
            f"{what}持续 {self.periods} {_PERIODS[self.period][1]}：约少获得 {lost} 个用户{money}"
            f"，可检出 {self.detectable_users:,.0f} 个用户以上的变化{enough}"
        )


def proposals(response: Response, *, is_set: bool = True) -> tuple[Proposal, ...]:
    """The experiments that could settle a channel's curve, the one that loses fewest users first.

    Those long enough come first. A channel that is switched off already can only be switched on. Spend that
    nobody sets, because it is paid per user won, can be stopped but not alternated (`is_set` false).
    """
    if not response.curve.today:
        return (switch_on(response),)
    found = [switch_off(response), geo_holdout(response), *([alternate(response)] if is_set else [])]
    return tuple(sorted(found, key=lambda one: (not one.is_enough, one.lost_users.value)))


def alternate(response: Response) -> Proposal:
    """Half and one and a half times today's spend in turn: the same money, and the slope shows."""
    curve, x = response.curve, _today(response)
    middle, less, more = (curve.users(x * factor) for factor in (1.0, 0.5, 1.5))
    lost = middle - (less + more) / 2
    # What is carried over blurs turns of a single period.
    sharp = (1 - curve.carry_over) / (1 + curve.carry_over)
    effect = float(np.median(sharp * (more - less))) / 2

    def error(n: int) -> float:
        # A sum over n of differences, each of two periods' noise: half of them on either side.
        return response.noise * float(np.sqrt(n))

    return _planned(response, "alternate", effect, error, lost, extra_spend=0.0, step=2)


def switch_off(response: Response) -> Proposal:
    """Nothing spent for a while: shows what the whole spend brings, against the periods before."""
    curve, x = response.curve, _today(response)
    users = curve.users(x)

    def error(n: int) -> float:
        return response.noise * float(np.sqrt(n + n * n / max(response.periods, 1)))

    return _planned(response, "switch_off", float(np.median(users)), error, users, extra_spend=-x)


def switch_on(response: Response) -> Proposal:
    """The usual spend on a channel that has none today."""
    x = response.typical_spend
    users = response.curve.users(x)

    def error(n: int) -> float:
        return response.noise * float(np.sqrt(n + n * n / max(response.periods, 1)))

    return _planned(response, "switch_on", float(np.median(users)), error, 0.0 * users, extra_spend=x)


def geo_holdout(response: Response) -> Proposal:
    """Nothing spent in half of the market, the other half as control: shared ups and downs cancel.

    Without data by region it is assumed that the two halves' noise is independent, the unfavourable case.
    """
    curve, x = response.curve, _today(response)
    users = _HELD_OUT * curve.users(x)

    def error(n: int) -> float:
        spread = response.noise * float(np.sqrt(_HELD_OUT / (1 - _HELD_OUT)))
        return spread * float(np.sqrt(n + n * n / max(response.periods, 1)))

    return _planned(
        response, "geo_holdout", float(np.median(users)), error, users, extra_spend=-_HELD_OUT * x
    )


def _planned(
    response: Response, kind: Kind, effect: float, error: Callable[[int], float], lost: np.ndarray, *,
    extra_spend: float, step: int = 1,
) -> Proposal:  # fmt: skip
    """The shortest of its kind that is sharp enough, else the longest. `effect` and `lost` are per period."""
    curve = response.curve
    lengths = range(2, MOST_PERIODS[curve.period] + 1, step)
    enough = [n for n in lengths if _REACH * error(n) <= _WITHIN * effect * n]
    n = enough[0] if enough else lengths[-1]
    total = Interval.of(lost * n, value=float(np.median(lost)) * n)
    return Proposal(
        kind,
        curve.channel,
        curve.period,
        n,
        total,
        extra_spend * n,
        effect * n,
        _POWER * error(n),
        bool(enough),
    )


def _today(response: Response) -> float:
    return response.curve.today or response.typical_spend
