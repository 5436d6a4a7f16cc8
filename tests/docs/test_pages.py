"""Every command of the pages runs as it is written, and prints what the page says that it prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from breakeven.cli.main import cli
from breakeven.sources.registry import find_source
from breakeven.sources.shipped_mappings import shipped_mapping

from .pages import ROOT, assert_printed, blocks_of, run_as_written

RUN = re.compile(r"^\./run (\w+)$", re.MULTILINE)
START = ROOT / "docs/start/first-quarter-of-an-hour.md"
READMES = ["README.md", "README.zh.md"]


def run_page(page: Path, folder: Path) -> None:
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    place = folder / "reader"
    place.mkdir()
    printed = ""
    for block in blocks_of(page):
        if block.kind == "text":
            if printed:
                assert_printed(block.text, printed)
        elif block.kind == "sh" and not RUN.search(block.text):
            printed = run_as_written(block.text, place, bin_folder)


def commands_of(page: Path) -> list[str]:
    """The commands of a page, without remarks and the choice of a language."""
    lines = [line for block in blocks_of(page) if block.kind != "text" for line in block.text.splitlines()]
    return [line.partition("  #")[0].replace(" --lang zh", "").rstrip() for line in lines]


def test_the_tour(tmp_path: Path):
    run_page(ROOT / "README.md", tmp_path)


@pytest.mark.slow
def test_the_first_quarter_of_an_hour_and_the_example_in_python(tmp_path: Path):
    run_page(START, tmp_path)
    for suffix in ("", ".zh"):
        page = (ROOT / f"docs/reference/commands{suffix}.md").read_text("utf-8")
        [example] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        printed = run_as_written(f"python - <<'END'\n{example}END\n", tmp_path / "reader", tmp_path / "bin")
        assert printed.startswith("2024-06 0.2")


@pytest.mark.parametrize("page", [ROOT / "README.md", START], ids=lambda page: page.name)
def test_the_chinese_page_has_the_same_commands(page: Path):
    chinese = page.with_name(f"{page.stem}.zh.md")
    assert commands_of(page) == commands_of(chinese)
    if page == START:
        assert [b for b in blocks_of(page) if b.kind == "text"] == [
            b for b in blocks_of(chinese) if b.kind == "text"
        ]


@pytest.mark.parametrize("page", READMES)
def test_commands_on_files_of_the_reader_name_what_exists(page: str):
    """They cannot run here; their command, options, source or mapping are there all the same."""
    blocks = [block for block in blocks_of(ROOT / page) if block.kind == "console"]
    lines = [line for block in blocks for line in block.text.splitlines()]
    assert lines
    for line in lines:
        program, name, *words = shlex.split(line, comments=True)
        command = cli.get_command(click.Context(cli), name)
        assert program == "breakeven"
        assert command is not None
        given = command.make_context(name, words).params
        if given.get("source"):
            assert find_source(given["source"]) is not None, line
        if given.get("mapping"):
            assert shipped_mapping(str(given["mapping"])) is not None, line


@pytest.mark.slow
def test_the_demo_prints_what_the_readme_shows(tmp_path: Path):
    books = "demo/assistant-2024 --period 2024-06..2024-08"
    (tmp_path / "bin").mkdir()
    printed = run_as_written("breakeven demo demo", tmp_path, tmp_path / "bin")
    for readme in READMES:
        for figure in ("562,100.00", "87,072.00", "545.6"):
            assert figure in (ROOT / readme).read_text("utf-8")
            assert figure in printed
    assert (tmp_path / "demo" / "report.html").stat().st_size > 0
    for page, language in (("README.md", "en"), ("README.zh.md", "zh")):
        [shown] = [block.text for block in blocks_of(ROOT / page) if block.kind == "text"]
        printed = run_as_written(f"breakeven {books} --lang {language}", tmp_path, tmp_path / "bin")
        assert_printed(shown, printed)


@pytest.mark.parametrize("page", READMES)
def test_the_first_commands_are_demo_and_test(page: str):
    first = blocks_of(ROOT / page)[0]
    assert (first.kind, RUN.findall(first.text)) == ("sh", ["demo", "test"])


@pytest.mark.parametrize("page", READMES)
def test_every_run_command_exists(page: str):
    known = set(re.findall(r'^ {8}"(\w+)": \w+,$', (ROOT / "run.py").read_text("utf-8"), re.MULTILINE))
    assert known >= {"setup", "demo", "test"}
    assert set(re.findall(r"\./run (\w+)", (ROOT / page).read_text("utf-8"))) <= known
