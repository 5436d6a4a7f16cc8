"""A model as serving sees it: its layers, weights by part, memory by context and arithmetic by token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from breakeven.serving.architecture.attention import Attention, Counts, Floats
from breakeven.serving.architecture.feed_forward import Dense, Experts, touched_share
from breakeven.serving.architecture.precision import Precision
from breakeven.serving.architecture.storage import Part, Storage, usual_storage


@dataclass(frozen=True)
class Layer:
    """`count` alike layers: attention, a feed-forward network, or both."""

    count: int
    attention: Attention | None
    feed_forward: Dense | Experts | None

    @property
    def halves(self) -> int:
        """Attention and feed-forward network, where there: each begins with a norm."""
        return (self.attention is not None) + (self.feed_forward is not None)


class Note(NamedTuple):
    """Something to know of a model, in both languages; a file of a user's own says it in one."""

    en: str
    zh: str


@dataclass(frozen=True)
class Published:
    """A model's size as its makers state it or as its checkpoint was counted, to check ours against."""

    total_parameters: float
    active_parameters: float | None
    source: str


@dataclass(frozen=True)
class Architecture:
    """See the module. Layers for predicting several tokens at once (MTP) and for images are not counted.

    `stack` holds the layers in groups of alike ones, whatever their order. `native` is how the makers'
    checkpoint stores weights; `checkpoints` are other known ones by precision.

    >>> from breakeven.serving.architecture import architecture
    >>> model = architecture("llama-3.1-70b")
    >>> model.layers, round(model.total_parameters / 1e9, 1), model.kv_bytes_per_token("bf16") / 1024
    (80, 70.6, 320.0)
    """

    name: str
    hidden_size: int
    vocabulary_size: int
    stack: tuple[Layer, ...]
    is_tied: bool = False
    native: Storage = field(default_factory=lambda: Storage("bf16"))
    checkpoints: Mapping[Precision, Storage] = field(default_factory=dict[Precision, Storage], hash=False)
    extra_vectors: int = 0
    norm_vectors: int = 1
    longest_context: int | None = None
    aliases: tuple[str, ...] = ()
    source: str = ""
    as_of: str = ""
    published: Published | None = None
    notes: tuple[Note, ...] = ()
    assumed: tuple[Note, ...] = ()
    """What its description left open, and what stands for it."""

    @property
    def layers(self) -> int:
        """How many layers; where attention and feed-forward network are layers of their own, each counts."""
        return sum(layer.count for layer in self.stack)

    @property
    def native_precision(self) -> Precision:
        """Of most weights in the makers' checkpoint."""
        return self.native.precision

    @cached_property
    def parameters_by_part(self) -> Mapping[Part, int]:
        """Weights of each part; they add up to `total_parameters`. A tied head has none of its own."""
        width = self.hidden_size
        found: dict[Part, int] = {
            "embedding": self.vocabulary_size * width,
            "attention": 0,
            "indexer": 0,
            "dense": 0,
            "shared_experts": 0,
            "routed_experts": 0,
            "router": 0,
            "norms": self.norm_vectors * width + self.extra_vectors,
            "head": 0 if self.is_tied else self.vocabulary_size * width,
        }
        for layer in self.stack:
            found["norms"] += layer.count * layer.halves * self.norm_vectors * width
            if layer.attention is not None:
                found["attention"] += layer.count * layer.attention.parameters(width)
                found["indexer"] += layer.count * layer.attention.indexer_parameters(width)
            match layer.feed_forward:
                case Dense() as dense:
                    found["dense"] += layer.count * dense.parameters(width)
                case Experts() as experts:
                    found["shared_experts"] += layer.count * experts.shared_parameters(width)
                    found["routed_experts"] += layer.count * experts.routed_parameters(width)
                    found["router"] += layer.count * experts.router_parameters(width)
                case None:
                    pass
        return found

    @cached_property
    def active_parameters_by_part(self) -> Mapping[Part, float]:
        """Weights that work on one token: not the embedding, which is looked up; the head even where tied."""
        share = self.experts_per_token / self.experts if self.experts else 0.0
        found: dict[Part, float] = dict(self.parameters_by_part)
        found["embedding"] = 0
        found["head"] = self.vocabulary_size * self.hidden_size
        found["routed_experts"] *= share
        return found

    @cached_property
    def total_parameters(self) -> int:
        """All weights of the language model."""
        return sum(self.parameters_by_part.values())

    @cached_property
    def active_parameters(self) -> float:
        """Weights that work on one token, with the output head and without the embedding."""
        return sum(self.active_parameters_by_part.values())

    @property
    def routed_parameters(self) -> int:
        """Weights of all routed experts."""
        return self.parameters_by_part["routed_experts"]

    @cached_property
    def _experts(self) -> Experts | None:
        found = [layer.feed_forward for layer in self.stack if isinstance(layer.feed_forward, Experts)]
        return found[0] if found else None

    @property
    def experts(self) -> int:
        """Routed experts of a layer that has them; 0 for a dense model."""
        return 0 if self._experts is None else self._experts.count

    @property
    def experts_per_token(self) -> int:
        """Routed experts that a token uses."""
        return 0 if self._experts is None else self._experts.per_token

    @property
    def moe_layers(self) -> int:
        """Layers with routed experts."""
        return sum(layer.count for layer in self.stack if isinstance(layer.feed_forward, Experts))

    @property
    def attention_layers(self) -> int:
        """Layers with attention of any kind."""
        return sum(layer.count for layer in self.stack if layer.attention is not None)

    @cached_property
    def layers_by_attention(self) -> Mapping[str, int]:
        """Layers of each kind of attention.

        >>> from breakeven.serving.architecture import architecture
        >>> dict(architecture("gpt-oss-120b").layers_by_attention)
        {'window': 18, 'full': 18}
        """
        found: dict[str, int] = {}
        for layer in self.stack:
            if layer.attention is not None:
                found[layer.attention.kind] = found.get(layer.attention.kind, 0) + layer.count
        return found

    @cached_property
    def _growing(self) -> tuple[Attention, ...]:
        """Kinds of attention, those first whose cache grows with the context without end."""
        kinds = [layer.attention for layer in self.stack if layer.attention is not None]
        return tuple(sorted(kinds, key=lambda kind: -kind.kv_bytes_per_token("bf16")))

    @property
    def heads(self) -> int:
        """Query heads of the attention that reads the most cache; most heads where layers differ."""
        return max((kind.heads for kind in self._growing if kind.kind == self._growing[0].kind), default=0)

    @property
    def kv_heads(self) -> int:
        """Heads over which its cache divides; fewest where layers differ."""
        return min((kind.kv_heads for kind in self._growing if kind.kind == self._growing[0].kind), default=1)

    @property
    def is_latent(self) -> bool:
        """Whether it keeps latent vectors (MLA), which every rank of a tensor-parallel group holds whole."""
        return bool(self._growing) and self._growing[0].kind in ("latent", "sparse")

    def kv_ranks(self, tensor_parallel: int) -> int:
        """Over how many of the ranks of a tensor-parallel group the cache divides.

        >>> from breakeven.serving.architecture import architecture
        >>> architecture("deepseek-v3").kv_ranks(8), architecture("qwen3-235b-a22b").kv_ranks(8)
        (1, 4)
        """
        return 1 if self.is_latent else min(tensor_parallel, self.kv_heads)

    def storage(self, precision: Precision | None = None) -> Storage:
        """Which parts have which precision in a checkpoint of this one; None for the makers' own."""
        if precision is None or precision == self.native.precision:
            return self.native
        known = self.checkpoints.get(precision)
        return known or usual_storage(precision, has_experts=self.experts > 0)

    def weight_bytes(self, precision: Precision | None = None) -> float:
        """Memory of all weights."""
        return self.storage(precision).total(self.parameters_by_part)

    def weight_bytes_by_part(self, precision: Precision | None = None) -> Mapping[Part, float]:
        """Memory of the weights of each part."""
        storage = self.storage(precision)
        return {part: count * storage.bytes_of(part) for part, count in self.parameters_by_part.items()}

    def routed_weight_bytes(self, precision: Precision | None = None) -> float:
        """Memory of all routed experts."""
        return self.routed_parameters * self.storage(precision).bytes_of("routed_experts")

    def common_weight_bytes(self, precision: Precision | None = None) -> float:
        """Memory traffic of the weights that every step reads, however few tokens: all but routed experts."""
        storage = self.storage(precision)
        common: dict[Part, float] = {**self.active_parameters_by_part, "routed_experts": 0}
        return storage.total(common)

    def touched_weight_bytes(self, tokens_in_step: Counts, precision: Precision | None = None) -> Floats:
        """Memory traffic of the weights of a step of so many tokens: routed (1 - (1 - k/E)^B) + all others.

        >>> from breakeven.serving.architecture import architecture
        >>> model = architecture("deepseek-v3")
        >>> (model.touched_weight_bytes([1, 64, 4096], "fp8") / 1e9).round(0).tolist()
        [38.0, 586.0, 671.0]
        """
        common = self.common_weight_bytes(precision)
        if self._experts is None:
            return np.full(np.shape(tokens_in_step), common)
        share = touched_share(self._experts.count, self._experts.per_token, tokens_in_step)
        return common + self.routed_weight_bytes(precision) * share

    def kv_bytes(self, context_tokens: Counts, kv: Precision = "bf16") -> Floats:
        """Memory that one sequence of so many tokens holds: windows are capped, fixed states are in it."""
        context = np.asarray(context_tokens, dtype=float)
        parts = [
            layer.count * layer.attention.kv_bytes(context, kv)
            for layer in self.stack
            if layer.attention is not None
        ]
        return np.sum(parts, axis=0) if parts else np.zeros(context.shape)

    def kv_bytes_per_token(self, kv: Precision = "bf16") -> float:
        """Memory of one further token of a long context."""
        return sum(
            layer.count * layer.attention.kv_bytes_per_token(kv)
            for layer in self.stack
            if layer.attention is not None
        )

    def kv_bytes_read(self, context_tokens: Counts, kv: Precision = "bf16") -> Floats:
        """Memory traffic of attention in one decode step of one sequence."""
        context = np.asarray(context_tokens, dtype=float)
        parts = [
            layer.count * layer.attention.kv_bytes_read(context, kv)
            for layer in self.stack
            if layer.attention is not None
        ]
        return np.sum(parts, axis=0) if parts else np.zeros(context.shape)

    @property
    def state_bytes(self) -> float:
        """What a sequence holds whatever its length: the states of linear attention."""
        nothing = np.asarray(1.0)
        return float(
            sum(
                layer.count * layer.attention.kv_bytes(nothing, "bf16")
                for layer in self.stack
                if layer.attention is not None and layer.attention.kind == "linear"
            )
        )

    def linear_flops(self) -> float:
        """Arithmetic of one token with the weights: a multiplication and an addition for each that works."""
        return 2.0 * self.active_parameters

    def decode_attention_flops(self, context_tokens: Counts) -> Floats:
        """Arithmetic of attention for one new token over a context of so many."""
        context = np.asarray(context_tokens, dtype=float)
        parts = [
            layer.count * layer.attention.decode_flops(context)
            for layer in self.stack
            if layer.attention is not None
        ]
        return np.sum(parts, axis=0) if parts else np.zeros(context.shape)

    def prefill_attention_flops(self, new_tokens: Counts, cached_tokens: Counts = 0.0) -> Floats:
        """Arithmetic of attention for a prompt of which so many tokens are new and so many in the cache.

        Each new token sees the cached ones and, on average, half of the new: n (p + n/2) pairs.
        """
        new, cached = np.broadcast_arrays(
            np.asarray(new_tokens, dtype=float), np.asarray(cached_tokens, dtype=float)
        )
        parts = [
            layer.count * layer.attention.prefill_flops(new, cached)
            for layer in self.stack
            if layer.attention is not None
        ]
        return np.sum(parts, axis=0) if parts else np.zeros(new.shape)
