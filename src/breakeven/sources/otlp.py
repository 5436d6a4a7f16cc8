"""Spans of model calls out of OTLP, in protobuf or JSON: what books need of them, and nothing else.

A span becomes one flat record of texts. Only the attributes named in `ATTRIBUTES` are ever looked at:
prompts, answers, tool arguments, events and span names never leave the body they came in.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any, cast

MOST_CHARACTERS = 1000
"""A name or id longer than this is none: the record is kept with its beginning and quarantined."""

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "operation": ("gen_ai.operation.name", "llm.request.type"),
    "kind": ("traceloop.span.kind", "openinference.span.kind"),
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "request_model": ("gen_ai.request.model",),
    "response_model": ("gen_ai.response.model",),
    "input": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "cached_input_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.input_tokens.cached",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.input_tokens.cache_write",
    ),
    "reasoning_tokens": ("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.output_tokens.reasoning"),
    "response_id": ("gen_ai.response.id", "gen_ai.request.id"),
    "user_id": ("enduser.id", "user.id"),
    "response_tier": ("openai.response.service_tier", "gen_ai.openai.response.service_tier"),
    "request_tier": ("openai.request.service_tier", "gen_ai.openai.request.service_tier"),
    "ttft_s": ("gen_ai.response.time_to_first_chunk", "gen_ai.latency.time_to_first_token"),
    "error_type": ("error.type",),
    "service": ("service.name",),
}
"""What a record holds, and under which attribute it stands: the name of today first, older ones behind it."""

_PLACES = {name: (field, rank) for field, names in ATTRIBUTES.items() for rank, name in enumerate(names)}
_PLACES_IN_BYTES = {name.encode(): place for name, place in _PLACES.items()}

_SINGLE_FORMS = frozenset({"stringValue", "intValue", "doubleValue", "boolValue"})

CALLS = frozenset({"chat", "text_completion", "generate_content", "embeddings", "completion", "embedding"})
"""Operations that are one call of a model."""

_KINDS_OF_CALLS = frozenset({"llm", "embedding"})
# What stands around calls. Such spans often repeat the usage of the calls within them.
_AROUND = frozenset({
    "create_agent", "invoke_agent", "invoke_workflow", "execute_tool", "retrieval", "agent", "tool", "task",
    "workflow", "chain", "retriever", "reranker", "guardrail", "evaluator",
})  # fmt: skip

Record = dict[str, str]


class NotSpansError(ValueError):
    """The body is not an export of spans: cut off, malformed, or something else."""


def is_call(record: Mapping[str, str]) -> bool:
    """Whether a span is one call of a model, by itself alone.

    An operation that the conventions name decides. Without one (or with one they do not know) a span is a
    call when it names a model and counts tokens. Agents, workflows and tools are none, whatever they count:
    the calls within them have spans of their own.

    >>> is_call({"operation": "chat"}), is_call({"operation": "invoke_agent", "input": "9"})
    (True, False)
    >>> is_call({"response_model": "kimi-k2", "output_tokens": "7"}), is_call({"service": "shop"})
    (True, False)
    """
    operation, kind = record.get("operation", "").lower(), record.get("kind", "").lower()
    if operation in CALLS:
        return kind not in _AROUND
    if operation in _AROUND or kind in _AROUND:
        return False
    named = "response_model" in record or "request_model" in record
    return named and ("input" in record or "output_tokens" in record or kind in _KINDS_OF_CALLS)


def spans_of_json(document: object) -> Iterator[Record]:
    """The spans of an `ExportTraceServiceRequest` in its JSON form. Raises `NotSpansError`.

    >>> span = {"traceId": "a" * 32, "spanId": "b" * 16, "attributes": [
    ...     {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "12"}}]}
    >>> [record] = spans_of_json({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    >>> record["span_id"], record["input"]
    ('bbbbbbbbbbbbbbbb', '12')
    """
    try:
        for resource_spans in _listed(cast("Any", document).get("resourceSpans")):
            shared: Record = {}
            _take_json(shared, (resource_spans.get("resource") or {}).get("attributes"))
            scopes = resource_spans.get("scopeSpans", resource_spans.get("instrumentationLibrarySpans"))
            for scope_spans in _listed(scopes):
                for span in _listed(scope_spans.get("spans")):
                    yield _span_of_json(span, shared)
    except (AttributeError, TypeError):
        raise NotSpansError("a value stands where an object or a list belongs") from None


def _listed(value: object) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise NotSpansError("a value stands where an object or a list belongs")
    return cast("list[Any]", value)


def _span_of_json(span: Any, shared: Record) -> Record:
    record = dict(shared)
    _name(record, span.get("traceId"), span.get("spanId"))
    _put(record, "start", span.get("startTimeUnixNano"))
    _put(record, "end", span.get("endTimeUnixNano"))
    if (span.get("status") or {}).get("code") in (2, "2", "STATUS_CODE_ERROR"):
        record["failed"] = "true"
    _take_json(record, span.get("attributes"))
    return record


def _take_json(record: Record, attributes: object) -> None:
    ranks: dict[str, int] = {}
    for attribute in _listed(attributes):
        place = _PLACES.get(attribute.get("key"))
        if place is None:
            continue
        field, rank = place
        if rank > ranks.get(field, rank):
            continue
        for form, value in attribute.get("value", {}).items():
            if form in _SINGLE_FORMS:
                ranks[field] = rank
                # What nearly every value is, put without asking further.
                if type(value) is str and len(value) <= MOST_CHARACTERS:
                    record[field] = value
                else:
                    _put(record, field, value)


def _name(record: Record, trace_id: object, span_id: object) -> None:
    """Keep the ids where they are ids; a record without them cannot be booked."""
    for field, value, length in (("trace_id", trace_id, 32), ("span_id", span_id, 16)):
        if isinstance(value, str) and len(value) == length:
            text = value.lower()
            if text.strip("0") and not text.strip("0123456789abcdef"):
                record[field] = text


def _put(record: Record, field: str, value: object) -> None:
    """Keep a single value as text; one that is none, or too long to be a name, marks the record."""
    if value is None or isinstance(value, dict | list):
        return
    text = value if isinstance(value, str) else str(value)
    if len(text) > MOST_CHARACTERS:
        text, record["overlong"] = text[:MOST_CHARACTERS], field
    record[field] = text


def spans_of_protobuf(body: bytes) -> Iterator[Record]:
    """The spans of an `ExportTraceServiceRequest` in protobuf. Raises `NotSpansError`.

    The numbers below are the field numbers of the OTLP messages; whatever is not named is jumped over unread.
    """
    for number, start, end in _parts(body, 0, len(body)):
        if number != 1:
            continue
        resource_spans = list(_parts(body, start, end))
        shared: Record = {}
        for number, start, end in resource_spans:
            if number == 1:
                for inner, first, last in _parts(body, start, end):
                    if inner == 1:
                        _take_protobuf(shared, {}, body, first, last)
        for number, start, end in resource_spans:
            if number == 2:
                for inner, first, last in _parts(body, start, end):
                    if inner == 2:
                        yield _span(body, first, last, shared)


def _span(body: bytes, start: int, end: int, shared: Record) -> Record:
    record = dict(shared)
    ranks: dict[str, int] = {}
    trace_id = span_id = b""
    for number, first, last in _parts(body, start, end):
        if number == 9:
            _take_protobuf(record, ranks, body, first, last)
        elif number == 1:
            trace_id = body[first:last]
        elif number == 2:
            span_id = body[first:last]
        elif number == 7 and last - first == 8:
            record["start"] = str(int.from_bytes(body[first:last], "little"))
        elif number == 8 and last - first == 8:
            record["end"] = str(int.from_bytes(body[first:last], "little"))
        elif number == 15:
            for inner, code, _ in _parts(body, first, last):
                if inner == -3 and code == 2:
                    record["failed"] = "true"
    if len(trace_id) == 16 and any(trace_id):
        record["trace_id"] = trace_id.hex()
    if len(span_id) == 8 and any(span_id):
        record["span_id"] = span_id.hex()
    return record


def _take_protobuf(record: Record, ranks: dict[str, int], body: bytes, start: int, end: int) -> None:
    """Keep one attribute, if its key is one of ours."""
    place, value = None, (0, 0)
    # What nearly every attribute looks like, read without the general reader: a short key, then its value.
    if end - start > 2 and body[start] == 0x0A and body[start + 1] < 128:
        behind = start + 2 + body[start + 1]
        place = _PLACES_IN_BYTES.get(body[start + 2 : behind])
        if place is None:
            return
        if behind + 4 <= end and body[behind] == 0x12 and body[behind + 1] == end - behind - 2 < 128:
            value = behind + 2, end
    if value[1] == 0:
        for number, first, last in _parts(body, start, end):
            if number == 1:
                place = _PLACES_IN_BYTES.get(body[first:last])
            elif number == 2:
                value = first, last
    if place is None:
        return
    field, rank = place
    if rank > ranks.get(field, rank):
        return
    first, last = value
    if last - first > 2 and body[first] == 0x0A and body[first + 1] == last - first - 2 < 128:
        single: object = _text(body[first + 2 : last])
    else:
        single = _single(body, first, last)
    if single is not None:
        _put(record, field, single)
        ranks[field] = rank


def _single(body: bytes, start: int, end: int) -> object:
    """The single value of an `AnyValue`; None for a list, a map or bytes."""
    found: object = None
    for number, first, last in _parts(body, start, end):
        if number == 1:
            found = _text(body[first:last])
        elif number == -2:
            found = bool(first)
        elif number == -3:
            found = first - (1 << 64) if first >> 63 else first
        elif number == 4 and last - first == 8:
            found = struct.unpack_from("<d", body, first)[0]
    return found


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise NotSpansError("a text is not UTF-8") from None


def _parts(body: bytes, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The fields of a message: (number, first byte, byte behind it), or (-number, value, 0) for a varint."""
    try:
        while position < end:
            tag = body[position]
            position += 1
            if tag > 127:
                tag, position = _varint(body, position - 1)
            kind = tag & 7
            if kind == 2:
                length = body[position]
                position += 1
                if length > 127:
                    length, position = _varint(body, position - 1)
                if position + length > end:
                    raise NotSpansError("the body ends early")
                yield tag >> 3, position, position + length
                position += length
            elif kind == 0:
                value = body[position]
                position += 1
                if value > 127:
                    value, position = _varint(body, position - 1)
                yield -(tag >> 3), value, 0
            elif kind in (1, 5):
                width = 8 if kind == 1 else 4
                if position + width > end:
                    raise NotSpansError("the body ends early")
                yield tag >> 3, position, position + width
                position += width
            else:
                raise NotSpansError("not a protobuf message")
    except IndexError:
        raise NotSpansError("the body ends early") from None
    if position > end:
        raise NotSpansError("the body ends early")


def _varint(body: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (1 << 64) - 1, position
        shift += 7
        if shift > 63:
            raise NotSpansError("not a protobuf message")
