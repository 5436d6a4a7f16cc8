"""The rooms import downwards only, and the contract that says so can fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    """Hold the contract of `tree/pyproject.toml` against the package under `tree/src`."""
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_tree_keeps_the_contract():
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 kept, 0 broken" in result.stdout


@pytest.mark.parametrize(
    ("room", "statement", "imported"),
    [
        ("ledger", "import breakeven.cli", "breakeven.cli"),
        ("account", "from breakeven.report import view_model", "breakeven.report.view_model"),
        ("sources", "import breakeven.pricing", "breakeven.pricing"),
        ("account", "import duckdb", "duckdb"),
        ("report", "import pyspark", "pyspark"),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, room: str, statement: str, imported: str):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "src", tmp_path / "src")
    (tmp_path / "src" / "breakeven" / room / "planted.py").write_text(f"{statement}\n")

    result = lint_imports(tmp_path)

    assert result.returncode == 1, result.stdout + result.stderr
    assert f"breakeven.{room}.planted -> {imported} (l.1)" in result.stdout


def test_every_room_but_the_engine_is_forbidden_to_import_a_database():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [forbidden] = [c for c in settings["tool"]["importlinter"]["contracts"] if c["type"] == "forbidden"]
    rooms = {f"breakeven.{folder.parent.name}" for folder in (ROOT / "src/breakeven").glob("*/__init__.py")}
    assert set(forbidden["source_modules"]) >= rooms - {"breakeven.engine"}
