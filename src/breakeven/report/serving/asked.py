"""What is asked about serving: models, GPUs, traffic, promises and prices, resolved when they are needed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from breakeven.errors import InputError, UsageError
from breakeven.report.view_model import Envelope
from breakeven.report.view_model import Warning as Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from breakeven.report.serving.gpu_hour_price import GpuHourPrice
    from breakeven.serving.architecture import Architecture
    from breakeven.serving.constants import Constants
    from breakeven.serving.deployment import Deployment
    from breakeven.serving.hardware import Accelerator
    from breakeven.serving.layout import Layout
    from breakeven.serving.nodes import ReplicaPool
    from breakeven.serving.served import Served
    from breakeven.serving.speculation import Speculation
    from breakeven.serving.target import Derate, Target
    from breakeven.serving.traffic import Traffic

    _Key = tuple[str, str, Traffic | None]


@dataclass(frozen=True)
class Asked:
    """What was asked of `breakeven serving`, as text and numbers; the methods turn it into what the models
    take.

    `traffic_given` is what `traffic_files.read_traffic` reads, or a traffic. Money is in `currency`.

    >>> asked = Asked(("qwen3-32b",), ("h100",), "4000/1000", gpu_price=Decimal("2.50"))
    >>> asked.price().said.en, asked.traffic().output_tokens
    ('2.5 USD, as given', 1000.0)
    """

    models: tuple[str, ...] = ()
    gpus: tuple[str, ...] = ()
    traffic_given: str | Traffic = "chat"
    cached_share: float | None = None
    characters: bool = False
    tokens_per_character: float = 0.6
    ttft_seconds: float = 2.0
    tpot_seconds: float = 0.05
    percentile: float = 0.9
    engine: str = ""
    precision: str | None = None
    kv_precision: str | None = None
    mode: Literal["aggregated", "disaggregated"] | None = None
    layout_text: str | None = None
    replica_gpus: int | None = None
    drafts: int = 0
    acceptance: float | None = None
    accepted_length: float | None = None
    calibration: Path | None = None
    gpu_price: Decimal | None = None
    currency: str | None = None
    exchange_rate: Decimal | None = None
    commitment: str = "on_demand"
    derate_prefill: float = 1.0
    derate_decode: float = 1.0
    _found: dict[_Key, Served] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Answers found before: searching layouts takes a while, and several answers need the same one."""

    def architecture(self, model: str | None = None) -> Architecture:
        """The one model, or the one named: a shipped name, a config.json or a spec."""
        from breakeven.serving.architecture import read_architecture
        from breakeven.serving.architecture.model import Note

        given = model or self.models[0]
        found = read_architecture(given)
        if given.strip().lower() not in [alias.lower() for alias in found.aliases]:
            return found
        known = Note(
            f"{given} is served as {found.name} is: the same sizes",
            f"{given} 与 {found.name} 结构相同，按其计算",
        )
        return replace(found, assumed=(*found.assumed, known))

    def accelerator(self, gpu: str | None = None) -> Accelerator:
        """The one GPU, or the one named: a shipped name or a spec."""
        from breakeven.serving.hardware import read_accelerator

        try:
            return read_accelerator(gpu or self.gpus[0])
        except InputError as error:
            if error.where:  # a file's; else it is the name that was asked for
                raise
            raise UsageError(error.what, remedy=error.remedy) from error

    def traffic(self) -> Traffic:
        """The traffic, with `--cached` and `--characters` applied."""
        from breakeven.report.serving.traffic_files import read_traffic

        given = self.traffic_given
        found = read_traffic(given) if isinstance(given, str) else given
        if self.characters:
            found = found.from_characters(self.tokens_per_character)
        return found if self.cached_share is None else replace(found, cached_share=self.cached_share)

    def target(self) -> Target:
        """The latency promised."""
        from breakeven.serving.target import Target

        return Target(self.ttft_seconds, self.tpot_seconds, self.percentile)

    def derate(self) -> Derate:
        """From benchmark to production."""
        from breakeven.serving.target import Derate

        return Derate(self.derate_prefill, self.derate_decode)

    def speculation(self) -> Speculation:
        """Drafts per step. Raises `UsageError` for an acceptance where nothing is drafted."""
        from breakeven.serving.speculation import Speculation

        if self.drafts == 0 and (self.acceptance is not None or self.accepted_length is not None):
            raise UsageError(
                "an acceptance without drafts changes nothing",
                remedy="say with --drafts how many tokens are drafted per step, or leave the acceptance out",
            )
        return Speculation(self.drafts, self.acceptance, self.accepted_length)

    def layout(self) -> Layout | None:
        """The one layout to use; None for whichever is best."""
        from breakeven.serving.layout import Layout

        return None if self.layout_text is None else Layout.parse(self.layout_text)

    def constants(self) -> Constants:
        """The constants that ship, or those of the file `serving calibrate` wrote."""
        from breakeven.serving.constants import read_constants, shipped_constants

        return shipped_constants() if self.calibration is None else read_constants(self.calibration)

    def served(
        self, model: str | None = None, gpu: str | None = None, traffic: Traffic | None = None
    ) -> Served:
        """The answer for the one model and GPU, or for those named; computed once."""
        key = (model or self.models[0], gpu or self.gpus[0], traffic)
        if key not in self._found:
            self._found[key] = self._serve(model, gpu, traffic)
        return self._found[key]

    def served_at_least(
        self, monthly_cost: Callable[[tuple[ReplicaPool, ...]], float], traffic: Traffic
    ) -> Served:
        """The answer for the one model and GPU whose replicas cost least a month."""
        return self._serve(None, None, traffic, monthly_cost)

    def _serve(
        self,
        model: str | None,
        gpu: str | None,
        traffic: Traffic | None,
        monthly_cost: Callable[[tuple[ReplicaPool, ...]], float] | None = None,
    ) -> Served:
        from breakeven.serving.serve import serve

        return serve(
            self.architecture(model),
            self.accelerator(gpu),
            traffic or self.traffic(),
            self.target(),
            precision=self.precision,
            kv_precision=self.kv_precision,
            engine=self.engine,
            mode=self.mode,
            layout=self.layout(),
            most_gpus=self.replica_gpus,
            derate=self.derate(),
            speculation=self.speculation(),
            constants=self.constants(),
            monthly_cost=monthly_cost,
        )

    def deployment(
        self, model: str | None = None, gpu: str | None = None, kv_precision: str | None = None
    ) -> Deployment:
        """The one model on the one GPU, or those named, before a layout is chosen."""
        from breakeven.serving.serve import deployment_of

        return deployment_of(
            self.architecture(model),
            self.accelerator(gpu),
            precision=self.precision,
            kv_precision=kv_precision or self.kv_precision,
            engine=self.engine,
            speculation=self.speculation(),
            constants=self.constants(),
        )

    @property
    def list_currency(self) -> str | None:
        """What a price list must be in, if that is said: a GPU price without a currency is in dollars."""
        return self.currency or ("USD" if self.gpu_price is not None else None)

    def price(self, accelerator: Accelerator | None = None) -> GpuHourPrice:
        """What the GPU costs for an hour: `--gpu-price`, else the shipped price of `--commitment`.

        Raises `UsageError` where there is none, or where no rate leads to `--currency`.
        """
        from breakeven.report.serving.gpu_hour_price import given_price, shipped_price

        if self.gpu_price is not None:
            return given_price(self.gpu_price, self.currency, self.commitment)
        return shipped_price(
            accelerator or self.accelerator(), self.commitment, self.currency, self.exchange_rate
        )


def envelope_of_today(currency: str, warnings: tuple[Said, ...] = ()) -> Envelope:
    """What stands above an answer that needs no books."""
    today = datetime.now(tz=UTC).date().isoformat()
    return Envelope(books="", as_of=today, time_zone="UTC", currency=currency, warnings=warnings)


def warnings_of(answers: list[Served]) -> tuple[Said, ...]:
    """What readers must know of several answers, each said once."""
    from breakeven.report.views.serving_cost import serving_warnings

    return tuple({said.label.en: said for one in answers for said in serving_warnings(one)}.values())
