"""What a month must keep to be closed, all at once: each condition with what was found and what to do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from breakeven.account.account import Account
from breakeven.account.catalogue import METRICS, TABLE_WORDS
from breakeven.account.metrics import Missing, measures_of
from breakeven.account.usage import CLASSES
from breakeven.money import EXACT
from breakeven.periods import ONE_DAY, Period
from breakeven.reconcile.line import Line

State = Literal["pass", "fail", "note"]
ConditionId = Literal[
    "not_closed", "over", "order", "coverage", "values", "unpriced", "unexplained", "errors", "quarantine"
]
_STATEMENT_TABLES = ("usage", "payments", "ad_spend", "bills")
_WHERE_KEPT = ("acquisitions", "activity")
_MOST_NAMED = 5
ZERO = Decimal(0)


@dataclass(frozen=True)
class Condition:
    """One condition: what it is about, what was found beside its limit, and what to do where it fails.

    `note` is something a reader must know that does not keep a month from being closed.
    """

    id: ConditionId
    state: State
    subject: str
    found_en: str
    found_zh: str
    remedy_en: str = ""
    remedy_zh: str = ""
    measured: Decimal | None = None
    limit: Decimal | None = None


def refused(conditions: Iterable[Condition]) -> bool:
    """Whether a month may not be closed."""
    return any(condition.state == "fail" for condition in conditions)


def calendar(account: Account, month: date, closed: Iterable[date], today: date) -> list[Condition]:
    """Conditions on the month itself: over, not closed yet, and nothing open before it."""
    label, closed = f"{month:%Y-%m}", set(closed)
    end = Period.month(month).end
    found = [
        Condition("not_closed", "fail", label, "it is closed already", "该月已经结账",
                  f"use `breakeven restate {label}` for a new revision, or `breakeven reopen {label}`",
                  f"用 `breakeven restate {label}` 出具新版本，或用 `breakeven reopen {label}` 重新打开")
        if month in closed
        else Condition("not_closed", "pass", label, "it is open", "该月未结账")
    ]  # fmt: skip
    last = f"its last day is {end - ONE_DAY}", f"最后一天是 {end - ONE_DAY}"
    if today >= end:
        found.append(Condition("over", "pass", label, *last))
    else:
        found.append(Condition("over", "fail", label, *last, f"close it from {end} on", f"{end} 起再结账"))
    months = [other for other in _months_with_data(account) if other < month and other not in closed]
    names = ", ".join(f"{other:%Y-%m}" for other in months)
    if months:
        first = f"{months[0]:%Y-%m}"
        found.append(
            Condition("order", "fail", names, f"earlier months with data are open: {names}",
                      f"更早的月份有数据而未结账：{names}", f"close {first} first", f"先结 {first}")
        )  # fmt: skip
    else:
        found.append(Condition("order", "pass", label, "no earlier month is open", "更早的月份均已结账"))
    return found


def _months_with_data(account: Account) -> list[date]:
    tables = ("usage", "activity", "payments", "ad_spend", "acquisitions", "capacity")
    periods = [period for table in tables for period in account.coverage.periods.get(table, ())]
    return sorted({month for period in periods for month in period.months()})


def of_contents(account: Account, lines: Sequence[Line]) -> list[Condition]:
    """Conditions on what the month holds. The account has this month as its only bucket."""
    return [
        *_coverage(account), *_values(account), *_unpriced(account), *_unexplained(account, lines),
        *_errors(account, lines), *_quarantine(account),
    ]  # fmt: skip


def needed_tables(account: Account) -> list[str]:
    """Tables that must cover the month: those of the statement, and those the books keep at all."""
    period = account.buckets.periods[0]
    tables = [*_STATEMENT_TABLES, *(table for table in _WHERE_KEPT if account.coverage.periods.get(table))]
    leased = any(bill.category == "gpu" and bill.period.overlap(period) for bill in account.bills)
    if account.coverage.periods.get("capacity") or (account.books.settings.own_providers and not leased):
        tables.append("capacity")
    return tables


def _coverage(account: Account) -> list[Condition]:
    period, limit = account.buckets.periods[0], account.books.settings.close.coverage
    found: list[Condition] = []
    for table in needed_tables(account):
        covered, days = account.coverage.share(table, period)
        share = EXACT.divide(Decimal(covered), Decimal(days))
        en, zh = TABLE_WORDS[table]
        said = (f"{en}: {covered} of {days} days are covered", f"{zh}：{days} 天中有 {covered} 天的数据")
        if share >= limit:
            found.append(Condition("coverage", "pass", table, *said, measured=share, limit=limit))
            continue
        missing = _missing_days(account, table, period)
        flag = f"--covers {period.label}"
        found.append(
            Condition("coverage", "fail", table,
                      f"{said[0]}; missing {missing}", f"{said[1]}；缺 {missing}",
                      f"import the missing {en}; when nothing happened on those days, say so with `{flag}`; "
                      f'a company without {en} names "{table}" in [coverage] not_applicable',
                      f"导入缺少的{zh}；若那几天确实没有发生，导入时用 `{flag}` 声明；"
                      f'没有{zh}的公司在 [coverage] not_applicable 中写入 "{table}"',
                      share, limit)
        )  # fmt: skip
    return found


def _missing_days(account: Account, table: str, period: Period) -> str:
    days = [day for day in period.days() if not account.coverage.any(table, Period(day, day + ONE_DAY))]
    runs: list[Period] = []
    for day in days:
        if runs and runs[-1].end == day:
            runs[-1] = Period(runs[-1].first, day + ONE_DAY)
        else:
            runs.append(Period(day, day + ONE_DAY))
    more = ", ..." if len(runs) > _MOST_NAMED else ""
    return ", ".join(run.label for run in runs[:_MOST_NAMED]) + more


def _values(account: Account) -> list[Condition]:
    """Every line of the result must have a value; gaps in the data are told by coverage."""
    node = METRICS["operating_result"].node
    measures = measures_of(node) if node is not None else ()
    found: list[Condition] = []
    for measure in measures:
        amount = account.facts.get(measure, 0)
        if isinstance(amount, Missing) and not amount.is_gap:
            metric = METRICS[measure]
            found.append(
                Condition("values", "fail", measure, f"{metric.en} has no value: {amount.en}",
                          f"{metric.zh}没有数值：{amount.zh}", "give what is missing, then close again",
                          "补齐所缺内容后再结账")
            )  # fmt: skip
    return found or [
        Condition("values", "pass", "operating_result", "every line of the result has its prices and rates",
                  "经营结果的每一项都有价格与汇率")
    ]  # fmt: skip


def unpriced_models(account: Account) -> tuple[int, dict[tuple[str, str], int]]:
    """Tokens that are to be bought, and those of them without a price by provider and model."""
    to_buy, unpriced = 0, dict[tuple[str, str], int]()
    for cost in account.usage.by("provider", "model"):
        if not cost.is_own:
            to_buy += sum(cost.counts[name] for name in CLASSES)
            if cost.unpriced_buy_tokens:
                key = (str(cost.key[0] or ""), str(cost.key[1] or ""))
                unpriced[key] = unpriced.get(key, 0) + cost.unpriced_buy_tokens
    return to_buy, dict(sorted(unpriced.items(), key=lambda item: (-item[1], item[0])))


def _unpriced(account: Account) -> list[Condition]:
    limit = account.books.settings.close.unpriced
    to_buy, models = unpriced_models(account)
    total = sum(models.values())
    share = EXACT.divide(Decimal(total), Decimal(to_buy)) if to_buy else ZERO
    named = ", ".join(f"{'/'.join(key)} {count:,}" for key, count in list(models.items())[:_MOST_NAMED])
    said = (
        f"{total:,} of {to_buy:,} bought tokens have no price" + (f": {named}" if named else ""),
        f"外购的 {to_buy:,} 个词元中有 {total:,} 个没有价格" + (f"：{named}" if named else ""),
    )
    if share <= limit:
        return [Condition("unpriced", "pass", named, *said, measured=share, limit=limit)]
    return [
        Condition("unpriced", "fail", named, *said, "add their prices to a card in prices/",
                  "在 prices/ 的价目表中补上其价格", share, limit)
    ]  # fmt: skip


def _unexplained(account: Account, lines: Sequence[Line]) -> list[Condition]:
    limit = account.books.settings.close.unexplained
    billed: dict[str, Decimal] = defaultdict(Decimal)
    open_: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if line.bill is not None:
            currency = line.currency or account.currency
            billed[currency] += abs(line.bill)
            if line.unexplained:
                open_[currency].append(line)
    found: list[Condition] = []
    for currency in sorted(billed):
        worst = sorted(open_[currency], key=lambda line: (-abs(line.unexplained), line.vendor, line.id))
        total = sum((abs(line.unexplained) for line in worst), ZERO)
        share = EXACT.divide(total, billed[currency]) if billed[currency] else (Decimal(1) if total else ZERO)
        named = "; ".join(f"{_name(line)} {line.unexplained:+,} {currency}" for line in worst[:_MOST_NAMED])
        said = (
            f"{total:,} {currency} of {billed[currency]:,} billed are not explained"
            + (f": {named}" if named else ""),
            f"账单 {billed[currency]:,} {currency} 中有 {total:,} 未获解释" + (f"：{named}" if named else ""),
        )
        if share <= limit:
            found.append(Condition("unexplained", "pass", currency, *said, measured=share, limit=limit))
        else:
            subject = ", ".join(dict.fromkeys(line.vendor or line.category for line in worst[:_MOST_NAMED]))
            period = account.buckets.periods[0].label
            found.append(
                Condition("unexplained", "fail", subject, *said,
                          f"see the lines and their rows with `breakeven check --period {period}`",
                          f"用 `breakeven check --period {period}` 查看这些行及其来源", share, limit)
            )  # fmt: skip
    return found or [
        Condition("unexplained", "pass", "", "no bill can be compared with the books",
                  "没有可与账目核对的账单", limit=limit)
    ]  # fmt: skip


def _errors(account: Account, lines: Sequence[Line]) -> list[Condition]:
    """Differences with a known cause that is somebody's error: small ones are noted, large ones refused."""
    limit = account.books.settings.close.errors
    found = [(line.errors - abs(line.unexplained), line) for line in lines if line.bill is not None]
    worst = sorted((pair for pair in found if pair[0]), key=lambda pair: (-pair[0], pair[1].id))
    if not worst:
        return []
    named = "; ".join(
        f"{_name(line)} {amount:,} {line.currency or account.currency}"
        for amount, line in worst[:_MOST_NAMED]
    )
    period = account.buckets.periods[0].label
    share = max(_error_shares(account, lines))
    vendors = ", ".join(dict.fromkeys(line.vendor for _, line in worst[:_MOST_NAMED]))
    return [
        Condition("errors", "note" if share <= limit else "fail", vendors,
                  f"explained, but by errors such as requests nobody logged: {named}",
                  f"已有解释，但原因是差错（如未记录的请求）：{named}",
                  f"see the causes with `breakeven check --period {period}`",
                  f"用 `breakeven check --period {period}` 查看原因", share, limit)
    ]  # fmt: skip


