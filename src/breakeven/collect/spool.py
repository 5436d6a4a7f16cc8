"""The spool: what was acknowledged and is not in the books yet, as segment files on the books' disk.

    BOOKS/.collect/spool/KIND/SOURCE/1718000000000-1a2b3c4d.jsonl[.open]

Records are lines. One segment of each stream is open and only grows; closed ones wait to be booked. A record
is acknowledged only after `fdatasync`. Whatever a crash leaves behind the last complete record was
acknowledged to nobody, and is cut off.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from breakeven.ledger.lock import cannot_write

FOLDER = ".collect"
_OPEN, _CLOSED = ".jsonl.open", ".jsonl"
_CUT_BYTES = 1 << 20


@dataclass(frozen=True)
class Stream:
    """What goes into one segment: the form of its records, and the source its rows are booked under."""

    kind: str
    source: str


@dataclass
class _Segment:
    handle: int
    path: Path
    size: int
    began: float


class Spool:
    """All segments of one set of books. One process and one thread write it."""

    def __init__(self, books: Path, *, most_segment_bytes: int, most_age_s: float) -> None:
        self.root = books / FOLDER / "spool"
        self._most_bytes, self._most_age_s = most_segment_bytes, most_age_s
        self._open: dict[Stream, _Segment] = {}
        self._check_room_at = 0.0
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._recover()
        except OSError as error:
            raise cannot_write(books, error) from error

    def commit(self, waiting: Mapping[Stream, bytes]) -> dict[Stream, OSError]:
        """Append and make durable; returns the streams whose records could not be kept, with the reason."""
        failed: dict[Stream, OSError] = {}
        for stream, lines in waiting.items():
            try:
                self._append(stream, lines)
            except OSError as error:
                failed[stream] = error
        return failed

    def _append(self, stream: Stream, lines: bytes) -> None:
        segment = self._open.get(stream) or self._begin(stream)
        try:
            view = memoryview(lines)
            while view:
                view = view[os.write(segment.handle, view) :]
            os.fdatasync(segment.handle)
        except OSError:
            # What of it reached the disk is unknown. Cut it off, and never write behind it.
            self._close(stream)
            raise
        segment.size += len(lines)
        if segment.size >= self._most_bytes:
            self._close(stream)

    def _begin(self, stream: Stream) -> _Segment:
        folder = self.root / stream.kind / stream.source
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{time.time_ns() // 1_000_000:013d}-{secrets.token_hex(4)}{_OPEN}"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        segment = _Segment(handle, path, 0, time.monotonic())
        self._open[stream] = segment
        for each in (folder, folder.parent, self.root):
            sync_folder(each)
        return segment

    def _close(self, stream: Stream) -> None:
        """Cut a segment at its last acknowledged byte and leave it to be booked."""
        segment = self._open.pop(stream)
        try:
            if os.fstat(segment.handle).st_size != segment.size:
                os.ftruncate(segment.handle, segment.size)
        finally:
            os.close(segment.handle)
            _finish(segment.path, segment.size)

    def close(self, *, aged_only: bool = False) -> None:
        """Close the segments that have been open long enough, or all."""
        now = time.monotonic()
        for stream, segment in list(self._open.items()):
            if not aged_only or now - segment.began >= self._most_age_s:
                self._close(stream)

    def _recover(self) -> None:
        for path in self.root.rglob(f"*{_OPEN}"):
            size = _complete_bytes(path)
            os.truncate(path, size)
            _finish(path, size)


def _finish(path: Path, size: int) -> None:
    if size == 0:
        path.unlink()
    else:
        path.rename(path.with_name(path.name.removesuffix(_OPEN) + _CLOSED))


def _complete_bytes(path: Path) -> int:
    """How much of a file is complete records. Zeros are what a crash of the machine can leave behind."""
    with path.open("rb") as file:
        complete = position = 0
        while chunk := file.read(_CUT_BYTES):
            zero = chunk.find(b"\0")
            kept = chunk if zero < 0 else chunk[:zero]
            if b"\n" in kept:
                complete = position + kept.rindex(b"\n") + 1
            if zero >= 0:
                break
            position += len(chunk)
    return complete


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(frozen=True)
class Waiting:
    """What lies in a spool: bytes, segments that can be booked, and how long the oldest record has waited."""

    size_bytes: int
    closed: tuple[Path, ...]
    lag_s: float


def waiting_in(books: Path) -> Waiting:
    """Look at a spool; whoever books its segments may take them away meanwhile."""
    size, closed, oldest = 0, list[Path](), None
    for path in _segments(books / FOLDER / "spool"):
        try:
            size += path.stat().st_size
        except FileNotFoundError:
            continue
        began = int(path.name.partition("-")[0])
        oldest = began if oldest is None else min(oldest, began)
        if path.name.endswith(_CLOSED):
            closed.append(path)
    lag_s = 0.0 if oldest is None else max(0.0, time.time() - oldest / 1000)
    return Waiting(size, tuple(sorted(closed, key=lambda path: path.name)), lag_s)


def _segments(root: Path) -> Iterator[Path]:
    for path in root.glob("*/*/*"):
        if path.name.endswith((_OPEN, _CLOSED)):
            yield path


def stream_of(segment: Path) -> Stream:
    """Which stream a segment belongs to.

    >>> stream_of(Path("spool/cloudevents/our-app/1718000000000-1a2b3c4d.jsonl"))
    Stream(kind='cloudevents', source='our-app')
    """
    return Stream(segment.parent.parent.name, segment.parent.name)


def free_bytes(books: Path) -> int:
    """Room on the books' disk."""
    return shutil.disk_usage(books).free
