"""`breakeven prices`: show, compare, check and import rate cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal, cast

import click

from breakeven.errors import InputError, UsageError
from breakeven.pricing.card_check import Finding, check_cards
from breakeven.pricing.listing import PriceChange, PriceRow, differences, prices_through_time
from breakeven.pricing.price_book import SHIPPED_FOLDER, PriceBook
from breakeven.pricing.terms import TOKEN_CLASSES, Side
from breakeven.report.tabular import to_csv, to_json
from breakeven.report.view_model import Column, Envelope, Label, Language, Table, Value, View

PRICES_FOLDER = "prices"
WIDE = 140
"""Columns of a terminal from which the card and its source have room too; --json always has them."""
_CLASS_LABELS = {
    "uncached_input": Label("Input", "输入"),
    "cached_input": Label("Cached", "缓存命中"),
    "cache_write": Label("Cache write", "缓存写入"),
    "output": Label("Output", "输出"),
}
_PRICE_COLUMNS = (
    Column("side", Label("Side", "方向")),
    Column("provider", Label("Provider", "供应商")),
    Column("model", Label("Model", "模型")),
    Column("valid_from", Label("From (UTC)", "起 (UTC)")),
    Column("valid_to", Label("To (UTC)", "止 (UTC)")),
    Column("terms", Label("Terms", "条件")),
    Column("currency", Label("Currency", "货币")),
    *(Column(name, _CLASS_LABELS[name]) for name in TOKEN_CLASSES),
    Column("per_request", Label("Per request", "每次请求")),
    Column("known_from", Label("Known", "获知")),
    Column("card", Label("Card", "价目表")),
    Column("source", Label("Source", "来源")),
)
_KINDS = {
    "added": Label("added", "新增"),
    "removed": Label("removed", "删除"),
    "changed": Label("changed", "变更"),
}
_SEVERITIES = {"error": Label("error", "错误"), "warning": Label("warning", "提示")}
PRICE_NOTE = Label(
    "Prices per million tokens, in the currency they were published in; empty means no price, never zero.",
    "价格为每百万 tokens，以公布时的货币计；空白表示没有价格，而不是零。",
)


@dataclass(frozen=True)
class Output:
    """How an answer is written."""

    as_json: bool
    as_csv: bool
    language: Language


@click.group("prices")
def prices_group() -> None:
    """Prices of models through time: show, diff, check, import. 模型价格：查看、比较、检查、导入。"""


_books = click.argument("books", default=".", type=click.Path(path_type=Path, file_okay=False))
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object. 输出 JSON。")
_csv = click.option("--csv", "as_csv", is_flag=True, help="CSV. 输出 CSV。")
_lang = click.option("--lang", type=click.Choice(["en", "zh"]), default="en", help="Language. 语言。")
_known_at = click.option(
    "--known-at",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Only what was known on that day. 仅限当日已知的价格。",
)


@prices_group.command("show")
@_books
@click.option("--provider", help="Only this provider. 仅此供应商。")
@click.option("--model", help="Only this model or alias. 仅此模型或别名。")
@click.option(
    "--side", type=click.Choice(["buy", "sell"]), help="Only buy or sell prices. 仅采购或销售价格。"
)
@click.option(
    "--date",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Only prices in force that day. 仅当日有效的价格。",
)
@_known_at
@_json
@_csv
@_lang
def show(
    books: Path,
    provider: str | None,
    model: str | None,
    side: str | None,
    day: datetime | None,
    known_at: datetime | None,
    as_json: bool,
    as_csv: bool,
    lang: str,
) -> None:
    """A model's prices through time. 模型价格的历史。"""
    known = known_at.date() if known_at else None
    book = PriceBook.load([books / PRICES_FOLDER], known_at=known)
    sides = cast("Sequence[Side]", [side] if side else ["buy", "sell"])
    rows = prices_through_time(
        book, sides=sides, provider=provider, model=model, day=day.date() if day else None
    )
    if not rows:
        raise UsageError(
            "no such price", remedy="run 'breakeven prices show' without filters to see the names"
        )
    title = Label("Prices", "价格")
    table = Table("prices", title, _PRICE_COLUMNS, tuple(_price_row(row) for row in rows), PRICE_NOTE)
    _answer(View("prices", title, _envelope(books, known), (table,)), _output(as_json, as_csv, lang))


