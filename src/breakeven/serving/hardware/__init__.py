"""Accelerators: what one GPU can do, what it draws and what it costs by the hour; those that ship, and yours.

>>> from breakeven.serving.hardware import accelerator
>>> h20 = accelerator("H20")
>>> h20.peak("bf16") / 1e12, h20.bandwidth_bytes_per_second / 1e12
(148.0, 4.0)
"""

from __future__ import annotations

from breakeven.serving.hardware.accelerator import Accelerator
from breakeven.serving.hardware.gpu_price import COMMITMENTS, Commitment, GpuPrice, PurchasePrice
from breakeven.serving.hardware.read import accelerator, accelerators, read_accelerator

__all__ = [
    "COMMITMENTS",
    "Accelerator",
    "Commitment",
    "GpuPrice",
    "PurchasePrice",
    "accelerator",
    "accelerators",
    "read_accelerator",
]
