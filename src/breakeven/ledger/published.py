"""`published.csv`: figures somebody published, to be shown beside what the books compute.

Columns: metric, period_start, period_end (exclusive), low, value, high, unit, qualifier (exact, about,
at_least, at_most, range, derived), stated_by, source, published, note_en, note_zh. Either `value` or a bound
must be given.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from breakeven.errors import InputError
from breakeven.periods import Period

FILE_NAME = "published.csv"
_NEEDED = ("metric", "period_start", "period_end", "value", "unit", "source")


@dataclass(frozen=True)
class PublishedFigure:
    """One published figure with its source. `low` and `high` bound it where only a bound was stated."""

    metric: str
    period: Period
    value: Decimal | None
    low: Decimal | None
    high: Decimal | None
    unit: str
    qualifier: str
    stated_by: str
    source: str
    published: str
    note_en: str
    note_zh: str


def read_published(folder: Path) -> list[PublishedFigure]:
    """The figures of a books folder, in file order; none when there is no file."""
    path = folder / FILE_NAME
    if not path.exists():
        return []
    found: list[PublishedFigure] = []
    with path.open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.DictReader(handle)
        missing = [name for name in _NEEDED if name not in (reader.fieldnames or [])]
        if missing:
            raise InputError(f"columns are missing: {', '.join(missing)}", where=f"{path}:1")
        for row in reader:
            found.append(_figure(row, f"{path}:{reader.line_num}"))
    return found


def _figure(row: dict[str, str], where: str) -> PublishedFigure:
    try:
        period = Period(date.fromisoformat(row["period_start"]), date.fromisoformat(row["period_end"]))
        value, low, high = (
            Decimal(row[name]) if row.get(name) else None for name in ("value", "low", "high")
        )
    except (ValueError, InvalidOperation) as error:
        raise InputError("not a day or a number", where=where, cause=str(error)) from error
    if value is None and low is None and high is None:
        raise InputError("neither a value nor a bound", where=where)
    text = {
        name: row.get(name) or "" for name in ("qualifier", "stated_by", "published", "note_en", "note_zh")
    }
    return PublishedFigure(row["metric"], period, value, low, high, row["unit"], source=row["source"], **text)
