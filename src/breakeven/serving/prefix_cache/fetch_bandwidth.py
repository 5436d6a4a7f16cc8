"""Reuse or recompute: how fast a cache must hand over keys and values for a hit to be faster than computing.

Keys and values of cached tokens may lie in the host's memory, on a disk or on another node. Fetching them
pays when their bytes over the bandwidth take less time than computing them again.
"""

from __future__ import annotations


def least_bandwidth(kv_bytes_per_token: float, recompute_gpu_seconds_per_token: float) -> float:
    """Bytes per second and GPU above which fetching is faster than recomputing.

    A group of n GPUs computes a prompt n times as fast, so it needs n times this. The time is that of the
    model's uncached input, so it holds the efficiency that prefill reaches, and derates.

    >>> least_bandwidth(320 * 1024, 1 / 4_000) / 1e9
    1.31072
    """
    return kv_bytes_per_token / recompute_gpu_seconds_per_token


def least_bandwidth_by_peak(
    cached_tokens: int,
    hidden_size: int,
    heads_per_kv_head: int,
    flops_per_second: float,
    element_bytes: float = 2.0,
    attention_factor: float = 4.0,
    linear_factor: float = 22.0,
) -> float:
    """Bytes per second by equation 2 of Mooncake (Qin et al., FAST 2025, section 5.3), from peak FLOP/s.

        B / G > 2 d s / (gqa (a p d + b d^2))

    d is the hidden size, s bytes of an element, gqa query heads per key-value head, p cached tokens, G the
    FLOP/s of all GPUs together; a and b count the operations of attention and of linear layers. The number of
    layers cancels out. At less than the peak, less bandwidth is enough.

    Llama-3 70B with 8,192 cached tokens on 8 A800 and on 8 H800; the paper says 6 and 19 GB/s:

    >>> round(least_bandwidth_by_peak(8_192, 8_192, 8, 8 * 312e12) / 1e9, 1)
    5.9
    >>> round(least_bandwidth_by_peak(8_192, 8_192, 8, 8 * 989e12) / 1e9, 1)
    18.6
    """
    operations = attention_factor * cached_tokens * hidden_size + linear_factor * hidden_size**2
    return 2 * hidden_size * element_bytes / (heads_per_kv_head * operations) * flops_per_second
