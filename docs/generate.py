"""Write the reference pages from the code: metrics, tables, and the options of each command.

    python docs/generate.py            write the pages
    python docs/generate.py --check    exit 1 when a committed page differs

`docs/reference/commands*.md` are written by hand around generated blocks; the other pages are generated whole.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import yaml

from breakeven.account.catalogue import METRICS, MONEY, Metric
from breakeven.account.metrics import formula
from breakeven.cli.bilingual import BilingualOption
from breakeven.cli.main import COMMANDS, cli
from breakeven.ledger.tables import TABLES, Column, LedgerTable
from breakeven.report.numbers import unit_label
from breakeven.report.view_model import Language

DOCS = Path(__file__).parent
LANGUAGES: tuple[Language, ...] = ("en", "zh")
WORDS = yaml.safe_load((DOCS / "tables.yaml").read_text("utf-8"))
OPTIONS_BLOCK = re.compile(r"(<!-- options (?P<name>[a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)

SECTIONS = {
    "subscription_revenue": ("Income", "损益"),
    "requests": ("Use", "使用"),
    "new_users": ("Growth", "增长"),
    "payers": ("Money", "资金"),
    "day1_exposed": ("Retention", "留存"),
}
"""Headings of the metric page, each before the metric it names."""

METRICS_HEAD = {
    "en": """# Metrics

[中文](metrics.zh.md)

Every number that the books state, by its id. `breakeven explain BOOKS ID` shows one with its inputs, and
`breakeven rows BOOKS ID` the ledger rows behind it. This page is written by `docs/generate.py` from
`src/breakeven/account/catalogue.py`.

A *measure* is summed from tables; the last column names them. Every other metric is a formula over measures. Money is
summed exactly per month and posted once to the minor unit; totals are sums of posted amounts. A metric has no value where
a table that it needs covers nothing of the month, or where its denominator is zero; it is then shown as –, never as 0.
↑ means that more is better, ↓ that less is; † that months do not add up.
""",
    "zh": """# 指标

[English](metrics.md)

账簿给出的每个数字及其 id。`breakeven explain BOOKS ID` 显示定义与全部输入，`breakeven rows BOOKS ID` 显示背后的账簿行。
本页由 `docs/generate.py` 根据 `src/breakeven/account/catalogue.py` 生成。

“度量”由数据表汇总而来，最后一列写明用到的表；其余指标都是度量的算式。金额按月精确求和，只在最后入账到最小货币单位一次，
合计是已入账金额之和。所需的表在当月没有数据，或分母为零时，指标没有数值，显示为 –，绝不显示为 0。
↑ 表示越高越好，↓ 表示越低越好；† 表示各月不能相加。
""",
}
METRICS_TAIL = {
    "en": """## Figures of single views

These depend on a split and are no metrics of a month.

| figure | view | meaning |
|---|---|---|
| marginal CAC | `channels` | change in spend over change in paid new users against the month before; no value where they did not grow |
| active share, revenue, serving cost, contribution by age | `cohorts` | of the users acquired in a month, in the month itself (M+0) and those after it |
| contribution so far | `cohorts` | revenue of the cohort less payment fees and serving cost, over all months measured |
| paid back | `cohorts` | contribution so far over what the cohort cost to win |
| payback | `cohorts` | the month in which contribution reached what the cohort cost; no value when it has not |
| loss-making users | `cost` | users whose serving cost of the month exceeds the revenue recognised for them |
| cost share of the heaviest 1 % and 10 % | `cost` | their serving cost over that of all users |
""",
    "zh": """## 个别视图中的数字

这些数字取决于拆分方式，不是某个月的指标。

