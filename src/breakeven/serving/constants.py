"""The fitted constants that ship, and those that a user's own measurements moved.

`constants.yaml` is written by `benchmarks/serving_constants.py`; it holds each constant with its unit,
standard error and what identified it, and how far held-out measurements lay from their predictions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Literal, cast

import numpy as np
import yaml

from breakeven.serving.architecture import Architecture
from breakeven.serving.architecture.attention import Floats
from breakeven.serving.estimate import Estimate
from breakeven.serving.hardware import Accelerator
from breakeven.serving.rates import Rates, Situation, SteadyRates, model_name, steady_rates

SHIPPED = Path(__file__).with_name("constants.yaml")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Quantity = Literal["decode", "prefill", "throughput"]
QUANTITIES: tuple[Quantity, ...] = ("decode", "prefill", "throughput")
Novelty = Literal["known", "new_model", "new_gpu", "new_both", "measured"]
"""How much of a deployment was measured: its model and GPU elsewhere, one of them, neither, itself."""


@dataclass(frozen=True)
class Constant:
    """One constant. `value` is as the fit has it: a logarithm where `unit` is not empty, else an adjustment
    that adds to one. `standard_error` is that of the logarithm.
    """

    name: str
    value: float
    standard_error: float
    unit: str = ""
    identified_by: str = ""

    @property
    def natural(self) -> float:
        """In its unit; an adjustment as a factor."""
        return float(np.exp(self.value))


@dataclass(frozen=True)
class Offset:
    """What a user's measurements say of one deployment: logarithms added to its decode and prefill times.

    Empty names match everything. Spreads are standard deviations left after the measurements. `source` and
    `as_of` say which file of points and on which day.
    """

    model: str
    gpu: str
    engine: str
    precision: str
    decode: float
    prefill: float
    decode_spread: float
    prefill_spread: float
    points: int
    source: str = ""
    as_of: str = ""

    def matches(
        self, architecture: Architecture, accelerator: Accelerator, engine: str, precision: str
    ) -> bool:
        """Whether it is of this model, GPU, engine and precision."""
        return (
            self.model in ("", model_name(architecture))
            and self.gpu in ("", accelerator.name)
            and self.engine in ("", engine)
            and self.precision in ("", precision)
        )


@dataclass(frozen=True)
class Constants:
    """All constants, how sure predictions are, and offsets from a user's own measurements.

    `spreads` are half widths of the 80 % interval of the logarithm, below and above, by novelty and quantity.
    """

    constants: Mapping[str, Constant]
    spreads: Mapping[Novelty, Mapping[Quantity, tuple[float, float]]]
    models: frozenset[str]
    gpus: frozenset[str]
    offsets: tuple[Offset, ...] = ()
    provenance: str = ""
    as_of: str = ""

    _known: dict[tuple[object, ...], SteadyRates] = field(
        default_factory=dict[tuple[object, ...], SteadyRates], compare=False, repr=False
    )
    """Rates by all they depend on but load and context: a search asks for the same ones over and over."""

    @cached_property
    def values(self) -> Mapping[str, float]:
        """Values by name."""
        return {name: constant.value for name, constant in self.constants.items()}

    def rates(self, situation: Situation) -> Rates:
        """The rates of a situation, with the user's offset if one matches."""
        key = situation.standing
        steady = self._known.get(key)
        if steady is None:
            steady = self._known[key] = steady_rates(self.values, situation)
        found = steady.at(situation)
        offset = self.offset(
            situation.architecture, situation.accelerator, situation.engine, situation.precision
        )
        if offset is None:
            return found
        return replace(
            found,
            decode_factor=found.decode_factor * np.exp(offset.decode),
            prefill_factor=found.prefill_factor * np.exp(offset.prefill),
        )

    def offset(
        self, architecture: Architecture, accelerator: Accelerator, engine: str, precision: str
    ) -> Offset | None:
        """The user's offset of a deployment; None where nothing of it was measured."""
        return next(
            (one for one in self.offsets if one.matches(architecture, accelerator, engine, precision)), None
        )

    def novelty(
        self, architecture: Architecture, accelerator: Accelerator, *, engine: str = "", precision: str = ""
    ) -> Novelty:
        """How much of a model on a GPU was measured; `measured` where the user's own offset applies."""
        if self.offset(architecture, accelerator, engine, precision) is not None:
            return "measured"
        known_model = model_name(architecture) in self.models
        known_gpu = accelerator.name in self.gpus
        if known_model and known_gpu:
            return "known"
        if known_gpu:
            return "new_model"
        return "new_gpu" if known_model else "new_both"

    def spread(
        self,
        quantity: Quantity,
        architecture: Architecture,
        accelerator: Accelerator,
        *,
        engine: str = "",
        precision: str = "",
    ) -> tuple[float, float]:
        """Logarithms from the middle to the bounds of the 80 % interval, below and above."""
        novelty = self.novelty(architecture, accelerator, engine=engine, precision=precision)
        return self.spreads[novelty][quantity]

    def estimate(
        self,
        value: float,
        quantity: Quantity,
        architecture: Architecture,
        accelerator: Accelerator,
        *,
        engine: str = "",
        precision: str = "",
    ) -> Estimate:
        """A predicted time or throughput with its 80 % interval, as hold-out errors have it."""
        below, above = self.spread(quantity, architecture, accelerator, engine=engine, precision=precision)
        return Estimate(value, value * float(np.exp(-below)), value * float(np.exp(above)))


@cache
def shipped_constants() -> Constants:
    """The constants that ship.

    >>> 0.4 < shipped_constants().constants["weights_bandwidth_share"].natural < 1.1
    True
    """
    return _from_mapping(yaml.load(SHIPPED.read_text("utf-8"), _LOADER))  # noqa: S506 - a safe loader


def read_constants(path: Path) -> Constants:
    """The shipped constants with the offsets of a file that `serving calibrate` wrote.

    Raises `InputError` for a file that is not one.
    """
    from breakeven.serving.calibration.refitted import read_offsets

    return replace(shipped_constants(), offsets=read_offsets(path))


def _from_mapping(data: Mapping[str, object]) -> Constants:
    """As `benchmarks/serving_constants.py` writes it."""
    constants: dict[str, Constant] = {}
    for name, fields in cast("dict[str, dict[str, float | str]]", data["constants"]).items():
        constants[name] = Constant(
            name,
            float(np.log(float(fields["value"]))),
            float(fields["standard_error"]),
            str(fields["unit"]),
            str(fields["identified_by"]),
        )
    for name, (value, error, points) in cast("dict[str, list[float]]", data["adjustments"]).items():
        constants[name] = Constant(name, value, error, "", f"{points:g} points")
    spreads: dict[Novelty, Mapping[Quantity, tuple[float, float]]] = {
        novelty: {quantity: (pair[0], pair[1]) for quantity, pair in by_quantity.items()}
        for novelty, by_quantity in cast(
            "dict[Novelty, dict[Quantity, list[float]]]", data["spreads"]
        ).items()
    }
    measured = cast("dict[str, list[str]]", data["measured"])
    return Constants(
        constants,
        spreads,
        frozenset(measured["models"]),
        frozenset(measured["gpus"]),
        provenance=str(data["provenance"]),
        as_of=str(data["as_of"]),
    )


__all__ = [
    "Constant", "Constants", "Floats", "Novelty", "Offset", "Quantity", "read_constants", "shipped_constants",
]  # fmt: skip
