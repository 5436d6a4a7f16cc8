"""Rate cards themselves as views: what a check of them found, and what an import wrote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from breakeven.pricing.card_check import Finding
from breakeven.pricing.genai_prices import ImportReport
from breakeven.pricing.price_book import SHIPPED_FOLDER, SHIPPED_LAYER
from breakeven.report.phrases import failure_in_chinese
from breakeven.report.view_model import Column, Envelope, Label, Table, Value, View

_SEVERITIES = {"error": Label("error", "错误"), "warning": Label("warning", "提示")}


def price_check_view(
    findings: Sequence[Finding], books: Path, envelope: Envelope, *, for_people: bool = True
) -> View:
    """What is wrong with rate cards or should be known of them; people read places from the books' folder."""
    title = Label("Check of the rate cards", "价目表检查")
    findings = [_with_cause_in_chinese(found) for found in findings]
    rows: list[dict[str, Value]] = [
        {"severity": found.severity, "where": found.where, "en": found.en, "zh": found.zh}
        for found in findings
    ]
    severity, where = (
        Column("severity", Label("Severity", "级别"), words=_SEVERITIES),
        Column("where", Label("Where", "位置")),
    )
    columns = (
        severity,
        where,
        Column("en", Label("Finding", "内容")),
        Column("zh", Label("Finding", "内容")),
    )
    if for_people:
        # A message may begin with the place it is about, which has a column of its own here.
        said = [_without(found, f"{found.where}: ") for found in findings]
        rows = [
            row | {"where": _place(found.where, books), "en": text.en}
            for row, found, text in zip(rows, findings, said, strict=True)
        ]
        columns = (where, severity, _told("Finding", "内容", said))
    errors = sum(found.severity == "error" for found in findings)
    warnings = len(findings) - errors
    note = Label(f"Errors: {errors}. Warnings: {warnings}.", f"错误 {errors} 项，提示 {warnings} 项。")
    table = Table("price_check", title, columns, tuple(rows), note)
    return View("price_check", title, envelope, (table,))


def price_import_view(
    report: ImportReport, source: str, envelope: Envelope, *, for_people: bool = True
) -> View:
    """Which cards an import wrote, and what of the other price list no card can say."""
    models, entries, origin = report.model_count, report.entry_count, f"{source} {report.package_version}"
    written = Table(
        "written",
        Label("Cards written", "已写入的价目表"),
        (Column("card", Label("Card", "价目表")),),
        tuple({"card": str(path)} for path in report.paths),
        Label(
            f"{models:,} models and {entries:,} dated prices from {origin}.",
            f"{models:,} 个模型、{entries:,} 条带日期的价格，来自 {origin}。",
        ),
    )
    said = [Label(item.en, item.zh) for item in report.left_out]
    what = tuple(Column(language, Label("What", "内容")) for language in ("en", "zh"))
    left_out = Table(
        "left_out",
        Label("Left out: what a card cannot say", "未导入：价目表无法表达的内容"),
        (
            Column("provider", Label("Provider", "服务商")),
            Column("model", Label("Model", "模型")),
            *((_told("What", "内容", said),) if for_people else what),
        ),
        tuple(
            {"provider": item.provider, "model": item.model, "en": item.en, "zh": item.zh}
            for item in report.left_out
        ),
    )
    return View("price_import", Label("Imported prices", "导入的价格"), envelope, (written, left_out))


def _told(en: str, zh: str, said: Iterable[Label]) -> Column:
    """A column of sentences, which rows hold in English."""
    return Column("en", Label(en, zh), words={text.en: text for text in said})


def _with_cause_in_chinese(found: Finding) -> Finding:
    if found.cause is None:
        return found
    return replace(found, zh=f"{found.zh}：{failure_in_chinese(found.cause)}")


def _without(found: Finding, place: str) -> Label:
    return Label(found.en.replace(place, ""), found.zh.replace(place, ""))


def _place(where: str, books: Path) -> str:
    """A place as people look for it: from the folder of the books, or among the cards that are shipped."""
    return where.replace(f"{SHIPPED_FOLDER}/", f"{SHIPPED_LAYER}/").replace(f"{books}/", "", 1)
