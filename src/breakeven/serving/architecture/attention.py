"""Kinds of attention: the weights of a layer, what a sequence keeps in memory, and the arithmetic of a token.

Every kind answers the same questions for one layer; contexts are arrays of token counts. Sources: DeepSeek-V2
(arXiv 2405.04434) for latent attention, the DeepSeek-V3.2 report (arXiv 2512.02556) for sparse attention,
Qwen3-Next's code in transformers for the gated delta rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from breakeven.serving.architecture.precision import Precision, kv_bytes_per_element

Floats = npt.NDArray[np.float64]
Counts = float | npt.ArrayLike
"""Token counts: one, or an array of them."""

_STATE_BYTES = 4  # recurrent states are kept in float32: `mamba_ssm_dtype` of Qwen3.5's config.json
_CONVOLUTION_BYTES = 2  # what a short convolution remembers is bfloat16


class Attention(Protocol):
    """One layer's attention."""

    @property
    def kind(self) -> str:
        """`full`, `window`, `latent`, `sparse`, `linear` or `none`."""
        ...

    @property
    def heads(self) -> int:
        """Query heads."""
        ...

    @property
    def kv_heads(self) -> int:
        """Heads over which the cache divides; 1 for a latent cache, which every rank keeps whole."""
        ...

    def parameters(self, hidden_size: int) -> int:
        """Weights of the layer, without the indexer of sparse attention."""
        ...

    def indexer_parameters(self, hidden_size: int) -> int:
        """Weights that choose which tokens to attend to."""
        ...

    def kv_bytes(self, context: Floats, kv: Precision) -> Floats:
        """Memory that one sequence of so many tokens holds."""
        ...

    def kv_bytes_per_token(self, kv: Precision) -> float:
        """What one further token adds to it when the context is long."""
        ...

    def kv_bytes_read(self, context: Floats, kv: Precision) -> Floats:
        """Memory traffic of one decode step of one sequence."""
        ...

    def decode_flops(self, context: Floats) -> Floats:
        """Arithmetic of one new token over so many, apart from the weights."""
        ...

    def prefill_flops(self, new: Floats, cached: Floats) -> Floats:
        """The same for `new` tokens at once, after `cached` ones whose keys and values are there."""
        ...


def causal_pairs(new: Floats, cached: Floats, span: float = np.inf) -> Floats:
    """Pairs of a new token and a token it sees, where it sees at most `span`.

    >>> causal_pairs(np.array(100.0), np.array(50.0)).item()
    10000.0
    >>> causal_pairs(np.array(100.0), np.array(50.0), span=10).item()
    1000.0
    """

    def up_to(tokens: Floats) -> Floats:
        seen = np.minimum(tokens, span)
        beyond = tokens - seen
        return seen**2 / 2 + np.where(beyond > 0, beyond, 0.0) * np.where(beyond > 0, seen, 0.0)

    return up_to(new + cached) - up_to(cached)


@dataclass(frozen=True)
class GroupedAttention:
    """Heads that share keys and values in groups: multi-head, grouped or multi-query, whole or in a window.

    `window` is how many tokens a layer sees and keeps; None sees all. `has_gate` adds a gate on the output,
    as wide as the queries. `vectors` counts the elements of biases, norms and sinks.
    """

    heads: int
    kv_heads: int
    key_size: int
    value_size: int
    window: int | None = None
    has_gate: bool = False
    vectors: int = 0

    @property
    def kind(self) -> str:
        """`full` or `window`."""
        return "full" if self.window is None else "window"

    @property
    def _span(self) -> float:
        return np.inf if self.window is None else float(self.window)

    @property
    def _kv_elements(self) -> int:
        return self.kv_heads * (self.key_size + self.value_size)

    def parameters(self, hidden_size: int) -> int:
        """Projections to queries, keys, values and back."""
        queries = hidden_size * self.heads * self.key_size * (2 if self.has_gate else 1)
        return queries + hidden_size * (self._kv_elements + self.heads * self.value_size) + self.vectors

    def indexer_parameters(self, hidden_size: int) -> int:
        """There is no indexer."""
        del hidden_size
        return 0

    def kv_bytes(self, context: Floats, kv: Precision) -> Floats:
        """Keys and values of every token that the layer can still see."""
        return np.minimum(context, self._span) * (self._kv_elements * kv_bytes_per_element(kv))

    def kv_bytes_per_token(self, kv: Precision) -> float:
        """Nothing where a window is full."""
        return 0.0 if self.window is not None else self._kv_elements * kv_bytes_per_element(kv)

    def kv_bytes_read(self, context: Floats, kv: Precision) -> Floats:
        """All that is kept is read."""
        return self.kv_bytes(context, kv)

    @property
    def _flops_per_pair(self) -> float:
        return 2.0 * self.heads * (self.key_size + self.value_size)

    def decode_flops(self, context: Floats) -> Floats:
        """Scores and weighted values: 4 h d for each token seen where keys and values are of one size."""
        return self._flops_per_pair * np.minimum(context, self._span)

    def prefill_flops(self, new: Floats, cached: Floats) -> Floats:
        """The same for every pair."""
        return self._flops_per_pair * causal_pairs(new, cached, self._span)


