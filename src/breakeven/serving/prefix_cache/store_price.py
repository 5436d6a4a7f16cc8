"""What a gigabyte of cache costs for a month, in memory or on disk: the list prices that ship."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_SHIPPED = Path(__file__).with_name("stores.yaml")
_GB_PER_GIB = 2**30 / 1e9


@dataclass(frozen=True)
class StorePrice:
    """Money for 10^9 bytes and a month, and where that is from."""

    name: str
    per_gb_month: float
    currency: str
    source: str
    read_on: str


@cache
def store_prices() -> Mapping[str, StorePrice]:
    """The prices that ship, by name.

    >>> {name: round(price.per_gb_month, 3) for name, price in store_prices().items()}
    {'dram': 2.881, 'ssd': 0.158}
    """
    read: dict[str, dict[str, Any]] = yaml.safe_load(_SHIPPED.read_text("utf-8"))
    return {
        name: StorePrice(
            name,
            float(fields["price_per_gib_month"]) / _GB_PER_GIB,
            str(fields["currency"]),
            str(fields["source"]),
            str(fields["read_on"]),
        )
        for name, fields in read.items()
    }
