"""How long GPUs work for one token of each class: what every cost, fleet and price here is made of."""

from __future__ import annotations

from dataclasses import dataclass

from breakeven.serving.estimate import Estimate

SECONDS_PER_HOUR = 3_600
TOKENS_PER_MTOK = 1_000_000


@dataclass(frozen=True)
class ClassWork:
    """GPU-seconds that one token of each class takes on a fleet that is as busy as its latency target allows.

    Input that is computed, input found in the prefix cache, and output. A GPU-second is one GPU for one
    second, whatever share of it works. Idle hours are not in it: the fleet adds them.
    """

    uncached_input: Estimate
    cached_input: Estimate
    output: Estimate

    def cost_per_mtok(self, price_per_gpu_hour: float) -> ClassCost:
        """Money per million tokens of each class, in the currency of the price.

        >>> work = ClassWork(Estimate.exact(1e-4), Estimate.exact(0.0), Estimate.exact(5e-4))
        >>> round(work.cost_per_mtok(2.0).output_per_mtok.value, 4)
        0.2778
        """
        factor = price_per_gpu_hour / SECONDS_PER_HOUR * TOKENS_PER_MTOK
        return ClassCost(self.uncached_input * factor, self.cached_input * factor, self.output * factor)

    def gpu_seconds(
        self, uncached_input_tokens: float, cached_input_tokens: float, output_tokens: float
    ) -> float:
        """GPU-seconds of so many tokens, at the middle values.

        >>> work = ClassWork(Estimate.exact(1e-4), Estimate.exact(0.0), Estimate.exact(5e-4))
        >>> work.gpu_seconds(10_000, 5_000, 2_000)
        2.0
        """
        return (
            self.uncached_input.value * uncached_input_tokens
            + self.cached_input.value * cached_input_tokens
            + self.output.value * output_tokens
        )


@dataclass(frozen=True)
class ClassCost:
    """Money per million tokens of each class; a model's numbers, so floats."""

    uncached_input_per_mtok: Estimate
    cached_input_per_mtok: Estimate
    output_per_mtok: Estimate
