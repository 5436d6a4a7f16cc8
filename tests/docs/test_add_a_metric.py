"""The example of the page "Add a metric" is a metric that its worked case finds right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from breakeven.account import catalogue

from .pages import ROOT

PAGES = ("add-a-metric.md", "add-a-metric.zh.md")


def example(page: str, language: str) -> str:
    text = (ROOT / "docs" / "how-to" / page).read_text("utf-8")
    [found] = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return found


@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
def test_the_statement_and_its_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from tests.account.cases import open_case, read_case, stated

    before = dict(catalogue.METRICS)
    try:
        exec(compile(example(PAGES[0], "python"), PAGES[0], "exec"), dict(vars(catalogue)))
        case_file = tmp_path / "case.yaml"
        case_file.write_text(example(PAGES[0], "yaml"), "utf-8")
        case = read_case(case_file)
        account = open_case(case, tmp_path)
        [(period, lines)] = case["expect"].items()
        assert set(lines) >= set(catalogue.METRICS) - set(before)
        assert {name: stated(account, name, period, text) for name, text in lines.items()} == lines
    finally:
        for name in set(catalogue.METRICS) - set(before):
            del catalogue.METRICS[name]


def test_both_languages_show_the_same_example():
    for language in ("python", "yaml"):
        assert example(PAGES[0], language) == example(PAGES[1], language)
