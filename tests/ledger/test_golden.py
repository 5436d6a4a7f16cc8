"""A small messy file and the quarantine it must give, word for word. REGENERATE=1 writes the listing anew."""

from __future__ import annotations

import os
from pathlib import Path

from .bench import held, take

HERE = Path(__file__).with_name("golden")


def test_the_quarantine_of_a_messy_file(books):
    result = take(books, "payments", HERE / "messy.csv", source=None)
    assert (result.rows_read, result.ingested, result.duplicates, result.quarantined) == (15, 4, 1, 10)
    listing = "".join(f"{problem}\n    {problem.raw!r}\n" for problem in books.quarantined())
    expected = HERE / "messy.quarantine.txt"
    if os.environ.get("REGENERATE"):
        expected.write_text(listing, "utf-8")
    assert listing == expected.read_text("utf-8")
    assert held(books, "payments") == ["p01", "p02", "p07", "p14"]
