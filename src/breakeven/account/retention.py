"""Retention by its three definitions, and the cohort triangle, from who was active when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute

from breakeven.account.retained import Span, active_in_spans
from breakeven.account.visit_cells import visit_cells
from breakeven.periods import Period, month_of, months_apart

if TYPE_CHECKING:
    from breakeven.account.account import Account

# Arrow builds its compute functions when it is imported, so they have no static types.
pc: Any = pyarrow.compute

Kind = Literal["classic", "rolling", "bracketed"]
Unit = Literal["day", "week", "month"]
By = Literal["channel", "campaign", "plan", "platform", "cohort"]

DAYS_OF: Mapping[Unit, int] = {"day": 1, "week": 7, "month": 30}
"""Weeks and months since acquisition are blocks of 7 and of 30 days from each user's own day: everybody then
has as many days in a period. Calendar months are those of the cohort triangle."""

PERIODS: Mapping[Unit, tuple[int, ...]] = {
    "day": (0, 1, 2, 3, 7, 14, 30, 60, 90),
    "week": tuple(range(13)),
    "month": tuple(range(13)),
}
"""The periods shown unless somebody asks for others. Period 0 begins on the day of acquisition."""

BRACKETS: Mapping[Unit, tuple[tuple[int, int], ...]] = {
    "day": ((1, 1), (2, 3), (4, 7), (8, 14), (15, 30), (31, 60), (61, 90)),
    "week": ((0, 0), (1, 1), (2, 3), (4, 7), (8, 12)),
    "month": ((0, 0), (1, 1), (2, 3), (4, 6), (7, 12)),
}
"""The brackets of days, weeks or months since acquisition that are shown unless somebody asks for others."""

SETTLING_DAYS = 30
"""A rolling share rises with everyone who comes back later: it counts as partial until all users of the line
have been watched for this long after the period."""

ALL = "(all)"


@dataclass(frozen=True)
class RetentionLine:
    """Users of one channel, plan, cohort ..., and how many were there in each period.

    `name` is `""` for users whose dimension is empty, and `(all)` for all users. `exposed` are the users
    whose period is over and covered by activity data; `returned` those of them who were there, None where
    nobody is exposed: absent is not zero. `partial` marks periods that are not over, or not covered, for all
    `users` of the line, and rolling shares that may still rise.

    >>> line = RetentionLine("search", (4, 2, 0), (3, 1, None), (False, True, True), 4)
    >>> line.share(1), line.share(2)
    (Fraction(1, 2), None)
    """

    name: str
    exposed: tuple[int, ...]
    returned: tuple[int | None, ...]
    partial: tuple[bool, ...]
    users: int = 0

    def share(self, period: int) -> Fraction | None:
        """Returned over exposed users of a period (by its place), if anybody is exposed."""
        returned = self.returned[period]
        return None if returned is None else Fraction(returned, self.exposed[period])


def retention(
    account: Account,
    kind: Kind = "classic",
    unit: Unit = "day",
    by: By | None = None,
    *,
    periods: Sequence[int] | None = None,
    brackets: Sequence[tuple[int, int]] | None = None,
) -> list[RetentionLine]:
    """Retention of the users acquired in the account's period, by one of its three definitions.

    - `classic`: active in period N itself, on any of its days;
    - `rolling`: active in period N or at any time later, as far as data reach;
    - `bracketed`: active at least once from the first to the last period of a bracket (both included).

    Days are those of the books' time zone; a period N of `unit` days since acquisition holds the days from
    N x (1, 7 or 30) on, so day 0 is the day of acquisition. One line for all users, or one for each value of
    `by`; a `plan` is that of the first subscription payment, known only later. Users whose acquisition nobody
    recorded have no day 0 and are left out. Raises `ValueError` for periods or brackets that are negative,
    overlap or are out of order.
    """
    spans = spans_of(unit, numbers_of(kind, unit, periods=periods, brackets=brackets))
    users = _users_by_day(account, by)
    returned = _returned(account, kind, spans, by)
    names = sorted({name for _, name in users}, key=str)
    lines = [_line(account, kind, spans, name, users, returned) for name in names]
    if by == "cohort":
        return lines
    return sorted(lines, key=lambda line: (-line.users, line.name))


def numbers_of(
    kind: Kind,
    unit: Unit,
    *,
    periods: Sequence[int] | None = None,
    brackets: Sequence[tuple[int, int]] | None = None,
) -> tuple[tuple[int, int], ...]:
    """First and last period of each place of a line: what was asked for, or what is shown otherwise.

    >>> numbers_of("rolling", "day", periods=(1, 7)), numbers_of("bracketed", "day")[:3]
    (((1, 1), (7, 7)), ((1, 1), (2, 3), (4, 7)))
    """
    if kind == "bracketed":
        return tuple(brackets or BRACKETS[unit])
    return tuple((number, number) for number in periods or PERIODS[unit])


def spans_of(unit: Unit, numbers: Sequence[tuple[int, int]]) -> tuple[Span, ...]:
    """Periods or brackets as days after acquisition. Raises `ValueError` as `retention` does.

    >>> spans_of("week", [(0, 0), (1, 2)])
    (Span(first=0, last=6), Span(first=7, last=20))
    """
    size = DAYS_OF[unit]
    spans = tuple(Span(first * size, (last + 1) * size - 1) for first, last in numbers)
    ends = [-1, *(span.last for span in spans)]
    if any(span.first <= end or span.last < span.first for end, span in zip(ends, spans, strict=False)):
        raise ValueError(f"periods must be from 0 up, in order, and share no day: {numbers}")
    return spans


def _line(
    account: Account,
    kind: Kind,
    spans: Sequence[Span],
    name: str,
    users: Mapping[tuple[date, str], int],
    returned: Mapping[tuple[date, str, int], int],
) -> RetentionLine:
    days = {day: count for (day, one), count in users.items() if one == name}
    exposed, came, partial = [0] * len(spans), [0] * len(spans), [False] * len(spans)
    for place, span in enumerate(spans):
        for day, count in days.items():
            if is_exposed(account, day, span):
                exposed[place] += count
                came[place] += returned.get((day, name, place), 0)
                # Later days of whom we have watched only shortly may still bring them back.
                rest = Span(span.last + 1, span.last + SETTLING_DAYS)
                partial[place] |= kind == "rolling" and not is_exposed(account, day, rest)
            else:
                partial[place] = True
    shown = tuple(back if there else None for back, there in zip(came, exposed, strict=True))
    return RetentionLine(name, tuple(exposed), shown, tuple(partial), sum(days.values()))


def is_exposed(account: Account, acquired_day: date, span: Span) -> bool:
    """Whether activity data cover a span of users acquired on a day: else whether they came is not known."""
    first = acquired_day + timedelta(days=span.first)
    return account.coverage.full("activity", Period(first, first + timedelta(days=span.day_count)))


def _users_by_day(account: Account, by: By | None) -> dict[tuple[date, str], int]:
    """Users acquired in the account's period by day and line."""
    users: dict[tuple[date, str], int] = {}
    for row in _acquired(account, by):
        day: date = row["day"]
        if day in account.buckets.span:
            key = (day, _name(by, day, row.get("value")))
            users[key] = users.get(key, 0) + row["users"]
    return users


