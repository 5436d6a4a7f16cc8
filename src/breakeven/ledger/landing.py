"""One file on its way in: opened, typed, validated and counted, as views and tables of an engine.

Text is parsed once into a temporary Parquet file; a Parquet input is used where it lies. Afterwards the
engine holds

- `incoming`: the typed rows, with `_row` (their number among the records read) and `_problem`,
- `keys`: a 64-bit hash of (source, source_id) of every good row, its day, and of usage a hash of the
  provider's response id,
- `problems`: row, field, reason, remedy and text of every record that cannot be booked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from breakeven.engine import sql
from breakeven.engine.duckdb import DuckDBEngine
from breakeven.errors import InputError, NoRecords
from breakeven.ledger.mapping import Mapping
from breakeven.ledger.pseudonyms import Pseudonyms
from breakeven.ledger.raw_files import RawFile, count_refused, keep_rejected, open_raw
from breakeven.ledger.tables import LedgerTable
from breakeven.ledger.text_files import blank_lines
from breakeven.ledger.validate import KEPT, SKIPPED, Validated, validate

NOTHING_HAPPENED = "check the export; if nothing happened then, say so: `--covers PERIOD`"
KEY = "hash(source, source_id)"
RESPONSE = "CASE WHEN response_id IS NOT NULL THEN hash(provider, response_id) END"


@dataclass(frozen=True)
class Landed:
    """What a file holds: records read, records that cannot be booked, and the days of the good ones.

    `day_count` is on how many different days good rows begin. `skipped` records are no rows of any table.
    """

    rows_read: int
    quarantined: int
    first_day: date | None
    last_day: date | None
    day_count: int
    ignored_columns: tuple[str, ...]
    skipped: int = 0

    @property
    def good(self) -> int:
        """Rows that can be booked."""
        return self.rows_read - self.quarantined


def land(
    engine: DuckDBEngine,
    path: Path,
    table: LedgerTable,
    mapping: Mapping,
    *,
    source: str | None,
    digest: str,
    zone: str,
    workspace: Path,
    pseudonyms: Pseudonyms | None = None,
    may_be_empty: bool = False,
) -> Landed:
    """Bring a file into an engine; see the module for what the engine then holds.

    With `pseudonyms`, no id of a user is in any of it.

    Raises `InputError` when the file as a whole cannot be used.
    """
    # The optimiser believes a Parquet file's statistics, which say nothing of NaN: it would prove from them
    # that every value can be cast, and a check for what cannot be cast would find nothing.
    engine.execute("SET disabled_optimizers = 'statistics_propagation'")
    try:
        optional = [column.name for column in table.columns if not column.required]
        raw = open_raw(engine, path, mapping, workspace, [*optional, "source"])
        validated = validate(raw, table, mapping, source=source, zone=zone, now=datetime.now(UTC))
        relation, typed = validated.checked, validated.typed
        if pseudonyms is not None:
            relation, typed = (pseudonyms.applied(engine, one, table) for one in (relation, typed))
        if raw.kind != "parquet":
            relation = typed = _parsed(engine, relation, workspace / "landed.parquet")
        layout = mapping.layout
        records, skipped = relation, 0
        leaves_out = bool(layout.skipped if layout else mapping.skip)
        if leaves_out or (layout is not None and layout.kept):
            if leaves_out:
                [(skipped,)] = engine.rows(f"SELECT count(*) FROM ({relation}) WHERE _part = {SKIPPED}")
            relation, typed = (
                f"SELECT * EXCLUDE (_part) FROM ({one}) WHERE _part = {KEPT}" for one in (relation, typed)
            )
        rejected = keep_rejected(engine, raw, is_ours=layout is None or layout.is_rest)
        if pseudonyms is not None:
            engine.execute("UPDATE rejected SET raw = ''")
        if raw.claimed is not None:
            _refuse_if_cut_off(engine, records, raw)
        ids = f"{sql.text(digest[:12] + ':')} || CAST(_row AS VARCHAR)" if validated.ids_by_row else None
        _name_incoming(engine, relation, ids)
        read, good, first, last, days = _count_keys(engine, table, zone)
        if not (read or rejected or skipped or may_be_empty):
            _refuse_if_empty(engine, records)
        if read > good or rejected:
            _name_problems(engine, raw, validated)
        else:
            # Nothing to look for: from here on the rows are read without the conditions.
            _name_incoming(engine, typed, ids)
            engine.execute("CREATE VIEW problems AS SELECT * FROM rejected")
    except InputError as error:
        if error.where:
            raise
        # Of its own kind, so that whoever asked for it can tell an empty file.
        raise type(error)(error.what, where=str(path), cause=error.cause, remedy=error.remedy) from error
    quarantined = read - good + rejected
    return Landed(read + rejected, quarantined, first, last, days, validated.ignored, skipped)


def _refuse_if_cut_off(engine: DuckDBEngine, records: str, raw: RawFile) -> None:
    """Raise `InputError` for a file with fewer records than it claims, those the reader refused included."""
    claimed = raw.claimed or 0
    [(read,)] = engine.rows(f"SELECT count(*) FROM ({records})")
    read += count_refused(engine, raw)
    if read < claimed:
        raise InputError(
            f"the file says it holds {claimed:,} records, but {read:,} are in it; nothing was imported",
            cause="the download was cut off, or lines were removed",
            remedy="fetch the file again",
        )


def _refuse_if_empty(engine: DuckDBEngine, records: str) -> None:
    if not engine.rows(f"SELECT 1 FROM ({records}) LIMIT 1"):
        raise NoRecords("the file holds no record", remedy=NOTHING_HAPPENED)


def land_nothing(engine: DuckDBEngine, table: LedgerTable) -> Landed:
    """What an engine holds after landing a file without a record."""
    engine.view("nothing", [], table.schema, None)
    instants = "".join(
        f", {sql.name(column.name)} AT TIME ZONE 'UTC' AS {sql.name(column.name)}"
        for column in table.columns
        if column.kind == "timestamp"
    )
    chosen = f"* REPLACE ({instants[2:]})" if instants else "*"
    engine.execute(
        f"CREATE VIEW incoming AS SELECT {chosen}, CAST(NULL AS BIGINT) AS _row, "
        "CAST(NULL AS SMALLINT) AS _problem FROM nothing"
    )
    response = f", {RESPONSE} AS response" if names_responses(table) else ""
    engine.execute(
        f"CREATE TEMP TABLE keys AS SELECT {KEY} AS key, CAST(NULL AS DATE) AS first_day{response} "
        "FROM nothing"
    )
    texts = ", ".join(f"CAST(NULL AS VARCHAR) AS {name}" for name in ("field", "reason", "remedy", "raw"))
    engine.execute(f'CREATE VIEW problems AS SELECT CAST(NULL AS BIGINT) AS "row", {texts} WHERE false')
    return Landed(0, 0, None, None, 0, ())


def _parsed(engine: DuckDBEngine, relation: str, target: Path) -> str:
    """Text parsed once into Parquet, in the order of the file: a row's place there is its number."""
    engine.execute("SET preserve_insertion_order = true")
    engine.execute(f"COPY ({relation}) TO {sql.text(str(target))} (FORMAT parquet, COMPRESSION lz4_raw)")
    engine.execute("SET preserve_insertion_order = false")
    return (
        f"SELECT * EXCLUDE (file_row_number), file_row_number + 1 AS _row FROM "
        f"read_parquet({sql.text(str(target))}, file_row_number = true, hive_partitioning = false)"
    )


