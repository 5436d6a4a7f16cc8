"""What a token costs to serve, in a notebook: a model on a GPU for a traffic, and the answers that follow.

    served = breakeven.Serving("deepseek-v3", "h200", traffic="4000/1000@50rps", ttft_ms=2000, tpot_ms=50)
    served.cost().to_polars()
    served.context(tokens=[128_000, 1_000_000])
    served.fleet(owned=256, owned_price=1.6, time_zone="Asia/Shanghai")

No books are needed; `books.traffic(...)` and `books.demand(...)` bring what books know of their own models.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cached_property
from math import inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from breakeven.errors import UsageError
from breakeven.notebook.answer import Answer
from breakeven.notebook.arguments import (
    Money,
    above_zero,
    amount,
    currency_code,
    file_given,
    language_of,
    names_arguments,
    names_given,
    one_of,
    period_given,
)
from breakeven.report.serving.published_use import PUBLISHED_PEAK, PUBLISHED_UTILISATION
from breakeven.report.view_model import Language, View

if TYPE_CHECKING:
    from breakeven.periods import Period
    from breakeven.report.serving.asked import Asked
    from breakeven.report.serving.gpu_hour_price import GpuHourPrice
    from breakeven.serving.fleet.demand import HourlyDemand
    from breakeven.serving.fleet.supply import Follows, Overflow
    from breakeven.serving.served import Served
    from breakeven.serving.traffic import Traffic

Engine = Literal["", "vllm", "sglang", "trtllm"]
Mode = Literal["aggregated", "disaggregated"]
Commitments = Literal["on_demand", "reserved", "spot", "owned"]
Store = Literal["dram", "ssd"]
_MS_PER_SECOND = 1_000
_USUAL_LENGTHS = (8_000, 128_000, 1_000_000)


@dataclass(frozen=True)
class Serving:
    """One model on one GPU, a traffic, and the latency promised: what `breakeven serving` takes as options.

    `model` and `gpu` are shipped names, or files: a `config.json` or a spec. `traffic` is a shipped name
    (`chat`, `long`, `reason`, ...), lengths (`4000/1000@50rps`), a YAML profile, a Mooncake or Azure trace,
    or a `Traffic`. `ttft_ms` and `tpot_ms` are promised to `percentile` of requests; None promises nothing.
    `gpu_price` is money for a GPU-hour in `currency` (USD unless named); without it the shipped price of the
    `commitment` counts, converted at `rate` or the bank's. The derates are the shares of a benchmark's
    throughput that production reaches, `calibration` a file that `calibrate` wrote.

    >>> served = Serving("llama-3.1-70b", "h100", traffic="4000/1000", gpu_price="2.50")
    >>> served.cost().tables
    ('cost', 'speed', 'layout', 'bound', 'basis')
    >>> [row["class"] for row in served.cost().rows]
    ['uncached_input', 'cached_input', 'output', 'all']
    """

    model: str | os.PathLike[str]
    gpu: str | os.PathLike[str]
    traffic: str | os.PathLike[str] | Traffic = "chat"
    ttft_ms: float | None = 2_000
    tpot_ms: float | None = 50
    percentile: float = 0.9
    engine: Engine = ""
    precision: str | None = None
    kv_precision: str | None = None
    mode: Mode | None = None
    gpu_price: Money | None = None
    currency: str | None = None
    commitment: Commitments = "on_demand"
    rate: Money | None = None
    calibration: str | os.PathLike[str] | None = None
    derate_prefill: float = 1.0
    derate_decode: float = 1.0
    lang: Language = "en"

    def __post_init__(self) -> None:
        one_of(self.engine, "engine", Engine)
        one_of(self.commitment, "commitment", Commitments)
        if self.mode is not None:
            one_of(self.mode, "mode", Mode)
        language_of(self.lang)

    # --- the answers ----------------------------------------------------------------------------------

    @names_arguments
    def cost(self, *, lang: Language | None = None) -> Answer:
        """Money per million tokens by class with its interval, speed, the best layout, and what bounds it."""
        from breakeven.report.serving.cost import cost_answer

        return self._answer(cost_answer(self.asked), lang)

    @names_arguments
    def compare(
        self, models: Sequence[str] = (), gpus: Sequence[str] = (), *, lang: Language | None = None
    ) -> Answer:
        """Every model on every GPU: cost and speed at the promise made, and the frontier of cost and latency.

        Those of `self` come first, and stand alone where no others are named.

        >>> served = Serving("llama-3.1-70b", "h100", traffic="4000/1000", gpu_price="2.50")
        >>> served.compare(gpus=["h200"]).table("frontier").rows[-1]["tpot_ms"]
        Decimal('150.0')
        """
        from breakeven.report.serving.compare import compare_answer

        every = {
            "models": tuple(dict.fromkeys([*self.asked.models, *names_given(models, "models")])),
            "gpus": tuple(dict.fromkeys([*self.asked.gpus, *names_given(gpus, "gpus")])),
        }
        return self._answer(compare_answer(replace(self.asked, **every)), lang)

    @names_arguments
    def context(
        self,
        tokens: Sequence[float] = _USUAL_LENGTHS,
        *,
        output_tokens: float = 1_000,
        end_tokens: float = 1_000,
        usual_tokens: float = 8_000,
        most_gpus: int = 128,
        lang: Language | None = None,
    ) -> Answer:
        """What one long prompt costs, computed and found in the prefix cache, by its length in tokens.

        Without a `kv_precision` bf16 and fp8 stand beside each other. Raises `UsageError` where no prompt
        fits.
        """
        from breakeven.report.serving.context import context_answer
        from breakeven.serving.long_context import LongPrompt

        prompts = [LongPrompt(each, output_tokens, end_tokens, usual_tokens) for each in _lengths(tokens)]
        return self._answer(context_answer(self.asked, prompts, most_gpus=most_gpus), lang)

    @names_arguments
    def breakeven_price(
        self,
        price_in: Money | None = None,
        price_out: Money | None = None,
        price_cached: Money | None = None,
        *,
        sold_as: str | None = None,
        at: date | None = None,
        utilisation: float = PUBLISHED_UTILISATION,
        free_share: float = 0.0,
        instead: Sequence[str] = (),
        lang: Language | None = None,
    ) -> Answer:
        """The price list at which the margin is zero, and what would make this list pay, each alone.

        Prices are per million tokens, in `currency` (USD unless named); cached input sells as input unless it
        has a price of its own. `sold_as` takes a list of the price book instead (`deepseek/deepseek-r1`), as
        it was on the day `at`. `utilisation` is the share of paid GPU-hours that serve; `instead` names other
        models at this list.

        >>> served = Serving("llama-3.1-70b", "h100", traffic="4000/1000", gpu_price="2.50")
        >>> served.breakeven_price("0.50", "1.50").tables
        ('prices', 'money', 'levers', 'assumptions')
        """
        from breakeven.report.serving.breakeven_price import breakeven_price_answer
        from breakeven.report.serving.price_list import sold_at

        prices = _prices(price_in, price_cached, price_out)
        sold = sold_at(sold_as, prices, currency=self.asked.list_currency, day=at)
        shown = breakeven_price_answer(
            self.asked,
            sold,
            utilisation=utilisation,
            free_share=free_share,
            instead=names_given(instead, "instead"),
        )
        return self._answer(shown, lang)

    @names_arguments
    def buy_or_rent(
        self,
        requests: float | None = None,
        *,
        api: str | None = None,
        price_in: Money | None = None,
        price_out: Money | None = None,
        price_cached: Money | None = None,
        at: date | None = None,
        peak: float | None = None,
        spare_nodes: int = 1,
        gpus_per_node: int | None = None,
        lang: Language | None = None,
        **owning: float,
    ) -> Answer:
        """What a month costs by API, rented, owned and on premises, and the volumes where the order changes.

        `requests` are those of a month, the traffic's rate unless given. The API is a model of the price book
        (`api="deepseek/deepseek-chat"`) or three prices per million tokens. Figures of owning (`life=5`,
        `cost_of_capital=0.08`, `purchase_price=`, `staff=`, ...) are those of the command's options.

        >>> served = Serving("llama-3.1-70b", "h100", traffic="4000/1000", gpu_price="2.50")
        >>> served.buy_or_rent(5_000_000, life=5).rows[0]["way"]
        'on_demand'
        """
        from breakeven.report.serving.buy_or_rent import buy_or_rent_answer
        from breakeven.report.serving.owning import Owning
        from breakeven.report.serving.price_list import sold_at

        prices, sold = _prices(price_in, price_cached, price_out), None
        if api is not None or any(prices):
            sold = sold_at(api, prices, currency=self.asked.list_currency, day=at)
        shown = buy_or_rent_answer(
            self.asked,
            Owning(**owning),
            sold,
            requests_per_month=requests,
            peak=peak,
            spare_nodes=spare_nodes,
            gpus_per_node=gpus_per_node,
        )
        return self._answer(shown, lang)

    @names_arguments
    def small_or_large(
        self,
        classes: str | os.PathLike[str],
        small: str,
        *,
        spare: int = 1,
        peak: float = PUBLISHED_PEAK,
        lang: Language | None = None,
    ) -> Answer:
        """What moving requests from this model to a smaller one saves and loses, and which to move first.

        `classes` is a YAML file of the kinds of requests, which are the traffic too.
        """
        from breakeven.report.serving.small_or_large import small_or_large_answer
        from breakeven.serving.request_classes import read_kinds

        kinds, large = read_kinds(Path(classes)), self.asked.models[0]
        return self._answer(
            small_or_large_answer(self.asked, kinds, small, large, spare=spare, peak=peak), lang
        )

    @names_arguments
    def cache(
        self,
        trace: str | os.PathLike[str],
        *,
        capacities: Sequence[int] = (),
        block_tokens: int = 512,
        store: Store = "dram",
        store_price: Money | None = None,
        lang: Language | None = None,
    ) -> Answer:
        """What prefix caches of several sizes (in blocks) serve of a trace, save and cost; the best size.

        The traffic is that of the trace, a file of requests with the blocks they share. `store_price` is
        money for 10^9 bytes and a month.
        """
        from breakeven.report.serving.cache import cache_answer
        from breakeven.report.serving.cache_asked import CacheAsked
        from breakeven.serving.prefix_cache.trace_lines import read_trace
        from breakeven.sources.text_lines import text_lines

        one_of(store, "store", Store)
        path = Path(trace)
        price = None if store_price is None else float(amount(store_price, "store_price"))
        chosen = CacheAsked(capacities=tuple(capacities), store=store, store_price=price)
        file = read_trace(text_lines(path), str(path), block_tokens=block_tokens)
        return self._answer(cache_answer(self.asked, path.name, file, chosen), lang)

    @names_arguments
    def fleet(
        self,
        demand: HourlyDemand | None = None,
        *,
        owned: int = 0,
        reserved: int = 0,
        on_demand: int | None = None,
        owned_price: Money | None = None,
        reserved_price: Money | None = None,
        on_demand_price: Money | None = None,
        headroom: float = 0.15,
        minimum: int = 0,
        spare: int = 0,
        start_minutes: float = 0.0,
        most_changes: int | None = None,
        scale_down_hours: int = 0,
        follows: Follows = "forecast",
        overflow: Overflow | None = None,
        patience_minutes: float | None = None,
        priority_share: float = 0.0,
        sell: tuple[float, float, float] | None = None,
        time_zone: str | None = None,
        period: str | Period | None = None,
        lang: Language | None = None,
    ) -> Answer:
        """GPUs for the hours of a month: use, cost, what one more token costs, and demand above the fleet.

        `demand` is what `books.demand(...)` gives; without it the traffic's rate counts, in the shape of its
        own day, over `period` (this month unless given). `time_zone` says which hour is night. `sell` are
        prices per million computed input, cached input and output tokens.
        """
        from breakeven.report.serving.fleet import FleetAsked, fleet_answer, fleet_models
        from breakeven.report.serving.fleet_demand import fleet_demand
        from breakeven.serving.fleet.supply import Rules

        chosen = FleetAsked(
            Rules(headroom, minimum, spare, start_minutes, most_changes, scale_down_hours, follows),
            owned,
            reserved,
            on_demand,
            _amount(owned_price, "owned_price"),
            _amount(reserved_price, "reserved_price"),
            _amount(on_demand_price, "on_demand_price"),
            overflow,
            patience_minutes,
            priority_share,
        )
        models = fleet_models(self.asked, sold=sell)
        demanded = fleet_demand(
            self.asked, models.models, hourly=demand, zone_name=time_zone, period=period_given(period)
        )
        if len(demanded.demand.models) != 1:
            raise UsageError(
                f"the demand is that of {len(demanded.demand.models)} models",
                remedy="take one: books.demand(models=['NAME'])",
            )
        return self._answer(fleet_answer(self.asked, models, demanded, chosen), lang)

    @names_arguments
    def calibrate(
        self,
        points: str | os.PathLike[str],
        *,
        output: str | os.PathLike[str] | None = None,
        lang: Language | None = None,
    ) -> Answer:
        """The shipped constants moved to your own measurements, a CSV, with the error before and after.

        `Serving(..., calibration=)` then uses the file `output`. The measurements may be of any models.
        """
        from breakeven.report.serving.calibrate import calibrate_answer

        return self._answer(calibrate_answer(Path(points), None if output is None else Path(output)), lang)

    # --- what the answers are made of -----------------------------------------------------------------

    @cached_property
    def asked(self) -> Asked:
        """What the answers are asked with: the same as the commands make of their options."""
        from breakeven.report.serving.asked import Asked
        from breakeven.serving.traffic import Traffic

        return Asked(
            models=(os.fspath(self.model),),
            gpus=(os.fspath(self.gpu),),
            traffic_given=self.traffic if isinstance(self.traffic, Traffic) else os.fspath(self.traffic),
            ttft_seconds=_seconds(self.ttft_ms, "ttft_ms"),
            tpot_seconds=_seconds(self.tpot_ms, "tpot_ms"),
            percentile=float(self.percentile),
            engine=self.engine,
            precision=self.precision,
            kv_precision=self.kv_precision,
            mode=self.mode,
            calibration=file_given(self.calibration, "calibration"),
            gpu_price=None if self.gpu_price is None else above_zero(self.gpu_price, "gpu_price"),
            currency=currency_code(self.currency),
            exchange_rate=None if self.rate is None else above_zero(self.rate, "rate"),
            commitment=self.commitment,
            derate_prefill=self.derate_prefill,
            derate_decode=self.derate_decode,
        )

    @property
    @names_arguments
    def served(self) -> Served:
        """The cheapest way to serve the traffic under the target; computed once.

        Raises `UsageError` for a model that does not fit, and for a target that no layout keeps.
        """
        return self.asked.served()

    @property
    @names_arguments
    def price(self) -> GpuHourPrice:
        """What a GPU-hour costs. Raises `UsageError` where none is given and none ships."""
        return self.asked.price()

    def _answer(self, view: View, lang: Language | None) -> Answer:
        return Answer(view, language_of(lang or self.lang))


def _amount(money: Money | None, name: str) -> Decimal | None:
    return None if money is None else amount(money, name)


def _prices(
    price_in: Money | None, price_cached: Money | None, price_out: Money | None
) -> tuple[str | None, str | None, str | None]:
    """Prices per million tokens as a list takes them: text."""
    given = (price_in, "price_in"), (price_cached, "price_cached"), (price_out, "price_out")
    texts = [None if money is None else f"{amount(money, name):f}" for money, name in given]
    return texts[0], texts[1], texts[2]


def _seconds(milliseconds: float | None, name: str) -> float:
    """A latency in seconds; one that can only be seconds written for milliseconds is refused."""
    if milliseconds is None:
        return inf
    least = {"ttft_ms": 10.0, "tpot_ms": 0.5}[name]
    value = float(milliseconds)
    if not isfinite(value) or value < least:
        raise UsageError(
            f"{name} cannot be {milliseconds!r}",
            cause="seconds instead of milliseconds",
            remedy="give milliseconds, such as ttft_ms=2000 and tpot_ms=50, or None for no promise",
        )
    return value / _MS_PER_SECOND


def _lengths(tokens: object) -> list[float]:
    given = [tokens] if isinstance(tokens, (int, float)) else tokens
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        raise UsageError(f"tokens cannot be {tokens!r}", remedy="give a list of lengths, such as [8_000]")
    return [float(cast("float", one)) for one in given]  # pyright: ignore[reportUnknownVariableType]
