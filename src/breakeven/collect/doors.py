"""Bodies taken apart at the door: what books need of each event as a line for the spool, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from time import time_ns
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from breakeven.collect.refusal import Refused
from breakeven.sources import cloudevents, json_lines
from breakeven.sources.opentelemetry import flat_line
from breakeven.sources.otlp import NotSpansError, Record, is_call, spans_of_json, spans_of_protobuf

PROTOBUF, JSON = "application/x-protobuf", "application/json"
JSON_LINES = frozenset({"application/x-ndjson", "application/jsonl", "application/json-lines"})
_EVENT, _EVENTS = "application/cloudevents+json", "application/cloudevents-batch+json"
# Stands for a record that is none: it is quarantined in its place, and what it held is not kept.
_NO_OBJECT = '{"unfit":"not a JSON object"}'
_NO_IDS = "spans without a valid trace id and span id"
_encoded = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True)
class Delivery:
    """One body. `lines` are the `accepted` records; `malformed` ones among them will be quarantined.

    `skipped` records are no usage and not kept; `rejected` ones cannot be named and are not kept either.
    """

    lines: bytes
    accepted: int
    skipped: int = 0
    malformed: int = 0
    rejected: int = 0
    why: str = ""

    @property
    def events(self) -> int:
        """All events of the body."""
        return self.accepted + self.skipped + self.rejected


def open_spans(body: bytes, content_type: str, most: int) -> Delivery:
    """An `ExportTraceServiceRequest` in protobuf or JSON."""
    if content_type == PROTOBUF:
        return _spans(spans_of_protobuf(body), most)
    if content_type == JSON:
        return _spans(spans_of_json(_document(body)), most)
    raise Refused(415, "content_type", f"send {PROTOBUF} or {JSON}")


def _spans(records: Iterator[Record], most: int) -> Delivery:
    lines: list[str] = []
    skipped = rejected = 0
    try:
        for record in records:
            if not is_call(record):
                skipped += 1
            elif "trace_id" in record and "span_id" in record:
                lines.append(flat_line(record))
            else:
                rejected += 1
            _bounded(len(lines) + skipped + rejected, most)
    except NotSpansError as error:
        raise Refused(400, "malformed", f"not an export of spans: {error}") from None
    return Delivery(
        _joined(lines), len(lines), skipped, 0, rejected, f"{rejected} {_NO_IDS}" if rejected else ""
    )


def open_events(body: bytes, content_type: str, headers: Mapping[bytes, bytes], most: int) -> Delivery:
    """CloudEvents: one, a batch, JSON lines, or one whose attributes are HTTP headers (binary mode)."""
    events: Iterable[object]
    if b"ce-id" in headers or b"ce-specversion" in headers:
        if content_type != JSON and not content_type.endswith("+json"):
            raise Refused(415, "content_type", f"send data of a binary event as {JSON}")
        events = [_binary(headers, _document(body) if body else None)]
    elif content_type in (_EVENT, _EVENTS, JSON):
        document = _document(body)
        events = cast("list[object]", document) if isinstance(document, list) else [document]
    elif content_type in JSON_LINES:
        events = _lines(body, most)
    else:
        raise Refused(415, "content_type", f"send {_EVENT}, {_EVENTS} or application/x-ndjson")
    lines: list[str] = []
    malformed = skipped = 0
    arrived = str(time_ns() // 1000)
    for event in events:
        _bounded(len(lines) + skipped + 1, most)
        kept = cloudevents.kept(event)
        if kept is None or "unfit" in kept:
            malformed += 1
        elif cloudevents.tells_nothing(kept):
            skipped += 1
            continue
        if kept is not None and "time" not in kept:
            kept["arrived_us"] = arrived
        lines.append(_NO_OBJECT if kept is None else _encoded(kept))
    return Delivery(_joined(lines), len(lines), skipped, malformed)


def _binary(headers: Mapping[bytes, bytes], data: object) -> dict[str, Any]:
    event: dict[str, Any] = {"data": data}
    for name in cloudevents.ENVELOPE:
        value = headers.get(b"ce-" + name.encode())
        if value is not None:
            event[name] = unquote_to_bytes(value).decode("utf-8", "backslashreplace")
    return event


def open_rows(body: bytes, content_type: str, table: str, most: int) -> Delivery:
    """Rows of a ledger table: JSON lines with its columns, or a JSON array of such objects."""
    if content_type in JSON_LINES:
        rows: Iterable[object] = _lines(body, most)
    elif content_type == JSON:
        document = _document(body)
        rows = cast("list[object]", document) if isinstance(document, list) else [document]
    else:
        raise Refused(415, "content_type", "send application/x-ndjson")
    names = json_lines.columns_of(table)
    lines: list[str] = []
    malformed = 0
    for row in rows:
        _bounded(len(lines) + 1, most)
        kept = json_lines.kept(row, names)
        malformed += kept is None or "unfit" in kept
        lines.append(_NO_OBJECT if kept is None else _encoded(kept))
    return Delivery(_joined(lines), len(lines), 0, malformed)


def _joined(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _document(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise Refused(400, "malformed", "the body is not UTF-8") from None
    except (ValueError, RecursionError):
        raise Refused(400, "malformed", "the body is not JSON that can be read") from None


def _lines(body: bytes, most: int) -> Iterator[object]:
    """Each line's value; None for a line that is not JSON, which then takes its place as no object."""
    _bounded(body.count(b"\n"), most + 1)
    for line in body.split(b"\n"):
        if line.strip():
            try:
                yield json.loads(line.decode("utf-8"))
            except (ValueError, RecursionError):
                yield None


def _bounded(events: int, most: int) -> None:
    if events > most:
        raise Refused(
            413, "too_many_events", f"more than {most:,} events in one request: send smaller batches"
        )
