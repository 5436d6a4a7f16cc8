"""Failures and reasons in Chinese: a catalogue keyed by the English text as the source writes it.

`phrases_zh.json` holds templates with numbered holes, `"unknown table {0}": "未知的表 {0}"`: under `ours`
those of this package, under `others` what click and the operating system say. A text that fits no template
is shown in English. The file is read only when somebody reads Chinese.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from breakeven.errors import BreakevenError
from breakeven.report.view_model import Label

_SYSTEM_ERROR = re.compile(r"\[Errno \d+\] ([^:]+)(: .*)?", re.DOTALL)
_HOLE = re.compile(r"\{(\d)\}")


class _Template(NamedTuple):
    """One phrase with holes: the literal pieces of the English text, and the Chinese one."""

    pieces: tuple[str, ...]
    zh: str

    def filled(self, text: str) -> str | None:
        """The Chinese text, with what stands in the holes of the English one; None when it does not fit."""
        if not (text.startswith(self.pieces[0]) and text.endswith(self.pieces[-1])):
            return None
        found = re.fullmatch("(.*?)".join(map(re.escape, self.pieces)), text, re.DOTALL)
        return found and _HOLE.sub(lambda hole: found[int(hole[1]) + 1], self.zh)


def chinese(text: str) -> str:
    """A text of this package in Chinese; as it is when the catalogue does not know it.

    >>> chinese("unknown table 'sales'"), chinese("the disk is full"), chinese("Errno 5")
    ("未知的表 'sales'", '磁盘已满', 'Errno 5')
    >>> chinese("[Errno 13] Permission denied: 'a.csv'")
    "没有权限: 'a.csv'"
    """
    whole, templates = _catalogue()
    if text in whole:
        return whole[text]
    if system := _SYSTEM_ERROR.fullmatch(text):
        return chinese(system[1]) + (system[2] or "")
    return next((filled for template in templates if (filled := template.filled(text)) is not None), text)


def both(text: str) -> Label:
    """A text of this package as a label.

    >>> both("missing")
    Label(en='missing', zh='缺失')
    """
    return Label(text, chinese(text))


def failure_in_chinese(error: BreakevenError) -> str:
    """A failure as one line, without its place: what, likely cause, next step.

    >>> failure_in_chinese(BreakevenError("no such file", where="a.csv", remedy="try again"))
    '没有这个文件。下一步：请重试。'
    """
    parts = (("", error.what), ("原因：", error.cause), ("下一步：", error.remedy))
    return "".join(head + _sentence(chinese(text)) for head, text in parts if text)


def _sentence(text: str) -> str:
    return text if text.endswith("？") else f"{text.rstrip('.。')}。"


@cache
def _catalogue() -> tuple[dict[str, str], tuple[_Template, ...]]:
    """Whole texts, and templates with the most literal text first: of two that fit, the closer one counts."""
    import json
    from pathlib import Path

    raw: dict[str, dict[str, str]] = json.loads(
        Path(__file__).with_name("phrases_zh.json").read_text("utf-8")
    )
    phrases = raw["others"] | raw["ours"]
    whole = {en: zh for en, zh in phrases.items() if not _HOLE.search(en)}
    templates = [_Template(tuple(_HOLE.split(en)[::2]), zh) for en, zh in phrases.items() if en not in whole]
    return whole, tuple(sorted(templates, key=lambda template: -sum(map(len, template.pieces))))
