"""Retention by one named definition: shares by channel, plan or cohort, and the counts behind them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from breakeven.account.retention import ALL, By, Kind, RetentionLine, Unit, numbers_of, retention
from breakeven.money import EXACT
from breakeven.report.figures import HeatMap, verbatim
from breakeven.report.view_model import Column, Label, Table, Value, View
from breakeven.report.views.parts import envelope, shown

if TYPE_CHECKING:
    from breakeven.account.account import Account

TITLES: dict[Kind, Label] = {
    "classic": Label("Classic retention", "经典留存（当期留存）"),
    "rolling": Label("Rolling retention", "滚动留存"),
    "bracketed": Label("Bracketed retention", "区间留存"),
}
_MEANINGS: dict[Kind, Label] = {
    "classic": Label(
        "Classic: users active in that very period, over users for whom it is over and covered by data.",
        "经典留存：恰在该期活跃的用户，除以该期已结束且有数据覆盖的用户。",
    ),
    "rolling": Label(
        "Rolling: users active in that period or at any time later, as far as data reach, over users for "
        "whom the period is over and covered. It can only rise, as users come back.",
        "滚动留存：在该期或其后任何时间活跃过（以已有数据为限）的用户，"
        "除以该期已结束且有数据覆盖的用户。随着用户回访，该值只会上升。",
    ),
    "bracketed": Label(
        "Bracketed: users active at least once within the bracket, over users for whom all of it is over and "
        "covered by data. Wider brackets give higher shares.",
        "区间留存：在该区间内至少活跃一次的用户，除以整个区间已结束且有数据覆盖的用户。区间越宽，比例越高。",
    ),
}
_UNITS: dict[Unit, Label] = {
    "day": Label(
        "Days are those of the books' time zone; D0 is the day of acquisition.",
        "按账簿时区计日；D0 为获客当日。",
    ),
    "week": Label(
        "Weeks are blocks of 7 days from each user's day of acquisition; W0 begins with it.",
        "周为自每位用户获客之日起每 7 天一段；W0 从当日开始。",
    ),
    "month": Label(
        "Months are blocks of 30 days from each user's day of acquisition, not calendar months; M0 begins "
        "with it.",
        "月为自每位用户获客之日起每 30 天一段，并非自然月；M0 从当日开始。",
    ),
}
_PARTIAL = Label(
    "Partial (dashed in charts), named in the last column: the period is not over, or not covered, for some "
    "users of the line; the share tells only of the others. A rolling share is partial, too, until all have "
    "been watched for 30 days more. A dash in the table: nobody can be judged yet, which is not zero.",
    "未满期（列于最后一列，图中为虚线）：该行部分用户的该期尚未结束或缺少数据，比例只反映其余用户；"
    "滚动留存还须在期后再观察全部用户 30 天。表中的横线：尚无用户可以判断，并不是零。",
)
_AXES: dict[By | None, Label] = {
    None: Label("Users", "用户"),
    "channel": Label("Channel", "渠道"),
    "campaign": Label("Campaign", "计划"),
    "plan": Label("Plan first paid for", "首次付费套餐"),
    "platform": Label("Platform", "平台"),
    "cohort": Label("Cohort", "同期群"),
}
_EVERYBODY = Label("All users", "全部用户")
_NONE = Label("unattributed", "未归因")
_NEVER_PAID = Label("never paid, or for no named plan", "从未付费或未注明套餐")
_NO_PARTIAL = Label("none", "无")
_LETTERS: dict[Unit, str] = {"day": "D", "week": "W", "month": "M"}
_AGE = Label("Since acquisition", "获客后")


def retention_view(
    account: Account,
    kind: Kind = "classic",
    unit: Unit = "day",
    by: By | None = None,
    *,
    brackets: Sequence[tuple[int, int]] | None = None,
    only: tuple[str, ...] = (),
) -> View:
    """Retention by a definition: shares as a triangle, and the counts with what is partial, line by line.

    `only` keeps the lines of these names, where users are split; the line of all users is always there.
    """
    lines = [] if by is None else retention(account, kind, unit, by, brackets=brackets)
    lines = [line for line in lines if not only or line.name in only]
    everybody = retention(account, kind, unit, brackets=brackets)
    names = period_names(kind, unit, brackets)
    tables = (
        share_table(kind, unit, by, [*everybody, *lines], names),
        count_table(by, [*everybody, *lines], names),
    )
    facts: dict[str, Value] = {
        "definition": kind,
        "unit": unit,
        "by": by or "",
        "meaning": _MEANINGS[kind].en,
    }
    return View(
        "retention", TITLES[kind], envelope(account, needs=("acquisitions", "activity")), tables, facts=facts
    )


def period_names(
    kind: Kind, unit: Unit, brackets: Sequence[tuple[int, int]] | None = None
) -> tuple[str, ...]:
    """What the periods are called.

    >>> period_names("classic", "week")[:2], period_names("bracketed", "day")[:3]
    (('W0', 'W1'), ('D1', 'D2-3', 'D4-7'))
    """
    letter = _LETTERS[unit]
    return tuple(
        f"{letter}{first}" if first == last else f"{letter}{first}-{last}"
        for first, last in numbers_of(kind, unit, brackets=brackets)
    )


def share_table(
    kind: Kind, unit: Unit, by: By | None, lines: Sequence[RetentionLine], names: tuple[str, ...]
) -> Table:
    """The shares as a triangle; the last column names the periods of each line whose share is partial.

    Lines bear the names they have in `retention_counts`.
    """
    figure = share_map(kind, unit, by, lines, names)
    table = figure.twin()
    rows = tuple(
        {key: value for key, value in row.items() if key != "measured"}
        | {"row": _identifier(lines[i].name, by), "partial": _partial_names(i, figure.partial, names)}
        for i, row in enumerate(table.rows)
    )
    columns = tuple(column for column in table.columns if column.key not in ("row", "measured"))
    line = Column("row", _AXES[by], words=_words())
    partial = Column("partial", Label("Partial", "未满期"), words={_NO_PARTIAL.en: _NO_PARTIAL})
    return replace(table, columns=(line, *columns, partial), rows=rows)


def _partial_names(row: int, partial: Iterable[tuple[int, int]], names: tuple[str, ...]) -> str:
    """Names of a line's partial periods; neighbours as from..to."""
    runs: list[list[int]] = []
    for place in sorted(place for at, place in partial if at == row):
        if runs and runs[-1][-1] == place - 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    said = [names[run[0]] if len(run) == 1 else f"{names[run[0]]}..{names[run[-1]]}" for run in runs]
    return ", ".join(said) or _NO_PARTIAL.en


