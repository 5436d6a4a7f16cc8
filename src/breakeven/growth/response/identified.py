"""What the data cannot tell, said before anybody spends by it, and the experiment that would.

Spend that is paid per user won follows the users; spend that never varied has no slope; spend that varied
less than chance hides it; two channels that moved together share it; and a curve that is as wide after the
data as before was not learned from them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from breakeven.account.metrics import Missing
from breakeven.growth.response.fit import Response
from breakeven.growth.response.observed import Observed
from breakeven.growth.response.proposal import proposals

Floats = NDArray[np.float64]

FEWEST = {"week": 12, "month": 6}
"""Periods under which season, drift and response are the same few numbers."""
LEAST_VARIATION = 0.05
"""Spend whose deviation is under this share of its mean has not varied."""
LEAST_SIGNAL = 2.0
"""What the curve moves users over the series must be this many standard errors of chance."""
MOST_INFLATION = {"attributed": 100.0, "pooled": 10.0}
"""Variance inflation above which channels moved together. Attribution already tells the users of channels
apart, so there only channels that are all but copies of each other are refused."""
MOST_WITH_TIME = 0.9
"""Spend of which more than this is a straight line in time cannot tell saturation from a drift in prices."""
LEARNED_NOTHING = 0.85
"""An elasticity interval still this wide, as a share of what was believed before the data, taught nothing."""
FOLLOWS = Missing(
    "spend follows users here (rewards paid per user won)", "此处支出随用户而来（按拉新人数发放的奖励）"
)
_WORDS = {"week": ("weeks", "周"), "month": ("months", "个月")}


@dataclass(frozen=True)
class Together:
    """Two channels whose spend moved together. `inflation` is the variance inflation of the first."""

    channel: str
    partner: str
    correlation: float
    inflation: float


def moved_together(channels: list[Observed], *, pooled: bool) -> dict[str, Together]:
    """Channels that cannot be told from another one, by name."""
    several = [
        channel for channel in channels if channel.typical_spend and _variation(channel) >= LEAST_VARIATION
    ]
    if len(several) < 2:
        return {}
    known = np.all([np.isfinite(channel.spend) for channel in several], axis=0)
    if known.sum() < 3:
        return {}
    spend = np.stack([channel.spend[known] for channel in several])
    spread = spend.std(axis=1, keepdims=True)
    scaled = (spend - spend.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    alike = scaled @ scaled.T / scaled.shape[1]
    limit = MOST_INFLATION["pooled" if pooled else "attributed"]
    found: dict[str, Together] = {}
    for n, channel in enumerate(several):
        others = np.delete(scaled, n, axis=0).T
        if others.shape[0] <= others.shape[1] + 1:
            # More channels than periods explain anything: only the nearest one says something.
            others = others[:, [int(np.argmax(np.abs(np.delete(alike[n], n))))]]
        fitted = others @ np.linalg.lstsq(others, scaled[n], rcond=None)[0]
        left = float(((scaled[n] - fitted) ** 2).mean())
        inflation = 1.0 / max(left, 1e-9)
        if inflation > limit:
            pairs = np.abs(alike[n])
            pairs[n] = -1.0
            partner = int(np.argmax(pairs))
            found[channel.channel] = Together(
                channel.channel, several[partner].channel, float(alike[n, partner]), inflation
            )
    return found


def judged(response: Response, observed: Observed, together: Together | None = None) -> Response:
    """The response as it may be used: with its doubt and the experiment that would settle it, where there
    is one.
    """
    why = doubt(response, observed, together)
    if why is None:
        return response
    # Each of them moves this channel alone, so it also parts two that moved together.
    plan = proposals(response, is_set=not observed.is_reward)[0]
    said = Missing(
        f"not identified: {why.en}. To settle it: {plan.en}", f"无法识别：{why.zh}。可用实验判定：{plan.zh}"
    )
    curve = replace(response.curve, not_identified=said)
    return replace(response, curve=curve, doubt=why, plan=plan)


def doubt(response: Response, observed: Observed, together: Together | None = None) -> Missing | None:
    """Why the data do not determine the curve; None where they do."""
    grain = observed.period
    if response.curve.not_identified is not None:
        return Missing("the search for the curve did not settle", "曲线的拟合未收敛")
    if response.periods < FEWEST[grain]:
        known = (
            f"1 {grain} is known"
            if response.periods == 1
            else f"{response.periods} {_WORDS[grain][0]} are known"
        )
        return Missing(
            f"only {known}, and it takes {FEWEST[grain]}",
            f"只有 {response.periods} {_WORDS[grain][1]}的数据，至少需要 {FEWEST[grain]} {_WORDS[grain][1]}",
        )
    if not response.is_calibrated:
        from_series = _doubt_of_series(response, observed, together)
        if from_series is not None:
            return from_series
    learned = response.learned()
    if learned > LEARNED_NOTHING:
        return Missing(
            f"the data say little about further spend (its interval is {learned:.0%} of that before them)",
            f"数据几乎没有说明加投的效果（区间仍为无数据时的 {learned:.0%}）",
        )
    return None


def _doubt_of_series(response: Response, observed: Observed, together: Together | None) -> Missing | None:
    """What an experiment would have made good: spend that did not move enough, or not alone."""
    if observed.is_reward:
        return FOLLOWS
    variation = _variation(observed)
    if variation < LEAST_VARIATION:
        return Missing(
            f"spend never varied (by {variation:.1%} of its mean)",
            f"支出几乎没有变化（波动为均值的 {variation:.1%}）",
        )
    if together is not None:
        inflation = f"{min(together.inflation, 1e6):,.0f}"
        return Missing(
            f"spend on {together.channel} and {together.partner} moved together "
            f"(correlation {together.correlation:.2f}, variance inflation {inflation})",
            f"{together.channel} 与 {together.partner} 的支出同步变化"
            f"（相关系数 {together.correlation:.2f}，方差膨胀 {inflation}）",
        )
    with_time = moved_with_time(observed)
    if with_time > MOST_WITH_TIME:
        return Missing(
            f"spend only went with time ({with_time:.0%} of its variation): "
            "saturation and dearer prices look alike",
            f"支出基本只随时间变化（占其波动的 {with_time:.0%}）：饱和与涨价无法区分",
        )
    signal = _signal(response, observed)
    if signal < LEAST_SIGNAL:
        return Missing(
            f"what spend moves is below chance ({signal:.1f} standard errors)",
            f"支出变化的影响小于随机波动（{signal:.1f} 个标准误）",
        )
    return None


def moved_with_time(observed: Observed) -> float:
    """How much of the variation of spend is a straight line in time, from 0 to 1."""
    known = np.isfinite(observed.spend)
    spent, time = observed.spend[known], np.flatnonzero(known).astype(float)
    if len(spent) < 3 or not np.ptp(spent):
        return 0.0
    return float(np.corrcoef(spent, time)[0, 1] ** 2)


def _variation(observed: Observed) -> float:
    spent = observed.spend[np.isfinite(observed.spend)]
    mean = float(spent.mean()) if len(spent) else 0.0
    return float(spent.std()) / mean if mean > 0 else 0.0


def _signal(response: Response, observed: Observed) -> float:
    """How far the curve moves users over the observed spends, in standard errors of chance."""
    spent = observed.spend[observed.known]
    moved = float(np.median(response.curve.users(spent).std(axis=1)))
    return moved * float(np.sqrt(len(spent))) / max(response.noise, 1e-12)
