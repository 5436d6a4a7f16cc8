"""Every example on the models' pages prints what the page says; both languages have the same."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from .pages import ROOT

PAGES = sorted((ROOT / "docs/models").glob("*.md"))
ENGLISH = [page for page in PAGES if not page.name.endswith(".zh.md")]
CODE = re.compile(r"^```\w*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:]+\.md)(?:#[^)]*)?\)")


def examples_of(page: Path) -> list[tuple[str, str]]:
    """What is typed and what is printed."""
    parsed = doctest.DocTestParser().get_examples(page.read_text("utf-8"), page.name)
    return [(example.source, example.want) for example in parsed]


@pytest.mark.parametrize("page", ENGLISH, ids=lambda page: page.stem)
def test_the_examples_print_what_the_page_says(page: Path):
    failed, _ = doctest.testfile(
        str(page), module_relative=False, encoding="utf-8", optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert failed == 0, f"{page.name}: see the output"


@pytest.mark.parametrize("page", ENGLISH, ids=lambda page: page.stem)
def test_the_chinese_page_has_the_same_code(page: Path):
    """So the Chinese examples need not run a second time."""
    chinese = page.with_name(f"{page.stem}.zh.md")
    assert chinese.exists(), f"{page.name} has no Chinese page"
    assert examples_of(page) == examples_of(chinese)
    sources = [CODE.findall(one.read_text("utf-8")) for one in (page, chinese)]
    assert len(sources[0]) == len(sources[1])
    headings = [one.read_text("utf-8").count("\n## ") for one in (page, chinese)]
    assert headings[0] == headings[1]


def test_every_chinese_page_has_an_english_one():
    assert {page.name.removesuffix(".zh.md") for page in PAGES if page.name.endswith(".zh.md")} == {
        page.stem for page in ENGLISH
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name.removesuffix(".md"))
def test_every_link_leads_to_a_page(page: Path):
    text = page.read_text("utf-8")
    assert [link for link in LINK.findall(text) if not (page.parent / link).exists()] == []
    other = f"{page.stem}.zh.md" if page in ENGLISH else page.name.replace(".zh.md", ".md")
    assert f"]({other})" in text, "a page names its twin"
