"""What a URL names, as local files: tables of a database, objects of a store, files of a web server.

    postgresql://user@host/db?table=usage      duckdb:///path/file.duckdb?table=usage
    s3://bucket/prefix/*.parquet   gs://...    https://host/file.parquet   file:///path/file.csv

Everything is written into a private folder that is gone afterwards. A file's identity is its content, as for
any file. Secrets in a URL (user, password, signed query) never reach a name, a log or an error.
"""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import Request, urlopen

from breakeven.engine import sql
from breakeven.errors import InputError, SourceUnreachable, UsageError
from breakeven.sources.postgresql import shown, whole_csv
from breakeven.sources.registry import Source

if TYPE_CHECKING:
    from pyarrow import fs

_TIMEOUT_SECONDS = 30
_CHUNK_BYTES = 1 << 20
_PATTERN_SIGNS = "*?["
_LOCAL = "file"


@dataclass(frozen=True)
class Brought:
    """Files that stand for what was named: `paths` to read; `label(path)` is what people may see of one."""

    name: str
    folder: Path
    paths: list[Path]

    def label(self, path: Path) -> str:
        """The file as the person named it: never the temporary folder, never a secret."""
        return self.readable(str(path))

    def readable(self, text: str) -> str:
        """A text with the temporary folder replaced by what was named."""
        return text.replace(str(self.folder), self.name)


def is_remote(name: str, source: Source | None) -> bool:
    """Whether files have to be fetched before they can be read: a URL, or a folder its source reads live.

    >>> is_remote("s3://bucket/usage.parquet", None), is_remote("usage.csv", None)
    (True, False)
    """
    return "://" in name or (source is not None and source.fetch is not None and _LOCAL in source.schemes)


@contextmanager
def brought(
    name: str,
    source: Source | None,
    given: Mapping[str, str],
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Generator[Brought]:
    """Fetch what a URL names, by its source when that reads such URLs; the files are gone afterwards.

    Raises `SourceUnreachable` when nobody answers, `InputError` when nothing is there, `UsageError` for a URL
    that nothing reads.
    """
    scheme = urlsplit(name).scheme if "://" in name else _LOCAL
    place = shown(name) if "://" in name else name
    with tempfile.TemporaryDirectory(prefix="breakeven-fetched-") as folder:
        progress(f"fetching {place}")
        target = Path(folder)
        if source is not None and source.fetch is not None and scheme in source.schemes:
            paths = source.fetch(name, source.options_from(given), target)
        else:
            paths = _reader(scheme)(name, target)
        yield Brought(place, target, paths)


def _reader(scheme: str) -> Callable[[str, Path], list[Path]]:
    readers = {
        "postgresql": _postgresql,
        "postgres": _postgresql,
        "duckdb": _duckdb,
        "s3": _object_store,
        "gs": _object_store,
        "http": _web,
        "https": _web,
        _LOCAL: _file,
    }
    if scheme not in readers:
        raise UsageError(f"nothing here reads {scheme}:// URLs", remedy=f"use {', '.join(readers)}")
    return readers[scheme]


def _table_of(url: str) -> str:
    table = parse_qs(urlsplit(url).query).get("table", [""])[0]
    if not table:
        raise UsageError(
            f"which table of {shown(url)}?",
            remedy="add ?table=NAME to the URL, or name a --source that reads it",
        )
    return table


def _postgresql(url: str, folder: Path) -> list[Path]:
    return [whole_csv(url, folder, table=_table_of(url))]


def _duckdb(url: str, folder: Path) -> list[Path]:
    """A table of a DuckDB file, attached read-only."""
    from breakeven.engine.duckdb import DuckDBEngine

    table, file = _table_of(url), Path(unquote(urlsplit(url).path))
    if not file.is_file():
        raise InputError("no such file", where=str(file))
    target = folder / f"{file.stem}-{table}.parquet"
    schema, _, name = table.rpartition(".")
    with DuckDBEngine(spill=folder / "spill", keep_order=True) as engine:
        try:
            engine.execute(f"ATTACH {sql.text(str(file))} AS theirs (READ_ONLY)")
        except InputError as error:
            raise SourceUnreachable(
                "the database cannot be opened",
                where=str(file),
                cause=error.cause,
                remedy="close the program that has it open for writing, or check that the file is DuckDB's",
            ) from error
        found = engine.rows(
            "SELECT schema_name, table_name FROM (SELECT database_name, schema_name, table_name FROM "
            "duckdb_tables() UNION ALL SELECT database_name, schema_name, view_name FROM duckdb_views() "
            "WHERE NOT internal) WHERE database_name = 'theirs' ORDER BY ALL"
        )
        if (schema or "main", name) not in found:
            raise InputError(
                f"there is no table {table!r}",
                where=str(file),
                cause="tables found: " + ", ".join(f"{one}.{two}" for one, two in found)[:400],
                remedy="check the name in the URL",
            )
        engine.execute(
            f"COPY theirs.{sql.name(schema or 'main')}.{sql.name(name)} TO {sql.text(str(target))} "
            "(FORMAT parquet)"
        )
    return [target]


def _file(url: str, folder: Path) -> list[Path]:  # noqa: ARG001
    """Files of this machine are read where they lie."""
    from pyarrow import fs

    path = unquote(urlsplit(url).path) if "://" in url else url
    return [Path(found) for found in _matching(fs.LocalFileSystem(), path, url)]


def _object_store(url: str, folder: Path) -> list[Path]:
    parts = urlsplit(url)
    key = parts.netloc.rsplit("@", 1)[-1] + unquote(parts.path)
    base = PurePosixPath(_base(key))
    paths: list[Path] = []
    try:
        store = _store(parts.scheme)
        for found in _matching(store, key, url):
            target = folder / PurePosixPath(found).relative_to(base if str(base) in found else "/")
            target.parent.mkdir(parents=True, exist_ok=True)
            with store.open_input_stream(found) as stream, target.open("wb") as out:
                while chunk := stream.read(_CHUNK_BYTES):
                    out.write(chunk)
            paths.append(target)
    except FileNotFoundError:
        raise _nothing(url) from None
    except OSError as error:
        raise SourceUnreachable(
            "the object store did not answer, or refuses",
            where=shown(url),
            cause=str(error).splitlines()[0][:300],
            remedy="check the bucket, the region, the endpoint (AWS_ENDPOINT_URL) and the credentials",
        ) from error
    return paths


def _store(scheme: str) -> fs.FileSystem:
    from pyarrow import fs

    if scheme == "gs":
        return fs.GcsFileSystem(retry_time_limit=timedelta(seconds=_TIMEOUT_SECONDS))
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    secure, _, host = endpoint.rpartition("://")
    settings: dict[str, Any] = {"endpoint_override": host, "scheme": secure or "https"} if host else {}
    return fs.S3FileSystem(
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
        connect_timeout=_TIMEOUT_SECONDS,
        request_timeout=_TIMEOUT_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=3),
        **settings,
    )


