"""Requests that several sources saw, as a view: who counts first, what is left out, and each match."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from breakeven.ledger.books import Books
from breakeven.ledger.matches import Matches
from breakeven.ledger.matching import REPORT, RESPONSE_ID, RULE
from breakeven.report.view_model import Column, Envelope, Label, Table, Value, View, Warning  # noqa: A004

_TITLE = Label("One request, one row", "一次请求只计一次")
_WAYS = {
    RESPONSE_ID: Label("response id", "响应标识"),
    REPORT: Label("provider's report", "服务商报表"),
}
_STANDINGS = {
    "declared": Label("declared", "已声明"),
    "by name": Label("by name", "按名称"),
    "report": Label("only where nobody else tells", "仅在无其他来源时"),
}
_KEPT = Column("kept_source", Label("Counts", "计入"))
_LEFT = Column("source", Label("Left out", "不计"))
_TOKENS = Column("tokens", Label("Tokens", "词元"), "tokens")


def matches_view(books: Books, found: Matches, envelope: Envelope) -> View:
    """The answer of `breakeven matches`. JSON rows say in `record` what they are."""
    way = Column("way", Label("Matched by", "依据"), words=_words(books))
    standings: list[dict[str, Value]] = [
        {"place": place, "source": one.source, "standing": one.way}
        for place, one in enumerate(found.standings, 1)
    ]
    totals, listed = [_values(row) for row in found.totals], [_values(row) for row in found.listed]
    tables = (
        Table(
            "precedence",
            Label("Precedence", "优先次序"),
            (
                Column("place", Label("Place", "次序"), "count"),
                Column("source", Label("Source", "来源")),
                Column("standing", Label("Because", "理由"), words=_STANDINGS),
            ),
            tuple(standings),
            note=Label("Set in breakeven.toml under [matching].", "在 breakeven.toml 的 [matching] 中设置。"),
        ),
        Table(
            "totals",
            Label("Left out", "不计的行"),
            (
                _KEPT,
                _LEFT,
                way,
                Column("rows", Label("Rows", "行数"), "count"),
                Column("requests", Label("Requests", "请求数"), "requests"),
                _TOKENS,
            ),
            tuple(totals),
        ),
        Table(
            "matches",
            Label("Matches", "逐条对应"),
            (
                Column("at_utc", Label("Time (UTC)", "时间（UTC）")),
                way,
                _KEPT,
                Column("kept_source_id", Label("Its id", "其标识")),
                _LEFT,
                Column("source_id", Label("Its id", "其标识")),
                Column("seconds", Label("Seconds later", "晚（秒）"), "text"),
                _TOKENS,
            ),
            tuple(listed),
        ),
    )
    json_rows = tuple(
        {"record": record, **row}
        for record, rows in (("standing", standings), ("total", totals), ("match", listed))
        for row in rows
    )
    left = sum(int(row["rows"]) for row in found.totals)
    warnings = envelope.warnings
    if len(listed) < left:
        text = Label(
            f"{len(listed):,} of {left:,} matches are listed; --limit shows more.",
            f"共 {left:,} 条对应，仅列出 {len(listed):,} 条；用 --limit 查看更多。",
        )
        warnings = (*warnings, Warning("truncated", text))
    head = replace(envelope, warnings=warnings)
    return View("matches", _TITLE, head, tables, json_rows=json_rows)


def _words(books: Books) -> dict[str, Label]:
    """What each way is called; of a declared rule, what it says."""
    words = dict(_WAYS)
    for number, rule in enumerate(books.settings.matching.rules, 1):
        columns = ", ".join(rule.columns)
        words[f"{RULE} {number}"] = Label(
            f"rule {number}: {columns} within {rule.within_seconds} s",
            f"规则 {number}：{columns}，相差不超过 {rule.within_seconds} 秒",
        )
    return words


def _values(row: Mapping[str, Any]) -> dict[str, Value]:
    return {
        key: _seconds(value) if isinstance(value, (Decimal, float)) else value for key, value in row.items()
    }


def _seconds(value: Decimal | float) -> str:
    """Seconds without needless zeros.

    >>> _seconds(Decimal("2.500000")), _seconds(Decimal("-30.000000"))
    ('2.5', '-30')
    """
    return f"{round(Decimal(value), 3).normalize():f}"
