"""The spool of our callback for LiteLLM's proxy (`breakeven.sources.litellm_callback`).

A row may stand there twice: as it was when the answer left, and as LiteLLM logged it. The later one counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from breakeven.errors import InputError
from breakeven.ledger.layout import Check, Field, Layout, Value
from breakeven.sources.litellm import bought, model_sql, response_id_sql, without_tier
from breakeven.sources.providers import provider_sql
from breakeven.sources.registry import Source, Words
from breakeven.sources.spool import NOT_WRITTEN, complete_segments

_NAMES = (
    "id", "answer", "call", "call_type", "model", "provider", "prompt_tokens", "completion_tokens", "cached",
    "written", "reasoning", "status", "start", "end", "first", "end_user", "user", "team", "organization",
    "cache_hit", "tier", "revision",
)  # fmt: skip
_MILLISECONDS = "CAST(CAST(round(({until} - {since}) * 1000) AS BIGINT) AS VARCHAR)"


def _passed(since: str, until: str) -> str:
    """Milliseconds from one moment to a later one, as text; NULL where one is missing or they are turned."""
    first, last = (f"TRY_CAST({{{name}}} AS DOUBLE)" for name in (since, until))
    return f"CASE WHEN {last} >= {first} THEN {_MILLISECONDS.format(since=first, until=last)} END"


def _layouts(options: Mapping[str, str]) -> tuple[Layout, ...]:  # noqa: ARG001
    layout = Layout(
        table="usage",
        fields=(
            *(Field(name, (name,), required=name in ("id", "start")) for name in _NAMES),
            Field(NOT_WRITTEN, (NOT_WRITTEN,)),
        ),
        columns={
            "at": Value("{start}", unit="s"),
            "user_id": Value("coalesce({end_user}, nullif({user}, 'default_user_id'))"),
            "account_id": Value("coalesce({team}, {organization})"),
            "feature": Value("CASE WHEN {cache_hit} = 'true' THEN 'litellm_cache_hit' END"),
            "provider": Value(f"coalesce({provider_sql('{provider}')}, 'unknown')"),
            "model": Value(model_sql("{provider}")),
            "service_tier": Value(without_tier("{tier}")),
            "input_tokens": Value(bought("{prompt_tokens}")),
            "cached_input_tokens": Value(bought("{cached}")),
            "cache_write_tokens": Value(bought("{written}")),
            "output_tokens": Value(bought("{completion_tokens}")),
            "reasoning_tokens": Value(bought("{reasoning}")),
            "status": Value("{status}"),
            "latency_ms": Value(_passed("start", "end")),
            "ttft_ms": Value(
                "CASE WHEN TRY_CAST({first} AS DOUBLE) < TRY_CAST({end} AS DOUBLE) "
                f"THEN {_passed('start', 'first')} END"
            ),
            "response_id": Value(
                f"CASE WHEN {{cache_hit}} = 'true' OR {{answer}} IS NULL THEN {{call}} "
                f"ELSE {response_id_sql('{answer}')} END"
            ),
        },
        source_id="{id}",
        revision="{revision}",
        skip="{provider} IS NULL AND {" + NOT_WRITTEN + "} IS NULL "
        "AND coalesce({prompt_tokens}, '0') = '0' AND coalesce({completion_tokens}, '0') = '0'",
        skipped_as="requests that reached no provider",
        checks=(
            Check(
                "{" + NOT_WRITTEN + "} IS NOT NULL",
                NOT_WRITTEN,
                "the proxy could not write so many requests to its spool: the disk was full or refused",
                "take these requests from LiteLLM's own database (--source litellm)",
            ),
        ),
        title="a spool of breakeven.sources.litellm_callback",
    )
    return (layout,)


def _fetch(url: str, options: Mapping[str, str], folder: Path) -> list[Path]:  # noqa: ARG001
    place = Path(url)
    if place.is_file():
        return [place]
    segments = complete_segments(place, folder)
    if not segments:
        raise InputError(
            "no spool in this folder",
            where=url,
            remedy="name the folder that BREAKEVEN_SPOOL names in the proxy",
        )
    return segments


SOURCE = Source(
    name="litellm_spool",
    label=Words("LiteLLM proxy: spool of our callback", "LiteLLM 代理：本项目回调的本地缓冲"),
    tables=("usage",),
    input_includes_cached=True,
    layouts=_layouts,
    fetch=_fetch,
    schemes=("file",),
    covers=Words("every request the proxy answered", "代理答复的每个请求"),
    notes=Words(
        "Name the folder; it may be imported while the proxy writes. Rows of the proxy's database (litellm) "
        "for the same answers are counted once.",
        "给出文件夹即可，代理写入时也可导入。与代理数据库（litellm）中同一答复的行只计一次。",
    ),
    origin="https://github.com/BerriAI/litellm",
)
