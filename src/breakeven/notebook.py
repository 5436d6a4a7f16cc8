"""Books in a notebook: the answers of the command line as tables to go on with.

books = breakeven.open_books("demo/assistant-2024")
books.ltv(by="channel").to_polars()
books.budget(total=5_000_000)          # shows itself as tables where the notebook can
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from importlib import import_module
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from breakeven.errors import UsageError
from breakeven.ledger import books as ledger
from breakeven.ledger.books import Books
from breakeven.ledger.stamp import stamp
from breakeven.money import minor_units
from breakeven.periods import Period
from breakeven.report.view_model import Language, Table, Value, View

if TYPE_CHECKING:
    from breakeven.account.account import Account

Money = Decimal | int | float | str
ChannelRows = Literal["channel", "campaign", "creator"]
CohortRows = Literal["month", "channel"]
Retention = Literal["classic", "rolling", "bracketed"]
RetentionUnit = Literal["day", "week", "month"]
RetentionRows = Literal["channel", "campaign", "plan", "platform", "cohort"]
ValueRows = Literal["all", "channel", "cohort", "both"]
PaybackRows = Literal["cohort", "channel", "both"]
Grain = Literal["week", "month"]
Objective = Literal["value", "users", "payback"]
CapacityUnit = Literal["users", "requests", "tokens"]
MONTHS = {"month": 1, "quarter": 3}
LONGEST_MONTHS, LONGEST_BUDGET_MONTHS = 120, 60
"""How far ahead may be asked: as far as the options of the command line reach."""


@dataclass(frozen=True)
class Answer:
    """What the books answered: a view, as text, HTML, rows, or a table of Arrow, polars or pandas.

    An answer may have several tables; `tables` names them. What is asked of the answer as a whole (`rows`,
    `to_polars`, ...) is asked of its first one, and `answer.table("limits")` is the answer with another one.
    """

    view: View
    language: Language = "en"

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables, in order."""
        return tuple(table.id for table in self.view.tables)

    def table(self, name: str) -> Answer:
        """The same answer with one of its tables. Raises `UsageError` for a name it does not have."""
        for table in self.view.tables:
            if table.id == name:
                return replace(self, view=replace(self.view, tables=(table,), json_rows=()))
        raise UsageError(
            f"this answer has no table {name!r}", remedy=f"use one of {', '.join(self.tables) or 'none'}"
        )

    @property
    def rows(self) -> list[dict[str, Value]]:
        """The rows of the first table: exact decimals, whole numbers, text, and None for no value."""
        return [dict(row) for row in self._first.rows]

    def to_arrow(self) -> Any:
        """The first table as a `pyarrow.Table`; decimals stay exact, units are in the fields' metadata."""
        from breakeven.report.arrow_table import arrow_table

        return arrow_table(self._first)

    def to_polars(self) -> Any:
        """The first table as a `polars.DataFrame`, exact figures as decimals. Needs the extra `notebook`."""
        try:
            import polars
        except ImportError as error:
            raise UsageError(
                "polars is not installed", remedy="install `breakeven[notebook]`, or use to_arrow()"
            ) from error
        return polars.from_arrow(self.to_arrow())

    def to_pandas(self) -> Any:
        """The first table as a `pandas.DataFrame`, exact figures as `Decimal` objects. Needs pandas."""
        try:
            import_module("pandas")  # Arrow imports it, and says less when it is not there
        except ImportError as error:
            raise UsageError(
                "pandas is not installed",
                remedy="install pandas, or `breakeven[notebook]` and use to_polars()",
            ) from error
        return self.to_arrow().to_pandas()

    @property
    def _first(self) -> Table:
        if not self.view.tables:
            raise UsageError("this answer has no table", remedy="look at its `view`")
        return self.view.tables[0]

    def __repr__(self) -> str:
        from breakeven.report.text import render_text

        return render_text(self.view, self.language)

    def _repr_html_(self) -> str:
        """For notebooks: every table of the answer, escaped, in light and dark."""
        from breakeven.report.fragment import render_fragment

        return render_fragment(self.view, self.language)


