"""Alipay's transaction detail (业务明细) of a merchant: what customers paid, what they got back, and fees.

The CSV of the merchant platform or of `alipay.data.dataservice.bill.downloadurl.query` (bill type `trade`),
in GB18030. Amounts are yuan; a service fee is negative where it is taken and positive where it is given back.
"""

from __future__ import annotations

from collections.abc import Mapping

from breakeven.ledger.layout import Field, Layout, Value
from breakeven.sources.chinese_bills import alipay_bill
from breakeven.sources.kind_of_payment import KIND_OPTIONS, kind_sql
from breakeven.sources.registry import Source, Words

NAME = "alipay"

FIELDS = (
    Field("trade_id", ("支付宝交易号",), required=True),
    Field("kind", ("业务类型",), required=True),
    Field("product", ("商品名称",)),
    Field("created_at", ("创建时间",)),
    Field("at", ("完成时间",), required=True),
    Field("amount", ("商家实收（元）", "商家实收(元)"), required=True),
    Field("refund_id", ("退款批次号/请求号", "退款批次号")),
    Field("fee", ("服务费（元）", "服务费(元)"), required=True),
)
_IS_BACK = "({kind} = '退款')"


def negated(number: str) -> str:
    """SQL of a number's opposite, as text; what is no number stays what it is.

    >>> negated("{fee}")
    "CASE WHEN starts_with({fee}, '-') THEN substr({fee}, 2) ELSE '-' || {fee} END"
    """
    return f"CASE WHEN starts_with({number}, '-') THEN substr({number}, 2) ELSE '-' || {number} END"


def layouts(options: Mapping[str, str]) -> tuple[Layout, ...]:
    """Every row is a payment or a refund."""
    layout = Layout(
        table="payments",
        fields=FIELDS,
        columns={
            "at": Value("coalesce({at}, {created_at})"),
            "kind": Value(
                f"CASE WHEN {_IS_BACK} THEN 'refund' WHEN {{kind}} = '交易' "
                f"THEN {kind_sql('{product}', options)} ELSE {{kind}} END"
            ),
            "plan": Value("{product}"),
            "amount": Value(f"CASE WHEN {_IS_BACK} THEN {negated('{amount}')} ELSE {{amount}} END"),
            "fee": Value(negated("{fee}")),
            "currency": Value("'CNY'"),
        },
        source_id=f"CASE WHEN {_IS_BACK} THEN {{trade_id}} || ':' || coalesce({{refund_id}}, {{at}}) "
        "ELSE {trade_id} END",
        time_zone="Asia/Shanghai",
        encoding="utf-8",
        delimiter=",",
        prepare=alipay_bill,
        title="an Alipay transaction detail",
        source=NAME,
    )
    return (layout,)


SOURCE = Source(
    name=NAME,
    label=Words("Alipay transaction detail", "支付宝业务明细"),
    tables=("payments",),
    input_includes_cached=None,
    layouts=layouts,
    covers=Words("payments, refunds and service fees", "收款、退款与服务费"),
    notes=Words(
        "Amounts are what the merchant receives (商家实收). The payer is masked, so payments name no "
        "user. The kind of revenue is told by options. Payouts are in the account detail: alipay_funds.",
        "金额取商家实收。账单中付款人已打码，因此付款不带用户。收入类别由选项指定。"
        "提现在账务明细中：数据源 alipay_funds。",
    ),
    origin="https://b.alipay.com",
    options=KIND_OPTIONS,
)
