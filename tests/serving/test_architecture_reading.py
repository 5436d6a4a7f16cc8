"""Descriptions that are wrong, incomplete or hostile: each is refused by name, with the remedy."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from breakeven.errors import BreakevenError, InputError, UsageError
from breakeven.report.phrases import chinese
from breakeven.serving.architecture import architecture, from_hugging_face, read_architecture
from breakeven.serving.architecture.shipped import from_text
from breakeven.serving.architecture.short_spec import EXAMPLE

DENSE: dict[str, object] = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 1_000,
}
MIXTURE = DENSE | {"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2}
LATENT = DENSE | {
    "model_type": "deepseek_v3",
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4,
    "v_head_dim": 8,
    "n_routed_experts": 8,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "first_k_dense_replace": 1,
}
HYBRID = DENSE | {
    "model_type": "qwen3_next",
    "full_attention_interval": 2,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
}


@pytest.mark.parametrize("field", ["hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"])
def test_a_missing_field_is_named_with_where_to_find_it(field: str) -> None:
    config = {key: value for key, value in DENSE.items() if key != field}
    with pytest.raises(InputError, match=f"{field} is missing") as refused:
        from_hugging_face(config)
    assert "config.json" in refused.value.remedy


@pytest.mark.parametrize("field", ["kv_lora_rank", "v_head_dim", "moe_intermediate_size", "index_n_heads"])
def test_latent_attention_names_what_it_lacks(field: str) -> None:
    config = {**LATENT, "index_topk": 16, "index_n_heads": 2, "index_head_dim": 8}
    if field in ("kv_lora_rank", "moe_intermediate_size"):
        del config[field]
        assert from_hugging_face(config).total_parameters > 0  # each has a meaning without it
        return
    del config[field]
    with pytest.raises(InputError, match=f"{field} is missing"):
        from_hugging_face(config)


@pytest.mark.parametrize(
    ("config", "what"),
    [
        (DENSE | {"num_attention_heads": 7, "num_key_value_heads": 7}, "7 does not divide hidden_size 64"),
        (DENSE | {"num_key_value_heads": 3}, "num_key_value_heads 3 does not divide num_attention_heads 4"),
        (DENSE | {"num_key_value_heads": 8}, "num_key_value_heads 8 does not divide num_attention_heads 4"),
        (MIXTURE | {"num_experts_per_tok": 9}, "num_experts_per_tok 9 is more than the 8 experts"),
        (HYBRID | {"linear_num_value_heads": 3}, "linear_num_key_heads 2 does not divide"),
        (DENSE | {"layer_types": ["full_attention"]}, "layer_types has 1 entries"),
    ],
)
def test_fields_that_contradict_each_other(config: dict[str, object], what: str) -> None:
    with pytest.raises(InputError, match=what):
        from_hugging_face(config)


@pytest.mark.parametrize("value", [0, -1, 2.5, math.nan, math.inf, 10**30, "64", True, [64], {"a": 1}])
def test_hostile_sizes_are_refused(value: object) -> None:
    for field in ("hidden_size", "num_hidden_layers", "vocab_size", "num_attention_heads"):
        with pytest.raises(InputError, match=field):
            from_hugging_face(DENSE | {field: value})


def test_a_whole_number_written_with_a_point_is_a_number() -> None:
    assert from_hugging_face(DENSE | {"hidden_size": 64.0}) == from_hugging_face(DENSE)


def test_an_unknown_family_is_told_of_the_short_spec() -> None:
    with pytest.raises(InputError, match="model_type 'newnet' is not known") as refused:
        from_hugging_face(DENSE | {"model_type": "newnet"})
    assert "--spec" in refused.value.remedy


def test_the_short_spec_it_speaks_of_can_be_read() -> None:
    model = from_text(EXAMPLE, "my.yaml")
    assert (model.name, model.layers, model.experts_per_token) == ("my-model", 32, 8)


def test_a_short_spec_of_llama_is_llama() -> None:
    text = """
name: mine
hidden_size: 8192
vocabulary_size: 128256
layers:
  - count: 80
    attention: {heads: 64, kv_heads: 8, head_size: 128}
    feed_forward: {size: 28672}
