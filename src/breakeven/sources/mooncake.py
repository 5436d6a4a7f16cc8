"""Mooncake traces: real requests to Kimi, with the prefix blocks that say what a cache could have served.

A record is `{"timestamp": ms, "input_length": tokens, "output_length": tokens, "hash_ids": [block, ...]}`.
A block stands for up to 512 input tokens *and everything before them*: requests that share their first blocks
share that prefix.

Cached tokens are not recorded; they follow from replaying the requests in time order against a cache that
forgets nothing: the longest run of leading blocks seen before is cached. A run that includes a request's last
block caches all of its input, since that block may be partly filled: cached = min(blocks x 512, input).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from breakeven.errors import InputError, UsageError
from breakeven.sources.canonical import UNREAD, record_batches, trace_name
from breakeven.sources.registry import Source, SourceOption, Words
from breakeven.sources.text_lines import text_lines

BY_CONTEXT = "by-context"
_MODELS = ((8_192, "moonshot-v1-8k"), (32_768, "moonshot-v1-32k"))
_LARGEST_MODEL = "moonshot-v1-128k"
_MOST = 10**12  # a millisecond count or a token count beyond it is no measurement
_FIELDS = ("timestamp", "input_length", "output_length", "hash_ids")
_COLUMNS = (
    "at", "product", "provider", "model", "uncached_input_tokens", "cached_input_tokens", "output_tokens",
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """One record of a trace; `number` is its place in the file, from 1."""

    number: int
    timestamp_ms: int
    input_tokens: int
    output_tokens: int
    blocks: tuple[int, ...]


def cached_tokens(requests: Iterable[Request], block_tokens: int = 512) -> dict[int, int]:
    """Cached input tokens by record number, replayed in time order (ties in file order).

    The second request below shares both blocks of the first, of which the last holds 88 tokens; the third
    shares one block only.

    >>> trace = [Request(1, 0, 600, 9, (7, 8)), Request(2, 5, 600, 9, (7, 8)), Request(3, 9, 700, 9, (7, 4))]
    >>> cached_tokens(trace)
    {1: 0, 2: 600, 3: 512}
    """
    seen: set[int] = set()
    cached: dict[int, int] = {}
    for request in sorted(requests, key=lambda request: request.timestamp_ms):
        known = next((i for i, block in enumerate(request.blocks) if block not in seen), len(request.blocks))
        cached[request.number] = min(known * block_tokens, max(request.input_tokens, 0))
        seen.update(request.blocks)
    return cached


def model_by_context(tokens: int) -> str:
    """The model whose window holds a request's input and output, as the price list of 2024 sold them.

    >>> model_by_context(8_192), model_by_context(8_193), model_by_context(40_000)
    ('moonshot-v1-8k', 'moonshot-v1-32k', 'moonshot-v1-128k')
    """
    return next((model for window, model in _MODELS if tokens <= window), _LARGEST_MODEL)


def read(path: Path, options: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
    """Read a trace; records that are no requests are passed on for quarantine, under their own number."""
    start = _instant(options["start"])
    block_tokens = _positive(options["block_tokens"])
    trace = options["trace"] or trace_name(path)
    records = [_record(number, line) for number, line in enumerate(_lines(path), 1)]
    requests = [record for record in records if isinstance(record, Request)]
    if records and not requests:
        raise InputError(
            "not a Mooncake trace: no line is a request",
            where=f"{path}:1",
            cause=f"each line must be a JSON object with whole numbers in {', '.join(_FIELDS)}",
            remedy="check the file, or name another --source",
        )
    cached = cached_tokens(requests, block_tokens)

    def row(number: int, record: Request | str) -> dict[str, Any]:
        source_id = f"{trace}:{number}"
        if isinstance(record, str):
            return {"source_id": source_id, UNREAD: record}
        chosen = options["model"]
        return {
            "source_id": source_id,
            "at": start + timedelta(milliseconds=record.timestamp_ms),
            "product": options["product"],
            "provider": options["provider"],
            "model": model_by_context(record.input_tokens + record.output_tokens)
            if chosen == BY_CONTEXT
            else chosen,
            "uncached_input_tokens": record.input_tokens - cached[number],
            "cached_input_tokens": cached[number],
            "output_tokens": record.output_tokens,
        }

    yield from record_batches(
        "usage", _COLUMNS, (row(number, record) for number, record in enumerate(records, 1))
    )


def _lines(path: Path) -> Iterator[str]:
    return (line for line in text_lines(path) if line.strip())


def _record(number: int, line: str) -> Request | str:
    """The request on a line, or the line itself when it is none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return line
    if not isinstance(found, dict):
        return line
    fields: dict[str, Any] = found
    given: list[Any] = [fields.get(name) for name in _FIELDS]
    timestamp_ms, input_tokens, output_tokens, blocks = given
    if not isinstance(blocks, list) or not all(_is_whole(number) for number in (*given[:3], *blocks)):
        return line
    return Request(number, timestamp_ms, input_tokens, output_tokens, tuple(blocks))


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MOST


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise UsageError(
            f"option start={text} is not an instant", remedy="write start=2024-08-01T10:00:00+08:00"
        )
    return instant.astimezone(UTC)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise UsageError(f"option block_tokens={text} is not a positive whole number")
    return int(text)


SOURCE = Source(
    name="mooncake",
    label=Words("Mooncake trace of requests to Kimi", "Mooncake 的 Kimi 请求记录"),
    tables=("usage",),
    covers=Words("requests with the prefixes they share, without users", "请求及其共享前缀，无用户"),
    input_includes_cached=True,
    read=read,
    notes=Words(
        "The trace counts milliseconds from its own start; the day is assumed (option start). Cached tokens "
        "follow from shared prefix blocks and a cache that forgets nothing: they are the most a cache could "
        "serve. The model is assumed from input plus output. Users are not recorded.",
        "记录只有相对毫秒数，日期为假设（选项 start）。缓存 token 由共享前缀块与永不淘汰的缓存推算，"
        "是缓存所能命中的上限。模型按输入加输出的长度假定。记录中没有用户。",
    ),
    origin="https://github.com/kvcache-ai/Mooncake",
    options=(
        SourceOption(
            "start", "2024-08-01T10:00:00+08:00", Words("the first instant (assumed)", "起始时刻（假设）")
        ),
        SourceOption("provider", "moonshot", Words("who serves", "服务商")),
        SourceOption(
            "model", BY_CONTEXT, Words("a model, or by-context", "模型名，或 by-context（按上下文长度）")
        ),
        SourceOption("product", "app", Words("app, web or api", "app、web 或 api")),
        SourceOption("block_tokens", "512", Words("tokens of a prefix block", "每个前缀块的 token 数")),
        SourceOption("trace", "", Words("name in the row ids, if not the file's", "行号前缀，默认取文件名")),
    ),
)
