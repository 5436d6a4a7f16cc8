"""A report page before it is HTML: key figures, then sections of text, figures and tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from breakeven.report.figures import Figure
from breakeven.report.view_model import Envelope, Label, Table, Value

Provenance = Literal["measured", "modelled", "published", "assumed"]
"""How sure a figure is: counted in the books, computed by a model, printed by somebody, or assumed."""


@dataclass(frozen=True)
class Tile:
    """One key figure at the head of the page, with where it comes from; `note` says what it rests on."""

    label: Label
    value: Value
    unit: str
    provenance: Provenance = "measured"
    note: Label | None = None


@dataclass(frozen=True)
class Fact:
    """A figure *about* the figures, such as how much of the period is covered or the unpriced share."""

    label: Label
    value: Value
    unit: str = "text"


Block = Label | Table | Figure
"""A paragraph, a table, or a figure (which brings its own table and description)."""


@dataclass(frozen=True)
class Section:
    """A part of the page; `id` is its anchor, so it must be unique on the page."""

    id: str
    title: Label
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """Everything a report says, in both languages.

    `period` is shown as given (`2024-03..2024-08`). The envelope's warnings stand above the sections, and
    its synthetic mark on every printed sheet.
    """

    title: Label
    envelope: Envelope
    period: str
    sections: tuple[Section, ...]
    tiles: tuple[Tile, ...] = ()
    facts: tuple[Fact, ...] = ()

    def figures(self) -> tuple[Figure, ...]:
        """All figures, in reading order."""
        return tuple(
            block
            for section in self.sections
            for block in section.blocks
            if not isinstance(block, Label | Table)
        )
