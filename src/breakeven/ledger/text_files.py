"""Make a text file readable for the engine: decompressed, UTF-8, one kind of newline, no line too long.

A plain UTF-8 file is used where it lies. Anything else is copied into a workspace, in constant memory.
What cannot be decoded becomes a byte that is not UTF-8, so that the engine refuses exactly that record; a
line too long for it becomes a short line that it refuses: both keep their place and are reported there.
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
"""The engine takes records of up to 2 MB; a longer line never reaches it."""

OVERLONG_MARK = " overlong "
"""What stands, after a byte that is no UTF-8, for a line that was taken out; its index follows."""

_CHUNK_BYTES = 1 << 20
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NOT_TEXT = "breakeven-not-text"


def _broken_character(error: UnicodeError) -> tuple[str, int]:
    """A lone surrogate has no UTF-8 form that a reader accepts: the record is refused, and only that one."""
    if isinstance(error, UnicodeDecodeError):
        return "\udcff", error.end
    raise error


codecs.register_error(_NOT_TEXT, _broken_character)


@dataclass(frozen=True)
class OverlongLine:
    """A line that was taken out: its length and how it begins."""

    length_bytes: int
    beginning: str


@dataclass(frozen=True)
class TextFile:
    """A UTF-8 file the engine can read, the lines that had to be taken out, and its first encoding."""

    path: Path
    overlong: tuple[OverlongLine, ...]
    encoding: str


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


def unpack(path: Path, target: Path) -> Path:
    """Decompress a file; raises `InputError` when it is cut off or damaged."""
    with target.open("wb") as out:
        for chunk in _chunks(path):
            out.write(chunk)
    return target


def prepare_text(path: Path, workspace: Path, encoding: str | None) -> TextFile:
    """Make `path` readable; raises `InputError` for a truncated archive or an unknown encoding."""
    found = encoding or _guess_encoding(path)
    try:
        codec = codecs.lookup(found).name
    except LookupError:
        raise InputError(
            f"unknown encoding {found!r}", where=str(path), remedy="use utf-8, gb18030 or utf-16"
        ) from None
    if codec == "utf-8" and compression_of(path) is None and _is_readable(path):
        return TextFile(path, (), codec)
    overlong: list[OverlongLine] = []
    target = workspace / "text.utf8"
    with target.open("wb") as out:
        for block in _without_overlong(_one_newline(_as_utf8(_chunks(path), codec)), overlong):
            out.write(block)
    return TextFile(target, tuple(overlong), codec)


def blank_lines(path: Path, *, quoted: bool) -> list[int]:
    """Numbers of the lines that hold no record, counting a record over several quoted lines as one.

    That is how the engine numbers the records it refuses, so the two can be told apart.
    """
    found: list[int] = []
    number, inside = 0, False
    with path.open("rb") as handle:
        for line in handle:
            if not inside:
                number += 1
                if not (line.strip(b"\r\n") if quoted else line.strip()):
                    found.append(number)
            if quoted and line.count(b'"') % 2:
                inside = not inside
    return found


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
    if sample.startswith(_UTF16):
        return "utf-16"
    if sample.count(b"\0") * 3 > len(sample):
        return "utf-16-le" if sample[1:2] == b"\0" else "utf-16-be"
    # One bad byte in a UTF-8 file is a broken row; a GB18030 file fails all over and decodes cleanly.
    # Chinese text in UTF-8 that merely contains a broken byte must not be taken for GB18030.
    if _decodes(sample, "utf-8") or _looks_like_utf8(sample) or not _decodes(sample, "gb18030"):
        return "utf-8"
    return "gb18030"


def _decodes(sample: bytes, codec: str) -> bool:
    try:
        codecs.getincrementaldecoder(codec)().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _looks_like_utf8(sample: bytes) -> bool:
    """Whether it says so, or most of the non-ASCII characters of a sample are well-formed UTF-8."""
    if sample.startswith(codecs.BOM_UTF8):
        return True
    decoded = sample.decode("utf-8", errors="replace")
    wide = sum(1 for character in decoded if ord(character) > 127)
    return (wide > 0 and decoded.count("\ufffd") * 2 < wide) or wide == decoded.count("\ufffd") == 1


def _as_utf8(chunks: Iterator[bytes], codec: str) -> Iterator[bytes]:
    if codec == "utf-8":
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(codec)(errors=_NOT_TEXT)
    for chunk in chunks:
        yield decoder.decode(chunk).encode("utf-8", "surrogatepass")
    yield decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")


def _one_newline(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Every line ends in LF: the engine stops at a file that mixes the two kinds."""
    held = b""
    for chunk in chunks:
        block = held + chunk
        # Whether a CR at the very end belongs to a CRLF, the next chunk tells.
        held = block[-1:] if block.endswith(b"\r") else b""
        yield block[: len(block) - len(held)].replace(b"\r\n", b"\n")
    yield held


def _is_readable(path: Path) -> bool:
    """Whether the engine can read the file where it lies: no overlong line, one kind of newline."""
    newlines = returns = since_newline = 0
    last = b""
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK_BYTES):
            newlines += chunk.count(b"\n")
            returns += chunk.count(b"\r\n") + (last == b"\r" and chunk.startswith(b"\n"))
            last = chunk[-1:]
            first = chunk.find(b"\n")
            if first < 0:
                since_newline += len(chunk)
            elif since_newline + first > LONGEST_LINE_BYTES:
                return False
            else:
                # Between two newlines of one chunk a line is at most a chunk long: within the limit.
                since_newline = len(chunk) - 1 - chunk.rfind(b"\n")
            if since_newline > LONGEST_LINE_BYTES:
                return False
    return returns in (0, newlines)


def _without_overlong(chunks: Iterator[bytes], overlong: list[OverlongLine]) -> Iterator[bytes]:
    """Pass complete lines on; put a mark in place of a line above the limit, holding only its beginning."""
    rest, length, quotes, inside = b"", 0, 0, False
    for chunk in chunks:
        if length:
            end = chunk.find(b"\n")
            body = chunk if end < 0 else chunk[:end]
            length, quotes = length + len(body), quotes + body.count(b'"')
            if end < 0:
                continue
            yield _mark(overlong, length, rest, odd=quotes % 2 == 1, inside=inside) + b"\n"
            inside ^= quotes % 2 == 1
            rest, length, chunk = b"", 0, chunk[end + 1 :]
        block = rest + chunk
        cut = block.rfind(b"\n") + 1
        if cut:
            yield block[:cut]
            inside ^= block.count(b'"', 0, cut) % 2 == 1
        rest = block[cut:]
        if len(rest) > LONGEST_LINE_BYTES:
            length, quotes, rest = len(rest), rest.count(b'"'), rest[:1000]
    if length:
        yield _mark(overlong, length, rest, odd=quotes % 2 == 1, inside=inside)
    elif rest:
        yield rest


def _mark(overlong: list[OverlongLine], length: int, beginning: bytes, *, odd: bool, inside: bool) -> bytes:
    """A short line that the engine refuses, and that opens or closes a quoted value as the long one did."""
    overlong.append(OverlongLine(length, beginning[:200].decode("utf-8", "replace")))
    mark = b"\xff" + f"{OVERLONG_MARK}{len(overlong) - 1}".encode()
    if not odd:
        return mark
    return mark + b'"' if inside else b'"' + mark
