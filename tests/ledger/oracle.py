"""Which sightings count, in plain Python: what the engines' SQL has to agree with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from breakeven.ledger.matching import MOST_SIGHTINGS
from breakeven.ledger.settings import Matching, MatchRule

from .sightings import Sighting

Key = tuple[str, str]


class Oracle:
    """The rows that count of a set of rows, each the current version of its key."""

    def __init__(self, rows: Sequence[Sighting], matching: Matching, zone: str) -> None:
        self.matching, self.zone = matching, ZoneInfo(zone)
        self.rows = {(row["source"], row["source_id"]): row for row in rows}
        self.gone: dict[Key, Key] = {}
        seen = [key for key in self.rows if key[0] not in matching.reports]
        self._by_response_id(seen)
        for rule in matching.rules:
            self._by_rule(rule, [key for key in seen if key not in self.gone])
        self._by_report()

    @property
    def counted(self) -> list[str]:
        return sorted(f"{source}/{name}" for source, name in self.rows.keys() - self.gone.keys())

    def place(self, source: str) -> int:
        named = self.matching.precedence
        return named.index(source) if source in named else len(named)

    def order(self, key: Key) -> tuple[int, str, str]:
        return self.place(key[0]), *key

    def at(self, key: Key) -> datetime:
        return datetime.fromisoformat(self.rows[key]["at"])

    def day(self, key: Key) -> int:
        return self.at(key).astimezone(self.zone).date().toordinal()

    def _by_response_id(self, seen: list[Key]) -> None:
        def identity(key: Key) -> tuple[str, str]:
            return self.rows[key]["provider"], self.rows[key]["response_id"]

        named = [key for key in seen if self.rows[key]["response_id"]]
        often = Counter((identity(key), key[0], self.day(key)) for key in named)
        named = [key for key in named if often[identity(key), key[0], self.day(key)] <= MOST_SIGHTINGS]
        for key in named:
            rivals = [
                other for other in named
                if identity(other) == identity(key) and abs(self.day(other) - self.day(key)) <= 1
            ]  # fmt: skip
            best = min(rivals, key=self.order)
            if best != key:
                self.gone[key] = best

    def _by_rule(self, rule: MatchRule, still: list[Key]) -> None:
        taken = {(kept, gone[0]) for gone, kept in self.gone.items()}
        still = [
            key for key in still
            if self.rows[key]["requests"] == 1 and all(self.rows[key].get(name) for name in rule.columns)
        ]  # fmt: skip

        def said(key: Key) -> tuple[str, ...]:
            return tuple(self.rows[key][name] for name in rule.columns)

        def ordinal(key: Key) -> int:
            alike = [
                k for k in still if k[0] == key[0] and said(k) == said(key) and self.at(k) == self.at(key)
            ]
            return sorted(alike).index(key)

        def may(key: Key, other: Key) -> bool:
            ids = {self.rows[one]["response_id"] for one in (key, other)} - {""}
            near = abs(self.at(key) - self.at(other)) <= timedelta(seconds=rule.within_seconds)
            free = (key, other[0]) not in taken and (other, key[0]) not in taken
            return key[0] != other[0] and said(key) == said(other) and near and len(ids) <= 1 and free

        def nearest(key: Key, source: str) -> Key | None:
            rivals = [other for other in still if other[0] == source and may(key, other)]
            return min(
                rivals,
                key=lambda o: (
                    abs(self.at(key) - self.at(o)),
                    abs(ordinal(key) - ordinal(o)),
                    self.at(o),
                    o[1],
                ),
                default=None,
            )

        sources = sorted({key[0] for key in still}, key=lambda name: (self.place(name), name))
        found: dict[Key, Key] = {}
        for key in still:
            for source in sources[: sources.index(key[0])]:
                partner = nearest(key, source)
                if partner and nearest(partner, key[0]) == key:
                    found.setdefault(key, partner)
        self.gone |= found

    def _by_report(self) -> None:
        def told(key: Key) -> tuple[str, str]:
            return self.rows[key]["provider"], self.at(key).date().isoformat()

        for key in self.rows:
            if key[0] not in self.matching.reports:
                continue
            tellers = {other[0] for other in self.rows if told(other) == told(key)}
            best = min(tellers, key=lambda name: (name in self.matching.reports, self.place(name), name))
            if best != key[0]:
                self.gone[key] = (best, "")
