"""Canonical Parquet chunks: columns and types of the ledger, text built without Python strings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from breakeven.ledger.tables import MONEY, TABLES, Column

Emit = Callable[[str, Path], None]
"""Takes a finished chunk of a table; the chunk is deleted when the call returns."""

SOURCE = "synthetic"
_ROW_GROUP_ROWS = 500_000
_FOUR_DIGITS = np.frombuffer("".join(f"{number:04d}" for number in range(10_000)).encode(), dtype=np.uint32)
"""The text of each number below 10,000 as one machine word: whole words are copied faster than letters."""


_NOT_MADE = frozenset(
    {
        "response_id",
        "charge",
        "token_class",
        "service_tier",
        "pricing_amount",
        "pricing_currency",
        "invoice_id",
    }
)
"""Columns that only real systems fill. (Generated usage does say its service tier.)"""


MADE_TABLES = tuple(name for name in TABLES if name != "settlements")
"""The tables that are generated: the company's customers pay into its bank directly."""


def canonical_schema(table: str) -> pa.Schema:
    """The columns of a table that a generated file carries: the ledger's own, and the row's key.

    >>> canonical_schema("activity").names
    ['user_id', 'day', 'sessions', 'source_id']
    """
    fields = [pa.field(column.name, column.arrow_type) for column in _made(table)]
    return pa.schema([*fields, pa.field("source_id", pa.string())])


def _made(table: str) -> list[Column]:
    return [
        column
        for column in TABLES[table].columns
        if column.name not in _NOT_MADE or (table, column.name) == ("usage", "service_tier")
    ]


def numbered(prefix: str, numbers: NDArray[np.integer]) -> pa.StringArray:
    """Text such as `user00000042`: a prefix of 4, 8 or 12 letters and eight digits.

    >>> numbered("user", np.array([42, 7])).to_pylist()
    ['user00000042', 'user00000007']
    """
    head = np.frombuffer(prefix.encode(), dtype=np.uint32)
    high = numbers // 10_000
    words = np.empty((len(numbers), len(head) + 2), dtype=np.uint32)
    words[:, :-2] = head
    words[:, -2] = _FOUR_DIGITS[high]
    words[:, -1] = _FOUR_DIGITS[numbers - high * 10_000]
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * (4 * words.shape[1])
    return pa.StringArray.from_buffers(len(numbers), pa.py_buffer(offsets), pa.py_buffer(words))


def numbered_or_none(prefix: str, numbers: NDArray[np.integer]) -> pa.StringArray:
    """As `numbered`, but a negative number is no value.

    >>> numbered_or_none("user", np.array([42, -1])).to_pylist()
    ['user00000042', None]
    """
    text = numbered(prefix, np.maximum(numbers, 0))
    return text.take(pa.array(np.arange(len(numbers)), mask=numbers < 0))


def money_from_cents(amounts: NDArray[np.int64]) -> pa.Array:
    """Exact amounts of two decimals, from whole cents.

    >>> str(money_from_cents(np.array([1999]))[0])
    '19.990000000'
    """
    low_words = np.column_stack([amounts, amounts >> 63]).ravel()
    cents = pa.Array.from_buffers(pa.decimal128(20, 2), len(amounts), [None, pa.py_buffer(low_words)])
    return cents.cast(MONEY)


def chosen(codes: NDArray[np.integer], names: Sequence[str | None]) -> pa.DictionaryArray:
    """Text from a short list, one name per code; a name may be None (no value).

    >>> chosen(np.array([1, 0, 2]), ["app", "web", None]).to_pylist()
    ['web', 'app', None]
    """
    known = [name for name in names if name is not None]
    missing = [code for code, name in enumerate(names) if name is None]
    mask = np.isin(codes, missing) if missing else None
    place = np.cumsum([name is not None for name in names]) - 1
    indices = place[codes].astype(np.int8) if missing else codes.astype(np.int8)
    return pa.DictionaryArray.from_arrays(
        pa.array(np.maximum(indices, 0), mask=mask), pa.array(known or [""], pa.string())
    )


def taken(indices: NDArray[np.integer] | None, names: pa.Array, rows: int = 0) -> pa.DictionaryArray:
    """Text taken from a long list by position, or `rows` times no value when there are no positions.

    >>> taken(np.array([1, 1]), pa.array(["a", "b"])).to_pylist()
    ['b', 'b']
    """
    positions = pa.nulls(rows, pa.int32()) if indices is None else pa.array(indices.astype(np.int32))
    return pa.DictionaryArray.from_arrays(positions, names)


class ChunkWriter:
    """Collects the rows of one table and emits Parquet files of about `chunk_rows` rows.

    Use it as a context manager: leaving it well emits what is left, leaving it by an error
    (Ctrl-C too) removes the unfinished file.
    """

    def __init__(self, table: str, folder: Path, emit: Emit, chunk_rows: int = 2_000_000) -> None:
        self.table, self.folder, self.emit = table, folder, emit
        self.chunk_rows, self.row_count = chunk_rows, 0
        self._schema = canonical_schema(table)
        self._waiting: list[pa.Table] = []
        self._waiting_rows = self._file_rows = self._file_count = 0
        self._file: pq.ParquetWriter | None = None
        self._path = folder

    def __enter__(self) -> ChunkWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._write_waiting()
            self._finish_file()
        elif self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)

    def add(self, columns: dict[str, pa.Array]) -> None:
        """Take rows; columns in any order, all of them (text may be dictionary-encoded)."""
        rows = pa.table([columns[name] for name in self._schema.names], names=self._schema.names)
        self.row_count += rows.num_rows
        self._waiting.append(rows)
        self._waiting_rows += rows.num_rows
        if self._waiting_rows >= min(_ROW_GROUP_ROWS, self.chunk_rows):
            self._write_waiting()
        if self._file_rows >= self.chunk_rows:
            self._finish_file()

    def _write_waiting(self) -> None:
        if not self._waiting_rows:
            return
        rows = pa.concat_tables(self._waiting).unify_dictionaries()
        if self._file is None:
            self._file_count += 1
            self._path = self.folder / f"{SOURCE}-{self.table}-{self._file_count:05d}.parquet"
            self._file = pq.ParquetWriter(
                self._path,
                rows.schema,
                compression="snappy",
                store_schema=False,
                use_dictionary=cast("Any", _repeating(rows.schema)),  # the stub knows only bool
                dictionary_pagesize_limit=16 * 2**20,
                write_statistics=False,
            )
        self._file.write_table(rows, row_group_size=_ROW_GROUP_ROWS * 2)
        self._file_rows += rows.num_rows
        self._waiting, self._waiting_rows = [], 0

    def _finish_file(self) -> None:
        if self._file is None:
            return
        self._file.close()
        self._file, self._file_rows = None, 0
        self.emit(self.table, self._path)
        self._path.unlink(missing_ok=True)


def _repeating(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if pa.types.is_dictionary(field.type)]
