"""Pages whose commands are run as they are written, in the order in which a reader meets them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(sh|console|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: commands to run (`sh`), commands on files only the reader has (`console`), or lines
    that the commands before it print (`text`)."""

    kind: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    """The shell and output blocks of a page."""
    return [Block(kind, text) for kind, text in BLOCK.findall(page.read_text("utf-8"))]


def run_as_written(commands: str, folder: Path, bin_folder: Path) -> str:
    """Run a block in a folder as a shell would; returns what it prints, and fails where a command fails."""
    for name, module in (("breakeven", "-m breakeven.cli.main"), ("python", "")):
        program = bin_folder / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        program.chmod(0o755)
    path = os.pathsep.join([str(bin_folder), os.environ["PATH"]])
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("BREAKEVEN_", "LC_"))
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=environment
        | {"PATH": path, "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "250"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def plain(line: str) -> str:
    """A line of a table without its padding, so that a page may show it narrower."""
    return " ".join(line.split())


def assert_printed(expected: str, output: str) -> None:
    """Every line of an output block appears in what the commands printed, within a line, in this order."""
    printed = iter([plain(line) for line in output.splitlines()])
    for line in expected.splitlines():
        wanted = plain(line)
        if wanted and not set(wanted) <= {"─"}:
            assert any(wanted in found for found in printed), f"not printed: {line!r}\n{output}"
