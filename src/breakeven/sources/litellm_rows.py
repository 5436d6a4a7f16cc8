"""What LiteLLM says of a call, as a row of the spool: ids, counts, times, and no words.

Token counts are in OpenAI's manner: `prompt_tokens` include cached ones, `completion_tokens` reasoning.
Only the standard library is used here: this runs inside the proxy.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

Row = dict[str, Any]

_CACHE_HIT_SUFFIX = re.compile(r"_cache_hit[0-9.]+$")
_LAST_EVENTS = ("response.completed", "response.incomplete", "message_delta", "message_stop")
_FROM_CACHE = "cached_response"
_LONGEST_TEXT = 512


def logged_row(payload: Mapping[str, Any]) -> Row:
    """The row of a `standard_logging_object`."""
    metadata = _map(payload.get("metadata"))
    usage = _map(metadata.get("usage_object"))
    counts = counts_of(usage) if usage else {}
    failed = payload.get("status") == "failure"
    row = _row(
        answer=_CACHE_HIT_SUFFIX.sub("", str(payload.get("id") or "")),
        call=payload.get("litellm_call_id"),
        failed=failed,
        start=payload.get("startTime"),
    )
    return row | {
        "call_type": payload.get("call_type"),
        **_model(payload.get("model"), payload.get("custom_llm_provider")),
        "prompt_tokens": payload.get("prompt_tokens") or counts.get("prompt_tokens", 0),
        "completion_tokens": payload.get("completion_tokens") or counts.get("completion_tokens", 0),
        **{name: counts.get(name, 0) for name in ("cached", "written", "reasoning")},
        "cache_hit": bool(payload.get("cache_hit")),
        "end": payload.get("endTime"),
        "first": payload.get("completionStartTime"),
        "tier": _map(payload.get("cost_breakdown")).get("service_tier") or usage.get("service_tier"),
        **_people(metadata, payload.get("end_user")),
    }


def failed_row(request_data: Mapping[str, Any]) -> Row | None:
    """The row of a request that the client was refused; None when nothing is known of it."""
    payload = request_data.get("standard_logging_object")
    if payload:
        return logged_row(payload) | {"status": "failure"}
    call = request_data.get("litellm_call_id")
    if not call:
        return None
    now = time.time()
    metadata = _map(request_data.get("metadata")) or _map(request_data.get("litellm_metadata"))
    return _row(answer="", call=call, failed=True, start=now) | {
        **_model(request_data.get("model"), None),
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "end": now,
        **_people(metadata, None),
    }


class AnswerReader:
    """Looks at an answer, whole or in chunks, for its id and its counts; keeps nothing else of it."""

    def __init__(self) -> None:
        self.answer = ""
        self.model = ""
        self.cached = False
        self.counts: dict[str, int] = {}

    def read(self, chunk: Any) -> bool:
        """Look at one chunk; True when the answer ends with it. Never raises."""
        try:
            return self._read(chunk)
        except Exception:
            return False

    def row(self, request_data: Mapping[str, Any], details: Mapping[str, Any]) -> Row | None:
        """The row of the answer; None when neither it nor LiteLLM's own record tells its counts."""
        payload = details.get("standard_logging_object")
        if payload:
            return logged_row(payload)
        call = request_data.get("litellm_call_id") or details.get("litellm_call_id")
        if not self.counts or not (self.answer or call):
            return None
        metadata = _map(request_data.get("metadata")) or _map(request_data.get("litellm_metadata"))
        start = _seconds(details.get("start_time"))
        row = _row(answer=self.answer, call=call, failed=False, start=start or time.time())
        return row | {
            "call_type": details.get("call_type"),
            **_model(
                details.get("model") or self.model or request_data.get("model"),
                details.get("custom_llm_provider"),
            ),
            **{name: self.counts.get(name, 0) for name in _COUNTS},
            "cache_hit": self.cached or details.get("cache_hit") is True,
            "end": time.time(),
            "first": _seconds(details.get("completion_start_time")),
            "tier": None,
            **_people(metadata, None),
        }

    def _read(self, chunk: Any) -> bool:
        if isinstance(chunk, bytes | str):
            text = chunk.decode("utf-8", "replace") if isinstance(chunk, bytes) else chunk
            lines = [line[5:].strip() for line in text.splitlines() if line.startswith("data:")]
            events = [_map(json.loads(line)) for line in lines if line.startswith("{")]
            return bool([event for event in events if self._event(event)])
        if isinstance(chunk, Mapping):
            return self._event(cast("Mapping[str, Any]", chunk))
        hidden = _map(getattr(chunk, "_hidden_params", None))
        self.cached |= hidden.get("cache_hit") is True
        self.cached |= hidden.get("custom_llm_provider") == _FROM_CACHE
        choices = getattr(chunk, "choices", None) or []
        event: dict[str, Any] = {
            "id": getattr(chunk, "id", None),
            "model": getattr(chunk, "model", None),
            "type": getattr(chunk, "type", None),
            "usage": _plain(getattr(chunk, "usage", None)),
            "response": _part(getattr(chunk, "response", None)),
            "choices": [{"finish_reason": getattr(one, "finish_reason", None)} for one in choices],
        }
        return self._event(event)

    def _event(self, event: Mapping[str, Any]) -> bool:
        # OpenAI's chunks carry all at the top; its responses and Anthropic's messages one level below.
        inner = _map(event.get("response")) or _map(event.get("message")) or event
        self.answer = self.answer or str(inner.get("id") or "")
        self.model = self.model or str(inner.get("model") or "")
        usage = _map(inner.get("usage")) or _map(event.get("usage"))
        found = counts_of(usage) if usage else {}
        # Anthropic tells its input first and its output last: later counts stand beside earlier ones.
        self.counts |= {name: count for name, count in found.items() if count or name not in self.counts}
        finished = any(_map(one).get("finish_reason") for one in event.get("choices") or ())
        return bool(finished or event.get("type") in _LAST_EVENTS)


