"""OpenAI's own count of what was used: pages of `/v1/organization/usage/completions`, saved as JSON.

A bucket of a minute, an hour or a day holds one result per group. Its `input_tokens` include cached ones.
"""

from __future__ import annotations

from collections.abc import Mapping

from breakeven.errors import UsageError
from breakeven.ledger.layout import Check, Field, Layout, Value
from breakeven.sources.json_pages import pages
from breakeven.sources.registry import Source, SourceOption, Words

_GROUPS = ("project_id", "user_id", "api_key_id", "model", "batch", "service_tier")
_OTHER_KINDS = tuple(
    f"{side}_{kind}_tokens" for side in ("input", "output", "input_cached") for kind in ("audio", "image")
)
_FIELDS = (
    Field("start_time", ("start_time",), required=True),
    Field("end_time", ("end_time",), required=True),
    *(Field(name, (name,)) for name in _GROUPS),
    Field("all_input_tokens", ("input_tokens",), required=True),
    *(
        Field(name, (name,))
        for name in (
            "input_cached_tokens",
            "input_cache_write_tokens",
            "input_uncached_tokens",
            "input_text_tokens",
            "output_tokens",
            *_OTHER_KINDS,
        )
    ),
    Field("num_model_requests", ("num_model_requests",), required=True),
)


def _number(name: str) -> str:
    return f"coalesce(TRY_CAST({{{name}}} AS HUGEINT), 0)"


_NOT_TEXT = " OR ".join(f"coalesce({{{name}}}, '0') <> '0'" for name in _OTHER_KINDS)
# Older reports count audio beside `input_tokens`, newer ones within them: these give the text's share apart.
_WITH_AUDIO = (
    f"CASE WHEN {{input_text_tokens}} IS NULL AND {_number('input_audio_tokens')} > 0 "
    f"THEN CAST({_number('all_input_tokens')} + {_number('input_audio_tokens')} AS VARCHAR) "
    "ELSE {all_input_tokens} END"
)
_OUTPUT_WITH_AUDIO = (
    f"CASE WHEN {{input_text_tokens}} IS NULL AND {_number('output_audio_tokens')} > 0 "
    f"THEN CAST({_number('output_tokens')} + {_number('output_audio_tokens')} AS VARCHAR) "
    "ELSE coalesce({output_tokens}, '0') END"
)
_REVISION = " + ".join(_number(name) for name in ("num_model_requests", "all_input_tokens", "output_tokens"))
_KEYS = ", ".join(f"coalesce({{{name}}}, '')" for name in _GROUPS)
_CHECKS = (
    Check(
        "{model} IS NULL",
        "model",
        "the report does not say which model: it cannot be priced",
        "fetch it again with group_by=model",
    ),
    Check(
        "{input_uncached_tokens} IS NOT NULL AND "
        f"{_number('input_uncached_tokens')} + {_number('input_cached_tokens')} "
        f"+ {_number('input_cache_write_tokens')} <> {_number('all_input_tokens')}",
        "input_tokens",
        "the parts of the input do not add up to it",
        "fetch the report again; if it stays so, ask the supplier",
    ),
)
_NO_AUDIO = Check(
    _NOT_TEXT,
    "input_audio_tokens",
    "audio or image tokens, whose prices are not those of text",
    "check them against the bill; --option modalities=as_text books them as text",
)


def layouts(options: Mapping[str, str]) -> tuple[Layout, ...]:
    """The layout of a usage report. Raises `UsageError` for an option it cannot take."""
    as_text = options["modalities"] == "as_text"
    if options["modalities"] not in ("quarantine", "as_text"):
        raise UsageError(
            f"option modalities={options['modalities']} is not known", remedy="use quarantine or as_text"
        )
    return (
        Layout(
            table="usage",
            fields=_FIELDS,
            columns={
                "at": Value("{start_time}", unit="s"),
                "product": Value("'api'"),
                "feature": Value("{project_id}"),
                "provider": Value("'openai'"),
                "model": Value("coalesce({model}, '?')"),
                "service_tier": Value(
                    "CASE WHEN lower({batch}) = 'true' THEN 'batch' ELSE {service_tier} END"
                ),
                "requests": Value("{num_model_requests}"),
                "input_tokens": Value(_WITH_AUDIO if as_text else "{all_input_tokens}"),
                "cached_input_tokens": Value("{input_cached_tokens}"),
                "cache_write_tokens": Value("{input_cache_write_tokens}"),
                "output_tokens": Value(_OUTPUT_WITH_AUDIO if as_text else "coalesce({output_tokens}, '0')"),
            },
            source_id=f"concat_ws('|', {{start_time}}, {{end_time}}, {_KEYS})",
            revision=_REVISION,
            checks=_CHECKS if as_text else (*_CHECKS, _NO_AUDIO),
            prepare=pages(),
            title="a usage report of OpenAI (completions)",
            version=f"1 {options['modalities']}",
        ),
    )


SOURCE = Source(
    name="openai_usage",
    label=Words("OpenAI usage report (completions)", "OpenAI 用量报告（completions）"),
    tables=("usage",),
    input_includes_cached=True,
    layouts=layouts,
    covers=Words(
        "tokens and requests as OpenAI counted them, by hour or day",
        "OpenAI 自己统计的词元与请求数，按小时或天",
    ),
    notes=Words(
        "Group by model, or nothing can be priced. A bucket is booked at its start. The report's users are "
        "members of your organization, not customers: they are not booked. Projects become `feature`. Keep "
        "to one bucket width and one grouping: another counts the same requests again. Of a bucket fetched "
        "twice the one with more requests and tokens counts: late data only adds.",
        "须按 model 分组，否则无法计价。每个时段记在其开始时刻。报告中的 user 是组织成员而非您的客户，"
        "不入账；project 记为 feature。请固定使用一种时段宽度与分组：换一种会把同样的请求再计一次。"
        "同一时段取了两次时，以请求与词元更多的一次为准：迟到的数据只会增加。",
    ),
    origin="https://platform.openai.com/docs/api-reference/usage/completions",
    options=(
        SourceOption(
            "modalities",
            "quarantine",
            Words("audio and image tokens: quarantine, or as_text", "音频与图像词元：quarantine 或 as_text"),
        ),
    ),
)