@prices_group.command("diff")
@_books
@click.option(
    "--from-known", type=click.DateTime(["%Y-%m-%d"]), help="Prices as known on that day. 该日已知的价格。"
)
@click.option("--to-known", type=click.DateTime(["%Y-%m-%d"]), help="... and on this day. ……与此日相比。")
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Another folder of cards to compare with. 与另一个价目表文件夹比较。",
)
@_json
@_csv
@_lang
def diff(
    books: Path,
    from_known: datetime | None,
    to_known: datetime | None,
    against: Path | None,
    as_json: bool,
    as_csv: bool,
    lang: str,
) -> None:
    """What prices differ between two known days or two folders. 两个日期或两个文件夹的价格差异。"""
    if (against is None) == (from_known is None):
        raise UsageError(
            "say what to compare", remedy="give --from-known DAY [--to-known DAY], or --against FOLDER"
        )
    later = to_known.date() if to_known else None
    after = PriceBook.load([books / PRICES_FOLDER], known_at=later)
    if against is not None:
        before = PriceBook.load([against], known_at=later)
    else:
        before = PriceBook.load([books / PRICES_FOLDER], known_at=from_known.date() if from_known else None)
    columns = (
        Column("change", Label("Change", "变化"), words=_KINDS),
        *_PRICE_COLUMNS[:7],
        *(Column(f"{name}_before", _before(_CLASS_LABELS[name])) for name in TOKEN_CLASSES),
        *_PRICE_COLUMNS[7:],
    )
    rows = tuple(_change_row(change) for change in differences(before, after))
    title = Label("Price changes", "价格变化")
    table = Table("price_changes", title, columns, rows, PRICE_NOTE)
    _answer(View("price_changes", title, _envelope(books, later), (table,)), _output(as_json, as_csv, lang))


@prices_group.command("check")
@_books
@_json
@_csv
@_lang
@click.pass_context
def check(context: click.Context, books: Path, as_json: bool, as_csv: bool, lang: str) -> None:
    """Check rate cards: errors, overlaps, gaps, missing sources; exit 3 on errors. 检查价目表。"""
    findings = check_cards([SHIPPED_FOLDER, books / PRICES_FOLDER])
    columns = (
        Column("severity", Label("Severity", "级别"), words=_SEVERITIES),
        Column("where", Label("Where", "位置")),
        Column("en" if lang == "en" else "zh", Label("Finding", "内容")),
    )
    title = Label("Check of the rate cards", "价目表检查")
    rows = tuple(_finding_row(finding) for finding in findings)
    table = Table("price_check", title, columns, rows)
    _answer(View("price_check", title, _envelope(books, None), (table,)), _output(as_json, as_csv, lang))
    if any(finding.severity == "error" for finding in findings):
        context.exit(InputError.exit_code)


@prices_group.command("import")
@click.argument("source", type=click.Choice(["genai-prices"]))
@_books
@click.option(
    "--provider", "providers", multiple=True, help="Only this provider; may be repeated. 仅此供应商，可重复。"
)
@click.option("--replace", is_flag=True, help="Overwrite cards written before. 覆盖以前写入的价目表。")
@_json
@_csv
@_lang
def import_cards(
    source: str,
    books: Path,
    providers: tuple[str, ...],
    replace: bool,
    as_json: bool,
    as_csv: bool,
    lang: str,
) -> None:
    """Write the prices of another price list as rate cards into BOOKS/prices. 把其他价格清单导入为价目表。"""
    from breakeven.pricing.genai_prices import import_genai_prices

    today = datetime.now(tz=UTC).date()
    report = import_genai_prices(books / PRICES_FOLDER, today, providers=providers, replace=replace)
    models, entries = report.model_count, report.entry_count
    written = Table(
        "written",
        Label("Cards written", "已写入的价目表"),
        (Column("card", Label("Card", "价目表")),),
        tuple({"card": str(path)} for path in report.paths),
        Label(
            f"{models} models, {entries} dated prices, from {source} {report.package_version}",
            f"{models} 个模型，{entries} 条价格，来自 {source} {report.package_version}",
        ),
    )
    left_out = Table(
        "left_out",
        Label("Left out: what a card cannot say", "未导入：价目表无法表达的内容"),
        (
            Column("provider", Label("Provider", "供应商")),
            Column("model", Label("Model", "模型")),
            Column("en" if lang == "en" else "zh", Label("What", "内容")),
        ),
        tuple(
            {"provider": item.provider, "model": item.model, "en": item.en, "zh": item.zh}
            for item in report.left_out
        ),
    )
    title = Label("Imported prices", "导入的价格")
    view = View("price_import", title, _envelope(books, None), (written, left_out))
    _answer(view, _output(as_json, as_csv, lang))


