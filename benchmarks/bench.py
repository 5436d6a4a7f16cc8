"""What every group of measurements is given: the size, the folder, and a way to say what goes on."""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.company import Company

SMALLER_BY = 5


@dataclass(frozen=True)
class Bench:
    """One run. `users` is the size of the larger company; the smaller has a fifth of it."""

    users: int
    months: int
    work: Path
    repeats: int
    started: float = field(default_factory=time.monotonic)

    @property
    def large(self) -> Company:
        """The larger company; its last day is kept back."""
        return self._company("large", self.users)

    @property
    def small(self) -> Company:
        """The smaller company."""
        return self._company("small", max(self.users // SMALLER_BY, 1))

    def _company(self, role: str, users: int) -> Company:
        return Company(users, self.months, self.work / f"{role}-{users}-{self.months}", self.say)

    def scratch(self, name: str) -> Path:
        """A folder name that is free now; what lies there from an earlier run is removed."""
        path = self.work / "scratch" / name
        shutil.rmtree(path, ignore_errors=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def say(self, text: str) -> None:
        """Progress, on standard error."""
        print(f"[{time.monotonic() - self.started:7.1f} s] {text}", file=sys.stderr, flush=True)
