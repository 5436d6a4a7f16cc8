"""One cell: how raw text or a raw typed value becomes a ledger value, and when it is malformed."""

from __future__ import annotations

from dataclasses import dataclass

from breakeven.engine import sql
from breakeven.errors import InputError
from breakeven.ledger.instants import clock_jumps
from breakeven.ledger.mapping import ColumnRule
from breakeven.ledger.tables import Column, Kind

_INTEGER = "[+-]?[0-9]{1,18}"
_PLAIN_DECIMAL = r"[+-]?([0-9]+(\.[0-9]{0,9}0*)?|\.[0-9]{1,9}0*)"
# A clock time and its offset at the end: a date's own minus signs do not count.
_HAS_OFFSET = r":[0-9]{2}([.,][0-9]+)? ?(Z|z|UTC|[+-][0-9]{2}(:?[0-9]{2})?)$"
_MICROSECONDS = {
    "s": "{} * 1000000",
    "ms": "{} * 1000",
    "us": "{}",
    "ns": "CAST(floor({}) AS HUGEINT) // 1000",
}
_WHOLE_KINDS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_FLOATS = ("FLOAT", "DOUBLE")

SQL_TYPES: dict[Kind, str] = {
    "text": "VARCHAR",
    "choice": "VARCHAR",
    "currency": "VARCHAR",
    "count": "BIGINT",
    "day": "DATE",
    "money": "DECIMAL(28,9)",
    "number": "DECIMAL(28,9)",
    "timestamp": "TIMESTAMPTZ",
    "flag": "BOOLEAN",
}


@dataclass(frozen=True)
class Cell:
    """SQL of a typed value, and of the condition under which a value that is there is `malformed`.

    The condition is empty when the type alone settles it; `reason` and `remedy` go with it.
    """

    typed: str
    malformed: str = ""
    reason: str = ""
    remedy: str = ""


def cell(column: Column, value: str, kind: str, rule: ColumnRule, zone: str | None, where: str) -> Cell:
    """The cell of a ledger column whose raw value (SQL) has the engine type `kind`.

    In `malformed` the typed value goes by the column's name. Raises `InputError` when no value of that
    type can be read without knowing more: times without a zone, numbers for times.
    """
    typed = sql.name(column.name)
    if column.kind in ("text", "choice", "currency"):
        return Cell(value if kind == "VARCHAR" else f"CAST({value} AS VARCHAR)")
    if column.kind == "count":
        return _scaled(column, value, kind, rule) if rule.scale is not None else _count(typed, value, kind)
    if column.kind in ("money", "number"):
        return _scaled(column, value, kind, rule) if rule.scale is not None else _money(typed, value, kind)
    if column.kind == "flag":
        return Cell(
            f"TRY_CAST({value} AS BOOLEAN)", f"{typed} IS NULL", "not true or false", "write true or false"
        )
    if column.kind == "day":
        shape = f" OR length({value}) <> 10" if kind == "VARCHAR" else ""
        return Cell(
            f"TRY_CAST({value} AS DATE)", f"{typed} IS NULL{shape}", "not a day", "write days as 2024-03-20"
        )
    return _instant(typed, value, kind, rule, zone, where)


def _count(typed: str, value: str, kind: str) -> Cell:
    if kind in _WHOLE_KINDS:
        return Cell(f"CAST({value} AS BIGINT)")
    if kind == "VARCHAR":
        # The round trip is cheap and settles nearly every row; only the rest is matched letter by letter.
        malformed = (
            f"CASE WHEN CAST({typed} AS VARCHAR) = {value} THEN false "
            f"ELSE {typed} IS NULL OR NOT regexp_full_match({value}, '{_INTEGER}') END"
        )
    else:
        malformed = f"{typed} IS NULL OR {typed} <> {value}"
    return Cell(
        f"TRY_CAST({value} AS BIGINT)",
        malformed,
        "not a whole number",
        "write digits only: no separators, decimals or NaN",
    )


_DECIMAL_REASON = "not a plain decimal number of at most nine decimals"
_DECIMAL_REMEDY = "write 1234.50: a point, no thousands separators, no currency sign, no NaN"


def _exact(value: str, kind: str) -> str:
    """A number as an exact decimal. A binary float means the shortest decimal that reads back to it."""
    text = f"CAST({value} AS VARCHAR)" if kind in _FLOATS else value
    return f"TRY_CAST({text} AS DECIMAL(28,9))"


