"""Click commands and options whose help exists in English and in Chinese."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from breakeven.cli.language import Language, language_of

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])
_LANGUAGE = "breakeven.language"
_HELP_OPTION_ZH = "显示本说明并退出。"
_HEADINGS_ZH = {"Options": "选项", "Commands": "命令", "Arguments": "参数"}
_REMARKS_ZH = {"default: ": "默认：", "env var: ": "环境变量：", "required]": "必填]"}


def language_in(context: click.Context) -> Language:
    """The language of a running command."""
    chosen: Language | None = context.meta.get(_LANGUAGE)
    return chosen or language_of((), os.environ)


class BilingualOption(click.Option):
    """An option with its help in Chinese beside the English one."""

    def __init__(self, *declarations: Any, zh: str, **settings: Any) -> None:
        super().__init__(*declarations, **settings)
        self.help_zh = zh


class BilingualCommand(click.Command):
    """A command with its help in Chinese beside the English one."""

    def __init__(self, *arguments: Any, zh: str, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.help_zh = zh

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Note the language before anything can ask for help or fail."""
        ctx.meta.setdefault(_LANGUAGE, language_of(args, os.environ))
        return super().parse_args(ctx, args)

    def get_help(self, ctx: click.Context) -> str:
        """The help page in the language of the command."""
        if language_in(ctx) == "en":
            return super().get_help(ctx)
        formatter = _ChineseFormatter(width=ctx.terminal_width, max_width=ctx.max_content_width)
        self.format_help(ctx, formatter)
        return formatter.getvalue().rstrip("\n")

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What the command does."""
        if language_in(ctx) == "en":
            super().format_help_text(ctx, formatter)
            return
        formatter.write_paragraph()
        with formatter.indentation():
            for line in self.help_zh.splitlines():
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What each option does."""
        with _chinese_options(self, ctx):
            super().format_options(ctx, formatter)


class BilingualGroup(BilingualCommand, click.Group):
    """A command of subcommands, whose list is in the language of the command too."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The subcommands, each with the first line of its help."""
        rows = [(name, _first_line(each, language_in(ctx))) for name, each in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class _ChineseFormatter(click.HelpFormatter):
    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix or "用法：")

    def write_heading(self, heading: str) -> None:
        super().write_heading(_HEADINGS_ZH.get(heading, heading))

    def write_dl(self, rows: Any, *arguments: Any, **settings: Any) -> None:
        translated = [(name, _remarks_zh(text)) for name, text in rows]
        super().write_dl(translated, *arguments, **settings)


def _remarks_zh(text: str) -> str:
    for english, chinese in _REMARKS_ZH.items():
        text = text.replace(english, chinese)
    return text


def _first_line(command: click.Command, language: Language) -> str:
    chosen = command.help_zh if language == "zh" and isinstance(command, BilingualCommand) else command.help
    return (chosen or "").partition("\n")[0]


@contextmanager
def _chinese_options(command: click.Command, context: click.Context) -> Generator[None]:
    """While it lasts, options give their Chinese help where that is wanted."""
    options = [
        option
        for option in command.get_params(context)
        if isinstance(option, click.Option) and language_in(context) == "zh"
    ]
    english = [option.help for option in options]
    for option in options:
        option.help = option.help_zh if isinstance(option, BilingualOption) else _HELP_OPTION_ZH
    try:
        yield
    finally:
        for option, text in zip(options, english, strict=True):
            option.help = text


def command(
    name: str, *, en: str, zh: str, **settings: Any
) -> Callable[[Callable[..., Any]], BilingualCommand]:
    """Make a function a command, as `click.command` does, with help in both languages."""
    return click.command(name, cls=BilingualCommand, help=en, zh=zh, **settings)


def group(name: str, *, en: str, zh: str, **settings: Any) -> Callable[[Callable[..., Any]], BilingualGroup]:
    """Make a function a group of commands, as `click.group` does, with help in both languages."""
    return click.group(name, cls=BilingualGroup, help=en, zh=zh, **settings)


def option(*declarations: str, en: str, zh: str, **settings: Any) -> Callable[[AnyFunction], AnyFunction]:
    """Add an option, as `click.option` does, with help in both languages."""
    return click.option(*declarations, cls=BilingualOption, help=en, zh=zh, **settings)
