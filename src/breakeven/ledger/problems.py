"""Data problems as values: what is wrong with one row, where, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One quarantined row. `row` is the record's number in the file, the first record being 1."""

    table: str
    batch_id: str
    file: str
    row: int
    field: str
    reason: str
    remedy: str
    raw: str

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        return f"{self.file}:{self.row}: {field}{self.reason}. Next: {self.remedy}."
