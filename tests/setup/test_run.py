"""`./run`: its answers when something is missing, its stamp, and that hashes are really checked."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module `run.py`; it is no part of the package."""
    specification = importlib.util.spec_from_file_location("run", ROOT / "run.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "run", module)
    specification.loader.exec_module(module)
    return module


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "run", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHON": sys.executable} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_names_every_command():
    result = run("help")
    assert result.returncode == 0
    for command in ("setup", "demo", "test", "check", "bench", "pin"):
        assert f"./run {command}" in result.stdout
    assert run().stdout == result.stdout


@pytest.mark.parametrize("arguments", [["nonsense"], ["setup", "--nonsense"]])
def test_an_unknown_word_is_refused_in_both_languages(arguments: list[str]):
    result = run(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert "nonsense" in result.stderr.splitlines()[0]
    assert "nonsense" in result.stderr.splitlines()[1]


def test_an_old_python_is_refused_in_both_languages(tmp_path: Path):
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\necho\n")  # what 3.10 prints when asked whether it is new enough
    old.chmod(0o755)
    result = run("help", PYTHON=str(old))
    assert result.returncode == 2
    assert f"PYTHON={old} is not a Python of 3.11 or newer" in result.stderr
    assert f"PYTHON={old} 不是 3.11 或更新的 Python" in result.stderr


def test_no_python_at_all_is_said_in_both_languages(tmp_path: Path):
    (tmp_path / "dirname").symlink_to("/usr/bin/dirname")
    result = run("help", PATH=str(tmp_path), PYTHON="")
    assert result.returncode == 2
    assert "needs Python 3.11 or newer" in result.stderr
    assert "需要 Python 3.11 或更新版本" in result.stderr


def test_spark_without_java_names_the_package_to_install(tmp_path: Path):
    (tmp_path / "dirname").symlink_to("/usr/bin/dirname")
    result = run("test", "--spark", PATH=str(tmp_path))
    assert result.returncode == 2
    assert result.stderr.count("apt-get install") == 2


def test_a_changed_pin_makes_the_stamp_stale(
    runner: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for file in ("pyproject.toml", *runner.LAYERS.values()):
        (tmp_path / file).write_bytes((ROOT / file).read_bytes())
    monkeypatch.setattr(runner, "ROOT", tmp_path)
    before = {layer: runner.stamp_of(layer) for layer in runner.LAYERS}

    (tmp_path / "constraints-dev.txt").write_text("")

    stale = [layer for layer in runner.LAYERS if runner.stamp_of(layer) != before[layer]]
    assert stale == ["dev"]


def test_an_environment_of_another_place_or_python_is_not_reused(
    runner: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    venv = tmp_path / ".venv"
    subprocess.run([runner.BASE_PYTHON, "-m", "venv", "--without-pip", str(venv)], check=True)
    monkeypatch.setattr(runner, "VENV", venv)
    monkeypatch.setattr(runner, "BIN", venv / runner.BIN.name)
    assert runner.venv_fits()

    settings = (venv / "pyvenv.cfg").read_text()
    (venv / "pyvenv.cfg").write_text(settings.replace("version = 3.", "version = 2."))
    assert not runner.venv_fits()

    (venv / "pyvenv.cfg").write_text(settings.replace(str(venv), "/elsewhere/.venv"))
    assert not runner.venv_fits()


@pytest.mark.slow
@pytest.mark.parametrize("is_tampered", [False, True])
def test_a_file_with_another_hash_is_not_installed(
    runner: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_tampered: bool
):
    wheel = tmp_path / "sample-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("sample.py", "")
        archive.writestr(
            "sample-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: sample\nVersion: 1.0\n"
        )
        archive.writestr(
            "sample-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("sample-1.0.dist-info/RECORD", "")
    constraints = tmp_path / "constraints.txt"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    constraints.write_text(f"sample==1.0 --hash=sha256:{'0' * 64 if is_tampered else digest}\n")
    venv = tmp_path / "venv"
    subprocess.run([runner.BASE_PYTHON, "-m", "venv", "--without-pip", str(venv)], check=True)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))

    command = [*runner.pip_into(venv / runner.BIN.name / "python"), *runner.pinned_options(constraints)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (result.returncode != 0) == is_tampered
    assert bool(list(venv.rglob("sample.py"))) == (not is_tampered)
    assert ("DO NOT MATCH THE HASHES" in result.stderr) == is_tampered
