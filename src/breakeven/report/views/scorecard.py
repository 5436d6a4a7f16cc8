"""The scorecard: how models would have foretold these books, how kept forecasts did, what is pending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from breakeven.account.account import Account
from breakeven.growth.choosing.backtest import HORIZONS, TWICE, Score
from breakeven.growth.choosing.books_contracts import choose_for_contracts
from breakeven.growth.choosing.books_retention import activity_triangles
from breakeven.growth.choosing.books_scorecard import books_scorecard
from breakeven.growth.choosing.candidates import NAIVE_NAME
from breakeven.growth.choosing.choice import Choice, choose
from breakeven.growth.choosing.scorecard import KeptScore, Scorecard
from breakeven.growth.lifetime_value.forecasts_kept import MODEL as LEDGER_RATES
from breakeven.growth.lifetime_value.triangle import ALL
from breakeven.report.view_model import Column, Label, Table, Value, View
from breakeven.report.views.parts import envelope, shown

ACTIVITY, CONTRACTS = "activity", "contracts"
SUBJECTS = {
    ACTIVITY: Label("activity", "活跃"),
    CONTRACTS: Label("subscriptions", "订阅"),
}
KINDS = {
    "retention": Label("retention", "留存"),
    "ltv": Label("LTV", "LTV"),
    "payback": Label("payback", "回本"),
}
_STANDING = {
    "chosen": Label("chosen", "已选用"),
    "compared": Label("compared", "已比较"),
    "naive": Label("naive", "朴素基准"),
    "refused": Label("refused", "未采用"),
}


def model_words(names: Sequence[str]) -> dict[str, Label]:
    """Names of models as people read them; the field's own abbreviations stay.

    >>> model_words(["alive (sBG) x active"])["alive (sBG) x active"].zh
    '存活（sBG）× 活跃'
    >>> model_words(["ledger rates, power"])["ledger rates, power"].zh
    '账面各项比率，幂函数'
    """
    said: dict[str, Label] = {}
    for name in names:
        curve = name.removeprefix(f"{LEDGER_RATES}, ")
        chinese = curve.replace(" with a share that never leaves", "，含永不离开者")
        if curve.startswith("alive (") and curve.endswith(") x active"):
            chinese = f"存活（{chinese.removeprefix('alive (').removesuffix(') x active')}）× 活跃"
        chinese = {
            "naive": "朴素基准", "power": "幂函数", "straight line": "直线",
        }.get(chinese, chinese)  # fmt: skip
        said[name] = Label(name, chinese if curve == name else f"账面各项比率，{chinese}")
    return said


def scorecard_view(account: Account) -> View:
    """Backtests of today's models, scores of every kept forecast, and those still pending."""
    account.facts  # noqa: B018
    tables = [backtest_table(choices_of(account))]
    card = books_scorecard(account)
    tables += [*kept_tables(card), pending_table(card)]
    title = Label("Scorecard", "预测记分卡")
    needs = ("acquisitions", "activity")
    facts: dict[str, Value] = {"kept": card.kept}
    return View("scorecard", title, envelope(account, needs=needs), tuple(tables), facts=facts)


def choices_of(account: Account) -> dict[str, Choice]:
    """What is chosen on the books as they stand: for activity, and for subscriptions where there are any."""
    found: dict[str, Choice] = {}
    triangle = activity_triangles(account).get(ALL)
    if triangle is not None:
        found[ACTIVITY] = choose(triangle.exposed, triangle.returned, starts=triangle.starts)
    subscriptions = choose_for_contracts(account)
    if subscriptions is not None:
        found[CONTRACTS] = subscriptions
    return found


