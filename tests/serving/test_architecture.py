"""Sizes of the models that ship: against what their makers publish, and against hand calculation."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from breakeven.serving.architecture import Architecture, architecture, architectures, from_hugging_face

GB = 1e9
POINTS = Path(__file__).parents[3] / "shared" / "data" / "serving" / "measured_serving_points.csv.gz"
LESS_THAN_PUBLISHED = {"kimi-k2": 0.014, "kimi-k2.5": 0.014}
"""Models whose published total differs from what config.json gives by more than 1 %, with the difference."""
CHECKPOINTS = {
    "bloom-176b": 176_247_271_424,
    "deepseek-v2": 235_741_434_880,
    "deepseek-v3": 671_026_419_200,
    "glm-4.5": 352_797_829_024,
    "glm-4.5-air": 106_852_251_264,
    "glm-5": 743_911_218_432,
    "gpt-oss-120b": 116_829_156_672,
    "gpt-oss-20b": 20_914_757_184,
    "kimi-k2": 1_026_408_232_448,
    "kimi-k2.5": 1_026_408_232_448,
    "llama-2-70b": 68_976_653_312 - 80 * 64,
    "llama-3.1-405b": 405_853_388_800,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.1-8b": 8_030_261_248,
    "minimax-m2": 228_689_764_864,
    "phi-3.5-mini": 3_821_079_552,
    "qwen3-235b-a22b": 235_093_634_560,
    "qwen3-30b-a3b": 30_532_122_624,
    "qwen3-32b": 32_762_123_264,
    "qwen3-8b": 8_190_735_360,
    "qwen3.5-27b": 26_895_998_464,
    "qwen3.5-35b-a3b": 34_660_610_688,
    "qwen3.5-397b-a17b": 396_346_350_336,
}
"""Weights counted in published checkpoints, without scales, image towers and MTP layers.

