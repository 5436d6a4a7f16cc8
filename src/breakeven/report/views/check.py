"""Books against bills as a view: per vendor and month what differs and why, then line by line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from breakeven.account.account import Account
from breakeven.money import post
from breakeven.reconcile.behind import line_of, rows_behind
from breakeven.reconcile.compare import CATEGORIES, compare, whole_months
from breakeven.reconcile.line import CAUSES, Cause, Line, State, failed
from breakeven.report.view_model import Column, Label, Table, Value, View, Warning  # noqa: A004
from breakeven.report.views.explain import found_table
from breakeven.report.views.fleet_work import fleet_table
from breakeven.report.views.parts import envelope, shown

ZERO = Decimal(0)
_CATEGORIES: dict[str, Label] = {
    "inference_api": Label("Inference bought by API", "外购推理"),
    "gpu": Label("Own fleet: capacity against leases", "自有算力：容量记录与租赁账单"),
    "gpu_allocation": Label("Own fleet: cost against what models were charged", "自有算力：成本与分摊"),
    "advertising": Label("Advertising: spend against invoices", "广告：平台花费与发票"),
    "payment_fee": Label("Payment fees", "支付手续费"),
    "payout": Label("Payments: what processors owe against their payouts", "收款：渠道应付与打款"),
    "bank": Label("Payments: payouts against the bank", "收款：打款与银行到账"),
}
_BOOKS: dict[str, Label] = {
    "gpu_allocation": Label("Fleet cost", "算力成本"),
    "payout": Label("Net of payments", "收款净额"),
    "bank": Label("Paid out", "已打款"),
}
_BILLS: dict[str, Label] = {
    "gpu_allocation": Label("Charged to models and idle", "分摊与空闲"),
    "payout": Label("Paid out", "已打款"),
    "bank": Label("Received", "银行到账"),
}
_CAUSES: dict[Cause, Label] = {
    "unlogged": Label("Unlogged", "未记录"),
    "duplicate": Label("Duplicate", "重复"),
    "token_count": Label("Token count", "词元计数"),
    "price": Label("Price", "价格"),
    "tier": Label("Tier", "服务等级"),
    "discount": Label("Discount or credit", "折扣或抵扣"),
    "tax": Label("Tax", "税"),
    "fee": Label("Fee or adjustment", "费用或调整"),
    "fx": Label("FX", "汇率"),
    "late": Label("Timing: late", "时间差：迟到"),
    "time_zone": Label("Timing: time zone", "时间差：时区"),
    "rounding": Label("Rounding", "舍入"),
    "unexplained": Label("Unexplained", "未解释"),
}
_STATES: dict[str, Label] = {
    "agrees": Label("agrees", "相符"),
    "explained": Label("explained", "差异已解释"),
    "differs": Label("differs", "不符"),
    "unpriced": Label("no price in the books", "账上没有价格"),
    "no_books": Label("not in the books", "账上没有"),
    "no_bill": Label("no bill", "没有账单"),
}
_WORST: tuple[State, ...] = ("no_bill", "agrees", "explained", "differs", "unpriced", "no_books")
_CLASSES = {
    "uncached_input": Label("uncached input", "未命中缓存的输入"),
    "cached_input": Label("cached input", "命中缓存的输入"),
    "cache_write": Label("cache write", "写入缓存"),
    "output": Label("output", "输出"),
    "request_fees": Label("request fees", "按次费用"),
}
_FIGURES = {
    "gross": Label("Gross", "收款总额"),
    "refunds": Label("Refunds", "退款"),
    "chargebacks": Label("Chargebacks", "拒付"),
    "fees": Label("Fees", "手续费"),
}
_TABLES = {
    "inference_api": "usage",
    "gpu": "capacity",
    "advertising": "ad_spend",
    "payment_fee": "payments",
    "payout": "payments",
}
"""The ledger table that a category's books come from; its coverage stands beside the figures."""


def check_view(account: Account, tolerance: Decimal | None, *, detail: bool = False) -> tuple[View, bool]:
    """The comparison, and whether every line that has a bill keeps within a share of it.

    A tolerance that nobody declared is zero, and said to be missing. `detail` adds every line.
    """
    account.facts  # noqa: B018
    allowed = ZERO if tolerance is None else tolerance
    lines = compare(account)
    as_of = envelope(account).as_of
    account = whole_months(account)
    tables: list[Table] = []
    for category in CATEGORIES:
        mine = [line for line in lines if line.category == category]
        if mine:
            tables.append(_summary(account, category, mine, allowed))
            if detail and category not in ("gpu_allocation", "payout", "bank"):
                tables.append(_details(account, category, mine, allowed))
    if not tables:
        tables = [_summary(account, "inference_api", [], allowed)]
    tables[-1] = replace(tables[-1], note=_note(allowed))
    fleet = fleet_table(account)
    if fleet is not None:
        tables.append(fleet)
    compared = {line.category for line in lines}
    needs = {_TABLES[category] for category in compared if category in _TABLES}
    needs |= {"bills"} if compared - {"payout", "bank", "gpu_allocation"} else set()
    head = envelope(account, needs=needs)
    head = replace(head, as_of=as_of, warnings=(*_warnings(account, lines, tolerance), *head.warnings))
    rows = tuple(_json_row(account, line, allowed) for line in lines)
    if fleet is not None:
        rows += tuple(_json_row_of_fleet(account, row) for row in fleet.rows)
    view = View("check", Label("Books against bills", "账与账单核对"), head, tuple(tables), rows)
    return view, not any(failed(line, allowed) for line in lines)


