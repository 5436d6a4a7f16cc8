"""What the account states: closed months as they were frozen, the open month with its adjusting entries.

`Account.facts` are always the figures that the ledger gives now; breakdowns are made of them. What a reader
is shown as *the* figure of a month goes through here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from breakeven.account.catalogue import METRICS
from breakeven.account.metrics import Amount, Missing, on_decimals
from breakeven.ledger.closings import Closing, Closings, digest_of
from breakeven.periods import Period, next_month

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.account.adjustments import Adjustment

Reason = tuple[str, str]
"""Words in English and in Chinese."""


@dataclass(frozen=True)
class ClosedMonths:
    """The closings that count for an account, by month; `live_because` says why they are not shown."""

    closings: Mapping[date, Closing]
    live_because: Reason | None = None

    @property
    def open_month(self) -> date:
        """The first month after the last closed one: adjusting entries are booked there."""
        return next_month(max(self.closings))

    def damaged(self) -> list[Closing]:
        """Closings whose files are not those that were logged."""
        return [found for found in self.closings.values() if digest_of(found.files()) != found.digest]


def closed_months(account: Account, closings: Closings, *, asked_otherwise: bool) -> ClosedMonths | None:
    """The closed months of an account's books; None when there are none."""
    found = closings.in_force(account.books.as_of)
    if not found:
        return None
    currencies = {str(closing.statement["currency"]) for closing in found.values()}
    if currencies != {account.currency}:
        was = ", ".join(sorted(currencies))
        return ClosedMonths(
            found,
            (
                f"closed months were stated in {was}; in {account.currency} every month is computed anew",
                f"已结账月份以 {was} 列报；以 {account.currency} 显示时各月均为重新计算的数字",
            ),
        )
    if asked_otherwise:
        return ClosedMonths(
            found,
            (
                "other prices than those in force were asked for: closed months are computed anew",
                "所要求的价格并非现行价格：已结账月份为重新计算的数字",
            ),
        )
    return ClosedMonths(found)


def figures_of(statement: Mapping[str, Any], which: str = "value") -> dict[str, Amount]:
    """The figures of a statement by metric: as closed (`value`), or without adjusting entries (`own`)."""
    found: dict[str, Amount] = {}
    for metric in statement["metrics"]:
        text = metric[which]
        found[metric["id"]] = (
            Missing(metric["why_en"], metric["why_zh"], (metric["id"],), bool(metric["is_gap"]))
            if text is None
            else Decimal(text)
        )
    return found


class Stated:
    """The figures of an account as they are stated, bucket by bucket."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.closings: dict[int, Closing] = {}
        """Buckets that show a closed month."""
        self.cut: list[Closing] = []
        """Closed months of which the account shows only a part, computed anew."""
        closed = account.closed
        if closed is None or closed.live_because is not None:
            return
        for bucket, period in enumerate(account.buckets.periods):
            closing = closed.closings.get(period.first.replace(day=1))
            if closing is not None:
                if self._is_whole(period):
                    self.closings[bucket] = closing
                else:
                    self.cut.append(closing)

    def _is_whole(self, period: Period) -> bool:
        whole, span = Period.month(period.first), self.account.coverage.span()
        return period == whole or (span is not None and whole.overlap(span) == period)

    @cached_property
    def figures(self) -> dict[int, dict[str, Amount]]:
        """What closed months stated, by bucket."""
        return {bucket: figures_of(closing.statement) for bucket, closing in self.closings.items()}

    @cached_property
    def open_bucket(self) -> int | None:
        """The bucket in which adjusting entries are booked, when the account shows it."""
        closed = self.account.closed
        if closed is None or closed.live_because is not None:
            return None
        for bucket, period in enumerate(self.account.buckets.periods):
            if period.first == closed.open_month and self._is_whole(period):
                return bucket
        return None

    @cached_property
    def adjustments(self) -> tuple[Adjustment, ...]:
        """Adjusting entries due in the open month; none when the account shows no month they concern."""
        from breakeven.account.adjustments import due_adjustments

        concerned = self.closings or self.cut or self.open_bucket is not None
        return due_adjustments(self.account) if concerned else ()

    @cached_property
    def adjusted(self) -> dict[str, Decimal]:
        """The sum of the adjusting entries by measure."""
        sums: dict[str, Decimal] = {}
        for entry in self.adjustments:
            sums[entry.measure] = sums.get(entry.measure, Decimal(0)) + entry.amount
        return sums

    def measure(self, measure: str, bucket: int) -> Amount:
        """A measure of a bucket: frozen where closed, with adjusting entries where open."""
        if bucket in self.closings:
            known = self.figures[bucket].get(measure)
            return known if known is not None else self._defined_later(measure, bucket)
        live = self.account.facts.get(measure, bucket)
        if bucket != self.open_bucket or isinstance(live, Missing):
            return live
        return live + self.adjusted.get(measure, Decimal(0))

    def value(self, metric_id: str, bucket: int) -> Amount:
        """A metric of a bucket: as it was stated where closed, whatever its tree has become since."""
        if bucket in self.closings and metric_id in self.figures[bucket]:
            return self.figures[bucket][metric_id]
        node = METRICS[metric_id].node
        if node is None:
            return self.measure(metric_id, bucket)
        return on_decimals(node, lambda measure: self.measure(measure, bucket))

    @cached_property
    def arrivals(self) -> dict[tuple[str, int], tuple[int, Decimal]]:
        """By measure and closed bucket without a value of its own: the last bucket shown that books one.

        Beside it the sum of the entries. Idle time of a month closed before class costs were recorded is such
        a value: the closed month stays without it, and the open one books it.
        """
        bucket_of = {f"{closing.month:%Y-%m}": bucket for bucket, closing in self.closings.items()}
        entries = [
            (entry["month"], str(entry["metric"]), bucket, Decimal(entry["amount"]))
            for bucket, closing in self.closings.items()
            for entry in closing.statement["adjustments"]
        ]
        if self.open_bucket is not None:
            entries += [
                (f"{entry.month:%Y-%m}", entry.measure, self.open_bucket, entry.amount)
                for entry in self.adjustments
            ]
        found: dict[tuple[str, int], tuple[int, Decimal]] = {}
        for month, measure, booked_in, amount in entries:
            bucket = bucket_of.get(month)
            if bucket is not None and isinstance(self.measure(measure, bucket), Missing):
                known = found.get((measure, bucket), (0, Decimal(0)))[1]
                found[measure, bucket] = booked_in, known + amount
        return found

    def _defined_later(self, measure: str, bucket: int) -> Missing:
        month = f"{self.closings[bucket].month:%Y-%m}"
        return Missing(
            f"{METRICS[measure].en} was defined after {month} was closed",
            f"{METRICS[measure].zh}是在 {month} 结账之后才定义的",
            (measure,),
        )