@dataclass
class NotebookBooks(Books):
    """Books that answer by themselves; everything else as `Books`.

    Every answer takes `period` ("2024", "2024-Q2", "2024-03", or two joined by ".."; all months by default),
    `currency`, and `lang` for the language people read; `lang` of the books counts where none is given.
    """

    lang: Language = "en"
    _accounts: dict[tuple[str, str, str], Account] = field(
        default_factory=dict[tuple[str, str, str], "Account"], repr=False, compare=False
    )

    def account(self, *, period: str | Period | None = None, currency: str | None = None) -> Account:
        """The account over a period; opened once for each state of the books."""
        from breakeven.account.account import open_account

        span, currency = _span(period), _currency(currency)
        key = (span.label if span else "", currency or "", stamp(self.folder))
        if key not in self._accounts:
            self._accounts = {old: kept for old, kept in self._accounts.items() if old[2] == key[2]}
            self._accounts[key] = open_account(self, period=span, currency=currency)
        return self._accounts[key]

    # --- what the company earned, spent and has left --------------------------------------------------

    def income(self, *, lang: Language | None = None, **of: Any) -> Answer:
        """The income statement by month."""
        from breakeven.report.views.income import income_view

        return self._answer(income_view(self.account(**of)), lang)

    def cash(self, *, lang: Language | None = None, **of: Any) -> Answer:
        """Cash, restricted credit, burn and runway."""
        from breakeven.report.views.cash import cash_view

        return self._answer(cash_view(self.account(**of)), lang)

    def cost(
        self, by: str | Sequence[str] = ("model", "product", "tier"), *, users: bool = True,
        lang: Language | None = None, **of: Any,
    ) -> Answer:  # fmt: skip
        """What use costs, by model, product, feature, tier, channel, cohort or provider."""
        from breakeven.report.views.cost import cost_view

        dimensions = (by,) if isinstance(by, str) else _names(by, "by")
        return self._answer(cost_view(self.account(**of), dimensions, users=users), lang)

    # --- what users cost, who stays, what they are worth ----------------------------------------------

    def channels(
        self, by: ChannelRows = "channel", *,
        lang: Language | None = None, **of: Any,
    ) -> Answer:  # fmt: skip
        """Spend, users and acquisition cost by channel, campaign or creator."""
        from breakeven.report.views.growth import channels_view

        _one_of(by, "by", ChannelRows)
        return self._answer(channels_view(self.account(**of), dimension=by), lang)

    def growth(
        self, by: ChannelRows = "channel", *, free_use: bool = False,
        lang: Language | None = None, **of: Any,
    ) -> Answer:  # fmt: skip
        """The spend ledger; blended, paid and marginal acquisition cost."""
        from breakeven.report.views.spend_ledger import growth_view

        _one_of(by, "by", ChannelRows)
        return self._answer(growth_view(self.account(**of), dimension=by, free_use=free_use), lang)

    def cohorts(
        self, by: CohortRows = "month", *, forecast: bool = False, horizon: int = 6,
        lang: Language | None = None, **of: Any,
    ) -> Answer:  # fmt: skip
        """Cohorts in users, revenue, cost and contribution; with `forecast`, who will still be there."""
        _one_of(by, "by", CohortRows)
        _whole(horizon, "horizon", 1, LONGEST_MONTHS)
        account = self.account(**of)
        if forecast:
            from breakeven.report.views.cohort_forecast import cohort_forecast_view

            return self._answer(
                cohort_forecast_view(account, by_channels=by == "channel", horizon=horizon), lang
            )
        from breakeven.report.views.growth import cohorts_view

        return self._answer(cohorts_view(account, by_channels=by == "channel"), lang)

    def retention(
        self, kind: Retention = "classic", *, unit: RetentionUnit = "day",
        by: RetentionRows | None = "cohort",
        lang: Language | None = None, **of: Any,
    ) -> Answer:  # fmt: skip
        """Who stays, by the definition named."""
        from breakeven.report.views.retention import retention_view

        _one_of(kind, "kind", Retention)
        _one_of(unit, "unit", RetentionUnit)
        if by is not None:
            _one_of(by, "by", RetentionRows)
        return self._answer(retention_view(self.account(**of), kind, unit, by), lang)

    def ltv(
        self, by: ValueRows = "all", *, horizon: int = 12,
        discount: Money = "0.10", unit_cost: Mapping[str, Money] | None = None, seed: int | None = None,
        lang: Language | None = None, **of: Any,
    ) -> Answer:  # fmt: skip
        """What an acquired user is worth after refunds, fees and serving, within a horizon in months.

        `unit_cost` assumes what serving costs from a month on, relative to today: `{"2025-01": 0.5}`.
        """
        from breakeven.report.views.ltv import ltv_view

        _one_of(by, "by", ValueRows)
        _whole(horizon, "horizon", 1, LONGEST_MONTHS)
        more: dict[str, Any] = _seed(seed)
        path = _unit_cost_path(unit_cost)
        rate = _amount(discount, "discount")
        view = ltv_view(
            self.account(**of), by=by, horizon_months=horizon, discount_rate=rate, unit_cost_path=path, **more
        )
        return self._answer(view, lang)

    def payback(
        self, by: PaybackRows = "cohort", *, horizon: int = 24,
        unit_cost: Mapping[str, Money] | None = None, seed: int | None = None,
        lang: Language | None = None, **of: Any,
    ) -> Answer:  # fmt: skip
        """When users pay back what they cost to win, as a band of months."""
        from breakeven.report.views.payback import payback_view

        _one_of(by, "by", PaybackRows)
        _whole(horizon, "horizon", 1, LONGEST_MONTHS)
        more: dict[str, Any] = _seed(seed)
        path = _unit_cost_path(unit_cost)
        view = payback_view(self.account(**of), by=by, horizon_months=horizon, unit_cost_path=path, **more)
        return self._answer(view, lang)

    # --- where the next yuan goes ---------------------------------------------------------------------

    def response(
        self, *, grain: Grain | None = None, points: bool = False, rivals: Money | None = None,
        value: Money | None = None, experiments: str | os.PathLike[str] | None = None,
        rivals_spend: str | os.PathLike[str] | None = None, lang: Language | None = None, **of: Any,
    ) -> Answer:  # fmt: skip
        """What more spend on each channel brings, and where the data cannot tell.

        `rivals` shows the curves if rivals spend that many times as much; `value` is what a new user is worth
        (an amount, or "ltv" for each channel's own) and shows the spend at which the next user costs that.
        `experiments` and `rivals_spend` are CSV files, those of the books' folder unless named.
        """
        from breakeven.report.views.response import response_view

        if grain is not None:
            _one_of(grain, "grain", Grain)
        view = response_view(
            self.account(**of),
            grain=grain,
            experiments=_file(experiments, "experiments"),
            rivals=_file(rivals_spend, "rivals_spend"),
            rivals_factor=None if rivals is None else float(_above_zero(rivals, "rivals")),
            value_per_user=_worth(value),
            points=points,
        )
        return self._answer(view, lang)

    def budget(
        self,
        total: Money | None = None,
        *,
        length: Literal["month", "quarter"] = "month",
        objective: Objective = "value",
        spend_all: bool = False,
        at_least: Mapping[str, Money] | None = None,
        at_most: Mapping[str, Money] | None = None,
        cash_floor: Money | None = None,
        capacity: int | None = None,
        capacity_unit: CapacityUnit = "users",
        explore: bool = False,
        horizon: int = 12,
        seed: int | None = None,
        lang: Language | None = None,
        **of: Any,
    ) -> Answer:
        """How to spend the next month or quarter (`length`), and what that gains over today's split."""
        from breakeven.report.views.budget import SEED, Wanted, books_budget_view

        _one_of(length, "length", Literal["month", "quarter"])
        _one_of(objective, "objective", Objective)
        _one_of(capacity_unit, "capacity_unit", CapacityUnit)
        _whole(horizon, "horizon", 1, LONGEST_BUDGET_MONTHS)
        wanted = Wanted(
            objective=objective,
            months=MONTHS[length],
            total=None if total is None else _amount(total, "total"),
            spend_all=spend_all,
            at_least=_amounts(at_least, "at_least"),
            at_most=_amounts(at_most, "at_most"),
            cash_floor=None if cash_floor is None else _amount(cash_floor, "cash_floor"),
            capacity=None if capacity is None else Decimal(_whole(capacity, "capacity", 1)),
            capacity_unit=capacity_unit,
            explore=explore,
            seed=_seed(seed).get("seed", SEED),
            horizon_months=horizon,
        )
        return self._answer(books_budget_view(self.account(**of), wanted), lang)

    def scorecard(self, *, lang: Language | None = None, **of: Any) -> Answer:
        """How right the forecasts were."""
        from breakeven.report.views.scorecard import scorecard_view

        return self._answer(scorecard_view(self.account(**of)), lang)

    def _answer(self, view: View, lang: Language | None) -> Answer:
        return Answer(view, _language(lang or self.lang))


