"""BG/NBD: visits at a personal rate; after each repeat visit a customer may stop for good.

Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way: An Alternative to the Pareto/NBD Model,
Marketing Science 24(2). A customer without a repeat visit had no chance to stop, and counts as still there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from breakeven.growth.visits.beta_geometric import BetaGeometric


@dataclass(frozen=True)
class BgNbd(BetaGeometric):
    """Chances to stop: one after each repeat visit."""

    name: ClassVar[str] = "BG/NBD"
    first_chances: ClassVar[int] = 0


BG_NBD = BgNbd()
