"""Beancount reads the journal without an error, and its balances are the account's, month by month."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from types import SimpleNamespace

import pytest
from beancount import loader
from beancount.core.data import Open, Transaction
from tests.account.bookkeeping import book, new_books

from breakeven.account.account import open_account
from breakeven.account.metrics import Missing
from breakeven.errors import UsageError
from breakeven.periods import Period
from breakeven.report.handing.beancount import beancount_text
from breakeven.report.handing.journal import ACCOUNT_OF, CASH, CREDITS, EXCHANGE

from .worked_cases import CASES, account_of_case

pytestmark = pytest.mark.filterwarnings("ignore")
MEASURE_OF = {account: measure for measure, account in ACCOUNT_OF.items()}


def loaded(text):
    entries, errors, _ = loader.load_string(text)
    return entries, [error.message for error in errors]


def sums_by_month(entries):
    """What each account moved by, in the month of each transaction."""
    sums = defaultdict(Decimal)
    for entry in entries:
        if isinstance(entry, Transaction):
            for posting in entry.postings:
                sums[entry.meta.get("period"), posting.account] += posting.units.number
    return sums


def within(account, name):
    return account == name or account.startswith(f"{name}:")


@pytest.mark.parametrize("name", CASES)
def test_balances_are_the_accounts_month_by_month(name, tmp_path):
    account = account_of_case(name, tmp_path)
    text, count = beancount_text(account, account.buckets.span, "en")
    entries, errors = loaded(text)
    assert errors == []
    assert count == sum(isinstance(entry, Transaction) for entry in entries)
    sums = sums_by_month(entries)
    assert sum(sums.values(), Decimal(0)) == 0
    for measure, booked_on in ACCOUNT_OF.items():
        for bucket, period in enumerate(account.buckets.periods):
            moved = sum(
                (n for (month, a), n in sums.items() if month == period.label and within(a, booked_on)),
                Decimal(0),
            )
            stated = account.value(measure, bucket)
            expected = Decimal(0) if isinstance(stated, Missing) else stated
            assert moved == (-expected if booked_on.startswith("Income:") else expected), (measure, period)
    last = len(account.buckets.periods) - 1
    for measure, booked_on in (("cash", CASH), ("restricted_credit", CREDITS)):
        stated = account.value(measure, last)
        if not isinstance(stated, Missing):
            assert sum((n for (_, a), n in sums.items() if within(a, booked_on)), Decimal(0)) == stated


def test_a_cent_more_is_an_error_to_beancount(tmp_path):
    account = account_of_case("statement_of_a_month", tmp_path)
    text, _ = beancount_text(account, account.buckets.span, "en")
    [line] = [line for line in text.splitlines() if " balance Expenses:Content " in line]
    amount = line.split()[3]
    wrong = text.replace(line, line.replace(amount, str(Decimal(amount) + Decimal("0.01"))))
    assert any("Balance failed" in error for error in loaded(wrong)[1])


def test_credit_is_used_and_expires_and_one_currency_leaves_no_difference(tmp_path):
    account = account_of_case("cash_and_credit", tmp_path)
    entries, errors = loaded(beancount_text(account, account.buckets.span, "en")[0])
    sums = sums_by_month(entries)
    assert errors == []
    # 300 received; 100, 100 and 75 pay the cloud; 25 expire. Cash: 1000 + 500 + 200 less 900 and 80 and 10.
    assert sums["2024-03", "Expenses:ExpiredCredits"] == Decimal("25.00")
    assert [sums[f"2024-0{month}", f"{CREDITS}:Cloud-one"] for month in (1, 2, 3)] == [200, -100, -100]
    assert not any(account == EXCHANGE for _, account in sums)
    assert sum((n for (_, a), n in sums.items() if a == CASH), Decimal(0)) == Decimal("710.00")


@pytest.fixture
def prepaid(tmp_path):
    """A year paid in January with VAT and a fee, a refund in February; paid in euros, kept in dollars."""
    books = new_books(tmp_path / "books", currency="USD")
    rates = {"2024-01-01": "1.10", "2024-01-10": "1.10", "2024-01-31": "1.10", "2024-02-10": "1.20"}
    lines = [f"{day},EUR,USD,{rate},treasury" for day, rate in {**rates, "2024-02-29": "1.20"}.items()]
    (books.folder / "fx.csv").write_text("\n".join(["day,base,quote,rate,source", *lines, ""]))
    year = {"service_start": "2024-01-01T00:00:00Z", "service_end": "2024-12-31T00:00:00Z"}  # 365 days
    paid = {"user_id": "u1", "currency": "EUR", "kind": "subscription", "at": "2024-01-10T00:00:00Z"}
    book(books, "payments", [
        {**paid, **year, "amount": "420.00", "fee": "10.00", "tax": "55.00"},
        {"user_id": "u1", "at": "2024-02-10T00:00:00Z", "kind": "refund", "amount": "12.00", "fee": "0",
         "tax": "2.00", "currency": "EUR"},
    ])  # fmt: skip
    book(books, "funding", [
        {"at": "2024-01-01T00:00:00Z", "kind": "opening", "name": "bank", "amount": "100", "currency": "EUR"},
    ])  # fmt: skip
    return books


def test_what_was_prepaid_is_deferred_and_foreign_cash_is_revalued(prepaid):
    account = open_account(prepaid, period=Period.parse("2024-01..2024-02"))
    entries, errors = loaded(beancount_text(account, account.buckets.span, "en")[0])
    sums = sums_by_month(entries)
    assert errors == []
    # 365 EUR net over 365 days at the rate of the day it was paid: 31 and 29 days at 1.10 a day.
    assert sums["2024-01", "Income:Subscription"] == Decimal("-34.10")
    assert sums["2024-02", "Income:Subscription"] == Decimal("-31.90")
    deferred = "Liabilities:DeferredRevenue:Subscription"
    assert sums["2024-01", deferred] == Decimal("-401.50") + Decimal("34.10")
    # VAT: 55 EUR at 1.10, of which 2 EUR at 1.20 go back.
    assert sums["2024-01", "Liabilities:Tax"] == Decimal("-60.50")
    assert sums["2024-02", "Liabilities:Tax"] == Decimal("2.40")
    assert sums["2024-01", "Expenses:PaymentFees"] == Decimal("11.00")
    assert sums["2024-02", "Income:Refunds"] == Decimal("12.00")
    # 100 + 410 EUR lie in the bank when the euro rises by ten cents; 12 EUR leave at the new rate.
    assert sums["2024-02", EXCHANGE] == Decimal("-51.00")
    assert sums["2024-01", CASH] + sums["2024-02", CASH] == Decimal("498") * Decimal("1.20")


def test_a_later_month_begins_with_the_balances_of_the_earlier_ones(prepaid):
    account = open_account(prepaid, period=Period.parse("2024-01..2024-02"))
    text, _ = beancount_text(account, Period.parse("2024-02"), "en")
    entries, errors = loaded(text)
    assert errors == []
    sums = sums_by_month(entries)
    assert sums[None, CASH] == Decimal("561.00")
    assert sums[None, "Liabilities:DeferredRevenue:Subscription"] == Decimal("-367.40")
    assert not [account for month, account in sums if month is None and account.startswith("Income")]
    with pytest.raises(UsageError, match="no month begins"):
        beancount_text(account, Period.parse("2024-02-05..2024-02-29"), "en")


def test_what_is_absent_is_said_and_not_booked(tmp_path):
    account = account_of_case("absent_is_not_zero", tmp_path)
    text, _ = beancount_text(account, account.buckets.span, "zh")
    assert ";; 没有数值：" in text
    assert loaded(text)[1] == []


def test_hostile_names_stay_names(tmp_path):
    books = new_books(tmp_path / "books")
    bill = {"category": "inference_api", "period_start": "2024-01-01", "period_end": "2024-02-01"}
    book(books, "bills", [
        {**bill, "vendor": 'x" 9 USD\n2024-01-01 open Assets:Mine', "amount": "5.00", "currency": "USD"},
        {**bill, "vendor": "阿里云", "amount": "7.00", "currency": "USD"},
    ])  # fmt: skip
    used = {"at": "2024-01-05T00:00:00Z", "provider": "elsewhere", "model": "m"}
    book(books, "usage", [{**used, "uncached_input_tokens": 1, "output_tokens": 1}])
    account = open_account(books, period=Period.parse("2024-01"))
    entries, errors = loaded(beancount_text(account, account.buckets.span, "en")[0])
    assert errors == []
    opened = {entry.account for entry in entries if isinstance(entry, Open)}
    assert "Expenses:Inference:阿里云" in opened
    assert "Assets:Mine" not in opened


def test_adjusting_entries_of_closed_months_are_entries_of_their_own(prepaid):
    account = open_account(prepaid, period=Period.parse("2024-01..2024-02"))
    change = SimpleNamespace(
        month=Period.parse("2023-12").first, measure="subscription_revenue", cause="late_facts",
        amount=Decimal("3.00"),
    )  # fmt: skip
    live = account.facts

    class Stated(type(account.stated)):
        open_bucket = 0
        adjusted = {"subscription_revenue": Decimal("3.00")}  # noqa: RUF012
        adjustments = (change,)

    account.__dict__["stated"] = Stated(account)
    assert account.value("subscription_revenue", 0) == live.get("subscription_revenue", 0) + 3
    entries, errors = loaded(beancount_text(account, account.buckets.span, "en")[0])
    assert errors == []
    [entry] = [entry for entry in entries if entry.meta.get("adjusts")]
    assert entry.meta["adjusts"] == "2023-12"
    assert entry.meta["cause"] == "late_facts"
    assert {p.account: p.units.number for p in entry.postings}["Income:Subscription"] == Decimal("-3.00")
