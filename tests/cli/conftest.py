"""Run command lines in this process, as the shell would see them: exit code, standard output and error."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from breakeven.cli.main import main

ACTIVITY = """source_id,user_id,day,sessions
a1,u1,2024-03-01,2
a2,u2,2024-03-02,1
a3,u3,2024-03-32,1
a1,u1,2024-03-01,2
"""


@dataclass(frozen=True)
class Ran:
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> dict[str, Any]:
        """The JSON on standard output."""
        assert self.out, self.err
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    """English, whatever the language of this machine, and no books but those a test names."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "BREAKEVEN_LANG", "BREAKEVEN_DEBUG", "BREAKEVEN_BOOKS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(capsys):
    """Run `breakeven` with these arguments."""

    def running(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return running


@pytest.fixture
def books(run, tmp_path):
    """New, empty books."""
    folder = tmp_path / "books"
    assert run("init", folder, "--currency", "CNY", "--time-zone", "Asia/Shanghai").code == 0
    return folder


@pytest.fixture
def activity(tmp_path):
    """A file of four records: two good ones, one of an impossible day, one repeated."""
    path = tmp_path / "activity.csv"
    path.write_text(ACTIVITY)
    return path
