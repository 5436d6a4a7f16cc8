"""The one day for which a provider published its whole account: DeepSeek, 2025-02-27.

The figures are facts from DeepSeek's "DeepSeek-V3/R1 Inference System Overview" of 2025-03-01; the files
beside this module hold them as usage, fleet, sell prices, and the published results to compare with.
"""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

from breakeven.ledger.books import Books, create_books

SOURCE = "deepseek-inference-overview"
_NOTE_EN = (
    "One published day, 2025-02-27. Usage is valued at the list price: free and discounted use counts in "
    "full. The provider published 562,027 USD, from unrounded tokens; these tokens are rounded to billions."
)
_NOTE_ZH = (
    "一个公开的日子：2025-02-27。用量按标价计值：免费与打折的使用也全额计入。"
    "公布值为 562,027 美元，按未取整的词元数计算；本账的词元数取整到十亿。"
)


def write_books(folder: Path) -> Books:
    """Create the books of that day in a new folder. Raises `UsageError` when there are books already."""
    books = create_books(
        folder,
        name="deepseek-2025-02-27",
        currency="USD",
        time_zone="UTC",
        settings={
            "note_en": _NOTE_EN,
            "note_zh": _NOTE_ZH,
            "provenance": "published",
            "check": {"tolerance": "0.005"},
            "serving": {"own_providers": ["deepseek"]},
        },
    )
    with as_file(files("breakeven.sources.published_day")) as data:
        shutil.copy(data / "sell.yaml", folder / "prices" / "sell.yaml")
        shutil.copy(data / "published.csv", folder / "published.csv")
        for table in ("usage", "capacity"):
            books.ingest(table, [data / f"{table}.csv"], SOURCE)
    return books
