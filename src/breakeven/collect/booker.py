"""The importing process as the service sees it: asked when something waits, started again when it died."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress
from pathlib import Path

from breakeven.collect.booking import Options
from breakeven.collect.metrics import Metrics
from breakeven.collect.spool import waiting_in

_LOOK_S, _AFTER_FAILURE_S, _LAST_S = 0.5, 5.0, 300.0
_COUNTED = {
    "booked": "booked_rows_total",
    "duplicates": "duplicate_rows_total",
    "quarantined": "quarantined_rows_total",
}


class Booker:
    """Books what waits, one round after the other."""

    def __init__(self, books: Path, options: Options, metrics: Metrics) -> None:
        self._books, self._options, self._metrics = books, json.dumps(options), metrics
        self._process: asyncio.subprocess.Process | None = None
        self.last_error = ""
        self.stopping = False

    async def run(self) -> None:
        """Book whatever is closed until `stopping`; a round that was begun comes to its end."""
        again_at = 0.0
        while not self.stopping:
            await asyncio.sleep(_LOOK_S)
            if time.monotonic() >= again_at and waiting_in(self._books).closed and not await self._round():
                again_at = time.monotonic() + _AFTER_FAILURE_S

    async def finish(self) -> bool:
        """Book all that is closed and stop; False when something still waits."""
        until = time.monotonic() + _LAST_S
        while waiting_in(self._books).closed and time.monotonic() < until:
            if not await self._round():
                break
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            await self._process.wait()
        return not waiting_in(self._books).closed

    async def _round(self) -> bool:
        """One round; False when a segment could not be booked."""
        process = self._process
        if process is None or process.returncode is not None:
            # A session of its own: Ctrl-C at the terminal is the service's to handle.
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "breakeven.collect.importer", str(self._books), self._options,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        with suppress(ConnectionError):
            process.stdin.write(b"book\n")
            await process.stdin.drain()
        well = True
        while line := await process.stdout.readline():
            answer = json.loads(line)
            if not answer:
                return well
            well &= self._count(answer)
        self._metrics.add("import_failures_total")
        self.last_error = "the importing process ended"
        await process.wait()
        return False

    def _count(self, answer: dict[str, object]) -> bool:
        if answer["error"]:
            self._metrics.add("import_failures_total")
            error = str(answer["error"])
            if error != self.last_error:
                print(f"! {error}", file=sys.stderr, flush=True)
            self.last_error = error
            return False
        for key, name in _COUNTED.items():
            self._metrics.add(name, int(str(answer[key])), table=str(answer["table"]))
        return True
