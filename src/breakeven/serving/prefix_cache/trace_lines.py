"""Lines of a trace file into arrays, with the line named when one cannot be.

Two layouts, told apart by the fields of the first line:

    {"timestamp": ms, "input_length": tokens, "output_length": tokens, "hash_ids": [id, ...]}     Mooncake
    {"seconds": s, "input_tokens": tokens, "output_tokens": tokens, "blocks": [id, ...]}          plain

Ids are numbers or texts. Output lengths may be absent from all lines.
"""

from __future__ import annotations

import json
import math
import reprlib
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from breakeven.errors import InputError
from breakeven.serving.prefix_cache.trace import BLOCK_TOKENS, Ints, PrefixTrace

TimeUnit = Literal["ms", "s"]
IdsOf = Literal["prefix", "content"]
_MOST = 10**12  # a time or a length beyond it is no measurement
_MOST_ID = 2**63 - 1
_WHOLE = frozenset({int})
_REPORT_EVERY = 20_000


@dataclass(frozen=True)
class _Layout:
    name: str
    time: str
    input: str
    output: str
    blocks: str
    unit: TimeUnit


_LAYOUTS = (
    _Layout("Mooncake", "timestamp", "input_length", "output_length", "hash_ids", "ms"),
    _Layout("plain", "seconds", "input_tokens", "output_tokens", "blocks", "s"),
)
_FORMS = (
    "each line is a JSON object with timestamp, input_length, hash_ids, or with seconds, input_tokens, blocks"
)
_CORRECT = "correct the line, or leave it out"


@dataclass(frozen=True, eq=False)
class TraceFile:
    """A trace as read, and the output lengths (request,) where the file has them."""

    trace: PrefixTrace
    output_tokens: Ints | None


