"""YAML read strictly: every value knows its line, every unknown key is an error, numbers stay text.

Only what a rate card needs is allowed. Anchors and aliases are refused (a few lines of them can stand for
billions of values), as are repeated keys, tags and files beyond a size limit.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import NoReturn

import yaml

from breakeven.errors import InputError

MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 24
_PLAIN_TAGS = frozenset({"str", "int", "float", "bool", "null", "timestamp", "seq", "map"})
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Located:
    """A YAML value and the place it was written: text, a list or a mapping."""

    file: str
    line: int
    value: str | tuple[Located, ...] | dict[str, Located] | None

    @property
    def where(self) -> str:
        """The place as people write it: `file:line`."""
        return f"{self.file}:{self.line}"

    def fail(self, what: str, *, cause: str = "", remedy: str = "") -> NoReturn:
        """Raise the error that names this place."""
        raise InputError(what, where=self.where, cause=cause, remedy=remedy)

    def text(self) -> str:
        """The value as non-empty text."""
        if not isinstance(self.value, str) or not self.value.strip():
            self.fail("expected a text or a number here", remedy="write a single value")
        return self.value.strip()

    def items(self) -> tuple[Located, ...]:
        """The value as a list."""
        if not isinstance(self.value, tuple):
            self.fail("expected a list here", remedy="write one '- ' line per element, or [a, b]")
        return self.value

    def names(self) -> Iterator[tuple[str, Located]]:
        """The value as a mapping with free names, such as models."""
        if not isinstance(self.value, dict):
            self.fail("expected names with values here", remedy="write 'name: value' lines")
        yield from self.value.items()

    def fields(self, allowed: Sequence[str], required: Sequence[str] = ()) -> dict[str, Located]:
        """The value as a mapping of known keys; an unknown or missing key is an error with its line."""
        found = dict(self.names())
        for key, value in found.items():
            if key not in allowed:
                near = difflib.get_close_matches(key, allowed, n=1, cutoff=0.6)
                hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(allowed)}"
                value.fail(f"unknown key {key!r}", remedy=hint)
        for key in required:
            if key not in found:
                self.fail(f"the key {key!r} is missing", remedy=f"add '{key}: ...' here")
        return found


def read_yaml(path: Path) -> Located:
    """Read one YAML file; raises `InputError` with `file:line` for anything that is not plain data."""
    try:
        with path.open("rb") as file:
            raw = read_limited(file, str(path))
    except OSError as error:
        raise InputError(
            "cannot read this file", where=str(path), cause=error.strerror or str(error)
        ) from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError("not UTF-8 text", where=f"{path}:{line}", remedy="save the file as UTF-8") from None
    return parse_yaml(text, str(path))


def read_limited(file: BufferedIOBase, where: str) -> bytes:
    """All that a file holds. Raises `InputError` beyond the limit.

    It is read and not asked for its size: devices and pipes say that they hold nothing, and may never end.
    """
    raw = file.read(MAX_FILE_BYTES + 1)
    if len(raw) > MAX_FILE_BYTES:
        raise InputError(f"the file is larger than {MAX_FILE_BYTES} bytes", where=where, remedy="split it")
    return raw


def parse_yaml(text: str, file: str) -> Located:
    """Parse YAML text as if it came from `file`.

    >>> parse_yaml("a: 0.10", "card.yaml").fields(["a"])["a"].text()
    '0.10'
    """
    try:
        _refuse_depth_and_aliases(text, file)
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"not valid YAML: {error.problem}", where=f"{file}:{line}") from None
    except yaml.YAMLError as error:
        raise InputError(f"not valid YAML: {error}", where=f"{file}:1") from None
    if root is None:
        raise InputError("the file is empty", where=f"{file}:1", remedy="write a card, or remove the file")
    return _located(root, file, root.start_mark.line + 1)


def _refuse_depth_and_aliases(text: str, file: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise InputError("nested too deeply", where=f"{file}:{event.start_mark.line + 1}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            raise InputError(
                "anchors and aliases (& and *) are not allowed",
                where=f"{file}:{event.start_mark.line + 1}",
                remedy="write the values out",
            )


def _located(node: yaml.Node, file: str, line: int) -> Located:
    """`line` is the line of the key for a mapping's value: that is where a reader looks first."""
    if node.tag.removeprefix("tag:yaml.org,2002:") not in _PLAIN_TAGS:
        raise InputError(
            f"unexpected YAML tag {node.tag}", where=f"{file}:{line}", remedy="write plain values"
        )
    if isinstance(node, yaml.ScalarNode):
        return Located(file, line, None if node.tag.endswith(":null") else node.value)
    if isinstance(node, yaml.SequenceNode):
        children = (_located(child, file, child.start_mark.line + 1) for child in node.value)
        return Located(file, line, tuple(children))
    fields: dict[str, Located] = {}
    for key, child in node.value:
        key_line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise InputError("a key must be plain text", where=f"{file}:{key_line}")
        if key.value in fields:
            raise InputError(
                f"the key {key.value!r} appears twice",
                where=f"{file}:{key_line}",
                cause=f"it is already on line {fields[key.value].line}",
            )
        fields[key.value] = _located(child, file, key_line)
    return Located(file, line, fields)
