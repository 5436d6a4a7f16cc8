"""Alipay's account detail (账务明细): what left for the bank, and what else moved the balance.

Payments, refunds and service fees stand in it too, but the transaction detail tells more of them: they are
left to source `alipay`.
"""

from __future__ import annotations

from collections.abc import Mapping

from breakeven.ledger.layout import Field, Layout, Value
from breakeven.sources.alipay import NAME, negated
from breakeven.sources.chinese_bills import alipay_bill
from breakeven.sources.registry import Source, Words

FIELDS = (
    Field("flow_id", ("账务流水号",), required=True),
    Field("reference", ("业务流水号",)),
    Field("at", ("发生时间",), required=True),
    Field("received", ("收入金额（+元）", "收入金额(+元)", "收入金额"), required=True),
    Field("spent", ("支出金额（-元）", "支出金额(-元)", "支出金额"), required=True),
    Field("kind", ("业务类型",), required=True),
)
_IS_PAYOUT = "contains({kind}, '提现')"
_ELSEWHERE = (
    "'在线支付', '交易付款', '交易退款', '退款', '退款（交易退款）', '收费', '退费', '服务费', '交易'"
)
# One of the two columns is empty or zero.
_SPENT = "nullif(nullif({spent}, '0.00'), '0')"


def layouts(_options: Mapping[str, str]) -> tuple[Layout, ...]:
    """One settlement for each movement that is no payment, refund or fee."""
    layout = Layout(
        table="settlements",
        fields=FIELDS,
        columns={
            "at": Value("{at}"),
            "processor": Value(f"'{NAME}'"),
            "kind": Value(f"CASE WHEN {_IS_PAYOUT} THEN 'payout' ELSE 'adjustment' END"),
            # A payout is counted as it reaches the bank, an adjustment as it reaches the balance.
            "amount": Value(
                f"CASE WHEN {_IS_PAYOUT} THEN {negated(f'coalesce({_SPENT}, {{received}})')} "
                f"ELSE coalesce({_SPENT}, {{received}}) END"
            ),
            "currency": Value("'CNY'"),
            "reference": Value("coalesce({reference}, {flow_id})"),
        },
        source_id="{flow_id}",
        skip=f"trim({{kind}}) IN ({_ELSEWHERE})",
        skipped_as="payments, refunds and fees, which the transaction detail tells",
        time_zone="Asia/Shanghai",
        encoding="utf-8",
        delimiter=",",
        prepare=alipay_bill,
        title="an Alipay account detail",
        source=NAME,
    )
    return (layout,)


SOURCE = Source(
    name="alipay_funds",
    label=Words("Alipay account detail", "支付宝账务明细"),
    tables=("settlements",),
    input_includes_cached=None,
    layouts=layouts,
    covers=Words("payouts to the bank and adjustments", "提现与其他资金调整"),
    notes=Words(
        "Only payouts and adjustments are booked; payments, refunds and fees are the transaction detail's.",
        "只记提现与调整；收款、退款和服务费取自业务明细。",
    ),
    origin="https://b.alipay.com",
)
