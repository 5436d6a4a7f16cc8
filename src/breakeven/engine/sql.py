"""Quoting for the little SQL we write by hand: identifiers and literals, never string pasting."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date


def name(identifier: str) -> str:
    """A quoted identifier.

    >>> name('at'), name('odd"name')
    ('"at"', '"odd""name"')
    """
    return '"' + identifier.replace('"', '""') + '"'


def text(value: str) -> str:
    """A quoted string literal.

    >>> text("O'Hara")
    "'O''Hara'"
    """
    return "'" + value.replace("'", "''") + "'"


def day(value: date) -> str:
    """A date literal.

    >>> day(date(2024, 3, 20))
    "DATE '2024-03-20'"
    """
    return f"DATE '{value.isoformat()}'"


def names(identifiers: Iterable[str]) -> str:
    """A list of quoted identifiers."""
    return ", ".join(name(identifier) for identifier in identifiers)


def texts(values: Iterable[str]) -> str:
    """A list of quoted string literals."""
    return ", ".join(text(value) for value in values)
