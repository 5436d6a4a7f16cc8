"""Pseudonyms: user and account ids become keyed hashes at the door, and the key lies outside the books.

A pseudonym is `p_` and 24 hexadecimal digits of HMAC-SHA-256 under the books' key. The same id gives the same
pseudonym in every table and from every source, so rows still join; without the key nobody can tell whose they
are, nor try ids out. The books keep a fingerprint of the key, so that a wrong one is refused.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from breakeven.engine import sql
from breakeven.engine.duckdb import DuckDBEngine
from breakeven.errors import BooksError
from breakeven.ledger.settings import Settings
from breakeven.ledger.tables import LedgerTable

KEY_FILE = "BREAKEVEN_PSEUDONYM_KEY_FILE"
PREFIX = "p_"
_DIGITS = 24
_KEY_BYTES = 32
_BLOCK_BYTES = 64
_ID_COLUMNS = ("user_id", "account_id")
_INNER, _OUTER = "pseudonym_inner", "pseudonym_outer"
# What stands between the parts of an id that is put together from others.
_BETWEEN = " \t\x1f!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


def id_columns(table: LedgerTable) -> list[str]:
    """The columns of a table that name a person or a customer."""
    return [column.name for column in table.columns if column.name in _ID_COLUMNS]


@dataclass(frozen=True)
class Pseudonyms:
    """The key of one set of books, and what it makes of an id.

    >>> pseudonyms = Pseudonyms(bytes(32))
    >>> pseudonyms.of("alice")
    'p_ce3837f76a54a635191b1704'
    """

    key: bytes

    def of(self, identifier: str) -> str:
        """The pseudonym of an id."""
        return PREFIX + hmac.new(self.key, identifier.encode(), "sha256").hexdigest()[:_DIGITS]

    @property
    def fingerprint(self) -> str:
        """A name of the key that does not give it away."""
        return hashlib.sha256(b"breakeven pseudonyms\0" + self.key).hexdigest()[:16]

    def applied(self, engine: DuckDBEngine, relation: str, table: LedgerTable) -> str:
        """SQL of landed rows with pseudonyms for ids, and without the text of bad records.

        An id of a row that has the user's id as one of its parts is replaced as a whole: it would tell who
        it was. The key itself goes into variables of the engine and stands in no statement.
        """
        padded = self.key.ljust(_BLOCK_BYTES, b"\0")
        engine.remember(_INNER, bytes(byte ^ 0x36 for byte in padded))
        engine.remember(_OUTER, bytes(byte ^ 0x5C for byte in padded))
        ids = id_columns(table)
        replaced = [f"{_hashed(name)} AS {name}" for name in ids] + ["CAST(NULL AS VARCHAR) AS _raw"]
        if ids:
            named = " OR ".join(f"coalesce({_has_part('source_id', name)}, false)" for name in ids)
            replaced.append(f"CASE WHEN {named} THEN {_hashed('source_id')} ELSE source_id END AS source_id")
        return f"SELECT * REPLACE ({', '.join(replaced)}) FROM ({relation})"


def _hashed(column: str) -> str:
    """HMAC-SHA-256 as the engine can write it: two hashes over two paddings of the key."""
    inner = f"unhex(sha256(CAST(getvariable('{_INNER}') AS BLOB) || encode({column})))"
    whole = f"sha256(CAST(getvariable('{_OUTER}') AS BLOB) || {inner})"
    return f"'{PREFIX}' || left({whole}, {_DIGITS})"


def _has_part(whole: str, part: str) -> str:
    """True where a text has another among its parts."""
    marks = f"{sql.text(_BETWEEN)}, {sql.text(':' * len(_BETWEEN))}"
    return f"contains(':' || translate({whole}, {marks}) || ':', ':' || translate({part}, {marks}) || ':')"


def key_path(fingerprint: str) -> Path:
    """Where the key of that fingerprint lies: the environment says, else the user's own settings folder."""
    named = os.environ.get(KEY_FILE)
    if named:
        return Path(named)
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "breakeven" / "keys" / f"{fingerprint}.key"


def create_key(books: Path) -> Pseudonyms:
    """A new key, in a file that only its owner reads; the one the environment names, where there is one.

    Raises `BooksError` when it cannot be written, or would lie in the books themselves.
    """
    named = os.environ.get(KEY_FILE)
    if named and Path(named).exists():
        return _read(Path(named), books)
    created = Pseudonyms(secrets.token_bytes(_KEY_BYTES))
    path = key_path(created.fingerprint)
    _refuse_inside(path, books)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(created.key.hex() + "\n")
    except OSError as error:
        raise BooksError(
            "the key of the pseudonyms cannot be written",
            where=str(path),
            cause=str(error),
            remedy=f"name a file of another folder in {KEY_FILE}",
        ) from error
    return created


def pseudonyms_of(books: Path, settings: Settings) -> Pseudonyms | None:
    """The pseudonyms of books that use them, else None.

    Raises `BooksError` when the key is missing, is not the one these books were begun with, can be read by
    everybody, or lies in the books themselves.
    """
    if not settings.pseudonymise:
        return None
    if not settings.pseudonym_key:
        raise BooksError(
            "these books are to hold pseudonyms, and have no key",
            where=str(books),
            cause="`pseudonymise` was set by hand after the books were begun",
            remedy="start new books with `breakeven init --pseudonymise` and import again",
        )
    path = key_path(settings.pseudonym_key)
    found = _read(path, books)
    if found.fingerprint != settings.pseudonym_key:
        raise BooksError(
            "this is not the key these books were begun with",
            where=str(path),
            cause="under another key every user would become a stranger",
            remedy=f"name the right file in {KEY_FILE}",
        )
    return found


def _read(path: Path, books: Path) -> Pseudonyms:
    _refuse_inside(path, books)
    try:
        mode = path.stat().st_mode
        key = bytes.fromhex(path.read_text("ascii").strip())
    except OSError as error:
        raise BooksError(
            "the key of the pseudonyms cannot be read",
            where=str(path),
            cause=str(error),
            remedy=f"restore it from your backup, or name it in {KEY_FILE}",
        ) from error
    except ValueError as error:
        raise BooksError("not a key of pseudonyms", where=str(path), remedy="restore it") from error
    if os.name == "posix" and mode & 0o007:
        raise BooksError(
            "everybody can read the key of the pseudonyms",
            where=str(path),
            remedy=f"run `chmod 600 {path}`",
        )
    if len(key) != _KEY_BYTES:
        raise BooksError("not a key of pseudonyms", where=str(path), remedy="restore it")
    return Pseudonyms(key)


def _refuse_inside(path: Path, books: Path) -> None:
    if path.resolve().is_relative_to(books.resolve()):
        raise BooksError(
            "the key of the pseudonyms lies in the books",
            where=str(path),
            cause="whoever copies the books would copy it with them",
            remedy="keep it elsewhere",
        )
