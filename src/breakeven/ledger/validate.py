"""Raw columns in, typed columns and one located problem per bad row out: the rules of the tables as SQL.

For every ledger column there is one expression that types it and a list of conditions that are true for a
bad row. The first condition that holds names the row's problem; the row is then quarantined, never mended.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from breakeven.engine import sql
from breakeven.errors import InputError
from breakeven.ledger.cells import SQL_TYPES, cell
from breakeven.ledger.instants import CLOCK_SKEW, EARLIEST, LATEST
from breakeven.ledger.mapping import ROW_NUMBER, WHOLE_INPUT, ColumnRule, Mapping
from breakeven.ledger.raw_files import BROKEN, ROW, RawFile
from breakeven.ledger.tables import Column, LedgerTable
from breakeven.money import MINOR_UNITS

_RAW_CHARACTERS = 2000
_SAID = "__said__"


@dataclass(frozen=True)
class Rule:
    """A condition that is true for a bad row, and what to tell about it."""

    bad: str
    field: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Validated:
    """SQL of the typed rows of a file.

    `checked` has the columns of the table, `source`, `source_id`, `day` where the table is cut in days,
    `_problem` (NULL for a good row, else the number of the rule it breaks) and `_raw` (of a bad row); for
    Parquet also `_row`. `typed` is the same without looking at the rules, for a file known to be good.
    When `ids_by_row`, the file has no ids and `source_id` is NULL: the record's number has to stand in.
    `ignored` are file columns that no ledger column reads.
    """

    checked: str
    typed: str
    rules: tuple[Rule, ...]
    ignored: tuple[str, ...]
    ids_by_row: bool


def validate(
    raw: RawFile, table: LedgerTable, mapping: Mapping, *, source: str | None, zone: str, now: datetime
) -> Validated:
    """Build the typed relation of a raw file. Raises `InputError` when required columns are missing.

    `zone` is the books' time zone, in which days are cut; `now` bounds the times of things past.
    """
    builder = _Builder(raw, table, mapping, now)
    cells = [(column, *builder.column(column)) for column in table.columns]
    source_sql, id_sql, revision_sql = builder.source(source), builder.source_id(), builder.revision()
    builder.finish_missing()
    # Conditions within one column come before conditions across columns.
    rules = builder.rules_of_the_record()
    rules += [rule for _, _, column_rules in cells for rule in column_rules]
    rules += builder.across + [Rule(*rule) for rule in table.rules]
    if layout := mapping.layout:
        rules += [
            Rule(layout.filled(check.bad), check.field, check.reason, check.remedy) for check in layout.checks
        ]
    values = ", ".join(f"{typed} AS {sql.name(column.name)}" for column, typed, _ in cells)
    row = f", file.{ROW} AS _row" if raw.kind == "parquet" else ""
    # `file` carries the raw record along as one value: a rule reads `file."x"` raw and "x" typed.
    record = f"{revision_sql} AS revision, {source_sql} AS source, {id_sql} AS source_id{row}"
    record += _part(mapping, raw.types)
    relation, said = f"{raw.relation} AS file", ""
    if builder.said:
        # What a layout computes is computed once, not again for every rule that looks at it.
        computed = ", ".join(f"{expression} AS {name}" for name, expression in builder.said.items())
        relation = f"(SELECT file, {computed}, {record} FROM {relation})"
        said = "".join(f", {name}" for name in builder.said)
        record = f"* EXCLUDE (file{said})"
    inner = f"SELECT file{said}, {values}, {record} FROM {relation}"
    cases = " ".join(f"WHEN {rule.bad} THEN {number}" for number, rule in enumerate(rules))
    problem = f"CAST(CASE {cases} END AS SMALLINT)"
    raw_text = f"CASE WHEN _problem IS NOT NULL THEN left({raw.raw}, {_RAW_CHARACTERS}) END"
    day = _day(table, zone)
    outer = (
        "SELECT * EXCLUDE (file{said}), {raw} AS _raw{day} "
        "FROM (SELECT *, {problem} AS _problem FROM ({inner}))"
    )
    return Validated(
        outer.format(said=said, raw=raw_text, day=day, problem=problem, inner=inner),
        outer.format(
            said=said, raw="CAST(NULL AS VARCHAR)", day=day, problem="CAST(NULL AS SMALLINT)", inner=inner
        ),
        tuple(rules),
        builder.ignored(),
        builder.ids_by_row,
    )


KEPT, OTHER, SKIPPED = 0, 1, 2
"""Whose a record of a file for several tables is: this table's, another's, nobody's."""


