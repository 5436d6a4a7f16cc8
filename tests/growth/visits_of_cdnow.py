"""The published CDNOW data, as cells: from the summaries, and from the purchases themselves."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from breakeven.growth.cells import VISIT_COLUMNS, Cells
from breakeven.growth.visits.gamma_gamma import VALUE_COLUMNS

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "growth"
SUMMARY = FOLDER / "cdnow_customers_summary.csv"
VALUES = FOLDER / "cdnow_customers_summary_with_transactions.csv"
PURCHASES = FOLDER / "CDNOW_sample.txt"

END_OF_CALIBRATION = date(1997, 9, 30)
HOLDOUT_DAYS = 39 * 7

needs_cdnow = pytest.mark.skipif(not SUMMARY.exists(), reason="CDNOW lies beside the project, not in it")


def summary_cells() -> Cells:
    """The published summary, in hundredths of a week, as it is printed: fit with 100 of them a period."""
    with SUMMARY.open() as lines:
        rows = [
            (int(row["frequency"]), round(float(row["recency"]) * 100), round(float(row["T"]) * 100))
            for row in csv.DictReader(lines)
        ]
    return Cells.group(VISIT_COLUMNS, rows)


def value_cells() -> Cells:
    """The published mean values of those who came back, in cents."""
    with VALUES.open() as lines:
        rows = [
            (int(row["x"]), int(row["x"]) * int(Decimal(row["zbar"]) * 100))
            for row in csv.DictReader(lines)
            if int(row["x"])
        ]
    return Cells.group(VALUE_COLUMNS, rows)


@dataclass(frozen=True)
class Purchases:
    """Days with a purchase, by customer, and what was paid on them in cents."""

    days: dict[str, list[date]]
    cents: dict[tuple[str, date], int]

    @property
    def first(self) -> date:
        return min(days[0] for days in self.days.values())

    def rows(self, end: date = END_OF_CALIBRATION) -> list[tuple[int, int, int]]:
        """Repeats, recency and age in days, one row for a customer."""
        found = []
        for days in self.days.values():
            repeats = [day for day in days[1:] if day <= end]
            recency = (repeats[-1] - days[0]).days if repeats else 0
            found.append((len(repeats), recency, (end - days[0]).days))
        return found

    def later(self, end: date = END_OF_CALIBRATION) -> np.ndarray:
        """Days with a purchase after the end, of each customer."""
        return np.array([sum(day > end for day in days) for days in self.days.values()])

    def cumulative_repeats(self, days_since_first: np.ndarray) -> np.ndarray:
        when = np.sort([(day - self.first).days for days in self.days.values() for day in days[1:]])
        return np.searchsorted(when, days_since_first, side="right")

    def value_rows(self, end: date = END_OF_CALIBRATION) -> list[tuple[int, int]]:
        """Repeat days and what was paid on them, for those who came back."""
        found = []
        for customer, days in self.days.items():
            repeats = [day for day in days[1:] if day <= end]
            if repeats:
                found.append((len(repeats), sum(self.cents[customer, day] for day in repeats)))
        return found


@cache
def purchases() -> Purchases:
    cents: dict[tuple[str, date], int] = defaultdict(int)
    for line in PURCHASES.read_text().splitlines():
        _, customer, day, _, paid = line.split()
        cents[customer, date(int(day[:4]), int(day[4:6]), int(day[6:]))] += int(Decimal(paid) * 100)
    days: dict[str, list[date]] = defaultdict(list)
    for customer, day in sorted(cents):
        days[customer].append(day)
    return Purchases(dict(days), dict(cents))
