"""JSON documents as JSON lines: an array of records, or pages `{"data": [...]}` as APIs give them.

Arrays are read in pieces: memory holds one record and a piece of the file, whatever the file's size.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any, cast

from breakeven.errors import InputError
from breakeven.ledger.text_files import compression_of, unpack

_CHUNK_CHARACTERS = 1 << 20
_DECODER = json.JSONDecoder()
_ARRAY_KEY = "data"
_JSON_SPACE = " \t\r\n"


def json_lines(path: Path, folder: Path, *, keep: Collection[str], texts: Collection[str] = ()) -> Path:
    """The file itself, or JSON lines written into `folder` where it holds one JSON document or pages.

    Of each record the keys in `keep` are written. `texts` are keys that should hold objects: where they hold
    JSON as text, it is opened. Raises `InputError` for a document that ends early.
    """
    plain = unpack(path, folder / "unpacked") if compression_of(path) else path
    with plain.open(encoding="utf-8-sig", errors="replace") as text:
        beginning = text.read(_CHUNK_CHARACTERS).lstrip(_JSON_SPACE)
        text.seek(0)
        if beginning.startswith("["):
            records = _array(text, path)
        elif beginning.startswith("{") and _is_page(beginning):
            records = _pages(text, path)
        elif beginning.startswith("{") and _has_texts(beginning, texts):
            records = _lines(text)
        else:
            return path
        target = folder / "records.jsonl"
        with target.open("w", encoding="utf-8") as out:
            for record in records:
                out.write(json.dumps(_chosen(record, keep, texts)) + "\n")
    return target


def _lines(text: IO[str]) -> Iterator[Any]:
    for line in text:
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError:
                yield None


def _has_texts(beginning: str, texts: Collection[str]) -> bool:
    """Whether one of the first records holds, under one of these keys, JSON as text."""
    for line in beginning.splitlines()[:-1] or [beginning]:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and any(isinstance(record.get(key), str) for key in texts):
            return True
    return False


def _chosen(record: Any, keep: Collection[str], texts: Collection[str]) -> Any:
    """A record's wanted keys; what is no record stays, to be quarantined under its number."""
    if not isinstance(record, dict):
        return f"not a record: {type(record).__name__}"
    items = cast("dict[str, Any]", record)
    chosen = {key: items[key] for key in keep if key in items}
    return chosen | {key: _opened(chosen[key]) for key in texts if isinstance(chosen.get(key), str)}


def _opened(text: str) -> Any:
    """What a text says as JSON; the text itself where it says nothing."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _is_page(beginning: str) -> bool:
    """Whether an object is a page rather than the first of many lines: it says so, or spans lines."""
    first = beginning.split("\n", 1)[0].rstrip()
    try:
        found = json.loads(first)
    except ValueError:
        # Either a document over several lines, or one whose only line is longer than the sample.
        return first in ("{", "") or (f'"{_ARRAY_KEY}"' in first[:200] and "\n" not in beginning)
    return isinstance(found, dict) and isinstance(found.get(_ARRAY_KEY), list)


def _pages(text: IO[str], path: Path) -> Iterator[Any]:
    content = text.read()
    place = _after_space(content, 0)
    while place < len(content):
        try:
            page, place = _DECODER.raw_decode(content, place)
        except ValueError as error:
            raise _ends_early(path) from error
        data = page.get(_ARRAY_KEY) if isinstance(page, dict) else None
        yield from data if isinstance(data, list) else [page]
        place = _after_space(content, place)


def _array(text: IO[str], path: Path) -> Iterator[Any]:
    """Each item of the array, decoded one by one out of a sliding piece of the file."""
    held = text.read(_CHUNK_CHARACTERS)
    place = held.index("[") + 1
    while True:
        place = _after_space(held, place, ",")
        if place < len(held) and held[place] == "]":
            return
        try:
            if place == len(held):
                raise ValueError("more to read")
            item, end = _DECODER.raw_decode(held, place)
            if end == len(held):
                raise ValueError("a number may go on")
        except ValueError as error:
            more = text.read(max(_CHUNK_CHARACTERS, len(held) - place))
            if not more:
                raise _ends_early(path) from error
            held, place = held[place:] + more, 0
            continue
        yield item
        place = end


def _after_space(text: str, place: int, also: str = "") -> int:
    while place < len(text) and (text[place] in _JSON_SPACE or text[place] in also):
        place += 1
    return place


def _ends_early(path: Path) -> InputError:
    return InputError(
        "the JSON document ends early or is not JSON; nothing was imported",
        where=str(path),
        cause="the download was cut off",
        remedy="fetch the file again",
    )
