"""`breakeven prices`: show, compare, check and import rate cards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import click

from breakeven.cli.bilingual import AnyFunction, command, group, option
from breakeven.cli.options import Output, books_argument, output_options
from breakeven.cli.output import emit
from breakeven.errors import InputError, UsageError
from breakeven.ledger.settings import read_settings
from breakeven.pricing.card_check import check_cards
from breakeven.pricing.listing import differences, prices_through_time
from breakeven.pricing.price_book import SHIPPED_FOLDER, PriceBook
from breakeven.pricing.terms import Side
from breakeven.report.view_model import Envelope
from breakeven.report.views.price_cards import price_check_view, price_import_view
from breakeven.report.views.prices import price_changes_view, prices_view

PRICES_FOLDER = "prices"


@group(
    "prices",
    en="Dated prices of models: those shipped, and over them those in the folder prices/ of BOOKS.",
    zh="带日期的模型价格：随程序附带的，以及优先于它们的 BOOKS 中 prices/ 文件夹内的。",
    invoke_without_command=True,
)
@option(
    "--lang",
    type=click.Choice(["en", "zh"]),
    en="Language of what people read.",
    zh="界面语言。",
    expose_value=False,
)
@click.pass_context
def prices(context: click.Context) -> None:
    """What runs before `prices show` and the others."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _day_option(*names: str, en: str, zh: str) -> Callable[[AnyFunction], AnyFunction]:
    """Add an option that is read as a day."""

    def converted(context: click.Context, parameter: click.Parameter, value: datetime | None) -> date | None:  # noqa: ARG001
        return value.date() if value else None

    day = click.DateTime(["%Y-%m-%d"])
    return option(*names, type=day, metavar="DAY", callback=converted, en=en, zh=zh)


@command(
    "show",
    en="Prices in force today; of a model or a provider, through time.\n\n"
    "Prices are per million tokens, in the currency they were published in, with their sources.",
    zh="今日有效的价格；指定模型或服务商时为历次价格。\n价格按每百万词元计，币种为公布时的币种，并附出处。",
)
@books_argument()
@option("--model", metavar="NAME", en="Only this model or alias.", zh="只看此模型或别名。")
@option("--provider", metavar="NAME", en="Only this provider.", zh="只看此服务商。")
@option(
    "--side", type=click.Choice(["buy", "sell"]), en="Only buy or sell prices.", zh="只看采购价或销售价。"
)
@_day_option("--date", "day", en="Only prices in force on that UTC day.", zh="只看该日（UTC）有效的价格。")
@_day_option(
    "--known-at", en="Only what was known on that day, then in force.", zh="只看该日已知、当时有效的价格。"
)
@option("--all", "history", is_flag=True, en="All prices through time.", zh="全部历次价格。")
@output_options
def show(
    books: Path,
    model: str | None,
    provider: str | None,
    side: Side | None,
    day: date | None,
    known_at: date | None,
    history: bool,
    output: Output,
) -> None:
    """Show prices through time or on one day."""
    if history and day:
        raise UsageError("--all and --date exclude each other", remedy="choose one")
    if not (history or day or model or provider):
        day = known_at or _today()
    sides: Sequence[Side] = [side] if side else ["buy", "sell"]
    found = prices_through_time(
        _price_book(books, known_at), sides=sides, provider=provider, model=model, day=day
    )
    if not found:
        raise UsageError("no such price", remedy="`breakeven prices show --all` shows every name and day")
    emit(prices_view(found, _envelope(books, known_at), day=day, for_people=output.format == "text"), output)


@command(
    "diff",
    en="What prices differ between two days of knowledge, or two folders of cards.",
    zh="两个获知日之间，或两个价目表文件夹之间的价格差异。",
)
@books_argument()
@_day_option("--from-known", en="From what was known on that day ...", zh="从该日已知的价格……")
@_day_option("--to-known", en="... to what was known on this one; else today.", zh="……到此日已知的；默认今日")
@option(
    "--against",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    en="From the cards of this folder, to those of BOOKS.",
    zh="从此文件夹的价目表，到 BOOKS 的价目表。",
)
@output_options
def diff(
    books: Path, from_known: date | None, to_known: date | None, against: Path | None, output: Output
) -> None:
    """Show what was added, removed or changed."""
    if (against is None) == (from_known is None):
        raise UsageError(
            "say what to compare", remedy="give --from-known DAY [--to-known DAY], or --against FOLDER"
        )
    after = _price_book(books, to_known)
    before = PriceBook.load([against], known_at=to_known) if against else _price_book(books, from_known)
    changes = differences(before, after)
    emit(price_changes_view(changes, _envelope(books, to_known), for_people=output.format == "text"), output)


@command(
    "check",
    en="Check rate cards for errors, overlaps, gaps and missing sources; exit 3 on errors.",
    zh="检查价目表的错误、重叠、空缺与缺失的出处；有错误时退出码为 3。",
)
@books_argument()
@output_options
def check(books: Path, output: Output) -> None:
    """Show what was found in the shipped cards and in those of the books."""
    envelope = _envelope(books, None)
    findings = check_cards([SHIPPED_FOLDER, books / PRICES_FOLDER])
    emit(price_check_view(findings, books, envelope, for_people=output.format == "text"), output)
    if any(finding.severity == "error" for finding in findings):
        raise click.exceptions.Exit(InputError.exit_code)


@command(
    "import",
    en="Write the prices of another price list into BOOKS, as rate cards in its folder prices/.\n\n"
    "They are asked only where no other card knows the model, since most of them have no date.",
    zh="把其他价格清单作为价目表写入 BOOKS 的 prices/ 文件夹。\n"
    "其中多数价格没有日期，因此只在其他价目表不含该模型时使用。",
)
@click.argument("source", type=click.Choice(["genai-prices"]))
@books_argument()
@option(
    "--provider",
    "providers",
    multiple=True,
    metavar="NAME",
    en="Only this provider; may be repeated.",
    zh="只导入此服务商；可重复。",
)
@option("--replace", is_flag=True, en="Overwrite cards written before.", zh="覆盖以前写入的价目表。")
@output_options
def import_cards(source: str, books: Path, providers: tuple[str, ...], replace: bool, output: Output) -> None:
    """Write the cards, then say which, and what was left out."""
    from breakeven.pricing.genai_prices import import_genai_prices

    envelope = _envelope(books, None)
    report = import_genai_prices(books / PRICES_FOLDER, _today(), providers=providers, replace=replace)
    emit(price_import_view(report, source, envelope, for_people=output.format == "text"), output)


for _subcommand in (show, diff, check, import_cards):
    prices.add_command(_subcommand)


def _price_book(books: Path, known_at: date | None) -> PriceBook:
    preferred = read_settings(books).price_currency
    return PriceBook.load([books / PRICES_FOLDER], known_at=known_at, preferred_currency=preferred)


def _envelope(books: Path, known_at: date | None) -> Envelope:
    """The head of an answer about prices: they have currencies of their own, and change at UTC times."""
    settings = read_settings(books)
    as_of = (known_at or _today()).isoformat()
    return Envelope(settings.name, as_of, time_zone="UTC", currency="", synthetic=settings.synthetic)


def _today() -> date:
    return datetime.now(tz=UTC).date()
