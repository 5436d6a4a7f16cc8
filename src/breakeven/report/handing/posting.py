"""From the account to its journal, month by month: accruals, receipts, payments, funding, closing rates."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction

from breakeven.account.account import Account
from breakeven.account.catalogue import INCOME_LINES, METRICS
from breakeven.account.credit import Draw, draws
from breakeven.account.facts import post_fraction
from breakeven.account.margin import posted_parts
from breakeven.account.metrics import Missing
from breakeven.account.payments import REVENUE_OF, fees_are_known
from breakeven.account.usage import with_bucket
from breakeven.report.handing.journal import (
    ACCOUNT_OF,
    CASH,
    CREDITS,
    DEFERRED_OF,
    EXCHANGE,
    PAYABLE_OF,
    ZERO,
    Month,
    fitted,
    known,
    line_words,
    stated_less_adjusted,
)
from breakeven.report.handing.names import account_part
from breakeven.report.view_model import Label

TAX = "Liabilities:Tax"
_REST = "Liabilities:Payable:Unassigned"
_MEASURE_OF_BILL = {"inference_api": "inference_api_cost", "gpu": "gpu_cost", "payment_fee": "payment_fees"}
_TOPUP = "api_topup"


def months_of(account: Account) -> list[Month]:
    """Every month of the account as double entry."""
    drawn = draws(account.bills, account.funds, account.rates)
    running: dict[str, Decimal] = defaultdict(Decimal)
    months: list[Month] = []
    for bucket, period in enumerate(account.buckets.periods):
        month = Month(period)
        _accrue(account, bucket, month)
        _receive(account, bucket, month)
        _pay(account, bucket, month, drawn)
        _fund(account, bucket, month)
        _expire(account, month, drawn)
        _adjust(account, bucket, month)
        for entry in month.entries:
            for posting in entry.postings:
                running[posting.account] += posting.amount
        _close(account, bucket, month, running)
        months.append(month)
    return months


def _accrue(account: Account, bucket: int, month: Month) -> None:
    """Each line of the statement, against what customers prepaid or suppliers are owed."""
    for measure in (line for line in INCOME_LINES if line in ACCOUNT_OF):
        amount = stated_less_adjusted(account, measure, bucket)
        if isinstance(amount, Missing):
            month.absent[measure] = amount
            continue
        facts = {"measure": measure, "tables": " ".join(METRICS[measure].tables)}
        name, words = ACCOUNT_OF[measure], line_words(measure)
        if measure in DEFERRED_OF:
            month.add(words, [(DEFERRED_OF[measure], amount), (name, -amount)], **facts)
        elif measure == "refunds":
            month.add(words, [(name, -amount), (PAYABLE_OF[measure], amount)], **facts)
        elif measure == "inference_api_cost":
            for vendor, part in _by_vendor(account, bucket, amount):
                legs = [(f"{name}:{vendor}", part), (f"{PAYABLE_OF[measure]}:{vendor}", -part)]
                month.add(words, legs, **facts)
        else:
            month.add(words, [(name, amount), (PAYABLE_OF[measure], -amount)], **facts)


def _by_vendor(account: Account, bucket: int, total: Decimal) -> list[tuple[str, Decimal]]:
    """Inference bought, by who served it; bills for what nobody logged by who sent them."""
    exact: dict[str, Fraction] = defaultdict(Fraction)
    logged = {str(line.key[0]): line.bought for line in posted_parts(account, "provider")[bucket]}
    providers = {str(cost.key[0]) for cost in account.usage.by("provider") if cost.bucket == bucket}
    for provider in sorted(providers):
        exact[account_part(provider)] += Fraction(logged.get(provider, ZERO))
    unlogged = sum((bought for name, bought in logged.items() if name not in providers), ZERO)
    if unlogged:
        for bill, at, part in account.unlogged_bills:
            if at == bucket:
                exact[account_part(bill.vendor)] += known(part)
    return fitted(total, {name: part for name, part in exact.items() if part}, account.currency, "Unassigned")


def _receive(account: Account, bucket: int, month: Month) -> None:
    """What customers paid: cash, what channels kept, tax collected, and service owed for it."""
    cash = stated_less_adjusted(account, "cash_in", bucket)
    rows = account.rollups["payments"]
    if isinstance(cash, Missing) or rows.num_rows == 0:
        return
    sums = [(name, "sum") for name in ("amount", "fee", "tax")]
    grouped = with_bucket(rows, account.buckets).group_by(["bucket", "day", "kind", "currency"])
    exact: dict[str, Fraction] = defaultdict(Fraction)
    for row in grouped.aggregate(sums).to_pylist():
        if row["bucket"] != bucket:
            continue

        def in_books(amount: Decimal | None, row: dict[str, object] = row) -> Fraction:
            return known(account.converter.on_day(Fraction(amount or 0), row["currency"], row["day"]))  # type: ignore[arg-type]

        gross, fee, tax = (in_books(row[f"{name}_sum"]) for name in ("amount", "fee", "tax"))
        measure = "api_revenue" if row["kind"] == _TOPUP else REVENUE_OF[row["kind"]]
        sign = -1 if measure == "refunds" else 1
        owed = PAYABLE_OF["refunds"] if measure == "refunds" else DEFERRED_OF[measure]
        exact[owed] -= sign * (gross - tax)
        exact[TAX] -= sign * tax
        exact[PAYABLE_OF["payment_fees"]] += fee
    legs = fitted(-cash, exact, account.currency, _REST)
    words = Label("Payments of customers", "客户付款")
    month.add(words, [(CASH, cash), *legs], measure="cash_in", tables="payments")


def _pay(account: Account, bucket: int, month: Month, drawn: list[Draw]) -> None:
    """What suppliers were paid, in cash and by credit, each off what was owed to them."""
    cash: dict[str, Fraction] = defaultdict(Fraction)
    credit: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    first = account.buckets.periods[bucket].first
    fees = account.rollups["payments"]
    for bill in account.bills:
        if bill.category == "payment_fee" and fees_are_known(fees, bill.period):
            continue
        for at, part in bill.accrued(account.buckets):
            if at == bucket:
                cash[_owed(bill.category, bill.vendor)] += known(
                    account.converter.over_month(part, bill.currency, first)
                )
    for draw in drawn:
        if account.buckets.of(draw.day) == bucket:
            bill = account.bills[draw.bill]
            part = known(account.converter.over_month(draw.paid, bill.currency, first))
            cash[_owed(bill.category, bill.vendor)] -= part
            credit[_credit_account(account, draw.fund), _owed(bill.category, bill.vendor)] += part
    for row in account.spend_rows():
        if row["bucket"] == bucket:
            amount = account.converter.on_day(Fraction(row["amount_sum"]), row["currency"], row["day"])
            cash[PAYABLE_OF["ads_spend"]] += known(amount)
    paid = stated_less_adjusted(account, "cash_out", bucket)
    if not isinstance(paid, Missing):
        legs = fitted(paid, {name: part for name, part in cash.items() if part}, account.currency, _REST)
        words = Label("Suppliers paid in cash", "以现金支付供应商")
        month.add(words, [*legs, (CASH, -paid)], measure="cash_out", tables="bills ad_spend")
    used = stated_less_adjusted(account, "credit_used", bucket)
    if not isinstance(used, Missing) and credit:
        names = {f"{fund} {owed}": part for (fund, owed), part in credit.items() if part}
        legs: list[tuple[str, Decimal]] = []
        for name, part in fitted(used, names, account.currency, f"{CREDITS}:Unassigned {_REST}"):
            fund, _, owed = name.partition(" ")
            legs += [(owed, part), (fund, -part)]
        words = Label("Suppliers paid by restricted credit", "以专用额度支付供应商")
        month.add(words, legs, measure="credit_used", tables="bills funding")


def _owed(category: str, vendor: str) -> str:
    measure = _MEASURE_OF_BILL.get(category, f"{category}_cost")
    if category == "inference_api":
        return f"{PAYABLE_OF[measure]}:{account_part(vendor)}"
    return PAYABLE_OF.get(measure, PAYABLE_OF["ads_spend"])  # bills for advertising settle the spend


def _credit_account(account: Account, fund: int) -> str:
    found = account.funds[fund]
    return f"{CREDITS}:{account_part(found.restricted_to or found.name)}"


def _fund(account: Account, bucket: int, month: Month) -> None:
    """Money and credit received."""
    for number, fund in enumerate(account.funds):
        if account.buckets.of(fund.day) != bucket:
            continue
        value = account.converter.on_day(Fraction(fund.amount), fund.currency, fund.day)
        amount = post_fraction(known(value), account.currency)
        side = "Liabilities:Debt" if fund.kind == "debt" else "Equity:Funding"
        origin = f"Equity:Opening:{account_part(fund.name)}" if fund.kind == "opening" else ""
        target = _credit_account(account, number) if fund.is_restricted else CASH
        legs = [(target, amount), (origin or f"{side}:{account_part(fund.name)}", -amount)]
        words = Label(f"Funding: {fund.name or fund.kind}", f"融资：{fund.name or fund.kind}")
        month.add(words, legs, measure="funding_cash", tables="funding", kind=fund.kind)


def _expire(account: Account, month: Month, drawn: list[Draw]) -> None:
    """Credit that ran out unused."""
    for number, fund in enumerate(account.funds):
        if not fund.is_restricted or fund.expires_on is None or fund.expires_on not in month.period:
            continue
        used = sum((draw.drawn for draw in drawn if draw.fund == number), Fraction(0))
        left = account.converter.on_day(Fraction(fund.amount) - used, fund.currency, month.last_day)
        amount = post_fraction(known(left), account.currency)
        words = Label(f"Credit expired unused: {fund.name}", f"额度过期未用：{fund.name}")
        legs = [("Expenses:ExpiredCredits", amount), (_credit_account(account, number), -amount)]
        month.add(words, legs, measure="restricted_credit", tables="funding")


def _adjust(account: Account, bucket: int, month: Month) -> None:
    """What became known of closed months, booked in the open one."""
    if bucket != account.stated.open_bucket:
        return
    for change in account.stated.adjustments:
        measure, amount = change.measure, change.amount
        legs: list[tuple[str, Decimal]] | None = None
        if measure in DEFERRED_OF:
            legs = [(DEFERRED_OF[measure], amount), (ACCOUNT_OF[measure], -amount)]
        elif measure == "refunds":
            legs = [(ACCOUNT_OF[measure], -amount), (PAYABLE_OF[measure], amount)]
        elif measure in ACCOUNT_OF:
            inner = ":Unassigned" if measure == "inference_api_cost" else ""
            legs = [(ACCOUNT_OF[measure] + inner, amount), (PAYABLE_OF[measure] + inner, -amount)]
        elif measure in ("cash_in", "funding_cash"):
            legs = [(CASH, amount), (_REST, -amount)]
        elif measure == "cash_out":
            legs = [(_REST, amount), (CASH, -amount)]
        elif measure == "credit_used":
            legs = [(_REST, amount), (f"{CREDITS}:Unassigned", -amount)]
        if legs is not None:
            said = METRICS[measure]
            closed = f"{change.month:%Y-%m}"
            words = Label(f"Adjusting entry for {closed}: {said.en}", f"{closed} 的调整分录：{said.zh}")
            month.add(words, legs, measure=measure, adjusts=closed, cause=change.cause)


def _close(account: Account, bucket: int, month: Month, running: dict[str, Decimal]) -> None:
    """Balances at the closing rate: what flows at their own rates leave over is an exchange difference."""
    for measure, name in (("cash", CASH), ("restricted_credit", CREDITS)):
        balance = account.value(measure, bucket)
        if isinstance(balance, Missing):
            month.absent[measure] = balance
            continue
        mine = [each for each in running if each == name or each.startswith(f"{name}:")]
        left = balance - sum((running[each] for each in mine), ZERO)
        if left:
            held = max(mine, key=lambda each: abs(running[each])) if mine else name
            words = Label(
                f"Exchange differences and rounding: {METRICS[measure].en}",
                f"汇兑差额与尾差：{METRICS[measure].zh}",
            )
            month.add(words, [(held, left), (EXCHANGE, -left)], measure=measure)
            running[held] += left
            running[EXCHANGE] -= left
        month.stated[name] = balance
    for measure, name in ACCOUNT_OF.items():
        amount = account.value(measure, bucket)
        if not isinstance(amount, Missing):
            month.stated[name] = -amount if name.startswith("Income:") else amount