def read_trace(
    lines: Iterable[str],
    name: str,
    *,
    block_tokens: int = BLOCK_TOKENS,
    time_unit: TimeUnit | None = None,
    ids_of: IdsOf = "prefix",
    sort: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> TraceFile:
    """The trace on `lines`; empty lines are passed over.

    `time_unit` is the layout's own unless given. With `ids_of="content"` an id names what is in a block
    whatever comes before it; ids are then chained, so that each stands for its whole prefix. Requests at the
    same time keep their order. Raises `InputError`, with the line, for anything that is no such trace.

    >>> line = '{"timestamp": 3000, "input_length": 600, "output_length": 9, "hash_ids": [7, 8]}'
    >>> found = read_trace([line, line], "two.jsonl")
    >>> found.trace.seconds.tolist(), found.trace.blocks.tolist(), found.output_tokens.tolist()
    ([3.0, 3.0], [7, 8, 7, 8], [9, 9])
    """
    reading = _Reading(name, block_tokens, time_unit, ids_of, sort)
    for number, line in enumerate(lines, 1):
        if line.strip():
            reading.take(number, line)
        if number % _REPORT_EVERY == 0:
            report(f"reading: {number:,} lines")
    return reading.finished()


class _Reading:
    """What was read so far. Plain arrays grow in place: a million requests take 8 bytes a number."""

    def __init__(
        self, name: str, block_tokens: int, time_unit: TimeUnit | None, ids_of: IdsOf, sort: bool
    ) -> None:
        self.name, self.block_tokens, self.time_unit, self.sort = name, block_tokens, time_unit, sort
        self.chains = ids_of == "content"
        self.layout: _Layout | None = None
        self.seconds, self.inputs, self.outputs = array("d"), array("q"), array("q")
        self.blocks, self.lengths = array("q"), array("q")
        self.texts: dict[str, int] = {}
        self.numbers: dict[tuple[int, int], int] = {}

    def take(self, line_number: int, line: str) -> None:
        """Add the request of one line."""
        where = f"{self.name}:{line_number}"
        fields = _object(line, where)
        if self.layout is None:
            self.layout = _layout(fields, where)
        layout = self.layout
        seconds = self._seconds(fields, where)
        if self.seconds and seconds < self.seconds[-1] and not self.sort:
            raise InputError(
                f"{layout.time} falls from {self.seconds[-1]:,.3f} s to {seconds:,.3f} s",
                where=where,
                cause="the trace is not sorted by time",
                remedy="sort it by time, or add --sort",
            )
        input_tokens = _whole(fields, layout.input, where)
        if layout.output in fields:
            self.outputs.append(_whole(fields, layout.output, where))
        ids = self._ids(fields, where)
        self._require_size(len(ids), input_tokens, where)
        self.seconds.append(seconds)
        self.inputs.append(input_tokens)
        self.lengths.append(len(ids))
        self.blocks.extend(ids)

    def finished(self) -> TraceFile:
        """All of it as a trace."""
        if not self.seconds:
            raise InputError(
                "the trace has no requests",
                where=self.name,
                remedy="check the file, or export the trace again",
            )
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.array(self.lengths, np.int64))])
        seconds = np.array(self.seconds, np.float64)
        trace = PrefixTrace(
            seconds,
            np.array(self.inputs, np.int64),
            np.array(self.blocks, np.int64),
            starts,
            self.block_tokens,
        )
        has_outputs = len(self.outputs) == len(self.seconds)
        outputs = np.array(self.outputs, np.int64) if has_outputs else None
        if not self.sort:
            return TraceFile(trace, outputs)
        order = np.argsort(seconds, kind="stable")
        return TraceFile(trace.by_time(), None if outputs is None else outputs[order])

    def _seconds(self, fields: dict[str, Any], where: str) -> float:
        layout = cast("_Layout", self.layout)
        value = _given(fields, layout.time, where)
        unit = self.time_unit or layout.unit
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST:
            raise InputError(
                f"{layout.time} is {_shown(value)}, not a time of zero or more", where=where, remedy=_CORRECT
            )
        if unit == "ms" and value != math.floor(value):
            raise InputError(
                f"{layout.time} {value} is no whole number of milliseconds",
                where=where,
                cause="the trace counts seconds",
                remedy="add --time-unit s",
            )
        return value / 1_000 if unit == "ms" else float(value)

    def _ids(self, fields: dict[str, Any], where: str) -> list[int]:
        layout = cast("_Layout", self.layout)
        found = _given(fields, layout.blocks, where)
        if not isinstance(found, list):
            raise InputError(
                f"{layout.blocks} is {_shown(found)}, not a list of block ids", where=where, remedy=_CORRECT
            )
        ids = cast("list[Any]", found)
        # Almost all files hold whole numbers alone, and checking them as a list is what keeps long ones fast.
        if not (
            set(map(type, ids)) <= _WHOLE and min(ids, default=0) >= 0 and max(ids, default=0) <= _MOST_ID
        ):
            for each in ids:
                self._require_id(each, where)
            ids = [each if isinstance(each, int) else self._number_of(each) for each in ids]
        if not self.chains:
            return ids
        chain = -1
        return [chain := self.numbers.setdefault((chain, each), len(self.numbers)) for each in ids]

    def _number_of(self, text: str) -> int:
        """A text's own number, below zero so that it is none of the file's."""
        return self.texts.setdefault(text, -1 - len(self.texts))

    def _require_id(self, each: Any, where: str) -> None:
        if isinstance(each, str) or (type(each) is int and 0 <= each <= _MOST_ID):
            return
        raise InputError(
            f"{cast('_Layout', self.layout).blocks} holds {_shown(each)}, which is no block id",
            where=where,
            cause="an id is a whole number of zero or more, or a text",
            remedy="export the trace again with such ids",
        )

    def _require_size(self, ids: int, input_tokens: int, where: str) -> None:
        """Ids fit an input when there is one for each full block, and at most one for the rest."""
        full, rest = divmod(input_tokens, self.block_tokens)
        if full <= ids <= full + (rest > 0):
            return
        fits = _block_tokens(ids, input_tokens)
        remedy = "give the lengths in tokens, and the size of a block with --block-tokens"
        if fits:
            remedy = f"add --block-tokens {fits} if blocks have that size, or give the lengths in tokens"
        raise InputError(
            f"{input_tokens:,} input tokens make {full + (rest > 0):,} blocks of {self.block_tokens:,}, "
            f"but there are {ids:,} ids",
            where=where,
            cause="blocks of another size, or lengths in characters instead of tokens",
            remedy=remedy,
        )


def _block_tokens(ids: int, input_tokens: int) -> int | None:
    """The power of two, if any, in whose blocks so many tokens make so many ids.

    >>> _block_tokens(14, 6_758), _block_tokens(3, 100)
    (512, None)
    """
    sizes = (2**exponent for exponent in range(2, 17))
    return next((size for size in sizes if ids and math.ceil(input_tokens / size) == ids), None)


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        found: Any = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError(
            "not a trace: the line is no JSON object",
            where=where,
            cause="another kind of file",
            remedy=_FORMS,
        )
    return cast("dict[str, Any]", found)


def _layout(fields: dict[str, Any], where: str) -> _Layout:
    for layout in _LAYOUTS:
        if layout.blocks in fields:
            return layout
    raise InputError(
        "the line has no block ids, neither hash_ids nor blocks",
        where=where,
        cause="a trace of lengths alone, which says nothing of shared prefixes",
        remedy=_FORMS,
    )


def _whole(fields: dict[str, Any], field: str, where: str) -> int:
    value = _given(fields, field, where)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST:
        raise InputError(
            f"{field} is {_shown(value)}, not a whole number of zero or more", where=where, remedy=_CORRECT
        )
    return value


def _given(fields: dict[str, Any], field: str, where: str) -> Any:
    if field not in fields:
        raise InputError(f"{field} is missing", where=where, remedy=_FORMS)
    return fields[field]


def _shown(value: Any) -> str:
    """A value as it is written, cut where it is long."""
    return reprlib.repr(value)
