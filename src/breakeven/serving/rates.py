"""What share of the hardware's peak a serving engine reaches, and what it adds: each rate from named
constants.

A rate is a product: its base, times an adjustment for each property of the situation that matters (the
serving engine, the GPU's generation, the precision, experts or not). In logarithms it is a sum, which
makes the fit linear in these names and lets one list, `terms`, serve both the fit and every prediction. A
constant that is not known (an engine or model never measured) adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from breakeven.serving.architecture import Architecture, Precision
from breakeven.serving.architecture.attention import Floats
from breakeven.serving.hardware import Accelerator
from breakeven.serving.layout import Layout

Terms = Mapping[str, float | Floats]
"""Names of constants, each with what it is multiplied by."""

PHASES = ("decode", "prefill")

USUAL_SEQUENCES_PER_GPU = 16.0
USUAL_CONTEXT_TOKENS = 2048.0


@dataclass(frozen=True)
class Situation:
    """Everything the rates depend on. `batch` and `context_tokens` may be arrays."""

    architecture: Architecture
    accelerator: Accelerator
    layout: Layout
    precision: Precision
    engine: str
    batch: Floats
    context_tokens: Floats
    has_even_lengths: bool = False
    """Whether all requests of a benchmark are equally long, so that they march in step."""

    @property
    def standing(self) -> tuple[object, ...]:
        """All that the rates depend on, but load and context."""
        return (
            model_name(self.architecture), bool(self.architecture.experts), self.architecture.is_latent,
            self.accelerator.name, self.accelerator.generation, self.layout, self.precision, self.engine,
            self.has_even_lengths,
        )  # fmt: skip


@dataclass(frozen=True)
class Rates:
    """The rates of a situation, numbers or arrays. Shares are of the hardware's peak; the rest are seconds,
    counts of rows, steps or prompts, and the two factors on whole times.
    """

    weights_bandwidth_share: Floats
    kv_bandwidth_share: Floats
    compute_share: Floats
    attention_compute_share: Floats
    link_share: Floats
    layer_seconds: Floats
    moe_layer_seconds: Floats
    collective_seconds: Floats
    sequence_seconds: Floats
    step_seconds: Floats
    prefill_weights_share: Floats
    prefill_compute_share: Floats
    prefill_attention_share: Floats
    linear_intensity: Floats
    attention_intensity: Floats
    expert_tile_rows: Floats
    activation_passes: Floats
    expert_activation_passes: Floats
    prefill_link_share: Floats
    prefill_layer_seconds: Floats
    prefill_step_seconds: Floats
    first_token_seconds: Floats
    first_token_steps: Floats
    first_token_prefills: Floats
    first_token_queue: Floats
    decode_factor: Floats
    prefill_factor: Floats


RATES: tuple[str, ...] = tuple(Rates.__dataclass_fields__)


def model_name(architecture: Architecture) -> str:
    """The name under which measurements of a model count together: checkpoints of one architecture do."""
    return "deepseek-v3" if architecture.name == "deepseek-v3.1" else architecture.name


def terms(situation: Situation) -> Mapping[str, Terms]:
    """The constants of each rate."""
    engine, generation = situation.engine, situation.accelerator.generation
    experts = 1.0 if situation.architecture.experts else 0.0
    latent = situation.architecture.is_latent
    layer = {f"layer_seconds.{engine}": 1.0, f"layer_seconds.{generation}": 1.0}
    return {
        "weights_bandwidth_share": {"weights_bandwidth_share": 1.0},
        "kv_bandwidth_share": {"latent_kv_bandwidth_share" if latent else "kv_bandwidth_share": 1.0},
        "compute_share": {"compute_share": 1.0},
        "attention_compute_share": {"attention_compute_share": 1.0},
        "link_share": {"link_share": 1.0},
        "layer_seconds": {"layer_seconds": 1.0, **layer},
        "moe_layer_seconds": {"moe_layer_seconds": 1.0, **layer},
        "collective_seconds": {"collective_seconds": 1.0},
        "sequence_seconds": {"sequence_seconds": 1.0, f"sequence_seconds.{engine}": 1.0},
        "step_seconds": {"step_seconds": 1.0},
        "prefill_weights_share": {"prefill_weights_share": 1.0},
        "prefill_compute_share": {"prefill_compute_share": 1.0},
        "linear_intensity": {
            "linear_intensity": 1.0,
            f"linear_intensity.{engine}": 1.0,
            "linear_intensity.experts": experts,
        },
        "attention_intensity": {"attention_intensity": 1.0},
        "expert_tile_rows": {"expert_tile_rows": 1.0},
        "activation_passes": {"activation_passes": 1.0},
        "expert_activation_passes": {"expert_activation_passes": 1.0},
        "prefill_attention_share": {"prefill_attention_share": 1.0},
        "prefill_link_share": {"prefill_link_share": 1.0},
        "prefill_layer_seconds": {"prefill_layer_seconds": 1.0, **layer},
        "prefill_step_seconds": {"prefill_step_seconds": 1.0},
        "first_token_seconds": {"first_token_seconds": 1.0, f"first_token_seconds.{engine}": 1.0},
        "first_token_steps": {"first_token_steps": 1.0},
        "first_token_prefills": {
            "first_token_prefills": 1.0,
            "first_token_prefills.attention apart": float(np.log(situation.layout.data)),
        },
        "first_token_queue": {
            "first_token_queue": 1.0,
            f"first_token_queue.{engine}": 1.0,
            "first_token_queue.even lengths": 1.0 if situation.has_even_lengths else 0.0,
        },
        **{f"{phase}_factor": _factor(phase, situation) for phase in PHASES},
    }


@dataclass(frozen=True)
class SteadyRates:
    """The rates of a situation at its usual load and context, and what the two change.

    `load_slope` and `context_slope` are added to the logarithm of the decode factor, each times its measure.
    """

    usual: Rates
    load_slope: float
    context_slope: float

    def at(self, situation: Situation) -> Rates:
        """At the situation's own load and context."""
        moved = self.load_slope * load_of(situation) + self.context_slope * context_of(situation)
        return replace(self.usual, decode_factor=self.usual.decode_factor * np.exp(moved))


