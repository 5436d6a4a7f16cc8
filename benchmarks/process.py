"""One step of a benchmark in a process of its own, so that its time, memory and caches are its own.

The parent starts `python -m benchmarks.process MODULE:FUNCTION ARGUMENTS`; the child answers with one line of
JSON, the last of its standard output.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


class StepFailedError(Exception):
    """A step or command ended with an error; what it said stands on standard error."""


@dataclass(frozen=True)
class Measured:
    """What a step took and what it answered.

    `seconds` is the time inside the step, with the imports it makes; `process_seconds` is from the start of
    the interpreter to its exit, as a person would wait.
    """

    seconds: float
    process_seconds: float
    peak_bytes: int
    said: dict[str, Any]


def measure(step: Callable[..., dict[str, Any]], **arguments: Any) -> Measured:
    """Run a function of this package, given by its name, in a fresh interpreter."""
    name = f"{step.__module__}:{step.__name__}"
    command = [sys.executable, "-m", "benchmarks.process", name, json.dumps(arguments, default=str)]
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True, check=False
    )
    process_seconds = time.perf_counter() - started
    if done.returncode:
        raise StepFailedError(f"{name} ended with code {done.returncode}")
    answer = json.loads(done.stdout.splitlines()[-1])
    return Measured(answer["seconds"], process_seconds, answer["peak_bytes"], answer["said"])


def command_seconds(
    arguments: Sequence[str], *, repeats: int, before: Callable[[], None] | None = None
) -> list[float]:
    """How long the command `breakeven` takes as a whole process, each of several times.

    `before` puts things in order ahead of each run, outside the time.
    """
    installed = Path(sys.executable).with_name("breakeven")
    program = [str(installed)] if installed.exists() else [sys.executable, "-m", "breakeven.cli.main"]
    durations: list[float] = []
    for _ in range(repeats):
        if before:
            before()
        started = time.perf_counter()
        done = subprocess.run(
            [*program, *arguments],
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        durations.append(time.perf_counter() - started)
        if done.returncode:
            raise StepFailedError(f"breakeven {' '.join(arguments)}: {done.stderr.decode(errors='replace')}")
    return durations


def environment() -> dict[str, str]:
    """As the caller's, but bytecode is kept, as it is on any machine where a program runs twice."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def peak_memory_bytes() -> int:
    """The most memory this process has held so far."""
    try:
        for line in Path("/proc/self/status").read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _answer(name: str, arguments: dict[str, Any]) -> str:
    started = time.perf_counter()
    module, _, function = name.partition(":")
    said = getattr(import_module(module), function)(**arguments)
    seconds = time.perf_counter() - started
    return json.dumps({"seconds": seconds, "peak_bytes": peak_memory_bytes(), "said": said})


if __name__ == "__main__":
    try:
        print(_answer(sys.argv[1], json.loads(sys.argv[2])))
    except KeyboardInterrupt:
        sys.exit(130)