def backtest_table(choices: Mapping[str, Choice], table_id: str = "backtest") -> Table:
    """Models by their error on what had been hidden from them: one row each, the chosen one marked."""
    rows: list[dict[str, Value]] = []
    for subject, choice in choices.items():
        names = sorted(choice.losses, key=lambda name: (name != choice.model, choice.losses[name]))
        rows += [_tested_row(subject, choice, name) for name in names]
        if choice.is_default and choice.model:
            rows.append({"subject": subject, "model": choice.model, "standing": "chosen"})
        for name, why in choice.refused.items():
            if name not in choice.losses:
                rows.append({"subject": subject, "model": name, "standing": "refused", "reason": why.en})
    horizons = [str(ahead) for ahead in HORIZONS]
    refusals = [why for choice in choices.values() for why in choice.refused.values()]
    models = [str(row["model"]) for row in rows]
    every = (
        Column("subject", Label("Forecast of", "预测对象"), words=SUBJECTS),
        Column("model", Label("Model", "模型"), words=model_words(models)),
        Column("standing", Label("Standing", "地位"), words=_STANDING),
        Column("error", Label("Mean error", "平均误差"), "ratio"),
        *(Column(f"error_{n}", Label(f"{n} mo. ahead", f"提前{n}月"), "ratio") for n in horizons),
        Column("error_twice", Label("At twice the age", "两倍月龄处"), "ratio"),
        Column("bias", Label("Bias", "偏差"), "ratio"),
        Column("coverage", Label("Within interval", "落在区间内"), "ratio"),
        Column("interval_score", Label("Interval score", "区间得分"), "ratio"),
        Column("n", Label("Cells", "单元数"), "count"),
        Column("reason", Label("Reason", "理由"), words={why.en: Label(why.en, why.zh) for why in refusals}),
    )
    used = {key for row in rows for key, value in row.items() if value is not None}
    columns = tuple(column for column in every if column.key in used) or every
    return Table(
        table_id,
        Label("Backtest: what each model would have said", "回测：各模型当时会怎么说"),
        columns,
        tuple({column.key: row.get(column.key) for column in columns} for row in rows),
        note=_why_chosen(choices),
    )


def _tested_row(subject: str, choice: Choice, model: str) -> dict[str, Value]:
    is_naive = model == NAIVE_NAME
    standing = "chosen" if model == choice.model else "naive" if is_naive else "compared"
    whole = choice.score(model)
    row: dict[str, Value] = {"subject": subject, "model": model, "standing": standing}
    row["error"] = figure(choice.losses[model], "ratio")
    for horizon in (*map(str, HORIZONS), TWICE):
        score = choice.score(model, horizon)
        row[f"error_{horizon}"] = figure(score.error if score else None, "ratio")
    return row | _spread_of(whole)


def _spread_of(whole: Score | None) -> dict[str, Value]:
    if whole is None:
        return {}
    return {
        "bias": figure(whole.bias, "ratio"),
        "coverage": figure(whole.coverage, "ratio"),
        "interval_score": figure(whole.interval_score, "ratio"),
        "n": whole.n,
    }


def _why_chosen(choices: Mapping[str, Choice]) -> Label:
    if not choices:
        return Label("No cohort has a whole month yet.", "尚无同期群有完整的一个月。")
    said = [(SUBJECTS.get(name, Label(name, name)), _model(one), one.reason) for name, one in choices.items()]
    en = [f"{subject.en}: {model.en} ({why.en})" for subject, model, why in said]
    zh = [f"{subject.zh}：{model.zh}（{why.zh}）" for subject, model, why in said]
    return Label(
        "Chosen for "
        + "; ".join(en)
        + ". Errors are mean absolute differences of shares of a cohort on months "
        "hidden from the model; above zero bias means too much was foretold; intervals promise 80 %.",
        "选用："
        + "；".join(zh)
        + "。误差为对模型隐藏的月份上，同期群占比之差的平均绝对值；偏差大于零表示预测偏高；"
        "区间承诺 80 %。",
    )


def _model(choice: Choice) -> Label:
    if not choice.model:
        return Label("none", "无")
    return model_words([choice.model])[choice.model]