def share_map(
    kind: Kind, unit: Unit, by: By | None, lines: Sequence[RetentionLine], names: tuple[str, ...]
) -> HeatMap:
    """Shares by line and period as a figure; its table is that of the view."""
    return HeatMap(
        "retention_shares",
        TITLES[kind],
        "ratio",
        tuple(_line_label(line.name, by) for line in lines),
        tuple(verbatim(name) for name in names),
        tuple(tuple(_share(line, place) for place in range(len(names))) for line in lines),
        sizes=tuple(line.users for line in lines),
        partial=frozenset(
            (row, place)
            for row, line in enumerate(lines)
            for place in range(len(names))
            if line.partial[place] and line.exposed[place]
        ),
        note=_note(kind, unit),
        row_axis=_AXES[by],
        column_axis=_AGE,
    )


def count_table(by: By | None, lines: Sequence[RetentionLine], names: tuple[str, ...]) -> Table:
    """The counts behind the shares, one row for each line and period that somebody is exposed to."""
    rows = tuple(
        {
            "line": _identifier(line.name, by),
            "period": name,
            "exposed": line.exposed[place],
            "returned": line.returned[place],
            "share": _share(line, place),
            "state": "partial" if line.partial[place] else "complete",
        }
        for line in lines
        for place, name in enumerate(names)
        if line.exposed[place]
    )
    states = {"partial": Label("partial", "未满期"), "complete": Label("complete", "满期")}
    return Table(
        "retention_counts",
        Label("Users behind the shares", "比例背后的人数"),
        (
            Column("line", _AXES[by], words=_words()),
            Column("period", Label("Period", "期间")),
            Column("exposed", Label("Exposed", "已满期用户"), "users"),
            Column("returned", Label("Active", "活跃用户"), "users"),
            Column("share", Label("Share", "比例"), "ratio"),
            Column("state", Label("State", "状态"), words=states),
        ),
        rows,
    )


def _identifier(name: str, by: By | None) -> str:
    """What a line is called in the data of every table, whatever the language."""
    return name or _line_label("", by).en


def _words() -> dict[str, Label]:
    return {label.en: label for label in (_NONE, _NEVER_PAID)} | {ALL: _EVERYBODY}


def _line_label(name: str, by: By | None) -> Label:
    if name == ALL:
        return _EVERYBODY
    if not name:
        return _NEVER_PAID if by == "plan" else _NONE
    return verbatim(name)


def _share(line: RetentionLine, place: int) -> Decimal | None:
    share = line.share(place)
    if share is None:
        return None
    value = shown(EXACT.divide(Decimal(share.numerator), Decimal(share.denominator)), "ratio")
    return value if isinstance(value, Decimal) else None


def _note(kind: Kind, unit: Unit) -> Label:
    parts = (_MEANINGS[kind], _UNITS[unit], _PARTIAL)
    return Label(" ".join(part.en for part in parts), "".join(part.zh for part in parts))
