"""A short spec: a model in a dozen lines of YAML, for those whose config.json is of no family we know."""

from __future__ import annotations

from dataclasses import replace

from breakeven.serving.architecture.attention import (
    Attention,
    GroupedAttention,
    Indexer,
    LatentAttention,
    LinearAttention,
)
from breakeven.serving.architecture.feed_forward import Dense, Experts
from breakeven.serving.architecture.fields import Fields, mapping_of
from breakeven.serving.architecture.model import Architecture, Layer
from breakeven.serving.architecture.precision import PRECISIONS
from breakeven.serving.architecture.storage import usual_storage

EXAMPLE = """\
name: my-model
hidden_size: 4096
vocabulary_size: 128256
tied_embedding: false          # true where the output head is the embedding
precision: bf16                # of the weights: bf16, fp8, int8, int4 or fp4
layers:                        # alike layers together, in any order
  - count: 24                  # with a window: it keeps the last 1,024 tokens
    attention: {heads: 32, kv_heads: 8, head_size: 128, window: 1024}
    feed_forward: {size: 14336}
  - count: 8                   # the whole context, and experts
    attention: {heads: 32, kv_heads: 8, head_size: 128}
    feed_forward: {experts: 64, experts_per_token: 8, size: 1536, shared_size: 1536}
# other kinds of attention:
#   {kind: latent, heads: 64, query_rank: 1536, latent_size: 512, rotary_size: 64, key_size: 128,
#    value_size: 128}
#   the same with {kind: sparse, index_heads: 64, index_size: 128, kept_tokens: 2048}
#   {kind: linear, heads: 32, weights: 50000000, state_elements: 524288}
"""


def is_short_spec(fields: Fields) -> bool:
    """Whether this is a short spec rather than a config.json."""
    return isinstance(fields.values.get("layers"), list)


def from_short_spec(fields: Fields, name: str) -> Architecture:
    """A model from a short spec: see `EXAMPLE`. Raises `InputError`.

    >>> import yaml
    >>> model = from_short_spec(Fields(yaml.safe_load(EXAMPLE), "my.yaml"), "my-model")
    >>> model.layers, dict(model.layers_by_attention), model.experts
    (32, {'window': 24, 'full': 8}, 64)
    """
    width = fields.count("hidden_size")
    stack = tuple(
        _layer(
            Fields(mapping_of(one, f"{fields.where}: layers[{at}]"), f"{fields.where}: layers[{at}]"), width
        )
        for at, one in enumerate(fields.entries("layers"), 1)
    )
    if not stack:
        fields.missing("layers")
    model = Architecture(
        name=name,
        hidden_size=width,
        vocabulary_size=fields.count("vocabulary_size"),
        stack=stack,
        is_tied=fields.flag("tied_embedding"),
    )
    precision = fields.text("precision", "bf16")
    if precision not in PRECISIONS:
        fields.refuse_value("precision", precision, f"use one of {', '.join(PRECISIONS)}")
    return replace(model, native=usual_storage(precision, has_experts=model.experts > 0))


def _layer(fields: Fields, width: int) -> Layer:
    if not fields.has("attention", "feed_forward"):
        fields.missing("attention")
    attention = _attention(fields.inside("attention"), width) if fields.has("attention") else None
    network = _feed_forward(fields.inside("feed_forward")) if fields.has("feed_forward") else None
    return Layer(fields.count("count", default=1), attention, network)


def _attention(fields: Fields, width: int) -> Attention:
    kind = fields.text("kind", "window" if fields.has("window") else "full")
    heads = fields.count("heads")
    if kind in ("latent", "sparse"):
        indexer = None
        if kind == "sparse":
            indexer = Indexer(
                fields.count("index_heads"),
                fields.count("index_size"),
                fields.count("kept_tokens", default=2048),
            )
        return LatentAttention(
            heads=heads,
            query_rank=fields.count("query_rank") if fields.has("query_rank") else None,
            latent_size=fields.count("latent_size"),
            rotary_size=fields.count("rotary_size", least=0),
            key_size=fields.count("key_size"),
            value_size=fields.count("value_size"),
            indexer=indexer,
        )
    if kind == "linear":
        return LinearAttention(
            heads=heads,
            projections=0,
            vectors=fields.count("weights"),
            state_elements=fields.count("state_elements"),
            convolution_elements=fields.count("convolution_elements", default=0, least=0),
            passes_over_state=fields.count("passes_over_state", default=3),
        )
    if kind not in ("full", "window"):
        fields.refuse_value("kind", kind, "use full, window, latent, sparse or linear")
    kv_heads = fields.count("kv_heads", default=heads)
    if heads % kv_heads:
        fields.contradiction(f"kv_heads {kv_heads} does not divide heads {heads}")
    if not fields.has("head_size") and width % heads:
        fields.contradiction(f"heads {heads} does not divide hidden_size {width}, and there is no head_size")
    size = fields.count("head_size", default=max(1, width // heads))
    window = fields.count("window") if kind == "window" else None
    return GroupedAttention(heads, kv_heads, size, fields.count("value_size", default=size), window)


def _feed_forward(fields: Fields) -> Dense | Experts:
    matrices = fields.count("matrices", default=3)
    if not fields.has("experts"):
        return Dense(fields.count("size"), matrices)
    count, per_token = fields.count("experts"), fields.count("experts_per_token")
    if per_token > count:
        fields.contradiction(f"experts_per_token {per_token} is more than the {count} experts")
    shared = fields.count("shared_size", default=0, least=0)
    return Experts(count, per_token, fields.count("size"), shared, matrices=matrices)
