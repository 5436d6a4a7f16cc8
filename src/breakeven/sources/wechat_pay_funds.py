"""WeChat Pay's fund flow bill (资金账单): what left for the bank, and what else moved the balance.

Payments, refunds and their fees stand in it too, but the transaction bill tells more of them: they are left
to source `wechat_pay`.
"""

from __future__ import annotations

from collections.abc import Mapping

from breakeven.ledger.layout import Field, Layout, Value
from breakeven.sources.chinese_bills import SEPARATOR, wechat_bill
from breakeven.sources.registry import Source, Words
from breakeven.sources.wechat_pay import NAME

FIELDS = (
    Field("at", ("记账时间",), required=True),
    Field("reference", ("微信支付业务单号",)),
    Field("flow_id", ("资金流水单号",), required=True),
    Field("kind", ("业务类型",), required=True),
    Field("direction", ("收支类型",), required=True),
    Field("amount", ("收支金额(元)", "收支金额（元）"), required=True),
)
_IS_PAYOUT = "contains({kind}, '提现')"
_ELSEWHERE = "'交易', '退款', '扣除交易手续费', '退款交易手续费', '退还交易手续费', '退回交易手续费'"
# A payout is counted as it reaches the bank, an adjustment as it reaches the balance.
_AMOUNT = (
    f"CASE WHEN {{direction}} = CASE WHEN {_IS_PAYOUT} THEN '收入' ELSE '支出' END "
    "THEN '-' || {amount} WHEN {direction} IN ('收入', '支出') THEN {amount} END"
)


def layouts(_options: Mapping[str, str]) -> tuple[Layout, ...]:
    """One settlement for each movement that is no payment, refund or fee of one."""
    layout = Layout(
        table="settlements",
        fields=FIELDS,
        columns={
            "at": Value("{at}"),
            "processor": Value(f"'{NAME}'"),
            "kind": Value(f"CASE WHEN {_IS_PAYOUT} THEN 'payout' ELSE 'adjustment' END"),
            "amount": Value(_AMOUNT),
            "currency": Value("'CNY'"),
            "reference": Value("coalesce({reference}, {flow_id})"),
        },
        source_id="{flow_id}",
        skip=f"{{kind}} IN ({_ELSEWHERE})",
        skipped_as="payments, refunds and fees, which the transaction bill tells",
        time_zone="Asia/Shanghai",
        encoding="utf-8",
        delimiter=SEPARATOR,
        prepare=wechat_bill,
        title="a WeChat Pay fund flow bill",
        source=NAME,
    )
    return (layout,)


SOURCE = Source(
    name="wechat_pay_funds",
    label=Words("WeChat Pay fund flow bill", "微信支付资金账单"),
    tables=("settlements",),
    input_includes_cached=None,
    layouts=layouts,
    covers=Words("payouts to the bank and adjustments", "提现与其他资金调整"),
    notes=Words(
        "Only payouts and adjustments are booked; payments, refunds and fees come from the transaction bill.",
        "只记提现与调整；收款、退款和手续费取自交易账单。",
    ),
    origin="https://pay.weixin.qq.com",
)
