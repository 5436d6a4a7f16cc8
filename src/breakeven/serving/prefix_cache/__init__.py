"""Prefix caches replayed on a trace: hits at every capacity, what they save and cost, the best size."""

from breakeven.serving.prefix_cache.hit_curve import HitCurve
from breakeven.serving.prefix_cache.positions import POLICIES, Policy
from breakeven.serving.prefix_cache.replay import Replay, replay
from breakeven.serving.prefix_cache.trace import BLOCK_TOKENS, PrefixTrace

__all__ = ["BLOCK_TOKENS", "POLICIES", "HitCurve", "Policy", "PrefixTrace", "Replay", "replay"]