def kept_tables(card: Scorecard) -> list[Table]:
    """Kept forecasts whose month has come, the naive ones' error beside: a table for each kind and unit."""
    subjects = list(dict.fromkeys((score.kind, score.unit) for score in card.scores)) or [("", "ratio")]
    tables: list[Table] = []
    for subject in subjects:
        scores = [score for score in card.scores if (score.kind, score.unit) == subject]
        scores.sort(key=lambda score: score.model == NAIVE_NAME)  # beneath the models, which keep their order
        tables.append(_kept_table(scores, card, *subject, is_last=subject == subjects[-1]))
    return tables


def _kept_table(
    scores: Sequence[KeptScore], card: Scorecard, kind: str, unit: str, *, is_last: bool
) -> Table:
    said = KINDS.get(kind, Label(kind, kind))
    gone = "; ".join(f"{n}: {why.en}" for why, n in card.unknown)
    gone_zh = "；".join(f"{n} 个：{why.zh}" for why, n in card.unknown)
    return Table(
        f"kept_{kind}_{unit}".strip("_") if kind else "kept",
        Label(f"Kept forecasts of {said.en} against what came", f"已保存的{said.zh}预测与实际")
        if kind
        else Label("Kept forecasts against what came", "已保存的预测与实际"),
        (
            Column("model", Label("Model", "模型"), words=model_words([score.model for score in scores])),
            Column("horizon", Label("Months ahead", "提前月数")),
            Column("n", Label("Forecasts", "预测数"), "count"),
            Column("error", Label("Mean error", "平均误差"), unit),
            Column("bias", Label("Bias", "偏差"), unit),
            Column("naive_error", Label("Naive's error", "朴素基准的误差"), unit),
            Column("coverage", Label("Within interval", "落在区间内"), "ratio"),
            Column("level", Label("Promised", "承诺"), "ratio"),
            Column("first", Label("Facts to, first", "最早依据日"), "day"),
            Column("last", Label("Facts to, last", "最近依据日"), "day"),
        ),
        tuple(_kept_row(card, score) for score in scores),
        note=None
        if not is_last
        else Label(
            f"{card.kept} forecasts are kept. What came is read from the books as they are now."
            + (f" Not to be scored: {gone}." if gone else ""),
            f"共保存 {card.kept} 个预测。实际值取自账簿当前的数据。"
            + (f"无法评分：{gone_zh}。" if gone_zh else ""),
        ),
    )


def _kept_row(card: Scorecard, score: KeptScore) -> dict[str, Value]:
    naive = None if score.model == NAIVE_NAME else card.beside(score, NAIVE_NAME)
    return {
        "model": score.model,
        "horizon": score.horizon,
        "n": score.n,
        "error": figure(score.error, score.unit),
        "bias": figure(score.bias, score.unit),
        "naive_error": figure(naive.error if naive else None, score.unit),
        "coverage": figure(score.coverage, "ratio"),
        "level": figure(score.level, "ratio"),
        "first": score.first.isoformat(),
        "last": score.last.isoformat(),
    }


def pending_table(card: Scorecard) -> Table:
    """Kept forecasts whose month has not come, by the month with whose end they can be scored."""
    models = [line.model for line in card.pending]
    return Table(
        "pending",
        Label("Kept forecasts still to come true or not", "尚待验证的预测"),
        (
            Column("kind", Label("Forecast of", "预测对象"), words=KINDS),
            Column("model", Label("Model", "模型"), words=model_words(models)),
            Column("month", Label("Known after", "可验证于该月结束后"), "month"),
            Column("n", Label("Forecasts", "预测数"), "count"),
        ),
        tuple(
            {"kind": line.kind, "model": line.model, "month": f"{line.month:%Y-%m}", "n": line.n}
            for line in card.pending
        ),
    )


def figure(value: float | None, unit: str) -> Value:
    """A modelled number at the precision of its unit; none stays none."""
    return None if value is None else shown(Decimal(repr(round(value, 9))), unit)