| 数字 | 视图 | 含义 |
|---|---|---|
| 边际获客成本 | `channels` | 与上月相比，支出的变化除以投放新增的变化；没有增长则没有数值 |
| 按月龄的活跃比例、收入、推理成本、贡献 | `cohorts` | 某月获得的用户，在当月（第 0 月）及以后各月 |
| 累计贡献 | `cohorts` | 已有数据的各月里，该同期群的收入减支付手续费与推理成本 |
| 已回本 | `cohorts` | 累计贡献除以该同期群的获客支出 |
| 回本月数 | `cohorts` | 累计贡献达到获客支出的月份；尚未达到则没有数值 |
| 亏损用户 | `cost` | 当月推理成本超过为其确认的收入的用户 |
| 最重度 1% 与 10% 用户的成本占比 | `cost` | 他们的推理成本占全部用户的比例 |
""",
}
METRIC_COLUMNS = {
    "en": ("id", "name", "unit", "", "meaning", "formula, or tables"),
    "zh": ("id", "名称", "单位", "", "含义", "算式或数据表"),
}
BETTER = {"up": "↑", "down": "↓", "neither": ""}

TABLES_HEAD = {
    "en": """# Tables

[中文](tables.zh.md)

The eight tables of the ledger are Delta Lake tables in the folder of the books. This page is written by
`docs/generate.py` from `src/breakeven/ledger/tables.py`.

A file for import needs `source_id` and the columns marked *required*, in any order. `source_id` names the row within its
source and stays the same when the row is exported again. A column that the file does not have takes its default; an
empty cell in a column that exists stays empty. Ends are exclusive.

The ledger adds to every row: `source`, `batch_id`, `version` (1, or higher when a later file said something else under
the same id), and in tables that grow with time `day`, the day in the books' time zone, by which files are cut.

| kind | is written as |
|---|---|
| timestamp | `2024-08-01T09:00:00+08:00`; without an offset only with a stated time zone; kept in UTC |
| day | `2024-08-01` |
| money, number | decimal, up to 9 places; `,` as a thousands separator is refused |
| count | whole number |
| flag | `true` or `false`, `1` or `0` |
| currency | ISO 4217 code |
""",
    "zh": """# 数据表

[English](tables.md)

账簿的八张表是账簿文件夹中的 Delta Lake 表。本页由 `docs/generate.py` 根据 `src/breakeven/ledger/tables.py` 生成。

导入文件需要 `source_id` 和标明“必填”的列，顺序不限。`source_id` 是该行在其来源内的标识，再次导出时保持不变。
文件没有的列取默认值；列存在而单元格为空，则保持为空。结束时间和日期都不含当刻、当日。

账簿给每行加上：`source`、`batch_id`、`version`（1；同一标识后来内容不同则更高），随时间增长的表还有 `day`，
即账簿时区的日期，文件按它分开存放。

