"""What models share in which visits may fall at any moment: their time, and what they refuse and doubt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from breakeven.account.metrics import Missing
from breakeven.growth.cells import Cells
from breakeven.growth.model import Scale
from breakeven.growth.visits.suitability import check_visits, doubt_visits, refuse_visits


@dataclass(frozen=True)
class AnyMoment:
    """Cells count periods of the books (days); parameters are in periods of `days_per_period` of them, so 7
    gives weekly parameters. `edges` says what it means when a parameter runs low (False) or high (True).
    """

    days_per_period: float = 1.0
    edges: ClassVar[Mapping[tuple[str, bool], Missing]]

    @property
    def parameters(self) -> Mapping[str, Scale]:
        """By name, with the numbers each may take."""
        raise NotImplementedError

    def refusal(self, cells: Cells) -> Missing | None:
        """Nobody watched, nobody back, or fewer customers than parameters."""
        check_visits(cells)
        return refuse_visits(cells, len(self.parameters))

    def notes(self, cells: Cells) -> tuple[Missing, ...]:
        """Doubts that remain when the model fits."""
        return doubt_visits(cells)

    def edge(self, parameter: str, *, is_high: bool) -> Missing | None:
        """What it means when a parameter has no finite best value."""
        return self.edges.get((parameter, is_high))
