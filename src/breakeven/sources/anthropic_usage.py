"""Anthropic's own count of what was used: pages of `/v1/organizations/usage_report/messages` as JSON.

A bucket of a minute, an hour or a day holds one result per group. The classes of input never overlap. How
many requests there were, the report does not say.
"""

from __future__ import annotations

from collections.abc import Mapping

from breakeven.ledger.layout import Check, Field, Layout, Value
from breakeven.sources.json_pages import pages
from breakeven.sources.registry import Source, Words

_GROUPS = (
    "api_key_id",
    "workspace_id",
    "account_id",
    "service_account_id",
    "model",
    "service_tier",
    "context_window",
    "inference_geo",
    "speed",
)
_WRITTEN = ("written_5m_tokens", "written_1h_tokens", "written_tokens")
_COUNTS = ("uncached_input_tokens", "cache_read_input_tokens", *_WRITTEN, "output_tokens")


def _number(name: str) -> str:
    return f"coalesce(TRY_CAST({{{name}}} AS HUGEINT), 0)"


# A count that is no number must reach the ledger as it is, to be refused there.
_CACHE_WRITES = (
    "CASE WHEN {written_5m_tokens} IS NULL AND {written_1h_tokens} IS NULL "
    "THEN coalesce({written_tokens}, '0') "
    "WHEN TRY_CAST(coalesce({written_5m_tokens}, '0') AS BIGINT) IS NULL THEN {written_5m_tokens} "
    "WHEN TRY_CAST(coalesce({written_1h_tokens}, '0') AS BIGINT) IS NULL THEN {written_1h_tokens} "
    f"ELSE CAST({_number('written_5m_tokens')} + {_number('written_1h_tokens')} AS VARCHAR) END"
)


def layouts(_: Mapping[str, str]) -> tuple[Layout, ...]:
    """The layout of a usage report; it takes no options."""
    keys = ", ".join(f"coalesce({{{name}}}, '')" for name in _GROUPS)
    return (
        Layout(
            table="usage",
            fields=(
                Field("starting_at", ("starting_at",), required=True),
                Field("ending_at", ("ending_at",)),
                *(Field(name, (name,)) for name in _GROUPS),
                Field("uncached_input_tokens", ("uncached_input_tokens",), required=True),
                Field("cache_read_input_tokens", ("cache_read_input_tokens",)),
                Field("written_5m_tokens", ("cache_creation.ephemeral_5m_input_tokens",)),
                Field("written_1h_tokens", ("cache_creation.ephemeral_1h_input_tokens",)),
                Field("written_tokens", ("cache_creation_input_tokens",)),
                Field("output_tokens", ("output_tokens",), required=True),
            ),
            columns={
                "at": Value("{starting_at}"),
                "product": Value("'api'"),
                "feature": Value("{workspace_id}"),
                "provider": Value("'anthropic'"),
                "model": Value("coalesce({model}, '?')"),
                "service_tier": Value("{service_tier}"),
                # Not one request, and not none: the report does not count them.
                "requests": Value("''"),
                "uncached_input_tokens": Value("{uncached_input_tokens}"),
                "cached_input_tokens": Value("{cache_read_input_tokens}"),
                "cache_write_tokens": Value(_CACHE_WRITES),
                "output_tokens": Value("{output_tokens}"),
            },
            source_id=f"concat_ws('|', {{starting_at}}, coalesce({{ending_at}}, ''), {keys})",
            revision=" + ".join(_number(name) for name in _COUNTS),
            checks=(
                Check(
                    "{model} IS NULL",
                    "model",
                    "the report does not say which model: it cannot be priced",
                    "fetch it again with group_by=model",
                ),
            ),
            prepare=pages(),
            title="a usage report of Anthropic (messages)",
        ),
    )


SOURCE = Source(
    name="anthropic_usage",
    label=Words("Anthropic usage report (messages)", "Anthropic 用量报告（messages）"),
    tables=("usage",),
    input_includes_cached=False,
    layouts=layouts,
    covers=Words(
        "tokens as Anthropic counted them, by hour or day; not how many requests",
        "Anthropic 自己统计的词元，按小时或天；不含请求数",
    ),
    notes=Words(
        "Group by model, or nothing can be priced; group by service_tier too, or batches are priced in "
        "full. The "
        "report does not count requests: they stay empty. Cache writes of five minutes and of an hour are "
        "one "
        "class here, though an hour costs more. Web searches are not tokens and are not booked. Workspaces "
        "become "
        "`feature`. Usage of the priority tier is in this report, but its cost is in no cost report. Keep "
        "to one "
        "bucket width and one grouping; of a bucket fetched twice the one with more tokens counts.",
        "须按 model 分组，否则无法计价；也应按 service_tier 分组，否则批处理会按全价计。"
        "报告不统计请求数，该列为空。五分钟与一小时的缓存写入在此为同一类，尽管一小时的更贵。"
        "网页搜索不是词元，不入账。workspace 记为 feature。优先等级（priority）的用量在本报告中，"
        "但其费用不在任何费用报告中。请固定一种时段宽度与分组；同一时段取了两次时，以词元更多的一次为准。",
    ),
    origin="https://docs.anthropic.com/en/api/admin-api/usage-cost/get-messages-usage-report",
)
