"""What serving the same use will cost: a dated path, so that a price cut or a smaller model can be asked
about.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

import numpy as np
from numpy.typing import NDArray

from breakeven.errors import UsageError
from breakeven.periods import next_month


@dataclass(frozen=True)
class UnitCostPath:
    """Steps (month, factor): from that month on, the same use costs `factor` times what it costs today.

    Today is the last month measured. Without steps the unit cost stays as it is.

    >>> path = UnitCostPath.parse(["2025-01=0.5"])
    >>> path.factors(date(2024, 11, 1), 4).tolist()
    [1.0, 1.0, 0.5, 0.5]
    """

    steps: tuple[tuple[date, Decimal], ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> UnitCostPath:
        """From texts such as `2025-01=0.5`, in any order. Raises `UsageError` for anything else."""
        found: dict[date, Decimal] = {}
        for text in texts:
            month, _, factor = text.partition("=")
            try:
                first, value = date.fromisoformat(f"{month.strip()}-01"), Decimal(factor.strip())
            except (ValueError, InvalidOperation):
                raise UsageError(
                    f"cannot read the unit cost {text!r}", remedy="write MONTH=FACTOR, such as 2025-01=0.5"
                ) from None
            if not value.is_finite() or not 0 <= value <= 1000:
                raise UsageError(
                    f"the unit cost factor {factor!r} is out of bounds", remedy="give a factor from 0 to 1000"
                )
            if found.setdefault(first, value) != value:
                raise UsageError(
                    f"the unit cost of {month} is given twice", remedy="give each month one factor"
                )
        return cls(tuple(sorted(found.items())))

    def after(self, last: date) -> UnitCostPath:
        """The same path, all of it after a month. Raises `UsageError` for a step in a month measured by then.

        >>> UnitCostPath.parse(["2025-01=0.5"]).after(date(2024, 12, 1)).steps
        ((datetime.date(2025, 1, 1), Decimal('0.5')),)
        """
        for month, _ in self.steps:
            if month <= last:
                raise UsageError(
                    f"what serving cost in {month:%Y-%m} is measured already",
                    remedy=f"assume a unit cost from {next_month(last):%Y-%m} on",
                )
        return self

    def factors(self, first: date, months: int) -> NDArray[np.float64]:
        """The factor of each of some months, the first given."""
        found: list[float] = []
        month = first
        for _ in range(months):
            reached = [float(factor) for start, factor in self.steps if start <= month]
            found.append(reached[-1] if reached else 1.0)
            month = next_month(month)
        return np.array(found)
