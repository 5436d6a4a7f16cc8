"""What matching leaves out, to be looked at: totals by pair of sources, and the matches one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from breakeven.engine import sql
from breakeven.engine.duckdb import DIALECT, DuckDBEngine, in_one
from breakeven.ledger.books import Books
from breakeven.ledger.matching import TABLE
from breakeven.ledger.tables import TABLES
from breakeven.periods import Period

_TOKENS = " + ".join(
    f"coalesce({name}, 0)"
    for name in ("uncached_input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens")
)


@dataclass(frozen=True)
class Standing:
    """A source's place in the precedence: `declared`, `by name`, or a provider's `report`."""

    source: str
    way: str


@dataclass(frozen=True)
class Matches:
    """What matching leaves out of a period.

    `totals` have `kept_source`, `source`, `way`, `rows`, `requests` and `tokens`; `listed` are the first
    matches by time, with both ids and `seconds` from the row that counts to the one left out.
    """

    standings: tuple[Standing, ...]
    totals: list[dict[str, Any]]
    listed: list[dict[str, Any]]


def find_matches(books: Books, period: Period | None, sources: Sequence[str], limit: int) -> Matches:
    """What is left out of the days of a period, and between which sources; at most `limit` are listed."""
    files = books.files(TABLE)
    with DuckDBEngine() as engine:
        chosen = [file for file in files if _in(file.partition, period)]
        standings = _standings(books, engine)
        left_out = books.matched_days(TABLE).left_out(chosen, files)
        if left_out is None:
            return Matches(standings, [], [])
        schema = TABLES[TABLE].schema
        engine.view("around", left_out.around, schema, "day", books.corrections(TABLE))
        days = sorted({file.partition or "" for file in chosen if file.uri in left_out.touched})
        engine.execute(
            "CREATE TEMP TABLE found AS SELECT gone.*, rows.day, rows.requests, "
            f"{_TOKENS} AS tokens FROM ({in_one(left_out.steps('around', DIALECT))}) AS gone "
            "JOIN around AS rows USING (source, source_id) "
            f"WHERE day IN ({sql.texts(days)}){_between(sources)}"
        )
        totals = engine.arrow_of(
            "SELECT kept_source, source, way, count(*) AS rows, CAST(sum(requests) AS BIGINT) AS requests, "
            "CAST(sum(tokens) AS BIGINT) AS tokens FROM found GROUP BY ALL ORDER BY ALL"
        ).to_pylist()
        listed = engine.arrow_of(
            "SELECT strftime(at_utc, '%Y-%m-%dT%H:%M:%SZ') AS at_utc, way, kept_source, kept_source_id, "
            "source, source_id, CAST(epoch_us(at_utc) - epoch_us(kept_at_utc) AS DECIMAL(28,6)) / 1000000 "
            f"AS seconds, tokens FROM found ORDER BY found.at_utc, source, source_id LIMIT {int(limit)}"
        ).to_pylist()
    return Matches(standings, totals, listed)


def _standings(books: Books, engine: DuckDBEngine) -> tuple[Standing, ...]:
    """The sources of usage in the order in which they count."""
    matching = books.settings.matching
    books.view(engine, TABLE, matched=False)
    found = [str(name) for (name,) in engine.rows(f"SELECT DISTINCT source FROM {TABLE}")]
    places = {name: place for place, name in enumerate(matching.precedence)}

    def place(name: str) -> tuple[bool, int, str]:
        return name in matching.reports, places.get(name, len(places)), name

    return tuple(
        Standing(name, "report" if name in matching.reports else "declared" if name in places else "by name")
        for name in sorted(found, key=place)
    )


def _in(day: str | None, period: Period | None) -> bool:
    return day is not None and (period is None or period.first.isoformat() <= day < period.end.isoformat())


def _between(sources: Sequence[str]) -> str:
    if not sources:
        return ""
    named = sql.texts(sources)
    return f" AND (gone.source IN ({named}) OR kept_source IN ({named}))"
