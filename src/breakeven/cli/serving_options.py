"""Options that the commands of `breakeven serving` share, gathered into one value that resolves them.

@command("cost", en="...", zh="...")
@serving_options()
@output_options
def cost(asked: Asked, output: Output) -> None:
    served = asked.served()
    price = asked.price(asked.accelerator())
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from functools import wraps
from pathlib import Path
from typing import Any, Literal, cast

import click

from breakeven.cli.bilingual import AnyFunction, option
from breakeven.errors import InputError, UsageError
from breakeven.report.serving.asked import Asked

PRECISIONS = ("bf16", "fp8", "int8", "int4", "fp4")
ENGINES = ("vllm", "sglang", "trtllm")
COMMITMENTS = ("on_demand", "reserved", "spot", "owned")
Group = Literal["model", "gpu", "traffic", "target", "engine", "price", "derate"]

_UNITS = {"": 1, "k": 1_000, "m": 1_000_000, "万": 10_000, "亿": 100_000_000}
_DURATION = re.compile(r"(?P<number>[\d.]+)\s*(?P<unit>ms|s)?")
_SHORTEST_MS = {"ttft": 10.0, "tpot": 0.5}
_LONGEST_MS = {"ttft": 3.6e6, "tpot": 6e4}


def serving_options(
    *, without: tuple[Group, ...] = (), many: bool = False, reads_data: bool = False
) -> Callable[[AnyFunction], AnyFunction]:
    """Add the shared options; the command receives `asked`. `many` lets models and GPUs repeat.

    What cannot be is the command line's fault unless the command `reads_data`.
    """

    def decorate(function: AnyFunction) -> AnyFunction:
        @wraps(function)
        def gathered(*arguments: Any, **given: Any) -> Any:
            names = {field.name for field in fields(Asked) if field.init}
            chosen = {name: given.pop(name) for name in list(given) if name in names}
            for name in ("models", "gpus"):
                if name in chosen:
                    value = chosen[name]
                    chosen[name] = tuple(value) if many else (value,)
            with nullcontext() if reads_data else values_given():
                return function(*arguments, asked=Asked(**chosen), **given)

        result = cast("AnyFunction", gathered)
        for group, options in reversed(_options(many=many).items()):
            if group not in without:
                for add in reversed(options):
                    result = add(result)
        return result

    return decorate


@contextmanager
def values_given() -> Generator[None]:
    """A value that cannot be used, and was read from no file, came from the command line: a `UsageError`."""
    try:
        yield
    except InputError as error:
        if error.where or type(error) is not InputError:
            raise
        raise UsageError(error.what, cause=error.cause, remedy=error.remedy) from error


def most_gpus_option(function: AnyFunction) -> AnyFunction:
    """Add `--most-gpus` to a command with `serving_options`: how large a replica may be."""
    return option(
        "--most-gpus",
        "replica_gpus",
        type=click.IntRange(1, 1024),
        metavar="N",
        en="GPUs of one replica at most; 32, or what the model needs.",
        zh="每副本至多的卡数；默认 32，或模型所需。",
    )(function)


def duration_seconds(text: str, name: Literal["ttft", "tpot"]) -> float:
    """A latency: `500ms`, `2s`, a bare number of milliseconds, or `none` for no promise.

    >>> duration_seconds("2s", "ttft"), duration_seconds("50", "tpot"), duration_seconds("none", "tpot")
    (2.0, 0.05, inf)
    """
    if text.strip().lower() == "none":
        return math.inf
    found = _DURATION.fullmatch(text.strip().lower())
    try:
        number = float(found["number"]) if found else math.nan
    except ValueError:
        number = math.nan
    if found is None or not number > 0:
        raise UsageError(f"--{name} {text!r} is not a time above zero", remedy="write 2s, 500ms, or none")
    milliseconds = number * 1_000 if found["unit"] == "s" else number
    if not _SHORTEST_MS[name] <= milliseconds <= _LONGEST_MS[name]:
        raise UsageError(
            f"--{name} {text!r} is {milliseconds:g} ms, which no service promises",
            cause="seconds and milliseconds mixed up: a bare number is milliseconds",
            remedy="write the unit, as in 2s or 500ms",
        )
    return milliseconds / 1_000


def share(text: str, flag: str) -> float:
    """A share as `0.4` or `40%`.

    >>> share("0.4", "--cached"), share("40%", "--cached")
    (0.4, 0.4)
    """
    plain = text.strip()
    try:
        value = float(plain.rstrip("%")) / (100 if plain.endswith("%") else 1)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise UsageError(
            f"{flag} {text!r} is not a share from 0 to 1",
            cause="a percentage without its sign",
            remedy="write 0.4 or 40%",
        )
    return value


def number_read(flag: str) -> Callable[[click.Context, click.Parameter, str | None], float | None]:
    """An option's callback: a number above zero such as 20000000, 20M or 2000万. Raises `UsageError`."""
    return _read(lambda text: number(text, flag))


