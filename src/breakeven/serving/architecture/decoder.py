"""A decoder's layers from its config.json: attention and feed-forward network of each."""

from __future__ import annotations

from collections import Counter

from breakeven.serving.architecture.attention import (
    Attention,
    GroupedAttention,
    Indexer,
    LatentAttention,
    gated_delta,
    kimi_delta,
    lightning,
)
from breakeven.serving.architecture.families import Family
from breakeven.serving.architecture.feed_forward import Dense, Experts
from breakeven.serving.architecture.fields import Fields
from breakeven.serving.architecture.model import Architecture, Layer

MOST_LAYERS = 2_000
_EXPERT_COUNTS = ("n_routed_experts", "num_experts", "num_local_experts")
_PER_TOKEN = ("num_experts_per_tok", "num_experts_per_token", "experts_per_token", "top_k_experts")
_DENSE_SIZES = ("dense_intermediate_size", "intermediate_size_mlp", "intermediate_size", "n_inner")
_LAYER_TYPES = ("full_attention", "sliding_attention", "linear_attention", "deepseek_sparse_attention")


def decoder(config: Fields, family: Family, kind: str) -> Architecture:
    """The model of a config.json, without its name and storage. Raises `InputError`."""
    layers = _layer_count(config)
    width = config.count("hidden_size", "n_embed", "n_embd")
    experts = experts_of(config, family)
    alike = Counter(
        (_attention(config, family, kind, layer, width), _feed_forward(config, family, layer, width, experts))
        for layer in range(layers)
    )
    return Architecture(
        name="",
        hidden_size=width,
        vocabulary_size=config.count("vocab_size"),
        stack=tuple(Layer(count, *halves) for halves, count in alike.items()),
        is_tied=config.flag("tie_word_embeddings", default=family.is_tied),
        norm_vectors=family.norm_vectors,
        extra_vectors=2 * width if kind == "bloom" else 0,  # a norm after the embedding
    )


def _layer_count(config: Fields) -> int:
    layers = config.count("num_hidden_layers", "n_layer", "num_layers")
    if layers > MOST_LAYERS:
        config.refuse_value("num_hidden_layers", layers, f"no model has more than {MOST_LAYERS} layers")
    return layers


def _attention(config: Fields, family: Family, kind: str, layer: int, width: int) -> Attention:
    of_layer = _layer_kind(config, family, kind, layer)
    heads = config.count("num_attention_heads", "n_head")
    if of_layer == "linear_attention":
        return _linear(config, kind, heads, width)
    if config.has("kv_lora_rank"):
        return _latent(config, heads)
    window = None
    if of_layer == "sliding_attention":
        window = config.count("sliding_window", "attention_chunk_size")
        config = _with_own_heads(config, "swa_")
    else:
        config = _with_own_heads(config, "global_")
    heads = config.count("num_attention_heads", "n_head")
    if window is not None and window >= config.count("max_position_embeddings", default=window + 1):
        window = None  # Phi-3.5's is wider than its longest context
    return grouped(config, family, heads, width, window)


def _layer_kind(config: Fields, family: Family, kind: str, layer: int) -> str:
    """`full_attention`, `sliding_attention` or `linear_attention`."""
    listed = config.entries("layer_types")
    if listed:
        if layer >= len(listed):
            config.contradiction(f"layer_types has {len(listed)} entries, and there are more layers")
        said = listed[layer]
        if said not in _LAYER_TYPES:
            config.refuse_value("layer_types", said, f"use {', '.join(_LAYER_TYPES)}")
        return str(said)
    if kind == "minimax":
        listed = config.entries("attn_type_list")
        if layer >= len(listed):
            config.contradiction(f"attn_type_list has {len(listed)} entries, and there are more layers")
        return "full_attention" if listed[layer] == 1 else "linear_attention"
    if config.has("linear_attn_config"):
        return (
            "linear_attention"
            if layer + 1 in config.inside("linear_attn_config").entries("kda_layers")
            else "full_attention"
        )
    if config.has("full_attention_interval"):
        return (
            "full_attention"
            if (layer + 1) % config.count("full_attention_interval") == 0
            else "linear_attention"
        )
    if config.has("hybrid_layer_pattern"):  # MiMo-V2: 1 is a layer with a window
        pattern = config.entries("hybrid_layer_pattern")
        return "sliding_attention" if layer < len(pattern) and pattern[layer] == 1 else "full_attention"
    has_window = config.has("sliding_window", "attention_chunk_size")
    if family.windows is not None and has_window and family.windows(config, layer):
        return "sliding_attention"
    return "full_attention"


def _linear(config: Fields, kind: str, heads: int, width: int) -> Attention:
    if kind == "minimax":
        return lightning(heads, _head_size(config, heads, width))
    if config.has("linear_attn_config"):
        found = config.inside("linear_attn_config")
        return kimi_delta(
            found.count("num_heads"),
            found.count("head_dim"),
            found.count("short_conv_kernel_size"),
            is_gate_full=found.flag("use_full_rank_gate"),
        )
    key_heads, value_heads = config.count("linear_num_key_heads"), config.count("linear_num_value_heads")
    if value_heads % key_heads:
        config.contradiction(
            f"linear_num_key_heads {key_heads} does not divide linear_num_value_heads {value_heads}"
        )
    return gated_delta(
        key_heads,
        value_heads,
        config.count("linear_key_head_dim"),
        config.count("linear_value_head_dim"),
        config.count("linear_conv_kernel_dim", default=4),
    )


