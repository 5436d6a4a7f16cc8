"""The journal as a Beancount file: accounts, balanced entries, and balances that Beancount itself checks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal

from breakeven.account.account import Account
from breakeven.account.catalogue import METRICS
from breakeven.errors import UsageError
from breakeven.money import minor_units
from breakeven.periods import Period
from breakeven.report.handing.journal import CASH, CREDITS, EXCHANGE, OPENING, ZERO, Month
from breakeven.report.handing.posting import months_of
from breakeven.report.view_model import Label, Language

_WORDS = {
    CASH: Label("Cash", "货币资金"),
    CREDITS: Label("Restricted credit", "专用额度"),
    OPENING: Label("Opening balances", "期初余额"),
    EXCHANGE: Label("Exchange differences and rounding", "汇兑差额与尾差"),
    "Liabilities:DeferredRevenue": Label("Deferred revenue", "递延收入"),
    "Liabilities:Payable": Label("Owed to suppliers", "应付账款"),
    "Liabilities:Tax": Label("Tax collected", "代收税款"),
}
_SYNTHETIC = Label("Synthetic data: an invented company.", "合成数据：虚构的公司。")
_OPENING = Label("Opening balances", "期初余额")


def beancount_text(account: Account, period: Period, language: Language) -> tuple[str, int]:
    """The file for the months of a period, and its number of transactions.

    The account reaches from the first month of the books to the end of the period: what came before is its
    opening balances. Raises `UsageError` when the period begins inside a month.
    """
    months = months_of(account)
    earlier = [month for month in months if month.period.first < period.first]
    shown = months[len(earlier) :]
    if not shown or (earlier and earlier[-1].period.end > shown[0].period.first):
        raise UsageError(f"no month begins with {period.label}", remedy="name whole months, such as 2024-08")
    writer = _Writer(account, language)
    lines = list(writer.head(period))
    opening = _opening(earlier)
    lines += writer.opened(shown, opening, shown[0].period.first)
    if opening:
        lines += writer.transaction(shown[0].period.first, _OPENING, opening, {})
    stated: dict[str, Decimal] = defaultdict(Decimal)
    for month in shown:
        lines += writer.month(month, stated)
    transactions = sum(len(month.entries) for month in shown) + bool(opening)
    return "\n".join(lines) + "\n", transactions


def _opening(months: list[Month]) -> list[tuple[str, Decimal]]:
    """What assets, liabilities and equity hold after some months; the result goes to the opening balance."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for posting in (posting for month in months for entry in month.entries for posting in entry.postings):
        is_flow = posting.account.startswith(("Income:", "Expenses:"))
        sums[OPENING if is_flow else posting.account] += posting.amount
    return [(name, amount) for name, amount in sorted(sums.items()) if amount]


class _Writer:
    def __init__(self, account: Account, language: Language) -> None:
        self.language: Language = language
        self.currency = account.currency
        self.settings = account.books.settings
        self.step = Decimal(1).scaleb(-minor_units(account.currency))

    def head(self, period: Period) -> Iterator[str]:
        """Title, currency, and what kind of data this is."""
        yield ";; -*- mode: beancount; coding: utf-8; -*-"
        if self.settings.synthetic:
            yield f";; {_SYNTHETIC.text(self.language)}"
        yield f'option "title" {_quoted(f"{self.settings.name} {period.label}")}'
        yield f'option "operating_currency" "{self.currency}"'
        yield ""

    def opened(self, months: list[Month], opening: list[tuple[str, Decimal]], first: date) -> Iterator[str]:
        """Every account that is used or whose balance is checked."""
        names = {name for name, _ in opening}
        for month in months:
            names |= {posting.account for entry in month.entries for posting in entry.postings}
            names |= set(month.stated)
        for name in sorted(names):
            yield f"{first.isoformat()} open {name} {self.currency}"
            if name in _WORDS:
                yield f"  name: {_quoted(_WORDS[name].text(self.language))}"
        yield ""

    def month(self, month: Month, stated: dict[str, Decimal]) -> Iterator[str]:
        """A month's entries, what has no value, and the balances at its end."""
        yield f";; {month.period.label}"
        for measure, missing in month.absent.items():
            said = METRICS[measure]
            name, why = (said.zh, missing.zh) if self.language == "zh" else (said.en, missing.en)
            yield Label(f";; no value: {name}: {why}", f";; 没有数值：{name}：{why}").text(self.language)
        yield ""
        for entry in month.entries:
            legs = [(posting.account, posting.amount) for posting in entry.postings]
            yield from self.transaction(entry.day, entry.words, legs, entry.facts)
        for name, amount in month.stated.items():
            is_balance = name in (CASH, CREDITS)
            stated[name] = amount if is_balance else stated[name] + amount
            after = month.period.end.isoformat()
            exact = f"{self._number(stated[name])} ~ {self._number(ZERO)} {self.currency}"
            yield f"{after} balance {name}  {exact}"
        yield ""

    def transaction(
        self, day: date, words: Label, legs: list[tuple[str, Decimal]], facts: Mapping[str, str]
    ) -> Iterator[str]:
        """One balanced entry with its metadata."""
        yield f"{day.isoformat()} * {_quoted(words.text(self.language))}"
        for key, value in facts.items():
            yield f"  {key}: {_quoted(value)}"
        width = max(len(name) for name, _ in legs)
        for name, amount in legs:
            yield f"  {name:<{width}}  {self._number(amount):>18} {self.currency}"
        yield ""

    def _number(self, amount: Decimal) -> str:
        return f"{amount.quantize(self.step):f}"


def _quoted(text: str) -> str:
    plain = " ".join(text.split())
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