def line_view(account: Account, line_id: str, limit: int) -> View:
    """The rows behind one line: what the bill says, and what the books hold."""
    line = line_of(compare(account), line_id)
    account = whole_months(account)
    zone = account.books.settings.time_zone
    tables: list[Table] = []
    for number, found in enumerate(rows_behind(account, line, limit)):
        title = Label(f"Rows of {found.origin.table}", f"{found.origin.table} 表的行")
        tables.append(found_table(f"{number + 1}.{found.origin.table}", title, found, zone))
    title = Label(f"Rows behind {line.id}", f"{line.id} 的来源行")
    return View("check_rows", title, envelope(account), tuple(tables))


def _warnings(account: Account, lines: Sequence[Line], tolerance: Decimal | None) -> list[Warning]:
    found: list[Warning] = []
    if tolerance is None:
        found.append(
            Warning(
                "no_tolerance",
                Label(
                    "no tolerance is declared, so every difference counts: set check.tolerance in "
                    "breakeven.toml, or give --tolerance",
                    "没有声明容差，因此任何差异都计入：请在 breakeven.toml 中设置 check.tolerance，"
                    "或使用 --tolerance",
                ),
            )
        )
    again = [line for line in lines if "/again:" in line.id]
    for line in again:
        found.append(
            Warning(
                "billed_twice",
                Label(
                    f"two sources bill {line.vendor} in {account.buckets.periods[line.bucket].label}: "
                    f"{line.bill:,} {line.currency} of {line.id.rpartition('again:')[2]} is there twice; "
                    "undo one of the imports",
                    f"两个来源都有 {line.vendor} 在 {account.buckets.periods[line.bucket].label} 的账单："
                    f"{line.id.rpartition('again:')[2]} 的 {line.bill:,} {line.currency} 是重复的；"
                    "请撤销其中一次导入",
                ),
            )
        )
    return found


def _note(tolerance: Decimal) -> Label:
    return Label(
        f"Difference is bill less books, and the causes add up to it. The tolerance of {tolerance:.2%} of a "
        "line's bill applies to what means an error (unlogged, duplicate, token count, price, tier, "
        "unexplained), each taken by its size; tax, discounts, fees, exchange, timing and rounding explain a "
        "difference and do not fail. A supplier without a bill cannot be checked and does not fail.",
        f"差额为账单减账上金额，各原因之和等于差额。容差为该行账单的 {tolerance:.2%}，只用于表示出错的原因"
        "（未记录、重复、词元计数、价格、服务等级、未解释），按绝对值相加；税、折扣、费用、汇率、时间差与舍入"
        "解释差额，不算失败。没有账单的供应商无法核对，不算失败。",
    )


def _present(lines: Iterable[Line]) -> list[Cause]:
    """Causes that occur; what is unexplained is always shown."""
    held = {cause for line in lines for cause in line.parts}
    return [cause for cause in CAUSES if cause in held or cause == "unexplained"]


def _summary(account: Account, category: str, lines: Sequence[Line], tolerance: Decimal) -> Table:
    # Where nobody sent a bill, there is nothing to compare vendor by vendor.
    has_bills = any(line.bill is not None for line in lines)
    groups: dict[tuple[int, str, str], list[Line]] = {}
    for line in lines:
        vendor = line.vendor if has_bills else ""
        groups.setdefault((line.bucket, vendor, line.currency), []).append(line)
    causes = _present(lines)
    figures = [name for name in _FIGURES if any(name in line.figures for line in lines)]
    table = _TABLES.get(category)
    rows: list[dict[str, Value]] = []
    for (bucket, vendor, _), mine in sorted(groups.items()):
        period = account.buckets.periods[bucket]
        row: dict[str, Value] = {"period": period.label, "vendor": vendor or None}
        row |= {name: sum((line.figures.get(name, ZERO) for line in mine), ZERO) for name in figures}
        row |= _sides(mine)
        row |= _parts(mine, causes)
        row["unpriced_tokens"] = sum(line.unpriced_tokens for line in mine) or None
        if table is not None:
            covered, days = account.coverage.share(table, period)
            row["covered"] = shown(Decimal(covered) / Decimal(days), "ratio")
        row["state"] = max((line.state(tolerance) for line in mine), key=_WORST.index)
        rows.append(row)
    units = [currency for (_, _, currency) in sorted(groups)]
    mixed = category in ("payout", "bank")
    unit = "count" if mixed else account.currency
    columns = [Column("period", Label("Period", "期间")), Column("vendor", Label("Vendor", "供应商"))]
    columns += [Column(name, _FIGURES[name], unit) for name in figures]
    columns += _money_columns(category, causes, unit)
    if category == "inference_api":
        columns.append(Column("unpriced_tokens", Label("Unpriced tokens", "未定价词元"), "tokens"))
    if table is not None and not mixed:
        columns.append(Column("covered", Label("Days in the books", "账上有数据的天数"), "ratio"))
    columns.append(Column("state", Label("State", "结果"), words=_STATES))
    return Table(
        f"check_{category}", _CATEGORIES[category], tuple(columns), tuple(rows),
        row_units=tuple(units) if mixed else None,
    )  # fmt: skip


