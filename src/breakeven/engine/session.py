"""What an engine can do for the rooms above: hold views over Parquet files and run Ibis expressions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Corrections:
    """Rows that later ones replace, under the same `source` and `source_id` with a higher `version`.

    `later` are files that hold versions above 1; `earlier` are those of a view's files in which replaced
    rows may lie (all other files are read as they are).
    """

    later: tuple[str, ...]
    earlier: frozenset[str]


@dataclass(frozen=True)
class Dialect:
    """How an engine writes names, texts and records of columns; all else reads the same in every engine.

    Records compare by their columns in order, and give them by name: `record.column`.
    """

    name: Callable[[str], str]
    text: Callable[[str], str]
    record: Callable[[Sequence[str]], str]


@dataclass(frozen=True)
class LeftOut:
    """Rows that a view leaves out, because others count instead of them.

    `steps` writes named statements of SQL, each reading those before it, of which the last yields `source`
    and `source_id` of such rows, given the name of a view of the files `around` (without replaced rows);
    `touched` are those of the view's files in which they may lie.
    """

    around: tuple[str, ...]
    touched: frozenset[str]
    steps: Callable[[str, Dialect], list[tuple[str, str]]]


class Engine(Protocol):
    """One open engine. Every implementation gives the same digits for the same expression."""

    name: str

    def view(
        self,
        name: str,
        files: Sequence[str],
        schema: pa.Schema,
        partition: str | None,
        corrections: Corrections | None = None,
        left_out: LeftOut | None = None,
    ) -> None:
        """Name a set of Parquet files; `partition` is the column written in their paths, if any.

        With `corrections` the view leaves out rows of which a later version exists, with `left_out` those of
        which others count instead.
        """
        ...

    def table(self, name: str) -> Any:
        """The Ibis table of a view."""
        ...

    def local_day(self, instant: Any, zone: str) -> Any:
        """The day of a time zone that a UTC instant (an Ibis timestamp column) falls on."""
        ...

    def arrow(self, expression: Any) -> pa.Table:
        """Run an Ibis expression and bring its rows to Python."""
        ...

    def close(self) -> None:
        """Let go of what the engine holds."""
        ...


def open_engine(choice: str = "duckdb", *, memory_gib: float = 4.0) -> Engine:
    """Open an engine by name: `duckdb`, `spark`, or a Spark master URL such as `spark://host:7077`."""
    if choice == "duckdb":
        from breakeven.engine.duckdb import DuckDBEngine

        return DuckDBEngine(memory_gib=memory_gib)
    from breakeven.engine.spark import SparkEngine

    return SparkEngine("local[2]" if choice == "spark" else choice)
