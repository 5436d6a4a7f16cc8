"""Measures: additive facts as Ibis expressions, grouped by day and the dimensions people ask about.

Each `Rollup` reads one ledger table (and, where it says so, who acquired a user and who was paying) and
yields few rows: tokens by price window, users by channel, spend by kind. Prices are applied afterwards, to
these few rows, so a changed price never touches the requests again. The expressions run on every engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

TOKEN_COLUMNS = (
    "uncached_input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
)
_GOOD_STATUS = ("", "ok", "success", "succeeded", "completed", "stop", "200", "201", "204")

Grain = Literal["day", "week", "month"]


@dataclass(frozen=True)
class ModelCuts:
    """Where the price of some models can change: inside a day (UTC seconds), and with a request's input."""

    provider: str
    models: tuple[str, ...]
    cuts_seconds_utc: tuple[int, ...]
    context_thresholds: tuple[int, ...]


@dataclass(frozen=True)
class Inputs:
    """What a rollup's expression may read: ledger tables by name, and the price grid."""

    table: Callable[[str], Any]
    cuts: tuple[ModelCuts, ...] = ()
    reports: tuple[str, ...] = ()
    """Sources that are a provider's own totals."""


@dataclass(frozen=True)
class Rollup:
    """One pass over one table. `grain` says what its rows may be added up over without counting twice.

    `by_user`: rows carry their user's channel and cohort, so they depend on the acquisitions. `by_payer`:
    rows say whether the user had a paid service that day, so they depend on the payments. `of_windows`:
    the rows come from the paid windows rather than from the days of the table. `before_matching`: the rows of
    every source are there, also those of requests that another source saw first in precedence.
    """

    name: str
    table: str
    build: Callable[[Inputs], Any]
    grain: Grain = "day"
    by_user: bool = False
    by_payer: bool = False
    of_windows: bool = False
    before_matching: bool = False


