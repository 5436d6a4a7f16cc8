"""Answers as each protocol wants them: OTLP in the form of its request, JSON for the others."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from breakeven.collect.doors import JSON, PROTOBUF, Delivery
from breakeven.collect.refusal import Refused

_GRPC_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 408: 4, 413: 8, 415: 3, 429: 8, 503: 14}


@dataclass(frozen=True)
class Answer:
    """Status, body and headers of a response."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict[str, str])


def spans_taken(delivery: Delivery, content_type: str) -> Answer:
    """An `ExportTraceServiceResponse`, with a partial success when spans were rejected."""
    if content_type == PROTOBUF:
        partial = b""
        if delivery.rejected:
            why = delivery.why.encode()
            partial = _bytes(1, b"\x08" + _varint(delivery.rejected) + _bytes(2, why))
        return Answer(200, partial, PROTOBUF)
    said = {"rejectedSpans": str(delivery.rejected), "errorMessage": delivery.why}
    return Answer(200, _json({"partialSuccess": said} if delivery.rejected else {}))


def events_taken(delivery: Delivery) -> Answer:
    """No content, as metering systems answer; with malformed events, how many there were."""
    return rows_taken(delivery) if delivery.malformed else Answer(204)


def rows_taken(delivery: Delivery) -> Answer:
    """How many records are on disk, and how many of them will end in quarantine."""
    counts = {"accepted": delivery.accepted, "malformed": delivery.malformed, "skipped": delivery.skipped}
    return Answer(200, _json(counts))


def refused(refusal: Refused, content_type: str) -> Answer:
    """An error: a protobuf `Status` for who sent protobuf, JSON with the same words for others."""
    code = _GRPC_CODES.get(refusal.status, 13)
    headers = {"connection": "close"} if refusal.status in (400, 401, 403, 408, 413, 415) else {}
    if refusal.retry_after_s is not None:
        headers["retry-after"] = str(refusal.retry_after_s)
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    if content_type == PROTOBUF:
        status = b"\x08" + _varint(code) + _bytes(2, refusal.text.encode())
        return Answer(refusal.status, status, PROTOBUF, headers)
    return Answer(refusal.status, _json({"code": code, "message": refusal.text}), JSON, headers)


def text(status: int, words: str, content_type: str = "text/plain; charset=utf-8") -> Answer:
    """Plain words."""
    return Answer(status, words.encode(), content_type)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _bytes(number: int, value: bytes) -> bytes:
    """A field of a protobuf message that holds bytes, a text or a message."""
    return bytes([number << 3 | 2]) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    r"""A whole number as protobuf writes it.

    >>> _varint(300)
    b'\xac\x02'
    """
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)
