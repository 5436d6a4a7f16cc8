"""The body of a request, within limits of size and time, unpacked without believing what it claims."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from breakeven.collect.limits import Limits
from breakeven.collect.refusal import Refused

Receive = Callable[[], Awaitable[Any]]
_GZIP = 31  # zlib's window bits for gzip with its header and checksum
_MOST_MEMBERS = 16


class Memory:
    """Bytes of bodies that are being read at one time, by all requests together."""

    def __init__(self) -> None:
        self.held_bytes = 0


async def read_body(
    receive: Receive, headers: Mapping[bytes, bytes], limits: Limits, memory: Memory
) -> bytes:
    """Read and unpack a body. Raises `Refused`."""
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in (b"identity", b"gzip"):
        raise Refused(415, "encoding", "send the body as it is, or gzip")
    said = headers.get(b"content-length", b"")
    if said.isdigit() and int(said) > limits.body_bytes:
        raise _too_large(limits)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.body_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(400, "disconnected", "the sender went away")
                part = message.get("body", b"")
                size += len(part)
                memory.held_bytes += len(part)
                if size > limits.body_bytes:
                    raise _too_large(limits)
                if memory.held_bytes > limits.held_bytes:
                    raise Refused(503, "memory", "too many requests at one time", 1)
                parts.append(part)
                if not message.get("more_body"):
                    break
    except TimeoutError:
        raise Refused(408, "slow", f"the body took more than {limits.body_s:g} seconds") from None
    finally:
        memory.held_bytes -= size
    body = b"".join(parts)
    return _unpacked(body, limits.unpacked_bytes) if encoding == b"gzip" else body


def _unpacked(body: bytes, most: int) -> bytes:
    """Gzip, of one member or several; never more than `most` bytes come into being."""
    parts: list[bytes] = []
    left = most
    try:
        while body:
            if len(parts) == _MOST_MEMBERS:
                raise Refused(400, "malformed", "the gzip body has too many members")
            member = zlib.decompressobj(_GZIP)
            part = member.decompress(body, left + 1)
            left -= len(part)
            if left < 0:
                raise Refused(413, "too_large", f"more than {most:,} bytes unpacked: send smaller batches")
            if not member.eof:
                raise Refused(400, "malformed", "the gzip body ends early")
            parts.append(part)
            body = member.unused_data
    except zlib.error:
        raise Refused(400, "malformed", "the body is not gzip") from None
    return b"".join(parts)


def _too_large(limits: Limits) -> Refused:
    return Refused(413, "too_large", f"more than {limits.body_bytes:,} bytes: send smaller batches")
