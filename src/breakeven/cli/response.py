"""`breakeven response`: what more spend on a channel brings, and how sure that is."""

from __future__ import annotations

import hashlib
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.growth_options import grain_option
from breakeven.cli.options import ViewOptions, books_argument, view_options
from breakeven.cli.views import allow_filters, known_names, run_view
from breakeven.errors import UsageError

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.report.view_model import View

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@command(
    "response",
    en="What more spend on each channel of BOOKS brings: average and marginal cost of a user with its"
    " interval, and where the data cannot tell, the experiment that would.",
    zh="BOOKS 各渠道加投带来什么：平均与边际获客成本及其区间；数据无法说明时，给出可以判定的实验。",
)
@books_argument()
@grain_option
@option(
    "--experiments",
    type=_FILE,
    en="CSV of experiments (channel, kind, first_day, last_day, spend_change, users_change, low, high);"
    " experiments.csv of the books unless named.",
    zh="实验 CSV（channel、kind、first_day、last_day、spend_change、users_change、low、high）；"
    "默认为账簿中的 experiments.csv。",
)
@option(
    "--rivals-spend",
    "rivals",
    type=_FILE,
    en="CSV of what rivals spent (period_start, channel, spend); rivals.csv of the books unless named.",
    zh="对手支出 CSV（period_start、channel、spend）；默认为账簿中的 rivals.csv。",
)
@option(
    "--rivals",
    "rivals_factor",
    type=float,
    metavar="FACTOR",
    en="Show the curves if rivals spend this many times as much, e.g. 2.0.",
    zh="显示对手支出变为若干倍时的曲线，如 2.0。",
)
@option(
    "--value",
    metavar="AMOUNT",
    en="What a new user is worth, or ltv for each channel's margin lifetime value of 12 months: shows the"
    " spend at which the next user costs that.",
    zh="新用户的价值；写 ltv 则取各渠道 12 个月的毛利生命周期价值：给出下一个用户成本等于该值时的支出。",
)
@option("--points", is_flag=True, en="The curves point by point.", zh="逐点列出曲线。")
@view_options
def response(
    books: Path, grain: Literal["week", "month"] | None, experiments: Path | None, rivals: Path | None,
    rivals_factor: float | None, value: str | None, points: bool, options: ViewOptions,
) -> None:  # fmt: skip
    """Show the response of each channel."""
    allow_filters(options, "channel")
    if rivals_factor is not None:
        _above_zero("--rivals", repr(rivals_factor))
    worth = value if value in (None, "ltv") else _above_zero("--value", value)

    def build(account: Account) -> View:
        from breakeven.report.views.response import response_view

        known_names(account, options)
        return response_view(
            account,
            only=options.filters.get("channel", ()),
            grain=grain,
            experiments=experiments,
            rivals=rivals,
            rivals_factor=rivals_factor,
            value_per_user=worth,
            points=points,
        )

    asked = (
        grain,
        rivals_factor,
        value,
        points,
        *(_content(books, *pair) for pair in _files(experiments, rivals)),
    )
    run_view(books, options, f"response-{hashlib.sha256(repr(asked).encode()).hexdigest()[:12]}", build)


def _above_zero(flag: str, text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not (number.is_finite() and number > 0):
        raise UsageError(f"{flag} must be a number above 0", remedy="write a number such as 2.0")
    return number


def _files(experiments: Path | None, rivals: Path | None) -> tuple[tuple[Path | None, str], ...]:
    return (experiments, "experiments.csv"), (rivals, "rivals.csv")


def _content(books: Path, named: Path | None, usual: str) -> str:
    """What a file holds, as a fingerprint: a view is kept only for the same files."""
    path = named or books / usual
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