"""
    ours, shipped = from_text(text, "mine.yaml"), architecture("llama-3.1-70b")
    assert ours.total_parameters == shipped.total_parameters
    assert ours.kv_bytes(10_000) == shipped.kv_bytes(10_000)


def test_a_short_spec_of_deepseek_v3_2_is_deepseek_v3_2() -> None:
    attention = (
        "{kind: sparse, heads: 128, query_rank: 1536, latent_size: 512, rotary_size: 64, key_size: 128,"
        " value_size: 128, index_heads: 64, index_size: 128, kept_tokens: 2048}"
    )
    text = f"""
name: mine
hidden_size: 7168
vocabulary_size: 129280
precision: fp8
layers:
  - {{count: 3, attention: {attention}, feed_forward: {{size: 18432}}}}
  - count: 58
    attention: {attention}
    feed_forward: {{experts: 256, experts_per_token: 8, size: 2048, shared_size: 2048}}
"""
    ours, shipped = from_text(text, "mine.yaml"), architecture("deepseek-v3.2")
    assert ours.total_parameters == pytest.approx(shipped.total_parameters, rel=1e-6)
    assert ours.decode_attention_flops(9_000) == shipped.decode_attention_flops(9_000)
    assert ours.native_precision == "fp8"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("    attention: {heads: 3, kv_heads: 2, head_size: 8}", "kv_heads 2 does not divide heads 3"),
        ("    attention: {heads: 3}", "heads 3 does not divide hidden_size 64"),
        ("    attention: {heads: 4, kind: quick}", "kind cannot be 'quick'"),
        ("    attention: {heads: -4}", "heads cannot be -4"),
        ("    feed_forward: {experts: 4, experts_per_token: 8, size: 8}", "experts_per_token 8 is more than"),
        ("    count: 0", "attention is missing"),
    ],
)
def test_short_specs_are_refused_by_name(line: str, what: str) -> None:
    text = f"name: m\nhidden_size: 64\nvocabulary_size: 10\nlayers:\n  -\n{line}\n"
    with pytest.raises(InputError, match=what) as refused:
        from_text(text, "m.yaml")
    assert "m.yaml: layers[1]" in refused.value.where


def test_a_page_saved_instead_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("<!doctype html>\n<html><body>config.json</body></html>")
    with pytest.raises(InputError):
        read_architecture(path)
    path.write_text('{"hidden_size": 64,\n "num')
    with pytest.raises(InputError, match="neither JSON nor YAML") as refused:
        read_architecture(path)
    assert refused.value.where == f"{path}:2"


def test_weights_instead_of_a_config(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_bytes(b"\x80\x02\xff" * 10)
    with pytest.raises(InputError, match="not text"):
        read_architecture(path)
    with path.open("wb") as file:
        file.truncate(30_000_000)
    with pytest.raises(InputError, match="too large"):
        read_architecture(path)
    with pytest.raises(InputError, match="there is no such file"):
        read_architecture(tmp_path / "absent.json")


def test_a_folder_of_a_checkpoint_with_nvidias_quantization_beside(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LATENT))
    layers = [f"model.layers.{layer}.self_attn.{name}" for layer in (0, 1) for name in
              ("q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj")]  # fmt: skip
    (tmp_path / "hf_quant_config.json").write_text(
        json.dumps({"quantization": {"quant_algo": "NVFP4", "group_size": 16, "exclude_modules": layers}})
    )
    model = read_architecture(tmp_path)
    assert model.native_precision == "fp4"
    assert model.native.kept == {"attention"}
    assert model.native.bytes_of("routed_experts") == 0.5625


@pytest.mark.parametrize(
    ("quantization", "precision", "bytes_per_weight"),
    [
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8", 1 + 4 / 16_384),
        ({"quant_method": "mxfp4"}, "fp4", 0.53125),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, "int4", 0.5 + 2 / 128),
        ({"quant_method": "awq", "bits": 4, "group_size": -1}, "int4", None),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "int4", None),
        ({"config_groups": {"g": {"weights": {"num_bits": 8, "type": "int"}}}}, "int8", None),
        ({"quant_algo": "FP8"}, "fp8", None),
    ],
)
def test_ways_to_say_a_precision(
    quantization: dict[str, object], precision: str, bytes_per_weight: float | None
) -> None:
    model = from_hugging_face(MIXTURE | {"quantization_config": quantization})
    assert model.native_precision == precision
    assert model.native.bytes_per_weight == bytes_per_weight


@pytest.mark.parametrize(
    "quantization", [{"quant_method": "magic"}, {"quant_method": "gptq", "bits": 3}, {}, [], "fp8"]
)
def test_unknown_ways_are_refused(quantization: object) -> None:
    with pytest.raises(InputError):
        from_hugging_face(DENSE | {"quantization_config": quantization})


def test_an_unknown_name_names_its_neighbours() -> None:
    with pytest.raises(UsageError, match="there is no model 'qwen3-23b'") as refused:
        architecture("qwen3-23b")
    assert "qwen3-32b" in refused.value.remedy


def test_refusals_are_in_chinese() -> None:
    for config in (
        DENSE | {"model_type": "x"},
        DENSE | {"hidden_size": -1},
        DENSE | {"num_key_value_heads": 3},
    ):
        with pytest.raises(InputError) as refused:
            from_hugging_face(config)
        for text in (refused.value.what, refused.value.remedy, refused.value.cause):
            assert not text or chinese(text) != text, text


FIELDS = sorted({*DENSE, *MIXTURE, *LATENT, *HYBRID, "layer_types", "sliding_window", "quantization_config",
                 "text_config", "head_dim", "moe_layer_freq", "mlp_only_layers", "tie_word_embeddings",
                 "linear_attn_config", "max_position_embeddings", "attention_bias"})  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@given(
    st.sampled_from([DENSE, MIXTURE, LATENT, HYBRID]),
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4),
)
def test_any_config_gives_a_model_or_a_refusal(base: dict[str, object], changed: dict[str, object]) -> None:
    try:
        model = from_hugging_face({**base, **changed})
    except BreakevenError as refused:
        assert refused.what  # noqa: PT017 - any refusal will do
        return
    assert model.total_parameters > 0
    assert float(model.kv_bytes(1_000)) >= 0


@given(st.text(max_size=200) | VALUES.map(lambda value: json.dumps(value)))
@example("[" * 1_200)
@example("a: &a [*a, *a]")
@example('{"layers": [1], "hidden_size": 64}')
@example("layers: [{attention: 3}]\nhidden_size: 4\nvocabulary_size: 3")
@example("? [1, 2]\n: 3")
@example("\t- a")
def test_any_text_gives_a_model_or_a_refusal(text: str) -> None:
    try:
        from_text(text, "any")
    except BreakevenError as refused:
        assert refused.what  # noqa: PT017


@pytest.mark.parametrize("field", ["sparse_attention_config", "compress_ratios", "block_configs"])
def test_what_would_be_miscounted_is_refused(field: str) -> None:
    with pytest.raises(InputError, match=f"{field} changes the layers") as refused:
        from_hugging_face(DENSE | {field: [{"a": 1}]})
    assert chinese(refused.value.what) != refused.value.what


def test_more_dense_layers_than_layers_are_refused() -> None:
    with pytest.raises(InputError, match="first_k_dense_replace 3 is more than the 2 layers") as refused:
        from_hugging_face(LATENT | {"first_k_dense_replace": 3})
    assert "多于 2 层" in chinese(refused.value.what)
    assert from_hugging_face(LATENT | {"first_k_dense_replace": 2}).moe_layers == 0


def test_a_field_given_twice_is_refused_by_name() -> None:
    text = json.dumps(DENSE).replace("{", '{"hidden_size": 128, ', 1)
    with pytest.raises(InputError, match="the key 'hidden_size' appears twice") as refused:
        from_text(text, "config.json")
    assert (refused.value.where, chinese(refused.value.remedy)) == ("config.json", "只保留其中一个")
