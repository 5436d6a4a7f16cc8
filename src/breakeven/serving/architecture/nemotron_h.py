"""Nemotron-H: a letter for each layer, Mamba-2 (M), attention (*), a network (-) or experts (E)."""

from __future__ import annotations

from collections import Counter

from breakeven.serving.architecture.attention import Attention, mamba2
from breakeven.serving.architecture.decoder import experts_of, grouped
from breakeven.serving.architecture.families import Family
from breakeven.serving.architecture.feed_forward import Dense, Experts
from breakeven.serving.architecture.fields import Fields
from breakeven.serving.architecture.model import Architecture, Layer

_LETTERS = {"mamba": "M", "attention": "*", "mlp": "-", "moe": "E"}


def nemotron_h(config: Fields, family: Family) -> Architecture:
    """The model of a config.json. Raises `InputError`."""
    width = config.count("hidden_size")
    heads = config.count("num_attention_heads")
    experts = experts_of(config, family)
    kinds: dict[str, tuple[Attention | None, Dense | Experts | None]] = {
        "*": (grouped(config, family, heads, width, None), None),
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
    if config.has("layers_block_type"):
        letters = Counter(_LETTERS.get(str(said), str(said)) for said in config.entries("layers_block_type"))
    if not letters:
        config.missing("hybrid_override_pattern")
    for letter in letters:
        if letter not in kinds:
            config.refuse_value("hybrid_override_pattern", letter, "use the letters M, *, - and E")
    return Architecture(
        name="",
        hidden_size=width,
        vocabulary_size=config.count("vocab_size"),
        stack=tuple(Layer(count, *kinds[letter]) for letter, count in letters.items()),
        is_tied=config.flag("tie_word_embeddings"),
    )
