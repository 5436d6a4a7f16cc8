"""Forecasts that were made, kept as they were made: so that they can be scored when the months have come.

One line of JSON a forecast, in `forecasts/kept.jsonl` of the books, only ever appended. A forecast made again
from the same facts is the same forecast and is not written twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from breakeven.ledger.lock import hold

PLACE = Path("forecasts", "kept.jsonl")


@dataclass(frozen=True)
class Forecast:
    """One number that was foretold.

    `kind` is what (`retention`, `ltv`, `payback`), `segment` whose (a channel, or empty for all), `cohort`
    the month the users came (`2024-03`), `age` months after it, `unit` that of `value`. `facts_to` is the
    last day of the facts it was made from; `basis` names those facts and the choices made (a fingerprint).
    `value` is None where the answer was "not within the horizon".
    """

    made_on: date
    facts_to: date
    kind: str
    model: str
    segment: str
    cohort: str
    age: int
    value: float | None
    low: float | None
    high: float | None
    level: float
    unit: str
    basis: str = ""

    @property
    def key(self) -> str:
        """Equal for the same forecast made twice, whatever day it is."""
        said = {name: str(value) for name, value in asdict(self).items() if name != "made_on"}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:20]


def kept_forecasts(folder: Path) -> list[Forecast]:
    """Every forecast of the books in a folder, in the order made."""
    try:
        lines = (folder / PLACE).read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
    found: list[Forecast] = []
    for line in lines:
        raw = json.loads(line)
        raw |= {name: date.fromisoformat(raw[name]) for name in ("made_on", "facts_to")}
        found.append(Forecast(**raw))
    return found


def keep_forecasts(folder: Path, forecasts: Iterable[Forecast]) -> int:
    """Append what is not kept yet; how many that were."""
    path = folder / PLACE
    path.parent.mkdir(exist_ok=True)
    with hold(path.parent / ".lock"):
        known = {one.key for one in kept_forecasts(folder)}
        new = [one for one in dict.fromkeys(forecasts) if one.key not in known]
        with path.open("a", encoding="utf-8") as file:
            for one in new:
                file.write(json.dumps(asdict(one), default=str) + "\n")
    return len(new)
