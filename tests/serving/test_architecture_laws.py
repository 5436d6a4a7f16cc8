"""Laws that hold for every model: parts add up, memory grows and is capped, experts touched have bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from breakeven.serving.architecture import (
    PRECISIONS,
    Architecture,
    Layer,
    Precision,
    architectures,
    from_hugging_face,
)
from breakeven.serving.architecture.attention import GroupedAttention, causal_pairs
from breakeven.serving.architecture.feed_forward import Dense, touched_share

MODELS = st.sampled_from(architectures())
PRECISION = st.sampled_from(PRECISIONS)
TOKENS = st.integers(0, 10_000_000)
CONFIGS = st.fixed_dictionaries(
    {
        "model_type": st.sampled_from(["llama", "qwen3", "qwen3_moe", "mixtral"]),
        "hidden_size": st.sampled_from([64, 128, 1024]),
        "num_hidden_layers": st.integers(1, 12),
        "num_attention_heads": st.sampled_from([8, 16]),
        "num_key_value_heads": st.sampled_from([1, 2, 8]),
        "intermediate_size": st.integers(1, 4_096),
        "vocab_size": st.integers(1, 200_000),
        "num_experts": st.sampled_from([0, 4, 64]),
        "num_experts_per_tok": st.integers(1, 4),
        "tie_word_embeddings": st.booleans(),
    }
)


@given(CONFIGS)
def test_parts_add_up(config: dict[str, object]) -> None:
    model = from_hugging_face(config)
    assert sum(model.parameters_by_part.values()) == model.total_parameters
    assert sum(model.weight_bytes_by_part("fp8").values()) == model.weight_bytes("fp8")
    assert model.weight_bytes("bf16") == 2 * model.total_parameters


@given(CONFIGS)
def test_a_layer_more_adds_what_a_layer_weighs(config: dict[str, object]) -> None:
    layers = config["num_hidden_layers"]
    assert isinstance(layers, int)
    sizes = [from_hugging_face({**config, "num_hidden_layers": layers + more}) for more in (0, 1, 2)]
    totals = [model.total_parameters for model in sizes]
    assert totals[2] - totals[1] == totals[1] - totals[0] > 0


@given(CONFIGS)
def test_active_is_at_most_total_but_for_a_tied_head(config: dict[str, object]) -> None:
    model = from_hugging_face(config)
    embedding = model.parameters_by_part["embedding"]
    assert model.active_parameters + (0 if model.is_tied else embedding) <= model.total_parameters * (
        1 + 1e-12
    )


@given(MODELS, PRECISION, TOKENS, TOKENS)
def test_memory_of_a_context_grows(model: Architecture, kv: Precision, one: int, other: int) -> None:
    low, high = sorted((one, other))
    held = model.kv_bytes([low, high], kv)
    assert held[0] <= held[1]
    assert model.kv_bytes_read([low], kv)[0] <= model.kv_bytes_read([high], kv)[0]
    growth = (high - low) * model.kv_bytes_per_token(kv)
    assert held[1] - held[0] >= growth * (1 - 1e-9)


@given(MODELS, TOKENS)
def test_windows_cap(model: Architecture, tokens: int) -> None:
    """Beyond every window only what has none grows, so the marginal token says all."""
    first = 300_000 + tokens
    growth = float(model.kv_bytes(first + 1_000) - model.kv_bytes(first))
    assert np.isclose(growth, 1_000 * model.kv_bytes_per_token("bf16"), rtol=1e-6, atol=1.0)


@given(MODELS, PRECISION, st.integers(1, 100_000), st.integers(1, 100_000))
def test_touched_weights_lie_between_active_and_all(
    model: Architecture, precision: Precision, one: int, other: int
) -> None:
    low, high = sorted((one, other))
    storage = model.storage(precision)
    touched = model.touched_weight_bytes([1, low, high], precision)
    active = storage.total(model.active_parameters_by_part)
    head = storage.bytes_of("head") * model.vocabulary_size * model.hidden_size
    assert np.isclose(touched[0], active, rtol=1e-9)
    assert touched[0] * (1 - 1e-9) <= touched[1] <= touched[2] * (1 + 1e-12)
    assert touched[2] <= model.weight_bytes(precision) + (head if model.is_tied else 0)


@given(st.integers(1, 512), st.integers(1, 512), st.integers(0, 5_000))
def test_touched_share_is_a_share(experts: int, per_token: int, tokens: int) -> None:
    per_token = min(experts, per_token)
    share = float(touched_share(experts, per_token, tokens))
    assert 0 <= share <= 1
    assert share <= tokens * per_token / experts * (1 + 1e-9)
    assert (share == 0) == (tokens == 0)


@given(CONFIGS, TOKENS)
def test_as_many_kv_heads_as_heads_is_multi_head(config: dict[str, object], tokens: int) -> None:
    heads = config["num_attention_heads"]
    grouped = from_hugging_face({**config, "num_key_value_heads": heads})
    plain = from_hugging_face({key: value for key, value in config.items() if key != "num_key_value_heads"})
    assert [note.en.split()[0] for note in plain.assumed] == ["num_key_value_heads", "torch_dtype"]
    assert grouped == replace(plain, source=grouped.source, assumed=grouped.assumed)
    assert grouped.kv_bytes(tokens) == plain.kv_bytes(tokens)


@given(CONFIGS, st.integers(1, 100_000))
def test_cache_shrinks_with_kv_heads_and_arithmetic_does_not(config: dict[str, object], tokens: int) -> None:
    heads = config["num_attention_heads"]
    assert isinstance(heads, int)
    many, one = (from_hugging_face({**config, "num_key_value_heads": count}) for count in (heads, 1))
    assert float(many.kv_bytes(tokens)) == heads * float(one.kv_bytes(tokens))
    assert many.decode_attention_flops(tokens) == one.decode_attention_flops(tokens)


@given(MODELS, st.integers(0, 200_000), st.integers(1, 200_000), st.integers(1, 200_000))
def test_a_prompt_in_two_chunks_is_the_prompt(
    model: Architecture, cached: int, first: int, second: int
) -> None:
    """True of all kinds with one way to calculate; sparse attention chooses the cheaper for each chunk."""
    whole = float(model.prefill_attention_flops(first + second, cached))
    chunks = float(
        model.prefill_attention_flops(first, cached) + model.prefill_attention_flops(second, cached + first)
    )
    if "sparse" in model.layers_by_attention:
        assert chunks <= whole * (1 + 1e-9)
    else:
        assert np.isclose(chunks, whole, rtol=1e-9)


@given(MODELS, st.integers(1, 100_000), st.integers(0, 100_000))
def test_cached_tokens_save_arithmetic(model: Architecture, new: int, cached: int) -> None:
    saved = float(model.prefill_attention_flops(new, cached))
    assert saved <= float(model.prefill_attention_flops(new + cached)) * (1 + 1e-9)


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(1, 1e6))
def test_pairs_are_an_area(new: float, cached: float, span: float) -> None:
    """Each new token sees between none and all before it, and never more than the window."""
    pairs = float(causal_pairs(np.array(new), np.array(cached), span))
    assert -1e-3 <= pairs <= new * min(span, cached + new) * (1 + 1e-9) + 1e-3
    assert pairs <= new * (cached + new / 2) * (1 + 1e-9) + 1e-3


@given(st.integers(1, 64), st.integers(1, 64), TOKENS)
def test_a_wide_window_is_no_window(heads: int, size: int, tokens: int) -> None:
    def model(window: int | None) -> Architecture:
        attention = GroupedAttention(heads, 1, size, size, window)
        return Architecture("m", 64, 100, (Layer(2, attention, Dense(8)),))

    windowed, whole = model(tokens + 1), model(None)
    assert windowed.kv_bytes(tokens) == whole.kv_bytes(tokens)
    assert windowed.decode_attention_flops(tokens) == whole.decode_attention_flops(tokens)
    assert np.isclose(windowed.prefill_attention_flops(tokens), whole.prefill_attention_flops(tokens))


@given(MODELS, st.integers(1, 64))
def test_cache_divides_over_some_of_the_ranks(model: Architecture, ranks: int) -> None:
    assert 1 <= model.kv_ranks(ranks) <= ranks
    if model.is_latent:
        assert model.kv_ranks(ranks) == 1


@given(MODELS)
def test_fewer_bits_weigh_less(model: Architecture) -> None:
    weights = {precision: model.weight_bytes(precision) for precision in PRECISIONS}
    assert weights["bf16"] > weights["fp8"] > weights["fp4"]
    assert weights["bf16"] > weights["int8"] > weights["int4"]