def _part(mapping: Mapping, columns: Collection[str]) -> str:
    """SQL of `_part` for a layout that does not take every record."""
    layout = mapping.layout
    if layout is None and mapping.skip:
        skipped = _left_out(mapping, columns)
        return f", CAST(CASE WHEN {skipped} THEN {SKIPPED} ELSE {KEPT} END AS TINYINT) AS _part"
    if layout is None or not (layout.kept or layout.skipped):
        return ""
    skipped = f"WHEN {layout.skipped} THEN {SKIPPED} " if layout.skipped else ""
    return f", CAST(CASE {skipped}WHEN {layout.kept} THEN {KEPT} ELSE {OTHER} END AS TINYINT) AS _part"


def _left_out(mapping: Mapping, columns: Collection[str]) -> str:
    """SQL that is true for a record that a mapping file leaves out by the words in a column."""
    found = {name: words for name, words in mapping.skip.items() if name in columns}
    if not found:
        raise InputError(
            f"the mapping skips by column {', '.join(mapping.skip)}, which the file does not have",
            cause=f"columns: {', '.join(columns)}"[:500],
        )
    said = {name: f"trim(CAST(file.{sql.name(name)} AS VARCHAR), ' \t')" for name in found}
    return " OR ".join(
        f"coalesce({said[name]} IN ({sql.texts(words)}), false)" for name, words in found.items()
    )


def _day(table: LedgerTable, zone: str) -> str:
    """The partition of a good row. A bad row's time may be one that has no day in the zone."""
    if not table.partitioned or table.clock == "day":
        return ""
    local = f"{sql.name(table.clock)} AT TIME ZONE {sql.text(zone)}"
    return f", CASE WHEN _problem IS NULL THEN CAST(({local}) AS DATE) END AS day"


