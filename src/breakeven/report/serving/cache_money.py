"""What an answer about a prefix cache reckons with: work and bytes per token, prices, and their sources."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import cast

from breakeven.errors import UsageError
from breakeven.pricing.fx import Rate, Rates
from breakeven.report.serving.asked import Asked
from breakeven.report.serving.cache_asked import CacheAsked
from breakeven.report.serving.gpu_hour_price import GpuHourPrice, given_price
from breakeven.report.view_model import Label
from breakeven.serving.architecture import Precision
from breakeven.serving.estimate import Estimate
from breakeven.serving.prefix_cache import Replay
from breakeven.serving.prefix_cache.economics import CacheTerms, Saving
from breakeven.serving.prefix_cache.store_price import StorePrice, store_prices
from breakeven.serving.prefix_cache.trace_lines import TraceFile
from breakeven.serving.served import Served
from breakeven.serving.traffic import traffic_of_requests

_GPU_SECONDS_OF_HOURS_PER_MTOK = 3_600 / 1e6
_DEFAULT_CURRENCY = "USD"
_WEEKS_OF_A_YEAR = 52
_LEAST_HOURS_PER_MTOK, _MOST_HOURS_PER_MTOK = 0.0005, 5.0
"""From half a million input tokens a second on one GPU, beyond any, to 55, below any that is of use."""


@dataclass(frozen=True)
class Money:
    """What is known; None where nothing was given that says it."""

    uncached_input: Estimate | None
    cached_input: Estimate | None
    kv_bytes_per_token: float | None
    price_per_gpu_hour: float | None
    store_price_per_gb_month: float | None
    currency: str
    remarks: tuple[Label, ...]

    def terms(self, span_seconds: float, block_tokens: int) -> CacheTerms | None:
        """The money side of the cache; None where the work of a token is not known."""
        if self.uncached_input is None or self.cached_input is None:
            return None
        return CacheTerms(
            Saving.between(self.uncached_input, self.cached_input),
            self.price_per_gpu_hour,
            None if self.kv_bytes_per_token is None else self.kv_bytes_per_token * block_tokens,
            span_seconds,
            self.store_price_per_gb_month,
        )


def money_of(name: str, file: TraceFile, played: Replay, asked: Asked, chosen: CacheAsked) -> Money:
    """Numbers given come first; what they leave open comes from the model, the GPU and the shipped prices.

    Raises `UsageError` where what was asked for cannot be had of what was given.
    """
    remarks: list[Label] = []
    served = None
    if chosen.uncached is not None:
        uncached = Estimate.exact(chosen.uncached * _GPU_SECONDS_OF_HOURS_PER_MTOK)
        cached = Estimate.exact((chosen.cached or 0.0) * _GPU_SECONDS_OF_HOURS_PER_MTOK)
        remarks += _implausible(chosen.uncached)
    elif asked.models and asked.gpus:
        served = _served(name, file, played, asked)
        uncached, cached = served.work.uncached_input, served.work.cached_input
        remarks.append(_of_model(served, uncached, cached))
    else:
        uncached = cached = None
    kv_bytes = chosen.kv_bytes
    if kv_bytes is None and asked.models:
        kv_bytes = _kv_bytes(asked, served)
    price = None if uncached is None else _gpu_price(asked)
    if price is not None:
        remarks.append(Label(f"a GPU-hour: {price.said.en}", f"每卡时：{price.said.zh}"))
    currency = (price.currency if price else asked.currency) or _DEFAULT_CURRENCY
    store = None
    if price is not None and kv_bytes is not None:
        store, remark = _store_price(asked, chosen, currency)
        remarks.append(remark)
    remarks += _what_is_missing(uncached, kv_bytes, price)
    return Money(
        uncached, cached, kv_bytes, price.per_gpu_hour if price else None, store, currency, tuple(remarks)
    )


def _served(name: str, file: TraceFile, played: Replay, asked: Asked) -> Served:
    """How the model serves this very traffic, with what a cache without limit finds in it."""
    if file.output_tokens is None:
        raise UsageError(
            "the trace has no output lengths, which the model's costs need",
            remedy="give --gpu-hours-per-mtok instead of --gpu",
        )
    trace = file.trace
    traffic = traffic_of_requests(name, trace.seconds, trace.input_tokens, file.output_tokens, source=name)
    share = played.reused_tokens / played.asked_tokens if played.asked_tokens else 0.0
    return asked.served(traffic=replace(traffic, cached_share=share))


def _kv_bytes(asked: Asked, served: Served | None) -> float:
    found = asked.architecture()
    precision = cast("Precision", (served.kv_precision if served else asked.kv_precision) or "bf16")
    size = float(found.kv_bytes_per_token(precision))
    if size <= 0:
        raise UsageError(
            f"{found.name} keeps nothing that grows with the context, so its cache has no size per token",
            remedy="give the bytes that you store per token with --kv-bytes",
        )
    return size


def _gpu_price(asked: Asked) -> GpuHourPrice | None:
    if asked.gpus:
        return asked.price()
    return None if asked.gpu_price is None else given_price(asked.gpu_price, asked.currency)


def _store_price(asked: Asked, chosen: CacheAsked, currency: str) -> tuple[float | None, Label]:
    """The price of a gigabyte and month in the currency, and where it is from."""
    words = {"dram": Label("memory", "内存"), "ssd": Label("SSD", "SSD")}[chosen.store]
    if chosen.store_price is not None:
        said = f"{chosen.store_price:g} {currency}"
        return chosen.store_price, Label(
            f"{words.en}: {said} a GB and month, as given", f"{words.zh}：每 GB 每月 {said}（给定）"
        )
    shipped = store_prices()[chosen.store]
    rate, how = Decimal(1), ""
    if shipped.currency != currency:
        found = asked.exchange_rate or _last_rate(shipped, currency)
        if found is None:
            return None, Label(
                f"no rate leads from {shipped.currency} to {currency}, so no bill: give --store-price",
                f"没有 {shipped.currency} 到 {currency} 的汇率，请给 --store-price",
            )
        rate, where = (
            (found, "--rate") if isinstance(found, Decimal) else (found.value, f"{found.source}, {found.day}")
        )
        how = f" x {rate:.4f} ({where})"
    price = shipped.per_gb_month * float(rate)
    return price, Label(
        f"{words.en}: {shipped.per_gb_month:.3f} {shipped.currency}{how} a GB and month; {shipped.source}, "
        f"read {shipped.read_on}",
        f"{words.zh}：每 GB 每月 {shipped.per_gb_month:.3f} {shipped.currency}{how}；{shipped.source}，"
        f"{shipped.read_on} 查阅",
    )


def _last_rate(shipped: StorePrice, currency: str) -> Rate | None:
    """The bank's last rate that ships, of the day the price was read or of a week up to a year before."""
    rates, read_on = Rates.load(), date.fromisoformat(shipped.read_on)
    found = (
        rates.rate(read_on - timedelta(weeks=weeks), shipped.currency, currency)
        for weeks in range(_WEEKS_OF_A_YEAR)
    )
    return next((rate for rate in found if isinstance(rate, Rate)), None)


