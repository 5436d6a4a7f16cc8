"""Langfuse: observations exported by the blob integration, the interface or the API; generations count.

`usage_details` has classes that never overlap: `input` is without cached tokens, `output` without reasoning.
Its `total` proves it. Costs that Langfuse computed are not read: prices are ours to apply.
"""

from __future__ import annotations

from collections.abc import Mapping

from breakeven.engine import sql
from breakeven.errors import UsageError
from breakeven.ledger.layout import Check, Field, Layout, Value
from breakeven.sources.json_pages import documents
from breakeven.sources.providers import ALIASES, provider_sql
from breakeven.sources.registry import Source, SourceOption, Words

_INPUT = ("input", "input_tokens", "prompt_tokens", "promptTokens", "prompt_token_count")
_MORE_INPUT = ("input_audio_tokens", "input_image_tokens", "input_text_tokens")
_CACHED = (
    "input_cached_tokens",
    "cache_read_input_tokens",
    "input_cache_read",
    "input_cache_read_tokens",
    "cached_content_token_count",
)
_WRITTEN = (
    "cache_creation_input_tokens",
    "input_cache_creation",
    "input_cache_creation_tokens",
    "input_cache_write_tokens",
)
_WRITTEN_PARTS = ("input_cache_creation_5m", "input_cache_creation_1h")
_OUTPUT = ("output", "output_tokens", "completion_tokens", "completionTokens", "candidates_token_count")
_MORE_OUTPUT = (
    "output_audio_tokens",
    "output_accepted_prediction_tokens",
    "output_rejected_prediction_tokens",
)
_REASONING = ("output_reasoning_tokens", "reasoning_tokens", "output_reasoning", "thoughts_token_count")
_TOTAL = ("total", "total_tokens", "totalTokens", "total_token_count")
_CLASSES = (*_INPUT, *_MORE_INPUT, *_CACHED, *_WRITTEN, *_WRITTEN_PARTS, *_OUTPUT, *_MORE_OUTPUT, *_REASONING)
_COUNTS = (*_CLASSES, *_TOTAL)


_KEYS = (*_COUNTS, "unit")
_PLACES = ", ".join(sql.text(f'$."{key}"') for key in _KEYS)


def _name(key: str) -> str:
    """What expressions call the value under a key of `usage_details`."""
    return f"nullif({{cells}}[{_KEYS.index(key) + 1}], '')"


def _first(keys: tuple[str, ...], *more: str) -> str:
    """Other spellings of one count: the first that is there."""
    return f"coalesce({', '.join([*(_name(key) for key in keys), *more])})"


def _sum(*terms: str) -> str:
    return " + ".join(f"coalesce(TRY_CAST({term} AS BIGINT), 0)" for term in terms)


def _of_counted(total: str) -> str:
    """A sum over counts known to be whole numbers of some size; zero of others, which a check refuses."""
    return f"CASE WHEN {{is_counted}} THEN {total} ELSE 0 END"


_DIGITS = (
    f"concat_ws(' ', {', '.join(_name(key) for key in _COUNTS)}, {{prompts}}, {{completions}}, {{totals}})"
)
_DERIVED = {
    "cells": f"json_extract_string(CASE WHEN json_valid({{usage}}) THEN {{usage}} END, [{_PLACES}])",
    "is_counted": f"regexp_full_match({_DIGITS}, '([0-9]{{1,17}}( |$))*')",
    "input_count": _first(_INPUT, "{prompts}"),
    "output_count": _first(_OUTPUT, "{completions}"),
    "total_count": _first(_TOTAL, "{totals}"),
    "cached": _first(_CACHED),
    "reasoning": _first(_REASONING),
    "has_usage": "coalesce({input_count}, {output_count}, {total_count}) IS NOT NULL",
    "written": _of_counted(_sum(_first(_WRITTEN), *(_name(key) for key in _WRITTEN_PARTS))),
    "uncached": _of_counted(_sum("{input_count}", *(_name(key) for key in _MORE_INPUT))),
    "answered": _of_counted(_sum("{output_count}", *(_name(key) for key in _MORE_OUTPUT), "{reasoning}")),
    "from_cache": _of_counted(f"{_sum('{cached}')} + {{written}}"),
    "said": _of_counted("TRY_CAST({total_count} AS BIGINT)"),
    # Input already holds the cached tokens when the rest makes the total without them.
    "is_inclusive": "coalesce({from_cache} > 0 AND {uncached} + {answered} = {said}, false)",
    "differs": "coalesce({uncached} + {from_cache} + {answered} <> {said}, false)",
}
_IS_OTHER = "coalesce(upper({type}), 'GENERATION') NOT IN ('GENERATION', 'EMBEDDING')"

