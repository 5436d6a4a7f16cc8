"""`breakeven serving context`: the price of one long prompt, by model, attention and precision of cache."""

from __future__ import annotations

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import Output, output_options
from breakeven.cli.output import emit
from breakeven.cli.serving_options import Asked, duration_seconds, serving_options
from breakeven.errors import UsageError

_USUAL = "8k,128k,1M"
_RATIO = 4
_UNITS = {"": 1, "k": 1_000, "m": 1_000_000, "万": 10_000, "亿": 100_000_000}
_MOST_LENGTHS = 24


@command(
    "context",
    en="What one long prompt costs: prefill, and the places of others that its cache takes as it answers;\n"
    "computed, and with the prompt in a prefix cache. Several models and GPUs stand in one table.",
    zh="一次长上下文请求的成本：预填充，以及回答期间其缓存占用的其他请求位置；\n"
    "分别给出全部计算与前缀缓存命中两种情况。可并列多个模型与显卡。",
)
@serving_options(without=("traffic", "target"), many=True)
@option(
    "--tpot",
    "tpot_seconds",
    default="50ms",
    show_default=True,
    metavar="TIME",
    callback=lambda context, parameter, text: duration_seconds(text, "tpot"),  # noqa: ARG005
    en="Time per further token promised to the others.",
    zh="向其他请求承诺的后续每词元时间。",
)
@option(
    "--tokens",
    metavar="LENGTHS",
    en=f"Lengths of the prompt: 1M, a list as {_USUAL} (used without it), or a range as 8k..10M.",
    zh=f"提示长度：1M、列表如 {_USUAL}（默认）或范围如 8k..10M。",
)
@option(
    "--characters",
    "prompt_characters",
    metavar="LENGTHS",
    en="The same in characters, such as 2M or 200万.",
    zh="同上，按字符计，如 2M 或 200万。",
)
@option(
    "--tokens-per-character",
    type=float,
    default=0.6,
    show_default=True,
    metavar="NUMBER",
    en="About 0.6 for Chinese, 0.3 for English.",
    zh="中文约 0.6，英文约 0.3。",
)
@option(
    "--output-tokens",
    default="1000",
    show_default=True,
    metavar="N",
    en="Tokens of its answer.",
    zh="回答的词元数。",
)
@option(
    "--end-tokens",
    default="1000",
    show_default=True,
    metavar="N",
    en="Last tokens of the prompt, computed even where the rest is cached.",
    zh="提示末尾必须计算的词元数（其余命中缓存时）。",
)
@option(
    "--usual-tokens",
    default="8000",
    show_default=True,
    metavar="N",
    en="Context of the requests that run beside it.",
    zh="同时运行的普通请求的上下文长度。",
)
@option(
    "--load-speed",
    type=click.FloatRange(0.1, 2_000),
    default=50.0,
    show_default=True,
    metavar="GB/S",
    en="At which a GPU reads cached keys and values back.",
    zh="每卡读回已缓存 KV 的速度（GB/s）。",
)
@option(
    "--most-gpus",
    type=click.IntRange(1, 1_024),
    default=128,
    show_default=True,
    metavar="N",
    en="Of one replica.",
    zh="单个副本的卡数上限。",
)
@output_options
def context(
    asked: Asked,
    tokens: str | None,
    prompt_characters: str | None,
    output_tokens: str,
    end_tokens: str,
    usual_tokens: str,
    load_speed: float,
    most_gpus: int,
    output: Output,
) -> None:
    """Show the table."""
    from breakeven.report.serving.context import context_answer
    from breakeven.serving.long_context import LongPrompt

    found_lengths = asked_lengths(tokens, prompt_characters, asked.tokens_per_character)
    others = [
        lengths(text, flag)[0]
        for text, flag in (
            (output_tokens, "--output-tokens"),
            (end_tokens, "--end-tokens"),
            (usual_tokens, "--usual-tokens"),
        )
    ]
    prompts = [LongPrompt(length, *others) for length in found_lengths]
    shown = None if prompt_characters is None else asked.tokens_per_character
    emit(
        context_answer(
            asked,
            prompts,
            load_bytes_per_second=load_speed * 1e9,
            most_gpus=most_gpus,
            tokens_per_character=shown,
        ),
        output,
    )


def asked_lengths(tokens: str | None, characters: str | None, tokens_per_character: float) -> list[float]:
    """Lengths of the prompt in tokens. Raises `UsageError` where both or impossible ones are given.

    >>> asked_lengths(None, "2M", 0.6)
    [1200000.0]
    """
    if tokens is not None and characters is not None:
        raise UsageError("--tokens and --characters exclude each other", remedy="choose one")
    if characters is None:
        return lengths(_USUAL if tokens is None else tokens, "--tokens")
    if not 0 < tokens_per_character <= 4:
        raise UsageError(
            f"{tokens_per_character:g} tokens per character is not possible",
            remedy="use about 0.6 for Chinese and 0.3 for English",
        )
    return [length * tokens_per_character for length in lengths(characters, "--characters")]


def lengths(text: str, flag: str) -> list[float]:
    """One length, a list, or a range in steps of four with its end. Raises `UsageError`.

    >>> lengths("8k..1M", "--tokens"), lengths("200万", "--characters"), lengths("1,000,000", "--tokens")
    ([8000.0, 32000.0, 128000.0, 512000.0, 1000000.0], [2000000.0], [1000000.0])
    """
    if ".." in text:
        first, _, last = text.partition("..")
        low, high = _length(first, flag), _length(last, flag)
        if low > high:
            raise UsageError(f"{flag} {text!r} runs backwards", remedy="write the smaller length first")
        found = [low]
        while found[-1] * _RATIO < high:
            found.append(found[-1] * _RATIO)
        return found if found[-1] == high else [*found, high]
    parts = text.split(",")
    if len(parts) > 1 and all(part.isdigit() and len(part) == len("000") for part in parts[1:]):
        return [_length(text.replace(",", ""), flag)]  # thousands
    if len(parts) > _MOST_LENGTHS:
        raise UsageError(f"{flag} names more than {_MOST_LENGTHS} lengths", remedy="name fewer, or a range")
    return [_length(part, flag) for part in parts]


def _length(text: str, flag: str) -> float:
    plain = text.strip().lower().replace("_", "")
    unit = plain[-1:] if plain[-1:] in _UNITS else ""
    try:
        value = float(plain.removesuffix(unit) if unit else plain) * _UNITS[unit]
    except ValueError:
        value = float("nan")
    if not 1 <= value <= 1e8:
        raise UsageError(
            f"{flag} {text!r} is not a length from 1 to 100M", remedy="write 8000, 128k, 1M or 8k..10M"
        )
    return value