| 类型 | 写法 |
|---|---|
| 时间 | `2024-08-01T09:00:00+08:00`；不写时区的，须另行说明时区；以 UTC 保存 |
| 日期 | `2024-08-01` |
| 金额、数字 | 十进制，至多 9 位小数；不接受千位分隔符 `,` |
| 计数 | 整数 |
| 是否 | `true` 或 `false`，`1` 或 `0` |
| 货币 | ISO 4217 代码 |
""",
}
KINDS = {
    "text": ("text", "文本"),
    "timestamp": ("timestamp", "时间"),
    "day": ("day", "日期"),
    "money": ("money", "金额"),
    "number": ("number", "数字"),
    "count": ("count", "计数"),
    "currency": ("currency", "货币"),
    "choice": ("one of", "选项"),
    "flag": ("flag", "是否"),
}
TABLE_COLUMNS = {"en": ("column", "kind", "", "meaning"), "zh": ("列", "类型", "", "含义")}
OPTION_COLUMNS = {"en": ("option", "meaning"), "zh": ("选项", "含义")}

COMMON = {
    "output": ("as_json", "as_csv", "no_bom", "ascii_only", "lang"),
    "view": ("period", "currency", "as_of", "engine", "channel", "cohort", "model", "product", "provider"),
}
"""Options that commands share, documented once: names of the parameters."""
COMMON_SAID = {
    "output": ("output options", "输出选项", "#output-options", "#输出选项"),
    "view": ("view options", "视图选项", "#view-options", "#视图选项"),
}


def chinese(language: Language) -> int:
    """Which of two words, English first."""
    return int(language == "zh")


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


# --- Metrics ----------------------------------------------------------------------------------------


def metrics_page(language: Language) -> str:
    """The whole metric reference."""
    parts = [METRICS_HEAD[language]]
    starts = [*SECTIONS]
    ids = [*METRICS]
    ends = [ids.index(start) for start in starts[1:]] + [len(ids)]
    for start, end in zip(starts, ends, strict=True):
        chosen = [METRICS[name] for name in ids[ids.index(start) : end]]
        heading = SECTIONS[start][chinese(language)]
        rows = [metric_row(metric, language) for metric in chosen]
        parts.append(f"## {heading}\n\n{table(METRIC_COLUMNS[language], rows)}")
    parts.append(METRICS_TAIL[language])
    return "\n".join(parts)


def metric_row(metric: Metric, language: Language) -> tuple[str, ...]:
    """One metric as a row of the page."""
    words = metric.words_zh if language == "zh" else metric.words_en
    origin = {"en": f" ({metric.origin})", "zh": f"（{metric.origin}）"}[language] if metric.origin else ""
    how = f"`{formula(metric.node)}`" if metric.node else ", ".join(f"`{name}`" for name in metric.tables)
    marks = BETTER[metric.better] + ("" if metric.additive else "†")
    name = metric.zh if language == "zh" else metric.en
    return f"`{metric.id}`", name, metric_unit(metric.unit, language), marks, words + origin, how


def metric_unit(unit: str, language: Language) -> str:
    """A unit in words, money being the statement's currency."""
    head, _, per = unit.partition("/")
    words = ("money", "金额")[chinese(language)] if head == MONEY else unit_label(head, language) or "–"
    if not per:
        return words
    return f"{words}{(' per ', '/')[chinese(language)]}{unit_label(per, language)}"


# --- Tables -----------------------------------------------------------------------------------------


def tables_page(language: Language) -> str:
    """The whole table reference."""
    return "\n".join([TABLES_HEAD[language], *(table_section(one, language) for one in TABLES.values())])


def table_section(ledger_table: LedgerTable, language: Language) -> str:
    """One table: what a row is, its columns, and what puts a row into quarantine."""
    zh = chinese(language)
    row = WORDS["tables"][ledger_table.name][zh]
    lead = (f"One row is {row}.", f"一行是{row}。")[zh]
    rows = [column_row(ledger_table, column, language) for column in ledger_table.columns]
    text = f"## {ledger_table.name}\n\n{lead}\n\n{table(TABLE_COLUMNS[language], rows)}"
    for _, field, reason, remedy in ledger_table.rules:
        said = (f"{reason} ({remedy})", WORDS["reasons"][reason] if zh else "")[zh]
        text += ("\nQuarantined, `{}`: {}.\n", "\n进入隔离区，`{}`：{}。\n")[zh].format(field, said)
    return text


def column_row(ledger_table: LedgerTable, column: Column, language: Language) -> tuple[str, ...]:
    """One column as a row of the page."""
    zh = chinese(language)
    words = WORDS["columns"]
    meaning = words.get(f"{ledger_table.name}.{column.name}") or words[column.name]
    said = [meaning[zh]]
    if column.choices:
        said.append(", ".join(f"`{choice}`" for choice in column.choices))
    if column.default is not None:
        said.append((f"default {column.default}", f"默认 {column.default}")[zh])
    if column.past:
        said.append(("not in the future", "不能在未来")[zh])
    must = ("required", "必填")[zh] if column.required else ""
    return f"`{column.name}`", KINDS[column.kind][zh], must, ("; ", "；")[zh].join(said)


# --- Commands ---------------------------------------------------------------------------------------


def commands_page(language: Language) -> str:
    """The page of commands with its blocks of options written anew."""
    page = (DOCS / page_name("reference/commands", language)).read_text("utf-8")

    def block(found: re.Match[str]) -> str:
        return f"{found[1]}{options_block(found['name'], language)}{found[3]}"

    return OPTIONS_BLOCK.sub(block, page)


