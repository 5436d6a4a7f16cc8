"""CloudEvents that tell of usage, as metering systems take them: one event is one model request.

An event is known by its `source` and `id` together. Its `time` is when it was sent unless the sender says
better. Only the keys in `KEPT_DATA` are read; what else `data` holds, prompts included, is never looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, cast

from breakeven.engine import sql
from breakeven.errors import InputError, UsageError
from breakeven.ledger.layout import Check, Field, Layout, Prepared, Value
from breakeven.sources.otlp import MOST_CHARACTERS
from breakeven.sources.providers import ALIASES, provider_sql
from breakeven.sources.registry import Source, SourceOption, Words
from breakeven.sources.text_lines import text_lines
from breakeven.sources.token_options import INCLUSIVE, PRODUCT, PROVIDER, constant, input_column, product

ENVELOPE = ("specversion", "id", "source", "type", "subject", "time")
DATA: dict[str, tuple[str, ...]] = {
    "model": ("model",),
    "provider": ("provider", "custom_llm_provider"),
    "input": ("input_tokens", "prompt_tokens"),
    "output_tokens": ("output_tokens", "completion_tokens"),
    "cached_input_tokens": ("cached_input_tokens", "cache_read_input_tokens", "cached_tokens"),
    "cache_write_tokens": ("cache_write_tokens", "cache_creation_input_tokens"),
    "reasoning_tokens": ("reasoning_tokens",),
    "total_tokens": ("total_tokens",),
    "tokens": ("tokens",),
    "token_type": ("type",),
    "user_id": ("user_id", "end_user"),
    "account_id": ("account_id", "team_id"),
    "feature": ("feature",),
    "service_tier": ("service_tier",),
    "status": ("status",),
    "latency_ms": ("latency_ms",),
    "ttft_ms": ("ttft_ms",),
    "response_id": ("response_id",),
}
"""What is read of an event's `data`, and the keys it may stand under, first found wins."""

KEPT_DATA = tuple(name for names in DATA.values() for name in names)
_SUBJECTS = ("user_id", "account_id")

# One event may also be one kind of tokens of a request: `tokens` counts them, `type` says which.
_INPUT = "{tokens} IS NOT NULL AND {token_type} IN ('input', 'prompt', 'system')"
_OUTPUT = "{tokens} IS NOT NULL AND {token_type} IN ('output', 'completion')"
_TELLING = ("model", "input", "output_tokens", "total_tokens", "tokens")
_NAMES = sorted({*ALIASES, *(alias for aliases in ALIASES.values() for alias in aliases)})

_CHECKS = (
    Check(
        "NOT starts_with({specversion}, '1.')",
        "specversion",
        "not version 1 of CloudEvents",
        "send events of specversion 1.0",
    ),
    Check(
        "contains({origin}, ' ')",
        "source",
        "a source that holds a space",
        "a source is a URI reference: write %20 for a space",
    ),
    Check(
        "{unfit} IS NOT NULL OR left({model}, 1) IN ('{', '[')",
        "data",
        f"a value that is no single value, or longer than {MOST_CHARACTERS:,} characters",
        "send names, ids and counts only; text of prompts and answers is never taken",
    ),
    Check(
        "TRY_CAST({total_tokens} AS HUGEINT) < TRY_CAST({input} AS HUGEINT) "
        "+ TRY_CAST({output_tokens} AS HUGEINT)",
        "total_tokens",
        "the parts exceed the whole: more input and output than total tokens",
        "check which tokens the sender counts",
    ),
)


def layouts(options: Mapping[str, str]) -> tuple[Layout, ...]:
    """How an event becomes a row of `usage`."""
    subject = options["subject"]
    if subject not in _SUBJECTS:
        raise UsageError(
            f"option subject={subject} is no column for it", remedy=f"use {' or '.join(_SUBJECTS)}"
        )
    # One pattern, not a list to go through: `moonshot/moonshot-v1-8k` names a provider, `org/model` none.
    pattern = sql.text(f"^({'|'.join(map(re.escape, _NAMES))})/")
    prefix = f"nullif(regexp_extract({{model}}, {pattern}, 1, 'i'), '')"
    given, implied = provider_sql("{provider}"), provider_sql(prefix)
    named = f"CASE WHEN {{provider}} IS NOT NULL THEN {given} ELSE {implied} END"
    bare = f"regexp_replace({{model}}, {pattern}, '', 'i')"
    fields = [Field("origin" if name == "source" else name, (name,)) for name in ENVELOPE]
    fields[0] = Field("specversion", ("specversion",), required=True)
    fields += [Field(name, tuple(f"data.{key}" for key in keys)) for name, keys in DATA.items()]
    fields += [Field("arrived_us", ("arrived_us",)), Field("unfit", ("unfit",))]
    columns = {
        # Stamped by the service that took the event, when the event itself has no time.
        "at": Value(
            "coalesce({time}, CAST(make_timestamp(TRY_CAST({arrived_us} AS BIGINT)) AS VARCHAR) || 'Z')"
        ),
        "user_id": Value("coalesce({user_id}, {subject})" if subject == "user_id" else "{user_id}"),
        "account_id": Value(
            "coalesce({account_id}, {subject})" if subject == "account_id" else "{account_id}"
        ),
        "product": Value(product(options)),
        "feature": Value("{feature}"),
        "provider": Value(f"coalesce({named}, {constant(options, 'provider')})"),
        "model": Value(f"CASE WHEN {{provider}} IS NOT NULL THEN {{model}} ELSE {bare} END"),
        "service_tier": Value("{service_tier}"),
        "requests": Value(f"CASE WHEN {_OUTPUT} THEN '0' END"),
        input_column(options): Value(
            f"coalesce({{input}}, CASE WHEN {_INPUT} THEN {{tokens}} WHEN {_OUTPUT} THEN '0' END)"
        ),
        "cached_input_tokens": Value("{cached_input_tokens}"),
        "cache_write_tokens": Value("{cache_write_tokens}"),
        "output_tokens": Value(
            f"coalesce({{output_tokens}}, CASE WHEN {_OUTPUT} THEN {{tokens}} WHEN {_INPUT} THEN '0' END)"
        ),
        "reasoning_tokens": Value("{reasoning_tokens}"),
        "status": Value("{status}"),
        "latency_ms": Value("{latency_ms}"),
        "ttft_ms": Value("{ttft_ms}"),
        # This gateway names its events by the provider's answers.
        "response_id": Value("coalesce({response_id}, CASE WHEN {type} = 'litellm_tokens' THEN {id} END)"),
    }
    nothing = " AND ".join(f"{{{name}}} IS NULL" for name in (*_TELLING, "unfit"))
    return (
        Layout(
            "usage",
            tuple(fields),
            columns,
            "{origin} || ' ' || {id}",
            # The first arrival of an event without a time counts, however often it is sent again.
            revision="CASE WHEN {time} IS NULL THEN -TRY_CAST({arrived_us} AS BIGINT) END",
            skip=f"{{specversion}} IS NOT NULL AND {nothing}",
            skipped_as="events that tell of no model call",
            checks=_CHECKS,
            prepare=as_lines,
            title="CloudEvents",
        ),
    )


