"""OpenELM: heads and inner sizes grow from layer to layer (arXiv 2404.14619)."""

from __future__ import annotations

from collections import Counter

from breakeven.serving.architecture.attention import GroupedAttention
from breakeven.serving.architecture.families import Family
from breakeven.serving.architecture.feed_forward import Dense
from breakeven.serving.architecture.fields import Fields
from breakeven.serving.architecture.model import Architecture, Layer


def openelm(config: Fields, family: Family) -> Architecture:
    """The model of a config.json. Raises `InputError`."""
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
