"""Closed months as data: statements that were frozen, and the log of what was closed, reopened and restated.

    BOOKS/closed/log.jsonl            one line per act, each naming the hash of the line before it
    BOOKS/closed/2024-08/1/...        the files of the first statement of August, written once
    BOOKS/closed/kept/<sha256>        what statements rest on: price cards, rates, settings; each once

Nothing here is ever rewritten: a restatement is a further revision, and reopening only adds a line to the
log. The order of writing makes a crash harmless: kept contents, then the statement's folder under another
name, its renaming, and the line of the log last. What the log does not name does not count.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from breakeven.errors import BooksError, UsageError
from breakeven.ledger.lock import cannot_write, writer_lock

FOLDER, LOG, KEPT = "closed", "log.jsonl", "kept"
STATEMENT, BASIS = "statement.json", "basis.json"
Action = Literal["close", "reopen", "restate"]


def canonical(content: Mapping[str, Any]) -> bytes:
    """One way of writing a content as JSON, so that equal contents are equal bytes on any machine.

    >>> print(canonical({"b": 1, "a": "元"}).decode(), end="")
    {
     "a": "元",
     "b": 1
    }
    """
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False)
    return f"{text}\n".encode()


def sha256(content: bytes) -> str:
    """The name of a content."""
    return hashlib.sha256(content).hexdigest()


def digest_of(files: Mapping[str, bytes]) -> str:
    """One digest over several files: names and contents.

    >>> digest_of({"a": b"1", "b": b"2"}) == digest_of({"b": b"2", "a": b"1"})
    True
    """
    return sha256("".join(f"{sha256(files[name])}  {name}\n" for name in sorted(files)).encode())


@dataclass(frozen=True)
class Entry:
    """One line of the log. `former` is the digest that counted before, `previous` the line before's hash."""

    number: int
    action: Action
    month: date
    revision: int
    at: datetime
    by: str
    reason: str
    digest: str
    former: str
    previous: str
    line: bytes

    @property
    def seal(self) -> str:
        """The hash of this line: noted elsewhere, it vouches for all that stands before it."""
        return sha256(self.line)


@dataclass(frozen=True)
class Closing:
    """One revision of a closed month's statement, as it lies in its folder."""

    month: date
    revision: int
    digest: str
    folder: Path

    def read(self, name: str) -> bytes:
        """A file of the closing. Raises `BooksError` when it is gone."""
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise BooksError(
                f"the closing of {self.month:%Y-%m} lacks {name}",
                where=str(self.folder),
                cause=str(error),
                remedy="restore the folder `closed` of the books from a backup",
            ) from error

    def files(self) -> dict[str, bytes]:
        """All files, by name."""
        try:
            return {path.name: path.read_bytes() for path in sorted(self.folder.iterdir()) if path.is_file()}
        except OSError:
            return {}

    @cached_property
    def statement(self) -> dict[str, Any]:
        """What was stated."""
        return _object(self, STATEMENT)

    @cached_property
    def basis(self) -> dict[str, Any]:
        """What it was computed from: table versions, names of kept contents, program and definitions."""
        return _object(self, BASIS)


def _object(closing: Closing, name: str) -> dict[str, Any]:
    try:
        return json.loads(closing.read(name))
    except ValueError as error:
        raise BooksError(
            f"the closing of {closing.month:%Y-%m} is damaged: {name} is no JSON",
            where=str(closing.folder),
            cause=str(error),
            remedy="restore the folder `closed` of the books from a backup",
        ) from error


@dataclass(frozen=True)
class Damage:
    """Something in the closings that is no longer what was written: where, and what is wrong, both ways."""

    where: str
    en: str
    zh: str


