"""The books as cells for models: visits of users, and contracts of subscribers, by line or all together."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute

from breakeven.account.contracts import contracts
from breakeven.account.visit_cells import visit_cells
from breakeven.growth.cells import CONTRACT_COLUMNS, VISIT_COLUMNS, Cells
from breakeven.periods import ONE_DAY, Period

if TYPE_CHECKING:
    from breakeven.account.account import Account

pc: Any = pyarrow.compute
"""Arrow builds its compute functions when it is imported, so they have no static types."""

VisitsBy = Literal["channel", "campaign", "platform", "country", "plan"]
ContractsBy = Literal["channel", "campaign", "platform", "plan", "term"]

ALL = ""
"""The key of all users together where nothing splits them."""
UNATTRIBUTED = "(unattributed)"
"""The key of users whose value of the dimension is empty."""


def visits_of(account: Account, by: VisitsBy | None = None, until: date | None = None) -> dict[str, Cells]:
    """Visits in days as `VISIT_COLUMNS` ask for: repeat days, day of the last, days watched since the first.

    Users are watched through the last unbroken run of covered activity days (`watched`), at the latest until
    `until`. Only whom we saw from the beginning counts: users whose first day lies in that run and before its
    last day, and, where acquisitions are recorded, whose acquisition is. `until` takes only facts up to and
    with that day, for backtests: of them the cells are counted anew, since today's cells no longer know which
    visit was a user's last one back then.

    Keys are the values of `by`, `(unattributed)` for none, or `""` for all users.
    """
    period = watched(account, "activity", until)
    if period is None:
        return {}
    dimensions = ["is_acquired", *([by] if by else [])]
    cells = visit_cells(account, *dimensions, until=until)
    if account.coverage.any("acquisitions", period):
        cells = cells.filter(cells["is_acquired"])
    last = pa.scalar(period.end - ONE_DAY, pa.date32())
    inside = pc.and_(
        pc.greater_equal(cells["first_day"], pa.scalar(period.first, pa.date32())),
        pc.less(cells["first_day"], last),
    )
    cells = cells.filter(inside)
    rows = np.column_stack(
        [
            _numbers(cells["repeats"]),
            _numbers(pc.days_between(cells["first_day"], cells["last_day"])),
            _numbers(pc.days_between(cells["first_day"], last)),
        ]
    )
    return _by_line(VISIT_COLUMNS, rows, cells["users"], cells, by)


def contracts_of(
    account: Account, by: ContractsBy | None = None, until: date | None = None, term: str | None = "month"
) -> dict[str, Cells]:
    """Subscription contracts in their own terms as `CONTRACT_COLUMNS` ask for, lost or still watched.

    Contracts of one `term` only (a month is not a year), of all when None. `until` takes only payments up to
    and with that day, for backtests. Contracts in their first term, which say nothing yet, are cells too
    (lifetime 0, not lost). Keys as in `visits_of`.
    """
    dimensions = [by] if by in ("channel", "campaign", "platform") else []
    rows = contracts(account, *dimensions, until=until)
    if term is not None and rows.num_rows:
        rows = rows.filter(pc.equal(rows["term"], term))
    table = np.column_stack([_numbers(rows["lifetime"]), _numbers(rows["is_lost"])])
    return _by_line(CONTRACT_COLUMNS, table, rows["contracts"], rows, by)


def watched(account: Account, table: str, until: date | None = None) -> Period | None:
    """The last unbroken run of days that a table covers, at the latest until a day; None without any."""
    periods = account.coverage.periods.get(table, ())
    if until is not None:
        edge = until + timedelta(days=1)
        periods = tuple(Period(one.first, min(one.end, edge)) for one in periods if one.first < edge)
    return periods[-1] if periods else None


def _by_line(
    columns: tuple[str, ...], rows: Any, counts: Any, table: pa.Table, by: str | None
) -> dict[str, Cells]:
    weights = _numbers(counts)
    if by is None:
        return {ALL: Cells.group(columns, rows, weights)} if len(rows) else {}
    names = np.array([name or UNATTRIBUTED for name in table[by].to_pylist()], dtype=object)
    return {
        name: Cells.group(columns, rows[names == name], weights[names == name])
        for name in sorted(set(names.tolist()))
    }


def _numbers(column: Any) -> Any:
    return np.asarray(column.cast(pa.int64()).to_pylist(), dtype=np.int64)