_COUNTS = ("prompt_tokens", "completion_tokens", "cached", "written", "reasoning")


def counts_of(usage: Mapping[str, Any]) -> dict[str, int]:
    """Token counts in OpenAI's manner, from any of the three shapes of usage.

    >>> counts_of({"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 5})["prompt_tokens"]
    100
    >>> counts_of({"input_tokens": 100, "input_tokens_details": {"cached_tokens": 90}})["prompt_tokens"]
    100
    """
    inside = _map(usage.get("prompt_tokens_details")) or _map(usage.get("input_tokens_details"))
    outside = _map(usage.get("completion_tokens_details")) or _map(usage.get("output_tokens_details"))
    read = _first(usage, "cache_read_input_tokens", "prompt_cache_hit_tokens")
    written = _first(usage, "cache_creation_input_tokens")
    prompt = _first(usage, "prompt_tokens")
    if "prompt_tokens" not in usage:
        prompt = _first(usage, "input_tokens")
        if "input_tokens_details" not in usage:
            prompt += read + written  # Anthropic's own shape counts cached tokens apart
    return {
        "prompt_tokens": prompt,
        "completion_tokens": _first(usage, "completion_tokens", "output_tokens"),
        "cached": _first(inside, "cached_tokens") or read,
        "written": _first(inside, "cache_write_tokens", "cache_creation_tokens") or written,
        "reasoning": _first(outside, "reasoning_tokens"),
    }


def _row(*, answer: str, call: Any, failed: bool, start: Any) -> Row:
    """The ids of a row. A provider may repeat its ids, a client its calls': together they are one request.

    The ids of `/v1/responses` are rewritten on their way out: there the moment of the call stands in.
    """
    parts = [answer, str(call or "")]
    if failed or answer.startswith("resp_"):
        parts = [str(call or ""), "failed" if failed else "response", str(start)]
    return {
        "id": ":".join(part for part in parts if part),
        "answer": None if failed else answer or None,
        "call": call,
        "status": "failure" if failed else "success",
        "start": start,
    }


def _model(model: Any, provider: Any) -> Row:
    """The model without `provider/` before it, and who serves it."""
    name = _text(model) or ""
    before, slash, rest = name.partition("/")
    if slash and before == (provider or before):
        return {"model": rest, "provider": before}
    return {"model": name or None, "provider": provider or None}


def _people(metadata: Mapping[str, Any], end_user: Any) -> Row:
    return {
        "end_user": _text(end_user or metadata.get("user_api_key_end_user_id")),
        "user": _text(metadata.get("user_api_key_user_id")),
        "team": _text(metadata.get("user_api_key_team_id")),
        "organization": _text(metadata.get("user_api_key_org_id")),
    }


def _first(usage: Mapping[str, Any], *names: str) -> int:
    """The first of these counts that is a number above zero; else zero."""
    values = [usage.get(name) for name in names]
    return next((value for value in values if isinstance(value, int) and value > 0), 0)


def _text(value: Any) -> str | None:
    return str(value)[:_LONGEST_TEXT] if value else None


def _seconds(moment: Any) -> float | None:
    """Seconds since 1970. LiteLLM's own moments carry no zone and are in local time."""
    return moment.timestamp() if isinstance(moment, datetime) else None


def _plain(model: Any) -> Mapping[str, Any]:
    """A usage object as a map."""
    if model is None or isinstance(model, Mapping):
        return cast("Mapping[str, Any]", model or {})
    return _map(model.model_dump()) if hasattr(model, "model_dump") else {}


def _part(response: Any) -> Mapping[str, Any]:
    """Of a response object only what is no text."""
    if response is None:
        return {}
    get = response.get if isinstance(response, Mapping) else lambda name: getattr(response, name, None)
    return {"id": get("id"), "model": get("model"), "usage": _plain(get("usage"))}


def _map(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
