"""The other half of a layer: a dense network, or experts of which a token uses a few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from breakeven.serving.architecture.attention import Counts, Floats


@dataclass(frozen=True)
class Dense:
    """A network of `size` inner elements: three matrices where it is gated, else two."""

    size: int
    matrices: int = 3
    has_bias: bool = False

    def parameters(self, hidden_size: int) -> int:
        """Weights of the layer."""
        biases = (self.matrices - 1) * self.size + hidden_size if self.has_bias else 0
        return self.matrices * hidden_size * self.size + biases


@dataclass(frozen=True)
class Experts:
    """`count` routed experts of which a token uses `per_token`, and shared ones of `shared_size` in all.

    `inner_size` is the width that routed experts work in where the hidden vector is projected to it first.
    """

    count: int
    per_token: int
    size: int
    shared_size: int = 0
    has_shared_gate: bool = False
    has_router_bias: bool = False
    has_bias: bool = False
    matrices: int = 3
    inner_size: int | None = None

    def expert_parameters(self, hidden_size: int) -> int:
        """Weights of one routed expert."""
        expert = Dense(self.size, self.matrices, has_bias=self.has_bias)
        return expert.parameters(self.inner_size or hidden_size)

    def routed_parameters(self, hidden_size: int) -> int:
        """Weights of all routed experts."""
        return self.count * self.expert_parameters(hidden_size)

    def shared_parameters(self, hidden_size: int) -> int:
        """Weights of the shared experts with their gate."""
        shared = Dense(self.shared_size, self.matrices).parameters(hidden_size) if self.shared_size else 0
        to_inner = 2 * hidden_size * self.inner_size if self.inner_size else 0
        return shared + to_inner + (hidden_size if self.has_shared_gate else 0)

    def router_parameters(self, hidden_size: int) -> int:
        """Weights that choose experts."""
        return self.count * (hidden_size + (1 if self.has_router_bias else 0))


def touched_share(experts: int, experts_per_token: int, tokens: Counts) -> Floats:
    """Share of routed experts that a step of so many tokens uses, with even routing.

    Real routing is uneven: it touches fewer, and needs copies of the busiest.

    >>> touched_share(256, 8, [1, 64]).round(3).tolist()
    [0.031, 0.869]
    """
    return (
        -np.expm1(np.asarray(tokens, dtype=float) * np.log1p(-experts_per_token / experts))
        if (experts_per_token < experts)
        else np.where(np.asarray(tokens, dtype=float) > 0, 1.0, 0.0)
    )