@dataclass(frozen=True)
class Indexer:
    """What chooses the `kept_tokens` that a token attends to in DeepSeek's sparse attention.

    It keeps one key of `size` for each token in 8 bits with a 4-byte scale, whatever the cache's precision.
    """

    heads: int
    size: int
    kept_tokens: int

    @property
    def key_bytes(self) -> float:
        """Of one token in one layer."""
        return self.size + 4.0


@dataclass(frozen=True)
class LatentAttention:
    """Multi-head latent attention (MLA): the cache holds one short vector for all heads.

    `query_rank` is None where queries are projected at once. Decoding works on the latent vectors (absorbed),
    prefill on keys and values made from them.
    """

    heads: int
    query_rank: int | None
    latent_size: int
    rotary_size: int
    key_size: int
    value_size: int
    indexer: Indexer | None = None
    has_gate: bool = False

    @property
    def kind(self) -> str:
        """`latent`, or `sparse` with an indexer."""
        return "latent" if self.indexer is None else "sparse"

    @property
    def kv_heads(self) -> int:
        """One: every rank keeps the whole latent cache."""
        return 1

    @property
    def _cached_size(self) -> int:
        return self.latent_size + self.rotary_size

    def parameters(self, hidden_size: int) -> int:
        """Down and up projections of queries and of the latent vector, the output, two norms."""
        head = self.key_size + self.rotary_size
        if self.query_rank is None:
            queries = hidden_size * self.heads * head
        else:
            queries = hidden_size * self.query_rank + self.query_rank * (self.heads * head + 1)
        latent = hidden_size * self._cached_size
        latent += self.latent_size * (self.heads * (self.key_size + self.value_size) + 1)
        gates = 2 if self.has_gate else 1
        return queries + latent + gates * self.heads * self.value_size * hidden_size

    def indexer_parameters(self, hidden_size: int) -> int:
        """Its queries from the queries' short vector, its key, its weights of heads and its norm."""
        if self.indexer is None:
            return 0
        queries = (self.query_rank or hidden_size) * self.indexer.heads * self.indexer.size
        return queries + hidden_size * (self.indexer.size + self.indexer.heads) + 2 * self.indexer.size

    def kv_bytes(self, context: Floats, kv: Precision) -> Floats:
        """A latent vector, and the indexer's key, for every token."""
        return context * self.kv_bytes_per_token(kv)

    def kv_bytes_per_token(self, kv: Precision) -> float:
        """The same for one token."""
        extra = 0.0 if self.indexer is None else self.indexer.key_bytes
        return self._cached_size * kv_bytes_per_element(kv) + extra

    def kv_bytes_read(self, context: Floats, kv: Precision) -> Floats:
        """All latent vectors; with an indexer all its keys, and the vectors it chose."""
        vector = self._cached_size * kv_bytes_per_element(kv)
        if self.indexer is None:
            return context * vector
        return context * self.indexer.key_bytes + np.minimum(context, self.indexer.kept_tokens) * vector

    @property
    def _absorbed_flops(self) -> float:
        return 2.0 * self.heads * (2 * self.latent_size + self.rotary_size)

    @property
    def _expanded_flops(self) -> float:
        return 2.0 * self.heads * (self.key_size + self.rotary_size + self.value_size)

    def decode_flops(self, context: Floats) -> Floats:
        """2 h (2 r + d_rope) for each token seen."""
        if self.indexer is None:
            return self._absorbed_flops * context
        choosing = 2.0 * self.indexer.heads * self.indexer.size * context
        return choosing + self._absorbed_flops * np.minimum(context, self.indexer.kept_tokens)

    def prefill_flops(self, new: Floats, cached: Floats) -> Floats:
        """2 h (d_qk + d_v) for each pair. With an indexer: on chosen tokens where that is less work."""
        pairs = causal_pairs(new, cached)
        if self.indexer is None:
            return self._expanded_flops * pairs
        chosen = self._absorbed_flops * causal_pairs(new, cached, self.indexer.kept_tokens)
        choosing = 2.0 * self.indexer.heads * self.indexer.size * pairs
        return choosing + np.minimum(chosen, self._expanded_flops * pairs)


