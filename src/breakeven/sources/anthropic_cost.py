"""Anthropic's bill by the day: pages of `/v1/organizations/cost_report`, saved as JSON. Amounts are cents."""

from __future__ import annotations

from collections.abc import Mapping

from breakeven.ledger.layout import Field, Layout, Value
from breakeven.sources.json_pages import pages
from breakeven.sources.nine_decimals import nine_decimals
from breakeven.sources.registry import Source, Words

_GROUPS = (
    "workspace_id",
    "description",
    "cost_type",
    "context_window",
    "model",
    "service_tier",
    "token_type",
    "inference_geo",
    "speed",
)
_CLASS = (
    "CASE WHEN {token_type} = 'uncached_input_tokens' THEN 'uncached_input' "
    "WHEN {token_type} = 'cache_read_input_tokens' THEN 'cached_input' "
    "WHEN {token_type} LIKE 'cache_creation%' THEN 'cache_write' "
    "WHEN {token_type} = 'output_tokens' THEN 'output' END"
)


def _day(instant: str) -> str:
    """SQL of the UTC day of an instant; text that is none stays, for the ledger to refuse."""
    moment = f"TRY(TRY_CAST({instant} AS TIMESTAMPTZ) AT TIME ZONE 'UTC')"
    return f"coalesce(strftime({moment}, '%Y-%m-%d'), {instant})"


def layouts(_: Mapping[str, str]) -> tuple[Layout, ...]:
    """The layout of a cost report; it takes no options."""
    keys = ", ".join(f"coalesce({{{name}}}, '')" for name in (*_GROUPS, "currency"))
    return (
        Layout(
            table="bills",
            fields=(
                Field("starting_at", ("starting_at",), required=True),
                Field("ending_at", ("ending_at",), required=True),
                Field("amount", ("amount",), required=True),
                Field("currency", ("currency",), required=True),
                *(Field(name, (name,)) for name in _GROUPS),
            ),
            columns={
                "vendor": Value("'anthropic'"),
                "category": Value("'inference_api'"),
                "charge": Value("CASE WHEN {amount} LIKE '-%' THEN 'credit' ELSE 'usage' END"),
                "model": Value("{model}"),
                "token_class": Value(_CLASS),
                "service_tier": Value("{service_tier}"),
                "period_start": Value(_day("{starting_at}")),
                "period_end": Value(_day("{ending_at}")),
                "amount": Value("{exact_amount}"),
                "currency": Value("upper({currency})"),
            },
            source_id=f"concat_ws('|', {{starting_at}}, {keys})",
            revision="TRY_CAST(TRY_CAST({amount} AS DECIMAL(28,9)) * 10000000 AS BIGINT)",
            derived={"exact_amount": nine_decimals("{amount}", cents=True)},
            prepare=pages(exact=("amount",)),
            title="a cost report of Anthropic",
        ),
    )


SOURCE = Source(
    name="anthropic_cost",
    label=Words("Anthropic cost report", "Anthropic 费用报告"),
    tables=("bills",),
    input_includes_cached=None,
    layouts=layouts,
    covers=Words(
        "what Anthropic charges, by UTC day; never the priority tier",
        "Anthropic 按 UTC 日计收的费用；从不含优先等级",
    ),
    notes=Words(
        "Amounts are cents, written as text: they are read digit by digit and rounded to nine decimals of a "
        "dollar, half to even. Group by description to see models and token classes. The cost of the "
        "priority "
        "tier never appears in this report: where the usage report shows that tier, this bill lacks its "
        "cost, "
        "and the invoice must be added. Of a day fetched twice the higher amount counts. Tax is not in it.",
        "金额是以文本书写的美分：逐位读取，按美元四舍六入五成双到九位小数。按 description "
        "分组才能看到模型与词元类别。"
        "优先等级（priority）的费用从不出现在本报告中：用量报告出现该等级时，此账单缺少其费用，须补录发票。"
        "同一天取了两次时，以金额较高的一次为准。不含税。",
    ),
    origin="https://docs.anthropic.com/en/api/admin-api/usage-cost/get-cost-report",
)
