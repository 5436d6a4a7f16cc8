"""The nine tables of the ledger: their columns, types, and the rules a row must keep.

This is the contract with people's data. Every row also carries `source`, `source_id` (unique within its
source), `batch_id`, `version` (1, or higher when a later file said something else under the same key) and
`revision` (when the source last changed the row, where it says so: then the later one counts, whichever came
first). Tables that grow with time are partitioned by `day`, the day of the books' time zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

Kind = Literal["text", "timestamp", "day", "money", "number", "count", "currency", "choice", "flag"]

MONEY = pa.decimal128(28, 9)
"""Amounts to the billionth: API invoices carry fractions of a cent."""

_ARROW: dict[Kind, pa.DataType] = {
    "text": pa.string(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "day": pa.date32(),
    "money": MONEY,
    "number": MONEY,
    "count": pa.int64(),
    "currency": pa.string(),
    "choice": pa.string(),
    "flag": pa.bool_(),
}


@dataclass(frozen=True)
class Column:
    """One column: what kind of value, whether a row may lack it, and what stands in for it when it does.

    `default` is used when the *file* has no such column; an empty cell in a column that exists stays empty.
    `least` and `most` bound counts, numbers and money. `past` says the moment cannot lie in the future.
    """

    name: str
    kind: Kind
    required: bool = False
    default: str | None = None
    choices: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None
    past: bool = False

    @property
    def arrow_type(self) -> pa.DataType:
        """The Arrow (and so Delta) type of the column."""
        return _ARROW[self.kind]


@dataclass(frozen=True)
class LedgerTable:
    """One table. `clock` is the column that says when a row happened; `rules` are checks across columns.

    `end` is the column with the first day that a row no longer tells of, where rows span several days.
    A rule is (SQL that is true for a *bad* row, field, reason, remedy).
    """

    name: str
    columns: tuple[Column, ...]
    clock: str
    partitioned: bool = True
    rules: tuple[tuple[str, str, str, str], ...] = ()
    end: str = ""

    def column(self, name: str) -> Column:
        """The column of that name."""
        return next(column for column in self.columns if column.name == name)

    @property
    def schema(self) -> pa.Schema:
        """The stored schema, technical columns last."""
        fields = [pa.field(column.name, column.arrow_type) for column in self.columns]
        fields += [
            pa.field("revision", pa.int64()),
            pa.field("source", pa.string()),
            pa.field("source_id", pa.string()),
            pa.field("version", pa.int32()),
            pa.field("batch_id", pa.string()),
        ]
        if self.partitioned and not any(column.name == "day" for column in self.columns):
            fields.append(pa.field("day", pa.date32()))
        return pa.schema(fields)


_MOST_TOKENS = 10**15
_MOST_MONEY = 10**13


def _tokens(name: str, *, required: bool = False) -> Column:
    return Column(
        name, "count", required=required, default=None if required else "0", least=0, most=_MOST_TOKENS
    )


def _amount(name: str, *, required: bool = False, default: str | None = None) -> Column:
    return Column(name, "money", required=required, default=default, least=0, most=_MOST_MONEY)


def _text(name: str, *, required: bool = False) -> Column:
    return Column(name, "text", required=required)


_CURRENCY = Column("currency", "currency", required=True)

_USAGE_RULES = (
    (
        "reasoning_tokens > output_tokens",
        "reasoning_tokens",
        "the part exceeds the whole: more reasoning tokens than output tokens",
        "output_tokens must include reasoning; check the source's definition",
    ),
    (
        "requests IS NOT NULL AND requests > 0 AND (uncached_input_tokens + cached_input_tokens"
        " + cache_write_tokens + output_tokens) / requests > 100000000",
        "uncached_input_tokens",
        "absurd: over 100 million tokens per request",
        "check the unit, and whether `requests` is missing from an aggregate",
    ),
)

_PERIOD_RULE = (
    "{end} <= {start}",
    "{end}",
    "the period ends before it begins",
    "ends are exclusive: the first day after the period",
)


def _period(start: str, end: str) -> tuple[str, str, str, str]:
    condition, field, reason, remedy = _PERIOD_RULE
    return condition.format(start=start, end=end), field.format(end=end), reason, remedy


TABLES: dict[str, LedgerTable] = {
    table.name: table
    for table in (
        LedgerTable(
            "acquisitions",
            (
                Column("user_id", "text", required=True),
                Column("acquired_at", "timestamp", required=True, past=True),
                _text("channel"),
                _text("campaign"),
                _text("creator"),
                Column("is_paid", "flag"),
                _text("platform"),
                _text("country"),
            ),
            clock="acquired_at",
        ),
        LedgerTable(
            "ad_spend",
            (
                Column("day", "day", required=True, past=True),
                _text("channel"),
                _text("campaign"),
                _text("creator"),
                Column(
                    "kind",
                    "choice",
                    required=True,
                    choices=("ads", "creator", "coupon", "referral", "agency"),
                ),
                # Rebates and credits are negative: they have no kind, as they are of the kind they reduce.
                Column("amount", "money", required=True, least=-_MOST_MONEY, most=_MOST_MONEY),
                _CURRENCY,
                Column("impressions", "count", least=0),
                Column("clicks", "count", least=0),
            ),
            clock="day",
        ),
        LedgerTable(
            "activity",
            (
                Column("user_id", "text", required=True),
                Column("day", "day", required=True, past=True),
                Column("sessions", "count", default="1", least=0, most=100_000),
            ),
            clock="day",
        ),
        LedgerTable(
            "usage",
            (
                Column("at", "timestamp", required=True, past=True),
                _text("user_id"),
                _text("account_id"),
                Column("product", "choice", choices=("app", "web", "api")),
                _text("feature"),
                _text("provider", required=True),
                _text("model", required=True),
                _text("service_tier"),
                Column("requests", "count", default="1", least=0, most=10**12),
                _tokens("uncached_input_tokens", required=True),
                _tokens("cached_input_tokens"),
                _tokens("cache_write_tokens"),
                _tokens("output_tokens", required=True),
                _tokens("reasoning_tokens"),
                _text("status"),
                Column("latency_ms", "count", least=0, most=10**9),
                Column("ttft_ms", "count", least=0, most=10**9),
                _text("response_id"),
            ),
            clock="at",
            rules=_USAGE_RULES,
        ),
        LedgerTable(
            "payments",
            (
                Column("at", "timestamp", required=True, past=True),
                _text("user_id"),
                _text("account_id"),
                Column(
                    "kind",
                    "choice",
                    required=True,
                    choices=("subscription", "gift", "api_topup", "api_invoice", "refund", "chargeback"),
                ),
                _text("plan"),
                _amount("amount", required=True),
                Column("fee", "money", least=-_MOST_MONEY, most=_MOST_MONEY),
                _amount("tax"),
                _CURRENCY,
                Column("service_start", "timestamp"),
                Column("service_end", "timestamp"),
            ),
            clock="at",
            rules=(
                _period("service_start", "service_end"),
                (
                    "tax > amount",
                    "tax",
                    "the part exceeds the whole: more tax than amount",
                    "amounts include tax",
                ),
                (
                    "fee < 0 AND kind NOT IN ('refund', 'chargeback')",
                    "fee",
                    "a negative fee of a payment",
                    "only a refund or a chargeback gives a fee back",
                ),
            ),
        ),
        LedgerTable(
            "bills",
            (
                Column("vendor", "text", required=True),
                Column(
                    "category",
                    "choice",
                    required=True,
                    choices=(
                        "inference_api",
                        "gpu",
                        "cloud",
                        "bandwidth",
                        "content",
                        "payroll",
                        "training",
                        "payment_fee",
                        "advertising",
                        "other",
                    ),
                ),
                Column(
                    "charge",
                    "choice",
                    default="usage",
                    choices=("usage", "discount", "credit", "tax", "fee", "adjustment"),
                ),
                _text("model"),
                Column(
                    "token_class",
                    "choice",
                    choices=("uncached_input", "cached_input", "cache_write", "output"),
                ),
                _text("service_tier"),
                Column("period_start", "day", required=True),
                Column("period_end", "day", required=True),
                Column("amount", "money", required=True, least=-_MOST_MONEY, most=_MOST_MONEY),
                _CURRENCY,
                Column("quantity", "number", least=0),
                _text("unit"),
                Column("pricing_amount", "money", least=-_MOST_MONEY, most=_MOST_MONEY),
                Column("pricing_currency", "currency"),
                _text("invoice_id"),
                _text("funded_by"),
            ),
            clock="period_start",
            partitioned=False,
            rules=(_period("period_start", "period_end"),),
            end="period_end",
        ),
        LedgerTable(
            "settlements",
            (
                Column("at", "timestamp", required=True, past=True),
                _text("processor", required=True),
                Column("kind", "choice", required=True, choices=("payout", "bank_receipt", "adjustment")),
                Column("amount", "money", required=True, least=-_MOST_MONEY, most=_MOST_MONEY),
                _CURRENCY,
                _text("reference"),
            ),
            clock="at",
            partitioned=False,
        ),
        LedgerTable(
            "funding",
            (
                Column("at", "timestamp", required=True),
                Column("kind", "choice", required=True, choices=("opening", "equity", "debt", "credit")),
                _text("name"),
                _amount("amount", required=True),
                _CURRENCY,
                _text("restricted_to"),
                Column("expires_on", "day"),
            ),
            clock="at",
            partitioned=False,
        ),
        LedgerTable(
            "capacity",
            (
                Column("at", "timestamp", required=True, past=True),
                Column("pool", "text", required=True),
                _text("gpu"),
                Column("count", "number", required=True, least=0, most=10**7),
                _amount("price_per_gpu_hour", required=True),
                _CURRENCY,
                Column("commitment", "choice", choices=("owned", "reserved", "on_demand")),
            ),
            clock="at",
        ),
    )
}
"""The ledger's tables by name."""
