"""JSON text read piece by piece, value by value, with the line at which it stops being JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, TextIO

from breakeven.errors import InputError

_PIECE_CHARACTERS = 1 << 20
_LONGEST_TOKEN = 32
_DEEPEST = 16
_BLANKS = " \t\r\n\ufeff"
_BLANK = re.compile(f"[{_BLANKS}]*")
_decode = json.JSONDecoder().raw_decode


class JSONText:
    """A stream of JSON text. What lies before the place reached is done with, what comes is fetched."""

    def __init__(self, stream: TextIO, path: Path) -> None:
        self.path = path
        self._stream, self._text, self._at = stream, "", 0
        self._lines_done, self._ended = 0, False

    def next(self) -> str:
        """The next character that is not blank, without taking it; empty at the end."""
        while True:
            sign = self._text[self._at : self._at + 1]
            if sign and sign not in _BLANKS:
                return sign
            found = _BLANK.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at == len(self._text) and not self._fetch():
                return ""

    def take(self, wanted: str) -> None:
        """Take one character. Raises `InputError` when another one stands there."""
        if self.next() != wanted:
            raise self.wrong(f"no valid JSON: {wanted} is expected here")
        self._at += 1

    def give_back(self, written: str) -> None:
        """Stand again before what was taken last."""
        self._at -= len(written)

    def value(self) -> tuple[Any, str]:
        """The value that begins here, and its text. Raises `InputError` when there is none."""
        while True:
            try:
                found, end = _decode(self._text, self._at)
            except RecursionError as error:
                raise self.wrong("no valid JSON: values are nested too deeply") from error
            except json.JSONDecodeError as error:
                cut = error.pos > len(self._text) - _LONGEST_TOKEN or error.msg.startswith("Unterminated")
                if cut and self._fetch():
                    continue
                self._at = max(self._at, min(error.pos, len(self._text)))
                raise self.wrong("no valid JSON", cause=error.msg) from error
            except ValueError as error:
                raise self.wrong("no valid JSON: a number of thousands of digits") from error
            # A number that ends where the piece ends may go on in the next one.
            if end == len(self._text) and self._fetch():
                continue
            written = self._text[self._at : end]
            self._at = end
            return found, written

    def record(self) -> str:
        """The text of the object that begins here; empty when only reading it as JSON tells where it ends.

        Without escapes, a brace is outside of texts where an even number of quotation marks precedes it. What
        stands between the braces is not looked at: the ledger reads each record and judges it.
        """
        end, depth, piece = self._at, 0, ""
        for _ in range(_DEEPEST):
            begin, end = end, self._text.find("}", end) + 1
            piece += self._text[begin:end]
            if not end or "\\" in piece:
                return ""
            if piece.count('"') % 2:
                continue  # this brace stands in a text, which goes on
            opened = piece.count("{")
            if opened > (depth == 0):  # the first is the record's own; others may stand in texts
                opened = "".join(piece.split('"')[::2]).count("{")
            depth, piece = depth + opened - 1, ""
            if not depth:
                written = self._text[self._at : end]
                self._at = end
                return written
        return ""

    def records(self) -> list[str] | None:
        """The texts of all objects of the array that begins here, at once; None when that is not safe.

        When the number of quotation marks between two closing braces is always even, every closing brace is
        outside of texts; when braces then balance, so is every opening one. Escapes, arrays inside and values
        that are no objects are left to the careful way.
        """
        end = self._text.find("]", self._at)
        body = self._text[self._at + 1 : end]
        pieces = body.split("}")
        if end < 0 or "\\" in body or "[" in body or pieces.pop().strip():
            return None
        found: list[str] = []
        depth, part = 0, ""
        for piece in pieces:
            depth += piece.count("{") - 1
            if depth < 0 or piece.count('"') & 1:
                return None
            part = f"{part}{piece}}}"
            if not depth:
                part = part.lstrip(", \t\r\n")
                if part[0] != "{":
                    return None
                found.append(part)
                part = ""
        if depth:
            return None
        self._at = end + 1
        return found

    def wrong(self, what: str, *, cause: str = "") -> InputError:
        """What to say when this is no JSON, with the line; at the end of the file, that it was cut off."""
        line = self._lines_done + self._text.count("\n", 0, self._at) + 1
        is_cut_off = self._ended and not self._text[self._at :].strip()
        cut_off = "the file ends in the middle of a record or page; nothing was imported"
        return InputError(
            cut_off if is_cut_off else what,
            where=f"{self.path}:{line}",
            cause="" if is_cut_off else cause,
            remedy="it may be cut off or edited: fetch or export it again",
        )

    def _fetch(self) -> bool:
        """Fetch another piece, as long as what is waiting: a long value is not read over and over."""
        if self._ended:
            return False
        try:
            piece = self._stream.read(max(_PIECE_CHARACTERS, len(self._text) - self._at))
        except UnicodeError as error:
            raise self.wrong("bytes that are no text", cause=str(error)) from error
        self._lines_done += self._text.count("\n", 0, self._at)
        self._text, self._at, self._ended = self._text[self._at :] + piece, 0, not piece
        return not self._ended
