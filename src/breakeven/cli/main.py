"""The command `breakeven`: finds the subcommand, imports it only then, and turns failures into exit codes."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from keyword import iskeyword
from typing import Any, NamedTuple

import click

from breakeven import __version__
from breakeven.cli import failures
from breakeven.cli.bilingual import BilingualCommand, language_in, option
from breakeven.cli.language import language_of

SETTINGS_FILE = "breakeven.toml"


class Summary(NamedTuple):
    """What a subcommand does, in a line, so that the help page need not import it."""

    en: str
    zh: str


COMMANDS: dict[str, Summary] = {
    "overview": Summary("The account on one screen.", "一屏总览。"),
    "income": Summary("Income statement by month.", "按月损益表。"),
    "channels": Summary("What each channel costs and brings.", "各渠道的花费与回报。"),
    "cohorts": Summary("Retention and payback by cohort.", "同期群的留存与回本。"),
    "growth": Summary("What users cost to win: blended, paid, marginal.", "获客花费：综合、付费与边际。"),
    "ltv": Summary("What a user is worth after serving.", "扣除服务成本后的用户价值。"),
    "payback": Summary("When each cohort pays back, as a band.", "各同期群何时回本（区间）。"),
    "response": Summary("What more spend on a channel brings.", "渠道加投带来什么。"),
    "budget": Summary("Where the next yuan should go.", "下一笔预算投向哪里。"),
    "scorecard": Summary("How right the forecasts were.", "历次预测的准确度。"),
    "cost": Summary("What use costs, by model and user.", "按模型与用户的服务成本。"),
    "serving": Summary(
        "What a token costs on GPUs, and the right price.", "显卡上每个词元的成本与合理价格。"
    ),
    "cash": Summary("Cash, credits, burn and runway.", "现金、额度、消耗与可支撑月数。"),
    "rows": Summary("From a number to its source rows.", "从数字追溯到来源行。"),
    "explain": Summary("How a metric is defined and reached.", "指标的定义与由来。"),
    "check": Summary("Books against bills; exit 1 if they differ.", "账与账单核对；不符时退出码为 1。"),
    "close": Summary("Freeze a month; show or prove it later.", "结账：冻结一个月；日后查看或验证。"),
    "closings": Summary("What was closed, and what changed since.", "结账记录与其后的变化。"),
    "restate": Summary("State a closed month again.", "重述已结账的月份。"),
    "reopen": Summary("Open the last closed month again.", "重新打开最后结账的月份。"),
    "report": Summary("The account as one HTML file.", "生成单个 HTML 报告。"),
    "export": Summary("Workbook, journal, FOCUS, CSV, Parquet.", "导出工作簿、分录、FOCUS 与数据文件。"),
    "init": Summary("Start new books in a folder.", "在文件夹中新建账簿。"),
    "import": Summary("Import files; twice is once.", "导入文件；重复导入只算一次。"),
    "collect": Summary("Take usage over HTTP and book it.", "通过 HTTP 接收用量并入账。"),
    "log": Summary("What was imported, and when.", "导入记录。"),
    "undo": Summary("Take one batch out again.", "撤销一个批次。"),
    "forget": Summary("Take a person out for good.", "永久移除一个人。"),
    "matches": Summary("Requests that several sources saw.", "多个来源看到的同一请求。"),
    "quarantine": Summary("Rows that could not be booked, and why.", "未能入账的行及原因。"),
    "sources": Summary("Systems whose files can be read.", "可读取的数据源。"),
    "prices": Summary("Show, compare and check prices.", "查看、比较与检查价目。"),
    "generate": Summary("Write a synthetic company's books.", "生成合成公司的账簿。"),
    "demo": Summary("Build the demo books and report.", "生成示例账簿与报告。"),
}
"""In the order of `--help`: views first, then what feeds them."""


def target_of(name: str) -> str:
    """Where a subcommand lives, as `module:attribute`: both bear its name, spelt so that Python takes it.

    >>> target_of("income"), target_of("import")
    ('breakeven.cli.income:income', 'breakeven.cli.import_:import_')
    """
    spelt = f"{name}_" if iskeyword(name) else name
    return f"breakeven.cli.{spelt}:{spelt}"


_HELP = """Books for an LLM product: what growth, use and money cost, and whether it pays.

