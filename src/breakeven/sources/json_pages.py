"""JSON documents as JSON lines: an API's pages, saved one after the other, become one record per line.

People save what an interface answers: one page, several pages in a row, an array of pages, lines of buckets.

    {"data": [{"start_time": 1, "results": [{...}, {...}]}], "has_more": true, "next_page": "x"}

A record in a bucket gets the bucket's own keys: `{"start_time": 1, ...}`; one that stands by itself in an
array or page stays as it is. A record's own text is copied, not written anew: no number passes through a
binary float. What is no JSON is refused with its line, and so are pages when the last says that more follow.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from breakeven.errors import InputError, NoRecords
from breakeven.ledger.layout import Prepare, Prepared
from breakeven.ledger.text_files import compression_of, unpack
from breakeven.sources.json_text import JSONText

_LINES_AT_ONCE = 5_000
_LONGEST_FIRST_LINE = 1 << 20
_NESTS = ("data", "results", "result")
_NESTED_KEYS = tuple(f'"{name}"' for name in _NESTS)
_EMPTY = re.compile(r"\{\s*\}")
_NUMBER = re.compile(r"\s*:\s*(-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)(?=[\s,}])")


def pages(*, exact: tuple[str, ...] = ()) -> Prepare:
    """Makes JSON lines of an API's saved pages; a file that is no JSON (a CSV export) is left as it is.

    Numbers under the keys in `exact` are put in quotation marks, so that every digit counts.
    """
    return partial(_prepare, exact=exact, of_lines=False)


def documents() -> Prepare:
    """Makes JSON lines of a JSON array or of pages; a file of JSON lines already is left as it is."""
    return partial(_prepare, exact=(), of_lines=True)


def _prepare(path: Path, folder: Path, *, exact: tuple[str, ...], of_lines: bool) -> Prepared:
    plain = unpack(path, folder / "unpacked.json") if compression_of(path) else path
    with plain.open("rb") as handle:
        head = handle.read(2)
    encoding = "utf-16" if head in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8"
    with plain.open(encoding=encoding, errors="replace") as stream:
        first = stream.readline(_LONGEST_FIRST_LINE).lstrip("\ufeff \t\r\n")
        while first == "" and (line := stream.readline(_LONGEST_FIRST_LINE)):
            first = line.lstrip()
    if first[:1] not in ("{", "[") or (of_lines and _is_record(first)):
        return Prepared(path)
    target = folder / "records.jsonl"
    with plain.open(encoding=encoding, newline="") as stream, target.open("wb") as out:
        walk = Walk(JSONText(stream, path), tuple(f'"{key}"' for key in exact))
        for lines in walk.lines():
            out.write("\n".join([*lines, ""]).encode())
    walk.finish()
    return Prepared(target)


def _is_record(line: str) -> bool:
    """Whether a line is a whole JSON object that holds no page or bucket."""
    if not line.startswith("{") or len(line) >= _LONGEST_FIRST_LINE:
        return line.startswith("{")  # no page of an interface is one line of that length
    try:
        return not _nests(json.loads(line))
    except (ValueError, RecursionError):
        return False


@dataclass
class Walk:
    """Goes through values, pages and buckets, and gives each record as a line of its own."""

    text: JSONText
    exact: tuple[str, ...] = ()
    records: int = 0
    empty_buckets: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    next_page: Any = None

    def lines(self) -> Iterator[list[str]]:
        """Every record as a line of JSON, some at a time. Raises `InputError` where the file is no JSON."""
        for lines in self._values():
            self.records += len(lines)
            for key in self.exact:
                lines = [_quoted(line, key) for line in lines]
            # Line breaks stand between values only: inside a text they are escaped.
            together = "".join(lines)
            if "\n" in together or "\r" in together:
                lines = [line.replace("\r", " ").replace("\n", " ") for line in lines]
            yield lines

    def finish(self) -> None:
        """Refuse a file that is not whole, or holds nothing. Raises `InputError`."""
        if self.next_page is not None:
            raise InputError(
                "the last page says that more follow, and they are not in the file; nothing was imported",
                where=str(self.text.path),
                cause=f"the next page is {str(self.next_page)[:100]}",
                remedy="fetch the next pages too and append them to the same file",
            )
        if not self.records:
            empty = self.empty_buckets
            first = json.dumps(empty[0])[:200] if empty else ""
            raise NoRecords(
                "the file holds no records",
                where=str(self.text.path),
                cause=f"{len(empty)} buckets without a result, the first {first}" if empty else "",
                remedy="if there was traffic in these days, check the filters and the rights of the key",
            )

    def _values(self) -> Iterator[list[str]]:
        while sign := self.text.next():
            if sign == "[":
                yield from self._array()
            elif sign == "{":
                yield from self._object()
            else:
                raise self.text.wrong("no valid JSON: neither an object nor an array")

    def _array(self, *, in_bucket: bool = False) -> Iterator[list[str]]:
        """The records of an array, the text of each as it stands."""
        text = self.text
        text.take("[")
        if text.next() == "]":
            text.take("]")
            return
        # Arrays hold one kind as a rule: once a plain record was seen, the next are taken as a whole.
        plain = in_bucket
        waiting: list[str] = []
        while True:
            sign = text.next()
            written = text.record() if plain and sign == "{" else ""
            if written and (in_bucket or not any(name in written for name in _NESTED_KEYS)):
                waiting.append(written)
            elif plain or sign != "{":
                text.give_back(written)
                found, written = text.value()
                if not in_bucket and _nests(found):
                    text.give_back(written)
                    plain = False
                    continue
                waiting.append(written)
            else:
                before = self.records
                yield from self._object()
                plain = self.records == before + 1
            if len(waiting) == _LINES_AT_ONCE:
                yield waiting
                waiting = []
            if text.next() != ",":
                break
            text.take(",")
        text.take("]")
        yield waiting

    def _object(self) -> Iterator[list[str]]:
        """A page, a bucket or a record: the first two hold arrays of what counts."""
        text = self.text
        text.take("{")
        said: dict[str, Any] = {}
        written: list[str] = []
        results: list[str] | None = None
        is_page = False
        while text.next() != "}":
            if text.next() != '"':
                raise text.wrong("no valid JSON: a key in quotation marks is expected here")
            key, key_text = text.value()
            text.take(":")
            if text.next() != "[" or key not in _NESTS:
                said[key], value = text.value()
                written.append(f"{key_text}:{value}")
            elif key == "data":
                is_page, self.next_page = True, None
                yield from self._array()
            else:
                # The bucket's own keys may come after its results: these wait until all are known.
                results = text.records()
                if results is None:
                    results = [line for lines in self._array(in_bucket=True) for line in lines]
            if text.next() != ",":
                break
            text.take(",")
        text.take("}")
        if results is not None:
            if not results:
                self.empty_buckets.append(said)
            yield _joined(",".join(written), results)
        elif is_page:
            self.next_page = _page_after(said)
        else:
            yield ["{" + ",".join(written) + "}"]


def _joined(bucket: str, records: list[str]) -> list[str]:
    """Records with the keys of their bucket before their own.

    >>> _joined('"start_time": 1', ['{"a": 2}', "{ }", "null"])
    ['{"start_time": 1,"a": 2}', '{"start_time": 1 }', 'null']
    """
    begin = f"{{{bucket},"
    if bucket and all(record.startswith('{"') for record in records):
        return [begin + record[1:] for record in records]
    return [
        record
        if record[0] != "{" or not bucket
        else f"{begin if _EMPTY.match(record) is None else begin[:-1]}{record[1:]}"
        for record in records
    ]


def _quoted(line: str, key: str) -> str:
    """A line with the number under a key as a text.

    >>> _quoted('{"amount": {"value": 0.10}, "of": "value"}', '"value"')
    '{"amount": {"value": "0.10"}, "of": "value"}'
    """
    at = line.find(key)
    while at >= 0:
        at += len(key)
        if found := _NUMBER.match(line, at):
            line = f'{line[: found.start(1)]}"{found[1]}"{line[found.end(1) :]}'
        at = line.find(key, at)
    return line


def _nests(found: Any) -> bool:
    return isinstance(found, dict) and any(isinstance(found.get(name), list) for name in _NESTS)


def _page_after(page: dict[str, Any]) -> Any:
    """What a page says of the next one; None when it is the last.

    >>> _page_after({"has_more": True, "next_page": "b"}), _page_after({"has_more": False})
    ('b', None)
    >>> _page_after({"meta": {"page": 1, "totalPages": 3}}), _page_after({"meta": {"cursor": None}})
    (2, None)
    """
    if "has_more" in page:
        return (page.get("next_page") or "not named") if page["has_more"] else None
    match page.get("meta"):
        case {"page": int(number), "totalPages": int(last)}:
            return number + 1 if number < last else None
        case {"cursor": cursor}:
            return cursor
        case _:
            return None