def number(text: str, flag: str) -> float:
    """A number above zero, perhaps in thousands or millions.

    >>> number("20M", "--requests"), number("1,500", "--requests"), number("3万", "--requests")
    (20000000.0, 1500.0, 30000.0)
    """
    plain = text.strip().lower().replace("_", "").replace(",", "")
    unit = plain[-1:] if plain[-1:] in _UNITS else ""
    try:
        value = float(plain.removesuffix(unit)) * _UNITS[unit]
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise UsageError(f"{flag} {text!r} is not a number above zero", remedy="write 20000000 or 20M")
    return value


def percentile(text: str) -> float:
    """A percentile as `p90`, `90`, `90%` or `0.9`.

    >>> percentile("p99"), percentile("0.9"), percentile("50%")
    (0.99, 0.9, 0.5)
    """
    plain = text.strip().lower()
    is_whole = plain.isdigit() and int(plain) > 1
    is_percent = plain.startswith("p") or is_whole
    return share(plain.removeprefix("p") + "%" if is_percent else plain, "--percentile")


def _derate(text: str, flag: str) -> float:
    value = share(text, flag)
    if value == 0:
        raise UsageError(f"{flag} {text!r} leaves no throughput", remedy="write a share above 0, such as 0.8")
    return value


def _positive(text: str, flag: str) -> Decimal:
    try:
        value = Decimal(text.replace(",", ""))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value <= 0:
        raise UsageError(f"{flag} {text!r} is not a number above zero", remedy="write a number such as 2.50")
    return value