def open_books(
    folder: str | os.PathLike[str], *, as_of: datetime | None = None, lang: Language = "en"
) -> NotebookBooks:
    """Open the books in a folder, now or as they stood at a moment (UTC), to read and to ask.

    Raises `BooksError` when there are none, or when a newer program wrote them.
    """
    if as_of is not None:
        as_of = _moment(as_of)
    opened = ledger.open_books(Path(folder), as_of=as_of)
    return NotebookBooks(opened.folder, opened.settings, opened.as_of, lang=_language(lang))


# --- arguments: each is refused here, before anything is computed, where an option would be -------------


def _one_of(value: object, name: str, choices: Any) -> None:
    """Refuse what is none of the words of a `Literal`."""
    words: tuple[str, ...] = get_args(choices)
    if not isinstance(value, str) or value not in words:
        raise UsageError(f"{name} cannot be {value!r}", remedy=f"use one of {', '.join(words)}")


def _whole(value: object, name: str, least: int, most: int | None = None) -> int:
    """A whole number within bounds; what only looks like one (1.5, True, "3") is refused."""
    try:
        number = None if isinstance(value, bool) else index(value)  # pyright: ignore[reportArgumentType]
    except TypeError:
        number = None
    if number is None or number < least or (most is not None and number > most):
        remedy = (
            f"give a whole number of at least {least}"
            if most is None
            else f"give a whole number from {least} to {most}"
        )
        raise UsageError(f"{name} cannot be {value!r}", remedy=remedy)
    return number