def _name_incoming(engine: DuckDBEngine, relation: str, ids: str | None) -> None:
    chosen = f"* REPLACE ({ids} AS source_id)" if ids else "*"
    engine.execute(f"CREATE OR REPLACE VIEW incoming AS SELECT {chosen} FROM ({relation})")


def _count_keys(engine: DuckDBEngine, table: LedgerTable, zone: str) -> tuple[int, int, date, date, int]:
    """One pass over the file: keys of the good rows; rows, good rows, first and last day, days."""
    first, last = _days(table, zone)
    last_column = "" if last == first else f", {last} AS last_day"
    response = f", {RESPONSE} AS response" if names_responses(table) else ""
    engine.execute(
        f"CREATE TEMP TABLE keys AS SELECT CASE WHEN _problem IS NULL THEN {KEY} END AS key, "
        f"{first} AS first_day{last_column}{response} FROM incoming"
    )
    [counted] = engine.rows(
        "SELECT count(*), count(key), min(first_day) FILTER (key IS NOT NULL), "
        f"max({'last_day' if last_column else 'first_day'}) FILTER (key IS NOT NULL), "
        "count(DISTINCT first_day) FILTER (key IS NOT NULL) FROM keys"
    )
    return counted


def names_responses(table: LedgerTable) -> bool:
    """Whether rows of a table may carry a provider's response id."""
    return any(column.name == "response_id" for column in table.columns)


def _days(table: LedgerTable, zone: str) -> tuple[str, str]:
    """SQL of the first and the last day a row tells of."""
    clock = table.column(table.clock)
    if clock.kind == "day":
        first = sql.name(clock.name)
    elif table.partitioned:
        first = "day"
    else:
        first = f"CAST(({sql.name(clock.name)} AT TIME ZONE {sql.text(zone)}) AS DATE)"
    # An end is exclusive: the first day that no longer belongs to the row.
    return first, f"CAST({sql.name(table.end)} - 1 AS DATE)" if table.end else first


def _name_problems(engine: DuckDBEngine, raw: RawFile, validated: Validated) -> None:
    """Join the reader's refusals and the rules' findings, both under the record's number in the file."""
    engine.execute(
        "CREATE TEMP TABLE rules AS SELECT * FROM (VALUES "
        + ", ".join(
            f"({number}, {sql.texts((rule.field, rule.reason, rule.remedy))})"
            for number, rule in enumerate(validated.rules)
        )
        + ") AS rule (number, field, reason, remedy)"
    )
    blank: list[int] = []
    if raw.text is not None:
        blank = blank_lines(raw.text.path, quoted=raw.kind == "csv")
    skipped = 'SELECT "row" FROM rejected'
    if blank:
        lines = ", ".join(str(line - raw.header_lines) for line in blank)
        skipped += f" UNION SELECT unnest([{lines}])"
    # A row that was read stands after as many skipped lines as have fewer read rows before them.
    engine.execute(
        'CREATE TEMP TABLE skipped AS SELECT "row" - place AS read_before, max(place) AS place FROM '
        f'(SELECT "row", row_number() OVER (ORDER BY "row") AS place FROM ({skipped})) GROUP BY 1'
    )
    engine.execute(
        "CREATE TEMP TABLE found AS SELECT _row, _problem, _raw FROM incoming WHERE _problem IS NOT NULL"
    )
    engine.execute(
        'CREATE VIEW problems AS SELECT _row + coalesce(place, 0) AS "row", field, reason, remedy, '
        "coalesce(_raw, '') AS raw FROM found JOIN rules ON _problem = number "
        "ASOF LEFT JOIN skipped ON _row > read_before UNION ALL SELECT * FROM rejected"
    )
