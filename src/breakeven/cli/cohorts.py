"""`breakeven cohorts`: who stays, by any of three definitions, what they bring, when they pay back."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import ViewOptions, books_argument, view_options
from breakeven.cli.views import allow_filters, known_names, run_view
from breakeven.errors import UsageError

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.account.retention import By, Kind, Unit
    from breakeven.report.view_model import View

Brackets = tuple[tuple[int, int], ...]
_LAST_PERIOD = 3660
"""Ten years of days: nobody's bracket ends later."""


def brackets_in(text: str) -> Brackets:
    """Brackets such as `1,2-3,4-7`. Raises `UsageError` for anything else.

    >>> brackets_in("1, 2-3, 4-7")
    ((1, 1), (2, 3), (4, 7))
    """
    found: list[tuple[int, int]] = []
    for part in text.split(","):
        low, dash, high = (piece.strip() for piece in part.partition("-"))
        numbers = (low, high) if dash else (low, low)
        if not all(number.isascii() and number.isdecimal() and len(number) < 6 for number in numbers):
            raise _bad_brackets(text)
        first, last = int(numbers[0]), int(numbers[1])
        if last < first or last > _LAST_PERIOD or (found and first <= found[-1][1]):
            raise _bad_brackets(text)
        found.append((first, last))
    return tuple(found)


def _bad_brackets(text: str) -> UsageError:
    return UsageError(
        f"cannot read the brackets {text!r}", remedy="write them in order, such as 1,2-3,4-7,8-14"
    )


def _brackets(context: click.Context, parameter: click.Parameter, value: str | None) -> Brackets | None:  # noqa: ARG001
    return None if value is None else brackets_in(value)


@command(
    "cohorts",
    en="Cohorts of BOOKS in users, revenue, cost and contribution, and payback so far.\n\n"
    "With --retention: who stays, by the definition named. With --forecast: who will be there.",
    zh="BOOKS 各同期群的用户、收入、成本与贡献，以及回本进度。\n\n"
    "加 --retention：按所选定义的留存。加 --forecast：预测今后的留存。",
)
@books_argument()
@option(
    "--by",
    "split",
    type=click.Choice(["month", "channel", "campaign", "plan", "platform"]),
    default="month",
    en="Split further; the last three with --retention.",
    zh="进一步拆分；后三项须与 --retention 同用。",
)
@option(
    "--retention",
    "kind",
    type=click.Choice(["classic", "rolling", "bracketed"]),
    en="Active in the period itself, in it or later, or at least once in a bracket.",
    zh="留存定义：经典（恰在该期活跃）、滚动（该期或以后）、区间（区间内至少一次）。",
)
@option(
    "--unit",
    type=click.Choice(["day", "week", "month"]),
    default=None,
    en="Periods of --retention: days, or blocks of 7 or 30 days.  [default: day]",
    zh="留存的期长：日、7 天一段、30 天一段。[默认：day]",
)
@option(
    "--brackets",
    metavar="LIST",
    callback=_brackets,
    en="Brackets of periods, such as 1,2-3,4-7; with --retention bracketed.",
    zh="区间列表，如 1,2-3,4-7；须与 --retention bracketed 同用。",
)
@option(
    "--forecast",
    is_flag=True,
    en="Forecast the months to come, each with its interval.",
    zh="预测今后各月，并给出区间。",
)
@option(
    "--horizon",
    type=click.IntRange(1, 120),
    default=None,
    metavar="MONTHS",
    en="How many months --forecast looks ahead.  [default: 6]",
    zh="预测多少个月。[默认：6]",
)
@view_options
def cohorts(
    books: Path,
    split: str,
    kind: Kind | None,
    unit: Unit | None,
    brackets: Brackets | None,
    forecast: bool,
    horizon: int | None,
    options: ViewOptions,
) -> None:
    """Show the cohorts."""
    _refuse_what_does_not_fit(split, kind, unit, brackets, forecast, horizon)
    if kind is not None:
        _retention(books, split, kind, unit or "day", brackets, options)
        return
    allow_filters(options, "channel", "cohort")
    chosen: dict[str, Any] = {
        "by_channels": split == "channel",
        "only": options.filters.get("channel", ()),
        "months": options.filters.get("cohort", ()),
    }

    def build(account: Account) -> View:
        known_names(account, options)
        if forecast:
            from breakeven.report.views.cohort_forecast import cohort_forecast_view

            return cohort_forecast_view(account, **chosen, horizon=horizon or 6)
        from breakeven.report.views.growth import cohorts_view

        return cohorts_view(account, **chosen)

    what = f"cohort-forecast-{horizon or 6}-{split}" if forecast else f"cohorts-{split}"
    run_view(books, options, what, build)


def _retention(
    books: Path, split: str, kind: Kind, unit: Unit, brackets: Brackets | None, options: ViewOptions
) -> None:
    by = cast("By", "cohort" if split == "month" else split)
    filters: dict[str, Literal["channel", "cohort"]] = {"channel": "channel", "cohort": "cohort"}
    allow_filters(options, *([filters[by]] if by in filters else []))

    def build(account: Account) -> View:
        from breakeven.report.views.retention import retention_view

        known_names(account, options)
        only = options.filters.get(by, ())
        return retention_view(account, kind, unit, by, brackets=brackets, only=only)

    said = hashlib.sha256(repr(brackets).encode()).hexdigest()[:8]
    run_view(books, options, f"retention-{kind}-{unit}-{by}-{said}", build)


def _refuse_what_does_not_fit(
    split: str,
    kind: Kind | None,
    unit: Unit | None,
    brackets: Brackets | None,
    forecast: bool,
    horizon: int | None,
) -> None:
    """Options that would not be heeded are refused: an answer must be to the whole question."""
    if kind is not None and forecast:
        raise UsageError("--retention and --forecast exclude each other", remedy="choose one")
    if kind is None and (unit or split in ("campaign", "plan", "platform")):
        what = "--unit" if unit else f"--by {split}"
        raise UsageError(f"{what} needs --retention", remedy="add --retention classic, rolling or bracketed")
    if brackets is not None and kind != "bracketed":
        raise UsageError("--brackets needs --retention bracketed", remedy="add it, or leave --brackets out")
    if horizon is not None and not forecast:
        raise UsageError("--horizon needs --forecast", remedy="add it, or leave --horizon out")
