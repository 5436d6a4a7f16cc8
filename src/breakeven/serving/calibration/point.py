"""One measured point: a deployment, the lengths and concurrency asked of it, and the times that came out."""

from __future__ import annotations

from dataclasses import dataclass

from breakeven.serving.architecture import Architecture, Precision
from breakeven.serving.hardware import Accelerator
from breakeven.serving.layout import Layout


@dataclass(frozen=True)
class Point:
    """Means over a benchmark. `length_share` is how long requests were on average, of the nominal lengths.

    `doubt` says why the row cannot be what it says; empty where nothing speaks against it. `family` is what
    rows of one deployment have in common, whatever their shapes.
    """

    architecture: Architecture
    accelerator: Accelerator
    layout: Layout
    precision: Precision
    kv_precision: Precision
    engine: str
    input_tokens: float
    output_tokens: float
    concurrency: float
    ttft_seconds: float
    tpot_seconds: float
    where: str = ""
    length_share: float = 1.0
    doubt: str = ""
    origin: str = ""
    has_even_lengths: bool = False

    @property
    def life_seconds(self) -> float:
        """From the request to its last token."""
        return self.ttft_seconds + self.tpot_seconds * (self.output_tokens - 1)

    @property
    def output_tokens_per_second_per_gpu(self) -> float:
        """Concurrency x output / life / GPUs, with nominal lengths: the figure of merit."""
        return self.concurrency * self.output_tokens / self.life_seconds / self.layout.gpus

    @property
    def deployment(self) -> str:
        """Model, GPU, engine, precision, GPUs and how experts and attention are divided."""
        apart = ("attention apart" if self.layout.data > 1 else "") or (
            "experts apart" if self.layout.expert > 1 else ""
        )
        from breakeven.serving.rates import model_name

        return " | ".join(
            (
                model_name(self.architecture), self.accelerator.name, self.engine, self.precision,
                f"{self.layout.gpus} GPUs {apart}".strip(),
            )
        )  # fmt: skip