def _lost_digits(exact: str, value: str, kind: str) -> str:
    """True where the exact decimal is not what the value says."""
    if kind == "VARCHAR":
        return f" OR NOT regexp_full_match({value}, '{_PLAIN_DECIMAL}')"
    return f" OR {exact} <> {value}" if kind.startswith("DECIMAL") else ""


def _money(typed: str, value: str, kind: str) -> Cell:
    malformed = f"{typed} IS NULL{_lost_digits(typed, value, kind)}"
    return Cell(_exact(value, kind), malformed, _DECIMAL_REASON, _DECIMAL_REMEDY)


def _scaled(column: Column, value: str, kind: str, rule: ColumnRule) -> Cell:
    """A value in another unit (cents, thousands of tokens): exact, and refused when digits would be lost."""
    typed, exact = sql.name(column.name), _exact(value, kind)
    product = f"TRY({exact} * CAST('{rule.scale}' AS DECIMAL(18,9)))"
    return Cell(
        f"TRY_CAST({product} AS {SQL_TYPES[column.kind]})",
        f"{typed} IS NULL OR {typed} <> {product}{_lost_digits(exact, value, kind)}",
        f"{_DECIMAL_REASON}, or not one after the scale of {rule.scale}",
        f"{_DECIMAL_REMEDY}; check `scale` in the mapping",
    )


def _instant(typed: str, value: str, kind: str, rule: ColumnRule, zone: str | None, where: str) -> Cell:
    if rule.unit != "iso":
        number = f"TRY_CAST({value} AS DECIMAL(38,9))"
        return Cell(
            f"TRY(make_timestamptz(CAST(floor({_MICROSECONDS[rule.unit].format(number)}) AS BIGINT)))",
            f"{typed} IS NULL",
            f"not a time in {rule.unit} since 1970",
            "check the unit in the mapping",
        )
    if kind.endswith("WITH TIME ZONE") or kind.startswith("TIMESTAMPTZ"):
        return Cell(f"CAST({value} AS TIMESTAMPTZ)")
    if kind == "VARCHAR":
        return _written_instant(typed, value, zone)
    if kind.startswith("TIMESTAMP") or kind == "DATE":
        if zone is None:
            raise InputError(
                f"column {rule.origin!r} holds times without a time zone",
                where=where,
                remedy="say which with `time_zone: Asia/Shanghai` in a mapping file",
            )
        local = f"CAST({value} AS TIMESTAMP)"
        clash = _clash(local, zone)
        return Cell(
            f"TRY({local} AT TIME ZONE {sql.text(zone)})",
            f"{typed} IS NULL{f' OR {clash}' if clash else ''}",
            "a time that the clock change skips or repeats" if clash else "not a time",
            "give the time with its offset from UTC",
        )
    raise InputError(
        f"column {rule.origin!r} is a number, not a time",
        where=where,
        remedy=f"say its unit in a mapping file: `{typed[1:-1]}: {{from: {rule.origin}, unit: ms}}`",
    )


def _written_instant(typed: str, value: str, zone: str | None) -> Cell:
    has_offset = f"regexp_matches({value}, '{_HAS_OFFSET}')"
    absolute = f"TRY_CAST({value} AS TIMESTAMPTZ)"
    malformed = f"{typed} IS NULL OR NOT isfinite({typed})"
    if zone is None:
        return Cell(
            f"CASE WHEN {has_offset} THEN {absolute} END",
            malformed,
            "not a time with its offset from UTC",
            "write 2024-03-20T10:00:00+08:00, or say `time_zone` in a mapping file",
        )
    local = f"TRY_CAST({value} AS TIMESTAMP)"
    clash = _clash(local, zone)
    return Cell(
        f"CASE WHEN {has_offset} THEN {absolute} ELSE TRY({local} AT TIME ZONE {sql.text(zone)}) END",
        malformed + (f" OR (NOT {has_offset} AND {clash})" if clash else ""),
        "not a time" + (", or one that the clock change skips or repeats" if clash else ""),
        "write 2024-03-20T10:00:00+08:00: with its offset a time is never ambiguous",
    )


def _clash(local: str, zone: str) -> str:
    """True of a local time that the zone skips (it reads back otherwise) or repeats (another instant too)."""
    name = sql.text(zone)

    def read_back(seconds: int) -> str:
        return f"TRY((({local} AT TIME ZONE {name}) + INTERVAL ({seconds}) SECOND) AT TIME ZONE {name})"

    jumps = clock_jumps(zone)
    if not jumps:
        return ""
    twins = [f"{read_back(sign * jump)} = {local}" for jump in jumps for sign in (1, -1)]
    return f"({' OR '.join([f'{read_back(0)} IS DISTINCT FROM {local}', *twins])})"
