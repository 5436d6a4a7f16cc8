"""A model from its Hugging Face config.json: what each family of models calls its sizes.

Field names and defaults follow the configuration classes of the transformers library.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from breakeven.errors import InputError
from breakeven.serving.architecture.attention import (
    Attention,
    GroupedAttention,
    Indexer,
    LatentAttention,
    gated_delta,
    kimi_delta,
    lightning,
    mamba2,
)
from breakeven.serving.architecture.feed_forward import Dense, Experts
from breakeven.serving.architecture.fields import Fields, mapping_of
from breakeven.serving.architecture.model import Architecture, Layer
from breakeven.serving.architecture.quantization import storage_of

MOST_LAYERS = 2_000
_INNER = ("text_config", "llm_config", "language_config")
_EXPERT_COUNTS = ("n_routed_experts", "num_experts", "num_local_experts")
_PER_TOKEN = ("num_experts_per_tok", "num_experts_per_token", "experts_per_token", "top_k_experts")

_LAYER_TYPES = ("full_attention", "sliding_attention", "linear_attention", "deepseek_sparse_attention")


@dataclass(frozen=True)
class Family:
    """How models of one `model_type` differ from a plain decoder of the Llama kind.

    `normed` is what of queries and keys has a norm: a head, all heads, or nothing. `matrices` are those of a
    feed-forward network: three where it is gated. `norm_vectors` is 2 where norms have a bias.
    """

    normed: str = ""
    has_qkv_bias: bool | None = None
    has_output_bias: bool | None = None
    matrices: int = 3
    norm_vectors: int = 1
    has_sinks: bool = False
    has_expert_bias: bool = False
    has_router_bias: bool = False
    has_shared_gate: bool = False
    has_gate: bool = False
    windows: Callable[[Fields, int], bool] | None = None
    is_tied: bool = False


def _every_other(config: Fields, layer: int) -> bool:
    del config
    return layer % 2 == 0


def _by_pattern(config: Fields, layer: int) -> bool:
    return (layer + 1) % config.count("sliding_window_pattern", default=6) != 0


def _if_used(config: Fields, layer: int) -> bool:
    return config.flag("use_sliding_window") and layer >= config.count(
        "max_window_layers", default=0, least=0
    )


def _always(config: Fields, layer: int) -> bool:
    del config, layer
    return True


_QWEN3 = Family(normed="head", windows=_if_used)
_QWEN3_NEXT = Family(normed="head", has_gate=True, has_shared_gate=True)
_DEEPSEEK = Family(has_router_bias=True)
FAMILIES: Mapping[str, Family] = {
    "llama": Family(),
    "mistral": Family(windows=_always),
    "ministral": Family(windows=_always),
    "mixtral": Family(windows=_always),
    "phi3": Family(windows=_always),
    "qwen2": Family(has_qkv_bias=True, has_output_bias=False, windows=_if_used),
    "qwen2_moe": Family(has_qkv_bias=True, has_output_bias=False, has_shared_gate=True, windows=_if_used),
    "qwen3": _QWEN3,
    "qwen3_moe": _QWEN3,
    "qwen3_vl_text": _QWEN3,
    "qwen3_vl_moe_text": _QWEN3,
    "qwen3_next": _QWEN3_NEXT,
    "qwen3_5_text": _QWEN3_NEXT,
    "qwen3_5_moe_text": _QWEN3_NEXT,
    "deepseek_v2": Family(),
    "deepseek_v3": _DEEPSEEK,
    "deepseek_v32": _DEEPSEEK,
    "kimi_k2": _DEEPSEEK,
    "kimi_linear": _DEEPSEEK,
    "glm4_moe": Family(has_router_bias=True, has_output_bias=False),
    "glm_moe_dsa": _DEEPSEEK,
    "minimax_m2": Family(normed="all", has_router_bias=True),
    "minimax": Family(),
    "gpt_oss": Family(has_sinks=True, has_expert_bias=True, has_router_bias=True, windows=_every_other),
    "gemma2": Family(windows=_every_other, is_tied=True),
    "gemma3_text": Family(normed="head", windows=_by_pattern, is_tied=True),
    "nemotron": Family(matrices=2, norm_vectors=2),
    "nemotron_h": Family(matrices=2),
    "bloom": Family(matrices=2, norm_vectors=2, has_qkv_bias=True, has_output_bias=True, is_tied=True),
    "openelm": Family(normed="head", is_tied=True),
}
"""Families by `model_type`."""
_SAME: Mapping[str, str] = {
    "qwen3_5": "qwen3_5_text",
    "qwen3_5_moe": "qwen3_5_moe_text",
    "kimi_k25": "kimi_k2",
    "minimax_text_01": "minimax",
    "MiniMaxText01": "minimax",
}


def from_hugging_face(mapping: object, name: str = "", where: str = "config.json") -> Architecture:
    """A model from the fields of its config.json.

    Raises `InputError` where a field is missing, wrong or contradicts another, and for a `model_type` that is
    not among `FAMILIES`.

    >>> tiny = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    ...         "intermediate_size": 128, "vocab_size": 1000}
    >>> from_hugging_face(tiny, "tiny").total_parameters
    210240
    """
    config = _language_model(Fields(mapping_of(mapping, where), where))
    kind = config.text("model_type")
    if not kind:
        config.missing("model_type")
    family = FAMILIES.get(_SAME.get(kind, kind))
    if family is None:
        raise InputError(
            f"model_type {kind!r} is not known",
            where=where,
            cause="a family of models newer than this program",
            remedy="describe it in a short spec: `breakeven serving models --spec` shows one",
        )
    if _SAME.get(kind, kind) == "openelm":
        model = _openelm(config, family)
    elif _SAME.get(kind, kind) == "nemotron_h":
        model = _nemotron_h(config, family)
    else:
        model = _decoder(config, family, _SAME.get(kind, kind))
    longest = config.count("max_position_embeddings", "max_context_length", "seq_length", default=0, least=0)
    return replace(
        model,
        name=name or config.text("_name_or_path") or kind,
        longest_context=longest or None,
        native=storage_of(config, model.layers, _usual_attention(model)),
        source=where,
    )


def _usual_attention(model: Architecture) -> str:
    """What most layers have: `grouped`, `latent` or `linear`."""
    names = {"full": "grouped", "window": "grouped", "sparse": "latent"}
    kinds: Counter[str] = Counter()
    for kind, layers in model.layers_by_attention.items():
        kinds[names.get(kind, kind)] += layers
    return max(kinds, key=lambda kind: kinds[kind], default="grouped")


def _language_model(outer: Fields) -> Fields:
    """The part of a model of images and text that reads text, with what only the whole says."""
    for inner in _INNER:
        if outer.has(inner):
            text = outer.inside(inner)
            shared = {
                key: outer.values[key]
                for key in ("tie_word_embeddings", "quantization_config")
                if outer.has(key) and not text.has(key)
            }
            kind = {} if text.has("model_type") else {"model_type": outer.first("model_type")}
            return Fields({**text.values, **shared, **kind}, text.where)
    return outer


def _decoder(config: Fields, family: Family, kind: str) -> Architecture:
    layers = _layer_count(config)
    width = config.count("hidden_size", "n_embed", "n_embd")
    experts = _experts(config, family)
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
        config.wrong("num_hidden_layers", layers, f"no model has more than {MOST_LAYERS} layers")
    return layers


def _attention(config: Fields, family: Family, kind: str, layer: int, width: int) -> Attention:
    of_layer = _layer_kind(config, family, kind, layer)
    heads = config.count("num_attention_heads", "n_head")
    if of_layer == "linear_attention":
        return _linear(config, kind, heads, width)
    if config.has("kv_lora_rank"):
        return _latent(config, heads)
    window = config.count("sliding_window") if of_layer == "sliding_attention" else None
    if window is not None and window >= config.count("max_position_embeddings", default=window + 1):
        window = None  # Phi-3.5's is wider than its longest context
    return _grouped(config, family, heads, width, window)


def _layer_kind(config: Fields, family: Family, kind: str, layer: int) -> str:
    """`full_attention`, `sliding_attention` or `linear_attention`."""
    listed = config.entries("layer_types")
    if listed:
        if layer >= len(listed):
            config.contradiction(f"layer_types has {len(listed)} entries, and there are more layers")
        said = listed[layer]
        if said not in _LAYER_TYPES:
            config.wrong("layer_types", said, f"use {', '.join(_LAYER_TYPES)}")
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
    if family.windows is not None and config.has("sliding_window") and family.windows(config, layer):
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


def _head_size(config: Fields, heads: int, width: int) -> int:
    if config.has("head_dim"):
        return config.count("head_dim")
    if width % heads:
        config.contradiction(
            f"num_attention_heads {heads} does not divide hidden_size {width}, and there is no head_dim"
        )
    return width // heads


def _grouped(config: Fields, family: Family, heads: int, width: int, window: int | None) -> GroupedAttention:
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
    return GroupedAttention(heads, kv_heads, size, size, window, has_gate, vectors)


def _experts(config: Fields, family: Family) -> Experts | None:
    count = config.count(*_EXPERT_COUNTS, default=0, least=0)
    if count == 0:
        return None
    per_token = config.count(*_PER_TOKEN)
    if per_token > count:
        config.contradiction(f"num_experts_per_tok {per_token} is more than the {count} experts")
    size = config.count("moe_intermediate_size", "intermediate_size")
    return Experts(
        count=count,
        per_token=per_token,
        size=size,
        shared_size=_shared_size(config, size),
        has_shared_gate=family.has_shared_gate,
        has_router_bias=family.has_router_bias,
        has_bias=family.has_expert_bias,
        matrices=family.matrices,
        inner_size=config.count("routed_expert_hidden_size")
        if config.has("routed_expert_hidden_size")
        else None,
    )


def _shared_size(config: Fields, size: int) -> int:
    """The inner size of all shared experts together."""
    for name in (
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
    size = config.count("dense_intermediate_size", "intermediate_size", "n_inner", default=4 * width)
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
    if (layer + 1) % config.count("decoder_sparse_step", default=1):
        return False
    if layer < config.count("first_k_dense_replace", default=0, least=0):
        return False
    frequency = config.first("moe_layer_freq")
    if isinstance(frequency, list):
        entries = config.entries("moe_layer_freq")
        return layer < len(entries) and entries[layer] == 1
    return layer % config.count("moe_layer_freq", default=1) == 0


def _openelm(config: Fields, family: Family) -> Architecture:
    """OpenELM: heads and inner sizes grow from layer to layer (arXiv 2404.14619)."""
    layers = config.count("num_transformer_layers")
    width, size = config.count("model_dim"), config.count("head_dim")
    divisor = config.count("ffn_dim_divisor", default=256)
    queries, keys = config.entries("num_query_heads"), config.entries("num_kv_heads")
    wider = config.entries("ffn_multipliers")
    for name, listed in (("num_query_heads", queries), ("num_kv_heads", keys), ("ffn_multipliers", wider)):
        if len(listed) != layers:
            config.contradiction(f"{name} has {len(listed)} entries for {layers} layers")
    stack: Counter[tuple[GroupedAttention, Dense]] = Counter()
    for heads, kv_heads, factor in zip(queries, keys, wider, strict=True):
        query_heads = config.counted(heads, "num_query_heads")
        shared = config.counted(kv_heads, "num_kv_heads")
        if query_heads % shared:
            config.contradiction(f"num_kv_heads {shared} does not divide num_query_heads {query_heads}")
        inner = Fields({"ffn_multipliers": factor}, config.where).number("ffn_multipliers") * width
        rounded = max(divisor, int(inner + divisor / 2) // divisor * divisor)
        if rounded < 0.9 * inner:
            rounded += divisor
        attention = GroupedAttention(query_heads, shared, size, size, vectors=2 * size)
        stack[attention, Dense(config.counted(rounded, "ffn_multipliers"))] += 1
    return Architecture(
        name="",
        hidden_size=width,
        vocabulary_size=config.count("vocab_size"),
        stack=tuple(Layer(count, *halves) for halves, count in stack.items()),
        is_tied=config.flag("share_input_output_layers", default=family.is_tied),
    )


def _nemotron_h(config: Fields, family: Family) -> Architecture:
    """Nemotron-H: a letter for each layer, Mamba-2 (M), attention (*), a network (-) or experts (E)."""
    width = config.count("hidden_size")
    heads = config.count("num_attention_heads")
    experts = _experts(config, family)
    kinds: dict[str, tuple[Attention | None, Dense | Experts | None]] = {
        "*": (_grouped(config, family, heads, width, None), None),
        "-": (None, Dense(config.count("intermediate_size"), 2)),
        "M": (
            mamba2(
                config.count("mamba_num_heads"),
                config.count("mamba_head_dim"),
                config.count("n_groups"),
                config.count("ssm_state_size"),
                config.count("conv_kernel"),
            ),
            None,
        ),
    }
    if experts is not None:
        kinds["E"] = (None, experts)
    letters = Counter(config.text("hybrid_override_pattern"))
    if not letters:
        config.missing("hybrid_override_pattern")
    for letter in letters:
        if letter not in kinds:
            config.wrong("hybrid_override_pattern", letter, "use the letters M, *, - and E")
    return Architecture(
        name="",
        hidden_size=width,
        vocabulary_size=config.count("vocab_size"),
        stack=tuple(Layer(count, *kinds[letter]) for letter, count in letters.items()),
        is_tied=config.flag("tie_word_embeddings"),
    )