def kept(event: object) -> dict[str, Any] | None:
    """Of an event only what the layout reads, with single values as text; None when it is no object.

    >>> kept({"id": "1", "data": {"model": "kimi-k2", "prompt": "hello", "tokens": 7}})
    {'id': '1', 'data': {'model': 'kimi-k2', 'tokens': '7'}}
    """
    if not isinstance(event, dict):
        return None
    given = cast("dict[str, Any]", event)
    unfit: list[str] = []
    found: dict[str, Any] = _single(given, ENVELOPE, unfit)
    data = given.get("data")
    if isinstance(data, str):
        try:
            data = json.loads(data)
        except (ValueError, RecursionError):
            unfit.append("data")
    if isinstance(data, dict):
        found["data"] = _single(cast("dict[str, Any]", data), KEPT_DATA, unfit)
    elif data is not None:
        unfit.append("data")
    if unfit:
        found["unfit"] = unfit[0]
    return found


def tells_nothing(event: Mapping[str, Any]) -> bool:
    """Whether a kept event tells of no model call: the layout skips the same ones."""
    data: Mapping[str, str] = event.get("data", {})
    return "specversion" in event and not any(key in data for name in _TELLING for key in DATA[name])


def _single(given: Mapping[str, Any], names: tuple[str, ...], unfit: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in names:
        value = given.get(name)
        if value is None:
            continue
        if isinstance(value, dict | list):
            unfit.append(name)
            continue
        text = value if isinstance(value, str) else str(value)
        if len(text) > MOST_CHARACTERS:
            unfit.append(name)
            text = text[:MOST_CHARACTERS]
        found[name] = text
    return found


def as_lines(original: Path, folder: Path) -> Prepared:
    """Events as one line each: JSON lines are read where they lie, one array or document is taken apart.

    Raises `InputError` when a document is cut off or is something else.
    """
    first = next((line for line in islice(text_lines(original), 1000) if line.strip()), "").strip()
    if first.startswith("{") and _is_json(first):
        return Prepared(original)
    if not first.startswith(("{", "[")):
        return Prepared(original)  # the reader says what is wrong with it
    target = folder / "events.jsonl"
    with target.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(kept(event)) + "\n" for event in _events(original))
    return Prepared(target)


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _events(path: Path) -> Iterator[object]:
    try:
        document: object = json.loads("\n".join(text_lines(path)))
    except (ValueError, RecursionError) as error:
        raise InputError(
            "not valid JSON; nothing was imported",
            where=str(path),
            cause=str(error)[:200],
            remedy="it may be cut off: fetch or export it again",
        ) from error
    yield from cast("list[object]", document) if isinstance(document, list) else [document]


SOURCE = Source(
    name="cloudevents",
    label=Words("CloudEvents usage events", "CloudEvents 用量事件"),
    tables=("usage",),
    input_includes_cached=True,
    layouts=layouts,
    notes=Words(
        "Input counts are taken to include cached tokens unless an option says otherwise. `time` is when the "
        "event was sent, which may be after the request. A cost in the event is not read: the price book "
        "prices the tokens.",
        "输入计数默认视为包含缓存词元，可用选项改变。`time` 为事件发送时刻，可能晚于请求。"
        "事件中的成本不读取：由价目为词元计价。",
    ),
    covers=Words(
        "Model requests that an application or a gateway reports itself.", "应用或网关自行上报的模型请求。"
    ),
    origin="https://cloudevents.io",
    options=(
        PROVIDER,
        PRODUCT,
        INCLUSIVE,
        SourceOption(
            "subject",
            "user_id",
            Words("whom `subject` names: user_id or account_id", "`subject` 指代：user_id 或 account_id"),
        ),
    ),
)
