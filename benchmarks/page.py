"""The page of the benchmarks: the prose of `page.LANGUAGE.md` with the figures of the results."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import Any

from benchmarks.lines import LINES, figure
from benchmarks.machine import GIB
from breakeven.report.view_model import Label, Language

Results = dict[str, Any]
"""What `results.json` holds: `machine`, `users`, `rows`, and under `groups` figures, details and the day."""

_HEAD = Label("| work | measured | target | met | beside it |", "| 工作 | 实测 | 目标 | 达标 | 参照 |")
_SOURCES_HEAD = Label(
    "| source | rows | rows/s | MB | MB/s | met |", "| 数据源 | 行数 | 行/秒 | MB | MB/秒 | 达标 |"
)
_MET = {True: Label("yes", "是"), False: Label("**no**", "**否**"), None: Label("not measured", "未测")}
_VERSIONS = ("duckdb", "deltalake", "pyarrow", "ibis-framework", "genai-prices")


def page(results: Results, language: Language) -> str:
    """The whole page as Markdown."""
    text = Path(__file__).with_name(f"page.{language}.md").read_text("utf-8")
    machine = results["machine"]
    dates = sorted({group["date"] for group in results["groups"].values()})
    filled = Template(text).substitute(
        machine,
        when=" – ".join(dict.fromkeys((dates[0], dates[-1]))),
        versions=", ".join(f"{name} {machine[name]}" for name in _VERSIONS),
        users=f"{results['users']:,}",
        months=results["months"],
        rows=", ".join(f"{count:,}" for count in results["rows"].values()),
        table=_table(results, language),
        verdict=_verdict(results, language),
        sources=_sources_table(results, language),
        notes=_large_import(results).text(language),
    )
    return filled.rstrip() + "\n"


def summary(results: Results) -> str:
    """The table for the terminal, each figure with its yardstick on the line below."""
    figures = _figures(results)
    width = max(len(line.work.en) for line in LINES.values())
    said: list[str] = []
    for line in LINES.values():
        if (found := figures.get(line.id)) is not None:
            met = "ok" if line.is_met(found["value"]) else "MISSED"
            value = figure(found["value"], line.unit)
            said.append(f"{line.work.en:<{width}}  {value:>15}  {line.target_text():>17}  {met}")
            said.append(f"    {found['beside']['en']}")
    return "\n".join(said)


def _figures(results: Results) -> dict[str, dict[str, Any]]:
    return {one["line"]: one for group in results["groups"].values() for one in group["figures"]}


def _table(results: Results, language: Language) -> str:
    figures = _figures(results)
    rows = [_HEAD.text(language), "|---|---|---|---|---|"]
    for line in LINES.values():
        found = figures.get(line.id)
        met = line.is_met(found["value"]) if found else None
        value = figure(found["value"], line.unit) if found else "–"
        beside = found["beside"][language] if found else ""
        cells = (line.work.text(language), value, line.target_text(), _MET[met].text(language), beside)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _verdict(results: Results, language: Language) -> str:
    figures = _figures(results)
    missed = [
        line.work.text(language)
        for line in LINES.values()
        if line.id in figures and not line.is_met(figures[line.id]["value"])
    ]
    if not missed:
        return Label("Every figure measured meets its target.", "所测数字均达到目标。").text(language)
    return Label(f"Missed: {'; '.join(missed)}.", f"未达到目标：{'；'.join(missed)}。").text(language)


def _sources_table(results: Results, language: Language) -> str:
    """Every source with its own rate, the slowest first."""
    group = results["groups"].get("sources")
    if group is None:
        return Label("Not measured.", "未测。").text(language)
    found: dict[str, dict[str, Any]] = group["details"]["sources"]
    rows = [_SOURCES_HEAD.text(language), "|---|---:|---:|---:|---:|---|"]
    for name in sorted(found, key=lambda name: found[name]["records_per_s"]):
        one = found[name]
        met = _MET[LINES["sources"].is_met(one["records_per_s"])].text(language)
        rows.append(
            f"| `{name}` | {one['records']:,} | {one['records_per_s']:,.0f} | {one['megabytes']:,.0f} | "
            f"{one['megabytes_per_s']:,.0f} | {met} |"
        )
    return "\n".join(rows)


def _large_import(results: Results) -> Label:
    group = results["groups"].get("account")
    if group is None:
        return Label("", "")
    taken = group["details"]["import_in_one_file"]
    rate, peak = taken["rows"] / taken["seconds"] / 1e6, taken["peak_bytes"] / GIB
    rows = f"{taken['rows']:,}"
    return Label(
        f"- When the larger company's books were prepared, its {rows} rows of usage entered as one Parquet\n"
        f"  file at {rate:.2f} M rows/s, with a peak of {peak:.2f} GiB.",
        f"- 准备较大公司的账簿时，其 {rows} 行用量作为一个 Parquet 文件导入："
        f"每秒 {rate:.2f} 百万行，内存峰值 {peak:.2f} GiB。",
    )
