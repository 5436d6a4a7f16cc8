"""Books in a notebook: the answers of the command line as tables to go on with.

books = breakeven.open_books("demo/assistant-2024")
books.ltv(by="channel").to_polars()
books.budget(total=5_000_000)          # shows itself as tables where the notebook can
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from breakeven.errors import UsageError
from breakeven.ledger import books as ledger
from breakeven.ledger.books import Books
from breakeven.ledger.stamp import stamp
from breakeven.periods import Period
from breakeven.report.view_model import Language, Table, Value, View

if TYPE_CHECKING:
    from breakeven.account.account import Account

Money = Decimal | int | float | str
MONTHS = {"month": 1, "quarter": 3}


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

        span = Period.parse(period) if isinstance(period, str) else period
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

        dimensions = (by,) if isinstance(by, str) else tuple(by)
        return self._answer(cost_view(self.account(**of), dimensions, users=users), lang)

    # --- what users cost, who stays, what they are worth ----------------------------------------------

    def channels(
        self, by: Literal["channel", "campaign", "creator"] = "channel", *,
        lang: Language | None = None, **of: Any,
    ) -> Answer:  # fmt: skip
        """Spend, users and acquisition cost by channel, campaign or creator."""
        from breakeven.report.views.growth import channels_view

        return self._answer(channels_view(self.account(**of), dimension=by), lang)

    def growth(
        self, by: Literal["channel", "campaign", "creator"] = "channel", *, free_use: bool = False,
        lang: Language | None = None, **of: Any,
    ) -> Answer:  # fmt: skip
        """The spend ledger; blended, paid and marginal acquisition cost."""
        from breakeven.report.views.spend_ledger import growth_view

        return self._answer(growth_view(self.account(**of), dimension=by, free_use=free_use), lang)

    def cohorts(
        self, by: Literal["month", "channel"] = "month", *, forecast: bool = False, horizon: int = 6,
        lang: Language | None = None, **of: Any,
    ) -> Answer:  # fmt: skip
        """Cohorts in users, revenue, cost and contribution; with `forecast`, who will still be there."""
        account = self.account(**of)
        if forecast:
            from breakeven.report.views.cohort_forecast import cohort_forecast_view

            return self._answer(
                cohort_forecast_view(account, by_channels=by == "channel", horizon=horizon), lang
            )
        from breakeven.report.views.growth import cohorts_view

        return self._answer(cohorts_view(account, by_channels=by == "channel"), lang)

    def retention(
        self, kind: Literal["classic", "rolling", "bracketed"] = "classic", *,
        unit: Literal["day", "week", "month"] = "day",
        by: Literal["channel", "campaign", "plan", "platform", "cohort"] | None = "cohort",
        lang: Language | None = None, **of: Any,
    ) -> Answer:  # fmt: skip
        """Who stays, by the definition named."""
        from breakeven.report.views.retention import retention_view

        return self._answer(retention_view(self.account(**of), kind, unit, by), lang)

    def ltv(
        self, by: Literal["all", "channel", "cohort", "both"] = "all", *, horizon: int = 12,
        discount: Money = "0.10", unit_cost: Mapping[str, Money] | None = None, seed: int | None = None,
        lang: Language | None = None, **of: Any,
    ) -> Answer:  # fmt: skip
        """What an acquired user is worth after refunds, fees and serving, within a horizon in months.

        `unit_cost` assumes what serving costs from a month on, relative to today: `{"2025-01": 0.5}`.
        """
        from breakeven.report.views.ltv import ltv_view

        more: dict[str, Any] = {} if seed is None else {"seed": seed}
        path = _unit_cost_path(unit_cost)
        rate = _amount(discount, "discount")
        view = ltv_view(
            self.account(**of), by=by, horizon_months=horizon, discount_rate=rate, unit_cost_path=path, **more
        )
        return self._answer(view, lang)

    def payback(
        self, by: Literal["cohort", "channel", "both"] = "cohort", *, horizon: int = 24,
        unit_cost: Mapping[str, Money] | None = None, seed: int | None = None,
        lang: Language | None = None, **of: Any,
    ) -> Answer:  # fmt: skip
        """When users pay back what they cost to win, as a band of months."""
        from breakeven.report.views.payback import payback_view

        more: dict[str, Any] = {} if seed is None else {"seed": seed}
        path = _unit_cost_path(unit_cost)
        view = payback_view(self.account(**of), by=by, horizon_months=horizon, unit_cost_path=path, **more)
        return self._answer(view, lang)

    # --- where the next yuan goes ---------------------------------------------------------------------

    def response(
        self, *, grain: Literal["week", "month"] | None = None, points: bool = False,
        lang: Language | None = None, **of: Any,
    ) -> Answer:  # fmt: skip
        """What more spend on each channel brings, and where the data cannot tell."""
        from breakeven.report.views.response import response_view

        return self._answer(response_view(self.account(**of), grain=grain, points=points), lang)

    def budget(
        self,
        total: Money | None = None,
        *,
        length: Literal["month", "quarter"] = "month",
        objective: Literal["value", "users", "payback"] = "value",
        spend_all: bool = False,
        at_least: Mapping[str, Money] | None = None,
        at_most: Mapping[str, Money] | None = None,
        cash_floor: Money | None = None,
        capacity: int | None = None,
        capacity_unit: Literal["users", "requests", "tokens"] = "users",
        explore: bool = False,
        horizon: int = 12,
        seed: int | None = None,
        lang: Language | None = None,
        **of: Any,
    ) -> Answer:
        """How to spend the next month or quarter (`length`), and what that gains over today's split."""
        from breakeven.report.views.budget import SEED, Wanted, books_budget_view

        if length not in MONTHS:
            raise UsageError(f"a budget cannot be for a {length!r}", remedy="use month or quarter")
        wanted = Wanted(
            objective=objective,
            months=MONTHS[length],
            total=None if total is None else _amount(total, "total"),
            spend_all=spend_all,
            at_least={name: _amount(money, "at_least") for name, money in (at_least or {}).items()},
            at_most={name: _amount(money, "at_most") for name, money in (at_most or {}).items()},
            cash_floor=None if cash_floor is None else _amount(cash_floor, "cash_floor"),
            capacity=None if capacity is None else _amount(capacity, "capacity"),
            capacity_unit=capacity_unit,
            explore=explore,
            seed=SEED if seed is None else seed,
            horizon_months=horizon,
        )
        return self._answer(books_budget_view(self.account(**of), wanted), lang)

    def scorecard(self, *, lang: Language | None = None, **of: Any) -> Answer:
        """How right the forecasts were."""
        from breakeven.report.views.scorecard import scorecard_view

        return self._answer(scorecard_view(self.account(**of)), lang)

    def _answer(self, view: View, lang: Language | None) -> Answer:
        language = lang or self.lang
        if language not in ("en", "zh"):
            raise UsageError(f"there is no language {language!r}", remedy="use en or zh")
        return Answer(view, language)


def open_books(
    folder: str | os.PathLike[str], *, as_of: datetime | None = None, lang: Language = "en"
) -> NotebookBooks:
    """Open the books in a folder, now or as they stood at a moment (UTC), to read and to ask.

    Raises `BooksError` when there are none, or when a newer program wrote them.
    """
    opened = ledger.open_books(Path(folder), as_of=as_of)
    return NotebookBooks(opened.folder, opened.settings, opened.as_of, lang=lang)


def _unit_cost_path(given: Mapping[str, Money] | None) -> Any:
    if not given:
        return None
    from breakeven.growth.lifetime_value.unit_cost_path import UnitCostPath

    return UnitCostPath.parse(tuple(f"{month}={factor}" for month, factor in given.items()))


def _amount(money: Money, name: str) -> Decimal:
    """A number of at least zero, as exact as it was given."""
    try:
        value = Decimal(str(money))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 <= value < Decimal("1e15"):
        raise UsageError(f"{name} {money!r} is not an amount", remedy="give a number of at least 0")
    return value