def _base(key: str) -> str:
    """The folder of a key or pattern: what stands before its first sign of a pattern.

    >>> _base("bucket/usage/*/part.parquet"), _base("bucket/usage/a.parquet")
    ('bucket/usage', 'bucket/usage')
    """
    first = min((key.index(sign) for sign in _PATTERN_SIGNS if sign in key), default=len(key))
    return key[:first].rpartition("/")[0]


def _matching(store: fs.FileSystem, key: str, url: str) -> list[str]:
    """The files a key names: itself, those in the folder it is, or those a pattern matches; sorted."""
    from pyarrow import fs

    if any(sign in key for sign in _PATTERN_SIGNS):
        listed = store.get_file_info(fs.FileSelector(_base(key) or "/", recursive=True, allow_not_found=True))
        found = [one.path for one in listed if one.is_file and fnmatch(one.path, key)]
    else:
        info = store.get_file_info(key.rstrip("/"))
        if info.is_file:
            return [info.path]
        listed = store.get_file_info(fs.FileSelector(key.rstrip("/"), recursive=True, allow_not_found=True))
        found = [one.path for one in listed if one.is_file and not one.base_name.startswith((".", "_"))]
    if not found:
        raise _nothing(url)
    return sorted(found)


def _nothing(url: str) -> InputError:
    return InputError("no file matches", where=shown(url) if "://" in url else url)


def _web(url: str, folder: Path) -> list[Path]:
    """One file of a web server; a user and password in the URL become Basic authentication."""
    parts = urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rsplit("@", 1)[-1])
    request = Request(bare.geturl(), headers={"User-Agent": "breakeven"})  # noqa: S310 - http(s) only, by _reader
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
    target = folder / (PurePosixPath(unquote(parts.path)).name or "download")
    try:
        with urlopen(request, timeout=_TIMEOUT_SECONDS) as response, target.open("wb") as out:  # noqa: S310
            said = response.headers.get("Content-Length")
            while chunk := response.read(_CHUNK_BYTES):
                out.write(chunk)
            read = out.tell()
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        code = getattr(error, "code", None)
        raise SourceUnreachable(
            "the server did not answer, or refuses",
            where=shown(url),
            cause=f"HTTP {code} {reason}" if code else str(reason)[:300],
            remedy="check the URL; a signed one may have expired",
        ) from None
    if said is not None and read < int(said):
        raise SourceUnreachable(
            f"the download broke off after {read:,} of {int(said):,} bytes",
            where=shown(url),
            remedy="run the same command again",
        )
    return [target]
