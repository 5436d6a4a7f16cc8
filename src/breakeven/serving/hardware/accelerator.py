"""One GPU as the serving model sees it: a handful of numbers, each from a vendor's sheet or a user's file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from breakeven.serving.architecture.precision import Precision
from breakeven.serving.hardware.gpu_price import Commitment, GpuPrice, PurchasePrice

Generation = Literal["ampere", "ada", "hopper", "blackwell", "ascend", "other"]
GENERATIONS: tuple[Generation, ...] = ("ampere", "ada", "hopper", "blackwell", "ascend", "other")


@dataclass(frozen=True)
class Accelerator:
    """What one GPU of a server can do.

    `peak_flops` are dense FLOP/s by precision (vendors print twice as much "with sparsity"); a precision
    that is not in it is one the hardware cannot calculate in. `link_bytes_per_second` is the scale-up link of
    one GPU in one direction (vendors print both directions together), over the `link_domain_gpus` GPUs that
    share it; `network_bytes_per_second` is the network between servers, per GPU and direction, None where a
    server has no usual one. `power_watts` is the GPU alone, `all_in_watts` with its share of server, network
    and cooling; None where nobody published it.
    """

    name: str
    peak_flops: Mapping[Precision, float] = field(hash=False)
    memory_bytes: float
    bandwidth_bytes_per_second: float
    link_bytes_per_second: float
    link_domain_gpus: int
    generation: Generation
    source: str
    as_of: str
    network_bytes_per_second: float | None = None
    power_watts: float | None = None
    all_in_watts: float | None = None
    prices: tuple[GpuPrice, ...] = ()
    purchase: PurchasePrice | None = None
    aliases: tuple[str, ...] = ()
    title: str = ""
    note: str = ""
    note_zh: str = ""

    def maths_precision(self, precision: Precision) -> Precision:
        """The precision in which it multiplies weights stored in `precision`.

        Its own where the hardware has it; otherwise bf16: weights are widened as they are read, so they save
        memory and bandwidth but no arithmetic. Weights of int4 are always widened: those checkpoints keep
        16-bit activations.

        >>> from breakeven.serving.hardware import accelerator
        >>> accelerator("a100").maths_precision("fp8"), accelerator("h100").maths_precision("fp8")
        ('bf16', 'fp8')
        """
        return precision if precision in self.peak_flops and precision != "int4" else "bf16"

    def peak(self, precision: Precision) -> float:
        """Dense FLOP/s for weights stored in `precision`; see `maths_precision`.

        >>> from breakeven.serving.hardware import accelerator
        >>> accelerator("h800").peak("fp4") / 1e12
        989.0
        """
        return self.peak_flops[self.maths_precision(precision)]

    def price(self, commitment: Commitment, currency: str | None = None) -> GpuPrice | None:
        """The first price listed under a commitment, in a currency if one is given; None is *no price*.

        >>> from breakeven.serving.hardware import accelerator
        >>> accelerator("h100").price("on_demand").amount, accelerator("h20").price("on_demand")
        (Decimal('2.95'), None)
        """
        return next(
            (
                price
                for price in self.prices
                if price.commitment == commitment and currency in (None, price.currency)
            ),
            None,
        )