Llama, Qwen3, Phi, MiniMax-M2, DeepSeek-V2 and INTELLECT-3 (a GLM-4.5-Air): safetensors.total of
huggingface.co, for Llama 2 less the frequencies of its rotary positions. BLOOM: its model card. DeepSeek-V3,
Kimi K2, K2 Thinking (of K2.5's sizes) and Qwen3.5-397B: headers of the tensors, as others added them up. GLM:
what Fireworks lists. gpt-oss, Qwen3.5-27B and 35B (at Qwen3.6, of the same sizes): what llama.cpp and Ollama
count in their files.
"""
LOOSELY_PUBLISHED = {
    "deepseek-v3.2": 0.015,
    "glm-4.5": 0.03,
    "glm-4.5-air": 0.07,
    "glm-4.6": 0.03,
    "glm-5": 0.025,
    "minimax-m2": 0.045,
    "minimax-m2.5": 0.045,
}
"""Active parameters rounded by their makers to a whole number of billions, or less finely."""
NAMES = [model.name for model in architectures()]


@pytest.mark.parametrize("name", NAMES)
def test_total_parameters_are_the_published_ones_within_one_percent(name: str) -> None:
    model = architecture(name)
    assert model.published is not None
    assert model.total_parameters == pytest.approx(
        model.published.total_parameters, rel=LESS_THAN_PUBLISHED.get(name, 0.01)
    )


@pytest.mark.parametrize("name", [name for name in NAMES if architecture(name).experts])
def test_active_parameters_are_the_published_ones(name: str) -> None:
    """Makers count the embedding or not, and round; either count must give the published figure."""
    model = architecture(name)
    assert model.published is not None
    published = model.published.active_parameters
    assert published is not None
    ours = (model.active_parameters, model.active_parameters + model.parameters_by_part["embedding"])
    nearest = min(abs(one - published) for one in ours)
    assert nearest <= LOOSELY_PUBLISHED.get(name, 0.021) * published


def test_gpt_oss_by_part_is_the_table_of_its_model_card() -> None:
    """arXiv 2508.10925, table 1: MLP 114.71 B, attention 0.96 B, embedding and head 1.16 B."""
    parts = architecture("gpt-oss-120b").parameters_by_part
    experts = parts["routed_experts"] + parts["router"]
    assert round(experts / GB, 2) == 114.71
    assert round((parts["attention"] + parts["norms"]) / GB, 2) == 0.96
    assert round((parts["embedding"] + parts["head"]) / GB, 2) == 1.16
    assert round(architecture("gpt-oss-120b").active_parameters / GB, 2) == 5.13
    assert round(architecture("gpt-oss-20b").active_parameters / GB, 2) == 3.61


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_every_weight_of_the_checkpoint_is_counted(name: str) -> None:
    assert architecture(name).total_parameters == CHECKPOINTS[name]


def test_an_indexer_weighs_what_v3_2_added_to_v3() -> None:
    """safetensors.total of V3.2-Exp and of V3; 62 layers with the one for MTP, and scales of fp8 blocks."""
    added = 685_396_921_376 - 684_531_386_000
    ours = architecture("deepseek-v3.2").parameters_by_part["indexer"]
    assert ours * 62 / 61 == pytest.approx(added, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "gigabytes", "bytes_per_weight"),
    [
        ("openelm-270m", 0.543, 2),
        ("openelm-450m", 0.914, 2),
        ("openelm-1.1b", 2.16, 2),
        ("openelm-3b", 4.98 + 4.90 + 2.26, 4),
        ("mistral-nemo-minitron-8b", 16.8, 2),
    ],
)
def test_files_on_hugging_face_are_as_large_as_the_weights(
    name: str, gigabytes: float, bytes_per_weight: int
) -> None:
    """Models whose weights nobody is known to have counted; the files' sizes are rounded to three digits."""
    counted = architecture(name).total_parameters * bytes_per_weight / GB
    assert counted == pytest.approx(gigabytes, rel=0.002)


@pytest.mark.parametrize(
    ("name", "kibibytes"),
    [
        ("llama-3.1-70b", 320),
        ("qwen3-32b", 256),
        ("minimax-m2.5", 248),
        ("qwen3-235b-a22b", 188),
        ("deepseek-v3", 68.625),
        ("kimi-k2.5", 68.625),
        ("gpt-oss-120b", 36),
        ("qwen3.5-397b-a17b", 30),
    ],
)
def test_kv_bytes_per_token(name: str, kibibytes: float) -> None:
    assert architecture(name).kv_bytes_per_token("bf16") == kibibytes * 1024


@pytest.mark.parametrize(
    ("name", "gigabytes"),
    [
        ("llama-3.1-70b", 410),
        ("qwen3-32b", 327 * 1.0),
        ("minimax-m2.5", 317),
        ("qwen3-235b-a22b", 241),
        ("deepseek-v3", 88),
        ("gpt-oss-120b", 46),
        ("qwen3.5-397b-a17b", 38),
    ],
)
def test_kv_of_two_million_chinese_characters(name: str, gigabytes: float) -> None:
    """About 1.25 M tokens; the fixed state of Qwen3.5 comes on top of what grows."""
    model = architecture(name)
    assert model.kv_bytes_per_token("bf16") * 1.25e6 / GB == pytest.approx(gigabytes, rel=0.005, abs=0.6)
    assert float(model.kv_bytes(1.25e6)) / GB == pytest.approx(gigabytes, rel=0.01, abs=0.7)


def test_published_checkpoints_weigh_what_they_weigh() -> None:
    """gpt-oss: 60.8 and 12.8 GiB by its model card. Kimi: bytes of all tensors, K2 Thinking for K2.5."""
    assert architecture("gpt-oss-120b").weight_bytes() / 2**30 == pytest.approx(60.8, rel=0.005)
    assert architecture("gpt-oss-20b").weight_bytes() / 2**30 == pytest.approx(12.8, rel=0.005)
    assert architecture("kimi-k2").weight_bytes() == pytest.approx(1_029_173_256_720, rel=1e-6)
    assert architecture("kimi-k2.5").weight_bytes() == pytest.approx(594_205_920_512, rel=2e-6)


def test_attention_stays_bf16_in_the_experts_only_checkpoints() -> None:
    model = architecture("kimi-k2.5")
    assert model.native_precision == "int4"
    stored = model.weight_bytes_by_part()
    assert stored["attention"] == 2 * model.parameters_by_part["attention"]
    assert stored["routed_experts"] == 0.5625 * model.parameters_by_part["routed_experts"]


def test_flops_of_a_decoded_token_by_hand() -> None:
    """Llama 70B: 4 L h d s. DeepSeek-V3, absorbed: 2 L h (2 x 512 + 64) s."""
    assert architecture("llama-3.1-70b").decode_attention_flops(1_000) == 4 * 80 * 64 * 128 * 1_000
    assert architecture("deepseek-v3").decode_attention_flops(1_000) == 2 * 61 * 128 * 1_088 * 1_000


def test_sparse_attention_looks_at_2048_tokens_and_indexes_all() -> None:
    model, context = architecture("deepseek-v3.2"), 100_000
    indexing = 2 * 64 * 128 * context
    assert model.decode_attention_flops(context) == 61 * (indexing + 2 * 128 * 1_088 * 2_048)
    assert model.kv_bytes_read(context) == 61 * (132 * context + 2_048 * 576 * 2)
    assert model.kv_bytes(context) == 61 * context * (576 * 2 + 132)


def test_prefill_counts_each_pair_once() -> None:
    model = architecture("deepseek-v3")
    assert model.prefill_attention_flops(4_000) == 2 * 61 * 128 * 320 * (4_000**2 / 2)
    assert model.prefill_attention_flops(4_000, 1_000) == 2 * 61 * 128 * 320 * (4_000 * (1_000 + 2_000))


def test_windows_hold_and_read_no_more_than_they_see() -> None:
    model = architecture("gpt-oss-120b")
    per_layer = 2 * 8 * 64 * 2
    assert model.kv_bytes(100) == 36 * 100 * per_layer
    assert model.kv_bytes(10_000) == 18 * (10_000 + 128) * per_layer


def test_openelm_layers_differ() -> None:
    """270M: 12 query heads and a network of 768 in its first layer, 20 and 5,120 in its last."""
    model = architecture("openelm-270m")
    attention = {layer.attention.heads for layer in model.stack if layer.attention is not None}
    assert attention == {12, 16, 20}
    assert model.layers == 16
    assert model.kv_bytes_per_token("bf16") == 2 * 64 * 2 * (5 * 3 + 7 * 4 + 4 * 5)


def test_predicting_layers_are_not_counted() -> None:
    """DeepSeek-V3's checkpoint holds 685 B with its one MTP layer; the model itself is 671 B."""
    assert round(architecture("deepseek-v3").total_parameters / GB) == 671


def test_methods_take_arrays() -> None:
    model = architecture("qwen3.5-397b-a17b")
    contexts = np.array([[1_000.0, 2_000.0, 4_000.0]])
    for found in (
        model.kv_bytes(contexts),
        model.kv_bytes_read(contexts),
        model.decode_attention_flops(contexts),
    ):
        assert found.shape == (1, 3)
    assert model.prefill_attention_flops(contexts, 0.0).shape == (1, 3)
    assert model.touched_weight_bytes(contexts).shape == (1, 3)
    one_by_one = [float(model.kv_bytes(context)) for context in contexts[0]]
    assert model.kv_bytes(contexts)[0].tolist() == one_by_one


@pytest.mark.shared_data
@pytest.mark.skipif(not POINTS.exists(), reason="the data lie beside the project, not in it")
def test_every_model_of_the_measured_points_is_known() -> None:
    with gzip.open(POINTS, "rt") as file:
        names = {row["model_path"] for row in csv.DictReader(file)}
    assert {architecture(name).name for name in names} >= {"deepseek-v3", "glm-5", "kimi-k2.5"}


def test_names_do_not_clash() -> None:
    names = [name.lower() for model in architectures() for name in (model.name, *model.aliases)]
    assert len(names) == len(set(names))


def test_every_model_says_where_it_is_from() -> None:
    for model in architectures():
        assert isinstance(model, Architecture)
        assert model.source
        assert model.as_of >= "2026"
        assert model.published is not None
        assert model.published.source


LLAMA_4 = {
    "model_type": "llama4",
    "text_config": {
        "model_type": "llama4_text",
        "attention_chunk_size": 8192,
        "head_dim": 128,
        "hidden_size": 5120,
        "interleave_moe_layer_step": 2,
        "intermediate_size": 8192,
        "intermediate_size_mlp": 16384,
        "num_attention_heads": 40,
        "num_experts_per_tok": 1,
        "num_hidden_layers": 48,
        "num_key_value_heads": 8,
        "num_local_experts": 128,
        "vocab_size": 202048,
    },
}
MIMO_V2 = {
    "model_type": "mimo_v2_flash",
    "num_hidden_layers": 48,
    "hidden_size": 4096,
    "num_attention_heads": 64,
    "num_key_value_heads": 4,
    "head_dim": 192,
    "v_head_dim": 128,
    "intermediate_size": 16384,
    "vocab_size": 152576,
    "sliding_window": 128,
    "swa_num_attention_heads": 64,
    "swa_num_key_value_heads": 8,
    "swa_head_dim": 192,
    "swa_v_head_dim": 128,
    "hybrid_layer_pattern": [0, *([1, 1, 1, 1, 0] + [1, 1, 1, 1, 1, 0] * 7)],
    "moe_layer_freq": [0] + [1] * 47,
    "moe_intermediate_size": 2048,
    "n_routed_experts": 256,
    "num_experts_per_tok": 8,
}
NEMOTRON_3 = {
    "model_type": "nemotron_h",
    "conv_kernel": 4,
    "head_dim": 128,
    "hidden_size": 4096,
    "hybrid_override_pattern": "MEMEMEM*" + "EMEMEMEM*" * 2 + "EMEMEMEMEM*" * 4 + "EMEMEMEM*EMEMEMEME",
    "intermediate_size": 2688,
    "mamba_head_dim": 64,
    "mamba_num_heads": 128,
    "moe_intermediate_size": 2688,
    "moe_latent_size": 1024,
    "moe_shared_expert_intermediate_size": 5376,
    "n_groups": 8,
    "n_routed_experts": 512,
    "n_shared_experts": 1,
    "num_attention_heads": 32,
    "num_experts_per_tok": 22,
    "num_hidden_layers": 88,
    "num_key_value_heads": 2,
    "ssm_state_size": 128,
    "vocab_size": 131072,
}
GEMMA_4 = {
    "model_type": "gemma4",
    "text_config": {
        "model_type": "gemma4_text",
        "attention_k_eq_v": True,
        "enable_moe_block": True,
        "global_head_dim": 512,
        "head_dim": 256,
        "hidden_size": 2816,
        "intermediate_size": 2112,
        "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 5,
        "moe_intermediate_size": 704,
        "num_attention_heads": 16,
        "num_experts": 128,
        "num_global_key_value_heads": 2,
        "num_hidden_layers": 30,
        "num_key_value_heads": 8,
        "sliding_window": 1024,
        "top_k_experts": 8,
        "vocab_size": 262144,
    },
}
MIXTRAL = {
    "model_type": "mixtral",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_experts_per_tok": 2,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "num_local_experts": 8,
    "vocab_size": 32000,
}


@pytest.mark.parametrize(
    ("config", "total", "active", "kinds"),
    [
        (LLAMA_4, 400e9, 17e9, {"window": 36, "full": 12}),  # Maverick: its model card
        (MIMO_V2, 309e9, 15e9, {"full": 9, "window": 39}),  # Flash: its model card
        (NEMOTRON_3, 120.6e9, 12.7e9, {"linear": 40, "full": 8}),  # Super: its technical report
        (GEMMA_4, 25.2e9, 3.8e9, {"window": 25, "full": 5}),  # 26B-A4B: its model card
        (MIXTRAL, 46.7e9, 12.9e9, {"full": 32}),  # 8x7B: arXiv 2401.04088
    ],
    ids=["llama-4-maverick", "mimo-v2-flash", "nemotron-3-super", "gemma-4-26b-a4b", "mixtral-8x7b"],
)
def test_families_that_do_not_ship(
    config: dict[str, object], total: float, active: float, kinds: dict[str, int]
) -> None:
    model = from_hugging_face(config)
    assert model.total_parameters == pytest.approx(total, rel=0.01)
    ours = (model.active_parameters, model.active_parameters + model.parameters_by_part["embedding"])
    assert min(abs(one - active) for one in ours) <= 0.015 * active
    assert dict(model.layers_by_attention) == kinds
