"""What a token costs to serve, in a notebook: a model on a GPU for a traffic, and the answers that follow.

    served = breakeven.Serving("deepseek-v3", "h200", traffic="4000/1000@50rps", ttft_ms=2000, tpot_ms=50)
    served.cost().to_polars()
    served.context(tokens=[128_000, 1_000_000])
    served.fleet(owned=256, owned_price=1.6, time_zone="Asia/Shanghai")

No books are needed; `books.traffic(...)` and `books.demand(...)` bring what books know of their own models.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
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
    language_of,
    names_given,
    one_of,
    period_given,
)
from breakeven.report.view_model import Envelope, Label, Language, View, Warning  # noqa: A004 - the envelope's word

if TYPE_CHECKING:
    from breakeven.notebook.trace_cache import Store
    from breakeven.periods import Period
    from breakeven.report.gpu_hour_price import GpuHourPrice
    from breakeven.report.views.serving_compare import Compared
    from breakeven.serving.architecture import Architecture
    from breakeven.serving.deployment import Deployment
    from breakeven.serving.fleet.demand import HourlyDemand
    from breakeven.serving.fleet.supply import Follows, Overflow
    from breakeven.serving.hardware import Accelerator
    from breakeven.serving.served import Served
    from breakeven.serving.target import Derate, Target
    from breakeven.serving.traffic import Traffic

Engine = Literal["", "vllm", "sglang", "trtllm"]
Mode = Literal["aggregated", "disaggregated"]
Commitments = Literal["on_demand", "reserved", "spot", "owned"]
_MS_PER_SECOND = 1_000
_SECONDS_PER_DAY = 86_400
_HOURS = 24
_USUAL_LENGTHS = (8_000, 128_000, 1_000_000)
PUBLISHED_UTILISATION = 0.816
"""226.75 nodes in the mean over 278 at the peak: DeepSeek's published day, a fleet held at its peak."""
PUBLISHED = Label(
    "DeepSeek's published day: 226.75 nodes in the mean over 278 at the peak",
    "DeepSeek 公布之日：平均 226.75 个节点除以峰值 278 个",
)
PRICE_WORDS = Label("Price of a GPU-hour", "每卡时价格")
LIST_WORDS = Label("Price of a million output tokens", "每百万输出词元价格")
UTILISATION_WORDS = Label("Utilisation", "利用率")
FREE_WORDS = Label("Requests that nobody pays for", "无人付费的请求占比")


