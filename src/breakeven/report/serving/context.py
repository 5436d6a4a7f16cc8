"""What long prompts cost on every model and GPU asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from breakeven.errors import UsageError
from breakeven.report.serving.asked import Asked, envelope_of_today
from breakeven.report.view_model import View
from breakeven.report.views.serving_context import Basis, ContextRow, serving_context_view
from breakeven.serving.architecture import Precision
from breakeven.serving.best_layout import LARGEST_REPLICA
from breakeven.serving.deployment import Deployment
from breakeven.serving.long_context import LongPrompt, long_context
from breakeven.serving.steady_state import CACHE_BYTES_PER_SECOND

_BOTH: tuple[Precision, ...] = ("bf16", "fp8")


def context_answer(
    asked: Asked,
    prompts: Sequence[LongPrompt],
    *,
    load_bytes_per_second: float = CACHE_BYTES_PER_SECOND,
    most_gpus: int = LARGEST_REPLICA,
    tokens_per_character: float | None = None,
) -> View:
    """Each prompt computed, and found in the prefix cache; bf16 and fp8 caches unless one was asked for.

    `tokens_per_character` is shown where lengths were given in characters. Raises `UsageError` where no
    prompt fits, for prefill and decode apart, and where the GPUs are priced in several currencies.
    """
    if asked.mode == "disaggregated":
        raise UsageError(
            "a long prompt is priced on one replica, prefill and answer together",
            remedy="leave --disaggregated out",
        )
    accelerators = [asked.accelerator(gpu) for gpu in asked.gpus]
    prices = [asked.price(accelerator) for accelerator in accelerators]
    currencies = {price.currency for price in prices}
    if len(currencies) > 1:
        raise UsageError(
            f"the GPUs are priced in {' and '.join(sorted(currencies))}", remedy="give one --currency for all"
        )
    rows = [
        _row(
            asked,
            asked.deployment(model, gpu, kv),
            price.per_gpu_hour,
            prompt,
            load_bytes_per_second,
            most_gpus,
        )
        for model in asked.models
        for gpu, price in zip(asked.gpus, prices, strict=True)
        for prompt in prompts
        for kv in _kv_precisions(asked)
    ]
    if all(row.refusal is not None for row in rows) and rows[0].refusal is not None:
        raise rows[0].refusal
    basis = Basis(
        prices=tuple(
            (accelerator.name, price.shown) for accelerator, price in zip(accelerators, prices, strict=True)
        ),
        prompt=prompts[0],
        target=asked.target(),
        derate=asked.derate(),
        load_bytes_per_second=load_bytes_per_second,
        tokens_per_character=tokens_per_character,
    )
    return serving_context_view(rows, basis, envelope_of_today(prices[0].currency))


def _kv_precisions(asked: Asked) -> tuple[Precision, ...]:
    return _BOTH if asked.kv_precision is None else (cast("Precision", asked.kv_precision),)


def _row(
    asked: Asked,
    deployment: Deployment,
    price_per_gpu_hour: float,
    prompt: LongPrompt,
    load_bytes_per_second: float,
    most_gpus: int,
) -> ContextRow:
    """One line: a prompt that no replica holds has no figures, and says why."""
    found = refusal = None
    try:
        found = long_context(
            deployment,
            prompt,
            asked.target(),
            asked.derate(),
            most_gpus=most_gpus,
            load_bytes_per_second=load_bytes_per_second,
        )
    except UsageError as error:
        refusal = error
    return ContextRow(deployment, prompt, price_per_gpu_hour, found, refusal)