def _acquired(account: Account, by: By | None) -> list[dict[str, Any]]:
    if by == "plan":
        cells = visit_cells(account, "is_acquired", "plan")
        rows = cells.filter(cells["is_acquired"]).rename_columns({"first_day": "day", "plan": "value"})
    else:
        rows = account.rollups["acquisitions"]
        if rows.num_rows == 0:
            return []
        rows = rows.select(["day", "users"] + ([by] if by not in (None, "cohort") else []))
        rows = rows.rename_columns([{by: "value"}.get(name, name) for name in rows.column_names])
    keys = [name for name in ("day", "value") if name in rows.column_names]
    grouped = rows.group_by(keys).aggregate([("users", "sum")])
    return grouped.rename_columns([*keys, "users"]).to_pylist()


def _returned(
    account: Account, kind: Kind, spans: Sequence[Span], by: By | None
) -> dict[tuple[date, str, int], int]:
    """Users who were there, by day of acquisition, line and place of the period."""
    column = None if by == "cohort" else by
    found: dict[tuple[date, str, int], int] = {}

    def add(day: date, value: str | None, place: int, users: int) -> None:
        key = (day, _name(by, day, value), place)
        found[key] = found.get(key, 0) + users

    if kind == "rolling":
        dimensions = ["is_active_at_once", *([column] if column else [])]
        cells = visit_cells(account, "is_acquired", *dimensions)
        cells = cells.filter(cells["is_acquired"])
        ages = pc.days_between(cells["first_day"], cells["last_day"])
        # Without a later day, the last is the day of acquisition, on which not everybody was active.
        ages = pc.if_else(pc.or_(cells["is_active_at_once"], pc.greater(ages, 0)), ages, -1)
        keys = ["first_day", "last_age", *([column] if column else [])]
        grouped = cells.append_column("last_age", ages).group_by(keys).aggregate([("users", "sum")])
        for row in grouped.to_pylist():
            for place, span in enumerate(spans):
                if row["last_age"] >= span.first:
                    add(row["first_day"], row.get(column or ""), place, row["users_sum"])
    elif column in (None, "channel") and all(span.day_count == 1 for span in spans):
        places = {span.first: place for place, span in enumerate(spans)}
        for row in active_by_age(account, list(places), column):
            add(row["acquired_day"], row.get(column or ""), places[row["age"]], row["users"])
    else:
        for row in active_in_spans(account, spans, column):
            add(row.acquired_day, row.value, row.span, row.users)
    return found


