"""Pieces that views share: the envelope with its warnings, metric columns, values, provenance of rates."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal

from breakeven.account.account import Account
from breakeven.account.catalogue import METRICS, MONEY, TABLE_WORDS
from breakeven.account.metrics import Amount, Missing
from breakeven.money import EXACT, minor_units
from breakeven.periods import ONE_DAY, Period
from breakeven.report.view_model import Column, Envelope, Label, Value, Warning  # noqa: A004 - the envelope's word
from breakeven.report.views.closed_months import closed_warnings

_DECIMALS = {
    "ratio": 6,
    "months": 2,
    "days": 0,
    "users": 0,
    "requests": 0,
    "tokens": 0,
    "count": 0,
    "multiple": 2,
}
_PER_UNIT_DECIMALS = 6
_WATCHED = ("usage", "payments", "acquisitions", "activity", "ad_spend", "bills", "capacity")
_MOST_REASONS = 5


def label(metric_id: str) -> Label:
    """The words of a metric."""
    metric = METRICS[metric_id]
    return Label(metric.en, metric.zh)


def unit(metric_id: str, currency: str) -> str:
    """The unit of a metric in a statement's currency."""
    return METRICS[metric_id].unit.replace(MONEY, currency, 1)


def column(metric_id: str, currency: str) -> Column:
    """A column that holds a metric."""
    return Column(metric_id, label(metric_id), unit(metric_id, currency))


def shown(amount: Amount, unit: str) -> Value:
    """An amount at the precision its unit is stated in; no value stays no value."""
    if isinstance(amount, Missing):
        return None
    if unit in _DECIMALS:
        places = _DECIMALS[unit]
    elif len(unit) == 3 and unit.isupper():
        places = minor_units(unit)
    else:
        places = _PER_UNIT_DECIMALS
    step = Decimal(1).scaleb(-places)
    return amount.quantize(step, rounding=ROUND_HALF_EVEN, context=EXACT)


def metric_value(account: Account, metric_id: str, bucket: int | None) -> Value:
    """A metric of a bucket, or of all buckets together (None), as shown."""
    amount = account.total(metric_id) if bucket is None else account.value(metric_id, bucket)
    return shown(amount, unit(metric_id, account.currency))


def envelope(account: Account, *, needs: Iterable[str] = ()) -> Envelope:
    """Whose figures, as of when, and every warning a reader needs beside them.

    `needs` are tables whose gaps matter to the view; the rest is left out.
    """
    from breakeven.report.views.fleet_work import fleet_warnings  # it shows its figures as this file does

    settings, needs = account.books.settings, tuple(needs)
    as_of = account.books.as_of
    last = account.buckets.span.end - ONE_DAY
    warnings: list[Warning] = []
    if settings.note_en or settings.note_zh:
        warnings.append(
            Warning("note", Label(settings.note_en or settings.note_zh, settings.note_zh or settings.note_en))
        )
    warnings += closed_warnings(account)
    warnings += _unpriced(account)
    warnings += fleet_warnings(account) if {"usage", "capacity"} & set(needs) else []
    warnings += _gaps(account, needs)
    warnings += _rates(account)
    return Envelope(
        books=settings.name,
        as_of=f"{as_of:%Y-%m-%dT%H:%M:%SZ}" if as_of else last.isoformat(),
        time_zone=settings.time_zone,
        currency=account.currency,
        synthetic=settings.synthetic,
        warnings=tuple(warnings),
    )


def _unpriced(account: Account) -> list[Warning]:
    total = sum(cost.unpriced_buy_tokens for cost in account.usage_totals)
    tokens = sum(
        cost.counts[name]
        for cost in account.usage_totals
        for name in ("uncached_input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens")
    )
    if not total:
        return []
    share = f"{Decimal(total) / Decimal(tokens or 1):.2%}"
    reasons = list(account.usage.buy_reasons.values())[:_MOST_REASONS]
    en = "; ".join(reason.reason.en for reason in reasons if reason.reason.en)
    zh = "；".join(reason.reason.zh for reason in reasons if reason.reason.zh)
    return [
        Warning(
            "unpriced",
            Label(
                f"{total:,} tokens ({share}) have no buy price; their cost is missing, not zero: {en}",
                f"{total:,} 个词元（{share}）没有采购价；其成本缺失，而不是零：{zh}",
            ),
        )
    ]


def _gaps(account: Account, needs: tuple[str, ...]) -> list[Warning]:
    found: list[Warning] = []
    for table in _WATCHED:
        if table not in needs or table in account.books.settings.not_applicable:
            continue
        en, zh = TABLE_WORDS[table]
        absent = [p.label for p in account.buckets.periods if not account.coverage.any(table, p)]
        partial = [
            p.label
            for p in account.buckets.periods
            if account.coverage.any(table, p) and not account.coverage.full(table, p)
        ]
        if absent:
            months = _runs(absent)
            found.append(
                Warning(
                    f"no_{table}",
                    Label(
                        f"no {en} data covers {months}: what needs it has no value",
                        f"{months} 没有{zh}数据：依赖它的指标没有数值",
                    ),
                )
            )
        if partial:
            months = _runs(partial)
            found.append(
                Warning(
                    f"partial_{table}",
                    Label(f"{en} data covers only a part of {months}", f"{zh}数据只覆盖了 {months} 的一部分"),
                )
            )
    return found


def _runs(labels: list[str]) -> str:
    """Period labels as text; a run of calendar months as `first..last`.

    >>> _runs(["2024-03", "2024-04", "2024-05", "2024-08", "2024-09-01..2024-09-03"])
    '2024-03..2024-05, 2024-08, 2024-09-01..2024-09-03'
    """
    runs: list[Period] = []
    for period in map(Period.parse, labels):
        whole_months = period.first.day == period.end.day == 1
        if runs and whole_months and runs[-1].end == period.first and runs[-1].first.day == 1:
            runs[-1] = Period(runs[-1].first, period.end)
        else:
            runs.append(period)
    return ", ".join(run.label for run in runs)


def _rates(account: Account) -> list[Warning]:
    found: list[Warning] = []
    used = account.converter.used
    if used:
        pairs = sorted({(rate.base, rate.quote) for rate in used.values()})
        sources = sorted({rate.source for rate in used.values()})
        last = max(used.values(), key=lambda rate: rate.day)
        names = ", ".join(f"{base}→{quote}" for base, quote in pairs)
        found.append(
            Warning(
                "exchange",
                Label(
                    f"converted at reference rates ({names}; last used {last.value:.6f} of {last.day};"
                    f" {'; '.join(sources)})",
                    f"按参考汇率折算（{names}；最近使用 {last.day} 的 {last.value:.6f}；"
                    f"{'；'.join(sources)}）",
                ),
            )
        )
    found += [
        Warning("no_rate", Label(rate.en, rate.zh)) for rate in list(account.converter.absent.values())[:3]
    ]
    return found
