"""Fill the generated blocks of the reference pages from the code: metrics, tables, options of commands.

    python docs/generate.py            write the pages
    python docs/generate.py --check    only say which differ; exit 1 when one does

A block stands between `<!-- metrics income -->`, `<!-- table usage -->` or `<!-- options prices show -->` and
`<!-- end -->`; what stands around it is written by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import yaml

from breakeven.account.catalogue import METRICS, MONEY, Metric
from breakeven.account.metrics import formula
from breakeven.cli.bilingual import BilingualOption
from breakeven.cli.main import COMMANDS, cli
from breakeven.ledger.tables import TABLES, Column
from breakeven.report.numbers import unit_label
from breakeven.report.view_model import Label, Language

DOCS = Path(__file__).parent
PAGES: dict[str, Language] = {
    "metrics.md": "en",
    "metrics.zh.md": "zh",
    "tables.md": "en",
    "tables.zh.md": "zh",
    "reference/commands.md": "en",
    "reference/commands.zh.md": "zh",
}
BLOCK = re.compile(r"(<!-- (metrics|table|options) ([a-z_ -]+) -->\n).*?(<!-- end -->)", re.DOTALL)

SECTIONS = {
    "income": "subscription_revenue",
    "use": "requests",
    "growth": "new_users",
    "money": "payers",
    "retention": "day1_exposed",
}
"""Sections of the catalogue, each with its first metric."""
METRIC_HEAD = (
    Label("id", "id"),
    Label("name", "名称"),
    Label("unit", "单位"),
    Label("", ""),
    Label("meaning", "含义"),
    Label("formula, or tables", "算式或数据表"),
)
BETTER = {"up": "↑", "down": "↓", "neither": ""}

TABLE_HEAD = (Label("column", "列"), Label("kind", "类型"), Label("", ""), Label("meaning", "含义"))
KINDS = {
    "text": Label("text", "文本"),
    "timestamp": Label("timestamp", "时间"),
    "day": Label("day", "日期"),
    "money": Label("money", "金额"),
    "number": Label("number", "数字"),
    "count": Label("count", "计数"),
    "currency": Label("currency", "货币"),
    "choice": Label("one of", "选项"),
    "flag": Label("flag", "是否"),
}

OPTION_HEAD = (Label("option", "选项"), Label("meaning", "含义"))
SHARED = {
    "view": (
        *("period", "currency", "as_of", "known_at", "engine"),
        *("channel", "cohort", "model", "product", "provider"),
    ),
    "output": ("as_json", "as_csv", "no_bom", "ascii_only", "lang"),
}
"""Options that many commands take, by the names of their parameters; a block of their own shows them once."""
SHARED_LINKS = {
    "view": Label("[view options](#view-options)", "[视图选项](#视图选项)"),
    "output": Label("[output options](#output-options)", "[输出选项](#输出选项)"),
}

VALUE_WORDS = {
    "INTEGER": "N",
    "INTEGER RANGE": "N",
    "FLOAT RANGE": "N",
    "[%Y-%m-%d]": "DAY",
    "TEXT": "NAME",
    "DIRECTORY": "FOLDER",
}
"""What click calls values whose option names none, in the words of the pages."""


def filled(page: str, language: Language) -> str:
    """A page's text with its blocks written anew."""
    makers = {"metrics": metrics_block, "table": table_block, "options": options_block}

    def block(found: re.Match[str]) -> str:
        return f"{found[1]}{makers[found[2]](found[3], language)}{found[4]}"

    return BLOCK.sub(block, page)


