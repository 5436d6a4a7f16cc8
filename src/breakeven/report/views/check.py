"""Books against bills as a view."""

from __future__ import annotations

from decimal import Decimal

from breakeven.account.account import Account
from breakeven.reconcile.bills import Line, compare
from breakeven.report.view_model import Column, Label, Table, Value, View
from breakeven.report.views.parts import envelope, shown

_CATEGORIES = {
    "inference_api": Label("inference by API", "外购推理"),
    "gpu": Label("own GPU fleet", "自有算力"),
    "payment_fee": Label("payment fees", "支付手续费"),
}
_STATES = {
    "agrees": Label("agrees", "相符"),
    "differs": Label("differs", "不符"),
    "no_bill": Label("no bill", "没有账单"),
    "no_books": Label("not in the books", "账上没有"),
}


def check_view(account: Account, tolerance: Decimal) -> tuple[View, bool]:
    """The comparison, and whether every line with a bill agrees within a share of the bill."""
    account.facts  # noqa: B018
    lines = compare(account)
    rows = tuple(_row(account, line, tolerance) for line in lines)
    failed = any(row["state"] in ("differs", "no_books") for row in rows)
    currency = account.currency
    table = Table(
        "check",
        Label("Books against bills", "账与账单核对"),
        (
            Column("period", Label("Period", "期间")),
            Column("category", Label("Category", "类别"), words=_CATEGORIES),
            Column("vendor", Label("Vendor", "供应商")),
            Column("books", Label("Books", "账上"), currency),
            Column("bill", Label("Bill", "账单"), currency),
            Column("difference", Label("Difference", "差额"), currency),
            Column("share", Label("Share of bill", "占账单"), "ratio"),
            Column("unpriced_tokens", Label("Unpriced tokens", "未定价词元"), "tokens"),
            Column("state", Label("State", "结果"), words=_STATES),
        ),
        rows,
        note=Label(
            f"Difference is bill less books; agreement means within {tolerance:.2%} of the bill. "
            "A supplier without a bill cannot be checked and does not fail.",
            f"差额为账单减账上金额；相差不超过账单的 {tolerance:.2%} 视为相符。"
            "没有账单的供应商无法核对，不算失败。",
        ),
    )
    title = Label("Check", "核对")
    needs = ("bills", "usage", *(("capacity",) if account.books.settings.own_providers else ()))
    return View("check", title, envelope(account, needs=needs), (table,)), not failed


def _row(account: Account, line: Line, tolerance: Decimal) -> dict[str, Value]:
    if line.bill is None:
        state = "no_bill"
    elif line.books is None:
        state = "no_books"
    else:
        state = "agrees" if line.within(tolerance) else "differs"
    return {
        "period": account.buckets.periods[line.bucket].label,
        "category": line.category,
        "vendor": line.vendor or None,
        "books": line.books,
        "bill": line.bill,
        "difference": line.difference,
        "share": None if line.share is None else shown(line.share, "ratio"),
        "unpriced_tokens": line.unpriced_tokens or None,
        "state": state,
    }
