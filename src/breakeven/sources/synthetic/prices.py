"""The company's own price cards, as exact integers for the truth and as YAML for the books."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from breakeven.sources.synthetic import company

_FIRST_PRICES = date(2024, 1, 1)
_STARTS = (_FIRST_PRICES, company.PRICE_CUT)


def price_window(day: date) -> int:
    """0 before the cut, 1 from it.

    >>> price_window(date(2024, 5, 21)), price_window(date(2024, 5, 22))
    (0, 1)
    """
    return int(day >= company.PRICE_CUT)


def cents_per_mtok(prices: tuple[str, ...]) -> NDArray[np.int64]:
    """Prices in whole cents per million tokens, by token class.

    >>> cents_per_mtok(("12.00", "4.80")).tolist()
    [1200, 480]
    """
    cents = [Decimal(price) * 100 for price in prices]
    if any(one != one.to_integral_value() for one in cents):
        raise ValueError("the company's prices have at most two decimals")
    return np.array([int(one) for one in cents], dtype=np.int64)


SELL_CENTS = np.array(
    [[cents_per_mtok(book[model]) for model in company.MODELS] for book in company.SELL_PRICES_CNY_PER_MTOK]
)
"""List prices in cents per million tokens by window, model and token class."""
BUY_CENTS = np.array([cents_per_mtok(prices) for prices in company.BUY_PRICES_CNY_PER_MTOK])
"""The outside provider's prices in cents per million tokens by window and token class."""


def value_of(day: date, model: NDArray[np.int8], tokens: NDArray[np.int64]) -> NDArray[np.object_]:
    """List value of rows of tokens (a column per class), in hundred-millionths of a CNY, as whole numbers.

    >>> value_of(date(2024, 8, 1), np.array([0], dtype=np.int8), np.array([[1_000_000, 0, 0, 0]])).tolist()
    [500000000]
    """
    prices = SELL_CENTS[price_window(day)][model]
    return (prices.astype(object) * tokens.astype(object)).sum(axis=1)


def write_cards(folder: Path) -> list[Path]:
    """Write the sell card and the outside provider's buy card; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    sell, buy = folder / "synthetic-sell.yaml", folder / "synthetic-outside-buy.yaml"
    sell.write_text(_sell_card(), "utf-8")
    buy.write_text(_buy_card(), "utf-8")
    return [sell, buy]


def _head(provider: str, side: str, note: str, alias: str = "") -> list[str]:
    aliases = [f"provider_aliases: [{alias}]"] if alias else []
    return [
        "# Synthetic: invented prices of an invented company.",
        f"provider: {provider}",
        *aliases,
        f"side: {side}",
        f"currency: {company.CURRENCY}",
        f"time_zone: {company.ZONE}",
        f"source: {note}",
        f"checked_on: {_FIRST_PRICES}",
        "models:",
    ]


def _entries(model: str, books: list[tuple[str, ...]], *, priority: bool) -> list[str]:
    lines = [f"  {model}:", "    prices:"]
    for start, prices in zip(_STARTS, books, strict=True):
        pairs = zip(company.TOKEN_CLASSES, prices, strict=True)
        named = ", ".join(f"{name}: {price}" for name, price in pairs)
        lines += [f"      - valid_from: {start}", f"        per_mtok: {{{named}}}"]
        if priority:
            tier = company.SERVICE_TIERS[1]
            lines += [f"        service_tiers: {{{tier}: {{multiplier: {company.PRIORITY_MULTIPLIER}}}}}"]
    return lines


def _sell_card() -> str:
    lines = _head(company.OWN_PROVIDER, "sell", "synthetic list prices", company.OUTSIDE_PROVIDER)
    for model in company.MODELS:
        lines += _entries(model, [book[model] for book in company.SELL_PRICES_CNY_PER_MTOK], priority=True)
    return "\n".join(lines) + "\n"


def _buy_card() -> str:
    lines = _head(company.OUTSIDE_PROVIDER, "buy", "synthetic prices of the outside provider")
    model = company.MODELS[company.OUTSIDE_MODEL]
    return "\n".join(lines + _entries(model, list(company.BUY_PRICES_CNY_PER_MTOK), priority=False)) + "\n"
