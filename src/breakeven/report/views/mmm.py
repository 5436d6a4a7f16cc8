"""What went to a media mix model elsewhere, and what came back from it as curves."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from breakeven.account.account import Account
from breakeven.errors import InputError, UsageError
from breakeven.growth.interval import LEVEL
from breakeven.growth.response.books_response import books_channels, observed_channels, series_of
from breakeven.growth.response.curve import ResponseCurve
from breakeven.growth.response.mmm_layout import Layout, layout_of, read_posterior, write_layout
from breakeven.growth.response.observed import Grain
from breakeven.report.view_model import Column, Envelope, Label, Table, Value, View
from breakeven.report.views.parts import envelope
from breakeven.report.views.response import curve_table, modelled, point_table, refuse_unknown

COUNTED = {"bought": Label("bought new users", "投放新增用户"), "all": Label("all new users", "全部新增用户")}
_NOTE = Label(
    f"As fitted elsewhere; bounds hold {LEVEL:.0%} of its draws. "
    "Nothing here says whether its data determine it.",
    f"按外部拟合结果；区间覆盖其抽样的 {LEVEL:.0%}。此处不判断其数据是否足以确定曲线。",
)


def exported_view(
    account: Account,
    out: Path,
    *,
    grain: Grain | None = None,
    saturation: str = "hill",
    only: tuple[str, ...] = (),
) -> View:
    """Write data and layout; the view says which column is which. Raises `InputError` without any spend."""
    account.facts  # noqa: B018
    refuse_unknown(account, only)
    series = series_of(account, grain)
    channels = [one for one in observed_channels(account, grain) if not only or one.channel in only]
    if not channels:
        raise InputError(
            "no channel of the books has any spend to export",
            where=str(account.books.folder),
            remedy="import ad_spend and acquisitions that cover whole weeks or months",
        )
    outcome = np.sum([one.users for one in channels], axis=0)
    if not np.nanmax(outcome, initial=0.0) > 0:
        raise InputError(
            "the channels brought no users to export",
            where=str(account.books.folder),
            remedy="import acquisitions of the same weeks or months",
        )
    layout = layout_of(channels, outcome, account.currency, saturation)
    firsts = [period.first for period in series.periods]
    try:
        count = write_layout(out, layout, firsts, channels, outcome)
    except OSError as error:
        raise UsageError("the file cannot be written", where=str(out), cause=str(error)) from error
    rows: tuple[dict[str, Value], ...] = (
        *(
            {"column": column, "holds": channel, "users_in_y": layout.counted[channel]}
            for channel, column in layout.columns.items()
        ),
    )
    words = {"date": Label("first day of the period", "该期首日")}
    words["y"] = Label(
        "new users of the channels below, as counted there", "下列渠道的新增用户，按各渠道所注口径计数"
    )
    words["t"] = Label("number of the period", "期序号")
    fixed: tuple[dict[str, Value], ...] = tuple({"column": name, "holds": name} for name in words)
    table = Table(
        "columns",
        Label(f"Columns of {out.name}: {count} periods", f"{out.name} 的列：{count} 期"),
        (
            Column("column", Label("Column", "列")),
            Column("holds", Label("Holds", "内容"), words=words),
            Column("users_in_y", Label("Users in y", "计入 y 的用户"), words=COUNTED),
        ),
        (*fixed, *rows),
        note=_outcome(sorted(set(books_channels(account)) - set(layout.columns))),
    )
    head = envelope(account, needs=("ad_spend", "acquisitions"))
    facts: dict[str, Value] = {
        "data": str(out), "layout": str(out.with_suffix(".json")), "periods": count,
    }  # fmt: skip
    return View("export-mmm", Label("Exported", "已导出"), head, (table,), facts=facts)


def _outcome(left_out: list[str]) -> Label:
    """What y counts, and whose users it does not."""
    en = "y is the sum over these channels: a channel's bought users, or all where none of its are bought."
    zh = "y 为这些渠道之和；渠道有投放用户时只计投放用户，否则计全部用户。"
    if left_out:
        en += f" Not in y: users of {', '.join(left_out)} (no spend, or not asked for)."
        zh += f"未计入 y：{'、'.join(left_out)} 的用户（无支出或未选）。"
    return Label(en, zh)


def posterior_view(posterior: Path, layout_file: Path, *, points: bool = False) -> View:
    """The curves of a posterior fitted elsewhere. Raises `InputError` for files that do not read."""
    layout = Layout.read(layout_file)
    curves = read_posterior(posterior, layout)
    tables = [curve_table(curves, layout.currency, note=_NOTE), _draws_table(curves)]
    if points:
        tables.append(point_table(curves, layout.currency))
    changed = datetime.fromtimestamp(posterior.stat().st_mtime, UTC)
    head = Envelope(
        books=posterior.stem, as_of=f"{changed:%Y-%m-%dT%H:%M:%SZ}", time_zone="UTC", currency=layout.currency
    )
    return View(
        "read-mmm",
        Label("Response, from a media mix model", "投放响应（来自营销组合模型）"),
        head,
        tuple(tables),
    )


def _draws_table(curves: list[ResponseCurve]) -> Table:
    rows: tuple[dict[str, Value], ...] = tuple(
        {
            "channel": curve.channel,
            "draws": len(curve.ceiling),
            "ceiling": modelled(float(np.median(curve.ceiling)), "users"),
        }
        for curve in curves
    )
    return Table(
        "draws",
        Label("Read", "已读取"),
        (
            Column("channel", Label("Channel", "渠道")),
            Column("draws", Label("Draws", "抽样数"), "count"),
            Column("ceiling", Label("Ceiling (users)", "上限（用户）"), "users"),
        ),
        rows,
    )
