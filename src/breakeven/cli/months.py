"""What the commands on closed months share: their arguments, and how to read a month."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import click

from breakeven.cli.bilingual import AnyFunction, option
from breakeven.cli.options import find_books
from breakeven.errors import UsageError
from breakeven.periods import Period


def books_and_month(function: AnyFunction) -> AnyFunction:
    """Add the arguments `[BOOKS] MONTH`, given to the command as `arguments`; see `located`."""
    return click.argument("arguments", nargs=-1, required=True, metavar="[BOOKS] MONTH")(function)


def located(arguments: tuple[str, ...]) -> tuple[Path, date]:
    """The books, found as for any command when not named, and the month. Raises `UsageError`."""
    if len(arguments) == 1:
        return find_books(), month_named(arguments[0])
    if len(arguments) == 2:
        return Path(arguments[0]), month_named(arguments[1])
    raise UsageError("too many arguments", remedy="name the books and one month, such as 2024-08")


def month_named(text: str) -> date:
    """A calendar month's first day.

    >>> month_named("2024-08")
    datetime.date(2024, 8, 1)
    """
    period = Period.parse(text)
    if period != Period.month(period.first):
        raise UsageError(f"{text!r} is not a month", remedy="write one month, such as 2024-08")
    return period.first


def reason_option(function: AnyFunction) -> AnyFunction:
    """Add `--reason`, which is required."""
    return option(
        "--reason", required=True, metavar="TEXT", en="Why; kept in the log.", zh="原因；记入日志。"
    )(function)  # fmt: skip


def by_option(function: AnyFunction) -> AnyFunction:
    """Add `--by`."""
    add: Callable[[AnyFunction], AnyFunction] = option(
        "--by", default="", metavar="NAME", en="Who decided; kept in the log.", zh="由谁决定；记入日志。"
    )
    return add(function)
