"""Options that commands share. Each decorator gathers its options into one value the command receives.

@command("income", en="Income statement by month.", zh="按月损益表。")
@books_argument()
@view_options
def income(books: Path, options: ViewOptions) -> None: ...
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import wraps
from pathlib import Path
from typing import Any, Literal, cast

import click

from breakeven.cli.bilingual import AnyFunction, language_in, option
from breakeven.cli.language import Language
from breakeven.errors import UsageError
from breakeven.ledger.settings import FILE_NAME
from breakeven.money import minor_units
from breakeven.periods import ONE_DAY, Period, day_start, time_zone

Format = Literal["text", "json", "csv"]

FILTERS = ("channel", "cohort", "model", "product", "provider")


@dataclass(frozen=True)
class Output:
    """How an answer is written: for people in a language, or for machines."""

    format: Format = "text"
    language: Language = "en"
    ascii_only: bool = False
    byte_order_mark: bool = True


@dataclass(frozen=True)
class ViewOptions(Output):
    """What a view shows. None means: the books' own choice.

    `filters` holds the values given for each dimension, any of which may match: `{"channel": ("a", "b")}`.
    """

    period: Period | None = None
    currency: str | None = None
    as_of: datetime | None = None
    known_at: date | None = None
    engine: str = "duckdb"
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]], hash=False)


def books_argument(*, required: bool = False) -> Callable[[AnyFunction], AnyFunction]:
    """Add the argument BOOKS, given to the command as the path `books`.

    Without it, `BREAKEVEN_BOOKS` counts, then the books the working folder lies in. Commands with further
    arguments need it `required`, since positions would be ambiguous.
    """

    def located(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path:  # noqa: ARG001
        return value or find_books()

    return click.argument(
        "books", type=click.Path(path_type=Path), required=required, callback=None if required else located
    )


def find_books() -> Path:
    """The books of `BREAKEVEN_BOOKS` or of the working folder and those above it. Raises `UsageError`."""
    named = os.environ.get("BREAKEVEN_BOOKS")
    if named:
        return Path(named)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FILE_NAME).is_file():
            return folder
    raise UsageError("which books?", remedy="name their folder: the argument BOOKS, or BREAKEVEN_BOOKS")


def output_options(function: AnyFunction) -> AnyFunction:
    """Add `--json`, `--csv`, `--no-bom`, `--ascii` and `--lang`; the command receives `output`."""

    @wraps(function)
    def gathered(*arguments: Any, **given: Any) -> Any:
        return function(*arguments, output=Output(**_output_fields(given)), **given)

    return _with(cast("AnyFunction", gathered), _OUTPUT)


def view_options(function: AnyFunction) -> AnyFunction:
    """Add the output options and what a view can be asked for; the command receives `options`."""

    @wraps(function)
    def gathered(*arguments: Any, **given: Any) -> Any:
        fields = _output_fields(given)
        for name in ("period", "currency", "as_of", "known_at", "engine"):
            fields[name] = given.pop(name)
        chosen = {name: given.pop(name) for name in FILTERS}
        fields["filters"] = {name: values for name, values in chosen.items() if values}
        return function(*arguments, options=ViewOptions(**fields), **given)

    return _with(cast("AnyFunction", gathered), [*_VIEW, *_OUTPUT])


def period_option(function: AnyFunction, name: str = "--period") -> AnyFunction:
    """Add an option that is read as a `Period`."""
    return option(
        name,
        metavar="PERIOD",
        callback=_converted(Period.parse),
        en="2024, 2024-Q2, 2024-03, 2024-03-20, or two of these joined by '..'.",
        zh="2024、2024-Q2、2024-03、2024-03-20，或用 '..' 连接的两者。",
    )(function)


def moment_option(function: AnyFunction) -> AnyFunction:
    """Add `--as-of`, given to the command as the UTC instant `as_of` or None."""
    return option(
        "--as-of",
        metavar="TIME",
        callback=_converted(moment),
        en="The books as they stood then (UTC; a day means its end).",
        zh="账簿在该时刻的状态（UTC；只写日期表示当日结束）。",
    )(function)


def moment(text: str) -> datetime:
    """An instant in UTC. Without an offset it is read as UTC; a mere day means its end.

    >>> moment("2024-08-31").isoformat(), moment("2024-08-31T08:00+08:00").isoformat()
    ('2024-09-01T00:00:00+00:00', '2024-08-31T00:00:00+00:00')
    """
    try:
        if len(text) == len("2024-08-31"):
            return day_start(date.fromisoformat(text) + ONE_DAY, time_zone("UTC"))
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"cannot read the time {text!r}", remedy="write 2024-08-31 or 2024-08-31T12:00:00Z"
        ) from None
    return (instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant).astimezone(UTC)


def day(text: str) -> date:
    """A calendar day.

    >>> day("2024-08-31")
    datetime.date(2024, 8, 31)
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"cannot read the day {text!r}", remedy="write 2024-08-31") from None


