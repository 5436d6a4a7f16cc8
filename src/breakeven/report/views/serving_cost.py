"""What a token costs to serve: money by class with its interval, speed, layout, GPUs, and what bounds it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from breakeven.report.view_model import Column, Envelope, Label, Table, Value, View, Warning  # noqa: A004
from breakeven.report.views.serving_calibration import calibration_unused, calibration_words
from breakeven.report.views.serving_figures import (
    BOUND_WORDS,
    CLASSES,
    LIMIT_WORDS,
    MODE_WORDS,
    NOVELTY_WORDS,
    WORK_WORDS,
    cells,
    interval_columns,
    significant,
)
from breakeven.serving.class_work import TOKENS_PER_MTOK
from breakeven.serving.estimate import Estimate
from breakeven.serving.knife_edge import MOSTLY
from breakeven.serving.published_day import DAY, reached_of_model
from breakeven.serving.served import BOUNDS, Served

_SECONDS_PER_HOUR = 3_600
_MEASURES: dict[str, Label] = {
    "tokens_per_second_per_gpu": Label("Output tokens per second and GPU", "每卡每秒输出词元"),
    "input_per_second_per_gpu": Label("Input tokens per second and GPU", "每卡每秒输入词元"),
    "tokens_per_second_per_user": Label("Tokens per second and user", "每用户每秒词元"),
    "ttft_ms": Label("Time to the first token, ms", "首词元时间（TTFT，毫秒）"),
    "tpot_ms": Label("Time per further token, ms", "后续每词元时间（TPOT，毫秒）"),
    "cost_per_request": Label("Cost of a request", "每次请求成本"),
    "gpus": Label("GPUs for the rate, in whole replicas", "满足请求速率的卡数（整副本）"),
    "cost_per_hour": Label("Cost of these GPUs per hour", "这些显卡每小时成本"),
    "busy": Label("Of their capacity at the target, used", "达标容量的使用率"),
    "prefill_share": Label("GPUs for prefill, of all", "预填充卡数占比"),
}


@dataclass(frozen=True)
class PriceShown:
    """The price of a GPU-hour and what a reader must know of it."""

    per_gpu_hour: float
    currency: str
    said: Label


def serving_cost_view(served: Served, price: PriceShown, envelope: Envelope) -> View:
    """The answer for one model, GPU, traffic and target."""
    title = Label(
        f"Cost to serve {served.model} on {served.gpu}", f"{served.model} 在 {served.gpu} 上的服务成本"
    )
    tables = (
        _cost_table(served, price),
        _speed_table(served, price),
        _pools_table(served),
        _time_table(served),
        _basis_table(served, price),
    )
    facts: dict[str, Value] = {
        "model": served.model, "gpu": served.gpu, "precision": served.precision, "kv": served.kv_precision,
        "engine": served.engine, "traffic": served.traffic.name, "mode": served.mode, "layout": served.layout,
        "bound": served.bound, "novelty": served.novelty,
    }  # fmt: skip
    return View("serving_cost", title, envelope, tables, facts=facts)


def cost_of_mix(served: Served, price_per_gpu_hour: float) -> Estimate:
    """Money per million tokens of the mix, input and output together."""
    tokens = served.traffic.input_tokens + served.traffic.output_tokens
    return served.gpu_seconds_per_request * (
        price_per_gpu_hour / _SECONDS_PER_HOUR / tokens * TOKENS_PER_MTOK
    )


def serving_warnings(served: Served) -> tuple[Warning, ...]:
    """What a reader must know beside the figures."""
    found = [
        Warning("assumed", Label(f"{served.model}: {one.en}", f"{served.model}：{one.zh}"))
        for one in served.assumed
    ]
    if served.calibration and served.offset is None:
        found.append(
            calibration_unused(
                (served.model, served.gpu, served.engine, served.precision), served.calibration
            )
        )
    if served.novelty in ("new_model", "new_gpu", "new_both"):
        said = NOVELTY_WORDS[served.novelty]
        found.append(
            Warning(
                "not_measured",
                Label(
                    f"{served.model} on {served.gpu}: {said.en}; `serving calibrate` narrows the interval",
                    f"{served.model} 在 {served.gpu} 上：{said.zh}；可用 `serving calibrate` 缩小区间",
                ),
            )
        )
    found += _strains(served)
    if served.derate.prefill == served.derate.decode == 1.0:
        own, ours = DAY.derate, reached_of_model()
        found.append(
            Warning(
                "benchmark",
                Label(
                    "These are a benchmark's figures; production reaches less. One published day reached "
                    f"{own.prefill:.2f} in prefill and {own.decode:.2f} in decode of its provider's own "
                    f"benchmark, {ours.prefill:.2f} and {ours.decode:.2f} of what this model says of it. "
                    "Give your own derate (--derate-prefill, --derate-decode), or calibrate.",
                    "以上为基准测试水平，生产环境会更低。某公布日的预填充与解码分别达到其服务商自家基准的 "
                    f"{own.prefill:.2f} 与 {own.decode:.2f}，为本模型对同一基准推算值的 "
                    f"{ours.prefill:.2f} 与 {ours.decode:.2f}。"
                    "请给出自己的生产折减系数（--derate-prefill、--derate-decode），或做校准。",
                ),
            )
        )
    return tuple(found)


def _strains(served: Served) -> list[Warning]:
    """A promise at the edge of what the GPUs can keep, and a layout that a link does not span."""
    found: list[Warning] = []
    waiting = served.parts["waiting"]
    if waiting > MOSTLY:
        looser = served.halving_ttft_seconds
        advice = Label("", "")
        if looser is not None:
            said = f"{math.ceil(looser * 1_000):,}"
            advice = Label(
                f"; promising {said} ms would halve the cost of a token",
                f"；若承诺 {said} 毫秒，每词元成本可减半",
            )
        promised = f"{served.target.ttft_seconds * 1_000:,.0f}"
        found.append(
            Warning(
                "knife_edge",
                Label(
                    f"{served.model} on {served.gpu}: {waiting:.0%} of GPU time is kept free so that "
                    f"{promised} ms to the first token hold{advice.en}",
                    f"{served.model} 在 {served.gpu} 上：{waiting:.0%} 的 GPU 时间为保证首词元时间 "
                    f"{promised} 毫秒而空闲预留{advice.zh}",
                ),
            )
        )
    if served.stretched is not None:
        wide, link, copies = (
            served.stretched.tensor,
            served.stretched.link_gpus,
            served.stretched.cache_copies,
        )
        found.append(
            Warning(
                "beyond_link",
                Label(
                    f"TP{wide} is wider than the {link} GPUs that a link of {served.gpu} joins: every layer "
                    f"waits for the network, and each sequence's cache is held {copies} times",
                    f"TP{wide} 超出 {served.gpu} 卡间互联所连的 {link} 卡：每层都要等待网络，"
                    f"每个序列的 KV 缓存保存 {copies} 份",
                ),
            )
        )
    return found


def _cost_table(served: Served, price: PriceShown) -> Table:
    cost, traffic = served.work.cost_per_mtok(price.per_gpu_hour), served.traffic
    unit = f"{price.currency}/Mtok"
    by_class = {
        "uncached_input": (
            cost.uncached_input_per_mtok,
            served.work.uncached_input,
            traffic.uncached_input_tokens,
        ),
        "cached_input": (cost.cached_input_per_mtok, served.work.cached_input, traffic.cached_input_tokens),
        "output": (cost.output_per_mtok, served.work.output, traffic.output_tokens),
    }
    total = served.gpu_seconds_per_request.value
    rows: list[dict[str, Value]] = [
        {
            "class": name,
            **cells(money),
            "gpu_seconds_per_mtok": significant(work.value * TOKENS_PER_MTOK),
            "tokens_per_request": significant(tokens),
            "share": significant(work.value * tokens / total, 3),
        }
        for name, (money, work, tokens) in by_class.items()
    ]
    tokens = traffic.input_tokens + traffic.output_tokens
    rows.append(
        {
            "class": "all",
            **cells(cost_of_mix(served, price.per_gpu_hour)),
            "gpu_seconds_per_mtok": significant(total / tokens * TOKENS_PER_MTOK),
            "tokens_per_request": significant(tokens),
            "share": significant(1.0),
        }
    )
    columns = (
        Column("class", Label("Tokens", "词元"), words=CLASSES),
        Column("value", Label("Cost", "成本"), unit),
        *interval_columns(unit),
        Column("gpu_seconds_per_mtok", Label("GPU-seconds per million", "每百万词元 GPU 秒"), "count"),
        Column("tokens_per_request", Label("Per request", "每次请求"), "tokens"),
        Column("share", Label("Of the cost", "成本占比"), "ratio"),
    )
    note = Label(
        "GPUs as busy as the latency target allows; idle hours come on top (`serving fleet`). A class that "
        "the traffic does not have shows what its first tokens would cost.",
        "按延迟目标所允许的最高负载计；空闲时段另计（`serving fleet`）。"
        "流量中没有的类别显示其首批词元的成本。",
    )
    return Table(
        "cost", Label("Cost per million tokens", "每百万词元成本"), columns, tuple(rows), note, frozenset({3})
    )


def _speed_table(served: Served, price: PriceShown) -> Table:
    per_request = served.gpu_seconds_per_request * (price.per_gpu_hour / _SECONDS_PER_HOUR)
    input_rate = served.tokens_per_second_per_gpu * (
        served.traffic.input_tokens / served.traffic.output_tokens
    )
    found: list[tuple[str, str, Estimate | float]] = [
        ("tokens_per_second_per_gpu", "count", served.tokens_per_second_per_gpu),
        ("input_per_second_per_gpu", "count", input_rate),
        ("tokens_per_second_per_user", "count", served.tokens_per_second_per_user),
        ("ttft_ms", "count", served.ttft_seconds * 1_000),
        ("tpot_ms", "count", served.tpot_seconds * 1_000),
        ("cost_per_request", f"{price.currency}/request", per_request),
    ]
    if served.prefill_gpu_share is not None:
        found.append(("prefill_share", "ratio", served.prefill_gpu_share))
    rate = served.traffic.requests_per_second
    if served.gpus is not None and rate is not None:
        found += [
            ("gpus", "count", float(served.gpus)),
            ("cost_per_hour", price.currency, served.gpus * price.per_gpu_hour),
            ("busy", "ratio", rate * served.gpu_seconds_per_request.value / served.gpus),
        ]
    rows: list[dict[str, Value]] = [
        {"measure": key, **(cells(value) if isinstance(value, Estimate) else _known(value))}
        for key, _, value in found
    ]
    columns = (
        Column("measure", Label("Measure", "指标"), words=_MEASURES),
        Column("value", Label("Value", "数值"), "count"),
        *interval_columns("count"),
    )
    percent = f"p{served.target.percentile * 100:g}"
    note = Label(
        f"Times and tokens per user are those that {percent} of requests get or better.",
        f"时间与每用户速度为 {percent} 的请求所能达到或更好的水平。",
    )
    return Table(
        "speed",
        Label("Speed and GPUs", "速度与卡数"),
        columns,
        tuple(rows),
        note,
        row_units=tuple(unit for _, unit, _ in found),
    )


def _known(value: float) -> dict[str, Value]:
    """A number that follows from the choice made and has no interval of its own."""
    return {"value": significant(value), "low": None, "high": None}


def _pools_table(served: Served) -> Table:
    rows: list[dict[str, Value]] = [
        {
            "work": pool.work,
            "layout": pool.layout,
            "gpus_per_replica": pool.gpus_per_replica,
            "batch": significant(pool.batch, 3),
            "batch_at_percentile": significant(pool.batch_at_percentile, 3),
            "utilisation": significant(pool.utilisation, 3),
            "limit": pool.limit,
            "replicas": pool.replicas,
            "gpus": pool.gpus,
        }
        for pool in served.pools
    ]
    columns = (
        Column("work", Label("Work", "任务"), words=dict(WORK_WORDS)),
        Column("layout", Label("Layout", "并行布局")),
        Column("gpus_per_replica", Label("GPUs per replica", "每副本卡数"), "count"),
        Column("batch", Label("Running, mean", "并发（batch），平均"), "count"),
        Column("batch_at_percentile", Label("Running at the percentile", "并发（batch），分位"), "count"),
        Column("utilisation", Label("Of the most it could do", "占理论极限吞吐"), "ratio"),
        Column("limit", Label("Batch limited by", "并发（batch）受限于"), words=dict(LIMIT_WORDS)),
        Column("replicas", Label("Replicas", "副本数"), "count"),
        Column("gpus", Label("GPUs", "卡数"), "count"),
    )
    said = MODE_WORDS[served.mode]
    return Table("layout", Label(f"Best layout: {said.en}", f"最佳布局：{said.zh}"), columns, tuple(rows))


def _time_table(served: Served) -> Table:
    rows: list[dict[str, Value]] = [
        {"part": bound, "share": significant(served.parts[bound], 3)}
        for bound in sorted(BOUNDS, key=lambda bound: -served.parts[bound])
        if served.parts[bound] > 0
    ]
    columns = (
        Column("part", Label("GPU time goes into", "GPU 时间去向"), words=dict(BOUND_WORDS)),
        Column("share", Label("Share", "占比"), "ratio"),
    )
    return Table("bound", Label("What bounds it", "瓶颈"), columns, tuple(rows))


def _basis_table(served: Served, price: PriceShown) -> Table:
    target, traffic = served.target, served.traffic
    shape = f"{traffic.input_tokens:,.0f} / {traffic.output_tokens:,.0f}"
    cached = f"{traffic.cached_share:.1%}"
    said: list[tuple[Label, Label]] = [
        (Label("GPU-hour", "卡时价格"), price.said),
        (
            Label("Traffic", "流量"),
            Label(
                f"{traffic.name}: {shape} tokens in/out, {cached} cached",
                f"{traffic.name}：输入/输出 {shape} 词元，缓存命中 {cached}",
            ),
        ),
        (
            Label("Promised", "承诺"),
            Label(
                f"p{target.percentile * 100:g}: {target.ttft_seconds * 1e3:g} ms to the first token, "
                f"{target.tpot_seconds * 1e3:g} ms per token",
                f"p{target.percentile * 100:g}：首词元时间 {target.ttft_seconds * 1e3:g} 毫秒，"
                f"后续每词元时间 {target.tpot_seconds * 1e3:g} 毫秒",
            ),
        ),
        (
            Label("Precision", "精度"),
            Label(
                f"weights {served.precision}, cache {served.kv_precision}",
                f"权重 {served.precision}，KV 缓存 {served.kv_precision}",
            ),
        ),
        (
            Label("Engine", "引擎"),
            Label(served.engine, served.engine)
            if served.engine
            else Label("average of those measured", "实测引擎平均"),
        ),
        (
            Label("From benchmark to production", "生产折减系数"),
            Label(
                f"prefill × {served.derate.prefill:g}, decode × {served.derate.decode:g}",
                f"预填充 × {served.derate.prefill:g}，解码 × {served.derate.decode:g}",
            ),
        ),
        *(
            []
            if served.offset is None
            else [(Label("Calibration", "校准"), calibration_words(served.offset))]
        ),
        (Label("Interval rests on", "区间依据"), NOVELTY_WORDS[served.novelty]),
    ]
    columns = (
        Column("what", Label("Assumption", "假设"), words={name.en: name for name, _ in said}),
        Column("value", Label("Value", "取值"), words={value.en: value for _, value in said}),
    )
    rows: list[dict[str, Value]] = [{"what": name.en, "value": value.en} for name, value in said]
    return Table("basis", Label("What this rests on", "前提"), columns, tuple(rows))
