"""What every view is made of, before anybody draws it: terminal, HTML, JSON, CSV and charts read this.

A value is a `Decimal` or `int` (exact, in the column's unit), text, or `None` for *no value*: absent is
never written as zero. Renderers format values and choose words; they compute nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

Language = Literal["en", "zh"]
Value = Decimal | int | str | None


@dataclass(frozen=True)
class Label:
    """The same words in English and in Chinese.

    >>> Label("Revenue", "收入").text("zh")
    '收入'
    """

    en: str
    zh: str

    def text(self, language: Language) -> str:
        """The words in one language."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True)
class Column:
    """One column: `key` in JSON and CSV, a label for people, and the unit of its values.

    Units: an ISO 4217 code for money, `CUR/x` for money per x (`CNY/user`, `USD/Mtok`), `ratio` (0.25 is
    25 %), `users`, `requests`, `tokens`, `days`, `months`, `count`, and `text`, `day`, `month` for words.
    """

    key: str
    label: Label
    unit: str = "text"
    words: dict[str, Label] = field(default_factory=dict[str, Label], hash=False)
    """For a column of identifiers (metric, kind): what each is called. JSON and CSV keep the identifier;
    data values such as channel names have no entry and are never translated."""


@dataclass(frozen=True)
class Warning:  # noqa: A001 - the word the envelope uses
    """Something a reader must know beside the figures: unpriced usage, missing coverage, synthetic data."""

    code: str
    label: Label


@dataclass(frozen=True)
class Table:
    """Rows of one shape. `row_units`, when given, overrides the unit of value columns row by row."""

    id: str
    title: Label
    columns: tuple[Column, ...]
    rows: tuple[dict[str, Value], ...]
    note: Label | None = None
    emphasis: frozenset[int] = frozenset()
    """Indices of rows that are totals."""
    row_units: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Envelope:
    """Whose figures these are and how sure: the head of every JSON answer and page."""

    books: str
    as_of: str
    time_zone: str
    currency: str
    synthetic: bool = False
    warnings: tuple[Warning, ...] = ()
    schema_version: int = 1


@dataclass(frozen=True)
class View:
    """A page's worth of tables under one envelope; `json_rows` are the long-form rows of `--json`."""

    id: str
    title: Label
    envelope: Envelope
    tables: tuple[Table, ...]
    json_rows: tuple[dict[str, Value], ...] = ()
    facts: dict[str, Value] = field(default_factory=dict[str, Value])
