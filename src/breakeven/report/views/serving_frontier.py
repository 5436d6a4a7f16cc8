"""Cost against latency of the recorded own models, at what a GPU-hour of the fleet cost in the last month."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

from breakeven.account.account import Account
from breakeven.account.facts import Buckets
from breakeven.errors import BreakevenError
from breakeven.ledger.class_costs import ClassCostEntry
from breakeven.periods import Period
from breakeven.report.figures import Lines, Mark, Series
from breakeven.report.view_model import Label
from breakeven.report.views.serving_compare import Compared, frontier_figure
from breakeven.report.views.serving_figures import significant
from breakeven.serving.architecture import architecture
from breakeven.serving.books_record import most_gpus
from breakeven.serving.books_traffic import books_traffic
from breakeven.serving.frontier import TPOT_MS, frontier_gpu_seconds
from breakeven.serving.hardware import accelerator
from breakeven.serving.serve import deployment_of
from breakeven.serving.target import Derate, Target
from breakeven.serving.traffic import Traffic

_MOST_MODELS = 4
"""Each has a line and a point: more cannot be told apart, and each takes a fraction of a second."""
_PER_MTOK = 1_000_000
_SECONDS_PER_HOUR = 3_600


def books_frontier(account: Account) -> Lines | None:
    """What each recorded model would cost at other promises, with today's promise and cost marked.

    For the last month that usage covers, its traffic and its price of a GPU-hour. None where no class cost
    says which model on which GPU at what promise, or the month's GPU-hours are not known.
    """
    month = _month(account)
    if month is None:
        return None
    bucket = account.buckets.periods.index(month)
    entries = [
        (entry, price)
        for entry in _entries(account, month)
        if (price := _price_per_gpu_hour(account, bucket, entry.pool)) is not None
    ]
    promises = {float(entry.tpot_seconds or 0) * 1_000 for entry, _ in entries}
    tpot_ms = tuple(sorted({*TPOT_MS, *promises}))
    that_month = replace(account, buckets=Buckets((month,)))
    compared: list[Compared] = []
    points: list[Series] = []
    marks: dict[float, Mark] = {}
    for entry, price in entries:
        try:
            traffic = books_traffic(that_month, entry.provider, entry.model)
            line = _compared(account, entry, traffic, float(price), tpot_ms)
        except BreakevenError:
            continue  # a model or GPU that does not ship, or usage that does not count its requests
        today = float(entry.tpot_seconds or 0) * 1_000
        at = bisect_left(tpot_ms, today)
        cost = significant(float(_seconds_of(entry, traffic) * price) / _SECONDS_PER_HOUR * _PER_MTOK)
        compared.append(line)
        points.append(
            Series(
                f"{line.name}, recorded",
                Label(f"{line.name}, as recorded", f"{line.name}（登记值）"),
                tuple(cost if position == at else None for position in range(len(tpot_ms))),
            )
        )
        marks[today] = Mark(at, Label("today", "当前"))
    if not compared:
        return None
    figure = frontier_figure(compared, account.currency, tpot_ms)
    return replace(
        figure,
        title=Label("Cost of a million tokens against speed promised", "每百万词元成本与承诺速度"),
        series=(*figure.series, *points),
        marks=tuple(marks.values()),
        note=_note(month),
    )


def _note(month: Period) -> Label:
    return Label(
        f"Modelled: the traffic of {month.label} with the best layout at each promise and the recorded "
        "derates, at what a GPU-hour of the pool cost in that month; idle hours are not in it. The dots are "
        "what is recorded, at the promise it was recorded for. A gap: no layout is as fast as that.",
        f"模型推算：{month.label} 的流量，各承诺下取最佳布局，按登记的降额与当月该资源池的实际卡时成本计，"
        "不含空闲时段。圆点为登记值，位于其登记时的承诺速度。空缺表示没有布局能达到该速度。",
    )


def _month(account: Account) -> Period | None:
    """The last month that usage covers."""
    if not account.class_costs or not account.books.settings.own_providers:
        return None
    covered = [one for one in account.buckets.periods if account.coverage.full("usage", one)]
    return covered[-1] if covered else None


def _entries(account: Account, month: Period) -> list[ClassCostEntry]:
    """The class costs that hold at the month's end and say of what they are, models by name."""
    names = sorted({(entry.provider, entry.model) for entry in account.class_costs.entries})
    last = month.end - timedelta(days=1)
    found = (account.class_costs.of(*name, last) for name in names)
    known = [one for one in found if one is not None and one.architecture and one.gpu and one.tpot_seconds]
    return known[:_MOST_MODELS]


def _price_per_gpu_hour(account: Account, bucket: int, pool: str) -> Fraction | None:
    """What a GPU-hour of the pool cost, of the whole fleet where it has none of that name; None unknown."""
    pools = account.fleet_splits[bucket].pools
    works = [work for work in pools if work.pool == pool] or list(pools)
    hours = sum((work.gpu_hours for work in works), Fraction(0))
    return sum((work.cost for work in works), Fraction(0)) / hours if hours else None


def _compared(
    account: Account, entry: ClassCostEntry, traffic: Traffic, price: float, tpot_ms: tuple[float, ...]
) -> Compared:
    """The frontier of one model. Raises `UsageError` for a model or GPU that does not ship or fit."""
    made, gpu = architecture(entry.architecture), accelerator(entry.gpu)
    promise = float("inf") if entry.ttft_seconds is None else float(entry.ttft_seconds)
    seconds = frontier_gpu_seconds(
        deployment_of(made, gpu),
        replace(traffic, requests_per_second=None),
        Target(ttft_seconds=promise),
        Derate(float(entry.prefill_derate), float(entry.decode_derate)),
        most_gpus=most_gpus(account, entry.pool),
        tpot_ms=tpot_ms,
    )
    tokens = traffic.input_tokens + traffic.output_tokens
    return Compared(entry.model, gpu.name, None, None, price, seconds, tokens)


def _seconds_of(entry: ClassCostEntry, traffic: Traffic) -> Fraction:
    """GPU-seconds in production of a token of this mix, as recorded."""
    amounts = {
        "uncached_input": traffic.uncached_input_tokens,
        "cached_input": traffic.cached_input_tokens,
        "output": traffic.output_tokens,
    }
    seconds = sum(
        (Fraction(tokens) * entry.busy_seconds(name) for name, tokens in amounts.items()), Fraction(0)
    )
    return seconds / Fraction(sum(amounts.values()))
