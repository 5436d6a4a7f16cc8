"""Azure's public traces of LLM inference: when a request came, how many tokens went in and came out.

A record is `TIMESTAMP,ContextTokens,GeneratedTokens`. Times carry no zone; they are read as UTC. The trace
says nothing of caching, so all input is booked as uncached: what a cache would have saved is not in it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from breakeven.errors import InputError, UsageError
from breakeven.sources.canonical import UNREAD, record_batches, trace_name
from breakeven.sources.registry import Source, SourceOption, Words
from breakeven.sources.text_lines import text_lines

_HEADER = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"]
_COLUMNS = ("at", "product", "provider", "model", "uncached_input_tokens", "output_tokens")


def read(path: Path, options: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
    """Read a trace; records with other than a time and two whole numbers are passed on for quarantine."""
    lines = (line for line in text_lines(path) if line.strip())
    header = next(lines, "")
    if [name.strip() for name in header.split(",")] != _HEADER:
        raise InputError(
            "not an Azure trace: the header differs",
            where=f"{path}:1",
            cause=f"expected {','.join(_HEADER)}; found {header[:200]}",
            remedy="check the file, or name another --source",
        )
    yield from record_batches("usage", _COLUMNS, _rows(lines, options["trace"] or trace_name(path), options))


def _rows(lines: Iterator[str], trace: str, options: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    shift = None
    for number, line in enumerate(lines, 1):
        row: dict[str, Any] = {"source_id": f"{trace}:{number}"}
        try:
            moment, input_tokens, output_tokens = next(csv.reader([line]))
            at = _as_utc(moment)
            row |= {
                "uncached_input_tokens": _count(input_tokens),
                "output_tokens": _count(output_tokens),
                "product": options["product"],
                "provider": options["provider"],
                "model": options["model"],
            }
        except (ValueError, csv.Error):
            yield row | {UNREAD: line}
            continue
        if shift is None:
            shift = _start(options["start"], at) - at
        yield row | {"at": at + shift}


def _as_utc(text: str) -> datetime:
    """An instant; digits beyond the microsecond are dropped.

    >>> _as_utc("2023-11-16 18:15:46.6805900").isoformat()
    '2023-11-16T18:15:46.680590+00:00'
    """
    moment = datetime.fromisoformat(text)
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).astimezone(UTC)


def _count(text: str) -> int:
    number = int(text)
    if abs(number) >= 2**53:
        raise ValueError(text)
    return number


def _start(option: str, recorded: datetime) -> datetime:
    if not option:
        return recorded
    try:
        return _as_utc(option)
    except ValueError:
        raise UsageError(
            f"option start={option} is not an instant", remedy="write start=2024-02-01T00:00:00Z"
        ) from None


SOURCE = Source(
    name="azure",
    label=Words("Azure public trace of LLM requests", "Azure 公开的 LLM 请求记录"),
    tables=("usage",),
    covers=Words("requests of public traces, without users", "公开轨迹中的请求，无用户"),
    input_includes_cached=None,
    read=read,
    notes=Words(
        "Times carry no zone and are read as UTC. The trace says nothing of caching: all input is booked as "
        "uncached. Provider and model are not recorded but assumed (options). Users are not recorded.",
        "时间不带时区，按 UTC 读取。记录没有缓存信息：全部输入记为未缓存。"
        "服务商与模型未记录，为假设（见选项）。记录中没有用户。",
    ),
    origin="https://github.com/Azure/AzurePublicDataset",
    options=(
        SourceOption("provider", "openai", Words("who serves (assumed)", "服务商（假设）")),
        SourceOption("model", "gpt-3.5-turbo-1106", Words("which model (assumed)", "模型（假设）")),
        SourceOption("product", "api", Words("app, web or api (assumed)", "app、web 或 api（假设）")),
        SourceOption(
            "start",
            "",
            Words("move the first request to this instant", "把首个请求移到此时刻（默认按记录）"),
        ),
        SourceOption("trace", "", Words("name in the row ids, if not the file's", "行号前缀，默认取文件名")),
    ),
)
