"""The engine for those who outgrow one machine: Spark, in this process's own JVM or on a cluster by URL.

Spark is an extra: nobody else has to install it or Java. Everything runs as Spark SQL that Ibis writes;
rows cross as Arrow, never through pandas and never through Python workers on the executors.

What is set so that Spark gives DuckDB's digits: the session's time zone is UTC and instants are shown
without a zone; ANSI mode raises on overflow instead of wrapping around; sums of decimals keep all their
places (Spark's habit is to give places away for digits before the point); paths are taken as they are, not as
patterns; and results take the types that the expression states (Spark truncates a day to a timestamp).
"""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import reduce
from pathlib import Path
from typing import Any

import pyarrow as pa

from breakeven.engine.session import Corrections, Dialect, LeftOut
from breakeven.errors import BooksError, BreakevenError, InputError, SourceUnreachable, UsageError

_KEY = ("source", "source_id")
_MASTERS = ("local", "spark://", "yarn", "k8s://")
_EXACT: Mapping[str, str] = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    "spark.sql.caseSensitive": "true",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
}
"""What decides about values: set on every session, also on one that somebody else configured."""

_QUIET: Mapping[str, str] = {
    "spark.app.name": "breakeven",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.api.mode": "classic",
}


class SparkEngine:
    """A Spark session of its own: views of one engine are not seen by another.

    `master` is `local[N]`, `spark://host:port`, `yarn` or `k8s://...`; `memory_gib` is the heap of a local
    Spark. Where this process already runs a Spark, the engine is one more session of it and `close` leaves
    it running. Raises `UsageError` without the extra or for another kind of URL, `BooksError` without Java,
    `SourceUnreachable` when the cluster does not answer.
    """

    name = "spark"

    def __init__(self, master: str = "local[2]", *, memory_gib: float = 4.0) -> None:
        if not master.startswith(_MASTERS):
            raise UsageError(
                f"there is no engine {master!r}",
                remedy="use duckdb, spark, or a Spark master such as local[4] or spark://host:7077",
            )
        spark = _pyspark()
        self._scratch: Path | None = None
        self._interrupt: Any = None
        running = spark.SparkSession._instantiatedSession
        if running is not None and running._sc._jsc is not None:
            self._session = running.newSession()
            self._starter: Any = None
        else:
            self._session = self._starter = self._start(spark, master, memory_gib)
        for key, value in _EXACT.items():
            self._session.conf.set(key, value)
        self._backend: Any = None

    def _start(self, spark: Any, master: str, memory_gib: float) -> Any:
        _require_java()
        self._scratch = Path(tempfile.mkdtemp(prefix="breakeven-spark-"))
        self._interrupt = signal.getsignal(signal.SIGINT)
        log = self._scratch / "start.log"
        settings = {**_QUIET, **_EXACT, "spark.sql.warehouse.dir": str(self._scratch / "warehouse")}
        if master.startswith("local"):
            settings |= _local_settings(self._scratch, memory_gib)
        builder = spark.SparkSession.builder.master(master)
        for key, value in settings.items():
            builder = builder.config(key, value)
        try:
            with _stderr_into(log):
                return builder.getOrCreate()
        except Exception as error:
            told = _last_line(log) or _first_line(error)
            self._clean_up()
            if master.startswith("local"):
                raise BooksError(
                    "Spark could not be started", cause=told, remedy="check `java -version`: 17 or newer"
                ) from error
            raise SourceUnreachable(
                "the Spark cluster does not answer", where=master, cause=told, remedy="check the master's URL"
            ) from error

    def view(
        self,
        name: str,
        files: Sequence[str],
        schema: pa.Schema,
        partition: str | None,
        corrections: Corrections | None = None,
        left_out: LeftOut | None = None,
    ) -> None:
        """See `Engine.view`. Instants become timestamps without a zone, in UTC: both engines then agree."""
        touched = left_out.touched if left_out else frozenset[str]()
        rows = self._rows([file for file in files if file not in touched], schema, partition, corrections)
        if left_out is not None and (thinned := [file for file in files if file in touched]):
            around = f"{name}_around"
            self.view(around, left_out.around, schema, partition, corrections)
            gone = self._last_of(left_out.steps(around, DIALECT)).select(*_KEY)
            part = self._rows(thinned, schema, partition, corrections)
            rows = rows.unionByName(part.join(gone, [*_KEY], "left_anti").select(*schema.names))
        rows.createOrReplaceTempView(name)

    def _last_of(self, steps: list[tuple[str, str]]) -> Any:
        """The rows of the last of some named steps, each of which reads those before it."""
        rows: Any = None
        for name, body in steps:
            # Spark would write a step out wherever it is read: what several steps read is computed once.
            rows = self._session.sql(body)
            if name.startswith("by_"):
                rows = rows.localCheckpoint()
            rows.createOrReplaceTempView(name)
        return rows

    def _rows(
        self, files: Sequence[str], schema: pa.Schema, partition: str | None, corrections: Corrections | None
    ) -> Any:
        """The rows of some files, without those that later versions replace."""
        earlier = corrections.earlier if corrections else frozenset[str]()
        parts: list[Any] = []
        if plain := [file for file in files if file not in earlier]:
            parts.append(self._parquet(plain, schema, partition))
        if corrections and (revised := [file for file in files if file in earlier]):
            later = self._parquet(corrections.later, schema, partition).where("version > 1")
            latest = later.groupBy(*_KEY).max("version").toDF(*_KEY, "latest_version")
            joined = self._parquet(revised, schema, partition).join(latest, [*_KEY], "left")
            kept = joined.where("latest_version IS NULL OR version >= latest_version")
            parts.append(kept.select(*schema.names))
        rows = reduce(lambda above, below: above.unionByName(below), parts or [self._empty(schema)])
        return rows.selectExpr(*(_without_zone(field) for field in schema))

    def _empty(self, schema: pa.Schema) -> Any:
        columns = (f"CAST(NULL AS {_sql_type(field.type)}) AS {_quoted(field.name)}" for field in schema)
        return self._session.sql(f"SELECT {', '.join(columns)} WHERE false")

    def _parquet(self, files: Sequence[str], schema: pa.Schema, partition: str | None) -> Any:
        columns = ", ".join(f"{_quoted(field.name)} {_sql_type(field.type)}" for field in schema)
        # The names come from the table's log: a bracket in the folder's name is no pattern.
        reader = self._session.read.schema(columns).option("__globPaths__", "false")
        if partition:
            reader = reader.option("basePath", files[0].rsplit(f"/{partition}=", 1)[0])
        with _translated():
            return reader.parquet(*files)

    def table(self, name: str) -> Any:
        """See `Engine.table`."""
        return self._ibis().table(name)

    def local_day(self, instant: Any, zone: str) -> Any:
        """See `Engine.local_day`."""
        import ibis

        @ibis.udf.scalar.builtin(
            name="convert_timezone", signature=(("string", "string", "timestamp"), "timestamp")
        )
        def show_in(here: str, there: str, instant: Any) -> Any: ...

        there: Any = show_in("UTC", zone, instant)
        return there.date()

    def arrow(self, expression: Any) -> pa.Table:
        """See `Engine.arrow`; the generated SQL travels with an error."""
        import ibis.expr.operations as operations

        table = _with_places(expression.as_table())
        held: list[str] = []
        for small in table.op().find(operations.InMemoryTable):
            self._hold(small.name, small.data.to_pyarrow(small.schema))
            held.append(small.name)
        query = self._ibis().compile(table)
        try:
            with _translated(query):
                rows = self._session.sql(query).toArrow()
        finally:
            for name in held:
                self._session.catalog.dropTempView(name)
        return rows.cast(table.schema().to_pyarrow())

    def _hold(self, name: str, rows: pa.Table) -> None:
        """Name rows of this process; they are few, so every executor gets all of them for joins."""
        frame = self._session.createDataFrame(rows)
        frame.hint("broadcast").createOrReplaceTempView(name)

    def _ibis(self) -> Any:
        if self._backend is None:
            import ibis

            self._backend = ibis.pyspark.connect(self._session)
            # Failures come back as exceptions; a second telling on stderr would only be noise.
            logger = importlib.import_module("pyspark.logger").PySparkLogger
            logger.getLogger("SQLQueryContextLogger").disabled = True
        return self._backend

    def close(self) -> None:
        """See `Engine.close`. A Spark that ran before this engine goes on running."""
        if self._starter is not None:
            self._starter.stop()
            self._starter = None
            self._clean_up()

    def _clean_up(self) -> None:
        # Spark's own handler cancels the jobs of a context that no longer exists.
        if self._interrupt is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._interrupt)
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def __enter__(self) -> SparkEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _local_settings(scratch: Path, memory_gib: float) -> dict[str, str]:
    """A Spark that lives in one process and answers nobody else."""
    return {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": f"{int(memory_gib * 1024)}m",
        "spark.local.dir": str(scratch),
        "spark.sql.shuffle.partitions": "4",
        # Listing files is not worth a job here.
        "spark.sql.sources.parallelPartitionDiscovery.threshold": "100000",
    }


