"""Number formats of weights and of the key-value cache, with the scales that belong to them."""

from __future__ import annotations

from typing import Literal, get_args

Precision = Literal["bf16", "fp8", "int8", "int4", "fp4"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

_WEIGHT_BYTES: dict[Precision, float] = {
    "bf16": 2.0,
    "fp8": 1 + 4 / (128 * 128),  # a float32 scale for each block of 128 x 128: config.json of DeepSeek-V3
    "int8": 1 + 2 / 4096,  # a bfloat16 scale for each output channel, of some 4,096 weights
    "int4": 0.5 + 2 / 32,  # a bfloat16 scale for 32 weights: config.json of Kimi-K2.5
    "fp4": 0.5 + 1 / 16,  # an 8-bit scale for 16 weights: NVFP4, hf_quant_config.json of NVIDIA's checkpoints
}
_KV_BYTES: dict[Precision, float] = {
    "bf16": 2.0,
    "fp8": 1.0,  # one scale for the whole tensor, as engines store it by default
    "int8": 1 + 2 / 128,  # a bfloat16 scale for each token's head of 128
    "int4": 0.5 + 4 / 32,  # a scale and a zero point, bfloat16, for 32 elements: KIVI (arXiv 2402.02750)
    "fp4": 0.5 + 1 / 16,  # NVFP4, as above
}


def bytes_per_element(precision: Precision) -> float:
    """Bytes of one weight with its share of the scales.

    >>> bytes_per_element("fp4"), bytes_per_element("bf16")
    (0.5625, 2.0)
    """
    return _WEIGHT_BYTES[precision]


def kv_bytes_per_element(precision: Precision) -> float:
    """Bytes of one element of the key-value cache with its share of the scales.

    >>> kv_bytes_per_element("fp8")
    1.0
    """
    return _KV_BYTES[precision]