_GATEWAYS = sorted(
    {*ALIASES, *(alias for names in ALIASES.values() for alias in names)} - {"qwen", "deepseek"}
)
_PREFIX = "split_part({model}, '/', 1)"
_HAS_GATEWAY = f"contains({{model}}, '/') AND lower({_PREFIX}) IN ({sql.texts(_GATEWAYS)})"
_RULES = {
    "openai": "(gpt-[345]|chatgpt-|o[134](-|$)|text-embedding-|davinci|ft:gpt)",
    "anthropic": "claude",
    "google": "gemini-",
    "deepseek": "deepseek-(chat|reasoner|coder|v[0-9])",
    "moonshot": "(moonshot|kimi)-",
    "alibaba": "(qwen|qwq)-(max|plus|turbo|long|flash|vl-max|vl-plus)",
    "zhipu": "(glm|charglm|codegeex)-",
    "bytedance": "doubao-",
    "minimax": "(abab|minimax-)",
    "baidu": "ernie-",
    "tencent": "hunyuan-",
    "xai": "grok-",
    "mistral": "(mistral-(large|medium|small)|codestral-)",
    "amazon": "((us|eu|apac|global)[.])?(anthropic|amazon|meta|cohere|mistral)[.]",
}
"""Which provider a bare model name is taken to mean: its first letters, as a regular expression."""

UNKNOWN = "unknown"
"""The provider of a model whose name says nothing: its usage is counted and shows as unpriced."""


def _provider(option: str) -> str:
    if option:
        return sql.text(option)
    rules = " ".join(
        f"WHEN regexp_matches(lower({{model}}), {sql.text(f'^{rule}')}) THEN {sql.text(name)}"
        for name, rule in _RULES.items()
    )
    return (
        f"CASE WHEN {_HAS_GATEWAY} THEN {provider_sql(_PREFIX)} WHEN contains({{model}}, '/') "
        f"THEN {sql.text(UNKNOWN)} {rules} ELSE {sql.text(UNKNOWN)} END"
    )


_STAMPED = "'^time-[0-9-]+_'"
_RESPONSE_ID = (
    f"CASE WHEN regexp_matches({{id}}, {_STAMPED}) THEN regexp_replace({{id}}, {_STAMPED}, '') "
    "WHEN regexp_matches({id}, '^(chatcmpl|cmpl|msg|resp|gen)[-_]') THEN {id} END"
)
"""Gateways name an observation after the provider's answer, LiteLLM with the time before it."""


def _instant(name: str) -> str:
    return f"TRY_CAST({{{name}}} AS TIMESTAMPTZ)"


def _milliseconds(start: str, end: str, seconds: str) -> str:
    """SQL of a duration: between two instants, or as the export says it in seconds."""
    between = f"epoch_us({_instant(end)}) - epoch_us({_instant(start)})"
    said = f"CAST(round(TRY_CAST({{{seconds}}} AS DOUBLE) * 1000) AS BIGINT)"
    return f"CAST(coalesce(TRY(({between}) // 1000), TRY({said})) AS VARCHAR)"


def _either(snake: str, *others: str) -> tuple[str, ...]:
    """A field in the blob's spelling, in the API's, and in others."""
    first, *rest = snake.split("_")
    camel = first + "".join(word.capitalize() for word in rest)
    return (snake, *([camel] if rest else []), *others)


_FIELDS = (
    Field("id", ("id",), required=True),
    Field("type", ("type",)),
    Field("level", ("level",)),
    Field("start_time", _either("start_time"), required=True),
    Field("end_time", _either("end_time")),
    Field("first_token_time", _either("completion_start_time")),
    Field("latency", ("latency",)),
    Field("time_to_first_token", _either("time_to_first_token")),
    Field("model", _either("provided_model_name", "model")),
    Field("usage", _either("usage_details", "usage")),
    Field("prompts", ("promptTokens", "prompt_tokens", "inputUsage")),
    Field("completions", ("completionTokens", "completion_tokens", "outputUsage")),
    Field("totals", ("totalTokens", "total_tokens", "totalUsage")),
    Field("unit", ("unit",)),
    Field("user_id", _either("user_id")),
    Field("trace_name", _either("trace_name")),
    Field("updated_at", _either("updated_at")),
)
_CHECKS = (
    Check(
        "{model} IS NULL", "model", "the generation names no model", "set the model where the call is traced"
    ),
    Check(
        "NOT {is_counted}",
        "usage_details",
        "a count is not a whole number",
        "write digits only: no separators, decimals or NaN",
    ),
    Check(
        "NOT {has_usage}",
        "usage_details",
        "the generation reports no usage",
        "have the integration report usage; tokens are not guessed here",
    ),
    Check(
        f"upper(coalesce({_name('unit')}, {{unit}}, 'TOKENS')) <> 'TOKENS'",
        "unit",
        "not counted in tokens",
        "only token usage can be booked",
    ),
)
_CHECK_INCLUSIVE = Check(
    "{is_inclusive}",
    "usage_details",
    "input already includes the cached tokens: input and output alone make the total",
    "import with --option inclusive_input=subtract to take them out of the input",
)
_CHECK_TOTAL = Check(
    "{differs} AND NOT {is_inclusive}",
    "usage_details",
    "the parts of the usage do not add up to its total",
    "a part is counted twice, or has a name that is not known here",
)


