"""A synthetic company straight into new books: tables, price cards, settings and truth."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from breakeven.errors import InputError, UsageError
from breakeven.ledger.books import create_books
from breakeven.sources.synthetic import company
from breakeven.sources.synthetic.generate import Progress, Truth, write_company
from breakeven.sources.synthetic.plan import CompanyPlan
from breakeven.sources.synthetic.prices import write_cards
from breakeven.sources.synthetic.write import SOURCE

TRUTH_FILE = "truth.json"
SERVING_WEIGHTS = {"uncached_input": "1", "cached_input": "0.1", "cache_write": "1", "output": "4"}


def write_books(plan: CompanyPlan, folder: Path, *, progress: Progress | None = None) -> Truth:
    """Create books in a new or empty folder, import the company into them, put its truth beside the tables.

    When anything goes wrong, or the person interrupts, the folder is removed again: half a company would look
    like a whole one. Raises `UsageError` when the folder holds something already.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(
            f"the folder {folder} is not empty", remedy="name a new folder for the synthetic books"
        )
    try:
        return _write(plan, folder, progress)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _write(plan: CompanyPlan, folder: Path, progress: Progress | None) -> Truth:
    books = create_books(
        folder,
        name=f"assistant-{plan.first_month:%Y} (synthetic)",
        currency=company.CURRENCY,
        time_zone=company.ZONE,
        synthetic=True,
        settings={
            "note_en": f"Synthetic: an invented company at {plan.scale:.2%} of the published size of 2024.",
            "note_zh": f"合成数据：虚构的公司，规模为 2024 年公开数字的 {plan.scale:.2%}。",
            "provenance": "modelled",
            "check": {"tolerance": "0.005"},
            "serving": {"own_providers": [company.OWN_PROVIDER], "weights": SERVING_WEIGHTS},
        },
    )
    covers = (plan.days[0], plan.days[-1])
    ingested = 0

    def emit(table: str, path: Path) -> None:
        nonlocal ingested
        for result in books.ingest(table, [path], source=SOURCE, covers=covers):
            ingested += result.ingested

    with tempfile.TemporaryDirectory(prefix="breakeven-synthetic-") as chunks:
        truth = write_company(plan, Path(chunks), emit, progress=progress)
    written = sum(truth.facts["rows"].values())
    if ingested != written:
        raise InputError(f"{written - ingested} generated rows did not enter the books", where=str(folder))
    write_cards(folder / "prices")
    truth.write(folder / TRUTH_FILE)
    return truth
