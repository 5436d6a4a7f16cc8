"""What is asked about a prefix cache beside a model and a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breakeven.errors import UsageError
from breakeven.report.serving.asked import Asked

if TYPE_CHECKING:
    from breakeven.serving.prefix_cache import Policy

POLICIES: tuple[Policy, ...] = ("lru", "lfu", "infinite")
SEED = 20240812


@dataclass(frozen=True)
class CacheAsked:
    """Sizes to try, how the cache is split and stored, and figures that stand for those of the model.

    `capacities` in blocks, `memories` in bytes; ten sizes that show the curve without either. `kv_bytes` are
    per token, `uncached` and `cached` GPU-hours per million tokens of input, `store_price` money for 10^9
    bytes and a month, `fetch` gigabytes per second.
    """

    policies: tuple[Policy, ...] = POLICIES
    capacities: tuple[int, ...] = ()
    memories: tuple[float, ...] = ()
    warm_up_seconds: float = 0.0
    nodes: tuple[int, ...] = ()
    seed: int = SEED
    store: str = "dram"
    store_price: float | None = None
    kv_bytes: float | None = None
    uncached: float | None = None
    cached: float | None = None
    fetch: float | None = None

    def refuse_contradictions(self, asked: Asked) -> None:
        """Before anything is read: raises `UsageError` for figures that need another one."""
        if self.cached is not None and self.uncached is None:
            raise UsageError(
                "--cached-gpu-hours-per-mtok stands alone", remedy="give --gpu-hours-per-mtok with it"
            )
        if asked.gpus and not asked.models and self.uncached is None:
            raise UsageError("--gpu needs a model", remedy="add --model, or give --gpu-hours-per-mtok")
        if self.memories and not asked.models and self.kv_bytes is None:
            raise UsageError(
                "--memory needs the bytes of a token's keys and values", remedy="add --model or --kv-bytes"
            )