def engine_name(text: str) -> str:
    """The name of an engine, or the URL of a Spark master. Raises `UsageError` for anything else.

    >>> engine_name("spark"), engine_name("spark://10.0.0.5:7077")
    ('spark', 'spark://10.0.0.5:7077')
    """
    if text in ("duckdb", "spark") or "://" in text or text.startswith("local"):
        return text
    raise UsageError(f"there is no engine {text!r}", remedy="use duckdb, spark, or the URL of a Spark master")


def currency_code(text: str) -> str:
    """A currency code that exists, in capitals. Raises `InputError` for another.

    >>> currency_code("cny")
    'CNY'
    """
    minor_units(text.upper())
    return text.upper()


def share(text: str, flag: str) -> Decimal:
    """A share such as 0.005, from 0 up. Raises `UsageError` for anything else.

    >>> share("0.005", "--tolerance")
    Decimal('0.005')
    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise UsageError(f"{flag} {text!r} is not a share", remedy="write a number such as 0.005")
    return value


def _converted(convert: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    def callback(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:  # noqa: ARG001
        return None if value is None else convert(value)

    return callback


def _output_fields(given: dict[str, Any]) -> dict[str, Any]:
    as_json, as_csv = given.pop("as_json"), given.pop("as_csv")
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other", remedy="choose one")
    given.pop("lang")  # known since the arguments were read
    return {
        "format": "json" if as_json else "csv" if as_csv else "text",
        "language": language_in(click.get_current_context()),
        "ascii_only": given.pop("ascii_only"),
        "byte_order_mark": not given.pop("no_bom"),
    }


def _with(function: AnyFunction, options: list[Callable[[Any], Any]]) -> AnyFunction:
    for add in reversed(options):
        function = add(function)
    return function


_OUTPUT: list[Callable[[Any], Any]] = [
    option("--json", "as_json", is_flag=True, en="JSON; money as decimal strings.", zh="输出 JSON。"),
    option("--csv", "as_csv", is_flag=True, en="CSV that opens in a spreadsheet.", zh="输出 CSV。"),
    option(
        "--no-bom",
        is_flag=True,
        en="CSV without the byte order mark that Excel needs.",
        zh="CSV 不带 Excel 所需的字节序标记。",
    ),
    option("--ascii", "ascii_only", is_flag=True, en="No line-drawing characters.", zh="不用制表符号。"),
    option("--lang", type=click.Choice(["en", "zh"]), en="Language of what people read.", zh="界面语言。"),
]

_VIEW: list[Callable[[Any], Any]] = [
    period_option,
    option(
        "--currency",
        metavar="CODE",
        callback=_converted(currency_code),
        en="Show amounts in this currency.",
        zh="以此币种显示金额。",
    ),
    moment_option,
    option(
        "--known-at",
        metavar="DAY",
        callback=_converted(day),
        en="Price with what was known on that day.",
        zh="按该日已知的价格计价。",
    ),
    option(
        "--engine",
        default="duckdb",
        show_default=True,
        envvar="BREAKEVEN_ENGINE",
        metavar="NAME",
        callback=_converted(engine_name),
        en="duckdb, spark, or the URL of a Spark master.",
        zh="duckdb、spark 或 Spark 主节点的 URL。",
    ),
    *(
        option(
            f"--{name}",
            multiple=True,
            metavar="NAME",
            en=f"Only this {name}; may be repeated.",
            zh=f"只看此{words}；可重复。",
        )
        for name, words in zip(FILTERS, ("渠道", "同期群", "模型", "产品", "服务商"), strict=True)
    ),
]
