"""Measured points as aiconfigurator collects them from InferenceX runs and NVIDIA's own (its CSV, gz or not).

What the columns do not say outright, and how it is read:

- **GPUs.** Rows of InferenceX write `tp_size` as tensor x expert parallel where experts are apart: 64
  with 8 ways of each is 8 GPUs (rows that were entered twice, once as 8, have equal times). A tensor
  group over 16, or one that does not divide the attention heads, is no layout but a sum of prefill and
  decode GPUs: doubted.
- **Concurrency** is in the source column; else it is the batch of one attention group times the groups.
  Where both are there and disagree, the row is doubted.
- **Lengths** of InferenceX runs are drawn evenly from 80 to 100 % of the nominal ones: 90 % on average.
- **Cache.** Not recorded. TensorRT-LLM, and all engines on Blackwell, store it in 8 bits for 8- and 4-bit
  weights, others in 16.
- **Speculation** is not flagged. A row that yields tokens faster than its weights can be read is doubted.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO, cast

from breakeven.errors import InputError
from breakeven.pricing.located_yaml import read_limited
from breakeven.serving.architecture import Architecture, Precision, read_architecture
from breakeven.serving.calibration.point import Point
from breakeven.serving.hardware import Accelerator, read_accelerator
from breakeven.serving.layout import Layout
from breakeven.serving.step_work import decode_work

COLUMNS = frozenset(
    {"model_path", "system", "backend", "mode", "isl", "osl", "batch_size", "tp_size", "silicon_ttft_ms",
     "silicon_tpot_ms", "silicon_data_source", "moe_tp_size", "moe_ep_size", "attention_dp_size", "precision"}
)  # fmt: skip
DRAWN_SHARE = 0.9
"""Mean length of InferenceX requests over the nominal one: drawn evenly between 0.8 and 1."""
_WIDEST_TENSOR = 16
_CONCURRENCY = re.compile(r"silicon_concurrency=(\d+)")
_BATCH_TOLERANCE = 0.01
_NOT_INFERENCEX = "aic-auto-gap-analysis"


def silicon_points(path: Path) -> list[Point]:
    """All aggregated rows of a file. Raises `InputError` for a file without the columns."""
    return [_point(row, where) for row, where in _rows(path) if row["mode"] == "agg"]


@dataclass(frozen=True)
class DecodePoint:
    """Decode workers of a disaggregated deployment: sequences of one worker, mean context, time per token."""

    architecture: Architecture
    accelerator: Accelerator
    layout: Layout
    precision: Precision
    engine: str
    batch: float
    context_tokens: float
    tpot_seconds: float


def decode_points(path: Path) -> list[DecodePoint]:
    """Disaggregated rows that say how many decode workers share the requests; most do not, and are left out.

    No fit uses them. Their TPOT is a decode step alone. Raises `InputError` for a file without the columns.
    """
    return [
        found
        for row, _ in _rows(path)
        if row["mode"] == "disagg" and row.get("decode_num_workers") and (found := _decode_point(row))
    ]


def _decode_point(row: Mapping[str, str]) -> DecodePoint | None:
    """One row; None where it has no concurrency or its layout is a sum."""
    concurrency = _CONCURRENCY.search(row["silicon_data_source"])
    architecture = read_architecture(row["model_path"])
    tensor, data = int(row["decode_tp_size"]), int(row["decode_attention_dp_size"] or 1)
    apart = max(int(row["decode_moe_ep_size"] or 1), 1)
    if concurrency is None or tensor > _WIDEST_TENSOR or architecture.heads % tensor or tensor * data % apart:
        return None
    return DecodePoint(
        architecture, read_accelerator(row["system"]), Layout(tensor, apart, data),
        cast("Precision", row["precision"] or "bf16"), row["backend"],
        max(int(concurrency[1]) / int(row["decode_num_workers"]), 1.0),
        DRAWN_SHARE * (int(row["isl"]) + int(row["osl"]) / 2), float(row["silicon_tpot_ms"]) / 1e3,
    )  # fmt: skip


def is_silicon(columns: list[str]) -> bool:
    """Whether these are the columns of that CSV."""
    return set(columns) >= COLUMNS


def opened(path: Path) -> TextIO:
    """A CSV as text, compressed or not. Raises `OSError` where it cannot be, `InputError` where too large."""
    with path.open("rb") if path.suffix != ".gz" else gzip.open(path) as file:
        return io.StringIO(read_limited(file, str(path)).decode("utf-8-sig"), newline="")


def _rows(path: Path) -> Iterator[tuple[Mapping[str, str], str]]:
    """Rows with their place."""
    with opened(path) as text:
        reader = csv.DictReader(text)
        missing = COLUMNS - set(reader.fieldnames or ())
        if missing:
            raise InputError(
                f"columns are missing: {', '.join(sorted(missing))}",
                where=path.name,
                remedy="give aiconfigurator's CSV of measured points as it is, or the simple format",
            )
        for number, row in enumerate(reader, start=2):
            yield row, f"{path.name}:{number}"


def _point(row: Mapping[str, str], where: str) -> Point:
    """One row."""
    architecture = read_architecture(row["model_path"])
    accelerator = read_accelerator(row["system"])
    source = row["silicon_data_source"]
    own = _NOT_INFERENCEX not in source
    layout, doubt = _layout(row, architecture, is_inferencex=own)
    precision = cast("Precision", row["precision"] or "bf16")
    groups = int(row["attention_dp_size"] or 1)
    batch = int(row["batch_size"]) * groups
    found = _CONCURRENCY.search(source)
    concurrency = int(found[1]) if found else batch if groups > 1 else batch * layout.data
    if found and abs(concurrency / batch - 1) > _BATCH_TOLERANCE:
        doubt = doubt or "concurrency and batch disagree"
    point = Point(
        architecture, accelerator, layout, precision,
        _kv_precision(row["backend"], accelerator, precision), row["backend"],
        float(row["isl"]), float(row["osl"]), float(concurrency),
        float(row["silicon_ttft_ms"]) / 1e3, float(row["silicon_tpot_ms"]) / 1e3,
        where, DRAWN_SHARE if own else 1.0, doubt, "InferenceX" if own else "NVIDIA",
        has_even_lengths=not own,
    )  # fmt: skip
    fast = not doubt and _beats_memory(point)
    return replace(point, doubt="faster than weights can be read") if fast else point


def _layout(row: Mapping[str, str], architecture: Architecture, *, is_inferencex: bool) -> tuple[Layout, str]:
    """The layout meant, and why it cannot be one."""
    tensor, data = int(row["tp_size"]), int(row["attention_dp_size"] or 1)
    split, apart = int(row["moe_tp_size"] or 1), int(row["moe_ep_size"] or 1)
    if not architecture.experts:
        split, apart = 1, 1
    if is_inferencex and split == apart > 1 and tensor * data == split * apart:
        layout = Layout(1, apart, apart) if data > 1 else Layout(apart, apart)
    elif is_inferencex and tensor == data > 1 and apart == tensor * data:
        layout = Layout(tensor, tensor)
    else:
        if architecture.experts and max(split, 1) * max(apart, 1) > tensor * data:
            data = split * apart // tensor
        gpus = tensor * data
        layout = Layout(tensor, apart if apart > 0 and gpus % apart == 0 else 1, data)
    if layout.tensor > _WIDEST_TENSOR or architecture.heads % layout.tensor:
        return layout, "prefill and decode GPUs added up"
    return layout, ""


def _kv_precision(engine: str, accelerator: Accelerator, precision: Precision) -> Precision:
    """How the engine stores the cache where nobody says."""
    eight = engine == "trtllm" or accelerator.generation == "blackwell"
    return "fp8" if eight and precision in ("fp8", "fp4") else "bf16"


def _beats_memory(point: Point) -> bool:
    """Whether it is faster than reading the weights it touches once a token, at the printed bandwidth."""
    work = decode_work(
        point.architecture, point.accelerator, point.layout, point.concurrency, point.input_tokens,
        precision=point.precision, kv_precision=point.kv_precision,
    )  # fmt: skip
    return point.tpot_seconds < float(work.weights_seconds)
