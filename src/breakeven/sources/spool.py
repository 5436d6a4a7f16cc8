"""A durable local spool: records as JSON lines on disk, written by one thread, many in one `fsync`.

Whoever adds a record never waits for the disk unless it wants to: `add` gives a future that says when the
record is safe. Memory is bounded; when the disk refuses, records are given up and counted, and the count is
written as a record of its own (`{"not_written": n}`) as soon as the disk takes records again.

One writer has its own files: `NAME-HOST-PID-START-NUMBER.jsonl.open` while it writes, without `.open` once
full. Readers take complete lines (`complete_segments`); a line cut off by a crash was never called safe.

Only the standard library is used here: this runs inside other people's programs.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import shutil
import socket
import threading
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from types import MappingProxyType
from typing import Any

OPEN = ".open"
NOT_WRITTEN = "not_written"
_LONGEST_RECORD_BYTES = 64 * 1024
_CLOSING_SECONDS = 5.0
_LOG_EVERY_SECONDS = 60.0
_log = logging.getLogger("breakeven.spool")


class Spool:
    """Writes records into segments of a folder; safe to use from any thread, and after a fork.

    `most_waiting` records wait in memory at most; beyond, they are given up at once and counted in
    `not_written`. A segment is closed when it holds `segment_bytes`. `note` is what a record that tells of
    such losses says beside their number.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        segment_bytes: int = 64 << 20,
        most_waiting: int = 20_000,
        most_bytes: int = 64 << 20,
        note: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.folder, self.name, self.note = folder, name, note
        self.segment_bytes, self.most_waiting, self.most_bytes = segment_bytes, most_waiting, most_bytes
        self.written = 0
        self.not_written = 0
        self._begin()
        atexit.register(self.close)

    def _begin(self) -> None:
        """What belongs to one process: a forked child starts anew."""
        self._owner = os.getpid()
        self._waiting: deque[tuple[bytes, Future[bool]]] = deque()
        self._waiting_bytes = 0
        self._wake = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._file = -1
        self._path: Path | None = None
        self._size = 0
        self._segment = 0
        self._started_ns = time.time_ns()
        self._unsaid = 0
        self._logged_at = float("-inf")

    def add(self, record: Mapping[str, Any]) -> Future[bool]:
        """Take a record. The future is True once it is on disk, False when it was given up; never raises."""
        done: Future[bool] = Future()
        try:
            line = json.dumps(record, separators=(",", ":"), default=str).encode() + b"\n"
            fits = len(line) <= _LONGEST_RECORD_BYTES
        except (TypeError, ValueError, RecursionError):
            line, fits = b"", False
        if os.getpid() != self._owner:
            self._begin()
        with self._wake:
            room = len(self._waiting) < self.most_waiting and self._waiting_bytes < self.most_bytes
            if not fits or not room or self._closing:
                self._give_up(1)
                done.set_result(False)
                return done
            self._waiting.append((line, done))
            self._waiting_bytes += len(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_all, name="breakeven-spool", daemon=True)
                self._thread.start()
            self._wake.notify()
        return done

    def close(self) -> None:
        """Write what waits and close the segment. Gives up after a few seconds rather than hang."""
        if os.getpid() != self._owner:
            return
        with self._wake:
            self._closing = True
            thread = self._thread
            self._wake.notify()
        if thread is not None:
            thread.join(_CLOSING_SECONDS)

    def _write_all(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._closing:
                    self._wake.wait()
                batch = list(self._waiting)
                self._waiting.clear()
                self._waiting_bytes = 0
                closing = self._closing
            if batch:
                self._write(batch)
            elif closing:
                self._close_segment()
                return

    def _write(self, batch: list[tuple[bytes, Future[bool]]]) -> None:
        """One group: all of it is safe, or all of it is given up."""
        lines = b"".join(line for line, _ in batch)
        unsaid = self._unsaid
        if unsaid:
            now_us = time.time_ns() // 1000
            note = {"id": f"{self._stem()}-{now_us}", "start": now_us / 1_000_000, NOT_WRITTEN: unsaid}
            lines += json.dumps({**self.note, **note}).encode() + b"\n"
        try:
            self._append(lines)
        except OSError as error:
            self._give_up(len(batch), error)
            safe = False
        else:
            self._unsaid -= unsaid
            self.written += len(batch)
            safe = True
        for _, done in batch:
            if done.set_running_or_notify_cancel():
                done.set_result(safe)

    def _append(self, lines: bytes) -> None:
        if self._file < 0:
            self._open_segment()
        try:
            view = memoryview(lines)
            while view:
                view = view[os.write(self._file, view) :]
            os.fsync(self._file)
        except OSError:
            # What is half written must not stand before what comes next.
            try:
                os.ftruncate(self._file, self._size)
            except OSError:
                self._close_segment()
            raise
        self._size += len(lines)
        if self._size >= self.segment_bytes:
            self._close_segment()

    def _stem(self) -> str:
        return f"{self.name}-{socket.gethostname()}-{os.getpid()}-{self._started_ns}"

    def _open_segment(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = self.folder / f"{self._stem()}-{self._segment:05}.jsonl{OPEN}"
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = 0
        self._segment += 1
        # The name must survive a power cut as well as the lines.
        directory = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _close_segment(self) -> None:
        if self._file < 0 or self._path is None:
            return
        file, path, self._file = self._file, self._path, -1
        try:
            os.close(file)
            path.rename(path.with_name(path.name.removesuffix(OPEN)))
        except OSError as error:
            _log.warning("breakeven: a spool segment stays open: %s", error)

    def _give_up(self, records: int, error: OSError | None = None) -> None:
        self.not_written += records
        self._unsaid += records
        now = time.monotonic()
        if now - self._logged_at >= _LOG_EVERY_SECONDS:
            self._logged_at = now
            _log.error(
                "breakeven: %d records could not be written to the spool so far: %s",
                self.not_written,
                error or "too many or too large ones are waiting",
            )


def complete_segments(folder: Path, into: Path) -> list[Path]:
    """The segments of a spool as files that end with a complete line; those still written are copied `into`.

    A segment whose writer died keeps `.open` in its name; it is read like one that is still written.
    """
    found: list[Path] = []
    for path in sorted(folder.glob(f"*.jsonl{OPEN}")) + sorted(folder.glob("*.jsonl")):
        try:
            if path.suffix == OPEN:
                copy = into / path.name.removesuffix(OPEN)
                shutil.copyfile(path, copy)
                _cut_to_lines(copy)
                path = copy
        except FileNotFoundError:
            # Closed in this moment: its name without `.open` is found below.
            continue
        if path.stat().st_size and path.name not in {one.name for one in found}:
            found.append(path)
    return sorted(found, key=lambda path: path.name)


def _cut_to_lines(path: Path) -> None:
    """Take off what stands behind the last newline."""
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - _LONGEST_RECORD_BYTES)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        file.truncate(end)
