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
    """Chances to stop: one after each repeat visit.

    >>> import numpy as np
    >>> weekly = BgNbd(days_per_period=7)
    >>> import numpy as np
    >>> weekly.expected_repeats(np.array([0.243, 4.414, 0.793, 2.426]), [0, 7, 39 * 7]).round(3).tolist()
    [0.0, 0.053, 1.197]
    """

    name: ClassVar[str] = "BG/NBD"
    first_chances: ClassVar[int] = 0


BG_NBD = BgNbd()