def _pyspark() -> Any:
    """`pyspark.sql`, loaded by name: it has no place in an install without the extra."""
    try:
        return importlib.import_module("pyspark.sql")
    except ImportError as error:
        raise UsageError(
            "the engine spark is not installed",
            cause=_first_line(error),
            remedy="`./run setup --spark`, or install `breakeven[spark]`",
        ) from error


def _require_java() -> None:
    home = os.environ.get("JAVA_HOME")
    if shutil.which("java") or (home and (Path(home) / "bin" / "java").exists()):
        return
    raise BooksError(
        "Spark needs Java, and there is none on the PATH or under JAVA_HOME",
        remedy="install Java 17 or newer (Debian and Ubuntu: apt-get install default-jre-headless)",
    )


@contextmanager
def _stderr_into(path: Path) -> Generator[None]:
    """Send what a starting JVM says to a file, so that stderr stays ours and a failure can be explained."""
    kept = os.dup(2)
    try:
        with path.open("wb") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextmanager
def _translated(query: str = "") -> Generator[None]:
    """What Spark can say, as errors a person can act on."""
    try:
        yield
    except (BreakevenError, KeyboardInterrupt):
        raise
    except Exception as error:
        text = str(error)
        if "No space left" in text:
            raise BooksError(
                "the disk is full", cause=_first_line(error), remedy="free disk space"
            ) from error
        if "OutOfMemoryError" in text:
            raise BooksError(
                "Spark ran out of memory",
                cause=_first_line(error),
                remedy="use a cluster or the engine duckdb",
            ) from error
        if any(sign in text for sign in _DATA_TROUBLE):
            raise InputError("the data could not be read", cause=_first_line(error)) from error
        raise RuntimeError(f"{text}\n\nwhile running:\n{query}") from error


