"""Who may send, and under which source it is booked: a file of `name source token` lines outside the books.

A token may stand there as `sha256:` and its hash. Tokens are held as hashes only and compared in a time that
tells nothing; no message and no log ever holds one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from breakeven.errors import InputError, UsageError

SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HASHED = re.compile(r"sha256:([0-9a-f]{64})")
_LEAST_CHARACTERS = 16


@dataclass(frozen=True)
class Sender:
    """Somebody who may send; rows go by `source`. Without tokens there is one sender, `anyone`."""

    name: str
    source: str | None
    digest: bytes = b""


ANYONE = Sender("anyone", None)


class Senders:
    """All senders, found by their token."""

    def __init__(self, senders: tuple[Sender, ...]) -> None:
        self._senders = senders

    def find(self, authorization: bytes) -> Sender | None:
        """The sender of an `Authorization: Bearer` header; None for no token or an unknown one."""
        if not self._senders:
            return ANYONE
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        digest = hashlib.sha256(token.strip()).digest()
        found = None
        for sender in self._senders:  # all of them, however early one fits
            if hmac.compare_digest(sender.digest, digest):
                found = sender
        return found

    def __bool__(self) -> bool:
        return bool(self._senders)


def read_tokens(path: Path, books: Path) -> Senders:
    """Read a token file. Raises `UsageError` where it may not lie or be read, `InputError` for a bad line."""
    try:
        mode = path.stat().st_mode
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        raise UsageError(
            "no such token file", remedy=f"write {path}: a line `name source token` each"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("the token file cannot be read", where=str(path), cause=str(error)) from error
    if path.resolve().is_relative_to(books.resolve()):
        raise UsageError(
            "the token file lies in the books", remedy="books are copied and shared: keep it elsewhere"
        )
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise UsageError("everybody may read the token file", remedy=f"run: chmod 600 {path}")
    senders = tuple(
        _sender(line.split(), f"{path}:{number}")
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip().startswith("#")
    )
    if not senders:
        raise InputError(
            "no tokens in this file", where=str(path), remedy="write a line `name source token` each"
        )
    if len({sender.digest for sender in senders}) < len(senders):
        raise InputError("two senders have one token", where=str(path), remedy="give each its own")
    return Senders(senders)


def _sender(words: list[str], where: str) -> Sender:
    if len(words) != 3:
        raise InputError(
            "not a line of three words", where=where, remedy="write a line `name source token` each"
        )
    name, source, token = words
    if not SOURCE_NAME.fullmatch(source) or not SOURCE_NAME.fullmatch(name):
        raise InputError(
            "not a name", where=where, remedy="use letters, digits, dots, hyphens and underscores, up to 64"
        )
    if hashed := _HASHED.fullmatch(token):
        return Sender(name, source, bytes.fromhex(hashed[1]))
    if len(token) < _LEAST_CHARACTERS:
        raise InputError(
            f"a token of fewer than {_LEAST_CHARACTERS} characters",
            where=where,
            remedy="make one with `openssl rand -hex 24`",
        )
    return Sender(name, source, hashlib.sha256(token.encode()).digest())