def _of_model(served: Served, uncached: Estimate, cached: Estimate) -> Label:
    hours = [each.value / _GPU_SECONDS_OF_HOURS_PER_MTOK for each in (uncached, cached)]
    return Label(
        f"{served.model} on {served.gpu}, {served.layout}: {hours[0]:.3g} GPU-hours per million uncached "
        f"input tokens, {hours[1]:.3g} per million cached (modelled)",
        f"{served.model}，{served.gpu}，{served.layout}：每百万未命中输入 {hours[0]:.3g} 卡时，"
        f"命中输入 {hours[1]:.3g} 卡时（模型估算）",
    )


def _implausible(hours_per_mtok: float) -> list[Label]:
    """That no model takes so much or so little, if so: GPU-seconds, or hours of a thousand tokens."""
    if _LEAST_HOURS_PER_MTOK <= hours_per_mtok <= _MOST_HOURS_PER_MTOK:
        return []
    speed = 1e6 / (hours_per_mtok * 3_600)
    usual = f"{_LEAST_HOURS_PER_MTOK:g} to {_MOST_HOURS_PER_MTOK:g}"
    return [
        Label(
            f"--gpu-hours-per-mtok {hours_per_mtok:g} is {speed:,.3g} input tokens a second per GPU; models "
            f"take {usual} hours: hours and seconds, or a thousand and a million tokens, may be mixed up",
            f"--gpu-hours-per-mtok {hours_per_mtok:g} 相当于每卡每秒输入 {speed:,.3g} 词元；"
            f"各模型通常为 {_LEAST_HOURS_PER_MTOK:g} 至 {_MOST_HOURS_PER_MTOK:g} 卡时："
            "可能混淆了小时与秒，或每千与每百万词元",
        )
    ]


def _what_is_missing(
    uncached: Estimate | None, kv_bytes: float | None, price: GpuHourPrice | None
) -> list[Label]:
    if uncached is None:
        return [
            Label(
                "what a hit saves is not known: add --model and --gpu, or --gpu-hours-per-mtok",
                "命中省下多少未知：请加 --model 与 --gpu，或 --gpu-hours-per-mtok",
            )
        ]
    missing: list[Label] = []
    if price is None:
        missing.append(
            Label(
                "savings have no price: add --gpu-price, or --gpu", "节省没有价格：请加 --gpu-price 或 --gpu"
            )
        )
    if kv_bytes is None:
        missing.append(
            Label(
                "the cache has no size in bytes, hence no bill: add --model or --kv-bytes",
                "缓存没有字节大小，因此没有存储费：请加 --model 或 --kv-bytes",
            )
        )
    return missing
