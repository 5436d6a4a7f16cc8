"""Traffic and latency targets as arrays, one entry a case: what a layout is tried against in one go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from breakeven.serving.target import Target
from breakeven.serving.traffic import Traffic

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cases:
    """Arrays of shape (case,), those of prompts by length (node, case); see `Traffic` for their meaning.

    `prompt_weights` sum to 1 over nodes. `longest_prompt` is the prompt's length at the percentile over its
    mean.
    """

    new_tokens: Floats
    cached_tokens: Floats
    output_tokens: Floats
    input_residency: Floats
    output_residency: Floats
    prompt_multiples: Floats
    prompt_weights: Floats
    longest_prompt: Floats
    ttft_seconds: Floats
    tpot_seconds: Floats
    percentile: Floats

    @classmethod
    def of(cls, traffics: Sequence[Traffic], targets: Sequence[Target]) -> Cases:
        """One case for each pair; a single traffic or target goes with all of the others.

        >>> cases = Cases.of([Traffic("t", 4_000, 1_000, cached_share=0.5)], [Target(), Target(1.0)])
        >>> cases.new_tokens.tolist(), cases.ttft_seconds.tolist()
        ([2000.0, 2000.0], [2.0, 1.0])
        """
        count = max(len(traffics), len(targets))
        if len(traffics) not in (1, count) or len(targets) not in (1, count):
            raise ValueError("as many traffics as targets, or one of either")

        def column(values: Sequence[float]) -> Floats:
            return np.broadcast_to(np.array(values, dtype=float), (count,))

        multiples, weights = _nodes(traffics)
        share = column([target.percentile for target in targets])
        sigma = np.sqrt(np.log1p(column([one.input_spread for one in traffics]) ** 2))
        return cls(
            # An engine computes at least a prompt's last token, however much of it the cache knows.
            new_tokens=np.maximum(column([one.uncached_input_tokens for one in traffics]), 1.0),
            cached_tokens=column([one.cached_input_tokens for one in traffics]),
            output_tokens=column([one.output_tokens for one in traffics]),
            input_residency=column([one.input_residency_tokens for one in traffics]),
            output_residency=column([one.output_residency_tokens for one in traffics]),
            prompt_multiples=np.broadcast_to(multiples, (multiples.shape[0], count)),
            prompt_weights=np.broadcast_to(weights, (weights.shape[0], count)),
            longest_prompt=np.maximum(np.exp(sigma * ndtri(share) - sigma**2 / 2), 1.0),
            ttft_seconds=column([target.ttft_seconds for target in targets]),
            tpot_seconds=column([target.tpot_seconds for target in targets]),
            percentile=share,
        )

    def take(self, which: NDArray[np.intp]) -> Cases:
        """Only the cases at these places."""
        if which.size == self.count:
            return self
        return Cases(**{name: getattr(self, name)[..., which] for name in Cases.__dataclass_fields__})

    @property
    def context_tokens(self) -> Floats:
        """Of a running sequence, in the mean over time."""
        return self.input_residency + self.output_residency

    @property
    def count(self) -> int:
        """How many cases."""
        return self.new_tokens.size


def _nodes(traffics: Sequence[Traffic]) -> tuple[Floats, Floats]:
    """Lengths of prompts over their mean, and weights, (node, traffic); one node where none differ."""
    found = [traffic.input_nodes() for traffic in traffics]
    most = max(multiples.size for multiples, _ in found)
    multiples, weights = np.ones((most, len(found))), np.zeros((most, len(found)))
    for case, (lengths, shares) in enumerate(found):
        multiples[: lengths.size, case] = lengths
        weights[: shares.size, case] = shares
    return multiples, weights
