"""Arguments of a notebook's answers: refused where an option would be, before anything is computed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import wraps
from operator import index
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar, get_args

from breakeven.errors import UsageError
from breakeven.money import minor_units
from breakeven.periods import Period
from breakeven.report.view_model import Language

Money = Decimal | int | float | str
Given = ParamSpec("Given")
Answered = TypeVar("Answered")
_OPTION = re.compile(r"--([a-z][a-z-]*)")


def names_arguments(answer: Callable[Given, Answered]) -> Callable[Given, Answered]:
    """What refuses in words of the command line, refusing in words of Python.

    >>> @names_arguments
    ... def priced():
    ...     raise UsageError("no price ships", remedy="give --gpu-price")
    >>> priced()
    Traceback (most recent call last):
    breakeven.errors.UsageError: no price ships. Next: give gpu_price.
    """

    @wraps(answer)
    def answering(*arguments: Given.args, **named: Given.kwargs) -> Answered:
        try:
            return answer(*arguments, **named)
        except UsageError as error:
            what, cause, remedy = (_as_argument(text) for text in (error.what, error.cause, error.remedy))
            raise UsageError(what, where=error.where, cause=cause, remedy=remedy) from error

    return answering


def _as_argument(text: str) -> str:
    return _OPTION.sub(lambda found: found[1].replace("-", "_"), text)


def one_of(value: object, name: str, choices: Any) -> None:
    """Refuse what is none of the words of a `Literal`."""
    words: tuple[str, ...] = get_args(choices)
    if not isinstance(value, str) or value not in words:
        raise UsageError(f"{name} cannot be {value!r}", remedy=f"use one of {', '.join(words)}")


def whole_number(value: object, name: str, least: int, most: int | None = None) -> int:
    """A whole number within bounds; what only looks like one (1.5, True, "3") is refused."""
    try:
        number = None if isinstance(value, bool) else index(value)  # pyright: ignore[reportArgumentType]
    except TypeError:
        number = None
    if number is None or number < least or (most is not None and number > most):
        remedy = (
            f"give a whole number of at least {least}"
            if most is None
            else f"give a whole number from {least} to {most}"
        )
        raise UsageError(f"{name} cannot be {value!r}", remedy=remedy)
    return number


def seed_given(seed: int | None) -> dict[str, int]:
    """The seed as an argument to hand on; none where nobody gave one."""
    return {} if seed is None else {"seed": whole_number(seed, "seed", 0)}


def _number(value: object) -> Decimal:
    """A number, as exact as it was given; NaN for anything else."""
    try:
        return Decimal("NaN") if isinstance(value, bool) else Decimal(str(value))
    except InvalidOperation:
        return Decimal("NaN")


def amount(money: Money, name: str) -> Decimal:
    """A number of at least zero."""
    value = _number(money)
    if not value.is_finite() or not 0 <= value < Decimal("1e15"):
        raise UsageError(f"{name} {money!r} is not an amount", remedy="give a number of at least 0")
    return value


def above_zero(given: Money, name: str) -> Decimal:
    """A number above zero."""
    value = _number(given)
    if not value.is_finite() or not 0 < value < Decimal("1e15"):
        raise UsageError(f"{name} cannot be {given!r}", remedy="give a number above 0, such as 2.0")
    return value


def worth(value: Money | None) -> Decimal | Literal["ltv"] | None:
    """What a user is worth: a number above zero, `"ltv"` for what the books expect, or nothing."""
    if value is None:
        return None
    return "ltv" if value == "ltv" else above_zero(value, "value")


def amounts(given: Mapping[str, Money] | None, name: str) -> dict[str, Decimal]:
    """Amounts by channel."""
    return {channel: amount(money, name) for channel, money in _mapping(given, name).items()}


def unit_cost_path(given: Mapping[str, Money] | None) -> Any:
    """What serving costs from a month on, relative to today; None where nothing was given."""
    if not given:
        return None
    from breakeven.growth.lifetime_value.unit_cost_path import UnitCostPath

    steps = _mapping(given, "unit_cost").items()
    return UnitCostPath.parse(tuple(f"{month}={factor}" for month, factor in steps))


def _mapping(given: Mapping[str, Money] | None, name: str) -> Mapping[str, Money]:
    if given is not None and not isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"{name} cannot be {given!r}", remedy="give a dictionary of numbers by name")
    return given or {}


def names_given(given: object, name: str) -> tuple[str, ...]:
    """Names, as a tuple."""
    if not isinstance(given, Sequence) or not all(isinstance(one, str) for one in given):  # pyright: ignore[reportUnknownVariableType]
        raise UsageError(f"{name} cannot be {given!r}", remedy="give a name, or a list of names")
    return tuple(given)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def file_given(given: str | os.PathLike[str] | None, name: str) -> Path | None:
    """A file that is there; None where none was named."""
    if given is None:
        return None
    if not isinstance(given, (str, os.PathLike)) or not Path(given).is_file():  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"{name}: there is no file {str(given)!r}", remedy="name a CSV file")
    return Path(given)


def period_given(period: object) -> Period | None:
    """A period, from text or as one; None where none was given."""
    if isinstance(period, str):
        return Period.parse(period)
    if period is None or isinstance(period, Period):
        return period
    raise UsageError(f"period cannot be {period!r}", remedy="write 2024, 2024-Q2 or 2024-03, in quotes")


def currency_code(code: object) -> str | None:
    """A known currency in capitals; None where none was given."""
    if code is None:
        return None
    if not isinstance(code, str):
        raise UsageError(f"currency cannot be {code!r}", remedy="write a code such as CNY, in quotes")
    minor_units(code.upper())  # refuses what is no currency
    return code.upper()


def language_of(language: Language) -> Language:
    """One of the two languages."""
    if language not in ("en", "zh"):
        raise UsageError(f"there is no language {language!r}", remedy="use en or zh")
    return language


def moment_utc(moment: object) -> datetime:
    """A moment in UTC; one without an offset is read as UTC."""
    if not isinstance(moment, datetime):
        raise UsageError(f"as_of cannot be {moment!r}", remedy="give a datetime in UTC")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
