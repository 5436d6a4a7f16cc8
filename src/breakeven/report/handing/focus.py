"""Usage cost as a FOCUS dataset: 1.2, or the 1.0 form that the FinOps Foundation's validator reads.

The validator of 1.0 knows some columns by older names (`Provider`, `ChargeType`) and wants every column of
that version to be there: its form holds both names. Costs keep eighteen decimals; sums are exact before that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from breakeven.account.account import Account
from breakeven.account.usage import CLASSES
from breakeven.money import EXACT
from breakeven.report.handing.charges import REQUESTS, Charge, LeftOut, charges, instants
from breakeven.report.handing.columns import Columns, open_columns
from breakeven.report.handing.names import supplier_name
from breakeven.report.view_model import Label, Language, Warning  # noqa: A004 - the envelope's word

VERSIONS = ("1.2", "1.0")
AMOUNT = pa.decimal128(38, 18)
_BATCH_ROWS = 20_000
_MOST_NAMES = 5
_TOKENS, _MTOK, _REQUESTS, _HOURS, _WHOLE = "Tokens", "1000000 Tokens", "Requests", "GPU-Hours", "Units"

_BOTH = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd",
    "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency",
    "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost",
    "ContractedUnitPrice", "EffectiveCost", "InvoiceIssuerName", "ListCost", "ListUnitPrice",
    "PricingCategory", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "ServiceCategory",
    "ServiceName", "SkuId", "SkuPriceId", "Tags",
)  # fmt: skip
COLUMNS: dict[str, tuple[str, ...]] = {
    "1.2": tuple(
        sorted(
            (
                *_BOTH, "BillingAccountType", "InvoiceId", "PricingCurrency",
                "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost",
                "PricingCurrencyListUnitPrice", "ServiceSubcategory", "SkuMeter", "SkuPriceDetails",
            )
        )
    ),
    "1.0": tuple(
        sorted(
            (
                *_BOTH, "AvailabilityZone", "CommitmentDiscountCategory", "CommitmentDiscountId",
                "CommitmentDiscountName", "CommitmentDiscountStatus", "CommitmentDiscountType", "RegionId",
                "RegionName", "ResourceId", "ResourceName", "ResourceType", "SubAccountId", "SubAccountName",
                "ChargeType", "Provider", "Publisher", "InvoiceIssuer", "ResourceID",
            )
        )
    ),
}  # fmt: skip
"""The columns of each version, by name."""

_OLD_NAMES = {
    "ChargeType": "ChargeCategory",
    "Provider": "ProviderName", "Publisher": "PublisherName", "InvoiceIssuer": "InvoiceIssuerName",
    "ResourceID": "ResourceId",
}  # fmt: skip
_AMOUNTS = frozenset(
    name for names in COLUMNS.values() for name in names
    if name.endswith(("Cost", "UnitPrice", "Quantity"))
)  # fmt: skip
_INSTANTS = frozenset(("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd"))


def schema_of(version: str) -> pa.Schema:
    """The Arrow types of a version's columns."""

    def kind(name: str) -> pa.DataType:
        if name in _AMOUNTS:
            return AMOUNT
        return pa.timestamp("us", tz="UTC") if name in _INSTANTS else pa.string()

    return pa.schema([pa.field(name, kind(name)) for name in COLUMNS[version]])


def write_focus(
    account: Account, path: Path, columns: Columns, language: Language, version: str = "1.2"
) -> tuple[int, LeftOut]:
    """Write all charges; returns how many, and the usage without a price that no row can hold."""
    left_out, rows = LeftOut(), 0
    schema = schema_of(version)
    found = (_row(account, charge, language) for charge in charges(account, left_out))
    with open_columns(path, schema, columns) as write:
        for batch in _batches(found):
            rows += len(batch)
            arrays = [
                pa.array([row.get(name) for row in batch], schema.field(name).type) for name in schema.names
            ]
            write(pa.record_batch(arrays, schema=schema))
    return rows, left_out