def layouts(options: Mapping[str, str]) -> tuple[Layout, ...]:
    """The layout of an export. Raises `UsageError` for an option it cannot take."""
    chosen = options["inclusive_input"]
    if chosen not in ("quarantine", "subtract"):
        raise UsageError(f"option inclusive_input={chosen} is not known", remedy="use quarantine or subtract")
    subtract = chosen == "subtract"
    uncached = (
        "{uncached} - CASE WHEN {is_inclusive} THEN {from_cache} ELSE 0 END" if subtract else "{uncached}"
    )
    return (
        Layout(
            table="usage",
            fields=_FIELDS,
            columns={
                "at": Value("{start_time}"),
                "user_id": Value("{user_id}"),
                "feature": Value("{trace_name}"),
                "provider": Value(_provider(options["provider"])),
                "model": Value(
                    f"coalesce(CASE WHEN {_HAS_GATEWAY} THEN substr({{model}}, length({_PREFIX}) "
                    "+ 2) "
                    "ELSE {model} END, '?')"
                ),
                "uncached_input_tokens": Value(f"CAST({uncached} AS VARCHAR)"),
                "cached_input_tokens": Value("{cached}"),
                "cache_write_tokens": Value("CAST({written} AS VARCHAR)"),
                "output_tokens": Value("CAST({answered} AS VARCHAR)"),
                "reasoning_tokens": Value("{reasoning}"),
                "status": Value("CASE WHEN upper({level}) = 'ERROR' THEN 'error' ELSE 'ok' END"),
                "latency_ms": Value(_milliseconds("start_time", "end_time", "latency")),
                "ttft_ms": Value(_milliseconds("start_time", "first_token_time", "time_to_first_token")),
                "response_id": Value(_RESPONSE_ID),
            },
            source_id="{id}",
            revision=f"epoch_us({_instant('updated_at')})",
            skip=f"({_IS_OTHER} AND {{uncached}} + {{from_cache}} + {{answered}} = 0) "
            "OR (upper({level}) = 'ERROR' AND NOT {has_usage})",
            skipped_as="observations without usage: spans, events, calls that failed",
            checks=(*_CHECKS, *(() if subtract else (_CHECK_INCLUSIVE,)), _CHECK_TOTAL),
            derived=_DERIVED,
            time_zone="UTC",
            prepare=documents(),
            title="a Langfuse export of observations",
            version=f"1 {chosen}",
        ),
    )


SOURCE = Source(
    name="langfuse",
    label=Words("Langfuse export of observations", "Langfuse 观测记录导出"),
    tables=("usage",),
    input_includes_cached=False,
    layouts=layouts,
    covers=Words("requests as the application traced them", "应用自身追踪到的请求"),
    notes=Words(
        "Generations become usage; spans, events and calls that failed without usage are skipped and "
        "counted. "
        "Repeated records of an id count once, the last updated one. The export does not name the provider: "
        "it "
        "follows from the model's name by the rules on this source's page, or from --option provider=...; a "
        "name "
        "that says nothing is booked as `unknown` and shows as unpriced. Usage whose parts do not make its "
        "total is "
        "quarantined. Costs of the export are not read. Users are in exports that carry user_id only.",
        "generation 记为用量；span、event 及未产生用量的失败调用被跳过并计数。同一 id 的重复记录只计一次，"
        "以最后更新者为准。"
        "导出中没有服务商：按本数据源页面上的规则由模型名得出，或用 --option provider=... 指定；"
        "看不出的记为 unknown，显示为未计价。"
        "各部分之和不等于总数的用量会被隔离。不读取导出中的费用。只有带 user_id 的导出才有用户。",
    ),
    origin="https://langfuse.com/docs/api-and-data-platform/features/export-to-blob-storage",
    options=(
        SourceOption(
            "provider", "", Words("who serves, for all records", "所有记录的服务商，默认由模型名得出")
        ),
        SourceOption(
            "inclusive_input",
            "quarantine",
            Words(
                "input that includes cached tokens: quarantine or subtract",
                "输入含缓存词元时：quarantine 或 subtract",
            ),
        ),
    ),
)
