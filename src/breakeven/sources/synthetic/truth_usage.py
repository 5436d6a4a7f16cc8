"""Exact requests and tokens by month, price window, tier, product and model, and what they are worth."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from breakeven.sources.synthetic import company
from breakeven.sources.synthetic.api import UNITS_PER_CENT, ApiBusiness, ApiUsage
from breakeven.sources.synthetic.plan import CompanyPlan
from breakeven.sources.synthetic.prices import BUY_CENTS, SELL_CENTS, price_window
from breakeven.sources.synthetic.traffic import Requests

COUNTS = ("requests", *(f"{name}_tokens" for name in company.TOKEN_CLASSES), "reasoning_tokens")
_PRODUCTS = (*company.PRODUCTS, "api")
_TIERS, _MODELS = len(company.SERVICE_TIERS), len(company.MODELS)
_TOKENS_PER_MTOK = 1_000_000


class UsageTruth:
    """Integer sums; a month's sums stay far below 2**63 at any size the generator can reach."""

    def __init__(self, plan: CompanyPlan, api: ApiBusiness) -> None:
        self._plan, self._api = plan, api
        shape = (plan.months, 2, _TIERS, len(_PRODUCTS), _MODELS, len(COUNTS))
        self._sums = np.zeros(shape, dtype=np.int64)
        self._api_units: list[list[int]] = [[0] * api.account_count for _ in range(plan.months)]

    def add_requests(self, day: int, requests: Requests) -> None:
        """Add a day's requests in the app and on the web."""
        group = (requests.tier * np.int8(2) + requests.product) * np.int8(_MODELS) + requests.model
        tokens = (requests.uncached, requests.cached, requests.cache_write, requests.output)
        size = _TIERS * 2 * _MODELS
        # Doubles add whole numbers exactly below 2**53, far above a day's tokens.
        counts = [np.bincount(group, minlength=size)]
        counts += [np.bincount(group, weights=part, minlength=size) for part in (*tokens, requests.reasoning)]
        day_sums = np.stack(counts, axis=1).astype(np.int64).reshape(_TIERS, 2, _MODELS, len(COUNTS))
        self._of_day(day)[:, :2] += day_sums

    def add_api(self, day: int, usage: ApiUsage) -> None:
        """Add a day's usage of the API, and its list value by account."""
        sums = self._of_day(day)[0, _PRODUCTS.index("api")]
        np.add.at(sums[:, 0], usage.model, usage.requests)
        np.add.at(sums[:, 1:5], usage.model, usage.tokens)
        units = self._api_units[self._month(day)]
        for account, value in zip(usage.account.tolist(), self._api.value_units(day, usage), strict=True):
            units[account] += value

    def _month(self, day: int) -> int:
        return self._plan.month_index(self._plan.days[day])

    def _of_day(self, day: int) -> NDArray[np.int64]:
        return self._sums[self._month(day), price_window(self._plan.days[day])]

    def at_list_price_cents(self, month: int) -> Fraction:
        """All usage of a month at our list prices, in cents, exactly."""
        total = Fraction(0)
        for tier, factor in enumerate((Fraction(1), Fraction(company.PRIORITY_MULTIPLIER))):
            tokens = self._sums[month, :, tier].sum(axis=1)[:, :, 1:5].astype(object)
            total += factor * Fraction(int((tokens * SELL_CENTS.astype(object)).sum()), _TOKENS_PER_MTOK)
        return total

    def outside_cost_cents(self, month: int) -> Fraction:
        """The outside provider's model at its prices, in cents, exactly."""
        tokens = self._sums[month].sum(axis=(1, 2))[:, company.OUTSIDE_MODEL, 1:5].astype(object)
        return Fraction(int((tokens * BUY_CENTS.astype(object)).sum()), _TOKENS_PER_MTOK)

    def api_value_cents(self, month: int) -> list[Fraction]:
        """List value of each account's usage of the API in a month, in cents, exactly."""
        return [Fraction(units, UNITS_PER_CENT) for units in self._api_units[month]]

    def as_json(self) -> list[dict[str, Any]]:
        """Requests and tokens by month, product, model and tier; groups without requests are left out."""
        found: list[dict[str, Any]] = []
        for month, start in enumerate(self._plan.month_starts):
            sums = self._sums[month].sum(axis=0)
            for tier, product, model in np.ndindex(sums.shape[:3]):
                if sums[tier, product, model, 0]:
                    found.append(
                        {
                            "period": f"{start:%Y-%m}",
                            "product": _PRODUCTS[product],
                            "provider": company.PROVIDERS[model],
                            "model": company.MODELS[model],
                            "service_tier": company.SERVICE_TIERS[tier],
                            **dict(zip(COUNTS, sums[tier, product, model].tolist(), strict=True)),
                        }
                    )
        return found