def _batches(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    waiting = iter(rows)
    while batch := list(islice(waiting, _BATCH_ROWS)):
        yield batch


def _row(account: Account, charge: Charge, language: Language) -> dict[str, Any]:
    settings = account.books.settings
    start, end = instants(charge.period, settings.time_zone)
    first, after = instants(charge.month, settings.time_zone)
    own = settings.name
    supplier = own if charge.is_own and charge.category != "Purchase" else supplier_name(charge.provider)
    quantity, unit = _quantity(charge)
    tags = dict(charge.tags) | ({"synthetic": "true"} if settings.synthetic else {})
    row: dict[str, Any] = {
        "BilledCost": _amount(charge.billed),
        "BillingAccountId": own,
        "BillingAccountName": own,
        "BillingAccountType": "Books",
        "BillingCurrency": account.currency,
        "BillingPeriodStart": first,
        "BillingPeriodEnd": after,
        "ChargeCategory": charge.category,
        "ChargeDescription": _description(charge, language),
        "ChargeFrequency": {"Usage": "Usage-Based", "Purchase": "Recurring"}.get(charge.category, "One-Time"),
        "ChargePeriodStart": start,
        "ChargePeriodEnd": end,
        "ContractedCost": _amount(charge.contracted),
        "EffectiveCost": _amount(charge.effective),
        "InvoiceId": charge.invoice_id or None,
        "InvoiceIssuerName": supplier,
        "ListCost": _amount(charge.list_cost),
        "PricingCurrency": charge.price_currency or account.currency,
        "PricingCurrencyEffectiveCost": _amount(_priced_effect(charge)),
        "ProviderName": supplier,
        "PublisherName": supplier,
        "ServiceCategory": "Compute" if charge.category == "Purchase" else "AI and Machine Learning",
        "ServiceSubcategory": "Other (Compute)" if charge.category == "Purchase" else "Generative AI",
        "ServiceName": "GPU fleet" if charge.category == "Purchase" else f"{supplier} inference",
        "Tags": json.dumps(tags, ensure_ascii=False),
    }
    if quantity and charge.price_id:
        divisor = Fraction(quantity)
        row |= {
            "PricingCategory": "Other" if charge.is_own else "Standard",
            "PricingQuantity": quantity,
            "PricingUnit": unit,
            "ContractedUnitPrice": _amount(charge.contracted / divisor),
            "ListUnitPrice": _amount(charge.list_cost / divisor),
            "SkuId": "/".join(part for part in (charge.provider, charge.model, charge.meter) if part),
            "SkuPriceId": charge.price_id,
            "SkuMeter": _meter(charge),
            "SkuPriceDetails": json.dumps(dict(charge.tags), ensure_ascii=False) if charge.tags else None,
        }
        if charge.priced is not None:
            row["PricingCurrencyContractedUnitPrice"] = _amount(charge.priced / divisor)
        if charge.priced_list is not None:
            row["PricingCurrencyListUnitPrice"] = _amount(charge.priced_list / divisor)
        if charge.quantity is not None:
            row |= {
                "ConsumedQuantity": Decimal(charge.quantity),
                "ConsumedUnit": _REQUESTS if charge.meter == REQUESTS else _TOKENS,
            }
    return row | {old: row.get(new) for old, new in _OLD_NAMES.items()}


def _priced_effect(charge: Charge) -> Fraction:
    if charge.category == "Purchase":
        return Fraction(0)
    return charge.effective if charge.priced is None else charge.priced


def _quantity(charge: Charge) -> tuple[Decimal, str]:
    """How much was priced, and in which unit: tokens by the million, as price lists have them.

    A bill whose quantity nobody logged is one unit of itself.
    """
    if charge.hours is not None:
        return _amount(charge.hours), _HOURS
    if charge.quantity is None:
        return Decimal(1), _WHOLE
    if charge.meter == REQUESTS:
        return Decimal(charge.quantity), _REQUESTS
    return Decimal(charge.quantity).scaleb(-6), _MTOK


_METERS = {
    "uncached_input_tokens": "Uncached input tokens", "cached_input_tokens": "Cached input tokens",
    "cache_write_tokens": "Cache write tokens", "output_tokens": "Output tokens", REQUESTS: "Requests",
}  # fmt: skip
_METERS_ZH = {
    "uncached_input_tokens": "未命中缓存的输入词元", "cached_input_tokens": "命中缓存的输入词元",
    "cache_write_tokens": "写入缓存的词元", "output_tokens": "输出词元", REQUESTS: "请求",
}  # fmt: skip


def _meter(charge: Charge) -> str:
    return _METERS.get(charge.meter, "GPU hours" if charge.hours is not None else "As billed")


def _description(charge: Charge, language: Language) -> str:
    said = charge.words.text(language)
    if charge.category == "Purchase" and not said:
        said = "自有算力" if language == "zh" else "own GPU fleet"
    meters = _METERS_ZH if language == "zh" else _METERS
    meter = meters.get(charge.meter, "") if charge.meter in (*CLASSES, REQUESTS) else ""
    return " ".join(part for part in (charge.model, meter, said) if part)


def _amount(value: Fraction) -> Decimal:
    """A cost to eighteen decimals, half to even."""
    scaled = round(value * 10**18)
    return Decimal(scaled).scaleb(-18, EXACT)


def left_out_warning(left_out: LeftOut) -> Warning:
    """What a reader must know of usage without a price: it is in no row, since no cost may be empty."""
    total = sum(left_out.tokens.values())
    names = ", ".join(f"{provider}/{model}" for provider, model in sorted(left_out.tokens)[:_MOST_NAMES])
    return Warning(
        "left_out",
        Label(
            f"{total:,} tokens have no price and stand in no row of this file, "
            f"since FOCUS has no empty cost: {names}",
            f"{total:,} 个词元没有价格，不在本文件中，因为 FOCUS 的成本不能为空：{names}",
        ),
    )
