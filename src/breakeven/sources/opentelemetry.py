"""OpenTelemetry: spans of model calls under the GenAI conventions, old attribute names and new.

One span is one request, named by its trace and span. Spans that called no model are skipped and counted:
HTTP calls beneath, and agents, workflows and tools above, which often repeat the usage of the calls they
contain. Each span is judged by itself, so that it is the same however an export was cut.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from breakeven.errors import InputError
from breakeven.ledger.layout import Check, Field, Layout, Prepared, Value
from breakeven.ledger.text_files import compression_of, unpack
from breakeven.sources.otlp import (
    ATTRIBUTES,
    MOST_CHARACTERS,
    NotSpansError,
    Record,
    is_call,
    spans_of_json,
    spans_of_protobuf,
)
from breakeven.sources.providers import provider_sql
from breakeven.sources.registry import Source, Words
from breakeven.sources.text_lines import text_lines
from breakeven.sources.token_options import INCLUSIVE, PRODUCT, PROVIDER, constant, input_column, product

_LARGEST_DOCUMENT_BYTES = 1 << 30
_encoded = json.JSONEncoder(separators=(",", ":")).encode

# A call that failed and counts nothing used nothing that a provider bills.
_FAILED = "({failed} IS NOT NULL OR {error_type} IS NOT NULL)"
_LATENCY = "(TRY_CAST({end} AS HUGEINT) - TRY_CAST({start} AS HUGEINT)) // 1000000"

TOO_LONG = Check(
    "{overlong} IS NOT NULL",
    "model",
    f"a name or id of more than {MOST_CHARACTERS:,} characters",
    "send names and ids only; text of prompts and answers is never taken",
)


def layouts(options: Mapping[str, str]) -> tuple[Layout, ...]:
    """How a flattened span becomes a row of `usage`."""
    names = ("trace_id", "span_id", "start", "end", "failed", *ATTRIBUTES, "overlong", "skipped")
    columns = {
        "at": Value("{start}", unit="ns"),
        "user_id": Value("{user_id}"),
        "product": Value(product(options)),
        "feature": Value("CASE WHEN NOT starts_with({service}, 'unknown_service') THEN {service} END"),
        "provider": Value(f"coalesce({provider_sql('{provider}')}, {constant(options, 'provider')})"),
        "model": Value("coalesce({response_model}, {request_model})"),
        "service_tier": Value("coalesce({response_tier}, nullif({request_tier}, 'auto'))"),
        input_column(options): Value(f"coalesce({{input}}, CASE WHEN {_FAILED} THEN '0' END)"),
        "cached_input_tokens": Value("{cached_input_tokens}"),
        "cache_write_tokens": Value("{cache_write_tokens}"),
        "output_tokens": Value(
            f"coalesce({{output_tokens}}, CASE WHEN {_FAILED} OR starts_with({{operation}}, 'embedding') "
            "THEN '0' END)"
        ),
        "reasoning_tokens": Value("{reasoning_tokens}"),
        "status": Value(f"coalesce({{error_type}}, CASE WHEN {_FAILED} THEN 'error' ELSE 'ok' END)"),
        # A clock that was set back during the call gives no latency.
        "latency_ms": Value(f"CASE WHEN {_LATENCY} >= 0 THEN CAST({_LATENCY} AS VARCHAR) END"),
        "ttft_ms": Value("CAST(CAST(round(TRY_CAST({ttft_s} AS DOUBLE) * 1000) AS BIGINT) AS VARCHAR)"),
        "response_id": Value("{response_id}"),
    }
    return (
        Layout(
            "usage",
            tuple(Field(name, (name,), required=name == "trace_id") for name in names),
            columns,
            "{trace_id} || ':' || {span_id}",
            skip="{skipped} IS NOT NULL",
            skipped_as="spans that called no model",
            checks=(TOO_LONG,),
            prepare=flattened,
            title="an OpenTelemetry export of spans",
        ),
    )


def flat_line(record: Record) -> str:
    """A span as a line for the layout; of one that called no model, only which it was.

    >>> flat_line({"trace_id": "a1", "span_id": "b2", "service": "shop"})
    '{"trace_id":"a1","span_id":"b2","skipped":"true"}'
    """
    if not is_call(record):
        record = {name: record[name] for name in ("trace_id", "span_id") if name in record}
        record["skipped"] = "true"
    return _encoded(record)


def flattened(original: Path, folder: Path) -> Prepared:
    """Write every span of an export as one line: JSON lines, one JSON document, or protobuf.

    Raises `InputError` when the file is cut off or holds no export of spans.
    """
    path = unpack(original, folder / "unpacked") if compression_of(original) else original
    target = folder / "spans.jsonl"
    with path.open("rb") as handle:
        beginning = handle.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    count = 0
    with target.open("w", encoding="utf-8") as out:
        for line in _json_spans(path) if beginning in (b"{", b"[") else _protobuf_spans(path):
            out.write(line + "\n")
            count += 1
    if not count:
        raise InputError(
            "the file holds no spans", where=str(original), remedy="check the export that wrote it"
        )
    return Prepared(target)


def _json_spans(path: Path) -> Iterator[str]:
    """A line for each span of JSON text; of a line that is no JSON object, a line that is none either."""
    known = False
    for number, line in enumerate(text_lines(path), 1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            if number == 1:
                yield from _whole_document(path)
                return
            yield '"a line that is not JSON"'
            continue
        try:
            known = known or _is_export(document)
            yield from (flat_line(record) for each in _documents(document) for record in spans_of_json(each))
        except NotSpansError:
            yield '"a line that is no export of spans"'
    if not known:
        raise _other_format(path)


def _whole_document(path: Path) -> Iterator[str]:
    if path.stat().st_size > _LARGEST_DOCUMENT_BYTES:
        raise InputError(
            "one JSON document of more than 1 GiB",
            where=str(path),
            remedy="export JSON lines: one request per line",
        )
    try:
        document = json.loads(path.read_bytes().decode("utf-8-sig"))
        if not _is_export(document):
            raise _other_format(path)
        for each in _documents(document):
            yield from map(flat_line, spans_of_json(each))
    except NotSpansError as error:
        raise _other_format(path, str(error)) from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            "not valid JSON; nothing was imported",
            where=str(path),
            cause=str(error)[:200],
            remedy="it may be cut off: fetch or export it again",
        ) from error


def _documents(document: object) -> list[object]:
    return document if isinstance(document, list) else [document]  # pyright: ignore[reportUnknownVariableType]


def _is_export(document: object) -> bool:
    return any(isinstance(each, dict) and "resourceSpans" in each for each in _documents(document))


def _protobuf_spans(path: Path) -> Iterator[str]:
    """A line for each span of one protobuf body, or of several with their lengths before them."""
    content = path.read_bytes()
    try:
        bodies = list(_with_lengths(content)) or [content]
        for body in bodies:
            yield from map(flat_line, spans_of_protobuf(body))
    except NotSpansError as error:
        raise _other_format(path, str(error)) from error


def _with_lengths(content: bytes) -> Iterator[bytes]:
    """The messages of a file in which each stands behind its length, in four bytes; none of another file."""
    if content[:1] != b"\0":
        return  # a bare body begins with the tag of its first field
    position = 0
    while position < len(content):
        length = int.from_bytes(content[position : position + 4], "big")
        position += 4
        if position + length > len(content):
            raise NotSpansError("the body ends early")
        yield content[position : position + length]
        position += length


def _other_format(path: Path, cause: str = "") -> InputError:
    return InputError(
        "not an OpenTelemetry export of spans",
        where=str(path),
        cause=cause,
        remedy="export traces as OTLP, in JSON or protobuf; it may be cut off: export it again",
    )


SOURCE = Source(
    name="opentelemetry",
    label=Words("OpenTelemetry GenAI spans (OTLP)", "OpenTelemetry GenAI 跨度（OTLP）"),
    tables=("usage",),
    input_includes_cached=True,
    layouts=layouts,
    notes=Words(
        "Input counts include cached tokens, output counts include reasoning, as the conventions say. The "
        "model is the one that answered. Agents, workflows and tools are skipped: they repeat what is within "
        "them. A failed call without counts is booked with none; any other call without counts is "
        "quarantined.",
        "按约定，输入计数含缓存词元，输出计数含推理词元。模型取实际应答者。智能体、工作流与工具跨度跳过："
        "它们重复其中调用的用量。失败且无计数的调用按零词元入账；其他无计数的调用进入隔离区。",
    ),
    covers=Words(
        "Model requests of instrumented services: tokens, cache, model, user, latency.",
        "已接入服务的模型请求：词元、缓存、模型、用户、时延。",
    ),
    origin="https://opentelemetry.io/docs/specs/semconv/gen-ai/",
    options=(PROVIDER, PRODUCT, INCLUSIVE),
)
