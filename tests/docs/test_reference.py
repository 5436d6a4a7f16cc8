"""The reference pages say what the program does: every metric, column, command, option and setting."""

from __future__ import annotations

import importlib.util
import os
import re
import tomllib
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest

from breakeven.account.catalogue import METRICS
from breakeven.cli import failures
from breakeven.cli.language import _VARIABLES
from breakeven.ledger.settings import Matching, MatchRule, Settings, write_settings
from breakeven.ledger.tables import TABLES

from .pages import ROOT

DOCS = ROOT / "docs"
LANGUAGES = ("", ".zh")


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def text_of(page: str) -> str:
    return (DOCS / page).read_text("utf-8")


def test_the_committed_pages_are_the_generated_ones(generate: ModuleType):
    for page, language in generate.PAGES.items():
        assert text_of(page) == generate.filled(text_of(page), language), (
            f"run: python docs/generate.py ({page})"
        )


def test_a_page_that_is_out_of_date_is_found(generate: ModuleType):
    old = text_of("metrics.md").replace("| `gross_margin` |", "| `gross_margins` |", 1)
    assert old != text_of("metrics.md")
    assert generate.filled(old, "en") == text_of("metrics.md")


@pytest.mark.parametrize("suffix", LANGUAGES)
def test_every_metric_is_there_once(suffix: str):
    found = re.findall(r"^\| `(\w+)` \|", text_of(f"metrics{suffix}.md"), re.MULTILINE)
    assert sorted(found) == sorted(METRICS)


@pytest.mark.parametrize("suffix", LANGUAGES)
def test_every_table_is_there(suffix: str):
    assert re.findall(r"<!-- table (\w+) -->", text_of(f"tables{suffix}.md")) == list(TABLES)


@pytest.mark.parametrize("suffix", LANGUAGES)
def test_every_command_and_option_is_there(generate: ModuleType, suffix: str):
    page = text_of(f"reference/commands{suffix}.md")
    blocks = re.findall(r"<!-- options ([a-z -]+) -->", page)
    assert set(blocks) - set(generate.SHARED) == set(generate.command_names())
    for name in generate.command_names():
        assert f"\n    breakeven {name}" in page.split(f"<!-- options {name} -->")[1].split("<!-- end -->")[1]
        for option in generate.options_of(generate.command_named(name)):
            assert option.opts[0] in page, f"{name}: {option.opts[0]}"


@pytest.mark.parametrize("suffix", LANGUAGES)
def test_every_setting_is_there(suffix: str, tmp_path: Path):
    rules = Matching(rules=(MatchRule(("user_id",)),))
    write_settings(tmp_path, Settings("books", tolerance=Decimal("0.005"), matching=rules))
    written = tomllib.loads((tmp_path / "breakeven.toml").read_text("utf-8"))
    names = {
        f"{key}.{inner}" if isinstance(value, dict) else key
        for key, value in written.items()
        for inner in (value if isinstance(value, dict) else [""])
    }
    rows = re.findall(r"^\| (`[a-z_.`、, ]+) \|", settings_part(suffix), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([a-z_.]+)`", row)} == names


def settings_part(suffix: str) -> str:
    heading = "## 设置" if suffix else "## Settings"
    return text_of(f"reference/commands{suffix}.md").split(heading + "\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("suffix", LANGUAGES)
def test_every_exit_code_and_variable_is_there(suffix: str):
    page = text_of(f"reference/commands{suffix}.md")
    codes = {
        0,
        1,
        4,
        *(getattr(failures, name) for name in ("USAGE", "BAD_DATA", "DEFECT", "INTERRUPTED", "PIPE_CLOSED")),
    }
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)} == codes
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    variables = set(re.findall(r'"(BREAKEVEN_[A-Z_]+)"', source))
    assert set(re.findall(r"`(BREAKEVEN_[A-Z_]+)`", page)) == variables
    assert set(_VARIABLES) <= set(re.findall(r"`([A-Z_]+)`", page))


def test_every_link_leads_somewhere():
    pages = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    assert len(pages) > 20
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert Path(os.path.normpath(page.parent / target)).exists(), f"{page.name}: {target}"


def test_every_page_of_the_guides_has_a_chinese_twin():
    pages = [
        ROOT / "README.md",
        *(DOCS / name for name in ("metrics.md", "tables.md", "reference/commands.md")),
    ]
    pages += [page for page in (DOCS / "start").glob("*.md") if ".zh." not in page.name]
    for page in pages:
        twin = page.with_name(f"{page.stem}.zh.md")
        assert f"]({twin.name})" in page.read_text("utf-8")
        assert f"]({page.name})" in twin.read_text("utf-8")