def _read(convert: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    def callback(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:  # noqa: ARG001
        return None if value is None else convert(value)

    return callback


def _currency(text: str) -> str:
    from breakeven.cli.options import currency_code

    with values_given():
        return currency_code(text)


def _options(*, many: bool) -> dict[Group, list[Callable[[AnyFunction], AnyFunction]]]:
    repeat = {"multiple": True} if many else {}
    return {
        "model": [
            option(
                "--model",
                "models",
                required=True,
                metavar="NAME",
                en="A shipped model, a config.json, or a spec" + ("; may be repeated." if many else "."),
                zh="内置模型名、config.json 或规格文件" + ("；可重复。" if many else "。"),
                **repeat,
            )
        ],
        "gpu": [
            option(
                "--gpu",
                "gpus",
                required=True,
                metavar="NAME",
                en="A shipped GPU or a spec" + ("; may be repeated." if many else "."),
                zh="内置显卡名或规格文件" + ("；可重复。" if many else "。"),
                **repeat,
            )
        ],
        "traffic": _traffic_options(),
        "target": _target_options(),
        "engine": _engine_options(),
        "derate": _derate_options(),
        "price": _price_options(),
    }


def _traffic_options() -> list[Callable[[AnyFunction], AnyFunction]]:
    return [
        option(
            "--traffic",
            "traffic_given",
            default="chat",
            show_default=True,
            metavar="WHAT",
            en="chat, long, reason, kimi-hour, azure-hour, deepseek-day; tokens in/out such as\n"
            "4000/1000@50rps; a YAML profile; a Mooncake or Azure trace.",
            zh="chat、long、reason、kimi-hour、azure-hour、deepseek-day；输入/输出词元数，如\n"
            "4000/1000@50rps；YAML 流量文件；Mooncake 或 Azure 轨迹文件。",
        ),
        option(
            "--cached",
            "cached_share",
            metavar="SHARE",
            callback=_read(lambda text: share(text, "--cached")),
            en="Share of input that the prefix cache knows, such as 40%.",
            zh="前缀缓存命中的输入占比，如 40%。",
        ),
        option(
            "--characters",
            is_flag=True,
            en="Lengths are characters, not tokens.",
            zh="长度按字符而非词元计。",
        ),
        option(
            "--tokens-per-character",
            type=float,
            default=0.6,
            show_default=True,
            metavar="NUMBER",
            en="About 0.6 for Chinese, 0.3 for English.",
            zh="中文约 0.6，英文约 0.3。",
        ),
    ]


def _target_options() -> list[Callable[[AnyFunction], AnyFunction]]:
    return [
        option(
            "--ttft",
            "ttft_seconds",
            default="2s",
            show_default=True,
            metavar="TIME",
            callback=_read(lambda text: duration_seconds(text, "ttft")),
            en="Time to the first token promised: 2s, 500ms or none.",
            zh="承诺的首词元时间（TTFT）：2s、500ms 或 none。",
        ),
        option(
            "--tpot",
            "tpot_seconds",
            default="50ms",
            show_default=True,
            metavar="TIME",
            callback=_read(lambda text: duration_seconds(text, "tpot")),
            en="Time per further token promised.",
            zh="承诺的后续每词元时间（TPOT）。",
        ),
        option(
            "--percentile",
            default="p90",
            show_default=True,
            metavar="P",
            callback=_read(percentile),
            en="Share of requests that get both.",
            zh="达到上述承诺的请求占比。",
        ),
    ]


def _engine_options() -> list[Callable[[AnyFunction], AnyFunction]]:
    return [
        option(
            "--engine",
            type=click.Choice(["", *ENGINES]),
            default="",
            metavar=f"[{'|'.join(ENGINES)}]",
            en="Serving engine; the average of all unless given.",
            zh="推理引擎；默认取各引擎平均。",
        ),
        option(
            "--precision",
            type=click.Choice(PRECISIONS),
            en="Of the weights; the model's own unless given.",
            zh="权重精度；默认为模型自身精度。",
        ),
        option(
            "--kv",
            "kv_precision",
            type=click.Choice(PRECISIONS),
            en="Of keys and values.",
            zh="KV 缓存精度。",
        ),
        option(
            "--disaggregated",
            "mode",
            flag_value="disaggregated",
            en="Prefill and decode on GPUs of their own.",
            zh="预填充与解码分离部署。",
        ),
        option(
            "--aggregated",
            "mode",
            flag_value="aggregated",
            en="Both on the same GPUs; without either, whichever is cheaper.",
            zh="预填充与解码同卡；两者都不给则取较省者。",
        ),
        option(
            "--layout",
            "layout_text",
            metavar="LAYOUT",
            en="This layout only, such as TP8 or 'DP16 EP16'; the best unless given.",
            zh="仅用此并行布局，如 TP8 或 'DP16 EP16'；默认取最佳。",
        ),
        option(
            "--drafts",
            type=click.IntRange(0, 16),
            default=0,
            metavar="N",
            en="Tokens drafted per step (speculative decoding).",
            zh="每步草拟的词元数（投机解码）。",
        ),
        option(
            "--acceptance",
            metavar="SHARE",
            callback=_read(lambda text: share(text, "--acceptance")),
            en="Chance that a draft is accepted.",
            zh="草拟词元被接受的概率。",
        ),
        option(
            "--accepted-length",
            type=float,
            metavar="TOKENS",
            en="Tokens per step as measured, instead of it.",
            zh="实测每步产出词元数，代替接受率。",
        ),
        option(
            "--calibration",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            metavar="FILE",
            en="Constants that `serving calibrate` wrote.",
            zh="`serving calibrate` 写出的常数文件。",
        ),
    ]


def _derate_options() -> list[Callable[[AnyFunction], AnyFunction]]:
    return [
        option(
            f"--derate-{phase}",
            f"derate_{phase}",
            default="1",
            show_default=True,
            metavar="SHARE",
            callback=_read(lambda text, flag=f"--derate-{phase}": _derate(text, flag)),
            en=f"Share of these benchmark figures that your {phase} reaches in production.",
            zh=f"生产折减系数：生产环境{words}达到上述基准水平的比例。",
        )
        for phase, words in (("prefill", "预填充"), ("decode", "解码"))
    ]


def _price_options() -> list[Callable[[AnyFunction], AnyFunction]]:
    return [
        option(
            "--gpu-price",
            metavar="AMOUNT",
            callback=_read(lambda text: _positive(text, "--gpu-price")),
            en="Price of a GPU-hour, in --currency (USD).",
            zh="每卡时价格，币种为 --currency（默认 USD）。",
        ),
        option(
            "--commitment",
            type=click.Choice(COMMITMENTS),
            default="on_demand",
            show_default=True,
            en="Which shipped price of the GPU counts.",
            zh="采用内置价格中的哪一种。",
        ),
        option(
            "--currency",
            metavar="CODE",
            callback=_read(_currency),
            en="Amounts in this currency; the price's own unless given.",
            zh="以此币种显示；默认为价格自身币种。",
        ),
        option(
            "--rate",
            "exchange_rate",
            metavar="NUMBER",
            callback=_read(lambda text: _positive(text, "--rate")),
            en="Units of --currency for one of the price's; the bank's dated rate unless given.",
            zh="一单位价格币种兑 --currency 的汇率；默认采用央行当日汇率。",
        ),
    ]