def steady_rates(values: Mapping[str, float], situation: Situation) -> SteadyRates:
    """What constants (in logarithms) give in a situation, whatever its load and context."""
    usual = replace(
        situation,
        batch=np.asarray(USUAL_SEQUENCES_PER_GPU * situation.layout.gpus),
        context_tokens=np.asarray(USUAL_CONTEXT_TOKENS),
    )
    found = {
        name: np.exp(
            sum((values.get(one, 0.0) * weight for one, weight in parts.items()), start=np.zeros(()))
        )
        for name, parts in terms(usual).items()
    }
    slopes = [
        (values.get(f"decode.smooth.{name}", 0.0), by_load, by_context)
        for name, (by_load, by_context) in _moving(situation).items()
    ]
    return SteadyRates(
        Rates(**found),
        sum(value * by_load for value, by_load, _ in slopes),
        sum(value * by_context for value, _, by_context in slopes),
    )


def groups(situation: Situation) -> Mapping[str, str]:
    """What measurements have in common, coarse to fine: each kind with the group of this situation."""
    model, engine = model_name(situation.architecture), situation.engine
    gpu, generation = situation.accelerator.name, situation.accelerator.generation
    precision = situation.precision
    return {
        "generation": generation,
        "gpu": gpu,
        "precision": precision,
        "engine": engine,
        "generation, engine": f"{generation}, {engine}",
        "engine, precision": f"{engine}, {precision}",
        "generation, precision": f"{generation}, {precision}",
        "model": model,
        "model, engine": f"{model}, {engine}",
        "model, precision": f"{model}, {precision}",
        "model, gpu": f"{model}, {gpu}",
    }


def _factor(phase: str, situation: Situation) -> Terms:
    """The factor on a whole time: group by group, and smooth in load, context and layout."""
    found: dict[str, float | Floats] = {
        f"{phase}.{kind}.{name}": 1.0 for kind, name in groups(situation).items()
    }
    for name, value in _smooth(situation).items():
        if phase == "prefill" and name in _moving(situation):
            continue  # a prompt takes the same work however many others run
        found[f"{phase}.smooth.{name}"] = value
    return found


def load_of(situation: Situation) -> Floats:
    """Sequences per GPU as a measure: 0 at 16 of them, 1 at 256, -1 at 1, no further than was measured."""
    per_gpu = np.maximum(situation.batch, 1e-3) / situation.layout.gpus
    return np.clip(np.log2(per_gpu / USUAL_SEQUENCES_PER_GPU) / 4, -2, 1.5)


def context_of(situation: Situation) -> Floats:
    """Tokens of context as a measure: 0 at 2,048 of them, 1 at 8,192, -1 at 512, no further than measured."""
    tokens = np.maximum(situation.context_tokens, 1.0)
    return np.clip(np.log2(tokens / USUAL_CONTEXT_TOKENS) / 2, -1.5, 1.5)


def _moving(situation: Situation) -> Mapping[str, tuple[float, float]]:
    """Terms that follow load and context, with the factors of either."""
    hopper = 1.0 if situation.accelerator.generation == "hopper" else 0.0
    experts = 1.0 if situation.architecture.experts else 0.0
    return {
        "load": (1.0, 0.0),
        "context": (0.0, 1.0),
        "load with experts": (experts, 0.0),
        "load on hopper": (hopper, 0.0),
    }


def _smooth(situation: Situation) -> Mapping[str, float | Floats]:
    """Properties by which times deviate smoothly, each about -1 to 1 over what was measured, no further."""
    layout = situation.layout
    experts = 1.0 if situation.architecture.experts else 0.0
    hopper = 1.0 if situation.accelerator.generation == "hopper" else 0.0
    split = float(np.clip((np.log2(layout.tensor) - 1.5) / 1.5, -1, 1))
    load, context = load_of(situation), context_of(situation)
    return {
        **{name: a * load + b * context for name, (a, b) in _moving(situation).items()},
        "experts": experts,
        "latent attention": 1.0 if situation.architecture.is_latent else 0.0,
        "experts apart": 1.0 if layout.expert > 1 else 0.0,
        "attention apart": 1.0 if layout.data > 1 else 0.0,
        "tensor": split,
        "tensor with experts": experts * split,
        "tensor on hopper": hopper * split,
        "even lengths": 1.0 if situation.has_even_lengths else 0.0,
    }
