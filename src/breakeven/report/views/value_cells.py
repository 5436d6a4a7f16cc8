"""Cells that the views of user value share: modelled figures, how sure they are, segments and refusals."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from breakeven.account.metrics import Missing
from breakeven.growth.lifetime_value.triangle import ALL, UNATTRIBUTED
from breakeven.growth.lifetime_value.value import Value as UserValue
from breakeven.report.view_model import Column, Label, Value
from breakeven.report.views.parts import shown

TOTAL = "(total)"
MEASURED = Label("measured", "已实现")
PARTLY = Label("partly modelled", "部分为预测")
MODELLED = Label("modelled", "预测")
SEGMENTS = {
    UNATTRIBUTED: Label("unattributed", "未归因"),
    TOTAL: Label("All users", "全部用户"),
}


def figure(number: float | None, unit: str) -> Value:
    """A modelled number as shown; what is not a number has no value."""
    if number is None or not np.isfinite(number):
        return None
    return shown(Decimal(repr(round(float(number), 9))), unit)


def basis_of(value: UserValue) -> Label:
    """How the value came about, or why there is none."""
    if value.refusal is not None:
        return Label(value.refusal.en, value.refusal.zh)
    if value.is_measured:
        return MEASURED
    return PARTLY if value.measured_months else MODELLED


def basis_column(values: list[UserValue], *more: Missing) -> Column:
    """The column that says so; its words are those of these values and of `more` reasons."""
    words = {label.en: label for label in map(basis_of, values)}
    words |= {one.en: Label(one.en, one.zh) for one in more}
    return Column("basis", Label("Basis", "依据"), words=words)


def segment_name(value: UserValue) -> str:
    """The channel, or everybody."""
    return TOTAL if value.segment == ALL and not value.cohort else value.segment or TOTAL


def naming(by: str) -> list[Column]:
    """The columns that say whose row it is."""
    channel = Column("channel", Label("Channel", "渠道"), words=dict(SEGMENTS))
    cohort = Column("cohort", Label("Cohort", "同期群"), words={TOTAL: SEGMENTS[TOTAL]})
    return {"cohort": [cohort], "both": [channel, cohort]}.get(by, [channel])


def named(value: UserValue, by: str) -> dict[str, Value]:
    """The cells that say whose row it is."""
    cohort = value.cohort or TOTAL
    if by == "cohort":
        return {"cohort": cohort}
    if by == "both":
        return {"channel": segment_name(value), "cohort": value.cohort or None}
    return {"channel": segment_name(value)}
