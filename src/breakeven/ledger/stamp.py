"""A cheap name for the present state of the books: changes with every commit, price card or setting.

It reads file names, sizes and times only, so a command that finds its answer stored need not open a table.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

_WATCHED = ("breakeven.toml", "fx.csv", "published.csv", "closed/log.jsonl", "serving/class_costs.jsonl")


def stamp(folder: Path, *card_folders: Path) -> str:
    """Name the state of the books in a local folder, and of further folders of price cards."""
    said: list[str] = []
    for log in sorted(folder.glob("*/_delta_log")):
        newest = max((entry.name for entry in log.glob("*.json")), default="")
        said.append(f"{log.parent.name}:{newest}")
    cards = [path for place in (folder / "prices", *card_folders) for path in sorted(place.glob("*.yaml"))]
    for path in [*(folder / name for name in _WATCHED), *cards]:
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        said.append(f"{path.name}:{status.st_size}:{status.st_mtime_ns}")
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:20]
