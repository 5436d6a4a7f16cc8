"""Models of subscriptions and of visits as tables: what each was fitted to, what it says, why it refuses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from breakeven.account.account import Account
from breakeven.account.metrics import Missing
from breakeven.growth.books_cells import ALL, UNATTRIBUTED
from breakeven.growth.books_curves import (
    DAYS,
    ContractCurves,
    CurvesBy,
    VisitCurve,
    contract_curves,
    visit_curves,
)
from breakeven.growth.bootstrap import ONE_COHORT
from breakeven.growth.interval import LEVEL, Interval
from breakeven.growth.maximum_likelihood import Fit
from breakeven.report.view_model import Column, Label, Table, Value, View, Warning  # noqa: A004 - the envelope's word
from breakeven.report.views.parts import envelope
from breakeven.report.views.scorecard import model_words

_SEGMENTS = {"(all)": Label("all", "全部"), UNATTRIBUTED: Label("unattributed", "未归因")}
_TERMS = {
    "week": Label("week", "周"),
    "month": Label("month", "月"),
    "quarter": Label("quarter", "季"),
    "half-year": Label("half-year", "半年"),
    "year": Label("year", "年"),
}
_CHOSEN = {"chosen": Label("chosen", "选用")}
_REACH = {
    "seen": Label("an age seen", "已观察到的期数"),
    "extrapolated": Label("beyond every age seen", "超出已观察的期数（外推）"),
}
_SEGMENT = Column("segment", Label("Segment", "分组"), words=_SEGMENTS)
_TERM = Column("term", Label("Term", "期长"), words=_TERMS)
_NO_CONTRACTS = Label("the books hold no subscription contracts", "账簿中没有订阅合同")
_NO_VISITS = Label("the books hold no visits to learn from", "账簿中没有可供学习的到访记录")


def curves_view(account: Account, *, by: CurvesBy | None = None, horizon: int = 12) -> View:
    """Every survival and visit model on all users, and on each segment of `by`; `horizon` in terms."""
    account.facts  # noqa: B018
    head = envelope(account, needs=("payments", "activity"))
    subscriptions, visits = contract_curves(account, by, horizon), visit_curves(account, by)
    warnings = list(head.warnings)
    tables: list[Table] = []
    if subscriptions:
        tables += [contract_models_table(subscriptions), still_subscribed_table(subscriptions)]
    else:
        warnings.append(Warning("no_contracts", _NO_CONTRACTS))
    if visits:
        tables.append(visit_models_table(visits))
    else:
        warnings.append(Warning("no_visits", _NO_VISITS))
    rows = [{"table": table.id, **row} for table in tables for row in table.rows]
    rows += [{"table": "parameters", **row} for row in _parameter_rows(subscriptions, visits)]
    return View(
        "growth-curves",
        Label("Who stays and who comes back, by every model", "留存与回访：每个模型的结果"),
        replace(head, warnings=tuple(warnings)),
        tuple(tables),
        tuple(rows),
        {"horizon_terms": horizon, "days": DAYS, "level": number(LEVEL, 2)},
    )


def contract_models_table(found: Sequence[ContractCurves]) -> Table:
    """Every survival model of every line: parameters and how well they describe, or the refusal."""
    said = _Reasons()
    rows: list[dict[str, Value]] = [
        {
            "segment": line.segment or "(all)",
            "term": line.term,
            "model": name,
            "choice": "chosen" if name == line.chosen else None,
            "parameters": parameters_text(one),
            "log_likelihood": None if isinstance(one, Missing) else number(one.log_likelihood, 2),
            "aic": None if isinstance(one, Missing) else number(one.aic, 2),
            "contracts": line.cells.size,
            "lost": line.lost,
            "remark": said.of(
                [one] if isinstance(one, Missing) else [*one.notes, *_why(line, name)],
            ),
        }
        for line in found
        for name, one in line.fits.items()
    ]
    return Table(
        "contract_models",
        Label("Subscriptions: every survival model", "订阅：各存续模型"),
        (
            _SEGMENT,
            _TERM,
            Column("model", Label("Model", "模型"), words=model_words([*found[0].fits])),
            Column("choice", Label("Choice", "选择"), words=_CHOSEN),
            Column("parameters", Label("Parameters ± standard error", "参数 ± 标准误")),
            Column("log_likelihood", Label("Log-likelihood", "对数似然"), "count"),
            Column("aic", Label("AIC", "AIC"), "count"),
            Column("contracts", Label("Contracts", "合同数"), "count"),
            Column("lost", Label("Lost", "流失"), "count"),
            Column("remark", Label("Remark", "说明"), words=said.words),
        ),
        tuple(rows),
        note=Label(
            "Ages count terms paid for. A model that refuses has no numbers: the remark says why. "
            "The straight line is fitted by least squares, not by likelihood.",
            "期数按已付费的订阅期计。拒绝作答的模型没有数字，原因见说明。直线按最小二乘拟合，而非最大似然。",
        ),
    )


def _why(line: ContractCurves, name: str) -> list[Missing]:
    """Why the chosen model was, and what its draws could not settle."""
    if name != line.chosen:
        return []
    return [line.reason, *([] if isinstance(line.modelled, Missing) else line.modelled.notes)]


def still_subscribed_table(found: Sequence[ContractCurves]) -> Table:
    """By age: the share measured, the chosen model's with its bounds, and the straight line's."""
    said = _Reasons()
    return Table(
        "still_subscribed",
        Label(
            f"Share still subscribed, with {LEVEL:.0%} intervals",
            f"仍在订阅的比例及 {LEVEL:.0%} 区间",
        ),
        (
            _SEGMENT,
            _TERM,
            Column("age", Label("Age in terms", "期数"), "count"),
            Column("at_risk", Label("Contracts at risk", "在险合同数"), "count"),
            Column("measured", Label("Measured", "实际"), "ratio"),
            Column("model", Label("Model", "模型"), words=model_words([*found[0].fits])),
            Column("modelled", Label("Modelled", "模型值"), "ratio"),
            Column("low", Label("low", "下限"), "ratio"),
            Column("high", Label("high", "上限"), "ratio"),
            Column("next_low", Label("next cohort, low", "下一同期群下限"), "ratio"),
            Column("next_high", Label("next cohort, high", "下一同期群上限"), "ratio"),
            Column("straight_line", Label("Straight line", "直线"), "ratio"),
            Column("reach", Label("Age", "所在期"), words=_REACH),
            Column("remark", Label("Remark", "说明"), words=said.words),
        ),
        tuple(row for line in found for row in _ages(line, said)),
        note=Label(
            "Measured: product-limit estimate of contracts at risk. Modelled: the average cohort; its bounds "
            "know the parameters' error and that cohorts differ by more than chance. The next cohort may lie "
            "far off, so its bounds are wider.",
            "实际：按在险合同的乘积限估计。模型值：平均同期群，区间已计入参数误差以及同期群之间超出偶然的差异。"
            "下一同期群可能偏离较远，区间更宽。",
        ),
    )


def _ages(line: ContractCurves, said: _Reasons) -> Iterator[dict[str, Value]]:
    modelled = line.modelled
    average = fresh = None
    remark: list[Missing] = []
    if isinstance(modelled, Missing):
        remark.append(modelled)
    else:
        average, next_one = modelled.average_survival(), modelled.new_cohort_survival()
        if isinstance(next_one, Missing):
            remark.append(next_one)
        else:
            fresh = next_one
    for i, age in enumerate(line.ages):
        low, high = _bounds(average[i] if average else None)
        next_low, next_high = _bounds(fresh[i] if fresh else None)
        yield {
            "segment": line.segment or "(all)",
            "term": line.term,
            "age": age,
            "at_risk": int(line.at_risk[i]),
            "measured": number(float(line.measured[i]), 6),
            "model": line.chosen or None,
            "modelled": number(average[i].value, 6) if average else None,
            "low": low,
            "high": high,
            "next_low": next_low,
            "next_high": next_high,
            "straight_line": None
            if isinstance(line.straight_line, Missing)
            else number(float(line.straight_line[i]), 6),
            "reach": "seen" if line.at_risk[i] > 0 else "extrapolated",
            "remark": said.of(remark),
        }


def visit_models_table(found: Sequence[VisitCurve]) -> Table:
    """Every model of visits of every segment: parameters, who is still a user, and days to come."""
    said = _Reasons()
    rows: list[dict[str, Value]] = []
    for line in found:
        fit = line.fit
        refused = isinstance(fit, Missing)
        is_alone = not refused and line.cohorts < 2
        low, high = _bounds(None if is_alone else line.per_user, 4)
        new_low, new_high = _bounds(None if is_alone else line.per_new_user, 4)
        rows.append(
            {
                "segment": line.segment or "(all)",
                "model": line.model,
                "parameters": parameters_text(fit),
                "log_likelihood": None if refused else number(fit.log_likelihood, 2),
                "users": line.users,
                "alive": number(line.alive, 6),
                "alive_share": number(line.alive_share, 6),
                "active_days": number(line.per_user.value if line.per_user else None, 4),
                "low": low,
                "high": high,
                "active_days_new": number(line.per_new_user.value if line.per_new_user else None, 4),
                "new_low": new_low,
                "new_high": new_high,
                "remark": said.of([fit] if refused else [*fit.notes, *([ONE_COHORT] if is_alone else [])]),
            }
        )
    return Table(
        "visit_models",
        Label(
            f"Visits: every model, and the next {DAYS} days with {LEVEL:.0%} intervals",
            f"到访：各模型及今后 {DAYS} 天的预测与 {LEVEL:.0%} 区间",
        ),
        (
            _SEGMENT,
            Column("model", Label("Model", "模型")),
            Column("parameters", Label("Parameters ± standard error", "参数 ± 标准误")),
            Column("log_likelihood", Label("Log-likelihood", "对数似然"), "count"),
            Column("users", Label("Users", "人数"), "users"),
            Column("alive", Label("Middle user still there", "中位用户仍在的概率"), "ratio"),
            Column("alive_share", Label("Users still there", "仍在用户的比例"), "ratio"),
            Column("active_days", Label("Active days each", "人均活跃天数"), "days/user"),
            Column("low", Label("low", "下限"), "days/user"),
            Column("high", Label("high", "上限"), "days/user"),
            Column("active_days_new", Label("New user", "新用户"), "days/user"),
            Column("new_low", Label("low", "下限"), "days/user"),
            Column("new_high", Label("high", "上限"), "days/user"),
            Column("remark", Label("Remark", "说明"), words=said.words),
        ),
        tuple(rows),
        note=Label(
            f"A visit is a day with activity; all is modelled. Active days are those of the next {DAYS} days "
            "(of today's users on average, and of a new user after the first day, not counted). "
            "Bounds know that cohorts differ by more than chance. BG/BB counts days with or without one, "
            "the others moments: their log-likelihoods cannot be compared with its.",
            f"一次到访即一个活跃日；均为模型值。活跃天数指今后 {DAYS} 天内：现有用户的平均，"
            "以及新用户自首日之后（不含首日）。区间已计入同期群之间超出偶然的差异。"
            "BG/BB 按天计有无到访，其他模型按时刻计：对数似然不可与之相比。",
        ),
    )


def _parameter_rows(
    subscriptions: Sequence[ContractCurves], visits: Sequence[VisitCurve]
) -> Iterator[dict[str, Value]]:
    """One row a parameter, for machines: the tables have them as text."""
    fits: list[tuple[str, str | None, str, Fit | Missing]] = [
        (line.segment, line.term, name, one) for line in subscriptions for name, one in line.fits.items()
    ]
    fits += [(line.segment, None, line.model, line.fit) for line in visits]
    for segment, term, model, one in fits:
        if isinstance(one, Missing):
            continue
        errors = one.standard_errors
        for name, value in one.parameters.items():
            yield {
                "segment": segment if segment != ALL else "(all)",
                "term": term,
                "model": model,
                "parameter": name,
                "value": number(value, 9),
                "standard_error": number(errors[name], 9),
            }


def parameters_text(fit: Fit | Missing) -> str | None:
    """Parameters with standard errors as people read them; nothing where the model refuses.

    >>> import numpy as np
    >>> scales = {"alpha": "positive", "beta": "positive"}
    >>> parameters_text(Fit("sBG", scales, np.array([0.704, 1.182]), -1.0, np.eye(2) / 100, 9))
    'alpha 0.704 ± 0.07, beta 1.182 ± 0.12'
    """
    if isinstance(fit, Missing):
        return None
    errors = fit.standard_errors
    return ", ".join(f"{name} {value:.4g} ± {errors[name]:.2g}" for name, value in fit.parameters.items())


def number(value: float | None, places: int) -> Decimal | None:
    """A modelled number with so many decimals; what is none, or not finite, stays none.

    >>> number(0.123456789, 4), number(float("nan"), 4), number(None, 4)
    (Decimal('0.1235'), None, None)
    """
    return None if value is None or not math.isfinite(value) else Decimal(f"{value:.{places}f}")


def _bounds(interval: Interval | None, places: int = 6) -> tuple[Value, Value]:
    if interval is None:
        return None, None
    return number(interval.low, places), number(interval.high, places)


class _Reasons:
    """Reasons as cells of a column: English is what identifies them, `words` has them in both languages."""

    def __init__(self) -> None:
        self.words: dict[str, Label] = {}

    def of(self, reasons: Iterable[Missing]) -> str | None:
        """The cell of some reasons; none without."""
        found = list(reasons)
        if not found:
            return None
        en, zh = "; ".join(one.en for one in found), "；".join(one.zh for one in found)
        self.words[en] = Label(en, zh)
        return en