BOOKS is the folder that `breakeven init` made. `breakeven BOOKS` alone shows the overview."""
_HELP_ZH = """LLM 产品的账簿：增长、使用与资金各花多少，最终是否划算。
BOOKS 是 `breakeven init` 建立的文件夹。只写 `breakeven BOOKS` 即显示总览。"""


class BreakevenGroup(BilingualCommand, click.Group):
    """Subcommands by name, imported when they run; without one, the overview."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All names, in the order of the help page."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one subcommand."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = target_of(cmd_name).partition(":")
        return getattr(import_module(module), attribute)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; put `overview` in where none names a subcommand."""
        return super().parse_args(ctx, with_overview(args))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand, or say which names are near."""
        name = str(args[0])
        if name not in COMMANDS and not ctx.resilient_parsing:
            raise click.UsageError(_no_such_command(name, ctx), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of subcommands, without importing any."""
        chinese = language_in(ctx) == "zh"
        with formatter.section("Commands"):
            formatter.write_dl([(name, said.zh if chinese else said.en) for name, said in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Names for the shell, without importing any subcommand."""
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=said.zh if language_in(ctx) == "zh" else said.en)
            for name, said in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand. A closed pipe is no failure of the books, so it gets a code of its own."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _forget_output()
            raise click.exceptions.Exit(failures.PIPE_CLOSED) from None
        except SystemExit as leaving:  # how rich answers a closed pipe, with the code of a failed check
            if not isinstance(leaving.__context__, BrokenPipeError):
                raise
            _forget_output()
            raise click.exceptions.Exit(failures.PIPE_CLOSED) from None
        return result


def with_overview(arguments: list[str]) -> list[str]:
    """Command lines that name books, or only options of a view, mean the overview.

    >>> with_overview(["--lang", "zh", "income"]), with_overview(["--json"])
    (['--lang', 'zh', 'income'], ['overview', '--json'])
    """
    first = 0
    while first < len(arguments):
        word = arguments[first]
        if word in ("--help", "--version"):
            return arguments
        if word == "--lang":
            first += 2
        elif word.startswith("--lang="):
            first += 1
        else:
            break
    from pathlib import Path  # a tenth of the start-up time, and the help page needs none of it

    rest = arguments[first:]
    if rest:
        is_overview = rest[0].startswith("-") or (rest[0] not in COMMANDS and Path(rest[0]).is_dir())
    else:
        here = Path.cwd()
        is_overview = any((folder / SETTINGS_FILE).is_file() for folder in (here, *here.parents))
    return [*arguments[:first], "overview", *rest] if is_overview else arguments


def _no_such_command(name: str, context: click.Context) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, 2)
    if language_in(context) == "zh":
        return f"没有命令或账簿 {name!r}" + (f"，是否想用 {'、'.join(near)}？" if near else "")
    return f"no command and no books {name!r}" + (f"; did you mean {' or '.join(near)}?" if near else "")


@click.group(
    "breakeven",
    cls=BreakevenGroup,
    help=_HELP,
    zh=_HELP_ZH,
    invoke_without_command=True,
    context_settings={"max_content_width": 100},
)
@option(
    "--lang",
    type=click.Choice(["en", "zh"]),
    en="Language of everything that people read.",
    zh="界面语言。",
    expose_value=False,
)
@option("--version", is_flag=True, en="Show the version and exit.", zh="显示版本并退出。")
@click.pass_context
def cli(context: click.Context, version: bool) -> None:
    """What runs before every subcommand."""
    if version:
        click.echo(f"breakeven {__version__}")
        context.exit()
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: list[str] | None = None) -> int:
    """Run a command line, that of this process unless told otherwise; returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that cannot show Chinese gets escapes (which JSON reads back), not a crash.
            stream.reconfigure(errors="backslashreplace")  # pyright: ignore[reportAttributeAccessIssue]
    language = language_of(arguments, os.environ)
    try:
        code = cli.main(arguments, prog_name="breakeven", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        return failures.interrupted(language)
    except Exception as error:  # the last place that can turn a failure into words
        return failures.report(error, language)
    return code if isinstance(code, int) else 0


def _forget_output() -> None:
    """Nobody reads standard output any more; let the interpreter's last flush go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
