"""`quantization_config` of a config.json: how the makers' checkpoint stores its weights."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from breakeven.serving.architecture.fields import Fields, mapping_of
from breakeven.serving.architecture.precision import Precision
from breakeven.serving.architecture.storage import Part, Storage

_MODULES: dict[Part, tuple[str, ...]] = {
    "indexer": ("self_attn.indexer.wq_b", "self_attn.indexer.wk"),
    "dense": ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"),
    "shared_experts": ("mlp.shared_experts.down_proj", "mlp.shared_expert.down_proj"),
}
"""Matrices by part, as transformers names them. A part is kept where half of its names are left out; routed
experts never are."""
_ATTENTION: dict[str, tuple[str, ...]] = {
    "grouped": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"),
    "latent": (
        "self_attn.q_a_proj",
        "self_attn.q_b_proj",
        "self_attn.kv_a_proj_with_mqa",
        "self_attn.kv_b_proj",
        "self_attn.o_proj",
    ),
    "linear": ("linear_attn.in_proj_qkv", "self_attn.q_proj"),
}
"""The same of attention by its kind; a model of several kinds is judged by the one that most layers have."""
_NOT_EXPERTS: frozenset[Part] = frozenset({"attention", "dense", "shared_experts"})
"""What the method mxfp4 leaves alone: it knows experts only."""
_PREFIXES = ("model.layers.{}.", "model.language_model.layers.{}.", "language_model.model.layers.{}.")
_BITS: dict[tuple[int, bool], Precision] = {
    (8, True): "fp8",
    (8, False): "int8",
    (4, True): "fp4",
    (4, False): "int4",
}


def storage_of(config: Fields, layers: int, attention: str) -> Storage:
    """The storage that `quantization_config` says; bf16 without one. Raises `InputError` for others."""
    if not config.has("quantization_config"):
        return Storage("bf16")
    found = config.inside("quantization_config")
    precision, size, group = _precision(found)
    left_out = [
        str(one)
        for name in ("modules_to_not_convert", "ignore", "exclude_modules", "ignored_layers")
        for one in found.entries(name)
    ]
    modules: dict[Part, tuple[str, ...]] = {**_MODULES, "attention": _ATTENTION[attention]}
    kept: frozenset[Part] = frozenset(
        {part for part, names in modules.items() if _is_kept(names, left_out, layers)}
    )
    if found.text("quant_method") == "mxfp4":
        kept |= _NOT_EXPERTS
    stored = None if group is None else size / 8 + _scale_bytes(found) / group
    return Storage(precision, kept, stored)


def _precision(found: Fields) -> tuple[Precision, int, int | None]:
    """The precision, its bits, and how many weights share a scale where that is said."""
    method = found.text("quant_method").lower()
    algorithm = found.text("quant_algo").lower()
    if method == "mxfp4":
        return "fp4", 4, 32
    if method == "fp8" or algorithm.startswith("fp8"):
        block = found.entries("weight_block_size")
        group = 1
        for edge in block:
            group *= found.counted(edge, "weight_block_size")
        return "fp8", 8, group if block else None
    if algorithm.startswith(("nvfp4", "w4a16_nvfp4")):
        return "fp4", 4, found.count("group_size", default=16)
    if method in ("gptq", "awq", "auto-round"):
        return _of_bits(found, found.count("bits"), is_float=False), found.count("bits"), _group(found)
    groups = found.inside("config_groups")
    for name, group in groups.values.items():
        weights = Fields(mapping_of(group, f"{groups.where}: {name}"), f"{groups.where}: {name}").inside(
            "weights"
        )
        bits = weights.count("num_bits")
        precision = _of_bits(weights, bits, is_float=weights.text("type", "int") == "float")
        return precision, bits, _group(weights)
    if method == "bitsandbytes":
        bits = 4 if found.flag("load_in_4bit") else 8
        return ("int4" if bits == 4 else "int8"), bits, None
    return found.refuse_value(
        "quant_method",
        method or None,
        "leave quantization_config out, and give the precision with --precision",
    )


def _of_bits(found: Fields, bits: int, *, is_float: bool) -> Precision:
    """The precision of so many bits."""
    precision = _BITS.get((bits, is_float))
    if precision is None:
        found.refuse_value("num_bits", bits, "4 and 8 bits are known: give the nearest with --precision")
    return precision


def _group(found: Fields) -> int | None:
    """Weights that share a scale; None where a whole row or tensor does, written -1 or not at all."""
    size = found.values.get("group_size")
    return None if size in (None, -1) else found.count("group_size")


def _scale_bytes(found: Fields) -> float:
    """Bytes of a scale: one for float formats of four bits, four for fp8 blocks, two else."""
    method, algorithm = found.text("quant_method").lower(), found.text("quant_algo").lower()
    if method == "mxfp4" or algorithm.startswith(("nvfp4", "w4a16_nvfp4")):
        return 1
    if method == "fp8" or algorithm.startswith("fp8"):
        return 4
    return 1 if "fp4" in found.text("format") else 2


def _is_kept(names: tuple[str, ...], left_out: Iterable[str], layers: int) -> bool:
    """Whether at least half of these matrices are left out of quantisation in a middle layer."""
    patterns = list(left_out)
    return 2 * sum(_is_left_out(name, patterns, layers) for name in names) >= len(names)


def _is_left_out(name: str, patterns: list[str], layers: int) -> bool:
    """Whether a pattern takes in this matrix of a middle layer, or of the first where the middle has none."""
    for layer in {layers // 2, 0} if name.startswith("mlp.") and "expert" not in name else {layers // 2}:
        full = [prefix.format(layer) + name for prefix in _PREFIXES]
        if any(_fits(one, pattern) for one in full for pattern in patterns):
            return True
    return False


def _fits(name: str, pattern: str) -> bool:
    """As transformers and compressed-tensors read them: `re:` begins an expression."""
    if pattern.startswith("re:"):
        try:
            return re.match(pattern[3:], name) is not None
        except re.error:
            return False
    if "*" in pattern:
        return (
            fnmatchcase(name, pattern)
            or fnmatchcase(name, pattern + "*")
            or fnmatchcase(name, pattern + ".*")
        )
    return (
        name == pattern
        or name.startswith(pattern + ".")
        or (len(pattern) > 4 and "." in pattern and pattern in name)
    )