def options_block(name: str, language: Language) -> str:
    """What a command takes (`prices show`), or the options that many share (`output options`)."""
    group, _, last = name.partition(" ")
    if last == "options" and group in COMMON:
        shared = {option.name: option for option in options_of(command_named("income"))}
        return option_table([shared[each] for each in COMMON[group]], language)
    command = command_named(name)
    zh = chinese(language)
    said = getattr(command, "help_zh", "") if zh else command.help or ""
    usage = " ".join(["breakeven", name, *usage_of(command)])
    text = f"`{usage}`\n\n{unwrapped(said)}\n\n"
    options = options_of(command)
    names = {option.name for option in options}
    common = [key for key, members in COMMON.items() if names >= set(members)]
    own = [option for option in options if not any(option.name in COMMON[key] for key in common)]
    if own:
        text += option_table(own, language) + "\n"
    if common:
        links = [f"[{COMMON_SAID[key][zh]}]({COMMON_SAID[key][2 + zh]})" for key in reversed(common)]
        text += ("Also: {}.\n", "另有：{}。\n")[zh].format((", ", "、")[zh].join(links))
    return text


def command_named(name: str) -> click.Command:
    """The command, or the command within a group, of that name."""
    context = click.Context(cli)
    command: click.Command = cli
    for word in name.split():
        found = command.get_command(context, word) if isinstance(command, click.Group) else None
        if found is None:
            raise KeyError(f"no command {name!r}")
        command = found
    return command


def command_names() -> Iterator[str]:
    """All commands in the order of the help page, those within a group by both names."""
    for name in COMMANDS:
        command = command_named(name)
        if isinstance(command, click.Group):
            yield from (f"{name} {each}" for each in command.commands)
        else:
            yield name


def options_of(command: click.Command) -> list[click.Option]:
    """The options of a command, without `--help`."""
    return [each for each in command.params if isinstance(each, click.Option)]


def usage_of(command: click.Command) -> list[str]:
    """Its arguments as the help page writes them."""
    context = click.Context(command)
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    return ["[OPTIONS]", *(argument.make_metavar(context) for argument in arguments)]


def option_table(options: Iterable[click.Option], language: Language) -> str:
    """Options and what they mean."""
    return table(
        OPTION_COLUMNS[language], ((option_usage(each), option_help(each, language)) for each in options)
    )


def option_usage(option: click.Option) -> str:
    """An option as it is written on a command line."""
    names = ", ".join([*option.opts, *option.secondary_opts])
    if option.is_flag or option.count:
        return f"`{names}`"
    return f"`{names} {option.make_metavar(click.Context(click.Command(None)))}`"


def option_help(option: click.Option, language: Language) -> str:
    """What an option means, with its default."""
    said = option.help or ""
    if isinstance(option, BilingualOption) and language == "zh":
        said = option.help_zh
    if option.show_default and option.default not in (None, False):
        said += (f" Default: `{option.default}`.", f"默认：`{option.default}`。")[chinese(language)]
    return said


def unwrapped(text: str) -> str:
    """Help text with one line per paragraph."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


# --- Files ------------------------------------------------------------------------------------------


def page_name(page: str, language: Language) -> str:
    """The file of a page in a language."""
    return f"{page}.zh.md" if language == "zh" else f"{page}.md"


def pages() -> dict[Path, str]:
    """Every page that is written here, with what it must hold."""
    makers: dict[str, Any] = {
        "metrics": metrics_page,
        "tables": tables_page,
        "reference/commands": commands_page,
    }
    return {
        DOCS / page_name(page, language): make(language)
        for page, make in makers.items()
        for language in LANGUAGES
    }


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` say which differ."""
    differing = [
        path for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text
    ]
    for path in differing:
        print(path)
        if "--check" not in arguments:
            path.write_text(pages()[path], "utf-8")
    return int("--check" in arguments and bool(differing))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