def _name(by: By | None, day: date, value: str | None) -> str:
    if by is None:
        return ALL
    return f"{day:%Y-%m}" if by == "cohort" else value or ""


def day_retention(account: Account, days: int) -> tuple[list[int], list[int]]:
    """Classic day-N retention by bucket of acquisition: (users with a covered day N, of these active on it).

    A user acquired on day D counts as exposed only when D+N is covered: a day without data is not churn. The
    same counts, over all buckets, are those of `retention` by the classic definition.
    """
    size = len(account.buckets.periods)
    exposed, returned = [0] * size, [0] * size
    users = {
        day: count
        for day, count in new_users_by_day(account).items()
        if is_exposed(account, day, Span(days, days))
    }
    for day, count in users.items():
        bucket = account.buckets.of(day)
        if bucket is not None:
            exposed[bucket] += count
    for row in active_by_age(account, [days]):
        bucket = account.buckets.of(row["acquired_day"])
        if bucket is not None and row["acquired_day"] in users:
            returned[bucket] += row["users"]
    return exposed, returned


def active_by_age(account: Account, ages: Sequence[int], by: str | None = None) -> list[dict[str, Any]]:
    """Users active at some ages: `acquired_day`, `age` in days, `users`, and `channel` where asked for."""
    rows = account.rollups["activity"]
    if rows.num_rows == 0:
        return []
    rows = rows.append_column("age", pc.days_between(rows["acquired_day"], rows["day"]))
    rows = rows.filter(pc.is_in(rows["age"], value_set=pa.array(list(ages), pa.int64())))
    keys = ["acquired_day", "age", *([by] if by else [])]
    grouped = rows.group_by(keys).aggregate([("users", "sum")])
    return grouped.rename_columns([*keys, "users"]).to_pylist()


def new_users_by_day(account: Account) -> Mapping[date, int]:
    """Users acquired on each day."""
    rows = account.rollups["acquisitions"]
    if rows.num_rows == 0:
        return {}
    grouped = rows.group_by(["day"]).aggregate([("users", "sum")]).to_pylist()
    return {row["day"]: row["users_sum"] for row in grouped}


@dataclass(frozen=True)
class CohortKey:
    """A cohort: users acquired in a month, of one channel, or of all (None)."""

    month: date
    channel: str | None = None


def active_triangle(account: Account, *, by_channel: bool = False) -> dict[CohortKey, dict[int, int]]:
    """Distinct active users by cohort and age in months. Age 0 is the month of acquisition."""
    triangle: dict[CohortKey, dict[int, int]] = {}
    rows = account.rollups["active_in_month"]
    if rows.num_rows == 0:
        return triangle
    for row in rows.to_pylist():
        if row["cohort"] is None or row["month"] not in account.buckets.span:
            continue
        key = CohortKey(row["cohort"], row["channel"] if by_channel else None)
        ages = triangle.setdefault(key, {})
        age = months_apart(row["cohort"], row["month"])
        ages[age] = ages.get(age, 0) + row["users"]
    return triangle


def cohort_sizes(account: Account, *, by_channel: bool = False) -> dict[CohortKey, int]:
    """Users of each cohort."""
    sizes: dict[CohortKey, int] = {}
    rows = account.rollups["acquisitions"]
    if rows.num_rows == 0:
        return sizes
    for row in rows.group_by(["day", "channel"]).aggregate([("users", "sum")]).to_pylist():
        key = CohortKey(month_of(row["day"]), row["channel"] if by_channel else None)
        sizes[key] = sizes.get(key, 0) + row["users_sum"]
    return dict(sorted(sizes.items(), key=lambda item: (item[0].month, item[0].channel or "")))
