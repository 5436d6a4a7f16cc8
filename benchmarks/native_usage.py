"""Files of usage in their systems' own forms: gateways, traces, providers' reports, events, spans."""

from __future__ import annotations

import json
from collections.abc import Iterator

from benchmarks.native_files import (
    Native,
    csv_of,
    filled,
    grouped,
    json_lines_of,
    template,
    varied,
    written,
)
from benchmarks.native_pages import anthropic_bucket, bucket_pages, openai_bucket

SPANS_A_LINE = 100
_HOUR = 3_600

_CLOUD_EVENT = {
    "specversion": "1.0", "id": "chatcmpl-<n>", "source": "litellm-proxy", "type": "litellm_tokens",
    "subject": "u-<user>", "time": "<day>T<clock>+00:00",
    "data": {"model": "openai/<model>", "cost": 0.0125, "prompt_tokens": "#<tokens>",
    "completion_tokens": "#<out>",
             "cached_tokens": "#<cached>", "total_tokens": "#<total>"},
}  # fmt: skip
_GENERATION = {
    "id": "obs-<n>", "trace_id": "tr-<n>", "project_id": "prj", "type": "GENERATION",
    "start_time": "<day>T<clock>.000Z", "end_time": "<day>T<clock>.750Z",
    "completion_start_time": "<day>T<clock>.400Z", "provided_model_name": "<model>",
    "usage_details": {"input": "#<fresh>", "input_cached_tokens": "#<cached>", "output": "#<out>",
    "total": "#<total>"},
    "cost_details": {"total": 0.0125}, "total_cost": 0.0125, "level": "DEFAULT", "user_id": "u-<user>",
    "input": "a question, as long as questions are when somebody asks for help", "output": "an answer",
    "updated_at": "<day>T<clock>.990Z",
}  # fmt: skip
_TRACE_LINE = {
    "timestamp": "#<ms>", "input_length": "#<length>", "output_length": "#<out>", "hash_ids": "#<blocks>",
}  # fmt: skip

_SPEND_LOGS = (
    "request_id", "call_type", "api_key", "spend", "total_tokens", "prompt_tokens", "completion_tokens",
    "startTime", "endTime", "request_duration_ms", "completionStartTime", "model", "model_id",
    "model_group", "custom_llm_provider", "api_base", "user", "metadata", "cache_hit", "cache_key",
    "request_tags", "team_id", "organization_id", "end_user", "messages", "response", "session_id",
    "status", "litellm_call_id", "updated_at",
)  # fmt: skip
_METADATA = {
    "litellm_call_id": "call-<n>", "status": "success", "user_api_key_end_user_id": None,
    "usage_object": {
        "prompt_tokens": "#<tokens>", "completion_tokens": "#<out>", "total_tokens": "#<total>",
        "prompt_tokens_details": {"cached_tokens": "#<cached>"},
        "completion_tokens_details": {"reasoning_tokens": "#<reasoning>"},
    },
    "additional_usage_values": {"cache_read_input_tokens": "#<cached>"},
}  # fmt: skip
_SPEND_LOG = {
    "request_id": "chatcmpl-<n>", "call_type": "acompletion", "api_key": "c0ffee00" * 8, "spend": "0.0125",
    "total_tokens": "<total>", "prompt_tokens": "<tokens>", "completion_tokens": "<out>",
    "startTime": "<day> <clock>.000", "endTime": "<day> <clock>.750", "request_duration_ms": "750",
    "completionStartTime": "<day> <clock>.400", "model": "<model>", "custom_llm_provider": "openai",
    "user": "anna",
    "metadata": '"' + written(_METADATA).replace('"', '""') + '"',
    "cache_hit": "None", "cache_key": "Cache OFF", "request_tags": "[]", "team_id": "team-a",
    "end_user": "customer-<user>", "messages": "{}", "response": "{}", "status": "success",
    "litellm_call_id": "call-<n>", "updated_at": "<day> <clock>.750",
}  # fmt: skip
_SPOOLED = {
    "id": "chatcmpl-<n>:call-<n>", "answer": "chatcmpl-<n>", "call": "call-<n>", "status": "success",
    "start": "#<at>.25", "call_type": "acompletion", "model": "<model>", "provider": "openai",
    "prompt_tokens": "#<tokens>", "completion_tokens": "#<out>", "cached": "#<cached>", "written": 0,
    "reasoning": "#<reasoning>", "cache_hit": False, "end": "#<later>.75", "first": "#<at>.50", "tier": None,
    "end_user": "customer-<user>", "user": "anna", "team": "team-a", "organization": None,
    "revision": "#<later>000000",
}  # fmt: skip

