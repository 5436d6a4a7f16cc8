"""WeChat Pay's transaction bill (交易账单) of a merchant: what customers paid, what they got back, and fees.

A bill of kind ALL or SUCCESS or REFUND, as downloaded by API v3 (`/v3/bill/tradebill`) or from the merchant
platform, plain or gzip. Amounts are yuan, times are Beijing time without a zone.
"""

from __future__ import annotations

from collections.abc import Mapping

from breakeven.ledger.layout import Field, Layout, Value
from breakeven.sources.chinese_bills import SEPARATOR, wechat_bill
from breakeven.sources.kind_of_payment import KIND_OPTIONS, kind_sql
from breakeven.sources.registry import Source, Words

NAME = "wechat_pay"

FIELDS = (
    Field("at", ("交易时间",), required=True),
    Field("refunded_at", ("退款成功时间", "退款申请时间")),
    Field("order_id", ("微信订单号",), required=True),
    Field("user", ("用户标识",)),
    Field("state", ("交易状态",)),
    Field("currency", ("货币种类",), required=True),
    Field("amount", ("应结订单金额", "总金额"), required=True),
    Field("refund_id", ("微信退款单号",)),
    Field("refund", ("退款金额",)),
    Field("refund_state", ("退款状态",)),
    Field("product", ("商品名称",)),
    Field("fee", ("手续费",), required=True),
)
_IS_BACK = "({state} IN ('REFUND', 'REVOKED') OR nullif({refund_id}, '0') IS NOT NULL)"


def layouts(options: Mapping[str, str]) -> tuple[Layout, ...]:
    """Every row is a payment or money given back."""
    columns = {
        "at": Value(f"CASE WHEN {_IS_BACK} THEN coalesce({{refunded_at}}, {{at}}) ELSE {{at}} END"),
        "user_id": Value("{user}"),
        "kind": Value(f"CASE WHEN {_IS_BACK} THEN 'refund' ELSE {kind_sql('{product}', options)} END"),
        "plan": Value("{product}"),
        # Bills of before API v3 write refunds with a minus.
        "amount": Value(f"CASE WHEN {_IS_BACK} THEN ltrim({{refund}}, '-') ELSE {{amount}} END"),
        "fee": Value("{fee}"),
        "currency": Value("{currency}"),
    }
    layout = Layout(
        table="payments",
        fields=FIELDS,
        columns=columns,
        source_id=f"CASE WHEN {_IS_BACK} THEN coalesce(nullif({{refund_id}}, '0'), {{order_id}} || ':back') "
        "ELSE {order_id} END",
        skip="{refund_state} IN ('FAIL', 'CHANGE')",
        skipped_as="refunds that failed",
        time_zone="Asia/Shanghai",
        encoding="utf-8",
        delimiter=SEPARATOR,
        prepare=wechat_bill,
        title="a WeChat Pay transaction bill",
        source=NAME,
    )
    return (layout,)


SOURCE = Source(
    name=NAME,
    label=Words("WeChat Pay transaction bill", "微信支付交易账单"),
    tables=("payments",),
    input_includes_cached=None,
    layouts=layouts,
    covers=Words("payments, refunds and their fees", "收款、退款及其手续费"),
    notes=Words(
        "The bill does not say what kind of revenue a payment is: options kind, gift, api_topup. Payouts are "
        "in the fund flow bill: source wechat_pay_funds. A fee given back with a refund is a negative fee.",
        "账单不说明收入类别：用选项 kind、gift、api_topup 指定。提现在资金账单中：数据源 wechat_pay_funds。"
        "退款时退回的手续费记为负的手续费。",
    ),
    origin="https://pay.weixin.qq.com/docs/merchant/products/bill-download/format-trade.html",
    options=KIND_OPTIONS,
)
