"""Failures as people and scripts see them: one block on standard error, one exit code, no traceback.

Exit codes: 0 ok, 1 a check failed, 2 usage, 3 bad data, 4 a source out of reach, 130 interrupted; 70 is a
defect of this program, and 141 means that nobody reads the output any more (as shells report it).
"""

from __future__ import annotations

import errno
import os
import re
import sys

import click

from breakeven import errors
from breakeven.cli.language import Language

USAGE, BAD_DATA, DEFECT, INTERRUPTED, PIPE_CLOSED = 2, 3, 70, 130, 141
DEBUG_VARIABLE = "BREAKEVEN_DEBUG"

_LONG_FIGURE = re.compile(r"\d{80,}")
"""No figure has so many digits; what was typed or read is then quoted by its ends."""
_LABELS: dict[Language, tuple[str, str, str]] = {
    "en": ("Where", "Likely cause", "Next step"),
    "zh": ("位置", "原因", "下一步"),
}
_HEADS: dict[type[Exception], tuple[str, str]] = {
    errors.CheckFailed: ("Check failed", "核对未通过"),
    click.UsageError: ("Usage error", "用法错误"),
    errors.UsageError: ("Usage error", "用法错误"),
    Exception: ("Error", "错误"),
}


def report(error: Exception, language: Language) -> int:
    """Write the block of a failure on standard error and return the exit code it stands for."""
    if os.environ.get(DEBUG_VARIABLE):
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    shown = _as_ours(error, language)
    print(block(shown, language), file=sys.stderr)
    return shown.exit_code


def block(error: errors.BreakevenError, language: Language) -> str:
    """What, where, likely cause, next step: one line each, without those that are unknown.

    >>> print(block(errors.InputError("no such file", where="a.csv", remedy="try again"), "zh"))
    错误：没有这个文件
      位置：a.csv
      下一步：请重试
    """
    colon = "：" if language == "zh" else ": "
    from breakeven.report.text import printable

    heads = next(words for kind, words in _HEADS.items() if isinstance(error, kind))
    what, cause, remedy = (_in(language, text) for text in (error.what, error.cause, error.remedy))
    lines = [f"{heads[language == 'zh']}{colon}{what}"]
    parts = (error.where, cause, remedy)
    lines += [f"  {label}{colon}{text}" for label, text in zip(_LABELS[language], parts, strict=True) if text]
    # What is said may quote a file, whose text must not drive the terminal; its lines remain lines.
    text = "\n".join(printable(line) for line in "\n".join(lines).split("\n"))
    return _LONG_FIGURE.sub(lambda found: f"{found[0][:12]}...{found[0][-12:]}", text)


def _in(language: Language, text: str) -> str:
    """A text in the reader's language; the catalogue is loaded only for Chinese."""
    if language == "en" or not text:
        return text
    from breakeven.report.phrases import chinese

    return chinese(text)


def interrupted(language: Language) -> int:
    """Say that the command was stopped; whole batches stand, half ones never do."""
    text = "已中断。已提交的批次仍然有效，没有半个批次。"
    english = "Stopped. Batches that were committed stand; there are no half ones."
    print(text if language == "zh" else english, file=sys.stderr)
    return INTERRUPTED


class _Defect(errors.BreakevenError):
    exit_code = DEFECT


def _as_ours(error: Exception, language: Language) -> errors.BreakevenError:
    """Any failure as one of ours."""
    if isinstance(error, errors.BreakevenError):
        return error
    if isinstance(error, click.ClickException):
        return _from_click(error, language)
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = (
            _pick(
                language, "make room on the disk and run the same command again", "腾出空间后重新运行同一命令"
            )
            if full
            else _pick(language, "check the path and who may write there", "检查路径及其读写权限")
        )
        return errors.BooksError(
            error.strerror or str(error), where=os.fsdecode(error.filename or ""), remedy=remedy
        )
    return _Defect(
        f"{type(error).__name__}: {error}",
        cause=_pick(language, "a defect in Breakeven, not in your data", "Breakeven 的缺陷，而非数据问题"),
        remedy=_pick(
            language,
            f"run again with {DEBUG_VARIABLE}=1 and report what it prints",
            f"设置 {DEBUG_VARIABLE}=1 重新运行，并反馈其输出",
        ),
    )


def _from_click(error: click.ClickException, language: Language) -> errors.UsageError:
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context else "breakeven"
    what = error.format_message().rstrip(".") if language == "en" else _click_message_zh(error)
    return errors.UsageError(what, remedy=_pick(language, f"see `{path} --help`", f"参见 `{path} --help`"))


def _click_message_zh(error: click.ClickException) -> str:
    """Click speaks English only; its few messages in Chinese."""
    message = _in("zh", error.message)
    if isinstance(error, click.NoSuchOption):
        near = f"，是否想用 {'、'.join(error.possibilities)}？" if error.possibilities else ""
        return f"没有选项 {error.option_name}{near}"
    if isinstance(error, click.MissingParameter):
        return f"缺少 {_hint(error)}"
    if isinstance(error, click.BadParameter):
        return f"{_hint(error)} 的值无效：{_in('zh', error.message)}"
    if isinstance(error, click.BadOptionUsage):
        return f"选项 {error.option_name} 用法有误：{_in('zh', error.message)}"
    return message


def _hint(error: click.BadParameter) -> str:
    if error.param_hint:
        return error.param_hint if isinstance(error.param_hint, str) else " / ".join(error.param_hint)
    return error.param.get_error_hint(error.ctx) if error.param and error.ctx else ""


def _pick(language: Language, en: str, zh: str) -> str:
    return zh if language == "zh" else en
