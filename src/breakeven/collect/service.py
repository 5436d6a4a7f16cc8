"""The service as an ASGI application: who may send, whether there is room, and when to say yes.

A yes goes out after the records are on disk. Everything else is a no with a reason, and `Retry-After` where
the same request may succeed later.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from breakeven.collect import answers
from breakeven.collect.answers import Answer
from breakeven.collect.bodies import Memory, read_body
from breakeven.collect.booking import ROWS
from breakeven.collect.committer import Committer
from breakeven.collect.doors import Delivery, open_events, open_rows, open_spans
from breakeven.collect.limits import Allowance, Limits
from breakeven.collect.metrics import Metrics
from breakeven.collect.refusal import Refused
from breakeven.collect.spool import Stream, Waiting, free_bytes, waiting_in
from breakeven.collect.tokens import Sender, Senders
from breakeven.ledger.tables import TABLES

Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = Mapping[bytes, bytes]

_ASIDE_BYTES = 1 << 20
"""A body above it is taken apart beside the event loop, so that others need not wait for it."""

_LOCAL_NAMES = frozenset({b"localhost", b"127.0.0.1", b"[::1]", b""})
_EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


class Service:
    """Takes events for one set of books. `look` must be called now and then: it measures room and lag."""

    def __init__(self, books: Path, committer: Committer, senders: Senders, limits: Limits) -> None:
        self.metrics = Metrics()
        self.stopping = False
        self._books, self._committer, self._senders, self._limits = books, committer, senders, limits
        self._memory = Memory()
        self._aside = asyncio.Semaphore(1)
        self._allowances: dict[str, Allowance] = {}
        self.look()

    def look(self) -> Waiting:
        """Measure what waits and how much room there is."""
        self.waiting = waiting_in(self._books)
        self._free_bytes = free_bytes(self._books)
        return self.waiting

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        content_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
        method, path = scope["method"], scope["path"]
        endpoint = _endpoint(path)
        try:
            answer = await self._answer(method, path, endpoint, headers, content_type, receive)
        except Refused as refusal:
            self.metrics.add("rejected_requests_total", reason=refusal.reason)
            answer = answers.refused(refusal, content_type)
        except Exception as error:  # a defect of ours: the sender is told, and the service goes on
            print(f"! a defect: {type(error).__name__}", file=sys.stderr, flush=True)
            self.metrics.add("rejected_requests_total", reason="defect")
            answer = answers.refused(
                Refused(500, "defect", "a defect in Breakeven; nothing was kept"), content_type
            )
        self.metrics.add("requests_total", endpoint=endpoint, code=str(answer.status))
        await _send(send, answer)

    async def _answer(
        self, method: str, path: str, endpoint: str, headers: Headers, content_type: str, receive: Any
    ) -> Answer:
        if endpoint == "unknown":
            raise Refused(404, "path", "nothing is here; see `breakeven collect --help`")
        if method != ("POST" if endpoint in _TAKING else "GET"):
            raise Refused(405, "method", "POST events, GET /metrics, /healthz and /readyz")
        if endpoint == "healthz":
            return answers.text(200, "ok\n")
        if endpoint == "readyz":
            lack = self._lack_of_room()
            return answers.text(503 if lack else 200, f"{lack.text}\n" if lack else "ready\n")
        sender = self._sender(headers)
        if endpoint == "metrics":
            return answers.text(200, self.metrics.text(self._now()), _EXPOSITION)
        return await self._take(path, endpoint, headers, content_type, receive, sender)

    def _sender(self, headers: Headers) -> Sender:
        if not self._senders:
            # A page in somebody's browser can reach a loopback port under a name of its own.
            host = headers.get(b"host", b"")
            if (host.rpartition(b":")[0] if host.rpartition(b":")[2].isdigit() else host) not in _LOCAL_NAMES:
                raise Refused(403, "host", "this service answers on loopback names only")
        sender = self._senders.find(headers.get(b"authorization", b""))
        if sender is None:
            raise Refused(401, "token", "a known bearer token is needed")
        return sender

    async def _take(
        self, path: str, endpoint: str, headers: Headers, content_type: str, receive: Any, sender: Sender
    ) -> Answer:
        kind = path.rpartition("/")[2]
        if endpoint == "rows" and kind not in TABLES:
            raise Refused(404, "table", f"there is no table {kind[:40]!r}; use {', '.join(TABLES)}")
        allowance = self._allowances.setdefault(sender.name, Allowance(self._limits.events_per_s))
        if wait_s := allowance.wait_s():
            raise Refused(429, "rate", "too many events from this sender", wait_s)
        if lack := self._lack_of_room():
            raise lack
        body = await read_body(receive, headers, self._limits, self._memory)
        if len(body) > _ASIDE_BYTES:
            async with self._aside:
                delivery = await asyncio.to_thread(self._opened, endpoint, kind, body, content_type, headers)
        else:
            delivery = self._opened(endpoint, kind, body, content_type, headers)
        if delivery.lines:
            stream = _stream(endpoint, kind, sender)
            try:
                await self._committer.commit(stream, delivery.lines)
            except OSError as error:
                why = error.strerror or "the disk refused"
                raise Refused(503, "disk", f"not written: {why}; send it again later", 10) from None
        allowance.take(delivery.events)
        self._count(endpoint, sender, body, delivery)
        if endpoint == "traces":
            return answers.spans_taken(delivery, content_type)
        return answers.events_taken(delivery) if endpoint == "events" else answers.rows_taken(delivery)

    def _opened(self, endpoint: str, kind: str, body: bytes, content_type: str, headers: Headers) -> Delivery:
        most = self._limits.events
        if endpoint == "traces":
            return open_spans(body, content_type, most)
        if endpoint == "events":
            return open_events(body, content_type, headers, most)
        return open_rows(body, content_type, kind, most)

    def _lack_of_room(self) -> Refused | None:
        if self.stopping:
            return Refused(503, "stopping", "the service is stopping", 5)
        if self.waiting.size_bytes > self._limits.waiting_bytes:
            return Refused(503, "spool_full", "the books have not caught up with what was sent", 10)
        if self._free_bytes < self._limits.keep_free_bytes:
            return Refused(503, "disk_full", "the disk of the books is full", 30)
        return None

    def _count(self, endpoint: str, sender: Sender, body: bytes, delivery: Delivery) -> None:
        labels = {"endpoint": endpoint, "sender": sender.name}
        for name, count in (
            ("accepted_events_total", delivery.accepted),
            ("malformed_events_total", delivery.malformed),
            ("skipped_events_total", delivery.skipped),
            ("rejected_events_total", delivery.rejected),
            ("received_bytes_total", len(body)),
        ):
            if count:
                self.metrics.add(name, count, **labels)

    def _now(self) -> dict[str, float]:
        waiting = self.look()
        return {
            "commits_total": self._committer.commits,
            "commit_seconds_total": self._committer.commit_s,
            "queue_requests": self._committer.queue,
            "held_bytes": self._memory.held_bytes,
            "spool_bytes": waiting.size_bytes,
            "spool_segments": len(waiting.closed),
            "spool_lag_seconds": waiting.lag_s,
            "disk_free_bytes": self._free_bytes,
            "ready": 0 if self._lack_of_room() else 1,
        }


_TAKING = frozenset({"traces", "events", "rows"})
_PATHS = {
    "/v1/traces": "traces",
    "/api/v1/events": "events",
    "/metrics": "metrics",
    "/healthz": "healthz",
    "/readyz": "readyz",
}
_KINDS = {"traces": "opentelemetry", "events": "cloudevents"}


def _endpoint(path: str) -> str:
    """A word for a path, the same for all rows, so that metrics stay few."""
    if path.startswith("/v1/rows/"):
        return "rows"
    return _PATHS.get(path, "unknown")


def _stream(endpoint: str, kind: str, sender: Sender) -> Stream:
    kind = _KINDS.get(endpoint, f"{ROWS}{kind}")
    return Stream(kind, sender.source or _KINDS.get(endpoint, "collect"))


async def _send(send: Send, answer: Answer) -> None:
    headers: list[tuple[bytes, bytes]] = []
    if answer.status != 204:
        headers.append((b"content-type", answer.content_type.encode()))
        headers.append((b"content-length", str(len(answer.body)).encode()))
    headers += [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
