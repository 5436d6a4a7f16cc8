"""LiteLLM's `LiteLLM_SpendLogs`: what its proxy logged of each request, from exports or from its PostgreSQL.

The table has no columns for cached or reasoning tokens: they stand in the JSON of `metadata`. Its
`prompt_tokens` include cached tokens for every provider, Anthropic's too. `messages`, `response` and
`proxy_server_request` are never read, and `metadata` never enters quarantine: they hold people's words.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from breakeven.engine import sql
from breakeven.errors import UsageError
from breakeven.ledger.layout import Check, Field, Layout, Prepared, Value
from breakeven.sources.json_records import json_lines
from breakeven.sources.postgresql import monthly_csv
from breakeven.sources.providers import provider_sql
from breakeven.sources.registry import Source, SourceOption, Words

TABLE = "LiteLLM_SpendLogs"
COLUMNS = (
    "request_id",
    "litellm_call_id",
    "call_type",
    "model",
    "custom_llm_provider",
    "prompt_tokens",
    "completion_tokens",
    "startTime",
    "endTime",
    "completionStartTime",
    "request_duration_ms",
    "end_user",
    "user",
    "team_id",
    "organization_id",
    "cache_hit",
    "status",
    "metadata",
    "updated_at",
)
"""What is read of a live table, as far as its version has it; prompts and answers are not among it."""

_PATHS = {
    "cached": (
        "usage_object.prompt_tokens_details.cached_tokens",
        "usage_object.cache_read_input_tokens",
        "usage_object.prompt_cache_hit_tokens",
        "additional_usage_values.cache_read_input_tokens",
        "additional_usage_values.prompt_tokens_details.cached_tokens",
    ),
    "written": (
        "usage_object.prompt_tokens_details.cache_write_tokens",
        "usage_object.prompt_tokens_details.cache_creation_tokens",
        "usage_object.cache_creation_input_tokens",
        "additional_usage_values.cache_creation_input_tokens",
    ),
    "reasoning": (
        "usage_object.completion_tokens_details.reasoning_tokens",
        "additional_usage_values.completion_tokens_details.reasoning_tokens",
    ),
    "prompt": ("usage_object.prompt_tokens",),
    "completion": ("usage_object.completion_tokens",),
    "call": ("litellm_call_id",),
    "status": ("status",),
    "end_user": ("user_api_key_end_user_id",),
    "tier": ("cost_breakdown.service_tier", "usage_object.service_tier"),
    "batch": ("batch_successful_requests",),
}


def _inside(name: str) -> list[Field]:
    """The places in `metadata` that may say it, as fields."""
    return [Field(f"{name}_{number}", (f"metadata.{path}",)) for number, path in enumerate(_PATHS[name], 1)]


def _meta(name: str, *, nothing: str = "") -> str:
    """SQL of the first place in `metadata` that says something other than `nothing`."""
    cells = [f"nullif({{{one.name}}}, {sql.text(nothing)})" for one in _inside(name)]
    return f"coalesce({', '.join(cells)}, NULL)"


_CACHE_HIT = "(lower({cache_hit}) = 'true')"
_FAILED = f"(coalesce({{status}}, {_meta('status')}, '') = 'failure')"
_BATCH = "({call_type} IN ('aretrieve_batch', 'retrieve_batch'))"
_ID = "regexp_replace({request_id}, '_cache_hit[0-9.]+$', '')"
_CALL = f"coalesce({{call}}, {_meta('call')})"
_PREFIX = "nullif(regexp_extract({model}, '^([a-z0-9_.-]+)/', 1), '')"
_PROVIDER = f"coalesce({{provider}}, {_PREFIX})"
_START, _END, _FIRST = (f"TRY_CAST({{{name}}} AS TIMESTAMPTZ)" for name in ("start", "end", "first_token"))


def response_id_sql(answer: str) -> str:
    """SQL of the provider's own id: `/v1/responses` carries it, with the deployment, in base 64."""
    padded = f"rpad(substr({answer}, 6), CAST(ceil((length({answer}) - 5) / 4.0) * 4 AS INTEGER), '=')"
    own = f"regexp_extract(TRY(decode(from_base64({padded}))), 'response_id:(.+)$', 1)"
    return (
        f"CASE WHEN starts_with({answer}, 'resp_bGl0ZWxsbT') THEN coalesce(nullif({own}, ''), {answer}) "
        f"ELSE {answer} END"
    )


