"""Which language a person reads: `--lang`, else `BREAKEVEN_LANG`, else what the terminal is set to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

Language = Literal["en", "zh"]

_VARIABLES = ("BREAKEVEN_LANG", "LC_ALL", "LC_MESSAGES", "LANG")


def language_of(arguments: Sequence[str], environment: Mapping[str, str]) -> Language:
    """The language of a command line, known before it is parsed so that help and errors speak it too.

    >>> language_of(["income", "--lang", "zh"], {}), language_of([], {"LANG": "zh_CN.UTF-8"})
    ('zh', 'zh')
    >>> language_of(["--lang=zh", "--lang=en"], {"LC_ALL": "zh"}), language_of(["--", "--lang=zh"], {})
    ('en', 'en')
    """
    chosen = next((environment[name] for name in _VARIABLES if environment.get(name)), "en")
    for i, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument == "--lang" and i + 1 < len(arguments):
            chosen = arguments[i + 1]
        elif argument.startswith("--lang="):
            chosen = argument.removeprefix("--lang=")
    return _named(chosen)


def _named(text: str) -> Language:
    return "zh" if text.lower().startswith("zh") else "en"
