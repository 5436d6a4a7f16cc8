"""Sources by name: a module here, or one that an installed package offers as entry point `breakeven.sources`.

A source reads one system's own files and yields records in the ledger's columns. It never touches tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, NamedTuple

from breakeven.errors import InputError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from breakeven.ledger.layout import Layout

ENTRY_POINTS = "breakeven.sources"
_PACKAGE = "breakeven.sources"


class Words(NamedTuple):
    """The same words in English and in Chinese."""

    en: str
    zh: str


_NOTHING = Words("", "")


@dataclass(frozen=True)
class SourceOption:
    """What a person may tell a source with `--option name=value`."""

    name: str
    default: str
    label: Words


Read = Callable[[Path, Mapping[str, str]], Iterator["pa.RecordBatch"]]
Layouts = Callable[[Mapping[str, str]], tuple["Layout", ...]]
Fetch = Callable[[str, Mapping[str, str], Path], list[Path]]
"""(URL, options, an empty folder) to the files written there, in the source's own format."""


@dataclass(frozen=True)
class Source:
    """One system we read, in one of two ways.

    `layouts(options)` says how records become rows of one table or several: the engine then reads the file in
    its own form, fast, with every bad cell located; see `breakeven.ledger.layout`. `read(path, options)` is
    for what no expression can say (a cache to be replayed): it yields batches in canonical columns, one row
    per record of the file, in its order; see `breakeven.sources.canonical`.

    `tables` are those it fills; `covers` says what of the business its records tell. `fetch` brings what a
    URL names into a folder, as files in the same format, for systems that are read live; `schemes` are the
    URLs it takes. `input_includes_cached` declares whether the system's own input count
    includes cached tokens; None where it says nothing of caching or counts no tokens. `notes` say what a
    reader must know beside the figures: what is assumed, what is not recorded.
    """

    name: str
    label: Words
    tables: tuple[str, ...]
    input_includes_cached: bool | None
    notes: Words
    covers: Words = _NOTHING
    layouts: Layouts | None = None
    read: Read | None = None
    fetch: Fetch | None = None
    schemes: tuple[str, ...] = ()
    origin: str = ""
    options: tuple[SourceOption, ...] = ()

    def __post_init__(self) -> None:
        if (self.layouts is None) == (self.read is None):
            raise TypeError(f"source {self.name!r} needs either layouts or read")

    @property
    def table(self) -> str:
        """The one table of a source that fills one; the first of several."""
        return self.tables[0]

    def options_from(self, given: Mapping[str, str]) -> dict[str, str]:
        """All options with their values. Raises `UsageError` for a name this source does not have."""
        known = {option.name: option.default for option in self.options}
        for name in given:
            if name not in known:
                raise UsageError(
                    f"source {self.name!r} has no option {name!r}",
                    remedy=f"use {', '.join(known)}" if known else "it takes none",
                )
        return known | dict(given)


def find_source(name: str) -> Source | None:
    """The source of that name, or None: then the name only labels rows.

    >>> source = find_source("mooncake")
    >>> source.table if source else None
    'usage'
    >>> find_source("our-gateway") is None
    True
    """
    if name.isidentifier() and find_spec(f"{_PACKAGE}.{name}") is not None:
        found = getattr(import_module(f"{_PACKAGE}.{name}"), "SOURCE", None)
        if isinstance(found, Source):
            return found
    for point in entry_points(group=ENTRY_POINTS, name=name):
        return _loaded(point)
    return None


def source_names() -> list[str]:
    """Names of every source at hand, sorted. Loading one may still fail: see `find_source`."""
    import breakeven.sources as package

    own = [module.name for module in iter_modules(package.__path__) if not module.ispkg]
    names = {
        name
        for name in own
        if isinstance(getattr(import_module(f"{_PACKAGE}.{name}"), "SOURCE", None), Source)
    }
    return sorted(names | {point.name for point in entry_points(group=ENTRY_POINTS)})


def _loaded(point: EntryPoint) -> Source:
    where = f"{point.value} ({ENTRY_POINTS})"
    try:
        found = point.load()
    except Exception as error:
        raise InputError(
            f"the source {point.name!r} cannot be loaded",
            where=where,
            cause=f"{type(error).__name__}: {error}",
            remedy="repair or remove the package that offers it",
        ) from error
    if not isinstance(found, Source) or found.name != point.name:
        raise InputError(
            f"the source {point.name!r} is not a Source of that name",
            where=where,
            remedy="point the entry point at `module:SOURCE`; docs/how-to/add-a-source.md shows how",
        )
    return found
