"""The layout that serves a traffic under its target with the least GPU time, and the nearest where none
does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from breakeven.errors import UsageError
from breakeven.serving.cases import Cases
from breakeven.serving.deployment import Deployment
from breakeven.serving.layout import Layout
from breakeven.serving.layouts import USUAL_MOST_GPUS, layouts, refuse_uneven
from breakeven.serving.memory import USABLE_SHARE, WORKING_BYTES, refuse_misfit
from breakeven.serving.nodes import ReplicaPool
from breakeven.serving.steady_state import Steady, aggregated, decode_apart, prefill_apart
from breakeven.serving.target import Derate
from breakeven.serving.traffic import Traffic

LARGEST_REPLICA = 128


@dataclass(frozen=True)
class Choice:
    """A layout with what a replica of it does; arrays of one case."""

    layout: Layout
    steady: Steady

    def gpu_seconds(self, derate: Derate) -> float:
        """Of one request in production."""
        return float(self.steady.gpu_seconds(derate)[0])

    def replicas(self, derate: Derate) -> ReplicaPool:
        """As what counts GPUs takes them."""
        return ReplicaPool(self.layout.gpus, self.gpu_seconds(derate))

    def gpus(self, requests_per_second: float, derate: Derate) -> int:
        """GPUs of the whole replicas that a rate needs."""
        replicas = requests_per_second * self.gpu_seconds(derate) / self.layout.gpus
        return max(math.ceil(replicas - 1e-9), 1) * self.layout.gpus


Pools = tuple[Choice, ...]
"""One aggregated pool, or one of prefill and one of decode."""
Weigh = Callable[[Choice], float]
"""What is least for the best."""


def tried_layouts(
    deployment: Deployment, traffic: Traffic, layout: Layout | None = None, most_gpus: int | None = None
) -> Sequence[Layout]:
    """The one layout asked for, or all usable ones. Raises `UsageError` where the model or a request does not
    fit, or no engine could divide the model so.
    """
    if layout is None:
        return usable_layouts(deployment, traffic.input_tokens + traffic.output_tokens, most_gpus)
    refuse_uneven(deployment.architecture, layout)
    refuse_misfit(deployment.architecture, deployment.accelerator, layout, deployment.precision)
    return (layout,)


def usable_layouts(
    deployment: Deployment, context_tokens: float, most_gpus: int | None = None
) -> tuple[Layout, ...]:
    """Layouts that hold the weights and one sequence of so many tokens.

    Goes beyond `USUAL_MOST_GPUS` where the model needs it. Raises `UsageError` with the GPUs that would do
    where none does.
    """
    architecture, accelerator = deployment.architecture, deployment.accelerator
    most = most_gpus or USUAL_MOST_GPUS
    while True:
        found = layouts(
            architecture, accelerator, deployment.precision, most,
            context_tokens=context_tokens, kv_precision=deployment.kv_precision,
        )  # fmt: skip
        if found or most_gpus is not None or most >= LARGEST_REPLICA:
            break
        most *= 2
    if found:
        return found
    cache = float(architecture.kv_bytes(context_tokens, deployment.kv_precision))
    usable = USABLE_SHARE * accelerator.memory_bytes - WORKING_BYTES
    needed = math.ceil((architecture.weight_bytes(deployment.precision) + cache) / usable)
    request = f"{architecture.name} with {context_tokens:,.0f} tokens of context"
    raise UsageError(
        f"{request} does not fit {most} {accelerator.name}",
        cause=f"weights of {architecture.weight_bytes(deployment.precision) / 1e9:,.0f} GB, "
        f"and {cache / 1e9:,.1f} GB for the sequence",
        remedy=f"they need about {needed} GPUs of this kind; allow more, or choose a lower precision",
    )


def best_aggregated(
    deployment: Deployment, tried: Sequence[Layout], cases: Cases, weigh: Weigh
) -> Choice | None:
    """The best layout that does both on the same GPUs; None where none keeps the target."""
    return _best(deployment, tried, cases, aggregated, weigh)


def best_apart(deployment: Deployment, tried: Sequence[Layout], cases: Cases, weigh: Weigh) -> Pools | None:
    """The best layouts of prefill and of decode; None where either cannot keep its part of the target."""
    prefill = _best(deployment, tried, cases, prefill_apart, weigh)
    decode = _best(deployment, tried, cases, decode_apart, weigh)
    return None if prefill is None or decode is None else (prefill, decode)


def every_pools(
    deployment: Deployment, tried: Sequence[Layout], cases: Cases, mode: str | None
) -> list[Pools]:
    """All that keep the target: every layout that does both, and every pair of one for each."""
    found: list[Pools] = []
    if mode != "disaggregated":
        found += [(one,) for one in _within(deployment, tried, cases, aggregated)]
    if mode != "aggregated":
        prefill = _within(deployment, tried, cases, prefill_apart)
        found += product(prefill, _within(deployment, tried, cases, decode_apart))
    return found


def _best(
    deployment: Deployment,
    tried: Sequence[Layout],
    cases: Cases,
    steady: Callable[[Deployment, Layout, Cases], Steady],
    weigh: Weigh,
) -> Choice | None:
    return min(_within(deployment, tried, cases, steady), key=weigh, default=None)


def _within(
    deployment: Deployment,
    tried: Sequence[Layout],
    cases: Cases,
    steady: Callable[[Deployment, Layout, Cases], Steady],
) -> list[Choice]:
    found = [Choice(layout, steady(deployment, layout, cases)) for layout in tried]
    return [choice for choice in found if bool(choice.steady.is_within[0])]


class _Near(NamedTuple):
    """What a layout keeps when it is nearly idle, or at its largest batch where it keeps its part of the
    target.
    """

    ttft_seconds: float
    tpot_seconds: float
    layouts: tuple[Layout, ...]
    """Of both, or of prefill and of decode."""


def refuse_target(
    deployment: Deployment, tried: Sequence[Layout], cases: Cases, mode: str | None
) -> UsageError:
    """The error that names the nearest target that can be kept, and the layout that keeps it.

    A replica that is nearly idle is as fast as it gets.
    """
    first, each = float(cases.ttft_seconds[0]), float(cases.tpot_seconds[0])
    near: list[_Near] = []
    if mode != "disaggregated":
        for layout in tried:
            steady = aggregated(deployment, layout, cases)
            near.append(_Near(float(steady.ttft_seconds[0]), float(steady.tpot_seconds[0]), (layout,)))
    if mode != "aggregated":
        ttft, one = min(
            (float(prefill_apart(deployment, layout, cases).ttft_seconds[0]), layout) for layout in tried
        )
        tpot, other = min(
            (float(decode_apart(deployment, layout, cases).tpot_seconds[0]), layout) for layout in tried
        )
        near.append(_Near(ttft, tpot, (one, other)))
    nearest = min(near, key=lambda found: max(found.ttft_seconds / first, found.tpot_seconds / each))
    percent = f"p{100 * float(cases.percentile[0]):g}"
    return UsageError(
        f"no layout keeps {_ms(first)} to the first token and {_ms(each)} per token at {percent}",
        cause=_said(nearest),
        remedy="promise what the nearest keeps, allow more GPUs, or take a faster GPU or a smaller model",
    )


def _said(nearest: _Near) -> str:
    """Rounded up: what is said is kept when it is asked for."""
    first, each = _ms(_rounded_up(nearest.ttft_seconds)), _ms(_rounded_up(nearest.tpot_seconds))
    if len(nearest.layouts) == 1:
        return f"the nearest is {first} and {each}, with {nearest.layouts[0]}"
    prefill, decode = nearest.layouts
    return f"the nearest is {first} and {each}, with prefill on {prefill} and decode on {decode}"


def _rounded_up(seconds: float) -> float:
    """To the digits that `_ms` writes.

    >>> _ms(_rounded_up(0.05081)), _ms(0.05081), _ms(_rounded_up(2.0071)), _ms(_rounded_up(2.0))
    ('50.9 ms', '50.8 ms', '2,008 ms', '2,000 ms')
    """
    if math.isinf(seconds):
        return seconds
    places = 0 if seconds >= 0.1 else 2 - math.floor(math.log10(seconds * 1_000))
    return math.ceil(seconds * 1_000 * 10**places) / 10**places / 1_000


def _ms(seconds: float) -> str:
    if math.isinf(seconds):
        return "any time"
    return f"{seconds * 1_000:,.0f} ms" if seconds >= 0.1 else f"{seconds * 1_000:.3g} ms"
