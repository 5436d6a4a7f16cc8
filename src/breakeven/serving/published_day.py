"""DeepSeek's published day against itself, and against what the model says of it.

Between noon of 27 and 28 February 2025 (UTC+8) DeepSeek served its V3 and R1 models on 226.75 nodes of eight
H800 in the mean, and published tokens, throughput, speed and prices: "DeepSeek-V3/R1 Inference System
Overview", github.com/ deepseek-ai/open-infra-index, 1 March 2025. Nothing in the model is fitted to this day.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from breakeven.serving.architecture import architecture
from breakeven.serving.cases import Cases
from breakeven.serving.constants import Constants, shipped_constants
from breakeven.serving.deployment import Deployment
from breakeven.serving.estimate import Estimate
from breakeven.serving.hardware import accelerator
from breakeven.serving.layout import Layout
from breakeven.serving.steady_state import Steady, decode_apart, prefill_apart
from breakeven.serving.target import Derate, Target
from breakeven.serving.traffic import Traffic

SECONDS_PER_DAY = 86_400
HOURS_PER_DAY = 24
MTOK = 1e6
SOURCE = "DeepSeek-V3/R1 Inference System Overview, published 2025-03-01"

PREFILL_LAYOUT = Layout(data=32, expert=32)
"""A prefill unit of four nodes: experts over 32 GPUs, attention on each, as the overview describes."""
DECODE_LAYOUT = Layout(data=144, expert=144)
"""A decode unit of eighteen nodes."""
_PROFILED_DECODE = Layout(data=128, expert=128)
"""What the decode profile was taken with."""
BENCHMARK_PER_GPU = (7_839.0, 2_324.0)
"""Uncached input in prefill and output in decode, tokens per second: DeepSeek's own profile
(github.com/deepseek-ai/ profile-data) as InferSim's README states it."""


@dataclass(frozen=True)
class PublishedDay:
    """The figures as published; tokens are rounded to billions there.

    >>> day = PublishedDay()
    >>> round(day.implied_nodes, 2), round(day.cost_usd), round(day.income_usd)
    (226.86, 87072, 562100)
    >>> round(day.implied_nodes / day.mean_nodes - 1, 4)
    0.0005
    >>> round(day.income_usd / day.published_income_usd - 1, 5)
    0.00013
    """

    input_tokens: float = 608e9
    cached_tokens: float = 342e9
    output_tokens: float = 168e9
    mean_nodes: float = 226.75
    peak_nodes: float = 278.0
    gpus_per_node: int = 8
    usd_per_gpu_hour: float = 2.0
    input_tokens_per_second_per_node: float = 73_700.0
    """Of prefill nodes, cache hits included."""
    output_tokens_per_second_per_node: float = 14_800.0
    """Of decode nodes."""
    mean_kv_tokens: float = 4_989.0
    tokens_per_second_per_user: tuple[float, float] = (20.0, 22.0)
    usd_per_mtok: tuple[float, float, float] = (0.55, 0.14, 2.19)
    """R1's list price: uncached input, cached input, output."""
    published_cost_usd: float = 87_072.0
    published_income_usd: float = 562_027.0

    @property
    def uncached_tokens(self) -> float:
        """Input that was computed."""
        return self.input_tokens - self.cached_tokens

    @property
    def implied_prefill_nodes(self) -> float:
        """Nodes that the day's input takes at the published throughput."""
        return self.input_tokens / self.input_tokens_per_second_per_node / SECONDS_PER_DAY

    @property
    def implied_decode_nodes(self) -> float:
        """Nodes that the day's output takes at the published throughput."""
        return self.output_tokens / self.output_tokens_per_second_per_node / SECONDS_PER_DAY

    @property
    def implied_nodes(self) -> float:
        """Both together: so the published throughput is the fleet's mean, with its idle in it, not its
        capacity.
        """
        return self.implied_prefill_nodes + self.implied_decode_nodes

    @property
    def cost_usd(self) -> float:
        """GPU-hours of the day at the assumed price."""
        return self.mean_nodes * self.gpus_per_node * HOURS_PER_DAY * self.usd_per_gpu_hour

    @property
    def income_usd(self) -> float:
        """All tokens at R1's list price, which DeepSeek calls theoretical: free and discounted use is in
        it.
        """
        tokens = (self.uncached_tokens, self.cached_tokens, self.output_tokens)
        return sum(count / MTOK * price for count, price in zip(tokens, self.usd_per_mtok, strict=True))

    @property
    def request_output_tokens(self) -> float:
        """Output of one request, if all requests are alike: in + out / 2 tokens are held in the mean.

        >>> round(PublishedDay().request_output_tokens, 2), round(PublishedDay().request_input_tokens, 2)
        (1211.2, 4383.4)
        """
        return self.mean_kv_tokens / (self.input_tokens / self.output_tokens + 0.5)

    @property
    def request_input_tokens(self) -> float:
        """Input of one request, on the same assumption."""
        return self.request_output_tokens * self.input_tokens / self.output_tokens

    @property
    def requests_per_second(self) -> float:
        """In the mean of the day, on the same assumption."""
        return self.output_tokens / self.request_output_tokens / SECONDS_PER_DAY

    @property
    def per_gpu(self) -> tuple[float, float]:
        """Uncached input per prefill GPU and output per decode GPU, tokens per second, idle included.

        >>> [round(rate) for rate in PublishedDay().per_gpu]
        [4030, 1850]
        """
        gpu_seconds = self.implied_prefill_nodes * self.gpus_per_node * SECONDS_PER_DAY
        return self.uncached_tokens / gpu_seconds, self.output_tokens_per_second_per_node / self.gpus_per_node

    @property
    def derate(self) -> Derate:
        """The day over DeepSeek's own benchmark. Not a derate of the model's figures: see `reached_of_model`.

        >>> day = PublishedDay().derate
        >>> round(day.prefill, 2), round(day.decode, 2)
        (0.51, 0.8)
        """
        return Derate(
            *(day / benchmark for day, benchmark in zip(self.per_gpu, BENCHMARK_PER_GPU, strict=True))
        )

    @property
    def traffic(self) -> Traffic:
        """The day's requests, if all are alike."""
        return Traffic(
            "deepseek-day",
            self.request_input_tokens,
            self.request_output_tokens,
            cached_share=self.cached_tokens / self.input_tokens,
            requests_per_second=self.requests_per_second,
            source=SOURCE,
        )


