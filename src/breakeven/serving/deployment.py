"""A model on a kind of GPU, at a precision, run by an engine: everything that times depend on but the
load.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from breakeven.serving.architecture import Architecture, Precision
from breakeven.serving.architecture.attention import Counts
from breakeven.serving.constants import Constants, Novelty, Offset, Quantity, shipped_constants
from breakeven.serving.estimate import Estimate
from breakeven.serving.hardware import Accelerator
from breakeven.serving.layout import Layout
from breakeven.serving.rates import Rates, Situation
from breakeven.serving.speculation import NONE, Speculation
from breakeven.serving.step import StepTime, decode_step, prefill


@dataclass(frozen=True)
class Deployment:
    """See the module. Without a precision the makers' own counts; without an engine, the average of all."""

    architecture: Architecture
    accelerator: Accelerator
    precision: Precision
    kv_precision: Precision = "bf16"
    engine: str = ""
    speculation: Speculation = NONE
    constants: Constants = field(default_factory=shipped_constants)

    def decode(self, layout: Layout, batch: Counts, context_tokens: Counts) -> StepTime:
        """Seconds of one decode step, without drafting; a step yields `speculation.tokens_per_step`."""
        return decode_step(
            self.architecture,
            self.accelerator,
            layout,
            batch,
            context_tokens,
            precision=self.precision,
            kv_precision=self.kv_precision,
            engine=self.engine,
            tokens_per_sequence=self.speculation.tokens_verified,
            constants=self.constants,
        )

    def prefill(self, layout: Layout, new_tokens: Counts, cached_tokens: Counts, prompts: Counts) -> StepTime:
        """Seconds of the whole replica for so many prompts."""
        return prefill(
            self.architecture,
            self.accelerator,
            layout,
            new_tokens,
            cached_tokens,
            precision=self.precision,
            kv_precision=self.kv_precision,
            engine=self.engine,
            prompts=prompts,
            constants=self.constants,
        )

    def rates(self, layout: Layout) -> Rates:
        """Rates that do not depend on the load, such as what an engine adds before the first token."""
        one = np.asarray(1.0)
        return self.constants.rates(
            Situation(self.architecture, self.accelerator, layout, self.precision, self.engine, one, one)
        )

    def estimate(self, value: float, quantity: Quantity) -> Estimate:
        """A predicted number with its 80 % interval, as errors on held-out measurements have it."""
        return self.constants.estimate(
            value, quantity, self.architecture, self.accelerator, engine=self.engine, precision=self.precision
        )

    @property
    def novelty(self) -> Novelty:
        """How much of the model on this GPU was measured."""
        return self.constants.novelty(
            self.architecture, self.accelerator, engine=self.engine, precision=self.precision
        )

    @property
    def offset(self) -> Offset | None:
        """What the user's own measurements say of it; None where none of them is of it."""
        return self.constants.offset(self.architecture, self.accelerator, self.engine, self.precision)