class _Builder:
    """Builds the expression and the rules of each column; remembers what the file lacks.

    `said` holds what a layout computes, as text, under the names that the typed values read it by.
    """

    def __init__(self, raw: RawFile, table: LedgerTable, mapping: Mapping, now: datetime) -> None:
        self.raw, self.table, self.mapping, self.now = raw, table, mapping, now
        self.used: set[str] = set()
        self.missing: list[str] = []
        self.across: list[Rule] = []
        self.said: dict[str, str] = {}
        self.ids_by_row = False

    def origin(self, name: str, *, required: bool = False) -> ColumnRule | None:
        """Where a ledger column comes from in this file, if anywhere."""
        rule = self.mapping.columns.get(name)
        if rule is not None and rule.expression:
            return rule
        if self.mapping.layout is not None:
            return None
        rule = rule.found_in(self.raw.types) if rule else None
        if rule is None:
            absent = name not in self.raw.types or (required and name in self.raw.sometimes)
            rule = None if absent else ColumnRule(name)
        elif rule.origin not in self.raw.types and (name, rule.origin) != ("source_id", ROW_NUMBER):
            near = difflib.get_close_matches(rule.origin, list(self.raw.types), 1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise InputError(
                f"the mapping names column {rule.origin!r}, which the file does not have{hint}",
                where=str(self.raw.path),
                cause=f"columns: {', '.join(self.raw.types)}"[:500],
            )
        if rule is not None:
            self.used.add(rule.origin)
        return rule

    def column(self, column: Column) -> tuple[str, list[Rule]]:
        """The typed value of a column and the rules it must keep."""
        constant = self.mapping.constants.get(column.name)
        if constant is not None:
            return self._typed(column, sql.text(constant), "VARCHAR", ColumnRule(column.name))
        if column.name == "uncached_input_tokens" and self.mapping.input_includes_cached:
            return self._uncached(column)
        rule = self.origin(column.name, required=column.required)
        if rule is None:
            if column.required:
                self.missing.append(column.name)
            value = sql.text(column.default) if column.default is not None else "NULL"
            return f"CAST({value} AS {SQL_TYPES[column.kind]})", []
        if rule.expression:
            value = rule.expression
            if column.default is not None:
                value = f"coalesce({value}, {sql.text(column.default)})"
            return self._typed(column, value, "VARCHAR", rule)
        value = "file." + sql.name(rule.origin)
        if self.raw.kind == "jsonl" and column.default is not None:
            value = f"coalesce({value}, {sql.text(column.default)})"
        return self._typed(column, value, self.raw.types[rule.origin], rule)

    def _uncached(self, column: Column) -> tuple[str, list[Rule]]:
        """Input that includes cached tokens: the parts are taken from the whole, and may not exceed it."""
        rule = self.origin(WHOLE_INPUT, required=True)
        if rule is None:
            self.missing.append(WHOLE_INPUT)
            return "CAST(NULL AS BIGINT)", []
        whole, rules = self._typed(
            Column(WHOLE_INPUT, "count", required=True, least=0, most=column.most),
            rule.expression or "file." + sql.name(rule.origin),
            "VARCHAR" if rule.expression else self.raw.types[rule.origin],
            rule,
        )
        parts = [
            self.column(self.table.column(name))[0] for name in ("cached_input_tokens", "cache_write_tokens")
        ]
        self.across.append(
            Rule(
                f"{sql.name(column.name)} < 0",
                WHOLE_INPUT,
                "the parts exceed the whole: more cached than input tokens",
                "this source may count cached tokens apart: set input_includes_cached: false",
            )
        )
        # The whole is no column of the table, so a rule's name for it becomes its expression; a field of the
        # record that bears the same name (`file."input_tokens"`) stays one.
        named = re.compile(rf"(?<!file\.){re.escape(sql.name(WHOLE_INPUT))}")
        checks = [Rule(named.sub(lambda _: f"({whole})", r.bad), r.field, r.reason, r.remedy) for r in rules]
        # Wider than a count, so that absurd parts cannot overflow before a rule sees them.
        rest = " - ".join([f"CAST({whole} AS HUGEINT)", *(f"coalesce({part}, 0)" for part in parts)])
        return f"TRY_CAST({rest} AS BIGINT)", checks

    def _typed(self, column: Column, value: str, kind: str, rule: ColumnRule) -> tuple[str, list[Rule]]:
        choices = self.mapping.values.get(column.name)
        if choices:
            cases = " ".join(f"WHEN {sql.text(k)} THEN {sql.text(v)}" for k, v in choices.items())
            value = f"CAST({value} AS VARCHAR)"
            value, kind = f"CASE {value} {cases} ELSE {value} END", "VARCHAR"
        if kind == "VARCHAR":
            value = f"nullif({value}, '')"
        if rule.expression:
            name = sql.name(_SAID + column.name)
            self.said[name], value = value, name
        found = cell(column, value, kind, rule, self.mapping.time_zone, str(self.raw.path))
        rules: list[Rule] = []
        if found.malformed:
            bad = f"({value} IS NOT NULL AND ({found.malformed}))"
            rules.append(Rule(bad, column.name, found.reason, found.remedy))
        return found.typed, rules + _bounds(column, self.now)

    def source(self, given: str | None) -> str:
        """The name of the system the rows come from."""
        constant = given or self.mapping.source or self.mapping.constants.get("source")
        rule = self.origin("source")
        if constant is not None:
            return sql.text(constant)
        if rule is None:
            return sql.text("import")
        return f"coalesce(nullif(CAST(file.{sql.name(rule.origin)} AS VARCHAR), ''), 'import')"

    def source_id(self) -> str:
        """The row's own name within its source."""
        said = self.mapping.columns.get("source_id")
        if said is not None and said.joined:
            return self._joined(said)
        rule = self.origin("source_id", required=True)
        if rule is not None and rule.expression:
            return f"CAST({rule.expression} AS VARCHAR)"
        if rule is None:
            self.missing.append("source_id")
        elif rule.origin == ROW_NUMBER and ROW_NUMBER not in self.raw.types:
            self.ids_by_row = True
        else:
            return f"CAST(file.{sql.name(rule.origin)} AS VARCHAR)"
        return "CAST(NULL AS VARCHAR)"

    def _joined(self, rule: ColumnRule) -> str:
        """An id of several columns; NULL where one of them says nothing."""
        found = [next((name for name in names if name in self.raw.types), None) for names in rule.joined]
        if None in found:
            lacking = ", ".join(names[0] for names, name in zip(rule.joined, found, strict=True) if not name)
            raise InputError(
                f"the mapping joins ids of {lacking}, which the file does not have",
                where=str(self.raw.path),
                cause=f"columns: {', '.join(self.raw.types)}"[:500],
            )
        self.used.update(name for name in found if name)
        return " || ':' || ".join(
            f"nullif(CAST(file.{sql.name(name)} AS VARCHAR), '')" for name in found if name
        )

    def revision(self) -> str:
        """When the source last changed the row, as a number that grows; NULL where it does not say."""
        rule = self.mapping.columns.get("revision")
        if rule is not None and rule.expression:
            return f"TRY_CAST({rule.expression} AS BIGINT)"
        if self.mapping.layout is None and "revision" in self.raw.types:
            self.used.add("revision")
            return "TRY_CAST(file.revision AS BIGINT)"
        return "CAST(NULL AS BIGINT)"

    def rules_of_the_record(self) -> list[Rule]:
        """What can be wrong with a record before any column is looked at."""
        rules: list[Rule] = []
        if self.raw.kind == "jsonl":
            rules.append(Rule(f"file.{BROKEN}", "", "not a JSON object", "fix or remove the line"))
        if not self.ids_by_row:
            remedy = "every row needs an id that is unique in its source"
            rules.append(Rule("coalesce(source_id, '') = ''", "source_id", "missing", remedy))
        return rules

    def finish_missing(self) -> None:
        """Raise `InputError` when the file lacks a column that every row needs."""
        if not self.missing:
            return
        unread = [name for name in self.raw.types if name not in self.used]
        near = {name: difflib.get_close_matches(name, unread, 1, 0.6) for name in self.missing}
        similar = ", ".join(f"{name} ~ {found[0]}" for name, found in near.items() if found)
        remedy = "name them in a mapping file (`--mapping`)"
        if "source_id" in self.missing:
            remedy += "; for files without ids, write `source_id: row` there"
        found = ", ".join(name for name in self.raw.types if name not in self.raw.sometimes)
        cause = f"similar names: {similar}; columns found: {found}" if similar else f"columns found: {found}"
        raise InputError(
            f"table {self.table.name} needs columns the file does not have: {', '.join(self.missing)}",
            where=str(self.raw.path),
            cause=cause[:500],
            remedy=remedy,
        )

    def ignored(self) -> tuple[str, ...]:
        """Columns of the file that nothing reads; of a nested JSON object, only the whole."""
        if self.mapping.layout is not None:
            return ()  # a system's own format holds much that is not for books
        ours = {"source", "source_id", "batch_id", "version", "day", *self.raw.sometimes, *self.used}
        ours |= set(self.mapping.skip)
        outer = {name.split(".")[0] for name in self.used if "." in name}
        return tuple(name for name in self.raw.types if name not in ours | outer and "." not in name)


def _bounds(column: Column, now: datetime) -> list[Rule]:
    """The rules of a column's own declaration."""
    typed = sql.name(column.name)

    def rule(bad: str, reason: str, remedy: str) -> Rule:
        return Rule(bad, column.name, reason, remedy)

    rules: list[Rule] = []
    if column.required:
        rules.append(rule(f"{typed} IS NULL", "missing", "every row needs a value here"))
    if column.choices:
        rules.append(
            rule(
                f"{typed} NOT IN ({sql.texts(column.choices)})",
                "not one of the known words",
                f"use {', '.join(column.choices)}, or translate with `values` in a mapping",
            )
        )
    if column.kind == "currency":
        known = f"{typed} NOT IN ({sql.texts(MINOR_UNITS)})"
        rules.append(rule(known, "unknown currency", "use an ISO 4217 code such as CNY or USD"))
    if column.least is not None:
        reason = "negative" if column.least == 0 else f"below {column.least:,}"
        remedy = "check the export"
        if column.kind == "money":
            remedy = "amounts are positive; `kind` says refund" if column.least == 0 else "check the unit"
        rules.append(rule(f"{typed} < {column.least}", reason, remedy))
    if column.most is not None:
        rules.append(rule(f"{typed} > {column.most}", f"absurd: above {column.most:,}", "check the unit"))
    if column.kind in ("timestamp", "day"):
        latest = now + CLOCK_SKEW if column.past else LATEST
        outside = " OR ".join(
            f"{typed} {sign} CAST('{moment.isoformat()}' AS {SQL_TYPES[column.kind]})"
            for sign, moment in (("<", EARLIEST), (">", latest))
        )
        reason = f"an impossible time: before 2010 or {'in the future' if column.past else 'after 2200'}"
        rules.append(rule(outside, reason, "check the unit and the time zone"))
    return rules
