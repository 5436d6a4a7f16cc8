"""The embedded engine: DuckDB in this process, with a memory limit and a place to spill."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from breakeven.engine import sql
from breakeven.engine.session import Corrections, Dialect, LeftOut
from breakeven.errors import BooksError, InputError

DIALECT = Dialect(
    sql.name,
    sql.text,
    lambda columns: "{" + ", ".join(f"{sql.text(column)}: {column}" for column in columns) + "}",
)


def in_one(steps: list[tuple[str, str]]) -> str:
    """Named steps as one statement that yields the last of them."""
    *before, (_, last) = steps
    return f"WITH {', '.join(f'{name} AS ({body})' for name, body in before)} {last}"


class DuckDBEngine:
    """A DuckDB session. SQL by `execute`, `arrow_of` and `stream`; Ibis by `table` and `arrow`."""

    name = "duckdb"

    def __init__(
        self, *, memory_gib: float = 4.0, spill: Path | None = None, keep_order: bool = False
    ) -> None:
        self._spill = spill or Path(tempfile.mkdtemp(prefix="breakeven-spill-"))
        self._connection = duckdb.connect()
        self._backend: Any = None
        self.execute("SET TimeZone = 'UTC'")
        self.execute(f"SET memory_limit = '{memory_gib:.2f}GiB'")
        self.execute(f"SET temp_directory = {sql.text(str(self._spill))}")
        self.execute(f"SET preserve_insertion_order = {str(keep_order).lower()}")
        # Nothing is ever fetched or loaded behind the user's back.
        self.execute("SET autoinstall_known_extensions = false")

    def execute(self, query: str) -> None:
        """Run a statement for its effect."""
        with _translated():
            self._connection.execute(query)

    def remember(self, name: str, value: bytes) -> None:
        """Give a value a name for `getvariable`: secrets then stand in no statement."""
        self._connection.execute(f"SET VARIABLE {sql.name(name)} = ?", [value])

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The result as Python tuples: for what a person could read."""
        with _translated():
            return self._connection.execute(query).fetchall()

    def arrow_of(self, query: str) -> pa.Table:
        """The result as an Arrow table."""
        with _translated():
            return self._connection.sql(query).to_arrow_table()

    def stream(self, query: str, *, batch_rows: int = 100_000) -> pa.RecordBatchReader:
        """The result as a stream of Arrow batches: memory stays flat whatever the number of rows."""
        with _translated():
            return self._connection.sql(query).to_arrow_reader(batch_rows)

    def view(
        self,
        name: str,
        files: Sequence[str],
        schema: pa.Schema,
        partition: str | None,
        corrections: Corrections | None = None,
        left_out: LeftOut | None = None,
    ) -> None:
        """See `Engine.view`. Instants become UTC timestamps without a zone: both engines then agree."""
        touched = left_out.touched if left_out else frozenset[str]()
        whole = _relation([file for file in files if file not in touched], schema, partition, corrections)
        thinned = [file for file in files if file in touched]
        if left_out is not None and thinned:
            around, gone = f"{name}_around", sql.name(f"{name}_left_out")
            self.view(around, left_out.around, schema, partition, corrections)
            # Kept as a table: the view may be read many times.
            self.execute(
                f"CREATE OR REPLACE TEMP TABLE {gone} AS "
                f"SELECT source, source_id FROM ({in_one(left_out.steps(around, DIALECT))})"
            )
            part = _relation(thinned, schema, partition, corrections)
            whole = f"{whole} UNION ALL SELECT * FROM ({part}) ANTI JOIN {gone} USING (source, source_id)"
        self.execute(f"CREATE OR REPLACE VIEW {sql.name(name)} AS {whole}")

    def table(self, name: str) -> Any:
        """See `Engine.table`."""
        with _old_names():
            return self._ibis().table(name)

    def local_day(self, instant: Any, zone: str) -> Any:
        """See `Engine.local_day`."""
        import ibis

        @ibis.udf.scalar.builtin(name="timezone", signature=(("string", "timestamp"), "timestamp('UTC')"))
        def read_in(zone: str, local: Any) -> Any: ...

        @ibis.udf.scalar.builtin(name="timezone", signature=(("string", "timestamp('UTC')"), "timestamp"))
        def show_in(zone: str, instant: Any) -> Any: ...

        local: Any = show_in(zone, read_in("UTC", instant))
        return local.date()

    def arrow(self, expression: Any) -> pa.Table:
        """See `Engine.arrow`; the generated SQL travels with an error."""
        backend = self._ibis()
        try:
            with _translated(), _old_names():
                return backend.to_pyarrow(expression)
        except duckdb.Error as error:
            raise RuntimeError(f"{error}\n\nwhile running:\n{backend.compile(expression)}") from error

    def _ibis(self) -> Any:
        if self._backend is None:
            import ibis

            self._backend = ibis.duckdb.from_connection(self._connection)
        return self._backend

    def close(self) -> None:
        """See `Engine.close`."""
        self._connection.close()
        shutil.rmtree(self._spill, ignore_errors=True)

    def __enter__(self) -> DuckDBEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_DISK_FULL = ("No space left", "Disk quota exceeded", "File too large", "Could not truncate")


