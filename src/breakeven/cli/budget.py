"""`breakeven budget`: where the next yuan goes."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import Output, ViewOptions, books_argument, moment_option, output_options
from breakeven.cli.output import emit
from breakeven.cli.views import account_of
from breakeven.errors import UsageError

if TYPE_CHECKING:
    from breakeven.growth.budget.capacity import CapacityUnit

MONTHS = {"month": 1, "quarter": 3}
_SEED = 20240902


@command(
    "budget",
    en="Where a month's or quarter's spend should go: the plan, and its gain over today's split with an\n"
    "interval; marginal cost of a user at both, what binds, and how much lies on extrapolated curves.",
    zh="一个月或一个季度的投放该如何分配：方案、相对现有比例的收益及其区间、\n"
    "两者的边际获客成本、受何限制，以及有多少位于外推曲线。",
)
@books_argument()
@option(
    "--total",
    metavar="AMOUNT",
    en="The most to spend; today's spend unless given.",
    zh="投放上限；默认为现有投放。",
)
@option(
    "--period",
    type=click.Choice(list(MONTHS)),
    default="month",
    show_default=True,
    en="How long the plan is.",
    zh="方案的时长。",
)
@option(
    "--objective",
    type=click.Choice(["value", "users", "payback"]),
    default="value",
    show_default=True,
    en="Value of users less spend, new users, or earliest payback of all that is spent.",
    zh="新用户价值减投放、新增用户数，或全部投放最早回本。",
)
@option(
    "--spend-all",
    is_flag=True,
    en="Spend the whole total even where a further yuan brings less than itself.",
    zh="即使最后一元的回报不足一元，也投完总额。",
)
@option(
    "--at-least",
    multiple=True,
    metavar="CHANNEL=AMOUNT",
    en="A channel gets at least this; may be repeated.",
    zh="某渠道的投放下限；可重复。",
)
@option(
    "--at-most",
    multiple=True,
    metavar="CHANNEL=AMOUNT",
    en="A channel gets at most this; may be repeated.",
    zh="某渠道的投放上限；可重复。",
)
@option(
    "--cash-floor",
    metavar="AMOUNT",
    en="Cash after spending must stay above this.",
    zh="投放之后现金须保持在此之上。",
)
@option(
    "--capacity-users",
    type=click.IntRange(min=1),
    metavar="N",
    en="New users that can be served in the period.",
    zh="该期间可服务的新用户数。",
)
@option(
    "--capacity-requests",
    type=click.IntRange(min=1),
    metavar="N",
    en="Requests a day that serving has left for new users, at the peak.",
    zh="峰值日服务能力可留给新用户的请求数。",
)
@option(
    "--capacity-tokens",
    type=click.IntRange(min=1),
    metavar="N",
    en="The same in tokens a day.",
    zh="同上，以每日词元数计。",
)
@option(
    "--explore",
    is_flag=True,
    en="Also move channels whose curve the data do not identify.",
    zh="也调整曲线无法由数据确定的渠道。",
)
@option(
    "--horizon",
    "horizon_months",
    type=click.IntRange(1, 60),
    default=12,
    show_default=True,
    en="Months over which a user's value counts.",
    zh="用户价值的计算期限（月）。",
)
@option("--seed", type=int, default=_SEED, show_default=True, en="Seed of the draws.", zh="抽样的随机种子。")
@option("--currency", metavar="CODE", en="Amounts in this currency.", zh="以此币种计算与显示。")
@moment_option
@output_options
def budget(
    books: Path,
    total: str | None,
    period: str,
    objective: str,
    spend_all: bool,
    at_least: tuple[str, ...],
    at_most: tuple[str, ...],
    cash_floor: str | None,
    capacity_users: int | None,
    capacity_requests: int | None,
    capacity_tokens: int | None,
    explore: bool,
    horizon_months: int,
    seed: int,
    currency: str | None,
    as_of: datetime | None,
    output: Output,
) -> None:
    """Show the plan."""
    from breakeven.cli.options import currency_code

    bounds = (bounds_of(at_least, "--at-least"), bounds_of(at_most, "--at-most"))
    money = (None if total is None else amount(total, "--total"),)
    unit, capacity = capacity_of(
        {"users": capacity_users, "requests": capacity_requests, "tokens": capacity_tokens}
    )
    floor = None if cash_floor is None else amount(cash_floor, "--cash-floor")
    options = ViewOptions(
        format=output.format,
        language=output.language,
        ascii_only=output.ascii_only,
        byte_order_mark=output.byte_order_mark,
        currency=None if currency is None else currency_code(currency),
        as_of=as_of,
    )
    account = account_of(books, options)
    from breakeven.report.views.budget import Wanted, books_budget_view

    wanted = Wanted(
        objective=objective,  # pyright: ignore[reportArgumentType] - one of the choices
        months=MONTHS[period],
        total=money[0],
        spend_all=spend_all,
        at_least=bounds[0],
        at_most=bounds[1],
        cash_floor=floor,
        capacity=None if capacity is None else Decimal(capacity),
        capacity_unit=unit,
        explore=explore,
        seed=seed,
        horizon_months=horizon_months,
    )
    emit(books_budget_view(account, wanted), options)


def capacity_of(given: dict[CapacityUnit, int | None]) -> tuple[CapacityUnit, int | None]:
    """The one capacity that was given, with its unit. Raises `UsageError` for several."""
    named: list[tuple[CapacityUnit, int | None]] = [one for one in given.items() if one[1] is not None]
    if len(named) > 1:
        raise UsageError("several serving capacities are given", remedy="choose one unit")
    return named[0] if named else ("users", None)


def amount(text: str, flag: str) -> Decimal:
    """An amount of money of at least zero. Raises `UsageError` for anything else.

    >>> amount("5_000_000", "--total"), amount("1,500.50", "--total")
    (Decimal('5000000'), Decimal('1500.50'))
    """
    try:
        value = Decimal(text.replace(",", ""))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 <= value < Decimal("1e15"):
        raise UsageError(
            f"{flag} {text!r} is not an amount of money", remedy="write a number such as 5000000"
        )
    return value


def bounds_of(given: tuple[str, ...], flag: str) -> dict[str, Decimal]:
    """Bounds by channel. Raises `UsageError` for text of another form and for a channel named twice.

    >>> bounds_of(("douyin=1000", "a=b=2"), "--at-least")
    {'douyin': Decimal('1000'), 'a=b': Decimal('2')}
    """
    found: dict[str, Decimal] = {}
    for text in given:
        channel, equals, money = text.rpartition("=")
        if not equals or not channel:
            raise UsageError(f"{flag} {text!r} is not CHANNEL=AMOUNT", remedy=f"write {flag} douyin=100000")
        if channel in found:
            raise UsageError(f"{flag} names {channel} twice", remedy="give each channel one bound")
        found[channel] = amount(money, flag)
    return found
