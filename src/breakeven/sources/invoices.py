"""Invoices as small companies keep them: one line per item, with its tax beside it.

A line with tax becomes two rows: the item, and a row of its own that is tax, so that cost and tax never mix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from breakeven.ledger.layout import Check, Field, Layout, Value
from breakeven.sources.registry import Source, Words

_FIELDS = (
    Field("vendor", ("vendor", "supplier", "供应商"), required=True),
    Field("invoice_id", ("invoice_id", "invoice", "发票号"), required=True),
    Field("line", ("line", "line_number", "行号")),
    Field("description", ("description", "摘要")),
    Field("category", ("category", "类别"), required=True),
    Field("charge", ("charge", "费用性质")),
    Field("model", ("model", "模型")),
    Field("token_class", ("token_class", "词元类别")),
    Field("service_tier", ("service_tier", "服务等级")),
    Field("quantity", ("quantity", "数量")),
    Field("unit", ("unit", "单位")),
    Field("amount", ("amount", "net_amount", "金额"), required=True),
    Field("tax", ("tax", "税额")),
    Field("currency", ("currency", "币种"), required=True),
    Field("period_start", ("period_start", "first_day", "开始日"), required=True),
    Field("period_end", ("period_end", "结束日（不含）")),
    Field("last_day", ("last_day", "结束日")),
    Field("funded_by", ("funded_by", "抵扣来源")),
)
_DAY_AFTER = "coalesce(strftime(TRY_CAST({last_day} AS DATE) + INTERVAL 1 DAY, '%Y-%m-%d'), {last_day})"
_IS_ZERO = "coalesce(TRY_CAST({tax} AS DECIMAL(28,9)) = 0, false)"
# Lines of one invoice without numbers of their own are told apart by what they say.
_LINE = (
    "coalesce({line}, concat_ws('/', coalesce({description}, ''), coalesce({model}, ''), "
    "coalesce({token_class}, ''), coalesce({charge}, ''), {period_start}))"
)
_ID = (
    "CASE WHEN {invoice_id} IS NOT NULL AND {vendor} IS NOT NULL "
    f"THEN concat_ws('|', lower(trim({{vendor}})), {{invoice_id}}, {_LINE}) END"
)


def layouts(_: Mapping[str, str]) -> tuple[Layout, ...]:
    """The items, and the tax on them; it takes no options."""
    items = Layout(
        table="bills",
        fields=_FIELDS,
        columns={
            "vendor": Value("lower(trim({vendor}))"),
            "category": Value("lower({category})"),
            "charge": Value("coalesce(lower({charge}), 'usage')"),
            "model": Value("{model}"),
            "token_class": Value("{token_class}"),
            "service_tier": Value("{service_tier}"),
            "period_start": Value("{period_start}"),
            "period_end": Value(f"coalesce({{period_end}}, {_DAY_AFTER})"),
            "amount": Value("{amount}"),
            "currency": Value("upper({currency})"),
            "quantity": Value("{quantity}"),
            "unit": Value("{unit}"),
            "invoice_id": Value("{invoice_id}"),
            "funded_by": Value("{funded_by}"),
        },
        source_id=_ID,
        checks=(
            Check(
                "{period_end} IS NOT NULL AND {last_day} IS NOT NULL",
                "period_end",
                "the end of the period is said twice",
                "give period_end (the first day after) or last_day, not both",
            ),
        ),
        title="a list of invoice lines",
    )
    tax = {name: items.columns[name] for name in ("vendor", "category", "period_start", "period_end")}
    tax |= {name: items.columns[name] for name in ("currency", "invoice_id", "funded_by")}
    return (
        items,
        replace(
            items,
            columns=tax | {"charge": Value("'tax'"), "amount": Value("{tax}")},
            source_id=f"{_ID} || '|tax'",
            where=f"{{tax}} IS NOT NULL AND NOT {_IS_ZERO}",
            is_rest=False,
        ),
    )


SOURCE = Source(
    name="invoices",
    label=Words("Invoice lines kept by hand", "手工登记的发票明细"),
    tables=("bills",),
    input_includes_cached=None,
    layouts=layouts,
    covers=Words("what suppliers invoice, any category", "供应商开具的各类账单"),
    notes=Words(
        "`amount` is before tax; `tax` becomes a row of its own with charge `tax`. Say the end of the "
        "period as "
        "`period_end`, the first day after it, or as `last_day`, the last day in it. A line's id is vendor, "
        "invoice and line; give every line its number, or two that say the same are one.",
        "amount 为不含税金额；tax 另记一行，性质为 tax。期末用 period_end（期后第一天）或 "
        "last_day（期内最后一天）表示。"
        "行的标识是供应商、发票号与行号：请给每行编号，否则内容相同的两行会被视为同一行。",
    ),
)