@contextmanager
def _old_names() -> Generator[None]:
    """Ibis 12 calls DuckDB by a name that DuckDB 2 has replaced: that is no news to our users."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "fetch_arrow_table", DeprecationWarning)
        yield


@contextmanager
def _translated() -> Generator[None]:
    """What DuckDB can say, as errors a person can act on."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise BooksError(
            "out of memory or of disk to spill to", cause=_first_line(error), remedy="free disk space"
        ) from error
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.ConversionException) as error:
        if any(sign in str(error) for sign in _DISK_FULL):
            raise BooksError(
                "the disk is full; nothing of this batch was written",
                cause=_first_line(error),
                remedy="free disk space and run the same command again",
            ) from error
        raise InputError(
            "the data could not be read; nothing was imported",
            cause=_first_line(error),
            remedy="the file may be damaged: fetch or export it again",
        ) from error
    except duckdb.InterruptException as error:
        raise KeyboardInterrupt from error
    except RuntimeError as error:
        if "interrupt" in str(error).lower():
            raise KeyboardInterrupt from error
        raise


def _relation(
    files: Sequence[str], schema: pa.Schema, partition: str | None, corrections: Corrections | None
) -> str:
    """SQL of the rows of some files, without those that later versions replace."""
    # Files written before a column existed lack it: the empty relation names every column.
    empty = ", ".join(f"CAST(NULL AS {_sql_type(field.type)}) AS {sql.name(field.name)}" for field in schema)
    shape = f"UNION ALL BY NAME SELECT {empty} WHERE false"
    columns = ", ".join(
        f"CAST({sql.name(field.name)} AS TIMESTAMP) AS {sql.name(field.name)}"
        if pa.types.is_timestamp(field.type)
        else sql.name(field.name)
        for field in schema
    )
    earlier = corrections.earlier if corrections else frozenset[str]()
    parts: list[str] = []
    if plain := [file for file in files if file not in earlier]:
        parts.append(f"SELECT {columns} FROM (SELECT * FROM {_parquet(plain, partition)} {shape})")
    if corrections and (revised := [file for file in files if file in earlier]):
        # A row stays when no later version of it exists; both sides keep their names by USING.
        parts.append(
            f"SELECT {columns} FROM (SELECT * FROM {_parquet(revised, partition)} {shape}) LEFT JOIN "
            "(SELECT source, source_id, max(version) AS latest_version "
            f"FROM {_parquet(corrections.later, partition)} WHERE version > 1 GROUP BY ALL) "
            "USING (source, source_id) WHERE latest_version IS NULL OR version >= latest_version"
        )
    return " UNION ALL ".join(parts) or f"SELECT {empty} WHERE false"


def _parquet(files: Sequence[str], partition: str | None) -> str:
    hive = f"true, hive_types = {{{sql.text(partition)}: DATE}}" if partition else "false"
    return f"read_parquet([{sql.texts(files)}], hive_partitioning = {hive}, union_by_name = true)"


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP"
    if pa.types.is_date(kind):
        return "DATE"
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    if pa.types.is_int64(kind):
        return "BIGINT"
    if pa.types.is_int32(kind):
        return "INTEGER"
    if pa.types.is_boolean(kind):
        return "BOOLEAN"
    return "VARCHAR"


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
