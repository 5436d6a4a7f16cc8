"""Class costs as they are recorded in the books, and what they change of own models and idle time."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from breakeven.account.account import Account
from breakeven.account.facts import whole
from breakeven.account.margin import IDLE, cost_by
from breakeven.ledger.class_costs import CLASSES, ClassCostEntry, ClassCosts
from breakeven.money import EXACT
from breakeven.report.view_model import Column, Label, Table, Value, View, Warning  # noqa: A004 - the envelope's word
from breakeven.report.views.cost import CLASS_LABELS
from breakeven.report.views.fleet_work import fleet_table
from breakeven.report.views.parts import envelope, shown

_MTOK = 1_000_000
_TITLE = Label("Class costs in the books", "账簿中的分类成本")
_SOURCES = {
    "modelled": Label("modelled", "模型推算"),
    "measured": Label("measured", "实测"),
    "declared": Label("declared", "声明"),
    "withdrawn": Label("withdrawn", "已撤回"),
}
OUTCOMES = {
    "recorded": Label("recorded", "已登记"),
    "known": Label("was recorded already; nothing was written", "此前已登记，未写入"),
    "dry_run": Label("not recorded (--dry-run)", "未登记（--dry-run）"),
}


def with_entry(account: Account, entry: ClassCostEntry) -> Account:
    """The same account as it will be with a further entry."""
    return replace(account, class_costs=ClassCosts([*account.class_costs.entries, entry]))


def serving_record_view(
    before: Account, after: Account, entry: ClassCostEntry, outcome: str,
    former: ClassCostEntry | None = None, other_gpus: tuple[str, ...] = (),
) -> View:  # fmt: skip
    """What an entry says, what it changes over the account's months, and how the model meets the bill.

    `former` is the entry that held until then, `other_gpus` what capacity has instead of its GPU.
    """
    before.facts  # noqa: B018
    after.facts  # noqa: B018
    said = OUTCOMES[outcome]
    from_day = entry.valid_from.isoformat()
    whom = f"{entry.provider}/{entry.model}"
    head = envelope(after, needs=("usage", "capacity"))
    first = Warning(
        outcome,
        Label(f"{whom}, from {from_day}: {said.en}", f"{whom}，自 {from_day} 起：{said.zh}"),
    )
    remarks = _remarks(after, entry, former, other_gpus)
    tables = [effect_table(before, after)]
    if not entry.is_withdrawn:
        tables.insert(0, entry_table(after, entry))
    fleet = fleet_table(after)
    if fleet is not None:
        tables.append(fleet)
    return View(
        "serving_record", _TITLE, replace(head, warnings=(first, *remarks, *head.warnings)), tuple(tables)
    )


def _remarks(
    account: Account, entry: ClassCostEntry, former: ClassCostEntry | None, other_gpus: tuple[str, ...]
) -> list[Warning]:
    """What somebody who records this may not have meant."""
    found: list[Warning] = []
    if other_gpus:
        names, where = ", ".join(other_gpus), entry.pool
        found.append(
            Warning(
                "other_gpu",
                Label(
                    f"the seconds are of {entry.gpu}, but capacity has {names}"
                    f"{f' in pool {where}' if where else ''}: check --gpu",
                    f"GPU 秒按 {entry.gpu} 计，而算力记录中{f'资源池 {where} ' if where else ''}为 "
                    f"{names.replace(', ', '、')}：请检查 --gpu",
                ),
            )
        )
    if former is not None and former.pool and not entry.pool and not entry.is_withdrawn:
        found.append(
            Warning(
                "pool_dropped",
                Label(
                    f"the entry that held until now named pool {former.pool}, this one names none: any pool "
                    f"may serve it now; to keep it, give --pool {former.pool}",
                    f"此前的条目指定资源池 {former.pool}，新条目未指定：此后可由任一资源池提供服务；"
                    f"如需保留，请给出 --pool {former.pool}",
                ),
            )
        )
    if entry.valid_from >= account.buckets.span.end:
        last = account.buckets.periods[-1].label
        found.append(
            Warning(
                "holds_later",
                Label(
                    f"it holds from {entry.valid_from} on, after the last month shown ({last}): no figure "
                    "here changes",
                    f"自 {entry.valid_from} 起生效，晚于所示最后期间（{last}）：此处数字均无变化",
                ),
            )
        )
    return found


_MODELLED = re.compile(
    r"(\S+), (\S+), (.+?); ([\d.]+) in \((\S+) cached\), ([\d.]+) out; TTFT (\S+) s, TPOT (\S+) s(?:; |$)"
)


def _note_in_chinese(note: str) -> str:
    """The note of a modelled entry in Chinese; what somebody wrote stays as written.

    >>> _note_in_chinese("qwen3-32b, fp8, TP2; 900 in (79% cached), 230 out; TTFT 2 s, TPOT 0.05 s; week 9")
    'qwen3-32b，fp8，TP2；输入 900（命中缓存 79%），输出 230；TTFT 2 秒，TPOT 0.05 秒；week 9'
    """
    said = _MODELLED.match(note)
    if said is None:
        return note
    model, precision, layout, inputs, cached, outputs, ttft, tpot = said.groups()
    parts = (
        f"{model}，{precision}，{layout}", f"输入 {inputs}（命中缓存 {cached}），输出 {outputs}",
        f"TTFT {ttft} 秒，TPOT {tpot} 秒", note[said.end() :],
    )  # fmt: skip
    return "；".join(part for part in parts if part)


def entry_table(account: Account, entry: ClassCostEntry) -> Table:
    """GPU-seconds by class, and money at what a GPU-hour cost in the last month that knows it."""
    currency = account.currency
    price, month = _last_price(account, entry.pool)
    rows: list[dict[str, Value]] = []
    for name in CLASSES:
        row: dict[str, Value] = {"token_class": f"{name}_tokens", "derate": entry.derate(name)}
        for which in ("value", "low", "high"):
            row[f"seconds_{which}"] = _rounded(entry.benchmark_seconds(name, which) * _MTOK)
        row["busy_seconds"] = _rounded(entry.busy_seconds(name) * _MTOK)
        for which in ("value", "low", "high"):
            cost = None if price is None else entry.busy_seconds(name, which) * _MTOK * price / 3_600
            row[f"cost_{which}"] = None if cost is None else shown(whole(cost), f"{currency}/Mtok")
        rows.append(row)
    source = _SOURCES[entry.source]
    en = f"{source.en}; {entry.gpu or 'GPU not named'}{f', {entry.pool}' if entry.pool else ''}"
    zh = f"{source.zh}；{entry.gpu or '未注明显卡'}{f'，资源池 {entry.pool}' if entry.pool else ''}"
    if entry.note:
        en, zh = f"{en}; {entry.note}", f"{zh}；{_note_in_chinese(entry.note)}"
    if price is not None:
        each = f"{float(price):,.6g}"
        en += f". Money at {each} {currency} a GPU-hour, as the fleet cost in {month}"
        zh += f"。金额按 {month} 实际每卡时 {each} {currency} 计"
    unit = f"{currency}/Mtok"
    return Table(
        "class_costs",
        Label(f"Class costs of {entry.provider}/{entry.model}", f"{entry.provider}/{entry.model} 的分类成本"),
        (
            Column("token_class", Label("Token class", "词元类别"), words=CLASS_LABELS),
            Column("seconds_value", Label("GPU-seconds per million, benchmark", "每百万词元 GPU 秒（基准）")),
            Column("seconds_low", Label("Low", "下限")),
            Column("seconds_high", Label("High", "上限")),
            Column("derate", Label("Derate", "降额"), "ratio"),
            Column("busy_seconds", Label("In production", "生产环境")),
            Column("cost_value", Label("Cost per million tokens", "每百万词元成本"), unit),
            Column("cost_low", Label("Cost, low", "成本下限"), unit),
            Column("cost_high", Label("Cost, high", "成本上限"), unit),
        ),
        tuple(rows),
        note=Label(f"{en}.", f"{zh}。"),
    )


def effect_table(before: Account, after: Account) -> Table:
    """What each own model, and idle time, bears of the fleet's cost: before, after, and the change."""
    currency = after.currency
    sides: list[dict[str, Decimal]] = []
    tokens: dict[str, int] = {}
    for account in (before, after):
        side: dict[str, Decimal] = {}
        for line in cost_by(account, "provider", "model"):
            provider, model = line.key
            if provider == IDLE or provider in account.books.settings.own_providers:
                name = IDLE if provider == IDLE else f"{provider}/{model}"
                side[name] = side.get(name, Decimal(0)) + line.fleet
                tokens[name] = line.tokens
        sides.append(side)
    names = sorted(tokens, key=lambda name: (name == IDLE, -sides[1].get(name, Decimal(0)), name))
    zero = Decimal("0.00")
    rows: list[dict[str, Value]] = []
    for name in names:
        old, new = (side.get(name, zero) for side in sides)
        rows.append(
            {"model": name, "tokens": tokens[name] or None, **_change(old, new, tokens[name], currency)}
        )
    old, new = (sum(side.values(), zero) for side in sides)
    rows.append({"model": "(total)", "tokens": sum(tokens.values()), **_change(old, new, 0, currency)})
    return Table(
        "record_effect",
        Label("Own fleet: before and after", "自有算力：登记前后"),
        (
            Column(
                "model", Label("Model", "模型"),
                words={IDLE: Label("idle fleet", "空闲算力"), "(total)": Label("Total", "合计")},
            ),
            Column("tokens", Label("Tokens", "词元"), "tokens"),
            Column("before", Label("Before", "登记前"), currency),
            Column("after", Label("After", "登记后"), currency),
            Column("change", Label("Change", "变化"), currency),
            Column("before_per_mtok", Label("Before, per million", "登记前每百万词元"), f"{currency}/Mtok"),
            Column("after_per_mtok", Label("After, per million", "登记后每百万词元"), f"{currency}/Mtok"),
        ),
        tuple(rows),
        note=Label(
            "As the ledger has it now, over all months shown; closed months are stated as they were closed.",
            "按账簿现状，为所示各月合计；已结账月份仍按结账时列报。",
        ),
        emphasis=frozenset({len(rows) - 1}),
    )  # fmt: skip


def _change(old: Decimal, new: Decimal, tokens: int, currency: str) -> dict[str, Value]:
    def per_mtok(amount: Decimal) -> Value:
        return shown(EXACT.divide(amount * _MTOK, Decimal(tokens)), f"{currency}/Mtok") if tokens else None

    return {
        "before": old, "after": new, "change": new - old,
        "before_per_mtok": per_mtok(old), "after_per_mtok": per_mtok(new),
    }  # fmt: skip


def _last_price(account: Account, pool: str) -> tuple[Fraction | None, str]:
    """What a GPU-hour cost in the last month whose hours are known, in the pool or, without it, overall."""
    for period, split in reversed(list(zip(account.buckets.periods, account.fleet_splits, strict=True))):
        works = [work for work in split.pools if work.pool == pool] or list(split.pools)
        hours = sum((work.gpu_hours for work in works), Fraction(0))
        if hours:
            return sum((work.cost for work in works), Fraction(0)) / hours, period.label
    return None, ""


def _rounded(value: Fraction) -> Decimal:
    """Four significant digits, written out: a model's seconds say no more."""
    return Decimal(f"{float(value):.4g}")
