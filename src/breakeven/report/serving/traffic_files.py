"""The traffic that a text names: a shipped traffic, lengths, a YAML profile, or a trace of requests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from breakeven.errors import InputError, UsageError
from breakeven.serving.traffic import Traffic, traffic_of_requests
from breakeven.serving.traffic_named import named_traffic, read_profile
from breakeven.sources.canonical import UNREAD
from breakeven.sources.registry import Source, find_source

_PROFILES = (".yaml", ".yml")
_TRACES = {".jsonl": "mooncake", ".csv": "azure"}
_PACKED = (".gz", ".zst")


def read_traffic(text: str) -> Traffic:
    """The traffic that a text means. Raises `UsageError` and `InputError`, with the file's row where it has
    one.

    >>> read_traffic("4000/1000").decode_context_tokens
    4500.0
    """
    path = Path(text)
    ending = path.with_suffix("").suffix if path.suffix in _PACKED else path.suffix
    if ending in _PROFILES:
        return read_profile(path)
    if ending in _TRACES:
        return _of_trace(path, _TRACES[ending])
    if path.is_file():
        raise UsageError(
            f"cannot tell what traffic the file {path.name} holds",
            remedy="name it .yaml (a profile), .jsonl (a Mooncake trace) or .csv (an Azure trace)",
        )
    return named_traffic(text)


def _of_trace(path: Path, source_name: str) -> Traffic:
    source = find_source(source_name)
    if source is None:
        raise AssertionError(f"the source {source_name} ships")
    rows = list(_rows(path, source))
    if not rows:
        raise InputError("no requests in the trace", where=str(path), remedy="check the file")
    first = rows[0]["at"]
    cached = [row.get("cached_input_tokens") or 0 for row in rows]
    return traffic_of_requests(
        path.name.partition(".")[0],
        [(row["at"] - first).total_seconds() for row in rows],
        [row["uncached_input_tokens"] + known for row, known in zip(rows, cached, strict=True)],
        [row["output_tokens"] for row in rows],
        cached,
        source=f"{path.name}: {len(rows):,} requests",
    )


def _rows(path: Path, source: Source) -> Iterator[dict[str, Any]]:
    """Requests of a trace; one that cannot be read or has negative lengths stops the reading, with its
    row.
    """
    if source.read is None:
        raise AssertionError(f"the source {source.name} reads files itself")
    number = 0
    for batch in source.read(path, source.options_from({})):
        for row in batch.to_pylist():
            number += 1
            if row.get(UNREAD) is not None:
                raise InputError(
                    f"not a request: {row[UNREAD][:80]}",
                    where=f"{path}:{number}",
                    remedy="correct or remove the row; every request counts in the mean",
                )
            if row["uncached_input_tokens"] < 0 or row["output_tokens"] < 0:
                raise InputError(
                    "a request with a negative length", where=f"{path}:{number}", remedy="correct the row"
                )
            yield row
