"""Rows of the ledger's own tables that come one by one: JSON objects with the ledger's column names.

A file of them needs no source. A service that takes rows from many senders does: it may not let the first
rows decide which columns there are, and each row is judged alone.
"""

from __future__ import annotations

from typing import Any, cast

from breakeven.ledger.layout import Check, Field, Layout, Value
from breakeven.ledger.tables import TABLES
from breakeven.sources.otlp import MOST_CHARACTERS

UNFIT = Check(
    "{unfit} IS NOT NULL",
    "",
    f"a value that is no single value, or longer than {MOST_CHARACTERS:,} characters",
    "send names, ids and counts only; text of prompts and answers is never taken",
)


def columns_of(table: str) -> tuple[str, ...]:
    """What a row may hold: the table's columns, its id within the source, and its revision."""
    return (*(column.name for column in TABLES[table].columns), "source_id", "revision")


def layout_of(table: str) -> Layout:
    """How such rows are read."""
    names = columns_of(table)
    return Layout(
        table,
        tuple(Field(name, (name,)) for name in (*names, "unfit")),
        {column.name: Value(f"{{{column.name}}}") for column in TABLES[table].columns},
        "{source_id}",
        revision="{revision}",
        checks=(UNFIT,),
        title=f"rows of {table}",
    )


def kept(row: object, names: tuple[str, ...]) -> dict[str, str] | None:
    """Of a row only the ledger's columns, as text; None when it is no object.

    >>> kept({"user_id": "u1", "sessions": 2, "prompt": "hello"}, ("user_id", "sessions"))
    {'user_id': 'u1', 'sessions': '2'}
    """
    if not isinstance(row, dict):
        return None
    given = cast("dict[str, Any]", row)
    found: dict[str, str] = {}
    for name in names:
        value = given.get(name)
        if value is None:
            continue
        if isinstance(value, dict | list):
            found["unfit"] = name
            continue
        text = value if isinstance(value, str) else str(value)
        if len(text) > MOST_CHARACTERS:
            found["unfit"], text = name, text[:MOST_CHARACTERS]
        found[name] = text
    return found
