"""A connection that does not wait for ever: a head that comes too slowly, or is too large, ends it."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_MOST_HEAD_BYTES = 64 << 10


def protocol(head_s: float) -> type[HttpToolsProtocol]:
    """A protocol for uvicorn in which a request's head must be complete within `head_s` seconds."""

    class Connection(HttpToolsProtocol):
        _timer: asyncio.TimerHandle | None = None
        _head_bytes = 0

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._wait()

        def data_received(self, data: bytes) -> None:
            if self._timer is None and (not self.cycle or self.cycle.response_complete):
                self._wait()  # the next request on a connection that was kept open
            if self._timer is not None:
                self._head_bytes += len(data)
            super().data_received(data)
            if self._timer is not None and self._head_bytes > _MOST_HEAD_BYTES:
                self._end()

        def on_headers_complete(self) -> None:
            self._rest()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._rest()
            super().connection_lost(exc)

        def _wait(self) -> None:
            self._head_bytes = 0
            self._timer = self.loop.call_later(head_s, self._end)

        def _rest(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _end(self) -> None:
            self._rest()
            if self.transport is not None and not self.transport.is_closing():  # pyright: ignore[reportUnnecessaryComparison]
                self.transport.close()

    return Connection
