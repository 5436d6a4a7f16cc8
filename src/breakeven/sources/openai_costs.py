"""OpenAI's bill by the day: pages of `/v1/organization/costs`, saved as JSON."""

from __future__ import annotations

from collections.abc import Mapping

from breakeven.ledger.layout import Field, Layout, Value
from breakeven.sources.json_pages import pages
from breakeven.sources.nine_decimals import nine_decimals
from breakeven.sources.registry import Source, Words
from breakeven.sources.token_units import in_tokens

_FIELDS = (
    Field("start_time", ("start_time",), required=True),
    Field("end_time", ("end_time",), required=True),
    Field("amount", ("amount.value", "amount_value"), required=True),
    Field("currency", ("amount.currency", "amount_currency"), required=True),
    *(
        Field(name, (name,))
        for name in ("line_item", "project_id", "organization_id", "api_key_id", "quantity", "quantity_unit")
    ),
)
_LAST = "split_part({line_item}, ',', -1)"
_CLASS = (
    "CASE {part} WHEN 'input' THEN 'uncached_input' WHEN 'cached input' THEN 'cached_input' "
    "WHEN 'cache write' THEN 'cache_write' WHEN 'output' THEN 'output' END"
)
_TIERS = ("batch", "flex", "priority")
_TIER = (
    "CASE "
    + " ".join(f"WHEN contains(lower({{line_item}}), '{tier}') THEN '{tier}'" for tier in _TIERS)
    + " END"
)
_KEYS = ", ".join(
    f"coalesce({{{name}}}, '')"
    for name in ("project_id", "organization_id", "api_key_id", "line_item", "currency")
)
# A line of a token class counts tokens, also where the report leaves the unit out.
_IS_TOKENS = f"{{quantity}} IS NOT NULL AND ({_CLASS}) IS NOT NULL"
_SAID_UNIT = f"coalesce({{quantity_unit}}, CASE WHEN {_IS_TOKENS} THEN 'tokens' END)"
_QUANTITY, _UNIT = in_tokens("{quantity}", "{said_unit}")


def _day(seconds: str) -> str:
    """SQL of the UTC day of an instant; text that is none stays, for the ledger to refuse."""
    moment = f"TRY(make_timestamp(TRY_CAST({seconds} AS BIGINT) * 1000000))"
    return f"coalesce(strftime({moment}, '%Y-%m-%d'), {seconds})"


def layouts(_: Mapping[str, str]) -> tuple[Layout, ...]:
    """The layout of a costs report; it takes no options."""
    return (
        Layout(
            table="bills",
            fields=_FIELDS,
            columns={
                "vendor": Value("'openai'"),
                "category": Value("'inference_api'"),
                "charge": Value("CASE WHEN {amount} LIKE '-%' THEN 'credit' ELSE 'usage' END"),
                "model": Value(
                    "CASE WHEN {tier} IS NULL THEN {named} "
                    "ELSE regexp_replace({named}, '[ (-]+(batch|flex|priority)[)]?$', '', 'i') END"
                ),
                "token_class": Value(_CLASS),
                "service_tier": Value("{tier}"),
                "period_start": Value(_day("{start_time}")),
                "period_end": Value(_day("{end_time}")),
                "amount": Value("{exact_amount}"),
                "currency": Value("upper({currency})"),
                "quantity": Value("{exact_quantity}"),
                "unit": Value(_UNIT),
            },
            source_id=f"concat_ws('|', {{start_time}}, {_KEYS})",
            revision="TRY_CAST(TRY_CAST({amount} AS DECIMAL(28,9)) * 1000000000 AS BIGINT)",
            derived={
                "exact_amount": nine_decimals("{amount}"),
                "part": f"CASE WHEN contains({{line_item}}, ',') THEN lower(trim({_LAST})) END",
                "said_unit": _SAID_UNIT,
                "exact_quantity": _QUANTITY,
                "named": "CASE WHEN {part} IS NOT NULL THEN "
                f"trim(left({{line_item}}, length({{line_item}}) - length({_LAST}) - 1)) END",
                "tier": _TIER,
            },
            prepare=pages(exact=("value", "quantity")),
            title="a costs report of OpenAI",
        ),
    )


SOURCE = Source(
    name="openai_costs",
    label=Words("OpenAI costs report", "OpenAI 费用报告"),
    tables=("bills",),
    input_includes_cached=None,
    layouts=layouts,
    covers=Words("what OpenAI charges, by UTC day and line", "OpenAI 按 UTC 日与项目计收的费用"),
    notes=Words(
        "A line is a UTC day of a project and line item; group by line_item to see models and token classes. "
        "Amounts are read digit by digit and rounded to nine decimals, half to even. Negative lines are "
        "booked as credits. Of a day fetched twice, the higher amount counts: late usage only "
        "adds. Tax is not in it.",
        "一行是某项目某费用项的一个 UTC 日；按 line_item 分组才能看到模型与词元类别。金额逐位读取，"
        "四舍六入五成双到九位小数。负数行记为抵扣。同一天取了两次时，以金额较高的一次为准："
        "迟到的用量只会增加。不含税。",
    ),
    origin="https://platform.openai.com/docs/api-reference/usage/costs",
)
