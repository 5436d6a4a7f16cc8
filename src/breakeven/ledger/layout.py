"""A layout says in code how records of some system's own format become rows of one ledger table.

A mapping file renames columns; a layout computes them: each ledger column is an SQL expression over the
record's fields, run by the engine. Values then keep the same rules as any file's: a cell that cannot be read
is quarantined with its row, field and reason. Layouts come from source modules only; nothing a user writes
becomes SQL.

In an expression `{name}` stands for a field as text (NULL when the record lacks it):

>>> LAYOUT = Layout(
...     table="activity",
...     fields=(Field("who", ("uid", "user.id"), required=True), Field("when", ("ts",))),
...     columns={"user_id": Value("{who}"), "day": Value("left({when}, 10)")},
...     source_id="{who} || ':' || {when}",
... )
>>> LAYOUT.expression("day")
'left(file."when", 10)'
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from breakeven.engine import sql

_PLACEHOLDER = re.compile(r"\{([a-z_0-9]+)\}")


@dataclass(frozen=True)
class Field:
    """One value of a record: what expressions call it, and where it stands, first found wins.

    `origins` are header names in a table (CSV, Parquet), and paths of keys in a JSON record: `a.b` is key
    `b` in the object `a`, also where column `a` of a table holds JSON; a key that holds a dot itself is
    quoted: `attributes."gen_ai.system"`. A file in
    which a required field occurs nowhere is refused as a whole: it is another format, or a column was
    renamed. (A single record that lacks it is judged by the ledger's own rules.) A `private` field may hold
    people's words beside what the books need: expressions read it, quarantine never keeps it.
    """

    name: str
    origins: tuple[str, ...]
    required: bool = False
    private: bool = False


@dataclass(frozen=True)
class Value:
    """A ledger column as an SQL expression that gives text, and how that text reads.

    `unit` is the unit of an instant (`iso`, `s`, `ms`, `us`, `ns`); `scale` multiplies a number.
    """

    sql: str
    unit: str = "iso"
    scale: Decimal | None = None


@dataclass(frozen=True)
class Check:
    """A record is quarantined where `bad` (SQL over fields) is true; the words say what is wrong."""

    bad: str
    field: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Prepared:
    """A file made readable as a table or as JSON lines, and what it says of itself.

    `records` is how many records the file claims to hold, where it claims anything: a download that was cut
    off is refused then.
    """

    path: Path
    records: int | None = None


Prepare = Callable[[Path, Path], Prepared]
"""Turns (original, an empty folder to write into) into a file that can be read record by record."""


@dataclass(frozen=True)
class Layout:
    """How records of one format become rows of one table.

    When one file feeds several tables there is a layout for each, with `where` (SQL over fields) saying whose
    a record is; the last one takes what no other takes (`is_rest`), unreadable records included. Records for
    which `skip` is true are nobody's: they are counted and named by `skipped_as` (a span that called no
    model, a summary line). A layout may fill `input_tokens` instead of `uncached_input_tokens`; the cached
    parts are then taken out of it, and may not exceed it. `source` is the name that rows go by where several
    formats tell of the same things: the same id in two of them is then the same row. `derived` are values
    that several expressions need: each is worked out once, from fields and earlier ones, under its own name.
    """

    table: str
    fields: tuple[Field, ...]
    columns: Mapping[str, Value]
    source_id: str
    revision: str = ""
    where: str = ""
    is_rest: bool = True
    skip: str = ""
    skipped_as: str = ""
    checks: tuple[Check, ...] = ()
    time_zone: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    prepare: Prepare | None = None
    title: str = "this format"
    version: str = "1"
    source: str = ""
    derived: Mapping[str, str] = field(default_factory=dict[str, str])
    others: tuple[str, ...] = field(default=())

    @property
    def digest(self) -> str:
        """A stable hash of what the layout does: part of a batch's identity."""
        said = {
            "table": self.table,
            "fields": [[one.name, *one.origins] for one in self.fields],
            "columns": {name: [v.sql, v.unit, str(v.scale)] for name, v in self.columns.items()},
            "rest": [self.source_id, self.revision, self.where, self.skip, *self.others, self.version],
            "checks": [check.bad for check in self.checks],
            "reading": [self.time_zone, self.encoding, self.delimiter, *filter(None, [self.source])],
            **({"derived": dict(self.derived)} if self.derived else {}),
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]

    def filled(self, expression: str) -> str:
        """An expression with its fields in place. Raises `KeyError` for a field the layout does not have."""
        known = {*(one.name for one in self.fields), *self.derived}

        def place(found: re.Match[str]) -> str:
            if found[1] not in known:
                raise KeyError(f"the layout of {self.table} has no field {found[1]!r}")
            return f"file.{sql.name(found[1])}"

        return _PLACEHOLDER.sub(place, expression)

    def expression(self, column: str) -> str:
        """The SQL of a ledger column."""
        return self.filled(self.columns[column].sql)

    @property
    def kept(self) -> str:
        """SQL that is true for a record of this layout; empty when all are."""
        conditions = [f"NOT coalesce({self.filled(other)}, false)" for other in self.others]
        if self.where:
            conditions.append(f"coalesce({self.filled(self.where)}, {str(self.is_rest).lower()})")
        if self.skip:
            conditions.append(f"NOT coalesce({self.filled(self.skip)}, false)")
        return " AND ".join(conditions)

    @property
    def skipped(self) -> str:
        """SQL that is true for a record that this layout counts as nobody's; empty when there are none."""
        if not self.skip:
            return ""
        conditions = [f"NOT coalesce({self.filled(other)}, false)" for other in self.others]
        return " AND ".join([*conditions, f"coalesce({self.filled(self.skip)}, false)"])


def parts(*layouts: Layout) -> tuple[Layout, ...]:
    r"""Layouts of one format, each record falling to the first that takes it, and what is left to the last.

    >>> first = Layout("payments", (Field("kind", ("type",)),), {}, "{kind}", where="{kind} = 'charge'")
    >>> rest = Layout("settlements", (Field("kind", ("type",)),), {}, "{kind}")
    >>> [layout.kept for layout in parts(first, rest)]
    ['coalesce(file."kind" = \'charge\', false)', 'NOT coalesce(file."kind" = \'charge\', false)']
    """
    conditions = [layout.where for layout in layouts]
    return tuple(
        replace(layout, is_rest=number == len(layouts) - 1, others=tuple(conditions[:number]))
        for number, layout in enumerate(layouts)
    )