@dataclass(frozen=True)
class LinearAttention:
    """Attention through a state of fixed size: gated delta rule, Kimi delta, lightning attention, Mamba-2.

    `projections` are weights that multiply the hidden vector, for each element of it; `vectors` all others.
    `state_elements` is the recurrent state, `convolution_elements` what the short convolution remembers.
    """

    heads: int
    projections: int
    vectors: int
    state_elements: int
    convolution_elements: int
    passes_over_state: int

    @property
    def kind(self) -> str:
        """`linear`."""
        return "linear"

    @property
    def kv_heads(self) -> int:
        """States divide over ranks by head."""
        return self.heads

    @property
    def state_bytes(self) -> float:
        """What one sequence keeps, however long."""
        return float(self.state_elements * _STATE_BYTES + self.convolution_elements * _CONVOLUTION_BYTES)

    def parameters(self, hidden_size: int) -> int:
        """Projections, convolution and small vectors."""
        return self.projections * hidden_size + self.vectors

    def indexer_parameters(self, hidden_size: int) -> int:
        """There is no indexer."""
        del hidden_size
        return 0

    def kv_bytes(self, context: Floats, kv: Precision) -> Floats:
        """The state, from the first token on; its precision does not follow the cache's."""
        del kv
        return np.where(context > 0, self.state_bytes, 0.0)

    def kv_bytes_per_token(self, kv: Precision) -> float:
        """Nothing."""
        del kv
        return 0.0

    def kv_bytes_read(self, context: Floats, kv: Precision) -> Floats:
        """The state is read and written at every step."""
        return 2 * self.kv_bytes(context, kv)

    def decode_flops(self, context: Floats) -> Floats:
        """A few passes over the state, each a multiplication and an addition, whatever the context."""
        return np.where(context >= 0, 2.0 * self.passes_over_state * self.state_elements, 0.0)

    def prefill_flops(self, new: Floats, cached: Floats) -> Floats:
        """The same for every new token."""
        del cached
        return 2.0 * self.passes_over_state * self.state_elements * new


def gated_delta(
    key_heads: int, value_heads: int, key_size: int, value_size: int, convolution: int
) -> LinearAttention:
    """The gated delta rule of Qwen3-Next and Qwen3.5: keys, values, output gate, a head's decay and step."""
    keys, values = key_heads * key_size, value_heads * value_size
    mixed = 2 * keys + values
    return LinearAttention(
        heads=value_heads,
        projections=mixed + 2 * values + 2 * value_heads,
        vectors=mixed * convolution + 2 * value_heads + value_size,
        state_elements=value_heads * key_size * value_size,
        convolution_elements=mixed * (convolution - 1),
        passes_over_state=3,  # what the state says of the key, its correction, what it says of the query
    )


def kimi_delta(heads: int, size: int, convolution: int, *, is_gate_full: bool = False) -> LinearAttention:
    """Kimi delta attention: as above with a decay for each channel, through two thin projections."""
    width = heads * size
    gate = width if is_gate_full else size
    return LinearAttention(
        heads=heads,
        projections=4 * width + size + heads + gate,
        vectors=3 * width * convolution
        + size * width * (1 if is_gate_full else 2)
        + heads
        + 2 * width
        + size,
        state_elements=heads * size * size,
        convolution_elements=3 * width * (convolution - 1),
        passes_over_state=3,
    )


def lightning(heads: int, size: int) -> LinearAttention:
    """Lightning attention of MiniMax-01 (arXiv 2501.08313): queries, keys, values, output gate, output."""
    width = heads * size
    return LinearAttention(
        heads=heads,
        projections=5 * width,
        vectors=width,
        state_elements=heads * size * size,
        convolution_elements=0,
        passes_over_state=2,
    )


def mamba2(heads: int, size: int, groups: int, state_size: int, convolution: int) -> LinearAttention:
    """Mamba-2 (arXiv 2405.21060): input and gate, two vectors of the state for each group, a head's step."""
    inner = heads * size
    mixed = inner + 2 * groups * state_size
    return LinearAttention(
        heads=heads,
        projections=inner + mixed + heads + inner,
        vectors=mixed * (convolution + 1) + 3 * heads + inner,
        state_elements=inner * state_size,
        convolution_elements=mixed * (convolution - 1),
        passes_over_state=2,
    )
