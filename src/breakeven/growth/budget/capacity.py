"""What new users ask of serving at the peak: requests or tokens a day for each user won, by channel.

Of the users won in the last whole months (as many as the plan is long) the busiest day is taken, the same for
all channels: what they asked on it, per user won. It is measured, and holds as far as the next users use the
product as the last ones do.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute

from breakeven.account.channel_series import channel_series
from breakeven.account.metrics import Missing

if TYPE_CHECKING:
    from breakeven.account.account import Account

CapacityUnit = Literal["users", "requests", "tokens"]
_FEWEST_USERS = 30
_COUNTED: dict[str, tuple[str, ...]] = {
    "requests": ("requests",),
    "tokens": ("uncached_input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens"),
}
NO_USE = Missing("the last users won have no use that is known", "最近获得的用户没有已知的使用量")

# Arrow builds its compute functions when it is imported, so they have no static types.
pc: Any = pyarrow.compute


def peak_load(
    account: Account, unit: Literal["requests", "tokens"], months: int
) -> dict[str, float] | Missing:
    """Requests or tokens on the busiest day per user won, by channel; under "" for all channels together.

    Channels that won too few users to say so themselves are not named.
    """
    series = channel_series(account, "month")
    periods = series.periods[-months:]
    rows = account.rollups["usage"]
    if not periods or rows.num_rows == 0:
        return NO_USE
    recent = pa.array([period.first for period in periods], rows["cohort"].type)
    inside = pc.and_(pc.is_in(rows["cohort"], value_set=recent), pc.less(rows["day"], periods[-1].end))
    by_day: dict[date, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    sums = [(name, "sum") for name in _COUNTED[unit]]
    for row in rows.filter(inside).group_by(["day", "channel"]).aggregate(sums).to_pylist():
        asked = sum(float(row[f"{name}_sum"] or 0) for name, _ in sums)
        by_day[row["day"]][row["channel"] or ""] += asked
    users = {name: sum(count or 0 for count in counts[-months:]) for name, counts in series.new_users.items()}
    busiest = max(by_day.values(), key=lambda found: sum(found.values()), default=None)
    if not busiest or not sum(users.values()):
        return NO_USE
    load = {name: busiest.get(name, 0.0) / count for name, count in users.items() if count >= _FEWEST_USERS}
    load[""] = sum(busiest.values()) / sum(users.values())
    return load
