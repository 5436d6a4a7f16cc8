"""A trace of requests through prefix caches of many sizes, with what a model on a GPU saves by each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from breakeven.errors import UsageError
from breakeven.notebook.arguments import Money, amount, one_of
from breakeven.report.view_model import Label

if TYPE_CHECKING:
    from breakeven.notebook.serving import Serving
    from breakeven.report.views.serving_cache import CacheFindings
    from breakeven.serving.architecture import Precision
    from breakeven.serving.prefix_cache import Policy, Replay
    from breakeven.serving.prefix_cache.trace_lines import TraceFile

Store = Literal["dram", "ssd"]
STORE_WORDS = {"dram": Label("memory", "内存"), "ssd": Label("SSD", "SSD")}
_POLICIES: tuple[Policy, ...] = ("lru", "lfu", "infinite")


def cache_findings(
    asked: Serving,
    trace: Path,
    *,
    capacities: Sequence[int],
    block_tokens: int,
    store: Store,
    store_price: Money | None,
) -> CacheFindings:
    """What caches of these sizes (in blocks; ten that show the curve without any) serve, save and cost.

    The model serves the trace's own traffic, with what a cache without limit finds in it. Raises
    `InputError` for a trace that cannot be, and `UsageError` where it has no output lengths.
    """
    from breakeven.report.views.serving_cache import CacheFindings
    from breakeven.serving.prefix_cache import replay
    from breakeven.serving.prefix_cache.economics import CacheTerms, Saving, capacities_around
    from breakeven.serving.prefix_cache.trace_lines import read_trace
    from breakeven.sources.text_lines import text_lines

    one_of(store, "store", Store)
    file = read_trace(text_lines(trace), str(trace), block_tokens=block_tokens)
    played = replay(file.trace, _POLICIES)
    served = _with_traffic(asked, trace.name, file, played).served
    price = asked.price
    per_gb_month, said = _store_price(store, store_price, price.currency)
    kv_bytes = asked.architecture.kv_bytes_per_token(cast("Precision", served.kv_precision))
    if kv_bytes <= 0:
        raise UsageError(
            f"{served.model} keeps nothing that grows with the context, so its cache has no size per token",
            remedy="choose a model with keys and values",
        )
    terms = CacheTerms(
        Saving.between(served.work.uncached_input, served.work.cached_input),
        float(price.amount),
        float(kv_bytes) * block_tokens,
        played.span_seconds,
        per_gb_month,
    )
    sizes = sorted(set(capacities)) or [int(size) for size in capacities_around(played.distinct_blocks)]
    return CacheFindings(
        trace.name,
        file.trace,
        played,
        _POLICIES,
        tuple(sizes),
        kv_bytes_per_token=float(kv_bytes),
        terms=terms,
        recompute_seconds_per_token=served.work.uncached_input,
        currency=price.currency,
        remarks=(Label(f"a GPU-hour: {price.said.en}", f"每卡时：{price.said.zh}"), said),
    )


def _with_traffic(asked: Serving, name: str, file: TraceFile, played: Replay) -> Serving:
    from breakeven.serving.traffic import traffic_of_requests

    if file.output_tokens is None:
        raise UsageError(
            "the trace has no output lengths, which the model's costs need",
            remedy="use a trace that has them",
        )
    lengths = file.trace.input_tokens, file.output_tokens
    traffic = traffic_of_requests(name, file.trace.seconds, *lengths, source=name)
    share = played.reused_tokens / played.asked_tokens if played.asked_tokens else 0.0
    return replace(asked, traffic=replace(traffic, cached_share=share))


def _store_price(store: Store, given: Money | None, currency: str) -> tuple[float | None, Label]:
    """The price of a gigabyte and month; none where only one in another currency ships."""
    from breakeven.serving.prefix_cache.store_price import store_prices

    words = STORE_WORDS[store]
    if given is not None:
        price = float(amount(given, "store_price"))
        said = f"{price:g} {currency}"
        return price, Label(
            f"{words.en}: {said} a GB and month, as given", f"{words.zh}：每 GB 每月 {said}（给定）"
        )
    shipped = store_prices()[store]
    if shipped.currency != currency:
        return None, Label(
            f"the price of {words.en} that ships is in {shipped.currency}: give store_price=",
            f"内置的{words.zh}价格以 {shipped.currency} 计：请给 store_price=",
        )
    said = f"{shipped.per_gb_month:.3f} {currency}"
    return shipped.per_gb_month, Label(
        f"{words.en}: {said} a GB and month; {shipped.source}, read {shipped.read_on}",
        f"{words.zh}：每 GB 每月 {said}；{shipped.source}，{shipped.read_on} 查阅",
    )
