"""The answer to "what does this cost now": a price in force, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from breakeven.pricing.terms import Allowance, PerClass


@dataclass(frozen=True)
class VolumeBand:
    """Prices of one monthly volume tier, per token and per request, for tokens above a mark."""

    above_tokens: int
    per_token: PerClass
    per_request: Decimal


@dataclass(frozen=True)
class VolumeRule:
    """How the month's total tokens of the model change the price; bands rise, the first starts at 0."""

    mode: Literal["graduated", "whole"]
    bands: tuple[VolumeBand, ...]


@dataclass(frozen=True)
class Quote:
    """A price in force: per single token of each class (None is no price), in its published currency.

    Quotes of one model entry share `pool`: monthly volume and free allowances count over the pool.
    """

    currency: str
    per_token: PerClass
    per_request: Decimal
    card: str
    model: str
    valid_from: datetime
    known_from: date
    source: str
    window: str = ""
    volume: VolumeRule | None = None
    allowance: Allowance | None = None

    @property
    def pool(self) -> tuple[str, str, datetime, date]:
        """What monthly volume and allowances are counted over: one entry of one model of one card."""
        return (self.card, self.model, self.valid_from, self.known_from)


@dataclass(frozen=True)
class Reason:
    """Words in English and in Chinese."""

    en: str
    zh: str


UnpricedCode = Literal["no_provider", "no_model", "no_price_at_that_time", "unknown_service_tier"]


@dataclass(frozen=True)
class Unpriced:
    """No price, and why. Usage without a price is shown as unpriced; it never counts as zero."""

    code: UnpricedCode
    reason: Reason


def no_provider(side: str, provider: str) -> Unpriced:
    """No card knows the provider."""
    return Unpriced(
        "no_provider",
        Reason(
            f"no {side} rate card for provider {provider!r}",
            f"没有供应商“{provider}”的{_side_zh(side)}价目表",
        ),
    )


def no_model(side: str, provider: str, model: str) -> Unpriced:
    """The provider's cards do not know the model."""
    return Unpriced(
        "no_model",
        Reason(
            f"{provider} has no {side} price for model {model!r}",
            f"{provider} 的{_side_zh(side)}价目表里没有模型“{model}”",
        ),
    )


def no_price_at_that_time(provider: str, model: str, at: datetime) -> Unpriced:
    """The model is known, but no entry covers the day."""
    return Unpriced(
        "no_price_at_that_time",
        Reason(
            f"{provider}/{model} has no price on {at:%Y-%m-%d}",
            f"{provider}/{model} 在 {at:%Y-%m-%d} 没有价格",
        ),
    )


def unknown_service_tier(provider: str, model: str, tier: str) -> Unpriced:
    """The entry in force has no prices for that service tier."""
    return Unpriced(
        "unknown_service_tier",
        Reason(
            f"{provider}/{model} has no service tier {tier!r}", f"{provider}/{model} 没有服务等级“{tier}”"
        ),
    )


def _side_zh(side: str) -> str:
    return "采购" if side == "buy" else "销售"