def markdown(head: Iterable[Label], rows: Iterable[Iterable[str]], language: Language) -> str:
    """A Markdown table."""
    titles = [label.text(language) for label in head]
    lines = [titles, ["---"] * len(titles), *rows]
    escaped = [[cell.replace("|", r"\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in escaped)


# --- Metrics ----------------------------------------------------------------------------------------


def metrics_block(section: str, language: Language) -> str:
    """The metrics of one section of the catalogue."""
    rows = (metric_row(METRICS[name], language) for name in metrics_of(section))
    return markdown(METRIC_HEAD, rows, language)


def metrics_of(section: str) -> list[str]:
    """The ids from a section's first metric up to the next section's."""
    ids, starts = [*METRICS], [*SECTIONS.values()]
    following = starts[starts.index(SECTIONS[section]) + 1 :]
    end = ids.index(following[0]) if following else len(ids)
    return ids[ids.index(SECTIONS[section]) : end]


def metric_row(metric: Metric, language: Language) -> tuple[str, ...]:
    """One metric as a row of the page."""
    words = Label(metric.words_en, metric.words_zh).text(language)
    if metric.origin:
        words += Label(f" ({metric.origin})", f"（{metric.origin}）").text(language)
    how = f"`{formula(metric.node)}`" if metric.node else ", ".join(f"`{name}`" for name in metric.tables)
    marks = BETTER[metric.better] + ("" if metric.additive else "†")
    name = Label(metric.en, metric.zh).text(language)
    return f"`{metric.id}`", name, metric_unit(metric.unit, language), marks, words, how


def metric_unit(unit: str, language: Language) -> str:
    """A unit in words, money being the statement's currency.

    >>> metric_unit("money/Mtok", "en"), metric_unit("money/user", "zh")
    ('money per million tokens', '金额/用户')
    """
    head, _, per = unit.partition("/")
    words = Label("money", "金额").text(language) if head == MONEY else unit_label(head, language)
    if per:
        words += Label(" per ", "/").text(language) + unit_label(per, language)
    return words


# --- Tables -----------------------------------------------------------------------------------------


def table_block(name: str, language: Language) -> str:
    """The columns of a table, and what puts a row into quarantine."""
    words = yaml.safe_load((DOCS / "tables.yaml").read_text("utf-8"))
    table = TABLES[name]
    meanings = {
        column.name: Label(*(words["columns"].get(f"{name}.{column.name}") or words["columns"][column.name]))
        for column in table.columns
    }
    rows = (column_row(column, meanings[column.name], language) for column in table.columns)
    text = markdown(TABLE_HEAD, rows, language)
    for _, field, reason, remedy in table.rules:
        said = Label(f"{reason} ({remedy})", words["reasons"][reason]).text(language)
        text += Label(f"\nQuarantined, `{field}`: {said}.\n", f"\n进入隔离区，`{field}`：{said}。\n").text(
            language
        )
    return text


def column_row(column: Column, meaning: Label, language: Language) -> tuple[str, ...]:
    """One column as a row of the page."""
    said = [meaning.text(language)]
    if column.choices:
        said.append(", ".join(f"`{choice}`" for choice in column.choices))
    if column.default is not None:
        said.append(Label(f"default {column.default}", f"默认 {column.default}").text(language))
    if column.past:
        said.append(Label("not in the future", "不能在未来").text(language))
    must = Label("required", "必填").text(language) if column.required else ""
    text = Label("; ", "；").text(language).join(said)
    return f"`{column.name}`", KINDS[column.kind].text(language), must, text


# --- Commands ---------------------------------------------------------------------------------------


def options_block(name: str, language: Language) -> str:
    """What a command takes (`prices show`), or the options that many share (`view`, `output`)."""
    if name in SHARED:
        options = {option.name: option for option in options_of(command_named("income"))}
        return option_table((options[each] for each in SHARED[name]), language)
    command = command_named(name)
    options = options_of(command)
    names = {option.name for option in options}
    shared = [key for key, members in SHARED.items() if names >= set(members)]
    own = [option for option in options if not any(option.name in SHARED[key] for key in shared)]
    parts = [f"    breakeven {name} {usage_of(command)}\n", help_of(command, language) + "\n"]
    if own:
        parts.append(option_table(own, language))
    if shared:
        links = Label(", ", "、").text(language).join(SHARED_LINKS[key].text(language) for key in shared)
        parts.append(Label(f"Also: {links}.\n", f"另有：{links}。\n").text(language))
    return "\n".join(parts)


def command_named(name: str) -> click.Command:
    """The command of that name, or the one within a group: `prices show`. Raises `KeyError`."""
    command: click.Command = cli
    for word in name.split():
        found = command.get_command(click.Context(cli), word) if isinstance(command, click.Group) else None
        if found is None:
            raise KeyError(f"no command {name!r}")
        command = found
    return command


def command_names() -> Iterator[str]:
    """All commands in the order of the help page, those within a group by both names."""
    for name in COMMANDS:
        command = command_named(name)
        if isinstance(command, click.Group):
            yield from (f"{name} {each}" for each in command.list_commands(click.Context(command)))
        else:
            yield name


def options_of(command: click.Command) -> list[click.Option]:
    """The options of a command, without `--help`."""
    return [each for each in command.params if isinstance(each, click.Option)]


def usage_of(command: click.Command) -> str:
    """Options and arguments as the help page writes them."""
    context = click.Context(command)
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    return " ".join(["[OPTIONS]", *(argument.make_metavar(context) for argument in arguments)])


def help_of(command: click.Command, language: Language) -> str:
    """What a command does, one line per paragraph."""
    text = getattr(command, "help_zh", "") if language == "zh" else command.help or ""
    joint = "" if language == "zh" else " "
    return "\n\n".join(joint.join(part.split("\n")) for part in text.split("\n\n"))


def option_table(options: Iterable[click.Option], language: Language) -> str:
    """Options and what they mean."""
    rows = ((option_usage(option), option_help(option, language)) for option in options)
    return markdown(OPTION_HEAD, rows, language)


def option_usage(option: click.Option) -> str:
    """An option as it is written on a command line."""
    names = ", ".join([*option.opts, *option.secondary_opts])
    if option.is_flag:
        return f"`{names}`"
    value = option.make_metavar(click.Context(click.Command(None)))
    return f"`{names} {option.metavar or VALUE_WORDS.get(value, value)}`"


def option_help(option: click.Option, language: Language) -> str:
    """What an option means, with its default."""
    is_chinese = isinstance(option, BilingualOption) and language == "zh"
    said = option.help_zh if is_chinese else option.help or ""
    if option.show_default and option.default is not None:
        said += Label(f" Default: `{option.default}`.", f"默认：`{option.default}`。").text(language)
    return said


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` say which differ."""
    code = 0
    for name, language in PAGES.items():
        path = DOCS / name
        text = filled(path.read_text("utf-8"), language)
        if text == path.read_text("utf-8"):
            continue
        print(path)
        if "--check" in arguments:
            code = 1
        else:
            path.write_text(text, "utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