@dataclass(frozen=True)
class Serving:
    """One model on one GPU, a traffic, and the latency promised: what `breakeven serving` takes as options.

    `model` and `gpu` are shipped names, or files: a `config.json` or a spec. `traffic` is a shipped name
    (`chat`, `long`, `reason`, ...), lengths (`4000/1000@50rps`), a YAML profile, or a `Traffic`. `ttft_ms`
    and `tpot_ms` are promised to `percentile` of requests; None promises nothing. `gpu_price` is money for a
    GPU-hour in `currency` (USD unless named); without it the shipped price of the `commitment` counts.
    The derates are the shares of a benchmark's throughput that production reaches.

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

    def cost(self, *, lang: Language | None = None) -> Answer:
        """Money per million tokens by class with its interval, speed, the best layout, and what bounds it."""
        from breakeven.report.views.serving_cost import serving_cost_view, serving_warnings

        price, served = self.price.shown, self.served
        envelope = self._envelope(price.currency, serving_warnings(served))
        return self._answer(serving_cost_view(served, price, envelope), lang)

    def compare(
        self, models: Sequence[str] = (), gpus: Sequence[str] = (), *, lang: Language | None = None
    ) -> Answer:
        """Every model on every GPU: cost and speed at the promise made, and the frontier of cost and latency.

        Those of `self` come first, and stand alone where no others are named.

        >>> served = Serving("llama-3.1-70b", "h100", traffic="4000/1000", gpu_price="2.50")
        >>> served.compare(gpus=["h200"]).table("frontier").rows[-1]["tpot_ms"]
        Decimal('150.0')
        """
        from breakeven.report.views.serving_compare import serving_compare_view
        from breakeven.report.views.serving_cost import serving_warnings

        every_model = list(dict.fromkeys([self.model, *names_given(models, "models")]))
        every_gpu = list(dict.fromkeys([self.gpu, *names_given(gpus, "gpus")]))
        asked = [replace(self, model=model, gpu=gpu) for model in every_model for gpu in every_gpu]
        compared = [one.compared for one in asked]
        currencies = {one.price.currency for one in asked if one.has_price}
        if len(currencies) > 1:
            raise UsageError(
                f"the GPUs' prices are in {' and '.join(sorted(currencies))}",
                remedy="choose one with currency=",
            )
        currency = min(currencies, default="USD")
        found = [one.served for one in compared if one.served is not None]
        warnings = {said.label.en: said for one in found for said in serving_warnings(one)}
        envelope = self._envelope(currency, tuple(warnings.values()))
        return self._answer(serving_compare_view(compared, currency, envelope), lang)

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
        from breakeven.report.views.serving_context import Basis, ContextRow, serving_context_view
        from breakeven.serving.long_context import LOAD_BYTES_PER_SECOND, LongPrompt, long_context

        prompts = [LongPrompt(each, output_tokens, end_tokens, usual_tokens) for each in _lengths(tokens)]
        kinds = ("bf16", "fp8") if self.kv_precision is None else (self.kv_precision,)
        price = self.price
        rows: list[ContextRow] = []
        for prompt in prompts:
            for kv in kinds:
                deployment = self._deployment(kv)
                found = refusal = None
                try:
                    found = long_context(deployment, prompt, self.target, self.derate, most_gpus=most_gpus)
                except UsageError as error:
                    refusal = error
                rows.append(ContextRow(deployment, prompt, float(price.amount), found, refusal))
        refusals = [row.refusal for row in rows]
        if all(refusals) and refusals[0] is not None:
            raise refusals[0]
        basis = Basis(
            prices=((self._accelerator.name, price.shown),),
            prompt=prompts[0],
            target=self.target,
            derate=self.derate,
            load_bytes_per_second=LOAD_BYTES_PER_SECOND,
            tokens_per_character=None,
        )
        return self._answer(serving_context_view(rows, basis, self._envelope(price.currency)), lang)

    def breakeven_price(
        self,
        price_in: Money,
        price_out: Money,
        price_cached: Money | None = None,
        *,
        utilisation: float = PUBLISHED_UTILISATION,
        free_share: float = 0.0,
        lang: Language | None = None,
    ) -> Answer:
        """The price list at which the margin is zero, and what would make this list pay, each alone.

        Prices are per million tokens, in the currency of the GPU-hour; cached input sells as input unless it
        has a price of its own. `utilisation` is the share of paid GPU-hours that serve.

        >>> served = Serving("llama-3.1-70b", "h100", traffic="4000/1000", gpu_price="2.50")
        >>> served.breakeven_price("0.50", "1.50").tables
        ('prices', 'money', 'levers', 'assumptions')
        """
        from breakeven.report.views.serving_assumptions import GIVEN, Assumption
        from breakeven.report.views.serving_breakeven_price import Priced, breakeven_price_view
        from breakeven.report.views.serving_cost import serving_warnings
        from breakeven.report.views.serving_figures import significant
        from breakeven.serving.breakeven_price import Offer, TokenPrices, Tokens

        listed = {
            "uncached_input": amount(price_in, "price_in"),
            "cached_input": amount(price_in if price_cached is None else price_cached, "price_cached"),
            "output": amount(price_out, "price_out"),
        }
        price, traffic, currency = self.price, self._traffic, self.price.currency
        tokens = Tokens(traffic.uncached_input_tokens, traffic.cached_input_tokens, traffic.output_tokens)
        prices = TokenPrices(*(float(one) for one in listed.values()))
        offer = Offer(tokens, self.served.work, float(price.amount), prices, utilisation, free_share)
        stands_on = (
            Assumption(PRICE_WORDS, price.amount, f"{currency}/GPU-hour", price.said),
            Assumption(LIST_WORDS, listed["output"], f"{currency}/Mtok", GIVEN),
            Assumption(
                UTILISATION_WORDS,
                significant(utilisation),
                "ratio",
                PUBLISHED if utilisation == PUBLISHED_UTILISATION else GIVEN,
            ),
            Assumption(FREE_WORDS, significant(free_share), "ratio", GIVEN),
        )
        priced = Priced(self.served.model, self.served.gpu, currency, offer, listed, stands_on)
        envelope = self._envelope(currency, serving_warnings(self.served))
        return self._answer(breakeven_price_view(priced, envelope), lang)

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
        from breakeven.notebook.trace_cache import cache_findings
        from breakeven.report.views.serving_cache import cache_view

        found = cache_findings(
            self,
            Path(trace),
            capacities=capacities,
            block_tokens=block_tokens,
            store=store,
            store_price=store_price,
        )
        return self._answer(cache_view(found), lang)

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
        from breakeven import periods
        from breakeven.report.views.serving_fleet import FleetShown, serving_fleet_view
        from breakeven.serving.fleet.bounds import FleetBounds
        from breakeven.serving.fleet.from_served import served_model
        from breakeven.serving.fleet.supply import Rules, Supply

        if time_zone is None:
            raise UsageError(
                "the time zone of the hours is missing",
                cause="whether an hour is night or peak depends on it",
                remedy="give time_zone='Asia/Shanghai', or 'UTC'",
            )
        zone = periods.time_zone(time_zone)
        asked = self._demand(time_zone, period_given(period)) if demand is None else demand
        model = served_model(self.served, prices_per_mtok=sell)
        if len(asked.models) != 1:
            raise UsageError(
                f"the demand is that of {len(asked.models)} models",
                remedy="take one: books.demand(models=['NAME'])",
            )
        model = replace(model, name=asked.models[0])
        prices, currency = self._prices(
            {"owned": owned_price, "reserved": reserved_price, "on_demand": on_demand_price}
        )
        most = 0 if on_demand is None and prices["on_demand"] is None else on_demand
        supply = Supply(owned, reserved, most, prices["owned"], prices["reserved"], prices["on_demand"])
        rules = Rules(headroom, minimum, spare, start_minutes, most_changes, scale_down_hours, follows)
        patience_hours = inf if patience_minutes is None else patience_minutes / 60
        bounds = FleetBounds.of(asked, [model], {model.pool: supply}, rules, overflow, patience_hours)
        shown = FleetShown(bounds, {model.pool: supply}, rules, zone, patience_hours, priority_share)
        envelope = replace(self._envelope(currency), time_zone=zone.key)
        return self._answer(serving_fleet_view(shown, envelope), lang)

    # --- what the answers are made of -----------------------------------------------------------------

    @cached_property
    def served(self) -> Served:
        """The cheapest way to serve the traffic under the target; computed once.

        Raises `UsageError` for a model that does not fit, and for a target that no layout keeps.
        """
        from breakeven.serving.serve import serve

        return serve(
            self.architecture,
            self._accelerator,
            self._traffic,
            self.target,
            precision=self.precision,
            kv_precision=self.kv_precision,
            engine=self.engine,
            mode=self.mode,
            derate=self.derate,
        )

    @cached_property
    def price(self) -> GpuHourPrice:
        """What a GPU-hour costs. Raises `UsageError` where none is given and none ships."""
        from breakeven.report.gpu_hour_price import given_price, shipped_price

        currency = currency_code(self.currency)
        if self.gpu_price is not None:
            return given_price(above_zero(self.gpu_price, "gpu_price"), currency)
        return shipped_price(self._accelerator, self.commitment, currency)

    @property
    def target(self) -> Target:
        """The latency promised."""
        from breakeven.serving.target import Target

        return Target(
            _seconds(self.ttft_ms, "ttft_ms"), _seconds(self.tpot_ms, "tpot_ms"), float(self.percentile)
        )

    @property
    def derate(self) -> Derate:
        """From benchmark to production."""
        from breakeven.serving.target import Derate

        return Derate(self.derate_prefill, self.derate_decode)

    @cached_property
    def architecture(self) -> Architecture:
        """The model: weights, attention, keys and values."""
        from breakeven.serving.architecture import read_architecture

        return read_architecture(os.fspath(self.model))

    @cached_property
    def _accelerator(self) -> Accelerator:
        from breakeven.serving.hardware import read_accelerator

        return read_accelerator(os.fspath(self.gpu))

    @cached_property
    def _traffic(self) -> Traffic:
        from breakeven.serving.traffic import Traffic
        from breakeven.serving.traffic_named import named_traffic, read_profile

        if isinstance(self.traffic, Traffic):
            return self.traffic
        text = os.fspath(self.traffic)
        return read_profile(Path(text)) if text.endswith((".yaml", ".yml")) else named_traffic(text)

    @property
    def has_price(self) -> bool:
        """Whether a GPU-hour has a price: speed can be compared without one."""
        ships = any(price.commitment == self.commitment for price in self._accelerator.prices)
        return self.gpu_price is not None or ships

    @property
    def compared(self) -> Compared:
        """The combination as a comparison takes it; one that is not possible says why instead."""
        import numpy as np

        from breakeven.report.phrases import both
        from breakeven.report.views.serving_compare import Compared
        from breakeven.serving.frontier import TPOT_MS, frontier_gpu_seconds

        served = reason = None
        frontier = np.full(len(TPOT_MS), np.inf)
        try:
            frontier = frontier_gpu_seconds(self._deployment(), self._traffic, self.target, self.derate)
            served = self.served
        except UsageError as refusal:
            told = [both(text) for text in (refusal.what, refusal.cause) if text]
            reason = Label("; ".join(one.en for one in told), "；".join(one.zh for one in told))
        return Compared(
            self.architecture.name,
            self._accelerator.name,
            served,
            reason,
            float(self.price.amount) if self.has_price else None,
            frontier,
            self._traffic.input_tokens + self._traffic.output_tokens,
        )

    def _deployment(self, kv: str | None = None) -> Deployment:
        from breakeven.serving.serve import deployment_of

        return deployment_of(
            self.architecture,
            self._accelerator,
            precision=self.precision,
            kv_precision=kv or self.kv_precision,
            engine=self.engine,
        )

    def _demand(self, time_zone: str, period: Period | None) -> HourlyDemand:
        """The traffic's rate over the hours of a month, in the shape of its day."""
        from breakeven import periods
        from breakeven.serving.fleet.profile import Profile

        traffic = self._traffic
        if traffic.requests_per_second is None:
            raise UsageError(
                "how much traffic there is is not known",
                remedy="give a rate, such as traffic='4000/1000@50rps', or demand=books.demand()",
            )
        today = datetime.now(tz=periods.time_zone(time_zone)).date()
        requests = traffic.requests_per_second * _SECONDS_PER_DAY
        daily = (
            requests * traffic.uncached_input_tokens,
            requests * traffic.cached_input_tokens,
            requests * traffic.output_tokens,
        )
        profile = Profile.of(time_zone, traffic.hourly or (1.0,) * _HOURS)
        return profile.demand({self.architecture.name: daily}, period or periods.Period.month(today))

    def _prices(self, given: Mapping[str, Money | None]) -> tuple[dict[str, float | None], str]:
        """Prices by commitment in one currency, given or shipped; None where there is none."""
        from breakeven.report.gpu_hour_price import shipped_price

        currency, found = currency_code(self.currency), dict[str, float | None]()
        for commitment in ("on_demand", "reserved", "owned"):
            price = given[commitment]
            if price is not None:
                found[commitment] = float(amount(price, f"{commitment}_price"))
                continue
            try:
                shipped = shipped_price(self._accelerator, commitment, currency)
            except UsageError:
                found[commitment] = None
                continue
            found[commitment] = float(shipped.amount)
            currency = currency or shipped.currency
        return found, currency or "USD"

    def _envelope(self, currency: str, warnings: tuple[Warning, ...] = ()) -> Envelope:
        today = datetime.now(tz=UTC).date().isoformat()
        return Envelope(books="", as_of=today, time_zone="UTC", currency=currency, warnings=warnings)

    def _answer(self, view: View, lang: Language | None) -> Answer:
        return Answer(view, language_of(lang or self.lang))


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
