"""A report page as one HTML file: offline, in both languages, under its own content-security policy.

The interactive page carries ECharts and draws with it; the static one carries no script at all. Both hold
English and Chinese, switched by two radio buttons and CSS. Everything that comes from data is escaped, the
style and the scripts are allowed by their hash, and nothing may be loaded from anywhere.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from breakeven.report import echarts, svg
from breakeven.report.describe import describe
from breakeven.report.figures import Figure, HeatMap
from breakeven.report.numbers import (
    NO_VALUE,
    WORD_UNITS,
    compact,
    currencies_of,
    currency_of,
    exact,
    unit_label,
)
from breakeven.report.page import Block, Page, Provenance, Tile
from breakeven.report.text import SYNTHETIC, cell_text, header_text, row_suffix, row_unit, title_text
from breakeven.report.view_model import Label, Language, Table, Value

_SHEET_MARK = (
    f'@page {{ @bottom-left {{ content: "{SYNTHETIC.en} · {SYNTHETIC.zh}"; font-size: 8pt; color: #777; }} }}'
)
"""Invented figures say so on every printed sheet."""

STATIC_LIMIT_BYTES = 400_000
"""A page to be mailed should stay below this."""

LANGUAGES: tuple[Language, ...] = ("en", "zh")

_ORIGINS: dict[Provenance, Label] = {
    "measured": Label("measured", "实测"),
    "modelled": Label("modelled", "模型推算"),
    "published": Label("published", "公开数据"),
    "assumed": Label("assumed", "假设"),
}
_META = (
    Label("Period", "期间"),
    Label("As of", "截至"),
    Label("Time zone", "时区"),
    Label("Currency", "币种"),
)
_WORDS = {
    "synthetic": SYNTHETIC,
    "synthetic_note": Label(
        "These books were generated; no figure is of a real company.", "账目由程序生成，并非真实公司的数字。"
    ),
    "table": Label("Table of this chart", "图表数据"),
    "empty": Label("no rows", "无数据"),
    "legend": Label(
        f"Measured: counted in the books. Modelled: computed from a model. Published: printed by its source. "
        f"Assumed: taken as given. {NO_VALUE} means no value, which is not zero.",
        "实测：由账簿统计；模型推算：由模型计算；公开数据：来自公开来源；假设：人为给定。"
        f"{NO_VALUE} 表示没有数值，不等于零。",
    ),
    "made_by": Label(
        "Made by Breakeven. This file loads nothing from the network.",
        "由 Breakeven 生成。本文件不从网络加载任何内容。",
    ),
}


def render_report(page: Page, *, static: bool = False, language: Language = "en") -> str:
    """The page as the text of one HTML file; `language` is the one shown first.

    A static page that would be larger than `STATIC_LIMIT_BYTES` leaves out the texts shown to a pointer over
    a mark; its tables hold the same figures. Raises `ValueError` when two sections or figures share an id,
    since links and charts go by them.
    """
    html = _render(page, static=static, language=language, hints=True)
    if static and len(html.encode()) > STATIC_LIMIT_BYTES:
        return _render(page, static=True, language=language, hints=False)
    return html


def _render(page: Page, *, static: bool, language: Language, hints: bool) -> str:
    _check_ids("section", [section.id for section in page.sections])
    _check_ids("figure", [figure.id for figure in page.figures()])
    code = len(currencies_of(_units(page))) > 1
    style = _resource("templates/report.css") + (_SHEET_MARK if page.envelope.synthetic else "")
    scripts = [] if static else [_resource("vendor/echarts.min.js"), _resource("templates/report.js")]
    head = page.envelope
    values = (page.period, head.as_of, head.time_zone, head.currency)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            page=page,
            head=head,
            language=language,
            static=static,
            title=page.title.en if page.title.en == page.title.zh else f"{page.title.en} · {page.title.zh}",
            policy=content_policy(style, scripts),
            style=Markup(style),  # noqa: S704 - our own file
            words=_WORDS,
            meta=[{"label": label, "value": value} for label, value in zip(_META, values, strict=True)],
            tiles=[_tile(tile, code=code) for tile in page.tiles],
            facts=[
                {"label": fact.label, "shown": _both(fact.value, fact.unit, code=code)} for fact in page.facts
            ],
            sections=[
                {
                    "id": section.id,
                    "title": section.title,
                    "blocks": [
                        _block(block, static=static, code=code, hints=hints) for block in section.blocks
                    ],
                }
                for section in page.sections
            ],
            charts=None if static else _charts(page.figures(), code=code),
            library=None if static else Markup(scripts[0]),  # noqa: S704 - the vendored file, checked by hash
            script=None if static else Markup(scripts[1]),  # noqa: S704 - our own file
        )
    )


def content_policy(style: str, scripts: Sequence[str]) -> str:
    """A policy under which exactly these inline texts work and nothing can be loaded.

    >>> content_policy("p{}", [])[:60]
    "default-src 'none'; base-uri 'none'; form-action 'none'; sty"
    """
    parts = ["default-src 'none'", "base-uri 'none'", "form-action 'none'", f"style-src {_allowed(style)}"]
    if scripts:
        parts.append("script-src " + " ".join(_allowed(script) for script in scripts))
    return "; ".join(parts)


def _allowed(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("breakeven.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _resource(name: str) -> str:
    return files("breakeven.report").joinpath(name).read_text(encoding="utf-8")


def _charts(figures: Sequence[Figure], *, code: bool) -> Markup:
    """Chart data for a script element: `<` is escaped so that no text in it can end the element."""
    data = {
        figure.id: {language: echarts.payload(figure, language, code=code) for language in LANGUAGES}
        for figure in figures
    }
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704 - escaped above


def _units(page: Page) -> list[str]:
    units = [tile.unit for tile in page.tiles] + [fact.unit for fact in page.facts]
    for section in page.sections:
        for block in section.blocks:
            if isinstance(block, Table):
                units += [column.unit for column in block.columns] + list(block.row_units or ())
            elif not isinstance(block, Label):
                units.append(block.unit)
    return units


def _check_ids(kind: str, ids: list[str]) -> None:
    twice = sorted({one for one in ids if ids.count(one) > 1})
    if twice:
        raise ValueError(f"two {kind}s of a page have the id {twice[0]!r}")


def _both(value: Value, unit: str, *, code: bool) -> Label:
    return Label(compact(value, unit, "en", code=code), compact(value, unit, "zh", code=code))


def _tile(tile: Tile, *, code: bool) -> dict[str, Any]:
    currency = currency_of(tile.unit)
    whole = {language: unit_label(tile.unit, language) for language in LANGUAGES}
    # Money says its currency already: only what it is per, or what is counted, is left to say.
    per = {lang: text.removeprefix(currency).strip() if currency else text for lang, text in whole.items()}
    unit = Label("", "") if tile.unit == "ratio" or tile.unit in WORD_UNITS else Label(per["en"], per["zh"])
    return {
        "label": tile.label,
        "shown": _both(tile.value, tile.unit, code=code),
        "unit": unit if tile.value is not None else Label("", ""),
        "exact": f"{exact(tile.value, tile.unit)} {'' if tile.unit == 'ratio' else whole['en']}".strip(),
        "negative": not isinstance(tile.value, str | None) and tile.value < 0,
        "provenance": tile.provenance,
        "origin": _ORIGINS[tile.provenance],
        "note": tile.note,
    }


def _block(block: Block, *, static: bool, code: bool, hints: bool) -> dict[str, Any]:
    if isinstance(block, Label):
        return {"kind": "text", "text": block}
    if isinstance(block, Table):
        title = Label(title_text(block, "en"), title_text(block, "zh"))
        return {"kind": "table", "title": title, "table": _table(block)}
    return {
        "kind": "figure",
        "id": block.id,
        "title": block.title,
        "unit": Label(unit_label(block.unit, "en"), unit_label(block.unit, "zh")),
        "stills": _stills(block, static=static, code=code, hints=hints),
        "description": describe(block, code=code),
        "note": block.note,
        "table": _table(block.twin()) | {"note": None},
    }


@dataclass(frozen=True)
class _Still:
    size: str
    language: Language
    svg: Markup


def _stills(figure: Figure, *, static: bool, code: bool, hints: bool) -> list[_Still]:
    """Drawings for paper and desktop, and in the static page for phones too; a triangle scrolls instead."""
    sizes = {"wide": svg.WIDE}
    if isinstance(figure, HeatMap):
        sizes = {"free": svg.WIDE}
    elif static:
        sizes["narrow"] = svg.NARROW
    stills: list[_Still] = []
    for size, width in sizes.items():
        for language in LANGUAGES:
            drawn = svg.draw(figure, language, width=width, code=code, hints=hints)
            stills.append(_Still(size, language, Markup(drawn)))  # noqa: S704 - escaped where it is drawn
    return stills


def _table(table: Table) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for n, row in enumerate(table.rows):
        cells: list[dict[str, Any]] = []
        for column in table.columns:
            value, unit = row.get(column.key), row_unit(table, n, column)
            suffix = ("", "") if cells else (row_suffix(table, n, "en"), row_suffix(table, n, "zh"))
            text = Label(
                cell_text(value, column, unit, "en") + suffix[0],
                cell_text(value, column, unit, "zh") + suffix[1],
            )
            numeric = unit not in WORD_UNITS
            kind = ["n"] if numeric else []
            kind += ["none"] if value is None else ["neg"] if numeric and text.en.startswith("-") else []
            cells.append({"text": text, "kind": " ".join(kind)})
        rows.append({"cells": cells, "total": n in table.emphasis})
    heads = [
        {
            "text": Label(header_text(table, column, "en"), header_text(table, column, "zh")),
            "numeric": column.unit not in WORD_UNITS,
        }
        for column in table.columns
    ]
    return {"heads": heads, "rows": rows, "note": table.note}
