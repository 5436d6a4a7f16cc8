"""What the workbook holds, sheet by sheet, in the order in which a finance reader turns its pages."""

from __future__ import annotations

from decimal import Decimal

from breakeven import __version__
from breakeven.account.account import Account
from breakeven.account.catalogue import INCOME_LINES, METRICS
from breakeven.account.metrics import formula
from breakeven.report.handing.sheets import Block, Cell, MonthBlocks, Sheet, exact_number
from breakeven.report.handing.view_blocks import place_table
from breakeven.report.numbers import unit_label
from breakeven.report.view_model import Envelope, Label, Language, Table
from breakeven.report.views.cash import CASH_LINES
from breakeven.report.views.check import check_view
from breakeven.report.views.cost import USE_LINES, class_table, cost_table
from breakeven.report.views.growth import (
    GROWTH_LINES,
    TRIANGLES,
    channel_table,
    chosen_cohorts,
    marginal_table,
    payback_table,
    triangle_table,
)
from breakeven.report.views.overview import OVERVIEW_LINES
from breakeven.report.views.parts import envelope, unit

_NAMES = {
    "overview": Label("Overview", "总览"),
    "income": Label("Income", "损益表"),
    "channels": Label("Channels", "渠道"),
    "cohorts": Label("Cohorts", "同期群"),
    "cost": Label("Cost", "服务成本"),
    "cash": Label("Cash", "现金"),
    "check": Label("Check", "核对"),
    "inputs": Label("Inputs", "基础数据"),
    "definitions": Label("Definitions", "指标定义"),
    "notes": Label("Notes", "说明"),
}
_BY_MONTH = Label("By month", "按月")
_NEEDS = ("payments", "usage", "ad_spend", "bills", "acquisitions", "activity")
_BETTER = {
    "up": Label("higher", "越高越好"),
    "down": Label("lower", "越低越好"),
    "neither": Label("", ""),
}
_HOW_TO_READ = (
    Label(
        "An empty cell has no value: what it needs is absent, which is not zero. A note on it says why.",
        "空单元格表示没有数值：所需数据缺失，而不是零。单元格批注说明原因。",
    ),
    Label(
        "Totals, margins and ratios are formulas over the cells they are made of; the figures without a "
        "formula are measured in the books. Change one and all that depends on it follows.",
        "合计、毛利率与各种比率都是公式；没有公式的数字来自账簿计量。改动其一，相关数字随之变化。",
    ),
    Label(
        "Amounts were posted to the minor unit of the currency before they were added up.",
        "各金额先按币种最小单位入账，再相加。",
    ),
)


def workbook_sheets(account: Account, language: Language) -> tuple[list[Sheet], Envelope]:
    """Every sheet with its cells, and the head that each of them shows."""
    account.facts  # noqa: B018 - computing them notes rates and reasons that the envelope shows
    head = envelope(account, needs=_NEEDS)
    sheets = {name: Sheet(name, words) for name, words in _NAMES.items()}
    months = MonthBlocks(account, language)
    months.place(sheets["income"], "income", Label("Income statement", "损益表"), INCOME_LINES, total=True)
    for table in _growth_tables(account):
        place_table(sheets["channels"], table, language)
    months.place(sheets["channels"], "growth", _BY_MONTH, GROWTH_LINES)
    for table in _cohort_tables(account):
        place_table(sheets["cohorts"], table, language)
    months.place(sheets["cost"], "use", _BY_MONTH, USE_LINES)
    for table in (*(cost_table(account, name, {}) for name in _COST_BY), class_table(account)):
        place_table(sheets["cost"], table, language)
    months.place(sheets["cash"], "cash", _BY_MONTH, CASH_LINES)
    if account.bills:
        view, _ = check_view(account, account.books.settings.tolerance)
        for table in view.tables:
            place_table(sheets["check"], table, language)
    months.place(
        sheets["overview"], "overview", _BY_MONTH, OVERVIEW_LINES, is_home=False, compact=True
    )  # fmt: skip
    if rest := months.homeless():
        months.place(sheets["inputs"], "inputs", _BY_MONTH, rest)
    months.fill()
    _definitions(sheets["definitions"], account, language)
    sheets["notes"].lines = _notes(account, head, list(sheets.values()), language)
    return [sheet for sheet in sheets.values() if sheet.blocks or sheet.lines], head


_COST_BY = ("model", "product", "tier", "channel")


def _growth_tables(account: Account) -> list[Table]:
    found = [channel_table(account)]
    if len(account.buckets.periods) > 1:
        found.append(marginal_table(account))
    return [table for table in found if len(table.rows) > len(table.emphasis)]


def _cohort_tables(account: Account) -> list[Table]:
    found = chosen_cohorts(account)
    if not found:
        return []
    return [payback_table(account, found), *(triangle_table(account, found, what) for what in TRIANGLES)]


def _definitions(sheet: Sheet, account: Account, language: Language) -> None:
    headers = [
        Label("Id", "标识"), Label("Metric", "指标"), Label("Unit", "单位"), Label("In words", "文字定义"),
        Label("Formula", "公式"), Label("Better", "方向"), Label("Origin", "出处"),
    ]  # fmt: skip
    block = Block(
        "definitions", Label("Metric definitions", "指标定义").text(language),
        [header.text(language) for header in headers], listed=len(METRICS), label_columns=2,
    )  # fmt: skip
    sheet.place(block, len(METRICS))
    for metric in METRICS.values():
        measured = Label("measured in the books", "账簿计量").text(language)
        texts = (
            metric.id,
            metric.zh if language == "zh" else metric.en,
            unit_label(unit(metric.id, account.currency), language),
            metric.words_zh if language == "zh" else metric.words_en,
            measured if metric.node is None else formula(metric.node),
            _BETTER[metric.better].text(language),
            metric.origin,
        )
        block.rows.append([Cell(text or None) for text in texts])


def _notes(account: Account, head: Envelope, sheets: list[Sheet], language: Language) -> list[str]:
    lines = [warning.label.text(language) for warning in head.warnings]
    lines += [text.text(language) for text in _HOW_TO_READ]
    rounded = [
        f"{sheet.name.text(language)}!{block.at(at, column)}"
        for sheet in sheets
        for block in sheet.blocks
        for at, row in enumerate(block.rows)
        for column, cell in enumerate(row)
        if isinstance(cell.value, Decimal | int) and not cell.formula and not fits(cell.value)
    ]
    if rounded:
        cells = ", ".join(rounded[:10])
        lines.append(
            Label(
                f"{len(rounded)} figures have more digits than a spreadsheet holds (15); "
                f"the exact ones stand in notes on their cells: {cells}",
                f"{len(rounded)} 个数字超出电子表格的 15 位精度；精确值写在批注里：{cells}",
            ).text(language)
        )
    known = account.prices.known_at
    prices = f"{account.prices.digest[:16]}" + (f" ({known})" if known else "")
    lines.append(
        Label(
            f"Breakeven {__version__}; price book {prices}", f"Breakeven {__version__}；价目 {prices}"
        ).text(language)
    )
    return lines


def fits(value: Decimal | int) -> bool:
    """Whether a spreadsheet's fifteen digits hold a figure exactly.

    >>> fits(Decimal("776000000000.25")), fits(Decimal("1234567890123456.78"))
    (True, False)
    """
    return (
        Decimal(repr(exact_number(value))) == value
        and len(Decimal(value).normalize().as_tuple().digits) <= 15
    )
