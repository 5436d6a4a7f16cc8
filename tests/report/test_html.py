"""The page as a browser reads it: parsed, not matched by eye."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from breakeven.report.figures import Bars, HeatMap, Lines, Series, verbatim
from breakeven.report.html import render_report
from breakeven.report.page import Page, Section, Tile
from breakeven.report.view_model import Envelope, Label, Table

from . import sample

VOID = {"meta", "input", "img", "br", "hr", "link"}


class Reader(HTMLParser):
    """Elements with their attributes, and the text of each style and script."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inline: dict[str, list[str]] = {"style": [], "script": [], "data": []}
        self.texts: list[tuple[str, str]] = []
        self.open: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.elements.append((tag, found))
        if tag not in VOID:
            names = (found.get("class") or "").split()
            language = next((name for name in ("en", "zh") if name in names), self.language)
            kind = "data" if found.get("type") == "application/json" else tag
            self.open.append((kind, language))

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        kind, _ = self.open.pop()
        assert tag == ("script" if kind == "data" else kind)

    def handle_data(self, data):
        kind = self.open[-1][0] if self.open else ""
        if kind in self.inline:
            self.inline[kind].append(data)
        elif data.strip():
            self.texts.append((self.language, data.strip()))

    @property
    def language(self):
        return self.open[-1][1] if self.open else ""

    def policy(self):
        (text,) = (
            found["content"]
            for tag, found in self.elements
            if found.get("http-equiv") == "Content-Security-Policy"
        )
        return {part.split()[0]: part.split()[1:] for part in text.split("; ")}


@pytest.fixture(scope="module")
def pages():
    return {static: render_report(sample.page(), static=static) for static in (True, False)}


def hashes(texts):
    return [f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in texts]


@pytest.mark.parametrize("static", [True, False])
def test_the_policy_allows_exactly_what_the_page_holds(pages, static):
    reader = Reader(pages[static])
    policy = reader.policy()
    assert policy["default-src"] == ["'none'"]
    assert policy["style-src"] == hashes(reader.inline["style"])
    assert policy.get("script-src", []) == hashes(reader.inline["script"])
    assert len(reader.inline["script"]) == (0 if static else 2)
    assert not any(
        source.startswith(("http", "*", "data", "'unsafe"))
        for sources in policy.values()
        for source in sources
    )


@pytest.mark.parametrize("static", [True, False])
def test_nothing_is_loaded_and_nothing_is_inline_but_by_hash(pages, static):
    for tag, found in Reader(pages[static]).elements:
        assert tag not in {"img", "link", "iframe", "object", "embed", "base", "form"}
        assert not {"src", "srcset", "style", "action"} & set(found)
        assert not any(name.startswith("on") for name in found)
        assert all(
            value and value.startswith("#") for name, value in found.items() if name in ("href", "xlink:href")
        )


def test_sizes(pages):
    assert len(pages[True].encode()) <= 400_000
    assert len(pages[False].encode()) <= 1_300_000


def test_hostile_names_stay_text(pages):
    static = Reader(pages[True])
    assert any(sample.HOSTILE in text for _, text in static.texts)
    data = json.loads(Reader(pages[False]).inline["data"][0])
    assert sample.HOSTILE in data["spend"]["en"]["option"]["legend"]["data"]
    hostile = Label('"><script>alert(1)</script>', "<!--<script>")
    page = Page(
        hostile,
        Envelope("</title><script>", "'\"><b>", "{{ 7*7 }}", "</style>"),
        "<i>",
        (Section('x"><script>', hostile, (hostile, Table("t", hostile, (), ()))),),
        (Tile(hostile, "<u>", "text", note=hostile),),
    )
    reader = Reader(render_report(page, static=True))
    assert "script" not in {tag for tag, _ in reader.elements}
    assert any("{{ 7*7 }}" in text for _, text in reader.texts)


@pytest.mark.parametrize("static", [True, False])
def test_both_languages_are_complete(pages, static):
    texts = Reader(pages[static]).texts
    by_language = {
        language: [text for found, text in texts if found == language] for language in ("en", "zh")
    }
    page = sample.page()
    for language, said in by_language.items():
        joined = "\n".join(said)
        labels = [page.title, *(tile.label for tile in page.tiles), *(fact.label for fact in page.facts)]
        labels += [section.title for section in page.sections] + [figure.title for figure in page.figures()]
        labels += [warning.label for warning in page.envelope.warnings]
        for label in labels:
            assert label.text(language) in joined
    assert not re.search("[\u4e00-\u9fff]", "".join(by_language["en"]))
    drawn = [found for tag, found in Reader(pages[static]).elements if tag == "svg"]
    assert len(drawn) % 2 == 0
    assert all(found["aria-label"] for found in drawn)