_DATA_TROUBLE = ("FAILED_READ_FILE", "PATH_NOT_FOUND", "ARITHMETIC_OVERFLOW", "NUMERIC_VALUE_OUT_OF_RANGE")


def _with_places(expression: Any) -> Any:
    """Decimal constants with the places they are written with: Ibis leaves them open, and Spark takes 18."""
    import ibis.expr.operations as operations

    typed: dict[Any, Any] = {}
    for constant in expression.op().find(operations.Literal):
        if constant.dtype.is_decimal() and constant.dtype.scale is None and constant.value is not None:
            _, digits, exponent = constant.value.as_tuple()
            places = max(-exponent, 0)
            kind = type(constant.dtype)(max(len(digits) + exponent, 0) + places, places)
            typed[constant] = operations.Literal(constant.value, dtype=kind)
    return expression.op().replace(typed).to_expr() if typed else expression


def _without_zone(field: pa.Field) -> str:
    name = _quoted(field.name)
    return f"CAST({name} AS TIMESTAMP_NTZ) AS {name}" if pa.types.is_timestamp(field.type) else name


def _quoted(identifier: str) -> str:
    return "`" + identifier.replace("`", "``") + "`"


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


DIALECT = Dialect(_quoted, _text, lambda columns: f"struct({', '.join(columns)})")


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP" if kind.tz else "TIMESTAMP_NTZ"
    if pa.types.is_date(kind):
        return "DATE"
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    if pa.types.is_int64(kind):
        return "BIGINT"
    if pa.types.is_int32(kind):
        return "INT"
    if pa.types.is_boolean(kind):
        return "BOOLEAN"
    return "STRING"


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    # What follows the first sentence is advice on Spark's settings.
    return lines[0].split(". ")[0][:300] if lines else type(error).__name__


def _last_line(log: Path) -> str:
    with suppress(OSError):
        lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
        return lines[-1].split(" ERROR ")[-1][:300] if lines else ""
    return ""
