"""What a GPU costs: by the hour under a commitment, or to buy; each figure with who published it and when."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Commitment = Literal["on_demand", "reserved", "spot", "owned"]
COMMITMENTS: tuple[Commitment, ...] = ("on_demand", "reserved", "spot", "owned")

Statistic = Literal["quoted", "median", "lowest", "highest", "modelled", "assumed"]
STATISTICS: tuple[Statistic, ...] = ("quoted", "median", "lowest", "highest", "modelled", "assumed")
"""What kind of figure a price is: one seller's, one of many sellers', or somebody's model or assumption."""


@dataclass(frozen=True)
class GpuPrice:
    """Money for one GPU for one hour, exact, in the currency it was published in.

    `owned` prices are what an hour costs its owner with everything in it (purchase, power, hosting), as a
    published model has them; `note` says what a reader must know, such as that the figure is a stand-in.
    """

    amount: Decimal
    currency: str
    commitment: Commitment
    statistic: Statistic
    source: str
    as_of: str
    note: str = ""
    note_zh: str = ""


@dataclass(frozen=True)
class PurchasePrice:
    """Money for one GPU, once; the server and network around it are not in it."""

    amount: Decimal
    currency: str
    source: str
    as_of: str
