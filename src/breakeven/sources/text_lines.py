"""Lines of a text file, plain, .gz or .zst, with its own record numbers and errors a person can act on."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pyarrow as pa

from breakeven.errors import InputError
from breakeven.ledger.text_files import compression_of

_ENDS_EARLY = "the compressed file ends early or is damaged; nothing was imported"


def text_lines(path: Path, encoding: str = "utf-8-sig") -> Iterator[str]:
    """Each line without its end. Bytes that are not text come as U+FFFD, so that no record is lost.

    Raises `InputError` when the file is missing, unreadable or a truncated archive.
    """
    try:
        with io.TextIOWrapper(_opened(path), encoding=encoding, errors="replace") as text:
            for line in text:
                yield line.rstrip("\r\n")
    except FileNotFoundError:
        raise InputError("no such file", where=str(path)) from None
    except IsADirectoryError:
        raise InputError("this is a folder, not a file", where=str(path)) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            _ENDS_EARLY, where=str(path), cause=str(error), remedy="fetch or export the file again"
        ) from error
    except OSError as error:
        what = "the file cannot be read" if error.errno else _ENDS_EARLY
        raise InputError(what, where=str(path), cause=str(error)) from error


def _opened(path: Path) -> io.BufferedReader:
    kind = compression_of(path)
    if kind == "gzip":
        return cast("io.BufferedReader", gzip.open(path, "rb"))
    if kind == "zstd":
        return cast("io.BufferedReader", pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"))
    return path.open("rb")
