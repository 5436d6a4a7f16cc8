"""One request, one row: which rows of usage are left out because another source saw the same request.

The ledger keeps every row of every source; reading leaves out what is counted already. Three ways lead there:

- *response id*: rows of one provider with the same response id, at most a day apart, are one request. The
  source that stands first in the declared precedence counts; one source's own repetitions count once too.
- *rule*: rows of two sources that agree in declared columns and lie close enough in time are one request,
  each row with the one nearest to it and no row with two of the other source.
- *report*: a provider's own totals count only for UTC days of which no other source tells of that provider.

What is left out follows from the rows alone, not from the order in which they came; and each row's fate hangs
on rows of the days around it only, so a day can be read without reading all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from breakeven.engine.session import Dialect, LeftOut
from breakeven.ledger.batch_log import Batch
from breakeven.ledger.settings import Matching, MatchRule
from breakeven.ledger.store import StoredFile, by_partition

RESPONSE_ID, RULE, REPORT = "response id", "rule", "report"
TABLE = "usage"
LEFT_OUT = "left_out"
FORGOTTEN = "forgotten-"
"""How the source ids of rows begin that stand in for a forgotten person's: they match nothing any more."""

MOST_SIGHTINGS = 10
"""An id that one source gives to more rows of a day names no request: such rows all count."""

Quote = Callable[[str], str]
_LEAST_DAY_SECONDS = 23 * 3600
_ALWAYS = ("source", "source_id", "provider", "response_id", "requests", "day")
_COLUMNS = ("source", "source_id", "way", "kept_source", "kept_source_id", "at_utc", "kept_at_utc")


@dataclass(frozen=True)
class MatchedDays:
    """The days of a snapshot in which rows may have to be left out; all others are read as they are."""

    matching: Matching
    days: frozenset[str]

    @property
    def reach(self) -> int:
        """How many days to either side decide about a day's rows.

        >>> MatchedDays(Matching(), frozenset()).reach
        1
        >>> MatchedDays(Matching(rules=(MatchRule(("user_id",), 5),)), frozenset()).reach
        3
        """
        return 1 + sum(2 * _days_of(rule) for rule in self.matching.rules)

    def around(self, day: str) -> list[str]:
        """The days that decide about a day's rows, itself included."""
        return _around(day, self.reach)

    def left_out(self, chosen: Iterable[StoredFile], files: Sequence[StoredFile]) -> LeftOut | None:
        """What to leave out of some of a snapshot's files; None when nothing can be."""
        touched = [file for file in chosen if file.partition in self.days]
        if not touched:
            return None
        near = {day for file in touched for day in self.around(file.partition or "")}
        return LeftOut(
            tuple(file.uri for file in files if file.partition in near),
            frozenset(file.uri for file in touched),
            lambda rows, dialect: left_out_steps(rows, self.matching, dialect),
        )

    def beside(self, day: str, by_day: Mapping[str, Sequence[StoredFile]]) -> list[str]:
        """What a day's figures rest on beside its own files: a change of these is a change of the day."""
        if day not in self.days:
            return []
        names = [file.name for near in self.around(day) for file in by_day.get(near, ())]
        return [repr(self.matching), *sorted(names)]


def find_matched_days(
    files: Sequence[StoredFile], batches: Iterable[Batch], matching: Matching
) -> MatchedDays:
    """Find the days in which rows may have to be left out, by the log and the files' statistics alone.

    `batches` are the table's imports up to the snapshot: each noted the days in which it found response ids
    that other rows have too.
    """
    by_day = by_partition(files)
    days = {day for batch in batches for day in batch.facts.get("repeated_days", ())} & by_day.keys()
    if matching.rules and not _is_one_source(files):
        within = max(_days_of(rule) for rule in matching.rules)
        days |= {day for day in by_day if not _is_one_source(_near(by_day, day, within))}
    if matching.reports:
        reported = {
            day
            for day, found in by_day.items()
            if any(file.may_hold(name, name) for file in found for name in matching.reports)
        }
        days |= {day for day in reported if not _is_one_source(_near(by_day, day, 1))}
    return MatchedDays(matching, frozenset(days))


def _near(by_day: Mapping[str, list[StoredFile]], day: str, reach: int) -> list[StoredFile]:
    return [file for near in _around(day, reach) for file in by_day.get(near, ())]


def _around(day: str, reach: int) -> list[str]:
    middle = date.fromisoformat(day)
    return [(middle + timedelta(days=shift)).isoformat() for shift in range(-reach, reach + 1)]


def _is_one_source(files: Iterable[StoredFile]) -> bool:
    names = {name for file in files for name in (file.source_least, file.source_most)}
    return len(names) <= 1 and None not in names


def _days_of(rule: MatchRule) -> int:
    """How many days apart two rows can lie that a rule takes for one request."""
    return 1 + rule.within_seconds // _LEAST_DAY_SECONDS


