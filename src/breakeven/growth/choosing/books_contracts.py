"""The books' own subscriptions as a triangle of contracts: by the month they began and the renewals since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from breakeven.account.contracts import contracts
from breakeven.growth.cells import CONTRACT_COLUMNS, Cells
from breakeven.growth.choosing.backtest import Floats
from breakeven.growth.choosing.candidates import contract_triangle
from breakeven.growth.choosing.choice import Choice, choose_survival
from breakeven.periods import months_apart

if TYPE_CHECKING:
    from breakeven.account.account import Account

TERM = "month"
"""Contracts of one term only: a renewal a month is not a renewal a year."""


@dataclass(frozen=True)
class ContractTriangle:
    """Contracts at risk and renewed, by the month they began and their age in terms; NaN where not seen."""

    months: tuple[date, ...]
    exposed: Floats
    returned: Floats

    @property
    def starts(self) -> Any:
        """The month each row began in, counted from the first one's."""
        return np.array([months_apart(self.months[0], month) for month in self.months], dtype=np.int64)


def monthly_contracts(account: Account) -> ContractTriangle | None:
    """All monthly subscriptions of the books by the month they began; None without any."""
    by_month: dict[date, list[tuple[int, int, int]]] = {}
    for row in contracts(account).to_pylist():
        if row["term"] == TERM and row["start_month"] is not None:
            cell = (row["lifetime"], int(row["is_lost"]), row["contracts"])
            by_month.setdefault(row["start_month"], []).append(cell)
    if not by_month:
        return None
    months = tuple(sorted(by_month))
    rows = [
        Cells.group(CONTRACT_COLUMNS, [cell[:2] for cell in cells], [cell[2] for cell in cells])
        for cells in (by_month[month] for month in months)
    ]
    return ContractTriangle(months, *contract_triangle(rows))


def choose_for_contracts(account: Account) -> Choice | None:
    """The survival model that would have foretold the books' monthly subscriptions best; None without any."""
    triangle = monthly_contracts(account)
    if triangle is None:
        return None
    return choose_survival(triangle.exposed, triangle.returned, starts=triangle.starts)
