"""Group commit: one thread writes what many requests brought meanwhile, and syncs once for all of them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass

from breakeven.collect.spool import Spool, Stream

_LOOK_S = 0.5
"""How often open segments are looked at for their age while nothing comes in."""


@dataclass
class _Delivery:
    stream: Stream
    lines: bytes
    done: asyncio.Future[None]


class Committer:
    """Hands records to the spool; `commit` returns when they are on disk."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._loop = asyncio.get_running_loop()
        self._waiting: list[_Delivery] = []
        self._changed = threading.Condition()
        self._stopping = False
        self.commits, self.commit_s = 0, 0.0
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    async def commit(self, stream: Stream, lines: bytes) -> None:
        """Wait until these records are durable. Raises `OSError` when they are not, and will not be."""
        delivery = _Delivery(stream, lines, self._loop.create_future())
        with self._changed:
            self._waiting.append(delivery)
            self._changed.notify()
        await delivery.done

    @property
    def queue(self) -> int:
        """Requests that wait for the next commit."""
        return len(self._waiting)

    async def stop(self) -> None:
        """Commit what waits and close every segment."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping, timeout=_LOOK_S)
                taken, self._waiting = self._waiting, []
                stopping = self._stopping
            if taken:
                self._commit(taken)
            # What cannot be closed is recovered at the next start; nothing of it is lost.
            with suppress(OSError):
                self._spool.close(aged_only=not stopping)
            if stopping and not self._waiting:
                return

    def _commit(self, taken: list[_Delivery]) -> None:
        together: dict[Stream, list[bytes]] = defaultdict(list)
        for delivery in taken:
            together[delivery.stream].append(delivery.lines)
        began = time.perf_counter()
        failed = self._spool.commit({stream: b"".join(lines) for stream, lines in together.items()})
        self.commits += 1
        self.commit_s += time.perf_counter() - began
        self._loop.call_soon_threadsafe(_answer, taken, failed)


def _answer(taken: list[_Delivery], failed: dict[Stream, OSError]) -> None:
    for delivery in taken:
        if delivery.done.done():
            continue  # the sender went away
        error = failed.get(delivery.stream)
        if error is None:
            delivery.done.set_result(None)
        else:
            delivery.done.set_exception(error)
