"""A user's own measurements: one row a benchmark run, in a CSV of a few plain columns.

model,gpu,gpus,precision,engine,input_tokens,output_tokens,concurrency,ttft_ms,tpot_ms
llama-3.1-70b,h100,2,fp8,vllm,1024,1024,64,415,28.8

`layout` may stand in place of `gpus` (TP8, DP8 EP8). `kv_precision` may be added; without it the cache is
what `serving cost` assumes, bf16. So may `output_tokens_per_second_per_gpu`, which must then agree with the
times.
aiconfigurator's CSV is also taken, as it is, with its own assumption about the cache.
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from breakeven.errors import BreakevenError, InputError
from breakeven.serving.architecture import PRECISIONS, Precision, read_architecture
from breakeven.serving.calibration.point import Point
from breakeven.serving.calibration.silicon_points import is_silicon, opened, silicon_points
from breakeven.serving.hardware import read_accelerator
from breakeven.serving.layout import Layout
from breakeven.serving.memory import most_sequences, refuse_misfit
from breakeven.serving.serve import deployment_of
from breakeven.serving.step_work import decode_work

COLUMNS = (
    "model", "gpu", "precision", "engine", "input_tokens", "output_tokens", "concurrency",
    "ttft_ms", "tpot_ms",
)  # fmt: skip
ENGINES = ("vllm", "sglang", "trtllm")
_MOST_TPOT_MS = 5_000.0
_LEAST_MS = 0.01
_MOST = {"gpus": 4_096, "input_tokens": 1e9, "output_tokens": 1e9, "concurrency": 1e6, "ttft_ms": 3.6e6}
"""Beyond these a row is in another unit; the tightest checks know the model and come after."""
_THROUGHPUT_TOLERANCE = 0.35


def read_points(path: Path) -> list[Point]:
    """The points of a file of either format; doubtful rows of aiconfigurator's carry their doubt.

    Raises `InputError` for missing columns, unknown models and GPUs, times in another unit, throughput that
    contradicts the times, and requests that the GPUs cannot hold.
    """
    try:
        with opened(path) as text:
            reader = csv.DictReader(text)
            columns = list(reader.fieldnames or ())
            rows = [] if is_silicon(columns) else list(reader)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise InputError("the points cannot be read", where=str(path), cause=str(error)) from error
    if is_silicon(columns):
        return silicon_points(path)
    missing = [name for name in COLUMNS if name not in columns]
    if "gpus" not in columns and "layout" not in columns:
        missing.append("gpus/layout")
    if missing:
        raise InputError(
            f"columns are missing: {', '.join(missing)}",
            where=path.name,
            remedy=f"the first line names {', '.join(COLUMNS)} and gpus/layout; kv_precision may be added",
        )
    if not rows:
        raise InputError("there are no points", where=path.name, remedy="give three or more measured points")
    return [_point(row, f"{path.name}:{number}") for number, row in enumerate(rows, start=2)]


def _point(row: Mapping[str, str | None], where: str) -> Point:
    """One row, checked."""
    try:
        architecture = read_architecture(_text(row, "model", where))
        accelerator = read_accelerator(_text(row, "gpu", where))
        layout = Layout.parse(str(row["layout"])) if row.get("layout") else Layout(tensor=_gpus(row, where))
    except BreakevenError as error:
        raise InputError(
            error.what, where=error.where or where, cause=error.cause, remedy=error.remedy
        ) from error
    engine = (row.get("engine") or "").strip().lower().replace("tensorrt-llm", "trtllm").replace("-", "")
    if engine not in ("", *ENGINES):
        raise InputError(
            f"there is no serving engine {engine!r}",
            where=where,
            remedy="write vllm, sglang, trtllm, or nothing",
        )
    # What a row leaves out is what an answer assumes, so that points made by the model change nothing.
    assumed = deployment_of(
        architecture,
        accelerator,
        precision=_precision(row, "precision", where),
        kv_precision=_precision(row, "kv_precision", where),
    )
    point = Point(
        architecture, accelerator, layout, assumed.precision, assumed.kv_precision, engine,
        _number(row, "input_tokens", where), _number(row, "output_tokens", where),
        _number(row, "concurrency", where),
        _number(row, "ttft_ms", where) / 1e3, _number(row, "tpot_ms", where) / 1e3, where,
    )  # fmt: skip
    _refuse_units(point, where)
    _refuse_no_room(point, where)
    stated = (row.get("output_tokens_per_second_per_gpu") or "").strip()
    if stated:
        _refuse_contradiction(point, _number(row, "output_tokens_per_second_per_gpu", where), where)
    return replace(point, origin="own")


def _text(row: Mapping[str, str | None], name: str, where: str) -> str:
    found = (row.get(name) or "").strip()
    if not found:
        raise InputError(f"{name} is empty", where=where, remedy="every point names its model and GPU")
    return found


def _number(row: Mapping[str, str | None], name: str, where: str) -> float:
    text = (row.get(name) or "").strip()
    try:
        value = float(text.replace(",", ""))
    except ValueError:
        value = float("nan")
    if not (np.isfinite(value) and value > 0):
        raise InputError(f"{name} cannot be {text!r}", where=where, remedy="write a number above zero")
    if value > _MOST.get(name, np.inf):
        raise InputError(
            f"{name} is {text!r}, more than any benchmark has",
            where=where,
            cause="another unit, or a cell of another column",
            remedy=f"write at most {_MOST[name]:,.0f}",
        )
    if value < _LEAST_MS and name == "ttft_ms":
        raise InputError(
            f"{name} is {text!r}, less than any benchmark has",
            where=where,
            cause="seconds in place of milliseconds",
            remedy="give times in milliseconds",
        )
    return value


def _gpus(row: Mapping[str, str | None], where: str) -> int:
    value = _number(row, "gpus", where)
    if value != int(value):
        raise InputError(
            f"gpus is {value:g}", where=where, remedy="write the whole number of GPUs of a replica"
        )
    return int(value)


def _precision(row: Mapping[str, str | None], name: str, where: str) -> Precision | None:
    text = (row.get(name) or "").strip().lower()
    if text and text not in PRECISIONS:
        raise InputError(
            f"there is no precision {text!r}", where=where, remedy=f"use one of {', '.join(PRECISIONS)}"
        )
    return text or None


def _refuse_units(point: Point, where: str) -> None:
    """Times in seconds or microseconds instead of milliseconds."""
    work = decode_work(
        point.architecture, point.accelerator, point.layout, point.concurrency, point.input_tokens,
        precision=point.precision, kv_precision=point.kv_precision,
    )  # fmt: skip
    least_ms = float(work.weights_seconds) * 1e3
    tpot_ms = point.tpot_seconds * 1e3
    if tpot_ms < least_ms / 3:
        raise InputError(
            f"tpot_ms is {tpot_ms:g}, but reading the weights alone takes {least_ms:.2g} ms",
            where=where,
            cause="seconds in place of milliseconds, fewer GPUs than there were, or speculative decoding",
            remedy="give times in milliseconds and all GPUs of the replica",
        )
    if tpot_ms > _MOST_TPOT_MS:
        raise InputError(
            f"tpot_ms is {tpot_ms:g}",
            where=where,
            cause="microseconds, or the time of a whole answer",
            remedy="give the mean time between two tokens in milliseconds",
        )
    if point.input_tokens < 1 or point.concurrency < 1 or point.output_tokens <= 1:
        raise InputError(
            "input_tokens, output_tokens or concurrency is too small",
            where=where,
            cause="thousands or millions of tokens in place of tokens",
            remedy="give tokens of one request, and two or more of output",
        )


def _refuse_no_room(point: Point, where: str) -> None:
    """Weights or one request that the GPUs cannot hold."""
    try:
        refuse_misfit(point.architecture, point.accelerator, point.layout, point.precision)
    except BreakevenError as error:
        raise InputError(error.what, where=where, remedy=error.remedy) from error
    longest = point.input_tokens + point.output_tokens
    room = float(
        most_sequences(
            point.architecture, point.accelerator, point.layout, longest,
            precision=point.precision, kv_precision=point.kv_precision,
        )
    )  # fmt: skip
    if room < 1:
        raise InputError(
            f"the cache of one request of {longest:,.0f} tokens does not fit",
            where=where,
            cause="tokens counted per thousand or per million, or fewer GPUs than there were",
            remedy="check input_tokens and gpus",
        )


def _refuse_contradiction(point: Point, stated: float, where: str) -> None:
    """Throughput that the times cannot give: another unit, or per replica in place of per GPU."""
    own = point.output_tokens_per_second_per_gpu
    if abs(np.log(stated / own)) > _THROUGHPUT_TOLERANCE:
        raise InputError(
            f"{stated:,.0f} output tokens per second and GPU do not follow from times that give {own:,.0f}",
            where=where,
            cause="tokens per thousand or million, all GPUs together, or times in another unit",
            remedy="give what one GPU answers: "
            "concurrency x output_tokens / (ttft + tpot x (output_tokens - 1)) / gpus",
        )
