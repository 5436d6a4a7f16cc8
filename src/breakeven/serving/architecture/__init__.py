"""Models: what their weights and caches weigh, and how much arithmetic a token takes."""

from breakeven.serving.architecture.hugging_face import from_hugging_face
from breakeven.serving.architecture.model import Architecture, Layer
from breakeven.serving.architecture.precision import (
    PRECISIONS,
    Precision,
    bytes_per_element,
    kv_bytes_per_element,
)
from breakeven.serving.architecture.shipped import architecture, architectures, read_architecture

__all__ = [
    "PRECISIONS",
    "Architecture",
    "Layer",
    "Precision",
    "architecture",
    "architectures",
    "bytes_per_element",
    "from_hugging_face",
    "kv_bytes_per_element",
    "read_architecture",
]