def _seed(seed: int | None) -> dict[str, int]:
    """The seed as an argument to hand on; none where nobody gave one."""
    return {} if seed is None else {"seed": _whole(seed, "seed", 0)}


def _number(value: object) -> Decimal:
    """A number, as exact as it was given; NaN for anything else."""
    try:
        return Decimal("NaN") if isinstance(value, bool) else Decimal(str(value))
    except InvalidOperation:
        return Decimal("NaN")


def _amount(money: Money, name: str) -> Decimal:
    """A number of at least zero."""
    value = _number(money)
    if not value.is_finite() or not 0 <= value < Decimal("1e15"):
        raise UsageError(f"{name} {money!r} is not an amount", remedy="give a number of at least 0")
    return value


def _above_zero(given: Money, name: str) -> Decimal:
    value = _number(given)
    if not value.is_finite() or not 0 < value < Decimal("1e15"):
        raise UsageError(f"{name} cannot be {given!r}", remedy="give a number above 0, such as 2.0")
    return value


def _worth(value: Money | None) -> Decimal | Literal["ltv"] | None:
    if value is None:
        return None
    return "ltv" if value == "ltv" else _above_zero(value, "value")


def _amounts(given: Mapping[str, Money] | None, name: str) -> dict[str, Decimal]:
    """Amounts by channel."""
    return {channel: _amount(money, name) for channel, money in _mapping(given, name).items()}


def _unit_cost_path(given: Mapping[str, Money] | None) -> Any:
    if not given:
        return None
    from breakeven.growth.lifetime_value.unit_cost_path import UnitCostPath

    steps = _mapping(given, "unit_cost").items()
    return UnitCostPath.parse(tuple(f"{month}={factor}" for month, factor in steps))


def _mapping(given: Mapping[str, Money] | None, name: str) -> Mapping[str, Money]:
    if given is not None and not isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"{name} cannot be {given!r}", remedy="give a dictionary of numbers by name")
    return given or {}


def _names(given: object, name: str) -> tuple[str, ...]:
    if not isinstance(given, Sequence) or not all(isinstance(one, str) for one in given):  # pyright: ignore[reportUnknownVariableType]
        raise UsageError(f"{name} cannot be {given!r}", remedy="give a name, or a list of names")
    return tuple(given)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _file(given: str | os.PathLike[str] | None, name: str) -> Path | None:
    if given is None:
        return None
    if not isinstance(given, (str, os.PathLike)) or not Path(given).is_file():  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"{name}: there is no file {str(given)!r}", remedy="name a CSV file")
    return Path(given)


def _span(period: object) -> Period | None:
    if isinstance(period, str):
        return Period.parse(period)
    if period is None or isinstance(period, Period):
        return period
    raise UsageError(f"period cannot be {period!r}", remedy="write 2024, 2024-Q2 or 2024-03, in quotes")


def _currency(code: object) -> str | None:
    if code is None:
        return None
    if not isinstance(code, str):
        raise UsageError(f"currency cannot be {code!r}", remedy="write a code such as CNY, in quotes")
    minor_units(code.upper())  # refuses what is no currency
    return code.upper()


def _language(language: Language) -> Language:
    if language not in ("en", "zh"):
        raise UsageError(f"there is no language {language!r}", remedy="use en or zh")
    return language


def _moment(moment: object) -> datetime:
    """A moment in UTC; one without an offset is read as UTC."""
    if not isinstance(moment, datetime):
        raise UsageError(f"as_of cannot be {moment!r}", remedy="give a datetime in UTC")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
