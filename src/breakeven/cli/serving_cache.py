"""`breakeven serving cache`: what a prefix cache serves of a trace, saves and costs, and its best size."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import Output, output_options
from breakeven.cli.output import emit, progress
from breakeven.cli.serving_options import Asked, serving_options
from breakeven.errors import UsageError
from breakeven.report.serving.cache_asked import POLICIES, SEED, CacheAsked

_SIZE = re.compile(r"(?P<number>[\d_,.]+)\s*(?P<unit>[KMGTP]i?)?B?", re.IGNORECASE)
_FACTORS = {
    "": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15,
    "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40, "pi": 2**50,
}  # fmt: skip
_MOST_BYTES = 1e18
_COUNT = re.compile(r"(?P<number>[\d_,.]+)\s*(?P<unit>[km])?", re.IGNORECASE)
_TIME = re.compile(r"(?P<number>[\d.]+)\s*(?P<unit>[smh])?", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3_600}
_MOST_BLOCKS = 10**12


@command(
    "cache",
    en="Replay TRACE, requests with the prefix blocks they share, through caches of many sizes: what each\n"
    "serves, saves and costs, and the best size.\n\n"
    "Without a price of GPU time it shows hits alone; --model and --gpu, or --gpu-hours-per-mtok, add money.",
    zh="用记录 TRACE（含共享前缀块的请求）回放多种容量的前缀缓存：各自命中、节省与花费多少，以及最佳容量。\n"
    "不给出卡时成本时只显示命中；用 --model 与 --gpu，或 --gpu-hours-per-mtok 加入金额。",
)
@click.argument("trace", type=click.Path(path_type=Path))
@option(
    "--policy",
    "policies",
    type=click.Choice(POLICIES),
    multiple=True,
    en="Which blocks stay: last used, most used, all; may be repeated. All three unless given.",
    zh="保留哪些块：最近使用、最常使用、全部；可重复。默认三种都算。",
)
@option(
    "--capacity",
    "capacities",
    multiple=True,
    metavar="BLOCKS",
    en="A size in blocks, such as 50k; may be repeated. Ten sizes unless given.",
    zh="以块计的容量，如 50k；可重复。默认十种容量。",
)
@option(
    "--memory",
    "memories",
    multiple=True,
    metavar="SIZE",
    en="A size in bytes, such as 500GB; needs --model or --kv-bytes.",
    zh="以字节计的容量，如 500GB；需要 --model 或 --kv-bytes。",
)
@option(
    "--block-tokens",
    type=click.IntRange(1, 1_000_000),
    default=512,
    show_default=True,
    metavar="N",
    en="Tokens of a block.",
    zh="每块的词元数。",
)
@option(
    "--ids",
    "ids_of",
    type=click.Choice(["prefix", "content"]),
    default="prefix",
    show_default=True,
    en="Whether an id stands for a block and all before it, or for what is in the block.",
    zh="块编号代表整个前缀，还是只代表块内容。",
)
@option(
    "--time-unit",
    type=click.Choice(["ms", "s"]),
    en="Unit of the times, if not the layout's own.",
    zh="时间单位，默认按文件格式。",
)
@option("--sort", is_flag=True, en="Sort the requests by time first.", zh="先按时间排序。")
@option(
    "--warm-up",
    default="0s",
    show_default=True,
    metavar="TIME",
    en="Requests of this first time fill the cache and do not count: 10m, 600s.",
    zh="开头这段时间的请求只填充缓存，不计入：10m、600s。",
)
@option(
    "--nodes",
    multiple=True,
    type=click.IntRange(2, 4096),
    metavar="N",
    en="Also: separate caches on so many nodes; may be repeated.",
    zh="另算：分成 N 个节点、各自独立缓存；可重复。",
)
@option(
    "--seed", type=int, default=SEED, show_default=True, en="Seed of random routing.", zh="随机路由的种子。"
)
@option(
    "--model",
    metavar="NAME",
    en="A shipped model, a config.json or a spec: bytes of keys and values.",
    zh="内置模型名、config.json 或规格文件：决定 KV 字节数。",
)
@option(
    "--gpu",
    metavar="NAME",
    en="A shipped GPU or a spec: what computing costs.",
    zh="内置显卡名或规格文件：决定计算成本。",
)
@option(
    "--kv-bytes",
    "kv_bytes_per_token",
    metavar="SIZE",
    en="Bytes of keys and values per token, such as 70KB, instead of the model's.",
    zh="每词元 KV 字节数，如 70KB，代替模型的数值。",
)
@option(
    "--gpu-hours-per-mtok",
    type=float,
    metavar="HOURS",
    en="GPU-hours that a million uncached input tokens take, instead of the model's.",
    zh="每百万未命中输入词元的卡时，代替模型的数值。",
)
@option(
    "--cached-gpu-hours-per-mtok",
    type=float,
    metavar="HOURS",
    en="The same of cached ones; 0 unless given.",
    zh="同上，命中缓存的输入；默认 0。",
)
@option(
    "--store",
    type=click.Choice(["dram", "ssd"]),
    default="dram",
    show_default=True,
    en="Where the cache lies: whose shipped price counts.",
    zh="缓存所在介质：采用哪一项内置价格。",
)
@option(
    "--store-price",
    type=float,
    metavar="AMOUNT",
    en="Price of a gigabyte (10^9 bytes) a month, in --currency; 0 for memory that is idle anyway.",
    zh="每 GB（10^9 字节）每月价格，币种为 --currency；原本闲置的内存填 0。",
)
@option(
    "--fetch-gb-per-second",
    type=float,
    metavar="NUMBER",
    en="Bandwidth per GPU from where the cache lies.",
    zh="从缓存所在处取回的每卡带宽。",
)
@serving_options(without=("model", "gpu", "traffic"), reads_data=True)
@output_options
def cache(
    trace: Path, model: str | None, gpu: str | None, asked: Asked, output: Output, **given: Any
) -> None:
    """Show what caches serve, save and cost."""
    from breakeven.report.serving.cache import cache_answer

    asked = replace(asked, models=(model,) if model else (), gpus=(gpu,) if gpu else ())
    chosen = _chosen(given)
    chosen.refuse_contradictions(asked)
    with progress() as report:
        from breakeven.serving.prefix_cache.trace_lines import read_trace
        from breakeven.sources.text_lines import text_lines

        file = read_trace(
            text_lines(trace),
            str(trace),
            block_tokens=given["block_tokens"],
            time_unit=given["time_unit"],
            ids_of=given["ids_of"],
            sort=given["sort"],
            report=report,
        )
        found = cache_answer(asked, trace.name, file, chosen, report)
    emit(found, output)


def _chosen(given: dict[str, Any]) -> CacheAsked:
    """The command's own options, checked before anything is read."""
    kv_bytes = given["kv_bytes_per_token"]
    return CacheAsked(
        policies=given["policies"] or POLICIES,
        capacities=tuple(block_count(text) for text in given["capacities"]),
        memories=tuple(size_bytes(text) for text in given["memories"]),
        warm_up_seconds=time_seconds(given["warm_up"]),
        nodes=given["nodes"],
        seed=given["seed"],
        store=given["store"],
        kv_bytes=None if kv_bytes is None else size_bytes(kv_bytes, "--kv-bytes", "70KB or 71680"),
        uncached=_number(given, "gpu_hours_per_mtok", "--gpu-hours-per-mtok", above=True),
        cached=_number(given, "cached_gpu_hours_per_mtok", "--cached-gpu-hours-per-mtok"),
        store_price=_number(given, "store_price", "--store-price"),
        fetch=_number(given, "fetch_gb_per_second", "--fetch-gb-per-second", above=True),
    )