_WORDS = {
    "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "<model>", "gen_ai.response.id": "chatcmpl-<n>", "user.id": "u-<user>",
    "openai.response.service_tier": "default", "server.address": "api.openai.com",
}  # fmt: skip
_COUNTS = {
    "gen_ai.usage.input_tokens": "<tokens>", "gen_ai.usage.cache_read.input_tokens": "<cached>",
    "gen_ai.usage.output_tokens": "<out>", "server.port": "443",
}  # fmt: skip
_ATTRIBUTES = [
    *({"key": key, "value": {"stringValue": value}} for key, value in _WORDS.items()),
    # OTLP writes 64-bit numbers as text.
    *({"key": key, "value": {"intValue": value}} for key, value in _COUNTS.items()),
    {"key": "gen_ai.response.finish_reasons", "value": {"arrayValue": {"values": [{"stringValue": "stop"}]}}},
]
_SPAN = {
    "traceId": "5b8efff798038103<hex>", "spanId": "<hex>", "parentSpanId": "", "name": "chat gpt-4o",
    "kind": 3, "startTimeUnixNano": "<at>000000000",
    "endTimeUnixNano": "<later>000000000",
    "attributes": _ATTRIBUTES, "status": {},
}  # fmt: skip

_OPENAI_RESULT = {
    "object": "organization.usage.completions.result", "input_tokens": "#<tokens>", "output_tokens": "#<out>",
    "input_cached_tokens": "#<cached>", "input_audio_tokens": 0, "output_audio_tokens": 0,
    "num_model_requests": "#<requests>", "project_id": "proj_app", "user_id": None, "api_key_id": "key_<n>",
    "model": "<model>", "batch": False, "service_tier": None,
}  # fmt: skip
_ANTHROPIC_RESULT = {
    "uncached_input_tokens": "#<fresh>",
    "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": "#<reasoning>"},
    "cache_read_input_tokens": "#<cached>", "output_tokens": "#<out>",
    "server_tool_use": {"web_search_requests": 0}, "api_key_id": "apikey_<n>", "workspace_id": "wrkspc_app",
    "model": "<claude>", "service_tier": "standard", "context_window": "0-200k",
}  # fmt: skip


def _mooncake(records: int) -> Iterator[str]:
    """Each request shares four of its seventeen blocks of 512 tokens with those of its session."""
    line = template(_TRACE_LINE) + "\n"
    for number in range(records):
        session, own = number % 1_000 * 4, 4_000 + number * 13
        blocks = [*range(session, session + 4), *range(own, own + 13)]
        yield line % (varied(number, records) | {"ms": number * 120, "length": 8_600, "blocks": blocks})


def _spans(records: int) -> Iterator[str]:
    """A hundred spans on a line, as a collector writes what an exporter sent."""
    resource = json.dumps({"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]})
    for spans in grouped(filled([template(_SPAN)], records), SPANS_A_LINE, ", "):
        yield (
            f'{{"resourceSpans": [{{"resource": {resource}, "scopeSpans": [{{"scope": {{"name": "openai"}}, '
            f'"spans": [{spans}]}}]}}]}}\n'
        )


FILES: dict[str, Native] = {
    "anthropic_usage": Native(
        ".json", bucket_pages(anthropic_bucket(_HOUR), template(_ANTHROPIC_RESULT), buckets=31 * 24, page=168)
    ),
    "azure": Native(
        ".csv", csv_of("TIMESTAMP,ContextTokens,GeneratedTokens", "<day> <clock>.6805900,<tokens>,<out>")
    ),
    "cloudevents": Native(".jsonl", json_lines_of(_CLOUD_EVENT)),
    "langfuse": Native(".jsonl", json_lines_of(_GENERATION)),
    "litellm": Native(
        ".csv", csv_of(",".join(_SPEND_LOGS), ",".join(_SPEND_LOG.get(name, "") for name in _SPEND_LOGS))
    ),
    "litellm_spool": Native(".jsonl", json_lines_of(_SPOOLED)),
    "mooncake": Native(".jsonl", _mooncake),
    "openai_usage": Native(
        ".json",
        bucket_pages(
            openai_bucket(_HOUR), template(_OPENAI_RESULT, 2), buckets=31 * 24, page=168, pretty=True
        ),
    ),
    "opentelemetry": Native(".jsonl", _spans),
}
