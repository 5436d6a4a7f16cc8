"""How a model is laid out over the GPUs of one replica: tensor, expert, data and pipeline parallel."""

from __future__ import annotations

import re
from dataclasses import dataclass

from breakeven.errors import InputError

_PART = re.compile(r"(?P<kind>TP|EP|DP|PP)(?P<count>\d+)", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class Layout:
    """How the GPUs of one replica share the work.

    `tensor` GPUs split each attention layer between them; `data` such groups attend to different sequences
    (attention data parallel); `pipeline` stages follow each other. Experts are divided over all GPUs of a
    stage: `expert` ways by whole experts, and the rest of the way by splitting each. Raises `InputError` for
    counts below one and for experts that the GPUs of a stage cannot be divided into.

    >>> Layout(tensor=8).gpus, str(Layout(tensor=8)), str(Layout(data=8, expert=8))
    (8, 'TP8', 'DP8 EP8')
    """

    tensor: int = 1
    expert: int = 1
    data: int = 1
    pipeline: int = 1

    def __post_init__(self) -> None:
        for name in ("tensor", "expert", "data", "pipeline"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} parallel is {getattr(self, name)}", remedy="give 1 or more")
        if self.stage_gpus % self.expert:
            raise InputError(
                f"experts in {self.expert} parts do not fit {self.stage_gpus} GPUs",
                remedy="let expert parallel divide tensor x data parallel, such as DP8 EP8 or TP4 EP4",
            )

    @property
    def stage_gpus(self) -> int:
        """GPUs of one pipeline stage."""
        return self.tensor * self.data

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return self.stage_gpus * self.pipeline

    def __str__(self) -> str:
        parts = {"TP": self.tensor, "DP": self.data, "EP": self.expert, "PP": self.pipeline}
        return " ".join(f"{kind}{count}" for kind, count in parts.items() if count > 1) or "TP1"

    @classmethod
    def parse(cls, text: str) -> Layout:
        """A layout as `str` writes it, in any order and case. Raises `InputError` for other text.

        >>> Layout.parse("dp8 ep8"), Layout.parse("TP8").gpus
        (Layout(tensor=1, expert=8, data=8, pipeline=1), 8)
        """
        parts = {found["kind"].upper(): int(found["count"]) for found in _PART.finditer(text)}
        if not parts or _PART.sub("", text).strip(" ,+x/"):
            raise InputError(f"{text!r} is not a layout", remedy="write it like TP8, DP8 EP8 or TP4 PP2")
        return cls(parts.get("TP", 1), parts.get("EP", 1), parts.get("DP", 1), parts.get("PP", 1))