def _usage(inputs: Inputs) -> Any:
    import ibis

    usage = inputs.table("usage")
    joined = _with_user(usage, inputs)
    windows = inputs.table("paid_days")
    joined = joined.left_join(
        windows, [joined.user_id == windows.paid_user_id, joined.day == windows.paid_day]
    )
    whole = _input_tokens(joined)
    per_request = ibis.ifelse(joined.requests > 1, whole // joined.requests, whole)
    seconds = joined["at"].epoch_seconds() % 86_400
    status = joined.status.lower()
    failed = ibis.ifelse(joined.status.isnull() | status.isin(_GOOD_STATUS), False, True)
    rows = joined.select(
        joined.day,
        utc_day=joined["at"].date(),
        slot=_step(joined, inputs.cuts, lambda cut: cut.cuts_seconds_utc, seconds, above=False),
        context=_step(joined, inputs.cuts, lambda cut: cut.context_thresholds, per_request, above=True),
        product=joined["product"],
        feature=joined.feature,
        provider=joined.provider,
        model=joined.model,
        service_tier=joined.service_tier,
        channel=joined.user_channel,
        cohort=joined.user_cohort,
        is_paying=joined.paid_user_id.notnull(),
        is_failed=failed,
        has_user=joined.user_id.notnull(),
        requests=joined.requests,
        **{name: joined[name] for name in TOKEN_COLUMNS},
    )
    return rows.group_by(
        "day", "utc_day", "slot", "context", "product", "feature", "provider", "model", "service_tier",
        "channel", "cohort", "is_paying", "is_failed", "has_user",
    ).aggregate(
        rows=rows.count(),
        requests=_whole(rows.requests.sum()),
        uncounted=_whole(rows.requests.isnull().cast("int64").sum()),
        **{name: _whole(rows[name].sum()) for name in TOKEN_COLUMNS},
    )  # fmt: skip


def _input_tokens(rows: Any) -> Any:
    """All input of a row; an empty count adds nothing to what is known of its length."""
    return (
        rows.uncached_input_tokens
        + rows.cached_input_tokens.fill_null(0)
        + rows.cache_write_tokens.fill_null(0)
    )


def _step(
    rows: Any,
    cuts: tuple[ModelCuts, ...],
    marks: Callable[[ModelCuts], tuple[int, ...]],
    value: Any,
    *,
    above: bool,
) -> Any:
    """How many marks of a row's model its value has passed: 0 for models whose price never changes there."""
    import ibis

    branches: list[tuple[Any, Any]] = []
    for cut in cuts:
        if not marks(cut):
            continue
        passed: Any = ibis.literal(0)
        for mark in marks(cut):
            passed = passed + (value > mark if above else value >= mark).cast("int32")
        branches.append(((rows.provider == cut.provider) & rows.model.isin(cut.models), passed.cast("int32")))
    if not branches:
        return ibis.literal(0).cast("int32")
    return ibis.cases(*branches, else_=ibis.literal(0).cast("int32"))


def _with_user(rows: Any, inputs: Inputs) -> Any:
    users = inputs.table("users")
    users = users.select(
        known_user_id=users.user_id,
        user_acquired_day=users.acquired_day,
        user_cohort=users.cohort,
        user_channel=users.channel,
    )
    return rows.left_join(users, rows.user_id == users.known_user_id)


def _whole(value: Any) -> Any:
    """Sums of integers come back as 64-bit integers on every engine."""
    return value.cast("int64")


def _api_accounts(inputs: Inputs) -> Any:
    import ibis

    usage = inputs.table("usage")
    usage = usage.filter((usage["product"] == "api") & usage.account_id.notnull())
    whole = _input_tokens(usage)
    per_request = ibis.ifelse(usage.requests > 1, whole // usage.requests, whole)
    seconds = usage["at"].epoch_seconds() % 86_400
    rows = usage.mutate(
        utc_day=usage["at"].date(),
        slot=_step(usage, inputs.cuts, lambda cut: cut.cuts_seconds_utc, seconds, above=False),
        context=_step(usage, inputs.cuts, lambda cut: cut.context_thresholds, per_request, above=True),
    )
    return rows.group_by(
        "day", "utc_day", "slot", "context", "account_id", "provider", "model", "service_tier"
    ).aggregate(
        requests=_whole(rows.requests.sum()), **{name: _whole(rows[name].sum()) for name in TOKEN_COLUMNS}
    )


def _activity(inputs: Inputs) -> Any:
    activity = inputs.table("activity")
    # Two sources may both say that a user was there: a user is active once a day, with all sessions.
    per_user = activity.group_by("day", "user_id").aggregate(sessions=activity.sessions.sum())
    joined = _with_user(per_user, inputs)
    return joined.group_by(
        "day", acquired_day=joined.user_acquired_day, cohort=joined.user_cohort, channel=joined.user_channel
    ).aggregate(users=_whole(joined.count()), sessions=_whole(joined.sessions.sum()))


def _active_in_month(inputs: Inputs) -> Any:
    activity = inputs.table("activity")
    per_user = activity.select(month=activity.day.truncate("M"), user_id=activity.user_id).distinct()
    joined = _with_user(per_user, inputs)
    return joined.group_by("month", cohort=joined.user_cohort, channel=joined.user_channel).aggregate(
        users=_whole(joined.count())
    )


def _active_in_week(inputs: Inputs) -> Any:
    activity = inputs.table("activity")
    per_user = activity.select(week=activity.day.truncate("W"), user_id=activity.user_id).distinct()
    return per_user.group_by("week").aggregate(users=_whole(per_user.count()))


def _acquisitions(inputs: Inputs) -> Any:
    users = inputs.table("first_acquisitions")
    return users.group_by(
        "day", "channel", "campaign", "creator", "is_paid", "platform", "country"
    ).aggregate(users=_whole(users.count()))


def _payments(inputs: Inputs) -> Any:
    payments = inputs.table("local_payments")
    joined = _with_user(payments, inputs)
    return joined.group_by(
        "day", "kind", "plan", "currency", "first_day", "end_day",
        cohort=joined.user_cohort, channel=joined.user_channel,
    ).aggregate(
        payments=_whole(joined.count()),
        amount=joined.amount.sum(),
        fee=joined.fee.sum(),
        tax=joined.tax.sum(),
        fee_unknown=_whole(joined.fee.isnull().cast("int64").sum()),
    )  # fmt: skip


def _topups(inputs: Inputs) -> Any:
    payments = inputs.table("local_payments")
    chosen = payments.filter(payments.kind == "api_topup")
    return chosen.group_by("day", "account_id", "currency").aggregate(
        amount=chosen.amount.sum(), tax=chosen.tax.sum()
    )


def _payers(inputs: Inputs) -> Any:
    payer_months = inputs.table("payer_months")
    joined = _with_user(payer_months, inputs)
    return joined.group_by("month", cohort=joined.user_cohort, channel=joined.user_channel).aggregate(
        users=_whole(joined.count())
    )


def _payments_by_source(inputs: Inputs) -> Any:
    payments = inputs.table("payments")
    return payments.group_by("day", "source", "kind", "currency").aggregate(
        payments=_whole(payments.count()),
        amount=payments.amount.sum(),
        fee=payments.fee.sum(),
        tax=payments.tax.sum(),
    )


def _provider_reports(inputs: Inputs) -> Any:
    """What providers say themselves of a day, also where other sources stand for it in the account."""
    usage = inputs.table("usage")
    reported = usage.filter(usage.source.isin(inputs.reports))
    rows = reported.mutate(utc_day=reported["at"].date())
    return rows.group_by("day", "utc_day", "source", "provider", "model", "service_tier").aggregate(
        requests=_whole(rows.requests.sum()),
        uncounted=_whole(rows.requests.isnull().cast("int64").sum()),
        **{name: _whole(rows[name].sum()) for name in TOKEN_COLUMNS},
    )


def _ad_spend(inputs: Inputs) -> Any:
    spend = inputs.table("ad_spend")
    return spend.group_by("day", "channel", "campaign", "creator", "kind", "currency").aggregate(
        amount=spend.amount.sum(),
        impressions=_whole(spend.impressions.sum()),
        clicks=_whole(spend.clicks.sum()),
    )


ROLLUPS: Mapping[str, Rollup] = {
    rollup.name: rollup
    for rollup in (
        Rollup("usage", "usage", _usage, by_user=True, by_payer=True),
        Rollup("api_accounts", "usage", _api_accounts),
        Rollup("activity", "activity", _activity, by_user=True),
        Rollup("active_in_month", "activity", _active_in_month, grain="month", by_user=True),
        Rollup("active_in_week", "activity", _active_in_week, grain="week"),
        Rollup("acquisitions", "acquisitions", _acquisitions),
        Rollup("payments", "payments", _payments, by_user=True),
        Rollup("topups", "payments", _topups),
        Rollup("payers", "payments", _payers, grain="month", by_user=True, of_windows=True),
        Rollup("ad_spend", "ad_spend", _ad_spend),
        Rollup("payments_by_source", "payments", _payments_by_source),
        Rollup("provider_reports", "usage", _provider_reports, before_matching=True),
    )
}
"""Every rollup by name."""
