"""All that the prefix cache's view shows, and how its numbers are held in cells."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import SupportsFloat

from breakeven.report.view_model import Column, Label, Value
from breakeven.serving.estimate import Estimate
from breakeven.serving.prefix_cache import Policy, PrefixTrace, Replay
from breakeven.serving.prefix_cache.economics import BYTES_PER_GB, BestSize, CacheTerms, best_size
from breakeven.serving.prefix_cache.pools import SplitHits

POLICY_WORDS = {
    "lru": Label("LRU", "LRU"),
    "lfu": Label("LFU", "LFU"),
    "infinite": Label("without limit", "无上限"),
}
NET = Label("Net a month", "每月净节省")
_MOST_DIGITS = 12


@dataclass(frozen=True, eq=False)
class CacheFindings:
    """All that the view shows. `capacities` are in blocks; `splits` share them, in the same order."""

    name: str
    trace: PrefixTrace
    replay: Replay
    policies: tuple[Policy, ...]
    capacities: tuple[int, ...]
    kv_bytes_per_token: float | None = None
    terms: CacheTerms | None = None
    recompute_seconds_per_token: Estimate | None = None
    fetch_bytes_per_second: float | None = None
    splits: tuple[SplitHits, ...] = ()
    currency: str = ""
    remarks: tuple[Label, ...] = ()
    """Where model, GPU and prices are from and what is missing, one sentence each."""
    warm_up_seconds: float = 0.0

    @property
    def block_bytes(self) -> float | None:
        """Bytes of one block."""
        return None if self.kv_bytes_per_token is None else self.kv_bytes_per_token * self.trace.block_tokens

    @property
    def is_exact(self) -> bool:
        """Whether the saving of a token was given rather than modelled, so that it has no interval."""
        if self.terms is None:
            return True
        saving = self.terms.saving.seconds_per_token
        return saving.low == saving.high


def best_sizes(found: CacheFindings) -> dict[Policy, BestSize]:
    """The best size of each policy that has one: none without prices, none for a cache without limit."""
    if found.terms is None:
        return {}
    sizes: dict[Policy, BestSize] = {}
    for policy in found.policies:
        size = None if policy == "infinite" else best_size(found.replay.curves[policy], found.terms)
        if size is not None:
            sizes[policy] = size
    return sizes


def banded(key: str, label: Label, unit: str, *, is_exact: bool) -> list[Column]:
    """A modelled value with the bounds of its interval; one that is exact by itself."""
    if is_exact:
        return [Column(key, label, unit)]
    return [
        Column(key, label, unit),
        Column(f"{key}_low", Label(f"{label.en}, low", f"{label.zh}下限"), unit),
        Column(f"{key}_high", Label(f"{label.en}, high", f"{label.zh}上限"), unit),
    ]


def bounds(key: str, estimate: Estimate | None) -> dict[str, Value]:
    """The cells of `banded`."""
    if estimate is None:
        return {key: None, f"{key}_low": None, f"{key}_high": None}
    return {
        key: number(estimate.value),
        f"{key}_low": number(estimate.low),
        f"{key}_high": number(estimate.high),
    }


def gigabytes(blocks: float, block_bytes: float | None) -> Decimal | None:
    """Memory of so many blocks; None where their size is not known."""
    return None if block_bytes is None else number(blocks * block_bytes / BYTES_PER_GB)


def rate(value: SupportsFloat) -> Decimal | None:
    """A share to six digits; None where it is of nothing."""
    share = float(value)
    return None if math.isnan(share) else round(Decimal(share), 6)


def number(value: float) -> Decimal:
    """A model's number as a view holds it: twelve significant digits, so that no binary tail is shown."""
    return Decimal(f"{value:.{_MOST_DIGITS}g}")
