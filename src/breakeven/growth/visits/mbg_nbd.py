"""MBG/NBD: as BG/NBD, but a customer may stop right after the first visit.

Batislam, Denizel and Filiztekin (2007), Empirical validation and comparison of models for customer base
analysis, International Journal of Research in Marketing 24(3). Those who tried once and left are most of an
assistant's new users; BG/NBD takes every one of them for a customer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from breakeven.growth.visits.beta_geometric import BetaGeometric


@dataclass(frozen=True)
class MbgNbd(BetaGeometric):
    """Chances to stop: one after each visit, the first included.

    >>> import numpy as np
    >>> from breakeven.growth.cells import VISIT_COLUMNS, Cells
    >>> tried_once = Cells.group(VISIT_COLUMNS, [(0, 0, 39)])
    >>> MBG_NBD.alive(np.array([0.525, 6.183, 0.891, 1.614]), tried_once).round(3).tolist()
    [0.389]
    """

    name: ClassVar[str] = "MBG/NBD"
    first_chances: ClassVar[int] = 1


MBG_NBD = MbgNbd()