def left_out_steps(rows: str, matching: Matching, dialect: Dialect) -> list[tuple[str, str]]:
    """SQL of the rows to leave out of a view `rows` of usage, and which row counts instead of each.

    The steps are named, and each reads those before it. The last one yields `source`, `source_id`, `way`
    (response id, rule 1, ..., report), `kept_source`, `kept_source_id` (NULL where a whole day counts
    instead), `at_utc` and `kept_at_utc`.
    """
    name, text = dialect.name, dialect.text
    named = {column for rule in matching.rules for column in rule.columns}
    extra = "".join(f", {name(column)}" for column in sorted(named - set(_ALWAYS)))
    reports = f"source IN ({', '.join(map(text, matching.reports))})" if matching.reports else "1 = 0"
    parts = [
        f"standings AS (SELECT {', '.join(_ALWAYS)}, {name('at')} AS at_utc, "
        f"CASE WHEN {reports} THEN 1 ELSE 0 END AS is_report, {_standing(matching, text)} AS standing"
        f"{extra} FROM {name(rows)})",
        "seen AS (SELECT * FROM standings WHERE is_report = 0 "
        f"AND source_id NOT LIKE {text(FORGOTTEN + '%')})",
        *_by_response_id(dialect),
    ]
    found = ["by_response_id"]
    for number, rule in enumerate(matching.rules, 1):
        parts += _by_rule(number, rule, found, dialect)
        found.append(f"by_rule_{number}")
    if matching.reports:
        parts += _by_report(text)
        found.append("by_report")
    union = " UNION ALL ".join(f"SELECT {', '.join(_COLUMNS)} FROM {part}" for part in found)
    steps = [part.removesuffix(")").split(" AS (", 1) for part in parts]
    return [*((name, body) for name, body in steps), (LEFT_OUT, union)]


def _standing(matching: Matching, text: Quote) -> str:
    """A source's place in the precedence; those not named come after, all in one place, and go by name."""
    if not matching.precedence:
        return "0"
    cases = " ".join(f"WHEN {text(name)} THEN {place}" for place, name in enumerate(matching.precedence))
    return f"CASE source {cases} ELSE {len(matching.precedence)} END"


def _by_response_id(dialect: Dialect) -> list[str]:
    """Rows whose id a row of better standing has on the same day or a neighbouring one.

    Nearly all ids have their few rows on one day: those need one pass of grouping. The others are ordered.
    """
    text, order = dialect.text, ("standing", "source", "source_id", "at_utc")
    return [
        f"ids AS (SELECT provider, response_id, min({dialect.record(order)}) AS foremost, "
        "count(*) AS sightings, min(day) AS first_day, max(day) AS last_day FROM seen "
        "WHERE response_id IS NOT NULL GROUP BY provider, response_id HAVING count(*) > 1)",
        f"plain AS (SELECT * FROM ids WHERE first_day = last_day AND sightings <= {MOST_SIGHTINGS})",
        f"odd AS (SELECT * FROM ids WHERE first_day <> last_day OR sightings > {MOST_SIGHTINGS})",
        "sighted AS (SELECT seen.*, count(*) OVER "
        "(PARTITION BY seen.provider, seen.response_id, source, day) AS sightings "
        "FROM seen JOIN odd ON seen.provider = odd.provider AND seen.response_id = odd.response_id)",
        "identified AS (SELECT *, row_number() OVER (PARTITION BY provider, response_id, day "
        f"ORDER BY standing, source, source_id) AS place FROM sighted WHERE sightings <= {MOST_SIGHTINGS})",
        # The best row of an id's day stands for that day and its neighbours.
        "shifts AS (SELECT -1 AS shift UNION ALL SELECT 0 UNION ALL SELECT 1)",
        "best AS (SELECT source, source_id, standing, provider, response_id, at_utc, "
        "CAST(day + shift AS DATE) AS near_day FROM identified CROSS JOIN shifts WHERE place = 1)",
        "rivals AS (SELECT identified.source, identified.source_id, identified.at_utc, "
        "best.source AS kept_source, best.source_id AS kept_source_id, best.at_utc AS kept_at_utc, "
        "row_number() OVER (PARTITION BY identified.source, identified.source_id "
        "ORDER BY best.standing, best.source, best.source_id) AS place FROM identified JOIN best "
        "ON identified.provider = best.provider AND identified.response_id = best.response_id "
        "AND identified.day = best.near_day)",
        "pairs AS (SELECT source, source_id, at_utc, kept_source, kept_source_id, kept_at_utc FROM rivals "
        "WHERE place = 1 UNION ALL SELECT seen.source, seen.source_id, seen.at_utc, "
        "plain.foremost.source AS kept_source, plain.foremost.source_id AS kept_source_id, "
        "plain.foremost.at_utc AS kept_at_utc FROM seen JOIN plain ON seen.provider = plain.provider "
        "AND seen.response_id = plain.response_id)",
        f"by_response_id AS (SELECT *, {text(RESPONSE_ID)} AS way FROM pairs "
        "WHERE source <> kept_source OR source_id <> kept_source_id)",
    ]