def _details(account: Account, category: str, lines: Sequence[Line], tolerance: Decimal) -> Table:
    causes = _present(lines)
    has_tokens = category == "inference_api"
    rows: list[dict[str, Value]] = []
    for line in lines:
        row: dict[str, Value] = {"line": line.id, "model": line.model or None}
        row["token_class"] = line.token_class or None
        row["books_quantity"] = line.books_quantity
        row["bill_quantity"] = line.bill_quantity
        row |= _sides([line]) | _parts([line], causes)
        row["state"] = line.state(tolerance)
        row["note"] = line.note_en or None
        rows.append(row)
    columns = [Column("line", Label("Line", "行"))]
    if has_tokens:
        columns += [
            Column("books_quantity", Label("Tokens booked", "账上词元"), "tokens"),
            Column("bill_quantity", Label("Tokens billed", "账单词元"), "tokens"),
        ]
    notes = {
        line.note_en: Label(line.note_en, line.note_zh or line.note_en) for line in lines if line.note_en
    }
    columns += _money_columns(category, causes, account.currency)
    columns += [
        Column("state", Label("State", "结果"), words=_STATES),
        Column("note", Label("Remark", "说明"), words=notes),
    ]
    title = _CATEGORIES[category]
    label = Label(f"{title.en}, line by line", f"{title.zh}，逐行")
    return Table(f"lines_{category}", label, tuple(columns), tuple(rows))


def _money_columns(category: str, causes: Sequence[Cause], unit: str) -> list[Column]:
    return [
        Column("books", _BOOKS.get(category, Label("Books", "账上")), unit),
        Column("bill", _BILLS.get(category, Label("Bill", "账单")), unit),
        Column("difference", Label("Difference", "差额"), unit),
        *(Column(cause, _CAUSES[cause], unit) for cause in causes),
    ]


def _sides(lines: Sequence[Line]) -> dict[str, Value]:
    books = [line.books for line in lines if line.books is not None]
    bills = [line.bill for line in lines if line.bill is not None]
    differences = [line.difference for line in lines if line.difference is not None]
    return {
        "books": sum(books, ZERO) if books else None,
        "bill": sum(bills, ZERO) if bills else None,
        "difference": sum(differences, ZERO) if differences else None,
    }


def _parts(lines: Sequence[Line], causes: Iterable[Cause]) -> dict[str, Value]:
    if all(line.bill is None for line in lines):
        return dict.fromkeys(causes)
    zero = post(ZERO, lines[0].currency)
    return {cause: sum((line.parts.get(cause, zero) for line in lines), zero) for cause in causes}


def _json_row(account: Account, line: Line, tolerance: Decimal) -> dict[str, Value]:
    """A line with every cause, for machines; long form, so that each row stands for itself."""
    texts: Mapping[str, Value] = {
        "line": line.id,
        "period": account.buckets.periods[line.bucket].label,
        "category": line.category,
        "vendor": line.vendor or None,
        "model": line.model or None,
        "token_class": line.token_class or None,
        "currency": line.currency,
    }
    share = None if line.share is None else shown(line.share, "ratio")
    return {
        **texts,
        **_sides([line]),
        "share": share,
        **_parts([line], CAUSES),
        "unpriced_tokens": line.unpriced_tokens or None,
        "books_quantity": line.books_quantity,
        "bill_quantity": line.bill_quantity,
        "state": line.state(tolerance),
        "note": line.note_en or None,
    }


def _json_row_of_fleet(account: Account, row: Mapping[str, Value]) -> dict[str, Value]:
    """The bill of a pool against its class costs, with the head that lines have; no line is behind it."""
    head = dict.fromkeys(("line", "period", "category", "vendor", "model", "token_class", "currency"))
    return {**head, "category": "fleet_work", "currency": account.currency, **row}
