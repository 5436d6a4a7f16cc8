"""Families of models by the `model_type` of their config.json: how each differs from a plain decoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from breakeven.serving.architecture.fields import Fields


@dataclass(frozen=True)
class Family:
    """How models of one `model_type` differ from a plain decoder of the Llama kind.

    `normed` is what of queries and keys has a norm: a head, all heads, or nothing. `matrices` are those of a
    feed-forward network: three where it is gated. `norm_vectors` is 2 where norms have a bias. `shared_size`
    is the field of a network that all tokens pass beside the experts.
    """

    normed: str = ""
    has_qkv_bias: bool | None = None
    has_output_bias: bool | None = None
    matrices: int = 3
    is_four_wide: bool = False
    """Its feed-forward network is four times the hidden size, and config.json has no field for it."""
    norm_vectors: int = 1
    has_sinks: bool = False
    has_expert_bias: bool = False
    has_router_bias: bool = False
    has_shared_gate: bool = False
    has_gate: bool = False
    shared_size: str = ""
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


def _but_every_fourth(config: Fields, layer: int) -> bool:
    """Llama 4 attends in chunks where it has rotary positions; a chunk counts as a window of its size."""
    return (layer + 1) % config.count("no_rope_layer_interval", default=4) != 0


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
    "llama4_text": Family(windows=_but_every_fourth, shared_size="intermediate_size"),
    "gemma4_text": Family(normed="head", is_tied=True, shared_size="intermediate_size"),
    "mimo": Family(has_output_bias=False, windows=_if_used),
    "mimo_v2_flash": _DEEPSEEK,
    "glm4": Family(has_output_bias=False),
    "seed_oss": Family(has_output_bias=False),
    "granite": Family(),
    "olmo2": Family(normed="all"),
    "smollm3": Family(is_tied=True),
    "bailing_moe": Family(has_router_bias=True),
    "bailing_moe_v2": Family(has_router_bias=True),
    "starcoder2": Family(
        matrices=2, norm_vectors=2, has_qkv_bias=True, has_output_bias=True, windows=_always
    ),
    "nemotron": Family(matrices=2, norm_vectors=2),
    "nemotron_h": Family(matrices=2),
    "bloom": Family(
        matrices=2,
        is_four_wide=True,
        norm_vectors=2,
        has_qkv_bias=True,
        has_output_bias=True,
        is_tied=True,
    ),
    "openelm": Family(normed="head", is_tied=True),
}
"""Families by `model_type`."""
