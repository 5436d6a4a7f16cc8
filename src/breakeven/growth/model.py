"""What a statistical model of this room must say, and the scale without bounds on which it is searched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from breakeven.account.metrics import Missing
from breakeven.growth.cells import Cells

Scale = Literal["positive", "share", "any"]
Floats = NDArray[np.float64]


class Model(Protocol):
    """What a model must say to be fitted."""

    @property
    def name(self) -> str:
        """Its name as the field writes it, such as `BG/NBD`."""
        ...

    @property
    def parameters(self) -> Mapping[str, Scale]:
        """Its parameters in order, each with the numbers it may take."""
        ...

    def starts(self, cells: Cells) -> list[Floats]:
        """Where to begin the search, on the parameters' own scale; the first is the most likely."""
        ...

    def log_likelihoods(self, parameters: Floats, cells: Cells) -> Floats:
        """The logarithm of each cell's likelihood, for one customer of it."""
        ...

    def refusal(self, cells: Cells) -> Missing | None:
        """Why these customers cannot determine the model, if that can be seen beforehand."""
        ...


@runtime_checkable
class Sloped(Protocol):
    """A model that knows its derivatives: its fit needs a fifth of the time."""

    def gradients(self, parameters: Floats, cells: Cells) -> Floats:
        """Derivatives of `log_likelihoods` by each parameter, on its own scale: (parameter, cell)."""
        ...


@runtime_checkable
class Edged(Protocol):
    """A model that can say what it means when a parameter runs to nothing or to infinity."""

    def edge(self, parameter: str, *, is_high: bool) -> Missing | None:
        """The reason in the model's own terms, or None for the general one."""
        ...


def to_free(parameters: Floats, scales: tuple[Scale, ...]) -> Floats:
    """Parameters on a scale without bounds; the last axis runs over the parameters.

    >>> to_free(np.array([1.0, 0.5]), ("positive", "share")).tolist()
    [0.0, 0.0]
    """
    found = np.array(parameters, dtype=float)
    for i, scale in enumerate(scales):
        one = found[..., i]
        if scale == "positive":
            found[..., i] = np.log(one)
        elif scale == "share":
            found[..., i] = np.log(one) - np.log1p(-one)
    return found


def from_free(free: Floats, scales: tuple[Scale, ...]) -> Floats:
    """The way back from `to_free`."""
    found = np.array(free, dtype=float)
    for i, scale in enumerate(scales):
        one = found[..., i]
        if scale == "positive":
            found[..., i] = np.exp(one)
        elif scale == "share":
            found[..., i] = 1.0 / (1.0 + np.exp(-one))
    return found


def slope(parameters: Floats, scales: tuple[Scale, ...]) -> Floats:
    """How fast each parameter moves with its free scale."""
    found = np.ones(np.shape(parameters))
    for i, scale in enumerate(scales):
        if scale == "positive":
            found[..., i] = parameters[..., i]
        elif scale == "share":
            found[..., i] = parameters[..., i] * (1.0 - parameters[..., i])
    return found


def split(parameters: ArrayLike) -> tuple[Floats, ...]:
    """Each parameter on its own, ready to meet cells: (p,) gives arrays of (1,), (draw, p) of (draw, 1).

    >>> [one.shape for one in split(np.ones((5, 4)))]
    [(5, 1), (5, 1), (5, 1), (5, 1)]
    """
    found = np.asarray(parameters, dtype=float)
    return tuple(found[..., n, None] for n in range(found.shape[-1]))