def _latent(config: Fields, heads: int) -> LatentAttention:
    indexer = None
    if config.has("index_topk"):
        indexer = Indexer(
            config.count("index_n_heads"), config.count("index_head_dim"), config.count("index_topk")
        )
    return LatentAttention(
        heads=heads,
        query_rank=config.count("q_lora_rank") if config.has("q_lora_rank") else None,
        latent_size=config.count("kv_lora_rank"),
        rotary_size=config.count("qk_rope_head_dim", least=0),
        key_size=config.count("qk_nope_head_dim"),
        value_size=config.count("v_head_dim"),
        indexer=indexer,
        has_gate=config.flag("mla_use_output_gate"),
    )


def _with_own_heads(config: Fields, prefix: str) -> Fields:
    """The configuration as layers with a window (MiMo-V2) or without (Gemma 4) see it, by their own names."""
    own = {
        "num_attention_heads": config.first(f"{prefix}num_attention_heads"),
        "num_key_value_heads": config.first(f"{prefix}num_key_value_heads", f"num_{prefix}key_value_heads"),
        "head_dim": config.first(f"{prefix}head_dim"),
        "v_head_dim": config.first(f"{prefix}v_head_dim"),
    }
    said = {name: value for name, value in own.items() if value is not None}
    if prefix == "global_" and said and config.flag("attention_k_eq_v"):
        said["shares_value_projection"] = True
    return Fields({**config.values, **said}, config.where)


def _head_size(config: Fields, heads: int, width: int) -> int:
    if config.has("head_dim"):
        return config.count("head_dim")
    if width % heads:
        config.contradiction(
            f"num_attention_heads {heads} does not divide hidden_size {width}, and there is no head_dim"
        )
    return width // heads


def grouped(config: Fields, family: Family, heads: int, width: int, window: int | None) -> GroupedAttention:
    """Attention of a layer that keeps keys and values. Raises `InputError`."""
    kv_heads = config.count("num_key_value_heads", default=heads)
    if heads % kv_heads:
        config.contradiction(f"num_key_value_heads {kv_heads} does not divide num_attention_heads {heads}")
    size = _head_size(config, heads, width)
    has_bias = config.flag("attention_bias")
    vectors = 0
    if has_bias if family.has_qkv_bias is None else family.has_qkv_bias:
        vectors += (heads + 2 * kv_heads) * size
    if has_bias if family.has_output_bias is None else family.has_output_bias:
        vectors += width
    if family.normed == "head" or (config.flag("use_qk_norm") and family.normed != "all"):
        vectors += 2 * size
    elif family.normed == "all":
        vectors += (heads + kv_heads) * size
    if family.has_sinks:
        vectors += heads
    has_gate = family.has_gate and config.flag("attn_output_gate", default=True)
    value_size = config.count("v_head_dim", default=size)
    if config.flag("shares_value_projection"):
        vectors -= width * kv_heads * value_size
    return GroupedAttention(heads, kv_heads, size, value_size, window, has_gate, vectors)


def experts_of(config: Fields, family: Family) -> Experts | None:
    """The experts of the layers that have them; None for a dense model. Raises `InputError`."""
    count = config.count(*_EXPERT_COUNTS, default=0, least=0)
    if count == 0:
        return None
    dense = config.count("first_k_dense_replace", default=0, least=0)
    if dense and dense > (layers := _layer_count(config)):
        config.contradiction(f"first_k_dense_replace {dense} is more than the {layers} layers")
    per_token = config.count(*_PER_TOKEN)
    if per_token > count:
        config.contradiction(f"num_experts_per_tok {per_token} is more than the {count} experts")
    size = config.count("moe_intermediate_size", "intermediate_size")
    return Experts(
        count=count,
        per_token=per_token,
        size=size,
        shared_size=_shared_size(config, family, size),
        has_shared_gate=family.has_shared_gate,
        has_router_bias=family.has_router_bias,
        has_bias=family.has_expert_bias,
        matrices=family.matrices,
        inner_size=config.count("routed_expert_hidden_size", "moe_latent_size")
        if config.has("routed_expert_hidden_size", "moe_latent_size")
        else None,
    )


def _shared_size(config: Fields, family: Family, size: int) -> int:
    """The inner size of all shared experts together."""
    for name in (
        family.shared_size,
        "shared_expert_intermediate_size",
        "moe_shared_expert_intermediate_size",
        "shared_intermediate_size",
    ):
        if config.has(name):
            return config.count(name, least=0)
    return size * config.count("n_shared_experts", "num_shared_experts", default=0, least=0)


def _feed_forward(
    config: Fields, family: Family, layer: int, width: int, experts: Experts | None
) -> Dense | Experts:
    if experts is not None and _has_experts(config, layer):
        return experts
    # Rationale: transformers has a default size for every family, which is that of one model of it.
    if family.is_four_wide:
        size = 4 * width
    elif config.has(*_DENSE_SIZES):
        size = config.count(*_DENSE_SIZES)
    else:
        config.missing("intermediate_size")
    return Dense(
        size, family.matrices, has_bias=config.flag("mlp_bias", default=family.has_output_bias is True)
    )


def _has_experts(config: Fields, layer: int) -> bool:
    """Whether a layer has experts, by any of the ways in which configurations say it."""
    listed = config.entries("mlp_layer_types")
    if layer < len(listed):
        return listed[layer] == "sparse"
    if layer in config.entries("mlp_only_layers"):
        return False
    if (layer + 1) % config.count("decoder_sparse_step", "interleave_moe_layer_step", default=1):
        return False
    if layer < config.count("first_k_dense_replace", default=0, least=0):
        return False
    frequency = config.first("moe_layer_freq")
    if isinstance(frequency, list):
        entries = config.entries("moe_layer_freq")
        return layer < len(entries) and entries[layer] == 1
    return layer % config.count("moe_layer_freq", default=1) == 0
