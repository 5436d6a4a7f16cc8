"""A live PostgreSQL, read as CSV files: one read-only snapshot, only the columns that are needed.

Rows come in a stable order, a file for each month of their own time. Months that did not change give the
same bytes again, so importing them again costs nothing; rows that came late change their month's file.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from breakeven.errors import InputError, SourceUnreachable, UsageError

if TYPE_CHECKING:
    import psycopg

_CONNECT_SECONDS = 10
_NAME_PARTS = 2


class _Relation(NamedTuple):
    """A table as SQL, and the types of its columns by name."""

    sql: str
    columns: dict[str, str]


def monthly_csv(
    url: str, folder: Path, *, table: str, columns: Sequence[str], time: str, key: str, since: str = ""
) -> list[Path]:
    """Write a table's columns, as far as it has them, into CSV files in `folder`: one a month of `time`.

    `since` is a day (UTC) before which nothing is read. Raises `SourceUnreachable` when the database does not
    answer or refuses, `InputError` when it has no such table, `UsageError` for a `since` that is no day.
    """
    first = _day(since) if since else None
    with _connected(url) as connection:
        relation = _relation(connection, table, shown(url))
        missing = [name for name in (time, key) if name not in relation.columns]
        if missing:
            raise InputError(
                f"the table {table!r} lacks {', '.join(missing)}",
                where=shown(url),
                cause=f"columns found: {', '.join(relation.columns)}"[:500],
                remedy="if a newer version renamed them, read the table with a mapping file",
            )
        chosen = ", ".join(_quoted(name) for name in columns if name in relation.columns)
        written: list[Path] = []
        for start, end in _months(connection, relation, time, first):
            target = folder / f"{file_stem(url)}-{start:%Y-%m}.csv"
            rows = _copy(
                connection,
                f"SELECT {chosen} FROM {relation.sql} WHERE {_quoted(time)} >= '{start}' "
                f"AND {_quoted(time)} < '{end}' ORDER BY {_quoted(time)}, {_quoted(key)}",
                target,
            )
            if rows:
                written.append(target)
        if not written:
            # No rows are a file with a header: an export of nothing, and said to be one.
            written.append(folder / f"{file_stem(url)}-empty.csv")
            _copy(connection, f"SELECT {chosen} FROM {relation.sql} LIMIT 0", written[0])
        return written


def whole_csv(url: str, folder: Path, *, table: str) -> Path:
    """Write one table, all columns, into a CSV file in `folder`, in the order of all its columns.

    Raises `SourceUnreachable` and `InputError` like `monthly_csv`.
    """
    with _connected(url) as connection:
        relation = _relation(connection, table, shown(url))
        target = folder / f"{file_stem(url)}-{_plain(table)}.csv"
        # JSON values have no order of their own; their text has.
        columns = [
            f"{_quoted(name)}::text AS {_quoted(name)}" if kind == "json" else _quoted(name)
            for name, kind in relation.columns.items()
        ]
        order = ", ".join(str(number) for number in range(1, len(columns) + 1))
        _copy(connection, f"SELECT {', '.join(columns)} FROM {relation.sql} ORDER BY {order}", target)
        return target


def shown(url: str) -> str:
    """A URL as people may see it: without user, password and options.

    >>> shown("postgresql://anna:secret@db.internal:5432/litellm?sslmode=require&password=x")
    'postgresql://db.internal:5432/litellm'
    """
    parts = urlsplit(url)
    host = parts.netloc.rsplit("@", 1)[-1]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def file_stem(url: str) -> str:
    """A file name that says where the rows came from, and no secret.

    >>> file_stem("postgresql://anna:secret@db.internal:5432/litellm")
    'db.internal-5432-litellm'
    """
    parts = urlsplit(url)
    return _plain(f"{parts.netloc.rsplit('@', 1)[-1]}-{parts.path.strip('/')}") or "database"


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-")


@contextmanager
def _connected(url: str) -> Generator[psycopg.Connection[Any]]:
    """A read-only snapshot; whatever the driver says is passed on without the password."""
    place = shown(url)
    try:
        import psycopg
    except ImportError:
        raise InputError(
            "reading PostgreSQL needs the package psycopg",
            where=place,
            remedy="install it: pip install 'breakeven[postgres]'",
        ) from None
    try:
        with psycopg.connect(_driver_url(url), connect_timeout=_CONNECT_SECONDS) as connection:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.execute("SET LOCAL TimeZone = 'UTC'")
            connection.execute("SET LOCAL DateStyle = 'ISO'")
            yield connection
    except psycopg.errors.InsufficientPrivilege as error:
        raise SourceUnreachable(
            "the database refuses to let this user read", where=place, cause=_said(error, url),
            remedy="grant SELECT on the table to the user in the URL",
        ) from None  # fmt: skip
    except psycopg.Error as error:
        raise SourceUnreachable(
            "the database did not answer, or broke off", where=place, cause=_said(error, url),
            remedy="check host, port, user, password and database in the URL, then run the command again",
        ) from None  # fmt: skip


def _driver_url(url: str) -> str:
    """The URL without what is ours (`table`)."""
    parts = urlsplit(url)
    query = urlencode([pair for pair in parse_qsl(parts.query) if pair[0] != "table"])
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def _said(error: Exception, url: str) -> str:
    """What the driver said, on one line, without the password in any spelling."""
    said = " ".join(str(error).split())[:300]
    parts = urlsplit(url)
    secrets = [parts.password or "", *(v for k, v in parse_qsl(parts.query) if "password" in k)]
    for secret in secrets:
        for spelling in {secret, unquote(secret)} - {""}:
            said = said.replace(spelling, "***")
    return said


def _relation(connection: psycopg.Connection[Any], table: str, place: str) -> _Relation:
    """Find a table by `name` or `schema.name`. Raises `InputError` when there is none to be seen."""
    schema, _, name = table.rpartition(".")
    rows = connection.execute(
        "SELECT table_schema, column_name, data_type FROM information_schema.columns WHERE table_name = %s "
        "AND CASE WHEN %s = '' THEN table_schema = ANY(current_schemas(false)) ELSE table_schema = %s END "
        "ORDER BY array_position(current_schemas(false), table_schema::name), ordinal_position",
        (name, schema, schema),
    ).fetchall()
    if not rows:
        raise InputError(
            f"there is no table {table!r}, or this user may not see it",
            where=place,
            remedy="check the name, the database and the schema; names are case-sensitive",
        )
    owner = str(rows[0][0])
    columns = {str(column): str(kind) for found, column, kind in rows if found == owner}
    return _Relation(f"{_quoted(owner)}.{_quoted(name)}", columns)


def _months(
    connection: psycopg.Connection[Any], relation: _Relation, time: str, first: date | None
) -> list[tuple[date, date]]:
    """The months from the first row (or the day `first`) to the last: start and end, the end excluded."""
    [earliest, latest] = connection.execute(
        f"SELECT min({_quoted(time)}), max({_quoted(time)}) FROM {relation.sql}"  # type: ignore[arg-type]
    ).fetchone() or (None, None)
    if earliest is None or latest is None:
        return []
    start = max(earliest.date(), first) if first else earliest.date()
    months: list[tuple[date, date]] = []
    while start <= latest.date():
        following = (start.replace(day=1) + timedelta(days=31)).replace(day=1)
        months.append((start, following))
        start = following
    return months


def _copy(connection: psycopg.Connection[Any], query: str, target: Path) -> int:
    """Stream a query into a CSV file; how many rows it held."""
    with connection.cursor() as cursor, target.open("wb") as out:
        with cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)") as rows:  # type: ignore[arg-type]
            for block in rows:
                out.write(block)
        return cursor.rowcount


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"option since={text} is not a day", remedy="write since=2024-08-01") from None
