"""A budget's offers from the books: each channel's curve, and what its new users bring month by month."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from breakeven.account.channel_series import UNATTRIBUTED, channel_series
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


@dataclass(frozen=True)
class Plannable:
    """What the books offer to a plan. `outside` are channels without a curve: their spend goes on as it is.

    Money is a month's, in the account's currency. `cash` is what was there at the end of the last month.
    """

    offers: tuple[Offer, ...]
    outside: dict[str, tuple[float, Missing]] = field(default_factory=dict[str, tuple[float, Missing]])
    cash: Amount = NO_CASH
    month: str = ""

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
    outside = {
        channel: (spend, (without or {}).get(channel, NO_CURVE))
        for channel, spend in latest.items()
        if channel not in by_channel and channel != UNATTRIBUTED and spend > 0
    }
    last = len(account.buckets.periods) - 1
    month = f"{series.periods[-1].first:%Y-%m}" if series.periods else ""
    return Plannable(tuple(offers), outside, account.value("cash", last), month)


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
