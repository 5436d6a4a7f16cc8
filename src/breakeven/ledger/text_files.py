"""Make a text file readable for the engine: decompressed, UTF-8, no line too long to parse.

A plain UTF-8 file is used where it lies. Anything else is copied into a workspace, in constant memory.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from breakeven.errors import InputError

LONGEST_LINE_BYTES = 1_900_000
"""The engine's CSV reader drops longer lines without a word, so we take them out and say so."""

_CHUNK_BYTES = 1 << 20
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


@dataclass(frozen=True)
class OverlongLine:
    """A line that was taken out: its number in the file (from 1), length, and how it begins."""

    line: int
    length_bytes: int
    beginning: str


@dataclass(frozen=True)
class TextFile:
    """A UTF-8 file the engine can read, and what had to be left out of it."""

    path: Path
    overlong: tuple[OverlongLine, ...]
    transcoded: bool


def file_digest(path: Path) -> str:
    """SHA-256 of the file as it lies on disk: the identity of what was imported."""
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError("no such file", where=str(path)) from None
    except OSError as error:
        raise InputError("the file cannot be opened", where=str(path), cause=str(error)) from error


def compression_of(path: Path) -> str | None:
    """`gzip`, `zstd` or None, by the file's first bytes rather than its name."""
    with path.open("rb") as handle:
        head = handle.read(4)
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def prepare_text(path: Path, workspace: Path, encoding: str | None) -> TextFile:
    """Make `path` readable; raises `InputError` for a truncated archive or an unknown encoding."""
    found = encoding or _guess_encoding(path)
    try:
        codec = codecs.lookup(found).name
    except LookupError:
        raise InputError(
            f"unknown encoding {found!r}", where=str(path), remedy="use utf-8 or gb18030"
        ) from None
    plain = codec == "utf-8" and compression_of(path) is None
    overlong: list[OverlongLine] = []
    if plain and not _has_overlong_line(path):
        return TextFile(path, (), transcoded=False)
    target = workspace / "text.utf8"
    with target.open("wb") as out:
        for block in _without_overlong(_as_utf8(_chunks(path), codec), overlong):
            out.write(block)
    return TextFile(target, tuple(overlong), transcoded=codec != "utf-8")


def _open(path: Path) -> BinaryIO:
    kind = compression_of(path)
    if kind == "gzip":
        return gzip.open(path, "rb")  # type: ignore[return-value]
    if kind == "zstd":
        return pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")  # type: ignore[return-value]
    return path.open("rb")


def _chunks(path: Path) -> Iterator[bytes]:
    with _open(path) as stream:
        while True:
            try:
                chunk = stream.read(_CHUNK_BYTES)
            except (EOFError, zlib.error, OSError) as error:
                raise InputError(
                    "the compressed file ends early or is damaged; nothing was imported",
                    where=str(path),
                    cause=str(error),
                    remedy="fetch or export the file again",
                ) from error
            if not chunk:
                return
            yield bytes(chunk)


def _guess_encoding(path: Path) -> str:
    """UTF-8 unless a sample says otherwise; GB18030 is what Chinese exports use."""
    sample = next(_chunks(path), b"")
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(sample)
    except UnicodeDecodeError as error:
        # One bad byte in a UTF-8 file is a broken row; a GB18030 file fails all over and decodes cleanly.
        # Chinese text in UTF-8 that merely contains a broken byte must not be taken for GB18030.
        if _looks_like_utf8(sample):
            return "utf-8"
        try:
            codecs.getincrementaldecoder("gb18030")().decode(sample)
        except UnicodeDecodeError:
            raise InputError(
                "the encoding is neither UTF-8 nor GB18030",
                where=str(path),
                cause=str(error),
                remedy="give --encoding",
            ) from error
        return "gb18030"
    return "utf-8"


def _looks_like_utf8(sample: bytes) -> bool:
    """Whether most of the non-ASCII characters of a sample are well-formed UTF-8."""
    decoded = sample.decode("utf-8", errors="replace")
    wide = sum(1 for character in decoded if ord(character) > 127)
    return wide > 0 and decoded.count("\ufffd") * 2 < wide or wide == decoded.count("\ufffd") == 1


def _as_utf8(chunks: Iterator[bytes], codec: str) -> Iterator[bytes]:
    if codec == "utf-8":
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(codec)(errors="replace")
    for chunk in chunks:
        yield decoder.decode(chunk).encode("utf-8")
    yield decoder.decode(b"", final=True).encode("utf-8")


def _has_overlong_line(path: Path) -> bool:
    with path.open("rb") as handle:
        since_newline = 0
        while chunk := handle.read(_CHUNK_BYTES):
            first = chunk.find(b"\n")
            if first < 0:
                since_newline += len(chunk)
            else:
                # Between two newlines of one chunk a line is at most a chunk long: within the limit.
                if since_newline + first > LONGEST_LINE_BYTES:
                    return True
                since_newline = len(chunk) - 1 - chunk.rfind(b"\n")
            if since_newline > LONGEST_LINE_BYTES:
                return True
    return False


def _without_overlong(chunks: Iterator[bytes], overlong: list[OverlongLine]) -> Iterator[bytes]:
    """Pass complete lines on; drop and note a line above the limit, holding only its beginning."""
    line, rest, dropped = 1, b"", 0
    for chunk in chunks:
        if dropped:
            end = chunk.find(b"\n")
            if end < 0:
                dropped += len(chunk)
                continue
            overlong.append(OverlongLine(line, dropped + end, rest[:200].decode("utf-8", "replace")))
            line, rest, dropped, chunk = line + 1, b"", 0, chunk[end + 1 :]
        block = rest + chunk
        cut = block.rfind(b"\n") + 1
        line += block.count(b"\n", 0, cut)
        if cut:
            yield block[:cut]
        rest = block[cut:]
        if len(rest) > LONGEST_LINE_BYTES:
            dropped, rest = len(rest), rest[:1000]
    if dropped:
        overlong.append(OverlongLine(line, dropped, rest[:200].decode("utf-8", "replace")))
    elif rest:
        yield rest