DAY = PublishedDay()


@dataclass(frozen=True)
class PredictedDay:
    """The same day from the model's architecture, the GPU and the traffic; `nodes` with its 80 % interval."""

    nodes: Estimate
    prefill_nodes: float
    decode_nodes: float
    sequences_per_gpu: float
    """Running on a decode GPU in the mean."""
    residual: float
    """Predicted over published nodes, less one."""
    derate: Derate
    """What production reached of the prediction, where that is less than all of it."""


def predicted_day(day: PublishedDay = DAY, constants: Constants | None = None) -> PredictedDay:
    """Nodes in the mean of the day, from architecture and traffic alone.

    Layouts and precision (fp8 weights, a bf16 cache) are those of the overview; the speed per user is the
    middle of what it states, in the median, and the first token may take two seconds, which it does not
    state. The constants are fitted to other measurements. Nodes that served fewer users at night are not in
    it: the fleet followed the load.
    """
    deployment = Deployment(
        architecture("deepseek-v3"), accelerator("h800"), "fp8", constants=constants or shipped_constants()
    )
    tpot = 2.0 / sum(day.tokens_per_second_per_user)
    cases = Cases.of([day.traffic], [Target(ttft_seconds=2.0, tpot_seconds=tpot, percentile=0.5)])
    prefill = prefill_apart(deployment, PREFILL_LAYOUT, cases)
    decode = decode_apart(deployment, DECODE_LAYOUT, cases)
    in_prefill, in_decode = (_nodes(day, pool) for pool in (prefill, decode))
    nodes = deployment.estimate(in_prefill + in_decode, "throughput")
    return PredictedDay(
        nodes,
        in_prefill,
        in_decode,
        float(decode.batch[0]) / DECODE_LAYOUT.gpus,
        nodes.value / day.mean_nodes - 1.0,
        Derate(
            min(in_prefill / day.implied_prefill_nodes, 1.0), min(in_decode / day.implied_decode_nodes, 1.0)
        ),
    )


@cache
def reached_of_model(day: PublishedDay = DAY) -> Derate:
    """The day over what the model says of the same saturated benchmark: layouts as `BENCHMARK_PER_GPU` was
    profiled with, prompts of 4,096 tokens, four to a pass, and 128 sequences on a decode GPU.

    Idle hours and the promise kept are in it, so it is for figures of saturated GPUs, such as measured ones.
    Constants are those that ship.

    >>> reached = reached_of_model()
    >>> DAY.derate.prefill < reached.prefill < 1, DAY.derate.decode < reached.decode < 1
    (True, True)
    """
    deployment = Deployment(architecture("deepseek-v3"), accelerator("h800"), "fp8")
    prompts, tokens = 4 * PREFILL_LAYOUT.gpus, 4_096.0
    prefill = deployment.prefill(PREFILL_LAYOUT, tokens, 0.0, prompts)
    decode = deployment.decode(_PROFILED_DECODE, 128 * _PROFILED_DECODE.gpus, day.mean_kv_tokens)
    in_prefill, in_decode = day.per_gpu
    return Derate(
        in_prefill / (prompts * tokens / PREFILL_LAYOUT.gpus / float(prefill.seconds)),
        in_decode / (128 / float(decode.seconds)),
    )


def _nodes(day: PublishedDay, pool: Steady) -> float:
    return day.requests_per_second * float(pool.gpu_seconds()[0]) / day.gpus_per_node