def _error_shares(account: Account, lines: Sequence[Line]) -> list[Decimal]:
    """Errors other than what is unexplained, as a share of what was billed, by currency."""
    billed: dict[str, Decimal] = defaultdict(Decimal)
    wrong: dict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        if line.bill is not None:
            currency = line.currency or account.currency
            billed[currency] += abs(line.bill)
            wrong[currency] += line.errors - abs(line.unexplained)
    return [
        EXACT.divide(wrong[currency], amount) if amount else (Decimal(1) if wrong[currency] else ZERO)
        for currency, amount in billed.items()
    ]


def _name(line: Line) -> str:
    parts = (line.category, line.vendor, line.model, line.token_class)
    return " ".join(part for part in parts if part)


def refused_rows(account: Account) -> list[tuple[str, str, int]]:
    """(table, file, rows) of imports that touch the month and hold rows which could not be booked.

    Of such a row it is not known to which day it belongs.
    """
    period = account.buckets.periods[0]
    found: list[tuple[str, str, int]] = []
    for batch in account.books.batches():
        first, last = batch.facts.get("covers") or (batch.facts["first_day"], batch.facts["last_day"])
        if batch.undone or not batch.facts["quarantined"] or first is None or last is None:
            continue
        days = Period(date.fromisoformat(first), date.fromisoformat(last) + ONE_DAY)
        if days.overlap(period):
            found.append((batch.table, str(batch.facts["file"]), int(batch.facts["quarantined"])))
    return sorted(found)


def _quarantine(account: Account) -> list[Condition]:
    found = refused_rows(account)
    rows = sum(count for _, _, count in found)
    if not rows:
        return [Condition("quarantine", "pass", "", "no import of the month has rows in quarantine",
                          "该月的导入没有隔离的行")]  # fmt: skip
    files = ", ".join(f"{file} ({table}: {count:,})" for table, file, count in found[:_MOST_NAMED])
    return [
        Condition("quarantine", "note", files,
                  f"{rows:,} rows of imports that touch the month could not be booked: {files}",
                  f"涉及该月的导入中有 {rows:,} 行未能入账：{files}",
                  "repair what `breakeven quarantine` lists; booked later, it becomes an adjusting entry",
                  "修正 `breakeven quarantine` 所列的行；日后入账则成为调整分录")
    ]  # fmt: skip