def _number(given: dict[str, Any], name: str, flag: str, *, above: bool = False) -> float | None:
    """A number from 0 up, or above 0. Raises `UsageError` for another."""
    value: float | None = given[name]
    if value is None or (math.isfinite(value) and (value > 0 if above else value >= 0)):
        return value
    least = "above zero" if above else "of at least zero"
    raise UsageError(f"{flag} {value:g} is not a number {least}", remedy="correct it, or leave it out")


def block_count(text: str) -> int:
    """A size in blocks, with k for thousand and m for million.

    >>> block_count("50k"), block_count("5,859"), block_count("0.5m")
    (50000, 5859, 500000)
    """
    found = _COUNT.fullmatch(text.strip())
    value = (
        _plain(found["number"]) * {"": 1, "k": 1e3, "m": 1e6}[(found["unit"] or "").lower()]
        if found
        else math.nan
    )
    if not 1 <= value <= _MOST_BLOCKS or value != int(value):
        raise UsageError(
            f"--capacity {text!r} is no whole number of blocks",
            remedy="write a number of blocks such as 50k, or --memory 500GB",
        )
    return int(value)


def size_bytes(text: str, flag: str = "--memory", example: str = "500GB or 2TiB") -> float:
    """A size in bytes: GB is 10^9, GiB is 2^30.

    >>> size_bytes("500GB"), size_bytes("1.5 TiB"), size_bytes("64g")
    (500000000000.0, 1649267441664.0, 64000000000.0)
    """
    found = _SIZE.fullmatch(text.strip())
    value = _plain(found["number"]) * _FACTORS[(found["unit"] or "").lower()] if found else math.nan
    if not 0 < value < _MOST_BYTES:
        raise UsageError(f"{flag} {text!r} is no size", remedy=f"write a size such as {example}")
    return value


def time_seconds(text: str) -> float:
    """A time in seconds, minutes or hours.

    >>> time_seconds("10m"), time_seconds("90"), time_seconds("1.5h")
    (600.0, 90.0, 5400.0)
    """
    found = _TIME.fullmatch(text.strip())
    value = _plain(found["number"]) * _SECONDS[(found["unit"] or "s").lower()] if found else math.nan
    if not value >= 0:
        raise UsageError(f"--warm-up {text!r} is no time", remedy="write a time such as 600s, 10m or 1h")
    return value


def _plain(text: str) -> float:
    try:
        return float(text.replace(",", "").replace("_", ""))
    except ValueError:
        return math.nan