def model_sql(provider: str) -> str:
    """SQL of the model without the `provider/` before it."""
    return (
        f"CASE WHEN starts_with(lower({{model}}), lower({provider}) || '/') "
        f"THEN substr({{model}}, length({provider}) + 2) ELSE {{model}} END"
    )


def without_tier(tier: str) -> str:
    """SQL of a service tier; the usual one is none."""
    return f"nullif(nullif({tier}, 'default'), 'standard')"


def bought(tokens: str) -> str:
    """SQL of what the provider sold: nothing where the proxy's own cache answered."""
    return f"CASE WHEN {_CACHE_HIT} THEN '0' ELSE {tokens} END"


def _milliseconds(since: str, until: str) -> str:
    """A duration as text; NULL where the end is missing or lies before the start."""
    passed = f"date_diff('millisecond', {since}, {until})"
    return f"CASE WHEN {passed} >= 0 THEN CAST({passed} AS VARCHAR) END"


_TOKENS = f"coalesce({{prompt_tokens}}, {_meta('prompt')})"
_OUTPUT = f"coalesce({{completion_tokens}}, {_meta('completion')})"
_NOTHING_CALLED = f"{_PROVIDER} IS NULL AND coalesce({_TOKENS}, '0') = '0' AND coalesce({_OUTPUT}, '0') = '0'"


def _layouts(options: Mapping[str, str]) -> tuple[Layout, ...]:
    product = options["product"]
    if product not in ("", "app", "web", "api"):
        raise UsageError(f"option product={product} is not app, web or api")
    columns = {
        "at": Value("{start}"),
        "user_id": Value(f"coalesce({{end_user}}, {_meta('end_user')}, nullif({{user}}, 'default_user_id'))"),
        "account_id": Value("coalesce({team}, {organization})"),
        "feature": Value(f"CASE WHEN {_CACHE_HIT} THEN 'litellm_cache_hit' END"),
        "provider": Value(f"coalesce({provider_sql(_PROVIDER)}, 'unknown')"),
        "model": Value(model_sql(_PROVIDER)),
        "service_tier": Value(f"CASE WHEN {_BATCH} THEN 'batch' ELSE {without_tier(_meta('tier'))} END"),
        "requests": Value(f"CASE WHEN {_BATCH} THEN coalesce({_meta('batch')}, '1') ELSE '1' END"),
        "input_tokens": Value(bought(f"coalesce({_TOKENS}, CASE WHEN {_FAILED} THEN '0' END)")),
        "cached_input_tokens": Value(bought(_meta("cached", nothing="0"))),
        "cache_write_tokens": Value(bought(_meta("written", nothing="0"))),
        "output_tokens": Value(bought(f"coalesce({_OUTPUT}, CASE WHEN {_FAILED} THEN '0' END)")),
        "reasoning_tokens": Value(bought(_meta("reasoning", nothing="0"))),
        "status": Value(f"coalesce({{status}}, {_meta('status')})"),
        "latency_ms": Value(f"coalesce({{duration}}, {_milliseconds(_START, _END)})"),
        "ttft_ms": Value(f"CASE WHEN {_FIRST} < {_END} THEN {_milliseconds(_START, _FIRST)} END"),
        # Without an answer of the provider, the call's own id tells that two sources saw the same request.
        "response_id": Value(
            f"CASE WHEN {_CACHE_HIT} OR {_FAILED} THEN coalesce({_CALL}, {{request_id}}) "
            f"ELSE {response_id_sql(_ID)} END"
        ),
    }
    if product:
        columns["product"] = Value(sql.text(product))
    layout = Layout(
        table="usage",
        fields=(
            Field("request_id", ("request_id",), required=True),
            Field("call", ("litellm_call_id",)),
            Field("call_type", ("call_type",)),
            Field("model", ("model",), required=True),
            Field("provider", ("custom_llm_provider",)),
            Field("prompt_tokens", ("prompt_tokens",), required=True),
            Field("completion_tokens", ("completion_tokens",), required=True),
            Field("start", ("startTime",), required=True),
            Field("end", ("endTime",)),
            Field("first_token", ("completionStartTime",)),
            Field("duration", ("request_duration_ms",)),
            Field("end_user", ("end_user",)),
            Field("user", ("user",)),
            Field("team", ("team_id",)),
            Field("organization", ("organization_id",)),
            Field("cache_hit", ("cache_hit",)),
            Field("status", ("status",)),
            Field("metadata", ("metadata",), required=True, private=True),
            Field("updated", ("updated_at",)),
            *(field for name in _PATHS for field in _inside(name)),
        ),
        columns=columns,
        # Providers repeat response ids; the proxy's id of the call tells such requests apart.
        source_id=f"CASE WHEN {_CALL} IS NULL OR {_CALL} = {{request_id}} THEN {{request_id}} "
        f"ELSE concat_ws(':', {_ID}, {_CALL}) END",
        revision="CAST(epoch_us(TRY_CAST({updated} AS TIMESTAMPTZ)) AS VARCHAR)",
        skip=_NOTHING_CALLED,
        skipped_as="requests that reached no provider",
        checks=(
            Check(
                # What gave a count was JSON: only the rest is parsed once more.
                "CASE WHEN {prompt_1} IS NULL AND {metadata} IS NOT NULL THEN NOT json_valid({metadata}) END",
                "metadata",
                "not JSON: the token classes cannot be read",
                "export the column as JSON; it may have been cut off",
            ),
        ),
        time_zone="UTC",
        prepare=_prepare,
        title="an export of LiteLLM_SpendLogs",
    )
    return (layout,)


