"""A budget's offers from the books: each channel's curve, and what its new users bring month by month."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from breakeven.account.channel_series import UNATTRIBUTED, ChannelSeries, channel_series
from breakeven.account.metrics import Amount, Missing
from breakeven.growth.budget.curves import Floats
from breakeven.growth.budget.question import Offer
from breakeven.growth.response.curve import ResponseCurve

if TYPE_CHECKING:
    from breakeven.account.account import Account

Worth = tuple[Floats, Floats]
"""What a new user has brought by the end of each month (draw, month), and their discounted value (draw,)."""
Worths = Callable[["Account", str], "Worth | Missing"]
"""The worth of a channel's new users, or why it is not known."""

_NOTHING = np.zeros((1, 1))
NO_CASH = Missing("no cash is recorded", "没有现金记录")
NOT_ASKED = Missing("the value of users was not asked for", "未要求计算用户价值")
NO_CURVE = Missing("no response curve could be drawn for it", "没有可用的响应曲线")
NO_CHANNEL = Missing(
    "spend that names no channel, such as agency fees, has no curve", "没有渠道归因的支出（如代理费）没有曲线"
)


@dataclass(frozen=True)
class Plannable:
    """What the books offer to a plan. `outside` is spend without a curve, unattributed included: it
    goes on as it is. With it, today's spend is the statement's acquisition spend of that month.

    Money is a month's, in the account's currency. `cash` is what was there at the end of the last month.
    `unknown` are channels whose spend of that month has no value. `nothing` says why there are no offers.
    """

    offers: tuple[Offer, ...]
    outside: dict[str, tuple[float, Missing]] = field(default_factory=dict[str, tuple[float, Missing]])
    cash: Amount = NO_CASH
    month: str = ""
    unknown: tuple[str, ...] = ()
    nothing: Missing | None = None

    @property
    def spend_today(self) -> float:
        """What all channels together spend a month."""
        return sum(offer.spend_today(1.0) for offer in self.offers) + sum(
            spend for spend, _ in self.outside.values()
        )


def plannable(
    account: Account,
    curves: Sequence[ResponseCurve],
    worths: Worths,
    *,
    needs_value: bool = True,
    without: Mapping[str, Missing] | None = None,
) -> Plannable:
    """The offers of the channels with these curves.

    A channel whose users have no known value keeps its spend; `needs_value` is False where that does not
    matter to the objective. `without` says why other channels have no curve.
    """
    series = channel_series(account, "month")
    latest = _latest(series.spend)
    by_channel = {curve.channel: curve for curve in curves}
    offers, unknown = list[Offer](), list[Offer]()
    for channel, curve in by_channel.items():
        found = worths(account, channel)
        today = latest.get(channel)
        if isinstance(found, Missing):
            unknown.append(Offer(curve, _NOTHING, today=today, kept=found if needs_value else None))
        else:
            offers.append(Offer(curve, found[0], found[1], today=today))
    # Users of unknown worth count as bringing nothing, for as long as the others are looked at.
    horizon = max((offer.contribution.shape[1] for offer in offers), default=1)
    offers += [replace(offer, contribution=np.zeros((1, horizon))) for offer in unknown]
    reasons = {UNATTRIBUTED: NO_CHANNEL, **(without or {})}
    outside = {
        channel: (spend, reasons.get(channel, NO_CURVE))
        for channel, spend in latest.items()
        if channel not in by_channel and spend > 0
    }
    return Plannable(
        tuple(offers),
        outside,
        account.value("cash", len(account.buckets.periods) - 1),
        f"{series.periods[-1].first:%Y-%m}" if series.periods else "",
        tuple(channel for channel in series.channels if channel not in latest) if series.periods else (),
        None if offers else _why_nothing(series, outside),
    )


def _why_nothing(series: ChannelSeries, outside: Mapping[str, object]) -> Missing:
    """Why there is no channel to plan for, and what to do about it."""
    if not series.periods:
        parts = series.left_out[-1:]
        en, zh = (
            "".join(f" ({part.why.en})" for part in parts),
            "".join(f"（{part.why.zh}）" for part in parts),
        )
        return Missing(
            f"no whole calendar month is known{en}, and a plan starts from what a month cost and brought;"
            " import acquisition spend and new users until they cover a whole month",
            f"没有一个完整的自然月{zh}，而方案须以一个月的投放与新增为起点；"
            "请导入获客支出与获客记录，直到覆盖一个完整月份",
        )
    if not outside.keys() - {UNATTRIBUTED}:
        return Missing(
            "the books know no acquisition spend with a channel in the last whole month;"
            " import acquisition spend that names its channel",
            "最近一个完整月份没有带渠道的获客支出；请导入注明渠道的获客支出",
        )
    return Missing(
        "no channel with spend has a response curve: each is named below with its reason;"
        " `breakeven response` says more",
        "有投放的渠道都没有响应曲线：下面逐一说明原因；详见 `breakeven response`",
    )


def _latest(spend: Mapping[str, Sequence[Decimal | None]]) -> dict[str, float]:
    """Each channel's spend in the last whole month; absent where the books do not know it."""
    found: dict[str, float] = {}
    for channel, months in spend.items():
        latest = months[-1] if months else None
        if latest is not None:
            found[channel] = max(0.0, float(latest))
    return found


def with_load(offered: Plannable, load: Mapping[str, float]) -> Plannable:
    """The same offers with what a new user of each asks of serving; "" for channels not named."""
    loaded = (replace(offer, load=load.get(offer.name, load[""])) for offer in offered.offers)
    return replace(offered, offers=tuple(loaded))


def books_offers(account: Account, *, needs_value: bool, horizon_months: int, seed: int) -> Plannable:
    """The offers of the books: curves by `books_response`, values by `books_value`."""
    from breakeven.growth.lifetime_value.books_value import value_per_new_user, values_of
    from breakeven.growth.response.books_response import fitted_responses

    # Where only users count, what they are worth is not asked: it takes longer than all the rest.
    values = values_of(account, "channel", horizon_months=horizon_months) if needs_value else NOT_ASKED

    def worth(of: Account, channel: str) -> Worth | Missing:
        if isinstance(values, Missing):
            return values
        found = value_per_new_user(of, channel, values)
        if isinstance(found, Missing):
            return found
        if found.refusal is not None:
            return found.refusal
        return found.cumulative, found.total

    fitted = fitted_responses(account, seed=seed)
    curves = [found.curve for found in fitted.values() if not isinstance(found, Missing)]
    without = {channel: why for channel, why in fitted.items() if isinstance(why, Missing)}
    return plannable(account, curves, worth, needs_value=needs_value, without=without)