def _output(as_json: bool, as_csv: bool, lang: str) -> Output:
    return Output(as_json, as_csv, cast("Language", lang))


def _envelope(books: Path, known_at: date | None) -> Envelope:
    as_of = known_at.isoformat() if known_at else ""
    return Envelope(books=books.resolve().name, as_of=as_of, time_zone="UTC", currency="")


def _before(label: Label) -> Label:
    return Label(f"{label.en} before", f"{label.zh}（原）")


def _instant(at: datetime | None) -> str | None:
    return f"{at:%Y-%m-%d %H:%M}" if at else None


def _terms(row: PriceRow) -> str:
    parts = [row.service_tier, row.window]
    if row.above_input_tokens:
        parts.append(f"> {row.above_input_tokens} input")
    if row.above_tokens:
        parts.append(f"> {row.above_tokens} / month")
    if row.negotiated is not None:
        parts.append(f"× {row.negotiated}")
    return ", ".join(part for part in parts if part)


def _price_row(row: PriceRow) -> dict[str, Value]:
    prices = zip(TOKEN_CLASSES, row.prices.per_mtok, strict=True)
    return {
        "side": row.side,
        "provider": row.provider,
        "model": row.model,
        "valid_from": _instant(row.valid_from),
        "valid_to": _instant(row.valid_to),
        "terms": _terms(row),
        "currency": row.currency,
        **{name: _short(price) for name, price in prices},
        "per_request": _short(row.prices.per_request) if row.prices.per_request else None,
        "known_from": row.known_from.isoformat(),
        "card": row.card,
        "source": row.source,
    }


def _short(price: Decimal | None) -> Decimal | None:
    """The same number without trailing zeros, and never in exponents."""
    return None if price is None else Decimal(f"{price.normalize():f}")


def _change_row(change: PriceChange) -> dict[str, Value]:
    row = change.after or change.before
    if row is None:
        return {}
    shown = _price_row(row)
    if change.after is None:
        shown |= dict.fromkeys(TOKEN_CLASSES)
    before = change.before.prices.per_mtok if change.before else (None,) * len(TOKEN_CLASSES)
    old = {f"{name}_before": _short(price) for name, price in zip(TOKEN_CLASSES, before, strict=True)}
    return {"change": change.kind, **shown, **old}


def _finding_row(finding: Finding) -> dict[str, Value]:
    return {"severity": finding.severity, "where": finding.where, "en": finding.en, "zh": finding.zh}


def _answer(view: View, output: Output) -> None:
    if output.as_json:
        click.echo(to_json(view))
    elif output.as_csv:
        click.echo(to_csv(view, language=None), nl=False)
    else:
        for table in view.tables:
            _print_table(table, output.language)


def _print_table(table: Table, language: Language) -> None:
    from rich.console import Console
    from rich.table import Table as RichTable

    console = Console()
    drawn = RichTable(title=table.title.text(language), title_justify="left", caption_justify="left")
    if table.note is not None:
        drawn.caption = table.note.text(language)
    shown = [
        column for column in table.columns if any(row.get(column.key) not in (None, "") for row in table.rows)
    ]
    if console.width < WIDE:
        shown = [column for column in shown if column.key not in ("known_from", "card", "source")]
    for column in shown or table.columns:
        numeric = any(isinstance(row.get(column.key), Decimal) for row in table.rows)
        align: Literal["right", "left"] = "right" if numeric else "left"
        drawn.add_column(column.label.text(language), justify=align, overflow="fold")
    for row in table.rows:
        drawn.add_row(*(_cell(row.get(column.key), column, language) for column in shown))
    console.print(drawn)


def _cell(value: Value, column: Column, language: Language) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return column.words[value].text(language) if value in column.words else value
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