def test_languages_switch_without_script(pages):
    reader = Reader(pages[True])
    picks = {found["id"] for tag, found in reader.elements if tag == "input" and found.get("type") == "radio"}
    assert picks == {found["for"] for tag, found in reader.elements if tag == "label"}
    for language, other in (("en", "zh"), ("zh", "en")):
        assert f"#language-{language}:checked ~ .page .{other}" in reader.inline["style"][0]
        chosen = Reader(render_report(sample.page(), static=True, language=language))
        assert [found["id"] for tag, found in chosen.elements if "checked" in found] == [
            f"language-{language}"
        ]


def test_every_figure_has_its_table_and_description(pages):
    reader = Reader(pages[True])
    tags = [tag for tag, _ in reader.elements]
    assert (
        tags.count("figure")
        == tags.count("figcaption")
        == tags.count("details")
        == len(sample.page().figures())
    )
    said = "\n".join(text for _, text in reader.texts)
    for figure in sample.page().figures():
        for column in figure.twin().columns:
            assert column.label.en in said


def test_synthetic_books_say_so_on_screen_and_on_paper(pages):
    assert "SYNTHETIC DATA" in "".join(text for _, text in Reader(pages[True]).texts)
    assert "@bottom-left" in pages[True]
    real = replace(sample.page(), envelope=replace(sample.ENVELOPE, synthetic=False))
    assert "SYNTHETIC" not in render_report(real, static=True)


def test_two_currencies_are_written_as_codes():
    page = sample.page()
    assert "¥" in render_report(replace(page, sections=()), static=True)
    mixed = replace(
        page, sections=(), tiles=(Tile(Label("A", "甲"), 5, "CNY"), Tile(Label("B", "乙"), 7, "USD"))
    )
    html = render_report(mixed, static=True)
    assert "CNY 5.00" in html
    assert "USD 7.00" in html


def test_ids_must_be_unique():
    page = sample.page()
    with pytest.raises(ValueError, match="two sections of a page have the id 'income'"):
        render_report(replace(page, sections=page.sections[:1] * 2))


def test_a_report_is_the_same_each_time(pages):
    assert render_report(sample.page(), static=True) == pages[True]


def test_the_vendored_script_is_the_one_named_in_its_readme():
    vendor = files("breakeven.report").joinpath("vendor")
    digest = sha256(vendor.joinpath("echarts.min.js").read_bytes()).hexdigest()
    readme = vendor.joinpath("README.md").read_text(encoding="utf-8")
    assert re.search(r"sha256 \| `([0-9a-f]{64})`", readme)[1] == digest
    assert "Apache License" in vendor.joinpath("LICENSE").read_text(encoding="utf-8")
    assert not re.search(rb"</script|<!--", vendor.joinpath("echarts.min.js").read_bytes(), re.IGNORECASE)


def test_every_colour_of_the_charts_is_one_the_script_can_thin(pages):
    style = Reader(pages[False]).inline["style"][0]
    used = set(re.findall(r"var\((--[\w-]+)\)", Reader(pages[False]).inline["data"][0]))
    assert "--blue" in used
    for name in used:
        found = re.findall(rf"{name}: (#\w+);", style)
        assert len(found) in (1, 2)
        assert all(re.fullmatch("#[0-9a-f]{6}", value) for value in found)
        assert len(found) == 2, f"{name} has no dark value"


def test_a_year_with_many_charts_stays_within_the_limits():
    months = tuple(verbatim(f"2024-{month:02}") for month in range(1, 13))
    amounts = tuple(Decimal(-12_345_678 + 1_000_000 * i) for i in range(12))
    series = tuple(Series(f"s{n}", Label(f"Channel {n}", f"渠道 {n}"), amounts) for n in range(8))
    ages = tuple(Label(f"M{i}", f"第{i}月") for i in range(12))
    cells = tuple(tuple(amounts[j] if i + j < 12 else None for j in range(12)) for i in range(12))
    title = Label("Title", "标题")
    figures = [
        *(Bars(f"bars{n}", title, "CNY", months, series, stacked=True) for n in range(2)),
        *(Lines(f"lines{n}", title, "CNY", months, series[:6]) for n in range(2)),
        *(HeatMap(f"heat{n}", title, "CNY", months, ages, cells) for n in range(2)),
        *(sample.waterfall(), sample.acquisition_cost(), sample.cash()),
    ]
    page = replace(sample.page(), sections=(Section("all", title, (*figures, sample.income_table())),))
    assert len(render_report(page, static=True).encode()) <= 400_000
    assert len(render_report(page).encode()) <= 1_300_000
