"""What Stripe's exports have in common: one name, minor units by currency, and whose word counts.

Stripe tells of the same money twice: a charge that paid an invoice is a balance transaction too. All Stripe
sources book under the name `stripe`, and the same money has the same id in each of them:

- a charge's money goes by the charge's id (`ch_...`). A balance transaction says only how much; the invoice
  that the charge paid says for what and for when: its first line takes the place of the charge's row.
- all other money goes by the id of the balance transaction (`txn_...`): fees, refunds, disputes. Balance
  transactions count before refund and dispute exports, for they know the fee and the currency of settlement.

`revision` says whose word counts, so the order in which files arrive changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from breakeven.engine import sql
from breakeven.errors import UsageError
from breakeven.ledger.layout import Field, Value
from breakeven.money import MINOR_UNITS
from breakeven.sources.registry import SourceOption, Words

NAME = "stripe"

FROM_OBJECT, FROM_BALANCE, FROM_INVOICE = 10, 20, 30
"""Revisions: refund and dispute objects, balance transactions, invoices. One more where the user is known."""

_STRIPES_OWN = {"ISK": 2, "UGX": 2, "MGA": 0}
"""Where Stripe's API counts otherwise than ISO 4217: two places kept for old clients; whole ariary."""

USER_OPTION = SourceOption(
    "user_key", "user_id", Words("the metadata key that holds your user id", "存放用户标识的 metadata 键")
)


def major(amount: str, currency: str) -> str:
    """SQL of an amount of the API in the currency's own unit, as text. What is no whole number stays unread.

    >>> from breakeven.engine.duckdb import DuckDBEngine
    >>> with DuckDBEngine() as engine:
    ...     for amount, currency in (("1050", "usd"), ("1050", "jpy"), ("-1050", "kwd"), ("10.5", "usd")):
    ...         engine.rows(f"SELECT {major(repr(amount), repr(currency))}")
    [('10.500',)]
    [('1050.000',)]
    [('-1.050',)]
    [('10.5 (minor units)',)]
    """
    places = MINOR_UNITS | _STRIPES_OWN
    by_places = {
        count: sql.text(" ".join(code for code in places if places[code] == count)) for count in (0, 3)
    }
    unit = (
        f"CASE WHEN contains({by_places[0]}, upper({currency})) THEN CAST('1' AS DECIMAL(4,3)) "
        f"WHEN contains({by_places[3]}, upper({currency})) THEN CAST('0.001' AS DECIMAL(4,3)) "
        "ELSE CAST('0.01' AS DECIMAL(4,3)) END"
    )
    whole = f"TRY_CAST({amount} AS BIGINT)"
    return (
        f"CASE WHEN CAST({whole} AS VARCHAR) = {amount} AND abs({whole}) < 1000000000000000 "
        f"THEN CAST(CAST({whole} AS DECIMAL(18,0)) * {unit} AS VARCHAR) "
        f"WHEN {amount} IS NOT NULL THEN {amount} || ' (minor units)' END"
    )


def seconds(field: str) -> Value:
    """An instant written as seconds since 1970 (API) or in UTC without an offset (reports)."""
    read = f"CAST(CAST(epoch(TRY_CAST({field} AS TIMESTAMP)) AS BIGINT) AS VARCHAR)"
    return Value(
        f"CASE WHEN contains({field}, '-') THEN coalesce({read}, {field}) ELSE {field} END", unit="s"
    )


def negated(number: str) -> str:
    """SQL of a number's opposite, as text; what is no number stays what it is."""
    return f"CASE WHEN starts_with({number}, '-') THEN substr({number}, 2) ELSE '-' || {number} END"


def user_field(options: Mapping[str, str], *places: str) -> Field:
    """The field of our own user id in metadata: at these places in JSON, and in reports' metadata columns.

    Raises `UsageError` for a key that no metadata can have.

    >>> user_field({"user_key": "uid"}, "source.metadata").origins
    ('source.metadata."uid"', 'payment_metadata[uid]', 'metadata[uid]', 'uid (metadata)')
    """
    key = options["user_key"]
    if not re.fullmatch(r"[A-Za-z0-9_. -]{1,40}", key):
        raise UsageError(f"option user_key={key} is no key of metadata")
    paths = (f'{place}."{key}"' for place in places)
    return Field("user", (*paths, f"payment_metadata[{key}]", f"metadata[{key}]", f"{key} (metadata)"))


def revision(of: int) -> str:
    """SQL of a row's revision: the same thing told with its user counts before one without."""
    return f"{of} + CASE WHEN coalesce({{user}}, {{customer}}) IS NULL THEN 0 ELSE 1 END"
