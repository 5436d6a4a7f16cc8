"""The examples of the how-to pages work as they are written."""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "how-to"


def blocks(page, language):
    """The fenced examples of a page in one language."""
    text = (PAGES / page).read_text("utf-8")
    return [textwrap.dedent(found) for found in re.findall(rf"( *```{language}\n.*?) *```", text, re.DOTALL)]


def inside(page, language):
    [found] = blocks(page, language)
    return found.partition("\n")[2]


@pytest.mark.parametrize("page", ["mapping-files.md", "mapping-files.zh.md"])
def test_the_mapping_page(run, books, tmp_path, monkeypatch, page):
    monkeypatch.chdir(tmp_path)
    Path("requests.csv").write_text(inside(page, "csv"), "utf-8")
    Path("gateway.yaml").write_text(inside(page, "yaml"), "utf-8")
    commands = [line.split("#")[0].split() for line in inside(page, "sh").splitlines()]
    assert [words[:2] for words in commands] == [["breakeven", "import"]] * 2
    for _, *words in commands:
        done = run(*(books if word == "BOOKS" else word for word in words), "--json")
        assert done.code == 0
        file, problem = done.answer["rows"]
        assert (file["rows_read"], file["ingested"], file["quarantined"]) == (3, 2, 1)
        assert file["ignored_columns"] == ""
        assert (problem["row"], problem["field"]) == (3, "input_tokens")
        assert "more cached than input" in problem["reason"]


def test_the_source_page(tmp_path, monkeypatch, books, run):
    from breakeven.sources import registry

    module = ModuleType("old_gateway")
    exec(compile(inside("add-a-source.md", "python"), "old_gateway.py", "exec"), module.__dict__)
    log = tmp_path / "march.jsonl"
    log.write_text(
        '{"ts": 1709251200, "uid": "u1", "tokens": {"prompt": 420, "cached": 400, "answer": 8}, "id": "1"}\n'
        '{"ts": 1709251201, "kind": "health", "id": "r2"}\n'
        "nonsense\n"
        '{"ts": 1709251300, "uid": "u2", "tokens": {"prompt": 3, "cached": 4, "answer": 5}, "id": "r4"}\n'
    )

    class Point:
        name, value = "old_gateway", "old_gateway:SOURCE"

        def load(self):
            return module.SOURCE

    monkeypatch.setitem(sys.modules, "old_gateway", module)
    monkeypatch.setattr(registry, "entry_points", lambda group, name=None: [Point()])
    done = run("import", books, log, "--source", "old_gateway", "--option", "large=no", "--json")
    file, *problems = done.answer["rows"]
    assert (file["rows_read"], file["ingested"], file["quarantined"], file["skipped"]) == (3, 1, 2, 1)
    assert [(problem["row"], problem["field"]) for problem in problems] == [(3, ""), (4, "input_tokens")]
    assert "old_gateway" in run("sources").out


def test_each_page_exists_in_both_languages():
    for page in ("add-a-source", "mapping-files"):
        assert inside(f"{page}.md", "toml" if page == "add-a-source" else "yaml") == inside(
            f"{page}.zh.md", "toml" if page == "add-a-source" else "yaml"
        )
