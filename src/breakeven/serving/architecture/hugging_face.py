"""A model from its Hugging Face config.json.

Field names and defaults follow the configuration classes of the transformers library.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from breakeven.errors import InputError
from breakeven.serving.architecture.attention import GroupedAttention
from breakeven.serving.architecture.decoder import decoder
from breakeven.serving.architecture.families import FAMILIES
from breakeven.serving.architecture.fields import Fields, mapping_of
from breakeven.serving.architecture.model import Architecture, Note
from breakeven.serving.architecture.nemotron_h import nemotron_h
from breakeven.serving.architecture.openelm import openelm
from breakeven.serving.architecture.quantization import storage_of

_USE_A_SPEC = "describe it in a short spec: `breakeven serving models --spec` shows one"
_KV_HEADS_ELSEWHERE = ("bloom", "openelm")
_OTHER_KV_HEADS = ("multi_query_group_num", "num_kv_heads", "swa_num_key_value_heads")
_INNER = ("text_config", "llm_config", "language_config")
_NOT_READ = (
    "block_configs",
    "compress_ratios",
    "num_kv_shared_layers",
    "sparse_attention_config",
)
"""Fields that change layers in ways we do not know: a model that has one is refused, not miscounted."""
_SAME: Mapping[str, str] = {
    "qwen3_5": "qwen3_5_text",
    "qwen3_5_moe": "qwen3_5_moe_text",
    "kimi_k25": "kimi_k2",
    "minimax_text_01": "minimax",
    "deepseek": "deepseek_v2",
    "llama4": "llama4_text",
    "gemma4": "gemma4_text",
    "gemma3": "gemma3_text",
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
    for field in _NOT_READ:
        if config.first(field):
            raise InputError(
                f"{field} changes the layers in a way that is not known",
                where=where,
                cause="a family of models newer than this program",
                remedy=_USE_A_SPEC,
            )
    family = FAMILIES.get(_SAME.get(kind, kind))
    if family is None:
        raise InputError(
            f"model_type {kind!r} is not known",
            where=where,
            cause="a family of models newer than this program",
            remedy=_USE_A_SPEC,
        )
    if _SAME.get(kind, kind) == "openelm":
        model = openelm(config, family)
    elif _SAME.get(kind, kind) == "nemotron_h":
        model = nemotron_h(config, family)
    else:
        model = decoder(config, family, _SAME.get(kind, kind))
    longest = config.count("max_position_embeddings", "max_context_length", "seq_length", default=0, least=0)
    return replace(
        model,
        name=name or config.text("_name_or_path") or kind,
        longest_context=longest or None,
        native=storage_of(config, model.layers, _usual_attention(model)),
        source=where,
        assumed=_assumed(config, model),
    )


def _assumed(config: Fields, model: Architecture) -> tuple[Note, ...]:
    """What stands for fields that are left out; sizes that decide the count are never assumed."""
    found: list[Note] = []
    keeps_heads = any(isinstance(layer.attention, GroupedAttention) for layer in model.stack)
    says_heads = config.text("model_type") not in _KV_HEADS_ELSEWHERE
    if keeps_heads and says_heads and not config.has("num_key_value_heads", *_OTHER_KV_HEADS):
        found.append(
            Note(
                "num_key_value_heads is missing: as many heads of keys and values as of queries are assumed",
                "缺少 num_key_value_heads：假定键值头数与查询头数相同",
            )
        )
    if not config.has("torch_dtype", "dtype", "quantization_config"):
        found.append(
            Note(
                "torch_dtype is missing: weights of 2 bytes (bf16) are assumed",
                "缺少 torch_dtype：假定权重为 2 字节（bf16）",
            )
        )
    return tuple(found)


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
                for key in ("tie_word_embeddings", "quantization_config", "torch_dtype", "dtype")
                if outer.has(key) and not text.has(key)
            }
            kind = {} if text.has("model_type") else {"model_type": outer.first("model_type")}
            return Fields({**text.values, **shared, **kind}, text.where)
    return outer
