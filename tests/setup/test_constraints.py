"""The constraints files pin every dependency by version and hash, and name no index."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
FILES = ("constraints.txt", "constraints-dev.txt", "constraints-spark.txt")
PIN = re.compile(r"[a-z0-9][a-z0-9.-]*==[0-9][\w.!+]*( ; [^;\\]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def pins(*files: str) -> dict[str, str]:
    """The pinned version of each package in the files."""
    lines = [line for file in files for line in (ROOT / file).read_text().splitlines() if "==" in line]
    requirements = [Requirement(line.removesuffix("\\")) for line in lines]
    return {canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in requirements}


@pytest.mark.parametrize("file", FILES)
def test_every_line_is_a_pin_or_a_hash(file: str):
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not (PIN.fullmatch(line) or HASH.fullmatch(line))] == []


@pytest.mark.parametrize("file", FILES)
def test_every_pin_has_a_hash(file: str):
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    followers = [after for line, after in zip(lines, [*lines[1:], ""], strict=True) if PIN.fullmatch(line)]
    assert followers
    assert all(HASH.fullmatch(follower) for follower in followers)


@pytest.mark.parametrize("file", FILES)
def test_no_file_names_an_index_or_an_address(file: str):
    text = (ROOT / file).read_text(encoding="utf-8")
    assert "://" not in text
    assert set(re.findall(r"--[a-z-]+", text)) == {"--hash"}


def test_no_package_is_pinned_twice():
    names = [name for file in FILES for name in pins(file)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("group", "files"),
    [
        ("runtime", FILES[:1]),
        ("build", FILES[:1]),
        ("prices", FILES[:2]),
        ("dev", FILES[:2]),
        ("spark", FILES),
    ],
)
def test_every_dependency_is_pinned_within_its_bounds(group: str, files: tuple[str, ...]):
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = {
        "runtime": settings["project"]["dependencies"],
        "build": settings["build-system"]["requires"],
        **settings["project"]["optional-dependencies"],
    }
    pinned = pins(*files)
    for requirement in map(Requirement, declared[group]):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement
