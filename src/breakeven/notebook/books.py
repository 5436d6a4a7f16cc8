"""Books that answer by themselves: the answers of the command line as methods."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from breakeven.ledger import books as ledger
from breakeven.ledger.books import Books
from breakeven.ledger.stamp import stamp
from breakeven.notebook.answer import Answer
from breakeven.notebook.arguments import (
    Money,
    above_zero,
    amount,
    amounts,
    currency_code,
    file_given,
    language_of,
    moment_utc,
    names_given,
    one_of,
    period_given,
    seed_given,
    unit_cost_path,
    whole_number,
    worth,
)
from breakeven.periods import Period
from breakeven.report.view_model import Language, View

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.serving.fleet.demand import HourlyDemand
    from breakeven.serving.traffic import Traffic

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

        span, currency = period_given(period), currency_code(currency)
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

        dimensions = (by,) if isinstance(by, str) else names_given(by, "by")
        return self._answer(cost_view(self.account(**of), dimensions, users=users), lang)

    # --- what a token costs on own GPUs ---------------------------------------------------------------

    def serving(self, *, lang: Language | None = None, **of: Any) -> Answer:
        """What own tokens cost by model and class, the fleet served and idle, and margins at list price."""
        from breakeven.report.views.serving_chapter import serving_view

        return self._answer(serving_view(self.account(**of)), lang)

    def traffic(self, model: str, *, provider: str | None = None, **of: Any) -> Traffic:
        """Mean requests of an own model, for `breakeven.Serving(..., traffic=...)`."""
        from breakeven.serving.books_record import recorded_model
        from breakeven.serving.books_traffic import books_traffic

        account = self.account(**of)
        whom = recorded_model(account, provider, model, "", None)
        return books_traffic(account, whom.provider, whom.model)

    def demand(self, models: str | Sequence[str] = (), *, period: str | Period | None = None) -> HourlyDemand:
        """Tokens by hour, for `breakeven.Serving(...).fleet(...)`; by default of the last whole month."""
        from breakeven.serving.fleet.books_demand import books_demand

        names = (models,) if isinstance(models, str) else names_given(models, "models")
        return books_demand(self, period_given(period), names)

    # --- what users cost, who stays, what they are worth ----------------------------------------------

    def channels(
        self, by: ChannelRows = "channel", *,
        lang: Language | None = None, **of: Any,
    ) -> Answer:  # fmt: skip
        """Spend, users and acquisition cost by channel, campaign or creator."""
        from breakeven.report.views.growth import channels_view

        one_of(by, "by", ChannelRows)
        return self._answer(channels_view(self.account(**of), dimension=by), lang)

    def growth(
        self, by: ChannelRows = "channel", *, free_use: bool = False,
        lang: Language | None = None, **of: Any,
    ) -> Answer:  # fmt: skip
        """The spend ledger; blended, paid and marginal acquisition cost."""
        from breakeven.report.views.spend_ledger import growth_view

        one_of(by, "by", ChannelRows)
        return self._answer(growth_view(self.account(**of), dimension=by, free_use=free_use), lang)

    def cohorts(
        self, by: CohortRows = "month", *, forecast: bool = False, horizon: int = 6,
        lang: Language | None = None, **of: Any,
    ) -> Answer:  # fmt: skip
        """Cohorts in users, revenue, cost and contribution; with `forecast`, who will still be there."""
        one_of(by, "by", CohortRows)
        whole_number(horizon, "horizon", 1, LONGEST_MONTHS)
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

        one_of(kind, "kind", Retention)
        one_of(unit, "unit", RetentionUnit)
        if by is not None:
            one_of(by, "by", RetentionRows)
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

        one_of(by, "by", ValueRows)
        whole_number(horizon, "horizon", 1, LONGEST_MONTHS)
        more: dict[str, Any] = seed_given(seed)
        path = unit_cost_path(unit_cost)
        rate = amount(discount, "discount")
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

        one_of(by, "by", PaybackRows)
        whole_number(horizon, "horizon", 1, LONGEST_MONTHS)
        more: dict[str, Any] = seed_given(seed)
        path = unit_cost_path(unit_cost)
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
            one_of(grain, "grain", Grain)
        view = response_view(
            self.account(**of),
            grain=grain,
            experiments=file_given(experiments, "experiments"),
            rivals=file_given(rivals_spend, "rivals_spend"),
            rivals_factor=None if rivals is None else float(above_zero(rivals, "rivals")),
            value_per_user=worth(value),
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

        one_of(length, "length", Literal["month", "quarter"])
        one_of(objective, "objective", Objective)
        one_of(capacity_unit, "capacity_unit", CapacityUnit)
        whole_number(horizon, "horizon", 1, LONGEST_BUDGET_MONTHS)
        wanted = Wanted(
            objective=objective,
            months=MONTHS[length],
            total=None if total is None else amount(total, "total"),
            spend_all=spend_all,
            at_least=amounts(at_least, "at_least"),
            at_most=amounts(at_most, "at_most"),
            cash_floor=None if cash_floor is None else amount(cash_floor, "cash_floor"),
            capacity=None if capacity is None else Decimal(whole_number(capacity, "capacity", 1)),
            capacity_unit=capacity_unit,
            explore=explore,
            seed=seed_given(seed).get("seed", SEED),
            horizon_months=horizon,
        )
        return self._answer(books_budget_view(self.account(**of), wanted), lang)

    def scorecard(self, *, lang: Language | None = None, **of: Any) -> Answer:
        """How right the forecasts were."""
        from breakeven.report.views.scorecard import scorecard_view

        return self._answer(scorecard_view(self.account(**of)), lang)

    def _answer(self, view: View, lang: Language | None) -> Answer:
        return Answer(view, language_of(lang or self.lang))


def open_books(
    folder: str | os.PathLike[str], *, as_of: datetime | None = None, lang: Language = "en"
) -> NotebookBooks:
    """Open the books in a folder, now or as they stood at a moment (UTC), to read and to ask.

    Raises `BooksError` when there are none, or when a newer program wrote them.
    """
    if as_of is not None:
        as_of = moment_utc(as_of)
    opened = ledger.open_books(Path(folder), as_of=as_of)
    return NotebookBooks(opened.folder, opened.settings, opened.as_of, lang=language_of(lang))
