"""What visits must be for a model to learn from them, and when a model should be doubted although it fits."""

from __future__ import annotations

import numpy as np

from breakeven.account.metrics import Missing
from breakeven.growth.cells import VISIT_COLUMNS, Cells
from breakeven.growth.maximum_likelihood import NO_CUSTOMERS

NOT_WATCHED = Missing(
    "nobody has been watched for a whole period after the first visit",
    "没有任何客户在首次到访之后被观察满一个时间单位",
)
NOBODY_RETURNED = Missing(
    "nobody came back, so nothing is known about how often they come",
    "没有任何客户再次到访，无从得知到访频率",
)
TOO_FEW = Missing(
    "there are fewer customers than the model has parameters",
    "客户数少于模型的参数个数",
)
NEARLY_EVERY_PERIOD = Missing(
    "many customers come nearly every period, and a period holds one visit at most: "
    "BG/BB counts such periods; this model takes visits to fall at any moment",
    "许多客户几乎每个时间单位都到访，而一个时间单位至多记一次："
    "应改用按时间单位计数的 BG/BB；本模型假定到访可在任意时刻发生",
)

_DENSE = 0.5
"""A customer who comes in more than this share of the periods up to the last visit comes nearly always."""
_MANY = 0.05


def check_visits(cells: Cells, columns: tuple[str, ...] = VISIT_COLUMNS) -> None:
    """Raises `ValueError` where cells are no visits: they were built wrongly."""
    if cells.columns != columns:
        raise ValueError(f"visits have the columns {columns}, not {cells.columns}")
    repeats, recency, age = cells.rows.T
    if (cells.rows < 0).any() or (recency > age).any():
        raise ValueError("a last visit lies between the first visit and the end of watching")
    if (recency[repeats == 0] != 0).any():
        raise ValueError("without a repeat visit the last one is the first: recency is zero")


def refuse_visits(cells: Cells, parameters: int) -> Missing | None:
    """Why no model of visits can be learnt from these customers, if so.

    >>> refuse_visits(Cells.group(VISIT_COLUMNS, [(0, 0, 30)] * 9), 4).en
    'nobody came back, so nothing is known about how often they come'
    """
    if cells.size == 0:
        return NO_CUSTOMERS
    held = cells.where(cells.counts > 0)
    if not held.rows[:, 2].any():
        return NOT_WATCHED
    if not held.rows[:, 0].any():
        return NOBODY_RETURNED
    return TOO_FEW if held.size < parameters else None


def doubt_visits(cells: Cells) -> tuple[Missing, ...]:
    """Notes on a model in which visits fall at any moment: whether these come in a rhythm instead.

    >>> daily, now_and_then = (29, 30, 30), (2, 20, 30)
    >>> [len(doubt_visits(Cells.group(VISIT_COLUMNS, [one]))) for one in (daily, now_and_then)]
    [1, 0]
    """
    repeats, recency = cells["repeats"], cells["recency"]
    dense = (repeats > 2) & (repeats > _DENSE * recency)
    share = float(np.sum(cells.counts[dense])) / max(1, cells.size)
    return (NEARLY_EVERY_PERIOD,) if share > _MANY else ()