def _prepare(path: Path, folder: Path) -> Prepared:
    """A JSON array becomes JSON lines, without prompts and answers; anything else is read as it lies."""
    return Prepared(json_lines(path, folder, keep=COLUMNS, texts=("metadata",)))


def _fetch(url: str, options: Mapping[str, str], folder: Path) -> list[Path]:
    return monthly_csv(
        url, folder, table=TABLE, columns=COLUMNS, time="startTime", key="request_id", since=options["since"]
    )


SOURCE = Source(
    name="litellm",
    label=Words("LiteLLM proxy: spend logs", "LiteLLM 代理：消费日志"),
    tables=("usage",),
    input_includes_cached=True,
    layouts=_layouts,
    fetch=_fetch,
    schemes=("postgresql", "postgres"),
    covers=Words("every request through the proxy", "经过代理的每个请求"),
    notes=Words(
        "Prompt tokens include cached ones; the classes come out of `metadata`. What the proxy's own cache "
        "answered is booked with no tokens and the feature litellm_cache_hit: nothing was bought. Requests "
        "that reached no provider are skipped and counted. LiteLLM's own `spend` is not used.",
        "prompt_tokens 含缓存 token，各类 token 取自 `metadata`。由代理自身缓存答复的请求记 0 token，"
        "feature 为 litellm_cache_hit：没有向服务商购买任何东西。未到达服务商的请求跳过并计数。"
        "不采用 LiteLLM 自算的 `spend`。",
    ),
    origin="https://github.com/BerriAI/litellm",
    options=(
        SourceOption(
            "since",
            "",
            Words(
                "of a live database: only requests from this day on (UTC)",
                "实时数据库：只取此日（UTC）起的请求",
            ),
        ),
        SourceOption("product", "", Words("app, web or api", "app、web 或 api")),
    ),
)
