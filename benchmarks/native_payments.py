"""Files of payments and payouts in their processors' own forms, with the totals that stand in them."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.native_files import (
    Native,
    amount,
    cents_of,
    fee_of,
    filled,
    grouped,
    json_lines_of,
    lined,
    template,
)
from benchmarks.native_pages import object_pages

_REFUNDED = 20
"""One payment in so many is given back."""

_WECHAT = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,"
    "货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,"
    "商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
_WECHAT_PAID = (
    "`<day> <clock>,`wx8888888888888888,`1900000001,`0,`,`42000020012024<n>,`M<n>,`oUser<user>,`JSAPI,"
    "`SUCCESS,`OTHERS,`CNY,`<money>,`0.00,`0,`0,`0.00,`0.00,`,`,`会员, 月卡,`,`<fee>,`0.60%,`<money>,`0.00,`"
)
_WECHAT_BACK = (
    "`<day> <clock>,`wx8888888888888888,`1900000001,`0,`,`42000020012023<n>,`M0<n>,`oUser<user>,`JSAPI,"
    "`REFUND,`OTHERS,`CNY,`0.00,`0.00,`50300009012024<n>,`R<n>,`<money>,`0.00,`ORIGINAL,`SUCCESS,`会员, 月卡,"
    "`,`-<fee>,`0.60%,`0.00,`<money>,`"
)
_WECHAT_TOTALS = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)
_FLOWS = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),"
    "资金变更提交申请人,备注,业务凭证号"
)
_FLOW = (
    "`<day> <clock>,`10000000002024<n>,`42000020092024<n>,`企业付款,`付款到零钱,`支出,`<money>,`479.50,"
    "`1900000001,`,`V<n>"
)
_FLOW_TOTALS = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"

_ALIPAY = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,"
    "订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,"
    "券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,"
    "分润（元）,备注"
)
_ALIPAY_PAID = (
    "20240320220014<n>\t,M<n>\t,交易\t,会员月卡,<day> <clock>,<day> <clock>,\t,\t,\t,\t,*明(137****2600)\t,"
    "<money>,<money>,0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,\t,-<fee>,0.00,"
)
_ALIPAY_BACK = (
    "20230320220014<n>\t,M0<n>\t,退款\t,会员月卡,<day> <clock>,<day> <clock>,\t,\t,\t,\t,*明(137****2600)\t,"
    "-<money>,-<money>,0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,RF<n>\t,<fee>,0.00,部分退款"
)
_ALIPAY_FLOWS = (
    "账务流水号,业务流水号,商户订单号,商品名称,发生时间,对方账号,收入金额（+元）,支出金额（-元）,"
    "账户余额（元）,交易渠道,业务类型,备注"
)
_ALIPAY_FLOW = "3000<n>\t,2024032000000000<n>\t,\t,\t,<day> <clock>,供应商\t,0.00,-<money>,21.74,支付宝,转账,"

_TRANSACTION = {
    "id": "txn_<n>", "object": "balance_transaction", "amount": "#<cents>", "available_on": "#<later>",
    "created": "#<at>", "currency": "usd", "description": "Subscription creation", "exchange_rate": None,
    "fee": 88, "fee_details": [], "net": "#<cents>", "reporting_category": "charge", "source": "ch_<n>",
    "status": "available", "type": "charge",
}  # fmt: skip
_REFUND = {
    "id": "re_<n>", "object": "refund", "amount": "#<cents>", "balance_transaction": "txn_<n>",
    "charge": "ch_<n>",
    "created": "#<at>", "currency": "usd", "metadata": {}, "payment_intent": "pi_<n>", "reason": None,
    "status": "succeeded",
}  # fmt: skip
_DISPUTE = {
    "id": "dp_<n>", "object": "dispute", "amount": "#<cents>",
    "balance_transactions": [
        _TRANSACTION | {"amount": "#-<cents>", "description": "Chargeback withdrawal", "fee": 1500,
        "net": "#-<cents>",
                        "reporting_category": "dispute", "source": "dp_<n>", "type": "adjustment"}
    ],
    "charge": "ch_<n>", "created": "#<at>", "currency": "usd", "evidence": {"uncategorized_text": None},
    "status": "lost", "reason": "fraudulent",
}  # fmt: skip
_INVOICE = {
    "id": "in_<n>", "object": "invoice", "amount_due": "#<cents>", "amount_paid": "#<cents>",
    "charge": "ch_<n>",
    "created": "#<at>", "currency": "usd", "customer": "cus_<user>", "status": "paid",
    "status_transitions": {"paid_at": "#<later>"}, "total": "#<cents>", "metadata": {"user_id": "u<user>"},
    "lines": {
        "object": "list",
        "data": [
            {"id": "il_<n>", "object": "line_item", "amount": "#<cents>", "currency": "usd",
             "description": "1 × Pro (at $20.00 / month)", "discount_amounts": [], "tax_amounts": [],
             "period": {"start": "#<at>", "end": "#<later>"}, "proration": False, "type": "subscription",
             "price": {"id": "price_pro", "object": "price", "nickname": "pro"}}
        ],
        "has_more": False,
    },
}  # fmt: skip
_SUBSCRIPTION = {
    "id": "sub_<n>", "object": "subscription", "status": "active", "customer": "cus_<user>",
    "current_period_start": "#<at>", "current_period_end": "#<later>", "latest_invoice": _INVOICE,
}  # fmt: skip


def _sums(records: int) -> tuple[int, int, int]:
    """Cents paid, cents given back, and fees less those given back."""
    paid = back = fees = 0
    for number in range(records):
        is_back = number % _REFUNDED == _REFUNDED - 1
        paid += 0 if is_back else cents_of(number)
        back += cents_of(number) if is_back else 0
        fees += -fee_of(number) if is_back else fee_of(number)
    return paid, back, fees


def _lines(records: int, paid: str, back: str, end: str) -> Iterator[str]:
    """Payments, and among them some that are given back."""
    return filled([lined(paid) + end] * (_REFUNDED - 1) + [lined(back) + end], records)


def _wechat(records: int) -> Iterator[str]:
    yield f"\ufeff{_WECHAT}\r\n"
    yield from _lines(records, _WECHAT_PAID, _WECHAT_BACK, "\r\n")
    paid, back, fees = (amount(cents) for cents in _sums(records))
    yield f"{_WECHAT_TOTALS}\r\n`{records},`{paid},`{back},`0.00,`{fees},`{paid},`{back}\r\n"


def _wechat_funds(records: int) -> Iterator[str]:
    yield f"{_FLOWS}\r\n"
    yield from filled([lined(_FLOW) + "\r\n"], records)
    spent = amount(sum(map(cents_of, range(records))))
    yield f"{_FLOW_TOTALS}\r\n`{records},`0,`0.00,`{records},`{spent}\r\n"


def _alipay_head(name: str) -> str:
    return (
        f"#支付宝{name}明细查询\r\n#账号：[20880000000000000156]\r\n"
        "#起始日期：[2024年08月01日 00:00:00]   终止日期：[2024年09月01日 00:00:00]\r\n"
        f"#{'-' * 41}{name}明细列表{'-' * 40}\r\n"
    )


def _alipay_end(name: str) -> str:
    return f"#{'-' * 41}{name}明细列表结束{'-' * 36}\r\n"


def _alipay(records: int) -> Iterator[str]:
    yield f"{_alipay_head('业务')}{_ALIPAY}\r\n"
    yield from _lines(records, _ALIPAY_PAID, _ALIPAY_BACK, "\r\n")
    paid, back, _ = _sums(records)
    refunds = records // _REFUNDED
    yield (
        f"{_alipay_end('业务')}#交易合计：{records - refunds}笔，商家实收共{amount(paid)}元，"
        f"商家优惠共0.00元\r\n"
        f"#退款合计：{refunds}笔，商家实收退款共{amount(-back)}元，商家优惠退款共0.00元\r\n"
        "#导出时间：[2024年09月01日 10:00:00]\r\n"
    )


def _alipay_funds(records: int) -> Iterator[str]:
    yield f"{_alipay_head('账务')}{_ALIPAY_FLOWS}\r\n"
    yield from filled([lined(_ALIPAY_FLOW) + "\r\n"], records)
    spent = amount(-sum(map(cents_of, range(records))))
    yield (
        f"{_alipay_end('账务')}#支出合计：{records}笔，共{spent}元\r\n#收入合计：0笔，共0.00元\r\n"
        "#导出时间：[2024年09月01日 10:00:00]\r\n"
    )


def _subscriptions(records: int) -> Iterator[str]:
    """One array, a subscription on each line."""
    for number, group in enumerate(grouped(filled([template(_SUBSCRIPTION)], records), 100, ",\n")):
        yield (",\n" if number else "[") + group
    yield "]\n"


FILES: dict[str, Native] = {
    "alipay": Native(".csv", _alipay, encoding="gb18030"),
    "alipay_funds": Native(".csv", _alipay_funds, encoding="gb18030"),
    # A charge's fee is a row of its own.
    "stripe_balance": Native(".jsonl", json_lines_of(_TRANSACTION), rows=lambda records: 2 * records),
    "stripe_disputes": Native(".json", object_pages("/v1/disputes", template(_DISPUTE, 2))),
    "stripe_invoices": Native(".jsonl", json_lines_of(_INVOICE)),
    "stripe_refunds": Native(".jsonl", json_lines_of(_REFUND)),
    "stripe_subscriptions": Native(".json", _subscriptions),
    "wechat_pay": Native(".csv", _wechat),
    "wechat_pay_funds": Native(".csv", _wechat_funds),
}