class Closings:
    """The closings of the books in a local folder."""

    def __init__(self, books: Path) -> None:
        self.books = books
        self.folder = books / FOLDER

    def log(self) -> list[Entry]:
        """Every act, oldest first. A last line that was cut off by a crash does not count.

        Raises `BooksError` for a line that cannot be read.
        """
        return [self._entry(number, line) for number, line in enumerate(self._lines(), 1)]

    def in_force(self, as_of: datetime | None = None) -> dict[date, Closing]:
        """The closings that count, by month in order: now, or at a moment."""
        found: dict[date, Closing] = {}
        for entry in self.log():
            if as_of is not None and entry.at > as_of:
                break
            if entry.action == "reopen":
                found.pop(entry.month, None)
            else:
                found[entry.month] = self._closing(entry)
        return dict(sorted(found.items()))

    def revision(self, month: date, number: int | None = None) -> Closing:
        """A closing by its month: the one that counts, or any revision that ever did. Raises `UsageError`."""
        if number is None:
            found = self.in_force().get(month)
        else:
            entries = [entry for entry in self.log() if entry.action != "reopen"]
            found = next(
                (self._closing(e) for e in entries if (e.month, e.revision) == (month, number)), None
            )
        if found is None:
            said = f"{month:%Y-%m}" if number is None else f"revision {number} of {month:%Y-%m}"
            raise UsageError(f"{said} is not closed", remedy="see `breakeven closings`")
        return found

    def next_revision(self, month: date) -> int:
        """The number that the month's next statement bears."""
        revisions = (entry.revision for entry in self.log() if entry.month == month)
        return max(revisions, default=0) + 1

    def keep(self, content: bytes) -> str:
        """Keep a content that statements rest on, once; returns its name."""
        name = sha256(content)
        path = self.folder / KEPT / name
        try:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary = path.with_name(f"{name}.{os.getpid()}")
                _write(temporary, content)
                temporary.replace(path)
        except OSError as error:
            raise cannot_write(self.books, error) from error
        return name

    def kept(self, name: str) -> bytes:
        """A content that was kept. Raises `BooksError` when it is gone or no longer the same."""
        path = self.folder / KEPT / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BooksError(
                "what a closing rests on is gone", where=str(path), cause=str(error),
                remedy="restore the folder `closed` of the books from a backup",
            ) from error  # fmt: skip
        if sha256(content) != name:
            raise BooksError(
                "what a closing rests on was changed", where=str(path),
                remedy="restore the folder `closed` of the books from a backup",
            )  # fmt: skip
        return content

    def add(
        self,
        month: date,
        revision: int,
        files: Mapping[str, bytes],
        action: Action,
        *,
        former: str,
        reason: str = "",
        by: str = "",
    ) -> Entry:
        """Write a statement and log it. Raises `UsageError` when somebody else was faster."""
        with writer_lock(self.books):
            standing = self.in_force().get(month)
            if (standing.digest if standing else "") != former or self.next_revision(month) != revision:
                raise UsageError(
                    f"{month:%Y-%m} was closed by somebody else meanwhile", remedy="see `breakeven closings`"
                )
            folder = self.folder / f"{month:%Y-%m}" / str(revision)
            half = folder.with_name(f"{revision}.part")
            try:
                for left in (half, folder):  # what a crash left behind: the log does not name it
                    shutil.rmtree(left, ignore_errors=True)
                half.mkdir(parents=True)
                for name, content in files.items():
                    _write(half / name, content)
                half.rename(folder)
            except OSError as error:
                raise cannot_write(self.books, error) from error
            return self._append(action, month, revision, digest_of(files), former, reason, by)

    def reopen(self, month: date, *, reason: str, by: str = "") -> Entry:
        """Log that a month is open again; only the last closed one may be. Raises `UsageError`."""
        with writer_lock(self.books):
            closed = self.in_force()
            if month not in closed:
                raise UsageError(f"{month:%Y-%m} is not closed", remedy="see `breakeven closings`")
            last = max(closed)
            if month != last:
                raise UsageError(
                    f"only the last closed month can be reopened, and that is {last:%Y-%m}",
                    remedy=f"use `breakeven restate {month:%Y-%m}`, or reopen the later months first",
                )
            standing = closed[month]
            return self._append("reopen", month, standing.revision, "", standing.digest, reason, by)

    def damages(self) -> list[Damage]:
        """Everything that is not as it was written; none is good news."""
        found: list[Damage] = []
        previous = ""
        for number, line in enumerate(self._lines(), 1):
            where = f"{FOLDER}/{LOG}:{number}"
            try:
                entry = self._entry(number, line)
            except BooksError:
                found.append(Damage(where, "the line cannot be read", "该行无法读取"))
                previous = sha256(line)
                continue
            if entry.previous != previous:
                found.append(
                    Damage(where, "the lines before it were changed or removed", "它之前的行被改动或删除")
                )
            previous = entry.seal
            if entry.action != "reopen":
                found += self._damages_of(self._closing(entry))
        return found

    def _damages_of(self, closing: Closing) -> list[Damage]:
        where = f"{FOLDER}/{closing.month:%Y-%m}/{closing.revision}"
        if digest_of(closing.files()) != closing.digest:
            return [Damage(where, "its files are not those that were closed", "其中的文件与结账时不一致")]
        found: list[Damage] = []
        for name in sorted(set(kept_names(closing.basis))):
            try:
                self.kept(name)
            except BooksError:
                en, zh = f"what it rests on is gone or changed: {name}", f"其依据已丢失或被改动：{name}"
                found.append(Damage(where, en, zh))
        return found

    def _closing(self, entry: Entry) -> Closing:
        folder = self.folder / f"{entry.month:%Y-%m}" / str(entry.revision)
        return Closing(entry.month, entry.revision, entry.digest, folder)

    def _lines(self) -> list[bytes]:
        try:
            content = (self.folder / LOG).read_bytes()
        except FileNotFoundError:
            return []
        return content.split(b"\n")[:-1]

    def _entry(self, number: int, line: bytes) -> Entry:
        try:
            said = json.loads(line)
            return Entry(
                number, said["action"], date.fromisoformat(f"{said['month']}-01"), said["revision"],
                datetime.fromisoformat(said["at"]), said["by"], said["reason"], said["digest"],
                said["former"], said["previous"], line,
            )  # fmt: skip
        except (ValueError, KeyError, TypeError) as error:
            raise BooksError(
                "the log of closed months cannot be read", where=f"{self.folder / LOG}:{number}",
                cause=str(error), remedy="restore the folder `closed` of the books from a backup",
            ) from error  # fmt: skip

    def _append(
        self, action: Action, month: date, revision: int, digest: str, former: str, reason: str, by: str
    ) -> Entry:
        lines = self._lines()
        said = {
            "action": action,
            "month": f"{month:%Y-%m}",
            "revision": revision,
            "at": datetime.now(UTC).isoformat(timespec="microseconds"),
            "by": by,
            "reason": reason,
            "digest": digest,
            "former": former,
            "previous": sha256(lines[-1]) if lines else "",
        }
        line = json.dumps(said, ensure_ascii=False, sort_keys=True).encode()
        try:
            path = self.folder / LOG
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.truncate(sum(len(known) + 1 for known in lines))  # a line that a crash cut off goes
                file.write(line + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise cannot_write(self.books, error) from error
        return self._entry(len(lines) + 1, line)


def kept_names(basis: Mapping[str, Any]) -> list[str]:
    """The kept contents that a basis names."""
    names = [basis.get(name) for name in ("settings", "fx", "rates", "class_costs")]
    return [str(name) for name in [*names, *(card["sha256"] for card in basis.get("cards", ()))] if name]


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
