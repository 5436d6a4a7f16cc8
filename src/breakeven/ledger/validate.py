"""Raw columns in, typed columns and one located problem per bad row out: the rules of the tables as SQL.

For every ledger column there is one expression that types it and a list of conditions that are true for a
bad row. The first condition that holds names the row's problem; the row is then quarantined, never mended.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from breakeven.engine import sql
from breakeven.errors import InputError
from breakeven.ledger.mapping import ROW_NUMBER, WHOLE_INPUT, ColumnRule, Mapping
from breakeven.ledger.raw_files import RawFile
from breakeven.ledger.tables import Column, LedgerTable
from breakeven.money import MINOR_UNITS
from breakeven.periods import time_zone

EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
_CLOCK_SKEW = timedelta(days=2)
_INTEGER = "[+-]?[0-9]{1,18}"
_PLAIN_DECIMAL = r"[+-]?([0-9]+(\.[0-9]{0,9}0*)?|\.[0-9]{1,9}0*)"


@dataclass(frozen=True)
class Rule:
    """A condition that is true for a bad row, and what to tell about it."""

    bad: str
    field: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Validated:
    """SQL of the typed relation (columns of the table, `_row`, `_problem`, `_raw`) and what `_problem` means.

    `_problem` is NULL for a good row, else the number of the rule it breaks. `ignored` are file columns
    that no ledger column reads.
    """

    relation: str
    rules: tuple[Rule, ...]
    ignored: tuple[str, ...]


def validate(
    raw: RawFile,
    table: LedgerTable,
    mapping: Mapping,
    *,
    source: str | None,
    digest: str,
    zone: str,
    now: datetime,
) -> Validated:
    """Build the typed relation of a raw file. Raises `InputError` when required columns are missing."""
    builder = _Builder(raw, table, mapping, now)
    row = "file._row" if raw.kind == "parquet" else "row_number() OVER ()"
    cells = [(column, *builder.column(column)) for column in table.columns]
    source_sql, source_id_sql = builder.source(source), builder.source_id(digest, row)
    builder.finish_missing()
    rules = builder.rules_of_the_file()
    # Conditions within one column come before conditions across columns.
    rules += [rule for _, _, column_rules in cells for rule in column_rules]
    rules += builder.across + [Rule(*rule) for rule in table.rules]
    typed = ", ".join(f"{expression} AS {sql.name(column.name)}" for column, expression, _ in cells)
    cases = " ".join(f"WHEN {rule.bad} THEN {number}" for number, rule in enumerate(rules))
    # `file` carries the raw record along as one value: a rule reads `file."x"` raw and "x" typed.
    inner = (
        f"SELECT file, {typed}, {source_sql} AS source, {source_id_sql} AS source_id, {row} AS _row "
        f"FROM {raw.relation} AS file"
    )
    day = ""
    if table.partitioned and table.clock != "day":
        day = f", {_local_day(sql.name(table.clock), zone)} AS day"
    checked = f"SELECT *, CAST(CASE {cases} END AS SMALLINT) AS _problem FROM ({inner})"
    raw_text = f"CASE WHEN _problem IS NOT NULL THEN left({raw.raw}, 2000) END"
    relation = f"SELECT * EXCLUDE (file), {raw_text} AS _raw{day} FROM ({checked})"
    return Validated(relation, tuple(rules), builder.ignored())


def _local_day(column: str, zone: str) -> str:
    if zone == "UTC":
        return f"CAST({column} AS DATE)"
    return f"CAST(({column} AT TIME ZONE {sql.text(zone)}) AS DATE)"


class _Builder:
    """Builds the expression and the rules of each column; remembers what the file lacks."""

    def __init__(self, raw: RawFile, table: LedgerTable, mapping: Mapping, now: datetime) -> None:
        self.raw, self.table, self.mapping, self.now = raw, table, mapping, now
        self.used: set[str] = set()
        self.missing: list[str] = []
        self.across: list[Rule] = []

    def origin(self, name: str) -> ColumnRule | None:
        rule = self.mapping.columns.get(name)
        if rule is not None:
            if rule.origin not in self.raw.types and not (name == "source_id" and rule.origin == ROW_NUMBER):
                self._lacks(rule.origin)
            return rule
        return ColumnRule(name) if name in self.raw.types else None

    def _lacks(self, origin: str) -> None:
        near = difflib.get_close_matches(origin, list(self.raw.types), 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise InputError(
            f"the mapping names column {origin!r}, which the file does not have{hint}",
            where=str(self.raw.path),
            cause=f"columns: {', '.join(self.raw.types)}"[:500],
        )

    def column(self, column: Column) -> tuple[str, list[Rule]]:
        constant = self.mapping.constants.get(column.name)
        if constant is not None:
            return self._typed(column, sql.text(constant), "VARCHAR", ColumnRule(column.name))
        if column.name == "uncached_input_tokens" and self.mapping.input_includes_cached:
            return self._uncached(column)
        rule = self.origin(column.name)
        if rule is None:
            if column.required:
                self.missing.append(column.name)
            value = sql.text(column.default) if column.default is not None else "NULL"
            return f"CAST({value} AS {_sql_type(column)})", []
        self.used.add(rule.origin)
        value = "file." + sql.name(rule.origin)
        if self.raw.kind == "jsonl" and column.default is not None:
            value = f"coalesce({value}, {sql.text(column.default)})"
        return self._typed(column, value, self.raw.types[rule.origin], rule)

    def _uncached(self, column: Column) -> tuple[str, list[Rule]]:
        """Input that includes cached tokens: the parts are taken from the whole, and may not exceed it."""
        rule = self.origin(WHOLE_INPUT)
        if rule is None:
            self.missing.append(WHOLE_INPUT)
            return "CAST(NULL AS BIGINT)", []
        self.used.add(rule.origin)
        whole, rules = self._typed(
            Column(WHOLE_INPUT, "count", required=True, least=0, most=column.most),
            "file." + sql.name(rule.origin),
            self.raw.types[rule.origin],
            rule,
        )
        parts = [
            self.column(self.table.column(name))[0] for name in ("cached_input_tokens", "cache_write_tokens")
        ]
        rest = f"({whole} - coalesce({parts[0]}, 0) - coalesce({parts[1]}, 0))"
        self.across.append(
            Rule(
                '"uncached_input_tokens" < 0',
                "input_tokens",
                "the parts exceed the whole: more cached than input tokens",
                "this source may count cached tokens apart: set input_includes_cached: false",
            )
        )
        checks = [
            Rule(r.bad.replace('"input_tokens"', f"({whole})"), r.field, r.reason, r.remedy) for r in rules
        ]
        return rest, checks

    def _typed(self, column: Column, value: str, kind: str, rule: ColumnRule) -> tuple[str, list[Rule]]:
        text = kind == "VARCHAR"
        choices = self.mapping.values.get(column.name)
        if choices:
            cases = " ".join(f"WHEN {sql.text(k)} THEN {sql.text(v)}" for k, v in choices.items())
            value, text, kind = (
                f"CASE CAST({value} AS VARCHAR) {cases} ELSE CAST({value} AS VARCHAR) END",
                True,
                "VARCHAR",
            )
        given = f"nullif({value}, '')" if text else value
        expression, malformed, reason, remedy = _cast(
            column, given, kind, rule, self.mapping.time_zone, self.raw
        )
        if rule.scale is not None and column.kind in ("money", "number", "count"):
            expression = f"CAST({expression} * CAST('{rule.scale}' AS DECIMAL(18,9)) AS {_sql_type(column)})"
        typed = sql.name(column.name)
        rules: list[Rule] = []
        if malformed:
            rules.append(
                Rule(
                    f"({given} IS NOT NULL AND ({malformed.replace('{typed}', typed)}))",
                    column.name,
                    reason,
                    remedy,
                )
            )
        rules += _bounds(column, typed, self.now)
        return expression, rules

    def source(self, given: str | None) -> str:
        constant = given or self.mapping.source or self.mapping.constants.get("source")
        if constant is not None:
            self.used.add("source")
            return sql.text(constant)
        rule = self.origin("source")
        if rule is None:
            return sql.text("import")
        self.used.add(rule.origin)
        return f"coalesce(CAST(file.{sql.name(rule.origin)} AS VARCHAR), 'import')"

    def source_id(self, digest: str, row: str) -> str:
        rule = self.origin("source_id")
        if rule is None:
            self.missing.append("source_id")
            return "NULL"
        if rule.origin == ROW_NUMBER and ROW_NUMBER not in self.raw.types:
            return f"{sql.text(digest[:12] + ':')} || CAST({row} AS VARCHAR)"
        self.used.add(rule.origin)
        return f"CAST(file.{sql.name(rule.origin)} AS VARCHAR)"

    def rules_of_the_file(self) -> list[Rule]:
        """What can be wrong with a record before any column is looked at."""
        rules: list[Rule] = []
        if self.raw.kind == "jsonl":
            rules.append(Rule("file._broken", "", "not valid JSON", "fix or remove the line"))
        if self.raw.text is not None and self.raw.text.transcoded:
            rules.append(
                Rule(
                    f"contains({self.raw.raw}, chr(65533))",
                    "",
                    "bytes that are not text in the file's encoding",
                    "give the right --encoding",
                )
            )
        rules.append(
            Rule(
                "source_id IS NULL OR source_id = ''",
                "source_id",
                "missing",
                "every row needs an id that is unique in its source",
            )
        )
        return rules

    def finish_missing(self) -> None:
        if not self.missing:
            return
        near = {name: difflib.get_close_matches(name, list(self.raw.types), 1, 0.6) for name in self.missing}
        hints = [f"{name} (did you mean {found[0]!r}?)" if found else name for name, found in near.items()]
        remedy = "name them in a mapping file (`--mapping`)"
        if "source_id" in self.missing:
            remedy += "; for files without ids, `source_id: row` there, or --row-ids"
        raise InputError(
            f"table {self.table.name} needs columns the file does not have: {', '.join(hints)}",
            where=str(self.raw.path),
            cause=f"columns found: {', '.join(self.raw.types)}"[:500],
            remedy=remedy,
        )

    def ignored(self) -> tuple[str, ...]:
        known = self.used | {"source", "source_id", "batch_id", "version", "day"}
        return tuple(name for name in self.raw.types if name not in known and "." not in name)


def _sql_type(column: Column) -> str:
    return {
        "text": "VARCHAR",
        "choice": "VARCHAR",
        "currency": "VARCHAR",
        "count": "BIGINT",
        "day": "DATE",
        "money": "DECIMAL(28,9)",
        "number": "DECIMAL(28,9)",
        "timestamp": "TIMESTAMPTZ",
        "flag": "BOOLEAN",
    }[column.kind]


def _cast(
    column: Column, value: str, kind: str, rule: ColumnRule, zone: str | None, raw: RawFile
) -> tuple[str, str, str, str]:
    """(typed expression, condition of a malformed value with `{typed}` for the result, reason, remedy)."""
    text = kind == "VARCHAR"
    if column.kind in ("text", "choice", "currency"):
        return (value if text else f"CAST({value} AS VARCHAR)"), "", "", ""
    if column.kind == "count":
        expression = f"TRY_CAST({value} AS BIGINT)"
        # The round trip is cheap and settles nearly every row; only the rest is matched letter by letter.
        check = (
            f"CASE WHEN CAST({{typed}} AS VARCHAR) = {value} THEN false "
            f"ELSE {{typed}} IS NULL OR NOT regexp_full_match({value}, '{_INTEGER}') END"
            if text and rule.scale is None
            else f"{{typed}} IS NULL OR {expression} <> {value}"
            if not text
            else f"{expression} IS NULL"
        )
        return expression, check, "not a whole number", "write digits only, no separators, NaN or decimals"
    if column.kind in ("money", "number"):
        expression = f"TRY_CAST({value} AS DECIMAL(28,9))"
        check = f"{expression} IS NULL" + (
            f" OR NOT regexp_full_match({value}, '{_PLAIN_DECIMAL}')" if text else ""
        )
        return (
            expression,
            check,
            "not a plain decimal number of at most nine decimals",
            "write 1234.50: a point, no thousands separators, no currency sign, no NaN",
        )
    if column.kind == "flag":
        return (
            f"TRY_CAST({value} AS BOOLEAN)",
            f"TRY_CAST({value} AS BOOLEAN) IS NULL",
            "not true or false",
            "write true or false",
        )
    if column.kind == "day":
        check = "{typed} IS NULL" + (f" OR length({value}) <> 10" if text else "")
        return f"TRY_CAST({value} AS DATE)", check, "not a day", "write days as 2024-03-20"
    return _timestamp(column, value, kind, rule, zone, raw)


def _timestamp(
    column: Column, value: str, kind: str, rule: ColumnRule, zone: str | None, raw: RawFile
) -> tuple[str, str, str, str]:
    remedy = "write 2024-03-20T10:00:00+08:00 or give time_zone in the mapping"
    if rule.unit != "iso":
        micros = {"s": "* 1000000", "ms": "* 1000", "us": "", "ns": "/ 1000"}[rule.unit]
        number = f"TRY_CAST({value} AS DECIMAL(38,9))"
        expression = f"TRY(make_timestamptz(CAST(floor({number} {micros}) AS BIGINT)))"
        return (
            expression,
            "{typed} IS NULL",
            f"not a time in {rule.unit} since 1970",
            "check the unit in the mapping",
        )
    if kind == "TIMESTAMP WITH TIME ZONE":
        return value, "", "", ""
    naive_kind = kind.startswith("TIMESTAMP") or kind == "DATE"
    if naive_kind or kind == "VARCHAR":
        if naive_kind and zone is None:
            raise InputError(
                f"column {rule.origin!r} holds times without a time zone",
                where=str(raw.path),
                remedy="say which with `time_zone` in a mapping file, or --time-zone",
            )
        local = f"TRY_CAST({value} AS TIMESTAMP)"
        if kind == "VARCHAR":
            has_zone = (
                f"(right({value}, 1) = 'Z' OR (length({value}) > 13 AND (substr({value}, -6, 1) IN ('+', '-')"
                f" OR substr({value}, -3, 1) IN ('+', '-') OR substr({value}, -5, 1) IN ('+', '-'))))"
            )
            absolute = f"TRY_CAST({value} AS TIMESTAMPTZ)"
            if zone is None:
                return (
                    f"CASE WHEN {has_zone} THEN {absolute} END",
                    "{typed} IS NULL OR NOT isfinite({typed})",
                    "not a time with its time zone",
                    remedy,
                )
        at_zone = f"({local} AT TIME ZONE {sql.text(zone or 'UTC')})"
        bad = "{typed} IS NULL OR NOT isfinite({typed})"
        reason = "not a time"
        if _has_clock_changes(zone or "UTC"):
            back = f"(({at_zone}) AT TIME ZONE {sql.text(zone or 'UTC')})"
            twin = " OR ".join(
                f"((({at_zone}) {sign} INTERVAL 1 HOUR) AT TIME ZONE {sql.text(zone or 'UTC')}) = {local}"
                for sign in "+-"
            )
            clash = f"{back} <> {local} OR {twin}"
            bad += f" OR (NOT {has_zone} AND ({clash}))" if kind == "VARCHAR" else f" OR {clash}"
            reason = "not a time, or one that the clock change skips or repeats"
        if kind == "VARCHAR":
            return f"CASE WHEN {has_zone} THEN {absolute} ELSE {at_zone} END", bad, reason, remedy  # pyright: ignore[reportPossiblyUnboundVariable]
        return at_zone, bad, reason, remedy
    raise InputError(
        f"column {rule.origin!r} is a number, not a time",
        where=str(raw.path),
        remedy=f"say its unit in a mapping file: `{column.name}: {{from: {rule.origin}, unit: ms}}`",
    )


def _has_clock_changes(zone: str) -> bool:
    info: ZoneInfo = time_zone(zone)
    offsets = {
        datetime(year, month, 1, tzinfo=info).utcoffset()
        for year in range(2010, 2031)
        for month in (1, 4, 7, 10)
    }
    return len(offsets) > 1


def _bounds(column: Column, typed: str, now: datetime) -> list[Rule]:
    rules: list[Rule] = []
    if column.required:
        rules.append(Rule(f"{typed} IS NULL", column.name, "missing", "every row needs a value here"))
    if column.choices:
        rules.append(
            Rule(
                f"{typed} NOT IN ({sql.texts(column.choices)})",
                column.name,
                "not one of the known words",
                f"use {', '.join(column.choices)}, or translate with `values` in a mapping",
            )
        )
    if column.kind == "currency":
        rules.append(
            Rule(
                f"{typed} NOT IN ({sql.texts(MINOR_UNITS)})",
                column.name,
                "unknown currency",
                "use an ISO 4217 code such as CNY or USD",
            )
        )
    if column.least is not None:
        word = "negative" if column.least == 0 else f"below {column.least:,}"
        remedy = "amounts are positive; `kind` says refund" if column.kind == "money" else "check the export"
        rules.append(Rule(f"{typed} < {column.least}", column.name, word, remedy))
    if column.most is not None:
        rules.append(
            Rule(f"{typed} > {column.most}", column.name, f"absurd: above {column.most:,}", "check the unit")
        )
    if column.kind in ("timestamp", "day"):
        cast = "TIMESTAMPTZ" if column.kind == "timestamp" else "DATE"
        early = f"CAST('{EARLIEST.isoformat() if column.kind == 'timestamp' else EARLIEST.date()}' AS {cast})"
        late_moment = now + _CLOCK_SKEW if column.past else datetime(2200, 1, 1, tzinfo=UTC)
        late = f"CAST('{late_moment.isoformat() if column.kind == 'timestamp' else late_moment.date()}' AS {cast})"
        rules.append(
            Rule(
                f"{typed} < {early} OR {typed} > {late}",
                column.name,
                "an impossible time: before 2010 or in the future",
                "check the unit and the time zone",
            )
        )
    return rules
