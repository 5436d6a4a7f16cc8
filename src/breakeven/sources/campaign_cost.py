"""What reports of ad cost have in common: an id of everything that tells two rows apart, and a currency."""

from __future__ import annotations

from collections.abc import Iterable

from breakeven.engine import sql
from breakeven.errors import UsageError
from breakeven.ledger.layout import Value
from breakeven.money import MINOR_UNITS
from breakeven.sources.registry import SourceOption, Words

CURRENCY_OPTION = SourceOption(
    "currency", "", Words("currency of amounts, where the file does not say", "金额的币种（文件未写明时）")
)


def joined_id(fields: Iterable[str]) -> str:
    """SQL of an id of several fields, any of which may be absent; of a `day` only the date counts.

    >>> joined_id(["day", "campaign"])
    "coalesce(left({day}, 10), '') || ':' || coalesce({campaign}, '')"
    """
    values = ("left({day}, 10)" if name == "day" else f"{{{name}}}" for name in fields)
    return " || ':' || ".join(f"coalesce({value}, '')" for value in values)


def said_currency(given: str) -> Value:
    """The currency a row says, else the one that was given, never a guess.

    Raises `UsageError` for a code that is no currency.
    """
    if given and given.upper() not in MINOR_UNITS:
        raise UsageError(f"option currency={given} is no ISO 4217 code", remedy="write currency=CNY")
    return Value(
        f"coalesce(upper({{currency}}), {sql.text(given.upper())})" if given else "upper({currency})"
    )