def _by_rule(number: int, rule: MatchRule, found: list[str], dialect: Dialect) -> list[str]:
    """Rows that lie nearest to a row of a source of better standing, and that row nearest to them."""
    n, columns = number, [dialect.name(column) for column in rule.columns]
    same = ", ".join(f"seen.{column}" for column in columns)
    known = " AND ".join(f"seen.{column} IS NOT NULL" for column in columns)
    agree = " AND ".join(f"l.{column} = r.{column}" for column in columns)
    span = f"INTERVAL '{rule.within_seconds}' SECOND"
    gone = " UNION ALL ".join(f"SELECT source, source_id FROM {part}" for part in found)
    taken = " UNION ".join(
        f"SELECT kept_source AS source, kept_source_id AS source_id, source AS other FROM {part}"
        for part in found
    )
    distance = "CASE WHEN l.at_utc < r.at_utc THEN r.at_utc - l.at_utc ELSE l.at_utc - r.at_utc END"
    return [
        f"gone_{n} AS ({gone})",
        f"taken_{n} AS ({taken})",
        # Requests of one moment are told apart by their place among them: the first goes with the first.
        f"open_{n} AS (SELECT seen.*, row_number() OVER (PARTITION BY {same}, seen.source, seen.at_utc "
        f"ORDER BY seen.source_id) AS ordinal FROM seen LEFT JOIN gone_{n} AS gone "
        "ON seen.source = gone.source AND seen.source_id = gone.source_id "
        f"WHERE gone.source IS NULL AND seen.requests = 1 AND {known})",
        f"near_{n} AS (SELECT l.source AS l_source, l.source_id AS l_id, l.standing AS l_standing, "
        "l.at_utc AS l_at, r.source AS r_source, r.source_id AS r_id, r.at_utc AS r_at, "
        f"{distance} AS distance, abs(l.ordinal - r.ordinal) AS apart "
        f"FROM open_{n} AS l JOIN open_{n} AS r ON {agree} "
        "AND (l.standing < r.standing OR (l.standing = r.standing AND l.source < r.source)) "
        f"AND r.at_utc >= l.at_utc - {span} AND r.at_utc <= l.at_utc + {span} "
        # Two ids are two requests, whatever else agrees.
        "AND (l.response_id IS NULL OR r.response_id IS NULL OR l.response_id = r.response_id))",
        f"free_{n} AS (SELECT pair.* FROM near_{n} AS pair "
        f"LEFT JOIN taken_{n} AS ours ON ours.source = l_source AND ours.source_id = l_id "
        f"AND ours.other = r_source LEFT JOIN taken_{n} AS theirs ON theirs.source = r_source "
        "AND theirs.source_id = r_id AND theirs.other = l_source "
        "WHERE ours.source IS NULL AND theirs.source IS NULL)",
        f"nearest_{n} AS (SELECT *, row_number() OVER (PARTITION BY l_source, l_id, r_source "
        "ORDER BY distance, apart, r_at, r_id) AS l_choice, row_number() OVER "
        "(PARTITION BY r_source, r_id, l_source ORDER BY distance, apart, l_at, l_id) AS r_choice "
        f"FROM free_{n})",
        f"mutual_{n} AS (SELECT *, row_number() OVER (PARTITION BY r_source, r_id "
        f"ORDER BY l_standing, l_source) AS place FROM nearest_{n} WHERE l_choice = 1 AND r_choice = 1)",
        f"by_rule_{n} AS (SELECT r_source AS source, r_id AS source_id, "
        f"{dialect.text(f'{RULE} {n}')} AS way, l_source AS kept_source, l_id AS kept_source_id, "
        f"r_at AS at_utc, l_at AS kept_at_utc FROM mutual_{n} WHERE place = 1)",
    ]


def _by_report(text: Quote) -> list[str]:
    """A provider's totals of UTC days that somebody else tells of, or a report of better standing."""
    return [
        "tellers AS (SELECT *, row_number() OVER (PARTITION BY provider, utc_day "
        "ORDER BY is_report, standing, source) AS place FROM (SELECT DISTINCT provider, "
        "CAST(at_utc AS DATE) AS utc_day, is_report, standing, source FROM standings) AS told)",
        "by_report AS (SELECT one.source, one.source_id, "
        f"{text(REPORT)} AS way, tellers.source AS kept_source, CAST(NULL AS STRING) AS kept_source_id, "
        # Nothing, but in the type that the engine has for instants.
        "one.at_utc, nullif(one.at_utc, one.at_utc) AS kept_at_utc FROM standings AS one JOIN tellers "
        "ON one.provider = tellers.provider AND CAST(one.at_utc AS DATE) = tellers.utc_day "
        "WHERE tellers.place = 1 AND one.is_report = 1 AND tellers.source <> one.source)",
    ]
